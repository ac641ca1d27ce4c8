"""Our orders as the venue shows them, from any source in any order → each report once. No I/O.

The rules that make sources agree:

- A fill is known by the venue's trade id and reported once, whoever tells of it first: the answer to the
  order, the stream, or a look at the trades. `filled` of its report is the sum of the order's fills so far.
- The order's end is final; it is reported when all its fills are. Until then `missing` asks for them.
- An order told to be refused or unknown that turns up after all is reported as alive: facts are not hidden.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from citadel_kit.types import OrderReport, RejectReason, ReportKind, VenueTrade

_REMEMBERED: Final = 10_000
_Place = tuple[str, str]
"""Symbol and the venue's order id."""


class Seen(NamedTuple):
    """One look at an order, in the instrument's units."""

    symbol: str
    client_id: str
    venue_order_id: str
    """Unique per symbol, at Binance no further."""
    price: int
    """0 where it isn't said, as of a stop at market."""
    qty: int
    filled: int
    alive: bool
    gone: bool
    """Neither: it doesn't say."""
    reason: int = 0
    """RejectReason of an end."""
    trade_ids: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Tracked:
    parent_id: str
    order_id: int
    client_id: str
    symbol: str
    side: int
    price: int
    qty: int
    """What was asked for at first: no fill goes beyond it."""
    is_stop: bool = False
    rests: bool = True
    """False of an IOC, which is never acknowledged as resting."""
    venue_order_id: str = ""
    trade_ids: tuple[str, ...] = ()
    """As the order lists them, where the venue does."""
    filled: int = 0
    """The venue's total, as far as it was told."""
    booked: dict[str, int] = field(default_factory=dict)
    """Quantity of each fill that was reported, by trade id."""
    acked: bool = False
    refused: bool = False
    gone: bool = False
    told_gone: bool = False
    reason: int = 0
    target: tuple[int, int] | None = None
    """Price and quantity of an amend that the venue has accepted but not yet shown."""

    @property
    def total(self) -> int:
        """Of the fills that were reported."""
        return sum(self.booked.values())

    @property
    def missing(self) -> bool:
        return self.filled > self.total

    @property
    def lived(self) -> bool:
        """Has the venue ever shown it?"""
        return self.acked or self.gone or bool(self.booked)

    @property
    def settled(self) -> bool:
        """Nothing more is to come, as far as the venue's word goes."""
        return self.refused or (self.gone and not self.missing)


