"""Regimes: the memory of returns, the weather of volatility, and the strength of the trend.

The Hurst exponent is estimated by detrended fluctuation analysis of order 1 (Peng et al. 1994): the
window's returns are summed to a profile of window + 1 points; for each scale n it is cut into half-
overlapping blocks of n points, counted from the newest; a line is taken off each, and F(n) is the root of
the mean squared rest over all blocks; H is the least-squares slope of ln F(n) on ln n. The input is a
RETURN series. On white noise the estimate centres on 0.505 with a standard deviation of 0.051 at 512 returns
and 0.040 at 1,024. So the default thresholds call about one memoryless window in eight trending or reverting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import YEAR_NS, Floats, Ints, columns_of, segments, timeframe_ns
from citadel_kit.macro.indicators import compiled, log_returns, rolling_mean_std
from citadel_kit.types import Memory, Regime, Weather


class RegimeConfig(NamedTuple):
    """Windows in bars. The longest of them is the warm-up, at the start and behind every hole."""

    hurst_window: int = 512
    trending_above: float = 0.58
    reverting_below: float = 0.42
    volatility_window: int = 96
    history_window: int = 480
    """What volatility is compared with."""
    calm_below: float = 0.6
    """Ratio of recent volatility to that of the history."""
    stormy_above: float = 1.8
    trend_window: int = 96


@compiled
def _fluctuation(x: Floats, n: int) -> Floats:
    """Mean squared rest around the line through the n profile points that end with each bar's return."""
    out = np.full(len(x), np.nan)
    middle = (n - 1) / 2.0
    spread = n * (n * n - 1) / 12.0
    for end in range(n - 2, len(x)):
        before = end - n + 1
        y, mean, slope = 0.0, 0.0, 0.0
        for k in range(1, n):
            y += x[before + k]
            mean += y
            slope += (k - middle) * y
        mean /= n
        slope /= spread
        y, rest = 0.0, (mean - slope * middle) ** 2
        for k in range(1, n):
            y += x[before + k]
            rest += (y - mean - slope * (k - middle)) ** 2
        out[end] = rest / n
    return out


@compiled
def _dfa(x: Floats, window: int, scales: Ints) -> Floats:
    logs = np.log(scales.astype(np.float64))
    weights = (logs - logs.mean()) / ((logs - logs.mean()) ** 2).sum()
    out = np.full(len(x), np.nan)
    unbroken = 0
    for end in range(len(x)):
        unbroken = 0 if np.isnan(x[end]) else unbroken + 1
        if unbroken >= window:
            out[end] = 0.0
    for s in range(len(scales)):
        n = scales[s]
        rest = _fluctuation(x, n)
        for end in range(window - 1, len(x)):
            total, blocks = 0.0, 0
            for back in range(0, window + 1 - n, n // 2):
                total += rest[end - back]
                blocks += 1
            out[end] += weights[s] * (0.5 * np.log(total / blocks) if total > 0.0 else np.nan)
    return out


def rolling_hurst(returns: Floats, window: int, scales: Sequence[int] | None = None) -> Floats:
    """DFA-1 exponent of the last `window` returns at each bar; the formula stands at the top of the module.

    `scales` default to the powers of two from 8 to (window + 1) / 4. NaN in the first `window` - 1 bars,
    wherever the window holds a NaN, and where nothing moved. Raises ConfigError for unusable scales.
    """
    if scales is None:
        scales = [2**k for k in range(3, 31) if 2**k <= (window + 1) // 4]
    if len(scales) < 2 or min(scales) < 4 or max(scales) > window:
        raise ConfigError(
            "regime.hurst_window", f"{window} gives scales {list(scales)}", "Use at least 63 bars"
        )
    if len(returns) < window:
        return np.full(len(returns), np.nan)
    return _dfa(np.ascontiguousarray(returns, dtype=np.float64), window, np.asarray(scales, dtype=np.int64))


def trend_strength(returns: Floats, window: int) -> Floats:
    """t-statistic of the mean return over the window: its sign is the direction, |2| is rare by chance.

    NaN in the first `window` - 1 bars, and where all returns are equal.
    """
    mean, std = rolling_mean_std(returns, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(std > 0.0, mean / std * np.sqrt(window), np.nan), dtype=np.float64)


def regime_frame(frame: pd.DataFrame, timeframe: str, config: RegimeConfig | None = None) -> pd.DataFrame:
    """Per bar: `hurst`, `volatility` (annualised over 365 days), `trend`, and the names `memory`, `weather`.

    A bar whose longest window reaches into warm-up or a hole is unknown in the part that needs that window.
    """
    config = _checked(config or RegimeConfig())
    close = columns_of(frame)[3]
    hurst, recent, history, trend = (np.full(len(frame), np.nan) for _ in range(4))
    for part in segments(frame, timeframe):
        returns = log_returns(close[part])
        hurst[part] = rolling_hurst(returns, config.hurst_window)
        recent[part] = rolling_mean_std(returns, config.volatility_window)[1]
        history[part] = rolling_mean_std(returns, config.history_window)[1]
        trend[part] = trend_strength(returns, config.trend_window)
    annual = np.sqrt(YEAR_NS / timeframe_ns(timeframe))
    return pd.DataFrame(
        {
            "hurst": hurst,
            "volatility": recent * annual,
            "trend": trend,
            "memory": _memory(hurst, config),
            "weather": _weather(recent, history, config),
        },
        index=frame.index,
    )


def regime_at(regimes: pd.DataFrame, row: int = -1) -> Regime:
    """One row of `regime_frame` as the record that crosses the module border."""
    values = regimes.iloc[row]
    return Regime(
        memory=Memory(values["memory"]),
        weather=Weather(values["weather"]),
        hurst=float(values["hurst"]),
        volatility=float(values["volatility"]),
        trend=float(values["trend"]),
    )


def _memory(hurst: Floats, config: RegimeConfig) -> np.ndarray:
    known = [np.isnan(hurst), hurst > config.trending_above, hurst < config.reverting_below]
    names = [Memory.UNKNOWN.value, Memory.TRENDING.value, Memory.MEAN_REVERTING.value]
    return np.select(known, names, default=Memory.RANDOM.value)


def _weather(recent: Floats, history: Floats, config: RegimeConfig) -> np.ndarray:
    unknown = np.isnan(recent) | np.isnan(history)
    known = [unknown, recent > config.stormy_above * history, recent < config.calm_below * history]
    names = [Weather.UNKNOWN.value, Weather.STORMY.value, Weather.CALM.value]
    return np.select(known, names, default=Weather.NORMAL.value)


def _checked(config: RegimeConfig) -> RegimeConfig:
    if not 0 < config.reverting_below < config.trending_above < 1:
        raise ConfigError("regime.trending_above", "must lie above reverting_below, both between 0 and 1")
    if not 0 < config.calm_below < config.stormy_above:
        raise ConfigError("regime.stormy_above", "must lie above calm_below, both above 0")
    if min(config.volatility_window, config.trend_window) < 2:
        raise ConfigError("regime.volatility_window", "and trend_window must be at least 2 bars")
    if config.history_window <= config.volatility_window:
        raise ConfigError("regime.history_window", "must be longer than volatility_window")
    return config
