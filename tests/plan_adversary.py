"""A venue, an entry and exits that do to an exit plan whatever they may do, and remember what was true.

Reports and commands come late, twice, out of order or never; stops are refused, before or after they were
acknowledged, cancelled unasked, triggered, filled in parts, or live on when their cancel was lost; exits end
with any part filled, or don't start. Certain are a QUERY that is asked often enough, and the totals of entry
and exits, which are those of chase orders. Every event is kept as a row of integers, for another caller.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from citadel_kit.micro import position as plan
from citadel_kit.micro.position import Deed, DeedKind, ExitConfig, PlanState, StopPhase
from citadel_kit.types import OrderReport, RejectReason, ReportKind

ENTRY, EXIT, REPORT, TOP, NO_BOOK, TIMER, SIGNAL, GUARD, CLOSE, PROCEED = range(10)


def apply(config: ExitConfig, state: PlanState, row: tuple[int, ...]) -> plan.Step:
    """One row, as plain Python; `test_position.compiled` is its twin."""
    kind, now, a, b, c, d, e = row
    if kind == ENTRY:
        return plan.on_entry(config, state, a, b != 0)
    if kind == EXIT:
        return plan.on_exit(config, state, a, b, c != 0)
    if kind == REPORT:
        return plan.on_report(config, state, OrderReport(a, b, now, 1, c, d, False, e))
    if kind == TOP:
        return plan.on_top(config, state, now, a, b)
    if kind == NO_BOOK:
        return plan.on_no_book(config, state, now)
    if kind == SIGNAL:
        return plan.on_signal(config, state, now, a)
    if kind == GUARD:
        return plan.on_guard(config, state, now, a)
    if kind == CLOSE:
        return plan.close(config, state, now)
    return plan.on_timer(config, state, now) if kind == TIMER else plan.proceed(config, state)


def random_config(rng: random.Random) -> ExitConfig:
    side = rng.choice([1, -1])
    return ExitConfig(
        side=side,
        stop_price=rng.choice([0, *[10_000 - side * away for away in (50, 400, 2_000)]]),
        stop_limit=0,
        target_price=rng.choice([0, 0, 10_000 + side * 60]),
        deadline_ns=rng.choice([0, 0, 8_000]),
        on_flip=1,
        rests=rng.choice([0, 1, 1, 1, 1]),
        tick=1,
        lot=rng.choice([1, 1, 10]),
        min_notional=rng.choice([0, 0, 200_000]),
        restop_ns=rng.choice([0, 100, 1_000]),
        grace_ns=rng.choice([0, 300]),
        entry_wait_ns=rng.choice([0, 200]),
        pause_ns=rng.choice([20, 200]),
        answer_ns=rng.choice([60, 300]),
        check_ns=rng.choice([0, 500]),
    )


@dataclass(slots=True)
class Order:
    qty: int
    filled: int = 0
    alive: bool = True


@dataclass(slots=True)
class Faults:
    lost_command: float = 0.0
    lost_report: float = 0.0
    doubled: float = 0.0
    refused: float = 0.0


class PlanAdversary:
    def __init__(self, seed: int, config: ExitConfig | None = None) -> None:
        self.rng = rng = random.Random(seed)
        self.config = config or random_config(rng)
        wild = rng.random() < 0.8
        self.faults = Faults(*(rng.choice([0.0, 0.1, 0.4]) if wild else 0.0 for _ in range(4)))
        self.now, self.price = 1_000, 10_000
        self.state = plan.fresh(self.now)
        self.entry, self.entry_cancelled = Order(rng.randint(1, 500)), False
        self.exits: dict[int, Order] = {}
        self.stops: dict[int, Order] = {}
        self.inbound: list[Deed] = []
        self.reports: list[tuple[int, ...]] = []
        self.rows: list[tuple[int, ...]] = []
        self.deeds: list[Deed] = []
        self.violations: list[str] = []

    # --- the truth ----------------------------------------------------------------------------------------

    def held(self) -> int:
        closed = sum(o.filled for o in (*self.exits.values(), *self.stops.values()))
        return self.entry.filled - closed

    def may_close(self) -> int:
        """By what works, and by what is on its way to the venue."""
        working = [o for o in (*self.exits.values(), *self.stops.values()) if o.alive]
        placing = [d for d in self.inbound if d.kind == DeedKind.PLACE_STOP]
        return sum(o.qty - o.filled for o in working) + sum(d.qty for d in placing)

    def check(self) -> None:
        if self.may_close() > self.held() or self.held() < 0:
            self.violations.append(f"{self.may_close()} may be sold of {self.held()}")
        if plan.may_close(self.state) > max(plan.position(self.state), 0):
            self.violations.append(f"by its own books: {self.state}")
        placing = sum(d.kind == DeedKind.PLACE_STOP for d in self.inbound)
        if sum(o.alive for o in self.stops.values()) + placing > 1:
            self.violations.append("two stops")
        told = self.state
        closed = sum(o.filled for o in self.stops.values())
        if told.stopped + told.stop.filled > closed or told.entered > self.entry.filled:
            self.violations.append("fills that never were")

    # --- events -------------------------------------------------------------------------------------------

    def tell(self, kind: int, *facts: int) -> None:
        row = (kind, self.now, *facts, *(0,) * (5 - len(facts)))
        while True:
            self.rows.append(row)
            self.state, deed = apply(self.config, self.state, row)
            self.deeds.append(deed)
            if deed.kind == DeedKind.NONE:
                break
            self.do(deed)
            self.check()
            row = (PROCEED, self.now, 0, 0, 0, 0, 0)
        self.check()

    def do(self, deed: Deed) -> None:
        if deed.kind == DeedKind.CANCEL_ENTRY:
            self.entry_cancelled = True
        elif deed.kind == DeedKind.START_EXIT:
            if deed.qty <= 0 or deed.qty % self.config.lot or any(o.alive for o in self.exits.values()):
                self.violations.append(f"exit {deed}")
            self.exits[deed.order_id] = Order(deed.qty)
        elif deed.kind == DeedKind.CANCEL_EXIT:
            pass  # it ends when it ends
        else:
            if deed.kind == DeedKind.PLACE_STOP and (
                deed.qty <= 0
                or deed.qty % self.config.lot
                or deed.qty * self.config.stop_price < self.config.min_notional
                or deed.order_id in self.stops
            ):
                self.violations.append(f"stop {deed}")
            self.inbound.append(deed)

    def step(self) -> None:
        rng = self.rng
        self.now += rng.choice([1, 5, 20, 100])
        rng.choice([
            self.fill_entry, self.work_exit, self.work_stop, self.deliver, self.deliver, self.report,
            self.report, self.move, self.move, self.wait, self.disturb,
        ])()  # fmt: skip
        self.check()

    def fill_entry(self) -> None:
        rng, entry = self.rng, self.entry
        if entry.alive:
            entry.filled += min(rng.choice([0, 1, 7, 50, 500]), entry.qty - entry.filled)
            over = entry.filled == entry.qty or (rng.random() < (0.5 if self.entry_cancelled else 0.05))
            entry.alive = not over
        if rng.random() < 0.7:
            self.tell(ENTRY, entry.filled, int(not entry.alive))

    def work_exit(self) -> None:
        for number, order in self.exits.items():
            if order.alive:
                order.filled += self.rng.choice(
                    [0, 1, (order.qty - order.filled) // 2, order.qty - order.filled]
                )
                order.filled = min(order.filled, order.qty)
                order.alive = order.filled < order.qty and self.rng.random() < 0.6
                if order.alive and self.rng.random() < 0.5:
                    continue
                self.tell(EXIT, number, order.filled, int(not order.alive))
                return

    def work_stop(self) -> None:
        for order_id, order in self.stops.items():
            dice = self.rng.random()
            if order.alive and dice < 0.2:
                order.filled += self.rng.choice([1, order.qty - order.filled])
                order.alive = order.filled < order.qty
                self.answer(ReportKind.FILL, order_id, order.filled)
            elif order.alive and dice < 0.2 + self.faults.refused / 8:
                order.alive = False
                self.answer(ReportKind.CANCELED, order_id, order.filled)

    def deliver(self) -> None:
        """One command arrives, seldom in order."""
        if not self.inbound:
            return
        deed = self.inbound.pop(self.rng.randrange(len(self.inbound)) if self.rng.random() < 0.2 else 0)
        if self.rng.random() < self.faults.lost_command:
            if self.rng.random() < 0.5:
                self.answer(ReportKind.UNKNOWN, deed.order_id)
            return
        order = self.stops.get(deed.order_id)
        if deed.kind == DeedKind.PLACE_STOP:
            self.deliver_stop(deed)
        elif deed.kind == DeedKind.QUERY_STOP:
            self.deliver_query(deed, order)
        elif order is None or not order.alive:
            self.answer(ReportKind.CANCEL_REJECT, deed.order_id, 0, RejectReason.UNKNOWN_ORDER)
        elif self.rng.random() < self.faults.refused:
            self.answer(ReportKind.CANCEL_REJECT, deed.order_id, 0, RejectReason.RATE_LIMIT)
        else:
            order.alive = False
            self.answer(ReportKind.CANCELED, deed.order_id, order.filled)

    def deliver_stop(self, deed: Deed) -> None:
        order = self.stops[deed.order_id] = Order(deed.qty)
        if self.rng.random() < self.faults.refused:
            order.alive = False
            if self.rng.random() < 0.3:
                self.answer(ReportKind.ACK, deed.order_id)
            self.answer(ReportKind.REJECT, deed.order_id, 0, self.rng.choice(list(RejectReason)[:7]))
            return
        self.answer(ReportKind.ACK, deed.order_id)
        if self.rng.random() < self.faults.refused:
            self.answer(ReportKind.REJECT, deed.order_id, 0, RejectReason.DUPLICATE)

    def deliver_query(self, deed: Deed, order: Order | None) -> None:
        if order is not None:
            kind = ReportKind.STATE if order.alive else ReportKind.CANCELED
            self.answer(kind, deed.order_id, order.filled)
        elif any(d.kind == DeedKind.PLACE_STOP for d in self.inbound):
            self.answer(ReportKind.UNKNOWN, deed.order_id)
        else:
            self.answer(ReportKind.REJECT, deed.order_id, 0, RejectReason.UNKNOWN_ORDER)

    def answer(self, kind: ReportKind, order_id: int, filled: int = 0, reason: int = 0) -> None:
        qty = self.stops[order_id].qty if order_id in self.stops else 0
        if self.rng.random() >= self.faults.lost_report:
            self.reports.append((int(kind), order_id, qty, filled, int(reason)))

    def report(self) -> None:
        if self.reports:
            row = self.reports.pop(self.rng.randrange(len(self.reports)) if self.rng.random() < 0.3 else 0)
            if self.rng.random() < self.faults.doubled:
                self.reports.append(row)
            self.tell(REPORT, *row)

    def move(self) -> None:
        self.price += self.rng.choice([0, 1, -1, 5, -5, 20, -20])
        dice = self.rng.random()
        if dice < 0.05:
            self.tell(NO_BOOK)
        else:
            self.tell(TOP, self.price, self.price + (1 if dice < 0.95 else 0))

    def wait(self) -> None:
        self.tell(TIMER)

    def disturb(self) -> None:
        dice = self.rng.random()
        if dice < 0.03:
            self.tell(SIGNAL, self.rng.choice([1, 0, -1]))
        elif dice < 0.06:
            self.tell(GUARD, self.rng.choice([0, 1, 2, 3]))
        elif dice < 0.07:
            self.tell(CLOSE)

    def finish(self) -> None:
        """The user closes, nothing gets lost any more, and everything on its way arrives."""
        self.faults = Faults()
        self.tell(CLOSE)
        for _ in range(3_000):
            self.now += 100
            self.entry.alive = False
            self.tell(ENTRY, self.entry.filled, 1)
            for _ in range(3):
                self.deliver()
                self.report()
            self.work_exit()
            self.tell(TOP, self.price, self.price + 1)
            self.check()
            # A stop that filled in part may go on resting for dust, which nothing else could close.
            resting = self.state.stop.phase == StopPhase.RESTING and any(o.alive for o in self.stops.values())
            still = plan.may_close(self.state) == 0 or resting
            settled = plan.is_closed(self.state) or (still and self.is_dust())
            if settled and not (self.inbound or self.reports):
                return
        self.violations.append(f"never ends: {self.state}")

    def is_dust(self) -> bool:
        whole = self.held() - self.held() % self.config.lot
        return whole == 0 or whole * (self.price + 1) < self.config.min_notional


def run(seed: int, steps: int = 250) -> PlanAdversary:
    world = PlanAdversary(seed)
    for _ in range(steps):
        world.step()
    world.finish()
    return world
