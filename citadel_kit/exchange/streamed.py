"""The real market of this moment: a venue's public stream, as the kit's own session reads it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from citadel_kit import clock, ladder
from citadel_kit.errors import VenueUnreachable
from citadel_kit.exchange.followed import Follower, shown_at
from citadel_kit.exchange.markets import OutsideEvent
from citadel_kit.io import rest
from citadel_kit.io.reach import REACH_S
from citadel_kit.io.stream import PONG, Stream, StreamConfig, connect
from citadel_kit.micro.session import Connect, Effect, FetchSnapshot, Send, Session
from citadel_kit.types import Instrument
from citadel_kit.venues import Endpoints, codec

_TICK_S: Final = 0.1
_SNAPSHOT_GAP_S: Final = 1.0


class LiveMarket:
    """A `Market` whose events come by `run`, which the server awaits. `instruments` are of one venue, whose
    market is shown at all `venues`. `at`: where its public data are."""

    def __init__(
        self, instruments: Sequence[Instrument], at: Endpoints, venues: Sequence[str], *, start_ns: int
    ) -> None:
        self.start_ns, self._at, self._venues = start_ns, at, tuple(venues)
        self._venue, self._instruments = instruments[0].venue, tuple(instruments)
        self.instruments = shown_at(venues, instruments)
        of_venue = codec(self._venue, self._instruments)
        pings = not (of_venue.heartbeat or of_venue.ping() is not None)
        self._config = StreamConfig() if pings else StreamConfig(ping_s=None)
        self._session = Session(of_venue, self._instruments)
        self._followers = [Follower(self._session, i.symbol, self._venues) for i in self._instruments]
        self._push: Callable[[OutsideEvent], None] = _nowhere
        self._stream: Stream | None = None
        self._wait_s = 0.0
        self._fetches: dict[str, asyncio.Task[None]] = {}

    def events(self) -> Iterator[OutsideEvent]:
        return iter(())

    async def run(self, push: Callable[[OutsideEvent], None]) -> None:
        """Until cancelled; lost connections are opened again after the session's back-off."""
        self._push = push
        await asyncio.to_thread(ladder.warm_up)
        timer = asyncio.create_task(self._tick())
        try:
            while True:
                wait_s, self._wait_s = self._wait_s, 0.0
                await asyncio.sleep(wait_s)
                try:
                    async with connect(self._venue, self._at.stream, self._config) as stream:
                        await self._listen(stream)
                except VenueUnreachable as error:
                    self._closed(error.problem)
        finally:
            timer.cancel()
            self._closed("the market was left")

    async def _listen(self, stream: Stream) -> None:
        self._stream = stream
        self._perform(self._session.on_open(clock.now_ns(), random.random()))
        while True:
            for frame in await stream.receive():
                if frame.raw == PONG:
                    self._perform(self._session.on_pong(frame.recv_ns))
                else:
                    self._perform(self._session.on_frame(frame.raw, frame.recv_ns))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._perform(self._session.on_timer(clock.now_ns()))

    def _closed(self, reason: str) -> None:
        self._stream = None
        for task in self._fetches.values():
            task.cancel()
        self._fetches.clear()
        self._perform(self._session.on_close(clock.now_ns(), reason, random.random()))

    def _perform(self, effects: Sequence[Effect]) -> None:
        for follower in self._followers:
            for event in follower.follow(effects, clock.now_ns()):
                self._push(event)
        for effect in effects:
            if isinstance(effect, Connect):
                self._wait_s = max(self._wait_s, effect.delay_ns / clock.SECOND)
                if self._stream is not None:
                    self._stream.drop(effect.reason)
            elif isinstance(effect, Send) and self._stream is not None:
                self._stream.send(effect.text)
            elif isinstance(effect, FetchSnapshot):
                earlier = self._fetches.pop(effect.symbol, None)
                if earlier is not None:
                    earlier.cancel()
                self._fetches[effect.symbol] = asyncio.create_task(self._fetch(effect))

    async def _fetch(self, effect: FetchSnapshot) -> None:
        try:
            url = self._at.rest + effect.path
            body = await rest.fetch_snapshot(self._venue, url, timeout_s=REACH_S)
        except VenueUnreachable as error:
            self._wait_s = max(self._wait_s, error.retry_after_s, _SNAPSHOT_GAP_S)
            if self._stream is not None:
                self._stream.drop(f"no book snapshot: {error.problem}")
            return
        self._fetches.pop(effect.symbol, None)
        self._perform(self._session.on_frame(body, clock.now_ns(), effect.symbol))


def _nowhere(event: OutsideEvent) -> None:
    """Before `run`."""
