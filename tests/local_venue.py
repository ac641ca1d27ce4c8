"""A venue on loopback that speaks Binance spot: REST and stream on one port, on a thread of its own.

It can be told to misbehave. What it was asked is kept, so that a test can look.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import loopback
from aiohttp import web

from citadel_kit.venues import Endpoints

START_MS = 1_723_118_400_000  # 2024-08-08 12:00 UTC


def depth(
    first: int, last: int, bids: Sequence[tuple[str, str]] = (), asks: Sequence[tuple[str, str]] = ()
) -> bytes:
    data = {"e": "depthUpdate", "E": START_MS, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}).encode()


def ticker(seq: int, bid: str, bid_qty: str, ask: str, ask_qty: str) -> bytes:
    data = {"u": seq, "s": "BTCUSDT", "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data}).encode()


def trade(trade_id: int, price: str, qty: str, *, seller_takes: bool) -> bytes:
    data = {
        "e": "trade",
        "E": START_MS,
        "s": "BTCUSDT",
        "t": trade_id,
        "p": price,
        "q": qty,
        "T": START_MS,
        "m": seller_takes,
    }
    return json.dumps({"stream": "btcusdt@trade", "data": data}).encode()


def snapshot(last: int, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> bytes:
    return json.dumps({"lastUpdateId": last, "bids": bids, "asks": asks}).encode()


SNAPSHOT = snapshot(
    100, [("60000.00", "1.0"), ("59999.99", "2.0")], [("60000.01", "1.0"), ("60000.02", "3.0")]
)
FRAMES = [
    depth(95, 98, [("59999.99", "9.0")]),  # older than the snapshot
    depth(99, 101, [("60000.00", "1.5")]),
    ticker(101, "60000.00", "1.5", "60000.01", "1.0"),
    ticker(103, "60000.00", "1.5", "60000.02", "3.0"),
    depth(102, 103, [("59999.98", "4.0")], [("60000.01", "0.0")]),
    trade(1, "60000.02", "0.5", seller_takes=False),
    depth(104, 106, [], [("60000.02", "2.5")]),
]
"""A stream that fits SNAPSHOT; behind it the book is 60000.00 × 1.5 / 60000.02 × 2.5, sequence 106."""

SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
    "isSpotTradingAllowed": True,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.0", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
    ],
    "permissions": [],
    "permissionSets": [["SPOT"]],
}


class LocalVenue:
    def __init__(
        self,
        scripts: Sequence[Sequence[bytes]] = (FRAMES,),
        snapshots: Sequence[bytes] = (SNAPSHOT,),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.scripts, self.snapshots = list(scripts), list(snapshots)
        """Frames of the first, second, … connection, and bodies of the first, second, … snapshot; the last
        ones stay."""
        self.status: dict[str, int] = {}
        """HTTP status by path, where it is not 200."""
        self.headers: dict[str, str] = {}
        """Of answers with such a status."""
        self.symbol: dict[str, Any] = SYMBOL
        self.now_ms = START_MS + 150_000
        self.missing: set[int] = set()
        """Open times of candles that there are not."""
        self.asked: list[str] = []
        self.subscriptions: list[Any] = []
        self.sockets: dict[web.WebSocketResponse, web.Request] = {}
        self.connections = 0
        self._tls, self._thread = tls, loopback.LoopbackThread("local-venue")

    @property
    def at(self) -> Endpoints:
        return Endpoints(f"ws://127.0.0.1:{self.port}/stream", f"http://127.0.0.1:{self.port}")

    @property
    def at_tls(self) -> Endpoints:
        return Endpoints(f"wss://127.0.0.1:{self.port}/stream", f"https://127.0.0.1:{self.port}")

    def push(self, *frames: bytes) -> None:
        """To every open stream."""

        async def send() -> None:
            for stream in self.sockets:
                for frame in frames:
                    await stream.send_str(frame.decode())

        self.run(send())

    def cut(self) -> None:
        """Every stream ends without a word."""

        async def abort() -> None:
            for request in self.sockets.values():
                assert request.transport is not None
                request.transport.abort()

        self.run(abort())

    def run(self, job: Coroutine[Any, Any, Any]) -> Any:
        return self._thread.run(job)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(loopback.end(self._runner))
        self._thread.end()

    async def _open(self) -> None:
        app = web.Application(middlewares=[self._first])
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        app.router.add_get("/api/v3/depth", self._depth)
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/klines", self._klines)
        self._runner = await loopback.start(app, tls=self._tls)
        self.port: int = self._runner.addresses[0][1]

    @web.middleware
    async def _first(self, request: web.Request, handler: Any) -> Any:
        self.asked.append(request.path_qs)
        status = self.status.get(request.path, 200)
        if status != 200:
            return web.Response(status=status, headers=self.headers, text="<html>no</html>")
        return await handler(request)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        self.sockets[stream] = request
        try:
            self.subscriptions.append(await stream.receive_json())
            await stream.send_str('{"result":null,"id":1}')
            for frame in script:
                await stream.send_str(frame.decode())
            async for _ in stream:
                pass
        except (TypeError, ConnectionError):  # cut, or closed before it subscribed
            pass
        finally:
            del self.sockets[stream]
        return stream

    async def _exchange_info(self, request: web.Request) -> web.Response:
        if request.query.get("symbol") != self.symbol["symbol"]:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms, "symbols": [self.symbol]})

    async def _depth(self, request: web.Request) -> web.Response:
        body = self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]
        return web.Response(body=body, content_type="application/json")

    async def _time(self, request: web.Request) -> web.Response:
        return web.json_response({"serverTime": self.now_ms})

    async def _klines(self, request: web.Request) -> web.Response:
        """5-minute bars up to the open one; each price tells which bar it is."""
        step, start = 300_000, int(request.query["startTime"])
        opens = range(-(-start // step) * step, self.now_ms + 1, step)
        kept = [t for t in opens if t not in self.missing][: int(request.query["limit"])]
        return web.json_response([kline(t) for t in kept])


def kline(open_ms: int) -> list[Any]:
    n = open_ms // 300_000 % 1000
    o, h, low, c = 50_000 + n, 50_002.5 + n, 49_999 + n, 50_001 + n
    return [open_ms, str(o), str(h), str(low), str(c), "1.25", open_ms + 299_999, "0", 1, "0", "0", "0"]


@contextmanager
def black_hole() -> Iterator[Endpoints]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield Endpoints(f"ws://127.0.0.1:{port}/stream", f"http://127.0.0.1:{port}")


def nobody() -> Endpoints:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return Endpoints(f"ws://127.0.0.1:{port}/stream", f"http://127.0.0.1:{port}")


def untrusted(folder: Any) -> ssl.SSLContext:
    """A server's TLS with a certificate that it signed itself."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
