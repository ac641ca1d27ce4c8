"""The paper broker: our orders against a market that does not know them, with latency both ways.

Driven by the engine in the order of events, in the engine's time: no I/O, no thread, no clock. A command
takes effect at the venue when its latency has passed, so a cancel can lose the race to a fill; a report
reaches us one more latency later. Both pipes of a venue keep their order. Market data count at their receive
time: put their own delay into the latency. The rules of filling are those of `micro.matching.queue`: several
of our orders at a venue share its trades and touches in price-time priority, and what they took of a level
stays off until the market changes that level.

The engine calls `due(now_ns)` before it lets a frame of `now_ns` change a book, and at `next_due_ns()` where
that comes first: then every command meets the book of its own moment.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from itertools import count
from typing import NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.micro.matching import QueueConfig, Resting, crosses, on_level, on_trade, rest, take
from citadel_kit.micro.position import ExitConfig
from citadel_kit.run.options import Abilities
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.taken import Taken
from citadel_kit.types import (
    BookReader,
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    StopCommand,
    TimeInForce,
    Trade,
)


class Latency(NamedTuple):
    """One way, uniform between `base_ns` and `base_ns + jitter_ns`, the same draws for the same seed."""

    base_ns: int = 20_000_000
    jitter_ns: int = 10_000_000
    seed: int = 0

    def draws(self) -> Callable[[], int]:
        if self.base_ns < 0 or self.jitter_ns < 0:
            raise ConfigError("latency", f"{self.base_ns} + {self.jitter_ns} ns reaches into the past")
        uniform = random.Random(self.seed)
        return lambda: self.base_ns + uniform.randint(0, self.jitter_ns)


class _Sent(NamedTuple):
    at_ns: int
    number: int
    venue: str
    parent_id: str
    command: Command


class _Report(NamedTuple):
    at_ns: int
    number: int
    parent_id: str
    report: OrderReport


class _Venue:
    """One venue's side of the wire. `orders` stand in the order of their arrival."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book: BookReader | None = None
        self.orders: dict[tuple[str, int], Resting] = {}
        self.totals: dict[tuple[str, int], int] = {}
        """Filled, of the orders that are gone."""
        self.taken = Taken()
        self.last_arrival_ns = 0
        self.last_report_ns = 0

    def by_priority(self) -> list[tuple[tuple[str, int], Resting]]:
        """Each side's best price first, then who came first."""
        return sorted(self.orders.items(), key=lambda item: -item[1].side * item[1].price)


