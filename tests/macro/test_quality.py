from __future__ import annotations

import gzip
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import HOUR, START, random_candles, without

from citadel_kit.errors import CandleError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import COLUMNS, find_gaps
from citadel_kit.macro.quality import check, find_faults, mend, shifted, zone_shift


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


def test_a_bar_that_is_not_closed_yet_is_named_and_dropped_when_told() -> None:
    frame = random_candles(10)
    now = START.value + 10 * HOUR - 1
    assert "unclosed" in codes(frame, now_ns=now)
    assert codes(frame, now_ns=now + 1) == set()
    mended, done = mend(frame, "1h", "unclosed", now_ns=now)
    pd.testing.assert_frame_equal(mended, frame.iloc[:9])
    assert done == ["unclosed: 10 bars before, 9 after"]
    with pytest.raises(CandleError, match="matter of time"):
        mend(frame, "1h", "unclosed")


# --- columns under wrong names ---


def under(order: tuple[str, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """What is named open, high, low, close, volume holds what `order` says."""
    return pd.DataFrame(frame[list(order)].to_numpy(), index=frame.index, columns=list(COLUMNS))


def hold_every_order(frame: pd.DataFrame) -> None:
    for order in permutations(COLUMNS):
        if order == COLUMNS:
            continue
        wrong = under(order, frame)
        fault = next(fault for fault in find_faults(wrong, "1h") if fault.fault == "swapped")
        assert f"reads like {', '.join(order)}:" in fault.detail
        pd.testing.assert_frame_equal(mend(wrong, "1h", "swapped")[0], frame, check_freq=False)


def test_every_order_of_the_five_columns_is_read_and_mended_to_the_bar() -> None:
    hold_every_order(random_candles(300, volatility=0.003))


@pytest.mark.parametrize("market", ["BTC", "ADA", "XRP"])
def test_every_order_is_read_on_real_candles(shared: Path, market: str) -> None:
    frame = read_candles(shared / f"candles/binance_spot_1h/{market}USDT-1h.parquet")
    assert "swapped" not in codes(frame)
    hold_every_order(frame.iloc[5000:6000])


def test_a_volume_of_zero_or_always_the_same_says_nothing_against_the_names() -> None:
    for volume in (0.0, 1.0, 1e9):
        frame = random_candles(300).assign(volume=volume)
        assert find_faults(frame, "1h") == []
        hold = under(("open", "low", "high", "close", "volume"), frame)
        pd.testing.assert_frame_equal(mend(hold, "1h", "swapped")[0], frame, check_freq=False)


def test_where_values_do_not_say_which_is_which_nothing_is_renamed() -> None:
    level = random_candles(300)
    level["volume"] = np.roll(level["close"], 2)  # as smooth as a price, and where prices are
    jumps = random_candles(300)
    factor = np.exp(np.random.default_rng(1).normal(0, 0.1, 300))  # no bar opens near the last close
    jumps = jumps.mul(factor, axis=0)
    for frame, order in (
        (level, ("open", "high", "low", "volume", "close")),
        (level, ("low", "high", "open", "close", "volume")),
        (jumps, ("open", "high", "close", "low", "volume")),
    ):
        wrong = under(order, frame)
        fault = next(fault for fault in find_faults(wrong, "1h") if fault.fault == "swapped")
        assert "can't be told" in fault.detail
        assert "impossible" in codes(wrong)
        with pytest.raises(CandleError, match="by hand"):
            mend(wrong, "1h", "swapped")


def test_few_bars_say_nothing_of_names() -> None:
    assert codes(edited(0, high=1.0).iloc[:1]) == {"impossible"}
    assert codes(edited(5, high=1.0)) == {"impossible"}


@pytest.mark.parametrize(
    ("frame", "say"),
    [
        (random_candles(20).tz_localize(None), "tz_localize"),
        (random_candles(20).tz_convert("Asia/Shanghai"), "tz_convert"),
        (random_candles(20).reset_index(drop=True), "to_datetime"),
        (
            random_candles(3).set_axis(pd.DatetimeIndex([START, pd.NaT, START], name="ts")),
            "1 bars have no open",
        ),
        (
            pd.concat([random_candles(5), random_candles(5)[["close"]]], axis=1),
            "more than one column is named close",
        ),
        (random_candles(5).astype(object).replace({"close": {100.0: None}}), "close \\(object\\)"),
    ],
)
def test_what_is_no_candle_frame_is_one_clear_error(frame: pd.DataFrame, say: str) -> None:
    (fault,) = find_faults(frame, "1h")
    with pytest.raises(CandleError, match=say):
        raise fault


# --- real files with real faults ---


def from_json(path: Path) -> pd.DataFrame:
    """As people read such files: names by position, times as UTC."""
    rows = np.array(json.loads(gzip.decompress(path.read_bytes())), dtype=np.float64)
    index = pd.to_datetime(rows[:, 0].astype("int64"), unit="ms", utc=True).rename("ts")
    return pd.DataFrame(rows[:, 1:], index=index, columns=list(COLUMNS))


def from_feather(path: Path) -> pd.DataFrame:
    return pd.read_feather(path).set_index("date").rename_axis("ts")


def test_duplicates_of_a_real_file(shared: Path) -> None:
    frame = from_json(shared / "candles/quality_traps/dup107_BRD_BTC-5m.json.gz")
    (fault,) = find_faults(frame, "5m")
    assert fault.fault == "duplicate"
    assert fault.detail.startswith("107 bars")
    mended, done = mend(frame, "5m", "duplicate")
    assert done == ["duplicate: 8640 bars before, 8533 after"]
    assert sum(gap.bars for gap in check(mended, "5m")) == 107


@pytest.mark.parametrize(
    ("name", "timeframe", "gaps"),
    [
        ("gaps538_UNITTEST_BTC-1m.feather", "1m", 538),
        ("gaps676_XRP_ETH-1m.feather", "1m", 676),
        ("hole1000_BTC_USDT_USDT-1h-futures.feather", "1h", 2),
    ],
)
def test_holes_of_real_files_are_named(shared: Path, name: str, timeframe: str, gaps: int) -> None:
    frame = from_feather(shared / "candles/quality_traps" / name)
    found = check(frame, timeframe)
    assert len(found) == gaps
    assert (
        len(frame) + sum(gap.bars for gap in found)
        == (frame.index[-1] - frame.index[0]) // pd.Timedelta(timeframe.replace("m", "min")) + 1
    )
    if gaps == 2:
        assert [gap.bars for gap in found] == [500, 500]


def test_swapped_columns_newest_first_in_another_zone(shared: Path) -> None:
    frame = from_json(shared / "candles/quality_traps/swapped_columns_utc8_coinbase_ETH-1h.json.gz")
    assert codes(frame) == {"swapped", "unsorted"}
    swapped = next(fault for fault in find_faults(frame, "1h") if fault.fault == "swapped")
    assert "low, high, open, close" in swapped.detail
    mended, done = mend(frame, "1h", "swapped", "unsorted")
    assert [text.split(":")[0] for text in done] == ["swapped", "unsorted"]
    assert codes(mended) == set()
    binance = read_candles(shared / "candles/binance_spot_1h/ETHUSDT-1h.parquet")
    (fault,) = find_faults(mended, "1h", reference=binance)
    assert fault.fault == "zone"
    assert "+8 h" in fault.detail
    right = shifted(mended, "1h", zone_shift(mended, binance, "1h"))
    assert find_faults(right, "1h", reference=binance) == []
    together = right["close"].to_frame().join(binance["close"].rename("binance"), how="inner")
    assert (together["close"] / together["binance"] - 1).abs().median() < 0.002


# --- mending ---


def test_nothing_is_mended_that_was_not_named() -> None:
    frame = random_candles(50).iloc[::-1].rename(columns={"high": "low", "low": "high"})
    assert codes(frame) == {"unsorted", "swapped"}
    mended, done = mend(frame, "1h")
    assert mended is frame
    assert done == []
    sorted_only, _ = mend(frame, "1h", "unsorted")
    assert codes(sorted_only) == {"swapped"}
    whole, _ = mend(frame, "1h", "unsorted", "swapped")
    pd.testing.assert_frame_equal(whole, random_candles(50), check_freq=False, check_like=True)
    with pytest.raises(CandleError, match="off_grid can't be mended"):
        mend(frame, "1h", "off_grid")


def test_two_different_bars_of_one_time_are_for_a_person_to_judge() -> None:
    frame = random_candles(20)
    again = frame.iloc[5:6].assign(close=frame["close"].iloc[5] * 1.0001)
    with pytest.raises(CandleError, match="by hand"):
        mend(pd.concat([frame, again]).sort_index(), "1h", "duplicate")
    pd.testing.assert_frame_equal(
        mend(pd.concat([frame, frame.iloc[5:6]]), "1h", "duplicate")[0], frame, check_freq=False
    )


def test_dropped_bars_become_holes() -> None:
    frame = random_candles(20)
    frame.iloc[4, 3] = np.nan
    frame.iloc[9, 1] = 0.0
    mended, done = mend(frame, "1h", "nan", "impossible")
    assert [gap.bars for gap in find_gaps(mended, "1h")] == [1, 1]
    assert len(done) == 2


def test_a_zone_is_told_by_returns_alone_and_not_by_little() -> None:
    reference = random_candles(500, seed=3)
    other = shifted(reference * 1.001, "1h", -5)
    assert zone_shift(other, reference, "1h") == 5
    assert zone_shift(reference, reference, "1h") == 0
    assert zone_shift(random_candles(500, seed=4), reference, "1h") == 0
    assert zone_shift(other.iloc[:60], reference, "1h") == 0
    assert zone_shift(without(other, 100, 200), reference, "1h") == 5
