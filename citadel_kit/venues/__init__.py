"""One file an exchange: bytes ⇄ types, and its rules of sync and integrity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.types import Codec, Instrument
from citadel_kit.venues import binance, bybit, coinbase, kraken, okx
from citadel_kit.venues.binance import BinanceSpot, BinanceUsdm
from citadel_kit.venues.bybit import Bybit
from citadel_kit.venues.coinbase import CoinbaseAdvanced, CoinbaseExchange
from citadel_kit.venues.kraken import Kraken
from citadel_kit.venues.okx import Okx


class Endpoints(NamedTuple):
    """Where a venue's public data are."""

    stream: str
    """Websocket URL."""
    rest: str
    """Scheme and host, to which a codec's `snapshot_path` is appended."""


WIRES: Final[dict[str, Callable[..., Codec]]] = {
    "binance": BinanceSpot,
    "binanceusdm": BinanceUsdm,
    "bybit": Bybit,
    "bybitlinear": Bybit,
    "okx": Okx,
    "kraken": Kraken,
    "coinbase": CoinbaseAdvanced,
    "coinbaseexchange": CoinbaseExchange,
}
ENDPOINTS: Final = {
    "binance": Endpoints(binance.STREAM_URL, binance.REST_URL),
    "binanceusdm": Endpoints(binance.USDM_STREAM_URL, binance.USDM_REST_URL),
    "bybit": Endpoints(bybit.SPOT_STREAM_URL, bybit.REST_URL),
    "bybitlinear": Endpoints(bybit.LINEAR_STREAM_URL, bybit.REST_URL),
    "okx": Endpoints(okx.STREAM_URL, okx.REST_URL),
    "kraken": Endpoints(kraken.STREAM_URL, kraken.REST_URL),
    "coinbase": Endpoints(coinbase.ADVANCED_STREAM_URL, coinbase.ADVANCED_REST_URL),
    "coinbaseexchange": Endpoints(coinbase.EXCHANGE_STREAM_URL, coinbase.EXCHANGE_REST_URL),
}


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
