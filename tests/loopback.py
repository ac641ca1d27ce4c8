"""How every server of the tests begins and ends: on loopback, and with no socket left."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

from citadel_kit.io.loops import before_close


async def start(app: web.Application, port: int = 0, tls: ssl.SSLContext | None = None) -> web.AppRunner:
    """The port it got is that of the first of its `addresses`."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    return runner


async def end(runner: web.AppRunner) -> None:
    await before_close()
    await runner.cleanup()


@asynccontextmanager
async def speaking(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[int]:
    """A websocket server with this handler; its port."""
    async with serve(handler, "127.0.0.1", 0) as server:
        try:
            yield next(iter(server.sockets)).getsockname()[1]
        finally:
            await before_close()
            server.server.close()  # its own `close` does so a turn later


class LoopbackThread:
    """A loop on a thread of its own, for a server that is elsewhere, as a venue is."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name)

    def start(self) -> None:
        self._thread.start()

    def run(self, job: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(timeout=10)

    def end(self) -> None:
        """Cancels what still runs."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().run_forever()
