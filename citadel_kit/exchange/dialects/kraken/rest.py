"""Kraken's public REST calls. Source: docs.kraken.com, "Market Data".

A pair may be asked for by its id, its short name, or as the stream writes it.
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.kraken.names import asset, pair
from citadel_kit.exchange.dialects.rendering import Pairs, fixed, iso, step_decimals
from citadel_kit.exchange.dialects.rest import (
    ONLY_PUBLIC,
    BadRequest,
    Call,
    Envelope,
    Query,
    latest_prints,
    levels_asked,
    shown,
    whole,
)
from citadel_kit.exchange.venue import Symbol, Venue
from citadel_kit.types import Instrument, Side

_INTERVALS: Final = {
    "1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "240": "4h", "1440": "1d", "10080": "1w",
}  # fmt: skip
_BARS: Final = 720
_TRADES_MOST: Final = 1000
_SECOND: Final = 1_000_000_000


def _time(venue: Venue, query: Query) -> Any:
    now_ns = venue.now_ns()
    return {"unixtime": now_ns // _SECOND, "rfc1123": iso(now_ns)}


def _status(venue: Venue, query: Query) -> Any:
    return {"status": "online", "timestamp": iso(venue.now_ns())}


def _assets(venue: Venue, query: Query) -> Any:
    codes = {code for s in venue.symbols.values() for code in s.instrument.symbol.split("/")}
    return {
        asset(code).id: {
            "aclass": "currency",
            "altname": asset(code).altname,
            "decimals": 10,
            "display_decimals": 5,
            "status": "enabled",
        }
        for code in sorted(codes)
    }


def _pairs(venue: Venue, query: Query) -> Any:
    return {pair(s.instrument).id: _pair(venue, s.instrument) for s in _asked(venue, query)}


def _ticker(venue: Venue, query: Query) -> Any:
    return {pair(s.instrument).id: _tick(venue, s) for s in _asked(venue, query)}


def _depth(venue: Venue, query: Query) -> Any:
    symbol = _symbol(venue, query)
    bids, asks = shown(symbol, levels_asked(query, "count", 100, 500, _wrong()))
    now_s = venue.now_ns() // _SECOND
    book = {name: _levels(symbol.instrument, rows, now_s) for name, rows in (("asks", asks), ("bids", bids))}
    return {pair(symbol.instrument).id: book}


def _candles(venue: Venue, query: Query) -> Any:
    """Oldest first, never more than 720: `since` leaves out, it doesn't reach back."""
    symbol = _symbol(venue, query)
    interval = _INTERVALS.get(query.get("interval", "1"))
    if interval is None:
        raise _wrong()
    since = whole(query, "since", _wrong()) or 0
    bars = symbol.candles.bars(interval, venue.now_ns(), limit=_BARS)
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    rows = [
        [
            bar.open_ns // _SECOND,
            *(fixed(units, price) for units in (bar.open, bar.high, bar.low, bar.close)),
            fixed(bar.quote_volume // bar.volume if bar.volume else 0, price),
            fixed(bar.volume, qty),
            bar.trades,
        ]
        for bar in bars
        if bar.open_ns // _SECOND > since
    ]
    last = bars[-2].open_ns // _SECOND if len(bars) > 1 else 0
    return {pair(symbol.instrument).id: rows, "last": last}


def _trades(venue: Venue, query: Query) -> Any:
    """Oldest first; `since` in seconds or, as `last` is written, in nanoseconds."""
    symbol = _symbol(venue, query)
    count = levels_asked(query, "count", _TRADES_MOST, _TRADES_MOST, _wrong())
    since = _since_ns(query.get("since", "0"))
    prints = [p for p in latest_prints(venue, symbol, _TRADES_MOST) if p.at_ns > since]
    prints = prints[:count] if since else prints[-count:]
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    rows = [
        [
            fixed(p.price, price),
            fixed(p.qty, qty),
            p.at_ns / _SECOND,
            "b" if p.side == Side.BUY else "s",
            "m",
            "",
            p.trade_id,
        ]
        for p in prints
    ]
    return {pair(symbol.instrument).id: rows, "last": str(prints[-1].at_ns if prints else since)}


CALLS: Final[dict[str, Call]] = {
    "/0/public/Time": _time,
    "/0/public/SystemStatus": _status,
    "/0/public/Assets": _assets,
    "/0/public/AssetPairs": _pairs,
    "/0/public/Ticker": _ticker,
    "/0/public/Depth": _depth,
    "/0/public/OHLC": _candles,
    "/0/public/Trades": _trades,
}


def _answer(venue: Venue, result: Any) -> Any:
    return {"error": [], "result": result}


def _refusal(venue: Venue, refused: BadRequest) -> Any:
    return {"error": [refused.problem]}


_UNKNOWN: Final = BadRequest("", f"EGeneral:Unknown method: {ONLY_PUBLIC}", 404)
ENVELOPE: Final = Envelope(_answer, _refusal, _UNKNOWN)


def _wrong() -> BadRequest:
    """A new one each time: what is raised keeps its traceback."""
    return BadRequest("", "EGeneral:Invalid arguments")


def _since_ns(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise _wrong()
    return int(text) * _SECOND if len(text) < 13 else int(text)


def _symbol(venue: Venue, query: Query) -> Symbol:
    name = query.get("pair")
    if not name:
        raise _wrong()
    for symbol in venue.symbols.values():
        names = pair(symbol.instrument)
        if name in (names.id, names.altname, names.wsname, symbol.instrument.venue_symbol):
            return symbol
    raise BadRequest("", "EQuery:Unknown asset pair")


def _asked(venue: Venue, query: Query) -> list[Symbol]:
    """All, or those named, with commas between them."""
    names = query.get("pair", "")
    if not names:
        return list(venue.symbols.values())
    return [_symbol(venue, {"pair": name}) for name in names.split(",")[: len(venue.symbols) + 1]]


def _levels(instrument: Instrument, rows: Pairs, now_s: int) -> list[list[Any]]:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return [[fixed(p, price), fixed(q, qty), now_s] for p, q in rows]


def _tick(venue: Venue, symbol: Symbol) -> dict[str, Any]:
    """Two numbers are of today and of the last 24 hours; here both are of the latter."""
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    of = day(symbol, venue.now_ns())
    bid, bid_qty, ask, ask_qty = symbol.engine.top()
    trades = len(symbol.trades)
    return {
        "a": [fixed(ask, price), "1", fixed(ask_qty, qty)],
        "b": [fixed(bid, price), "1", fixed(bid_qty, qty)],
        "c": [fixed(of.last, price), fixed(of.last_qty, qty)],
        "v": [fixed(of.volume, qty)] * 2,
        "p": [fixed(of.vwap, price)] * 2,
        "t": [trades, trades],
        "l": [fixed(of.low, price)] * 2,
        "h": [fixed(of.high, price)] * 2,
        "o": fixed(of.open, price),
    }


def _pair(venue: Venue, instrument: Instrument) -> dict[str, Any]:
    names, price, qty = pair(instrument), instrument.price_decimals, instrument.qty_decimals
    return {
        "altname": names.altname,
        "wsname": names.wsname,
        "aclass_base": "currency",
        "base": names.base.id,
        "aclass_quote": "currency",
        "quote": names.quote.id,
        "lot": "unit",
        "cost_decimals": price,
        "pair_decimals": step_decimals(instrument.tick, price),
        "lot_decimals": step_decimals(instrument.lot, qty),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, venue.fees.taker_bps / 100]],
        "fees_maker": [[0, venue.fees.maker_bps / 100]],
        "fee_volume_currency": "ZUSD",
        "ordermin": fixed(instrument.lot, qty),
        "costmin": fixed(instrument.min_notional, price + qty),
        "tick_size": fixed(instrument.tick, price),
        "status": "online",
    }
