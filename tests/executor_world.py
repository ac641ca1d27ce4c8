"""The executor with many parents over some venues of the local exchange, all in one loop and virtual time.

Real are the exchange (matching, filters, balances, fees, fault switches), the executor with its chases, exit
plans and stops, the brokers down to the request (`near_broker`), the verified books, the journal, and the
rounds of reconciliation. `executor_truth` checks every step of every order at the venues, and the end.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from executor_desk import Desk
from executor_draws import (
    FAULTS,
    LATENCIES,
    SYMBOL,
    VENUES,
    random_config,
    random_instrument,
    random_plan,
)
from executor_truth import Truth
from near_broker import NearBroker
from near_feed import Feed
from near_venue import ACCOUNT, Gate
from restless_market import RestlessMarket

from citadel_kit import clock, settings
from citadel_kit.errors import VenueUnreachable
from citadel_kit.exchange.build import ExchangeConfig, build_world
from citadel_kit.io.broker import capabilities
from citadel_kit.io.journal import Journal
from citadel_kit.micro import chase
from citadel_kit.micro.guard.records import FLATTEN
from citadel_kit.micro.ledger import Ledger
from citadel_kit.micro.position import ExitConfig
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.run.options import Abilities, exit_chase
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.plans import Plan, exit_id
from citadel_kit.run.reconcile import Reconciliation
from citadel_kit.types import BookReader, BookTop, Fill, OrderIntent, OrderReport, Purpose, Side

START_NS = 1_800_000_000 * clock.SECOND
PATIENCE_S = 90.0
"""For all orders to end, once they are cancelled and every fault is over."""


class ExecutorWorld:
    """One scenario, with a journal of its own; `log` tells what was sent, heard and done."""

    def __init__(self, seed: int, journal: Journal) -> None:
        self.seed, self.journal = seed, journal
        self.prefix = f"ck{seed:06x}"
        self.start_ns = START_NS
        self.log: list[tuple[int, tuple[object, ...]]] = []
        self.entries: list[str] = []
        """Parents that we submitted; exits are the plans' own."""
        self._random = rng = random.Random(seed)
        self.names = rng.sample(VENUES, rng.choice([1, 1, 2, 3]))
        self.instruments = {name: random_instrument(rng, name) for name in self.names}
        self._busy_s = rng.uniform(0.8, 3.0)
        self._mild = rng.random() < 0.1
        self._plans_often = rng.choice([0.0, 0.5, 1.0])
        self._held_venues: set[str] = set()
        self._died: list[str] = []
        self._is_judged = False
        """From then on the executor hears of nothing but reports: a plan would try again and again."""

    # --- from start to end ----------------------------------------------------------------------------------

    async def play(self) -> list[str]:
        """What should not have been."""
        self._build()
        brokers = self.desk.brokers.values()
        for broker in brokers:
            await broker.start()
        self.journal.start_run(self.prefix, ACCOUNT, "TEST", clock.now_ns())
        for feed in self.feeds.values():
            feed.connect()
        tasks = [asyncio.create_task(self._reconciling(name)) for name in self.names]
        try:
            await self._busy()
            await self._calm()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._is_judged = True
            self.truth.judge_parents(self.executor)
            for name in self.names:
                self.truth.judge_round(name, await self._settled(name))
                self.truth.judge_venue(name, self.journal, self.executor)
        finally:
            for broker in brokers:
                await broker.close()
        died = [f"a task died: {error!r}" for broker in brokers for error in broker.failures]
        return [*self.truth.problems, *self.desk.problems, *self._died, *died]

    def _build(self) -> None:
        rng = self._random
        market = RestlessMarket(
            {name: [of] for name, of in self.instruments.items()},
            start_ns=self.start_ns, seed=rng.getrandbits(32), quiet_s=self._busy_s + 1.0,
        )  # fmt: skip
        config = ExchangeConfig(
            market=market, venues=self.names, symbols=[SYMBOL], seed=self.seed,
            balances={"USDT": rng.choice([1e5, 1e5, 20.0]), "COIN": rng.choice([1e3, 1e3, 0.2])},
            fill=rng.choice(["queue", "pessimistic"]), latency=rng.choice(LATENCIES),
        )  # fmt: skip
        self.exchange = build_world(config, self.start_ns, clock.now_ns)
        rows = {name: capabilities(name) for name in self.names}
        can = {name: Abilities(row.stops, row.stop_at_market, row.amend) for name, row in rows.items()}
        outbox = Outbox(can)
        self.truth = Truth(self.prefix, self.exchange, self.instruments, self.say)
        self.desk = Desk(self.journal, self.prefix, outbox, self._forward, self._at_work, self.say)
        ledger = Ledger(self.instruments.values(), {name: settings.fees(name) for name in self.names})
        self.executor = SmartOrderExecutor(
            outbox, ledger, self._filled, self._may_go_on, start_exit=self._start_exit, on_new=self._new
        )
        self.gates: dict[str, Gate] = {}
        self.feeds: dict[str, Feed] = {}
        for name, of in self.instruments.items():
            gate = self.gates[name] = Gate(self.exchange.venues[name])
            dice = random.Random(rng.random())
            broker = NearBroker(gate, of, self.desk.heard, self.desk.books.on_trade, self.prefix, dice)
            self.desk.add(broker, {SYMBOL: of})
            self.feeds[name] = Feed(gate, gate.venue.symbols[SYMBOL], self._on_top, self._on_no_book)

    async def _busy(self) -> None:
        rng, end_ns = self._random, self.start_ns + int(self._busy_s * clock.SECOND)
        weather = {name: clock.now_ns() + rng.randint(0, 500) * clock.MILLISECOND for name in self.names}
        due = sorted(rng.uniform(0.0, self._busy_s * 0.7) for _ in range(rng.randint(1, 7)))
        while (now_ns := clock.now_ns()) < end_ns:
            await self._tick()
            for name, at_ns in weather.items():
                if now_ns >= at_ns and not self._mild:
                    self._change_weather(name)
                    weather[name] = now_ns + rng.randint(50, 1_200) * clock.MILLISECOND
            if due and now_ns >= self.start_ns + due[0] * clock.SECOND and self._submit(clock.now_ns()):
                due.pop(0)
            self._user(clock.now_ns())
            self.desk.perform()

    async def _calm(self) -> None:
        """Every fault is over, all is cancelled and closed; until it has ended, and a while longer."""
        self._held_venues.clear()
        for gate in self.gates.values():
            gate.venue.faults.clear()
            gate.down = False
        self.say("calm")
        if self._random.random() < 0.2:  # some have a deadline and end by themselves
            await self._wait(3.0)
        self.executor.cancel_all(clock.now_ns())
        self.executor.on_guard(FLATTEN, clock.now_ns())
        self.desk.perform()
        for _ in range(int(PATIENCE_S)):
            await self._wait(0.5)
            if self._is_over():
                await self._wait(2.5)
                if self._is_over():
                    return

    def _is_over(self) -> bool:
        """A plan that could not close tries again, ever later: then it is over in between."""
        return not self.executor.orders.working and all(map(self.truth.is_over, self.plans()))

    async def _wait(self, seconds: float) -> None:
        end_ns = clock.now_ns() + int(seconds * clock.SECOND)
        while clock.now_ns() < end_ns:
            await self._tick(0.05)

    async def _tick(self, pause_s: float = 0.0) -> None:
        await asyncio.sleep(pause_s or self._random.uniform(0.005, 0.04))
        self.exchange.catch_up()
        for gate in self.gates.values():
            if gate.streams_refused:
                gate.cut()
        if not self._is_judged:
            self.executor.on_timer(clock.now_ns())
            self.desk.perform()

    def plans(self) -> list[Plan]:
        found = [self.executor._plans.of(parent_id) for parent_id in self.entries]
        return [plan for plan in found if plan is not None]

    # --- what happens ---------------------------------------------------------------------------------------

    def _submit(self, now_ns: int) -> bool:
        rng, name = self._random, self._random.choice(self.names)
        feed, of, cap = self.feeds[name], self.instruments[name], self.desk.brokers[name].capabilities
        top = feed.book.top()
        if not (feed.book.synced and 0 < top.bid < top.ask):
            return False
        config = random_config(rng, of, rng.choice([cap.amend, chase.Amend.NONE]), now_ns)
        side = Side(config.side)
        purpose = rng.choice([Purpose.ENTRY, Purpose.ENTRY, Purpose.REDUCE, Purpose.EXIT])
        plan = None
        if purpose == Purpose.ENTRY and rng.random() < self._plans_often:
            plan = random_plan(rng, of, side, (top.bid + top.ask) // 2, cap, now_ns)
        intent = OrderIntent(
            venue=name, symbol=SYMBOL, side=side, qty=config.qty, purpose=purpose, forced=True
        )
        seen = top._replace(recv_ns=now_ns)
        order = self.executor.submit(intent, of, config, seen, now_ns, feed.book, plan=plan)
        self.entries.append(order.parent_id)
        return True

    def _start_exit(self, entry: ParentOrder, number: int, qty: int, urgent: bool, now_ns: int) -> bool:
        """As `run.intake` does it, with a gate that says no by lot."""
        of, feed = entry.instrument, self.feeds[entry.instrument.venue]
        top = feed.book.top()
        if not feed.book.synced or not 0 < top.bid < top.ask or self._random.random() < 0.1:
            return False
        intent = OrderIntent(
            venue=of.venue, symbol=SYMBOL, side=Side(-entry.intent.side), qty=qty, purpose=Purpose.EXIT
        )
        can = self.desk.outbox.abilities(of.venue)
        config = exit_chase(of, intent, now_ns, can, urgent=urgent)
        name, seen = exit_id(entry, number), top._replace(recv_ns=now_ns)
        self.executor.submit(
            intent, of, config, seen, now_ns, feed.book, group=entry.parent_id, parent_id=name
        )
        return True

    def _user(self, now_ns: int) -> None:
        rng, executor = self._random, self.executor
        what = rng.random()
        if what < 0.004 and self.entries:
            executor.cancel(rng.choice(self.entries), now_ns)
        elif what < 0.005:
            executor.cancel_all(now_ns, entries_only=rng.random() < 0.5, exits_too=rng.random() < 0.5)
        elif what < 0.008:
            executor.hold_entries(now_ns)
        elif what < 0.014:
            self._held_venues ^= {rng.choice(self.names)}
        elif what < 0.018:
            executor.on_signal(rng.choice([1, 0, -1]), now_ns)
        elif what < 0.019:
            executor.on_guard(FLATTEN, now_ns)
        elif what < 0.023 and (plans := self.plans()):
            executor.close_position(rng.choice(plans).entry.parent_id, now_ns)

    def _change_weather(self, name: str) -> None:
        rng, gate = self._random, self.gates[name]
        gate.venue.faults.clear()
        gate.down = rng.random() < 0.06  # a restart: the state is kept
        if gate.down:
            gate.cut()
        faults: dict[str, Any] = {}
        for _ in range(rng.choice([0, 1, 1, 2])):
            faults |= rng.choice(FAULTS)
        gate.venue.faults.set(**faults)
        self.say("weather", name, gate.down, faults)

    # --- what the executor hears, and asks ------------------------------------------------------------------

    def _on_top(self, venue: str, top: BookTop, now_ns: int, book: BookReader) -> None:
        if not self._is_judged:
            self.executor.on_top(venue, top, now_ns, book)
            self.desk.perform()

    def _on_no_book(self, venue: str, now_ns: int) -> None:
        self.executor.on_no_book(venue, now_ns)
        self.desk.perform()

    def _forward(self, parent_id: str, report: OrderReport, base_fee: int) -> None:
        if self.executor.orders.get(parent_id) is not None:  # else an orphan, which is told of elsewhere
            self.executor.on_report(parent_id, report, clock.now_ns(), base_fee)
            self.desk.perform()

    def _at_work(self) -> set[tuple[str, int]]:
        return self.executor.orders.at_work()

    def _may_go_on(self, intent: OrderIntent) -> bool:
        return intent.venue not in self._held_venues

    def _new(self, order: ParentOrder, plan: ExitConfig | None) -> None:
        self.say("new", order.parent_id, order.instrument.venue, order.config, plan)
        self.truth.new(order)
        self.desk.outbox.new_parent(order, plan)

    def _filled(self, fill: Fill) -> None:
        self.say("count", fill.parent_id, fill.order_id, fill.price, fill.qty)

    def say(self, *what: object) -> None:
        self.log.append((clock.now_ns() - self.start_ns, what))

    # --- reconciliation -------------------------------------------------------------------------------------

    async def _reconciling(self, venue: str) -> None:
        rng = random.Random(f"{self.seed} {venue}")
        while True:
            await asyncio.sleep(rng.uniform(0.4, 2.0))
            try:
                await self.desk.round(venue)
            except VenueUnreachable:
                continue
            except Exception as error:  # noqa: BLE001 - told at the end
                self._died.append(f"reconciliation: {error!r}")

    async def _settled(self, venue: str) -> list[Reconciliation]:
        """The rounds at the end, until one is settled: one that booked or finished anything is told of."""
        rounds: list[Reconciliation] = []
        for _ in range(100):
            try:
                rounds.append(await self.desk.round(venue))
            except VenueUnreachable:
                continue
            if rounds[-1].settled:
                break
            await self._wait(0.5)
        return rounds
