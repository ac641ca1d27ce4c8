"""One venue's market streams: each payload is put together once, whoever listens.

What changes is told when the venue tells it; what is told at intervals (one-second depth, tickers, candles)
follows the venue's clock, looked at by a timer while anybody listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from citadel_kit.exchange.dialects.binance import frames
from citadel_kit.exchange.dialects.binance.frames import StreamName
from citadel_kit.exchange.dialects.binance.market import average
from citadel_kit.exchange.dialects.binance.text import Scale
from citadel_kit.exchange.venue import Depth, MarketEvent, Print, Symbol, Top, Venue

Sink = Callable[[str], None]

_SECOND_NS: Final = 1_000_000_000
_TICK_S: Final = 0.25


class _Topic:
    """One stream, whatever the ways its name may be written. Of several symbols `symbol` is the first."""

    def __init__(self, name: StreamName, symbols: Sequence[Symbol]) -> None:
        self.name, self.symbols, self.symbol = name, symbols, symbols[0]
        self.scale = Scale(self.symbol.instrument)
        self.sinks: dict[int, Sink] = {}
        self.due_ns = 0
        self.news = True
        """Is there anything that was not told?"""
        self.gathered: Depth | None = None
        self.open_ns = -1
        """Of the candle told last."""

    def send(self, text: str) -> None:
        for sink in list(self.sinks.values()):
            sink(text)


class Feed:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._topics: dict[StreamName, _Topic] = {}
        self._by_symbol: dict[str, list[_Topic]] = {}
        self._stop: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    def subscribe(self, name: str, sink: Sink) -> Callable[[], None]:
        """The answer ends it. A name that means nothing is never heard of again, as at the venue."""
        parsed = frames.parse(name)
        if parsed is None:
            return lambda: None
        every = list(self._venue.symbols.values())
        symbols = [s for s in every if parsed.symbol in ("", s.instrument.venue_symbol)]
        if not symbols:
            return lambda: None
        topic = self._topics.get(parsed)
        if topic is None:
            topic = self._topics[parsed] = _Topic(parsed, symbols)
            self._by_symbol.setdefault(topic.symbol.instrument.symbol, []).append(topic)
        self._count += 1
        ticket = self._count
        topic.sinks[ticket] = sink
        self._begin()
        return lambda: self._leave(parsed, ticket)

    def _leave(self, name: StreamName, ticket: int) -> None:
        topic = self._topics.get(name)
        if topic is None or topic.sinks.pop(ticket, None) is None or topic.sinks:
            return
        del self._topics[name]
        self._by_symbol[topic.symbol.instrument.symbol].remove(topic)
        if not self._topics and self._stop is not None and self._timer is not None:
            self._stop()
            self._timer.cancel()
            self._stop = self._timer = None

    def _begin(self) -> None:
        if self._stop is None:
            self._stop = self._venue.listen(self.on_event)
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._wait()
        self.on_time(self._venue.now_ns())

    # --- what the venue says ---

    def on_event(self, event: MarketEvent) -> None:
        for topic in list(self._by_symbol.get(event.symbol, ())):
            text = _said(topic, event)
            if text:
                topic.send(text)

    def on_time(self, now_ns: int) -> None:
        """What is told at intervals and is due by the venue's clock."""
        if self._venue.faults.config.freeze_book:
            return
        for topic in list(self._topics.values()):
            if now_ns < topic.due_ns:
                continue
            topic.due_ns = now_ns - now_ns % _SECOND_NS + _SECOND_NS
            for text in _timely(topic, now_ns):
                topic.send(text)


def _said(topic: _Topic, event: MarketEvent) -> str:
    """What this stream says at this event; empty: nothing."""
    kind, symbol, scale = topic.name.kind, topic.symbol, topic.scale
    if isinstance(event, Top):
        return frames.book_ticker(symbol, scale, event) if kind == "bookTicker" else ""
    if isinstance(event, Print):
        if kind == "trade":
            return frames.trade(symbol, scale, event)
        if kind == "aggTrade":
            return frames.agg_trade(symbol, scale, event)
        topic.news = True
        return ""
    if kind != "depth":
        return ""
    if not topic.name.fast:
        topic.news = True
        topic.gathered = _merged(topic.gathered, event)
        return ""
    if topic.name.levels:
        return frames.partial(symbol, scale, topic.name.levels)
    return frames.diff(symbol, scale, event)


def _timely(topic: _Topic, now_ns: int) -> list[str]:
    kind, symbol, scale = topic.name.kind, topic.symbol, topic.scale
    if kind == "kline":
        return _candles(topic, now_ns)
    if kind in ("ticker", "miniTicker"):
        write = frames.ticker if kind == "ticker" else frames.mini_ticker
        said = ",".join(write(s, now_ns) for s in topic.symbols)
        return [said if topic.name.symbol else f"[{said}]"]
    if kind == "avgPrice":
        return [frames.average(symbol, scale, average(symbol, now_ns), now_ns)]
    if kind != "depth" or topic.name.fast or not topic.news:
        return []
    topic.news = False
    if topic.name.levels:
        topic.gathered = None
        return [frames.partial(symbol, scale, topic.name.levels)]
    gathered, topic.gathered = topic.gathered, None
    return [] if gathered is None else [frames.diff(symbol, scale, gathered)]


def _candles(topic: _Topic, now_ns: int) -> list[str]:
    """The open candle where it changed; before it, those that closed since the last look."""
    bars = topic.symbol.candles.bars(topic.name.interval, now_ns, limit=2)
    if not bars:
        return []
    told = [bar for bar in bars[:-1] if bar.open_ns == topic.open_ns]
    if topic.news or told or topic.open_ns < 0:
        told.append(bars[-1])
    topic.news, topic.open_ns = False, bars[-1].open_ns
    return [frames.kline(topic.symbol, topic.scale, bar, now_ns) for bar in told]


def _merged(before: Depth | None, event: Depth) -> Depth:
    """Two changes of a book as one."""
    if before is None:
        return event
    bids, asks = dict(before.bids) | dict(event.bids), dict(before.asks) | dict(event.asks)
    return event._replace(
        first_id=before.first_id,
        prev_id=before.prev_id,
        bids=sorted(bids.items(), reverse=True),
        asks=sorted(asks.items()),
    )
