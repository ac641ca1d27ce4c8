"""The pace of requests: in turn, never faster than the venue's, and a cancel at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from citadel_kit.io.broker import pace
from citadel_kit.io.broker.pace import Pace, urgent

MS = 1_000_000


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * MS
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds * 1_000, 6))
        self.now_ns += round(seconds * 1_000) * MS


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    clock = SimpleNamespace(now_ns=lambda: time.now_ns, MILLISECOND=MS, SECOND=1_000 * MS)
    monkeypatch.setattr(pace, "clock", clock)
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=time.sleep))
    return time


def run(job: Coroutine[Any, Any, None]) -> None:
    asyncio.run(job)


def test_the_first_goes_at_once_and_the_others_in_turn(time: Time) -> None:
    async def three() -> None:
        turn = Pace(50)
        await turn()
        assert time.waits == []
        await turn(2)
        await turn()
        assert time.waits == [50, 100]

    run(three())


def test_after_a_pause_nobody_waits(time: Time) -> None:
    async def two() -> None:
        turn = Pace(50)
        await turn(4)
        time.now_ns += 200 * MS
        await turn()
        assert time.waits == []

    run(two())


def test_what_is_urgent_waits_for_nobody_and_is_counted(time: Time) -> None:
    async def cancels() -> None:
        turn = Pace(50)
        await turn()
        with urgent():
            for _ in range(5):
                await turn()
        assert time.waits == []
        await turn()
        assert time.waits == [300]

    run(cancels())


def test_urgency_is_of_its_own_task() -> None:
    """And ends with it, whatever happens in between."""

    async def others() -> None:
        turn, order = Pace(20), list[str]()

        async def request(name: str, *, is_urgent: bool) -> None:
            if is_urgent:
                with pytest.raises(ValueError, match="no"), urgent():
                    await turn()
                    order.append(name)
                    raise ValueError("no")
            else:
                await turn()
                order.append(name)

        await turn()
        wanted = (("place", False), ("query", False), ("cancel", True))
        await asyncio.gather(*(request(name, is_urgent=quick) for name, quick in wanted))
        assert order == ["cancel", "place", "query"]
        assert not pace._urgent.get()

    run(others())
