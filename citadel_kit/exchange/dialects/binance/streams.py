"""Market streams over websockets: `/ws/<stream>`, `/stream?streams=a/b`, SUBSCRIBE and UNSUBSCRIBE.

Source: binance/binance-spot-api-docs, `web-socket-streams.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from citadel_kit.exchange.dialects.binance import userdata
from citadel_kit.exchange.dialects.binance.api import Api
from citadel_kit.exchange.dialects.binance.errors import ApiError
from citadel_kit.exchange.dialects.binance.feed import Feed
from citadel_kit.exchange.dialects.binance.frames import combined
from citadel_kit.exchange.dialects.binance.params import Number, parse_json
from citadel_kit.exchange.dialects.binance.text import ms
from citadel_kit.exchange.socket import Socket, SocketLimits
from citadel_kit.exchange.venue import AccountEvent

MAX_STREAMS: Final = 1024
"""Of one connection."""
_MAX_NAME: Final = 100
_LIMITS: Final = SocketLimits(messages_per_s=5, ping_s=20.0)
_VERBS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class StreamError(Exception):
    """`code`: 0 unknown property, 1 wrong type of value, 2 invalid request, 3 invalid JSON."""

    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def routes(api: Api) -> list[web.RouteDef]:
    feed = Feed(api.venue)

    async def raw(request: web.Request) -> web.StreamResponse:
        names = [name for name in request.match_info.get("streams", "").split("/") if name]
        return await _Connection(api, feed, request, names, wrapped=False).run()

    async def several(request: web.Request) -> web.StreamResponse:
        names = [name for name in request.query.get("streams", "").split("/") if name]
        return await _Connection(api, feed, request, names, wrapped=True).run()

    # Clients tell a spot stream by `/stream` in its URL, so the raw streams are below it a second time.
    raws = [
        web.get(path, raw) for path in ("/ws", "/ws/{streams:.*}", "/stream/ws", "/stream/ws/{streams:.*}")
    ]
    return [*raws, web.get("/stream", several)]


class _Connection:
    def __init__(
        self, api: Api, feed: Feed, request: web.Request, names: Sequence[str], *, wrapped: bool
    ) -> None:
        self._api, self._feed, self._wrapped = api, feed, wrapped
        self._socket = Socket(api.venue, request, _LIMITS)
        self._streams: dict[str, Callable[[], None]] = {}
        """By name, what ends it."""
        self._first = list(dict.fromkeys(names))[:MAX_STREAMS]

    async def run(self) -> web.WebSocketResponse:
        return await self._socket.run(self._heard, on_open=self._open, on_close=self._close)

    def _open(self) -> None:
        for name in self._first:
            self._subscribe(name)

    def _close(self) -> None:
        for stop in self._streams.values():
            stop()
        self._streams.clear()

    def _heard(self, text: str) -> None:
        request_id: Any = None
        try:
            try:
                message = parse_json(text)
            except ApiError:
                raise StreamError(3, "Invalid JSON: expected value at line 1 column 1") from None
            if not isinstance(message, dict):
                raise StreamError(2, "Invalid request: expected an object at line 1 column 1")
            request_id = _request_id(message)
            said = {"result": self._answer(message), "id": request_id}
        except StreamError as error:
            said = {"error": {"code": error.code, "msg": error.message}, "id": request_id}
        self._socket.send(msgspec.json.encode(said).decode(), "reply")

    def _answer(self, message: dict[str, Any]) -> Any:
        verb = message.get("method")
        if verb is None:
            raise StreamError(2, "Invalid request: missing field `method` at line 1 column 1")
        if verb not in _VERBS:
            said = str(verb)[:50]
            raise StreamError(
                2, f"Invalid request: unknown variant `{said}`, expected one of {', '.join(_VERBS)}"
            )
        if verb == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        params = message.get("params", [])
        if not isinstance(params, list) or not all(isinstance(p, str | bool) for p in params):
            raise StreamError(2, "Invalid request: params must be a list of texts")
        if verb.endswith("PROPERTY"):
            return self._property(verb, params)
        names = [p for p in params if isinstance(p, str)]
        if not names or len(names) < len(params) or any(not 0 < len(n) <= _MAX_NAME for n in names):
            raise StreamError(2, "Invalid request: invalid stream")
        if verb == "UNSUBSCRIBE":
            for name in names:
                self._streams.pop(name, lambda: None)()
            return None
        if len(self._streams.keys() | set(names)) > MAX_STREAMS:
            raise StreamError(2, f"Invalid request: at most {MAX_STREAMS} streams on one connection")
        for name in names:
            self._subscribe(name)
        return None

    def _property(self, verb: str, params: list[Any]) -> Any:
        if not params or params[0] != "combined":
            raise StreamError(0, "Unknown property")
        if verb == "GET_PROPERTY":
            return self._wrapped
        if len(params) != 2 or not isinstance(params[1], bool):
            raise StreamError(1, "Invalid value type: expected Boolean")
        self._wrapped = params[1]
        return None

    def _subscribe(self, name: str) -> None:
        if name in self._streams:
            return
        account = self._api.listen_keys.account(name, ms(self._api.venue.now_ns()))
        if account is None:
            self._streams[name] = self._feed.subscribe(name, lambda text: self._send(name, text))
        else:
            self._streams[name] = self._api.venue.listen_account(account, lambda e: self._tell(name, e))

    def _tell(self, name: str, event: AccountEvent) -> None:
        told = userdata.events(self._api, event)
        now_ms = ms(self._api.venue.now_ns())
        if self._api.listen_keys.account(name, now_ms) is None:
            self._streams.pop(name)()
            told = [{"e": "listenKeyExpired", "E": now_ms, "listenKey": name}]
        for said in told:
            text = msgspec.json.encode(said).decode()
            self._socket.send(combined(name, text) if self._wrapped else text, "account")

    def _send(self, name: str, text: str) -> None:
        self._socket.send(combined(name, text) if self._wrapped else text, "market")


def _request_id(message: dict[str, Any]) -> int | str | None:
    """An unsigned integer, a short text, or none."""
    given = message.get("id")
    if isinstance(given, Number):
        if re.fullmatch(r"[0-9]{1,18}", given):
            return int(given)
    elif given is None or (isinstance(given, str) and re.fullmatch(r"[a-zA-Z0-9-_]{1,36}", given)):
        return given
    raise StreamError(2, "Invalid request: request ID must be an unsigned integer")
