"""Run by `bench_regimes.py` in an interpreter that has hurst and nolds: CPU µs per window, as JSON.

Windows come by the standard input as float64, one after the other; their length is the argument.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd


def nolds_measures() -> ModuleType:
    """Without the package's `__init__`, which fails on Python 3.11."""
    spec = importlib.util.find_spec("nolds")
    if spec is None or spec.origin is None:
        raise SystemExit("nolds is not installed here")
    path = Path(spec.origin).with_name("measures.py")
    alone = importlib.util.spec_from_file_location("nolds_measures", path)
    if alone is None or alone.loader is None:
        raise SystemExit(f"{path} can't be loaded")
    module = importlib.util.module_from_spec(alone)
    alone.loader.exec_module(module)
    return module


def median_us(function: Callable[[Any], Any], windows: Any) -> float:
    function(windows[0])
    times = []
    for window in windows:
        began = time.thread_time_ns()
        function(window)
        times.append(time.thread_time_ns() - began)
    return float(np.median(times)) / 1e3


def applied_us(function: Callable[[Any], Any], windows: Any) -> float:
    """As most write it: `rolling(window).apply`, over the bars of a few windows."""
    bars = windows.ravel()[: windows.shape[1] + len(windows) - 1]
    began = time.thread_time_ns()
    pd.Series(bars).rolling(windows.shape[1]).apply(function, raw=True)
    return (time.thread_time_ns() - began) / len(windows) / 1e3


def main() -> None:
    from hurst import compute_Hc  # type: ignore[import-not-found]

    measures = nolds_measures()
    windows = np.frombuffer(sys.stdin.buffer.read()).reshape(-1, int(sys.argv[1]))
    peers: dict[str, Callable[[Any], Any]] = {
        "hurst.compute_Hc": lambda x: compute_Hc(x, kind="change", simplified=False),
        "hurst.compute_Hc, simplified": lambda x: compute_Hc(x, kind="change", simplified=True),
        "nolds.hurst_rs": lambda x: measures.hurst_rs(x, fit="poly"),
        "nolds.dfa": lambda x: measures.dfa(x, fit_exp="poly"),
    }
    took = {name: median_us(function, windows) for name, function in peers.items()}
    for name, function in (
        ("hurst.compute_Hc", lambda x: compute_Hc(x, kind="change", simplified=False)[0]),
        ("nolds.hurst_rs", peers["nolds.hurst_rs"]),
        ("nolds.dfa", peers["nolds.dfa"]),
    ):
        took[f"{name} by pandas rolling.apply"] = applied_us(function, windows)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
