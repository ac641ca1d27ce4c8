"""A small venue with every way to have a book anew: its codec, and its true books."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from naive import PlainLadder

from citadel_kit.errors import DecodeError
from citadel_kit.types import (
    Ack,
    BookUpdate,
    ConnectionSeq,
    Event,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    Quote,
    Side,
)

A = Instrument(venue="toy", symbol="A/B", venue_symbol="AB", price_decimals=0, qty_decimals=0)
C = Instrument(venue="toy", symbol="C/B", venue_symbol="CB", price_decimals=0, qty_decimals=0)
WAYS = ("rest", "stream", "checksum", "connection")
"""rest: snapshot by REST, sequence. stream: in the stream, sequence. checksum: in the stream, no sequence.
connection: in the stream, only on a new connection; frames are numbered, books are not."""


def frame(*events: Any) -> bytes:
    """Each event is [kind, …]: see `ToyCodec.decode`."""
    return json.dumps(events).encode()


def snap(
    symbol: str, seq: int, bids: Any = ((9, 1),), asks: Any = ((11, 1),), checksum: int = -1
) -> list[Any]:
    return ["snap", symbol, seq, seq, list(bids), list(asks), checksum]


def delta(
    symbol: str, first: int, last: int, bids: Any = (), asks: Any = (), checksum: int = -1
) -> list[Any]:
    return ["delta", symbol, first, last, list(bids), list(asks), checksum]


def plain_sum(bids: Any, asks: Any) -> int:
    """Of levels, best first, as (price, quantity)."""
    total = 0
    for price, qty in [*bids, *asks]:
        total = (total * 1_000_003 + int(price) * 8191 + int(qty) + 1) % (1 << 31)
    return total


class ToyCodec:
    venue = "toy"
    verified = True

    def __init__(
        self, way: str = "stream", *, heartbeat: bool = True, ping: str | None = None, depth: int = 0
    ) -> None:
        self.way, self.heartbeat, self.depth, self._ping = way, heartbeat, depth, ping
        self.checksum_depth = depth if way == "checksum" else 0

    def subscribe(self, instruments: Sequence[Instrument], request_id: int) -> list[str]:
        return [f"{request_id} subscribe " + " ".join(i.symbol for i in instruments)]

    def resubscribe(self, instrument: Instrument, request_id: int) -> list[str]:
        again = [f"{request_id} {what} {instrument.symbol}" for what in ("unsubscribe", "subscribe")]
        return again if self.way in ("stream", "checksum") else []

    def snapshot_path(self, instrument: Instrument) -> str | None:
        return f"/{instrument.symbol}" if self.way == "rest" else None

    def ping(self) -> str | None:
        return self._ping

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        if self.way in ("checksum", "connection"):
            return Link.NEXT
        if update.last_seq <= book_seq:
            return Link.OLD
        next_seq = book_seq + 1
        follows = update.first_seq <= next_seq if just_synced else update.first_seq == next_seq
        return Link.NEXT if follows else Link.GAP

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        return plain_sum(bids.tolist(), asks.tolist())

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        try:
            return [self._event(recv_ns, *event) for event in json.loads(raw)]
        except (ValueError, TypeError) as error:
            raise DecodeError(self.venue, "toy", raw, str(error)) from None

    def _event(self, recv_ns: int, kind: str, *rest: Any) -> Event:
        if kind in ("snap", "delta"):
            symbol, first, last, bids, asks, checksum = rest
            b, a = (np.array(rows, np.int64).reshape(-1, 2) for rows in (bids, asks))
            return BookUpdate(symbol, recv_ns, 0, first, last, -1, kind == "snap", b, a, checksum)
        if kind == "quote":
            return Quote(rest[0], recv_ns, 0, *rest[1:])
        if kind == "n":
            return ConnectionSeq(recv_ns, rest[0])
        if kind == "ack":
            return Ack(recv_ns, *rest)
        if kind == "beat":
            return Heartbeat(recv_ns)
        raise ValueError(f"unknown event {kind!r}")


class TrueBook:
    """What the venue holds. `tops[seq]`: best bid and ask with quantities as of that sequence."""

    def __init__(self, symbol: str, depth: int) -> None:
        self.symbol, self.depth, self.seq = symbol, depth, 1
        self.sides = PlainLadder(Side.BUY), PlainLadder(Side.SELL)
        self.sides[0].apply([(9, 1)])
        self.sides[1].apply([(11, 1)])
        self.tops: dict[int, tuple[int, ...]] = {}
        self._remember()

    def scope(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Per side, best first: what a reader is told of."""
        depth = self.depth or 10**6
        return self.sides[0].levels(depth), self.sides[1].levels(depth)

    def change(self, changes: list[tuple[int, int, int]]) -> list[Any]:
        """Apply (side index, price, quantity), each a sequence of its own; the delta that tells of them all.

        As on Kraken, a level that only leaves the scope is not told.
        """
        before, first = self.scope(), self.seq + 1
        for side, price, qty in changes:
            self.sides[side].apply([(price, qty)])
            self.seq += 1
            self._remember()
        told: list[list[list[int]]] = [[], []]
        for side, (old, new) in enumerate(zip(before, self.scope(), strict=True)):
            kept = self.sides[side].book
            told[side] += [[price, 0] for price, _ in old if price not in kept]
            told[side] += [list(row) for row in new if row not in old]
        return delta(self.symbol, first, self.seq, told[0], told[1], self.checksum())

    def snapshot(self) -> list[Any]:
        bids, asks = self.scope()
        return snap(self.symbol, self.seq, bids, asks, self.checksum())

    def checksum(self) -> int:
        return plain_sum(*self.scope())

    def _remember(self) -> None:
        self.tops[self.seq] = (*self.sides[0].best(), *self.sides[1].best())
