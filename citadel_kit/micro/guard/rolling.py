"""The rolling maximum and the rolling median of the guard, as tuples.

The maximum is kept in 16 buckets of a fifteenth of the window each. They reach back at least one window and
at most 16/15 of one, so a fall larger than stated within the window is never missed, and one that took up to
7 % longer than the window may trip too.

The median is that of the first value in each of the last 31 sample times in which there was one; times
without any are no samples.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba.extending import register_jitable

from citadel_kit.micro.guard.records import BUCKETS, SAMPLES, Depths, Peaks

_EMPTY: Final = (0.0,) * BUCKETS
NO_PEAKS: Final = Peaks(0, _EMPTY, 0.0)
NO_DEPTHS: Final = Depths(-1, (0.0,) * SAMPLES, 0, 0.0)


@register_jitable
def with_mid(peaks: Peaks, window_ns: int, now_ns: int, mid: float) -> Peaks:
    """A mid that is NaN, infinite or not positive only lets time pass."""
    bucket = now_ns // width_ns(window_ns)
    values, highest = peaks.peaks, peaks.highest
    news = 0.0 < mid < math.inf and mid > values[0]
    if bucket == peaks.bucket and not news:
        return peaks
    if bucket != peaks.bucket:
        falls_out = bucket - peaks.bucket > 1 or values[-1] >= highest
        values = _rolled(values, bucket - peaks.bucket)
        if falls_out:
            highest = _highest(values)
    if 0.0 < mid < math.inf and mid > values[0]:
        values = (mid,) + values[1:]  # noqa: RUF005 - Numba knows no unpacking here
        highest = max(highest, mid)
    return Peaks(bucket, values, highest)


def bucket_end_ns(peaks: Peaks, window_ns: int) -> int:
    """Exclusive, of the newest bucket."""
    return (peaks.bucket + 1) * width_ns(window_ns)


@register_jitable
def width_ns(window_ns: int) -> int:
    return max(-(-window_ns // (BUCKETS - 1)), 1)


@register_jitable
def fall_bps(peaks: Peaks, mid: float) -> float:
    """NaN without a mid."""
    if not 0.0 < mid < math.inf:
        return math.nan
    return (peaks.highest - mid) * 1e4 / peaks.highest


@register_jitable
def with_depth(depths: Depths, sample_ns: int, now_ns: int, depth: float) -> Depths:
    """A depth that is NaN, infinite or negative is none."""
    bucket = now_ns // sample_ns
    if bucket == depths.bucket or not 0.0 <= depth < math.inf:
        return depths
    samples = (depth,) + depths.samples[:-1]  # noqa: RUF005 - Numba knows no unpacking here
    taken = min(depths.taken + 1, SAMPLES)
    median = float(np.median(np.array(samples))) if taken == SAMPLES else 0.0
    return Depths(bucket, samples, taken, median)


@register_jitable
def depth_share(depths: Depths, depth: float) -> float:
    """Of the median; NaN where either is missing."""
    if depths.median > 0.0 and 0.0 <= depth < math.inf:
        return depth / depths.median
    return math.nan


@register_jitable
def _rolled(peaks: tuple[float, ...], buckets: int) -> tuple[float, ...]:
    if buckets >= BUCKETS:
        return _EMPTY
    for _ in range(buckets):
        peaks = (0.0,) + peaks[:-1]  # noqa: RUF005 - Numba knows no unpacking here
    return peaks


@register_jitable
def _highest(peaks: tuple[float, ...]) -> float:
    highest = 0.0
    for peak in peaks:
        if peak > highest:  # noqa: PLR1730 - a quarter of the cost of max() where this runs as plain Python
            highest = peak
    return highest
