"""Rolling Hurst exponents and volatility over 100,000 bars, beside hurst, nolds and pandas.

Ours runs over all bars; a peer over a number of windows that is said, since all would take it minutes. All
are µs of CPU time per window; a ratio is the peer's over that of the kit's function for the same question:

- `hurst.compute_Hc` and `nolds.hurst_rs` rescale the range, `nolds.dfa` takes lines off: each with its own
  choice of scales, in the interpreter that CITADEL_HURST names.
- `… by pandas rolling.apply` is what most write: the same peers, called on each window of a pandas series.
- `pandas rolling.apply` without a peer's name runs a vectorised numpy twin of ours on each window: the same
  scales and the same numbers, which is checked. It is the hardest of these peers: a few calls of numpy.
- `pandas rolling.std` is compiled too, and takes values off a running sum; so the two do not do the same.

The share of memory bandwidth is that of the bytes that have to move (each input read, each output written
once) at the speed of a large copy on this machine: how far from the least time there is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from math import gamma, pi, sqrt
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.macro.indicators import rolling_mean_std
from citadel_kit.macro.regimes import rolling_hurst, rolling_hurst_lags, rolling_hurst_rs, yang_zhang

BARS: Final = 100_000
WINDOW: Final = 512
VOLATILITY_WINDOW: Final = 96
PEER_WINDOWS: Final = 40
APPLIED: Final = 300
PEER: Final = Path(__file__).with_name("peer_hurst.py")

Floats = NDArray[np.float64]


class Line(NamedTuple):
    name: str
    us: float
    """Per window."""
    arrays: int = 0
    """Read and written, of ours."""


def dfa(x: Floats) -> float:
    profile = np.concatenate(([0.0], np.cumsum(x)))[::-1]
    scales = [8, 16, 32, 64, 128]
    logs = []
    for n in scales:
        blocks = np.array([profile[i : i + n] for i in range(0, len(profile) - n, n // 2)]).T
        t = np.arange(n)
        slope, level = np.polyfit(t, blocks, 1)
        logs.append(0.5 * np.log(((blocks - np.outer(t, slope) - level) ** 2).mean()))
    return float(np.polyfit(np.log(scales), logs, 1)[0])


def expected(n: int) -> float:
    k = np.arange(1, n)
    total = float(np.sqrt((n - k) / k).sum())
    return (n - 0.5) / n * gamma((n - 1) / 2) / (sqrt(pi) * gamma(n / 2)) * total


def rescaled(x: Floats) -> float:
    scales = [8, 16, 32, 64, 128, 256]
    logs = []
    for n in scales:
        blocks = x[len(x) % n :].reshape(-1, n)
        path = np.cumsum(blocks - blocks.mean(axis=1, keepdims=True), axis=1)
        ratio = (path.max(axis=1) - path.min(axis=1)) / blocks.std(axis=1, ddof=1)
        logs.append(np.log(ratio.mean()) - np.log(expected(n)) + np.log(n) / 2)
    return float(np.polyfit(np.log(scales), logs, 1)[0])


def lags(x: Floats) -> float:
    path = np.concatenate(([0.0], np.cumsum(x)))
    steps = [1, 2, 4, 8, 16, 32]
    return float(np.polyfit(np.log(steps), [np.log(np.var(path[q:] - path[:-q])) / 2 for q in steps], 1)[0])


def ours(name: str, function: Callable[[], Any], arrays: int, rounds: int) -> Line:
    function()  # compiles, or reads the compiled code
    times = []
    for _ in range(rounds):
        began = thread_time()
        function()
        times.append(thread_time() - began)
    return Line(name, 1e6 * float(np.median(times)) / BARS, arrays)


def applied(name: str, x: Floats, window: int, function: Callable[[Floats], float], kit: Floats) -> Line:
    """The twin on the last windows; raises where the kit says otherwise."""
    part = pd.Series(x[-(window + APPLIED - 1) :]).rolling(window)
    began = thread_time()
    values = part.apply(function, raw=True).to_numpy()[window - 1 :]
    took = thread_time() - began
    apart = float(np.abs(values - kit[-APPLIED:]).max())
    if not apart < 1e-9:
        raise SystemExit(f"{name}: the kit's values lie {apart:g} from the twin's")
    return Line(f"pandas rolling.apply, {name}", 1e6 * took / APPLIED)


def peers(returns: Floats) -> list[Line]:
    python = os.environ.get("CITADEL_HURST", "")
    if not python:
        print("hurst and nolds are skipped: CITADEL_HURST names no interpreter that has them")
        return []
    windows = np.ascontiguousarray(returns[: PEER_WINDOWS * WINDOW])
    done = subprocess.run(
        [python, str(PEER), str(WINDOW)], input=windows.tobytes(), capture_output=True, check=False
    )
    if done.returncode:
        print(f"hurst and nolds failed: {done.stderr.decode().strip().splitlines()[-1]}")
        return []
    return [Line(name, us) for name, us in json.loads(done.stdout).items()]


def bandwidth() -> float:
    """Bytes per second read and written by a copy of 256 MB."""
    source = np.ones(1 << 25)
    target = np.empty_like(source)
    times = []
    for _ in range(5):
        began = perf_counter()
        np.copyto(target, source)
        times.append(perf_counter() - began)
    return float(2 * source.nbytes / min(times))


def report(title: str, mine: Line, others: list[Line], speed: float) -> None:
    share = 8 * mine.arrays / (1e-6 * mine.us) / speed
    print(f"  {title}")
    print(f"    {mine.name:<44}{mine.us:10.3f} µs   {share:6.1%} of the copy's bandwidth")
    for line in others:
        print(f"    {line.name:<44}{line.us:10,.3f} µs   {line.us / mine.us:10,.1f} x")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    rng = np.random.default_rng(7)
    returns = 0.01 * rng.standard_t(3, BARS)
    o, h, low, c = _bars(returns, rng)
    speed, known = bandwidth(), peers(returns)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{BARS:,} bars, one core, median of {rounds} rounds, load average {load:.1f}")
    print(f"a copy moves {speed / 1e9:.1f} GB/s; peers: {PEER_WINDOWS} windows, applied: {APPLIED}")
    print("the bar: 1,000 x")
    for name, function, twin, word in (
        ("rolling_hurst_rs", rolling_hurst_rs, rescaled, ("hurst.", "nolds.hurst")),
        ("rolling_hurst", rolling_hurst, dfa, ("nolds.dfa",)),
        ("rolling_hurst_lags", rolling_hurst_lags, lags, ("hurst.compute_Hc, simp",)),
    ):
        mine = ours(name, lambda f=function: f(returns, WINDOW), 2, rounds)  # type: ignore[misc]
        others = [line for line in known if line.name.startswith(word)]
        others.append(applied(name, returns, WINDOW, twin, function(returns, WINDOW)))
        report(f"Hurst, windows of {WINDOW}", mine, others, speed)
    series, n = pd.Series(returns), VOLATILITY_WINDOW
    std = rolling_mean_std(returns, n).std
    cython = ours("pandas rolling.std", lambda: series.rolling(n).std(ddof=0), 2, rounds)
    twin_line = applied("std", returns, n, lambda x: float(np.std(x)), std)
    mine = ours("rolling_mean_std", lambda: rolling_mean_std(returns, n), 3, rounds)
    report(f"volatility, windows of {n}", mine, [twin_line, cython], speed)
    mine = ours("yang_zhang", lambda: yang_zhang(o, h, low, c, n), 5, rounds)
    report(
        f"volatility of open, high, low, close, windows of {n}",
        mine,
        [_pandas_yang_zhang(o, h, low, c)],
        speed,
    )


def _bars(returns: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    close = np.exp(np.cumsum(1e-2 * returns))
    o = np.concatenate(([1.0], close[:-1]))
    reach = np.exp(1e-4 * np.abs(rng.standard_normal(BARS)))
    return o, np.maximum(o, close) * reach, np.minimum(o, close) / reach, close


def _pandas_yang_zhang(o: Floats, h: Floats, low: Floats, c: Floats) -> Line:
    """On each window of a frame, as `rolling.apply` can't: a loop over slices."""
    n = VOLATILITY_WINDOW
    prices = {"o": o, "h": h, "l": low, "c": c, "before": np.concatenate(([1.0], c[:-1]))}
    bars = pd.DataFrame({name: np.log(values) for name, values in prices.items()})
    kit, k = yang_zhang(o, h, low, c, n), 0.34 / (1.34 + (n + 1) / (n - 1))
    began = thread_time()
    values = []
    for end in range(BARS - APPLIED, BARS):
        b = bars.iloc[end - n + 1 : end + 1]
        inside = ((b["h"] - b["c"]) * (b["h"] - b["o"]) + (b["l"] - b["c"]) * (b["l"] - b["o"])).mean()
        variance = (b["o"] - b["before"]).var() + k * (b["c"] - b["o"]).var() + (1 - k) * inside
        values.append(variance**0.5)
    took = thread_time() - began
    if not np.allclose(values, kit[-APPLIED:], rtol=1e-9):
        raise SystemExit("yang_zhang: the kit's values are not pandas'")
    return Line("pandas, window by window", 1e6 * took / APPLIED)


if __name__ == "__main__":
    main()
