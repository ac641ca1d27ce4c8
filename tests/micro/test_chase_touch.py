"""What a chase may see of a book that shows our own orders."""

from __future__ import annotations

import random

import numpy as np
import pytest
from chase_story import Chase
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from citadel_kit.micro import chase
from citadel_kit.micro.chase import Amend, OwnSize
from citadel_kit.types import NO_COMMAND, BookTop, Levels, ReportKind, Side


class Market:
    """Others' levels, and our chasers in it."""

    def __init__(self, bids: dict[int, int], asks: dict[int, int], *ours: Chase) -> None:
        self.sides, self.ours, self.now = {1: bids, -1: asks}, ours, 0
        self.resting: dict[int, tuple[int, int, int]] = {}

    def levels(self, side: int, depth: int) -> Levels:
        total = dict(self.sides[side])
        for of, price, qty in self.resting.values():
            total[price] = total.get(price, 0) + qty * (of == side)
        rows = sorted(((p, q) for p, q in total.items() if q), reverse=side == Side.BUY)[:depth]
        return np.array(rows, np.int64).reshape(-1, 2)

    def top(self) -> BookTop:
        (bid, bid_qty), (ask, ask_qty) = (self.levels(s, 1)[0].tolist() for s in (1, -1))
        return BookTop(self.now, 0, -1, bid, bid_qty, ask, ask_qty)

    def qty_at(self, side: int, price: int) -> int:
        return dict(self.levels(side, 99).tolist()).get(price, 0)

    def turn(self) -> list[int]:
        """Each of ours sees the book once; the venue obeys at once, and says so at the end."""
        self.now += 1
        asked = []
        for i, order in enumerate(self.ours):
            side = order.config.side
            sizes = [
                s for sibling in self.ours if sibling.config.side == side
                for s in chase.own_sizes(sibling.state)
            ]  # fmt: skip
            seen = chase.touch_of(self.top(), self, side, sizes)
            said = order._take(chase.on_top(order.config, order.state, seen))
            if said != NO_COMMAND:
                self.resting[i] = (side, said.price, said.qty)
                asked.append(i)
        for i in asked:
            _, price, qty = self.resting[i]
            kind = ReportKind.ACK if len(self.ours[i].sent) == 1 else ReportKind.AMENDED
            self.ours[i].report(kind, price=price, qty=qty, now=self.now)
        return [order.state.order.price for order in self.ours]


def chaser(offset: int, side: Side = Side.BUY) -> Chase:
    return Chase(amend=Amend.PRICE_QTY, offset=offset, side=side, max_chase_bps=1_000)


def test_its_own_quote_at_the_touch_is_not_improved_on() -> None:
    market = Market({10_000: 50}, {10_100: 50}, chaser(1))
    assert [market.turn() for _ in range(5)] == [[10_005]] * 5


def test_siblings_do_not_outbid_each_other() -> None:
    market = Market({10_000: 50, 9_990: 70}, {10_100: 50}, chaser(1), chaser(2), chaser(0), chaser(1))
    for _ in range(10):
        assert market.turn() == [10_005, 10_010, 10_000, 10_005]


def test_siblings_that_sell_do_not_undercut_each_other() -> None:
    market = Market({10_000: 50}, {10_100: 50, 10_110: 9}, chaser(1, Side.SELL), chaser(2, Side.SELL))
    for _ in range(10):
        assert market.turn() == [10_095, 10_090]


def test_siblings_follow_the_others_and_go_back_with_them() -> None:
    market = Market({10_000: 50}, {10_100: 50}, chaser(1), chaser(2))
    market.turn()
    market.sides[1] = {10_020: 5, 10_000: 50}
    market.turn()
    assert market.turn() == [10_025, 10_030]
    market.sides[1] = {10_000: 50}
    market.turn()
    assert market.turn() == [10_005, 10_010]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 5), min_size=1, max_size=5), st.integers(0, 2**32))
def test_each_of_many_siblings_rests_where_it_would_alone(offsets: list[int], seed: int) -> None:
    rng = random.Random(seed)
    together = Market({}, {}, *(chaser(offset) for offset in offsets))
    alone = [Market({}, {}, chaser(offset)) for offset in offsets]
    for _ in range(15):
        bid = 10_000 + 5 * rng.randint(-4, 4)
        bids = {bid - 5 * i: rng.choice([1, 90, 100, 150, 250]) for i in rng.sample(range(9), 4)}
        for market in (together, *alone):
            market.sides = {1: bids, -1: {10_100: 50}}
            for _ in range(4):  # the market stands still until all have come to rest
                prices = market.turn()
            if market is together:
                expected = prices
        assert expected == [market.ours[0].state.order.price for market in alone]


def test_a_quote_of_ours_on_the_other_side_is_not_run_into() -> None:
    """A sibling that sells can be crossed: post-only would be rejected over and over."""
    seller, buyer = chaser(9, Side.SELL), chaser(9)
    market = Market({10_000: 50}, {10_100: 50}, seller, buyer)
    for _ in range(4):
        sells, buys = market.turn()
        assert buys < sells


@pytest.mark.parametrize(
    ("level", "sure", "left"), [(150, 1, 50), (150, 0, 50), (100, 0, 0), (60, 0, 60), (60, 1, 0)]
)
def test_a_level_smaller_than_an_order_on_its_way_does_not_contain_it(
    level: int, sure: int, left: int
) -> None:
    levels, own = np.array([[10, level], [9, 7]]), np.array([[10, 100, sure]])
    assert chase.best_two(levels, own)[:2] == ((10, left) if left else (9, 7))


def test_an_amendment_under_way_may_stand_in_either_place() -> None:
    order = chaser(0).rest()
    order.top(10_005, 10_015)
    assert chase.own_sizes(order.state) == [OwnSize(10_000, 100, 0), OwnSize(10_005, 100, 0)]
    order.report(ReportKind.AMENDED, price=10_005, qty=100, filled=30)
    assert chase.own_sizes(order.state) == [OwnSize(10_005, 70, 1)]
    order.report(ReportKind.FILL, filled=100)
    assert chase.own_sizes(order.state) == []


def test_best_two_is_the_same_compiled() -> None:
    compiled, rng = njit(chase.best_two), np.random.default_rng(4)
    for _ in range(300):
        prices = 100 - np.arange(rng.integers(0, 6))
        levels = np.stack([prices, rng.integers(1, 9, len(prices))], 1).astype(np.int64)
        own = np.stack([rng.integers(95, 101, 3), rng.integers(1, 9, 3), rng.integers(0, 2, 3)], 1)
        assert compiled(levels, own) == chase.best_two(levels, own)


def test_a_missing_side_is_zero() -> None:
    empty = np.empty((0, 2), np.int64)
    assert chase.best_two(empty, np.empty((0, 3), np.int64)) == (0, 0, 0, 0)
