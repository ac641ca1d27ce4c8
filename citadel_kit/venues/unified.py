"""Venues that are had through a client library: its books and trades as messages of one form.

Nothing here proves a book: the library keeps it and hands out what it believes it to be. So such a venue is
not `verified`. A message is what the library said, number for number, so that it can be recorded and played
again like any other frame; here the numbers become integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import DecodeError
from citadel_kit.types import (
    BookUpdate,
    Event,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    Side,
    Trade,
    Unknown,
)

_MILLISECOND: Final = 1_000_000
_EXACT: Final = 1e-12
"""Of a price: as far as a double may be from the number it was read from, with room for one operation."""
_LARGEST: Final = float(1 << 62)


class Book(msgspec.Struct, tag_field="kind", tag="book"):
    """The best levels of a book, best first; it replaces the one before."""

    symbol: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    time_ms: int = 0
    nonce: int = -1


class Deal(msgspec.Struct):
    price: float
    qty: float
    side: str
    """The taker's; empty where the venue does not say it."""
    time_ms: int = 0
    id: str = ""


class Deals(msgspec.Struct, tag_field="kind", tag="trades"):
    symbol: str
    trades: list[Deal]


class Beat(msgspec.Struct, tag_field="kind", tag="beat"):
    """Something came over every connection since the last one."""


_decode = msgspec.json.Decoder(Book | Deals | Beat).decode


class Unified:
    """Codec of these messages for the given instruments of one venue. It asks the venue for nothing."""

    verified = False
    heartbeat = True
    depth = 0
    checksum_depth = 0

    def __init__(self, instruments: Sequence[Instrument], venue: str) -> None:
        self.venue = venue
        self._instruments = {i.symbol: i for i in instruments}

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        """Empty: the library subscribes, and subscribes again."""
        return []

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        """Empty: a book is had anew with a new connection."""
        return []

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return None

    def ping(self) -> str | None:
        return None

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        """Every book is a snapshot; there is nothing to link."""
        return Link.GAP

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        return -1

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        """See `Codec.decode`. A price that is not one of the instrument's is malformed.

        A quantity is rounded to the instrument's units: libraries add and subtract them as floats.
        """
        channel = ""
        try:
            message = _decode(raw)
            if isinstance(message, Beat):
                return (Heartbeat(recv_ns),)
            channel = message.symbol
            instrument = self._instruments.get(message.symbol)
            if instrument is None:
                return (Unknown(recv_ns, "other instrument"),)
            if isinstance(message, Book):
                return (_book(instrument, message, recv_ns),)
            return [_trade(instrument, deal, recv_ns) for deal in message.trades]
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DecodeError(self.venue, channel, raw, str(error)) from None


def _book(instrument: Instrument, book: Book, recv_ns: int) -> BookUpdate:
    return BookUpdate(
        instrument.symbol,
        recv_ns,
        book.time_ms * _MILLISECOND,
        book.nonce,
        book.nonce,
        -1,
        True,
        _levels(instrument, book.bids),
        _levels(instrument, book.asks),
        -1,
    )


def _levels(instrument: Instrument, rows: list[tuple[float, float]]) -> Levels:
    numbers = np.array(rows, np.float64).reshape(-1, 2)
    levels = np.empty(numbers.shape, np.int64)
    levels[:, 0] = _prices(instrument, numbers[:, 0])
    levels[:, 1] = _units(numbers[:, 1], instrument.qty_decimals)
    return levels[levels[:, 1] > 0]


def _trade(instrument: Instrument, deal: Deal, recv_ns: int) -> Event:
    if deal.side not in ("buy", "sell"):
        return Unknown(recv_ns, "trade without a side")
    known = deal.id.isdecimal() and deal.id.isascii() and len(deal.id) < 19
    return Trade(
        instrument.symbol,
        recv_ns,
        deal.time_ms * _MILLISECOND,
        int(deal.id) if known else -1,
        int(_prices(instrument, np.array([deal.price]))[0]),
        int(_units(np.array([deal.qty]), instrument.qty_decimals)[0]),
        int(Side.BUY if deal.side == "buy" else Side.SELL),
    )


def _prices(instrument: Instrument, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    units = _units(numbers, instrument.price_decimals)
    wrong = (units == 0) | (np.abs(units / 10**instrument.price_decimals - numbers) > _EXACT * numbers)
    if np.any(wrong):
        first = float(numbers[wrong][0])
        raise ValueError(f"{first!r} is not a price of {instrument.price_decimals} decimals")
    return units


def _units(numbers: NDArray[np.float64], decimals: int) -> NDArray[np.int64]:
    with np.errstate(over="ignore"):  # what is too large is said below
        scaled = np.rint(numbers * 10.0**decimals)
    if not np.all((scaled >= 0) & (scaled < _LARGEST)):
        raise ValueError("a number is negative, too large, or none")
    return scaled.astype(np.int64)
