"""HybridConnector: runs the micro layer beside a notebook, on one thread with its own event loop.

Everything that goes in or out is plain data. `snapshot()` never waits; every other call is handed to the
engine's thread and waits for its answer, so it is safe from any thread, and no nested event loop is needed.
The driver decides what time is: the tape's in a replay, ours on a live market.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from citadel_kit import settings
from citadel_kit.errors import ConfigError, EngineClosed, NotLive
from citadel_kit.io.recordfile import RecordWriter
from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.micro.gate import GateConfig, Reason
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.limits import Budget, Limits
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.micro.routing import Route
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run import twap
from citadel_kit.run.allowance import tightest
from citadel_kit.run.driver import Driver
from citadel_kit.run.engine import Engine
from citadel_kit.run.host import EngineHost
from citadel_kit.run.inputs import RecordedEngine
from citadel_kit.run.options import check, check_signal
from citadel_kit.run.order import Order, as_frame, history
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.run.report import ExecutionReport
from citadel_kit.run.shortfall import Execution
from citadel_kit.types import (
    Fill,
    Instrument,
    MacroSignal,
    MicroSnapshot,
    OrderIntent,
    OrderView,
    Side,
    Verdict,
)

if TYPE_CHECKING:
    import pandas as pd

FOREVER_S: Final = 1e9
KILL_WAIT_S: Final = 2.0


class HybridConnector(EngineHost):
    """The bridge between a notebook and the micro layer.

    Of one `name` there is one engine: a new connector closes the one before, so a cell may be run again and
    again. Use it as a context manager, or call `close()`; at exit it closes itself. Closing cancels every
    working order first.

    `fees` are those of each venue; without them its published first tier. `limits`: of those
    given and those the account was armed with, the tighter one each. `budgets`: requests about orders that a
    venue allows; without them the account's. Of an UNVERIFIED venue nothing counts but with
    `verified_only=False`, in `quotes` for the global quote, in `gate` for entries.

    `record`: a new file for every input of the engine, and what it decided, for `run.inputs.replay_inputs`.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        gate: GateConfig | None = None,
        guard: GuardConfig | None = None,
        quotes: QuoteConfig | None = None,
        limits: Limits | None = None,
        budgets: Mapping[str, Budget] | None = None,
        session: SessionConfig | None = None,
        queue: QueueConfig | None = None,
        latency: Latency | None = None,
        fees: Mapping[str, settings.Fees] | None = None,
        record: Path | str | None = None,
        name: str = "main",
    ) -> None:
        self.mode = driver.mode
        self.instruments: Mapping[str, Instrument] = {i.venue: i for _, i in driver.feeds}
        allowed = driver.budgets if budgets is None else budgets
        configs = session or SessionConfig(), gate or GateConfig(), guard or GuardConfig()
        self._log = None if record is None else RecordWriter(record)
        make = Engine if self._log is None else partial(RecordedEngine, self._log)
        engine = make(
            driver.feeds,
            driver.broker(
                lambda: PaperBroker(
                    self.instruments.values(), latency=latency or Latency(), queue=queue or QueueConfig()
                )
            ),
            fees or {venue: driver.fees.get(venue) or settings.fees(venue) for venue in self.instruments},
            EngineConfig(
                *configs,
                quotes or QuoteConfig(),
                limits=tightest(limits or Limits(), driver.limits),
                budgets=allowed,
            ),
            mode=driver.mode,
            feed_shows_our_orders=driver.feed_shows_our_orders,
            conversions=driver.conversions,
        )
        super().__init__(name, driver, engine)

    def close(self) -> None:
        super().close()
        if self._log is not None:
            self._log.close()

    # --- what the macro layer and the notebook see ----------------------------------------

    def fills(self) -> Sequence[Fill]:
        """All fills so far, oldest first."""
        return self._facts(lambda: list(self._engine.fills))

    def position(self, venue: str) -> float:
        """What is held there by our own fills, in base units; negative is short. Raises ConfigError."""
        if venue not in self.instruments:
            raise ConfigError("venue", f"there is no {venue!r}", f"There are: {', '.join(self.instruments)}")
        instrument = self.instruments[venue]
        return self._facts(lambda: instrument.qty(self._engine.orders.ledger.position(venue).qty))

    def orders(self) -> pd.DataFrame:
        """All parent orders so far, oldest first; times in UTC, amounts in the units of `OrderView`."""
        return as_frame(self._facts(self._engine.orders.views))

    def history(self, parent_id: str) -> pd.DataFrame:
        """What one parent order did, or all slices of one: each stretch at a price and each fill, in order
        of time. Raises ConfigError for an unknown id."""
        _check_id(parent_id)
        orders = self._engine.orders

        def executions() -> list[Execution]:
            return [orders.execution(name, self._engine.now_ns) for name in orders.chases(parent_id)]

        return history(self._facts(executions))

    def report(self) -> ExecutionReport:
        """Transaction cost analysis of what was done so far."""
        return ExecutionReport(self._facts(lambda: self._engine.orders.executions(self._engine.now_ns)))

    def routes(self, side: Side, base_qty: float, *, taking: bool = False) -> list[Route]:
        """Where so much can be traded, the best price after fees first; those where it can't be, last.

        `taking`: what the opposite side asks for all of it; else joining the touch. Make an intent of a
        route's `venue` and `qty`. Raises ConfigError where quote currencies differ.
        """
        if not isinstance(side, Side):
            raise ConfigError("side", f"{side!r} is no Side")
        try:
            wanted = Fraction(str(base_qty))
        except (ValueError, ArithmeticError):
            raise ConfigError("base_qty", f"{base_qty!r} is no number") from None
        return self._call(lambda: self._engine.routes(side, wanted, taking=taking))

    # --- what goes down ------------------------------------------------------------------

    def gate(self, intent: OrderIntent) -> Verdict:
        """What the safety gate says to this intent now. A closed or dead engine blocks everything."""
        try:
            check(intent)
            return self._call(lambda: self._engine.judge(intent))
        except ConfigError as error:
            return Verdict(False, (Reason.ERROR.value,), f"blocked: {error}")
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

        With `twap_s` it is worked off in `twap_slices` 10 over so many seconds, each a chase of its own with
        nine tenths of its time for a deadline; `twap_jitter` from 0 to below 1 varies sizes and times.

        An entry carries its exit plan: `stop_bps` 500 and `target_bps` none, from the mid at arrival, or
        `stop_price`, `target_price` · `exit_after_s` never · `exit_on_flip` True, when `signal` turns.

        Raises GateRefused with the gate's reasons, ConfigError for an option that can't be, EngineClosed.
        """
        check(intent, options)
        if "twap_s" in options:
            twap.check(options)
            count = options.get("twap_slices", twap.DEFAULT_SLICES) if options.get("twap_jitter") else 0
            options["twap_draws"] = [random.random() for _ in range(2 * count)]
        return Order(self, self._call(lambda: self._engine.submit(intent, options)))

    def cancel(self, parent_id: str) -> None:
        """Cancel one parent order. Raises ConfigError for an unknown id."""
        _check_id(parent_id)
        self._call(lambda: self._engine.cancel(parent_id))

    def close_position(self, parent_id: str) -> None:
        """Close what an entry opened, by its exit plan; a TWAP, with all its slices, ends. Raises ConfigError
        for an unknown id."""
        _check_id(parent_id)
        self._call(lambda: self._engine.close_position(parent_id))

    def signal(self, signal: MacroSignal) -> None:
        """The macro layer's newest word: positions that stand against it close, unless their plans say no.
        Raises ConfigError for what is no signal."""
        check_signal(signal)
        self._call(lambda: self._engine.on_signal(0 if signal.side is None else int(signal.side)))

    def kill(self) -> None:
        """Cancel every working order and let no entry pass until `rearm()`. Any thread may, at any time.
        Exits of plans go on, and stops at the venues stay.

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
        """Take back a tripped guard or a kill, by hand. Raises OSError where a kill file can't be written."""

        def rearm() -> None:
            self._driver.rearm()
            self._engine.rearm()

        self._call(rearm)

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
        """Until a parent order is finished, or for so many seconds. Raises ConfigError for an unknown id."""
        _check_id(parent_id)
        self.run_until(lambda: self._engine.orders.is_finished(parent_id), seconds)
        return self.order(parent_id)

    def order(self, parent_id: str) -> OrderView:
        """A parent order as it stands. Raises ConfigError for an unknown id."""
        _check_id(parent_id)
        return self._facts(lambda: self._engine.orders.view(parent_id))

    def __repr__(self) -> str:
        shown = self._latest
        books = ", ".join(f"{v.venue} {v.standing}" for v in shown.venues)
        return f"<HybridConnector {self.name!r} {self.mode} {shown.symbol}: {shown.engine}; {books}>"


def _check_id(parent_id: object) -> None:
    if not isinstance(parent_id, str):
        raise ConfigError("parent_id", f"{parent_id!r} is no text, as the ids of orders are")
