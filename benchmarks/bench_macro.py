"""The macro layer at work: 100 markets to signals, training on 429,447 bars, and a backtest, beside peers.

(a) 100 markets of 2,000 bars from Parquet to signals (read, check, features, regimes, inference, decision) by
    a model trained before, in one process; then the same after one new candle each, with a `FeatureStream` a
    market. There is no peer.
(b) Purged walk-forward training with 60 features, five fits of 60 trees, two threads, from candles in memory;
    peer_sklearn.py does it the usual way. Each in a process of its own: peak memory is the process's. Threads
    that wait sleep (OMP_WAIT_POLICY=passive, for both), else they spin: on a busy machine most of the time.
(c) Features and regimes of 429,447 bars, computed and answered by the cache, which hashes all its input.
(d) A moving-average rule with the same trades in vectorbt and backtesting, which the interpreter named by
    CITADEL_BACKTESTERS has; entries, exits and results are compared before anything is timed.

Ratios are of CPU time, all threads together, since a machine with other work to do tells nearly the same;
wall time stands beside it, and the machine's load. Medians where a thing is done more than once.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.io.store import read_candles, write_candles
from citadel_kit.macro.backtest import CostConfig, backtest
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.candles import YEAR_NS, open_ns
from citadel_kit.macro.features import FeatureConfig, FeatureStream, feature_matrix
from citadel_kit.macro.indicators import rolling_mean_std
from citadel_kit.macro.labels import triple_barrier
from citadel_kit.macro.performance import equity_curve
from citadel_kit.macro.regimes import regime_frame
from citadel_kit.macro.simulate import random_walk
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import train
from citadel_kit.run.macro_loop import MacroConfig, infer, run_macro

HERE: Final = Path(__file__).parent
CANDLES: Final = HERE.parents[1] / "shared" / "candles" / "binance_spot_5m"
FULL: Final = CANDLES / "BTCUSDT-5m_20220101_20260131.parquet"
PAIRS, BARS = 100, 2_000
FAST, SLOW, FEE = 24, 96, 0.001
"""As in peer_backtest.py."""
SHORT: Final = 20_000
PARTS: Final = ("features", "labels", "training")
SIXTY: Final = FeatureConfig(
    return_lags=(1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 144, 192),
    volatility_windows=(12, 24, 48, 96, 144, 288, 576),
    rsi_windows=(5, 7, 10, 14, 18, 21, 28, 35, 42),
    ema_windows=(6, 12, 18, 24, 36, 48, 72, 96, 120, 144, 168, 192, 240, 288, 384, 480, 576),
)


def pairs_to_signals() -> None:
    walk = random_walk("garch", 12_000, np.random.default_rng(1))
    config = MacroConfig()
    model = run_macro(walk, "1h", "SIM/USD", int(open_ns(walk)[-1]) + YEAR_NS, config).model
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.parquet" for number in range(PAIRS)]
        for number, path in enumerate(paths):
            write_candles(path, random_walk("garch", BARS + 1, np.random.default_rng([2, number])))

        def whole() -> None:
            for path in paths:
                frame = read_candles(path).iloc[:BARS]
                infer(frame, "1h", "SIM/USD", int(open_ns(frame)[-1]) + YEAR_NS, model, config)

        wall, cpu = medians(whole, 5)
        text = f"{cpu:.2f} s of one core ({wall:.2f} wall)"
        print(f"  {PAIRS} pairs of {BARS:,} bars, from Parquet to signals: {text}", flush=True)
        frames = [read_candles(path) for path in paths]
        rounds = []
        for _ in range(5):
            streams = [FeatureStream("1h", config.features) for _ in frames]
            for stream, frame in zip(streams, frames, strict=True):
                stream.update(frame.iloc[:BARS])
            begun = marked()
            for stream, frame in zip(streams, frames, strict=True):
                now_ns = int(open_ns(frame)[-1]) + YEAR_NS
                infer(frame, "1h", "SIM/USD", now_ns, model, config, stream)
            rounds.append(marked() - begun)
        wall, cpu = np.median(rounds, axis=0).tolist()
        text = f"{1e3 * cpu:.0f} ms in all, {1e3 * cpu / PAIRS:.2f} ms a pair ({1e3 * wall:.0f} wall)"
        print(f"  after one new candle each: {text}")


def cached() -> None:
    frame, cache = read_candles(FULL), Cache(2**30)
    for name, function in (("features", feature_matrix), ("regimes", regime_frame)):
        _, computed = medians(lambda f=function: f(frame, "5m"), 5)  # type: ignore[misc]
        _, answered = medians(lambda f=function: cache.call(f, frame, "5m"), 5)  # type: ignore[misc]
        print(f"  {name} of {len(frame):,} bars: {1e3 * computed:.0f} ms, cached {1e3 * answered:.1f} ms")


def train_whole() -> dict[str, Any]:
    """The kit's side of (b), in this process."""
    frame, marks = read_candles(FULL), [marked()]
    x = feature_matrix(frame, "5m", SIXTY)
    marks.append(marked())
    labels = triple_barrier(frame, "5m")
    marks.append(marked())
    trained = train(x, labels, PurgedWalkForward(4, 48), TrainConfig(threads=2))
    marks.append(marked())
    return {
        "seconds": np.diff(marks, axis=0).round(3).tolist(),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "columns": x.shape[1],
        "log_loss": float(np.mean([fold.log_loss for fold in trained.folds])),
    }


