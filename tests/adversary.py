"""A venue, and a broker, that do to a chase order whatever they may do, and remember what was true.

Reports come late, twice, out of order or never; commands overtake each other, get lost on their way, or take
effect without a word; cancels lose races or are refused while the order lives; amendments are refused, or
acknowledged and then refused; orders are rejected, before or after their acknowledgement, put at another
price than asked, filled in parts, or cancelled unasked; and the engine dies and comes back with what its
journal holds. One thing is certain: a QUERY that is asked often enough is answered truly.

Every event it makes is kept as a row of integers, so that the same events can be fed to another caller.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fractions import Fraction

from citadel_kit.micro import chase
from citadel_kit.types import (
    NO_COMMAND,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
)

START, TOP, REPORT, TIMER, NO_BOOK, HELD, CANCEL, RESUME = range(8)
WIDTH = 26


def random_config(rng: random.Random) -> chase.ChaseConfig:
    return chase.ChaseConfig(
        side=rng.choice([1, -1]),
        qty=rng.randint(1, 2_000),
        limit_price=rng.choice([0, 0, rng.randint(9_900, 10_100)]),
        tick=rng.choice([1, 1, 5]),
        lot=rng.choice([1, 1, 10]),
        min_notional=rng.choice([0, 0, 200_000]),
        max_chase_bps=rng.choice([0, 5, 20, 100, 10_000]),
        offset=rng.choice([0, 0, 0, 1, 3, -2]),
        ignore_qty=rng.choice([0, 0, 4]),
        min_move=rng.choice([1, 1, 3]),
        min_rest_ns=rng.choice([0, 0, 50]),
        patience_ns=rng.choice([0, 200]),
        confirm_tops=rng.choice([1, 1, 1, 3]),
        confirm_ns=rng.choice([0, 0, 40]),
        max_reprices=rng.choice([-1, -1, 0, 3]),
        trail_back=rng.choice([0, 1, 1]),
        when_blind=rng.choice([0, 1]),
        amend=rng.choice([0, 1, 2, 2]),
        pause_ns=rng.choice([0, 20]),
        max_rejects=rng.choice([1, 3, 50]),
        answer_ns=rng.choice([60, 300, 2_000]),
        check_ns=rng.choice([0, 0, 500]),
        deadline_ns=rng.choice([0, 1_000_000]),
        on_deadline=rng.choice([0, 1, 1]),
        take_slippage_bps=rng.choice([0, 5, 50]),
        slices=rng.choice([1, 1, 4]),
        slice_ns=rng.choice([0, 100]),
    )


@dataclass(slots=True)
class Order:
    """The truth of one order at the venue."""

    price: int
    qty: int
    filled: int = 0
    alive: bool = True


@dataclass(slots=True)
class Faults:
    """How often each thing goes wrong."""

    lost_command: float = 0.0
    lost_report: float = 0.0
    twice: float = 0.0
    refused: float = 0.0
    slid: float = 0.0
    unknown: float = 0.0
    crash: float = 0.0
    drops: float = 0.0

    @staticmethod
    def drawn(rng: random.Random) -> Faults:
        if rng.random() < 0.15:
            return Faults()
        return Faults(
            lost_command=rng.choice([0, 0, 0.1]),
            lost_report=rng.choice([0, 0, 0.1]),
            twice=rng.choice([0, 0.2]),
            refused=rng.choice([0, 0.1, 0.3]),
            slid=rng.choice([0, 0, 0.2]),
            unknown=rng.choice([0, 0.1, 0.3]),
            crash=rng.choice([0, 0, 0, 0.01]),
            drops=rng.choice([0, 0, 0.02]),
        )


@dataclass(slots=True)
class Adversary:
    rng: random.Random
    events: list[list[int]]
    commands: list[Command]
    faults: Faults = field(default_factory=Faults)
    orders: dict[int, Order] = field(default_factory=dict)
    inbound: list[Command] = field(default_factory=list)
    reports: list[tuple[int, ...]] = field(default_factory=list)
    """On their way to us: kind, order id, price, qty, filled, reason."""
    violations: list[str] = field(default_factory=list)
    journal: list[Command] = field(default_factory=list)
    heard: list[OrderReport] = field(default_factory=list)
    stream_up: bool = True
    config: chase.ChaseConfig = field(init=False)
    state: chase.ChaseState = field(init=False)
    now: int = 0
    bid: int = 0
    spread: int = 5
    twice_mid: int = 0

    # --- what the chase is told ---------------------------------------------------------------------------

    def begin(self, config: chase.ChaseConfig) -> None:
        rng = self.rng
        self.faults = Faults.drawn(rng)
        self.now, self.bid = rng.randint(1, 1_000), 10_000 + rng.randint(-20, 20) * 5
        if config.deadline_ns:
            config = config._replace(deadline_ns=self.now + rng.randint(1, 1_500))
        self.config = config
        top = self.top(odd=False)
        self.twice_mid = top.bid + top.ask
        self.record(START, list(top))
        self.commands.append(NO_COMMAND)
        self.state = chase.start(config, top)

    def run(self, config: chase.ChaseConfig, steps: int) -> chase.ChaseState:
        self.begin(config)
        after_the_end = 0
        for _ in range(steps):
            self.step()
            after_the_end += self.state.phase >= chase.Phase.FILLED
            if after_the_end > 5:
                break
        self.finish()
        return self.state

    def record(self, kind: int, row: list[int]) -> None:
        self.events.append([kind, *row, *[0] * (WIDTH - 1 - len(row))])

    def feed(self, kind: int, row: list[int], step: chase.Step) -> None:
        self.record(kind, row)
        self.state, command = step
        self.commands.append(command)
        if command.kind == CommandKind.PLACE:
            self.check_place(command)
        elif command.kind == CommandKind.AMEND:
            self.check_amend(command)
        if command.kind:
            self.journal.append(command)
            self.inbound.append(command)

    def tell_top(self, top: chase.Touch) -> None:
        self.feed(TOP, list(top), chase.on_top(self.config, self.state, top))

    def tell_report(self, kind: int, order_id: int, price: int, qty: int, filled: int, reason: int) -> None:
        report = OrderReport(kind, order_id, self.now, price, qty, filled, False, reason)
        row = [self.now, kind, order_id, price, qty, filled, reason]
        self.heard.append(report)
        self.feed(REPORT, row, chase.on_report(self.config, self.state, report))

    def tell_time(self, kind: int) -> None:
        function = {
            TIMER: chase.on_timer, NO_BOOK: chase.on_no_book, HELD: chase.on_held, CANCEL: chase.cancel
        }[kind]  # fmt: skip
        self.feed(kind, [self.now], function(self.config, self.state, self.now))

    def die_and_return(self) -> None:
        """What was on its way to us is lost; a command may be journalled and not have gone out."""
        if self.inbound and self.journal and self.inbound[-1] == self.journal[-1] and self.rng.random() < 0.5:
            self.inbound.pop()
        self.reports.clear()
        wanted = bool(self.state.cancel_wanted)
        facts = chase.recall(self.now, self.twice_mid, wanted, self.journal, self.heard)
        self.record(RESUME, [*facts[:-1], *facts.order])
        self.commands.append(NO_COMMAND)
        self.state = chase.resume(self.config, facts)

    # --- what happens -------------------------------------------------------------------------------------

    def step(self) -> None:
        rng = self.rng
        self.now += rng.randint(0, 10)
        if rng.random() < self.faults.drops:
            self.stream_up = not self.stream_up
        if rng.random() < self.faults.crash and self.state.phase < chase.Phase.FILLED:
            self.die_and_return()
        what = rng.random()
        if what < 0.35:
            self.tell_top(self.top())
        elif what < 0.50 and self.inbound:
            self.arrive(self.inbound.pop(rng.randrange(len(self.inbound))))
        elif what < 0.55:
            self.fill()
        elif what < 0.88 and self.reports:
            report = self.reports.pop(rng.randrange(len(self.reports)))
            if rng.random() < self.faults.twice:
                self.reports.append(report)
            self.tell_report(*report)
        elif what < 0.97:
            self.tell_time(TIMER)
        elif what < 0.975:
            self.tell_time(rng.choice([NO_BOOK, HELD]))
        elif what < 0.976:
            self.tell_time(CANCEL)
        elif what < 0.985:
            for order_id, order in self.orders.items():
                if order.alive:
                    self.kill(order_id, rng.choice([RejectReason.NONE, RejectReason.POST_ONLY]))

    def top(self, odd: bool = True) -> chase.Touch:
        rng = self.rng
        self.bid += rng.choice([0, 0, 0, 5, -5, 20, -20, 1, -1])
        bid, ask = self.bid, self.bid + self.spread
        dice = rng.random() if odd else 1.0
        if dice < 0.02:
            bid, ask = (0, ask) if dice < 0.01 else (ask, bid)
        behind = [rng.choice([0, bid - rng.randint(1, 10)]), rng.choice([0, ask + rng.randint(1, 10)])]
        sizes = [rng.randint(1, 9) for _ in range(4)]
        return chase.Touch(
            self.now, bid, sizes[0], max(behind[0], 0), sizes[1], ask, sizes[2], behind[1], sizes[3]
        )

    def arrive(self, command: Command) -> None:
        """At the venue, or at least at the broker."""
        rng, kind = self.rng, command.kind
        if rng.random() < self.faults.lost_command:
            if rng.random() < 0.5:
                self.answer(ReportKind.UNKNOWN, command.order_id)
            return
        if rng.random() < self.faults.unknown:  # it takes effect now; that it did is not said
            held, self.reports = self.reports, []
            if kind != CommandKind.QUERY:
                self.obey(command)
            self.reports = held
            if rng.random() < 0.7:
                self.answer(ReportKind.UNKNOWN, command.order_id)
            return
        self.obey(command)

    def obey(self, command: Command) -> None:
        if command.kind == CommandKind.PLACE:
            self.obey_place(command)
        elif command.kind == CommandKind.CANCEL:
            self.obey_cancel(command)
        elif command.kind == CommandKind.AMEND:
            self.obey_amend(command)
        else:
            self.obey_query(command)

    def obey_place(self, command: Command) -> None:
        rng, order_id = self.rng, command.order_id
        if rng.random() < self.faults.refused / 2:
            often = [RejectReason.POST_ONLY] * 8 + [RejectReason.RATE_LIMIT] * 2 + [RejectReason.VENUE]
            rare = [RejectReason.NO_BOOK, RejectReason.FILTER, RejectReason.BALANCE]
            self.orders[order_id] = Order(command.price, command.qty, alive=False)
            if rng.random() < 0.3:  # acknowledged first
                self.answer(ReportKind.ACK, order_id, command.price, command.qty)
            self.answer(ReportKind.REJECT, order_id, reason=rng.choice(often + rare))
            return
        price = command.price
        if command.tif == TimeInForce.POST_ONLY and rng.random() < self.faults.slid:
            price = max(price + rng.choice([-10, -5, 5, 10]), 1)
        order = self.orders[order_id] = Order(price, command.qty)
        if command.tif == TimeInForce.IOC:
            self.fill()
            if order.alive:
                self.kill(order_id)
            return
        self.answer(ReportKind.ACK, order_id, rng.choice([price, price, 0]), command.qty)
        if rng.random() < self.faults.refused / 4:  # a broker that tried twice
            self.answer(ReportKind.REJECT, order_id, reason=RejectReason.DUPLICATE)

    def obey_cancel(self, command: Command) -> None:
        order = self.orders.get(command.order_id)
        if order is None or not order.alive:
            self.answer(ReportKind.CANCEL_REJECT, command.order_id, reason=RejectReason.UNKNOWN_ORDER)
        elif self.rng.random() < self.faults.refused:
            reasons = [RejectReason.UNKNOWN_ORDER, RejectReason.RATE_LIMIT, RejectReason.VENUE]
            self.answer(ReportKind.CANCEL_REJECT, command.order_id, reason=self.rng.choice(reasons))
        else:
            self.kill(command.order_id)

    def obey_amend(self, command: Command) -> None:
        rng, order_id = self.rng, command.order_id
        order = self.orders.get(order_id)
        if order is None or not order.alive:
            self.answer(ReportKind.AMEND_REJECT, order_id, reason=RejectReason.UNKNOWN_ORDER)
            return
        if rng.random() < self.faults.refused:
            if rng.random() < 0.4:
                self.answer(ReportKind.AMENDED, order_id, command.price, command.qty, order.filled)
            reasons = [RejectReason.POST_ONLY, RejectReason.RATE_LIMIT, RejectReason.VENUE]
            self.answer(ReportKind.AMEND_REJECT, order_id, reason=rng.choice(reasons))
            return
        order.price, order.qty = command.price, command.qty
        if rng.random() < self.faults.slid:
            order.price = max(order.price + rng.choice([-10, -5, 5, 10]), 1)
        self.answer(ReportKind.AMENDED, order_id, order.price, order.qty, order.filled)
        if order.filled >= order.qty:
            self.kill(order_id)

    def obey_query(self, command: Command) -> None:
        order_id = command.order_id
        order = self.orders.get(order_id)
        if order is None:
            on_its_way = any(c.kind == CommandKind.PLACE and c.order_id == order_id for c in self.inbound)
            if on_its_way:
                self.answer(ReportKind.UNKNOWN, order_id)
            else:
                self.answer(ReportKind.REJECT, order_id, reason=RejectReason.UNKNOWN_ORDER)
        elif order.alive:
            self.answer(ReportKind.STATE, order_id, order.price, order.qty, order.filled)
        else:
            self.answer(ReportKind.CANCELED, order_id, order.price, order.qty, order.filled)

    def answer(
        self, kind: ReportKind, order_id: int, price: int = 0, qty: int = 0, filled: int = 0, reason: int = 0
    ) -> None:
        if not self.stream_up and kind != ReportKind.STATE and self.rng.random() < 0.7:
            return
        if self.rng.random() >= self.faults.lost_report:
            self.reports.append((int(kind), order_id, price, qty, filled, int(reason)))

    def fill(self) -> None:
        for order_id, order in self.orders.items():
            if order.alive:
                qty = self.rng.randint(1, order.qty - order.filled)
                qty = min(qty, self.rng.choice([1, 10, 1_000]))
                order.filled += qty
                order.alive = order.filled < order.qty
                if self.filled() > self.config.qty:
                    self.violations.append(f"overfilled: {self.orders}")
                self.answer(ReportKind.FILL, order_id, 1, qty, order.filled)

    def kill(self, order_id: int, reason: RejectReason = RejectReason.NONE) -> None:
        order = self.orders[order_id]
        order.alive = False
        self.answer(ReportKind.CANCELED, order_id, 1, 0, order.filled, reason)

    def finish(self) -> None:
        """The user cancels, nothing more gets lost, and everything on its way arrives."""
        self.faults = Faults()
        self.stream_up = True
        self.tell_time(CANCEL)
        for _ in range(2_000):
            self.now += 100
            if self.inbound:
                self.arrive(self.inbound.pop(0))
            elif self.reports:
                self.tell_report(*self.reports.pop(0))
            elif self.state.phase >= chase.Phase.FILLED:
                return
            else:
                self.tell_time(TIMER)

    # --- what must hold -----------------------------------------------------------------------------------

    def filled(self) -> int:
        return sum(order.filled for order in self.orders.values())

    def check_place(self, command: Command) -> None:
        config = self.config
        if any(order.alive for order in self.orders.values()) or any(
            c.kind == CommandKind.PLACE for c in self.inbound
        ):
            self.violations.append(f"two working orders: {command}")
        if command.qty <= 0 or self.filled() + command.qty > config.qty or command.qty % config.lot:
            self.violations.append(f"{self.filled()} filled of {config.qty}: {command}")
        if command.price * command.qty < config.min_notional:
            self.violations.append(f"below the minimum notional: {command}")
        self.check_price(command)

    def check_amend(self, command: Command) -> None:
        others = sum(order.filled for order_id, order in self.orders.items() if order_id != command.order_id)
        if command.qty <= 0 or others + command.qty > self.config.qty:
            self.violations.append(f"{others} filled by others of {self.config.qty}: {command}")
        if self.config.amend == chase.Amend.NONE:
            self.violations.append(f"an amendment where there is none: {command}")
        self.check_price(command)

    def check_price(self, command: Command) -> None:
        config = self.config
        if command.price <= 0 or command.price % config.tick or command.side != config.side:
            self.violations.append(f"off the tick or side: {command}")
        away = config.side * (Fraction(command.price) - Fraction(self.twice_mid, 2))
        if away > Fraction(self.twice_mid * config.max_chase_bps, 20_000):
            self.violations.append(f"beyond max_chase_bps: {command}")
        if config.limit_price and config.side * (command.price - config.limit_price) > 0:
            self.violations.append(f"beyond the limit price: {command}")
        if command.tif == TimeInForce.POST_ONLY:
            seen = self.state.seen
            if command.price >= seen.ask if command.side == Side.BUY else command.price <= seen.bid:
                self.violations.append(f"post-only that takes: {command}")
