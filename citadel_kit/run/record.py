"""Recording: one connection for each instrument at each venue, every frame of it on a tape.

A session runs along, so that the tape holds what a live book would have needed: it subscribes, fetches
snapshots, asks for a book anew after a gap, and reconnects. Each file of a recording stands on its own: it is
of one connection, and its book begins with a snapshot.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from citadel_kit import clock, ladder
from citadel_kit.errors import VenueUnreachable
from citadel_kit.io.reach import REACH_S
from citadel_kit.io.recorder import Recorder
from citadel_kit.io.rest import fetch_snapshot
from citadel_kit.io.stream import PONG, Received, Stream, StreamConfig, connect
from citadel_kit.micro.session import (
    Connect,
    Effect,
    FetchSnapshot,
    Send,
    Session,
    SessionConfig,
    StateChanged,
)
from citadel_kit.types import FeedState, Instrument
from citadel_kit.venues import Endpoints, codec

TICK_S: Final = 0.1
_REPORT_S: Final = 1.0
_PART_REQUEST: Final = 1_000
"""Id of the request for a book at the start of a file; a session's own ids are small."""
# Whether a connection lives is seen by websocket pings; a market may be as silent as it likes.
_SESSION: Final = SessionConfig(any_frame=True, reconnect_ns=1 << 62, silent_ns=60 * clock.SECOND)


class RecordConfig(NamedTuple):
    part_s: float = 3600.0
    """A file is ended after so long …"""
    part_bytes: int = 256 * 2**20
    """… or when it has grown to this, compressed."""
    flush_s: float = 0.5
    """What a kill can cost."""
    ping_s: float = 10.0
    """Between our pings where a venue wants them (Bybit: every 20 s, OKX: after 30 s of silence)."""
    reach_s: float = REACH_S


