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

_offset: Final = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """Nanoseconds since the epoch, never running backwards: the wall clock at import plus monotonic time.

    A step of the system clock is therefore not seen: ages and time-outs are judged on this clock alone.
    """
    return _offset + time.monotonic_ns()


def iso(ns: int) -> str:
    """`2024-08-08T23:54:13.937Z` for a time in ns since the epoch."""
    stamp = datetime.fromtimestamp(ns // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{ns % SECOND // MILLISECOND:03d}Z"
