"""Instruments, candles and reachability of the venues whose REST form is not Binance's spot, off loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import loopback
import numpy as np
import pytest
from aiohttp import web

from citadel_kit.errors import ConfigError
from citadel_kit.io import rest
from citadel_kit.io.history import fetch_candles
from citadel_kit.macro import candles, quality
from citadel_kit.venues import Endpoints

pytestmark = pytest.mark.filterwarnings("error")

STEP_MS = 300_000
NOW_MS = 1_723_118_400_000 + 150_000
"""In the middle of a bar."""
ASSETS = {"baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT"}
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
]


def usdm(name: str) -> dict[str, Any]:
    kind = {"contractType": "PERPETUAL", "status": "TRADING", "deliveryDate": 4133404800000}
    return {"symbol": name, "pair": name, **kind, **ASSETS, "pricePrecision": 2, "filters": FILTERS}


def bybit(name: str) -> dict[str, Any]:
    coins = {"baseCoin": name.removesuffix("USDT"), "quoteCoin": "USDT", "settleCoin": "USDT"}
    sizes = {"qtyStep": "0.1", "minOrderQty": "0.1", "maxOrderQty": "1000000", "minNotionalValue": "5"}
    kind = {"symbol": name, "contractType": "LinearPerpetual", "status": "Trading", "deliveryTime": "0"}
    return {**kind, **coins, "lotSizeFilter": sizes, "priceFilter": {"tickSize": "0.0001"}}


def okx(name: str, kind: str) -> dict[str, Any]:
    inverse = "-USD-" in name
    worth = {"ctVal": "100" if inverse else "0.01", "ctMult": "1", "ctValCcy": "USD" if inverse else "BTC"}
    settle = {"ctType": "inverse" if inverse else "linear", "settleCcy": "BTC" if inverse else "USDT"}
    steps = {"tickSz": "0.1", "lotSz": "1", "minSz": "1", "maxLmtSz": "100000000", "state": "live"}
    expiry = {"expTime": "1782432000000" if kind == "FUTURES" else ""}
    family = name.rpartition("-")[0]
    return (
        {"instId": name, "instType": kind, "uly": family, "instFamily": family}
        | worth
        | settle
        | steps
        | expiry
    )


def coinbase(name: str) -> dict[str, Any]:
    steps = {"quote_increment": "0.01", "base_increment": "0.00000001", "min_market_funds": "1"}
    return {"id": name, "status": "online", **steps}


class Venue:
    """Answers as three venues do, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._thread = loopback.LoopbackThread("rest-venue")

    @property
    def at(self) -> Endpoints:
        return Endpoints(f"ws://127.0.0.1:{self.port}/stream", f"http://127.0.0.1:{self.port}")

    def __enter__(self) -> Venue:
        self._thread.start()
        self._thread.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(loopback.end(self._runner))
        self._thread.end()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = await loopback.start(app)
        self.port: int = self._runner.addresses[0][1]

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        async for _ in stream:
            pass
        return stream

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return web.json_response(self._body(request.path, request.query))

    def _body(self, path: str, query: Any) -> Any:
        if path == "/fapi/v1/exchangeInfo":
            return {"timezone": "UTC", "symbols": [usdm("ETHUSDT"), usdm("BTCUSDT")]}
        if path == "/fapi/v1/time":
            return {"serverTime": NOW_MS}
        if path == "/fapi/v1/klines":
            return [
                [t, *prices(t), t + STEP_MS - 1, "0", 1, "0", "0", "0"] for t in opens(query["startTime"])
            ]
        if path == "/v5/market/instruments-info":
            found = [bybit(query["symbol"])] if query["symbol"] == "XRPUSDT" and "status" not in query else []
            return bybits({"category": query["category"], "list": found})
        if path == "/v5/market/time":
            return bybits({"timeSecond": str(NOW_MS // 1000), "timeNano": str(NOW_MS * 10**6)})
        if path == "/v5/market/kline":
            rows = [[str(t), *prices(t), "0"] for t in opens(query["start"])]
            return bybits({"category": query["category"], "symbol": query["symbol"], "list": rows[::-1]})
        if path == "/api/v5/public/instruments":
            return {"code": "0", "msg": "", "data": [okx(query["instId"], query["instType"])]}
        if path == "/products":
            return [coinbase("ETH-USD"), coinbase("BTC-USD")]
        if path == "/time":
            return {"iso": "2024-08-08T12:02:30.000Z", "epoch": NOW_MS / 1000}
        if path == "/products/BTC-USD/candles":
            ends = [int(datetime.fromisoformat(query[name]).timestamp() * 1000) for name in ("start", "end")]
            bars = [(t // 1000, *prices(t)) for t in opens(ends[0]) if t <= ends[1]]
            return [[t, low, high, first, last, v] for t, first, high, low, last, v in bars[::-1]]
        raise AssertionError(path)


def bybits(result: dict[str, Any]) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW_MS}


def opens(start: Any) -> list[int]:
    """Of at most 500 bars, the open one included."""
    return list(range(-(-int(start) // STEP_MS) * STEP_MS, NOW_MS, STEP_MS))[:500]


def prices(open_ms: int) -> tuple[str, ...]:
    n = open_ms // STEP_MS % 1000
    return str(n + 500), str(n + 502.5), str(n + 499), str(n + 501), "1.25"


@pytest.fixture
def venue() -> Iterator[Venue]:
    with Venue() as local:
        yield local


VENUES = [
    ("binanceusdm", "BTC/USDT", "/fapi/v1/"),
    ("bybitlinear", "XRP/USDT", "/v5/market/"),
    ("coinbaseexchange", "BTC/USD", "/"),
]


@pytest.mark.parametrize(("name", "symbol", "path"), VENUES)
def test_instruments(venue: Venue, name: str, symbol: str, path: str) -> None:
    (found,) = rest.fetch_listed([(name, symbol)], {name: venue.at})
    name_there, *numbers = {
        "binanceusdm": ("BTCUSDT", 1, 3, 100 * 10**4),
        "bybitlinear": ("XRPUSDT", 4, 1, 5 * 10**5),
        "coinbaseexchange": ("BTC-USD", 2, 8, 10**10),
    }[name]
    assert (found.venue, found.symbol, found.venue_symbol) == (name, symbol, name_there)
    assert [found.price_decimals, found.qty_decimals, found.min_notional] == numbers
    assert (found.tick, found.lot) == (1, 1)
    assert (found.contract_size, found.inverse) == (1.0, False)
    assert all(asked.startswith(path) for asked in venue.asked)
    with pytest.raises(ConfigError, match="symbol: "):
        rest.fetch_listed([(name, f"XYZ/{symbol[4:]}")], {name: venue.at})


def test_a_linear_contract_goes_by_one_name_whichever_was_asked(venue: Venue) -> None:
    wanted = [("binanceusdm", "BTC/USDT:USDT"), ("binanceusdm", "BTC/USDT")]
    first, second = rest.fetch_listed(wanted, {"binanceusdm": venue.at})
    assert first == second


@pytest.mark.parametrize(
    ("symbol", "name", "contract_size", "inverse"),
    [
        ("BTC/USDT:USDT", "BTC-USDT-SWAP", 0.01, False),
        ("BTC/USD:BTC", "BTC-USD-SWAP", 100.0, True),
        ("BTC/USD:BTC-260626", "BTC-USD-260626", 100.0, True),
    ],
)
def test_contracts_of_okx(venue: Venue, symbol: str, name: str, contract_size: float, inverse: bool) -> None:
    (found,) = rest.fetch_listed([("okx", symbol)], {"okx": venue.at})
    assert (found.symbol, found.venue_symbol, found.tick, found.lot) == (symbol, name, 1, 1)
    assert (found.contract_size, found.inverse) == (contract_size, inverse)
    assert venue.asked == [f"/api/v5/public/instruments?instType={kind_of(name)}&instId={name}"]


def kind_of(name: str) -> str:
    return "SWAP" if name.endswith("SWAP") else "FUTURES"


@pytest.mark.parametrize(("name", "symbol", "path"), VENUES)
def test_candles(venue: Venue, name: str, symbol: str, path: str) -> None:
    frame = fetch_candles(name, symbol, "5m", bars=700, at=venue.at)
    end_ms = NOW_MS // STEP_MS * STEP_MS
    expected = np.arange(end_ms - 700 * STEP_MS, end_ms, STEP_MS)
    assert (candles.open_ns(frame) // 1_000_000).tolist() == expected.tolist()
    values = [[float(text) for text in prices(int(t))] for t in expected]
    assert frame[list(candles.COLUMNS)].to_numpy().tolist() == values
    assert quality.check(frame, "5m", NOW_MS * 1_000_000) == ()
    if name == "bybitlinear":
        assert all("category=linear" in asked for asked in venue.asked if "kline" in asked or "info" in asked)


@pytest.mark.parametrize(("name", "symbol", "path"), VENUES)
def test_reachability(venue: Venue, name: str, symbol: str, path: str) -> None:
    rest.check_reachable(name, at=venue.at)
    assert venue.asked == [f"{path}time"]


def test_every_venue_has_its_way_and_its_own_host() -> None:
    """The hosts that `at` stands in for are those which ccxt's own class asks."""
    import ccxt.async_support as ccxt

    from citadel_kit.venues import WIRES, endpoints

    assert set(rest._ACCESS) == set(WIRES)
    for name, access in rest._ACCESS.items():
        exchange = getattr(ccxt, access.name)()
        hosts = [
            exchange.implode_hostname(url) for url in exchange.urls["api"].values() if isinstance(url, str)
        ]
        assert any(url.startswith(endpoints(name).rest) for url in hosts), name
