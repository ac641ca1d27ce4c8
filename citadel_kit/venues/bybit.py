"""Bybit v5, spot and linear: `orderbook.50` (snapshot and deltas), `orderbook.1`, `publicTrade`.

Source: bybit-exchange.github.io/docs/v5, "Orderbook", "Trade" and "Connect" of the public websocket. Both
markets speak one wire and differ in the URL; fields come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from citadel_kit.errors import DecodeError
from citadel_kit.ladder import LATEST_MS, parse_both
from citadel_kit.types import (
    Ack,
    BookUpdate,
    Event,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    Quote,
    Side,
    Trade,
    Unknown,
    to_units,
)
from citadel_kit.venues.channel import channel_in

SPOT_STREAM_URL: Final = "wss://stream.bybit.com/v5/public/spot"
LINEAR_STREAM_URL: Final = "wss://stream.bybit.com/v5/public/linear"
REST_URL: Final = "https://api.bybit.com"
BOOK_LEVELS: Final = 50
"""A side, every 20 ms. A level that leaves the depth is deleted by the venue."""
_TOPICS_PER_REQUEST: Final = 10
"""Spot refuses more."""
_MILLISECOND: Final = 1_000_000
_EMPTY: Final = msgspec.Raw(b"")

_Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
_UpdateId = Annotated[int, msgspec.Meta(ge=1, le=1 << 62)]


class _Message(msgspec.Struct):
    """A topic's envelope, or the answer to a request."""

    topic: str = ""
    type: str = ""
    ts: _Millis = 0
    data: msgspec.Raw = _EMPTY
    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str = ""


class _Book(msgspec.Struct):
    s: str
    u: _UpdateId
    b: msgspec.Raw
    a: msgspec.Raw


class _Trade(msgspec.Struct):
    T: _Millis
    s: str
    S: Literal["Buy", "Sell"]
    v: str
    p: str
    i: str
    BT: bool = False


_decode = msgspec.json.Decoder(_Message).decode
_decode_book = msgspec.json.Decoder(_Book).decode
_decode_trades = msgspec.json.Decoder(list[_Trade]).decode


