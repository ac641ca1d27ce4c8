"""Venue times in ISO 8601, UTC, to the nanosecond: no class of the standard library keeps more than µs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
_MINUTE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


@lru_cache(maxsize=64)
def _minute_s(text: str) -> int:
    """Seconds since the epoch of `2026-08-02T03:35`; the same minute comes again and again."""
    if not _MINUTE.fullmatch(text):
        raise ValueError(f"{text!r} is not the minute of a time")
    return round((datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH).total_seconds())


def iso_ns(text: str) -> int:
    """`2026-08-02T03:35:51.660084Z`, with 0 to 9 decimals, in ns since the epoch.

    0 for an empty text and for a time before the epoch (a venue's way to say that there is none). Raises
    ValueError for anything else that is no such time.
    """
    if not text:
        return 0
    digits = text[17:19] + text[20:-1]
    point = text[19:20] == ("." if len(text) > 20 else "Z")
    if not (point and text[16] == ":" and text[-1] == "Z" and digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r} is not a time in UTC")
    if len(digits) > 11 or digits > "61":
        raise ValueError(f"{text!r} has no such second")
    ns = _minute_s(text[:16]) * _SECOND + int(digits.ljust(11, "0"))
    if ns >= 1 << 62:
        raise ValueError(f"{text!r} is too far ahead")
    return max(ns, 0)
