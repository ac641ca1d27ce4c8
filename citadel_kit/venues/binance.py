"""Binance, spot and USD-M futures: streams `depth@100ms`, `bookTicker`, `trade`, and the REST book snapshot.

Sources: binance/binance-spot-api-docs, `web-socket-streams.md`, and developers.binance.com, USDⓈ-M futures:
"How to manage a local order book correctly" in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import numpy as np

from citadel_kit.errors import DecodeError
from citadel_kit.ladder import LATEST_MS, STREAM, parse_both, read_event
from citadel_kit.types import (
    Ack,
    BookUpdate,
    Event,
    Instrument,
    Levels,
    Link,
    Quote,
    Shutdown,
    Side,
    Trade,
    Unknown,
    to_units,
)
from citadel_kit.venues.channel import channel_in

STREAM_URL: Final = "wss://stream.binance.com:9443/stream"
REST_URL: Final = "https://api.binance.com"
USDM_STREAM_URL: Final = "wss://fstream.binance.com/public/stream"
USDM_REST_URL: Final = "https://fapi.binance.com"
SNAPSHOT_LEVELS: Final = 1000
"""A side; levels beyond are unknown until they change."""
_MILLISECOND: Final = 1_000_000
_EMPTY: Final = msgspec.Raw(b"")
_new: Final = tuple.__new__  # what a NamedTuple's own calls, in half the time
_NEXT, _OLD, _GAP = Link.NEXT, Link.OLD, Link.GAP  # to look a member up takes 0.1 µs

_Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
_Id = Annotated[int, msgspec.Meta(ge=-1, le=1 << 62)]


class _Data(msgspec.Struct):
    """The union of the payloads we read. `b` and `a` are level lists in a depth event, texts in a quote.

    Only USD-M has `pu`, `X`, and `e` in a quote.
    """

    e: str = ""
    E: _Millis = 0
    s: str = ""
    U: _Id = -1
    u: _Id = -1
    pu: _Id = -1
    b: msgspec.Raw = _EMPTY
    a: msgspec.Raw = _EMPTY
    B: str = ""
    A: str = ""
    t: _Id = -1
    T: _Millis = 0
    p: str = ""
    q: str = ""
    m: bool = False
    X: str = "MARKET"


class _Message(msgspec.Struct):
    """A stream's envelope, the answer to a request, or the bare body of a REST snapshot."""

    stream: str = ""
    data: _Data | None = None
    event: _Data | None = None
    e: str = ""
    id: _Id | None = None
    error: msgspec.Raw = _EMPTY
    lastUpdateId: _Id = -1  # noqa: N815
    bids: msgspec.Raw = _EMPTY
    asks: msgspec.Raw = _EMPTY


_KINDS: Final = frozenset(("depthUpdate", "trade", "bookTicker"))
_SHUTDOWN: Final = "serverShutdown"
"""Sent unasked, some ten minutes before the server ends its connections; in which envelope, the documentation
of the streams does not say, so each of the three that Binance has is read."""
_decode = msgspec.json.Decoder(_Message).decode


