"""An asyncio loop whose time jumps to whatever is due next: a minute of waiting costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from citadel_kit import clock

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing outside of it can wake it: no sockets, no threads."""

    def __init__(self, start_ns: int) -> None:
        super().__init__()
        self._start_ns, self._at_s = start_ns, 0.0
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._at_s

    def now_ns(self) -> int:
        return self._start_ns + round(self._at_s * clock.SECOND)

    def _jump(self, timeout: float | None = None) -> tuple[()]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing is due")
        self._at_s += max(timeout, 0.0)
        return ()


def run(main: Coroutine[Any, Any, T], start_ns: int) -> T:
    """Run it in virtual time, which is the kit's clock meanwhile."""
    loop, real = VirtualLoop(start_ns), clock.now_ns
    clock.now_ns = loop.now_ns
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main)
    finally:
        clock.now_ns = real
