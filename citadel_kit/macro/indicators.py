"""Indicators over one hole-free stretch of bars: float64 arrays in and out, equal length, past only.

The value at bar t uses bars up to and including t. Warm-up is NaN. NaN inside an input makes every window
that holds it NaN; a recursive average never recovers from one. Rolling windows are summed anew at each bar,
so a value depends on its window alone, not on where the history starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Numba's nopython mode, cached on disk, without the interpreter lock: other threads run on."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))


@compiled
def rolling_mean_std(x: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and population standard deviation (ddof 0). Warm-up: `window` - 1 bars."""
    mean, std = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for end in range(window - 1, len(x)):
        total = 0.0
        for k in range(end - window + 1, end + 1):
            total += x[k]
        centre = total / window
        squares = 0.0
        for k in range(end - window + 1, end + 1):
            squares += (x[k] - centre) ** 2
        mean[end] = centre
        std[end] = np.sqrt(squares / window)
    return mean, std


@compiled
def rolling_extremes(high: Floats, low: Floats, window: int) -> tuple[Floats, Floats]:
    """Highest high and lowest low. Warm-up: `window` - 1 bars."""
    top, bottom = np.full(len(high), np.nan), np.full(len(high), np.nan)
    for end in range(window - 1, len(high)):
        h, low_ = high[end], low[end]
        for k in range(end - window + 1, end):
            # Not max and min: those drop a NaN.
            if high[k] > h or np.isnan(high[k]):
                h = high[k]
            if low[k] < low_ or np.isnan(low[k]):
                low_ = low[k]
        top[end], bottom[end] = h, low_
    return top, bottom


@compiled
def _smooth(x: Floats, window: int, alpha: float) -> Floats:
    """Recursive average, seeded with the plain mean of the first `window` values after leading NaN."""
    out = np.full(len(x), np.nan)
    first = 0
    while first < len(x) and np.isnan(x[first]):
        first += 1
    if first + window > len(x):
        return out
    value = 0.0
    for k in range(first, first + window):
        value += x[k]
    value /= window
    out[first + window - 1] = value
    for k in range(first + window, len(x)):
        value += alpha * (x[k] - value)
        out[k] = value
    return out


def ema(x: Floats, window: int) -> Floats:
    """Exponential average with weight 2 / (window + 1), seeded with the plain mean of the first window."""
    return _smooth(x, window, 2.0 / (window + 1))


def log_returns(close: Floats, lag: int = 1) -> Floats:
    """ln(close[t] / close[t - lag]). Warm-up: `lag` bars."""
    out = np.full(len(close), np.nan)
    if len(close) > lag:
        out[lag:] = np.log(close[lag:] / close[:-lag])
    return out


def rsi(close: Floats, window: int) -> Floats:
    """Relative strength index by Wilder (1978), 0 to 100; 50 where nothing moved. Warm-up: `window` bars."""
    change = np.diff(close, prepend=np.nan)
    gain = _smooth(np.maximum(change, 0.0), window, 1.0 / window)
    loss = _smooth(np.maximum(-change, 0.0), window, 1.0 / window)
    total = gain + loss
    still = total == 0.0
    return np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, total))


def atr(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Average true range by Wilder (1978), in price units. Warm-up: `window`; the first bar has no range."""
    before = np.concatenate((np.full(1, np.nan), close[:-1]))
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return _smooth(true_range, window, 1.0 / window)
