"""Slow, obvious twins of the rolling estimators in macro.regimes: one window at a time."""

from __future__ import annotations

from collections.abc import Callable
from math import gamma

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rolled(x: Floats, window: int, estimate: Callable[[Floats], float]) -> Floats:
    """NaN where the window isn't full or holds a NaN."""
    out = np.full(len(x), np.nan)
    for end in range(window - 1, len(x)):
        part = x[end - window + 1 : end + 1]
        if np.isfinite(part).all():
            out[end] = estimate(part)
    return out


def rescaled_range(x: Floats, n: int, ddof: int = 1) -> float:
    ratios = []
    for stop in range(len(x), n - 1, -n):
        block = x[stop - n : stop]
        path = np.cumsum(block - block.mean())
        if np.ptp(block) > 0.0:
            ratios.append((path.max() - path.min()) / block.std(ddof=ddof))
    return float(np.mean(ratios)) if ratios else float("nan")


def expected_rescaled_range(n: int) -> float:
    total = sum(((n - k) / k) ** 0.5 for k in range(1, n))
    return (n - 0.5) / n * gamma((n - 1) / 2) / (np.pi**0.5 * gamma(n / 2)) * total


def hurst_rs(x: Floats) -> float:
    scales = [n for n in (8, 16, 32, 64, 128, 256) if n <= len(x) // 2]
    logs = [np.log(rescaled_range(x, n)) - np.log(expected_rescaled_range(n)) + np.log(n) / 2 for n in scales]
    return float(np.polyfit(np.log(scales), logs, 1)[0])


def hurst_lags(x: Floats) -> float:
    path = np.concatenate(([0.0], np.cumsum(x)))
    lags = [q for q in (1, 2, 4, 8, 16, 32) if q <= len(x) // 16]
    variances = [np.var(path[q:] - path[:-q]) for q in lags]
    return float(np.polyfit(np.log(lags), np.log(variances), 1)[0] / 2)


def yang_zhang(bars: NDArray[np.float64]) -> float:
    """Rows are bars: open, high, low, close, close before."""
    o, h, low, c, before = np.log(bars.T)
    n = len(o)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    inside = ((h - c) * (h - o) + (low - c) * (low - o)).mean()
    return float(np.sqrt(np.var(o - before, ddof=1) + k * np.var(c - o, ddof=1) + (1 - k) * inside))


def held(values: Floats, low: float, high: float, margin: float) -> list[int]:
    """-1 below, 0 between, 1 above, 2 unknown."""
    out: list[int] = []
    for value in values:
        before = out[-1] if out else 2
        if np.isnan(value):
            out.append(2)
        elif value > high or (before == 1 and value >= high - margin):
            out.append(1 if not value < low else -1)
        elif value < low or (before == -1 and value <= low + margin):
            out.append(-1)
        else:
            out.append(0)
    return out
