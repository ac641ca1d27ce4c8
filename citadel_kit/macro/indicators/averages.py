"""Moving averages. Warm-up is `window` - 1 bars where no other is named."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from citadel_kit.macro.indicators.rolling import linear_regression, ratio, rolling_sum
from citadel_kit.macro.indicators.runs import Floats, by_run, compiled


class Mama(NamedTuple):
    mama: Floats
    fama: Floats


@by_run
def sma(x: Floats, window: int) -> Floats:
    """The plain mean."""
    return _floats(talib.SMA(x, window)) if window > 1 else x.copy()


@by_run
def ema(x: Floats, window: int) -> Floats:
    """Exponential average with weight 2 / (window + 1), seeded with the plain mean of the first window."""
    return _smooth(x, window, 2.0 / (window + 1))


@by_run
def wilder(x: Floats, window: int) -> Floats:
    """Wilder's average (RMA, SMMA): weight 1 / window, seeded with the plain mean of the first window."""
    return _smooth(x, window, 1.0 / window)


@by_run
def wma(x: Floats, window: int) -> Floats:
    """Linear weights, the newest bar's the largest."""
    return _floats(talib.WMA(x, window)) if window > 1 else x.copy()


@by_run
def dema(x: Floats, window: int) -> Floats:
    """2 EMA - EMA of EMA (Mulloy 1994). Warm-up: 2 (window - 1)."""
    first = ema(x, window)
    return 2.0 * first - ema(first, window)


@by_run
def tema(x: Floats, window: int) -> Floats:
    """Mulloy's triple average. Warm-up: 3 (window - 1)."""
    first = ema(x, window)
    second = ema(first, window)
    return 3.0 * (first - second) + ema(second, window)


@by_run
def hma(x: Floats, window: int) -> Floats:
    """Hull's average. Warm-up: window + floor(sqrt(window)) - 2."""
    return wma(2.0 * wma(x, max(window // 2, 1)) - wma(x, window), max(int(np.sqrt(window)), 1))


@by_run
def trima(x: Floats, window: int) -> Floats:
    """Triangular weights."""
    return _floats(talib.TRIMA(x, window)) if window > 1 else x.copy()


@by_run
def kama(x: Floats, window: int = 10, fast: int = 2, slow: int = 30) -> Floats:
    """Kaufman's adaptive average, seeded with bar `window`'s value."""
    return _kama(x, window, 2.0 / (fast + 1), 2.0 / (slow + 1))


@by_run
def alma(x: Floats, window: int = 9, offset: float = 0.85, sigma: float = 6.0) -> Floats:
    """Arnaud Legoux's: Gaussian weights around `offset` of the window, `window` / `sigma` wide."""
    weights = np.exp(-((np.arange(window) - offset * (window - 1)) ** 2) / (2.0 * (window / sigma) ** 2))
    out = np.full(len(x), np.nan)
    if len(x) >= window:
        out[window - 1 :] = np.convolve(x, weights[::-1] / weights.sum(), mode="valid")
    return out


@by_run
def vwma(x: Floats, volume: Floats, window: int) -> Floats:
    """Weighted by volume; NaN where none was traded."""
    return ratio(rolling_sum(x * volume, window), rolling_sum(volume, window))


@by_run
def epma(x: Floats, window: int) -> Floats:
    """End point of the least-squares line through the window."""
    return linear_regression(x, window).end


@by_run
def t3(x: Floats, window: int = 5, volume_factor: float = 0.7) -> Floats:
    """Tillson's six-fold average. Warm-up: 6 (window - 1)."""
    return _floats(talib.T3(x, window, volume_factor)) if window > 1 else x.copy()


@by_run
def mama(x: Floats, fast_limit: float = 0.5, slow_limit: float = 0.05) -> Mama:
    """Ehlers' MESA adaptive average and its follower. Warm-up: 32 bars."""
    return Mama(*(_floats(a) for a in talib.MAMA(x, fast_limit, slow_limit)))


@compiled
def _smooth(x: Floats, window: int, alpha: float) -> Floats:
    out = np.full(len(x), np.nan)
    if len(x) < window:
        return out
    value = 0.0
    for k in range(window):
        value += x[k]
    value /= window
    out[window - 1] = value
    for k in range(window, len(x)):
        value += alpha * (x[k] - value)
        out[k] = value
    return out


@compiled
def _kama(x: Floats, window: int, fast: float, slow: float) -> Floats:
    out = np.full(len(x), np.nan)
    if len(x) < window:
        return out
    value = x[window - 1]
    out[window - 1] = value
    for t in range(window, len(x)):
        path = 0.0
        for k in range(t - window + 1, t + 1):
            path += abs(x[k] - x[k - 1])
        efficiency = abs(x[t] - x[t - window]) / path if path > 0.0 else 0.0
        value += (efficiency * (fast - slow) + slow) ** 2 * (x[t] - value)
        out[t] = value
    return out


def _floats(x: Floats) -> Floats:
    return np.asarray(x, dtype=np.float64)
