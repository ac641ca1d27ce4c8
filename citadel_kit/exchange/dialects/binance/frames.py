"""Market streams: what their names mean, and their payloads.

Source: binance/binance-spot-api-docs, `web-socket-streams.md`. Payloads are JSON texts; nothing in them but
numbers and the venue's own names, so they are put together by hand: these are the most frequent frames.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from citadel_kit.exchange.candles import INTERVALS, Bar
from citadel_kit.exchange.dialects.binance.market import day_ticker_of
from citadel_kit.exchange.dialects.binance.text import Scale, ms
from citadel_kit.exchange.venue import Depth, Pairs, Print, Symbol, Top
from citadel_kit.types import Side

_STREAM: Final = re.compile(r"([a-z0-9]+)@([a-zA-Z]+)(\d*)(?:_(\w+))?(?:@(100|1000)ms)?")


_OF_ALL: Final = {"!ticker@arr": "ticker", "!miniTicker@arr": "miniTicker"}


class StreamName(NamedTuple):
    """One stream, read: `btcusdt@depth20@100ms` is depth, 20 levels, fast."""

    symbol: str
    """As the venue writes it: BTCUSDT; empty where the stream is of all."""
    kind: str
    levels: int = 0
    interval: str = ""
    fast: bool = False


def parse(name: str) -> StreamName | None:
    """None for a name that means nothing: the venue accepts it, and never sends anything."""
    if name in _OF_ALL:
        return StreamName("", _OF_ALL[name])
    match = _STREAM.fullmatch(name)
    if match is None:
        return None
    symbol, kind, digits, interval, speed = match.groups()
    levels = int(digits) if digits and len(digits) < 4 else 0
    if digits and levels not in (5, 10, 20):
        return None
    ok = {
        "depth": interval is None,
        "kline": interval in INTERVALS and speed is None and not digits,
    }.get(kind, interval is None and speed is None and not digits)
    if not ok or kind not in _KINDS:
        return None
    return StreamName(symbol.upper(), kind, levels, interval or "", speed == "100")


_KINDS: Final = frozenset(
    ("depth", "kline", "bookTicker", "trade", "aggTrade", "ticker", "miniTicker", "avgPrice")
)


def diff(symbol: Symbol, scale: Scale, d: Depth) -> str:
    name = symbol.instrument.venue_symbol
    return (
        f'{{"e":"depthUpdate","E":{ms(d.at_ns)},"s":"{name}","U":{d.first_id},"u":{d.last_id},'
        f'"b":{_levels(scale, d.bids)},"a":{_levels(scale, d.asks)}}}'
    )


def partial(symbol: Symbol, scale: Scale, levels: int) -> str:
    """The book as it stands now."""
    bids, asks = symbol.engine.shown(True, levels), symbol.engine.shown(False, levels)
    return (
        f'{{"lastUpdateId":{symbol.update_id},"bids":{_levels(scale, bids)},"asks":{_levels(scale, asks)}}}'
    )


def book_ticker(symbol: Symbol, scale: Scale, t: Top) -> str:
    return (
        f'{{"u":{t.last_id},"s":"{symbol.instrument.venue_symbol}","b":"{scale.price(t.bid)}",'
        f'"B":"{scale.qty(t.bid_qty)}","a":"{scale.price(t.ask)}","A":"{scale.qty(t.ask_qty)}"}}'
    )


def trade(symbol: Symbol, scale: Scale, p: Print) -> str:
    at = ms(p.at_ns)
    return (
        f'{{"e":"trade","E":{at},"s":"{symbol.instrument.venue_symbol}","t":{p.trade_id},'
        f'"p":"{scale.price(p.price)}","q":"{scale.qty(p.qty)}","T":{at},"m":{_maker(p)},"M":true}}'
    )


def agg_trade(symbol: Symbol, scale: Scale, p: Print) -> str:
    at = ms(p.at_ns)
    return (
        f'{{"e":"aggTrade","E":{at},"s":"{symbol.instrument.venue_symbol}","a":{p.trade_id},'
        f'"p":"{scale.price(p.price)}","q":"{scale.qty(p.qty)}","f":{p.trade_id},"l":{p.trade_id},'
        f'"T":{at},"m":{_maker(p)},"M":true}}'
    )


def kline(symbol: Symbol, scale: Scale, bar: Bar, now_ns: int) -> str:
    name = symbol.instrument.venue_symbol
    return (
        f'{{"e":"kline","E":{ms(now_ns)},"s":"{name}","k":{{"t":{ms(bar.open_ns)},"T":{ms(bar.close_ns) - 1},'
        f'"s":"{name}","i":"{bar.interval}","f":-1,"L":-1,"o":"{scale.price(bar.open)}",'
        f'"c":"{scale.price(bar.close)}","h":"{scale.price(bar.high)}","l":"{scale.price(bar.low)}",'
        f'"v":"{scale.qty(bar.volume)}","n":{bar.trades},"x":{"true" if bar.closed else "false"},'
        f'"q":"{scale.notional(bar.quote_volume)}","V":"{scale.qty(bar.taker_volume)}",'
        f'"Q":"{scale.notional(bar.taker_quote_volume)}","B":"0"}}}}'
    )


def ticker(symbol: Symbol, now_ns: int) -> str:
    d = day_ticker_of(symbol, now_ns, mini=False)
    return _encode(
        {
            "e": "24hrTicker",
            "E": ms(now_ns),
            "s": d["symbol"],
            "p": d["priceChange"],
            "P": d["priceChangePercent"],
            "w": d["weightedAvgPrice"],
            "x": d["prevClosePrice"],
            "c": d["lastPrice"],
            "Q": d["lastQty"],
            "b": d["bidPrice"],
            "B": d["bidQty"],
            "a": d["askPrice"],
            "A": d["askQty"],
            "o": d["openPrice"],
            "h": d["highPrice"],
            "l": d["lowPrice"],
            "v": d["volume"],
            "q": d["quoteVolume"],
            "O": d["openTime"],
            "C": d["closeTime"],
            "F": d["firstId"],
            "L": d["lastId"],
            "n": d["count"],
        }
    )


def mini_ticker(symbol: Symbol, now_ns: int) -> str:
    d = day_ticker_of(symbol, now_ns, mini=True)
    return _encode(
        {
            "e": "24hrMiniTicker",
            "E": ms(now_ns),
            "s": d["symbol"],
            "c": d["lastPrice"],
            "o": d["openPrice"],
            "h": d["highPrice"],
            "l": d["lowPrice"],
            "v": d["volume"],
            "q": d["quoteVolume"],
        }
    )


def average(symbol: Symbol, scale: Scale, price: int, now_ns: int) -> str:
    name, at = symbol.instrument.venue_symbol, ms(now_ns)
    return f'{{"e":"avgPrice","E":{at},"s":"{name}","i":"5m","w":"{scale.price(price)}","T":{at}}}'


def combined(name: str, payload: str) -> str:
    return f'{{"stream":"{name}","data":{payload}}}'


def _maker(p: Print) -> str:
    """Was the buyer the maker?"""
    return "true" if p.side == Side.SELL else "false"


def _levels(scale: Scale, rows: Pairs) -> str:
    return "[" + ",".join(f'["{scale.price(p)}","{scale.qty(q)}"]' for p, q in rows) + "]"


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
