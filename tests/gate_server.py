"""Gate's spot market on loopback, as far as ccxt.pro asks for it, on the caller's loop.

What it says is told by the test. It can be silent, and it can end every stream without a word.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import loopback
from aiohttp import WSMsgType, web

from citadel_kit.venues import Endpoints

PAIR = {
    "id": "BTC_USDT",
    "base": "BTC",
    "quote": "USDT",
    "fee": "0.2",
    "min_base_amount": "0.0001",
    "min_quote_amount": "3",
    "amount_precision": 6,
    "precision": 1,
    "trade_status": "tradable",
    "buy_start": 0,
}
Rows = list[list[str]]


class GateServer:
    def __init__(self) -> None:
        self.streams: dict[web.WebSocketResponse, web.Request] = {}
        self.asked: list[str] = []
        self.heard: list[Any] = []
        self.connections = 0
        self.answers = True
        """False: it answers neither pings nor requests."""
        self.refuses = False
        self.book: tuple[Rows, Rows] = ([["60000.0", "1.5"], ["59999.5", "2"]], [["60000.1", "0.5"]])
        self.seq = 100
        self.port = 0

    @property
    def at(self) -> Endpoints:
        return Endpoints(f"ws://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port}")

    async def full(self) -> None:
        """The whole book, to everybody."""
        bids, asks = self.book
        await self._say("spot.obu", t=1, full=True, s="ob.BTC_USDT.50", u=self.seq, b=bids, a=asks)

    async def delta(self, bids: Rows, asks: Rows) -> None:
        self.seq += 1
        change = {"t": 2, "s": "ob.BTC_USDT.50", "U": self.seq, "u": self.seq, "b": bids, "a": asks}
        await self._say("spot.obu", **change)

    async def trade(self, number: int, price: str, amount: str, side: str) -> None:
        row = {"id": number, "create_time": 1, "create_time_ms": "1648725035923.0", "side": side}
        await self._say("spot.trades", **row, currency_pair="BTC_USDT", amount=amount, price=price)

    def cut(self) -> None:
        for request in self.streams.values():
            assert request.transport is not None
            request.transport.abort()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[GateServer]:
        app = web.Application()
        app.router.add_get("/api/v4/spot/currency_pairs", self._pairs)
        app.router.add_get("/api/v4/margin/currency_pairs", self._none)
        app.router.add_get("/ws/v4/", self._stream)
        runner = await loopback.start(app, self.port)
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await loopback.end(runner)

    async def _say(self, channel: str, **result: Any) -> None:
        text = json.dumps({"time": 1, "channel": channel, "event": "update", "result": result})
        for stream in list(self.streams):
            await stream.send_str(text)

    async def _pairs(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.json_response(
            [PAIR, PAIR | {"id": "ETH_USDT", "base": "ETH", "trade_status": "untradable"}]
        )

    async def _none(self, request: web.Request) -> web.Response:
        return web.json_response([])

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        if self.refuses:
            raise web.HTTPServiceUnavailable
        stream = web.WebSocketResponse(autoping=False)
        await stream.prepare(request)
        self.connections += 1
        self.streams[stream] = request
        try:
            async for message in stream:
                if not self.answers:
                    continue
                if message.type == WSMsgType.PING:
                    await stream.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    await self._hear(stream, json.loads(message.data))
        except ConnectionError:
            pass  # cut
        finally:
            del self.streams[stream]
        return stream

    async def _hear(self, stream: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        self.heard.append((asked["channel"], asked["event"], asked.get("payload")))
        answer = {"time": 1, "id": asked["id"], "channel": asked["channel"], "event": "subscribe"}
        await stream.send_str(json.dumps(answer | {"result": {"status": "success"}}))
        if asked["channel"] == "spot.obu":
            await self.full()


async def until(true: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
