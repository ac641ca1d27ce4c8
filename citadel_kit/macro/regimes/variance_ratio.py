"""The variance ratio test of Lo and MacKinlay (1988)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats, by_run, compiled


class VarianceRatio(NamedTuple):
    ratio: Floats
    """Variance of returns over `lag` bars per bar over that of one-bar returns: 1 without memory."""
    z: Floats
    """Distance from 1 in its own standard errors, which hold under changing volatility."""


@by_run
def rolling_variance_ratio(returns: Floats, window: int, lag: int) -> VarianceRatio:
    """Of overlapping sums, corrected for small samples. NaN in the first `window` - 1 bars and where nothing
    moves; O(window × lag) a bar. Raises ConfigError unless 2 <= lag <= window / 2."""
    if not 2 <= lag <= window // 2:
        raise ConfigError(
            "lag", f"{lag} of a window of {window}", "Use 2 bars at least, half the window at most"
        )
    return VarianceRatio(*_variance_ratio(returns, window, lag))


@compiled
def _variance_ratio(x: Floats, n: int, q: int) -> tuple[Floats, Floats]:
    ratio, z = np.full(len(x), np.nan), np.full(len(x), np.nan)
    d, squares = np.empty(n), np.empty(n)
    for end in range(n - 1, len(x)):
        part = x[end - n + 1 : end + 1]
        d[:] = part - part.mean()
        squares[:] = d * d
        one = squares.sum()
        # Deviations of equal values are rounding, or nothing at all.
        if one <= 1e-28 * n * (part * part).max():
            continue
        several, sums = 0.0, 0.0
        for k in range(n):
            sums += d[k] - (d[k - q] if k >= q else 0.0)
            if k >= q - 1:
                several += sums * sums
        several /= q * (n - q + 1) * (1.0 - q / n)
        theta = 0.0
        for lag in range(1, q):
            joint = 0.0
            for k in range(lag, n):
                joint += squares[k] * squares[k - lag]
            theta += 4.0 * (1.0 - lag / q) ** 2 * n * joint / (one * one)
        ratio[end] = several / (one / (n - 1))
        if theta > 0.0:
            z[end] = np.sqrt(n) * (ratio[end] - 1.0) / np.sqrt(theta)
    return ratio, z