def training() -> None:
    kit = told([sys.executable, __file__, "--train"])
    peer = told([sys.executable, str(HERE / "peer_sklearn.py"), str(FULL)])
    for name, found in (("kit", kit), ("pandas + scikit-learn", peer)):
        cpu = [part[1] for part in found["seconds"]]
        parts = ", ".join(f"{part} {s:.1f}" for part, s in zip(PARTS, cpu, strict=True))
        wall = sum(part[0] for part in found["seconds"])
        print(
            f"  {name}: {sum(cpu):.1f} s CPU ({parts}), {wall:.1f} wall, peak {found['mib']:,.0f} MiB, "
            f"{found['columns']} columns, log loss {found['log_loss']:.4f}"
        )
    ours, theirs = (np.array(found["seconds"]) for found in (kit, peer))
    cpu, wall = (theirs.sum(axis=0) / ours.sum(axis=0))[::-1].tolist()
    print(
        f"  ratios: CPU {cpu:.1f}, wall {wall:.1f}, memory {peer['mib'] / kit['mib']:.1f}; CPU of "
        f"the training alone {theirs[2, 1] / ours[2, 1]:.1f}"
    )


def crossing(frame: pd.DataFrame, costs: CostConfig) -> tuple[list[list[int]], float]:
    """Entry and exit rows, and what the rule made."""
    close = frame["close"].to_numpy()
    fast, slow = rolling_mean_std(close, FAST).mean, rolling_mean_std(close, SLOW).mean
    wanted = np.where(fast > slow, 1.0, 0.0)
    wanted[:SLOW] = 0.0  # backtesting decides nothing at the first bar that has both means
    done = backtest(frame, wanted, costs)
    change = np.diff(done.position, prepend=0.0, append=0.0)
    entries, exits = np.flatnonzero(change > 0), np.flatnonzero(change < 0)
    trades = np.column_stack((entries, np.minimum(exits, len(frame) - 1))).tolist()
    return trades, float(equity_curve(done.net)[-1] - 1)


def backtests() -> None:
    frame, python = read_candles(FULL), os.environ.get("CITADEL_BACKTESTERS", "")
    free, dear = CostConfig(0.0, 0.0), CostConfig(FEE * 1e4, 0.0)
    for bars, peers in ((SHORT, ["vectorbt", "backtesting"]), (len(frame), ["vectorbt"])):
        part = frame.tail(bars)
        _, seconds = medians(lambda part=part: crossing(part, dear), 9)  # type: ignore[misc]
        trades, made = crossing(part, free)
        net = crossing(part, dear)[1]
        print(f"  {bars:,} bars, {len(trades):,} trades: kit {bars / seconds:,.0f} bars/s")
        if not python:
            print("    CITADEL_BACKTESTERS names no interpreter with vectorbt and backtesting: no peer")
            continue
        command = [python, str(HERE / "peer_backtest.py"), str(FULL), str(bars), *peers]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for line in out.splitlines():
            found = json.loads(line)
            name, took = found["peer"], min(found["free"]["seconds"], found["dear"]["seconds"])
            same = differing(trades, found["free"]["trades"])
            print(
                f"    {name} {found['version']}: {bars / took:,.0f} bars/s, ratio {took / seconds:,.0f}; "
                f"{same};\n      made {found['free']['made']:+.6f} and ours {made:+.6f} without fees, "
                f"{found['dear']['made']:+.6f} and {net:+.6f} with {FEE:.1%}"
            )


def differing(ours: list[list[int]], theirs: list[list[int]]) -> str:
    odd = [trade for trade in ours if trade not in theirs] + [trade for trade in theirs if trade not in ours]
    return "the same trades" if not odd else f"{len(odd)} trades differ, the first {odd[0]}"


def medians(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of wall and of CPU time."""
    call()
    found = []
    for _ in range(rounds):
        begun = marked()
        call()
        found.append(marked() - begun)
    wall, cpu = np.median(found, axis=0).tolist()
    return wall, cpu


def marked() -> NDArray[np.float64]:
    """Wall and CPU time so far."""
    return np.array([time.perf_counter(), time.process_time()])


def told(command: list[str]) -> dict[str, Any]:
    calm = os.environ | {"OMP_WAIT_POLICY": "passive"}
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=calm).stdout
    return dict(json.loads(out.splitlines()[-1]))


def main() -> None:
    if sys.argv[1:] == ["--train"]:
        print(json.dumps(train_whole()))
        return
    print(f"load {os.getloadavg()[0]:.1f}")
    pairs_to_signals()
    if not FULL.is_file():
        print("skipped: the candles are not in ../shared/candles")
        return
    cached()
    training()
    backtests()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
