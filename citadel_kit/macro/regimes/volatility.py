"""Volatility of one bar, by estimators of rising appetite for data. `annual` turns it into that of a year.

Each takes the bars of the window and needs one more where it looks at the close before; NaN until then.
Those of high and low see little of what happens inside a bar of few trades, and so read low there;
Parkinson, Garman-Klass and Rogers-Satchell also miss what happens between a close and the next open, which
in a market that never closes is next to nothing. All but `close_to_close` and `yang_zhang` take the drift as
0, save Rogers-Satchell, which is free of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import YEAR_NS, timeframe_ns
from citadel_kit.macro.indicators import Floats, by_run, compiled, log_returns, rolling_mean_std

RISKMETRICS_DECAY: Final = 0.94
"""Of J. P. Morgan (1996), for daily returns; half of the weight lies on the last 11."""


def annual(volatility: Floats, timeframe: str) -> Floats:
    """Per bar to per year of 365 days, as if returns had no memory."""
    return np.asarray(volatility * np.sqrt(YEAR_NS / timeframe_ns(timeframe)), dtype=np.float64)


@by_run
def close_to_close(close: Floats, window: int) -> Floats:
    """Population standard deviation of log returns."""
    return rolling_mean_std(log_returns(close), window).std


@by_run
def parkinson(high: Floats, low: Floats, window: int) -> Floats:
    """Parkinson (1980): root mean square of ln(high / low), / (4 ln 2)."""
    return _root_mean(np.log(high / low) ** 2 / (4.0 * np.log(2.0)), window)


@by_run
def garman_klass(o: Floats, high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Garman and Klass (1980), the practical form: ln(high / low)² / 2 - (2 ln 2 - 1) ln(close / open)²."""
    inside = 0.5 * np.log(high / low) ** 2 - (2.0 * np.log(2.0) - 1.0) * np.log(close / o) ** 2
    return _root_mean(inside, window)


@by_run
def rogers_satchell(o: Floats, high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Rogers and Satchell (1991)."""
    return _root_mean(_rogers_satchell(o, high, low, close), window)


@by_run
def yang_zhang(o: Floats, high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Yang and Zhang (2000): variance from close to open, a share k of that from open to close, and 1 - k of
    Rogers-Satchell's. Raises ConfigError for a window below 2."""
    if window < 2:
        raise ConfigError("window", f"{window} for yang_zhang", "Use 2 bars at least")
    before = np.concatenate((np.full(min(1, len(close)), np.nan), close[:-1]))
    unbiased = window / (window - 1.0)
    jump = rolling_mean_std(np.log(o / before), window).std ** 2 * unbiased
    move = rolling_mean_std(np.log(close / o), window).std ** 2 * unbiased
    inside = rolling_mean_std(_rogers_satchell(o, high, low, close), window).mean
    k = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    return np.asarray(np.sqrt(jump + k * move + (1.0 - k) * inside), dtype=np.float64)


@by_run
def ewma_volatility(returns: Floats, decay: float = RISKMETRICS_DECAY, warm_up: int = 30) -> Floats:
    """Root of the exponential mean of squared returns, seeded with the plain mean of the first `warm_up`;
    NaN before those. The bar's own return is in it: it is the forecast for the next. Raises ConfigError
    unless 0 < decay < 1."""
    if not 0.0 < decay < 1.0:
        raise ConfigError("decay", f"{decay}: between 0 and 1")
    return _ewma(returns, decay, warm_up)


@compiled
def _ewma(returns: Floats, decay: float, warm_up: int) -> Floats:
    out = np.full(len(returns), np.nan)
    if len(returns) >= warm_up:
        variance = (returns[:warm_up] ** 2).mean()
        out[warm_up - 1] = np.sqrt(variance)
        for t in range(warm_up, len(returns)):
            variance = decay * variance + (1.0 - decay) * returns[t] ** 2
            out[t] = np.sqrt(variance)
    return out


def _rogers_satchell(o: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    up = np.log(high / close) * np.log(high / o)
    return np.asarray(up + np.log(low / close) * np.log(low / o), dtype=np.float64)


def _root_mean(variance: Floats, window: int) -> Floats:
    mean = rolling_mean_std(variance, window).mean
    return np.asarray(np.sqrt(np.where(mean < 0.0, 0.0, mean)), dtype=np.float64)
