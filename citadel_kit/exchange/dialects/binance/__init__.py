"""Binance's spot API: REST, websocket API, user data and market streams, over the local exchange's core."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from aiohttp import web

from citadel_kit.exchange.dialects.binance import rest, streams, wsapi
from citadel_kit.exchange.dialects.binance.api import Api
from citadel_kit.exchange.dialects.binance.errors import ApiError, internal
from citadel_kit.exchange.dialects.binance.limits import Limits, Usage
from citadel_kit.exchange.venue import Venue
from citadel_kit.venues import Endpoints

__all__ = ["Limits", "api_of", "ccxt_config", "endpoints", "fault_response", "routes", "set_limits"]

# ccxt's names for what is no spot trading.
_NOT_HERE: Final = (
    "dapiPublic", "dapiPrivate", "dapiPrivateV2", "dapiData", "eapiPublic", "eapiPrivate", "fapiPublic",
    "fapiPublicV2", "fapiPublicV3", "fapiPrivate", "fapiPrivateV2", "fapiPrivateV3", "fapiData", "papi",
    "papiV2",
)  # fmt: skip
_NO_STREAMS: Final = (
    "margin", "linear", "inverse", "stock", "option", "optionMarket", "optionPrivate", "papi",
)  # fmt: skip

_apis: Final[WeakKeyDictionary[Venue, Api]] = WeakKeyDictionary()


def api_of(venue: Venue) -> Api:
    """The venue's one API: listen keys and what was used of the limits outlast a restart of the server."""
    api = _apis.get(venue)
    if api is None:
        api = _apis[venue] = Api(venue, Limits())
    return api


def set_limits(venue: Venue, limits: Limits) -> None:
    """From now on, with nothing used yet."""
    api_of(venue).usage = Usage(limits)


def routes(venue: Venue) -> list[web.RouteDef]:
    api = api_of(venue)
    return [*streams.routes(api), *wsapi.routes(api), *rest.routes(api)]


def ccxt_config(base_http: str, base_ws: str) -> dict[str, Any]:
    """For `ccxt.binance`: spot only, since nothing else is here. Every address of the class is turned to this
    server, so that no call of a client goes to the real exchange by mistake."""
    api, sapi = f"{base_http}/api/v3", f"{base_http}/sapi"
    return {
        "urls": {
            "api": {
                **dict.fromkeys(_NOT_HERE, f"{base_http}/not-here"),
                "public": api,
                "private": api,
                "v1": f"{base_http}/api/v1",
                "sapi": f"{sapi}/v1",
                "sapiV2": f"{sapi}/v2",
                "sapiV3": f"{sapi}/v3",
                "sapiV4": f"{sapi}/v4",
                "ws": {
                    **dict.fromkeys(_NO_STREAMS, f"{base_ws}/not-here"),
                    "spot": f"{base_ws}/stream/ws",
                    "ws-api": {
                        **dict.fromkeys(("linear", "inverse"), f"{base_ws}/not-here"),
                        "spot": f"{base_ws}/ws-api/v3",
                    },
                },
            }
        },
        "options": {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
    }


def endpoints(base_http: str, base_ws: str) -> Endpoints:
    return Endpoints(f"{base_ws}/stream", base_http)


def fault_response(kind: str, status: int) -> web.Response:
    """What Binance says where a fault is switched on; kinds: see `Dialect`."""
    if kind == "unknown":
        error = internal()
    elif kind == "rate_limit":
        error = ApiError(
            -1003,
            "Too many requests; current limit of IP was exceeded.",
            status,
            headers={"Retry-After": "1"},
        )
    elif kind == "maintenance":
        error = ApiError(1, "System is under maintenance.", status)
    else:
        error = ApiError(-1001, "Internal error; unable to process your request. Please try again.", status)
    return rest.error_response(error)
