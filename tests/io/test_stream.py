"""The websocket stream against a server on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from local_venue import LocalVenue, black_hole, nobody, untrusted
from loopback import speaking
from websockets.asyncio.server import ServerConnection

from citadel_kit.errors import VenueUnreachable
from citadel_kit.io.stream import SLICE, Received, Stream, StreamConfig, connect

pytestmark = pytest.mark.filterwarnings("error")

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def opened(handler: Handler, config: StreamConfig | None = None) -> AsyncIterator[Stream]:
    """A stream to a server with this handler; afterwards no task is left."""
    async with (
        speaking(handler) as port,
        connect("binance", f"ws://127.0.0.1:{port}", config or StreamConfig()) as stream,
    ):
        yield stream
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def until_the_end(stream: Stream) -> tuple[list[Received], str]:
    frames: list[Received] = []
    async with asyncio.timeout(10):
        while True:
            try:
                frames += await stream.receive()
            except VenueUnreachable as error:
                return frames, error.problem


def test_frames_come_as_bytes_in_order_and_then_the_end() -> None:
    sent = [b"%d" % n for n in range(1000)]

    async def handler(server: ServerConnection) -> None:
        for n, frame in enumerate(sent):
            await server.send(frame.decode() if n % 2 else frame)
        await server.close(1001, "maintenance")

    async def scenario() -> None:
        async with opened(handler) as stream:
            frames, end = await until_the_end(stream)
        assert [frame.raw for frame in frames] == sent
        times = [frame.recv_ns for frame in frames]
        assert times == sorted(times)
        assert "maintenance" in end
        assert "\n" not in end

    asyncio.run(scenario())


def test_a_slice_is_no_longer_than_a_slice() -> None:
    async def handler(server: ServerConnection) -> None:
        for n in range(10 * SLICE):
            await server.send(str(n))
        await server.close()

    async def scenario() -> None:
        async with opened(handler) as stream:
            await asyncio.sleep(0.1)
            assert [len(await stream.receive()) for _ in range(10)] == [SLICE] * 10

    asyncio.run(scenario())


def test_texts_go_out_in_order() -> None:
    heard: list[str | bytes] = []

    async def handler(server: ServerConnection) -> None:
        async for text in server:
            heard.append(text)
            if len(heard) == 50:
                await server.send("all")

    async def scenario() -> None:
        async with opened(handler) as stream:
            for n in range(50):
                stream.send(str(n))
            assert (await stream.receive())[0].raw == b"all"
        assert heard == [str(n) for n in range(50)]

    asyncio.run(scenario())


def test_too_slow_a_reader_is_dropped_and_keeps_nothing() -> None:
    async def handler(server: ServerConnection) -> None:
        for n in range(1000):
            await server.send(str(n))
        await server.wait_closed()

    async def scenario() -> None:
        async with opened(handler, StreamConfig(max_waiting=10)) as stream:
            await asyncio.sleep(0.2)
            frames, end = await until_the_end(stream)
        assert frames == []
        assert end == "10 frames wait to be handled: too slow, started anew"

    asyncio.run(scenario())


def test_a_dropped_stream_hands_out_nothing_more() -> None:
    async def handler(server: ServerConnection) -> None:
        for n in range(500):
            await server.send(str(n))
        await server.wait_closed()

    async def scenario() -> None:
        async with opened(handler) as stream:
            await stream.receive()
            stream.drop("for a reason")
            stream.drop("for another")
            assert await until_the_end(stream) == ([], "for a reason")

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "comes"), [(3 * 2**20, True), (10 * 2**20 + 1, False)])
def test_large_frames(size: int, comes: bool) -> None:
    async def handler(server: ServerConnection) -> None:
        await server.send("x" * size)
        await server.close()

    async def scenario() -> None:
        async with opened(handler) as stream:
            frames, end = await until_the_end(stream)
        assert [len(frame.raw) for frame in frames] == ([size] if comes else [])
        assert comes or "1009" in end

    asyncio.run(scenario())


def test_a_half_open_connection_is_found_by_our_ping() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The handshake, and then never an answer to anything."""
        request = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        assert key
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest.digest()) + b"\r\n\r\n"
        )
        try:
            await reader.read()
        finally:
            writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = StreamConfig(ping_s=0.05, pong_s=0.1, close_s=0.1)
        async with server, connect("binance", url, config) as stream:
            frames, end = await until_the_end(stream)
        assert frames == []
        assert "ping" in end

    asyncio.run(scenario())


def failure(url: str, open_s: float = 2.0) -> str:
    async def scenario() -> str:
        with pytest.raises(VenueUnreachable) as caught:
            async with connect("binance", url, StreamConfig(open_s=open_s)):
                pass
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return str(caught.value)

    line = asyncio.run(scenario())
    assert line.startswith("binance can't be reached: ")
    assert "\n" not in line
    return line


def test_why_it_cannot_be_opened(tmp_path: Path) -> None:
    assert "refuses connections" in failure(nobody().stream)
    assert "nowhere.invalid can't be resolved" in failure("wss://nowhere.invalid:9443/stream", 10.0)
    with black_hole() as at:
        assert "did not answer within 0.2 s" in failure(at.stream, 0.2)
    with LocalVenue() as venue:
        assert "does not speak TLS as it should" in failure(venue.at_tls.stream)
        venue.status["/stream"] = 451
        assert "does not serve this region (HTTP 451)" in failure(venue.at.stream)
        venue.status["/stream"] = 403
        assert "forbidden (HTTP 403)" in failure(venue.at.stream)
    with LocalVenue(tls=untrusted(tmp_path)) as venue:
        assert "certificate is not trusted" in failure(venue.at_tls.stream)
