"""`citadel kill` and `citadel arm`, as a terminal runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from citadel_kit.io import killfile
from citadel_kit.io.killfile import KillSwitch
from citadel_kit.io.lease import Lease

ROOT = Path(__file__).resolve().parents[1]


def citadel(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "citadel_kit.cli", *arguments],
        env={**os.environ, "CITADEL_STATE": str(state), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kill_reaches_an_engine_and_arm_ends_it(tmp_path: Path) -> None:
    held = Lease("main", ["binance"], 1, tmp_path)
    switch = KillSwitch([killfile.global_file(tmp_path), killfile.account_file("main", tmp_path)])
    done = citadel(tmp_path, "kill", "--reason", "smoke")
    assert done.returncode == 0
    assert f"main.binance: engine {held.prefix} (pid {os.getpid()}" in done.stdout
    assert "smoke" in switch.check()
    assert citadel(tmp_path, "kill", "--account", "main").returncode == 0
    done = citadel(tmp_path, "arm", "--account", "main")
    assert done.stdout.startswith("was killed at ")
    assert "still killed" in done.stderr
    assert "smoke" in switch.check()
    done = citadel(tmp_path, "arm")
    assert (done.returncode, done.stderr) == (0, "")
    assert switch.check() == ""
    held.release(2)


def test_a_kill_that_nobody_would_read_is_refused(tmp_path: Path) -> None:
    done = citadel(tmp_path, "kill", "--account", "mian")
    assert done.returncode == 1
    assert "no engine ever traded 'mian'" in done.stderr
    done = citadel(tmp_path, "kill", "--journal", str(tmp_path / "none.db"))
    assert done.returncode == 1
    assert "none.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_kill_by_journal(tmp_path: Path) -> None:
    journal = tmp_path / "main.db"
    journal.touch()
    assert citadel(tmp_path / "other", "kill", "--journal", str(journal)).returncode == 0
    assert killfile.read(killfile.journal_file(journal)).killed
    assert not (tmp_path / "other").exists()


def test_a_kill_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    done = citadel(blocked, "kill")
    assert done.returncode == 1
    assert "NOT killed" in done.stderr
