"""OKX v5, all markets: `books` (400 levels, snapshot and updates), `bbo-tbt`, `trades`.

Source: okx.com/docs-v5, "Order book channel" and "Trades channel" of the public websocket.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import zip_longest
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

STREAM_URL: Final = "wss://ws.okx.com:443/ws/v5/public"
"""The documentation writes port 8443; 443 serves the same, passes more firewalls, and is ccxt.pro's."""
REST_URL: Final = "https://www.okx.com"
_MILLISECOND: Final = 1_000_000
_EMPTY: Final = msgspec.Raw(b"")

_Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
_Seq = Annotated[int, msgspec.Meta(ge=-1, le=1 << 62)]
_Crc = Annotated[int, msgspec.Meta(ge=-(1 << 31), lt=1 << 32)]


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815


class _Message(msgspec.Struct):
    """A channel's envelope, or the answer to a request."""

    event: str = ""
    arg: _Arg | None = None
    action: str = ""
    data: msgspec.Raw = _EMPTY
    code: str = ""
    msg: str = ""
    id: str = ""


class _Book(msgspec.Struct):
    asks: msgspec.Raw
    bids: msgspec.Raw
    ts: _Millis
    checksum: _Crc = 0
    seqId: _Seq = -1  # noqa: N815
    prevSeqId: _Seq = -1  # noqa: N815


class _Trade(msgspec.Struct):
    instId: str  # noqa: N815
    tradeId: _Seq  # noqa: N815
    px: str
    sz: str
    side: Literal["buy", "sell"]
    ts: _Millis


_decode = msgspec.json.Decoder(_Message).decode
# Not strict: OKX writes times and trade ids as texts.
_decode_books = msgspec.json.Decoder(list[_Book], strict=False).decode
_decode_trades = msgspec.json.Decoder(list[_Trade], strict=False).decode


