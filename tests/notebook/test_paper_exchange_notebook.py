"""The local exchange in a notebook: its books, an order, a timeout, lost frames, a frozen book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.notebook import watch
from citadel_kit.notebook.unattended import execute
from citadel_kit.notebook.watching import HIDDEN, RIGHT, WRONG

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "paper_exchange.ipynb"
SYMBOL = "BTC/USDT"


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(tmp_path: Path) -> None:
    output = tmp_path / "paper.ipynb"
    execute(NOTEBOOK, output, {"RUN_DIR": str(tmp_path), "SECONDS": 3.0}, progress=False)
    told = printed(output)
    assert "closed at" in told
    assert "RequestTimeout" in told
    assert "it is open all the same" in told
    assert "['rests', 'unknown'] rest" in told
    page = output.with_suffix(".html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    result = json.loads((tmp_path / "result.json").read_text())
    quiet, lossy, after, frozen, again = result["phases"]
    assert (lossy["phase"], frozen["phase"]) == ("lose = 0.25", "freeze_book = True")
    for healthy in (quiet, again):
        assert healthy["ours_right"] > 0.5
    assert result["resyncs"] > 0
    assert result["ccxt_errors"] == 0
    assert lossy["ccxt_not_shown"] + after["ccxt_not_shown"] == 0
    assert frozen["ours_wrong"] > 0 < frozen["ccxt_wrong"]


def printed(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    outputs: list[Any] = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.slow
def test_ccxt_keeps_a_wrong_book_that_ours_does_not_show() -> None:
    with LocalExchange(venues=("kraken",), seed=4) as exchange:
        seen = watch(exchange, "kraken", SYMBOL, [(1.0, {}), (4.0, {"lose": 0.4}), (3.0, {})])
        assert exchange.venue("kraken").faults.config.lose == 0
    assert seen.resyncs > 0
    ours, theirs = ((kinds == WRONG).mean() for kinds in (seen.ours_kind, seen.theirs_kind))
    assert theirs > 0.1
    assert ours < 0.1  # behind by a lost frame, until the next one tells
    assert seen.their_errors == 0
    first = seen.seconds < seen.starts_s[1]
    assert (seen.ours_kind[first] == RIGHT).all()
    assert (seen.theirs_kind[first] == RIGHT).all()
    assert np.array_equal(seen.ours_kind == HIDDEN, np.isnan(seen.ours).any(axis=1))


def test_switches_that_are_none_are_refused_and_all_is_closed() -> None:
    with LocalExchange(venues=("kraken",)) as exchange:
        with pytest.raises(ConfigError, match="there is no switch"):
            watch(exchange, "kraken", SYMBOL, [(1.0, {"loose": 0.3})])
        assert exchange.call(lambda: exchange.venue("kraken")._listeners) == {}


def test_the_committed_notebook_is_clean_and_thin() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 8
