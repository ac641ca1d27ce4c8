"""Kraken's websocket v2: `book` with its checksum, `trade`, `ticker`, `instrument`, heartbeat, status, pings.

Source: docs.kraken.com, "Spot WebSocket v2" and "Book checksum (v2)". Numbers are JSON numbers with all the
decimals of the instrument, since the checksum is over their digits.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from citadel_kit.exchange.dialects.day import day
from citadel_kit.exchange.dialects.rendering import Pairs, Window, fixed, iso, json_text, parse_object, texts
from citadel_kit.exchange.dialects.stream import Out, heartbeat, market, reply
from citadel_kit.exchange.venue import Depth, MarketEvent, Print, Symbol, Top, Venue
from citadel_kit.types import Instrument, Side

DEPTHS: Final = (10, 25, 100, 500, 1000)
CHECKSUM_LEVELS: Final = 10
_CHANNELS: Final = ("book", "trade", "ticker")
_SYMBOLS_MOST: Final = 200
_HISTORY: Final = 50
"""Trades in the snapshot of the `trade` channel."""
_NO_DEPTH: Final = 0

_Key = tuple[str, str]


class _Channel:
    """One subscription: of a symbol, and what its client was told of the book."""

    def __init__(self, symbol: Symbol, depth: int, trigger: str) -> None:
        self.symbol, self.trigger = symbol, trigger
        self.window = Window(depth, tells_leavers=False)


class KrakenStream:
    """One connection; a `stream.Wire`."""

    def __init__(self, venue: Venue, number: int) -> None:
        self._venue, self._number = venue, number
        self._channels: dict[_Key, _Channel] = {}
        self._instruments = False

    def opened(self) -> Iterable[Out]:
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": self._number}
        return (reply(json_text({"channel": "status", "type": "update", "data": [status]})),)

    def second(self) -> Iterable[Out]:
        """Once something is subscribed, the venue's heart beats."""
        return (heartbeat('{"channel":"heartbeat"}'),) if self._channels or self._instruments else ()

    def heard(self, text: str) -> Iterable[Out]:
        request = parse_object(text) or {}
        method = request.get("method")
        if method == "ping":
            return (heartbeat(json_text({"method": "pong", **self._times(request)})),)
        if problem := _problem(request):
            return (self._answer(request, error=problem),)
        params = request["params"]
        if params["channel"] == "instrument":
            return self._on_instrument(request, params)
        depth = params.get("depth", DEPTHS[0]) if params["channel"] == "book" else _NO_DEPTH
        act = self._subscribe if method == "subscribe" else self._unsubscribe
        return (out for name in params["symbol"] for out in act(request, params, name, depth))

    def saw(self, event: MarketEvent) -> Iterator[Out]:
        for (kind, _), channel in self._channels.items():
            if channel.symbol.instrument.symbol != event.symbol:
                continue
            if isinstance(event, Depth) and kind == "book":
                yield from self._update(channel, event.at_ns)
            elif isinstance(event, Print) and kind == "trade":
                yield self._trades("update", [trade(channel.symbol.instrument, event)])
            elif kind == "ticker" and isinstance(event, Top if channel.trigger == "bbo" else Print):
                yield self._ticker(channel, "update", event.at_ns)

    # --- requests ---

    def _subscribe(
        self, request: dict[str, Any], params: dict[str, Any], name: str, depth: int
    ) -> Iterator[Out]:
        kind = params["channel"]
        try:
            symbol = self._venue.symbol_by_venue_name(name)
        except KeyError:
            yield self._answer(request, error=f"Currency pair not supported {name[:32]}", symbol=name[:32])
            return
        if (kind, name) in self._channels:
            yield self._answer(request, error="Already subscribed", symbol=name)
            return
        trigger = "bbo" if params.get("event_trigger") == "bbo" else "trades"
        channel = self._channels[kind, name] = _Channel(symbol, depth, trigger)
        # Trades are the one channel whose snapshot has to be asked for.
        wants_snapshot = bool(params.get("snapshot", kind != "trade"))
        result = {"channel": kind, "snapshot": wants_snapshot, "symbol": name}
        if depth:
            result["depth"] = depth
        yield self._answer(request, result=result)
        yield from self._snapshot(kind, channel, wants_snapshot)

    def _unsubscribe(
        self, request: dict[str, Any], params: dict[str, Any], name: str, depth: int
    ) -> Iterator[Out]:
        kind = params["channel"]
        channel = self._channels.get((kind, name))
        if channel is None or channel.window.depth != depth:
            yield self._answer(request, error="Subscription Not Found", symbol=name[:32])
            return
        del self._channels[kind, name]
        result = {"channel": kind, "symbol": name}
        yield self._answer(request, result={**result, "depth": depth} if depth else result)

    def _on_instrument(self, request: dict[str, Any], params: dict[str, Any]) -> Iterator[Out]:
        self._instruments = request["method"] == "subscribe"
        yield self._answer(request, result={"channel": "instrument", "snapshot": self._instruments})
        if self._instruments and params.get("snapshot", True):
            yield market(_instrument_snapshot(s.instrument for s in self._venue.symbols.values()))

    def _answer(
        self,
        request: dict[str, Any],
        *,
        result: dict[str, Any] | None = None,
        error: str = "",
        symbol: str = "",
    ) -> Out:
        body: dict[str, Any] = {"error": error} if error else {"result": result}
        if isinstance(request.get("method"), str):
            body["method"] = request["method"][:32]
        if symbol:
            body["symbol"] = symbol
        return reply(json_text({**body, "success": not error, **self._times(request)}))

    def _times(self, request: dict[str, Any]) -> dict[str, Any]:
        now = iso(self._venue.now_ns())
        times = {"time_in": now, "time_out": now}
        req_id = request.get("req_id")
        return {**times, "req_id": req_id} if isinstance(req_id, int) and abs(req_id) < 1 << 62 else times

    # --- news ---

    def _snapshot(self, kind: str, channel: _Channel, wanted: bool) -> Iterator[Out]:
        now_ns = self._venue.now_ns()
        if kind == "book":
            bids, asks = _shown(channel)
            channel.window.reset(bids, asks)
            if wanted:
                yield self._book(channel, "snapshot", bids, asks, now_ns)
        elif kind == "ticker" and wanted:
            yield self._ticker(channel, "snapshot", now_ns)
        elif kind == "trade" and wanted and channel.symbol.trades:
            skew_ns, symbol = self._venue.skew_ns, channel.symbol
            latest = list(symbol.trades)[-_HISTORY:]
            rows = [
                trade(symbol.instrument, Print("", t.at_ns + skew_ns, t.trade_id, t.price, t.qty, t.side))
                for t in latest
            ]
            yield self._trades("snapshot", rows)

    def _update(self, channel: _Channel, at_ns: int) -> Iterator[Out]:
        bids, asks = channel.window.move(*_shown(channel))
        if bids or asks:
            yield self._book(channel, "update", bids, asks, at_ns)

    def _book(self, channel: _Channel, kind: str, bids: Pairs, asks: Pairs, at_ns: int) -> Out:
        instrument = channel.symbol.instrument
        best = (channel.symbol.engine.shown(is_bid, CHECKSUM_LEVELS) for is_bid in (True, False))
        return market(
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{instrument.venue_symbol}",'
            f'"bids":{_levels(instrument, bids)},"asks":{_levels(instrument, asks)},'
            f'"checksum":{checksum(*best)},"timestamp":"{iso(at_ns)}"}}]}}'
        )

    def _trades(self, kind: str, rows: list[str]) -> Out:
        return market(f'{{"channel":"trade","type":"{kind}","data":[{",".join(rows)}]}}')

    def _ticker(self, channel: _Channel, kind: str, at_ns: int) -> Out:
        instrument, of = channel.symbol.instrument, day(channel.symbol, at_ns)
        price, qty = instrument.price_decimals, instrument.qty_decimals
        bid, bid_qty, ask, ask_qty = channel.symbol.engine.top()
        change = of.last - of.open
        return market(
            f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{instrument.venue_symbol}",'
            f'"bid":{fixed(bid, price)},"bid_qty":{fixed(bid_qty, qty)},'
            f'"ask":{fixed(ask, price)},"ask_qty":{fixed(ask_qty, qty)},"last":{fixed(of.last, price)},'
            f'"volume":{fixed(of.volume, qty)},"vwap":{fixed(of.vwap, price)},"low":{fixed(of.low, price)},'
            f'"high":{fixed(of.high, price)},"change":{"-" if change < 0 else ""}{fixed(abs(change), price)},'
            f'"change_pct":{100 * of.change:.2f},"timestamp":"{iso(at_ns)}"}}]}}'
        )


