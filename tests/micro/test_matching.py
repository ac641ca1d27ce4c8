"""The queue model: one order in a market that does not know it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from citadel_kit.micro.matching import QueueConfig, Resting, crosses, on_level, on_trade, rest, take
from citadel_kit.types import Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
TOUCH = 500
QUEUE, HALF, WORST = QueueConfig(0, False), QueueConfig(50, False), QueueConfig(0, True)


def bid(ahead: int, qty: int = 10) -> Resting:
    return rest(1, BUY, 100, qty, 0, ahead, ahead)


def test_trades_at_the_price_take_what_is_ahead_first() -> None:
    order = on_trade(QUEUE, bid(ahead=30), 100, 25, SELL, 0)
    assert (order.ahead, order.filled) == (5, 0)
    order = on_trade(QUEUE, order, 100, 9, SELL, 0)
    assert (order.ahead, order.filled) == (0, 4)
    assert on_trade(QUEUE, order, 100, 1_000, SELL, 0).filled == 10


def test_a_trade_on_the_other_side_or_at_a_better_price_is_none_of_ours() -> None:
    for price, aggressor in ((100, BUY), (101, SELL), (99, BUY)):
        assert on_trade(QUEUE, bid(0), price, 50, aggressor, 0) == bid(0)


def test_sells_are_the_mirror_image() -> None:
    ask = rest(1, SELL, 100, 10, 0, 30, 30)
    assert on_trade(QUEUE, ask, 100, 35, BUY, 0).filled == 5
    assert on_trade(QUEUE, ask, 100, 35, SELL, 0) == ask
    assert on_trade(QUEUE, ask, 101, 4, BUY, 0).filled == 4
    assert on_level(QUEUE, ask, 0, 100, TOUCH).filled == 10
    assert on_level(QUEUE, ask, 30, 101, TOUCH).filled == 10
    assert on_level(QUEUE, ask, 30, 0, TOUCH).filled == on_level(QUEUE, ask, 30, 99, TOUCH).filled == 0


def test_a_trade_through_the_price_fills_up_to_its_size() -> None:
    order = on_trade(QUEUE, bid(ahead=1_000), 99, 4, SELL, 0)
    assert (order.filled, order.ahead) == (4, 0)


def test_a_touch_at_or_beyond_the_price_fills_it_whole() -> None:
    assert on_level(QUEUE, bid(1_000), 1_000, 101, TOUCH).filled == 0
    assert on_level(QUEUE, bid(1_000), 0, 100, TOUCH).filled == 10
    assert on_level(QUEUE, bid(1_000), 0, 99, TOUCH).filled == 10
    assert on_level(QUEUE, bid(1_000), 1_000, 0, TOUCH).filled == 0


def test_what_orders_before_it_got_of_a_trade_or_a_touch_is_not_there_for_it() -> None:
    order = on_trade(QUEUE, bid(ahead=5), 100, 30, SELL, 22)
    assert (order.ahead, order.filled, order.traded) == (0, 3, 30)
    assert on_trade(QUEUE, bid(0), 99, 30, SELL, 26).filled == 4
    assert on_trade(QUEUE, bid(0), 99, 30, SELL, 30).filled == 0
    assert [on_level(QUEUE, bid(0), 0, 100, left).filled for left in (0, 4, 40)] == [0, 4, 10]


def test_a_cancelled_quantity_moves_us_by_its_stated_share_one_book_later() -> None:
    order = on_level(HALF, bid(ahead=100), 60, 101, TOUCH)
    assert order.ahead == 100
    assert on_level(HALF, order, 60, 101, TOUCH).ahead == 60  # 100 - 50 % of 40 = 80, but only 60 rest there
    order = on_level(HALF, on_level(HALF, bid(ahead=100), 90, 101, TOUCH), 200, 101, TOUCH)
    assert order.ahead == 95


@pytest.mark.parametrize("trade_first", [True, False])
def test_a_trade_is_not_counted_as_a_cancel_too_whichever_comes_first(trade_first: bool) -> None:
    all_ahead = QueueConfig(100, False)
    order = bid(ahead=100)
    if trade_first:
        order = on_level(all_ahead, on_trade(all_ahead, order, 100, 60, SELL, 0), 40, 101, TOUCH)
    else:
        order = on_trade(all_ahead, on_level(all_ahead, order, 40, 101, TOUCH), 100, 60, SELL, 0)
    order = on_level(all_ahead, order, 40, 101, TOUCH)
    assert (order.ahead, order.filled) == (40, 0)


def test_who_joins_later_stands_behind() -> None:
    order = on_level(HALF, on_level(HALF, bid(ahead=20), 500, 101, TOUCH), 500, 101, TOUCH)
    assert order.ahead == 20


def test_pessimistic_fills_only_when_traded_through() -> None:
    order = bid(ahead=0)
    assert on_trade(WORST, order, 100, 1_000, SELL, 0).filled == 0
    assert on_level(WORST, order, 0, 100, TOUCH).filled == 0
    assert on_trade(WORST, order, 99, 3, SELL, 0).filled == 3
    assert on_level(WORST, order, 0, 99, TOUCH).filled == 10


Rows = list[tuple[str, int, int, int]]

events = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(97, 103), st.integers(1, 40), st.sampled_from([BUY, SELL])),
        st.tuples(st.just("book"), st.integers(0, 80), st.integers(98, 104), st.just(0)),
    ),
    max_size=60,
)


def play(config: QueueConfig, order: Resting, rows: Rows) -> list[Resting]:
    story = [order]
    for kind, a, b, c in rows:
        if kind == "trade":
            story.append(on_trade(config, story[-1], a, b, c, b // 4))
        else:
            story.append(on_level(config, story[-1], a, b, 15))
    return story


@given(events, st.integers(0, 60), st.integers(1, 30))
def test_an_order_only_fills_never_past_its_size_and_its_queue_never_grows(
    rows: Rows, ahead: int, qty: int
) -> None:
    for config in (QUEUE, HALF, QueueConfig(100, False), WORST):
        story = play(config, bid(ahead, qty), rows)
        for before, after in pairwise(story):
            assert before.filled <= after.filled <= qty
            assert 0 <= after.ahead <= before.ahead


@given(events, st.integers(0, 60), st.integers(1, 30))
def test_the_bounds_are_bounds(rows: Rows, ahead: int, qty: int) -> None:
    worst, queue, half, best = (
        play(config, bid(ahead, qty), rows)[-1].filled
        for config in (WORST, QUEUE, HALF, QueueConfig(100, False))
    )
    assert worst <= queue <= half <= best


@given(events, st.integers(0, 60))
def test_interpreted_and_compiled_agree(rows: Rows, ahead: int) -> None:
    codes = np.array([[int(k == "trade"), a, b, c] for k, a, b, c in rows], np.int64).reshape(-1, 4)
    assert tuple(drive(codes, bid(ahead))) == tuple(play(HALF, bid(ahead), rows)[-1])


@njit
def drive(codes, order):  # noqa: ANN001, ANN201
    config = QueueConfig(50, False)
    for i in range(len(codes)):
        c = codes[i]
        order = (
            on_trade(config, order, c[1], c[2], c[3], c[2] // 4)
            if c[0]
            else on_level(config, order, c[1], c[2], 15)
        )
    return order


# --- taking -----------------------------------------------------------------------------------------------

ASKS = np.array([[101, 5], [102, 7], [105, 100]], np.int64)


def test_taking_walks_the_levels_up_to_the_limit_price() -> None:
    assert take(ASKS, BUY, 102, 9).tolist() == [[101, 5], [102, 4]]
    assert take(ASKS, BUY, 104, 1_000).tolist() == [[101, 5], [102, 7]]
    assert take(ASKS, BUY, 100, 9).tolist() == []
    bids = np.array([[99, 5], [98, 7]], np.int64)
    assert take(bids, SELL, 98, 6).tolist() == [[99, 5], [98, 1]]


def test_crossing_is_at_or_beyond_the_opposite_touch() -> None:
    assert [crosses(BUY, p, 101) for p in (100, 101, 102)] == [False, True, True]
    assert [crosses(SELL, p, 99) for p in (98, 99, 100)] == [True, True, False]
    assert not crosses(BUY, 1_000, 0)


def test_taking_compiles_to_the_same() -> None:
    assert njit(take)(ASKS, BUY, 102, 9).tolist() == take(ASKS, BUY, 102, 9).tolist()
