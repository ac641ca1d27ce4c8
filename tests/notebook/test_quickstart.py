"""The main job, end to end, as its user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_quickstart.ipynb"


def citadel(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "citadel_kit.cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


def run_demo(tmp_path: Path, *words: str) -> tuple[str, Path, dict[str, Any]]:
    done = citadel("demo", "--out", str(tmp_path), *words)
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.iterdir()
    assert {p.name for p in run.iterdir()} == {"quickstart.ipynb", "quickstart.html", "result.json"}
    return done.stdout, run, json.loads((run / "result.json").read_text())


def check_result(result: dict[str, Any], said: str) -> None:
    """What holds on any input, whatever the model thinks."""
    assert result["mode"] == "REPLAY"
    assert result["signal"]["asof"] <= result["market"]["from"], "nothing of the market's own time was used"
    assert result["gate"]["allowed"], result["gate"]
    order = result["order"]
    if result["entry"] == "none":
        assert order["forced"]
        assert result["entry_reason"].startswith(("flat", "the signal is SELL"))
    else:
        assert not order["forced"]
    assert order["status"] in {"filled", "expired"}
    assert 0 < order["filled"] <= order["qty"]
    assert abs(order["slippage_bps"]) < 50
    for book in result["books"].values():
        assert book["state"] == "LIVE"
        assert (book["gaps"], book["malformed"], book["oracle_disagrees"]) == (0, 0, 0)
        assert book["oracle_agrees"] > 100
    for label in ("regime", "probability", "gate", "order", "fills", "slippage"):
        assert f"{label}  " in said


def check_page(run: Path) -> None:
    page = (run / "quickstart.html").read_text()
    assert page.count("data:image/png;base64,") >= 3, "the macro picture, the panel, and its last moment"
    assert 'src="http' not in page


def test_without_arguments_or_network(tmp_path: Path) -> None:
    said, run, result = run_demo(tmp_path)
    check_result(result, said)
    check_page(run)
    assert set(result["books"]) == {"alpha", "beta"}
    assert "synthetic" in result["origin"]


def test_on_real_input(tmp_path: Path, shared: Path) -> None:
    tape = shared / "tapes" / "binance_spot_btcusdt.tape.gz"
    candles = shared / "candles" / "binance_spot_5m" / "BTCUSDT-5m_20220101_20260131.parquet"
    said, run, result = run_demo(tmp_path, "--tape", str(tape), "--candles", str(candles))
    check_result(result, said)
    check_page(run)
    book = result["books"]["binance"]
    assert (book["frames"], book["book_frames"], book["oracle_agrees"]) == (41_249, 3_451, 564)
    assert result["market"]["from"].startswith("2024-08-08T23:54:13")
    assert result["signal"]["asof"] == "2024-08-08T23:50:00.000Z"


def test_a_failing_cell_is_a_failing_command(tmp_path: Path, shared: Path) -> None:
    garbage = tmp_path / "candles.parquet"
    garbage.write_bytes(b"no candles")
    tape = shared / "tapes" / "binance_spot_btcusdt.tape.gz"
    done = citadel("demo", "--out", str(tmp_path / "runs"), "--tape", str(tape), "--candles", str(garbage))
    assert done.returncode == 1
    assert "candles.parquet" in done.stderr.splitlines()[-1]
    (run,) = (tmp_path / "runs").iterdir()
    assert {p.name for p in run.iterdir()} == {"quickstart.ipynb", "quickstart.html"}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--tape", "nowhere.gz", "--candles", __file__], "there is no file 'nowhere.gz'"),
        (["--tape", __file__], "a tape needs candles"),
        (["--live", "binance", "--tape", __file__], "doesn't go with"),
        (["--live", "nasdaq"], "nasdaq"),
    ],
)
def test_wrong_wishes_fail_with_one_line_before_anything_runs(
    tmp_path: Path, words: list[str], problem: str
) -> None:
    done = citadel("demo", "--out", str(tmp_path), *words)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("citadel: ")
    assert problem in line
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option() -> None:
    said = citadel("demo", "--help").stdout
    for option in ("--tape", "--candles", "--live", "--venue", "--symbol", "--seed", "--watch", "--out"):
        assert option in said


def test_the_committed_notebook_is_clean_and_thin() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 14
