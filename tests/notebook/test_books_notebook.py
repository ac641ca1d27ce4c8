"""Books you can trust: what a lost frame does to our book and to ccxt.pro's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.notebook import compare
from citadel_kit.notebook.unattended import execute

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "books_you_can_trust.ipynb"
KRAKEN = "kraken_v2_btcusd_d25.tape.gz"


def run(tmp_path: Path, **parameters: Any) -> dict[str, Any]:
    output = tmp_path / "books.ipynb"
    execute(NOTEBOOK, output, {"RUN_DIR": str(tmp_path), **parameters}, progress=False)
    page = output.with_suffix(".html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    assert 'src="http' not in page
    return dict(json.loads((tmp_path / "result.json").read_text()))


def test_without_a_tape_or_network(tmp_path: Path) -> None:
    """Binance's updates are numbered, and both sides check the numbers."""
    n = run(tmp_path)
    assert n["lost"] == n["updates"] // 100 > 5
    assert n["ours_wrong"] == n["ccxt_wrong"] == 0
    assert n["ours_reported"] == n["ccxt_reported"] == n["lost"]
    assert 0 < n["ours_not_shown"] < n["judged"] / 10


def test_on_kraken(tmp_path: Path, shared: Path) -> None:
    """ccxt.pro ignores the checksums."""
    tape = shared / "tapes" / KRAKEN
    n = run(tmp_path, TAPE=str(tape), VENUE="kraken", SYMBOL="BTC/USD")
    assert (n["updates"], n["lost"]) == (2_051, 20)
    assert n["ours_wrong"] == 0
    assert n["ours_reported"] > 5
    assert n["ours_right"] > n["judged"] / 2
    assert n["ccxt_reported"] == n["ccxt_not_shown"] == 0
    assert n["ccxt_wrong"] > n["judged"] / 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ours_is_never_wrong_on_kraken(shared: Path, seed: int) -> None:
    comparison = compare(str(shared / "tapes" / KRAKEN), "kraken", "BTC/USD", 0.03, seed)
    n = comparison.counts()
    assert n["ours_wrong"] == 0 < n["ccxt_wrong"]
    assert n["judged"] == n["ours_right"] + n["ours_not_shown"] == n["ccxt_right"] + n["ccxt_wrong"]


@pytest.mark.parametrize("name", [KRAKEN, "binance_spot_btcusdt.tape.gz"])
def test_where_nothing_is_lost_all_three_agree(shared: Path, name: str) -> None:
    """So what is wrong otherwise comes from the loss, and not from how ccxt.pro is driven here."""
    venue, symbol = ("kraken", "BTC/USD") if name == KRAKEN else ("binance", "BTC/USDT")
    comparison = compare(str(shared / "tapes" / name), venue, symbol, 0.0, 7)
    shown = ~comparison.hidden(comparison.ours)
    assert shown.sum() >= comparison.updates - 3, "the first snapshot by REST takes 200 ms"
    assert np.array_equal(comparison.ours[shown], comparison.truth[shown])
    assert np.array_equal(comparison.theirs[shown], comparison.truth[shown])
    assert comparison.our_gaps == comparison.their_errors == 0


def test_a_nearly_dead_stream_is_given_up_and_connected_anew() -> None:
    """The quotes run far ahead of the book; ours shows little, and nothing wrong."""
    comparison = compare("", "binance", "BTC/USDT", 0.97, 7)
    n = comparison.counts()
    assert n["ours_wrong"] == 0
    assert comparison.connects > 1


@pytest.mark.parametrize(
    ("tape", "venue", "loss", "problem"),
    [
        ("", "binance", 1.0, "share"),
        ("", "binance", -0.1, "share"),
        (__file__, "okx", 0.01, "Known: binance"),
    ],
)
def test_what_cannot_be_compared_is_refused(tape: str, venue: str, loss: float, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        compare(tape, venue, "BTC/USDT", loss, 7)


def test_the_committed_notebook_is_clean_and_thin() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 8
