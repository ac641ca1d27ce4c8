"""All parent orders of an engine, and what is known of them: facts only, nothing here decides or sends."""

from __future__ import annotations

from citadel_kit.errors import ConfigError
from citadel_kit.micro.ledger import Ledger
from citadel_kit.run.parent import ParentOrder, view
from citadel_kit.run.plans import Plans
from citadel_kit.run.shortfall import Execution, execution
from citadel_kit.run.twap import Twap, as_view
from citadel_kit.types import Instrument, MacroSignal, OrderView, Purpose


class Orders:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.working: dict[str, ParentOrder] = {}
        """Those that are not finished."""
        self.twaps: dict[str, Twap] = {}
        self._all: dict[str, ParentOrder] = {}
        self._count = 0

    def follow(self, plans: Plans) -> None:
        """Before anything else: what guards the positions that orders open."""
        self._plans = plans

    def add(self, order: ParentOrder) -> None:
        self._all[order.parent_id] = order
        if order.finished_ns == 0:
            self.working[order.parent_id] = order

    def next_id(self) -> str:
        self._count += 1
        return f"p{self._count}"

    def get(self, parent_id: str) -> ParentOrder | None:
        return self._all.get(parent_id)

    def named(self, parent_id: str) -> ParentOrder:
        """Raises ConfigError for an id that was never given."""
        if parent_id not in self._all:
            there_are = ", ".join([*self._all, *self.twaps]) or "none yet"
            raise ConfigError("parent_id", f"no order {parent_id!r}", f"There are: {there_are}")
        return self._all[parent_id]

    def chases(self, parent_id: str) -> list[str]:
        """The slices of a TWAP, so far; any other order is its own. Raises ConfigError for an unknown id."""
        twap = self.twaps.get(parent_id)
        return [c.parent_id for c in twap.children] if twap else [self.named(parent_id).parent_id]

    def at(self, venue: str) -> list[ParentOrder]:
        """Working ones."""
        return [order for order in self.working.values() if order.instrument.venue == venue]

    def opens(self, parent_id: str) -> bool:
        """Is it an entry, or unknown?"""
        order = self.get(parent_id)
        return order is None or order.intent.purpose == Purpose.ENTRY

    def is_finished(self, parent_id: str) -> bool:
        """Raises ConfigError for an id that was never given."""
        order = self.twaps.get(parent_id) or self.named(parent_id)
        return order.finished_ns > 0

    def at_work(self) -> set[tuple[str, int]]:
        """Parent and order id of all that is, or may be, at a venue."""
        working = {(o.parent_id, o.state.order.order_id) for o in self.working.values()}
        return working | {(entry.parent_id, number) for entry, number in self._plans.resting_stops()}

    def reducing(self, venue: str) -> int:
        """Not yet filled quantity of working reductions and exits, and of stops that rest."""
        orders = [order for order in self.at(venue) if order.intent.purpose != Purpose.ENTRY]
        return sum(o.config.qty - o.state.filled for o in orders) + self._plans.reducing(venue)

    def open_notional(self, instrument: Instrument, price: int, but: ParentOrder | None = None) -> float:
        """Of positions and of what working entries may yet fill, over all venues, at this price of one."""
        entries = [o for o in self.working.values() if o.intent.purpose == Purpose.ENTRY and o is not but]
        to_come = [
            o.instrument.notional(o.state.twice_arrival_mid // 2, o.config.qty - o.state.filled)
            for o in entries
        ]
        return self.ledger.gross(instrument.price(price)) + sum(to_come)

    def has_used(self, signal: MacroSignal, but_group: str = "") -> bool:
        """Does an entry on this signal work, or has one filled? Slices of one order are one entry."""
        return any(
            order.intent.signal is not None
            and (not but_group or order.group != but_group)
            and order.intent.signal.asof_ns == signal.asof_ns
            and (order.finished_ns == 0 or order.state.filled > 0)
            for order in self._all.values()
        )

    # --- as plain data ---

    def view(self, parent_id: str) -> OrderView:
        """Raises ConfigError for an id that was never given."""
        twap = self.twaps.get(parent_id)
        return as_view(twap) if twap else view(self.named(parent_id), self._plans.says(parent_id))

    def views(self) -> tuple[OrderView, ...]:
        """All of this run, oldest first; those of slices come after what they are slices of."""
        if not (self._all or self.twaps):
            return ()
        own = [view(order, self._plans.says(name)) for name, order in self._all.items()]
        return (*[as_view(twap) for twap in self.twaps.values()], *own) if self.twaps else tuple(own)

    def executions(self, now_ns: int) -> list[Execution]:
        """For the execution report: every parent that is one chase."""
        return [self.execution(name, now_ns) for name, order in self._all.items() if order.trace.placed_ns]

    def execution(self, parent_id: str, now_ns: int) -> Execution:
        """Of one chase. Raises ConfigError for an id that was never given."""
        order = self.named(parent_id)
        return execution(view(order), order.instrument, order.fills, order.trace, now_ns)
