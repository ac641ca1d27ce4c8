"""True range, and what is drawn with it: channels, bands, ranges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.macro.indicators.averages import ema, sma, wilder
from citadel_kit.macro.indicators.rolling import (
    ratio,
    rolling_max,
    rolling_mean_std,
    rolling_min,
    rolling_sum,
)
from citadel_kit.macro.indicators.runs import Floats, by_run


class Channel(NamedTuple):
    upper: Floats
    middle: Floats
    lower: Floats


@by_run
def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Wilder's: the bar's range, the close before it included. Warm-up: one bar, which has none before it."""
    before = np.concatenate((np.full(min(1, len(close)), np.nan), close[:-1]))
    return np.asarray(np.maximum(high, before) - np.minimum(low, before), dtype=np.float64)


@by_run
def atr(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """Average true range by Wilder (1978), in price units. Warm-up: `window` bars."""
    return wilder(true_range(high, low, close), window)


@by_run
def natr(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """`atr` in percent of the close."""
    return 100.0 * ratio(atr(high, low, close, window), close)


@by_run
def bollinger(close: Floats, window: int = 20, deviations: float = 2.0) -> Channel:
    """Plain mean and population standard deviation."""
    middle, std = rolling_mean_std(close, window)
    return Channel(middle + deviations * std, middle, middle - deviations * std)


@by_run
def keltner(
    high: Floats, low: Floats, close: Floats, window: int = 20, multiple: float = 2.0, atr_window: int = 10
) -> Channel:
    """EMA of the close ± multiples of `atr`. Warm-up: the longer of `window` - 1 and `atr_window`."""
    middle, width = ema(close, window), multiple * atr(high, low, close, atr_window)
    return _around(middle, width)


@by_run
def starc(
    high: Floats, low: Floats, close: Floats, window: int = 6, multiple: float = 2.0, atr_window: int = 15
) -> Channel:
    """Stoller's: plain mean of the close ± multiples of `atr`."""
    return _around(sma(close, window), multiple * atr(high, low, close, atr_window))


@by_run
def donchian(high: Floats, low: Floats, window: int = 20) -> Channel:
    """Highest high and lowest low of the last `window` bars, the newest INCLUDED: a break-out rule compares
    with the bar before's."""
    upper, lower = rolling_max(high, window), rolling_min(low, window)
    return Channel(upper, (upper + lower) / 2.0, lower)


@by_run
def envelope(close: Floats, window: int = 20, percent: float = 2.5) -> Channel:
    """Plain mean ± a share of itself."""
    middle = sma(close, window)
    return _around(middle, middle * percent / 100.0)


@by_run
def choppiness(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """Dreiss' index: 100 where the bars' ranges fill the window's without getting anywhere. Warm-up:
    `window`."""
    span = true_range(high, low, close)
    before = np.concatenate((np.full(min(1, len(close)), np.nan), close[:-1]))
    top, bottom = rolling_max(np.fmax(high, before), window), rolling_min(np.fmin(low, before), window)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 100.0 * np.log(ratio(rolling_sum(span, window), top - bottom)) / np.log(window)
    return np.asarray(value, dtype=np.float64)


@by_run
def ulcer(close: Floats, window: int = 14) -> Floats:
    """Martin's index: root mean square of the percent below the highest close so far within the window."""
    out = np.full(len(close), np.nan)
    if len(close) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(close, window)
        below = 100.0 * (windows / np.maximum.accumulate(windows, axis=1) - 1.0)
        out[window - 1 :] = np.sqrt((below**2).mean(axis=1))
    return out


def _around(middle: Floats, width: Floats) -> Channel:
    """All three NaN where one is."""
    upper, lower = middle + width, middle - width
    return Channel(upper, np.where(np.isnan(upper), np.nan, middle), lower)
