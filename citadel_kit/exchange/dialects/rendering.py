"""What the dialects share: numbers and times as text, and the part of a book that a client was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

Pairs = Sequence[tuple[int, int]]
"""Price and quantity in the instrument's units, best first; a quantity of 0 deletes the level."""

_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_encode = msgspec.json.Encoder().encode


def fixed(units: int, decimals: int) -> str:
    """All decimals, trailing zeros included."""
    if not decimals:
        return str(units)
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"


def plain(units: int, decimals: int) -> str:
    """Without trailing zeros."""
    text = fixed(units, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def step_decimals(step: int, decimals: int) -> int:
    """Of numbers that are multiples of `step`: 10 with six decimals makes five."""
    _, _, fraction = plain(step, decimals).partition(".")
    return len(fraction)


def millis(ns: int) -> int:
    return ns // _MILLISECOND


def iso(ns: int) -> str:
    """UTC to the microsecond: `2026-08-02T03:35:51.660084Z`."""
    seconds, rest = divmod(ns, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def json_text(value: Any) -> str:
    return _encode(value).decode()


def parse_object(text: str) -> dict[str, Any] | None:
    """A JSON object; None for anything else, however it is broken."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def texts(value: Any) -> list[str] | None:
    """A JSON list of texts; None for anything else."""
    if isinstance(value, list) and all(isinstance(member, str) for member in value):
        return value
    return None


class Window:
    """The best `depth` levels a side, as a client knows them.

    `tells_leavers`: does the venue delete a level that better ones pushed out of the depth (Bybit, OKX), or
    leave it to the client to cut its book (Kraken)?
    """

    def __init__(self, depth: int, *, tells_leavers: bool) -> None:
        self.depth, self._tells_leavers = depth, tells_leavers
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def reset(self, bids: Pairs, asks: Pairs) -> None:
        """The client is told all of these."""
        self._bids, self._asks = dict(bids), dict(asks)

    def move(self, bids: Pairs, asks: Pairs) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """What to tell so that the client knows these levels."""
        changes = (self._changes(self._bids, bids, -1), self._changes(self._asks, asks, 1))
        self.reset(bids, asks)
        return changes

    def _changes(self, known: dict[int, int], now: Pairs, sign: int) -> list[tuple[int, int]]:
        kept = dict(now)
        changed = [(price, qty) for price, qty in now if known.get(price) != qty]
        # A full window ends where the client cuts its book: what lies beyond was pushed out.
        full = len(now) == self.depth and not self._tells_leavers
        gone = [
            (price, 0)
            for price in known
            if price not in kept and not (full and sign * price > sign * now[-1][0])
        ]
        return gone + changed