class PaperBroker:
    """Implements `types.Broker`. Orders are keyed by (parent id, order id)."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        latency: Latency | Callable[[], int] = Latency(),  # noqa: B008 - immutable
        queue: QueueConfig = QueueConfig(),  # noqa: B008 - immutable
    ) -> None:
        """`latency`: called for each way of each message, returns ns."""
        if not 0 <= queue.cancel_pct <= 100:
            raise ConfigError("cancel_pct", f"{queue.cancel_pct} is not a percentage")
        self._venues = {i.venue: _Venue(i) for i in instruments}
        self.latency, self.queue = latency, queue
        self._latency = latency.draws() if isinstance(latency, Latency) else latency
        self._sent: list[_Sent] = []
        self._reports: list[_Report] = []
        self._numbers = count()

    def abilities(self, venue: str) -> Abilities:
        """No stop rests: a plan is guarded by the engine here."""
        return Abilities()

    def new_parent(self, order: ParentOrder, plan: ExitConfig | None) -> None:
        """Nothing is kept of it: what a simulation does is for nobody to reconcile."""

    def closing(self, parent_id: str, plan: ExitConfig, cause: int) -> None:
        """Nor of this."""

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None:
        """Raises ConfigError for a venue it was not given, and for a protective stop."""
        if isinstance(command, StopCommand):
            raise ConfigError(
                "stop", "no stop rests at the paper broker", "Configure the plan with rests=False"
            )
        if command.kind == CommandKind.NONE:
            return
        at = self._venue(venue)
        at.last_arrival_ns = max(now_ns + self._latency(), at.last_arrival_ns)
        sent = _Sent(at.last_arrival_ns, next(self._numbers), venue, parent_id, command)
        heapq.heappush(self._sent, sent)

    def on_book(self, venue: str, now_ns: int, book: BookReader) -> None:
        """A verified book, just changed. It is read again when commands arrive, until `on_book_lost`."""
        if self._sent:
            self._arrive(now_ns)
        at = self._venues.get(venue) or self._venue(venue)
        at.book = book
        if at.taken.rows:
            at.taken.forget(book)
        if at.orders:
            top = book.top()
            for key, order in at.by_priority():
                opposite, shown = (top.ask, top.ask_qty) if order.side == Side.BUY else (top.bid, top.bid_qty)
                level = int(book.qty_at(order.side, order.price))
                left = at.taken.left(-order.side, opposite, shown)
                after = on_level(self.queue, order, level, opposite, left)
                if after.filled > order.filled:
                    at.taken.add(-order.side, opposite, shown, after.filled - order.filled)
                self._settle(at, key, order, after, now_ns)

    def on_trade(self, venue: str, now_ns: int, trade: Trade) -> None:
        self._arrive(now_ns)
        at = self._venue(venue)
        shared = 0
        for key, order in at.by_priority():
            after = on_trade(self.queue, order, trade.price, trade.qty, trade.side, shared)
            shared += after.filled - order.filled
            self._settle(at, key, order, after, now_ns)

    def on_book_lost(self, venue: str, now_ns: int) -> None:
        """No book: resting orders stay and can be cancelled, new ones are rejected with NO_BOOK."""
        self._arrive(now_ns)
        self._venue(venue).book = None

    def due(self, now_ns: int) -> list[tuple[str, OrderReport]]:
        """(parent id, report) of everything that has reached us by now, in order of time."""
        self._arrive(now_ns)
        ready = []
        while self._reports and self._reports[0].at_ns <= now_ns:
            first = heapq.heappop(self._reports)
            ready.append((first.parent_id, first.report))
        return ready

    def next_due_ns(self) -> int:
        """When `due` next has something to do: a command or a report arrives. -1: nothing is on its way."""
        sent, reports = self._sent, self._reports
        if not sent:
            return reports[0].at_ns if reports else -1
        if not reports:
            return sent[0].at_ns
        return min(sent[0].at_ns, reports[0].at_ns)

    def resting(self, venue: str) -> dict[tuple[str, int], Resting]:
        """Orders now at the venue."""
        return dict(self._venue(venue).orders)

    # --- at the venue ---------------------------------------------------------------------------------------

    def _venue(self, name: str) -> _Venue:
        try:
            return self._venues[name]
        except KeyError:
            known = ", ".join(self._venues)
            raise ConfigError("venue", f"the paper broker has no {name!r}", f"It has: {known}") from None

    def _arrive(self, now_ns: int) -> None:
        while self._sent and self._sent[0].at_ns <= now_ns:
            sent = heapq.heappop(self._sent)
            at = self._venues[sent.venue]
            if sent.command.kind == CommandKind.CANCEL:
                self._cancel(at, sent)
            elif sent.command.kind == CommandKind.AMEND:
                self._amend(at, sent)
            elif sent.command.kind == CommandKind.QUERY:
                self._say(at, sent)
            else:
                self._place(at, sent)

    def _cancel(self, at: _Venue, sent: _Sent) -> None:
        key = (sent.parent_id, sent.command.order_id)
        order = at.orders.get(key)
        if order is None:
            self._refuse(at, sent, ReportKind.CANCEL_REJECT, RejectReason.UNKNOWN_ORDER)
        else:
            self._gone(at, key, sent.at_ns, order.price, order.filled)

    def _amend(self, at: _Venue, sent: _Sent) -> None:
        """A smaller total keeps the place in the queue; another price, or a larger one, goes to its end."""
        key, command = (sent.parent_id, sent.command.order_id), sent.command
        order, book = at.orders.get(key), at.book
        if order is None or book is None:
            reason = RejectReason.UNKNOWN_ORDER if order is None else RejectReason.NO_BOOK
            self._refuse(at, sent, ReportKind.AMEND_REJECT, reason)
            return
        top = book.top()
        takes = crosses(command.side, command.price, top.ask if command.side == Side.BUY else top.bid)
        if takes or not _passes_filters(at.instrument, command):
            reason = RejectReason.POST_ONLY if takes else RejectReason.FILTER
            self._refuse(at, sent, ReportKind.AMEND_REJECT, reason)
            return
        if command.qty <= order.filled:
            self._gone(at, key, sent.at_ns, order.price, order.filled)
            return
        if command.price == order.price and command.qty <= order.qty:
            at.orders[key] = order._replace(qty=command.qty)
        else:
            at.orders.pop(key)
            at.orders[key] = self._joined(at, book, command, order.filled)
        self._report(at, key, ReportKind.AMENDED, sent.at_ns, command.price, command.qty, order.filled)

    def _say(self, at: _Venue, sent: _Sent) -> None:
        key = (sent.parent_id, sent.command.order_id)
        order = at.orders.get(key)
        if order is not None:
            self._report(at, key, ReportKind.STATE, sent.at_ns, order.price, order.qty, order.filled)
        elif key in at.totals:
            self._report(at, key, ReportKind.CANCELED, sent.at_ns, sent.command.price, 0, at.totals[key])
        else:
            self._refuse(at, sent, ReportKind.REJECT, RejectReason.UNKNOWN_ORDER)

    def _gone(self, at: _Venue, key: tuple[str, int], at_ns: int, price: int, filled: int) -> None:
        at.orders.pop(key, None)
        at.totals[key] = filled
        self._report(at, key, ReportKind.CANCELED, at_ns, price, 0, filled)

    def _joined(self, at: _Venue, book: BookReader, command: Command, filled: int) -> Resting:
        level = int(book.qty_at(command.side, command.price))
        left = at.taken.left(command.side, command.price, level)
        return rest(command.order_id, command.side, command.price, command.qty, filled, left, level)

    def _place(self, at: _Venue, sent: _Sent) -> None:
        key, command = (sent.parent_id, sent.command.order_id), sent.command
        if at.book is None:
            self._refuse(at, sent, ReportKind.REJECT, RejectReason.NO_BOOK)
            return
        if key in at.orders or not _passes_filters(at.instrument, command):
            self._refuse(at, sent, ReportKind.REJECT, RejectReason.FILTER)
            return
        filled = 0
        top = at.book.top()
        if crosses(command.side, command.price, top.ask if command.side == Side.BUY else top.bid):
            if command.tif == TimeInForce.POST_ONLY:
                self._refuse(at, sent, ReportKind.REJECT, RejectReason.POST_ONLY)
                return
            filled = self._take(at, sent, at.book)
        if filled == command.qty:
            at.totals[key] = filled
            return
        if command.tif == TimeInForce.IOC:
            self._gone(at, key, sent.at_ns, command.price, filled)
            return
        order = at.orders[key] = self._joined(at, at.book, command, filled)
        self._report(at, key, ReportKind.ACK, sent.at_ns, order.price, order.qty, filled)

    def _take(self, at: _Venue, sent: _Sent, book: BookReader) -> int:
        command, filled, depth = sent.command, 0, 16
        while True:
            shown = book.levels(-command.side, depth)
            levels = at.taken.levels(-command.side, shown)
            fills = take(levels, command.side, command.price, command.qty)
            within = len(levels) == depth and command.side * (command.price - levels[-1, 0]) >= 0
            if not within or fills[:, 1].sum() == command.qty:
                break
            depth *= 4
        for price, qty in fills.tolist():
            filled += qty
            at.taken.add(-command.side, price, int(book.qty_at(-command.side, price)), qty)
            key = (sent.parent_id, command.order_id)
            self._report(at, key, ReportKind.FILL, sent.at_ns, price, qty, filled, maker=False)
        return filled

    def _settle(self, at: _Venue, key: tuple[str, int], before: Resting, after: Resting, now_ns: int) -> None:
        if after.filled == after.qty:
            del at.orders[key]
            at.totals[key] = after.filled
        else:
            at.orders[key] = after
        if after.filled > before.filled:
            qty = after.filled - before.filled
            self._report(at, key, ReportKind.FILL, now_ns, after.price, qty, after.filled)

    def _refuse(self, at: _Venue, sent: _Sent, kind: ReportKind, reason: RejectReason) -> None:
        key, command = (sent.parent_id, sent.command.order_id), sent.command
        self._report(at, key, kind, sent.at_ns, command.price, 0, 0, reason=reason)

    def _report(
        self,
        at: _Venue,
        key: tuple[str, int],
        kind: ReportKind,
        at_ns: int,
        price: int,
        qty: int,
        filled: int,
        *,
        maker: bool = True,
        reason: RejectReason = RejectReason.NONE,
    ) -> None:
        at.last_report_ns = max(at_ns + self._latency(), at.last_report_ns)
        report = OrderReport(
            int(kind), key[1], at.last_report_ns, price, qty, filled, maker and kind == ReportKind.FILL,
            int(reason),
        )  # fmt: skip
        heapq.heappush(self._reports, _Report(at.last_report_ns, next(self._numbers), key[0], report))


def _passes_filters(instrument: Instrument, command: Command) -> bool:
    i, price, qty = instrument, command.price, command.qty
    return (
        price > 0 and qty > 0 and price % i.tick == 0 and qty % i.lot == 0 and price * qty >= i.min_notional
    )
