"""The kill switch's second path: a file that any terminal can write and every engine reads.

An engine looks at three files: one for all engines, one for its account, one for its journal. `check()` is
meant to be asked before every entry and at least ten times a second; it costs some 30 µs.

It fails closed. Killed is: a file that says so; a file that can't be read or understood, an empty one too; a
folder that is gone. A file that is not there kills nothing, but once an engine has seen a kill, only a file
that says `armed` ends it: deleting the file does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from citadel_kit.clock import iso
from citadel_kit.io.state import check_name, state_folder

KILLED: Final = "killed"
ARMED: Final = "armed"


class KillState(NamedTuple):
    """What one file says. `known` is False where there is no file."""

    killed: bool
    known: bool
    at_ns: int
    reason: str

    def __str__(self) -> str:
        when = f" at {iso(self.at_ns)}" if self.at_ns else ""
        return f"{KILLED if self.killed else ARMED}{when}: {self.reason}" if self.known else ARMED


_ABSENT: Final = KillState(False, False, 0, "")


def global_file(folder: Path | None = None) -> Path:
    """Stops every engine that uses this state folder."""
    return (folder or state_folder()) / "all.kill"


def account_file(account: str, folder: Path | None = None) -> Path:
    return (folder or state_folder()) / f"{check_name('account', account)}.account.kill"


def journal_file(journal: Path) -> Path:
    """Beside the journal, whose path is to be resolved: reaches an engine whose state folder is another."""
    return journal.with_name(f"{journal.name}.kill")


def kill(path: Path, reason: str, now_ns: int) -> None:
    """Raises OSError only where not even an unreadable file, which kills too, could be left."""
    try:
        _write(path, KILLED, reason, now_ns)
    except OSError:
        path.write_bytes(b"")  # a full disk still has room for an empty file


def arm(path: Path, reason: str, now_ns: int) -> None:
    """Ends a kill of this file, whatever its cause. Raises OSError."""
    _write(path, ARMED, reason, now_ns)


def read(path: Path) -> KillState:
    """Never raises."""
    try:
        said = json.loads(path.read_bytes())
        state, at_ns, reason = said["state"], int(said["at_ns"]), str(said["reason"])
        if state not in {KILLED, ARMED}:
            return KillState(True, True, 0, f"{path} says neither {KILLED} nor {ARMED}")
        return KillState(state == KILLED, True, at_ns, reason)
    except FileNotFoundError:
        if path.parent.is_dir():
            return _ABSENT
        return KillState(True, True, 0, f"the folder of {path} is gone")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no permission to trade
        return KillState(True, True, 0, f"{path} can't be read: {error}")


class KillSwitch:
    """What an engine knows of its kill files. It makes their folders, so that a missing one is a fault.

    `latched`: the kill of an earlier run that its journal knows and no arming followed. A file that was armed
    later than that ends it.
    """

    def __init__(self, paths: Sequence[Path], latched: KillState | None = None) -> None:
        """Raises OSError where a folder can't be made."""
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._paths, self._before = tuple(paths), latched
        self._latched: dict[Path, KillState] = {}

    def check(self) -> str:
        """Why nothing may be entered; empty where nothing forbids it."""
        for path in self._paths:
            state = read(path)
            if state.killed:
                self._latched[path] = state
            elif state.known:
                self._latched.pop(path, None)
                if self._before is not None and state.at_ns > self._before.at_ns:
                    self._before = None
        causes = (
            [*self._latched.values()] if self._before is None else [self._before, *self._latched.values()]
        )
        return "; ".join(str(cause) for cause in causes)

    def arm(self, reason: str, now_ns: int) -> None:
        """The explicit re-arm from within: every file that kills is armed, and the earlier run forgotten.

        Raises OSError where a file can't be written; that kill then stands.
        """
        self.check()
        for path in list(self._latched):
            arm(path, reason, now_ns)
        self._before = None
        self.check()


def _write(path: Path, state: str, reason: str, now_ns: int) -> None:
    """The old file or the new one is there at any moment; on disk when it returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"state": state, "at_ns": now_ns, "reason": reason}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
