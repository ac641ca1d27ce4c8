"""Drives chase orders: market events, reports and ticks in; commands out to a broker; fills into the ledger.

It owns the order of events and no rule: what to do is `micro.chase`'s word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import nan
from typing import Final

from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase
from citadel_kit.micro.ledger import Ledger
from citadel_kit.types import (
    BookReader,
    BookTop,
    Broker,
    CommandKind,
    Fill,
    Instrument,
    MacroSignal,
    OrderIntent,
    OrderReport,
    OrderView,
    Purpose,
    Side,
)


@dataclass(slots=True, kw_only=True)
class ParentOrder:
    """One intent on its way: the chase's state, and the facts that came back."""

    parent_id: str
    intent: OrderIntent
    instrument: Instrument
    config: chase.ChaseConfig
    state: chase.ChaseState
    submitted_ns: int
    finished_ns: int = 0
    fills: list[Fill] = field(default_factory=list)
    shown: OrderView | None = None
    """As plain data, once it was asked for; None after any change."""


class SmartOrderExecutor:
    """Many parent orders, each a chase on one venue. Not thread-safe: it belongs to the engine."""

    def __init__(
        self,
        broker: Broker,
        ledger: Ledger,
        on_fill: Callable[[Fill], None],
        may_go_on: Callable[[OrderIntent], bool],
    ) -> None:
        """`may_go_on`: does the gate still allow this entry? Asked before each decision that could place."""
        self.ledger = ledger
        self._broker, self._on_fill, self._may_go_on = broker, on_fill, may_go_on
        self._orders: dict[str, ParentOrder] = {}
        self.working: dict[str, ParentOrder] = {}
        """Those not finished yet. While there is none, nothing needs to be told to this executor."""

    # --- inputs ------------------------------------------------------------------

    def submit(
        self,
        intent: OrderIntent,
        instrument: Instrument,
        config: chase.ChaseConfig,
        top: BookTop,
        now_ns: int,
    ) -> ParentOrder:
        """Take an intent the gate allowed. Raises ConfigError for a quantity no venue could fill."""
        if config.qty % instrument.lot:
            raise ConfigError("qty", f"{config.qty} is not a multiple of the lot {instrument.lot}")
        if config.qty * top.ask * 2 >= 1 << 62:  # twice: no bound lets a chase go so far
            raise ConfigError("qty", "the order's value does not fit 62 bits", "Split the order")
        order = ParentOrder(
            parent_id=f"p{len(self._orders) + 1}",
            intent=intent,
            instrument=instrument,
            config=config,
            state=chase.start(config, top),
            submitted_ns=now_ns,
        )
        self._orders[order.parent_id] = self.working[order.parent_id] = order
        self._step(order, chase.on_top(config, order.state, top), now_ns)
        return order

    def on_top(self, venue: str, top: BookTop, now_ns: int, book: BookReader | None) -> None:
        """A new top. `book`: where the feed shows our own orders, to take their size off the touch.

        An entry that the gate would refuse now is treated as if there were no book: it is pulled, and goes on
        when the gate allows it again.
        """
        for order in self._at(venue):
            if order.intent.purpose == Purpose.ENTRY and not self._may_go_on(order.intent):
                step = chase.on_no_book(order.config, order.state, now_ns)
            else:
                seen = top if book is None else _without_own(order, top, book)
                step = chase.on_top(order.config, order.state, seen)
            self._step(order, step, now_ns)

    def on_no_book(self, venue: str, now_ns: int) -> None:
        """The venue's book is not LIVE: nothing is chased there."""
        for order in self._at(venue):
            self._step(order, chase.on_no_book(order.config, order.state, now_ns), now_ns)

    def on_report(self, parent_id: str, report: OrderReport, now_ns: int) -> None:
        """A report of the broker; a fill is booked once, whatever the order and number of its reports."""
        order = self._order(parent_id)
        fill = self.ledger.on_report(order.instrument.venue, parent_id, order.intent.side, report)
        if fill is not None:
            order.fills.append(fill)
            self._on_fill(fill)
        self._step(order, chase.on_report(order.config, order.state, report), now_ns)

    def on_timer(self, now_ns: int) -> None:
        for order in list(self.working.values()):
            self._step(order, chase.on_timer(order.config, order.state, now_ns), now_ns)

    def cancel(self, parent_id: str, now_ns: int) -> None:
        """Cancel one parent. Raises ConfigError for an id that was never given."""
        order = self._order(parent_id)
        self._step(order, chase.cancel(order.config, order.state, now_ns), now_ns)

    def cancel_all(self, now_ns: int, *, entries_only: bool = False) -> None:
        """Cancel every parent, or those that would open risk. One that fails does not spare the others."""
        failures: list[Exception] = []
        for order in list(self.working.values()):
            if entries_only and order.intent.purpose != Purpose.ENTRY:
                continue
            try:
                self.cancel(order.parent_id, now_ns)
            except Exception as error:  # noqa: BLE001 - raised below, when all were tried
                failures.append(error)
        if failures:
            raise failures[0]

    # --- facts ------------------------------------------------------------------

    def reducing(self, venue: str) -> int:
        """Not yet filled quantity of working reductions and exits."""
        return sum(
            order.config.qty - order.state.filled
            for order in self._at(venue)
            if order.intent.purpose != Purpose.ENTRY
        )

    def has_used(self, signal: MacroSignal) -> bool:
        """Does an entry on this signal work, or has one filled?"""
        return any(
            order.intent.signal is not None
            and order.intent.signal.asof_ns == signal.asof_ns
            and (order.finished_ns == 0 or order.state.filled > 0)
            for order in self._orders.values()
        )

    def is_finished(self, parent_id: str) -> bool:
        """Raises ConfigError for an id that was never given."""
        return self._order(parent_id).finished_ns > 0

    def view(self, parent_id: str) -> OrderView:
        """Raises ConfigError for an id that was never given."""
        return view(self._order(parent_id))

    def views(self) -> tuple[OrderView, ...]:
        """All parent orders of this run, oldest first."""
        return tuple([view(order) for order in self._orders.values()]) if self._orders else ()

    # --- inside ------------------------------------------------------------------

    def _order(self, parent_id: str) -> ParentOrder:
        if parent_id not in self._orders:
            raise ConfigError("parent_id", f"no order {parent_id!r}", f"There are: {', '.join(self._orders)}")
        return self._orders[parent_id]

    def _at(self, venue: str) -> list[ParentOrder]:
        return [order for order in self.working.values() if order.instrument.venue == venue]

    def _step(self, order: ParentOrder, step: chase.Step, now_ns: int) -> None:
        order.state, order.shown = step.state, None
        command = step.command
        if command.kind != CommandKind.NONE:
            self._broker.send(order.instrument.venue, order.parent_id, command, now_ns)
        if order.state.phase >= chase.Phase.FILLED and order.finished_ns == 0:
            order.finished_ns = now_ns
            self.working.pop(order.parent_id, None)


