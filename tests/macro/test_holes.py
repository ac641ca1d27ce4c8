"""Across the outages in real candles nothing is bridged: behind a hole everything is as in a fresh start."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import find_gaps
from citadel_kit.macro.events import uniqueness
from citadel_kit.macro.features import FeatureConfig, FeatureStream, feature_matrix
from citadel_kit.macro.labels import LabelConfig, triple_barrier
from citadel_kit.macro.regimes import RegimeConfig, regime_frame
from citadel_kit.types import Memory, Weather

BEFORE, AFTER = 2_500, 1_500


class Outage(NamedTuple):
    file: str
    timeframe: str
    bars: int
    """Missing."""
    day: str


OUTAGES = (
    Outage("binance_spot_5m/BTCUSDT-5m_20220101_20260131.parquet", "5m", 16, "2023-03-24"),
    Outage("binance_spot_5m/BTCUSDT-5m_20210420_20210530.parquet", "5m", 56, "2021-04-25"),
    Outage("binance_spot_1h/BTCUSDT-1h.parquet", "1h", 1, "2023-03-24"),
)


@pytest.fixture(params=OUTAGES, ids=lambda o: f"{o.bars} bars of {o.timeframe}")
def outage(request: pytest.FixtureRequest, shared: Path) -> tuple[Outage, pd.DataFrame, pd.DataFrame]:
    """The outage, the candles around it, and those behind it alone."""
    wanted: Outage = request.param
    whole = read_candles(shared / "candles" / wanted.file)
    (gap,) = [gap for gap in find_gaps(whole, wanted.timeframe) if gap.bars == wanted.bars]
    assert pd.Timestamp(gap.start_ns, tz="UTC").strftime("%Y-%m-%d") == wanted.day
    row = whole.index.get_loc(pd.Timestamp(gap.end_ns, tz="UTC"))
    frame = whole.iloc[max(row - BEFORE, 0) : row + AFTER]
    assert len(find_gaps(frame, wanted.timeframe)) == 1
    return wanted, frame, whole.iloc[row : row + AFTER]


Case = tuple[Outage, pd.DataFrame, pd.DataFrame]


def test_features(outage: Case) -> None:
    (_, timeframe, *_), frame, behind = outage
    made, config = feature_matrix(frame, timeframe), FeatureConfig()
    fresh = made.loc[behind.index]
    pd.testing.assert_frame_equal(fresh, feature_matrix(behind, timeframe), check_exact=True)
    for lag in config.return_lags:
        assert fresh[f"return_{lag}"].iloc[:lag].isna().all()
    assert fresh["hurst"].iloc[: config.hurst_window].isna().all()
    whole = fresh.iloc[config.reach - 1 :].notna().all(axis=1)
    assert fresh.iloc[: config.hurst_window].isna().any(axis=1).all() and whole.all()
    assert made.iloc[: len(frame) - len(behind)].iloc[config.reach :].notna().all(axis=None)


def test_features_candle_by_candle(outage: Case) -> None:
    (_, timeframe, *_), frame, behind = outage
    stream, row = FeatureStream(timeframe), len(frame) - len(behind)
    for stop in (row - 3, row, row + 1, row + 2, row + 600, len(frame)):
        made = stream.update(frame.iloc[:stop])
    pd.testing.assert_frame_equal(made, feature_matrix(frame, timeframe), rtol=0, atol=1e-12)


def test_labels(outage: Case) -> None:
    (_, timeframe, *_), frame, behind = outage
    labels, config, row = triple_barrier(frame, timeframe), LabelConfig(), len(frame) - len(behind)
    alone = triple_barrier(behind, timeframe)
    assert (labels.end[row - config.horizon : row] == -1).all()
    assert (labels.end[:row] < row).all()
    assert np.isnan(labels.width[row : row + config.volatility_window]).all()
    np.testing.assert_array_equal(labels.side[row:], alone.side)
    np.testing.assert_array_equal(labels.width[row:], alone.width)
    np.testing.assert_array_equal(labels.end[row:], np.where(alone.end < 0, -1, alone.end + row))
    np.testing.assert_allclose(uniqueness(labels.end)[row:], uniqueness(alone.end), atol=1e-9)


def test_regimes(outage: Case) -> None:
    (_, timeframe, *_), frame, behind = outage
    made, config = regime_frame(frame, timeframe), RegimeConfig()
    fresh = made.loc[behind.index]
    pd.testing.assert_frame_equal(fresh, regime_frame(behind, timeframe), check_exact=True)
    memory, weather = fresh["memory"].astype(str), fresh["weather"].astype(str)
    assert set(memory.iloc[: config.hurst_window]) == {Memory.UNKNOWN.value}
    assert set(weather.iloc[: config.history_window]) == {Weather.UNKNOWN.value}
    assert Memory.UNKNOWN.value not in set(memory.iloc[config.hurst_window + 1 :])
    assert fresh["volatility"].iloc[: config.volatility_window].isna().all()
    assert fresh["memory_bars"].iloc[0] == fresh["weather_bars"].iloc[0] == 0
