"""Kraken spot: the public websocket v2 and the public REST calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from citadel_kit.exchange.dialects.kraken.rest import CALLS, ENVELOPE
from citadel_kit.exchange.dialects.kraken.stream import KrakenStream
from citadel_kit.exchange.dialects.rest import json_response, public_calls
from citadel_kit.exchange.dialects.stream import public_stream
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

_STREAM: Final = "/v2"
_FAULTS: Final = {
    "rate_limit": "EGeneral:Too many requests",
    "maintenance": "EService:Unavailable",
    "overloaded": "EService:Busy",
}


def routes(venue: Venue) -> Sequence[web.RouteDef]:
    return [public_stream(_STREAM, venue, KrakenStream), *public_calls(venue, CALLS, ENVELOPE)]


def endpoints(base_http: str, base_ws: str) -> Endpoints:
    return Endpoints(base_ws + _STREAM, base_http)


def ccxt_config(base_http: str, base_ws: str) -> dict[str, Any]:
    """`urls.api.public` is REST, `urls.api.ws.publicV2` the stream; its path must contain `v2`, by which ccxt
    tells how to ping. Every other URL is overridden too, so that nothing can reach the real venue. ccxt's
    own option `checksum` of `watchOrderBook` must stay off, as it is: it fails in ccxt."""
    names = ("public", "private", "privateV2", "publicV2", "beta", "beta-private")
    ws = dict.fromkeys(names, base_ws + _STREAM)
    rest = dict.fromkeys(("public", "private", "zendesk"), base_http)
    return {"urls": {"api": {**rest, "ws": ws}}}


def fault_response(kind: str, status: int) -> web.Response:
    return json_response({"error": [_FAULTS.get(kind, "EGeneral:Internal error")]}, status)
