"""Frames that no venue should send, for as long as one likes, into every codec and the ladder kernels.

    python tests/fuzz_codecs.py [--seconds 3600] [--seed 0] [--venue kraken …] [--engine atheris]

Seeds are the frames of `wire_frames` and, where ../shared is there, those of the real tapes. A codec must
answer every frame with events that can be true or with DecodeError; every kernel runs compiled and as plain
Python, and must read of a level list what the standard library's JSON reads. Each kind of failure is printed
once, with the smallest frame found that shows it, and the exit status is 1.

`--engine atheris` lets coverage of the decoders' Python guide the search (default where atheris is installed:
`pip install atheris`; the kit doesn't depend on it). `--engine seeded` draws every frame from the seed alone.
"""

from __future__ import annotations

import argparse
import faulthandler
import inspect
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Final

from codec_judge import LEVELS, Judge, twin_kernels
from mutations import Array, Leaf, Node, Pairs, mutated, parsed, slots, written
from wire_frames import FRAMES, instruments

from citadel_kit import venues
from citadel_kit.io.tape import Tape
from citadel_kit.ladder import text
from citadel_kit.types import market
from citadel_kit.venues import WIRES

TARGETS: Final = (*WIRES, LEVELS)
_TAPES: Final = {
    "binance": ("binance_spot_btcusdt",),
    "binanceusdm": ("binance_usdm_btcusdt",),
    "bybitlinear": ("bybit_v5_linear_xrpusdt_ob500",),
    "okx": ("okx_v5_seqid_derived", "okx_v5_2022_crc"),
    "kraken": ("kraken_v2_btcusd_d25", "kraken_v2_ethusd_d25"),
    "coinbase": ("coinbase_advanced_derived",),
    "coinbaseexchange": ("coinbase_exchange_level2",),
}
_TAPE_FRAMES: Final = 3000
_SEEDS: Final = 150
"""Of each tape, drawn from its first frames."""
_LONGEST: Final = 1500
"""Bytes of a seed: short frames are mutated and judged more often."""
_HANG_S: Final = 60


def seeds(target: str, tapes: Path, rng: random.Random) -> list[bytes]:
    if target == LEVELS:
        frames = [raw for wire in WIRES for raw in seeds(wire, tapes, rng)[:40]]
        return sorted({written(node) for raw in frames for node in _level_lists(parsed(raw))})
    found = list(FRAMES[target])
    for name in _TAPES.get(target, ()) if tapes.is_dir() else ():
        tape = Tape(tapes / f"{name}.tape.gz", instruments(target)[0])
        raws = [frame.raw for frame in islice(tape.frames(), _TAPE_FRAMES)]
        found += [short(raw) for raw in rng.sample(raws, min(_SEEDS, len(raws)))]
        found += [short(raw) for raw in raws[:10]]
    return list(dict.fromkeys(raw for raw in found if len(raw) <= _LONGEST))


def short(raw: bytes) -> bytes:
    """The frame with its lists cut until it is short enough."""
    node, most = parsed(raw), 20
    while node is not None and len(raw) > _LONGEST and most:
        _cut(node, most)
        raw, most = written(node), most // 2
    return raw


def _cut(node: Node, most: int) -> None:
    if isinstance(node, Leaf):
        return
    if not isinstance(node, Pairs):
        del node[most:]
    for member in node:
        _cut(member[1] if isinstance(node, Pairs) else member, most)  # type: ignore[arg-type]


def _level_lists(node: Node | None) -> list[Node]:
    values = [holder[at] for holder, at in slots(node)] if node is not None else []
    rows = [value for value in values if isinstance(value, Array) and value]
    return [value for value in rows if not isinstance(value[0], Leaf) and len(value[0]) > 1]


def shrunk(raw: bytes, problem: Callable[[bytes], str]) -> bytes:
    """The smallest frame that greedy cutting finds for the same problem."""
    wanted, size = problem(raw), len(raw)
    while size:
        size //= 2
        at = 0
        while size and at < len(raw):
            less = raw[:at] + raw[at + size :]
            if problem(less) == wanted:
                raw = less
            else:
                at += size
    return raw


