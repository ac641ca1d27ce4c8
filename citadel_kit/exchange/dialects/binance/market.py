"""Public market data: exchange info, books, trades, candles, tickers.

Source: binance/binance-spot-api-docs, `rest-api.md`, "General endpoints" and "Market data endpoints".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from citadel_kit.exchange.candles import INTERVALS
from citadel_kit.exchange.dialects.binance.api import Api, Request
from citadel_kit.exchange.dialects.binance.errors import (
    ApiError,
    invalid_data,
    invalid_interval,
    mandatory,
)
from citadel_kit.exchange.dialects.binance.info import exchange_info
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.dialects.binance.text import MILLISECOND, Scale, ms
from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import PublicTrade
from citadel_kit.types import Side

DAY_MS: Final = 86_400_000
_MAX_DEPTH: Final = 5000


def ping(api: Api, request: Request) -> dict[str, Any]:
    return {}


def time(api: Api, request: Request) -> dict[str, Any]:
    return {"serverTime": request.now_ms}


def info(api: Api, request: Request) -> dict[str, Any]:
    return exchange_info(api.venue, chosen(api, request.params), api.usage.limits, request.now_ms)


def depth_weight(params: Params) -> int:
    limit = params.integer("limit", 100)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def depth(api: Api, request: Request) -> dict[str, Any]:
    symbol = api.symbol(request.params)
    limit = request.params.limit(100, _MAX_DEPTH)
    scale = Scale(symbol.instrument)
    return {
        "lastUpdateId": symbol.update_id,
        "bids": scale.levels(symbol.engine.shown(True, limit)),
        "asks": scale.levels(symbol.engine.shown(False, limit)),
    }


def trades(api: Api, request: Request) -> list[dict[str, Any]]:
    symbol = api.symbol(request.params)
    kept = list(symbol.trades)[-request.params.limit(500, 1000) :]
    return [_trade(api, Scale(symbol.instrument), t) for t in kept]


def historical_trades(api: Api, request: Request) -> list[dict[str, Any]]:
    """As far back as they are remembered."""
    symbol = api.symbol(request.params)
    first = request.params.integer("fromId", -1)
    limit = request.params.limit(500, 1000)
    kept = [t for t in symbol.trades if t.trade_id >= first]
    kept = kept[:limit] if first >= 0 else kept[-limit:]
    return [_trade(api, Scale(symbol.instrument), t) for t in kept]


def agg_trades(api: Api, request: Request) -> list[dict[str, Any]]:
    """One for one: each trade is an aggregate of its own."""
    params = request.params
    symbol = api.symbol(params)
    scale, skew = Scale(symbol.instrument), api.venue.skew_ns
    limit = params.limit(500, 1000)
    start, end = params.integer("startTime", 0), params.integer("endTime", 1 << 62)
    first = params.integer("fromId", -1)
    if first >= 0 and (params.has("startTime") or params.has("endTime")):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    kept = [t for t in symbol.trades if start <= ms(t.at_ns + skew) <= end and t.trade_id >= first]
    kept = kept[:limit] if first >= 0 or params.has("startTime") else kept[-limit:]
    return [
        {
            "a": t.trade_id,
            "p": scale.price(t.price),
            "q": scale.qty(t.qty),
            "f": t.trade_id,
            "l": t.trade_id,
            "T": ms(t.at_ns + skew),
            "m": t.side == Side.SELL,
            "M": True,
        }
        for t in kept
    ]


def klines(api: Api, request: Request) -> list[list[Any]]:
    params = request.params
    symbol = api.symbol(params)
    interval = params.need("interval")
    if interval not in INTERVALS:
        raise invalid_interval()
    limit = params.limit(500, 1000)
    start, end = _ns(params, "startTime"), _ns(params, "endTime")
    if start is not None and end is not None and start > end:
        return []
    bars = symbol.candles.bars(interval, request.now_ns, start_ns=start, end_ns=end, limit=limit)
    scale = Scale(symbol.instrument)
    return [
        [
            ms(b.open_ns),
            scale.price(b.open),
            scale.price(b.high),
            scale.price(b.low),
            scale.price(b.close),
            scale.qty(b.volume),
            ms(b.close_ns) - 1,
            scale.notional(b.quote_volume),
            b.trades,
            scale.qty(b.taker_volume),
            scale.notional(b.taker_quote_volume),
            "0",
        ]
        for b in bars
    ]


def avg_price(api: Api, request: Request) -> dict[str, Any]:
    symbol = api.symbol(request.params)
    return {
        "mins": 5,
        "price": Scale(symbol.instrument).price(average(symbol, request.now_ns)),
        "closeTime": request.now_ms,
    }


def average(symbol: Symbol, now_ns: int) -> int:
    """Volume-weighted price of the last five minutes, the last price where nothing traded."""
    bars = symbol.candles.bars("1m", now_ns, limit=5)
    volume, quote = sum(b.volume for b in bars), sum(b.quote_volume for b in bars)
    return quote // volume if volume else symbol.candles.last_price()


def ticker_weight(params: Params) -> int:
    """One or twenty symbols cost the same, all cost most."""
    if params.has("symbol"):
        return 2
    named = len(params.names("symbols"))
    return 80 if not named or named > 100 else 40 if named > 20 else 2


def day_ticker(api: Api, request: Request) -> Any:
    kind = request.params.text("type", "FULL")
    if kind not in ("FULL", "MINI"):
        raise invalid_data("type")
    mini = kind == "MINI"
    return _each(api, request, lambda s: day_ticker_of(s, request.now_ns, mini=mini))


def day_ticker_of(symbol: Symbol, now_ns: int, *, mini: bool) -> dict[str, Any]:
    of, scale = day(symbol, now_ns), Scale(symbol.instrument)
    head = {"symbol": symbol.instrument.venue_symbol}
    tail = {
        "openPrice": scale.price(of.open),
        "highPrice": scale.price(of.high),
        "lowPrice": scale.price(of.low),
        "volume": scale.qty(of.volume),
        "quoteVolume": scale.notional(of.quote_volume),
        "openTime": ms(now_ns) - DAY_MS,
        "closeTime": ms(now_ns),
        "firstId": symbol.trades[0].trade_id if symbol.trades else -1,
        "lastId": symbol.trades[-1].trade_id if symbol.trades else -1,
        "count": of.trades,
    }
    if mini:
        return {**head, "lastPrice": scale.price(of.last), **tail}
    book = _book_ticker(symbol)
    middle = {
        "priceChange": scale.price(of.last - of.open),
        "priceChangePercent": f"{100 * of.change:.3f}",
        "weightedAvgPrice": scale.price(of.vwap),
        "prevClosePrice": scale.price(of.open),
        "lastPrice": scale.price(of.last),
        "lastQty": scale.qty(of.last_qty),
    }
    return {**head, **middle, **book, **tail}


def price_ticker(api: Api, request: Request) -> Any:
    return _each(
        api,
        request,
        lambda s: {
            "symbol": s.instrument.venue_symbol,
            "price": Scale(s.instrument).price(s.candles.last_price()),
        },
    )


def book_ticker(api: Api, request: Request) -> Any:
    return _each(api, request, _book_ticker)


def _book_ticker(symbol: Symbol) -> dict[str, Any]:
    scale = Scale(symbol.instrument)
    bid, bid_qty, ask, ask_qty = symbol.engine.top()
    return {
        "symbol": symbol.instrument.venue_symbol,
        "bidPrice": scale.price(bid),
        "bidQty": scale.qty(bid_qty),
        "askPrice": scale.price(ask),
        "askQty": scale.qty(ask_qty),
    }


def chosen(api: Api, params: Params) -> list[Symbol]:
    """Of `symbol` or `symbols`; all where neither was sent."""
    names = params.names("symbols")
    if params.has("symbol"):
        if names:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        return [api.symbol(params)]
    if params.has("symbols") and not names:
        raise mandatory("symbols")
    return [api.named(name) for name in names] if names else list(api.venue.symbols.values())


def _each(api: Api, request: Request, write: Callable[[Symbol], dict[str, Any]]) -> Any:
    """One symbol's alone, else a list."""
    written = [write(symbol) for symbol in chosen(api, request.params)]
    return written[0] if request.params.has("symbol") else written


def _trade(api: Api, scale: Scale, t: PublicTrade) -> dict[str, Any]:
    return {
        "id": t.trade_id,
        "price": scale.price(t.price),
        "qty": scale.qty(t.qty),
        "quoteQty": scale.notional(t.price * t.qty),
        "time": ms(t.at_ns + api.venue.skew_ns),
        "isBuyerMaker": t.side == Side.SELL,
        "isBestMatch": True,
    }


def _ns(params: Params, name: str) -> int | None:
    return params.integer(name, 0, high=1 << 42) * MILLISECOND if params.has(name) else None