class Bybit:
    """Codec and sync rules of Bybit's spot (`bybit`) and linear (`bybitlinear`) markets."""

    verified = True
    heartbeat = False
    depth = 0
    checksum_depth = 0

    def __init__(self, instruments: Sequence[Instrument], venue: str = "bybit") -> None:
        self.venue = venue
        self._instruments = {i.venue_symbol: i for i in instruments}

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        topics = [
            f"{channel}.{i.venue_symbol}"
            for i in instruments
            for channel in (f"orderbook.{BOOK_LEVELS}", "orderbook.1", "publicTrade")
        ]
        return [
            _request("subscribe", topics[first : first + _TOPICS_PER_REQUEST], request_id)
            for first in range(0, len(topics), _TOPICS_PER_REQUEST)
        ]

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        topics = [f"orderbook.{BOOK_LEVELS}.{instrument.venue_symbol}"]
        return [_request(op, topics, request_id) for op in ("unsubscribe", "subscribe")]

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return None

    def ping(self) -> str | None:
        """Due every 20 s; without it the venue ends the connection."""
        return '{"op":"ping"}'

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        """Bybit has none."""
        return -1

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`."""
        topic = ""
        try:
            message = _decode(raw)
            topic = message.topic
            if topic:
                return self._push(message, recv_ns)
            return (_answer(message, recv_ns),)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, topic or channel_in(raw), raw, str(error)) from None

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """`u` counts a topic's messages. A lower one is no old news: the count starts anew at a restart."""
        if update.last_seq == book_seq + 1:
            return Link.NEXT
        return Link.OLD if update.last_seq == book_seq else Link.GAP

    def _push(self, message: _Message, recv_ns: int) -> Sequence[Event]:
        channel, _, rest = message.topic.partition(".")
        if channel == "publicTrade":
            level, venue_symbol = "", rest
        elif channel == "orderbook":
            level, _, venue_symbol = rest.partition(".")
        else:
            return (Unknown(recv_ns, message.topic),)
        instrument = self._instruments.get(venue_symbol)
        if instrument is None:
            return (Unknown(recv_ns, "other instrument"),)
        if channel == "publicTrade":
            return [_trade(instrument, t, recv_ns) for t in _decode_trades(message.data)]
        if message.type not in ("snapshot", "delta"):
            raise ValueError(f"a book message of type {message.type!r}")
        book = _decode_book(message.data)
        _same(instrument, book.s)
        exch_ns = message.ts * _MILLISECOND
        bids, asks = _levels(instrument, book.b, book.a)
        snapshot = message.type == "snapshot"
        if snapshot and (np.any(bids[:, 1] == 0) or np.any(asks[:, 1] == 0)):
            raise ValueError("an empty level in a snapshot")
        if level == "1":
            if not snapshot:
                return (Unknown(recv_ns, "orderbook.1 delta"),)
            return (_quote(instrument, bids, asks, recv_ns, exch_ns),)
        replaces = snapshot or book.u == 1  # 1: the venue's service restarted, whatever the message's label
        return (
            BookUpdate(instrument.symbol, recv_ns, exch_ns, book.u, book.u, -1, replaces, bids, asks, -1),
        )


def _request(op: str, topics: list[str], request_id: int) -> str:
    return msgspec.json.encode({"req_id": str(request_id), "op": op, "args": topics}).decode()


def _answer(message: _Message, recv_ns: int) -> Event:
    """A pong has the op `ping` on these markets and `pong` on others."""
    if not message.success or message.op in ("subscribe", "unsubscribe"):
        request_id = to_units(message.req_id, 0) if message.req_id else -1
        return Ack(recv_ns, request_id, message.success, "" if message.success else message.ret_msg)
    if message.op in ("ping", "pong"):
        return Heartbeat(recv_ns)
    return Unknown(recv_ns, message.op or "unnamed")


def _same(instrument: Instrument, venue_symbol: str) -> None:
    if venue_symbol != instrument.venue_symbol:
        raise ValueError(f"data of {venue_symbol!r} under the topic of {instrument.venue_symbol!r}")


def _levels(instrument: Instrument, bids: msgspec.Raw, asks: msgspec.Raw) -> tuple[Levels, Levels]:
    return parse_both(bytes(bids), bytes(asks), instrument.price_decimals, instrument.qty_decimals)


def _quote(instrument: Instrument, bids: Levels, asks: Levels, recv_ns: int, exch_ns: int) -> Quote:
    """No oracle: level 1 has its own count of `u`, so nothing says which state of the book it belongs to."""
    if len(bids) > 1 or len(asks) > 1:
        raise ValueError("more than one level a side at depth 1")
    bid, bid_qty = bids[0].tolist() if len(bids) else (0, 0)
    ask, ask_qty = asks[0].tolist() if len(asks) else (0, 0)
    return Quote(instrument.symbol, recv_ns, exch_ns, -1, bid, bid_qty, ask, ask_qty)


def _trade(instrument: Instrument, trade: _Trade, recv_ns: int) -> Event:
    _same(instrument, trade.s)
    if trade.BT:  # agreed off the book: it took no queue there, and its price may be far away
        return Unknown(recv_ns, "block trade")
    number = int(trade.i) if trade.i.isdecimal() and len(trade.i) < 20 else -1  # linear: a UUID
    return Trade(
        instrument.symbol,
        recv_ns,
        trade.T * _MILLISECOND,
        number if number < 1 << 63 else -1,
        to_units(trade.p, instrument.price_decimals),
        to_units(trade.v, instrument.qty_decimals),
        int(Side.BUY if trade.S == "Buy" else Side.SELL),
    )
