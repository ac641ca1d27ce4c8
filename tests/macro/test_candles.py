from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import HOUR, START, random_candles, without

from citadel_kit.errors import CandleError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import (
    check,
    closed_before,
    find_faults,
    find_gaps,
    infer_timeframe,
    segments,
    timeframe_ns,
)


def codes(frame: pd.DataFrame, timeframe: str = "1h", now_ns: int | None = None) -> set[str]:
    return {fault.fault for fault in find_faults(frame, timeframe, now_ns)}


def edited(row: int, **values: float) -> pd.DataFrame:
    frame = random_candles(20)
    for column, value in values.items():
        frame.iloc[row, list(frame.columns).index(column)] = value
    return frame


def test_sound_candles_have_no_fault_and_no_hole() -> None:
    assert find_faults(random_candles(50), "1h") == []
    assert check(random_candles(50), "1h") == ()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (edited(5, close=float("nan")), "nan"),
        (edited(5, volume=-1.0), "impossible"),
        (edited(5, high=1.0), "impossible"),
        (edited(5, low=1e6), "impossible"),
        (edited(5, low=0.0), "impossible"),
        (edited(5, high=float("inf")), "impossible"),
        (random_candles(20).iloc[::-1], "unsorted"),
        (pd.concat([random_candles(20), random_candles(20).iloc[-1:]]), "duplicate"),
        (random_candles(20).shift(freq="7min"), "off_grid"),
        (random_candles(20).tz_convert("Asia/Shanghai"), "not_utc"),
        (random_candles(20).tz_localize(None), "not_utc"),
        (random_candles(20).reset_index(), "not_utc"),
        (random_candles(20).drop(columns="volume"), "columns"),
        (random_candles(20).astype({"close": "float32"}), "columns"),
        (random_candles(20).iloc[:0], "empty"),
        (random_candles(20, step="4h"), "timeframe"),
    ],
)
def test_each_fault_has_its_name_and_is_fatal(frame: pd.DataFrame, code: str) -> None:
    assert code in codes(frame)
    with pytest.raises(CandleError):
        check(frame, "1h")


def test_a_fault_names_the_first_bar_it_was_seen_at() -> None:
    fault = find_faults(edited(5, close=float("nan")), "1h")[0]
    assert "1 bars" in fault.detail
    assert "2024-01-01 05:00" in fault.detail


def test_a_hole_is_named_with_its_span_and_is_not_fatal() -> None:
    (gap,) = check(without(random_candles(20), 7, 10), "1h")
    assert gap == (START.value + 7 * HOUR, START.value + 10 * HOUR, 3)
    assert segments(without(random_candles(20), 7, 10), "1h") == [slice(0, 7), slice(7, 17)]


def test_a_bar_is_used_from_its_close_on() -> None:
    frame = random_candles(10)
    close = START.value + 4 * HOUR
    assert len(closed_before(frame, "1h", close)) == 4
    assert len(closed_before(frame, "1h", close - 1)) == 3
    assert "unclosed" in codes(frame, now_ns=START.value + 10 * HOUR - 1)
    assert codes(frame, now_ns=START.value + 10 * HOUR) == set()


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
