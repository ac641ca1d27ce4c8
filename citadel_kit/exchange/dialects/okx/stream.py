"""OKX v5's public stream: `books` (400 levels), `books5`, `bbo-tbt`, `trades`, `tickers`.

Source: okx.com/docs-v5, "Order book channel", "Trades channel", "Tickers channel" of the public websocket.
The channels of an instrument share one sequence. The checksum is 0, as it is there since June 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.rendering import Pairs, Window, json_text, millis, parse_object, plain
from citadel_kit.exchange.dialects.stream import Out, heartbeat, market, reply
from citadel_kit.exchange.venue import Depth, MarketEvent, Print, Symbol, Top, Venue
from citadel_kit.types import Instrument, Side

CHANNELS: Final = ("books", "books5", "bbo-tbt", "trades", "tickers")
BOOK_LEVELS: Final = 400
_ARGS_MOST: Final = 64
"""Channels in one request."""


class _Channel:
    """One subscription: of a symbol, and what its client was told of the book."""

    def __init__(self, name: str, symbol: Symbol) -> None:
        self.name, self.symbol = name, symbol
        self.arg = {"channel": name, "instId": symbol.instrument.venue_symbol}
        self.window = Window(BOOK_LEVELS, tells_leavers=True)
        self.seq = -1


class OkxStream:
    """One connection; a `stream.Wire`."""

    def __init__(self, venue: Venue, number: int) -> None:
        self._venue, self._conn_id = venue, f"{number:08x}"
        self._channels: dict[tuple[str, str], _Channel] = {}

    def opened(self) -> Iterable[Out]:
        return ()

    def second(self) -> Iterable[Out]:
        """OKX has no heartbeat of its own."""
        return ()

    def heard(self, text: str) -> Iterable[Out]:
        if text == "ping":
            return (heartbeat("pong"),)
        request = parse_object(text)
        op = request.get("op") if request else None
        args = request.get("args") if request else None
        known = op in ("subscribe", "unsubscribe") and isinstance(args, list)
        if request is None or args is None or not known or not 0 < len(args) <= _ARGS_MOST:
            return (self._error(request or {}, "60012", f"Invalid request: {text[:400]}"),)
        return self._asked(request, op, args)

    def saw(self, event: MarketEvent) -> Iterator[Out]:
        at_ns = event.at_ns
        for channel in self._channels.values():
            if channel.symbol.instrument.symbol != event.symbol:
                continue
            name = channel.name
            if isinstance(event, Depth):
                if name == "books":
                    yield self._update(channel, at_ns)
                elif name == "books5":
                    yield self._top_levels(channel, at_ns, 5)
                elif name == "tickers":
                    yield self._push(channel, ticker(channel.symbol, at_ns))
            elif isinstance(event, Top) and name == "bbo-tbt":
                yield self._top_levels(channel, at_ns, 1)
            elif isinstance(event, Print) and name == "trades":
                yield self._push(channel, trade(channel.symbol.instrument, event, at_ns) | {"count": "1"})

    def _asked(self, request: dict[str, Any], op: Any, args: list[Any]) -> Iterator[Out]:
        """Each channel is answered by itself."""
        for arg in args:
            channel = self._find(arg)
            if channel is None:
                named = ",".join(f"{k}:{v}" for k, v in arg.items()) if isinstance(arg, dict) else str(arg)
                problem = (
                    f"Wrong URL or channel:{named[:200]} doesn't exist. Please use the correct URL, channel"
                )
                yield self._error(request, "60018", f"{problem} and parameters referring to API document.")
                continue
            key = channel.arg["channel"], channel.arg["instId"]
            yield reply(json_text({**_id(request), "event": op, "arg": channel.arg, "connId": self._conn_id}))
            if op == "unsubscribe":
                self._channels.pop(key, None)
            else:
                self._channels[key] = channel
                yield from self._first(channel)

    def _find(self, arg: Any) -> _Channel | None:
        if not isinstance(arg, dict) or arg.get("channel") not in CHANNELS:
            return None
        try:
            return _Channel(arg["channel"], self._venue.symbol_by_venue_name(str(arg.get("instId"))))
        except KeyError:
            return None

    def _first(self, channel: _Channel) -> Iterator[Out]:
        now_ns = self._venue.now_ns()
        if channel.name == "books":
            bids, asks = _shown(channel.symbol, BOOK_LEVELS)
            channel.window.reset(bids, asks)
            yield self._books(channel, now_ns, "snapshot", bids, asks)
        elif channel.name in ("books5", "bbo-tbt"):
            yield self._top_levels(channel, now_ns, 5 if channel.name == "books5" else 1)
        elif channel.name == "tickers":
            yield self._push(channel, ticker(channel.symbol, now_ns))

    def _update(self, channel: _Channel, at_ns: int) -> Out:
        """Sent also where no level changed in the end, since the sequence went on."""
        bids, asks = channel.window.move(*_shown(channel.symbol, BOOK_LEVELS))
        return self._books(channel, at_ns, "update", bids, asks)

    def _books(self, channel: _Channel, at_ns: int, action: str, bids: Pairs, asks: Pairs) -> Out:
        before, channel.seq = channel.seq, channel.symbol.update_id
        data = {
            **sides(channel.symbol.instrument, bids, asks),
            "ts": str(millis(at_ns)),
            "checksum": 0,
            "seqId": channel.seq,
            "prevSeqId": before,
        }
        return market(json_text({"arg": channel.arg, "action": action, "data": [data]}))

    def _top_levels(self, channel: _Channel, at_ns: int, depth: int) -> Out:
        bids, asks = _shown(channel.symbol, depth)
        data: dict[str, Any] = sides(channel.symbol.instrument, bids, asks)
        if depth == 5:
            data["instId"] = channel.arg["instId"]
        return self._push(channel, {**data, "ts": str(millis(at_ns)), "seqId": channel.symbol.update_id})

    def _push(self, channel: _Channel, data: dict[str, Any]) -> Out:
        return market(json_text({"arg": channel.arg, "data": [data]}))

    def _error(self, request: dict[str, Any], code: str, problem: str) -> Out:
        body = {"event": "error", "code": code, "msg": problem, "connId": self._conn_id}
        return reply(json_text({**_id(request), **body}))


def _id(request: dict[str, Any]) -> dict[str, str]:
    """As the client wrote it, where it gave one."""
    value = request.get("id")
    return {"id": value[:32]} if isinstance(value, str) else {}


def _shown(symbol: Symbol, depth: int) -> tuple[Pairs, Pairs]:
    return symbol.engine.shown(True, depth), symbol.engine.shown(False, depth)


def sides(instrument: Instrument, bids: Pairs, asks: Pairs) -> dict[str, list[list[str]]]:
    """Price, size, a field no longer used, and the number of orders."""
    price, qty = instrument.price_decimals, instrument.qty_decimals
    rows = {"asks": asks, "bids": bids}
    return {
        name: [[plain(p, price), plain(q, qty), "0", "1" if q else "0"] for p, q in pairs]
        for name, pairs in rows.items()
    }


def trade(instrument: Instrument, event: Print, at_ns: int) -> dict[str, str]:
    """As stream and REST write it."""
    return {
        "instId": instrument.venue_symbol,
        "tradeId": str(event.trade_id),
        "px": plain(event.price, instrument.price_decimals),
        "sz": plain(event.qty, instrument.qty_decimals),
        "side": "buy" if event.side == Side.BUY else "sell",
        "ts": str(millis(at_ns)),
    }


def ticker(symbol: Symbol, now_ns: int) -> dict[str, str]:
    """Of the last 24 hours, as stream and REST write it."""
    instrument, of = symbol.instrument, day(symbol, now_ns)
    price, qty = instrument.price_decimals, instrument.qty_decimals
    bids, asks = _shown(symbol, 1)
    (bid, bid_qty), (ask, ask_qty) = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
    return {
        "instType": "SPOT",
        "instId": instrument.venue_symbol,
        "last": plain(of.last, price),
        "lastSz": plain(of.last_qty, qty),
        "askPx": plain(ask, price) if ask else "",
        "askSz": plain(ask_qty, qty) if ask else "",
        "bidPx": plain(bid, price) if bid else "",
        "bidSz": plain(bid_qty, qty) if bid else "",
        "open24h": plain(of.open, price),
        "high24h": plain(of.high, price),
        "low24h": plain(of.low, price),
        "volCcy24h": plain(of.quote_volume, price + qty),
        "vol24h": plain(of.volume, qty),
        "ts": str(millis(now_ns)),
        "sodUtc0": plain(of.open, price),
        "sodUtc8": plain(of.open, price),
    }