class Okx:
    """Codec and sync rules of OKX for the given instruments, spot and derivatives alike."""

    verified = True
    heartbeat = False
    depth = 0
    checksum_depth = 25

    def __init__(self, instruments: Sequence[Instrument], venue: str = "okx") -> None:
        self.venue = venue
        self._instruments = {i.venue_symbol: i for i in instruments}

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        return [_request("subscribe", instruments, ("books", "bbo-tbt", "trades"), request_id)]

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        return [_request(op, (instrument,), ("books",), request_id) for op in ("unsubscribe", "subscribe")]

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return None

    def ping(self) -> str | None:
        """Due when nothing came for 30 s; without it the venue ends the connection."""
        return "ping"

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        """Unsigned CRC32 of `price:size` of bid, ask, bid, …, as the venue writes them: no trailing zeros."""
        price, qty = instrument.price_decimals, instrument.qty_decimals
        text = ":".join(
            f"{_text(level[0], price)}:{_text(level[1], qty)}"
            for pair in zip_longest(bids.tolist(), asks.tolist())
            for level in pair
            if level is not None
        )
        return zlib.crc32(text.encode())

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`."""
        if raw == b"pong":
            return (Heartbeat(recv_ns),)
        channel = ""
        try:
            message = _decode(raw)
            channel = message.arg.channel if message.arg is not None else ""
            if message.event:
                return (_answer(message, recv_ns),)
            if message.arg is None:
                return (Unknown(recv_ns, "unnamed"),)
            return self._push(message, message.arg, recv_ns)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, channel or channel_in(raw), raw, str(error)) from None

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """Each update names the one before it. A lower number is no old news: a maintenance resets them.

        An update without change names itself. Without sequence numbers, as before 2023, all are -1, and the
        checksum is what shows a hole.
        """
        if update.prev_seq == book_seq:
            return Link.NEXT
        return Link.OLD if update.last_seq == book_seq else Link.GAP

    def _push(self, message: _Message, arg: _Arg, recv_ns: int) -> Sequence[Event]:
        if arg.channel not in ("books", "bbo-tbt", "trades"):
            return (Unknown(recv_ns, arg.channel or "unnamed"),)
        instrument = self._instruments.get(arg.instId)
        if instrument is None:
            return (Unknown(recv_ns, "other instrument"),)
        if arg.channel == "trades":
            return [_trade(instrument, t, recv_ns) for t in _decode_trades(message.data)]
        if arg.channel == "bbo-tbt":
            return [_quote(instrument, b, recv_ns) for b in _decode_books(message.data)]
        if message.action not in ("snapshot", "update"):
            raise ValueError(f"a book message of action {message.action!r}")
        snapshot = message.action == "snapshot"
        return [_book(instrument, b, snapshot, recv_ns) for b in _decode_books(message.data)]


def _request(op: str, instruments: Sequence[Instrument], channels: Sequence[str], request_id: int) -> str:
    args = [{"channel": c, "instId": i.venue_symbol} for i in instruments for c in channels]
    return msgspec.json.encode({"id": str(request_id), "op": op, "args": args}).decode()


def _answer(message: _Message, recv_ns: int) -> Event:
    """A request is answered once for each of its channels."""
    request_id = to_units(message.id, 0) if message.id else -1
    if message.event == "error":
        return Ack(recv_ns, request_id, False, f"{message.code} {message.msg}")
    if message.event in ("subscribe", "unsubscribe"):
        return Ack(recv_ns, request_id, True, "")
    return Unknown(recv_ns, f"{message.event} {message.code}".strip() or "unnamed")


def _text(units: int, decimals: int) -> str:
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}".rstrip("0") if fraction else str(whole)


def _levels(instrument: Instrument, bids: msgspec.Raw, asks: msgspec.Raw) -> tuple[Levels, Levels]:
    return parse_both(bytes(bids), bytes(asks), instrument.price_decimals, instrument.qty_decimals)


def _book(instrument: Instrument, book: _Book, snapshot: bool, recv_ns: int) -> BookUpdate:
    bids, asks = _levels(instrument, book.bids, book.asks)
    if snapshot and (np.any(bids[:, 1] == 0) or np.any(asks[:, 1] == 0)):
        raise ValueError("an empty level in a snapshot")
    if not snapshot and (book.seqId < 0) != (book.prevSeqId < 0):
        raise ValueError(f"an update with seqId {book.seqId} and prevSeqId {book.prevSeqId}")
    if book.seqId < 0 and book.checksum == 0:
        raise ValueError("neither a seqId nor a checksum: nothing to verify the book by")
    return BookUpdate(
        instrument.symbol,
        recv_ns,
        book.ts * _MILLISECOND,
        book.seqId,
        book.seqId,
        -1 if snapshot else book.prevSeqId,
        snapshot,
        bids,
        asks,
        book.checksum & 0xFFFF_FFFF if book.checksum else -1,  # 0: the venue no longer computes it
    )


def _quote(instrument: Instrument, book: _Book, recv_ns: int) -> Event:
    """An instrument's channels share one sequence, so a book of the same `seqId` must show the same touch."""
    if book.seqId < 0:
        return Unknown(recv_ns, "bbo-tbt without seqId")
    bids, asks = _levels(instrument, book.bids, book.asks)
    if len(bids) > 1 or len(asks) > 1:
        raise ValueError("more than one level a side in bbo-tbt")
    bid, bid_qty = bids[0].tolist() if len(bids) else (0, 0)
    ask, ask_qty = asks[0].tolist() if len(asks) else (0, 0)
    exch_ns = book.ts * _MILLISECOND
    return Quote(instrument.symbol, recv_ns, exch_ns, book.seqId, bid, bid_qty, ask, ask_qty)


def _trade(instrument: Instrument, trade: _Trade, recv_ns: int) -> Trade:
    if trade.instId != instrument.venue_symbol:
        raise ValueError(f"a trade of {trade.instId!r} under the channel of {instrument.venue_symbol!r}")
    return Trade(
        instrument.symbol,
        recv_ns,
        trade.ts * _MILLISECOND,
        trade.tradeId,
        to_units(trade.px, instrument.price_decimals),
        to_units(trade.sz, instrument.qty_decimals),
        int(Side.BUY if trade.side == "buy" else Side.SELL),
    )
