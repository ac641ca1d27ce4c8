"""The HTTP server of a local exchange: one port, each venue's API below `/<venue>`, faults on the way.

It is not an exchange: no order placed here reaches anybody, and no money is real.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from citadel_kit import clock
from citadel_kit.errors import ConfigError
from citadel_kit.exchange.admin import Admin
from citadel_kit.exchange.dialects import Dialect, dialect
from citadel_kit.exchange.faults import Mishap
from citadel_kit.exchange.streamed import LiveMarket
from citadel_kit.exchange.venue import Venue
from citadel_kit.exchange.world import World
from citadel_kit.io.loops import before_close

MAX_BODY: Final = 64 * 1024
MAX_CONNECTIONS: Final = 1000
"""TCP connections at a time; more are closed at once."""
_PUMP_S: Final = 0.005
_HANG_S: Final = 120.0
_ANSWER_S: Final = 0.1
"""Between the answer to a request for a restart and its begin."""

_log = logging.getLogger(__name__)


class Server:
    """Serves a world on the running loop. `stop` and `start` again is a restart: the state is the world's."""

    def __init__(self, world: World, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.world, self.host, self.port = world, host, port
        self.failure: Exception | None = None
        """What the world died of, if it did."""
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._restarting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ConfigError where the port can't be had."""
        app = web.Application(client_max_size=MAX_BODY)
        for name, venue in self.world.venues.items():
            part = web.Application(
                middlewares=[_Faulty(venue, dialect(venue.dialect))], client_max_size=MAX_BODY
            )
            part.add_routes(dialect(venue.dialect).routes(venue))
            app.add_subapp(f"/{name}", part)
        app.add_routes(Admin(self.world, self._restart_soon).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connection, self.host, self.port, backlog=256
            )
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError("port", f"{self.host}:{self.port} can't be had: {error.strerror}") from error
        self.port = self._listener.sockets[0].getsockname()[1]
        self._tasks = [asyncio.create_task(self._guard(self._pump))]
        market = self.world.market
        if isinstance(market, LiveMarket):
            self._tasks.append(asyncio.create_task(self._guard(partial(market.run, self.world.push))))

    async def stop(self) -> None:
        """Cut every client and close the port. A restart under way comes to nothing."""
        if self._restarting is not None and self._restarting is not asyncio.current_task():
            self._restarting.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            await before_close()
            self._listener.close()
        for venue in self.world.venues.values():
            venue.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def restart(self, down_s: float = 0.0) -> None:
        """The same world on the same port, after a while with nobody there."""
        await self.stop()
        await asyncio.sleep(down_s)
        await self.start()

    def _restart_soon(self, down_s: float) -> None:
        async def soon() -> None:
            await asyncio.sleep(_ANSWER_S)
            await self.restart(down_s)

        self._restarting = asyncio.create_task(soon())

    def _connection(self) -> asyncio.BaseProtocol:
        assert self._runner is not None and self._runner.server is not None
        if len(self._runner.server.connections) >= MAX_CONNECTIONS:
            return _Refuse()
        return self._runner.server()

    async def _guard(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A world that fails is not left to look alive."""
        try:
            await job()
        except Exception as error:
            self.failure = error
            for venue in self.world.venues.values():
                venue.faults.set(maintenance=True)
                venue.cut()
            raise

    async def _pump(self) -> None:
        """Keep the world at the present."""
        world = self.world
        while True:
            done = world.turn()
            for venue in world.venues.values():
                if venue.connections and (venue.faults.config.disconnect or venue.faults.config.maintenance):
                    venue.cut()
            await asyncio.sleep(_PUMP_S if done else 0)


class _Refuse(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class _Faulty:
    """The middleware of one venue: way there, faults, way back; nothing a handler raises goes further."""

    __middleware_version__ = 1

    def __init__(self, venue: Venue, of: Dialect) -> None:
        self._venue = venue
        self._words: Callable[[str, int], web.Response] = getattr(of, "fault_response", _plain_words)

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        venue, config = self._venue, self._venue.faults.config
        if config.maintenance:
            return self._words("maintenance", 503)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if config.disconnect:
                _abort(request)
            return await self._guarded(request, handler)
        if venue.faults.rejects("rate_limit"):
            return self._words("rate_limit", 429)
        await _travel(venue.travel_ns(venue.to_venue))
        mishap = venue.faults.mishap()
        if mishap is not None and mishap.moment == "before":
            return await self._spoil(request, mishap)
        venue.catch_up()
        response = await self._guarded(request, handler)
        if mishap is not None:
            return await self._spoil(request, mishap)
        await _travel(venue.travel_ns(venue.from_venue))
        return response

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except ConnectionError:  # it hung up; nobody is there to read this
            return web.Response(status=400)
        except Exception:  # noqa: BLE001 - whatever a client sent, the server goes on
            _log.exception("%s %s %s", self._venue.name, request.method, request.path)
            return self._words("unknown", 500)

    async def _spoil(self, request: web.Request, mishap: Mishap) -> web.StreamResponse:
        if mishap.status:
            return self._words("overloaded", mishap.status)
        for _ in range(int(_HANG_S)):  # no answer, for as long as the client waits
            if request.transport is None or request.transport.is_closing():
                break
            await asyncio.sleep(1.0)
        _abort(request)
        return web.Response()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _travel(ns: int) -> None:
    if ns > 0:
        await asyncio.sleep(ns / clock.SECOND)


def _plain_words(kind: str, status: int) -> web.Response:
    return web.Response(
        status=status, text=f"<html><body>{status} {kind}</body></html>", content_type="text/html"
    )
