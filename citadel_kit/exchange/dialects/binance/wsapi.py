"""The websocket API, `/ws-api/v3`: the calls, and user data subscriptions.

Source: binance/binance-spot-api-docs, `web-socket-api.md`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from citadel_kit.exchange.dialects.binance import userdata
from citadel_kit.exchange.dialects.binance.api import Answer, Api, Call, Request
from citadel_kit.exchange.dialects.binance.calls import SOCKET
from citadel_kit.exchange.dialects.binance.errors import ApiError, internal
from citadel_kit.exchange.dialects.binance.limits import rate_limits
from citadel_kit.exchange.dialects.binance.params import Number, Params, parse_json
from citadel_kit.exchange.dialects.binance.signing import Security, sorted_payload
from citadel_kit.exchange.socket import Socket, SocketLimits
from citadel_kit.exchange.venue import AccountEvent

_log = logging.getLogger(__name__)
_LIMITS: Final = SocketLimits(messages_per_s=5_000, ping_s=20.0)
"""Request weights and order counts come long before."""
_MAX_SUBSCRIPTIONS: Final = 1000
_SUBSCRIBE: Final = ("userDataStream.subscribe", "userDataStream.subscribe.signature")


def routes(api: Api) -> list[web.RouteDef]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await _Connection(api, request).run()

    return [web.get("/ws-api/v3", handle)]


class _Connection:
    def __init__(self, api: Api, request: web.Request) -> None:
        self._api, self._address = api, request.remote or ""
        self._socket = Socket(api.venue, request, _LIMITS)
        self._subscriptions: dict[int, Callable[[], None]] = {}
        self._count = 0

    async def run(self) -> web.WebSocketResponse:
        return await self._socket.run(self._heard, on_close=self._end, answers_fail=True)

    def _end(self) -> None:
        for stop in self._subscriptions.values():
            stop()

    def _send(self, said: dict[str, Any]) -> None:
        self._socket.send(msgspec.json.encode(said).decode(), "reply")

    def _heard(self, text: str) -> None:
        request_id: Any = None
        answer: Answer | None = None
        params = Params(())
        try:
            message = parse_json(text)
            request_id = _request_id(message)
            method, members = _parts(message)
            params = Params.of_json(members)
            answer = self._answer(method, params)
            said = {"id": request_id, "status": 200, "result": answer.result}
        except ApiError as error:
            said = {"id": request_id, "status": error.status, "error": error.body()}
        except Exception:  # noqa: BLE001 - whatever a client sent, the server goes on
            _log.exception("websocket API")
            said = {"id": request_id, "status": 500, "error": internal().body()}
        if answer is not None and params.text("returnRateLimits").lower() != "false":
            said["rateLimits"] = self._used(answer)
        self._send(said)

    def _answer(self, method: str, params: Params) -> Answer:
        if self._api.venue.faults.rejects("rate_limit"):
            raise ApiError(-1003, "Too many requests; please use the websocket for live updates.", 429)
        if method in _SUBSCRIBE:
            call = Call(self._subscribe, 2, Security.USER_DATA)
        elif method == "userDataStream.unsubscribe":
            call = Call(self._unsubscribe, 2)
        elif method == "session.status":
            call = Call(_session, 2)
        elif method in SOCKET:
            call = SOCKET[method]
        else:
            raise ApiError(-1020, "This operation is not supported.", 404)
        return self._api.answer(
            call,
            self._address,
            params,
            key=params.text("apiKey"),
            payload=sorted_payload(params),
            signature=params.text("signature"),
        )

    def _used(self, answer: Answer) -> list[dict[str, Any]]:
        weight, short, day = rate_limits(self._api.usage.limits)
        orders = [] if answer.orders is None else list(zip((short, day), answer.orders, strict=True))
        return [{**limit, "count": count} for limit, count in [*orders, (weight, answer.weight)]]

    # --- user data ---

    def _subscribe(self, api: Api, request: Request) -> dict[str, Any]:
        if len(self._subscriptions) >= _MAX_SUBSCRIPTIONS:
            raise ApiError(-1034, "Too many user data subscriptions on this connection.")
        number, self._count = self._count, self._count + 1

        def tell(event: AccountEvent) -> None:
            for said in userdata.events(api, event):
                wrapped = {"subscriptionId": number, "event": said}
                self._socket.send(msgspec.json.encode(wrapped).decode(), "account")

        self._subscriptions[number] = api.venue.listen_account(request.account, tell)
        return {"subscriptionId": number}

    def _unsubscribe(self, api: Api, request: Request) -> dict[str, Any]:
        """One, or all of this connection."""
        chosen = list(self._subscriptions)
        if request.params.has("subscriptionId"):
            chosen = [request.params.integer("subscriptionId", -1)]
        for number in chosen:
            stop = self._subscriptions.pop(number, None)
            if stop is None:
                raise ApiError(-1130, "Data sent for parameter 'subscriptionId' is not valid.")
            stop()
        return {}


def _session(api: Api, request: Request) -> dict[str, Any]:
    """Every request is signed for itself: a session would need an Ed25519 key."""
    return {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": None,
        "returnRateLimits": True,
        "serverTime": request.now_ms,
        "userDataStream": False,
    }


def _request_id(message: Any) -> int | str | None:
    """As it was sent: a whole number, a short text, or none."""
    if not isinstance(message, dict):
        raise ApiError(-1135, "Invalid JSON Request")
    given = message.get("id")
    if isinstance(given, Number) and re.fullmatch(r"-?[0-9]{1,18}", given):
        return int(given)
    if given is None or (isinstance(given, str) and re.fullmatch(r"[a-zA-Z0-9-_]{1,36}", given)):
        return given
    raise ApiError(-1135, "Invalid JSON Request")


def _parts(message: Any) -> tuple[str, dict[str, Any]]:
    method, params = message.get("method"), message.get("params", {})
    named = isinstance(method, str) and not isinstance(method, Number)
    if not named or not isinstance(params, dict | None):
        raise ApiError(-1135, "Invalid JSON Request")
    return method, params or {}
