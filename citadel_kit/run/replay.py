"""The deterministic driver: a recorded or simulated market in its own time, as fast or as slow as asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from citadel_kit import clock, ladder
from citadel_kit.errors import ConfigError
from citadel_kit.micro import flow
from citadel_kit.micro.limits import Budget, Limits
from citadel_kit.micro.session import Connect, FetchSnapshot
from citadel_kit.run.engine import Engine
from citadel_kit.run.paper import PaperBroker
from citadel_kit.settings import Fees
from citadel_kit.types import Frame, Instrument, MarketSource
from citadel_kit.venues import codec

TICK_NS: Final = 100 * clock.MILLISECOND
_BATCH: Final = 128
"""Frames between two looks at what people want: a kill is served within a few ms."""


class ReplayDriver:
    """Plays a market into an engine, piece by piece: between the pieces the market stands still.

    `speed`: market seconds per wall second; 0 plays as fast as it can. What happens does not depend on it.
    """

    mode = "REPLAY"

    def __init__(self, market: MarketSource, *, speed: float = 0.0) -> None:
        if not speed >= 0:
            raise ConfigError("speed", f"{speed!r} is not 0 or a positive number")
        self.market, self.speed = market, speed
        self.feeds = [(codec(market.wire, [i]), i) for i in market.instruments.values()]
        self.conversions: list[Instrument] = []
        self.fees: dict[str, Fees] = {}
        self.limits: Limits | None = None
        self.budgets: dict[str, Budget] = {}
        self.start_ns = market.start_ns
        self.feed_shows_our_orders = market.includes_our_orders
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self._tick_ns = 0

    async def start(
        self, engine: Engine, publish: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        """Open all connections at the market's first moment; plays nothing yet. `fail` is never called."""
        ladder.warm_up()
        flow.warm_up()
        self._engine, self._publish = engine, publish
        self._frames = self.market.frames()
        self._next = next(self._frames, None)
        self._tick_ns = self.start_ns + TICK_NS
        for venue in engine.sessions:
            engine.opened(venue, self.start_ns)
        publish()

    async def play(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Play `seconds` of market time, or until `stop()`, or to the end of the market."""
        until_ns = self._engine.now_ns + round(seconds * clock.SECOND)
        began_ns, origin_ns = clock.now_ns(), self._engine.now_ns
        while self.step(until_ns, stop):
            ahead = 0.0
            if self.speed:
                played_s = (self._engine.now_ns - origin_ns) / clock.SECOND
                ahead = played_s / self.speed - (clock.now_ns() - began_ns) / clock.SECOND
            await asyncio.sleep(max(0.0, ahead))
        self._publish()

    def step(self, until_ns: int, stop: Callable[[], bool]) -> bool:
        """Play one batch of frames and ticks; True if there is more to play. Paced, a tick ends the batch."""
        for _ in range(_BATCH):
            if stop():
                return False
            frame = self._next
            if frame is None:
                self._engine.state = "ended"
                return False
            if min(self._tick_ns, frame.recv_ns) > until_ns:
                self._engine.advance(until_ns)
                return False
            if self._tick_ns <= frame.recv_ns:
                self._tick()
                if self.speed:
                    return True
            else:
                self._engine.frame(frame.venue, frame.raw, frame.recv_ns)
                self.perform()
                self._next = next(self._frames, None)
        return True

    def broker(self, paper: Callable[[], PaperBroker]) -> PaperBroker:
        return paper()

    def killed(self) -> None:
        """No account is behind it."""

    def rearm(self) -> None:
        """No account is behind it."""

    def catch_up(self) -> None:
        """Between two pieces the market's time stands still: there is nothing to catch up with."""

    async def stop(self) -> None:
        """Reports still under way arrive; then nothing more happens."""
        self._engine.drain(seconds=10.0)
        self._next = None

    def _tick(self) -> None:
        self._engine.timer(self._tick_ns)
        self.perform()
        self._publish()
        self._tick_ns += TICK_NS

    def perform(self) -> None:
        """What a session sends goes nowhere. A connection given up is taken for opened again at once: if the
        recorder did so, its new snapshot follows; if not, the book is never LIVE again."""
        while effects := self._engine.take_effects():
            for venue, effect in effects:
                now_ns = self._engine.now_ns
                if isinstance(effect, FetchSnapshot):
                    body = self.market.snapshot(venue, effect.path)
                    if body is not None:
                        self._engine.frame(venue, body, now_ns, effect.symbol)
                elif isinstance(effect, Connect):
                    self._engine.opened(venue, now_ns)
