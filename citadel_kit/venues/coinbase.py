"""Coinbase's two public wires over the same books: Advanced Trade and Exchange.

Source: docs.cdp.coinbase.com, "Advanced Trade WebSocket channels" and "Exchange WebSocket channels". In both,
the side of a trade is the maker's, so the aggressor's is the other one. `ticker` isn't read: nothing in it
says which state of the book it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from citadel_kit.errors import DecodeError
from citadel_kit.ladder import parse_both, parse_sided
from citadel_kit.types import (
    Ack,
    BookUpdate,
    ConnectionSeq,
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

ADVANCED_STREAM_URL: Final = "wss://advanced-trade-ws.coinbase.com"
ADVANCED_REST_URL: Final = "https://api.coinbase.com"
EXCHANGE_STREAM_URL: Final = "wss://ws-feed.exchange.coinbase.com"
EXCHANGE_REST_URL: Final = "https://api.exchange.coinbase.com"
_EMPTY: Final = msgspec.Raw(b"")
_AGGRESSOR: Final = {
    "BUY": int(Side.SELL),
    "SELL": int(Side.BUY),
    "buy": int(Side.SELL),
    "sell": int(Side.BUY),
}
"""By the side of the maker, as the one wire writes it and as the other."""

_Seq = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class _Message(msgspec.Struct):
    """Advanced Trade's envelope, or its refusal of a request."""

    channel: str = ""
    type: str = ""
    message: str = ""
    timestamp: str = ""
    sequence_num: _Seq = -1
    events: msgspec.Raw = _EMPTY


class _Book(msgspec.Struct):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: msgspec.Raw


class _Trade(msgspec.Struct):
    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _Trades(msgspec.Struct):
    type: Literal["snapshot", "update"]
    trades: list[_Trade]


class _Flat(msgspec.Struct):
    """The union of Exchange's messages that we read."""

    type: str = ""
    product_id: str = ""
    time: str = ""
    bids: msgspec.Raw = _EMPTY
    asks: msgspec.Raw = _EMPTY
    changes: msgspec.Raw = _EMPTY
    trade_id: _Seq = -1
    price: str = ""
    size: str = ""
    side: str = ""
    message: str = ""
    reason: str = ""


_decode = msgspec.json.Decoder(_Message).decode
_decode_books = msgspec.json.Decoder(list[_Book]).decode
_decode_trades = msgspec.json.Decoder(list[_Trades]).decode
_decode_flat = msgspec.json.Decoder(_Flat).decode


class _Coinbase:
    """What both wires share: a book comes anew only with a new connection, and its updates have no links."""

    verified = True
    heartbeat = True
    depth = 0
    checksum_depth = 0

    def __init__(self, instruments: Sequence[Instrument], venue: str) -> None:
        self.venue = venue
        self._instruments = {i.venue_symbol: i for i in instruments}

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        return []

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return None

    def ping(self) -> str | None:
        return None

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        return -1

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        return Link.NEXT

    def _instrument(self, product: str) -> Instrument | None:
        if not product:
            raise ValueError("no product_id")
        return self._instruments.get(product)

    def _trade(
        self, product: str, recv_ns: int, time: str, trade_id: int, price: str, size: str, maker: str
    ) -> Event:
        if maker not in _AGGRESSOR or trade_id < 0:
            raise ValueError(f"a trade of side {maker!r} and number {trade_id}")
        instrument = self._instrument(product)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        return Trade(
            instrument.symbol,
            recv_ns,
            iso_ns(time),
            trade_id,
            to_units(price, instrument.price_decimals),
            to_units(size, instrument.qty_decimals),
            _AGGRESSOR[maker],
        )


