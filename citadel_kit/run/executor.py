"""Drives chase orders: market events, reports and ticks in; commands out to a broker; fills into the ledger.

It owns the order of events and no rule: what to do is `micro.chase`'s word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase, position
from citadel_kit.micro.ledger import Ledger
from citadel_kit.micro.position import ExitConfig
from citadel_kit.run.allowance import Allowance
from citadel_kit.run.orders import Orders
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.plans import Plans, StartExit
from citadel_kit.run.twap import SubmitSlice, Twaps
from citadel_kit.types import (
    FIRST_STOP_ID,
    BookReader,
    BookTop,
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    Purpose,
    RejectReason,
    ReportKind,
    Side,
    StopBroker,
    StopCommand,
)


class SmartOrderExecutor:
    """Many parent orders, each a chase on one venue. Not thread-safe: it belongs to the engine."""

    def __init__(
        self,
        broker: StopBroker,
        ledger: Ledger,
        on_fill: Callable[[Fill], None],
        may_go_on: Callable[[OrderIntent], bool],
        *,
        shows_own: bool = True,
        allowance: Allowance | None = None,
        start_exit: StartExit | None = None,
        submit_slice: SubmitSlice | None = None,
        on_new: Callable[[ParentOrder, ExitConfig | None], None] = lambda order, plan: None,
        on_closing: Callable[[str, ExitConfig, int], None] = lambda parent_id, plan, cause: None,
    ) -> None:
        """`may_go_on`: does the gate still allow this entry? Asked before each decision that could place.

        `shows_own`: do the books include our orders? Then their sizes are taken off what a chase follows.
        `start_exit`: submits an exit that a plan asks for, where the gate allows it; plans need it.
        `submit_slice`: the same of a slice, raising what the gate says; a TWAP needs it.
        `on_new` hears of each parent before its first command, `on_closing` of each cause of a plan.
        """
        self.ledger, self._shows_own = ledger, shows_own
        self._broker, self._on_fill, self._may_go_on = broker, on_fill, may_go_on
        self._allowance, self._on_new = allowance or Allowance(), on_new
        self.orders = Orders(ledger)
        self._plans = Plans(start_exit, self.cancel, self._send_stop, on_closing)
        self.orders.follow(self._plans)
        self._twaps = Twaps(self.orders.twaps, submit_slice, self.cancel, self._plans.closing)

    @property
    def has_work(self) -> bool:
        """While it has none, nothing of the market needs to be told to it."""
        return bool(self.orders.working or self._plans.open or self.orders.twaps)

    # --- inputs ------------------------------------------------------------------

    def submit(
        self,
        intent: OrderIntent,
        instrument: Instrument,
        config: chase.ChaseConfig,
        top: BookTop,
        now_ns: int,
        book: BookReader | None = None,
        *,
        plan: ExitConfig | None = None,
        group: str = "",
        parent_id: str = "",
    ) -> ParentOrder:
        """Take an intent the gate allowed. Raises ConfigError for a quantity no venue could fill.

        `book`: where `top` comes from, to look behind it. `plan`: how what it opens is guarded and closed.
        """
        if config.qty % instrument.lot:
            raise ConfigError("qty", f"{config.qty} is not a multiple of the lot {instrument.lot}")
        if config.qty * top.ask * 2 >= 1 << 62:  # twice: no bound lets a chase go so far
            raise ConfigError("qty", "the order's value does not fit 62 bits", "Split the order")
        order = ParentOrder(
            parent_id=parent_id or self.orders.next_id(),
            intent=intent,
            instrument=instrument,
            config=config,
            state=chase.start(config, chase.plain_touch(top)),
            submitted_ns=now_ns,
            group=group,
        )
        order.trace.on_top(now_ns, top)
        self.orders.add(order)
        self._on_new(order, plan)
        if plan is not None:
            self._plans.add(order, plan, position.fresh(now_ns), now_ns)
        seen = self._touch(order, top, book)
        self._step(order, chase.on_top(config, order.state, seen), now_ns)
        return order

    def start_twap(
        self, intent: OrderIntent, instrument: Instrument, options: Mapping[str, Any], price: int, now_ns: int
    ) -> str:
        """As slices over time, at about `price`; the name of the whole. Raises ConfigError, GateRefused."""
        return self._twaps.start(intent, instrument, options, price, now_ns)

    def guard_again(
        self, order: ParentOrder, plan: ExitConfig, state: position.PlanState, now_ns: int
    ) -> None:
        """Take up the plan of an earlier run's entry, which has ended and still has a position."""
        self.orders.add(order)
        self._on_new(order, plan)
        signed = int(order.intent.side) * position.position(state)
        self.ledger.carry_over(order.instrument.venue, signed, order.state.twice_arrival_mid // 2)
        self._plans.add(order, plan, state, now_ns)

    def on_top(self, venue: str, top: BookTop, now_ns: int, book: BookReader | None) -> None:
        """A new top of `book`; without it nothing is known behind the touch, and nothing of ours in it.

        An entry that the gate would refuse now is pulled, and goes on when the gate allows it again.
        """
        if self._plans.open:
            self._plans.on_top(venue, top, now_ns)
        if not self.orders.working:
            return
        for order in self.orders.at(venue):
            order.trace.on_top(now_ns, top)
            opens = order.intent.purpose == Purpose.ENTRY
            if self._allowance.waits(venue, opens, now_ns):
                continue  # a top is state: the next one that the venue's rate leaves room for will do
            if opens and not self._may_go_on(order.intent):
                step = chase.on_held(order.config, order.state, now_ns)
            else:
                step = chase.on_top(order.config, order.state, self._touch(order, top, book))
            self._step(order, step, now_ns)

    def on_no_book(self, venue: str, now_ns: int) -> None:
        """The venue's book is not LIVE: nothing is chased there."""
        for order in self.orders.at(venue):
            self._step(order, chase.on_no_book(order.config, order.state, now_ns), now_ns)
        self._plans.on_no_book(venue, now_ns)

    def on_report(self, parent_id: str, report: OrderReport, now_ns: int, base_fee: int = 0) -> None:
        """A report of the broker; a fill is booked once, whatever the order and number of its reports.

        `base_fee`: what the venue kept of a fill, in quantity units.
        """
        order = self.orders.named(parent_id)
        is_stop = report.order_id >= FIRST_STOP_ID
        side = Side(-order.intent.side) if is_stop else order.intent.side
        fill = self.ledger.on_report(order.instrument.venue, parent_id, side, report, base_fee)
        order.trace.on_report(report, booked=fill is not None)
        if fill is not None:
            order.base_fee += base_fee
            if not is_stop:
                order.fills.append(fill)
            self._on_fill(fill)
            if order.intent.purpose != Purpose.ENTRY and self._plans.of(order.group) is None:
                self._plans.on_outside(fill.venue, int(side), fill.qty, now_ns)
        if is_stop:
            self._plans.on_stop_report(parent_id, report, now_ns)
        else:
            self._step(order, chase.on_report(order.config, order.state, report), now_ns)
            if fill is not None:
                self._plans.on_parent(order, now_ns)

    def on_timer(self, now_ns: int) -> None:
        for order in list(self.orders.working.values()):
            self._step(order, chase.on_timer(order.config, order.state, now_ns), now_ns)
        if self._plans.open:
            self._plans.on_timer(now_ns)
        if self.orders.twaps:
            self._twaps.on_timer(now_ns)

    def on_signal(self, side: int, now_ns: int) -> None:
        """The macro layer's newest word, for the plans that close on a flip; 0: flat."""
        self._plans.on_signal(side, now_ns)
        self._twaps.on_signal(side, now_ns)

    def on_guard(self, step: int, now_ns: int) -> None:
        """At FLATTEN every plan closes."""
        self._plans.on_guard(step, now_ns)

    def close_position(self, parent_id: str, now_ns: int) -> None:
        """Close what an entry opened, by its exit plan; of a TWAP, which ends, that of each slice. Raises
        ConfigError where it has none."""
        entries = [name for name in self.orders.chases(parent_id) if self._plans.of(name)]
        if not entries:
            what = f"{parent_id!r} has no exit plan"
            raise ConfigError("parent_id", what, "Submit an intent of purpose EXIT instead")
        self._twaps.cancel(parent_id, now_ns)
        for name in entries:
            self._plans.close(name, now_ns)

    def cancel(self, parent_id: str, now_ns: int) -> None:
        """Cancel one parent, or a TWAP. Raises ConfigError for an id that was never given."""
        if self._twaps.cancel(parent_id, now_ns):
            return
        order = self.orders.named(parent_id)
        self._step(order, chase.cancel(order.config, order.state, now_ns), now_ns)

    def cancel_all(self, now_ns: int, *, entries_only: bool = False, exits_too: bool = False) -> None:
        """Cancel every parent but the exits of plans, which make risk smaller; with `exits_too` those as
        well, and with `entries_only` no more than what would open risk. One that fails does not spare the
        others. Stops at the venue stay in any case.
        """
        failures: list[Exception] = []
        self._twaps.stop(entries_only=entries_only)
        for order in list(self.orders.working.values()):
            if entries_only and order.intent.purpose != Purpose.ENTRY:
                continue
            if not exits_too and self._plans.of(order.group) is not None:
                continue
            try:
                self.cancel(order.parent_id, now_ns)
            except Exception as error:  # noqa: BLE001 - raised below, when all were tried
                failures.append(error)
        if failures:
            raise failures[0]

    def hold_entries(self, now_ns: int) -> None:
        """Pull every entry now; each goes on at the first top at which the gate allows it again."""
        for order in list(self.orders.working.values()):
            if order.intent.purpose == Purpose.ENTRY:
                self._step(order, chase.on_held(order.config, order.state, now_ns), now_ns)

    # --- inside ------------------------------------------------------------------

    def _touch(self, order: ParentOrder, top: BookTop, book: BookReader | None) -> chase.Touch:
        """The touch without what we have there ourselves, in this parent and its siblings."""
        if book is None or not (self._shows_own or order.config.ignore_qty):
            return chase.plain_touch(top)
        side, venue = order.config.side, order.instrument.venue
        siblings = [o for o in self.orders.at(venue) if o.config.side == side] if self._shows_own else []
        own = [size for sibling in siblings for size in chase.own_sizes(sibling.state)]
        return chase.touch_of(top, book, side, own)

    def _step(self, order: ParentOrder, step: chase.Step, now_ns: int) -> None:
        filled, order.state, order.shown = order.state.filled, step.state, None
        command = step.command
        if command.kind != CommandKind.NONE:
            order.refusal = self._kept_back(order, command, now_ns)
            if order.refusal:  # it never left: to the chase this is a reject
                reason = RejectReason.VENUE.value
                report = OrderReport(ReportKind.REJECT, command.order_id, now_ns, 0, 0, 0, False, reason)
                self._step(order, chase.on_report(order.config, order.state, report), now_ns)
            else:
                self._allowance.went_out(order, command, now_ns)
                order.trace.on_command(now_ns, command)
                self._broker.send(order.instrument.venue, order.parent_id, command, now_ns)
        ended = order.state.phase >= chase.Phase.FILLED and order.finished_ns == 0
        if ended:
            order.finished_ns = now_ns
            self.orders.working.pop(order.parent_id, None)
        if ended or order.state.filled != filled:
            self._plans.on_parent(order, now_ns)

    def _kept_back(self, order: ParentOrder, command: Command, now_ns: int) -> str:
        """Which of our own limits it would break; empty: none. Only a PLACE can: an AMEND that a chase sends
        moves an order that was looked at, within its bound."""
        if command.kind != CommandKind.PLACE:
            return ""
        besides = self.orders.open_notional(order.instrument, command.price, order)
        return self._allowance.refuses(order, command, besides, now_ns)

    def _send_stop(self, entry: ParentOrder, command: Command | StopCommand, now_ns: int) -> None:
        self._allowance.went_out(entry, command, now_ns)
        self._broker.send(entry.instrument.venue, entry.parent_id, command, now_ns)
