"""Candles to a feature matrix that knows only the past, whole or candle by candle.

Row t uses bars up to and including t, all of one hole-free segment. Most columns are free of units: returns
come in multiples of their own volatility, distances in average true ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.macro.candles import DAY_NS, Floats, Ints, columns_of, open_ns, segments, timeframe_ns
from citadel_kit.macro.indicators import (
    compiled,
    ema,
    log_returns,
    rolling_extremes,
    rolling_mean_std,
    true_range,
    wilder,
)
from citadel_kit.macro.regimes import rolling_hurst, trend_strength
from citadel_kit.macro.resample import beside, resample

_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


class FeatureConfig(NamedTuple):
    """Windows in bars. The longest is the warm-up, also of each higher timeframe in its own bars."""

    return_lags: tuple[int, ...] = (1, 2, 3, 6, 12, 24, 48, 96)
    volatility_windows: tuple[int, ...] = (12, 48, 288)
    rsi_windows: tuple[int, ...] = (7, 14)
    ema_windows: tuple[int, ...] = (12, 48, 192)
    atr_window: int = 14
    channel_window: int = 96
    volume_window: int = 96
    trend_window: int = 96
    hurst_window: int = 512
    higher: tuple[tuple[str, FeatureConfig], ...] = ()
    """Higher timeframes, such as `4h`, and what to take of their closed bars: the same columns but for the
    calendar, with `_4h` behind their names."""

    @property
    def reach(self) -> int:
        """Bars of its own timeframe that the windows of one row look at, with the bar before."""
        return 1 + max(
            *self.return_lags, *self.volatility_windows, *self.rsi_windows, *self.ema_windows,
            self.atr_window, self.channel_window, self.volume_window, self.trend_window, self.hurst_window,
        )  # fmt: skip


Average = Callable[[str, Floats, int, bool], Floats]
"""(name, values, window, Wilder's weight or the exponential average's) → the average of all the past."""


def feature_names(config: FeatureConfig) -> tuple[str, ...]:
    """The columns of the matrix, in their order."""
    own = tuple(_columns([np.zeros(0)] * 5, np.zeros(0, np.int64), config, _from_the_start))
    joined = (
        f"{column}_{name}"
        for name, wider in config.higher
        for column in feature_names(wider)
        if column not in _CALENDAR
    )
    return (*own, *joined)


def feature_matrix(frame: pd.DataFrame, timeframe: str, config: FeatureConfig | None = None) -> pd.DataFrame:
    """One row a bar, one float64 column a feature; NaN in warm-up, at the start and behind every hole."""
    config = config or FeatureConfig()
    columns, closes = columns_of(frame), open_ns(frame) + timeframe_ns(timeframe)
    names = feature_names(config._replace(higher=()))
    values = np.empty((len(names), len(frame)))
    for part in segments(frame, timeframe):
        made = _columns([c[part] for c in columns], closes[part], config, _from_the_start)
        for row, name in zip(values, names, strict=True):
            row[part] = made.pop(name)  # so that long series are in memory once, not twice
    own = pd.DataFrame(values.T, index=frame.index, columns=list(names), copy=False)
    tables = [feature_matrix(resample(frame, timeframe, name), name, wider) for name, wider in config.higher]
    return _with_higher(own, frame, timeframe, config, tables)


def _with_higher(
    own: pd.DataFrame, frame: pd.DataFrame, timeframe: str, config: FeatureConfig, tables: list[pd.DataFrame]
) -> pd.DataFrame:
    """`tables`: one a higher timeframe, of all its closed bars."""
    joined = [
        beside(frame, timeframe, table.drop(columns=list(_CALENDAR)), name, suffix=f"_{name}")
        for (name, _), table in zip(config.higher, tables, strict=True)
    ]
    return pd.concat([own, *joined], axis=1) if joined else own


class FeatureStream:
    """The feature matrix of one market, kept as candles are appended: a new one costs its own rows.

    Equal to `feature_matrix` of all candles to 1e-12. What it keeps of the past is the last row of each
    exponential average; everything else is computed from the candles its window needs. A higher timeframe has
    a stream of its own.
    """

    _names: list[str]
    _bars: Floats
    """Times and candles of the last call, bit for bit."""
    _values: Floats
    _averages: dict[str, float]
    _segment: int
    """Row at which the last hole-free segment begins."""

    def __init__(self, timeframe: str, config: FeatureConfig | None = None) -> None:
        self.timeframe, self.config = timeframe, config or FeatureConfig()
        self._higher = [FeatureStream(name, wider) for name, wider in self.config.higher]
        self._forget()

    def update(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The matrix of `frame`, one row a bar. Where its first bars are those of the last call, only the
        others are computed; else all are."""
        opens, columns = open_ns(frame), columns_of(frame)
        bars = np.column_stack((opens.view(np.float64), *columns))
        if not np.array_equal(bars[: len(self._bars)].view(np.int64), self._bars.view(np.int64)):
            self._forget()
        old = len(self._bars)
        if len(frame) > old:
            parts = [self._values[:old], *self._new_rows(opens, list(columns), old)]
            self._values, self._bars = np.concatenate(parts), bars
        own = pd.DataFrame(self._values, index=frame.index, columns=self._names)
        tables = [s.update(resample(frame, self.timeframe, s.timeframe)) for s in self._higher]
        return _with_higher(own, frame, self.timeframe, self.config, tables)

    def _forget(self) -> None:
        self._names = list(feature_names(self.config._replace(higher=())))
        self._bars, self._values = np.zeros((0, 6)), np.zeros((0, len(self._names)))
        self._averages, self._segment = {}, 0

    def _new_rows(self, opens: Ints, columns: list[Floats], old: int) -> Iterator[Floats]:
        """Of bars from row `old` on, by segment."""
        step = timeframe_ns(self.timeframe)
        cuts = np.flatnonzero(np.diff(opens[self._segment :]) != step) + 1 + self._segment
        for start, stop in pairwise([self._segment, *cuts.tolist(), len(opens)]):
            self._segment, new = start, max(start, old)
            known = new - start >= self.config.reach
            first = new - self.config.reach if known else start
            average = self._go_on(new - first) if known else self._begin
            rows = slice(first, stop)
            made = _columns([c[rows] for c in columns], opens[rows] + step, self.config, average)
            yield np.column_stack([c[new - first :] for c in made.values()])

    def _begin(self, name: str, x: Floats, window: int, by_wilder: bool) -> Floats:
        out = _from_the_start(name, x, window, by_wilder)
        self._averages[name] = float(out[-1])
        return out

    def _go_on(self, old: int) -> Average:
        """Averages of the rows from `old` on, from the last known value."""

        def average(name: str, x: Floats, window: int, by_wilder: bool) -> Floats:
            weight = 1.0 / window if by_wilder else 2.0 / (window + 1)
            out = np.full(len(x), np.nan)
            out[old:] = _continued(x[old:], self._averages[name], weight)
            self._averages[name] = float(out[-1])
            return out

        return average