def _problem(request: dict[str, Any]) -> str:
    """What is wrong with a request; empty where nothing is. The symbols themselves are judged one by one."""
    params = request.get("params")
    if not isinstance(params, dict) or not isinstance(request.get("method"), str):
        return "Malformed request"
    if request["method"] not in ("subscribe", "unsubscribe"):
        return "Unsupported method"
    channel, names, depth = params.get("channel"), texts(params.get("symbol")), params.get("depth", DEPTHS[0])
    if channel == "instrument":
        return ""
    if channel not in _CHANNELS:
        return "Subscription name invalid"
    if not names or len(names) > _SYMBOLS_MOST:
        return "Symbol(s) not found"
    if channel == "book" and (type(depth) is not int or depth not in DEPTHS):
        return "Subscription depth not supported"
    return ""


def _shown(channel: _Channel) -> tuple[Pairs, Pairs]:
    depth = channel.window.depth
    return channel.symbol.engine.shown(True, depth), channel.symbol.engine.shown(False, depth)


def _levels(instrument: Instrument, pairs: Pairs) -> str:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    return "[" + ",".join(f'{{"price":{fixed(p, price)},"qty":{fixed(q, qty)}}}' for p, q in pairs) + "]"


def checksum(bids: Pairs, asks: Pairs) -> int:
    """Unsigned CRC32 of the digits of the ten best asks and bids: the integers without leading zeros."""
    return zlib.crc32("".join(f"{price}{qty}" for price, qty in (*asks, *bids)).encode())


