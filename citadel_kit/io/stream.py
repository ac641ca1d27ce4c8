"""One websocket connection: frames with their receive time in, texts out, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import ConnectionClosed, WebSocketException

from citadel_kit import clock
from citadel_kit.errors import VenueUnreachable
from citadel_kit.io.reach import REACH_S, explain, look_up, tls

SLICE: Final = 128
"""Frames handed over at once: between two slices everything else on the loop gets its turn."""
_BUFFERED: Final = 1024
"""Frames the library may hold between two turns of the loop."""


class StreamConfig(NamedTuple):
    open_s: float = REACH_S
    """Name look-up, connection, TLS and handshake together."""
    ping_s: float | None = 1.0
    """Between our own pings; None where the venue does not want them. With the pongs to its pings that
    is well under the five messages a second that Binance allows."""
    pong_s: float = 5.0
    """A ping unanswered for so long ends the connection: it is half open, whatever the market does."""
    close_s: float = 1.0
    max_frame: int = 10 * 2**20
    """Bytes. A real book snapshot can be one frame of over 1 MiB, the library's own limit."""
    max_waiting: int = 8192
    """Frames received and not yet handled. Beyond it we are too slow, and the connection is dropped."""


PONG: Final = b""
"""In place of a frame: the venue answered a ping of ours. No venue sends an empty frame."""


class Received(NamedTuple):
    recv_ns: int
    raw: bytes


class Inbox:
    """Frames that wait to be handled, and why no more come."""

    def __init__(self, venue: str, max_waiting: int) -> None:
        self._venue, self._max_waiting = venue, max_waiting
        self._waiting: deque[Received] = deque()
        self._news = asyncio.Event()
        self._end = ""

    def send(self, text: str) -> None:
        """In order, without waiting. A connection that is gone says so in `receive`."""
        raise NotImplementedError

    async def receive(self) -> list[Received]:
        """The next frames, at least one and at most `SLICE`.

        Raises VenueUnreachable when the connection is gone and what came over it was handed out, or at once
        when it was dropped.
        """
        await asyncio.sleep(0)
        await self._news.wait()
        if not self._waiting:
            raise VenueUnreachable(self._venue, self._end)
        frames = [self._waiting.popleft() for _ in range(min(SLICE, len(self._waiting)))]
        if not self._waiting and not self._end:
            self._news.clear()
        return frames

    def drop(self, reason: str) -> None:
        """Give the connection up, with all that waits. The first reason stays."""
        self._waiting.clear()
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        self._end = self._end or reason
        self._news.set()

    def _came(self, raw: bytes) -> None:
        if self._end:
            return
        if len(self._waiting) >= self._max_waiting:
            self.drop(f"{len(self._waiting)} frames wait to be handled: too slow, started anew")
            return
        self._waiting.append(Received(clock.now_ns(), raw))
        self._news.set()


class Stream(Inbox):
    """An open connection; made by `connect`."""

    def __init__(self, venue: str, connection: ClientConnection, config: StreamConfig) -> None:
        super().__init__(venue, config.max_waiting)
        self._connection, self._config = connection, config
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        jobs = [self._read(), self._write()]
        if config.ping_s is not None:
            jobs.append(self._ping(config.ping_s))
        self._tasks = [asyncio.create_task(job) for job in jobs]

    def send(self, text: str) -> None:
        self._outgoing.put_nowait(text)

    async def close(self) -> None:
        """In good order; whoever is cancelled meanwhile leaves no socket either."""
        try:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._connection.close()
        finally:
            self._connection.transport.abort()

    async def _read(self) -> None:
        try:
            while not self._end:
                self._came(await self._connection.recv(decode=False))
        except ConnectionClosed as error:
            self._finish(f"the connection ended: {' '.join(str(error).split())}")

    async def _ping(self, every_s: float) -> None:
        """The heartbeat of venues that have none of their own."""
        try:
            while not self._end:
                await asyncio.sleep(every_s)
                answer = await self._connection.ping()
                async with asyncio.timeout(self._config.pong_s):
                    await answer
                self._came(PONG)
        except TimeoutError:
            self.drop(f"no answer to our ping within {self._config.pong_s:g} s")
        except ConnectionClosed:
            return  # the reader says why

    async def _write(self) -> None:
        try:
            while True:
                await self._connection.send(await self._outgoing.get())
        except ConnectionClosed:
            return  # the reader says why


@asynccontextmanager
async def connect(venue: str, url: str, config: StreamConfig = StreamConfig()) -> AsyncIterator[Stream]:  # noqa: B008
    """Raises VenueUnreachable, with the host and the cause, when no connection stands after `open_s`.

    Proxies of the environment are not used: market data take the direct way or none.
    """
    try:
        async with asyncio.timeout(config.open_s):
            await look_up(url)
            connection = await open_connection(
                url,
                ssl=tls() if url.startswith("wss:") else None,
                proxy=None,
                compression=None,
                open_timeout=None,
                ping_interval=None,  # we ping ourselves, and hear the answers
                close_timeout=config.close_s,
                max_size=config.max_frame,
                max_queue=_BUFFERED,
            )
    except (OSError, WebSocketException) as error:
        raise explain(venue, url, error, config.open_s) from error
    stream = Stream(venue, connection, config)
    try:
        yield stream
    finally:
        await stream.close()
