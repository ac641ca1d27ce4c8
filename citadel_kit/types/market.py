"""What venues trade and say: instruments, decoded frames, and the protocols of codec and market source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.int64]
"""Shape (n, 2): price, quantity. In an update a quantity of 0 deletes the level."""


def to_units(text: str, decimals: int) -> int:
    """One wire number as an integer of `10**-decimals`. Raises ValueError where that would lose a digit."""
    whole, _, fraction = text.partition(".")
    missing = decimals - len(fraction)
    digits = whole + (fraction if missing >= 0 else fraction[:decimals])
    if not (digits.isascii() and digits.isdigit()) or (missing < 0 and fraction[decimals:].strip("0")):
        raise ValueError(f"{text!r} is not a number of at most {decimals} decimals")
    value = int(digits)
    if missing > 0:
        value *= 10**missing
    if value >= 1 << 62:
        raise ValueError(f"{text!r} is too large for 62 bits")
    return value


class Side(IntEnum):
    """Of an order: which way it trades. Of a trade: the aggressor's."""

    BUY = 1
    SELL = -1


class FeedState(IntEnum):
    """Only a LIVE book is in any quote, opportunity or chase."""

    INIT = 0
    SYNCING = 1
    LIVE = 2
    STALE = 3
    GAP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What one venue trades under one unified symbol, and the integer scale of its prices and quantities."""

    venue: str
    symbol: str
    """Unified: `BTC/USDT`."""
    venue_symbol: str
    """As the venue writes it: `BTCUSDT`."""
    price_decimals: int
    qty_decimals: int
    tick: int = 1
    """Smallest price step, in price units."""
    lot: int = 1
    """Smallest quantity step, in quantity units."""
    min_notional: int = 0
    """Smallest order value, in units of 10**-(price_decimals + qty_decimals) of the quote currency."""
    contract_size: float = 1.0
    """Base currency per unit of wire quantity; of an `inverse` contract, quote currency."""
    inverse: bool = field(init=False)
    """Is it a contract that settles in its base currency, as `BTC/USD:BTC`? Its quantities are sums of the
    quote currency: what they are in base units depends on the price."""

    def __post_init__(self) -> None:
        pair, _, settle = self.symbol.partition(":")
        base = settle.partition("-")[0]
        object.__setattr__(self, "inverse", bool(base) and pair.startswith(f"{base}/"))

    def price(self, units: int) -> float:
        """For display and metrics only."""
        return float(units / 10**self.price_decimals)

    def qty(self, units: int) -> float:
        """For display and metrics only."""
        return float(units / 10**self.qty_decimals)

    def base_qty(self, price: int, qty: int) -> float:
        """In base units, at a price that is not 0; for display and metrics only."""
        size = self.qty(qty) * self.contract_size
        return size / self.price(price) if self.inverse else size

    def notional(self, price: int, qty: int) -> float:
        """Worth in the quote currency, for display and metrics only."""
        size = self.qty(qty) * self.contract_size
        return size if self.inverse else self.price(price) * size


class BookUpdate(NamedTuple):
    """A snapshot (replaces the book) or a delta (absolute quantities per level)."""

    symbol: str
    recv_ns: int
    exch_ns: int
    first_seq: int
    last_seq: int
    prev_seq: int
    """Last sequence of the update before this one where the venue says it, else -1."""
    is_snapshot: bool
    bids: Levels
    asks: Levels
    checksum: int
    """Of the book after this update and after it was cut to the codec's `depth`; -1 where there is none."""


class BookTop(NamedTuple):
    """Best bid and ask of one verified book. A missing side has price and quantity 0."""

    recv_ns: int
    exch_ns: int
    seq: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


class Quote(NamedTuple):
    """The venue's own best bid and ask (Binance's `bookTicker`): an oracle for the rebuilt book."""

    symbol: str
    recv_ns: int
    exch_ns: int
    seq: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


class Trade(NamedTuple):
    """One public trade; `side` is the aggressor's `Side` as an int."""

    symbol: str
    recv_ns: int
    exch_ns: int
    trade_id: int
    price: int
    qty: int
    side: int


