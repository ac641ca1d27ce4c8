"""The flash-crash breaker: microseconds of an update, and when it trips on real candles and tapes.

    python benchmarks/bench_guard.py

Detection takes one update, so an update's time is the time to detect: measured in plain Python, as the live
driver runs it, and compiled. The tables of `docs/guard.md` are this script's.

Candles of one minute are fed as four mids, 20 s apart: open, the two extremes, close, with the high before
the low (so that each candle falls by its whole range) and the other way round. The truth lies between. They
know no spread and no depth: the spread is fed as 0 and the depth as unknown, so only falls can trip. The mids
are 20 s apart, so the window of 10 s never holds two of them, and what trips is the window of 5 minutes.
Nobody re-arms: what is counted are the trips that follow a release.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from citadel_kit import settings
from citadel_kit.io.tape import Tape
from citadel_kit.micro import guard
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig, GuardState, Sight, Trip
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.engine import Engine
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.venues import codec

SECOND, SHARED = 1_000_000_000, Path(__file__).resolve().parents[2] / "shared"
CANDLES = ("BTCUSDT-1m_20210420_20210520", "BTCUSDT-1m_20211111_20211211", "ETHUSDT-1m_20210420_20210520")
CRASHES = ("2021-05-19", "2021-12-04")
TAPES = (("binance_spot_btcusdt", "binance"), ("binance_usdm_btcusdt", "binanceusdm"))


@njit
def follow(config: GuardConfig, state: GuardState, times: Any, mids: Any) -> Any:
    """Rows of (time, cause, bps) of each trip."""
    rows = np.zeros((len(times), 3))
    found = 0
    for i in range(len(times)):
        before = state.step
        state = guard.on_sight(config, state, Sight(times[i], mids[i], 0.0, math.nan, 0.0))
        if before == 0 and state.step > 0:
            rows[found, 0] = times[i]
            rows[found, 1] = state.tripped
            rows[found, 2] = state.measured
            found += 1
    return rows[:found]


def candle_trips(path: Path, config: GuardConfig, *, high_first: bool) -> list[tuple[datetime, Trip, float]]:
    table = pd.read_parquet(path)
    opens = table["ts"].to_numpy("datetime64[ns]").astype(np.int64)
    order = ["open", "high", "low", "close"] if high_first else ["open", "low", "high", "close"]
    times = (opens[:, None] + np.arange(4) * 20 * SECOND - np.array([0, 0, 0, 1])).ravel()
    found = follow(config, guard.fresh(0), times, table[order].to_numpy(float).ravel())
    return [(datetime.fromtimestamp(at / 1e9, UTC), Trip(int(cause)), bps) for at, cause, bps in found]


def print_candles() -> None:
    print("\n| candles | order | trips on the crash days | first, UTC | elsewhere | on |")
    print("| --- | --- | ---: | --- | ---: | --- |")
    for name in CANDLES:
        for high_first in (True, False):
            path = SHARED / "candles/binance_spot_1m_events" / f"{name}.parquet"
            trips = candle_trips(path, GuardConfig(), high_first=high_first)
            crash = [t for t in trips if str(t[0].date()) in CRASHES]
            others = Counter(str(t[0].date()) for t in trips if str(t[0].date()) not in CRASHES)
            first = f"{crash[0][0]:%Y-%m-%d %H:%M:%S}, {crash[0][2]:.0f} bps" if crash else "none"
            days = ", ".join(f"{day}: {n}" for day, n in others.items()) or "none"
            order = "high first" if high_first else "low first"
            print(f"| {name} | {order} | {len(crash)} | {first} | {others.total()} | {days} |")


def print_tapes() -> None:
    """What depth does against its own median in a market where nothing happens; sampled each second, since
    the tapes are shorter than the median of the default."""
    print("\n| tape | updates of a book | minutes | trips | spread, highest | depth share, lowest | 1 % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, venue in TAPES:
        instrument = settings.instrument(venue, "BTC/USDT" if venue == "binance" else "BTC/USDT:USDT")
        tape = Tape(SHARED / "tapes" / f"{name}.tape.gz", instrument)
        config = EngineConfig(SessionConfig(), GateConfig(), GuardConfig(depth_sample_ns=SECOND))
        engine = Engine(
            [(codec(venue, [instrument]), instrument)], PaperBroker([instrument], latency=Latency()),
            {venue: settings.fees(venue)}, config, mode="REPLAY", feed_shows_our_orders=False,
        )  # fmt: skip
        engine.opened(venue, tape.start_ns)
        watch, shares, spreads, trips, updates, heard = engine.watch, [], [], 0, 0, 0
        for frame in tape.frames():
            before = watch.state.step
            engine.frame(frame.venue, frame.raw, frame.recv_ns)
            engine.take_effects()
            trips += before == 0 and watch.state.step > 0
            if watch.state.heard_ns != heard:
                updates, heard = updates + 1, watch.state.heard_ns
                shares.append(watch.state.last.depth_share)
                spreads.append(watch.state.last.spread_bps)
        minutes = (engine.now_ns - tape.start_ns) / SECOND / 60
        print(
            f"| {name} | {updates} | {minutes:.1f} | {trips} | {np.nanmax(spreads):.4f} bps | "
            f"{np.nanmin(shares):.2f} | {np.nanquantile(shares, 0.01):.2f} |"
        )


def print_speed() -> None:
    rng, size, config = np.random.default_rng(1), 100_000, GuardConfig()
    times = np.cumsum(rng.integers(1, 20_000_000, size))
    mids = 60_000 * np.exp(np.cumsum(rng.normal(0, 1e-6, size)))
    sights = [Sight(int(t), float(m), 1.0, 10.0, 0.0) for t, m in zip(times, mids, strict=True)]
    follow(config, guard.fresh(0), times[:10], mids[:10])
    plain, compiled, taken = [], [], []
    for _ in range(5):
        state, began = guard.fresh(0), process_time_ns()
        for sight in sights:
            state = guard.on_sight(config, state, sight)
        plain.append((process_time_ns() - began) / size / 1e3)
        began = process_time_ns()
        follow(config, guard.fresh(0), times, mids)
        compiled.append((process_time_ns() - began) / size / 1e3)
    for _ in range(2_001):
        began = perf_counter_ns()
        tripped = guard.on_sight(config, state, Sight(state.now_ns + 1, 50_000.0, 1.0, 10.0, 0.0))
        taken.append((perf_counter_ns() - began) / 1e3)
        assert tripped.step == guard.GuardStep.REDUCE
    print("| an update | µs, median | least | 99 % |\n| --- | ---: | ---: | ---: |")
    for name, figures in (
        ("plain Python, CPU time, five runs of 100,000", plain),
        ("compiled, the same", compiled),
        ("the one that trips, plain Python, by the clock", taken),
    ):
        print(f"| {name} | {median(figures):.2f} | {min(figures):.2f} | {np.quantile(figures, 0.99):.2f} |")


if __name__ == "__main__":
    print_speed()
    if not (SHARED / "candles").is_dir():
        sys.exit("No recordings in ../shared: nothing more to show")
    print_candles()
    print_tapes()