class BinanceSpot:
    """Codec and sync rules of Binance spot for the given instruments.

    `venue` names the feed: whoever speaks this wire under another name (the synthetic market) says so here.
    Binance has no ping message and counts what it is sent (five messages a second), so the ping frames of the
    websocket protocol have to do.
    """

    verified = True
    heartbeat = False
    depth = 0
    checksum_depth = 0
    _snapshot_route = "/api/v3/depth"

    def __init__(self, instruments: Sequence[Instrument], venue: str = "binance") -> None:
        self.venue = venue
        self._instruments = {i.venue_symbol: i for i in instruments}
        self._only = instruments[0] if len(instruments) == 1 else None
        self._depths = {
            b"%b%b@depth" % (STREAM, i.venue_symbol.lower().encode()): i
            for i in instruments
            if i.venue_symbol.isascii() and i.venue_symbol == i.venue_symbol.upper()  # as the venue writes it
        }
        self._depth_heads = tuple(self._depths)

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        params = [
            f"{i.venue_symbol.lower()}@{channel}"
            for i in instruments
            for channel in ("depth@100ms", "bookTicker", "trade")
        ]
        return [msgspec.json.encode({"method": "SUBSCRIBE", "params": params, "id": request_id}).decode()]

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return f"{self._snapshot_route}?symbol={instrument.venue_symbol}&limit={SNAPSHOT_LEVELS}"

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        """Empty: the book is had anew by REST."""
        return []

    def ping(self) -> str | None:
        return None

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`. A REST body names no symbol: it is `symbol`'s, or the only instrument's."""
        if raw.startswith(self._depth_heads) and (update := self._usual_depth(raw, recv_ns)):
            return (update,)
        channel = ""
        try:
            message = _decode(raw)
            data = message.data
            if data is not None:
                channel = message.stream
                return (self._event(channel, data, recv_ns),)
            if (message.event.e if message.event is not None else message.e) == _SHUTDOWN:
                return (Shutdown(recv_ns, _SHUTDOWN),)
            if message.lastUpdateId >= 0:
                channel = "snapshot"
                return (self._snapshot(message, recv_ns, symbol),)
            if message.id is not None or message.error:
                problem = bytes(message.error).decode()
                return (Ack(recv_ns, -1 if message.id is None else message.id, not problem, problem),)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, channel or channel_in(raw), raw, str(error)) from None
        return (Unknown(recv_ns, channel or "unnamed"),)

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """The first delta after a snapshot must contain the id behind it; each later one must start there."""
        if update.last_seq <= book_seq:
            return _OLD
        follows = update.first_seq <= book_seq + 1 if just_synced else update.first_seq == book_seq + 1
        return _NEXT if follows else _GAP

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        """Binance has none."""
        return -1

    def _event(self, channel: str, data: _Data, recv_ns: int) -> Event:
        known = data.e in _KINDS or (not data.e and channel.endswith("@bookTicker"))
        if data.e == _SHUTDOWN:
            return Shutdown(recv_ns, _SHUTDOWN)
        if not known:
            return Unknown(recv_ns, data.e or channel or "unnamed")
        if not data.s:
            raise ValueError("no symbol")
        instrument = self._instruments.get(data.s)
        if instrument is None:
            return Unknown(recv_ns, "other instrument")
        if data.e == "depthUpdate":
            return self._depth(instrument, data, recv_ns)
        if data.e != "trade":
            return self._quote(instrument, data, recv_ns)
        if data.X != "MARKET":  # liquidations taken over by the insurance fund and the like: not in the book
            return Unknown(recv_ns, f"trade {data.X}")
        return self._trade(instrument, data, recv_ns)

    def _usual_depth(self, raw: bytes, recv_ns: int) -> BookUpdate | None:
        """What `_depth` makes of it, in half the time; None where it is not written as it usually is."""
        instrument = self._only or self._depths[raw[: raw.index(b"@depth") + len(b"@depth")]]
        read = read_event(raw, instrument.price_decimals, instrument.qty_decimals)
        if read is None:
            return None
        event_ms, first, last, before, bids, asks = read
        if not 0 <= first <= last:
            return None
        exch_ns = event_ms * _MILLISECOND
        update = instrument.symbol, recv_ns, exch_ns, first, last, before, False, bids, asks, -1
        return _new(BookUpdate, update)

    def _depth(self, instrument: Instrument, data: _Data, recv_ns: int) -> BookUpdate:
        first, last = data.U, data.u
        if not 0 <= first <= last:
            raise ValueError(f"first update id {first} and last {last} are no range")
        price, qty = instrument.price_decimals, instrument.qty_decimals
        bids, asks = parse_both(bytes(data.b), bytes(data.a), price, qty)
        exch_ns = data.E * _MILLISECOND
        update = instrument.symbol, recv_ns, exch_ns, first, last, data.pu, False, bids, asks, -1
        return _new(BookUpdate, update)

    def _snapshot(self, message: _Message, recv_ns: int, symbol: str) -> BookUpdate:
        ours = (i for i in self._instruments.values() if i.symbol == symbol)
        instrument = next(ours, None) if symbol else self._only
        if instrument is None:
            raise ValueError(f"a REST snapshot doesn't name its symbol, and {symbol!r} is none of ours")
        last = message.lastUpdateId
        price, qty = instrument.price_decimals, instrument.qty_decimals
        bids, asks = parse_both(bytes(message.bids), bytes(message.asks), price, qty)
        if np.any(bids[:, 1] == 0) or np.any(asks[:, 1] == 0):
            raise ValueError("an empty level in a snapshot")
        return BookUpdate(instrument.symbol, recv_ns, 0, last, last, -1, True, bids, asks, -1)

    def _quote(self, instrument: Instrument, data: _Data, recv_ns: int) -> Quote:
        price, qty = instrument.price_decimals, instrument.qty_decimals
        return Quote(
            instrument.symbol,
            recv_ns,
            data.E * _MILLISECOND,  # 0 on spot, whose bookTicker carries no time
            data.u,
            to_units(bytes(data.b).decode().strip('"'), price),
            to_units(data.B, qty),
            to_units(bytes(data.a).decode().strip('"'), price),
            to_units(data.A, qty),
        )

    def _trade(self, instrument: Instrument, data: _Data, recv_ns: int) -> Trade:
        # `m`: the buyer is the maker, so the aggressor sold.
        return Trade(
            instrument.symbol,
            recv_ns,
            data.T * _MILLISECOND,
            data.t,
            to_units(data.p, instrument.price_decimals),
            to_units(data.q, instrument.qty_decimals),
            int(Side.SELL if data.m else Side.BUY),
        )


class BinanceUsdm(BinanceSpot):
    """USD-M futures: the same wire with a link of its own, and update ids that leave holes between events."""

    _snapshot_route = "/fapi/v1/depth"

    def __init__(self, instruments: Sequence[Instrument], venue: str = "binanceusdm") -> None:
        super().__init__(instruments, venue)

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """`pu` is the `u` of the event before. The first after a snapshot may contain its id, or end there.

        An event without `pu` is a gap: nothing says what came before it.
        """
        last = update.last_seq
        if last < book_seq or (last == book_seq and not just_synced):
            return _OLD
        if update.prev_seq == book_seq:
            return _NEXT
        contains = just_synced and 0 <= update.prev_seq < update.first_seq <= book_seq
        return _NEXT if contains else _GAP
