"""What a run of the execution notebook leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from citadel_kit.run.report import ExecutionReport


def record_orders(run_dir: str, reports: Mapping[str, ExecutionReport]) -> dict[str, list[dict[str, object]]]:
    """The reports' rows by market, written to `result.json` in `run_dir`; empty: nowhere."""
    rows = {
        market: json.loads(report.frame.to_json(orient="records", date_format="iso"))
        for market, report in reports.items()
    }
    if run_dir:
        Path(run_dir, "result.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return rows
