"""Kraken spot, websocket v2: `book` at depth 25 with its checksum, `trade`, and the `instrument` channel.

Source: docs.kraken.com, "Spot WebSocket v2" and "Book checksum (v2)". `ticker` isn't read: it carries neither
a sequence nor a time that would say which book it belongs to.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from citadel_kit.errors import DecodeError
from citadel_kit.ladder import digits, parse_both
from citadel_kit.types import (
    Ack,
    BookUpdate,
    Event,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    Side,
    Trade,
    Unknown,
    to_units,
)
from citadel_kit.venues.channel import channel_in
from citadel_kit.venues.iso8601 import iso_ns

STREAM_URL: Final = "wss://ws.kraken.com/v2"
REST_URL: Final = "https://api.kraken.com"
DEPTH: Final = 25
"""Of 10, 25, 100, 500 or 1000. The checksum covers ten levels: a loss behind them shows late or never."""
_EMPTY: Final = msgspec.Raw(b"")
_EXPONENT: Final = re.compile(r"\d{1,20}(\.\d{1,20})?[eE][+-]?\d{1,2}", re.ASCII)

_Crc = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
_Id = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
_RequestId = Annotated[int, msgspec.Meta(ge=-1, lt=1 << 62)]
_Decimals = Annotated[int, msgspec.Meta(ge=0, le=18)]


class _Message(msgspec.Struct):
    """A channel's envelope, or the answer to a request."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = _EMPTY
    method: str = ""
    success: bool = False
    error: str = ""
    symbol: str = ""
    req_id: _RequestId = -1


class _Book(msgspec.Struct):
    symbol: str
    bids: msgspec.Raw
    asks: msgspec.Raw
    checksum: _Crc
    timestamp: str = ""


class _Trade(msgspec.Struct):
    symbol: str
    side: Literal["buy", "sell"]
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: _Id
    timestamp: str


class _Pair(msgspec.Struct):
    symbol: str
    price_precision: _Decimals
    qty_precision: _Decimals
    price_increment: msgspec.Raw
    qty_increment: msgspec.Raw
    cost_min: msgspec.Raw


class _Pairs(msgspec.Struct):
    pairs: list[_Pair]


_decode = msgspec.json.Decoder(_Message).decode
_decode_books = msgspec.json.Decoder(list[_Book]).decode
_decode_trades = msgspec.json.Decoder(list[_Trade]).decode
_decode_pairs = msgspec.json.Decoder(_Pairs).decode


class Kraken:
    """Codec and sync rules of Kraken for the given instruments.

    Their decimals must be those that the wire writes, trailing zeros included: the checksum is over digits.
    """

    verified = True
    heartbeat = True
    depth = DEPTH
    checksum_depth = 10

    def __init__(self, instruments: Sequence[Instrument], venue: str = "kraken") -> None:
        self.venue = venue
        self._instruments = {i.venue_symbol: i for i in instruments}

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        return [
            _request("subscribe", instruments, request_id, channel="book", depth=DEPTH, snapshot=True),
            _request("subscribe", instruments, request_id, channel="trade", snapshot=False),
        ]

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        return [
            _request("unsubscribe", (instrument,), request_id, channel="book", depth=DEPTH),
            _request("subscribe", (instrument,), request_id, channel="book", depth=DEPTH, snapshot=True),
        ]

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return None

    def ping(self) -> str | None:
        return '{"method":"ping"}'

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        """Unsigned CRC32 of the digits of prices and quantities, without leading zeros; asks come first."""
        return zlib.crc32(digits(bids), zlib.crc32(digits(asks)))

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`. Trades from before the subscription are `Unknown("trade history")`."""
        channel = ""
        try:
            message = _decode(raw)
            channel = message.channel
            if channel == "book":
                return self._books(message, recv_ns)
            if channel == "trade":
                return self._trades(message, recv_ns)
            if channel == "heartbeat":
                return (Heartbeat(recv_ns),)
            if channel:
                return (Unknown(recv_ns, channel),)
            return (_answer(message, recv_ns),)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, channel or channel_in(raw), raw, str(error)) from None

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """Kraken numbers nothing: the checksum is what tells a hole."""
        return Link.NEXT

    def _books(self, message: _Message, recv_ns: int) -> Sequence[Event]:
        if message.type not in ("snapshot", "update"):
            raise ValueError(f"a book message of type {message.type!r}")
        snapshot = message.type == "snapshot"
        return [self._book(book, snapshot, recv_ns) for book in _decode_books(message.data)]

    def _book(self, book: _Book, snapshot: bool, recv_ns: int) -> Event:
        instrument = self._instruments.get(book.symbol)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        price, qty = instrument.price_decimals, instrument.qty_decimals
        bids, asks = parse_both(bytes(book.bids), bytes(book.asks), price, qty)
        exch_ns = iso_ns(book.timestamp)
        return BookUpdate(
            instrument.symbol, recv_ns, exch_ns, -1, -1, -1, snapshot, bids, asks, book.checksum
        )

    def _trades(self, message: _Message, recv_ns: int) -> Sequence[Event]:
        trades = [self._trade(trade, recv_ns) for trade in _decode_trades(message.data)]
        return trades if message.type == "update" else (Unknown(recv_ns, "trade history"),)

    def _trade(self, trade: _Trade, recv_ns: int) -> Event:
        instrument = self._instruments.get(trade.symbol)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        return Trade(
            instrument.symbol,
            recv_ns,
            iso_ns(trade.timestamp),
            trade.trade_id,
            _units(trade.price, instrument.price_decimals),
            _units(trade.qty, instrument.qty_decimals),
            int(Side.BUY if trade.side == "buy" else Side.SELL),
        )


def instruments(raw: bytes, venue: str = "kraken") -> list[Instrument]:
    """The pairs of a frame of the `instrument` channel; none for any other frame. Raises DecodeError.

    Their `symbol` is Kraken's, which is the unified one.
    """
    try:
        message = _decode(raw)
        if message.channel != "instrument":
            return []
        return [_instrument(pair, venue) for pair in _decode_pairs(message.data).pairs]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(venue, "instrument", raw, str(error)) from None


def _instrument(pair: _Pair, venue: str) -> Instrument:
    price, qty = pair.price_precision, pair.qty_precision
    return Instrument(
        venue=venue,
        symbol=pair.symbol,
        venue_symbol=pair.symbol,
        price_decimals=price,
        qty_decimals=qty,
        tick=_units(pair.price_increment, price),
        lot=_units(pair.qty_increment, qty),
        min_notional=_units(pair.cost_min, price + qty),
    )


def _units(raw: msgspec.Raw, decimals: int) -> int:
    """A JSON number, which outside of books may be written with an exponent: `1e-08`."""
    text = bytes(raw).decode()
    if _EXPONENT.fullmatch(text):
        text = f"{Decimal(text):f}"
    return to_units(text, decimals)


def _request(method: str, of: Sequence[Instrument], request_id: int, **params: Any) -> str:
    body = {"method": method, "params": {**params, "symbol": [i.venue_symbol for i in of]}}
    return msgspec.json.encode({**body, "req_id": request_id}).decode()


def _answer(message: _Message, recv_ns: int) -> Event:
    """A request is answered once for each of its symbols."""
    if message.method == "pong":
        return Heartbeat(recv_ns)
    if message.error or message.method in ("subscribe", "unsubscribe"):
        problem = f"{message.error} {message.symbol}".strip()
        return Ack(recv_ns, message.req_id, message.success, problem)
    return Unknown(recv_ns, message.method or "unnamed")
