"""A venue on loopback that replays a real tape: REST and stream on one port, all on the caller's loop.

Its market goes on whether anybody listens or not; where the tape ends, with changes of its own. A snapshot is
the true book of the moment in which it is asked for. It can be killed, stalled and restarted.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import loopback
from aiohttp import WSMsgType, web
from fake_venues import Said
from true_tape import Reel, Tail, TapeFrame

from citadel_kit import clock
from citadel_kit.venues import Endpoints

_LONGEST_PAUSE_S = 1.0
"""Of a tape's own time: some were cut down to a few of their frames."""
_OWN_CHANGE_S = 0.05


class Role(NamedTuple):
    """A tape in the part of a venue: a book of another coin plays Bitcoin where there is no tape of it."""

    tape: str
    venue: str
    symbol: str
    """What the tape's own instrument is called."""
    played: str
    played_name: str
    """The same as the venue writes it."""
    frames: int | None = None


ROLES = {
    "binance": Role("binance_spot_btcusdt", "binance", "BTC/USDT", "BTC/USDT", "BTCUSDT", 12_000),
    "bybit": Role("bybit_v5_linear_xrpusdt_ob500", "bybitlinear", "XRP/USDT", "BTC/USDT", "BTCUSDT"),
    "okx": Role("okx_v5_seqid_derived", "okx", "BTC/USDT", "BTC/USDT", "BTC-USDT"),
    "kraken": Role("kraken_v2_btcusd_d25", "kraken", "BTC/USD", "BTC/USD", "BTC/USD"),
    "coinbase": Role("coinbase_advanced_derived", "coinbase", "SKL/USD", "BTC/USD", "BTC-USD"),
}


class Client:
    """One connection: what waits to be sent, and the books it listens to."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self.listens = False
        self.number = 0


class TapeServer:
    def __init__(self, tapes: Path, venue: str, speed: float, seed: int) -> None:
        role = ROLES[venue]
        self.venue, self._role, self._speed = venue, role, speed
        self._rng = random.Random(f"{seed} {venue}")
        reel = Reel(tapes / f"{role.tape}.tape.gz", role.venue, [role.symbol], role.frames)
        self._frames, self._wire, self._position = reel.frames, reel.wire, reel.start
        ((self._symbol, self._truth),) = reel.truths.items()
        self._name = self._truth.instrument.venue_symbol
        self._tail = Tail(self._truth)
        self.newest = self._truth.index_before(reel.start)
        self.clients: set[Client] = set()
        self.connections = self.snapshots = 0
        self.gone_ns = -1
        """Since when nobody hears a word of it; -1 while all do."""
        self._moves, self._trades = asyncio.Event(), asyncio.Event()
        self._moves.set()
        self._trades.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def at(self) -> Endpoints:
        return Endpoints(f"ws://127.0.0.1:{self.port}/stream", f"http://127.0.0.1:{self.port}")

    def top(self) -> tuple[int, ...]:
        """Of the true book now."""
        return self._tail.top_at(self.newest)

    # --- its fate ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        await self._open()
        self._tasks = {asyncio.create_task(self._market()), asyncio.create_task(self._beat())}

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._moves.set()
        await self._close()

    def freeze(self) -> None:
        """The market stands still from now on; the venue lives."""
        self._trades.clear()

    def kill(self) -> None:
        """Every stream ends without a word."""
        for client in self.clients:
            if client.request.transport is not None:
                client.request.transport.abort()

    async def stall(self, seconds: float) -> None:
        """Connected, but it neither hears nor says anything; what it would have said comes afterwards."""
        self._moves.clear()
        self.gone_ns = clock.now_ns()
        await asyncio.sleep(seconds)
        self.gone_ns = -1
        self._moves.set()

    async def restart(self, seconds: float) -> None:
        """Nobody listens on its port for a while."""
        self.gone_ns = clock.now_ns()
        self.kill()
        await self._close()
        await asyncio.sleep(seconds)
        await self._open()
        self.gone_ns = -1

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/api/v3/depth", self._depth)
        app.router.add_get("/{path:.*}", self._instrument)
        self._runner = await loopback.start(app, self.port)
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await loopback.end(self._runner)
            self._runner = None

    # --- its market ---------------------------------------------------------------------------------------

    async def _market(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        before_ns = self._frames[self._position].ns
        while True:
            await self._trades.wait()
            frame = self._next()
            pause_s = (frame.ns - before_ns) / 1e9 if frame.ns else _OWN_CHANGE_S
            before_ns = frame.ns or before_ns
            due += min(max(pause_s, 0.0), _LONGEST_PAUSE_S) / self._speed
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
                await self._trades.wait()
            if frame.symbol:
                self.newest = frame.nth
            for client in self.clients:
                if client.listens:
                    self._say(client, frame.raw)

    def _next(self) -> TapeFrame:
        while self._position < len(self._frames):
            frame = self._frames[self._position]
            self._position += 1
            if frame.symbol or self._name.encode() in frame.raw or self._name.lower().encode() in frame.raw:
                return frame
        said, index = self._tail.change(self._rng, self._wire)
        return TapeFrame(0, self._wire.book(said, clock.now_ns()), self._symbol, index)

    async def _beat(self) -> None:
        while self._wire.beat:
            await asyncio.sleep(1.0)
            for client in self.clients:
                self._say(client, self._wire.beat)

    # --- what it says -------------------------------------------------------------------------------------

    def _say(self, client: Client, raw: bytes) -> None:
        if self._wire.numbered:
            raw = self._wire.number(raw, client.number)
            client.number += 1
        raw = raw.replace(b"orderbook.500.", b"orderbook.50.")
        client.outgoing.put_nowait(raw.replace(self._name.encode(), self._role.played_name.encode()))

    def _snapshot(self) -> bytes:
        self.snapshots += 1
        book, links = self._tail.book_at(self.newest), self._tail.links_at(self.newest)
        last, checksum = links[1], self._wire.checksum(book)
        said = Said(self._name, True, (last, last, -1), *book.texts(), checksum)
        return self._wire.book(said, clock.now_ns())

    def _hear(self, client: Client, text: str) -> None:
        if text == "ping" or '"ping"' in text:
            self._say(client, self._wire.pong)
            return
        heard = self._wire.hear(json.loads(text.replace(self._role.played_name, self._name)))
        for answer in heard.answers:
            self._say(client, answer)
        if heard.ends:
            client.listens = False
        if heard.begins:
            if not self._wire.rest:
                self._say(client, self._snapshot())
            client.listens = True

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse(autoping=False)  # a stalled venue answers no ping either
        await stream.prepare(request)
        client = Client(request)
        self.clients.add(client)
        self.connections += 1
        writer = asyncio.create_task(self._write(stream, client))
        try:
            while True:
                await self._moves.wait()
                message = await stream.receive()
                await self._moves.wait()
                if message.type == WSMsgType.PING:
                    await stream.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    self._hear(client, message.data)
                else:
                    break
        except ConnectionError:
            pass  # killed
        finally:
            self.clients.discard(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return stream

    async def _write(self, stream: web.WebSocketResponse, client: Client) -> None:
        while True:
            raw = await client.outgoing.get()
            await self._moves.wait()
            await stream.send_str(raw.decode())

    # --- REST ---------------------------------------------------------------------------------------------

    async def _depth(self, request: web.Request) -> web.Response:
        await self._moves.wait()
        return web.Response(body=self._snapshot(), content_type="application/json")

    async def _instrument(self, request: web.Request) -> web.Response:
        """The one market of this venue, in the venue's own form."""
        instrument = self._truth.instrument
        tick = format(10**-instrument.price_decimals, f".{instrument.price_decimals}f")
        lot = format(10**-instrument.qty_decimals, f".{instrument.qty_decimals}f")
        base, quote = self._role.played.split("/")
        if self._role.played_name not in request.query_string.replace("%2F", "/"):
            return web.json_response(UNLISTED[self.venue])
        return web.json_response(listed(self.venue, self._role.played_name, base, quote, tick, lot))


