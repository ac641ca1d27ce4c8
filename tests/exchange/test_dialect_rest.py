"""The market calls of four dialects, and how wrong ones are refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web
from dialect_world import MS, START_NS, instrument, make_venue
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.exchange.dialects import bybit, coinbase, kraken, okx
from citadel_kit.exchange.dialects.bybit import rest as bybit_rest
from citadel_kit.exchange.dialects.coinbase import rest as coinbase_rest
from citadel_kit.exchange.dialects.kraken import rest as kraken_rest
from citadel_kit.exchange.dialects.kraken.names import pair
from citadel_kit.exchange.dialects.okx import rest as okx_rest
from citadel_kit.exchange.dialects.rendering import Window, fixed, iso, plain, step_decimals
from citadel_kit.exchange.dialects.rest import BadRequest
from citadel_kit.exchange.venue import Venue

RESTS: dict[str, Any] = {
    "bybit": bybit_rest,
    "okx": okx_rest,
    "kraken": kraken_rest,
    "coinbase": coinbase_rest,
}
V5, OKX, KRAKEN, V3 = "/v5/market/", "/api/v5/", "/0/public/", "/api/v3/brokerage/market/"


@pytest.fixture(scope="module")
def venues() -> dict[str, Venue]:
    """Three minutes and a bit after the start."""
    out = {}
    for name in RESTS:
        world, out[name] = make_venue(name, seconds=200, every_ms=400)
        world.advance(START_NS + 190_000 * MS)
    return out


def ask(venue: Venue, path: str, **query: str) -> Any:
    """The whole body, as a client reads it."""
    rest = RESTS[venue.name]
    try:
        return rest.ENVELOPE.answer(venue, rest.CALLS[path](venue, query))
    except BadRequest as refused:
        return refused.status, rest.ENVELOPE.refusal(venue, refused)


# --- answers ------------------------------------------------------------------


def test_books_are_what_the_engine_shows(venues: Mapping[str, Venue]) -> None:
    bodies = {
        "bybit": ask(venues["bybit"], V5 + "orderbook", category="spot", symbol="BTCUSDT", limit="7")[
            "result"
        ],
        "okx": ask(venues["okx"], OKX + "market/books", instId="BTC-USDT", sz="7")["data"][0],
        "kraken": ask(venues["kraken"], KRAKEN + "Depth", pair="XBTUSDT", count="7")["result"]["XBTUSDT"],
        "coinbase": ask(venues["coinbase"], V3 + "product_book", product_id="BTC-USDT", limit="7")[
            "pricebook"
        ],
    }
    for name, body in bodies.items():
        engine = venues[name].engine("BTC/USDT")
        for is_bid, key in ((True, "bids"), (False, "asks")):
            rows = body[key[0] if name == "bybit" else key]
            pairs = [(row["price"], row["size"]) if isinstance(row, dict) else row[:2] for row in rows]
            units = [(round(float(p) * 100), round(float(q) * 100_000)) for p, q in pairs]
            assert units == engine.shown(is_bid, 7)


def test_candles_go_where_the_venue_counts_from(venues: Mapping[str, Venue]) -> None:
    minutes = [START_NS // 10**9 + 60 * n for n in range(4)]
    kline = {"category": "spot", "symbol": "BTCUSDT", "interval": "1"}
    rows = ask(venues["bybit"], V5 + "kline", **kline, limit="3")["result"]["list"]
    assert [int(row[0]) // 1000 for row in rows] == minutes[:0:-1]
    rows = ask(venues["bybit"], V5 + "kline", **kline, start=f"{minutes[1]}000", limit="2")["result"]["list"]
    assert [int(row[0]) // 1000 for row in rows] == minutes[2:0:-1]
    marks = {"before": f"{minutes[0]}000", "after": f"{minutes[3]}000"}
    rows = ask(venues["okx"], OKX + "market/candles", instId="BTC-USDT", bar="1m", **marks)["data"]
    assert [int(row[0]) // 1000 for row in rows] == minutes[2:0:-1]
    assert [row[-1] for row in ask(venues["okx"], OKX + "market/candles", instId="BTC-USDT")["data"][:2]] == [
        "0",
        "1",
    ]
    body = ask(venues["kraken"], KRAKEN + "OHLC", pair="BTC/USDT", interval="1", since=str(minutes[0]))[
        "result"
    ]
    assert [row[0] for row in body["XBTUSDT"]] == minutes[1:] and body["last"] == minutes[2]
    span = {"start": str(minutes[1]), "end": str(minutes[2]), "granularity": "ONE_MINUTE"}
    path = V3 + "products/{product_id}/candles"
    rows = ask(venues["coinbase"], path, product_id="BTC-USDT", **span)["candles"]
    assert [int(row["start"]) for row in rows] == minutes[2:0:-1]


@pytest.mark.parametrize("bar", ["1m", "1H", "6Hutc", "1Dutc", "1D", "1W", "1M"])
def test_okx_knows_its_own_names_of_bars(venues: Mapping[str, Venue], bar: str) -> None:
    assert ask(venues["okx"], OKX + "market/candles", instId="BTC-USDT", bar=bar)["data"]


def test_trades_are_the_newest(venues: Mapping[str, Venue]) -> None:
    newest = [trade.trade_id for trade in venues["okx"].symbols["BTC/USDT"].trades][-3:]
    rows = ask(venues["okx"], OKX + "market/trades", instId="BTC-USDT", limit="3")["data"]
    assert [int(row["tradeId"]) for row in rows] == newest[::-1]
    body = ask(venues["kraken"], KRAKEN + "Trades", pair="XBTUSDT", count="3")["result"]
    assert [row[6] for row in body["XBTUSDT"]] == newest
    again = ask(venues["kraken"], KRAKEN + "Trades", pair="XBTUSDT", since=body["last"])["result"]
    assert again == {"XBTUSDT": [], "last": body["last"]}
    body = ask(venues["coinbase"], V3 + "products/{product_id}/ticker", product_id="BTC-USDT", limit="3")
    assert [int(row["trade_id"]) for row in body["trades"]] == newest[::-1]
    kind = {"category": "spot", "symbol": "BTCUSDT", "limit": "3"}
    rows = ask(venues["bybit"], V5 + "recent-trade", **kind)["result"]["list"]
    assert [int(row["execId"]) for row in rows] == newest[::-1]


def test_other_markets_are_there_and_empty(venues: Mapping[str, Venue]) -> None:
    for category in ("linear", "inverse", "option"):
        assert ask(venues["bybit"], V5 + "instruments-info", category=category)["result"]["list"] == []
        assert ask(venues["bybit"], V5 + "tickers", category=category)["result"]["list"] == []
    for kind in ("SWAP", "FUTURES", "OPTION"):
        assert ask(venues["okx"], OKX + "public/instruments", instType=kind) == {
            "code": "0",
            "msg": "",
            "data": [],
        }
    assert ask(venues["coinbase"], V3 + "products", product_type="FUTURE")["products"] == []


def test_krakens_older_names() -> None:
    names = pair(instrument("kraken", "BTC/USD"))
    assert (names.id, names.altname, names.wsname) == ("XXBTZUSD", "XBTUSD", "XBT/USD")
    assert pair(instrument("kraken", "ETH/BTC")).id == "XETHXXBT"
    assert pair(instrument("kraken", "SOL/EUR")).id == "SOLEUR"
    assert pair(instrument("kraken", "DOGE/USDT")).id == "XDGUSDT"


# --- refusals ------------------------------------------------------------------

REFUSED: list[tuple[str, str, dict[str, str], int, Any]] = [
    ("bybit", V5 + "orderbook", {"category": "spot", "symbol": "NO"}, 200, (10001, "Not supported symbols")),
    ("bybit", V5 + "orderbook", {"symbol": "BTCUSDT"}, 200, (10001, "Not supported symbols")),
    ("bybit", V5 + "instruments-info", {}, 200, (10001, "params error: Category is invalid")),
    ("bybit", V5 + "kline", {"category": "spot", "symbol": "BTCUSDT"}, 200, (10001, "Invalid period!")),
    ("okx", OKX + "market/books", {"instId": "NO"}, 200, "51001"),
    ("okx", OKX + "market/books", {}, 400, "50014"),
    ("okx", OKX + "market/books", {"instId": "BTC-USDT", "sz": "-1"}, 400, "51000"),
    ("okx", OKX + "market/candles", {"instId": "BTC-USDT", "bar": "1h"}, 400, "51000"),
    ("okx", OKX + "public/instruments", {}, 400, "50014"),
    ("okx", OKX + "public/instruments", {"instType": "X"}, 400, "51000"),
    ("kraken", KRAKEN + "Depth", {"pair": "NO"}, 200, ["EQuery:Unknown asset pair"]),
    ("kraken", KRAKEN + "Depth", {}, 200, ["EGeneral:Invalid arguments"]),
    ("kraken", KRAKEN + "OHLC", {"pair": "XBTUSDT", "interval": "7"}, 200, ["EGeneral:Invalid arguments"]),
    ("kraken", KRAKEN + "Trades", {"pair": "XBTUSDT", "since": "x"}, 200, ["EGeneral:Invalid arguments"]),
    ("coinbase", V3 + "product_book", {"product_id": "NO"}, 404, "NOT_FOUND"),
    ("coinbase", V3 + "product_book", {}, 400, "INVALID_ARGUMENT"),
    ("coinbase", V3 + "product_book", {"product_id": "BTC-USDT", "limit": "0"}, 400, "INVALID_ARGUMENT"),
    ("coinbase", V3 + "products/{product_id}/candles", {"product_id": "BTC-USDT"}, 400, "INVALID_ARGUMENT"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "query", "status", "said"), REFUSED)
def test_wrong_calls_are_refused_in_the_venues_form(
    venues: Mapping[str, Venue], name: str, path: str, query: dict[str, str], status: int, said: Any
) -> None:
    got_status, body = ask(venues[name], path, **query)
    words = {
        "bybit": lambda: (body["retCode"], body["retMsg"]),
        "okx": lambda: body["code"],
        "kraken": lambda: body["error"],
        "coinbase": lambda: body["error"],
    }
    assert (got_status, words[name]()) == (status, said)


NAMES = [
    "symbol", "instId", "pair", "product_id", "category", "instType", "interval", "bar", "granularity",
    "limit", "sz", "count", "start", "end", "before", "after", "since", "product_type", "status",
]  # fmt: skip
WORDS = st.sampled_from(
    ["BTCUSDT", "BTC-USDT", "XBTUSDT", "spot", "SPOT", "1", "1m", "ONE_MINUTE", "0", "60"]
)


@settings(max_examples=60)
@given(
    name=st.sampled_from(tuple(RESTS)),
    which=st.integers(0, 30),
    query=st.dictionaries(st.sampled_from(NAMES), WORDS | st.text(max_size=8) | st.integers().map(str)),
)
def test_no_query_is_too_strange_for_an_answer(
    venues: Mapping[str, Venue], name: str, which: int, query: dict[str, str]
) -> None:
    calls = list(RESTS[name].CALLS)
    assert ask(venues[name], calls[which % len(calls)], **query) is not None


@pytest.mark.parametrize("module", [bybit, okx, kraken, coinbase])
@pytest.mark.parametrize("kind", ["maintenance", "rate_limit", "overloaded", "unknown"])
def test_faults_have_the_venues_words(module: ModuleType, kind: str) -> None:
    response: web.Response = module.fault_response(kind, 503)
    assert response.status == 503 and response.content_type == "application/json"
    assert response.text is not None and len(response.text) > 20


# --- how it is written ------------------------------------------------------------------


def test_numbers_and_times() -> None:
    assert (fixed(1205, 2), fixed(5, 3), fixed(7, 0)) == ("12.05", "0.005", "7")
    assert (plain(1200, 2), plain(1250, 2), plain(700, 0)) == ("12", "12.5", "700")
    assert (step_decimals(1, 2), step_decimals(10, 6), step_decimals(100, 2), step_decimals(5, 1)) == (
        2,
        5,
        0,
        1,
    )
    assert iso(START_NS + 1_234_567) == "2024-08-08T12:00:00.001234Z"


BOOK = st.dictionaries(st.integers(1, 30), st.integers(1, 3), max_size=20)


@given(
    books=st.lists(st.tuples(BOOK, BOOK), min_size=1, max_size=12),
    depth=st.integers(1, 8),
    tells=st.booleans(),
)
def test_a_client_that_follows_a_window_knows_its_levels(
    books: list[tuple[dict[int, int], dict[int, int]]], depth: int, tells: bool
) -> None:
    """One that is told of leavers needs no cut; one that is not told cuts its book after each message."""
    window = Window(depth, tells_leavers=tells)
    known: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for bids, asks in books:
        best = sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]
        for side, changes in zip(known, window.move(*best), strict=True):
            for price, qty in changes:
                side[price] = qty
                if not qty:
                    del side[price]
        ranked = sorted(known[0].items(), reverse=True), sorted(known[1].items())
        if not tells:
            known = dict(ranked[0][:depth]), dict(ranked[1][:depth])
            ranked = ranked[0][:depth], ranked[1][:depth]
        assert ranked == best
