"""Candles to a feature matrix that knows only the past.

Row t uses bars up to and including t, all of one hole-free segment. Most columns are free of units: returns
come in multiples of their own volatility, distances in average true ranges.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.macro.candles import Floats, Ints, columns_of, open_ns, segments, timeframe_ns
from citadel_kit.macro.indicators import atr, ema, log_returns, rolling_extremes, rolling_mean_std, rsi
from citadel_kit.macro.regimes import rolling_hurst, trend_strength

_DAY_NS: Final = 86_400 * 10**9
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


class FeatureConfig(NamedTuple):
    """Windows in bars. The longest is the warm-up."""

    return_lags: tuple[int, ...] = (1, 2, 3, 6, 12, 24, 48, 96)
    volatility_windows: tuple[int, ...] = (12, 48, 288)
    rsi_windows: tuple[int, ...] = (7, 14)
    ema_windows: tuple[int, ...] = (12, 48, 192)
    atr_window: int = 14
    channel_window: int = 96
    volume_window: int = 96
    trend_window: int = 96
    hurst_window: int = 512


def feature_matrix(frame: pd.DataFrame, timeframe: str, config: FeatureConfig | None = None) -> pd.DataFrame:
    """One row a bar, one float64 column a feature; NaN in warm-up, at the start and behind every hole."""
    config = config or FeatureConfig()
    columns, closes = columns_of(frame), open_ns(frame) + timeframe_ns(timeframe)
    parts = [
        pd.DataFrame(_columns([c[part] for c in columns], closes[part], config), index=frame.index[part])
        for part in segments(frame, timeframe) or [slice(0, 0)]
    ]
    return pd.concat(parts)


def _columns(ohlcv: list[Floats], closes: Ints, config: FeatureConfig) -> dict[str, Floats]:
    o, h, low, c, volume = ohlcv
    returns = log_returns(c)
    out: dict[str, Floats] = {}
    deviation = {n: rolling_mean_std(returns, n)[1] for n in config.volatility_windows}
    longest = max(config.volatility_windows)
    noise = deviation[longest]
    for lag in config.return_lags:
        out[f"return_{lag}"] = _ratio(log_returns(c, lag), noise * np.sqrt(lag))
    for n in config.volatility_windows:
        out[f"volatility_{n}"] = deviation[n] if n == longest else _ratio(deviation[n], noise)
    for n in config.rsi_windows:
        out[f"rsi_{n}"] = rsi(c, n)
    true_range = atr(h, low, c, config.atr_window)
    out[f"atr_{config.atr_window}"] = _ratio(true_range, c)
    for n in config.ema_windows:
        out[f"ema_distance_{n}"] = _ratio(c - ema(c, n), true_range)
    top, bottom = rolling_extremes(h, low, config.channel_window)
    out["channel_place"] = _ratio(c - bottom, top - bottom)
    out["body"] = _ratio(c - o, true_range)
    out["upper_wick"] = _ratio(h - np.maximum(o, c), true_range)
    out["lower_wick"] = _ratio(np.minimum(o, c) - low, true_range)
    mean, std = rolling_mean_std(volume, config.volume_window)
    out["volume_z"] = _ratio(volume - mean, std)
    out["trend"] = trend_strength(returns, config.trend_window)
    out["hurst"] = rolling_hurst(returns, config.hurst_window)
    return out | _calendar(closes)


def _calendar(closes: Ints) -> dict[str, Floats]:
    """Hour of day and day of week of the bar's close as points on a circle."""
    day = 2 * np.pi * (closes % _DAY_NS) / _DAY_NS
    week = 2 * np.pi * ((closes / _DAY_NS + _EPOCH_WEEKDAY) % 7) / 7
    return {
        "day_sin": np.sin(day),
        "day_cos": np.cos(day),
        "week_sin": np.sin(week),
        "week_cos": np.cos(week),
    }


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b; 0 where both are 0 (nothing moved), NaN where only b is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(b != 0.0, a / b, np.where(a == 0.0, 0.0, np.nan))
    return np.asarray(ratio, dtype=np.float64)
