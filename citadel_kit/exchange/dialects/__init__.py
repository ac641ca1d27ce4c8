"""What each venue's clients speak: one module a venue, over the same core."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, Protocol, cast

from aiohttp import web

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

NAMES: Final = ("binance", "bybit", "okx", "kraken", "coinbase")


class Dialect(Protocol):
    """What a module here gives. It may also have `fault_response(kind: str, status: int) -> web.Response`,
    the venue's own words for `maintenance`, `rate_limit`, `overloaded` and `unknown`."""

    def routes(self, venue: Venue) -> Sequence[web.RouteDef]:
        """Paths without the venue's prefix."""

    def ccxt_config(self, base_http: str, base_ws: str) -> dict[str, Any]:
        """Only overridden URLs and documented options."""

    def endpoints(self, base_http: str, base_ws: str) -> Endpoints:
        """For the kit's own codecs."""


def dialect(name: str) -> Dialect:
    """Raises ConfigError naming the known ones."""
    if name not in NAMES:
        raise ConfigError("venue", f"no dialect is known for {name!r}", f"Known: {', '.join(NAMES)}")
    return cast(Dialect, import_module(f"{__name__}.{name}"))
