"""A client's websocket: a bounded queue of what goes out, limits on what comes in, and faults by kind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from aiohttp import WSMsgType, web

from citadel_kit import clock
from citadel_kit.exchange.venue import Venue

Kind = Literal["market", "heartbeat", "reply", "account"]

MAX_MESSAGE: Final = 64 * 1024
"""Bytes that a client may send at once."""
MAX_WAITING: Final = 8192
MAX_WAITING_BYTES: Final = 16 * 2**20
"""Frames and bytes on their way to a client. One that doesn't read is cut."""
MAX_ALL_WAITING_BYTES: Final = 128 * 2**20
"""On their way to all clients of a venue: beyond it, those with more than their share are cut. So it is never
twice as much."""
_HELD_NS: Final = 200 * clock.MILLISECOND
"""A frame that is to be overtaken waits no longer than this."""


class SocketLimits(NamedTuple):
    messages_per_s: float = 50.0
    """That a client may send, over ten seconds."""
    ping_s: float | None = None
    """Silence after which the client is pinged; without an answer within half of it the stream ends."""
    max_waiting: int = MAX_WAITING
    max_waiting_bytes: int = MAX_WAITING_BYTES


class _Outgoing(NamedTuple):
    due_ns: int
    text: str


class Socket:
    """One connection of a client to `venue`. A dialect makes one in its handler and awaits `run`:

        socket = Socket(venue, request)
        return await socket.run(lambda text: answer(socket, text), on_open=…, on_close=…)

    The callbacks are plain functions and must not wait. What they raise ends this connection alone.
    """

    def __init__(self, venue: Venue, request: web.Request, limits: SocketLimits = SocketLimits()) -> None:  # noqa: B008
        self.venue = venue
        self._request, self._limits = request, limits
        self._response = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE, timeout=1.0, compress=False, heartbeat=limits.ping_s
        )
        self._outgoing: deque[_Outgoing] = deque()
        self._bytes = 0
        self._due_ns = 0
        self._held: tuple[str, asyncio.TimerHandle] | None = None
        self._news = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._gone = False
        self._answers_fail = self._muted = False
        self._credit, self._credit_ns = limits.messages_per_s * 10, clock.now_ns()

    @property
    def open(self) -> bool:
        return not self._gone and self._closing is None

    async def run(
        self,
        on_message: Callable[[str], None],
        *,
        on_open: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
        answers_fail: bool = False,
    ) -> web.WebSocketResponse:
        """Until either side ends it. `on_close` is called in any case once the connection stood.

        `answers_fail`: its messages are requests, which the fault `timeout` leaves without a reply.
        """
        self._answers_fail = answers_fail
        await self._response.prepare(self._request)
        self.venue.connections.add(self)
        writer = asyncio.create_task(self._write())
        try:
            if on_open is not None:
                on_open()
            await self._read(on_message)
        finally:
            self._gone = True
            self.venue.connections.discard(self)
            if on_close is not None:
                on_close()
            if self._held is not None:
                self._held[1].cancel()
            writer.cancel()
            self._outgoing.clear()
            self._count(-self._bytes)
        return self._response

    def send(self, text: str, kind: Kind = "reply") -> None:
        """In order, without waiting. A client that reads too slowly is cut."""
        if not self.open or (self._muted and kind == "reply"):
            return
        if kind != "market":
            self._put(text)
            return
        faults, config = self.venue.faults, self.venue.faults.config
        if faults.strikes("lose", config.lose):
            return
        if self._held is None and faults.strikes("reorder", config.reorder):
            timer = asyncio.get_running_loop().call_later(_HELD_NS / clock.SECOND, self._release)
            self._held = text, timer
            return
        self._put(text)
        if faults.strikes("duplicate", config.duplicate):
            self._put(text)
        self._release()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """With a goodbye, after what is queued."""
        if self._closing is None:
            self._closing = code, reason
            self._news.set()

    def cut(self) -> None:
        """Without a word, as a failing line does."""
        self._gone = True
        self._news.set()
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- how ---

    def _release(self) -> None:
        if self._held is not None:
            text, timer = self._held
            timer.cancel()
            self._held = None
            self._put(text)

    def _put(self, text: str) -> None:
        if (
            self._bytes > self._limits.max_waiting_bytes
            or len(self._outgoing) >= self._limits.max_waiting
            or self._is_greedy()
        ):
            self.cut()
            return
        delay_ns = self.venue.travel_ns(self.venue.from_venue)
        self._due_ns = max(self._due_ns, clock.now_ns() + delay_ns) if delay_ns else self._due_ns
        self._outgoing.append(_Outgoing(self._due_ns, text))
        self._count(len(text))
        self._news.set()

    def _is_greedy(self) -> bool:
        """Does it hold more than its share, while there is too much in all?"""
        if self.venue.waiting_bytes <= MAX_ALL_WAITING_BYTES:
            return False
        return self._bytes * len(self.venue.connections) > MAX_ALL_WAITING_BYTES

    def _count(self, size: int) -> None:
        self._bytes += size
        self.venue.waiting_bytes += size

    async def _write(self) -> None:
        try:
            while not self._gone:
                if not self._outgoing:
                    if self._closing is not None:
                        await self._response.close(code=self._closing[0], message=self._closing[1].encode())
                        return
                    self._news.clear()
                    await self._news.wait()
                    continue
                due_ns, text = self._outgoing[0]
                wait_ns = due_ns - clock.now_ns() if due_ns else 0
                if wait_ns > 0:
                    await asyncio.sleep(wait_ns / clock.SECOND)
                    continue
                self._outgoing.popleft()
                self._count(-len(text))
                await self._response.send_str(text)
        except ConnectionError:
            return  # the reader hears of it too

    async def _read(self, on_message: Callable[[str], None]) -> None:
        incoming: asyncio.TimerHandle | None = None
        due_s = 0.0
        loop = asyncio.get_running_loop()
        while self.open:
            message = await self._response.receive()
            if message.type is not WSMsgType.TEXT:
                if message.type is WSMsgType.BINARY:
                    await self._response.close(code=1003, message=b"text only")
                break
            if not self._may_send():
                await self._response.close(code=1008, message=b"too many messages")
                break
            delay_ns = self.venue.travel_ns(self.venue.to_venue)
            if not delay_ns and due_s <= loop.time():
                self._handle(on_message, message.data)
                continue
            due_s = max(due_s, loop.time() + delay_ns / clock.SECOND)
            incoming = loop.call_at(due_s, self._arrive, on_message, message.data)
        if incoming is not None:
            await asyncio.sleep(max(0.0, incoming.when() - loop.time()))  # what was sent arrives

    def _arrive(self, on_message: Callable[[str], None], text: str) -> None:
        try:
            self._handle(on_message, text)
        except Exception:
            self.cut()
            raise

    def _handle(self, on_message: Callable[[str], None], text: str) -> None:
        self.venue.catch_up()
        config = self.venue.faults.config
        unanswered = self._answers_fail and self.venue.faults.strikes("timeout", config.timeout)
        if unanswered and config.timeout_moment == "before":
            return
        self._muted = unanswered
        on_message(text)
        self._muted = False

    def _may_send(self) -> bool:
        """A bucket of credit: ten seconds' worth at the most."""
        now_ns, rate = clock.now_ns(), self._limits.messages_per_s
        self._credit = min(rate * 10, self._credit + (now_ns - self._credit_ns) / clock.SECOND * rate)
        self._credit_ns = now_ns
        self._credit -= 1
        return self._credit >= 0
