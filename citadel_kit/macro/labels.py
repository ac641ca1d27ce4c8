"""Triple-barrier labels (López de Prado 2018, chapter 3) with volatility-scaled barriers.

A label at bar t is what would have come of a trade decided at t's close and entered at the NEXT bar's open:
did price touch entry × (1 + w) or entry × (1 − w) first, within `horizon` bars, the entry bar included? The
half-width is w = width × sigma × sqrt(horizon), with sigma the standard deviation of one-bar log returns up
to and including t. A bar that spans both barriers counts as the lower one, since which came first inside it
can't be known: that is hard on buying and kind to selling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats, Ints, columns_of, segments
from citadel_kit.macro.indicators import compiled, log_returns, rolling_mean_std

UPPER, LOWER, NEITHER = 1, -1, 0


class LabelConfig(NamedTuple):
    horizon: int = 48
    """Bars, the entry bar included."""
    width: float = 0.7
    """Half-width of the barriers in standard deviations of the return over the horizon."""
    volatility_window: int = 96


class Labels(NamedTuple):
    """Arrays of one value a bar."""

    side: NDArray[np.int8]
    """UPPER, LOWER or NEITHER; 0 also where `end` is -1."""
    end: Ints
    """Row of the last bar the label looked at. -1: no label, since the bar is in warm-up, price stood still
    over the volatility window, or the full horizon reaches into a hole or past the end of the data; one
    decided early is dropped there too, else only the quick ones would be kept."""
    width: Floats
    """Half-width of the barriers as a share of price; NaN in warm-up, at the start and behind every hole.
    Knows only the past."""


def barrier_width(frame: pd.DataFrame, timeframe: str, config: LabelConfig | None = None) -> Floats:
    """Half-width of the barriers at each bar as a share of price; NaN in warm-up and behind holes."""
    config = _checked(config or LabelConfig())
    close, out = columns_of(frame)[3], np.full(len(frame), np.nan)
    for part in segments(frame, timeframe):
        out[part] = rolling_mean_std(log_returns(close[part]), config.volatility_window)[1]
    return np.asarray(out * config.width * np.sqrt(config.horizon), dtype=np.float64)


def triple_barrier(frame: pd.DataFrame, timeframe: str, config: LabelConfig | None = None) -> Labels:
    """A label per bar whose whole horizon lies in the bar's own hole-free segment."""
    config = _checked(config or LabelConfig())
    o, high, low, _, _ = columns_of(frame)
    width = barrier_width(frame, timeframe, config)
    side, end = np.zeros(len(frame), dtype=np.int8), np.full(len(frame), -1, dtype=np.int64)
    for part in segments(frame, timeframe):
        _touch(o, high, low, width, config.horizon, part.start, part.stop, side, end)
    return Labels(side, end, width)


@compiled
def _touch(
    o: Floats,
    high: Floats,
    low: Floats,
    width: Floats,
    horizon: int,
    start: int,
    stop: int,
    side: NDArray[np.int8],
    end: Ints,
) -> None:
    for t in range(start, stop - horizon):
        if not width[t] > 0.0:
            continue
        upper, lower = o[t + 1] * (1.0 + width[t]), o[t + 1] * (1.0 - width[t])
        end[t] = t + horizon
        for k in range(t + 1, t + horizon + 1):
            if low[k] <= lower or high[k] >= upper:
                side[t] = -1 if low[k] <= lower else 1
                end[t] = k
                break


def _checked(config: LabelConfig) -> LabelConfig:
    if config.horizon < 1 or config.width <= 0 or config.volatility_window < 2:
        raise ConfigError(
            "labels", f"{config}: horizon at least 1, width above 0, volatility_window at least 2"
        )
    return config