def _from_the_start(name: str, x: Floats, window: int, by_wilder: bool) -> Floats:
    return wilder(x, window) if by_wilder else ema(x, window)


@compiled
def _continued(x: Floats, value: float, weight: float) -> Floats:
    out = np.empty(len(x))
    for k in range(len(x)):
        value += weight * (x[k] - value)
        out[k] = value
    return out


def _columns(ohlcv: list[Floats], closes: Ints, config: FeatureConfig, average: Average) -> dict[str, Floats]:
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
    change = np.diff(c, prepend=np.nan)
    for n in config.rsi_windows:
        gain = average(f"gain_{n}", np.maximum(change, 0.0), n, True)
        loss = average(f"loss_{n}", np.maximum(-change, 0.0), n, True)
        still = gain + loss == 0.0
        out[f"rsi_{n}"] = np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, gain + loss))
    true_ranges = average("true_range", true_range(h, low, c), config.atr_window, True)
    out[f"atr_{config.atr_window}"] = _ratio(true_ranges, c)
    for n in config.ema_windows:
        out[f"ema_distance_{n}"] = _ratio(c - average(f"ema_{n}", c, n, False), true_ranges)
    top, bottom = rolling_extremes(h, low, config.channel_window)
    out["channel_place"] = _ratio(c - bottom, top - bottom)
    out["body"] = _ratio(c - o, true_ranges)
    out["upper_wick"] = _ratio(h - np.maximum(o, c), true_ranges)
    out["lower_wick"] = _ratio(np.minimum(o, c) - low, true_ranges)
    mean, std = rolling_mean_std(volume, config.volume_window)
    out["volume_z"] = _ratio(volume - mean, std)
    out["trend"] = trend_strength(returns, config.trend_window)
    out["hurst"] = rolling_hurst(returns, config.hurst_window)
    return out | _calendar(closes)


_CALENDAR: Final = ("day_sin", "day_cos", "week_sin", "week_cos")


def _calendar(closes: Ints) -> dict[str, Floats]:
    """Hour of day and day of week of the bar's close as points on a circle."""
    day = 2 * np.pi * (closes % DAY_NS) / DAY_NS
    week = 2 * np.pi * ((closes / DAY_NS + _EPOCH_WEEKDAY) % 7) / 7
    return dict(zip(_CALENDAR, (np.sin(day), np.cos(day), np.sin(week), np.cos(week)), strict=True))


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b; 0 where both are 0 (nothing moved), NaN where only b is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(b != 0.0, a / b, np.where(a == 0.0, 0.0, np.nan))
    return np.asarray(ratio, dtype=np.float64)
