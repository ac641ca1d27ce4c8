"""HybridConnector: runs the micro layer beside a notebook, on one thread with its own event loop.

Everything that goes in or out is plain data. `snapshot()` reads one reference and never waits; every other
call is handed to the engine's thread and waits for its answer, so it is safe from any thread, and no nested
event loop is needed. The driver decides what time is: the tape's in a replay, ours on a live market.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from citadel_kit import settings
from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import CitadelError, ConfigError, EngineClosed
from citadel_kit.micro.gate import GateConfig, Reason
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.engine import Engine, EngineConfig
from citadel_kit.run.order import Order
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.types import Codec, Fill, Instrument, MicroSnapshot, OrderIntent, OrderView, Verdict

PAST_KEPT: Final = 3_000
PAST_EVERY_NS: Final = 100 * MILLISECOND

T = TypeVar("T")

try:
    import uvloop

    _new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # Windows
    _new_loop = asyncio.new_event_loop


class Driver(Protocol):
    """Owns the order and pace of events: `run.replay.ReplayDriver`, `run.live.LiveDriver`."""

    mode: str
    feeds: list[tuple[Codec, Instrument]]
    feed_shows_our_orders: bool
    start_ns: int

    async def start(
        self, engine: Engine, publish: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        """`publish` a new state; `fail` when nothing attends to the books any more."""

    def catch_up(self) -> None:
        """Bring the engine to the present, on its own thread, before it is asked for something."""

    async def play(self, seconds: float, stop: Callable[[], bool]) -> None: ...

    async def stop(self) -> None: ...


_running: dict[str, HybridConnector] = {}
_registry = threading.Lock()


class HybridConnector:
    """The bridge between a notebook and the micro layer.

    Of one `name` there is one engine: a new connector closes the one before, so a cell may be run again and
    again. Use it as a context manager, or call `close()`; at exit it closes itself. Closing cancels every
    working order first.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        gate: GateConfig | None = None,
        guard: GuardConfig | None = None,
        session: SessionConfig | None = None,
        queue: QueueConfig | None = None,
        latency: Latency | None = None,
        name: str = "main",
    ) -> None:
        self.name, self._driver = name, driver
        instruments = {instrument.venue: instrument for _, instrument in driver.feeds}
        broker = PaperBroker(instruments.values(), latency=latency or Latency(), queue=queue or QueueConfig())
        self._engine = Engine(
            driver.feeds,
            broker,
            {venue: settings.fees(venue) for venue in instruments},
            EngineConfig(session or SessionConfig(), gate or GateConfig(), guard or GuardConfig()),
            mode=driver.mode,
            feed_shows_our_orders=driver.feed_shows_our_orders,
        )
        self._state, self._closing = "running", False
        self._cause: BaseException | None = None
        self._verdict: Verdict | None = None
        self._latest = self._engine.snapshot("starting")
        self._past: deque[MicroSnapshot] = deque(maxlen=PAST_KEPT)
        self._past_lock = threading.Lock()
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._serve, name=f"citadel-{name}", daemon=True)
        with _registry:
            earlier, _running[name] = _running.get(name), self
        if earlier is not None:
            earlier.close()
        self._thread.start()
        try:
            self._run(driver.start(self._engine, self._publish, self._die))
        except BaseException:
            self.close()
            raise

    # --- what the macro layer and the notebook see ----------------------------------------

    def snapshot(self) -> MicroSnapshot:
        """The newest state: one reference, immutable, never waits."""
        return self._latest

    def past(self, since_ns: int = 0) -> list[MicroSnapshot]:
        """Snapshots later than `since_ns`, oldest first: ten a second of market time, the newest 3,000."""
        with self._past_lock:
            return [snapshot for snapshot in self._past if snapshot.asof_ns > since_ns]

    @property
    def mode(self) -> str:
        return self._engine.mode

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._engine.instruments

    def fills(self) -> Sequence[Fill]:
        """All fills so far, oldest first."""
        return self._facts(lambda: list(self._engine.fills))

    # --- what goes down ------------------------------------------------------------------

    def gate(self, intent: OrderIntent) -> Verdict:
        """What the safety gate says to this intent now. A closed or dead engine blocks everything."""
        try:
            self._verdict = self._call(lambda: self._engine.judge(intent))
        except EngineClosed as error:
            self._verdict = Verdict(False, (Reason.ENGINE,), str(error))
        return self._verdict

    @property
    def verdict(self) -> Verdict | None:
        """The gate's last word, as the panel shows it; None before it was asked."""
        return self._verdict

    def submit(self, intent: OrderIntent, **options: Any) -> Order:
        """Ask the gate, then let a chase order work the book.

        `options`: those of `micro.chase.configure`, and `deadline_s` from now (60). Raises GateRefused with
        the gate's reasons, ConfigError for an option that can't be, EngineClosed.
        """
        return Order(self, self._call(lambda: self._engine.submit(intent, options)))

    def cancel(self, parent_id: str) -> None:
        """Cancel one parent order. Raises ConfigError for an unknown id."""
        self._call(lambda: self._engine.cancel(parent_id))

    def kill(self) -> None:
        """Cancel every working order and let no entry pass until `rearm()`. Does not wait; any thread may."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._kill)

    def rearm(self) -> None:
        """Take back a tripped guard, by hand."""
        self._call(self._engine.rearm)

    # --- time ------------------------------------------------------------------

    def run_for(self, seconds: float) -> MicroSnapshot:
        """Let the market go on for so many of its seconds: played in a replay, waited for live."""
        return self.run_until(lambda: False, seconds)

    def run_until(self, stop: Callable[[], bool], seconds: float) -> MicroSnapshot:
        """As `run_for`, but no longer than until `stop()`, which is called on the engine's thread.

        An exception of `stop()` pauses the market and comes back here; the engine is none the worse for it.
        """
        failures: list[Exception] = []

        def stop_safely() -> bool:
            try:
                return stop()
            except Exception as error:  # noqa: BLE001 - the caller's own code, given back to the caller
                failures.append(error)
                return True

        self._run(self._driver.play(seconds, stop_safely))
        if failures:
            raise failures[0]
        return self._latest

    def wait_live(self, seconds: float = 30.0) -> MicroSnapshot:
        """Until every book is LIVE. Raises EngineClosed, naming each venue's state, if that takes longer."""
        snapshot = self.run_until(lambda: self._engine.live, seconds)
        if not self._call(lambda: self._engine.live):
            states = "; ".join(f"{v.venue}: {v.state.name} ({v.state_reason})" for v in snapshot.venues)
            raise EngineClosed(f"no LIVE book on every venue within {seconds:g} s. {states}")
        return snapshot

    def wait(self, parent_id: str, seconds: float) -> OrderView:
        """Until a parent order is finished, or for so many seconds."""
        self.run_until(lambda: self._engine.is_finished(parent_id), seconds)
        return self.order(parent_id)

    def order(self, parent_id: str) -> OrderView:
        """A parent order as it stands. Raises ConfigError for an unknown id."""
        return self._facts(lambda: self._engine.order(parent_id))

    # --- the end ------------------------------------------------------------------

    def close(self) -> None:
        """Cancel every order, stop the driver, end the thread. Safe to call twice, and from `atexit`."""
        with _registry:
            if _running.get(self.name) is self:
                del _running[self.name]
            closing, self._closing = self._closing, True
        if closing or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop)
        self._thread.join(timeout=10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = self._latest
        books = ", ".join(f"{v.venue} {v.state.name}" for v in shown.venues)
        return f"<HybridConnector {self.name!r} {self.mode} {shown.symbol}: {self._state}; {books}>"

    # --- the engine's thread ------------------------------------------------------------------

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _shut(self) -> None:
        try:
            self._engine.kill()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await self._driver.stop()
            if self._state == "running":
                self._state = "closed"
            self._publish()
        except Exception as error:  # noqa: BLE001 - a broken engine must still end; its state says what happened
            self._die(error)
        finally:
            self._loop.stop()

    def _die(self, error: Exception) -> None:
        """Show the last good numbers as those of a dead engine, and try to take its orders back."""
        self._cause = error
        self._state = f"dead: {error!r}"
        self._latest = replace(self._latest, engine=self._state)
        with suppress(Exception):  # it may be too broken for that: then the state has said so already
            self._engine.kill()
            self._publish()

    def _publish(self) -> None:
        self._latest = snapshot = self._engine.snapshot(self._state)
        if not self._past or snapshot.asof_ns - self._past[-1].asof_ns >= PAST_EVERY_NS:
            with self._past_lock:
                self._past.append(snapshot)

    def _kill(self) -> None:
        self._engine.kill()
        self._publish()

    def _call(self, action: Callable[[], T]) -> T:
        """Run on the engine's thread; at once where this is that thread, in a `stop()` of `run_until`."""
        if threading.current_thread() is self._thread:
            return action()

        async def on_loop() -> T:
            try:
                self._driver.catch_up()
                return action()
            finally:
                self._publish()

        return self._run(on_loop())

    def _run(self, job: Coroutine[Any, Any, T]) -> T:
        """Await on the engine's thread. An interrupt of the cell cancels the job and leaves the engine."""
        if threading.current_thread() is self._thread:
            job.close()
            raise ConfigError("stop", "a condition can't itself play the market")
        if self._state != "running" or not self._thread.is_alive():
            job.close()
            raise EngineClosed(f"the engine of {self.name!r} is {self._state}; start a new one", self._cause)
        future = asyncio.run_coroutine_threadsafe(self._watched(job), self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise EngineClosed(f"the engine of {self.name!r} was closed while a call waited for it") from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _facts(self, action: Callable[[], T]) -> T:
        """What happened stays readable when the engine has ended, and nothing changes it any more."""
        return self._call(action) if self._state == "running" else action()

    async def _watched(self, job: Coroutine[Any, Any, T]) -> T:
        """What the kit did not raise on purpose leaves the engine in an unknown state: it trades no more."""
        try:
            return await job
        except CitadelError:
            raise
        except Exception as error:
            self._die(error)
            raise EngineClosed(
                f"the engine of {self.name!r} died of {error!r}; start a new one", error
            ) from error


@atexit.register
def close_all() -> None:
    """Close every connector of this process."""
    for connector in list(_running.values()):
        connector.close()
