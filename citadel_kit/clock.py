"""The only reader of time in the package.

Everything else receives nanoseconds since the Unix epoch as an argument, so that a replay can hand in the
times of the tape.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000

# On Linux the plain monotonic clock stands still while the machine sleeps: what was fresh before would seem
# fresh after.
_BOOTTIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def _steady_ns() -> int:
    return time.monotonic_ns() if _BOOTTIME is None else time.clock_gettime_ns(_BOOTTIME)


_offset: Final = time.time_ns() - _steady_ns()


def now_ns() -> int:
    """Nanoseconds since the epoch, never running backwards: the wall clock at import plus steady time.

    A step of the system clock is therefore not seen: ages and time-outs are judged on this clock alone. Time
    that the machine slept counts.
    """
    return _offset + _steady_ns()


def iso(ns: int) -> str:
    """`2024-08-08T23:54:13.937Z` for a time in ns since the epoch."""
    stamp = datetime.fromtimestamp(ns // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{ns % SECOND // MILLISECOND:03d}Z"
