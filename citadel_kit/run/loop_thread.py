"""One thread with one event loop: any thread hands it work, and nobody who waits waits for ever."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from citadel_kit.errors import EngineClosed
from citadel_kit.io.loops import new_loop

T = TypeVar("T")


SWITCH_S: Final = 0.0005
"""How long a thread that runs Python may keep the interpreter's lock from one that asks for it, while a loop
lives; Python's own is 5 ms. A loop gives the lock away at every system call, some ten times until a cancel
has left: beside a busy cell that was 50 to 100 ms. The cell is cut short only while somebody waits."""


class _SwitchInterval:
    """It is the whole process's, so it is given back with the last loop, unless somebody else has set it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops = 0
        self._usual_s = self._set_s = 0.0

    def loop_begins(self) -> None:
        with self._lock:
            self._loops += 1
            if self._loops == 1:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_S, self._usual_s))
                self._set_s = sys.getswitchinterval()

    def loop_ends(self) -> None:
        with self._lock:
            self._loops -= 1
            if self._loops == 0 and sys.getswitchinterval() == self._set_s:
                sys.setswitchinterval(self._usual_s)


_switching: Final = _SwitchInterval()


class LoopThread:
    """A daemon thread, so that a process that forgets it can still end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Is this called on the thread itself?"""
        return threading.current_thread() is self._thread

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Await `job` on the loop. Raises EngineClosed where the loop ends first.

        An interrupt of the caller cancels the job and leaves the loop.
        """
        closed = EngineClosed(f"{self._name} was closed while a call waited for it")
        try:
            future = asyncio.run_coroutine_threadsafe(job, self._loop)
        except RuntimeError:  # the loop is closed already
            job.close()
            raise closed from None
        try:
            while True:
                try:
                    return future.result(1.0)
                except TimeoutError:
                    if future.done():  # the job's own
                        raise
                    if not self.alive:
                        job.close()  # the loop may have ended before it came to it
                        raise closed from None
        except concurrent.futures.CancelledError:
            raise closed from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    def soon(self, action: Callable[[], None]) -> concurrent.futures.Future[None] | None:
        """Run `action` as soon as the loop is free, between two of its tasks' steps; None if it is closed."""
        done: concurrent.futures.Future[None] = concurrent.futures.Future()

        def now() -> None:
            action()
            done.set_result(None)

        try:
            self._loop.call_soon_threadsafe(now)
        except RuntimeError:
            return None
        return done

    def end(self) -> None:
        """To be called on the loop: stop it when this step is done."""
        self._loop.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; False if it did not come in time."""
        self._thread.join(seconds)
        return not self.alive

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        _switching.loop_begins()
        try:
            self._loop.run_forever()
        finally:
            _switching.loop_ends()
            # What was called while the loop stopped must hear that it did, or its caller waits for ever.
            for _ in range(3):
                for task in asyncio.all_tasks(self._loop):
                    task.cancel()
                with suppress(RuntimeError):  # stopped once more: whoever asked twice gets one end
                    self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()
