"""Moments and extremes of rolling windows; warm-up is `window` - 1 bars where no other is named.

Nothing is ever taken off a running sum: a window is joined of the end of one block of `window` bars and the
beginning of the next. That costs a few operations a bar whatever the window, and leaves no rounding behind of
a large value that has long passed. (TA-Lib's deviations are differences of running sums of squares: of a
price of 60,000 they keep eight digits.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from citadel_kit.macro.indicators.runs import Floats, by_run, compiled


class MeanStd(NamedTuple):
    mean: Floats
    std: Floats
    """Of the population (ddof 0)."""


class Extremes(NamedTuple):
    top: Floats
    bottom: Floats


class Line(NamedTuple):
    """The least-squares line through the window, its newest bar at `end`."""

    end: Floats
    slope: Floats
    """Per bar."""
    r_squared: Floats
    """NaN where nothing moves."""


@compiled
def _mean_std(x: Floats, window: int) -> tuple[Floats, Floats]:
    """Each block is walked from both ends in one loop: two chains of sums keep the processor busier."""
    mean, std = np.full(len(x), np.nan), np.full(len(x), np.nan)
    tail_mean, tail_squares = np.zeros(window + 1), np.zeros(window + 1)
    old_mean, old_squares = np.zeros(window + 1), np.zeros(window + 1)
    one_in = 1.0 / np.maximum(np.arange(window + 1), 1)  # a table: dividing takes longer than all the rest
    for start in range(0, len(x), window):
        size = min(window, len(x) - start)
        m, squares, tail_m, tail_s = 0.0, 0.0, 0.0, 0.0
        for k in range(1, size + 1):
            new, old = x[start + k - 1], x[start + size - k]
            step = new - m
            m += step * one_in[k]
            squares += step * (new - m)
            step = old - tail_m
            tail_m += step * one_in[k]
            tail_s += step * (old - tail_m)
            tail_mean[size - k], tail_squares[size - k] = tail_m, tail_s
            i = start + k - 1
            if k == window:
                mean[i], std[i] = m, np.sqrt(squares * one_in[window])
            elif start > 0:
                apart, share = m - old_mean[k], k * one_in[window]
                mean[i] = old_mean[k] + apart * share
                joined = squares + old_squares[k] + apart * apart * share * (window - k)
                std[i] = np.sqrt(joined * one_in[window])
        tail_mean, old_mean = old_mean, tail_mean
        tail_squares, old_squares = old_squares, tail_squares
    return mean, std


@compiled
def strided_sum(x: Floats, step: int, count: int) -> Floats:
    """x[t] + x[t - step] + …, `count` terms. Warm-up: (`count` - 1) × `step` bars. `x` must hold no NaN."""
    out, block = np.full(len(x), np.nan), step * count
    head, tail = np.zeros(block), np.zeros(block)
    for start in range(0, len(x), block):
        size = min(block, len(x) - start)
        for j in range(min(step, size)):
            head[j] = x[start + j]
        for j in range(step, size):
            head[j] = head[j - step] + x[start + j]
        if start > 0:
            for j in range(min(block - step, size)):
                out[start + j] = tail[j + step] + head[j]
        for j in range(block - step, size):
            out[start + j] = head[j]
        if size == block:
            for j in range(block - step, block):
                tail[j] = x[start + j]
            for j in range(block - step - 1, -1, -1):
                tail[j] = tail[j + step] + x[start + j]
    return out


@by_run
def rolling_mean_std(x: Floats, window: int) -> MeanStd:
    return MeanStd(*_mean_std(x, window))


@by_run
def rolling_sum(x: Floats, window: int) -> Floats:
    return strided_sum(x, 1, window)


@by_run
def rolling_extremes(high: Floats, low: Floats, window: int) -> Extremes:
    """Highest high and lowest low."""
    return Extremes(rolling_max(high, window), rolling_min(low, window))


@by_run
def rolling_max(x: Floats, window: int) -> Floats:
    return _floats(talib.MAX(x, window)) if window > 1 else x.copy()


@by_run
def rolling_min(x: Floats, window: int) -> Floats:
    return _floats(talib.MIN(x, window)) if window > 1 else x.copy()


@by_run
def rolling_zscore(x: Floats, window: int) -> Floats:
    """Distance from the window's mean in its standard deviations (ddof 0); NaN where nothing moves."""
    mean, std = rolling_mean_std(x, window)
    return ratio(x - mean, std)


@by_run
def mean_deviation(x: Floats, window: int) -> Floats:
    """Mean distance of the window's values from their mean."""
    return _mean_deviation(x, window)


@compiled
def _mean_deviation(x: Floats, window: int) -> Floats:
    out = np.full(len(x), np.nan)
    for end in range(window - 1, len(x)):
        part = x[end - window + 1 : end + 1]
        out[end] = np.abs(part - part.mean()).mean()
    return out


@by_run
def correlation(x: Floats, y: Floats, window: int) -> Floats:
    """Pearson's; NaN where either doesn't move."""
    covariance, x_variance, y_variance = _co_moments(x, y, window)
    return ratio(covariance, np.sqrt(x_variance * y_variance))


@by_run
def beta(x: Floats, y: Floats, window: int) -> Floats:
    """Slope of `y`'s simple returns on `x`'s, `x` being the market. Warm-up: `window` bars."""
    market, own = roc(x, 1) / 100.0, roc(y, 1) / 100.0
    out = np.full(len(x), np.nan)
    covariance, variance, _ = _co_moments(market[1:], own[1:], window)
    out[1:] = ratio(covariance, variance)
    return out


@by_run
def linear_regression(x: Floats, window: int) -> Line:
    slope = _floats(talib.LINEARREG_SLOPE(x, window)) if window > 1 else np.full(len(x), np.nan)
    mean, std = rolling_mean_std(x, window)
    of_time = np.sqrt((window * window - 1) / 12.0)
    return Line(mean + slope * (window - 1) / 2.0, slope, ratio(slope * of_time, std) ** 2)


@by_run
def roc(x: Floats, window: int) -> Floats:
    """Rate of change over `window` bars, in percent. Warm-up: `window` bars."""
    out = np.full(len(x), np.nan)
    out[window:] = 100.0 * ratio(x[window:] - x[:-window], x[:-window])
    return out


def log_returns(close: Floats, lag: int = 1) -> Floats:
    """ln(close[t] / close[t - lag]); NaN where either is NaN. Warm-up: `lag` bars."""
    out = np.full(len(close), np.nan)
    if len(close) > lag:
        out[lag:] = np.log(close[lag:] / close[:-lag])
    return out


def ratio(a: Floats, b: Floats) -> Floats:
    """a / b, NaN where b is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(b != 0.0, a / b, np.nan), dtype=np.float64)


@compiled
def _co_moments(x: Floats, y: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Covariance and both variances (ddof 0)."""
    covariance = np.full(len(x), np.nan)
    x_variance, y_variance = covariance.copy(), covariance.copy()
    for end in range(window - 1, len(x)):
        a, b = x[end - window + 1 : end + 1], y[end - window + 1 : end + 1]
        a, b = a - a.mean(), b - b.mean()
        covariance[end], x_variance[end], y_variance[end] = (a * b).mean(), (a * a).mean(), (b * b).mean()
    return covariance, x_variance, y_variance


def _floats(x: Floats) -> Floats:
    return np.asarray(x, dtype=np.float64)
