"""What stops an account from trading, beside the market's guard: kill files, lease, journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from citadel_kit import clock
from citadel_kit.errors import JournalError
from citadel_kit.io.journal import Journal
from citadel_kit.io.killfile import KillState, KillSwitch, account_file, global_file, journal_file
from citadel_kit.io.lease import Lease

_NO_LEASE: Final = "the lease is lost: another engine may trade this account"


class Stoppable(Protocol):
    """What brakes do to an engine."""

    def block(self, why: str) -> None: ...

    def kill(self) -> None: ...

    def rearm(self) -> None: ...


class Brakes:
    def __init__(self, account: str, journal: Journal, lease: Lease, engine: Stoppable) -> None:
        """A kill of an earlier run stands until somebody arms. Raises OSError, JournalError."""
        last = journal.last_guard()
        latched = KillState(True, True, last[2], last[1]) if last and last[0] == "kill" else None
        beside = journal_file(Path(journal.path).resolve())
        self._switch = KillSwitch([global_file(), account_file(account), beside], latched)
        self._journal, self._lease, self._engine = journal, lease, engine
        self._blocks: dict[str, str] = {}
        self._killed, self._broken = "", False

    def look(self) -> None:
        """Ten times a second: the kill files, and the lease."""
        said = self._switch.check()
        if said and not self._killed:
            self.written(lambda: self._journal.guard("kill", said, clock.now_ns()))
            self._engine.kill()
        elif self._killed and not said:
            self.written(lambda: self._journal.guard("arm", "by a file", clock.now_ns()))
            self._engine.rearm()
        self._killed = said
        self.block("kill switch", f"killed: {said}" if said else "")
        if not self._lease.held:
            self.block("lease", _NO_LEASE)

    def hold(self, *, opens: bool) -> str:
        """Why nothing may be placed; empty: it may. What closes goes on under a kill, not without the lease
        or the journal."""
        if self._broken:
            return self._blocks["journal"]
        if not self._lease.held:
            return _NO_LEASE
        return self._switch.check() if opens else ""

    def kill(self, reason: str) -> None:
        """By hand, within: written down, so that it outlives the engine."""
        self.written(lambda: self._journal.guard("kill", reason, clock.now_ns()))

    def rearm(self) -> None:
        """Every kill file that holds us is armed. Raises OSError where one can't be written."""
        now_ns = clock.now_ns()
        self._switch.arm("from within", now_ns)
        self.written(lambda: self._journal.guard("arm", "from within", now_ns))
        self._killed = ""
        self.look()

    def block(self, source: str, why: str) -> None:
        """No entries for this reason; empty: it is gone."""
        if self._blocks.get(source, "") != why:
            self._blocks[source] = why
            self._engine.block("; ".join(filter(None, self._blocks.values())))

    def written(self, write: Callable[[], None]) -> bool:
        """False where the journal fails: then nothing is placed any more."""
        try:
            if not self._broken:
                write()
        except JournalError as error:
            self._broken = True
            self.block("journal", f"{error}; start the engine again")
            self._engine.kill()
        return not self._broken
