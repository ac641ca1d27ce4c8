"""OKX v5's public calls for spot. Source: okx.com/docs-v5, "Public Data" and "Market Data".

The other instrument types exist and are empty, so that clients which list all markets find these only.
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.candles import INTERVALS
from citadel_kit.exchange.dialects.okx.stream import BOOK_LEVELS, sides, ticker, trade
from citadel_kit.exchange.dialects.rendering import fixed, millis, plain
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

_TYPES: Final = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
_FULL_BOOK_LEVELS: Final = 5000
_MILLISECOND: Final = 1_000_000


def _time(venue: Venue, query: Query) -> Any:
    return [{"ts": str(millis(venue.now_ns()))}]


def _instruments(venue: Venue, query: Query) -> Any:
    return [_instrument(s.instrument) for s in _asked(venue, query)]


def _books(venue: Venue, query: Query) -> Any:
    return _book(venue, query, 1, BOOK_LEVELS)


def _books_full(venue: Venue, query: Query) -> Any:
    return _book(venue, query, 1, _FULL_BOOK_LEVELS)


def _book(venue: Venue, query: Query, default: int, most: int) -> Any:
    symbol = _symbol(venue, query)
    bids, asks = shown(symbol, levels_asked(query, "sz", default, most, _wrong("sz")))
    book: dict[str, Any] = sides(symbol.instrument, bids, asks)
    return [{**book, "ts": str(millis(venue.now_ns())), "seqId": symbol.update_id}]


def _ticker(venue: Venue, query: Query) -> Any:
    return [ticker(_symbol(venue, query), venue.now_ns())]


def _tickers(venue: Venue, query: Query) -> Any:
    return [ticker(symbol, venue.now_ns()) for symbol in _asked(venue, query)]


def _candles(venue: Venue, query: Query) -> Any:
    """Newest first. `before` and `after` are page marks: only newer, only older than this time."""
    symbol = _symbol(venue, query)
    interval = _interval(query.get("bar", "1m"))
    newer, older = (whole(query, name, _wrong(name)) for name in ("before", "after"))
    bars = symbol.candles.bars(
        interval,
        venue.now_ns(),
        start_ns=None if newer is None else (newer + 1) * _MILLISECOND,
        end_ns=None if older is None else (older - 1) * _MILLISECOND,
        limit=levels_asked(query, "limit", 100, 300, _wrong("limit")),
    )
    price, qty = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    return [
        [
            str(millis(bar.open_ns)),
            *(plain(units, price) for units in (bar.open, bar.high, bar.low, bar.close)),
            plain(bar.volume, qty),
            plain(bar.quote_volume, price + qty),
            plain(bar.quote_volume, price + qty),
            "1" if bar.closed else "0",
        ]
        for bar in reversed(bars)
    ]


def _trades(venue: Venue, query: Query) -> Any:
    """Newest first."""
    symbol = _symbol(venue, query)
    prints = latest_prints(venue, symbol, levels_asked(query, "limit", 100, 500, _wrong("limit")))
    return [trade(symbol.instrument, p, p.at_ns) for p in reversed(prints)]


CALLS: Final[dict[str, Call]] = {
    "/api/v5/public/time": _time,
    "/api/v5/public/instruments": _instruments,
    "/api/v5/market/books": _books,
    "/api/v5/market/books-full": _books_full,
    "/api/v5/market/ticker": _ticker,
    "/api/v5/market/tickers": _tickers,
    "/api/v5/market/candles": _candles,
    "/api/v5/market/history-candles": _candles,
    "/api/v5/market/trades": _trades,
}


def _answer(venue: Venue, result: Any) -> Any:
    return {"code": "0", "msg": "", "data": result}


def _refusal(venue: Venue, refused: BadRequest) -> Any:
    return {"code": refused.code, "msg": refused.problem, "data": []}


ENVELOPE: Final = Envelope(_answer, _refusal, BadRequest("404", f"Not Found: {ONLY_PUBLIC}", 404))


def _wrong(name: str) -> BadRequest:
    return BadRequest("51000", f"Parameter {name} error", 400)


def _interval(bar: str) -> str:
    """`1m` is a minute, `1M` a month; hours and more are written with capitals, and `utc` behind them."""
    name = bar.removesuffix("utc")
    name = name[:-1] + name[-1:].lower() if name[-1:] in ("H", "D", "W") else name
    if name not in INTERVALS or bar[-1:] in ("h", "d", "w"):
        raise _wrong("bar")
    return name


def _symbol(venue: Venue, query: Query) -> Symbol:
    name = query.get("instId")
    if not name:
        raise BadRequest("50014", "Parameter instId can not be empty.", 400)
    return symbol_asked(venue, name, BadRequest("51001", "Instrument ID or Spread ID doesn't exist."))


def _asked(venue: Venue, query: Query) -> list[Symbol]:
    kind = query.get("instType")
    if not kind:
        raise BadRequest("50014", "Parameter instType can not be empty.", 400)
    if kind not in _TYPES:
        raise _wrong("instType")
    if kind != "SPOT":
        return []
    return [_symbol(venue, query)] if query.get("instId") else list(venue.symbols.values())


def _instrument(instrument: Instrument) -> dict[str, str]:
    base, quote = instrument.symbol.split("/")
    lot = fixed(instrument.lot, instrument.qty_decimals)
    return {
        "instType": "SPOT",
        "instId": instrument.venue_symbol,
        "baseCcy": base,
        "quoteCcy": quote,
        "settleCcy": "",
        "instFamily": "",
        "uly": "",
        "tickSz": fixed(instrument.tick, instrument.price_decimals),
        "lotSz": lot,
        "minSz": lot,
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
        "maxLmtAmt": "20000000",
        "maxMktAmt": "1000000",
        "lever": "",
        "state": "live",
        "listTime": "1548133413000",
    }
