"""Coinbase Advanced Trade's public stream: `level2`, `market_trades`, `ticker`, `heartbeats`.

Source: docs.cdp.coinbase.com, "Advanced Trade WebSocket channels". Every frame is numbered within its
connection, over all channels and products. The side of a trade is the maker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.rendering import Pairs, fixed, iso, json_text, parse_object, texts
from citadel_kit.exchange.dialects.rest import latest_prints, shown
from citadel_kit.exchange.dialects.stream import Out, reply
from citadel_kit.exchange.socket import Kind
from citadel_kit.exchange.venue import Depth, MarketEvent, Print, Symbol, Top, Venue
from citadel_kit.types import Instrument, Side

CHANNELS: Final = ("level2", "market_trades", "ticker")
_HEARTBEATS: Final = "heartbeats"
_ALL_LEVELS: Final = 1_000_000
_HISTORY: Final = 50
"""Trades in the snapshot of `market_trades`."""


class CoinbaseStream:
    """One connection; a `stream.Wire`."""

    def __init__(self, venue: Venue, number: int) -> None:
        self._venue = venue
        self._products: dict[str, dict[str, Symbol]] = {}
        """By channel and product; `heartbeats` has none."""
        self._sequence = self._beats = 0

    def opened(self) -> Iterable[Out]:
        return ()

    def heard(self, text: str) -> Iterable[Out]:
        request = parse_object(text)
        kind = request.get("type") if request else None
        if request is None or kind not in ("subscribe", "unsubscribe"):
            return (_error("type must be subscribe or unsubscribe"),)
        channel, named = request.get("channel"), texts(request.get("product_ids", []))
        if channel == _HEARTBEATS:
            named = []
        elif channel not in CHANNELS:
            return (_error(f"channel {str(channel)[:32]!r} is not supported"),)
        elif not named:
            return (_error("product_ids must name one product or more"),)
        try:
            products = {name: self._venue.symbol_by_venue_name(name) for name in named or ()}
        except KeyError as unknown:
            return (_error(f"{str(unknown.args[0])[:32]} is not a valid product"),)
        act = self._subscribe if kind == "subscribe" else self._unsubscribe
        return act(str(channel), products)

    def saw(self, event: MarketEvent) -> Iterator[Out]:
        if isinstance(event, Depth):
            if symbol := self._symbol("level2", event.symbol):
                updates = _updates(symbol.instrument, event.bids, event.asks, iso(event.at_ns))
                yield self._book(symbol, "update", updates, event.at_ns)
        elif isinstance(event, Top):
            if symbol := self._symbol("ticker", event.symbol):
                yield self._ticker(symbol, "update", event.at_ns)
        elif symbol := self._symbol("market_trades", event.symbol):
            yield self._trades("update", [trade(symbol.instrument, event)], event.at_ns)

    def second(self) -> Iterator[Out]:
        if _HEARTBEATS in self._products:
            now = iso(self._venue.now_ns())
            event = {"current_time": now, "heartbeat_counter": self._beats}
            self._beats += 1
            yield self._numbered(_HEARTBEATS, event, self._venue.now_ns(), "heartbeat")

    # --- requests ---

    def _subscribe(self, channel: str, products: dict[str, Symbol]) -> Iterator[Out]:
        self._products.setdefault(channel, {}).update(products)
        yield self._subscriptions()
        now_ns = self._venue.now_ns()
        for symbol in products.values():
            if channel == "level2":
                bids, asks = shown(symbol, _ALL_LEVELS)
                updates = _updates(symbol.instrument, bids, asks, iso(now_ns))
                yield self._book(symbol, "snapshot", updates, now_ns)
            elif channel == "market_trades" and symbol.trades:
                latest = reversed(latest_prints(self._venue, symbol, _HISTORY))
                yield self._trades("snapshot", [trade(symbol.instrument, p) for p in latest], now_ns)
            elif channel == "ticker":
                yield self._ticker(symbol, "snapshot", now_ns)

    def _unsubscribe(self, channel: str, products: dict[str, Symbol]) -> Iterator[Out]:
        left = self._products.get(channel, {})
        for name in products:
            left.pop(name, None)
        if not left:
            self._products.pop(channel, None)
        yield self._subscriptions()

    def _subscriptions(self) -> Out:
        """All there are now; a client hears that its last one is gone by an empty object."""
        held = {channel: list(products) or [channel] for channel, products in self._products.items()}
        return self._numbered("subscriptions", {"subscriptions": held}, self._venue.now_ns(), "reply")

    # --- news ---

    def _symbol(self, channel: str, unified: str) -> Symbol | None:
        products = self._products.get(channel)
        if not products:
            return None
        symbol = self._venue.symbols[unified]
        return symbol if symbol.instrument.venue_symbol in products else None

    def _book(self, symbol: Symbol, kind: str, updates: list[dict[str, str]], at_ns: int) -> Out:
        event = {"type": kind, "product_id": symbol.instrument.venue_symbol, "updates": updates}
        return self._numbered("l2_data", event, at_ns, "market")

    def _trades(self, kind: str, rows: list[dict[str, str]], at_ns: int) -> Out:
        return self._numbered("market_trades", {"type": kind, "trades": rows}, at_ns, "market")

    def _ticker(self, symbol: Symbol, kind: str, at_ns: int) -> Out:
        return self._numbered("ticker", {"type": kind, "tickers": [_ticker(symbol, at_ns)]}, at_ns, "market")

    def _numbered(self, channel: str, event: dict[str, Any], at_ns: int, kind: Kind) -> Out:
        body = {"channel": channel, "client_id": "", "timestamp": iso(at_ns), "sequence_num": self._sequence}
        self._sequence += 1
        return Out(json_text({**body, "events": [event]}), kind)


def _error(problem: str) -> Out:
    return reply(json_text({"type": "error", "message": problem}))


def _updates(instrument: Instrument, bids: Pairs, asks: Pairs, time: str) -> list[dict[str, str]]:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return [
        {
            "side": side,
            "event_time": time,
            "price_level": fixed(p, price),
            "new_quantity": fixed(q, qty) if q else "0",
        }
        for side, pairs in (("bid", bids), ("offer", asks))
        for p, q in pairs
    ]


def trade(instrument: Instrument, event: Print) -> dict[str, str]:
    """As stream and REST write it."""
    return {
        "trade_id": str(event.trade_id),
        "product_id": instrument.venue_symbol,
        "price": fixed(event.price, instrument.price_decimals),
        "size": fixed(event.qty, instrument.qty_decimals),
        "side": "SELL" if event.side == Side.BUY else "BUY",
        "time": iso(event.at_ns),
    }


def _ticker(symbol: Symbol, at_ns: int) -> dict[str, str]:
    instrument, of = symbol.instrument, day(symbol, at_ns)
    price, qty = instrument.price_decimals, instrument.qty_decimals
    bid, bid_qty, ask, ask_qty = symbol.engine.top()
    return {
        "type": "ticker",
        "product_id": instrument.venue_symbol,
        "price": fixed(of.last, price),
        "volume_24_h": fixed(of.volume, qty),
        "low_24_h": fixed(of.low, price),
        "high_24_h": fixed(of.high, price),
        "low_52_w": fixed(of.low, price),
        "high_52_w": fixed(of.high, price),
        "price_percent_chg_24_h": f"{100 * of.change:.8f}",
        "best_bid": fixed(bid, price),
        "best_bid_quantity": fixed(bid_qty, qty),
        "best_ask": fixed(ask, price),
        "best_ask_quantity": fixed(ask_qty, qty),
    }
