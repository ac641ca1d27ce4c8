"""One order from intent to report: on the local exchange, and on a recorded market."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from citadel_kit.io.journal import Journal
from citadel_kit.notebook.unattended import execute

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "execution.ipynb"


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITADEL_STATE", str(tmp_path / "state"))
    output = tmp_path / "execution.ipynb"
    execute(NOTEBOOK, output, {"RUN_DIR": str(tmp_path), "DEADLINE_S": 4}, progress=False)
    cells = nbformat.read(output, as_version=4).cells
    outputs: list[Any] = [said for cell in cells for said in cell.get("outputs", [])]
    assert not [said for said in outputs if said.get("name") == "stderr"]
    page = output.with_suffix(".html").read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 2
    rows = json.loads((tmp_path / "result.json").read_text())
    entry, leave = rows["local exchange"][0], rows["local exchange"][-1]
    assert (entry["parent_id"], leave["parent_id"][:3]) == ("p1", "p1x")
    assert entry["status"] == leave["status"] == "filled"
    for row in [*rows["local exchange"], *rows["recorded"]]:
        assert row["shortfall_bps"] == pytest.approx(row["spread_bps"] + row["drift_bps"] + row["fees_bps"])
    with Journal.open_readonly(tmp_path / "journal.db") as journal:
        orders, fills = journal.orders(), journal.fills()
    signed = fills["qty"].where(fills["side"] == "BUY", -fills["qty"])
    bought = fills.loc[fills["side"] == "BUY", "qty"].sum()
    assert 0 <= signed.sum() <= 0.002 * bought  # the rest is the fee that the venue kept, and dust
    stops = orders[orders["order_id"] > 1_000_000]
    assert len(stops) >= 1 and not stops["status"].isin(["sent", "unknown", "resting"]).any()
