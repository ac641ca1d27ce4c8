"""The paper broker and the exchange's engine, side by side in the same market: the same orders fill alike."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pytest
from naive import PlainLadder
from scripted_market import SECOND, START_NS, SYMBOL

from citadel_kit.exchange.agents import AgentMarket
from citadel_kit.exchange.build import instrument_for
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.micro.matching import (
    Accounts,
    ExecutionKind,
    ListUpdate,
    MatchingEngine,
    OrderRefused,
    OrderRequest,
    OrderType,
    QueueConfig,
    Tif,
)
from citadel_kit.run.paper import PaperBroker
from citadel_kit.types import (
    BookTop,
    Command,
    CommandKind,
    Levels,
    ReportKind,
    Side,
    TimeInForce,
    Trade,
)

INSTRUMENT = instrument_for("binance", SYMBOL)


class Fill(NamedTuple):
    at_ns: int
    order_id: int
    price: int
    qty: int


class Shown:
    """The outside's book, as the paper broker reads it."""

    def __init__(self) -> None:
        self.sides = {int(side): PlainLadder(int(side)) for side in Side}

    def top(self) -> BookTop:
        return BookTop(0, 0, -1, *self.sides[1].best(), *self.sides[-1].best())

    def qty_at(self, side: int, price: int) -> int:
        return self.sides[side].qty_at(price)

    def levels(self, side: int, depth: int) -> Levels:
        return np.array(self.sides[side].levels(depth), np.int64).reshape(-1, 2)


class Both:
    """One order at a time, of a client that the market does not know, at both of them."""

    def __init__(self, queue: QueueConfig) -> None:
        accounts = Accounts()
        for asset in SYMBOL.split("/"):
            accounts.deposit("main", asset, 10**30)
        self.engine = MatchingEngine(INSTRUMENT, accounts, queue=queue)
        self.paper = PaperBroker([INSTRUMENT], latency=lambda: 0, queue=queue)
        self.book = Shown()
        self.by_engine: list[Fill] = []
        self.by_paper: list[Fill] = []
        self.order_id = 0

    def hear(self, event: OutsideEvent) -> None:
        if isinstance(event, OutsideTrade):
            self.engine.on_outside_trade(event.at_ns, event.price, event.qty, Side(event.side))
            self.paper.on_trade("binance", event.at_ns, Trade(SYMBOL, 0, 0, 0, event.price, event.qty, int(event.side)))  # fmt: skip # noqa: E501
        elif isinstance(event, OutsideBook):
            bids, asks = list(event.bids), list(event.asks)
            self.engine.on_outside(event.at_ns, is_snapshot=event.is_snapshot, bids=bids, asks=asks)
            self.book.sides[1].apply(bids)
            self.book.sides[-1].apply(asks)
            self.paper.on_book("binance", event.at_ns, self.book)
        self.told(event.at_ns)

    def place(self, now_ns: int, side: Side, price: int, qty: int, ioc: bool) -> None:
        """IOC or post-only."""
        self.order_id += 1
        kind = OrderType.LIMIT if ioc else OrderType.LIMIT_MAKER
        with suppress(OrderRefused):
            self.engine.place(
                OrderRequest(
                    account="main", symbol=SYMBOL, side=side, type=kind, price=price, qty=qty,
                    tif=Tif.IOC if ioc else Tif.GTC, client_id=str(self.order_id),
                ),
                now_ns,
            )  # fmt: skip
        tif = TimeInForce.IOC if ioc else TimeInForce.POST_ONLY
        command = Command(int(CommandKind.PLACE), self.order_id, int(side), price, qty, int(tif))
        self.paper.send("binance", "p", command, now_ns)
        self.told(now_ns)

    def cancel(self, now_ns: int) -> None:
        self.engine.cancel_all("main", now_ns)
        self.paper.send("binance", "p", Command(int(CommandKind.CANCEL), self.order_id, 1, 0, 0, 0), now_ns)
        self.told(now_ns)

    def told(self, now_ns: int) -> None:
        _, _, executions = self.engine.drain()
        self.by_engine += [
            Fill(now_ns, int(e.order.client_id), e.price, e.qty)
            for e in executions
            if not isinstance(e, ListUpdate) and e.kind == ExecutionKind.TRADE
        ]
        self.by_paper += [
            Fill(now_ns, r.order_id, r.price, r.qty)
            for _, r in self.paper.due(now_ns)
            if r.kind == ReportKind.FILL
        ]


def played(seed: int, *, pessimistic: bool, lots: int) -> Both:
    """Twenty seconds of a moving market, with an order of at most so many lots about every 50 ms."""
    rng, both = random.Random(seed), Both(QueueConfig(50, pessimistic))
    market = AgentMarket({"binance": [INSTRUMENT]}, start_ns=START_NS, seed=seed, annual_volatility=2.0)
    for event in itertools.takewhile(lambda e: e.at_ns < START_NS + 20 * SECOND, market.events()):
        both.hear(event)
        if rng.random() < 0.03:
            both.cancel(event.at_ns)
            side, ioc, top = rng.choice(list(Side)), rng.random() < 0.3, both.book.top()
            best = top.bid if (side is Side.BUY) != ioc else top.ask
            price = best + rng.randint(-3, 3) * 10 ** rng.randint(0, 2) * INSTRUMENT.tick
            both.place(event.at_ns, side, price, rng.randint(10, lots) * INSTRUMENT.lot, ioc)
    return both


@pytest.mark.parametrize("pessimistic", [False, True])
def test_orders_that_empty_no_level_fill_alike_to_the_unit(pessimistic: bool) -> None:
    both = played(1, pessimistic=pessimistic, lots=300)
    assert both.by_paper == both.by_engine
    assert len(both.by_engine) > 100


def test_orders_that_empty_levels_differ_in_few_fills() -> None:
    """The exchange shows what they took as gone and fills the rest from the next level; the paper broker
    reads the market's own book, which knows of neither."""
    both = played(4, pessimistic=False, lots=30_000)
    paper, engine = set(both.by_paper), set(both.by_engine)
    assert len(paper & engine) > 300
    assert 0 < len(paper ^ engine) < 0.03 * len(engine)
    assert sum(f.qty for f in both.by_paper) == pytest.approx(sum(f.qty for f in both.by_engine), rel=0.03)
