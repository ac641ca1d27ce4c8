"""One file an exchange: bytes ⇄ types, and its rules of sync and integrity."""

from __future__ import annotations

from collections.abc import Sequence

from citadel_kit.errors import ConfigError
from citadel_kit.types import Codec, Instrument
from citadel_kit.venues.binance import BinanceSpot

WIRES = {"binance": BinanceSpot}


def codec(wire: str, instruments: Sequence[Instrument]) -> Codec:
    """The codec that reads `wire` for these instruments of one venue. Raises ConfigError naming the known."""
    if wire not in WIRES:
        raise ConfigError("venue", f"no codec for {wire!r}", f"Known: {', '.join(WIRES)}")
    return WIRES[wire](instruments, venue=instruments[0].venue)
