"""One chase on its way, so that a test reads as a story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from citadel_kit.micro import chase
from citadel_kit.types import (
    NO_COMMAND,
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    ReportKind,
    Side,
    TimeInForce,
)

INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=3, tick=5, lot=10
)
POST, IOC = int(TimeInForce.POST_ONLY), int(TimeInForce.IOC)


def top(bid: int, ask: int, now: int = 0, *, bid_qty: int = 100, ask_qty: int = 100) -> chase.Touch:
    """A tick behind each best there is more."""
    return chase.Touch(
        now, bid, bid_qty if bid else 0, bid - 5 if bid else 0, 100, ask, ask_qty if ask else 0,
        ask + 5 if ask else 0, 100,
    )  # fmt: skip


def command(kind: CommandKind, order: int, price: int, qty: int, side: int, tif: int) -> Command:
    return Command(int(kind), order, side, price, qty, tif)


def place(order: int, price: int, qty: int = 100, side: int = 1, tif: int = POST) -> Command:
    return command(CommandKind.PLACE, order, price, qty, side, tif)


def amend(order: int, price: int, qty: int = 100, side: int = 1) -> Command:
    return command(CommandKind.AMEND, order, price, qty, side, POST)


class Chase:
    """A buy of 100 around 10,000 × 10,010, lot 10, tick 5, unless told otherwise."""

    def __init__(self, bid: int = 10_000, ask: int = 10_010, **settings: Any) -> None:
        instrument = replace(INSTRUMENT, min_notional=settings.pop("min_notional", 0))
        given = {"side": Side.BUY, "qty": 100, "pause_ns": 100, "answer_ns": 1_000_000} | settings
        self.config = chase.configure(instrument, **given)
        self.state = chase.start(self.config, top(bid, ask))
        self.sent: list[Command] = []
        self.heard: list[OrderReport] = []

    def _take(self, step: chase.Step) -> Command:
        self.state, sent = step
        if sent != NO_COMMAND:
            self.sent.append(sent)
        return sent

    @property
    def phase(self) -> chase.Phase:
        return chase.Phase(self.state.phase)

    @property
    def end(self) -> tuple[chase.Phase, chase.EndReason, int]:
        return self.phase, chase.EndReason(self.state.reason), self.state.filled

    def top(self, bid: int, ask: int, now: int = 0, **sizes: int) -> Command:
        return self._take(chase.on_top(self.config, self.state, top(bid, ask, now, **sizes)))

    def timer(self, now: int) -> Command:
        return self._take(chase.on_timer(self.config, self.state, now))

    def no_book(self, now: int = 0) -> Command:
        return self._take(chase.on_no_book(self.config, self.state, now))

    def held(self, now: int = 0) -> Command:
        return self._take(chase.on_held(self.config, self.state, now))

    def cancel(self, now: int = 0) -> Command:
        return self._take(chase.cancel(self.config, self.state, now))

    def report(
        self,
        kind: ReportKind,
        *,
        order: int = 0,
        price: int = 0,
        qty: int = 0,
        filled: int = 0,
        reason: int = 0,
        now: int = 0,
    ) -> Command:
        order = order or self.state.order.order_id
        report = OrderReport(int(kind), order, now, price, qty, filled, True, int(reason))
        self.heard.append(report)
        return self._take(chase.on_report(self.config, self.state, report))

    def rest(self, bid: int = 10_000, ask: int = 10_010, now: int = 0) -> Chase:
        """Placed and acknowledged."""
        assert self.top(bid, ask, now).kind == CommandKind.PLACE
        assert self.report(ReportKind.ACK, now=now) == NO_COMMAND
        return self

    def restarted(self, now: int = 0, wanted: bool = False) -> Chase:
        """What comes back with its journal alone."""
        facts = chase.recall(now, self.state.twice_arrival_mid, wanted, self.sent, self.heard)
        self.state = chase.resume(self.config, facts)
        return self
