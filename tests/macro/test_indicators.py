from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles

from citadel_kit.errors import ConfigError
from citadel_kit.macro import indicators
from citadel_kit.macro.candles import columns_of
from citadel_kit.macro.indicators import (
    atr,
    bollinger,
    cci,
    correlation,
    donchian,
    ema,
    log_returns,
    mfi,
    rolling_extremes,
    rolling_mean_std,
    rolling_sum,
    rolling_vwap,
    rolling_zscore,
    rsi,
    stochastic,
    strided_sum,
    vwap,
)

N, HOLE = 400, 170
OPEN, H, L, C, V = columns_of(random_candles(N, seed=4))
SERIES = {"o": OPEN, "high": H, "low": L, "close": C, "volume": V, "x": C, "y": H}
ALL = {
    name: function
    for name in indicators.__all__
    if inspect.isfunction(function := getattr(indicators, name)) and hasattr(function, "__wrapped__")
}


def call(function: Callable[..., Any], rows: slice = slice(None), hole: int = -1) -> list[np.ndarray]:
    """Of the sample's rows, with a NaN in each input at row `hole`; windows without a default are 20."""
    arrays, rest = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in SERIES:
            arrays.append(SERIES[name].copy())
            arrays[-1][slice(hole, hole + 1) if hole >= 0 else slice(0, 0)] = np.nan
        elif parameter.default is inspect.Parameter.empty:
            rest[name] = 20
    value = function(*(a[rows] for a in arrays), **rest)
    return list(value) if isinstance(value, tuple) else [value]


def test_the_set_a_strategy_author_expects_is_there() -> None:
    expected = (
        "ema sma wma rsi macd atr adx bollinger keltner donchian stochastic cci mfi obv vwap supertrend "
        "ichimoku psar rolling_zscore roc aroon"
    )
    assert set(expected.split()) <= set(ALL)
    assert len(ALL) > 60


@pytest.mark.parametrize("name", ALL)
def test_each_has_a_warm_up_and_then_a_value_at_every_bar(name: str) -> None:
    for values in call(ALL[name]):
        assert values.dtype == np.float64
        assert len(values) == N
        first = int(np.isfinite(values).argmax())
        assert np.isnan(values[:first]).all()
        assert np.isfinite(values[first:]).all()


@pytest.mark.parametrize("name", ALL)
def test_each_starts_anew_behind_a_hole_and_bridges_none(name: str) -> None:
    before = call(ALL[name], slice(0, HOLE))
    behind = call(ALL[name], slice(HOLE + 1, None))
    for whole, left, right in zip(call(ALL[name], hole=HOLE), before, behind, strict=True):
        np.testing.assert_array_equal(whole, np.concatenate((left, [np.nan], right)))


@pytest.mark.parametrize("name", ALL)
def test_none_knows_a_later_bar(name: str) -> None:
    whole = call(ALL[name])
    for t in (0, 1, 19, 60, 150, 333):
        for values, known in zip(call(ALL[name], slice(0, t + 1)), whole, strict=True):
            np.testing.assert_array_equal(values, known[: t + 1])


@pytest.mark.parametrize("name", ALL)
def test_no_bar_gives_no_value(name: str) -> None:
    assert [len(values) for values in call(ALL[name], slice(0, 0))] == [0] * len(call(ALL[name]))


@pytest.mark.parametrize("name", ["sma", "wma", "trima", "t3", "ema", "wilder", "hma", "dema", "tema"])
def test_an_average_of_one_bar_is_the_bar(name: str) -> None:
    """Older TA-Libs refuse it."""
    np.testing.assert_array_equal(ALL[name](C, 1), C)


def test_an_infinity_is_a_hole_too() -> None:
    x = C.copy()
    x[100] = np.inf
    assert np.flatnonzero(np.isnan(ema(x, 5))).tolist() == [0, 1, 2, 3, 100, 101, 102, 103, 104]


@pytest.mark.parametrize(
    "wrong", [lambda: ema(C, 0), lambda: atr(H, L[:-1], C), lambda: stochastic(H, L, C, smooth=0)]
)
def test_unusable_input_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"at least 1|equal length"):
        wrong()


