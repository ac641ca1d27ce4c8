"""What happened to one parent order, as the execution report needs it: kept beside it, bounded in memory."""

from __future__ import annotations

from array import array
from collections import deque
from math import isnan, nan
from typing import Final, NamedTuple

from citadel_kit.types import (
    FIRST_STOP_ID,
    BookTop,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    TimeInForce,
)

PATH: Final = 1_024
"""Marks kept of the market; above it every other one goes, and from then on they come half as often."""
RESTS: Final = 2_048
"""Stretches kept to be drawn. The time spent resting and the count of reprices know all of them."""

_PLACE, _AMEND = CommandKind.PLACE.value, CommandKind.AMEND.value
_FILL = ReportKind.FILL.value
_LIVES: Final = frozenset(
    k.value for k in (ReportKind.ACK, ReportKind.FILL, ReportKind.AMENDED, ReportKind.STATE)
)
_ENDS: Final = frozenset((ReportKind.CANCELED.value, ReportKind.REJECT.value))


class Mark(NamedTuple):
    """Best bid and ask of the venue, by our book at our time; NaN where they are not known."""

    at_ns: int
    bid: float
    ask: float

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


NO_MARK: Final = Mark(0, nan, nan)


class Rested(NamedTuple):
    """One order at one price at the venue, from the report that it lives to the report that it does not."""

    order_id: int
    price: float
    from_ns: int
    until_ns: int
    """0: it still rests."""


class Trace:
    """Of one parent order on one venue. Give it every command, report and top in their order.

    Protective stops are not the parent's execution: their commands and reports are passed over. Prices are in
    any one unit; the engine's are price units.
    """

    def __init__(self) -> None:
        self.arrival = self.last = NO_MARK
        """The market as first and as last seen."""
        self.fills: list[Mark] = []
        """The market as of each booked fill, in their order."""
        self.placed_ns = 0
        """Of the first PLACE; 0 before it."""
        self.reprices = 0
        """Times it came to rest at another price than before, whoever moved it."""
        self._rests: deque[Rested] = deque(maxlen=RESTS)
        self._rested_ns, self._from_ns, self._price = 0, 0, nan
        self._order_id, self._takes = 0, False
        self._asked: tuple[float, float] = (nan, nan)
        self._qty = nan
        self._times, self._prices = array("q"), array("d")
        self._gap_ns = 0

    # --- inputs ------------------------------------------------------------------

    def on_top(self, now_ns: int, top: BookTop) -> None:
        """A one-sided or crossed top is no market."""
        if 0 < top.bid < top.ask and (top.bid != self.last.bid or top.ask != self.last.ask):
            self.mark(Mark(now_ns, top.bid, top.ask))

    def on_command(self, now_ns: int, command: Command) -> None:
        c = command
        self.sent(now_ns, c.kind, c.order_id, c.price, c.qty, takes=c.tif == TimeInForce.IOC)

    def on_report(self, report: OrderReport, *, booked: bool = False) -> None:
        """`booked`: it brought a fill that was not known before."""
        r = report
        if booked and r.order_id < FIRST_STOP_ID:
            self.fills.append(self.last)
        if not (r.kind == ReportKind.REJECT and r.reason == RejectReason.DUPLICATE):  # that one exists
            self.heard(r.recv_ns, r.kind, r.order_id, r.price, r.qty, r.filled)

    # --- the same from floats ----------------------------------------------------

    def mark(self, mark: Mark) -> None:
        self.last = mark
        if not self._times:
            self.arrival = mark
        if self._times and mark.at_ns - self._times[-1] < self._gap_ns:
            return
        self._times.append(mark.at_ns)
        self._prices.extend((mark.bid, mark.ask))
        if len(self._times) > PATH:
            self._thin()

    def sent(
        self, at_ns: int, kind: int, order_id: int, price: float, qty: float, *, takes: bool = False
    ) -> None:
        if order_id >= FIRST_STOP_ID:
            return
        if kind == _PLACE:
            self.placed_ns = self.placed_ns or at_ns
            self._order_id, self._takes, self._qty = order_id, takes, qty
        if kind in (_PLACE, _AMEND):
            self._asked = price, qty

    def heard(self, at_ns: int, kind: int, order_id: int, price: float, qty: float, filled: float) -> None:
        """`price` and `qty` as in an OrderReport; of the order that is out, or it is passed over."""
        if order_id != self._order_id or self._takes:
            return
        if kind in _LIVES:
            amended, says = kind == ReportKind.AMENDED, kind != _FILL
            if says and (qty > 0 or amended):
                self._qty = qty if qty > 0 else self._asked[1]
            self._rest_at(at_ns, price if says and price > 0 else self._known(amended))
        if kind in _ENDS or (filled > 0 and filled >= self._qty):
            self._leave(at_ns)
            self._order_id = 0

    # --- facts ------------------------------------------------------------------

    @property
    def rests(self) -> list[Rested]:
        """The last of them may still go on."""
        now = [Rested(self._order_id, self._price, self._from_ns, 0)] if self._from_ns else []
        return [*self._rests, *now]

    def rested_ns(self, now_ns: int) -> int:
        """Time spent resting at the venue until now, by our clock."""
        return self._rested_ns + (now_ns - self._from_ns if self._from_ns else 0)

    def path(self) -> list[Mark]:
        """Changes of the market, thinned out evenly where there were too many, and what was seen last."""
        marks = [
            Mark(at_ns, self._prices[2 * i], self._prices[2 * i + 1]) for i, at_ns in enumerate(self._times)
        ]
        return marks if not marks or marks[-1] == self.last else [*marks, self.last]

    # --- inside ------------------------------------------------------------------

    def _known(self, amended: bool) -> float:
        """Where it stands when a report names no price: as it did, unless it was moved."""
        return self._asked[0] if amended or not self._from_ns else self._price

    def _rest_at(self, at_ns: int, price: float) -> None:
        if self._from_ns and price == self._price:
            return
        self._leave(at_ns)
        self.reprices += not isnan(self._price) and price != self._price
        self._from_ns, self._price = at_ns, price

    def _leave(self, at_ns: int) -> None:
        if self._from_ns:
            self._rests.append(Rested(self._order_id, self._price, self._from_ns, at_ns))
            self._rested_ns += at_ns - self._from_ns
            self._from_ns = 0

    def _thin(self) -> None:
        self._gap_ns = max(2 * self._gap_ns, 2 * (self._times[-1] - self._times[0]) // PATH)
        self._times = self._times[::2]
        bids, asks = self._prices[::4], self._prices[1::4]
        self._prices = array("d", [p for pair in zip(bids, asks, strict=True) for p in pair])
