"""Between an executor and its brokers, as `run.account` does it: outbox, journal, reconciliation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from near_broker import NearBroker

from citadel_kit import clock
from citadel_kit.io.journal import Journal
from citadel_kit.run.bookkeeper import Bookkeeper
from citadel_kit.run.outbox import NewParent, Outbox
from citadel_kit.run.reconcile import Reconciliation
from citadel_kit.run.rounds import Rounds
from citadel_kit.types import (
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    ReportKind,
    client_id,
)


class Desk:
    """`forward`: hears what counts, once it is in the journal. `at_work`: what is, or may be, at a venue."""

    def __init__(
        self,
        journal: Journal,
        prefix: str,
        outbox: Outbox,
        forward: Callable[[str, OrderReport, int], None],
        at_work: Callable[[], set[tuple[str, int]]],
        say: Callable[..., None],
    ) -> None:
        self.journal, self.prefix, self.outbox = journal, prefix, outbox
        self._forward, self._at_work, self._say = forward, at_work, say
        self.books = Bookkeeper(journal, forward)
        self.books.venue_order_id = lambda venue, *key: self.brokers[venue].venue_order_id(*key)
        self.brokers: dict[str, NearBroker] = {}
        self._rounds: dict[str, Rounds] = {}
        self.commands: Counter[str] = Counter()
        self.missed = 0
        """Fills that reconciliation was the first to tell of."""
        self.problems: list[str] = []

    def add(self, broker: NearBroker, instruments: Mapping[str, Instrument]) -> None:
        self.brokers[broker.venue] = broker
        self._rounds[broker.venue] = Rounds(broker, self.books, [self.prefix], instruments)

    def perform(self) -> None:
        """Write down and send what was decided, in its order."""
        for item in self.outbox.take():
            if isinstance(item, NewParent):
                group = item.order.group
                self.books.parent(item, clock.now_ns(), f"{self.prefix}-{group}" if group else "")
                continue
            command = item.command
            kind = CommandKind(command.kind).name if isinstance(command, Command) else "STOP"
            self.commands[kind] += 1
            self._say("send", item.venue, item.parent_id, kind, command)
            self.books.command(item)
            self.brokers[item.venue].send(*item)

    def heard(self, venue: str, parent_id: str, report: OrderReport) -> None:
        self._say("hear", venue, parent_id, ReportKind(report.kind).name, *report[1:])
        self.books.on_report(venue, parent_id, report)

    async def round(self, venue: str) -> Reconciliation:
        """Raises VenueUnreachable."""
        result, said = await self._rounds[venue].once(
            lambda: {client_id(self.prefix, *key) for key in self._at_work() if key[1]}
        )
        self.missed += len(result.book)
        self.problems += [f"reconciliation: {problem}" for problem in result.problems]
        for found in result.cancel:
            self.problems.append(f"reconciliation cancels {found.order.client_id}, which nobody wants")
        fees = {(m.fill.parent_id, m.fill.order_id, m.filled): m.fill.base_fee for m in result.book}
        for _, parent_id, report in said:
            self._say("told", venue, parent_id, ReportKind(report.kind).name, *report[1:])
            fee = fees.get((parent_id, report.order_id, report.filled), 0)
            self._forward(parent_id, report, fee)
        return result
