"""The calls over HTTP."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from citadel_kit.exchange.dialects.binance.api import Answer, Api, Call
from citadel_kit.exchange.dialects.binance.calls import REST
from citadel_kit.exchange.dialects.binance.errors import ApiError, internal, unknown_method
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.dialects.binance.signing import split_signature

_log = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


def routes(api: Api) -> list[web.RouteDef]:
    known = [web.route(method, path, _handler(api, call)) for (method, path), call in REST.items()]
    return [*known, web.route("*", "/{rest:.*}", _unknown)]


def error_response(error: ApiError) -> web.Response:
    return web.Response(
        body=_encode(error.body()),
        status=error.status,
        headers=error.headers,
        content_type="application/json",
    )


async def _unknown(request: web.Request) -> web.StreamResponse:
    return error_response(unknown_method())


def _handler(api: Api, call: Call) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            query = request.rel_url.raw_query_string
            body = await _body(request)
            return _response(_answer(api, call, request, query, body))
        except ApiError as error:
            return error_response(error)
        except ConnectionError:  # it hung up; nobody is there to be answered
            raise
        except Exception:  # noqa: BLE001 - whatever a client sent, the server goes on
            _log.exception("%s %s", request.method, request.path)
            return error_response(internal())

    return handle


async def _body(request: web.Request) -> str:
    try:
        return (await request.read()).decode("ascii")
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(-1101, "Too many parameters sent for this endpoint.", 413) from None
    except UnicodeDecodeError:
        raise ApiError(-1100, "Illegal characters found in a parameter.") from None


def _answer(api: Api, call: Call, request: web.Request, query: str, body: str) -> Answer:
    """What is signed is query and body as they were sent, one after the other, without the signature."""
    signed_query, in_query = split_signature(query)
    signed_body, in_body = split_signature(body)
    params = Params.of_query(query).merged(Params.of_query(body))
    return api.answer(
        call,
        request.remote or "",
        params,
        key=request.headers.get("X-MBX-APIKEY", ""),
        payload=signed_query + signed_body,
        signature=in_query or in_body,
    )


def _response(answer: Answer) -> web.Response:
    weight = str(answer.weight)
    headers = {"X-MBX-USED-WEIGHT": weight, "X-MBX-USED-WEIGHT-1M": weight}
    if answer.orders is not None:
        headers["X-MBX-ORDER-COUNT-10S"] = str(answer.orders[0])
        headers["X-MBX-ORDER-COUNT-1D"] = str(answer.orders[1])
    return web.Response(body=_encode(answer.result), headers=headers, content_type="application/json")
