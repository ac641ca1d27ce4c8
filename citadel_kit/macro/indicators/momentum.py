"""Oscillators. Defaults are their authors'; warm-up is stated where it is not the longest window less one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from citadel_kit.macro.indicators.averages import ema, sma, wilder
from citadel_kit.macro.indicators.rolling import (
    mean_deviation,
    ratio,
    roc,
    rolling_max,
    rolling_min,
    rolling_sum,
)
from citadel_kit.macro.indicators.runs import Floats, by_run, compiled


class Macd(NamedTuple):
    macd: Floats
    signal: Floats
    histogram: Floats


class Stochastic(NamedTuple):
    k: Floats
    d: Floats


class Smi(NamedTuple):
    smi: Floats
    signal: Floats


class Tsi(NamedTuple):
    tsi: Floats
    signal: Floats


class Pmo(NamedTuple):
    pmo: Floats
    signal: Floats


class Fisher(NamedTuple):
    fisher: Floats
    trigger: Floats
    """The bar before's."""


@by_run
def rsi(close: Floats, window: int = 14) -> Floats:
    """Relative strength index by Wilder (1978), 0 to 100; 50 where nothing moved (TA-Lib says 0). Warm-up:
    `window` bars."""
    change = np.diff(close, prepend=np.nan)
    gain = wilder(np.maximum(change, 0.0), window)
    total = gain + wilder(np.maximum(-change, 0.0), window)
    still = total == 0.0
    return np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, total))


