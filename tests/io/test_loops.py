"""No socket is left, whatever moment of a connection's life an end comes in."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import loopback
import pytest
from aiohttp import web
from local_venue import LocalVenue
from websockets.asyncio.server import ServerConnection

from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.server import Server
from citadel_kit.io.loops import new_loop
from citadel_kit.io.rest import fetch_snapshot
from citadel_kit.io.stream import StreamConfig, connect

pytestmark = pytest.mark.filterwarnings("error")

TURNS = range(9)
"""Of the loop: enough for a connection to be made, and for a server to end."""
LOOPS = [asyncio.new_event_loop, new_loop]


@contextmanager
def nothing_left() -> Iterator[None]:
    gc.collect()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in found] == []


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def plain_app() -> AsyncIterator[int]:
    runner = await loopback.start(web.Application())
    yield runner.addresses[0][1]
    await loopback.end(runner)


@asynccontextmanager
async def websockets_own() -> AsyncIterator[int]:
    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()

    async with loopback.speaking(handler) as port:
        yield port


@asynccontextmanager
async def exchange() -> AsyncIterator[int]:
    server = Server(LocalExchange().world)
    await server.start()
    yield server.port
    await server.stop()


@pytest.mark.parametrize("serving", [plain_app, websockets_own, exchange])
@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "ours"])
def test_a_server_that_ends_while_somebody_connects(
    serving: Callable[[], Any], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario(client: socket.socket, before: int, after: int) -> None:
        async def knock(port: int) -> None:
            await turns(after)
            client.connect_ex(("127.0.0.1", port))
            await turns(1)
            client.close()

        async with serving() as port:
            knocking = asyncio.create_task(knock(port))
            await turns(before)
        await knocking

    with nothing_left():
        for turn in TURNS:
            for before, after in ((turn, 0), (0, turn)):
                with closing(socket.socket()) as client, asyncio.Runner(loop_factory=loop) as runner:
                    runner.run(scenario(client, before, after))


async def streaming(venue: LocalVenue) -> None:
    async with connect("binance", venue.at.stream, StreamConfig()):
        await turns(2)


async def fetching(venue: LocalVenue) -> None:
    await fetch_snapshot("binance", venue.at.rest + "/api/v3/depth?symbol=BTCUSDT")


@pytest.mark.parametrize("job", [streaming, fetching])
@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "ours"])
def test_a_client_that_is_cancelled_at_any_moment(
    job: Callable[[LocalVenue], Coroutine[Any, Any, None]], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario(venue: LocalVenue, moment: int) -> None:
        task = asyncio.create_task(job(venue))
        while not task.done() and moment:
            await asyncio.sleep(0)
            moment -= 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with LocalVenue() as venue, nothing_left():
        for moment in range(0, 300, 5):
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(scenario(venue, moment))


def test_a_stream_cancelled_while_it_closes() -> None:
    async def scenario(venue: LocalVenue, moment: int) -> None:
        closes = asyncio.Event()

        async def job() -> None:
            async with connect("binance", venue.at.stream, StreamConfig()):
                closes.set()

        task = asyncio.create_task(job())
        await closes.wait()
        await turns(moment)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with LocalVenue() as venue, nothing_left():
        for moment in TURNS:
            asyncio.run(scenario(venue, moment))


def test_a_socket_is_given_up_with_its_connection() -> None:
    """Else the object would close, when it is collected, a descriptor that is somebody else's by then."""

    async def scenario(address: tuple[str, int]) -> int:
        ours = socket.create_connection(address)
        opening = asyncio.create_task(
            asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        )
        await turns(1)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await turns(2)
        return ours.fileno()

    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        assert runner.run(scenario(server.getsockname())) == -1