class Recording:
    """One instrument at one venue. `at`: where the venue's public data are."""

    def __init__(
        self,
        instrument: Instrument,
        folder: Path,
        at: Endpoints,
        config: RecordConfig | None = None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.instrument, self.connections = instrument, 0
        self.lived = False
        """Was its book ever LIVE? If not, no book can be had from its files."""
        self._problem = ""
        """Why the book, or the last connection, was given up; empty once it was LIVE again."""
        self.config = config or RecordConfig()
        name = instrument.symbol.replace("/", "-").replace(":", "_")
        self.recorder = Recorder(folder, f"{instrument.venue}_{name}")
        self.codec = codec(instrument.venue, [instrument])
        self.session = Session(self.codec, [instrument], _SESSION)
        self._at, self._draw = at, draw
        self._stream: Stream | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._bodies: deque[Received] = deque()
        """REST snapshots that wait for their place among the frames."""
        self._wait_ns = self._flushed_ns = self._pinged_ns = 0

    def trouble(self) -> str:
        """The state of its book, and why; empty while it is LIVE."""
        feed = self.session.feeds[self.instrument.symbol]
        if feed.state == FeedState.LIVE:
            return ""
        why = self._problem or feed.reason
        return f"{self.instrument.venue} {self.instrument.symbol} {feed.state.name} ({why})"

    async def run(self) -> None:
        """Until cancelled. Raises VenueUnreachable if the first connection can't be opened, and DataError."""
        venue, stream_config = self.instrument.venue, StreamConfig(open_s=self.config.reach_s)
        try:
            while True:
                wait_ns, self._wait_ns = self._wait_ns, 0
                await asyncio.sleep(wait_ns / clock.SECOND)
                try:
                    async with connect(venue, self._at.stream, stream_config) as stream:
                        await self._listen(stream)
                except VenueUnreachable as error:
                    if not self.connections:
                        raise
                    self._closed(error.problem)
        finally:
            self._stop_fetching()
            self.recorder.next_part()

    async def _listen(self, stream: Stream) -> None:
        """Until the connection is gone."""
        self._stream = stream
        self.connections += 1
        self._pinged_ns = clock.now_ns()
        self._perform(self.session.on_open(self._pinged_ns, self._draw()))
        try:
            while True:
                frames: list[Received] = []
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        frames = await stream.receive()
                for frame in frames:
                    self._snapshots_before(frame.recv_ns)
                    if frame.raw == PONG:
                        self._perform(self.session.on_pong(frame.recv_ns))
                    else:
                        self._frame(frame)
                if not frames:
                    self._snapshots_before(clock.now_ns())
                self._tick(clock.now_ns())
        except VenueUnreachable as lost:
            self._closed(lost.problem)

    def _snapshots_before(self, recv_ns: int) -> None:
        while self._bodies and self._bodies[0].recv_ns <= recv_ns:
            self._frame(self._bodies.popleft(), self.instrument.symbol)

    def _frame(self, frame: Received, symbol: str = "") -> None:
        self.recorder.write(frame.recv_ns, frame.raw)
        self._perform(self.session.on_frame(frame.raw, frame.recv_ns, symbol))

    def _tick(self, now_ns: int) -> None:
        self._perform(self.session.on_timer(now_ns))
        if now_ns - self._flushed_ns >= self.config.flush_s * clock.SECOND:
            self._flushed_ns = now_ns
            self.recorder.flush()
        ping = self.codec.ping()
        if ping is not None and now_ns - self._pinged_ns >= self.config.ping_s * clock.SECOND:
            self._pinged_ns = now_ns
            self._perform([Send(ping)])
        began_ns = self.recorder.part_ns
        old = began_ns >= 0 and now_ns - began_ns >= self.config.part_s * clock.SECOND
        if old or self.recorder.part_bytes >= self.config.part_bytes:
            self._begin_part()

    def _begin_part(self) -> None:
        """A new file, and a snapshot for it: over REST, in the stream, or by a new connection."""
        self.recorder.next_part()
        path = self.codec.snapshot_path(self.instrument)
        texts = self.codec.resubscribe(self.instrument, _PART_REQUEST)
        if path is not None:
            self._perform([FetchSnapshot(self.instrument.symbol, path)])
        elif texts:
            self._perform([Send(text) for text in texts])
        elif self._stream is not None:
            self._stream.drop("a new file begins")

    def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, StateChanged):
                self._note(effect)
            elif isinstance(effect, Connect):
                self._wait_ns = max(self._wait_ns, effect.delay_ns)
                if self._stream is not None:
                    self._stream.drop(effect.reason)
            elif isinstance(effect, FetchSnapshot):
                self._stop_fetching()
                self._fetching = asyncio.create_task(self._fetch(self._at.rest + effect.path))
            elif isinstance(effect, Send) and self._stream is not None:
                self._stream.send(effect.text)

    def _note(self, change: StateChanged) -> None:
        if change.state == FeedState.LIVE:
            self.lived, self._problem = True, ""
        elif change.state != FeedState.SYNCING:  # which says only that it goes on
            self._problem = change.reason

    def _closed(self, reason: str) -> None:
        self._snapshots_before(clock.now_ns())
        self._stream = None
        self._stop_fetching()
        self.recorder.next_part()
        self._perform(self.session.on_close(clock.now_ns(), reason, self._draw()))

    async def _fetch(self, url: str) -> None:
        try:
            body = await fetch_snapshot(self.instrument.venue, url)
        except VenueUnreachable as error:
            self._wait_ns = max(self._wait_ns, int(error.retry_after_s * clock.SECOND))
            if self._stream is not None:
                self._stream.drop(f"no book snapshot: {error.problem}")
            return
        self._bodies.append(Received(clock.now_ns(), body))

    def _stop_fetching(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None
        self._bodies.clear()


async def record(recordings: Sequence[Recording], seconds: float, report: Callable[[], None]) -> None:
    """Run them all until SIGINT or SIGTERM, or for `seconds` if that is not 0; `report` once a second.

    Raises what the first of them to fail died of; the others are ended in good order.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows asyncio.run turns Ctrl-C into a cancellation
            loop.add_signal_handler(name, stop.set)
    if seconds > 0:
        loop.call_later(seconds, stop.set)
    warm = asyncio.create_task(asyncio.to_thread(ladder.warm_up))
    tasks = [asyncio.create_task(recording.run()) for recording in recordings]
    stopped = asyncio.create_task(stop.wait())
    try:
        while not stopped.done() and not any(task.done() for task in tasks):
            await asyncio.wait((*tasks, stopped), timeout=_REPORT_S, return_when=asyncio.FIRST_COMPLETED)
            report()
    finally:
        stopped.cancel()
        for task in tasks:
            if not task.done():
                task.cancel()
        results = await asyncio.gather(*tasks, warm, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
