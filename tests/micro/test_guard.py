"""The flash-crash breaker against its naive twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import largest_fall_bps
from numba import njit

from citadel_kit.micro import guard
from citadel_kit.micro.guard import BUCKETS, GuardConfig, GuardState, Trip

S = 1_000_000_000
CONFIG = GuardConfig(fall_bps=100.0, window_ns=15 * S, max_spread_bps=50.0, spread_hold_ns=2 * S)


def play(rows: list[tuple[int, float, float]], config: GuardConfig = CONFIG) -> GuardState:
    state = guard.fresh(0)
    for now, mid, spread in rows:
        state = guard.on_quote(config, state, now, mid, spread)
    return state


def test_a_fall_within_the_window_trips_at_the_update_that_shows_it() -> None:
    state = play([(1 * S, 100.0, 1.0), (5 * S, 99.0, 1.0)])
    assert state.tripped == Trip.NONE  # 1 %, not more
    state = guard.on_quote(CONFIG, state, 6 * S, 98.9, 1.0)
    assert (state.tripped, state.tripped_ns) == (Trip.FALL, 6 * S)
    assert state.measured_bps == pytest.approx(110)
    assert "fell 110.0 bps within 15 s" in guard.describe(CONFIG, state)


def test_the_same_fall_over_a_longer_time_does_not_trip() -> None:
    assert play([(i * S, 100.0 - i * 0.05, 1.0) for i in range(100)]).tripped == Trip.NONE


@pytest.mark.parametrize("start", range(10 * S, 12 * S, S // 7))
def test_the_window_is_never_shorter_than_stated_nor_longer_than_documented(start: int) -> None:
    reach = CONFIG.window_ns * BUCKETS // (BUCKETS - 1)
    for after, trips in ((CONFIG.window_ns, True), (reach, False)):
        state = play([(start, 100.0, 1.0), (start + after, 98.0, 1.0)])
        assert (state.tripped == Trip.FALL) == trips


def test_a_rise_never_trips() -> None:
    assert play([(i * S, 100.0 + i * 5, 1.0) for i in range(20)]).tripped == Trip.NONE


quotes = st.lists(st.tuples(st.integers(0, 6 * S), st.floats(95.0, 105.0)), min_size=1, max_size=80)


@given(quotes, st.integers(1, 40 * S))
def test_no_fall_is_missed_and_none_invented(steps: list[tuple[int, float]], window: int) -> None:
    config = CONFIG._replace(window_ns=window)
    history: list[tuple[int, float]] = []
    state, now = guard.fresh(0), 7 * S
    for step, mid in steps:
        now += step
        history.append((now, mid))
        state = guard.on_quote(config, state, now, mid, 1.0)
        sure = largest_fall_bps(history, window)
        reach = BUCKETS * -(-window // (BUCKETS - 1))
        possible = largest_fall_bps(history, reach)
        if sure > 100.0 + 1e-6:
            assert state.tripped == Trip.FALL
        if possible < 100.0 - 1e-6:
            assert state.tripped == Trip.NONE


def test_a_wide_spread_trips_after_it_lasted_for_the_hold_time() -> None:
    wide = [(i * S // 2, 100.0, 60.0) for i in range(1, 5)]
    assert play(wide).tripped == Trip.NONE
    state = play([*wide, (5 * S // 2, 100.0, 60.0)])
    assert (state.tripped, state.measured_bps) == (Trip.SPREAD, 60.0)
    assert "max_spread_bps (50) for 2 s" in guard.describe(CONFIG, state)


def test_one_narrow_quote_starts_the_hold_time_again() -> None:
    rows = [(1 * S, 100.0, 60.0), (2 * S, 100.0, 10.0), (3 * S, 100.0, 60.0), (4 * S, 100.0, 60.0)]
    assert play(rows).tripped == Trip.NONE
    assert play([*rows, (5 * S, 100.0, 60.0)]).tripped == Trip.SPREAD


def test_without_a_hold_time_the_first_wide_quote_trips() -> None:
    assert play([(S, 100.0, 51.0)], CONFIG._replace(spread_hold_ns=0)).tripped == Trip.SPREAD


@pytest.mark.parametrize("nothing", [math.nan, 0.0, -1.0, math.inf])
def test_an_absent_quote_is_no_news(nothing: float) -> None:
    rows = [(S, 100.0, 1.0), (2 * S, nothing, math.nan), (3 * S, 99.5, 1.0)]
    assert play(rows).tripped == Trip.NONE
    assert play([*rows, (4 * S, 98.0, 1.0)]).tripped == Trip.FALL


def test_an_absent_spread_neither_trips_nor_calms() -> None:
    rows = [(1 * S, 100.0, 60.0), (4 * S, math.nan, math.nan)]
    assert play(rows).tripped == Trip.NONE
    assert play([*rows, (5 * S, 100.0, 60.0)]).tripped == Trip.SPREAD


def test_it_latches_with_its_first_cause_until_reset() -> None:
    state = guard.trip(guard.fresh(0), 5, Trip.HAND)
    assert guard.describe(CONFIG, state) == "tripped by hand"
    state = guard.on_quote(CONFIG, state, S, 100.0, 1.0)
    state = guard.on_quote(CONFIG, state, 2 * S, 50.0, 900.0)
    assert (state.tripped, state.tripped_ns) == (Trip.HAND, 5)
    assert guard.trip(state, 9 * S, Trip.FALL) == state
    state = guard.reset(state, 3 * S)
    assert guard.describe(CONFIG, state) == "ok"
    assert guard.on_quote(CONFIG, state, 4 * S, 50.0, 1.0).tripped == Trip.NONE  # the old peak is forgotten
    assert guard.on_quote(CONFIG, state, 4 * S, 50.0, 1.0).now_ns == 4 * S


def test_time_running_backwards_stands_still() -> None:
    state = play([(100 * S, 100.0, 1.0), (50 * S, 98.0, 1.0)])
    assert (state.tripped, state.tripped_ns) == (Trip.FALL, 100 * S)


@njit
def compiled(steps, mids, spreads):  # noqa: ANN001, ANN201
    config = GuardConfig(100.0, 15 * S, 50.0, 2 * S)
    state = guard.fresh(0)
    for i in range(len(steps)):
        state = guard.on_quote(config, state, steps[i], mids[i], spreads[i])
        if i == 7:
            state = guard.reset(guard.trip(state, steps[i], Trip.HAND.value), steps[i])
    return state


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.floats(98.0, 101.0), st.floats(0.0, 60.0)), min_size=1, max_size=40
    )
)
def test_interpreted_and_compiled_agree(rows: list[tuple[int, float, float]]) -> None:
    times = np.cumsum([r[0] * S for r in rows])
    mids, spreads = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    assert compiled(times, mids, spreads) == compiled.py_func(times, mids, spreads)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * S),
            st.floats(95.0, 105.0) | st.just(math.nan),
            st.floats(-1.0, 80.0),
        ),
        max_size=60,
    )
)
def test_what_calm_leaves_out_would_have_changed_nothing(rows: list[tuple[int, float, float]]) -> None:
    """Two guards, one of which is not shown what the other calls calm."""
    every = some = guard.fresh(0)
    now = 0
    for step, mid, spread_bps in rows:
        now += step
        bid, ask = mid * (1 - spread_bps / 2e4), mid * (1 + spread_bps / 2e4)
        calm = guard.calm(CONFIG, some)
        every = guard.on_quote(CONFIG, every, now, mid, spread_bps)
        still = now < calm.until_ns and calm.low <= (bid + ask) / 2 <= calm.high
        if not (still and bid <= ask <= bid * calm.widest):
            some = guard.on_quote(CONFIG, some, now, mid, spread_bps)
        assert some._replace(now_ns=0) == every._replace(now_ns=0)


def test_most_quotes_are_calm_and_none_is_while_the_guard_has_something_to_count() -> None:
    state = play([(1, 100.0, 1.0)])
    calm = guard.calm(CONFIG, state)
    assert (calm.until_ns, calm.low, calm.high) == (S, 99.5, 100.0)
    assert calm.widest == pytest.approx(1.0025)
    for busy in (play([(1, 100.0, 60.0)]), guard.trip(state, 2, Trip.HAND.value)):
        assert not guard.calm(CONFIG, busy).low <= 100.0
