"""What really happened at the venues to a scenario's orders, and whether everybody else says the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import isclose

from executor_draws import SYMBOL
from near_venue import ACCOUNT, base_units

from citadel_kit.exchange.symbol import Symbol
from citadel_kit.exchange.venue import Venue
from citadel_kit.exchange.world import World
from citadel_kit.io.journal import Journal
from citadel_kit.micro import chase, position
from citadel_kit.micro.matching import AccountTrade, Execution, ListUpdate, OrderState, Status
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.plans import Plan
from citadel_kit.run.reconcile import Reconciliation
from citadel_kit.types import FIRST_STOP_ID, Instrument, client_id, parse_client_id

_BOOKED = """
SELECT client_id, trade_id, f.price, f.qty, f.maker, f.fee, f.base_fee FROM fills f
JOIN orders USING (client_id) JOIN instruments ON instruments.id = orders.instrument
WHERE prefix = ? AND venue = ?"""


class Truth:
    def __init__(
        self,
        prefix: str,
        exchange: World,
        instruments: Mapping[str, Instrument],
        say: Callable[..., None],
    ) -> None:
        self._prefix, self._exchange, self._instruments, self._say = prefix, exchange, instruments, say
        self.problems: list[str] = []
        self.parents: dict[str, ParentOrder] = {}
        self._orders: dict[str, dict[int, OrderState]] = {}
        """By parent, then by number, as the venue had them last."""
        self._families: dict[str, list[str]] = {}
        """An entry with its exits."""
        self._kept: dict[str, int] = {}
        """Of a parent's fills, as fees in the base currency."""
        for venue in exchange.venues.values():
            self._watch(venue)

    def new(self, order: ParentOrder) -> None:
        """Before its first command."""
        self.parents[order.parent_id] = order
        self._orders[order.parent_id] = {}
        self._families.setdefault(order.group or order.parent_id, []).append(order.parent_id)

    # --- at every step --------------------------------------------------------------------------------------

    def _watch(self, venue: Venue) -> None:
        report = venue._report

        def seen(of: Symbol, execution: Execution | ListUpdate) -> None:
            assert isinstance(execution, Execution)
            self._check(venue.name, execution)
            report(of, execution)

        venue._report = seen  # type: ignore[method-assign]

    def _check(self, venue: str, execution: Execution) -> None:
        order = execution.order
        parsed = parse_client_id(order.client_id, self._prefix)
        if parsed is None:
            self.problems.append(f"an order that isn't ours: {order.client_id}")
            return
        parent_id, number = parsed
        self._orders[parent_id][number] = order
        what = execution.kind.name, execution.price, execution.qty, order.filled
        self._say("venue", venue, order.client_id, *what)
        if execution.commission_asset == SYMBOL.partition("/")[0]:
            kept = -(-execution.commission // 10 ** (18 - self._instruments[venue].qty_decimals))
            self._kept[parent_id] = self._kept.get(parent_id, 0) + kept
        parent = self.parents[parent_id]
        if (filled := self.filled(parent_id)) > parent.config.qty:
            self.problems.append(f"{parent_id}: {filled} filled of {parent.config.qty}")
        for stops in (False, True):
            at_work = [n for n, o in self._of(parent_id, stops=stops).items() if _is_open(o)]
            if len(at_work) > 1:
                self.problems.append(f"{parent_id}: {at_work} work at once")
        self._check_family(parent.group or parent_id)

    def _check_family(self, entry: str) -> None:
        """All that closed it, and all that may yet, is no more than what it holds."""
        closing = list(self._of(entry, stops=True).values())
        for exit_ in self._families[entry][1:]:
            closing += self._of(exit_).values()
        most = sum(order.qty if _is_open(order) else order.filled for order in closing)
        held = self.filled(entry) - self._kept.get(entry, 0) * (self.parents[entry].intent.side > 0)
        if most > held and closing:
            self.problems.append(f"{entry}: {most} may be closed of {held}: {closing}")

    def _of(self, parent_id: str, *, stops: bool = False) -> dict[int, OrderState]:
        return {n: o for n, o in self._orders[parent_id].items() if (n >= FIRST_STOP_ID) == stops}

    def filled(self, parent_id: str, *, stops: bool = False) -> int:
        return sum(order.filled for order in self._of(parent_id, stops=stops).values())

    # --- at the end -----------------------------------------------------------------------------------------

    def is_over(self, plan: Plan) -> bool:
        """Flat, or it says what is left. An order of no plan may have closed some while its own exit did."""
        is_flat = position.is_closed(plan.state) or position.position(plan.state) < 0
        return is_flat or position.left(plan.config, plan.state) > 0

    def judge_parents(self, executor: SmartOrderExecutor) -> None:
        for parent_id, order in self.parents.items():
            if not order.finished_ns:
                self.problems.append(f"{parent_id} did not end: {chase.Phase(order.state.phase).name}")
            truth, counted = self.filled(parent_id), sum(fill.qty for fill in order.fills)
            if not truth == counted == order.state.filled <= order.config.qty:
                text = f"the venue filled {truth}, the chase says {order.state.filled}, counted {counted}"
                self.problems.append(f"{parent_id}: {text}, wanted {order.config.qty}")
            if (plan := executor._plans.of(parent_id)) is not None:
                self._judge_plan(plan)

    def _judge_plan(self, plan: Plan) -> None:
        name, state = plan.entry.parent_id, plan.state
        if not self.is_over(plan):
            says = position.describe(plan.entry.instrument, plan.config, state)
            self.problems.append(f"{name}: FLATTEN did not end flat, and says {says!r}")
        stopped = state.stopped + state.stop.filled
        if stopped != self.filled(name, stops=True):
            self.problems.append(f"{name}: its stops filled {self.filled(name, stops=True)}, not {stopped}")
        exits = sum(self.filled(exit_) for exit_ in self._families[name][1:])
        if state.exited + state.leg.filled < exits:
            self.problems.append(f"{name}: its exits filled {exits}, not {state.exited + state.leg.filled}")

    def judge_round(self, venue: str, rounds: Sequence[Reconciliation]) -> None:
        done = [r for r in rounds if r.book or r.finish or r.cancel or r.problems]
        if done or not rounds or not rounds[-1].settled:
            self.problems.append(f"{venue} and the journal differ at the end: {done or rounds[-1:]}")

    def judge_venue(self, venue: str, journal: Journal, executor: SmartOrderExecutor) -> None:
        engine, of = self._exchange.venues[venue].engine(SYMBOL), self._instruments[venue]
        orders = engine.all_orders(ACCOUNT)
        stays = {client_id(self._prefix, *key) for key in executor.orders.at_work()}
        for order in orders:
            if order.open and order.client_id not in stays:
                self.problems.append(f"{venue}: left open: {order}")
        open_ones = {order.client_id for order in orders if order.open}
        self._judge_orders({o.client_id: o.filled for o in orders}, open_ones, venue, journal)
        self._judge_fills(engine.trades(ACCOUNT), of, journal)
        trades = engine.trades(ACCOUNT)
        net = sum(int(t.side) * t.qty - _kept(t, of) for t in trades)
        if executor.ledger.position(venue).qty != net:
            self.problems.append(f"{venue}: the ledger says {executor.ledger.position(venue)}, it is {net}")

    def _judge_orders(
        self, filled: dict[str, int], open_ones: set[str], venue: str, journal: Journal
    ) -> None:
        rows = journal._read(
            "SELECT client_id, done, booked, claimed FROM orders JOIN instruments i ON i.id = instrument "
            "WHERE prefix = ? AND venue = ?",
            (self._prefix, venue),
        )
        for name in filled.keys() - {row[0] for row in rows}:
            self.problems.append(f"{name} is not in the journal")
        for name, done, booked, claimed in rows:
            total = filled.get(name, 0)
            if not (done != (name in open_ones) and booked == total and claimed <= total):
                text = f"booked {booked}, claimed {claimed}, done {done}"
                self.problems.append(f"{name}: the venue filled {total}, the journal says {text}")

    def _judge_fills(self, trades: Sequence[AccountTrade], of: Instrument, journal: Journal) -> None:
        rows = journal._read(_BOOKED, (self._prefix, of.venue))
        booked: dict[tuple[str, str], list[tuple[int, int, int, float, int]]] = defaultdict(list)
        for name, trade_id, *rest in rows:
            booked[name, trade_id].append(tuple(rest))
        for t in trades:
            fee = t.commission / 1e18 * (of.price(t.price) if t.commission_asset == "COIN" else 1.0)
            pieces = booked.pop((t.client_id, str(t.trade_id)), [])
            same = all((price, bool(maker)) == (t.price, t.maker) for price, _, maker, _, _ in pieces)
            qty, noted = sum(piece[1] for piece in pieces), sum(piece[3] for piece in pieces)
            kept = sum(piece[4] for piece in pieces)
            if not (same and qty == t.qty and isclose(noted, fee) and kept == _kept(t, of)):
                self.problems.append(f"{t}: the journal has {pieces}")
        if booked:
            self.problems.append(f"{of.venue} has no such fills: {booked}")


def _is_open(order: OrderState) -> bool:
    return order.status <= Status.PARTIALLY_FILLED


def _kept(trade: AccountTrade, of: Instrument) -> int:
    return base_units(trade, of) if trade.commission_asset == "COIN" else 0
