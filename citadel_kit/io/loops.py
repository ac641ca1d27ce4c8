"""What keeps event loops and servers from leaving a socket behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

new_loop: Callable[[], asyncio.AbstractEventLoop]
"""uvloop's where there is one, else asyncio's own."""

try:
    import uvloop
except ImportError:  # Windows
    new_loop = asyncio.new_event_loop
else:

    class _Loop(uvloop.Loop):
        """Of a connection that is given up while it opens, uvloop closes the descriptor without telling the
        socket object (https://github.com/MagicStack/uvloop/issues/738). When that is collected, it closes
        whatever has the descriptor's number by then."""

        async def create_connection(self, *args: Any, **options: Any) -> Any:
            try:
                return await super().create_connection(*args, **options)
            except (asyncio.CancelledError, OSError):
                if options.get("sock") is not None:
                    options["sock"].detach()
                raise

    new_loop = _Loop

_TURN_S: Final = 1e-6


async def before_close() -> None:
    """Await it, then close an `asyncio.Server` at once: nothing else may be awaited in between.

    asyncio accepts a connection in one turn of the loop and makes its transport in the next. If the server is
    closed between the two, the transport is never finished and nobody closes its socket
    (https://github.com/python/cpython/issues/109564). A turn goes through what was called before it, oldest
    first, and then through what the system reports, connections to accept, and last through its timers. So
    whoever waited for a timer goes on when the transports of all accepted connections have been made, and
    before another one is accepted.
    """
    await asyncio.sleep(_TURN_S)
