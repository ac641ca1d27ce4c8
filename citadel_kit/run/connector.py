"""HybridConnector: runs the micro layer beside a notebook, on one thread with its own event loop.

Everything that goes in or out is plain data. `snapshot()` never waits; every other call is handed to the
engine's thread and waits for its answer, so it is safe from any thread, and no nested event loop is needed.
The driver decides what time is: the tape's in a replay, ours on a live market.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from msgspec.structs import replace

from citadel_kit import settings
from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import CitadelError, ConfigError, EngineClosed, NotLive
from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.micro.gate import GateConfig, Reason
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.driver import Driver
from citadel_kit.run.engine import Engine, EngineConfig
from citadel_kit.run.loop_thread import LoopThread
from citadel_kit.run.order import Order
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.types import Fill, Instrument, MicroSnapshot, OrderIntent, OrderView, Verdict

PAST_KEPT: Final = 3_000
PAST_EVERY_NS: Final = 100 * MILLISECOND
FOREVER_S: Final = 1e9
KILL_WAIT_S: Final = 2.0
CLOSE_WAIT_S: Final = 10.0

T = TypeVar("T")

_running: dict[str, HybridConnector] = {}
_registry = threading.Lock()
_starting = threading.Lock()
"""One connector starts at a time: two of one name must not both think that they replaced the other."""


class HybridConnector:
    """The bridge between a notebook and the micro layer.

    Of one `name` there is one engine: a new connector closes the one before, so a cell may be run again and
    again. Use it as a context manager, or call `close()`; at exit it closes itself. Closing cancels every
    working order first.

    `fees` are those of each venue; without them its published first tier. Of an UNVERIFIED venue nothing
    counts but with `verified_only=False`, in `quotes` for the global quote, in `gate` for entries.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        gate: GateConfig | None = None,
        guard: GuardConfig | None = None,
        quotes: QuoteConfig | None = None,
        session: SessionConfig | None = None,
        queue: QueueConfig | None = None,
        latency: Latency | None = None,
        fees: Mapping[str, settings.Fees] | None = None,
        name: str = "main",
    ) -> None:
        self.name, self.mode, self._driver = name, driver.mode, driver
        self.instruments: Mapping[str, Instrument] = {i.venue: i for _, i in driver.feeds}
        configs = session or SessionConfig(), gate or GateConfig(), guard or GuardConfig()
        broker = PaperBroker(
            self.instruments.values(), latency=latency or Latency(), queue=queue or QueueConfig()
        )
        self._engine = Engine(
            driver.feeds,
            broker,
            fees or {venue: driver.fees.get(venue) or settings.fees(venue) for venue in self.instruments},
            EngineConfig(*configs, quotes or QuoteConfig()),
            mode=driver.mode,
            feed_shows_our_orders=driver.feed_shows_our_orders,
            conversions=driver.conversions,
        )
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

    # --- what the macro layer and the notebook see ----------------------------------------

    def snapshot(self) -> MicroSnapshot:
        """The newest state: one reference, immutable, never waits."""
        return self._latest

    def past(self, since_ns: int = 0) -> list[MicroSnapshot]:
        """Snapshots later than `since_ns`, oldest first: ten a second of market time, the newest 3,000."""
        with self._past_lock:
            return [snapshot for snapshot in self._past if snapshot.asof_ns > since_ns]

    def fills(self) -> Sequence[Fill]:
        """All fills so far, oldest first."""
        return self._facts(lambda: list(self._engine.fills))

    # --- what goes down ------------------------------------------------------------------

    def gate(self, intent: OrderIntent) -> Verdict:
        """What the safety gate says to this intent now. A closed or dead engine blocks everything."""
        try:
            return self._call(lambda: self._engine.judge(intent))
        except EngineClosed as error:
            return Verdict(False, (Reason.ENGINE,), str(error))

    @property
    def verdict(self) -> Verdict | None:
        """The gate's last word, to `gate` or `submit`, with its time; None before it was asked."""
        return self._engine.verdict

    def submit(self, intent: OrderIntent, **options: Any) -> Order:
        """Ask the gate, then let a chase order work the book.

        `options`, with their defaults: `deadline_s` 60, from now · `on_deadline` "cancel", or "take": after
        the confirmed cancel once, within `take_slippage_bps` 5 of the touch · `limit_price` none, in quote
        currency · `max_chase_bps` 50, from the mid at arrival · `min_move` 1 tick before it follows ·
        `min_rest_ns` 0 · `pause_ns` 250 ms after a reject · `max_rejects` 5 in a row.

        Raises GateRefused with the gate's reasons, ConfigError for an option that can't be, EngineClosed.
        """
        return Order(self, self._call(lambda: self._engine.submit(intent, options)))

    def cancel(self, parent_id: str) -> None:
        """Cancel one parent order. Raises ConfigError for an unknown id."""
        self._call(lambda: self._engine.cancel(parent_id))

    def kill(self) -> None:
        """Cancel every working order and let no entry pass until `rearm()`. Any thread may, at any time.

        Returns when the engine has done it, within milliseconds. Raises EngineClosed if it did not within
        two seconds: then it is busy, and does it as soon as it can. A closed engine has nothing to kill.
        """
        if self._thread.is_current:
            self._kill()
            return
        done = self._thread.soon(self._kill)
        if done is None:  # closed: its orders were cancelled before
            return
        try:
            done.result(KILL_WAIT_S)
        except TimeoutError:
            if self._thread.alive:
                raise EngineClosed("the engine is busy: the kill waits until it can act on it") from None

    def rearm(self) -> None:
        """Take back a tripped guard, by hand."""
        self._call(self._engine.rearm)

    # --- time ------------------------------------------------------------------

    def run_for(self, seconds: float) -> MicroSnapshot:
        """Let the market go on for so many of its seconds: played in a replay, waited for live.

        A recorded market may end sooner: then the snapshot says so, and no entry passes any more.
        """
        return self.run_until(lambda: False, seconds)

    def run_until(self, stop: Callable[[], bool], seconds: float) -> MicroSnapshot:
        """As `run_for`, but no longer than until `stop()`, which is called on the engine's thread.

        An exception of `stop()` pauses the market and comes back here; the engine is none the worse for it.
        """
        if not (isinstance(seconds, int | float) and 0 <= seconds < FOREVER_S):
            raise ConfigError("seconds", f"{seconds!r} is not a number of seconds, 0 or more")
        failures: list[Exception] = []

        def stop_safely() -> bool:
            try:
                return stop()
            except Exception as error:  # noqa: BLE001 - the caller's own code, given back to the caller
                failures.append(error)
                return True

        self._run(lambda: self._driver.play(seconds, stop_safely))
        if failures:
            raise failures[0]
        return self._latest

    def wait_live(self, seconds: float = 30.0) -> MicroSnapshot:
        """Until every book is LIVE. Raises NotLive, naming the others and why, if that takes longer."""
        snapshot = self.run_until(lambda: self._engine.live, seconds)
        if late := self._call(self._engine.not_live):
            raise NotLive(seconds, late)
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
        """Cancel every order, stop the driver, end the thread. Safe to call twice, and from `atexit`.

        Raises EngineClosed when the thread does not end within ten seconds, since somebody's `stop()` holds
        it: then its name stays taken, and no second engine can start under it.
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

    def __repr__(self) -> str:
        shown = self._latest
        books = ", ".join(f"{v.venue} {v.standing}" for v in shown.venues)
        return f"<HybridConnector {self.name!r} {self.mode} {shown.symbol}: {shown.engine}; {books}>"

    # --- the engine's thread ------------------------------------------------------------------

    def _begin_shut(self) -> None:
        self._shutting = asyncio.ensure_future(self._shut())  # kept: a loop holds its tasks only weakly

    async def _shut(self) -> None:
        try:
            if self._usable:
                self._engine.state = "closing"
            self._engine.cancel_all()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
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
            self._publish()

    def _publish(self) -> None:
        self._latest = snapshot = self._engine.snapshot()
        if not self._past or snapshot.asof_ns - self._past[-1].asof_ns >= PAST_EVERY_NS:
            with self._past_lock:
                self._past.append(snapshot)

    def _kill(self) -> None:
        try:
            self._engine.kill()
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


@atexit.register
def close_all() -> None:
    """Close every connector of this process."""
    for connector in list(_running.values()):
        connector.close()