class CoinbaseAdvanced(_Coinbase):
    """Codec of Coinbase Advanced Trade for the given instruments.

    Every frame is numbered within its connection, over all channels and products: a hole may be in any book.
    A `-USDC` product is answered under the name of its `-USD` twin, so it must be asked for as that.
    """

    def __init__(self, instruments: Sequence[Instrument], venue: str = "coinbase") -> None:
        super().__init__(instruments, venue)

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        """One channel a message. Without `heartbeats` the venue closes channels that are silent for 60 s."""
        products = {"product_ids": [i.venue_symbol for i in instruments]}
        return [
            msgspec.json.encode({"type": "subscribe", **of, "channel": channel}).decode()
            for channel, of in (("heartbeats", {}), ("level2", products), ("market_trades", products))
        ]

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`. Trades from before the subscription are `Unknown("trade history")`."""
        channel = ""
        try:
            message = _decode(raw)
            channel = message.channel
            events = self._events(message, recv_ns)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, channel or channel_in(raw), raw, str(error)) from None
        if message.sequence_num < 0:
            return events
        return (ConnectionSeq(recv_ns, message.sequence_num), *events)

    def _events(self, message: _Message, recv_ns: int) -> Sequence[Event]:
        channel = message.channel
        if message.type == "error":
            return (Ack(recv_ns, -1, False, message.message),)
        if not channel:
            return (Unknown(recv_ns, message.type or "unnamed"),)
        if message.sequence_num < 0:
            raise ValueError("no sequence_num")
        if channel == "l2_data":
            return [self._book(book, message, recv_ns) for book in _decode_books(message.events)]
        if channel == "market_trades":
            return self._trades(message, recv_ns)
        if channel == "heartbeats":
            return (Heartbeat(recv_ns),)
        if channel == "subscriptions":
            return (Ack(recv_ns, -1, True, ""),)
        if b'"updates"' in bytes(message.events):
            raise ValueError("a book's updates in another channel")
        return (Unknown(recv_ns, channel),)

    def _book(self, book: _Book, message: _Message, recv_ns: int) -> Event:
        instrument = self._instrument(book.product_id)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        price, qty = instrument.price_decimals, instrument.qty_decimals
        bids, asks = parse_sided(bytes(book.updates), price, qty)
        snapshot = book.type == "snapshot"
        return _update(instrument, recv_ns, message.timestamp, message.sequence_num, snapshot, bids, asks)

    def _trades(self, message: _Message, recv_ns: int) -> Sequence[Event]:
        out: list[Event] = []
        for event in _decode_trades(message.events):
            newest_last = reversed(event.trades)  # on the wire the newest comes first
            trades = [
                self._trade(t.product_id, recv_ns, t.time, to_units(t.trade_id, 0), t.price, t.size, t.side)
                for t in newest_last
            ]
            out.extend(trades if event.type == "update" else [Unknown(recv_ns, "trade history")])
        return out


class CoinbaseExchange(_Coinbase):
    """Codec of Coinbase Exchange for the given instruments.

    Its level2 frames carry neither a number nor a checksum: a lost one can't be seen. Advanced Trade shows
    the same books and numbers its frames.
    """

    verified = False

    def __init__(self, instruments: Sequence[Instrument], venue: str = "coinbaseexchange") -> None:
        super().__init__(instruments, venue)

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        """`level2_batch` is `level2`, sent every 50 ms; the latter needs an account."""
        products = [i.venue_symbol for i in instruments]
        channels = ["level2_batch", "matches", "heartbeat"]
        request = {"type": "subscribe", "product_ids": products, "channels": channels}
        return [msgspec.json.encode(request).decode()]

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`. A trade from before the subscription is `Unknown("trade history")`."""
        kind = ""
        try:
            message = _decode_flat(raw)
            kind = message.type
            return (self._event(message, recv_ns),)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, kind or channel_in(raw), raw, str(error)) from None

    def _event(self, message: _Flat, recv_ns: int) -> Event:
        kind = message.type
        if kind in ("l2update", "snapshot"):
            return self._book(message, recv_ns)
        if kind in ("match", "last_match"):
            m = message
            trade = self._trade(m.product_id, recv_ns, m.time, m.trade_id, m.price, m.size, m.side)
            return trade if kind == "match" else Unknown(recv_ns, "trade history")
        if kind == "heartbeat":
            return Heartbeat(recv_ns)
        if kind == "subscriptions":
            return Ack(recv_ns, -1, True, "")
        if kind == "error":
            return Ack(recv_ns, -1, False, f"{message.message} {message.reason}".strip())
        return Unknown(recv_ns, kind or "unnamed")

    def _book(self, message: _Flat, recv_ns: int) -> Event:
        instrument = self._instrument(message.product_id)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        price, qty = instrument.price_decimals, instrument.qty_decimals
        snapshot = message.type == "snapshot"
        if snapshot:
            bids, asks = parse_both(bytes(message.bids), bytes(message.asks), price, qty)
        else:
            bids, asks = parse_sided(bytes(message.changes), price, qty)
        return _update(instrument, recv_ns, message.time, -1, snapshot, bids, asks)


def _update(
    instrument: Instrument, recv_ns: int, time: str, seq: int, snapshot: bool, bids: Levels, asks: Levels
) -> BookUpdate:
    return BookUpdate(instrument.symbol, recv_ns, iso_ns(time), seq, seq, -1, snapshot, bids, asks, -1)
