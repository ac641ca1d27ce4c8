"""The flash-crash breaker against its naive twin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import largest_fall_bps
from numba import njit

from citadel_kit.errors import ConfigError
from citadel_kit.micro import guard
from citadel_kit.micro.guard import BUCKETS, SAMPLES, GuardConfig, GuardState, GuardStep, Sight, Trip

S = 1_000_000_000
CONFIG = GuardConfig(fall_bps=100.0, window_ns=15 * S, max_spread_bps=50.0, spread_hold_ns=2 * S)
NO_SLIDE = CONFIG._replace(slide_bps=1e9)


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
    assert state.measured == pytest.approx(110)
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
    config = NO_SLIDE._replace(window_ns=window)
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
    assert (state.tripped, state.measured) == (Trip.SPREAD, 60.0)
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


# --- depth, divergence, halt --------------------------------------------------------------------------------


def sight(
    now: int, depth: float = 10.0, crossed: float = 0.0, mid: float = 100.0, spread: float = 1.0
) -> Sight:
    return Sight(now, mid, spread, depth, crossed)


def with_depths(depths: list[float]) -> GuardState:
    """One each `depth_sample_ns`."""
    state = guard.fresh(0)
    for i, depth in enumerate(depths):
        state = guard.on_sight(CONFIG, state, sight((i + 1) * CONFIG.depth_sample_ns, depth))
    return state


def test_depth_that_collapses_against_its_own_median_trips_after_its_hold_time() -> None:
    state = with_depths([10.0] * SAMPLES)
    now = state.now_ns
    for i, tripped in ((0, Trip.NONE), (1, Trip.NONE), (2, Trip.DEPTH)):
        state = guard.on_sight(CONFIG, state, sight(now + i * S, 0.9))
        assert state.tripped == tripped
    assert state.step == GuardStep.PAUSE
    assert state.measured == pytest.approx(0.09)
    assert "9.0% of its median" in guard.describe(CONFIG, state)


def test_without_enough_samples_there_is_no_collapse_and_at_its_limit_neither() -> None:
    for depths, low in (([10.0] * (SAMPLES - 1), 0.1), ([10.0] * SAMPLES, 1.0)):
        state = with_depths(depths)
        for i in range(5):
            state = guard.on_sight(CONFIG, state, sight(state.now_ns + S, low))
            assert state.tripped == Trip.NONE, i


@given(st.lists(st.floats(0.0, 1e6), min_size=SAMPLES, max_size=60))
def test_the_median_is_that_of_the_last_samples(depths: list[float]) -> None:
    assert with_depths(depths).depths.median == sorted(depths[-SAMPLES:])[SAMPLES // 2]


def test_venues_that_stay_crossed_trip() -> None:
    state = guard.on_sight(CONFIG, guard.fresh(0), sight(S, crossed=60.0, mid=math.nan, spread=math.nan))
    state = guard.on_sight(CONFIG, state, sight(2 * S, crossed=math.nan))  # no news
    state = guard.on_sight(CONFIG, state, sight(3 * S, crossed=51.0, mid=math.nan, spread=math.nan))
    assert (state.step, state.tripped) == (GuardStep.PAUSE, Trip.DIVERGENCE)
    assert "51.0 bps apart" in guard.describe(CONFIG, state)
    state = guard.on_sight(CONFIG, guard.fresh(0), sight(S, crossed=60.0))
    state = guard.on_sight(CONFIG, state, sight(2 * S, crossed=50.0))
    assert guard.on_sight(CONFIG, state, sight(3 * S, crossed=60.0)).step == GuardStep.GO


def test_a_feed_that_is_not_live_or_does_not_move_is_halted() -> None:
    begun = guard.on_sight(CONFIG, guard.fresh(0), sight(S))
    assert guard.on_timer(CONFIG, guard.fresh(0), 999 * S, False).step == GuardStep.GO  # never began
    state = guard.on_timer(CONFIG, begun, 2 * S, False)
    assert guard.on_timer(CONFIG, state, 6 * S, False).step == GuardStep.GO
    state = guard.on_timer(CONFIG, state, 7 * S, False)
    assert (state.step, state.tripped) == (GuardStep.PAUSE, Trip.HALT)
    assert "for 5.0 s" in guard.describe(CONFIG, state)
    assert guard.on_timer(CONFIG, begun, 60 * S, True).step == GuardStep.GO
    assert guard.on_timer(CONFIG, begun, 61 * S, True).tripped == Trip.HALT
    assert guard.on_timer(CONFIG._replace(quiet_ns=0), begun, 999 * S, True).step == GuardStep.GO


# --- steps --------------------------------------------------------------------------------------------------


def calm(state: GuardState, seconds: int, config: GuardConfig = CONFIG, mid: float = 100.0) -> GuardState:
    """An update a second, the first at once, and a timer at the end."""
    for _ in range(seconds):
        state = guard.on_quote(config, state, state.now_ns, mid, 1.0)
        state = guard.on_timer(config, state, state.now_ns + S, True)
    return state


def wide(state: GuardState, seconds: int) -> GuardState:
    for _ in range(seconds):
        state = guard.on_quote(CONFIG, state, state.now_ns + S, 100.0, 60.0)
    return state


def test_a_pause_whose_cause_lasts_becomes_reduce_and_one_whose_cause_ends_does_not() -> None:
    state = wide(guard.fresh(0), 3)
    assert state.step == GuardStep.PAUSE
    assert wide(state, 29).step == GuardStep.PAUSE
    assert wide(state, 30).step == GuardStep.REDUCE
    assert calm(state, 60).step == GuardStep.PAUSE


def test_it_lets_go_after_the_cool_down_without_a_break() -> None:
    cool = CONFIG.cooldown_ns // S
    state = wide(guard.fresh(0), 3)
    assert calm(state, cool - 1).step == GuardStep.PAUSE
    assert calm(state, cool).step == GuardStep.GO
    broken = guard.on_quote(CONFIG, calm(state, cool - 10), 295 * S, 100.0, 26.0)  # not wide, and not calm
    assert calm(broken, cool - 1).step == GuardStep.PAUSE
    assert calm(broken, cool).step == GuardStep.GO


@pytest.mark.parametrize("mid, spread", [(math.nan, 1.0), (100.0, math.nan), (99.4, 1.0)])
def test_what_is_not_known_or_half_way_to_its_limit_is_not_calm(mid: float, spread: float) -> None:
    """The peaks stay at 100: a high comes by every ten seconds."""
    state = wide(guard.fresh(0), 3)
    for i in range(1_000):
        seen = (100.0, 1.0) if i % 10 == 0 else (mid, spread)
        state = guard.on_quote(CONFIG, state, state.now_ns + S, *seen)
    assert state.step > GuardStep.GO


def test_depth_that_was_measured_must_be_back_before_it_is_calm() -> None:
    state = with_depths([10.0] * SAMPLES)
    for _ in range(3):
        state = guard.on_sight(CONFIG, state, sight(state.now_ns + S, 0.5))
    assert state.step == GuardStep.PAUSE
    for depth, step in ((math.nan, GuardStep.PAUSE), (1.9, GuardStep.PAUSE), (2.1, GuardStep.GO)):
        after = state
        for _ in range(400):
            median = after.depths._replace(median=10.0)  # which would follow
            after = guard.on_sight(
                CONFIG, after._replace(depths=median), sight(after.now_ns + S // 2 * 2, depth)
            )
        assert after.step == step, depth


def test_a_halt_lets_go_only_after_the_feed_is_back() -> None:
    state = guard.on_sight(CONFIG, guard.fresh(0), sight(S))
    for i in range(2, 2_000):
        state = guard.on_timer(CONFIG, state, i * S, True)  # LIVE by its heartbeat, and nothing moves
    assert (state.step, state.tripped) == (GuardStep.REDUCE, Trip.HALT)
    assert calm(state, 299).step == GuardStep.REDUCE
    assert calm(state, 300).step == GuardStep.GO


def test_flatten_is_opted_for_and_latches() -> None:
    rows = [(S, 100.0, 1.0), (2 * S, 90.0, 1.0)]
    assert play(rows).step == GuardStep.REDUCE
    config = CONFIG._replace(flatten_bps=900.0)
    state = play(rows, config)
    assert (state.step, state.tripped, state.latched) == (GuardStep.FLATTEN, Trip.FALL, 1)
    assert guard.describe(config, state).endswith(
        "FLATTEN: everything is closed, until it is re-armed by hand"
    )
    assert calm(state, 2_000, config, 90.0).step == GuardStep.FLATTEN
    assert guard.reset(state, state.now_ns).step == GuardStep.GO
    slow = play([(S, 100.0, 1.0), (200 * S, 90.0, 1.0)], config)
    assert (slow.step, slow.tripped) == (GuardStep.FLATTEN, Trip.SLIDE)


def test_the_longer_window_trips_on_a_slide() -> None:
    state = play([(i * S, 100.0 - i * 0.05, 1.0) for i in range(101)])
    assert state.tripped == Trip.NONE
    state = guard.on_quote(CONFIG, state, 102 * S, 94.9, 1.0)
    assert (state.step, state.tripped) == (GuardStep.REDUCE, Trip.SLIDE)
    assert "fell 510.0 bps within 300 s" in guard.describe(CONFIG, state)


def test_a_hand_latches_what_had_tripped_by_itself() -> None:
    state = play([(S, 100.0, 1.0), (2 * S, 98.0, 1.0)])
    assert calm(state, 400, mid=98.0).step == GuardStep.GO
    state = guard.trip(state, 3 * S, Trip.HAND)
    assert (state.tripped, state.latched) == (Trip.HAND, 1)
    assert calm(state, 2_000, mid=98.0).step == GuardStep.REDUCE
    state = guard.trip_to(state, 4 * S, Trip.HAND, GuardStep.FLATTEN)
    assert guard.describe(CONFIG, state) == "tripped by hand: FLATTEN"
    assert guard.trip_to(state, 5 * S, Trip.HAND, GuardStep.PAUSE) == state


@pytest.mark.parametrize("name", GuardConfig._fields)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_setting_that_would_never_trip_or_never_end_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        guard.check(CONFIG._replace(**{name: value}))
    assert error.value.setting == name
    guard.check(CONFIG)


# --- two worlds ---------------------------------------------------------------------------------------------


@njit
def compiled(config: GuardConfig, table: Any) -> tuple[Any, GuardState]:
    state = guard.fresh(0)
    steps = np.zeros(len(table), np.int64)
    now = 0
    for i in range(len(table)):
        row = table[i]
        now += int(row[0]) * S
        if row[5] < 7:
            state = guard.on_sight(config, state, Sight(now, row[1], row[2], row[3], row[4]))
        elif row[5] < 9:
            state = guard.on_timer(config, state, now, row[5] < 8)
        elif row[5] < 10:
            state = guard.trip_to(state, now, 3, int(row[0]) % 4)
        else:
            state = guard.reset(state, now)
        steps[i] = state.step * 10 + state.tripped
    return steps, state


TWO_WORLDS = CONFIG._replace(
    slide_bps=250.0, flatten_bps=350.0, depth_sample_ns=S, cooldown_ns=20 * S, escalate_ns=5 * S
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_interpreted_and_compiled_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rough, size = seed % 4, 300
    mids = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005 * (1 + rough), size)))
    table = np.stack(
        [
            rng.integers(0, 4, size),
            np.where(rng.random(size) < 0.03, math.nan, mids),
            np.where(
                rng.random(size) < 0.03, math.nan, rng.choice([1.0, 30.0, 60.0], size, p=[0.9, 0.05, 0.05])
            ),
            rng.choice([math.nan, 0.5, 8.0, 10.0], size, p=[0.05, 0.15, 0.4, 0.4]),
            rng.choice([math.nan, 0.0, 60.0], size, p=[0.05, 0.9, 0.05]),
            np.where(rng.random(size) < 0.03, rng.integers(7, 11, size), 0),
        ],
        axis=1,
    )
    ours, twin = compiled(TWO_WORLDS, table), compiled.py_func(TWO_WORLDS, table)
    assert ours[0].tolist() == twin[0].tolist()
    np.testing.assert_equal(flat(ours[1]), flat(twin[1]))


def flat(state: GuardState) -> list[float]:
    values: list[float] = []
    for part in state:
        values.extend(flat(part) if isinstance(part, tuple) else [float(part)])
    return values
