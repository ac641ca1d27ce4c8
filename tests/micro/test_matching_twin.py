"""The matching engine against its slow twin, over random flows of clients and outside."""

from __future__ import annotations

import random
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_desk import ANN, BOB, BUY, SELL, Desk
from naive_matching import NaiveMarket, NaiveOrder

from citadel_kit.micro.matching import (
    ExchangeOrder,
    Execution,
    ExecutionKind,
    OrderRefused,
    PublicTrade,
    QueueConfig,
    Rules,
    Stp,
    Tif,
)
from citadel_kit.types import Side

OPEN = Rules(max_orders=10_000, band_up_pct=10**6, band_down_pct=0)


class Both:
    """Engine and twin, told the same."""

    def __init__(self, config: QueueConfig) -> None:
        self.desk = Desk(queue=config, rules=OPEN, usdt=10**9, btc=10**9)
        self.twin = NaiveMarket(config)
        self.orders: list[tuple[ExchangeOrder, NaiveOrder]] = []
        self.show([], [], True)
        self.desk.drain()

    def show(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], snapshot: bool) -> None:
        self.desk.show(bids, asks, delta=not snapshot)
        levels = {(BUY, p): q for p, q in bids} | {(SELL, p): q for p, q in asks}
        self.twin.book(levels, is_snapshot=snapshot)

    def trade(self, price: int, qty: int, side: Side) -> None:
        self.desk.trade(price, qty, side)
        self.twin.trade(price, qty, side)

    def place(self, account: str, side: Side, qty: int, price: int, tif: Tif, stp: Stp) -> None:
        try:
            order = self.desk.place(account, side, qty, price, tif=tif if price else Tif.GTC, stp=stp)
        except OrderRefused as refusal:
            assert refusal.code.name == "NO_LIQUIDITY" and not self.twin.shown(Side(-side))
            return
        twin = NaiveOrder(order.order_id, account, side, price, qty, stp)
        self.twin.place(twin, tif if price else Tif.IOC)
        self.orders.append((order, twin))

    def cancel(self, pick: int) -> None:
        if alive := [pair for pair in self.orders if pair[0].open]:
            order, twin = alive[pick % len(alive)]
            self.desk.cancel(order)
            self.twin.cancel(twin)

    def amend(self, pick: int, qty: int, shift: int) -> None:
        alive = [pair for pair in self.orders if pair[0].open]
        if not alive:
            return
        order, twin = alive[pick % len(alive)]
        price = order.price + shift
        if qty <= order.filled or (qty == order.qty and not shift):
            return
        self.desk.engine.amend(
            order.account, next(self.desk.clock), order_id=order.order_id, qty=qty, price=price
        )
        self.twin.amend(twin, qty, price)

    def compare(self) -> None:
        _, prints, steps = self.desk.engine.drain()
        assert joined(prints, steps) == self.twin.trades()
        self.twin.units.clear()
        for is_bid, side in ((True, BUY), (False, SELL)):
            assert self.desk.engine.shown(is_bid, 10**6) == self.twin.shown(side)
        for order, twin in self.orders:
            assert (order.filled, order.in_book) == (twin.filled, twin.resting), order
            if order.in_book:
                assert order.resting.ahead == twin.ahead, order
        for order, behind in pairwise(sorted(self.twin.queue, key=lambda o: (o.side, o.price))):
            same_queue = (order.side, order.price) == (behind.side, behind.price)
            assert not same_queue or order.ahead <= behind.ahead
        self.orders = [pair for pair in self.orders if pair[0].open]


