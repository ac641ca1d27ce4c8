from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import HOUR, START, random_candles, without

from citadel_kit.errors import CandleError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import (
    closed_before,
    find_gaps,
    infer_timeframe,
    segments,
    timeframe_ns,
)
from citadel_kit.macro.quality import check


def test_a_hole_is_named_with_its_span_and_is_not_fatal() -> None:
    (gap,) = check(without(random_candles(20), 7, 10), "1h")
    assert gap == (START.value + 7 * HOUR, START.value + 10 * HOUR, 3)
    assert segments(without(random_candles(20), 7, 10), "1h") == [slice(0, 7), slice(7, 17)]


def test_a_bar_is_used_from_its_close_on() -> None:
    frame = random_candles(10)
    close = START.value + 4 * HOUR
    assert len(closed_before(frame, "1h", close)) == 4
    assert len(closed_before(frame, "1h", close - 1)) == 3


@pytest.mark.parametrize(("name", "step"), [("5m", 300), ("1h", 3600), ("4h", 14_400), ("1d", 86_400)])
def test_timeframes_are_read_and_inferred(name: str, step: int) -> None:
    assert timeframe_ns(name) == step * 10**9
    frame = random_candles(30, step=f"{step}s")
    assert infer_timeframe(without(frame, 4, 9)) == name


@pytest.mark.parametrize("name", ["", "h", "0h", "1M", "1w", "-1h", "1.5h", "²h"])
def test_an_unusable_timeframe_is_refused(name: str) -> None:
    with pytest.raises(CandleError, match="use minutes, hours or days"):
        timeframe_ns(name)


def test_resolution_of_the_index_does_not_matter() -> None:
    frame = random_candles(20)
    coarse = frame.set_axis(frame.index.as_unit("ms"))
    assert check(coarse, "1h") == ()
    assert np.array_equal(closed_before(coarse, "1h", START.value + HOUR).index, frame.index[:1])


def test_the_real_outage_of_2023_03_24_is_found(shared: Path) -> None:
    frame = read_candles(shared / "candles/binance_spot_5m/BTCUSDT-5m_20220101_20260131.parquet")
    assert infer_timeframe(frame) == "5m"
    (gap,) = check(frame, "5m")
    assert gap.bars == 16
    assert pd.Timestamp(gap.start_ns, tz="UTC").date().isoformat() == "2023-03-24"
    assert find_gaps(frame.iloc[:1000], "5m") == ()
