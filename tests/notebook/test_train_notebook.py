"""Training, with every test of whether to believe it."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from citadel_kit.io.models import load_model, read_manifest
from citadel_kit.notebook.unattended import execute

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "train.ipynb"


@pytest.mark.slow
def test_it_runs_on_the_sample_and_leaves_a_page_and_a_model(tmp_path: Path) -> None:
    output = tmp_path / "train.ipynb"
    execute(NOTEBOOK, output, {"RUN_DIR": str(tmp_path)}, progress=False)
    page = output.with_suffix(".html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 4
    assert 'src="http' not in page
    facts = json.loads((tmp_path / "result.json").read_text())
    assert 0 <= facts["overfitting"] <= 1
    ours = [f for f in facts["findings"] if f["pipeline"] == "ours"]
    planted = [f for f in facts["findings"] if f["pipeline"] != "ours"]
    assert not any(f["certain"] for f in ours)
    assert {"future perturbation"} <= {f["test"] for f in planted if f["where"] == "centred_mean"}
    shown = [o for c in nbformat.read(output, as_version=4).cells for o in c.get("outputs", [])]
    assert {"application/vnd.plotly.v1+json", "image/png"} <= {k for o in shown for k in o.get("data", {})}
    manifest = read_manifest(tmp_path / "model")
    assert manifest["trials"] == 3 + 7
    assert manifest["data"]["bars"] == 8_000
    assert manifest["settings"]["features.hurst_window"] == 512
    assert load_model(tmp_path / "model").trees == manifest["trees"]
