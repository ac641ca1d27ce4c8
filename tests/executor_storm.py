"""The executor against the local exchange with every fault on, for as long as one likes; each is judged.

    python tests/executor_storm.py [--scenarios 10000] [--first 0] [--show SEED]

`make storm` runs it. A seed that fails is printed, with what was violated and how to play it alone: add it to
`tests/run/test_executor_worlds.py` when the cause is mended.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import virtual_time
from executor_world import ExecutorWorld

from citadel_kit.io.journal import Journal


@contextmanager
def quick_folder() -> Iterator[Path]:
    """In memory where there is such a file system: nothing here is to survive a power cut."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def judged(seed: int, folder: Path) -> tuple[ExecutorWorld, list[str]]:
    """One scenario to its end, and what should not have been."""
    empty = folder / "empty.db"
    if not empty.exists():
        Journal(empty).close()
    path = shutil.copy(empty, folder / f"{seed}.db")
    with Journal(path) as journal:
        world = ExecutorWorld(seed, journal)
        try:
            wrong = virtual_time.run(world.play(), world.start_ns)
        except Exception:  # noqa: BLE001 - whatever is raised is a finding
            wrong = [traceback.format_exc(limit=-4)]
    for left in folder.glob(f"{seed}.db*"):
        left.unlink()
    return world, wrong


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show(seed: int) -> int:
    with quick_folder() as folder:
        world, wrong = judged(seed, folder)
    for at_ns, what in world.log:
        say(f"{at_ns / 1e9:9.4f}  {' '.join(map(str, what))}")
    say(f"seed {seed}: {wrong or 'nothing wrong'}")
    return 1 if wrong else 0


def storm(first: int, scenarios: int) -> int:
    endings: Counter[str] = Counter()
    commands: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    parents = fills = missed = 0
    failed: list[int] = []
    began = time.monotonic()
    with quick_folder() as folder:
        for n, seed in enumerate(range(first, first + scenarios)):
            world, wrong = judged(seed, folder)
            parents, missed = parents + len(world.truth.parents), missed + world.desk.missed
            fills += sum(what[0] == "count" for _, what in world.log)
            endings.update(world.executor.orders.view(parent_id).status for parent_id in world.truth.parents)
            commands.update(world.desk.commands)
            for venue in world.exchange.venues.values():
                faults.update(venue.faults.injected)
            if wrong:
                failed.append(seed)
                say(f"\rseed {seed}: {wrong[:3]}\n  python tests/executor_storm.py --show {seed}")
            if n % 50 == 49 and sys.stdout.isatty():
                done = 40 * (n + 1) // scenarios
                sys.stdout.write(f"\r[{'#' * done:40}] {n + 1}, {len(failed)} failed")
                sys.stdout.flush()
    spent = time.monotonic() - began
    say(f"\r{scenarios} scenarios from seed {first}, {parents} orders, {fills} fills, {len(failed)} failed")
    say(f"{spent:.0f} s, {spent / max(scenarios, 1) * 1e3:.1f} ms each")
    say(f"endings: {dict(endings)}\ncommands: {dict(commands)}\nfaults: {dict(faults)}")
    say(f"reconciliation was the first to tell of {missed} fills")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int, metavar="SEED", help="play one, and print all that happened")
    given = parser.parse_args()
    return storm(given.first, given.scenarios) if given.show is None else show(given.show)


if __name__ == "__main__":
    sys.exit(main())
