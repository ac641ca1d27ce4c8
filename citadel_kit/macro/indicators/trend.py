"""Direction and its strength, and stops that follow price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from citadel_kit.macro.indicators.averages import ema, wilder
from citadel_kit.macro.indicators.ranges import atr, true_range
from citadel_kit.macro.indicators.rolling import ratio, rolling_max, rolling_min, rolling_sum
from citadel_kit.macro.indicators.runs import Floats, by_run, compiled


class Adx(NamedTuple):
    plus: Floats
    minus: Floats
    adx: Floats


class Aroon(NamedTuple):
    up: Floats
    down: Floats


class Vortex(NamedTuple):
    plus: Floats
    minus: Floats


class Supertrend(NamedTuple):
    line: Floats
    direction: Floats
    """1 while the line runs below price, -1 while above."""


class Psar(NamedTuple):
    sar: Floats
    direction: Floats
    """1 long, -1 short, after the bar."""


class Ichimoku(NamedTuple):
    """`leading_a` and `leading_b` stand at the bar they are drawn over, so they are of `base` bars before.
    The lagging span would be a later close drawn here; it is left out, since it is a look into the
    future."""

    conversion: Floats
    base: Floats
    leading_a: Floats
    leading_b: Floats


class Alligator(NamedTuple):
    jaw: Floats
    teeth: Floats
    lips: Floats


class ElderRay(NamedTuple):
    bull: Floats
    bear: Floats


@by_run
def adx(high: Floats, low: Floats, close: Floats, window: int = 14) -> Adx:
    """Wilder's directional movement (1978), averages seeded with the plain mean of their first window (TA-Lib
    leaves the first bar's movement out of the seed). Warm-up: `window` bars, of the ADX 2 `window` - 1."""
    up, down = np.diff(high, prepend=np.nan), -np.diff(low, prepend=np.nan)
    plus = np.where(np.isnan(up), np.nan, np.where((up > down) & (up > 0.0), up, 0.0))
    minus = np.where(np.isnan(up), np.nan, np.where((down > up) & (down > 0.0), down, 0.0))
    span = wilder(true_range(high, low, close), window)
    plus, minus = 100.0 * ratio(wilder(plus, window), span), 100.0 * ratio(wilder(minus, window), span)
    total = plus + minus
    dx = np.where(total == 0.0, 0.0, 100.0 * np.abs(plus - minus) / np.where(total == 0.0, 1.0, total))
    return Adx(plus, minus, wilder(dx, window))


@by_run
def aroon(high: Floats, low: Floats, window: int = 25) -> Aroon:
    """100 where the extreme of the last `window` + 1 bars is this bar, 0 where it is the oldest; of
    equal ones the newest counts. Warm-up: `window` bars."""
    down, up = talib.AROON(high, low, window) if window > 1 else _aroon_of_one(high, low)
    return Aroon(np.asarray(up, dtype=np.float64), np.asarray(down, dtype=np.float64))


@by_run
def vortex(high: Floats, low: Floats, close: Floats, window: int = 14) -> Vortex:
    """Botes and Siepman's. Warm-up: `window` bars."""
    plus = np.abs(high - _before(low))
    minus = np.abs(low - _before(high))
    span = rolling_sum(true_range(high, low, close), window)
    return Vortex(ratio(rolling_sum(plus, window), span), ratio(rolling_sum(minus, window), span))


@by_run
def supertrend(
    high: Floats, low: Floats, close: Floats, window: int = 10, multiple: float = 3.0
) -> Supertrend:
    """Seban's band of ATRs around the bar's middle, which only ever tightens until the close is through it.
    Starts short when the first close with an ATR is not above the middle. Warm-up: `window` bars."""
    middle, width = (high + low) / 2.0, multiple * atr(high, low, close, window)
    return Supertrend(*_supertrend(close, middle, middle + width, middle - width))


@by_run
def psar(high: Floats, low: Floats, step: float = 0.02, limit: float = 0.2) -> Psar:
    """Wilder's parabolic stop (1978), starting long at the first bar's low; NaN up to and including the
    first reversal, since that start is a guess."""
    return Psar(*_psar(high, low, step, limit))


