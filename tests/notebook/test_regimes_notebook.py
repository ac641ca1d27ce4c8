"""Regimes with their bands, and the measures side by side."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from candle_samples import random_candles, without

from citadel_kit.errors import ConfigError
from citadel_kit.io.store import write_candles
from citadel_kit.notebook import RegimePicture, study_regimes
from citadel_kit.notebook.unattended import execute

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "regimes.ipynb"


@pytest.mark.slow
def test_it_runs_on_the_sample_and_leaves_a_page_readable_offline(tmp_path: Path) -> None:
    output = tmp_path / "regimes.ipynb"
    execute(NOTEBOOK, output, {"RUN_DIR": str(tmp_path)}, progress=False)
    page = output.with_suffix(".html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 1
    assert 'src="http' not in page
    facts = json.loads((tmp_path / "result.json").read_text())
    assert (facts["bars"], facts["gaps"]) == (5_000, 1)
    assert {"random", "trending", "mean-reverting", "unknown"} == set(facts["memory"])
    assert facts["memory"]["unknown"] >= 2 * 511 / 5_000, "at the start and behind the gap"
    shown = [o for c in nbformat.read(output, as_version=4).cells for o in c.get("outputs", [])]
    kinds = {kind for o in shown for kind in o.get("data", {})}
    assert {"application/vnd.plotly.v1+json", "image/png"} <= kinds


def test_a_hole_is_a_break_in_every_line(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    write_candles(path, without(random_candles(2_600, seed=3), 1_200, 1_205))
    study = study_regimes(path, bars=10_000)
    assert (study.gaps, len(study.candles)) == (1, 2_600)
    hole = slice(1_200, 1_205)
    assert (study.regimes["memory"].iloc[hole] == "unknown").all()
    lines = [*study.volatility.values(), study.stormiest, *(b.estimate for b in study.hurst.values())]
    for values in lines:
        assert np.isnan(values[hole]).all()
        assert np.isfinite(values[-1])
    for window, band in study.hurst.items():
        assert np.isnan(band.upper[hole.stop : hole.stop + window]).all()
    figure = RegimePicture(study, bars=2_600).interactive()
    filled = [trace for trace in figure.data if trace.fill]
    assert len(filled) == 4, "plotly fills across a hole, so none may lie in a filled trace"
    assert all(np.isfinite(np.asarray(trace.y, dtype=float)).all() for trace in filled)
    assert len(RegimePicture(study, bars=500).interactive().data[-1].x) == 500
    days = {trace.name: trace.y for trace in figure.data}["days of this memory"]
    assert days[1_199] > 0 and np.isnan(days[hole]).all() and days[1_205] == 0, "time begins anew behind it"
    assert "by chance" in study._repr_html_()
    assert "bars (" in study.facts()["now"]["memory"]


def test_too_few_candles_are_refused() -> None:
    with pytest.raises(ConfigError, match="bars"):
        study_regimes(bars=1_000)


def test_the_committed_notebook_is_clean_and_thin() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 8
