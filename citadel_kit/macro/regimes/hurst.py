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

from collections.abc import Sequence
from math import exp, lgamma, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats, by_run, compiled, rolling_mean_std, rolling_sum, strided_sum

Ints = NDArray[np.int64]


@by_run
def rolling_hurst(returns: Floats, window: int, scales: Sequence[int] | None = None) -> Floats:
    """By DFA-1. `scales` default to the powers of two from 8 to (window + 1) / 4.

    Raises ConfigError for unusable scales.
    """
    chosen = _scales(scales, 8, (window + 1) // 4, window, "Use at least 63 bars")
    out = _warming(len(returns), window)
    for n, weight in zip(chosen.tolist(), _slope_weights(chosen), strict=True):
        half = n // 2
        blocks = (window - n) // half + 1
        rest = _line_rest(returns, n)[n - 2 :]
        _add_log(out[n - 2 :], strided_sum(rest, half, blocks) / blocks, 0.5 * weight)
    return out


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
    out = _warming(len(returns), window)
    for n, weight in zip(chosen.tolist(), _slope_weights(chosen), strict=True):
        by_chance = expected_rescaled_range(n) / np.sqrt(n) if corrected else 1.0
        _add_log(out, rescaled_range(returns, window, n, unbiased) / by_chance, weight)
    return out


@by_run
def rolling_hurst_lags(returns: Floats, window: int, lags: Sequence[int] | None = None) -> Floats:
    """By the variance of lagged differences. `lags` default to the powers of two from 1 to window / 16.

    Raises ConfigError for unusable lags.
    """
    chosen = _scales(lags, 1, window // 16, window, "Use at least 32 bars", least=1)
    out = _warming(len(returns), window)
    for q, weight in zip(chosen.tolist(), _slope_weights(chosen), strict=True):
        _add_log(out, rolling_mean_std(rolling_sum(returns, q), window - q + 1).std, weight)
    return out


@by_run
def rescaled_range(returns: Floats, window: int, n: int, unbiased: bool = True) -> Floats:
    """Mean R/S over the window's blocks of `n` returns, those without any movement left out."""
    out = np.full(len(returns), np.nan)
    if len(returns) < window:
        return out
    mean, std = rolling_mean_std(returns, n)
    moves = std[n - 1 :] > 0.0
    deviation = np.where(moves, std[n - 1 :] * np.sqrt(n / (n - unbiased)), 1.0)
    ratios = np.where(moves, _range(returns, mean, n)[n - 1 :] / deviation, 0.0)
    blocks = window // n
    count = strided_sum(moves.astype(np.float64), n, blocks)
    total = strided_sum(ratios, n, blocks)
    out[n - 1 :] = np.where(count > 0.0, total / np.where(count > 0.0, count, 1.0), np.nan)
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
def _range(x: Floats, mean: Floats, n: int) -> Floats:
    """Highest less lowest of the summed deviations from the mean, over the `n` values that end at each bar.

    A lane is a bar: the sums of neighbouring bars go side by side through the processor's wide registers.
    """
    out, lanes = np.full(len(x), np.nan), 128
    total, top, bottom = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for first in range(n - 1, len(x), lanes):
        used = min(lanes, len(x) - first)
        total[:], top[:], bottom[:] = 0.0, -np.inf, np.inf
        centre = mean[first : first + used]
        for k in range(first - n + 1, first + 1):
            part = x[k : k + used]  # indexed from 0: an index that might be negative forbids wide registers
            for j in range(used):
                t = total[j] + (part[j] - centre[j])
                total[j] = t
                top[j] = t if t > top[j] else top[j]
                bottom[j] = t if t < bottom[j] else bottom[j]
        for j in range(used):
            out[first + j] = top[j] - bottom[j]
    return out


@compiled
def _add_log(out: Floats, x: Floats, weight: float) -> None:
    """NaN where `x` is not above 0."""
    for t in range(len(x)):
        out[t] += weight * np.log(x[t]) if x[t] > 0.0 else np.nan


def _slope_weights(scales: Ints) -> Floats:
    """What each scale's logarithm counts for in the least-squares slope on ln scale."""
    ln = np.log(scales.astype(np.float64))
    return np.asarray((ln - ln.mean()) / ((ln - ln.mean()) ** 2).sum(), dtype=np.float64)


def _warming(bars: int, window: int) -> Floats:
    out = np.zeros(bars)
    out[: window - 1] = np.nan
    return out


def _scales(
    given: Sequence[int] | None, first: int, last: int, window: int, hint: str, least: int = 4
) -> Ints:
    scales = [2**k for k in range(31) if first <= 2**k <= last] if given is None else list(given)
    if len(scales) < 2 or min(scales) < least or max(scales) > window:
        raise ConfigError("regime.hurst_window", f"{window} gives scales {scales}", hint)
    return np.asarray(scales, dtype=np.int64)
