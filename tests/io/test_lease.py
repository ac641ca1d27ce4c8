"""One engine per account and venue, whoever dies how."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from citadel_kit.errors import ConfigError, LeaseHeld
from citadel_kit.io import lease
from citadel_kit.io.lease import Lease
from citadel_kit.io.state import state_folder

NOW = 1_800_000_000_000_000_000
HOLD = """
import sys
from pathlib import Path
from citadel_kit.io.lease import Lease
held = Lease("main", ["binance"], 5, Path(sys.argv[1]))
print(held.prefix, flush=True)
sys.stdin.read()
"""


def other_engine(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that holds the lease, and its prefix."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def test_a_second_engine_is_told_who_trades_and_may_take_over_when_that_one_is_killed(tmp_path: Path) -> None:
    child, prefix = other_engine(tmp_path)
    path = lease.lease_path("main", "binance", tmp_path)
    try:
        with pytest.raises(
            LeaseHeld, match=rf"'main' at binance.*engine {prefix} \(pid {child.pid} on .*watch"
        ):
            Lease("main", ["binance"], NOW, tmp_path)
        assert lease.is_held(path)
        Lease("main", ["kraken"], NOW, tmp_path).release(NOW)
        Lease("other", ["binance"], NOW, tmp_path).release(NOW)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert not lease.is_held(path)
    mine = Lease("main", ["binance"], NOW, tmp_path)
    before = mine.previous["binance"]
    assert before is not None
    assert (before.prefix, before.pid, before.ended_ns) == (prefix, child.pid, 0)
    assert mine.prefixes == (prefix, mine.prefix)
    mine.release(NOW)


def test_the_same_process_is_a_second_engine_too(tmp_path: Path) -> None:
    first = Lease("main", ["binance"], NOW, tmp_path)
    with pytest.raises(LeaseHeld, match=f"pid {os.getpid()}"):
        Lease("main", ["binance"], NOW, tmp_path)
    first.release(NOW + 1)
    first.release(NOW + 2)
    assert not first.held
    second = Lease("main", ["binance"], NOW, tmp_path, known=["ck000001", first.prefix])
    before = second.previous["binance"]
    assert before is not None
    assert before[:1] + before[2:] == (os.getpid(), first.prefix, NOW, NOW + 1)
    assert second.prefixes == (first.prefix, "ck000001", second.prefix)
    assert re.fullmatch("ck[0-9a-f]{6}", second.prefix)
    second.release(NOW)


def test_an_engine_has_all_its_venues_and_one_prefix_or_none(tmp_path: Path) -> None:
    other = Lease("main", ["b"], NOW, tmp_path)
    with pytest.raises(LeaseHeld, match="at b is in use"):
        Lease("main", ["a", "b"], NOW, tmp_path)
    assert not lease.is_held(lease.lease_path("main", "a", tmp_path))
    other.release(NOW)
    mine = Lease("main", ["a", "b"], NOW, tmp_path)
    assert mine.prefixes == (other.prefix, mine.prefix)
    for venue in ("a", "b"):
        holder = lease.last_holder(lease.lease_path("main", venue, tmp_path))
        assert holder is not None
        assert holder.prefix == mine.prefix
    lease.lease_path("main", "b", tmp_path).unlink()
    assert not mine.held
    mine.release(NOW)


def test_no_prefix_comes_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["00000a", "00000a", "00000b"])
    monkeypatch.setattr(lease.secrets, "token_hex", lambda _: next(draws))
    first = Lease("main", ["v"], NOW, tmp_path)
    first.release(NOW)
    assert Lease("main", ["v"], NOW, tmp_path).prefix == "ck00000b"


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"{", b"[]", b'{"pid": "x"}', b'{"prefixes": 3}'])
def test_a_torn_file_is_no_lock(tmp_path: Path, content: bytes) -> None:
    path = lease.lease_path("main", "v", tmp_path)
    path.write_bytes(content)
    assert lease.last_holder(path) is None
    mine = Lease("main", ["v"], NOW, tmp_path)
    assert mine.previous == {"v": None}
    said = json.loads(path.read_bytes())
    assert (said["pid"], said["prefixes"]) == (os.getpid(), [mine.prefix])
    mine.release(NOW)


def test_a_deleted_file_ends_the_lease(tmp_path: Path) -> None:
    """Another engine could make and lock a new one."""
    mine = Lease("main", ["v"], NOW, tmp_path)
    path = lease.lease_path("main", "v", tmp_path)
    path.unlink()
    assert not mine.held
    other = Lease("main", ["v"], NOW, tmp_path)
    assert other.held
    assert not mine.held
    mine.release(NOW)
    assert other.held
    assert json.loads(path.read_bytes())["prefix"] == other.prefix


def test_a_forked_child_neither_holds_nor_keeps_the_lease(tmp_path: Path) -> None:
    mine = Lease("main", ["v"], NOW, tmp_path)
    ready, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(end, b"y" if mine.held else b"n")
        signal.pause()
    try:
        assert os.read(ready, 1) == b"n"
        assert mine.held
        mine.release(NOW)
        Lease("main", ["v"], NOW, tmp_path).release(NOW)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(end)


def test_a_file_that_is_replaced_while_it_is_locked_is_locked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lease.lease_path("main", "v", tmp_path)
    lock = fcntl.flock

    def late(fd: int, how: int) -> None:
        monkeypatch.undo()
        path.unlink()
        path.write_bytes(b"")
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    mine = Lease("main", ["v"], NOW, tmp_path)
    assert mine.held
    assert lease.is_held(path)
    mine.release(NOW)


def test_one_key_is_one_lease_whatever_the_names(tmp_path: Path) -> None:
    first = Lease("a", ["v"], NOW, tmp_path, keys={"v": "0123abcd"})
    with pytest.raises(LeaseHeld, match=rf"the key of account 'b' at v.*engine {first.prefix}"):
        Lease("b", ["v"], NOW, tmp_path, keys={"v": "0123abcd"})
    Lease("b", ["v"], NOW, tmp_path, keys={"v": "4567"}).release(NOW)
    first.release(NOW)
    second = Lease("b", ["v"], NOW, tmp_path, keys={"v": "0123abcd"})
    assert first.prefix in second.prefixes  # its orders are ours
    lease.key_path("0123abcd", "v", tmp_path).unlink()
    assert not second.held
    assert {lease.account_of(path) for path in tmp_path.glob("*.lease")} == {"a", "b"}


@pytest.mark.parametrize(("account", "venue"), [("", "v"), ("a/b", "v"), ("a", "../v"), ("a.b", "v")])
def test_names_that_can_be_no_file_are_refused(tmp_path: Path, account: str, venue: str) -> None:
    with pytest.raises(ConfigError):
        Lease(account, [venue], NOW, tmp_path)


def test_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITADEL_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_folder() == Path("/x/citadel_kit")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == Path.home() / ".local/state/citadel_kit"
    monkeypatch.setenv("CITADEL_STATE", "/y")
    assert state_folder() == Path("/y")


def test_an_account_has_one_journal_as_long_as_that_is_there(tmp_path: Path) -> None:
    first, second = tmp_path / "a.db", tmp_path / "b.db"
    first.write_bytes(b"")
    Lease("main", ["v"], 1, tmp_path, journal=first).release(2)
    with pytest.raises(ConfigError, match=r"journal is .*a\.db, not .*b\.db"):
        Lease("main", ["v"], 3, tmp_path, journal=second)
    Lease("main", ["v"], 4, tmp_path, journal=first).release(5)  # the refused one holds nothing
    first.unlink()
    Lease("main", ["v"], 6, tmp_path, journal=second).release(7)
