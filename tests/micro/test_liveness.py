"""Heartbeats against their own rhythm, and how often a venue may be asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.micro.liveness import Backoff, Budget, Rhythm, SessionConfig

S = 1_000_000_000
CONFIG = SessionConfig()


def beating(every_ns: int, count: int, config: SessionConfig = CONFIG) -> Rhythm:
    rhythm = Rhythm(config)
    rhythm.start(0)
    for k in range(count):
        rhythm.beat(k * every_ns)
    return rhythm


def test_stale_is_four_times_the_median_interval() -> None:
    rhythm = beating(S, 20)
    rhythm.beat(19 * S + 3 * S)  # one late heartbeat moves no median
    assert rhythm.stale_after_ns() == 4 * S
    assert not rhythm.is_stale(22 * S + 4 * S)
    assert rhythm.is_stale(22 * S + 4 * S + 1)


def test_a_quick_rhythm_has_a_floor() -> None:
    assert beating(S // 100, 20).stale_after_ns() == CONFIG.stale_floor_ns == 2 * S


def test_an_unknown_rhythm_is_taken_for_that_of_our_pings_and_of_a_recording_for_the_floor() -> None:
    assert beating(3 * S, 3).stale_after_ns() == 4 * S
    assert beating(3 * S, 4).stale_after_ns() == 12 * S
    assert beating(3 * S, 3, SessionConfig(any_frame=True)).stale_after_ns() == 2 * S


def test_the_time_until_the_first_heartbeat_is_no_interval_but_counts_as_silence() -> None:
    rhythm = Rhythm(CONFIG)
    rhythm.start(0)
    assert rhythm.is_stale(4 * S + 1)
    rhythm.beat(5 * S)
    for k in range(6, 9):
        rhythm.beat(k * S)
    assert rhythm.stale_after_ns() == 4 * S


def test_a_new_connection_has_a_rhythm_of_its_own() -> None:
    rhythm = beating(10 * S, 20)
    rhythm.start(300 * S)
    assert rhythm.stale_after_ns() == 4 * S
    assert not rhythm.is_stale(300 * S + 4 * S)


@given(st.lists(st.integers(0, 5 * S), min_size=1, max_size=60), st.integers(1, 5))
def test_a_budget_is_never_passed_in_any_window(gaps: list[int], most: int) -> None:
    budget, now, taken = Budget(most, 10 * S), 0, []
    for gap in gaps:
        now = budget.free_ns(now + gap)
        budget.spend(now)
        taken.append(now)
    assert all(late - early >= 10 * S for early, late in zip(taken, taken[most:], strict=False))


def test_a_budget_with_room_costs_no_time() -> None:
    budget = Budget(2, 10 * S)
    budget.spend(S)
    assert budget.free_ns(2 * S) == 2 * S
    budget.spend(2 * S)
    assert budget.free_ns(2 * S) == 11 * S
    assert budget.free_ns(30 * S) == 30 * S


def test_back_off_grows_with_full_jitter_over_a_floor() -> None:
    half = S // 2
    backoff = Backoff(CONFIG)
    assert [backoff.delay_ns(0, 0.0) for _ in range(3)] == [half] * 3
    assert backoff.delay_ns(0, 1.0) == 8 * half
    assert [backoff.delay_ns(0, 1.0) for _ in range(10)][-1] == 60 * S
    backoff.reset()
    assert backoff.delay_ns(0, 1.0) == half


def test_back_off_keeps_to_the_connect_budget() -> None:
    backoff, now = Backoff(CONFIG._replace(connect_most=5, backoff_cap_ns=S)), 0
    starts = []
    for _ in range(12):
        backoff.reset()
        now += backoff.delay_ns(now, 0.3)
        starts.append(now)
    assert starts[4] == 5 * S // 2, "within the budget: as quick as the back-off allows"
    assert all(b - a >= CONFIG.connect_window_ns for a, b in zip(starts, starts[5:], strict=False))
