"""Coinbase Advanced Trade: the public stream and the public REST calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from citadel_kit.exchange.dialects.coinbase.rest import CALLS, ENVELOPE
from citadel_kit.exchange.dialects.coinbase.stream import CoinbaseStream
from citadel_kit.exchange.dialects.rest import json_response, public_calls
from citadel_kit.exchange.dialects.stream import public_stream
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

_STREAM: Final = "/stream"
"""The real one is at the root of its own host."""
_FAULTS: Final = {
    "rate_limit": ("RATE_LIMIT_EXCEEDED", "too many requests"),
    "maintenance": ("UNAVAILABLE", "the service is under maintenance"),
}


def routes(venue: Venue) -> Sequence[web.RouteDef]:
    return [public_stream(_STREAM, venue, CoinbaseStream), *public_calls(venue, CALLS, ENVELOPE)]


def endpoints(base_http: str, base_ws: str) -> Endpoints:
    return Endpoints(base_ws + _STREAM, base_http)


def ccxt_config(base_http: str, base_ws: str) -> dict[str, Any]:
    """`urls.api.rest` is REST, `urls.api.ws` the stream."""
    return {"urls": {"api": {"rest": base_http, "ws": base_ws + _STREAM}}}


def fault_response(kind: str, status: int) -> web.Response:
    code, problem = _FAULTS.get(kind, ("INTERNAL", "internal error"))
    return json_response({"error": code, "error_details": problem, "message": problem}, status)
