"""What price did and how much was traded meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from citadel_kit.macro.indicators.averages import ema
from citadel_kit.macro.indicators.rolling import ratio, rolling_sum
from citadel_kit.macro.indicators.runs import Floats, by_run, compiled


class Kvo(NamedTuple):
    kvo: Floats
    signal: Floats


@by_run
def obv(close: Floats, volume: Floats) -> Floats:
    """Granville's on-balance volume: a running total from 0 at the first bar, so only its changes mean
    anything."""
    moved = np.sign(np.diff(close, prepend=close[:1])) * volume
    return np.cumsum(moved)


@by_run
def adl(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Accumulation/distribution line: a running total of `money_flow`."""
    return np.asarray(talib.AD(high, low, close, volume), dtype=np.float64)


@by_run
def chaikin_oscillator(
    high: Floats, low: Floats, close: Floats, volume: Floats, fast: int = 3, slow: int = 10
) -> Floats:
    """EMA of `adl` less a slower one."""
    line = adl(high, low, close, volume)
    return ema(line, fast) - ema(line, slow)


@by_run
def money_flow(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Volume times the close's place in the bar, -1 at the low to 1 at the high; 0 for a bar without a
    range."""
    span = high - low
    place = np.where(span == 0.0, 0.0, (2.0 * close - low - high) / np.where(span == 0.0, 1.0, span))
    return place * volume


@by_run
def cmf(high: Floats, low: Floats, close: Floats, volume: Floats, window: int = 20) -> Floats:
    """Chaikin's money flow, -1 to 1; NaN where nothing was traded."""
    return ratio(rolling_sum(money_flow(high, low, close, volume), window), rolling_sum(volume, window))


@by_run
def mfi(high: Floats, low: Floats, close: Floats, volume: Floats, window: int = 14) -> Floats:
    """Money flow index by Quong and Soudack, 0 to 100: an RSI of plain sums, by value traded. 50 where none
    was. Warm-up: `window` bars."""
    price = (high + low + close) / 3.0
    change = np.diff(price, prepend=np.nan)
    flow = price * volume
    up = rolling_sum(np.where(np.isnan(change), np.nan, flow * (change > 0.0)), window)
    down = rolling_sum(np.where(np.isnan(change), np.nan, flow * (change < 0.0)), window)
    total = up + down
    return np.where(total == 0.0, 50.0, 100.0 * up / np.where(total == 0.0, 1.0, total))


@by_run
def vwap(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Mean typical price by volume since the first bar. Pass one session to have that session's."""
    price = (high + low + close) / 3.0
    return ratio(np.cumsum(price * volume), np.cumsum(volume))


@by_run
def rolling_vwap(high: Floats, low: Floats, close: Floats, volume: Floats, window: int) -> Floats:
    """The same of the last `window` bars: what to use in a market that never closes."""
    price = (high + low + close) / 3.0
    return ratio(rolling_sum(price * volume, window), rolling_sum(volume, window))


@by_run
def force_index(close: Floats, volume: Floats, window: int = 13) -> Floats:
    """Elder's: EMA of change times volume. Warm-up: `window` bars."""
    return ema(np.diff(close, prepend=np.nan) * volume, window)


@by_run
def kvo(
    high: Floats, low: Floats, close: Floats, volume: Floats, fast: int = 34, slow: int = 55, signal: int = 13
) -> Kvo:
    """Klinger's volume oscillator. Warm-up: `slow` + 1 bars, of the signal `signal` - 1 more."""
    force = _volume_force(high, low, close, volume)
    line = ema(force, fast) - ema(force, slow)
    return Kvo(line, ema(line, signal))


@compiled
def _volume_force(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    total, span = high + low + close, high - low
    out = np.full(len(total), np.nan)
    trend, measured = 0.0, 0.0
    for t in range(1, len(total)):
        before, trend = trend, 1.0 if total[t] > total[t - 1] else -1.0
        if t < 2:
            continue
        measured = measured + span[t] if trend == before else span[t - 1] + span[t]
        if measured > 0.0:
            out[t] = volume[t] * abs(2.0 * (span[t] / measured - 1.0)) * trend * 100.0
        else:
            out[t] = 0.0
    return out
