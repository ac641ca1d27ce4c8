"""What a row of the journal costs the engine's loop, in microseconds.

    python benchmarks/bench_journal.py [folder, where the journal would be] [rows, 500]

A PLACE waits for the disk: compare it with `fsync`, a 4 kB write and fsync of the same disk, which is the
least that any durable write costs there. A reader looks at the journal ten times a second meanwhile.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from time import perf_counter_ns

from citadel_kit.io import killfile
from citadel_kit.io.journal import Journal
from citadel_kit.io.lease import Lease
from citadel_kit.types import (
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    ReportKind,
    Side,
)

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)


def timed(rows: int, acts: dict[str, Callable[[int], object]]) -> None:
    """Several in turns, so that they meet the same disk."""
    took: dict[str, list[float]] = {name: [] for name in acts}
    for i in range(1, rows + 1):
        for name, act in acts.items():
            begin = perf_counter_ns()
            act(i)
            took[name].append((perf_counter_ns() - begin) / 1000)
    for name, each in took.items():
        cuts = quantiles(each, n=100)
        print(f"{name:<46}{cuts[49]:>10.1f}{cuts[98]:>10.1f}{max(each):>10.1f}")


def disk(folder: Path) -> Callable[[int], object]:
    file = os.open(folder / "plain", os.O_RDWR | os.O_CREAT)
    block = b"x" * 4096

    def write(i: int) -> None:
        os.pwrite(file, block, i * 4096)
        os.fsync(file)

    return write


def fill_of(i: int) -> Fill:
    return Fill(
        venue="v",
        symbol="A/B",
        parent_id="p1",
        order_id=i,
        recv_ns=i,
        side=Side.BUY,
        price=100,
        qty=3,
        maker=True,
        fee=0.0,
    )


def event(journal: Journal, i: int) -> None:
    """A fill's report and the fill, as an engine writes them."""
    with journal.batch():
        journal.report("p1", OrderReport(ReportKind.FILL, i, i, 100, 3, 3, True, 0))
        journal.fill(fill_of(i), 3, f"t{i}")


def reader(path: Path, stop: threading.Event) -> None:
    with Journal.open_readonly(path) as journal:
        while not stop.wait(0.1):
            journal.orders()


def main(folder: Path, rows: int) -> None:
    path, stop = folder / "j.db", threading.Event()
    with Journal(path) as journal:
        journal.start_run("ck000001", "main", "BENCH", 0)
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=9, forced=True)
        journal.intent("p1", intent, COIN, {}, 0)
        thread = threading.Thread(target=reader, args=(path, stop))
        thread.start()
        print(f"{'microseconds':<46}{'median':>10}{'p99':>10}{'worst':>10}")
        place = Command(CommandKind.PLACE, 0, 1, 100, 9, 0)
        cancel = place._replace(kind=CommandKind.CANCEL)
        ack = OrderReport(ReportKind.ACK, 0, 0, 100, 9, 0, True, 0)
        timed(
            rows,
            {
                "fsync of 4 kB, without a journal": disk(folder),
                "PLACE, on the disk": lambda i: journal.command("p1", place._replace(order_id=i), i),
            },
        )
        timed(rows, {"CANCEL": lambda i: journal.command("p1", cancel._replace(order_id=i), i)})
        timed(rows, {"report": lambda i: journal.report("p1", ack._replace(order_id=i))})
        timed(rows, {"report and fill in one batch": lambda i: event(journal, i)})
        timed(20, {"own_orders, of those rows": lambda _: journal.own_orders("v", 0)})
        stop.set()
        thread.join()
    switch = killfile.KillSwitch([folder / f"{name}.kill" for name in "abc"])
    timed(rows, {"kill files, three that are not there": lambda _: switch.check()})
    for name in "abc":
        killfile.arm(folder / f"{name}.kill", "bench", 0)
    timed(rows, {"kill files, three that are armed": lambda _: switch.check()})
    lease = Lease("main", ["v"], 0, folder)
    timed(rows, {"lease, is it held": lambda _: lease.held})


if __name__ == "__main__":
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as name:
        main(Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else 500)
