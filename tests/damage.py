"""Faults of the fault bench, and what those that befall one frame make of it."""

from __future__ import annotations

import random
from typing import NamedTuple

DAMAGE = ("drop", "duplicate", "swap", "delay", "corrupt", "digit", "truncate")
"""What happens to one frame. `corrupt`: any bytes become others; `digit`: one digit becomes another."""
OUTAGE = ("disconnect", "stale", "silent")
"""What happens to the connection."""


class Wire(NamedTuple):
    """A frame on its way, or with `body` a REST answer."""

    raw: bytes
    connection: int
    symbol: str = ""
    nth: int = -1
    body: bool = False
    original: bytes = b""
    """What it was before it was damaged; empty if it wasn't."""


def damaged(wire: Wire, kind: str, rng: random.Random) -> list[tuple[int, Wire]]:
    """What becomes of a frame: copies, each held back until so many further frames were sent."""
    raw = wire.raw
    if kind == "drop":
        return []
    if kind == "duplicate":
        return [(0, wire), (rng.choice((0, 0, 1, 5)), wire)]
    if kind == "swap":
        return [(1, wire)]
    if kind == "delay":
        return [(rng.randint(2, 40), wire)]
    if kind == "truncate":
        return [(0, wire._replace(raw=raw[: rng.randrange(len(raw))], original=raw))]
    bad = bytearray(raw)
    digits = [i for i, byte in enumerate(raw) if 48 <= byte <= 57]
    if kind == "digit" and digits:
        at = rng.choice(digits)
        bad[at] = rng.choice([d for d in range(48, 58) if d != raw[at]])
    else:
        for at in rng.sample(range(len(raw)), min(len(raw), rng.randint(1, 3))):
            bad[at] = rng.choice([b for b in range(256) if b != raw[at]])
    return [(0, wire._replace(raw=bytes(bad), original=raw))]
