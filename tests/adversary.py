"""A venue that does to a chase order whatever a venue may do, and remembers what was true.

Reports come late, twice and out of order; cancels lose races, are refused while the order lives; orders are
rejected, filled in parts, or cancelled unasked. Every event it makes is kept as a row of integers, so that
the same events can be fed to another caller.
"""

from __future__ import annotations

import random
from fractions import Fraction

from citadel_kit.micro import chase
from citadel_kit.types import (
    BookTop,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
)

START, TOP, REPORT, TIMER, NO_BOOK, CANCEL = range(6)


def random_config(rng: random.Random) -> chase.ChaseConfig:
    lot = rng.choice([1, 1, 10])
    return chase.ChaseConfig(
        side=rng.choice([1, -1]),
        qty=rng.randint(1, 2_000),
        limit_price=rng.choice([0, 0, rng.randint(9_900, 10_100)]),
        tick=rng.choice([1, 1, 5]),
        lot=lot,
        min_notional=rng.choice([0, 0, 200_000]),
        max_chase_bps=rng.choice([0, 5, 20, 100, 10_000]),
        min_move=rng.choice([1, 1, 3]),
        min_rest_ns=rng.choice([0, 0, 50]),
        pause_ns=rng.choice([0, 20]),
        max_rejects=rng.choice([1, 3, 50]),
        deadline_ns=rng.choice([0, 1_000_000]),
        on_deadline=rng.choice([0, 1]),
        take_slippage_bps=rng.choice([0, 5, 50]),
    )


