"""The engine's thread: what it changes in the process is given back."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from citadel_kit.run.loop_thread import SWITCH_S, LoopThread


@pytest.fixture(autouse=True)
def usual() -> Iterator[float]:
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def started(name: str) -> LoopThread:
    thread = LoopThread(name)
    thread.start()
    done = thread.soon(lambda: None)
    assert done is not None
    done.result(5)
    return thread


def ended(thread: LoopThread) -> None:
    thread.soon(thread.end)
    assert thread.join(5)


def test_while_a_loop_lives_threads_change_sooner_and_afterwards_as_before() -> None:
    sys.setswitchinterval(0.004)
    one, other = started("one"), started("other")
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S, abs=2e-6)
    ended(one)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S, abs=2e-6), "the other still lives"
    ended(other)
    assert sys.getswitchinterval() == pytest.approx(0.004, abs=2e-6)


@pytest.mark.parametrize(("before", "meanwhile"), [(0.0001, 0.0), (0.005, 0.002)])
def test_a_shorter_time_is_left_alone_and_so_is_one_set_meanwhile(before: float, meanwhile: float) -> None:
    sys.setswitchinterval(before)
    one = started("one")
    if meanwhile:
        sys.setswitchinterval(meanwhile)
    assert sys.getswitchinterval() == pytest.approx(meanwhile or before, abs=2e-6)
    ended(one)
    assert sys.getswitchinterval() == pytest.approx(meanwhile or before, abs=2e-6)


def test_ended_twice_it_ends_once_and_closes_its_loop() -> None:
    thread = LoopThread("twice")
    thread.start()

    def end_twice() -> None:
        thread.end()
        thread._loop.call_soon(thread.end)  # in the steps that are left after the first
        thread._loop.call_soon(thread._loop.call_soon, thread.end)

    thread.soon(end_twice)
    assert thread.join(5)
    assert thread._loop.is_closed()
