"""Bybit v5's public market calls for spot. Source: bybit-exchange.github.io/docs/v5, "Market".

The other categories exist and are empty, so that clients which list all markets find these only.
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.bybit.stream import levels, side_name, ticker
from citadel_kit.exchange.dialects.rendering import fixed, millis
from citadel_kit.exchange.dialects.rest import (
    ONLY_PUBLIC,
    BadRequest,
    Call,
    Envelope,
    Query,
    latest_prints,
    levels_asked,
    shown,
    symbol_asked,
    whole,
)
from citadel_kit.exchange.venue import Symbol, Venue
from citadel_kit.types import Instrument

_INTERVALS: Final = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h",
    "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
_CATEGORIES: Final = ("spot", "linear", "inverse", "option")
_MILLISECOND: Final = 1_000_000
_BAD: Final = "10001"


def _time(venue: Venue, query: Query) -> Any:
    now_ns = venue.now_ns()
    return {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)}


def _instruments(venue: Venue, query: Query) -> Any:
    category = _category(query)
    listed = [_instrument(s.instrument) for s in _asked(venue, query, category)]
    return {"category": category, "list": listed, "nextPageCursor": ""}


def _orderbook(venue: Venue, query: Query) -> Any:
    symbol = _symbol(venue, query)
    depth = levels_asked(query, "limit", 1, 200, _wrong("limit"))
    now, instrument = millis(venue.now_ns()), symbol.instrument
    bids, asks = shown(symbol, depth)
    return {
        "s": instrument.venue_symbol,
        "b": levels(instrument, bids),
        "a": levels(instrument, asks),
        "ts": now,
        "u": symbol.update_id,
        "seq": symbol.update_id,
        "cts": now,
    }


def _tickers(venue: Venue, query: Query) -> Any:
    category = _category(query)
    return {"category": category, "list": [_ticker(venue, s) for s in _asked(venue, query, category)]}


def _kline(venue: Venue, query: Query) -> Any:
    """Newest first."""
    symbol = _symbol(venue, query)
    interval = _INTERVALS.get(query.get("interval", ""))
    if interval is None:
        raise BadRequest(_BAD, "Invalid period!")
    limit = levels_asked(query, "limit", 200, 1000, _wrong("limit"))
    start, end = (whole(query, name, _wrong(name)) for name in ("start", "end"))
    bars = symbol.candles.bars(
        interval,
        venue.now_ns(),
        start_ns=None if start is None else start * _MILLISECOND,
        end_ns=None if end is None else end * _MILLISECOND,
        limit=limit,
    )
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    rows = [
        [
            str(millis(bar.open_ns)),
            *(fixed(units, price) for units in (bar.open, bar.high, bar.low, bar.close)),
            fixed(bar.volume, qty),
            fixed(bar.quote_volume, price + qty),
        ]
        for bar in reversed(bars)
    ]
    return {"symbol": symbol.instrument.venue_symbol, "category": "spot", "list": rows}


def _trades(venue: Venue, query: Query) -> Any:
    """Newest first."""
    symbol = _symbol(venue, query)
    prints = latest_prints(venue, symbol, levels_asked(query, "limit", 60, 60, _wrong("limit")))
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    rows = [
        {
            "execId": str(p.trade_id),
            "symbol": symbol.instrument.venue_symbol,
            "price": fixed(p.price, price),
            "size": fixed(p.qty, qty),
            "side": side_name(p.side),
            "time": str(millis(p.at_ns)),
            "isBlockTrade": False,
            "isRPITrade": False,
        }
        for p in reversed(prints)
    ]
    return {"category": "spot", "list": rows}


def _coins(venue: Venue, query: Query) -> Any:
    """Asked for by clients with a key; no key is looked at, since nothing of it is anybody's own."""
    codes = sorted({code for s in venue.symbols.values() for code in s.instrument.symbol.split("/")})
    return {"rows": [{"name": code, "coin": code, "remainAmount": "0", "chains": []} for code in codes]}


CALLS: Final[dict[str, Call]] = {
    "/v5/market/time": _time,
    "/v5/market/instruments-info": _instruments,
    "/v5/market/orderbook": _orderbook,
    "/v5/market/tickers": _tickers,
    "/v5/market/kline": _kline,
    "/v5/market/recent-trade": _trades,
    "/v5/asset/coin/query-info": _coins,
}


def _body(venue: Venue, code: int, problem: str, result: Any) -> dict[str, Any]:
    body = {"retCode": code, "retMsg": problem, "result": result, "retExtInfo": {}}
    return {**body, "time": millis(venue.now_ns())}


def _answer(venue: Venue, result: Any) -> Any:
    return _body(venue, 0, "OK", result)


def _refusal(venue: Venue, refused: BadRequest) -> Any:
    return _body(venue, int(refused.code), refused.problem, {})


ENVELOPE: Final = Envelope(_answer, _refusal, BadRequest("10404", f"path not found: {ONLY_PUBLIC}", 404))


def _wrong(name: str) -> BadRequest:
    return BadRequest(_BAD, f"Request parameter error: {name}")


def _category(query: Query) -> str:
    category = query.get("category", "")
    if category not in _CATEGORIES:
        raise BadRequest(_BAD, "params error: Category is invalid")
    return category


def _symbol(venue: Venue, query: Query) -> Symbol:
    refusal = BadRequest(_BAD, "Not supported symbols")
    # Without a category the venue takes linear for granted.
    if query.get("category", "linear") != "spot":
        raise refusal
    return symbol_asked(venue, query.get("symbol"), refusal)


def _asked(venue: Venue, query: Query, category: str) -> list[Symbol]:
    if category != "spot" or query.get("status", "Trading") != "Trading":
        return []
    return [_symbol(venue, query)] if query.get("symbol") else list(venue.symbols.values())


def _ticker(venue: Venue, symbol: Symbol) -> dict[str, str]:
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    bid, bid_qty, ask, ask_qty = symbol.engine.top()
    return {
        **ticker(symbol, venue.now_ns()),
        "bid1Price": fixed(bid, price) if bid else "",
        "bid1Size": fixed(bid_qty, qty) if bid else "",
        "ask1Price": fixed(ask, price) if ask else "",
        "ask1Size": fixed(ask_qty, qty) if ask else "",
    }


def _instrument(instrument: Instrument) -> dict[str, Any]:
    base, quote = instrument.symbol.split("/")
    price, qty = instrument.price_decimals, instrument.qty_decimals
    lot = fixed(instrument.lot, qty)
    return {
        "symbol": instrument.venue_symbol,
        "baseCoin": base,
        "quoteCoin": quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": lot,
            "quotePrecision": fixed(1, price + qty),
            "minOrderQty": lot,
            "maxOrderQty": fixed(10 ** (qty + 5), qty),
            "minOrderAmt": fixed(instrument.min_notional, price + qty),
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": fixed(instrument.tick, price)},
    }
