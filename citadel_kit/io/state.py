"""Where engines keep what outlives them: leases and kill files. And the lock both build on."""

from __future__ import annotations

import fcntl
import os
import re
import weakref
from pathlib import Path
from typing import Final

from citadel_kit.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_open: Final[weakref.WeakSet[LockFile]] = weakref.WeakSet()


def state_folder() -> Path:
    """`$CITADEL_STATE`, else `citadel_kit` in `$XDG_STATE_HOME`, else in `~/.local/state`.

    Engines and terminals, containers too, stop each other only where they share this folder.
    """
    own = os.environ.get("CITADEL_STATE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "citadel_kit"


def check_name(setting: str, name: str) -> str:
    """A name that may be part of a file's name. Raises ConfigError."""
    if not _NAME.fullmatch(name):
        hint = "Up to 64 letters, digits, - and _"
        raise ConfigError(setting, f"{name!r} can't be the name of an account or a venue", hint)
    return name


class LockFile:
    """An exclusive `flock` on a file that holds what its owner says of itself.

    The kernel gives the lock up when the process ends, however it ends; a file left behind locks nothing.
    It is held against this process too. A forked child holds nothing. The file is never deleted: a second
    file of the same name would be a second lock. For POSIX systems.
    """

    def __init__(self, path: Path) -> None:
        """Raises BlockingIOError where it is held, OSError where the file can't be made."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = -1
        while self._fd < 0:
            self._fd = self._locked()
        _open.add(self)

    def read(self) -> bytes:
        """What the file says: before the first `write`, the word of its last holder."""
        return os.pread(self._fd, 1 << 20, 0)

    def write(self, content: bytes) -> None:
        """On disk when it returns. One who reads meanwhile may see a torn text."""
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))
        os.fsync(self._fd)

    @property
    def held(self) -> bool:
        """False once it was released, in a forked child, and where somebody deleted or replaced the file."""
        return self._fd >= 0 and _is_at(self.path, self._fd)

    def release(self) -> None:
        """May be called again."""
        fd, self._fd = self._fd, -1
        _open.discard(self)
        if fd >= 0:
            os.close(fd)

    def _locked(self) -> int:
        """A locked descriptor; -1 where the file was replaced between opening and locking."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        if _is_at(self.path, fd):
            return fd
        os.close(fd)
        return -1


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


def _forget_in_child() -> None:
    """A child's copy of the descriptor would keep the lock beyond its parent's death."""
    for lock in list(_open):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)
