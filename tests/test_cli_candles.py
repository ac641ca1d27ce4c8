"""`citadel candles check` as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from candle_samples import random_candles
from typer.testing import CliRunner

from citadel_kit.cli import app
from citadel_kit.clock import now_ns


def run(*words: object) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["candles", "check", *map(str, words)])
    return done.exit_code, done.stdout.splitlines()


def written(path: Path, frame: pd.DataFrame) -> Path:
    frame.reset_index().to_csv(path, index=False)
    return path


def test_faults_come_first_and_holes_are_counted_after_ten(tmp_path: Path) -> None:
    frame = random_candles(100).iloc[::2]
    frame = pd.concat([random_candles(100).iloc[:60], frame.iloc[30:]])
    frame.iloc[5, 1] = 1.0
    status, lines = run(written(tmp_path / "x.csv", frame))
    assert status == 1
    assert lines[0].startswith("impossible: 1 bars")
    assert lines[1] == "80 bars of 1h, 19 holes with 19 bars"
    assert [line.partition(":")[0] for line in lines[2:-1]] == ["hole"] * 10
    assert lines[-1] == "and 9 more holes; --json has them all"
    status, lines = run(written(tmp_path / "x.csv", frame), "--json")
    found = json.loads("\n".join(lines))
    assert (status, len(found["holes"]), len(found["faults"])) == (1, 19, 1)


def test_sound_candles_and_those_of_the_future(tmp_path: Path) -> None:
    frame = random_candles(30)
    assert run(written(tmp_path / "x.csv", frame)) == (0, ["30 bars of 1h, 0 holes with 0 bars"])
    hour = pd.Timestamp(now_ns(), tz="UTC").floor("h")
    late = frame.set_axis(pd.date_range(end=hour, periods=30, freq="1h", name="ts"))
    status, lines = run(written(tmp_path / "x.csv", late))
    assert status == 1
    assert lines[0].startswith(f"unclosed: the bar of {hour:%Y-%m-%d %H:%M}")
