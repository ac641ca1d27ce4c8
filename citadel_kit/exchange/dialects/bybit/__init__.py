"""Bybit v5, spot: the public stream and the public market calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from citadel_kit.exchange.dialects.bybit.rest import CALLS, ENVELOPE
from citadel_kit.exchange.dialects.bybit.stream import BybitStream
from citadel_kit.exchange.dialects.rest import json_response, public_calls
from citadel_kit.exchange.dialects.stream import public_stream
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

_STREAM: Final = "/v5/public/spot"
_FAULTS: Final = {
    "rate_limit": (10006, "Too many visits. Exceeded the API Rate Limit."),
    "maintenance": (10016, "Service is restarting"),
}


def routes(venue: Venue) -> Sequence[web.RouteDef]:
    return [public_stream(_STREAM, venue, BybitStream), *public_calls(venue, CALLS, ENVELOPE)]


def endpoints(base_http: str, base_ws: str) -> Endpoints:
    return Endpoints(base_ws + _STREAM, base_http)


def ccxt_config(base_http: str, base_ws: str) -> dict[str, Any]:
    """`urls.api.public` is REST, `urls.api.ws.public.spot` the stream; its path must contain `spot`, by which
    ccxt tells the market. Every other URL is overridden too, so that nothing can reach the real venue."""
    stream = base_ws + _STREAM
    private = {
        "spot": {"unified": stream, "nonUnified": stream},
        **dict.fromkeys(("contract", "usdc", "trade"), stream),
    }
    ws = {"public": dict.fromkeys(("spot", "linear", "inverse", "option"), stream), "private": private}
    rest = dict.fromkeys(("spot", "futures", "v2", "public", "private"), base_http)
    return {"urls": {"api": {**rest, "ws": ws}}}


def fault_response(kind: str, status: int) -> web.Response:
    """Its own codes in a body, under the HTTP status."""
    code, problem = _FAULTS.get(kind, (10016, "Server error."))
    body = {"retCode": code, "retMsg": problem, "result": {}, "retExtInfo": {}, "time": 0}
    return json_response(body, status)