@by_run
def macd(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Appel's. Each average starts with its own first window; TA-Lib starts the fast one late. Warm-up:
    `slow` - 1 bars, of the signal `signal` - 1 more."""
    line = ema(close, fast) - ema(close, slow)
    smoothed = ema(line, signal)
    return Macd(line, smoothed, line - smoothed)


@by_run
def pvo(volume: Floats, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """MACD of volume, in percent of the slow average."""
    base = ema(volume, slow)
    line = 100.0 * ratio(ema(volume, fast) - base, base)
    smoothed = ema(line, signal)
    return Macd(line, smoothed, line - smoothed)


@by_run
def stochastic(
    high: Floats, low: Floats, close: Floats, window: int = 14, signal: int = 3, smooth: int = 3
) -> Stochastic:
    """Lane's slow stochastic; `smooth` = 1 is the fast one. 0 where nothing moves. Warm-up of `k`: `window` +
    `smooth` - 2 bars, of `d` `signal` - 1 more."""
    k = sma(_place(high, low, close, window), smooth)
    return Stochastic(k, sma(k, signal))


@by_run
def stoch_rsi(
    close: Floats, window: int = 14, lookback: int = 14, signal: int = 3, smooth: int = 1
) -> Stochastic:
    """The place of the RSI in its own range (Chande and Kroll)."""
    value = rsi(close, window)
    return stochastic(value, value, value, lookback, signal, smooth)


@by_run
def williams_r(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """-100 at the window's low to 0 at its high."""
    return _place(high, low, close, window) - 100.0


@by_run
def cci(high: Floats, low: Floats, close: Floats, window: int = 20) -> Floats:
    """Commodity channel index (Lambert 1980); NaN where nothing moves."""
    price = (high + low + close) / 3.0
    return ratio(price - sma(price, window), 0.015 * mean_deviation(price, window))


@by_run
def cmo(close: Floats, window: int = 14) -> Floats:
    """Chande's momentum oscillator of plain sums (TA-Lib's smooths as Wilder does). Warm-up: `window`."""
    change = np.diff(close, prepend=np.nan)
    moved = rolling_sum(np.abs(change), window)
    return 100.0 * ratio(rolling_sum(change, window), moved)


@by_run
def trix(close: Floats, window: int = 15) -> Floats:
    """One-bar change of a triple EMA in percent. Warm-up: 3 (window - 1) + 1."""
    return roc(ema(ema(ema(close, window), window), window), 1)


@by_run
def tsi(close: Floats, slow: int = 25, fast: int = 13, signal: int = 7) -> Tsi:
    """Blau's true strength index. Warm-up: slow + fast - 1 bars."""
    change = np.diff(close, prepend=np.nan)
    value = 100.0 * ratio(ema(ema(change, slow), fast), ema(ema(np.abs(change), slow), fast))
    return Tsi(value, ema(value, signal))


@by_run
def ultimate(
    high: Floats, low: Floats, close: Floats, short: int = 7, middle: int = 14, long: int = 28
) -> Floats:
    """Williams' ultimate oscillator, 0 to 100. Warm-up: `long` bars."""
    return np.asarray(talib.ULTOSC(high, low, close, short, middle, long), dtype=np.float64)


@by_run
def awesome(high: Floats, low: Floats, fast: int = 5, slow: int = 34) -> Floats:
    """Bill Williams' oscillator: difference of two plain means of the bars' middles."""
    middle = (high + low) / 2.0
    return sma(middle, fast) - sma(middle, slow)


@by_run
def balance_of_power(o: Floats, high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """Mean of (close - open) / (high - low), 0 for a bar without a range."""
    return sma(np.asarray(talib.BOP(o, high, low, close), dtype=np.float64), window)


@by_run
def smi(
    high: Floats,
    low: Floats,
    close: Floats,
    window: int = 13,
    first: int = 25,
    second: int = 2,
    signal: int = 3,
) -> Smi:
    """Blau's stochastic momentum index, -100 to 100; averages start at their first value. Warm-up: `window`
    - 1 bars, and unsteady for a while."""
    top, bottom = rolling_max(high, window), rolling_min(low, window)
    away, span = close - (top + bottom) / 2.0, top - bottom
    value = 100.0 * ratio(
        _from_first(_from_first(away, first), second), 0.5 * _from_first(_from_first(span, first), second)
    )
    return Smi(value, _from_first(value, signal))


@by_run
def pmo(close: Floats, time: int = 35, smooth: int = 20, signal: int = 10) -> Pmo:
    """DecisionPoint's price momentum oscillator: `roc` smoothed twice with weights 2 / window."""
    first = _smooth(roc(close, 1), time)
    line = _smooth(10.0 * first, smooth)
    return Pmo(line, ema(line, signal))


@by_run
def fisher_transform(high: Floats, low: Floats, window: int = 10) -> Fisher:
    """Ehlers' transform of the middle's place in its range. Recursive from the first bar on, with shorter
    windows there: unsteady for about `window` bars."""
    value = _fisher((high + low) / 2.0, window)
    return Fisher(value, np.concatenate((np.zeros(min(1, len(value))), value[:-1])))


@by_run
def _smooth(x: Floats, window: int) -> Floats:
    """Weight 2 / window, seeded with the plain mean: the price momentum oscillator's own average."""
    return ema(x, window) if window < 2 else _weighted(x, window, 2.0 / window)


@by_run
def _from_first(x: Floats, window: int) -> Floats:
    """EMA that starts at its first value."""
    return _weighted(x, 1, 2.0 / (window + 1))


@compiled
def _weighted(x: Floats, window: int, alpha: float) -> Floats:
    out = np.full(len(x), np.nan)
    if len(x) >= window:
        out[window - 1] = x[:window].mean()
        for t in range(window, len(x)):
            out[t] = out[t - 1] + alpha * (x[t] - out[t - 1])
    return out


@compiled
def _fisher(middle: Floats, window: int) -> Floats:
    out, value = np.zeros(len(middle)), 0.0
    for t in range(1, len(middle)):
        part = middle[max(t - window + 1, 0) : t + 1]
        span = part.max() - part.min()
        place = (middle[t] - part.min()) / span - 0.5 if span > 0.0 else 0.0
        value = 0.66 * place + 0.67 * value if span > 0.0 else 0.0
        if abs(value) > 0.99:
            value = np.sign(value) * 0.999
        out[t] = 0.5 * np.log((1.0 + value) / (1.0 - value)) + 0.5 * out[t - 1]
    return out


def _place(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Percent of the way from the window's lowest low to its highest high; 0 where they are one."""
    top, bottom = rolling_max(high, window), rolling_min(low, window)
    span = top - bottom
    return np.where(span == 0.0, 0.0, 100.0 * (close - bottom) / np.where(span == 0.0, 1.0, span))
