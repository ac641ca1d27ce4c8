from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from candle_samples import random_candles

from citadel_kit.errors import CandleError, DataError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import open_ns
from citadel_kit.macro.quality import check

FRAME = random_candles(30)
FLAT = FRAME.reset_index()


def with_times(times: Any) -> pd.DataFrame:
    return FLAT.assign(ts=times)


@pytest.mark.parametrize("per_second", [1, 10**3, 10**6, 10**9])
def test_numbers_are_times_of_whatever_unit(tmp_path: Path, per_second: int) -> None:
    with_times(open_ns(FRAME) // (10**9 // per_second)).to_csv(tmp_path / "x.csv", index=False)
    pd.testing.assert_frame_equal(read_candles(tmp_path / "x.csv"), FRAME, check_freq=False)


def test_a_csv_with_names_in_capitals_a_zone_and_further_columns(tmp_path: Path) -> None:
    other = FLAT.rename(columns=str.title).rename(columns={"Ts": "Date"}).assign(Trades=1)
    other.to_csv(tmp_path / "x.csv.gz", index=False)
    read = read_candles(tmp_path / "x.csv.gz")
    pd.testing.assert_frame_equal(read, FRAME, check_freq=False)
    assert check(read, "1h") == ()


def test_feather_and_json_as_freqtrade_writes_them(tmp_path: Path) -> None:
    FLAT.rename(columns={"ts": "date"}).to_feather(tmp_path / "x.feather")
    rows = with_times(open_ns(FRAME) // 10**6).to_numpy().tolist()
    (tmp_path / "x.json").write_text(json.dumps(rows))
    (tmp_path / "y.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    for name in ("x.feather", "x.json", "y.json.gz"):
        pd.testing.assert_frame_equal(read_candles(tmp_path / name), FRAME, check_freq=False)


@pytest.mark.parametrize(
    ("table", "say"),
    [
        (with_times(FLAT["ts"].dt.tz_localize(None)), "no time zone"),
        (with_times(FLAT["ts"].dt.tz_convert("Asia/Shanghai")), "not in UTC"),
        (with_times("yesterday"), "holds no times"),
        (FLAT.drop(columns="ts"), "has no ts"),
        (FLAT.drop(columns=["low", "close"]), "has no low, close"),
        (FLAT.assign(low="cheap"), "no number"),
    ],
)
def test_what_could_mean_several_things_is_refused(tmp_path: Path, table: pd.DataFrame, say: str) -> None:
    table.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(CandleError, match=say):
        read_candles(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.csv", "x.feather", "x.json", "x.json.gz"])
def test_no_file_and_no_candles_are_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_candles(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="can't be read"):
        read_candles(tmp_path / name)
    (tmp_path / name).write_bytes(b'{"a": 1}')
    with pytest.raises(DataError):
        read_candles(tmp_path / name)