def joined(prints: list[PublicTrade], steps: list[object]) -> list[tuple[int, int, int, int, Side]]:
    """The engine's prints with who made and who took; equal neighbours as one."""
    sides: dict[int, dict[bool, int]] = {p.trade_id: {True: 0, False: 0} for p in prints}
    for step in steps:
        if isinstance(step, Execution) and step.kind == ExecutionKind.TRADE:
            sides[step.trade_id][step.maker] = step.order.order_id
    rows = [(sides[p.trade_id][True], sides[p.trade_id][False], p.price, p.side, p.qty) for p in prints]
    return [
        (key[0], key[1], key[2], sum(r[4] for r in group), key[3])
        for key, group in groupby(rows, key=lambda r: r[:4])
    ]


sides = st.sampled_from([BUY, SELL])
prices, sizes = st.integers(95, 106), st.integers(1, 12)
places = st.tuples(
    st.just("place"), st.sampled_from([ANN, BOB]), sides, sizes, st.one_of(prices, st.just(0)),
    st.sampled_from([Tif.GTC, Tif.GTC, Tif.GTC, Tif.IOC, Tif.FOK]), st.sampled_from(list(Stp)),
)  # fmt: skip
side_of_book = st.dictionaries(prices, st.integers(0, 15), max_size=6).map(lambda d: list(d.items()))
steps = st.one_of(
    places, places, places,
    st.tuples(st.just("show"), side_of_book, side_of_book, st.sampled_from([False, False, True])),
    st.tuples(st.just("trade"), prices, st.integers(1, 30), sides),
    st.tuples(st.just("cancel"), st.integers(0, 99)),
    st.tuples(st.just("amend"), st.integers(0, 99), sizes, st.sampled_from([0, 0, 1, -2])),
)  # fmt: skip
configs = st.sampled_from(
    [QueueConfig(0, False), QueueConfig(50, False), QueueConfig(100, False), QueueConfig(50, True)]
)


@settings(max_examples=150)
@given(configs, st.lists(steps, max_size=40))
def test_the_engine_does_what_its_twin_does(config: QueueConfig, rows: list[tuple[object, ...]]) -> None:
    both = Both(config)
    for name, *arguments in rows:
        if name == "show" and arguments[2]:
            arguments[:2] = [[level for level in half if level[1]] for half in arguments[:2]]  # type: ignore[attr-defined]
        getattr(both, str(name))(*arguments)
        both.compare()


@pytest.mark.parametrize("config", [QueueConfig(50, False), QueueConfig(0, True)])
def test_a_long_flow_in_an_orderly_market(config: QueueConfig) -> None:
    """Outside books that don't cross themselves, trades at their touch: the common case, for long."""
    rng, both, mid = random.Random(7), Both(config), 100
    for _ in range(1_500):
        draw = rng.random()
        if draw < 0.15:
            shown = both.twin.stated
            some = rng.sample(sorted(shown), min(2, len(shown)))
            fewer = [(side, p, max(shown[side, p] - rng.randint(1, 6), 0)) for side, p in some]
            halves = [[(p, q) for s, p, q in fewer if s is side] for side in (BUY, SELL)]
            both.show(halves[0], halves[1], False)
        elif draw < 0.25:
            mid = min(max(mid + rng.choice([0, 0, 0, 1, -1]), 60), 140)
            bids = [(mid - 1 - i, rng.randint(1, 20)) for i in range(5)]
            both.show(bids, [(mid + 1 + i, rng.randint(1, 20)) for i in range(5)], True)
        elif draw < 0.5:
            side = rng.choice([BUY, SELL])
            both.trade(mid + side, rng.randint(1, 25), side)
        elif draw < 0.8:
            tif = rng.choice([Tif.GTC] * 4 + [Tif.IOC, Tif.FOK])
            stp = rng.choice(list(Stp))
            price = rng.choice([0, *range(mid - 4, mid + 5)])
            both.place(rng.choice([ANN, BOB]), rng.choice([BUY, SELL]), rng.randint(1, 15), price, tif, stp)
        elif draw < 0.93:
            both.cancel(rng.randrange(1_000))
        else:
            both.amend(rng.randrange(1_000), rng.randint(1, 15), rng.choice([0, 0, 1, -1]))
        both.compare()
