"""OKX v5, spot: the public stream and the public calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from citadel_kit.exchange.dialects.okx.rest import CALLS, ENVELOPE
from citadel_kit.exchange.dialects.okx.stream import OkxStream
from citadel_kit.exchange.dialects.rest import json_response, public_calls
from citadel_kit.exchange.dialects.stream import public_stream
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

_STREAM: Final = "/ws/v5/public"
_FAULTS: Final = {
    "rate_limit": ("50011", "Rate limit reached. Please refer to API documentation and throttle requests."),
    "maintenance": ("50001", "Service temporarily unavailable. Try again later"),
}


def routes(venue: Venue) -> Sequence[web.RouteDef]:
    return [public_stream(_STREAM, venue, OkxStream), *public_calls(venue, CALLS, ENVELOPE)]


def endpoints(base_http: str, base_ws: str) -> Endpoints:
    return Endpoints(base_ws + _STREAM, base_http)


def ccxt_config(base_http: str, base_ws: str) -> dict[str, Any]:
    """`urls.api.rest` is REST; to `urls.api.ws` ccxt adds `/public`."""
    return {"urls": {"api": {"rest": base_http, "ws": base_ws + _STREAM.removesuffix("/public")}}}


def fault_response(kind: str, status: int) -> web.Response:
    code, problem = _FAULTS.get(kind, ("50026", "System error. Try again later"))
    return json_response({"code": code, "msg": problem, "data": []}, status)