UNLISTED: dict[str, Any] = {
    "binance": {"code": -1121, "msg": "Invalid symbol."},
    "bybit": {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": []}},
    "okx": {"code": "51001", "msg": "Instrument ID does not exist", "data": []},
    "kraken": {"error": ["EQuery:Unknown asset pair"]},
    "coinbase": {"products": [], "num_products": 0},
}


def listed(venue: str, name: str, base: str, quote: str, tick: str, lot: str) -> dict[str, Any]:
    """What the venue answers when asked for one market."""
    coins = {"baseCoin": base, "quoteCoin": quote}
    if venue == "bybit":
        sizes = {"basePrecision": lot, "minOrderQty": lot, "maxOrderQty": "100000", "minOrderAmt": "5"}
        row = {"symbol": name, **coins, "status": "Trading", "lotSizeFilter": sizes}
        rows = [{**row, "priceFilter": {"tickSize": tick}}]
        return {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": rows}}
    if venue == "okx":
        row = {"instId": name, "instType": "SPOT", "baseCcy": base, "quoteCcy": quote, "state": "live"}
        row |= {"tickSz": tick, "lotSz": lot, "minSz": lot, "maxLmtSz": "9999999999", "maxMktSz": "1000000"}
        return {"code": "0", "msg": "", "data": [row]}
    if venue == "kraken":
        row = {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD", "status": "online"}
        places = {"pair_decimals": len(tick) - 2, "lot_decimals": len(lot) - 2}
        return {"error": [], "result": {"XXBTZUSD": {**row, **places, "ordermin": lot, "costmin": "0.5"}}}
    if venue == "coinbase":
        row = {"product_id": name, "base_currency_id": base, "quote_currency_id": quote}
        row |= {"product_type": "SPOT", "price_increment": tick, "base_increment": lot}
        row |= {"base_min_size": lot, "base_max_size": "3400", "quote_min_size": "1"}
        return {"products": [row], "num_products": 1}
    row = {"symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": quote}
    row |= {"baseAssetPrecision": 8, "quotePrecision": 8, "isSpotTradingAllowed": True}
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00", "stepSize": lot},
    ]
    return {"symbols": [{**row, "filters": filters, "permissions": [], "permissionSets": [["SPOT"]]}]}