class Heartbeat(NamedTuple):
    """The venue says it is alive: its own heartbeat, or the answer to a ping."""

    recv_ns: int


class ConnectionSeq(NamedTuple):
    """The number of a frame within its connection, over all channels; the first event of that frame."""

    recv_ns: int
    seq: int


class Ack(NamedTuple):
    """Answer to a subscribe or unsubscribe request."""

    recv_ns: int
    request_id: int
    ok: bool
    message: str


class Shutdown(NamedTuple):
    """The venue is about to end this connection: another is to be opened before it does."""

    recv_ns: int
    message: str


class Unknown(NamedTuple):
    """A message of a kind the codec does not know: counted, not fatal."""

    recv_ns: int
    kind: str


Event = BookUpdate | Quote | Trade | Heartbeat | ConnectionSeq | Ack | Shutdown | Unknown


class Link(IntEnum):
    """How a delta follows the book's last sequence."""

    NEXT = 0
    """Apply it."""
    OLD = 1
    """Already contained: ignore it."""
    GAP = 2
    """Something between is missing."""


class Codec(Protocol):
    """One venue's wire: bytes ⇄ types, and its rules of sync and integrity. Pure; holds no book.

    A book can be had anew in one of three ways: by REST (`snapshot_path`), by `resubscribe`, or, where both
    give nothing, by a new connection.
    """

    venue: str
    verified: bool
    """Is every book held to what the venue offers to check it by? Where it is not, the venue counts only
    where the user allows it."""
    heartbeat: bool
    """Does the venue send a heartbeat of its own, every 2 s or more often, once `subscribe` was sent?"""
    depth: int
    """Levels a side that the venue keeps up to date, to which the book is cut after each message; 0: all."""
    checksum_depth: int
    """Best levels a side that `checksum` covers; 0 where the venue has none."""

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        """The messages that subscribe to all the kit reads: book, trades, best quote, heartbeat."""

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        """The messages that bring a new snapshot in the stream: unsubscribe and subscribe, of one book only.

        Empty where the stream sends none on request.
        """

    def snapshot_path(self, instrument: Instrument) -> str | None:
        """Path and query of the REST book snapshot; None where the stream sends its own."""

    def ping(self) -> str | None:
        """A message that the venue answers with what decodes to `Heartbeat`; None where there is none."""

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """Events of one frame, or of a REST snapshot's bare body. Raises DecodeError.

        `symbol`: whose snapshot was asked for, where the body does not say it. Every event with a symbol is
        of one of the codec's instruments; what a frame says about another is `Unknown("other instrument")`.
        """

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """May this delta be applied to a book whose last sequence is `book_seq`?

        `just_synced`: no delta was applied since the snapshot; some venues allow an overlap only there.
        """

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        """What `BookUpdate.checksum` must be; the best `checksum_depth` levels a side, best first."""


class Frame(NamedTuple):
    """One message off a wire, or the body of a REST answer, as a feed hands it to a driver."""

    venue: str
    recv_ns: int
    raw: bytes


class BookReader(Protocol):
    """Read access to one verified book."""

    def top(self) -> BookTop: ...

    def qty_at(self, side: int, price: int) -> int:
        """Quantity resting at exactly this price on `Side.BUY` (bids) or `Side.SELL` (asks); 0 if none."""

    def levels(self, side: int, depth: int) -> Levels:
        """The best `depth` levels of a side, best first."""


class MarketSource(Protocol):
    """A recorded or simulated market: frames of one or more venues in order of `recv_ns`."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """One per venue, all of one symbol."""

    @property
    def wire(self) -> str:
        """The venue whose wire form the frames have; see `venues.codec`."""

    @property
    def start_ns(self) -> int:
        """Receive time of the first frame."""

    @property
    def includes_our_orders(self) -> bool:
        """Does the feed show our own resting size? A live venue does, a tape doesn't."""

    def frames(self) -> Iterator[Frame]:
        """From the start; may be called again."""

    def snapshot(self, venue: str, path: str) -> bytes | None:
        """Body of a REST book snapshot as of the last frame; None where the frames carry their own."""
