"""The Hurst exponent of rolling windows of RETURNS, by three estimators.

H says how dispersion grows with time: as t^H, with H = 1/2 for returns without memory, above it where moves
are followed by like moves, below it where they are undone. What each estimator's bias and spread are at which
window, measured on exact fractional noise, stands in docs/regimes.md.

- `rolling_hurst`: detrended fluctuation analysis of order 1 (Peng et al. 1994). The window's returns are
  summed to a profile of window + 1 points; for each scale n it is cut into half-overlapping blocks of n
  points, counted from the newest; a line is taken off each, and F(n) is the root of the mean squared rest
  over all blocks; H is the least-squares slope of ln F(n) on ln n.
- `rolling_hurst_rs`: rescaled range (Hurst 1951, Mandelbrot and Wallis 1969). The window is cut into blocks
  of n returns from the newest back; R/S is the range of the block's summed deviations from its mean over
  their standard deviation, averaged over the blocks that move; H is the slope of ln R/S on ln n. Of short
  blocks R/S is biased upwards; `corrected` takes off what Anis and Lloyd (1976) expect of white noise, with
  Peters' factor.
- `rolling_hurst_lags`: H is half the slope of ln Var(p[t] - p[t - q]) on ln q, p being the log price.

All are O(scales) a bar but R/S, whose ranges cost the sum of its scales. NaN in the first `window` - 1 bars,
wherever the window holds a NaN, and where nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, lgamma, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import (
    Floats,
    by_run,
    compiled,
    ratio,
    rolling_mean_std,
    rolling_sum,
    strided_sum,
)

Ints = NDArray[np.int64]

_STEPS: Final = 8
_PIECE: Final = 8_192


@by_run
def rolling_hurst(returns: Floats, window: int, scales: Sequence[int] | None = None) -> Floats:
    """By DFA-1. `scales` default to the powers of two from 8 to (window + 1) / 4.

    Raises ConfigError for unusable scales.
    """
    chosen = _scales(scales, 8, (window + 1) // 4, window, "Use at least 63 bars")
    weights = _slope_weights(chosen)

    def of(part: Floats) -> Floats:
        out = np.zeros(len(part))
        for n, weight in zip(chosen.tolist(), weights, strict=True):
            half = n // 2
            blocks = (window - n) // half + 1
            rest = _line_rest(part, n)[n - 2 :]
            _add_log(out[n - 2 :], strided_sum(rest, half, blocks) / blocks, 0.5 * weight)
        return out

    return _by_pieces(of, returns, window)


@by_run
def rolling_hurst_rs(
    returns: Floats,
    window: int,
    scales: Sequence[int] | None = None,
    corrected: bool = True,
    unbiased: bool = True,
) -> Floats:
    """By rescaled range. `scales` default to the powers of two from 8 to window / 2. `unbiased`: of the
    standard deviation; Hurst's own was not.

    Raises ConfigError for unusable scales.
    """
    chosen = _scales(scales, 8, window // 2, window, "Use at least 32 bars")
    weights = _slope_weights(chosen)
    by_chance = [expected_rescaled_range(n) / sqrt(n) if corrected else 1.0 for n in chosen.tolist()]

    def of(part: Floats) -> Floats:
        out = np.zeros(len(part))
        for n, weight, expected in zip(chosen.tolist(), weights, by_chance, strict=True):
            _add_log(out, rescaled_range(part, window, n, unbiased) / expected, weight)
        return out

    return _by_pieces(of, returns, window)


@by_run
def rolling_hurst_lags(returns: Floats, window: int, lags: Sequence[int] | None = None) -> Floats:
    """By the variance of lagged differences. `lags` default to the powers of two from 1 to window / 16.

    Raises ConfigError for unusable lags.
    """
    chosen = _scales(lags, 1, window // 16, window, "Use at least 32 bars", least=1)
    weights = _slope_weights(chosen)

    def of(part: Floats) -> Floats:
        out, moves, over = np.zeros(len(part)), part, 1
        for q, weight in zip(chosen.tolist(), weights, strict=True):
            if q == 2 * over:
                moves = moves[over:] + moves[:-over]
            elif q != over:
                moves = rolling_sum(part, q)[q - 1 :]
            _add_log(out[q - 1 :], rolling_mean_std(moves, window - q + 1).std, weight)
            over = q
        return out

    return _by_pieces(of, returns, window)


@by_run
def rescaled_range(returns: Floats, window: int, n: int, unbiased: bool = True) -> Floats:
    """Mean R/S over the window's blocks of `n` returns, those without any movement left out."""
    out = np.full(len(returns), np.nan)
    if len(returns) < window:
        return out
    mean, std = rolling_mean_std(returns, n)
    ratios, blocks = _rescaled(returns, mean, std * np.sqrt(n / (n - unbiased)), n)[n - 1 :], window // n
    moving = ratios > 0.0
    if moving.all():
        out[n - 1 :] = strided_sum(ratios, n, blocks) / blocks
    else:
        count = strided_sum(moving.astype(np.float64), n, blocks)
        out[n - 1 :] = ratio(strided_sum(ratios, n, blocks), count)
    out[: window - 1] = np.nan
    return out


def expected_rescaled_range(n: int, peters: bool = True) -> float:
    """E[R/S] of `n` independent normal returns by Anis and Lloyd (1976), with the factor (n - 1/2) / n that
    Peters (1994) adds for small n."""
    k = np.arange(1, n)
    total = float(np.sqrt((n - k) / k).sum())
    factor = (n - 0.5) / n if peters else 1.0
    return factor * exp(lgamma((n - 1) / 2) - lgamma(n / 2)) / sqrt(pi) * total


