"""Coinbase's public REST calls: Advanced Trade's `api/v3/brokerage/market`, and the lists of `v2`.

Source: docs.cdp.coinbase.com, "Advanced Trade REST API, Public" and "Track APIs".
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.coinbase.stream import trade
from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.rendering import Pairs, fixed, iso, millis
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
    "ONE_MINUTE": "1m", "FIVE_MINUTE": "5m", "FIFTEEN_MINUTE": "15m", "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h", "TWO_HOUR": "2h", "FOUR_HOUR": "4h", "SIX_HOUR": "6h", "ONE_DAY": "1d",
}  # fmt: skip
_CANDLES_MOST: Final = 350
_TRADES_MOST: Final = 1000
_LEVELS_MOST: Final = 100_000
_SECOND: Final = 1_000_000_000
_FIAT: Final = ("USD", "EUR", "GBP", "JPY", "CAD", "AUD", "CHF")


def _time(venue: Venue, query: Query) -> Any:
    now_ns = venue.now_ns()
    return {"iso": iso(now_ns), "epochSeconds": str(now_ns // _SECOND), "epochMillis": str(millis(now_ns))}


def _time_v2(venue: Venue, query: Query) -> Any:
    return {"data": {"iso": iso(venue.now_ns()), "epoch": venue.now_ns() // _SECOND}}


def _currencies(venue: Venue, query: Query) -> Any:
    return {"data": [{"id": c, "name": c, "min_size": "0.01"} for c in _assets(venue) if c in _FIAT]}


def _crypto(venue: Venue, query: Query) -> Any:
    coins = [c for c in _assets(venue) if c not in _FIAT]
    return {"data": [{"code": c, "name": c, "type": "crypto", "exponent": 8, "asset_id": c} for c in coins]}


def _rates(venue: Venue, query: Query) -> Any:
    """How much of each asset one US dollar buys; of those that aren't quoted in dollars here, none."""
    rates = {"USD": "1.0"}
    for symbol in venue.symbols.values():
        base, quote = symbol.instrument.symbol.split("/")
        last = symbol.instrument.price(symbol.candles.last_price())
        if quote == "USD" and last:
            rates[base] = f"{1 / last:.16f}"
    return {"data": {"currency": "USD", "rates": rates}}


def _products(venue: Venue, query: Query) -> Any:
    """Only spot products exist: those of another type are none."""
    listed = list(venue.symbols.values()) if query.get("product_type", "SPOT") == "SPOT" else []
    return {"products": [_product(venue, symbol) for symbol in listed], "num_products": len(listed)}


def _one_product(venue: Venue, query: Query) -> Any:
    return _product(venue, _symbol(venue, query))


def _book(venue: Venue, query: Query) -> Any:
    symbol = _symbol(venue, query)
    bids, asks = shown(symbol, levels_asked(query, "limit", _LEVELS_MOST, _LEVELS_MOST, _wrong("limit")))
    of = symbol.instrument
    book = {"product_id": of.venue_symbol, "bids": _levels(of, bids), "asks": _levels(of, asks)}
    return {"pricebook": {**book, "time": iso(venue.now_ns())}}


def _trades(venue: Venue, query: Query) -> Any:
    """Newest first."""
    symbol = _symbol(venue, query)
    limit = levels_asked(query, "limit", 100, _TRADES_MOST, _wrong("limit"))
    start, end = (whole(query, name, _wrong(name)) for name in ("start", "end"))
    prints = [
        p
        for p in latest_prints(venue, symbol, _TRADES_MOST)
        if (start is None or p.at_ns >= start * _SECOND) and (end is None or p.at_ns <= end * _SECOND)
    ]
    bid, _, ask, _ = symbol.engine.top()
    price = symbol.instrument.price_decimals
    return {
        "trades": [trade(symbol.instrument, p) for p in reversed(prints[-limit:])],
        "best_bid": fixed(bid, price) if bid else "",
        "best_ask": fixed(ask, price) if ask else "",
    }