class Adversary:
    def __init__(self, rng: random.Random, events: list[list[int]], commands: list[Command]) -> None:
        self.rng, self.events, self.commands = rng, events, commands
        self.now = rng.randint(1, 1_000)
        self.bid, self.spread = 10_000 + rng.randint(-20, 20) * 5, 5
        self.orders: dict[int, list[int]] = {}  # id → qty, filled, alive
        self.inbound: list[Command] = []
        self.reports: list[tuple[int, ...]] = []
        self.violations: list[str] = []

    # --- what the chase is told ---------------------------------------------------------------------------

    def run(self, config: chase.ChaseConfig, steps: int) -> chase.ChaseState:
        if config.deadline_ns:
            config = config._replace(deadline_ns=self.now + self.rng.randint(1, 1_500))
        self.config = config
        top = self.top()
        self.twice_mid = top.bid + top.ask
        self.events.append([START, *top[:1], *top[3:], *[0] * 2])
        self.commands.append(Command(0, 0, 0, 0, 0, 0))
        self.state = chase.start(config, top)
        after_the_end = 0
        for _ in range(steps):
            self.step()
            after_the_end += self.state.phase >= chase.Phase.FILLED
            if after_the_end > 5:
                break
        self.finish()
        return self.state

    def feed(self, kind: int, row: list[int], step: chase.Step) -> None:
        self.events.append([kind, *row, *[0] * (7 - len(row))])
        self.state, command = step
        self.commands.append(command)
        if command.kind == CommandKind.PLACE:
            self.check_place(command)
        if command.kind:
            self.inbound.append(command)

    def tell_top(self, top: BookTop) -> None:
        row = [top.recv_ns, top.bid, top.bid_qty, top.ask, top.ask_qty]
        self.feed(TOP, row, chase.on_top(self.config, self.state, top))

    def tell_report(self, kind: int, order_id: int, price: int, qty: int, filled: int, reason: int) -> None:
        report = OrderReport(kind, order_id, self.now, price, qty, filled, False, reason)
        row = [self.now, kind, order_id, price, qty, filled, reason]
        self.feed(REPORT, row, chase.on_report(self.config, self.state, report))

    def tell_time(self, kind: int) -> None:
        function = {TIMER: chase.on_timer, NO_BOOK: chase.on_no_book, CANCEL: chase.cancel}[kind]
        self.feed(kind, [self.now], function(self.config, self.state, self.now))

    # --- what happens -------------------------------------------------------------------------------------

    def step(self) -> None:
        rng = self.rng
        self.now += rng.randint(0, 10)
        what = rng.random()
        if what < 0.35:
            self.tell_top(self.top())
        elif what < 0.50 and self.inbound:
            self.arrive(self.inbound.pop(0))
        elif what < 0.55:
            self.fill()
        elif what < 0.88 and self.reports:
            report = self.reports.pop(rng.randrange(len(self.reports)))
            if rng.random() < 0.2:
                self.reports.append(report)
            self.tell_report(*report)
        elif what < 0.97:
            self.tell_time(TIMER)
        elif what < 0.98:
            self.tell_time(NO_BOOK)
        elif what < 0.981:
            self.tell_time(CANCEL)
        elif what < 0.99:
            for order_id, order in self.orders.items():
                if order[2]:
                    self.kill(order_id)

    def top(self) -> BookTop:
        self.bid += self.rng.choice([0, 0, 0, 5, -5, 20, -20, 1, -1])
        bid, ask = self.bid, self.bid + self.spread
        odd = self.rng.random()
        if odd < 0.02 and self.events and self.events[-1][0] != START:
            bid, ask = (0, ask) if odd < 0.01 else (ask, bid)
        return BookTop(self.now, 0, -1, bid, 7, ask, 9)

    def arrive(self, command: Command) -> None:
        order = self.orders.get(command.order_id)
        if command.kind == CommandKind.CANCEL:
            refused = self.rng.random() < 0.2
            if order is None or not order[2] or refused:
                self.say(ReportKind.CANCEL_REJECT, command, RejectReason.UNKNOWN_ORDER)
            else:
                self.kill(command.order_id)
        elif self.rng.random() < 0.1:
            self.orders[command.order_id] = [command.qty, 0, 0]
            weighted = [RejectReason.POST_ONLY] * 8 + [RejectReason.NO_BOOK, RejectReason.FILTER]
            self.say(ReportKind.REJECT, command, self.rng.choice(weighted))
        else:
            self.orders[command.order_id] = [command.qty, 0, 1]
            if command.tif == TimeInForce.IOC:
                self.fill()
                if self.orders[command.order_id][2]:
                    self.kill(command.order_id)
            else:
                self.say(ReportKind.ACK, command, RejectReason.NONE)

    def fill(self) -> None:
        for order_id, order in self.orders.items():
            if order[2]:
                qty = self.rng.randint(1, order[0] - order[1])
                qty = min(qty, self.rng.choice([1, 10, 1_000]))
                order[1] += qty
                order[2] = int(order[1] < order[0])
                self.reports.append((int(ReportKind.FILL), order_id, 1, qty, order[1], 0))

    def kill(self, order_id: int) -> None:
        order = self.orders[order_id]
        order[2] = 0
        self.reports.append((int(ReportKind.CANCELED), order_id, 1, 0, order[1], 0))

    def say(self, kind: ReportKind, command: Command, reason: RejectReason) -> None:
        self.reports.append((int(kind), command.order_id, command.price, 0, 0, int(reason)))

    def finish(self) -> None:
        """The user cancels, and everything on its way arrives."""
        self.tell_time(CANCEL)
        for _ in range(1_000):
            self.now += 50
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
        return sum(order[1] for order in self.orders.values())

    def check_place(self, command: Command) -> None:
        config = self.config
        if any(order[2] for order in self.orders.values()) or any(
            c.kind == CommandKind.PLACE for c in self.inbound
        ):
            self.violations.append(f"two working orders: {command}")
        if command.qty <= 0 or self.filled() + command.qty > config.qty or command.qty % config.lot:
            self.violations.append(f"{self.filled()} filled of {config.qty}: {command}")
        if command.price <= 0 or command.price % config.tick or command.side != config.side:
            self.violations.append(f"off the tick or side: {command}")
        if command.price * command.qty < config.min_notional:
            self.violations.append(f"below the minimum notional: {command}")
        away = config.side * (Fraction(command.price) - Fraction(self.twice_mid, 2))
        if away > Fraction(self.twice_mid * config.max_chase_bps, 20_000):
            self.violations.append(f"beyond max_chase_bps: {command}")
        if config.limit_price and config.side * (command.price - config.limit_price) > 0:
            self.violations.append(f"beyond the limit price: {command}")
        if command.tif == TimeInForce.POST_ONLY:
            seen = self.state.seen
            if command.price >= seen.ask if command.side == Side.BUY else command.price <= seen.bid:
                self.violations.append(f"post-only that takes: {command}")
