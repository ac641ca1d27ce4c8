"""The result file of a run: plain JSON, so that a scheduler or a person can read what happened."""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import Any

from citadel_kit import clock
from citadel_kit.notebook.world import World
from citadel_kit.run.entry import EntryPlan
from citadel_kit.run.macro_loop import MacroResult
from citadel_kit.types import MicroSnapshot, OrderView, Verdict


class Result(dict[str, Any]):
    """What `result.json` holds; in a notebook it shows as the table a person reads first."""

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in summarise(self))
        return f"<table>{rows}</table>"


def make_result(
    world: World,
    macro: MacroResult,
    plan: EntryPlan,
    verdict: Verdict,
    order: OrderView | None,
    end: MicroSnapshot,
) -> Result:
    """Everything a reader of the run wants first; NaN becomes null."""
    signal = macro.signal
    placed = order is not None and not order.forced
    return Result(
        _plain(
            {
                "mode": end.mode,
                "origin": world.origin,
                "symbol": world.symbol,
                "market": {"from": clock.iso(world.start_ns), "to": clock.iso(end.asof_ns)},
                "signal": {
                    "asof": clock.iso(signal.asof_ns),
                    "valid_until": clock.iso(signal.valid_until_ns),
                    "regime": str(signal.regime),
                    "hurst": signal.regime.hurst,
                    "annual_volatility": signal.regime.volatility,
                    "probability": signal.probability,
                    "side": signal.side.name if signal.side else None,
                    "fraction": signal.fraction,
                    "reason": signal.reason,
                },
                "out_of_sample": {"verdict": macro.verdict, "model_skill": macro.skill, **macro.summary},
                "entry": "placed" if placed else "none",
                "entry_reason": plan.reason if plan.intent is None or placed else verdict.text,
                "gate": {"allowed": verdict.allowed, "reasons": list(verdict.reasons), "text": verdict.text},
                "order": None if order is None else _order(order),
                "books": {v.venue: {"state": v.state.name, **v.counts} for v in end.venues},
                "guard": end.guard,
            }
        )
    )


def write_result(
    run_dir: str,
    world: World,
    macro: MacroResult,
    plan: EntryPlan,
    verdict: Verdict,
    order: OrderView | None,
    end: MicroSnapshot,
) -> Result:
    """`result.json` in `run_dir`; with an empty `run_dir` nothing is written. Returns what it holds."""
    result = make_result(world, macro, plan, verdict, order, end)
    if run_dir:
        Path(run_dir).mkdir(parents=True, exist_ok=True)
        (Path(run_dir) / "result.json").write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def summarise(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each line a person reads first."""
    signal, order = result["signal"], result["order"]
    probability = "none" if signal["probability"] is None else f"{signal['probability']:.3f}"
    lines = [
        ("mode", f"{result['mode']}: {result['origin']}"),
        ("regime", f"{signal['regime']} as of {signal['asof']}"),
        ("probability", f"{probability} of the upper barrier first, given that one is touched"),
        ("out of sample", result["out_of_sample"]["verdict"]),
        ("model skill", _skill(result["out_of_sample"]["model_skill"])),
        ("entry", f"{result['entry']}: {result['entry_reason']}"),
        ("gate", result["gate"]["text"]),
    ]
    books = ", ".join(
        f"{name} {book['state']}: {book['frames']:,} frames, {book['gaps']} gaps, "
        f"{book['oracle_agrees']:,} of {book['oracle_agrees'] + book['oracle_disagrees']:,} quotes agree"
        for name, book in result["books"].items()
    )
    if order is not None:
        drill = " (forced: a drill, no signal asked for it)" if order["forced"] else ""
        price = "" if order["average_price"] is None else f" at {order['average_price']:,.4f} on average"
        slip = (
            "none" if order["slippage_bps"] is None else f"{order['slippage_bps']:+.3f} bps against arrival"
        )
        lines += [
            ("order", f"{order['side']} {order['qty']:g} on {order['venue']}{drill}: {order['status']}"),
            ("fills", f"{order['filled']:g} of {order['qty']:g}{price}, {order['reprices']} reprices"),
            ("slippage", f"{slip}, fees {order['fees']:.4f} {result['symbol'].split('/')[1]} not included"),
        ]
    return [*lines, ("books", books)]


def _skill(skill: float | None) -> str:
    if skill is None:
        return "not known"
    worth = "" if skill > 0 else ": none, so the live signal takes no side"
    return f"{skill:+.1%} of the base rate's log loss saved out of sample{worth}"


def _order(view: OrderView) -> dict[str, Any]:
    return {
        "id": view.parent_id,
        "venue": view.venue,
        "side": view.side.name,
        "forced": view.forced,
        "status": view.status,
        "note": view.note,
        "qty": view.qty,
        "filled": view.filled,
        "arrival_mid": view.arrival_mid,
        "average_price": view.average_price,
        "slippage_bps": view.slippage_bps,
        "fees": view.fees,
        "reprices": view.reprices,
        "submitted": clock.iso(view.submitted_ns),
        "finished": clock.iso(view.finished_ns) if view.finished_ns else None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