def _candles(venue: Venue, query: Query) -> Any:
    """Newest first; `start` and `end`, in seconds, must be given and within 350 bars of each other."""
    symbol = _symbol(venue, query)
    interval = _INTERVALS.get(query.get("granularity", ""))
    if interval is None:
        raise _wrong("granularity")
    start, end = (whole(query, name, _wrong(name)) for name in ("start", "end"))
    if start is None or end is None or end < start:
        raise _wrong("start and end")
    bars = symbol.candles.bars(
        interval, venue.now_ns(), start_ns=start * _SECOND, end_ns=end * _SECOND, limit=_CANDLES_MOST + 1
    )
    if len(bars) > _CANDLES_MOST:
        raise BadRequest(
            "INVALID_ARGUMENT", f"number of candles requested should be less than {_CANDLES_MOST}", 400
        )
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    rows = [
        {
            "start": str(bar.open_ns // _SECOND),
            "low": fixed(bar.low, price),
            "high": fixed(bar.high, price),
            "open": fixed(bar.open, price),
            "close": fixed(bar.close, price),
            "volume": fixed(bar.volume, qty),
        }
        for bar in reversed(bars)
    ]
    return {"candles": rows}


def _fees(venue: Venue, query: Query) -> Any:
    """Asked for by clients with a key; no key is looked at, since nothing of it is anybody's own."""
    maker, taker = (f"{bps / 10_000:.6f}" for bps in (venue.fees.maker_bps, venue.fees.taker_bps))
    tier = {"pricing_tier": "local", "maker_fee_rate": maker, "taker_fee_rate": taker}
    return {"total_volume": 0, "total_fees": 0, "fee_tier": tier}


_MARKET: Final = "/api/v3/brokerage/market"
CALLS: Final[dict[str, Call]] = {
    "/v2/time": _time_v2,
    "/v2/currencies": _currencies,
    "/v2/currencies/crypto": _crypto,
    "/v2/exchange-rates": _rates,
    "/api/v3/brokerage/time": _time,
    "/api/v3/brokerage/transaction_summary": _fees,
    f"{_MARKET}/products": _products,
    f"{_MARKET}/products/{{product_id}}": _one_product,
    f"{_MARKET}/products/{{product_id}}/ticker": _trades,
    f"{_MARKET}/products/{{product_id}}/candles": _candles,
    f"{_MARKET}/product_book": _book,
}


def _refusal(venue: Venue, refused: BadRequest) -> Any:
    return {"error": refused.code, "error_details": refused.problem, "message": refused.problem}


_UNKNOWN: Final = BadRequest("NOT_FOUND", f"unknown path: {ONLY_PUBLIC}", 404)
ENVELOPE: Final = Envelope(lambda venue, result: result, _refusal, _UNKNOWN)


def _wrong(name: str) -> BadRequest:
    return BadRequest("INVALID_ARGUMENT", f"{name} is invalid", 400)


def _symbol(venue: Venue, query: Query) -> Symbol:
    name = query.get("product_id")
    if not name:
        raise BadRequest("INVALID_ARGUMENT", "product_id is required", 400)
    return symbol_asked(venue, name, BadRequest("NOT_FOUND", "valid product_id is required", 404))


def _assets(venue: Venue) -> list[str]:
    return sorted({code for s in venue.symbols.values() for code in s.instrument.symbol.split("/")})


def _levels(instrument: Instrument, rows: Pairs) -> list[dict[str, str]]:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return [{"price": fixed(p, price), "size": fixed(q, qty)} for p, q in rows]


def _product(venue: Venue, symbol: Symbol) -> dict[str, Any]:
    instrument, of = symbol.instrument, day(symbol, venue.now_ns())
    base, quote = instrument.symbol.split("/")
    price, qty = instrument.price_decimals, instrument.qty_decimals
    lot, tick = fixed(instrument.lot, qty), fixed(instrument.tick, price)
    return {
        "product_id": instrument.venue_symbol,
        "price": fixed(of.last, price),
        "price_percentage_change_24h": f"{100 * of.change:.8f}",
        "volume_24h": fixed(of.volume, qty),
        "base_increment": lot,
        "quote_increment": tick,
        "price_increment": tick,
        "base_min_size": lot,
        "base_max_size": fixed(10 ** (qty + 5), qty),
        "quote_min_size": fixed(instrument.min_notional, price + qty),
        "quote_max_size": "150000000",
        "base_name": base,
        "quote_name": quote,
        "base_currency_id": base,
        "quote_currency_id": quote,
        "base_display_symbol": base,
        "quote_display_symbol": quote,
        "product_type": "SPOT",
        "status": "online",
        "is_disabled": False,
        "trading_disabled": False,
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "auction_mode": False,
        "view_only": False,
        "alias": "",
        "alias_to": [],
    }
