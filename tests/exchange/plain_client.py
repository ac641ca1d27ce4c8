"""A plain client of Binance's API: the standard library and one websocket, nothing of the kit."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect

from citadel_kit.exchange.local import LocalExchange

Answer = tuple[int, Any]


class PlainClient:
    def __init__(self, exchange: LocalExchange, venue: str = "binance") -> None:
        key = next(iter(exchange.venue(venue).keys.values()))
        self.url, self.admin = exchange.urls[venue], f"{exchange.admin_url}/{venue}"
        self._key, self._secret = key.key, key.secret

    def call(self, method: str, path: str, timeout: float = 10.0, **parameters: Any) -> Answer:
        """Status and decoded body. Raises OSError where there is no answer."""
        return http(method, f"{self.url}{path}?{urlencode(parameters)}", timeout=timeout)

    def signed(self, method: str, path: str, timeout: float = 10.0, **parameters: Any) -> Answer:
        query = urlencode({**parameters, "recvWindow": 60_000, "timestamp": int(time.time() * 1000)})
        signature = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.url}{path}?{query}&signature={signature}"
        return http(method, url, headers={"X-MBX-APIKEY": self._key}, timeout=timeout)

    def order(self, timeout: float = 10.0, **other: Any) -> Answer:
        """A bid far below the market, where nothing else is asked for."""
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                 "quantity": "0.001", "price": "50000"}  # fmt: skip
        return self.signed("POST", "/api/v3/order", timeout, **{**order, **other})

    def open_ids(self) -> list[str]:
        return [
            order["clientOrderId"] for order in self.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")[1]
        ]

    @contextmanager
    def stream(self, *streams: str) -> Iterator[ClientConnection]:
        url = self.url.replace("http", "ws", 1) + "/stream?streams=" + "/".join(streams)
        with connect(url, open_timeout=5, close_timeout=1, compression=None, proxy=None) as socket:
            yield socket

    @contextmanager
    def user_data(self) -> Iterator[ClientConnection]:
        """The user data stream of the websocket API."""
        url = self.url.replace("http", "ws", 1) + "/ws-api/v3"
        with connect(url, open_timeout=5, close_timeout=1, compression=None, proxy=None) as socket:
            self._request(socket, "userDataStream.subscribe.signature", {})
            assert json.loads(socket.recv(5))["status"] == 200
            yield socket

    def send_order(self, socket: ClientConnection, **other: Any) -> None:
        """Over the websocket API: the same far bid as `order`."""
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                 "quantity": "0.001", "price": "50000"}  # fmt: skip
        self._request(socket, "order.place", {**order, **other})

    def _request(self, socket: ClientConnection, method: str, parameters: dict[str, Any]) -> None:
        signed = {**parameters, "apiKey": self._key, "timestamp": int(time.time() * 1000)}
        query = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        signature = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        request = {"id": "1", "method": method, "params": {**signed, "signature": signature}}
        socket.send(json.dumps(request))


def http(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None,
         timeout: float = 10.0) -> Answer:  # fmt: skip
    request = urllib.request.Request(url, body, headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, _decoded(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _decoded(error.read())


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def received(socket: ClientConnection, count: int, timeout: float = 5.0) -> list[Any]:
    """The next messages. Raises TimeoutError."""
    return [json.loads(socket.recv(timeout)) for _ in range(count)]


def all_for(socket: ClientConnection, seconds: float) -> list[Any]:
    """All that comes within so many seconds."""
    out: list[Any] = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            out.append(json.loads(socket.recv(left)))
        except TimeoutError:
            break
    return out
