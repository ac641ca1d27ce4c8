"""An engine on a thread of its own: what any thread may ask of it, and how it ends.

Of one name there is one engine in a process. `snapshot()` never waits; every other call is handed to the
engine's thread and waits for its answer.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from msgspec.structs import replace

from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import CitadelError, ConfigError, EngineClosed
from citadel_kit.run.driver import Driver
from citadel_kit.run.engine import Engine
from citadel_kit.run.loop_thread import LoopThread
from citadel_kit.types import MicroSnapshot

PAST_KEPT: Final = 3_000
PAST_EVERY_NS: Final = 100 * MILLISECOND
CLOSE_WAIT_S: Final = 20.0

T = TypeVar("T")

_running: dict[str, EngineHost] = {}
_registry = threading.Lock()
_starting = threading.Lock()
"""One engine starts at a time: two of one name must not both think that they replaced the other."""


class EngineHost:
    """Started by its constructor. A new one of the same name closes the one before; at exit it closes itself.

    Closing cancels every working order first.
    """

    def __init__(self, name: str, driver: Driver, engine: Engine) -> None:
        """Raises what the driver's `start` raises; then nothing is left running."""
        self.name, self._driver, self._engine = name, driver, engine
        self._closing = False
        self._cause: BaseException | None = None
        self._latest = self._engine.snapshot()
        self._past: deque[MicroSnapshot] = deque(maxlen=PAST_KEPT)
        self._past_lock = threading.Lock()
        self._thread = LoopThread(f"citadel-{name}")
        with _starting:
            earlier = _running.get(name)
            if earlier is not None:
                earlier.close()
            with _registry:
                _running[name] = self
            self._thread.start()
            try:
                self._run(lambda: driver.start(self._engine, self._publish, self._die))
            except BaseException:
                self.close()
                raise

    def snapshot(self) -> MicroSnapshot:
        """The newest state: one reference, immutable, never waits."""
        return self._latest

    def past(self, since_ns: int = 0) -> list[MicroSnapshot]:
        """Snapshots later than `since_ns`, oldest first: ten a second of market time, the newest 3,000."""
        with self._past_lock:
            return [snapshot for snapshot in self._past if snapshot.asof_ns > since_ns]

    def close(self) -> None:
        """Cancel every order, stop the driver, end the thread. Safe to call twice, and from `atexit`.

        Raises EngineClosed when the thread does not end within `CLOSE_WAIT_S`, since somebody's `stop()`
        holds it: then its name stays taken, and no second engine can start under it.
        """
        with _registry:
            closing, self._closing = self._closing, True
        if self._thread.alive:
            if not closing:
                self._thread.soon(self._begin_shut)
            if not self._thread.join(CLOSE_WAIT_S):
                self._closing = False
                raise EngineClosed(f"the engine of {self.name!r} is busy and did not end: interrupt its cell")
        with _registry:
            if _running.get(self.name) is self:
                del _running[self.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the engine's thread ------------------------------------------------------------------

    def _begin_shut(self) -> None:
        self._shutting = asyncio.ensure_future(self._shut())  # kept: a loop holds its tasks only weakly

    async def _shut(self) -> None:
        try:
            if self._usable:
                self._engine.state = "closing"
            self._engine.cancel_all()
            for call in _calls():
                call.cancel()
            await self._driver.stop()
            if self._engine.state == "closing":
                self._engine.state = "closed"
            self._publish()
        except Exception as error:  # noqa: BLE001 - a broken engine must still end; its state says what happened
            self._die(error)
        finally:
            self._thread.end()

    def _die(self, error: Exception) -> None:
        """Show the last good numbers as those of a dead engine, and try to take its orders back."""
        self._cause = error
        self._engine.state = f"dead: {error!r}"
        self._latest = replace(self._latest, engine=self._engine.state)
        with suppress(Exception):  # it may be too broken for that: then the state has said so already
            self._engine.kill()
            self._driver.perform()
            self._publish()

    def _publish(self) -> None:
        self._latest = snapshot = self._engine.snapshot()
        if not self._past or snapshot.asof_ns - self._past[-1].asof_ns >= PAST_EVERY_NS:
            with self._past_lock:
                self._past.append(snapshot)

    def _kill(self) -> None:
        try:
            self._engine.kill()
            self._driver.perform()
            self._driver.killed()
            self._publish()
        except Exception as error:  # noqa: BLE001 - an order may not have been cancelled: say so, trade no more
            self._die(error)

    def _call(self, action: Callable[[], T]) -> T:
        """Run on the engine's thread; at once where this is that thread, in a `stop()` of `run_until`."""
        if self._thread.is_current:
            self._driver.catch_up()
            return action()

        async def on_loop() -> T:
            try:
                self._driver.catch_up()
                return action()
            finally:
                self._driver.perform()
                self._publish()

        return self._run(on_loop)

    def _run(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await on the engine's thread. An interrupt of the cell cancels the job and leaves the engine."""
        if self._thread.is_current:
            raise ConfigError("stop", "a condition can't itself play the market")
        if not self._usable or not self._thread.alive:
            what = f"the engine of {self.name!r} is {self._engine.state}; start a new one"
            raise EngineClosed(what, self._cause)
        return self._thread.run(self._watched(job))

    @property
    def _usable(self) -> bool:
        return self._engine.state in {"running", "ended"}

    def _facts(self, action: Callable[[], T]) -> T:
        """What happened stays readable when the engine is closed or dead."""
        return self._call(action) if self._usable else action()

    async def _watched(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the kit did not raise on purpose leaves the engine in an unknown state: it trades no more.

        The job's coroutine is made here: cancelled before its turn, it leaves none that nobody awaits.
        """
        try:
            return await job()
        except CitadelError:
            raise
        except Exception as error:
            self._die(error)
            what = f"the engine of {self.name!r} died of {error!r}; start a new one"
            raise EngineClosed(what, error) from error


def _calls() -> list[asyncio.Task[Any]]:
    """What threads wait for on this loop, begun or not."""
    code = EngineHost._watched.__code__
    return [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "cr_code", None) is code]


@atexit.register
def close_all() -> None:
    """Close every engine of this process."""
    for host in list(_running.values()):
        host.close()
