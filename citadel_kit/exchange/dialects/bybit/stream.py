"""Bybit v5's public spot stream: `orderbook.{1,50,200,1000}`, `publicTrade`, `tickers`.

Source: bybit-exchange.github.io/docs/v5, "Orderbook", "Trade", "Ticker", "Connect" of the public websocket.
All depths come every 100 ms here; level 1 comes whenever it changes, as a snapshot, and again after 3 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.rendering import (
    Pairs,
    Window,
    fixed,
    json_text,
    millis,
    parse_object,
    texts,
)
from citadel_kit.exchange.dialects.stream import Out, heartbeat, market, reply
from citadel_kit.exchange.venue import Depth, MarketEvent, Print, Symbol, Top, Venue
from citadel_kit.types import Instrument, Side

DEPTHS: Final = (50, 200, 1000)
TOPICS_PER_REQUEST: Final = 10
_RESEND_NS: Final = 3_000_000_000


class _Topic:
    """One subscription: of a symbol, and what its client was told of the book."""

    def __init__(self, channel: str, symbol: Symbol, depth: int = 0) -> None:
        self.channel, self.symbol = channel, symbol
        self.window = Window(depth, tells_leavers=True)
        self.count = symbol.update_id
        self.sent_ns = 0


class BybitStream:
    """One connection; a `stream.Wire`."""

    def __init__(self, venue: Venue, number: int) -> None:
        self._venue, self._conn_id = venue, f"local-{number}"
        self._topics: dict[str, _Topic] = {}

    def opened(self) -> Iterable[Out]:
        return ()

    def heard(self, text: str) -> Iterable[Out]:
        request = parse_object(text)
        if request is None:
            return (self._answer({}, "", "error:request is not a JSON object"),)
        op = request.get("op")
        if op == "ping":
            answer = {"success": True, "ret_msg": "pong", "conn_id": self._conn_id}
            return (heartbeat(json_text({**answer, "req_id": _req_id(request), "op": "ping"})),)
        args = texts(request.get("args"))
        if op not in ("subscribe", "unsubscribe"):
            return (self._answer(request, str(op), "error:invalid op"),)
        if not args:
            return (self._answer(request, op, "error:args must be a list of topics"),)
        if len(args) > TOPICS_PER_REQUEST:
            return (self._answer(request, op, f"args size >{TOPICS_PER_REQUEST}"),)
        if op == "unsubscribe":
            for topic in args:
                self._topics.pop(topic, None)
            return (self._answer(request, op),)
        return self._subscribe(request, args)

    def saw(self, event: MarketEvent) -> Iterator[Out]:
        at_ns = event.at_ns
        for name, topic in self._topics.items():
            if topic.symbol.instrument.symbol != event.symbol:
                continue
            if isinstance(event, Depth) and topic.channel == "orderbook":
                yield from self._delta(name, topic, at_ns)
            elif isinstance(event, Depth) and topic.channel == "tickers":
                yield self._ticker(name, topic, at_ns)
            elif isinstance(event, Top) and topic.channel == "orderbook.1":
                topic.count += 1
                yield self._best(name, topic, at_ns)
            elif isinstance(event, Print) and topic.channel == "publicTrade":
                yield self._trade(name, topic, event, at_ns)

    def second(self) -> Iterator[Out]:
        now_ns = self._venue.now_ns()
        for name, topic in self._topics.items():
            if topic.channel == "orderbook.1" and now_ns - topic.sent_ns >= _RESEND_NS:
                yield self._best(name, topic, now_ns)

    def _subscribe(self, request: dict[str, Any], args: Sequence[str]) -> Iterator[Out]:
        found: dict[str, _Topic] = {}
        for name in args:
            topic = self._find(name)
            if isinstance(topic, str):
                yield self._answer(request, "subscribe", topic)
                return
            found[name] = topic
        self._topics.update(found)
        yield self._answer(request, "subscribe")
        now_ns = self._venue.now_ns()
        for name, topic in found.items():
            if topic.channel == "orderbook":
                yield self._snapshot(name, topic, now_ns)
            elif topic.channel == "orderbook.1":
                yield self._best(name, topic, now_ns)
            elif topic.channel == "tickers":
                yield self._ticker(name, topic, now_ns)

    def _find(self, name: str) -> _Topic | str:
        """The topic, or why it can't be had."""
        if name in self._topics:
            return f"error:already subscribed,topic:{name}"
        channel, _, rest = name.partition(".")
        depth, _, venue_symbol = rest.rpartition(".")
        known = {"publicTrade": ("",), "tickers": ("",), "orderbook": ("1", *map(str, DEPTHS))}
        if depth not in known.get(channel, ()):
            return f"error:handler not found,topic:{name}"
        try:
            symbol = self._venue.symbol_by_venue_name(venue_symbol)
        except KeyError:
            return f"Invalid symbol :[{name}]"
        return _Topic("orderbook.1", symbol) if depth == "1" else _Topic(channel, symbol, int(depth or 0))

    def _answer(self, request: dict[str, Any], op: str, problem: str = "") -> Out:
        answer = {"success": not problem, "ret_msg": problem, "conn_id": self._conn_id}
        return reply(json_text({**answer, "req_id": _req_id(request), "op": op}))

    def _snapshot(self, name: str, topic: _Topic, at_ns: int) -> Out:
        bids, asks = (topic.symbol.engine.shown(is_bid, topic.window.depth) for is_bid in (True, False))
        topic.window.reset(bids, asks)
        return self._book(name, topic, at_ns, "snapshot", bids, asks)

    def _delta(self, name: str, topic: _Topic, at_ns: int) -> Iterator[Out]:
        depth = topic.window.depth
        shown = topic.symbol.engine.shown
        bids, asks = topic.window.move(shown(True, depth), shown(False, depth))
        if bids or asks:
            topic.count += 1
            yield self._book(name, topic, at_ns, "delta", bids, asks)

    def _best(self, name: str, topic: _Topic, at_ns: int) -> Out:
        topic.sent_ns = self._venue.now_ns()
        bids, asks = (topic.symbol.engine.shown(is_bid, 1) for is_bid in (True, False))
        return self._book(name, topic, at_ns, "snapshot", bids, asks)

    def _book(self, name: str, topic: _Topic, at_ns: int, kind: str, bids: Pairs, asks: Pairs) -> Out:
        instrument, at = topic.symbol.instrument, millis(at_ns)
        data = {
            "s": instrument.venue_symbol,
            "b": levels(instrument, bids),
            "a": levels(instrument, asks),
            "u": topic.count,
            "seq": topic.symbol.update_id,
        }
        return market(json_text({"topic": name, "ts": at, "type": kind, "data": data, "cts": at}))

    def _trade(self, name: str, topic: _Topic, event: Print, at_ns: int) -> Out:
        instrument, at = topic.symbol.instrument, millis(at_ns)
        trade = {
            "i": str(event.trade_id),
            "T": at,
            "p": fixed(event.price, instrument.price_decimals),
            "v": fixed(event.qty, instrument.qty_decimals),
            "S": side_name(event.side),
            "s": instrument.venue_symbol,
            "BT": False,
            "RPI": False,
            "seq": str(topic.symbol.update_id),
        }
        return market(json_text({"topic": name, "ts": at, "type": "snapshot", "data": [trade]}))

    def _ticker(self, name: str, topic: _Topic, at_ns: int) -> Out:
        data = ticker(topic.symbol, at_ns)
        body = {"topic": name, "ts": millis(at_ns), "type": "snapshot", "data": data}
        return market(json_text({**body, "cs": topic.symbol.update_id}))


def _req_id(request: dict[str, Any]) -> str:
    """As the client wrote it, or nothing; ours to echo only where it is short."""
    value = request.get("req_id", "")
    return str(value)[:64] if isinstance(value, (str, int)) else ""


def levels(instrument: Instrument, pairs: Pairs) -> list[list[str]]:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return [[fixed(p, price), fixed(q, qty) if q else "0"] for p, q in pairs]


def side_name(side: int) -> str:
    return "Buy" if side == Side.BUY else "Sell"


def ticker(symbol: Symbol, now_ns: int) -> dict[str, str]:
    """Of the last 24 hours, as stream and REST write it."""
    instrument, of = symbol.instrument, day(symbol, now_ns)
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return {
        "symbol": instrument.venue_symbol,
        "lastPrice": fixed(of.last, price),
        "highPrice24h": fixed(of.high, price),
        "lowPrice24h": fixed(of.low, price),
        "prevPrice24h": fixed(of.open, price),
        "volume24h": fixed(of.volume, qty),
        "turnover24h": fixed(of.quote_volume, price + qty),
        "price24hPcnt": f"{of.change:.4f}",
        "usdIndexPrice": "",
    }
