"""Passive orders in a recorded market fill no earlier than what was traded there allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadel_kit import settings
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.taped import TapeMarket
from citadel_kit.io.tape import Tape
from citadel_kit.micro.matching import (
    Accounts,
    ExchangeOrder,
    MatchingEngine,
    OrderRefused,
    OrderRequest,
    OrderType,
    QueueConfig,
    Rules,
)
from citadel_kit.types import Instrument, Side

SECOND = 10**9
EVERY_NS, LIFE_NS = SECOND, 20 * SECOND
BTC = "BTC/USDT"


class Witness:
    """What the tape alone allows an order at its bid, recomputed by hand.

    Nobody in a queue gets ahead of what was last seen in front of him: an order has at best the place of one
    who joined the end of its level at any book since. Trades at its price first take that. What trades
    beyond its price, or is offered at or beyond it, is all its own.
    """

    def __init__(self, order: ExchangeOrder, placed_ns: int, in_front: int, strictly: bool) -> None:
        self.order, self.placed_ns, self.in_front, self.strictly = order, placed_ns, in_front, strictly
        self.beyond = 0
        self.whole_ns = -1
        """When all of the order was allowed."""

    def on_trade(self, price: int, qty: int, side: int) -> None:
        if side != Side.SELL or price > self.order.price:
            return
        if price == self.order.price:
            self.in_front -= qty
        else:
            self.beyond += qty
            self.in_front = min(self.in_front, 0)

    def on_book(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.in_front = min(self.in_front, bids.get(self.order.price, 0))
        reach = self.order.price - self.strictly
        crossing = sum(qty for price, qty in asks.items() if price <= reach)
        if crossing:
            self.beyond += crossing
            self.in_front = min(self.in_front, 0)

    def allows(self) -> int:
        return self.beyond + (0 if self.strictly else max(-self.in_front, 0))


@pytest.fixture(scope="module")
def events(shared: Path) -> tuple[Instrument, list[OutsideEvent]]:
    instrument = settings.instrument("binance", BTC)
    tape = Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", instrument)
    return instrument, list(TapeMarket(tape, ["v"], start_ns=0, loop=False).events())


class Trial:
    """An order at the best bid every second, alive for a while, each with its witness."""

    def __init__(self, instrument: Instrument, config: QueueConfig) -> None:
        accounts = Accounts()
        accounts.deposit("me", "USDT", 10**40)
        rules = Rules(max_orders=1_000)
        self.engine = MatchingEngine(instrument, accounts, queue=config, rules=rules)
        self.strictly = config.pessimistic
        self.books: tuple[dict[int, int], dict[int, int]] = {}, {}
        self.alive: list[Witness] = []
        self.ended: list[Witness] = []
        self.next_ns = 0

    def play(self, event: OutsideEvent) -> None:
        now = event.at_ns
        if isinstance(event, OutsideTrade):
            for witness in self.alive:
                witness.on_trade(event.price, event.qty, event.side)
            self.engine.on_outside_trade(now, event.price, event.qty, Side(event.side))
        elif isinstance(event, OutsideBook):
            self.follow(event)
            for witness in self.alive:
                witness.on_book(*self.books)
            self.engine.on_outside(now, is_snapshot=event.is_snapshot, bids=event.bids, asks=event.asks)
        for witness in self.alive:
            allowed = witness.allows()
            assert witness.order.filled <= allowed, witness.order
            if witness.whole_ns < 0 and allowed >= witness.order.qty:
                witness.whole_ns = now
        if now >= self.next_ns and self.engine.has_book:
            self.next_ns = now + EVERY_NS
            self.renew(now)

    def follow(self, event: OutsideBook) -> None:
        for book, levels in zip(self.books, (event.bids, event.asks), strict=True):
            if event.is_snapshot:
                book.clear()
            for price, qty in levels:
                book[int(price)] = int(qty)
                if not qty:
                    del book[int(price)]

    def renew(self, now: int) -> None:
        for witness in [w for w in self.alive if not w.order.open or now > w.placed_ns + LIFE_NS]:
            self.alive.remove(witness)
            self.ended.append(witness)
            if witness.order.open:
                self.engine.cancel("me", now, order_id=witness.order.order_id)
        price = max(self.books[0])
        try:
            order = self.engine.place(
                OrderRequest(
                    account="me", symbol=BTC, side=Side.BUY, type=OrderType.LIMIT_MAKER, price=price,
                    qty=5_000_000 + 1_000 * (now % 997),
                ), now,
            )  # fmt: skip
        except OrderRefused:  # between two books the tape's own touch may stand where we took it away
            return
        self.alive.append(Witness(order, now, self.books[0][price], self.strictly))


@pytest.mark.slow
@pytest.mark.parametrize("config", [QueueConfig(0, False), QueueConfig(0, True)])
def test_a_bid_fills_no_earlier_than_the_tape_allows(
    events: tuple[Instrument, list[OutsideEvent]], config: QueueConfig
) -> None:
    instrument, rows = events
    trial = Trial(instrument, config)
    for event in rows:
        trial.play(event)
    filled = [w for w in trial.ended if w.order.filled]
    assert len(trial.ended) > 250 and len(filled) > 100
    # The witness is no loose one: most orders are filled the moment it allows it.
    whole = [w for w in filled if not w.order.left]
    at_once = [w for w in whole if w.order.updated_ns == w.whole_ns]
    assert len(at_once) > len(whole) / 2