@compiled
def _line_rest(x: Floats, n: int) -> Floats:
    """Mean squared rest around the line through the `n` profile points that end with each bar's return.

    The window's moments are those of the end of one block of `n` points and of the beginning of the next,
    joined: exact sums of squares about means, from which nothing but the line is taken off. Levels count
    from the first point of the newer block, so that a jump long before leaves no rounding behind.
    """
    out = np.full(len(x), np.nan)
    one_in_spread = 12.0 / (n * (n * n - 1.0))
    tail_mean, tail_cross, tail_squares = np.zeros(n), np.zeros(n), np.zeros(n)
    one_in = 1.0 / np.maximum(np.arange(n + 1), 1)  # a table: dividing takes longer than all the rest
    for start in range(0, len(x) + 1, n):
        stop = min(start + n, len(x) + 1)
        mean, cross, squares, y = 0.0, 0.0, 0.0, 0.0
        for i in range(start, stop):
            k = i - start
            if k > 0:
                y += x[i - 1]
            step = y - mean
            cross += 0.5 * k * step
            squares += k * one_in[k + 1] * step * step
            mean += step * one_in[k + 1]
            if i == 0:
                continue
            b = k + 1.0
            if k == n - 1:
                joined_cross, joined = cross, squares
            elif start > 0:
                apart = mean - tail_mean[k + 1]
                share = b * (n - b)
                joined_cross = cross + tail_cross[k + 1] + 0.5 * share * apart
                joined = squares + tail_squares[k + 1] + share * one_in[n] * apart * apart
            else:
                continue
            rest = joined - joined_cross * joined_cross * one_in_spread
            out[i - 1] = rest * one_in[n] if rest > 1e-13 * joined else 0.0
        if stop == start + n and stop <= len(x):
            mean, cross, squares, y = 0.0, 0.0, 0.0, 0.0
            for k in range(n - 1, -1, -1):
                a = n - 1 - k
                y -= x[start + k]
                step = y - mean
                cross -= 0.5 * a * step
                squares += a * one_in[a + 1] * step * step
                mean += step * one_in[a + 1]
                tail_mean[k], tail_cross[k], tail_squares[k] = mean, cross, squares
    return out


@compiled
def _rescaled(x: Floats, mean: Floats, deviation: Floats, n: int) -> Floats:
    """Highest less lowest of the summed deviations from the mean, over the `n` values that end at each bar,
    in units of `deviation`; 0 where that is 0.

    A lane is a bar: the sums of neighbouring bars go side by side through the processor's wide registers,
    and stay there for `_STEPS` of their values.
    """
    out, lanes = np.full(len(x), np.nan), 256
    total, top, bottom = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for first in range(n - 1, len(x), lanes):
        used = min(lanes, len(x) - first)
        total[:], top[:], bottom[:] = 0.0, -np.inf, np.inf
        centre, oldest = mean[first : first + used], first - n + 1
        for k in range(oldest, oldest + n // _STEPS * _STEPS, _STEPS):
            part = x[k : k + used + _STEPS - 1]  # from 0: an index that might be negative forbids wide ones
            for j in range(used):
                t, high, low = total[j], top[j], bottom[j]
                for i in range(_STEPS):
                    t += part[j + i] - centre[j]
                    high, low = t if t > high else high, t if t < low else low
                total[j], top[j], bottom[j] = t, high, low
        for k in range(oldest + n // _STEPS * _STEPS, first + 1):
            part = x[k : k + used]
            for j in range(used):
                t = total[j] + (part[j] - centre[j])
                total[j], top[j], bottom[j] = t, max(t, top[j]), min(t, bottom[j])
        for j in range(used):
            unit = deviation[first + j]
            out[first + j] = (top[j] - bottom[j]) / unit if unit > 0.0 else 0.0
    return out


def _add_log(out: Floats, x: Floats, weight: float) -> None:
    """By numpy, whose logarithm uses wide registers. Infinite, or no number, where `x` is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ln = np.log(x)
        ln *= weight
        out += ln


def _by_pieces(of: Callable[[Floats], Floats], returns: Floats, window: int) -> Floats:
    """`of` the returns, piece by piece with the `window` - 1 bars before each: arrays that stay in the cache
    cost a third of fresh ones as long as the series, whose pages the system has to find first."""
    out, size = np.full(len(returns), np.nan), max(_PIECE, 4 * window)
    for start in range(window - 1, len(returns), size):
        rows = slice(start, min(start + size, len(returns)))
        out[rows] = of(returns[start - window + 1 : rows.stop])[window - 1 :]
    out[np.isinf(out)] = np.nan
    return out


def _slope_weights(scales: Ints) -> Floats:
    """What each scale's logarithm counts for in the least-squares slope on ln scale."""
    ln = np.log(scales.astype(np.float64))
    return np.asarray((ln - ln.mean()) / ((ln - ln.mean()) ** 2).sum(), dtype=np.float64)


def _scales(
    given: Sequence[int] | None, first: int, last: int, window: int, hint: str, least: int = 4
) -> Ints:
    scales = [2**k for k in range(31) if first <= 2**k <= last] if given is None else list(given)
    if len(scales) < 2 or min(scales) < least or max(scales) > window:
        raise ConfigError("regime.hurst_window", f"{window} gives scales {scales}", hint)
    return np.asarray(scales, dtype=np.int64)