@by_run
def ichimoku(high: Floats, low: Floats, conversion: int = 9, base: int = 26, span: int = 52) -> Ichimoku:
    """Hosoda's cloud. Warm-up: each line its window less one; the leading ones `base` more."""
    fast, slow, wide = (_middle(high, low, n) for n in (conversion, base, span))
    return Ichimoku(fast, slow, _later((fast + slow) / 2.0, base), _later(wide, base))


@by_run
def alligator(high: Floats, low: Floats) -> Alligator:
    """Bill Williams': Wilder's averages of 13, 8 and 5 bars of the middle, drawn 8, 5 and 3 bars later."""
    middle = (high + low) / 2.0
    return Alligator(*(_later(wilder(middle, n), by) for n, by in ((13, 8), (8, 5), (5, 3))))


@by_run
def elder_ray(high: Floats, low: Floats, close: Floats, window: int = 13) -> ElderRay:
    """How far the bar's extremes reach beyond the EMA of the close."""
    base = ema(close, window)
    return ElderRay(high - base, low - base)


@by_run
def chandelier(high: Floats, low: Floats, close: Floats, window: int = 22, multiple: float = 3.0) -> Floats:
    """Le Beau's exit of a long position: highest high less multiples of `atr`."""
    return rolling_max(high, window) - multiple * atr(high, low, close, window)


@compiled
def _supertrend(close: Floats, middle: Floats, upper: Floats, lower: Floats) -> tuple[Floats, Floats]:
    line, direction = np.full(len(close), np.nan), np.full(len(close), np.nan)
    top, bottom, side = np.nan, np.nan, 0.0
    for t in range(len(close)):
        if np.isnan(upper[t]):
            continue
        if side == 0.0:
            top, bottom = upper[t], lower[t]
            side = 1.0 if close[t] > middle[t] else -1.0
        if upper[t] < top or close[t - 1] > top:
            top = upper[t]
        if lower[t] > bottom or close[t - 1] < bottom:
            bottom = lower[t]
        side = -1.0 if close[t] <= (bottom if side > 0.0 else top) else 1.0
        line[t], direction[t] = (bottom if side > 0.0 else top), side
    return line, direction


@compiled
def _psar(high: Floats, low: Floats, step: float, limit: float) -> tuple[Floats, Floats]:
    sar, direction = np.full(len(high), np.nan), np.full(len(high), np.nan)
    if len(high) == 0:
        return sar, direction
    side, value, extreme, pace, turned = 1.0, low[0], high[0], step, False
    for t in range(1, len(high)):
        value += pace * (extreme - value)
        if side > 0.0:
            value = min(value, low[t - 1], low[max(t - 2, 0)])
            through, further = low[t] < value, high[t] > extreme
        else:
            value = max(value, high[t - 1], high[max(t - 2, 0)])
            through, further = high[t] > value, low[t] < extreme
        if turned:
            sar[t], direction[t] = (extreme if through else value), (-side if through else side)
        if through:
            value, pace, side, turned = extreme, step, -side, True
            extreme = high[t] if side > 0.0 else low[t]
        elif further:
            extreme, pace = (high[t] if side > 0.0 else low[t]), min(pace + step, limit)
    return sar, direction


def _aroon_of_one(high: Floats, low: Floats) -> tuple[Floats, Floats]:
    return (
        np.where(np.isnan(_before(low)), np.nan, 100.0 * (low <= _before(low))),
        np.where(np.isnan(_before(high)), np.nan, 100.0 * (high >= _before(high))),
    )


def _middle(high: Floats, low: Floats, window: int) -> Floats:
    return (rolling_max(high, window) + rolling_min(low, window)) / 2.0


def _before(x: Floats) -> Floats:
    return _later(x, 1)


def _later(x: Floats, bars: int) -> Floats:
    return np.concatenate((np.full(min(bars, len(x)), np.nan), x[: max(len(x) - bars, 0)]))
