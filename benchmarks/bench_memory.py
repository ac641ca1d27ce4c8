"""Does memory grow? Resident memory after many frames of real recordings against after a tenth of them.

The whole micro layer of three venues reads its recordings again and again, each time over a new connection
and later in time; a snapshot is taken every tenth of a second. `--full` goes to ten million frames and takes
some minutes; without it, one million. The allocator's own slack is part of the figure.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

import psutil
from bench_wire import CASES, TAPES, TICK_NS, Case, Line, engine_of, lines

from citadel_kit import ladder
from citadel_kit.micro import flow

FULL: Final = 10_000_000
SHORT: Final = 1_000_000
GAP_NS: Final = 1_000_000_000


class Loop:
    """One venue whose recording never ends."""

    def __init__(self, case: Case) -> None:
        self._venue = case.venue
        self._frames: list[Line] = lines(TAPES / f"{case.tape}.tape.gz")
        self._engine = engine_of(case, self._frames[0].recv_ns)
        self._shift = self._tick_ns = 0
        self.live = True

    def play(self) -> int:
        """The recording once; how many frames it has."""
        engine, shift = self._engine, self._shift
        for line in self._frames:
            now_ns = line.recv_ns + shift
            engine.frame(self._venue, line.raw, now_ns)
            engine.take_effects()
            if now_ns >= self._tick_ns:
                self._tick_ns = now_ns + TICK_NS
                engine.timer(now_ns)
                engine.snapshot()
        self.live = self.live and engine.live
        engine.closed(self._venue, now_ns, "the recording ends", 0.0)
        engine.take_effects()
        self._shift += now_ns - shift - self._frames[0].recv_ns + GAP_NS
        engine.opened(self._venue, now_ns + GAP_NS // 2)
        return len(self._frames)


def resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


def main() -> None:
    missing = [case.tape for case in CASES if not (TAPES / f"{case.tape}.tape.gz").is_file()]
    if missing:
        print(f"skipped: the recordings {', '.join(missing)} are not in ../shared/tapes")
        return
    ladder.warm_up()
    flow.warm_up()
    last = FULL if "--full" in sys.argv else SHORT
    if last == SHORT:
        print(f"short: up to {SHORT:,} frames; `python benchmarks/bench_memory.py --full` goes to {FULL:,}")
    loops = [Loop(case) for case in CASES]
    frames, marks = 0, [last // 10, last]
    sizes = []
    for mark in marks:
        while frames < mark:
            frames += sum(loop.play() for loop in loops)
        sizes.append(resident())
        print(f"  after {frames:>10,} frames: {sizes[-1]:7.1f} MiB")
    live = all(loop.live for loop in loops)
    print(f"  growth {sizes[1] - sizes[0]:+.1f} MiB; every book LIVE at the end of each recording: {live}")


if __name__ == "__main__":
    main()
