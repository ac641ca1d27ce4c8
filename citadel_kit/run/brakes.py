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
from citadel_kit.micro.guard import GuardStep, Trip

_FLATTEN: Final = "flatten"
_NO_LEASE: Final = "the lease is lost: another engine may trade this account"


class Stoppable(Protocol):
    """What brakes do to an engine."""

    def block(self, why: str) -> None: ...

    def kill(self, step: GuardStep = ...) -> None: ...

    def rearm(self) -> None: ...


class Brakes:
    def __init__(self, account: str, journal: Journal, lease: Lease, engine: Stoppable) -> None:
        """A kill of an earlier run, and its FLATTEN, stand until somebody arms. Raises OSError,
        JournalError."""
        last = {kind: journal.last_guard(kind) for kind in ("kill", _FLATTEN)}
        stands = {kind: said for kind, said in last.items() if said and said[0] == kind}
        _, text, at_ns = max(stands.values(), key=lambda said: said[2], default=("", "", 0))
        latched = KillState(True, True, at_ns, text) if stands else None
        beside = journal_file(Path(journal.path).resolve())
        self._switch = KillSwitch([global_file(), account_file(account), beside], latched)
        flat = _FLATTEN in stands and self._switch.check()
        self._step = GuardStep.FLATTEN if flat else GuardStep.REDUCE
        """To which a kill trips the guard."""
        self._seen = (self._step.value, Trip.HAND.value) if flat else (GuardStep.GO.value, Trip.NONE.value)
        self._journal, self._lease, self._engine = journal, lease, engine
        self._blocks: dict[str, str] = {}
        self._killed, self._broken = "", False

    def look(self) -> None:
        """Ten times a second: the kill files, and the lease."""
        said = self._switch.check()
        if said and not self._killed:
            self.written(lambda: self._journal.guard("kill", said, clock.now_ns()))
            self._engine.kill(self._step)
        elif self._killed and not said:
            self.written(lambda: self._journal.guard("arm", "by a file", clock.now_ns()))
            self._step = GuardStep.REDUCE
            self._engine.rearm()
        self._killed = said
        self.block("kill switch", f"killed: {said}" if said else "")
        if not self._lease.held:
            self.block("lease", _NO_LEASE)

    def see(self, stands: tuple[int, int, str]) -> None:
        """The guard's step and cause, and both in words: each new one is written before it takes effect."""
        step, cause, says = stands
        if (step, cause) != self._seen:
            self._seen = (step, cause)
            kind = {GuardStep.GO: "calm", GuardStep.FLATTEN: _FLATTEN}.get(GuardStep(step), "trip")
            self.written(lambda: self._journal.guard(kind, says, clock.now_ns()))

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
        self._killed, self._step = "", GuardStep.REDUCE
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
