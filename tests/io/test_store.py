from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from candle_samples import random_candles

from citadel_kit.errors import CandleError, DataError
from citadel_kit.io.store import read_candles, write_candles
from citadel_kit.macro.quality import check


def written(path: Path, frame: pd.DataFrame) -> Path:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def test_what_is_written_is_read_and_the_same_bars_give_the_same_bytes(tmp_path: Path) -> None:
    frame = random_candles(100)
    write_candles(tmp_path / "deep" / "a.parquet", frame)
    write_candles(tmp_path / "b.parquet", frame.assign(extra=1))
    pd.testing.assert_frame_equal(read_candles(tmp_path / "b.parquet"), frame, check_freq=False)
    assert (tmp_path / "deep" / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_any_resolution_and_further_columns_are_accepted(tmp_path: Path, unit: str) -> None:
    frame = random_candles(10)
    flat = frame.set_axis(frame.index.as_unit(unit)).reset_index().assign(trades=7)
    read = read_candles(written(tmp_path / "x.parquet", flat))
    pd.testing.assert_frame_equal(read, frame, check_freq=False)


def test_integer_prices_become_floats_and_words_are_refused(tmp_path: Path) -> None:
    flat = random_candles(3).reset_index()
    read = read_candles(written(tmp_path / "x.parquet", flat.assign(volume=[1, 2, 3])))
    assert read["volume"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(CandleError, match="no number"):
        read_candles(written(tmp_path / "y.parquet", flat.assign(volume=["1", "many", "3"])))


@pytest.mark.parametrize("kind", ["naive", "zone", "integer", "text"])
def test_times_that_could_mean_something_else_are_refused(tmp_path: Path, kind: str) -> None:
    flat = random_candles(5).reset_index()
    flat["ts"] = {
        "naive": flat["ts"].dt.tz_localize(None),
        "zone": flat["ts"].dt.tz_convert("Asia/Shanghai"),
        "integer": flat["ts"].astype("int64"),
        "text": flat["ts"].astype(str),
    }[kind]
    with pytest.raises(CandleError, match="time zone UTC") as caught:
        read_candles(written(tmp_path / "x.parquet", flat))
    assert caught.value.fault == "not_utc"


def test_missing_columns_files_and_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(CandleError, match="has no close"):
        read_candles(written(tmp_path / "x.parquet", random_candles(5).reset_index().drop(columns="close")))
    with pytest.raises(DataError, match="no such file"):
        read_candles(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("ts,open\n")
    with pytest.raises(DataError, match="can't be read as Parquet"):
        read_candles(tmp_path / "text.parquet")


def test_every_real_file_is_read_and_sound(shared: Path) -> None:
    files = sorted((shared / "candles").glob("*_1m_*/*.parquet"))
    files += sorted((shared / "candles").glob("binance_spot_1h/*.parquet"))
    assert len(files) > 10
    for path in files:
        check(read_candles(path), "1h" if "1h" in path.name else "1m")
