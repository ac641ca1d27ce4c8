"""A venue that forgets nothing, and an engine that may die at any line: for the tests of reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from citadel_kit.io.journal import Journal
from citadel_kit.run.reconcile import (
    RECENT_NS,
    Reconciliation,
    VenueView,
    reconcile,
    record,
    to_ask,
    trades_since,
)
from citadel_kit.types import (
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    ReportKind,
    Side,
    VenueOrder,
    VenueTrade,
    client_id,
    parse_client_id,
)

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)


class Crash(Exception):
    """The engine dies here."""


@dataclass
class Venue:
    """Orders and trades by the obvious rules. Requests in flight arrive when `deliver` is called."""

    random: Random
    trades_name_us: bool = True
    """Do trades carry the client id? Binance's don't."""
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    trades: list[VenueTrade] = field(default_factory=list)
    flying: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    """Requests that were sent: when they arrive, and what they do."""
    now_ns: int = START_NS

    def deliver(self) -> None:
        due = [act for at, act in self.flying if at <= self.now_ns]
        self.flying = [(at, act) for at, act in self.flying if at > self.now_ns]
        for act in due:
            act()

    def place(self, name: str, side: int, price: int, qty: int) -> None:
        if name not in self.orders:
            number = f"n{len(self.orders)}"
            self.orders[name] = VenueOrder(name, number, "A/B", side, price, qty, 0, True, self.now_ns)

    def cancel(self, name: str) -> None:
        if name in self.orders:
            self.orders[name] = self.orders[name]._replace(alive=False)

    def trade(self) -> tuple[VenueOrder, VenueTrade] | None:
        """Some order fills a bit."""
        alive = [order for order in self.orders.values() if order.alive]
        if not alive:
            return None
        old = self.random.choice(alive)
        qty = self.random.randint(1, old.qty - old.filled)
        new = old._replace(filled=old.filled + qty, alive=old.filled + qty < old.qty)
        self.orders[old.client_id] = new
        name = old.client_id if self.trades_name_us else ""
        trade_id = f"t{len(self.trades)}"
        price = old.price - old.side * self.random.randint(0, 5)
        trade = VenueTrade(
            trade_id, old.venue_order_id, name, "A/B", old.side, price, qty, True, 0.1, self.now_ns
        )
        self.trades.append(trade)
        return new, trade

    def position(self, ours: Callable[[str], bool]) -> int:
        by_number = {order.venue_order_id: order.client_id for order in self.orders.values()}
        return sum(t.side * t.qty for t in self.trades if ours(by_number[t.venue_order_id]))


class Engine:
    """One run: it journals ahead, sends, and books what it hears, and it may die between any two steps."""

    def __init__(self, world: World) -> None:
        self.world, self.venue, self.random = world, world.venue, world.random
        self.journal = Journal(world.path)
        self.prefix = f"ck{len(world.prefixes):06x}"
        world.prefixes.append(self.prefix)
        self.journal.start_run(self.prefix, "main", "TEST", self.venue.now_ns)
        self.orders: dict[str, Command] = {}
        self.parents = 0
        self.hears_early_ends = False
        """Is it told that an order is gone while that still trades?"""

    def step(self) -> None:
        """Something an engine does, or something that happens to it."""
        self.venue.now_ns += self.random.randint(1, SECOND)
        self.venue.deliver()
        self.random.choice((self._place, self._place, self._cancel, self._hear, self._hear, self._hear))()

    def _may_die(self) -> None:
        if self.random.random() < 0.05:
            raise Crash

    def _send(self, act: Callable[[], None]) -> None:
        """At once, later (a time-out to us), or never."""
        draw = self.random.random()
        if draw < 0.6:
            act()
        elif draw < 0.85:
            self.venue.flying.append((self.venue.now_ns + self.random.randint(1, 8 * SECOND), act))

    def _place(self) -> None:
        self.parents += 1
        parent = f"p{self.parents}"
        side = self.random.choice((Side.BUY, Side.SELL))
        qty, price, now_ns = self.random.randint(1, 9), self.random.randint(100, 200), self.venue.now_ns
        intent = OrderIntent(venue="v", symbol="A/B", side=side, qty=qty, forced=True)
        self.journal.intent(parent, intent, COIN, {}, now_ns)
        self._may_die()
        command = Command(CommandKind.PLACE, 1, int(side), price, qty, 0)
        self.journal.command(parent, command, now_ns)
        self._may_die()
        name = client_id(self.prefix, parent, 1)
        self.orders[name] = command
        self._send(lambda: self.venue.place(name, int(side), price, qty))
        self._may_die()
        if name in self.venue.orders and self.random.random() < 0.8:
            rests = OrderReport(ReportKind.ACK, 1, now_ns, price, qty, 0, False, 0)
            self.journal.report(parent, rests, venue_order_id=self.venue.orders[name].venue_order_id)

    def _cancel(self) -> None:
        if self.orders:
            name = self.random.choice(list(self.orders))
            self.world.cancel(self.journal, name, self._send)
            self._may_die()
            own = {o.client_id: o for o in self.journal.own_orders("v", 0)}[name]
            if self.hears_early_ends and own.venue_order_id and self.random.random() < 0.5:
                gone = OrderReport(ReportKind.CANCELED, 1, self.venue.now_ns, 0, 0, own.booked, False, 0)
                self.journal.report(own.parent_id, gone)

    def _hear(self) -> None:
        """A trade or an end at the venue; its report comes, comes twice, or is lost."""
        traded = self.venue.trade()
        if traded is None or self.random.random() < 0.3:
            return
        order, trade = traded
        parsed = parse_client_id(order.client_id, self.prefix)
        if parsed is None:
            return
        for _ in range(self.random.choice((1, 1, 2))):
            self._may_die()
            trade_id = self.random.choice((trade.trade_id, ""))
            self._book(parsed, order, trade, trade_id)
        if not order.alive and self.random.random() < 0.5:
            gone = OrderReport(
                ReportKind.CANCELED, parsed[1], self.venue.now_ns, 0, 0, order.filled, False, 0
            )
            self.journal.report(parsed[0], gone)

    def _book(self, parsed: tuple[str, int], order: VenueOrder, trade: VenueTrade, trade_id: str) -> None:
        report = OrderReport(
            ReportKind.FILL, parsed[1], self.venue.now_ns, trade.price, trade.qty, order.filled, True, 0
        )
        fill = Fill(
            venue="v",
            symbol="A/B",
            parent_id=parsed[0],
            order_id=parsed[1],
            recv_ns=self.venue.now_ns,
            side=Side(trade.side),
            price=trade.price,
            qty=trade.qty,
            maker=True,
            fee=0.1,
        )
        with self.journal.batch():
            self.journal.report(parsed[0], report, venue_order_id=order.venue_order_id)
            self.journal.fill(fill, order.filled, trade_id)


class World:
    """A venue, a journal, and engines one after another."""

    def __init__(self, path: Path, seed: int, *, trades_name_us: bool) -> None:
        self.path, self.random = path, Random(seed)
        self.prefixes: list[str] = []
        self.venue = Venue(self.random, trades_name_us)
        self.venue.place("theirs", 1, 90, 1_000_000)
        self.rounds: list[Reconciliation] = []

    def ours(self, name: str) -> bool:
        return any(parse_client_id(name, prefix) for prefix in self.prefixes)

    def cancel(self, journal: Journal, name: str, send: Callable[[Callable[[], None]], None]) -> None:
        prefix = next(p for p in self.prefixes if parse_client_id(name, p))
        parent, order_id = parse_client_id(name, prefix) or ("", 0)
        command = Command(CommandKind.CANCEL, order_id, 0, 0, 0, 0)
        journal.command(parent, command, self.venue.now_ns, prefix)
        send(lambda: self.venue.cancel(name))

    def look(self, journal: Journal, *, start: bool = True) -> VenueView:
        """In the order of the docstring; the venue goes on between the questions, some aren't answered."""
        venue, asked_ns = self.venue, self.venue.now_ns
        open_orders = [order for order in venue.orders.values() if order.alive]
        self._meanwhile()
        ours = journal.own_orders("v", asked_ns - RECENT_NS)
        named = [order.client_id for order in open_orders if self.ours(order.client_id)]
        answered = [
            n
            for n in dict.fromkeys([*to_ask(ours, asked_ns, start=start), *named])
            if self.random.random() < 0.9
        ]
        asked = {name: venue.orders.get(name) for name in answered}
        self._meanwhile()
        since = trades_since(ours, [o for o in open_orders if self.ours(o.client_id)], asked_ns)
        trades = [trade for trade in venue.trades if trade.exch_ns >= since]
        if self.random.random() < 0.2:
            trades = trades[:-1]  # a list that lags behind
        if trades and self.random.random() < 0.2:
            trades.append(self.random.choice(trades))  # or holds one twice
        return VenueView(asked_ns, open_orders, asked, trades)

    def _meanwhile(self) -> None:
        self.venue.now_ns += self.random.randint(0, SECOND // 10)
        self.venue.deliver()
        if self.random.random() < 0.3:
            self.venue.trade()

    def reconcile(
        self, journal: Journal, keep: Collection[str] | None, between: Callable[[], None] = lambda: None
    ) -> Reconciliation:
        """One round. `between` the answers and the decision the engine may go on."""
        view = self.look(journal, start=keep is None)
        between()
        numbers = {trade.venue_order_id for trade in view.trades}
        ours = journal.own_orders("v", view.asked_ns - RECENT_NS, numbers)
        result = reconcile("v", ours, view, self.prefixes, keep=keep)
        record(journal, "v", result, {"A/B": COIN}, self.venue.now_ns)
        for found in result.cancel:
            if self.random.random() < 0.8:
                self.venue.cancel(found.order.client_id)
        self.venue.now_ns += SECOND
        self.rounds.append(result)
        return result

    def settle(self, journal: Journal) -> None:
        """The start of a run: until a round finds nothing left."""
        for _ in range(200):
            if self.reconcile(journal, None).settled:
                return
        raise AssertionError(f"never settled: {self.rounds[-1]}")
