"""`kill -9` at random moments of writing: what was acknowledged is there, and the next writer goes on."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import journal_writer

from citadel_kit.io.journal import Journal

MOMENTS = 20


def killed(writer: subprocess.Popen[str], draw: random.Random) -> list[str]:
    """What one writer acknowledged before it was killed, mostly in the middle of something."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()
    pid = int(writer.stdout.readline().removeprefix("pid "))
    said = [writer.stdout.readline() for _ in range(draw.randint(0, 30))]
    time.sleep(draw.random() * 0.01)
    os.kill(pid, signal.SIGKILL)
    while (line := writer.stdout.readline()) != "dead\n":
        said.append(line)
    return [line.strip() for line in said]


def written(path: Path) -> dict[str, int]:
    """What the file holds, in the words of the writer, and how often."""
    rows: list[str] = []
    with closing(sqlite3.connect(path)) as db:
        rows += [f"run {prefix}" for (prefix,) in db.execute("SELECT prefix FROM runs")]
        for name, kind in db.execute("SELECT client_id, kind FROM commands"):
            rows.append(f"{'command' if kind == 1 else 'cancel'} {name}")
        rows += [f"fill {n} {filled}" for n, filled in db.execute("SELECT client_id, filled FROM fills")]
        lone = "SELECT count(*) FROM commands WHERE client_id NOT IN (SELECT client_id FROM orders)"
        assert db.execute(lone).fetchone() == (0,)
        sums = "SELECT count(*) FROM orders o WHERE booked <> (SELECT coalesce(sum(qty), 0) FROM fills f "
        assert db.execute(f"{sums} WHERE f.client_id = o.client_id)").fetchone() == (0,)
    return {row: rows.count(row) for row in rows}


def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    path, draw = tmp_path / "j.db", random.Random(7)
    command = [sys.executable, journal_writer.__file__, str(path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    acknowledged: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as writer:
        for moment in range(1, MOMENTS + 1):
            acknowledged += killed(writer, draw)
            there = written(path)
            assert set(acknowledged) <= set(there)
            assert set(there.values()) <= {1}
            assert len(there) <= len(acknowledged) + moment  # what was being written when each was killed
    with Journal(path) as journal:  # unlocked, undamaged
        assert len(journal.prefixes()) in range(MOMENTS - 3, MOMENTS + 1)
    assert len(acknowledged) > MOMENTS
