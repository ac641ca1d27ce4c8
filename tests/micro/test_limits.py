"""Every limit by name, the orders of a minute and the token bucket against their naive twins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from citadel_kit.errors import ConfigError
from citadel_kit.micro import limits as rules
from citadel_kit.micro.limits import BREACHES, Breach, Facts, Limits

S = 1_000_000_000
LIMITS = Limits(1_000.0, 3_000.0, 5_000.0, 10, 100.0, 500.0)
FINE = Facts(
    opens=True, side=1, price=100.0, notional=500.0, symbol_notional=0.0, total_notional=0.0, orders=0,
    global_mid=100.0,
)  # fmt: skip

BROKEN: list[tuple[dict[str, Any], Breach, str]] = [
    ({"notional": 1_000.1}, Breach.ORDER_NOTIONAL, "max_order_notional is 1,000"),
    ({"notional": math.nan, "symbol_notional": -math.inf}, Breach.ORDER_NOTIONAL, "nan"),
    ({"symbol_notional": 2_500.1}, Breach.SYMBOL_NOTIONAL, "3,000.10"),
    ({"total_notional": 4_500.1}, Breach.TOTAL_EXPOSURE, "5,000.10"),
    ({"total_notional": math.nan}, Breach.TOTAL_EXPOSURE, "nan"),
    ({"orders": 10}, Breach.ORDER_RATE, "10 orders went out"),
    ({"price": 101.1}, Breach.COLLAR, "110.0 bps worse"),
    ({"price": 98.9, "side": -1}, Breach.COLLAR, "110.0 bps worse"),
    ({"global_mid": math.nan}, Breach.COLLAR, "nan"),
    ({"global_mid": 0.0, "side": -1}, Breach.COLLAR, "nan"),
    ({"price": math.nan}, Breach.COLLAR, "nan"),
]


@pytest.mark.parametrize(("changes", "breach", "says"), BROKEN)
def test_an_entry_has_to_keep_each_limit(changes: dict[str, Any], breach: Breach, says: str) -> None:
    facts = FINE._replace(**changes)
    assert breach in rules.check(LIMITS, facts)
    if not any(isinstance(v, float) and math.isnan(v) for v in changes.values()):
        assert rules.check(LIMITS, facts) == (breach,)
    assert says in rules.describe(LIMITS, facts, breach)


def test_at_its_limits_an_entry_passes_and_every_limit_has_its_test() -> None:
    edge = FINE._replace(
        notional=1_000.0, symbol_notional=2_000.0, total_notional=4_000.0, orders=9, price=101.0
    )
    assert rules.check(LIMITS, edge) == ()
    assert rules.check(LIMITS, FINE._replace(price=1.0)) == ()  # cheap is no danger to a buyer
    assert {row[1] for row in BROKEN} == set(Breach)


def test_what_closes_is_kept_from_nothing_but_a_price_that_cannot_be_meant() -> None:
    for changes, _, _ in BROKEN:
        assert rules.check(LIMITS, FINE._replace(opens=False, **changes)) == ()
    away = FINE._replace(opens=False, side=-1, price=94.9)
    assert rules.check(LIMITS, away) == (Breach.COLLAR,)
    assert "exit_collar_bps is 500" in rules.describe(LIMITS, away, Breach.COLLAR)
    assert rules.check(LIMITS, away._replace(global_mid=math.nan)) == ()


@pytest.mark.parametrize("name", Limits._fields)
def test_a_limit_is_positive(name: str) -> None:
    for value in (0, -1, math.nan):
        with pytest.raises(ConfigError, match=name):
            rules.validate(LIMITS._replace(**{name: value}))
    rules.validate(Limits(*(math.inf,) * 6))  # type: ignore[arg-type]


amounts = st.sampled_from([0.0, 500.0, 1_000.0, 4_000.0, math.nan, math.inf])
prices = st.sampled_from([90.0, 99.0, 101.0, 110.0, math.nan])
mids = st.sampled_from([100.0, 0.0, math.nan])
facts = st.builds(
    Facts,
    st.booleans(),
    st.sampled_from([1, -1]),
    prices,
    amounts,
    amounts,
    amounts,
    st.integers(0, 12),
    mids,
)


@given(facts)
def test_the_limits_compile_to_the_same(facts: Facts) -> None:
    assert compiled(LIMITS, facts) == rules.mask(LIMITS, facts) < 1 << len(BREACHES)


compiled = njit(rules.mask)


@given(st.lists(st.integers(0, 20 * S), max_size=60), st.integers(0, 70 * S))
def test_orders_of_a_minute_are_never_missed_and_kept_5_s_longer_at_most(gaps: list[int], wait: int) -> None:
    state, now = rules.NONE_SENT, 1_000 * S
    times = []
    for gap in gaps:
        now += gap
        state = rules.sent(state, now)
        times.append(now)
    now += wait
    counted = rules.in_last_minute(state, now)
    assert sum(now - at <= 60 * S for at in times) <= counted <= sum(now - at <= 65 * S for at in times)
    assert rules.in_last_minute(state, 0) == sum(state.counts)


class NaiveBucket:
    """Tokens as a fraction of time, filled up to `burst`."""

    def __init__(self, interval: int, burst: int) -> None:
        self.interval, self.full = interval, burst * interval
        self.tokens, self.at = self.full, 0

    def has(self, now: int, cost: int) -> bool:
        self.tokens, self.at = min(self.tokens + now - self.at, self.full), now
        return self.tokens >= cost * self.interval

    def take(self, cost: int) -> None:
        self.tokens -= cost * self.interval


@given(
    st.integers(1, 20), st.integers(2, 8), st.integers(0, 1),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2), st.booleans()), max_size=60),
)  # fmt: skip
def test_the_bucket_is_a_token_bucket_with_a_reserve(
    interval: int, burst: int, reserve: int, asks: list[tuple[int, int, bool]]
) -> None:
    budget, naive, full, now = rules.Budget(interval, burst, reserve), NaiveBucket(interval, burst), 0, 0
    for gap, cost, opens in asks:
        now += gap
        wait = rules.wait_ns(budget, full, now, cost, opens)
        needs = cost + (reserve if opens else 0)
        if needs <= burst:
            assert (wait == 0) == naive.has(now, needs)
            assert rules.wait_ns(budget, full, now + wait, cost, opens) == 0
            assert wait == 0 or rules.wait_ns(budget, full, now + wait - 1, cost, opens) > 0
        if wait == 0:
            full = rules.taken(budget, full, now, cost)
            naive.take(cost)
            assert compiled_wait(budget, full, now, cost, opens) == rules.wait_ns(
                budget, full, now, cost, opens
            )


compiled_wait = njit(rules.wait_ns)


def test_entries_leave_the_reserve_to_exits() -> None:
    budget, full = rules.budget(10.0, 5, 2), 0
    for _ in range(3):
        assert rules.wait_ns(budget, full, S, 1, True) == 0
        full = rules.taken(budget, full, S, 1)
    assert rules.wait_ns(budget, full, S, 1, True) == S // 10
    assert rules.wait_ns(budget, full, S, 1, False) == 0
    assert rules.wait_ns(budget, full, S, 9, True) == 3 * S // 10  # until it is full


@pytest.mark.parametrize(
    ("per_second", "burst", "reserve"), [(0, 5, 1), (math.nan, 5, 1), (1, 5, 5), (1, 5, -1)]
)
def test_a_budget_that_lets_nothing_out_is_refused(per_second: float, burst: int, reserve: int) -> None:
    with pytest.raises(ConfigError):
        rules.budget(per_second, burst, reserve)


@njit
def count(times: Any) -> Any:
    state, counts = rules.NONE_SENT, np.zeros(len(times), np.int64)
    for i in range(len(times)):
        state = rules.sent(state, times[i])
        counts[i] = rules.in_last_minute(state, times[i])
    return counts


def test_orders_of_a_minute_compile_to_the_same() -> None:
    times = np.cumsum(np.random.default_rng(3).integers(0, 9 * S, 300))
    assert count(times).tolist() == count.py_func(times).tolist()
