"""The pace of requests to one venue, in place of ccxt's: a cancel never waits for it.

ccxt spaces all requests of a client evenly (Binance: 50 ms), and its bucket does not fill while nothing is
asked for, so the first request after a pause waits as well, a cancel like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from citadel_kit import clock

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgent() -> Iterator[None]:
    """Requests of this task go out at once. They count: those after them wait the longer."""
    before = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(before)


class Pace:
    """What ccxt calls a throttler. Requests take their turns in the order in which they ask for them."""

    loop: Any = None
    """ccxt sets it."""

    def __init__(self, gap_ms: float) -> None:
        """`gap_ms`: after a request of cost 1."""
        self._gap_ns = gap_ms * clock.MILLISECOND
        self._free_ns = 0.0

    async def __call__(self, cost: float | None = None) -> None:
        now_ns = clock.now_ns()
        turn_ns = max(self._free_ns, now_ns)
        self._free_ns = turn_ns + self._gap_ns * (1.0 if cost is None else cost)
        if turn_ns > now_ns and not _urgent.get():
            await asyncio.sleep((turn_ns - now_ns) / clock.SECOND)