class Tracker:
    def __init__(
        self,
        on_report: Callable[[str, OrderReport], None],
        on_trade: Callable[[str, int, VenueTrade], None],
    ) -> None:
        """`on_trade` gets each fill's facts before `on_report` gets its report."""
        self._on_report, self._on_trade = on_report, on_trade
        self._orders: dict[tuple[str, int], Tracked] = {}
        self._by_client: dict[str, Tracked] = {}
        self._by_venue: dict[_Place, Tracked] = {}
        self._homeless: OrderedDict[_Place, list[VenueTrade]] = OrderedDict()
        self.strangers = 0
        """Looks at orders that are not ours."""

    # --- what we did ---

    def add(self, order: Tracked) -> None:
        self._orders[order.parent_id, order.order_id] = order
        self._by_client[order.client_id] = order
        if order.venue_order_id:
            self._by_venue[order.symbol, order.venue_order_id] = order
        if len(self._orders) > _REMEMBERED:
            self._forget()

    def get(self, parent_id: str, order_id: int) -> Tracked | None:
        return self._orders.get((parent_id, order_id))

    def refuse(self, order: Tracked, reason: int, now_ns: int) -> None:
        """The venue said that it never came to life."""
        order.refused, order.reason = True, reason
        self.say(order, ReportKind.REJECT, now_ns, reason=reason)

    # --- what the venue shows ---

    def on_order(self, seen: Seen, now_ns: int, order: Tracked | None = None) -> Tracked | None:
        """`order`: whose it is, where the caller knows. Returns it, None for a stranger's."""
        place = seen.symbol, seen.venue_order_id
        order = order or self._by_client.get(seen.client_id) or self._by_venue.get(place)
        if order is None:
            self.strangers += 1
            return None
        if seen.alive or seen.filled > 0:
            order.refused = False
        order.filled = max(order.filled, seen.filled)
        order.trade_ids = seen.trade_ids or order.trade_ids
        waited = self._bind(order, seen.venue_order_id)  # first: who hears of it may ask for the venue's id
        if seen.gone and not order.gone:
            order.gone, order.reason = True, seen.reason
        elif seen.alive and not order.gone:
            self._shown_alive(order, seen, now_ns)
        for trade in waited:
            self._book(order, trade, now_ns)
        self._settle(order, now_ns)
        return order

    def on_trade(self, trade: VenueTrade, now_ns: int) -> Tracked | None:
        """Returns the order; None where it isn't known yet, or never will be."""
        place = trade.symbol, trade.venue_order_id
        order = self._by_venue.get(place)
        if order is not None:
            self._book(order, trade, now_ns)
        elif trade.venue_order_id:
            self._homeless.setdefault(place, []).append(trade)
            if len(self._homeless) > _REMEMBERED:
                self._homeless.popitem(last=False)
        return order

    def note(self, parent_id: str, order_id: int, trade_id: str, qty: int) -> Tracked | None:
        """A fill that was found and booked elsewhere: it is not reported here any more, and the totals of the
        next ones go on from it. Returns the order, whose end it may have been waiting for."""
        order = self._orders.get((parent_id, order_id))
        if order is None or trade_id in order.booked:
            return None
        order.booked[trade_id] = qty
        order.filled = max(order.filled, order.total)
        return order

    def tell_over(self, order: Tracked, now_ns: int) -> None:
        """Its end, where it has one that was not told yet."""
        self._settle(order, now_ns)

    def tell_state(self, order: Tracked, seen: Seen, now_ns: int) -> None:
        """The answer to a QUERY of an order that is alive."""
        price, qty = seen.price or order.price, seen.qty or order.qty
        self.say(order, ReportKind.STATE, now_ns, price, qty, order.filled)

    def tell_end(self, order: Tracked, now_ns: int) -> None:
        """Of an order that is settled, again."""
        if order.refused:
            self.say(order, ReportKind.REJECT, now_ns, order.price, reason=order.reason)
        else:
            self._say_gone(order, now_ns)

    def say(
        self, order: Tracked, kind: ReportKind, now_ns: int, price: int = 0, qty: int = 0, filled: int = -1,
        *, maker: bool = False, reason: int = 0,
    ) -> None:  # fmt: skip
        filled = order.total if filled < 0 else filled
        self._on_report(
            order.parent_id,
            OrderReport(int(kind), order.order_id, now_ns, price, qty, filled, maker, int(reason)),
        )

    # --- how ---

    def _shown_alive(self, order: Tracked, seen: Seen, now_ns: int) -> None:
        price, qty = seen.price or order.price, seen.qty or order.qty
        if not order.acked and order.rests:
            order.acked = True
            self.say(order, ReportKind.ACK, now_ns, price, qty, max(order.total, seen.filled))
        if order.target == (price, qty):
            order.target = None
            self.say(order, ReportKind.AMENDED, now_ns, price, qty, max(order.total, seen.filled))

    def _bind(self, order: Tracked, venue_order_id: str) -> Sequence[VenueTrade]:
        """It is known by the venue's id as well from now on. Returns the trades that waited for that."""
        if not venue_order_id or order.venue_order_id == venue_order_id:
            return ()
        order.venue_order_id = venue_order_id
        place = order.symbol, venue_order_id
        self._by_venue[place] = order
        return self._homeless.pop(place, ())

    def _book(self, order: Tracked, trade: VenueTrade, now_ns: int) -> None:
        if trade.trade_id in order.booked:
            return
        order.refused = False
        order.booked[trade.trade_id] = trade.qty
        total = order.total
        order.filled = max(order.filled, total)
        self._on_trade(order.parent_id, order.order_id, trade)
        self.say(order, ReportKind.FILL, now_ns, trade.price, trade.qty, total, maker=trade.maker)
        self._settle(order, now_ns)

    def _settle(self, order: Tracked, now_ns: int) -> None:
        """The end, once its fills are told. A full one was told by its last fill."""
        if not order.gone or order.missing or order.told_gone or order.refused:
            return
        order.told_gone = True
        if order.filled < order.qty:
            self._say_gone(order, now_ns)

    def _say_gone(self, order: Tracked, now_ns: int) -> None:
        never = not order.acked and not order.filled and order.reason != RejectReason.NONE
        kind = ReportKind.REJECT if never else ReportKind.CANCELED
        self.say(order, kind, now_ns, order.price, 0, order.filled, reason=order.reason)

    def _forget(self) -> None:
        """The oldest that is settled."""
        for key, order in self._orders.items():
            if order.settled:
                del self._orders[key]
                self._by_client.pop(order.client_id, None)
                self._by_venue.pop((order.symbol, order.venue_order_id), None)
                return