def _without_own(order: ParentOrder, top: BookTop, book: BookReader) -> BookTop:
    """The top without this parent's resting size."""
    working, side = order.state.order, int(order.intent.side)
    if order.state.phase not in {chase.Phase.RESTING, chase.Phase.CANCELING}:
        return top
    behind = [book.levels(s, 2).tolist() for s in (Side.BUY, Side.SELL)]
    bid, ask = (rows[1] if len(rows) > 1 else (0, 0) for rows in behind)
    rest = working.qty - working.filled
    return chase.without_own(top, bid[0], bid[1], ask[0], ask[1], side, working.price, rest)


_STATUS: Final = {
    chase.Phase.FILLED: "filled",
    chase.Phase.CANCELLED: "cancelled",
    chase.Phase.EXPIRED: "expired",
    chase.Phase.FAILED: "failed",
}


def _note(state: chase.ChaseState, phase: chase.Phase) -> str:
    """What it does now, or why it ended."""
    if phase < chase.Phase.FILLED and state.cancel_wanted:
        return "cancelling: the venue's word is awaited"
    return chase.END_TEXT[chase.EndReason(state.reason)] or phase.name.lower()


def view(order: ParentOrder) -> OrderView:
    """A parent order as plain data."""
    if order.shown is None:
        order.shown = _view(order)
    return order.shown


def _view(order: ParentOrder) -> OrderView:
    instrument, state = order.instrument, order.state
    phase = chase.Phase(state.phase)
    filled = sum(fill.qty for fill in order.fills)
    average = sum(fill.price * fill.qty for fill in order.fills) / filled if filled else nan
    arrival = state.twice_arrival_mid / 2
    resting = phase in {chase.Phase.RESTING, chase.Phase.CANCELING}
    return OrderView(
        parent_id=order.parent_id,
        venue=instrument.venue,
        symbol=instrument.symbol,
        side=order.intent.side,
        purpose=order.intent.purpose,
        forced=order.intent.forced,
        status=_STATUS.get(phase, "working"),
        note=_note(state, phase),
        qty=instrument.qty(order.config.qty),
        filled=instrument.qty(filled),
        remaining=instrument.qty(order.config.qty - filled),
        working_price=instrument.price(state.order.price) if resting else nan,
        arrival_mid=arrival / 10**instrument.price_decimals if arrival else nan,
        average_price=average / 10**instrument.price_decimals,
        slippage_bps=int(order.intent.side) * (average - arrival) / arrival * 10_000 if arrival else nan,
        fees=sum(fill.fee for fill in order.fills),
        reprices=state.reprices,
        submitted_ns=order.submitted_ns,
        finished_ns=order.finished_ns,
    )