def trade(instrument: Instrument, event: Print) -> str:
    return (
        f'{{"symbol":"{instrument.venue_symbol}","side":"{"buy" if event.side == Side.BUY else "sell"}",'
        f'"price":{fixed(event.price, instrument.price_decimals)},'
        f'"qty":{fixed(event.qty, instrument.qty_decimals)},"ord_type":"market","trade_id":{event.trade_id},'
        f'"timestamp":"{iso(event.at_ns)}"}}'
    )


def _instrument_snapshot(instruments: Iterable[Instrument]) -> str:
    pairs = [_pair(instrument) for instrument in instruments]
    assets = {asset: None for i in instruments for asset in i.symbol.split("/")}
    body = ",".join(pairs)
    named = json_text(
        [{"id": a, "status": "enabled", "precision": 10, "precision_display": 5} for a in assets]
    )
    return f'{{"channel":"instrument","type":"snapshot","data":{{"assets":{named},"pairs":[{body}]}}}}'


def _pair(instrument: Instrument) -> str:
    price, qty = instrument.price_decimals, instrument.qty_decimals
    base, _, quote = instrument.venue_symbol.partition("/")
    return (
        f'{{"symbol":"{instrument.venue_symbol}","base":"{base}","quote":"{quote}","status":"online",'
        f'"qty_precision":{qty},"qty_increment":{fixed(instrument.lot, qty)},'
        f'"price_precision":{price},"price_increment":{fixed(instrument.tick, price)},'
        f'"tick_size":{fixed(instrument.tick, price)},"cost_precision":{price},'
        f'"cost_min":{fixed(instrument.min_notional, price + qty)},"qty_min":{fixed(instrument.lot, qty)},'
        '"marginable":false,"has_index":false}'
    )
