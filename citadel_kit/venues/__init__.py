"""One file an exchange: bytes ⇄ types, and its rules of sync and integrity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.types import Codec, Instrument
from citadel_kit.venues import binance
from citadel_kit.venues.binance import BinanceSpot


class Endpoints(NamedTuple):
    """Where a venue's public data are."""

    stream: str
    """Websocket URL."""
    rest: str
    """Scheme and host, to which a codec's `snapshot_path` is appended."""


WIRES = {"binance": BinanceSpot}
ENDPOINTS: Final = {"binance": Endpoints(binance.STREAM_URL, binance.REST_URL)}


def codec(wire: str, instruments: Sequence[Instrument]) -> Codec:
    """The codec that reads `wire` for these instruments of one venue. Raises ConfigError naming the known."""
    if wire not in WIRES:
        raise ConfigError("venue", f"no codec for {wire!r}", f"Known: {', '.join(WIRES)}")
    return WIRES[wire](instruments, venue=instruments[0].venue)


def endpoints(venue: str) -> Endpoints:
    """Raises ConfigError naming the venues whose public data can be had."""
    if venue not in ENDPOINTS:
        raise ConfigError(
            "venue", f"no public data are known for {venue!r}", f"Known: {', '.join(ENDPOINTS)}"
        )
    return ENDPOINTS[venue]
