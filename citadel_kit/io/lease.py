"""One live engine per account and venue.

A lease is a lock file in the state folder. It says who holds it, and every client-id prefix an engine of
this account ever had: by them an engine knows the orders of its predecessors for its own, even where the
journal is lost. Two names for one account are two leases; where a digest of the account's key is given, that
key has a file of its own, which no other name gets.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from citadel_kit.clock import iso
from citadel_kit.errors import ConfigError, LeaseHeld
from citadel_kit.io.state import LockFile, check_name, state_folder


class Holder(NamedTuple):
    """Who holds a lease, or held it last, by its own word."""

    pid: int
    host: str
    """In a container its id; the pid is then the container's own."""
    prefix: str
    started_ns: int
    ended_ns: int
    """0: it didn't say goodbye: it runs, or died."""

    def __str__(self) -> str:
        return f"engine {self.prefix} (pid {self.pid} on {self.host}, since {iso(self.started_ns)})"


class Lease:
    """An engine's right to trade an account at its venues: at all of them, or it has none.

    Held from construction to `release()`, or to the end of the process. Ask `held` before each placing.
    """

    def __init__(
        self,
        account: str,
        venues: Sequence[str],
        now_ns: int,
        folder: Path | None = None,
        known: Iterable[str] = (),
        journal: Path | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """`known`: prefixes that the journal knows beside those of the files. `journal`: the account's, which
        the files remember. `keys`: by venue a digest of the key, for what is one account there.

        Raises LeaseHeld naming the holder, ConfigError for a name that can't be a file's or while the account
        has another journal, and OSError where the folder can't be written.
        """
        self._journal = "" if journal is None else str(journal.resolve())
        self._locks: dict[str, LockFile] = {}
        try:
            for venue in venues:
                path = lease_path(account, venue, folder)
                self._locks[venue] = _locked(path, f"account {account!r} at {venue}")
            for venue, digest in (keys or {}).items():
                path = key_path(digest, venue, folder)
                self._locks[f"key at {venue}"] = _locked(path, f"the key of account {account!r} at {venue}")
            self._take(now_ns, known)
        except BaseException:
            for lock in self._locks.values():
                lock.release()
            raise

    @property
    def held(self) -> bool:
        """False once released, in a forked child, or when a file was deleted: then place nothing more."""
        return all(lock.held for lock in self._locks.values())

    def release(self, now_ns: int) -> None:
        """May be called again."""
        for lock in self._locks.values():
            if lock.held:
                self._say(lock, self._me._replace(ended_ns=now_ns))
            lock.release()

    def _take(self, now_ns: int, known: Iterable[str]) -> None:
        before = {venue: _parse(lock.read()) for venue, lock in self._locks.items()}
        for said in before.values():
            self._check_journal(str(said.get("journal") or ""))
        self.previous = {venue: _holder(said) for venue, said in before.items()}
        """By venue, and `key at VENUE`, the holder before us. Where its `ended_ns` is 0 it died: its orders
        may be at work."""
        every = dict.fromkeys([*(prefix for said in before.values() for prefix in _prefixes(said)), *known])
        self.prefix = _new_prefix(every)
        """Of this engine. New with every lease: no client id ever comes twice."""
        self.prefixes = (*every, self.prefix)
        """Of all earlier engines, and of this one."""
        self._me = Holder(os.getpid(), socket.gethostname(), self.prefix, now_ns, 0)
        for lock in self._locks.values():
            self._say(lock, self._me)

    def _check_journal(self, remembered: str) -> None:
        """With another journal, open positions would be forgotten and their stops taken for orphans."""
        if self._journal and remembered not in ("", self._journal) and Path(remembered).exists():
            hint = "Use that one; or, if it is of no use any more, move it away"
            raise ConfigError("journal", f"the account's journal is {remembered}, not {self._journal}", hint)

    def _say(self, lock: LockFile, me: Holder) -> None:
        lock.write(json.dumps({**me._asdict(), "prefixes": self.prefixes, "journal": self._journal}).encode())


def _locked(path: Path, what: str) -> LockFile:
    try:
        return LockFile(path)
    except BlockingIOError as error:
        raise LeaseHeld(what, str(last_holder(path) or "an engine that has not said its name")) from error


def lease_path(account: str, venue: str, folder: Path | None = None) -> Path:
    name = f"{check_name('account', account)}.{check_name('venue', venue)}.lease"
    return (folder or state_folder()) / name


def key_path(digest: str, venue: str, folder: Path | None = None) -> Path:
    """Not `.lease`: it is no account's name, and nobody is to kill by it."""
    name = f"{check_name('key', digest)}.{check_name('venue', venue)}.keylease"
    return (folder or state_folder()) / name


def account_of(path: Path) -> str:
    """Of a lease's file."""
    return path.name.partition(".")[0]


def last_holder(path: Path) -> Holder | None:
    """By the file's word, for one who only watches; None where there is no file or it can't be read."""
    try:
        return _holder(_parse(path.read_bytes()))
    except OSError:
        return None


def is_held(path: Path) -> bool:
    """Does an engine hold it now? Tried by taking it for a moment."""
    if not path.exists():
        return False
    try:
        LockFile(path).release()
    except BlockingIOError:
        return True
    return False


def _new_prefix(known: Collection[str]) -> str:
    while (prefix := f"ck{secrets.token_hex(3)}") in known:
        pass
    return prefix


def _parse(content: bytes) -> dict[str, Any]:
    """Empty where the file was torn by a crash or is not ours: the lock is the truth, not the text."""
    try:
        said = json.loads(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _prefixes(said: dict[str, Any]) -> list[str]:
    listed = said.get("prefixes")
    return [p for p in listed if isinstance(p, str)] if isinstance(listed, list) else []


def _holder(said: dict[str, Any]) -> Holder | None:
    try:
        return Holder(
            int(said["pid"]),
            str(said["host"]),
            str(said["prefix"]),
            int(said["started_ns"]),
            int(said["ended_ns"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