class Fuzz:
    """What is tried on what, and what came of it."""

    def __init__(self, targets: Sequence[str], seed: int, seconds: float, engine: str) -> None:
        self.targets, self.seed, self._engine = targets, seed, engine
        tapes = Path(__file__).resolve().parents[2] / "shared" / "tapes"
        self.judges = {target: Judge(target) for target in targets}
        self.seeds = {target: seeds(target, tapes, random.Random(f"{seed} {target}")) for target in targets}
        self.frames = dict.fromkeys(targets, 0)
        self.failures: dict[tuple[str, str], int] = {}
        self.slowest = (0.0, "", 0)
        for target, raws in self.seeds.items():
            for raw in raws:
                self.judge(target, raw)
        self._began = self._told = time.monotonic()
        self._end = self._began + seconds

    def judge(self, target: str, raw: bytes) -> None:
        before = time.thread_time()
        problem = self.judges[target].problem(raw)
        self.slowest = max(self.slowest, (time.thread_time() - before, target, len(raw)))
        self.frames[target] += 1
        if not problem:
            return
        key = (target, problem)
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] == 1:
            small = shrunk(raw, self.judges[target].problem)
            self._say(f"FAILED {target}, seed {self.seed}: {problem}\n  {small!r}\n  from {raw[:2000]!r}")

    def over(self) -> bool:
        """Tells how it goes every ten seconds."""
        now = time.monotonic()
        if now - self._told >= 10 or now >= self._end:
            self._told = now
            faulthandler.dump_traceback_later(_HANG_S, exit=True)
            judges = self.judges.values()
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            self._say(
                f"{now - self._began:7.0f} s  {sum(self.frames.values()):,} frames, "
                f"{sum(j.events for j in judges):,} events, {sum(j.refused for j in judges):,} refused, "
                f"{memory} MiB, {len(self.failures)} kinds of failure"
            )
        return now >= self._end

    def result(self) -> int:
        for (target, problem), count in self.failures.items():
            self._say(f"FAILED {target}, {count:,} times: {problem}")
        counts = ", ".join(f"{target} {count:,}" for target, count in self.frames.items())
        verdict = "NOT WELL" if self.failures else "all well"
        seconds, slow, size = self.slowest
        self._say(f"slowest: {1000 * seconds:.0f} ms of processor time for {size:,} bytes, {slow}")
        self._say(f"{self._engine}, seed {self.seed}: {counts}; {verdict}")
        return 1 if self.failures else 0

    def _say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def run_seeded(fuzz: Fuzz) -> int:
    rng = random.Random(fuzz.seed)
    while not fuzz.over():
        for target in fuzz.targets:
            for _ in range(50):
                fuzz.judge(target, mutated(rng.choice(fuzz.seeds[target]), rng, fuzz.seeds[target]))
    return fuzz.result()


def run_atheris(fuzz: Fuzz) -> int:
    """A unit of the corpus is the target's index, one byte, and a frame. Ends the process itself."""
    import atheris  # type: ignore[import-untyped]

    for function in _decoders():
        atheris.instrument_func(function)
    folder = Path(tempfile.mkdtemp(prefix="fuzz_codecs"))
    for k, target in enumerate(fuzz.targets):
        for n, raw in enumerate(fuzz.seeds[target]):
            (folder / f"{target}-{n}").write_bytes(bytes([k]) + raw)

    def one(data: bytes) -> None:
        if data:
            fuzz.judge(fuzz.targets[data[0] % len(fuzz.targets)], data[1:])
        if fuzz.over():
            kept = sum(1 for _ in folder.iterdir())
            shutil.rmtree(folder)
            sys.stdout.write(f"corpus: {kept} frames that reach something of their own\n")
            status = fuzz.result()
            sys.stdout.flush()
            os._exit(status)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if data and rng.random() < 0.7:
            which, raw = data[0] % len(fuzz.targets), data[1:]
        else:  # each target has its share, however little of it is new
            which = rng.randrange(len(fuzz.targets))
            raw = rng.choice(fuzz.seeds[fuzz.targets[which]])
        if rng.random() < 0.2:
            raw = atheris.Mutate(raw, max_size - 1)
        else:
            raw = mutated(raw, rng, fuzz.seeds[fuzz.targets[which]])
        return bytes([which, *raw[: max_size - 1]])

    options = [
        "-verbosity=0",
        "-max_len=20001",
        "-len_control=0",
        f"-timeout={_HANG_S}",
        f"-seed={fuzz.seed + 1}",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], one, custom_mutator=mutate)
    atheris.Fuzz()
    return 1  # never reached while libFuzzer runs


def _decoders() -> list[Any]:
    """The Python that reads wires. The kernels are compiled by now, so their plain twins may be changed."""
    for compiled in text._COMPILED.values():
        compiled.disable_compile()
    functions = [market.to_units, text.parse_both, text.parse_sided, *text._SOURCES.values()]
    for _, module in inspect.getmembers(venues, inspect.ismodule):
        for member in vars(module).values():
            if getattr(member, "__module__", "") != module.__name__:
                continue
            members = vars(member).values() if inspect.isclass(member) else [member]
            functions += filter(inspect.isfunction, members)
    return functions


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--venue", choices=TARGETS, action="append", help=f"default: all; {LEVELS}: the kernels"
    )
    parser.add_argument(
        "--engine", choices=("atheris", "seeded"), default="atheris" if find_spec("atheris") else "seeded"
    )
    options = parser.parse_args()
    with twin_kernels():
        fuzz = Fuzz(options.venue or TARGETS, options.seed, options.seconds, options.engine)
        return (run_atheris if options.engine == "atheris" else run_seeded)(fuzz)


if __name__ == "__main__":
    sys.exit(main())