@pytest.mark.parametrize("window", [1, 2, 7, 50])
def test_rolling_windows_equal_pandas(window: int) -> None:
    mean, std = rolling_mean_std(C, window)
    rolled = pd.Series(C).rolling(window)
    np.testing.assert_allclose(mean, rolled.mean(), rtol=1e-12)
    np.testing.assert_allclose(std, rolled.std(ddof=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rolling_sum(C, window), rolled.sum(), rtol=1e-12)
    top, bottom = rolling_extremes(H, L, window)
    np.testing.assert_array_equal(top, pd.Series(H).rolling(window).max())
    np.testing.assert_array_equal(bottom, pd.Series(L).rolling(window).min())


@pytest.mark.parametrize("level", [0.0, 1e9])
def test_deviations_are_exact_at_any_level(level: float) -> None:
    """Where a difference of sums of squares keeps no digit."""
    x = level + np.random.default_rng(1).integers(0, 8, 300) / 8.0
    windows = np.lib.stride_tricks.sliding_window_view(x - level, 40)
    mean, std = rolling_mean_std(x, 40)
    np.testing.assert_allclose(std[39:], windows.std(axis=1), rtol=1e-6 if level else 1e-13)
    np.testing.assert_allclose(mean[39:] - level, windows.mean(axis=1), atol=3e-7 if level else 1e-13)
    assert (rolling_mean_std(np.full(100, level + 0.1), 30).std[29:] == 0.0).all()


@pytest.mark.parametrize(("step", "count"), [(1, 1), (1, 7), (3, 4), (8, 1), (5, 100)])
def test_strided_sums_equal_sums(step: int, count: int) -> None:
    sums = strided_sum(C, step, count)
    first = (count - 1) * step
    assert np.isnan(sums[:first]).all()
    for t in range(first, N):
        assert sums[t] == pytest.approx(C[t::-step][:count].sum(), rel=1e-13)


def test_a_nan_spoils_exactly_the_windows_that_hold_it() -> None:
    x = np.arange(20.0)
    x[8] = np.nan
    mean, std = rolling_mean_std(x, 4)
    assert np.flatnonzero(np.isnan(mean)).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert np.array_equal(np.isnan(mean), np.isnan(std))
    for values in rolling_extremes(x, x, 4):
        assert np.array_equal(np.isnan(values), np.isnan(mean))


def test_warm_up_is_as_long_as_stated_and_short_input_is_all_nan() -> None:
    for function, warm_up in (
        (lambda n: log_returns(C[:n], 5), 5),
        (lambda n: ema(C[:n], 14), 13),
        (lambda n: rsi(C[:n], 14), 14),
        (lambda n: atr(H[:n], L[:n], C[:n], 14), 14),
        (lambda n: stochastic(H[:n], L[:n], C[:n]).d, 17),
        (lambda n: bollinger(C[:n]).upper, 19),
    ):
        assert np.isnan(function(warm_up)).all()
        assert np.isfinite(function(warm_up + 1)).tolist() == [False] * warm_up + [True]


def test_rsi_of_a_still_a_rising_and_a_falling_price() -> None:
    assert rsi(np.full(30, 7.0), 14)[-1] == 50.0
    assert rsi(np.arange(1.0, 31.0), 14)[-1] == 100.0
    assert rsi(np.arange(31.0, 1.0, -1.0), 14)[-1] == 0.0


def test_what_stands_still_has_no_place_in_its_range_by_chance() -> None:
    still = np.full(60, 7.0)
    assert np.isnan(rolling_zscore(still, 20)).all()
    assert np.isnan(correlation(still, C[:60], 20)).all()
    assert np.isnan(cci(still, still, still)).all()
    assert stochastic(still, still, still).d[-1] == 0.0
    assert mfi(still, still, still, V[:60])[-1] == 50.0
    assert donchian(still, still).upper[-1] == 7.0


def test_the_rolling_vwap_of_a_first_window_is_the_running_one() -> None:
    assert rolling_vwap(H, L, C, V, 30)[29] == pytest.approx(vwap(H, L, C, V)[29], rel=1e-12)
    assert np.isnan(rolling_vwap(H, L, C, np.zeros(N), 30)).all()


@pytest.mark.parametrize("window", [5, 40])
def test_correlation_equals_numpys(window: int) -> None:
    ours = correlation(C, V, window)
    for t in (window - 1, 77, N - 1):
        rows = slice(t - window + 1, t + 1)
        assert ours[t] == pytest.approx(np.corrcoef(C[rows], V[rows])[0, 1], abs=1e-12)
