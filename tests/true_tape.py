"""The truth of a tape: what its books were at each update, by slow and obvious code of its own."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import DecimalException
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fake_venues import (
    Binance,
    BinanceUsdm,
    Bybit,
    CoinbaseAdvanced,
    CoinbaseExchange,
    FakeVenue,
    Kraken,
    NaiveBook,
    Okx,
    OkxCrc,
    Said,
)

from citadel_kit import settings
from citadel_kit.io.tape import Tape
from citadel_kit.run.verify import check_venue
from citadel_kit.types import Instrument

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, DecimalException)
"""What the readers of `fake_venues` raise for what is no frame of theirs."""
_MARK = 200
"""Updates between two kept copies of a true book."""


VENUES = {
    "binance": Binance,
    "binanceusdm": BinanceUsdm,
    "bybit": Bybit,
    "bybitlinear": Bybit,
    "okx": Okx,
    "kraken": Kraken,
    "coinbase": CoinbaseAdvanced,
    "coinbaseexchange": CoinbaseExchange,
}


def fake_venue(venue: str, raws: Iterator[bytes]) -> FakeVenue:
    """`raws` are looked at as far as needed: OKX's wire has an old form and a new one."""
    if venue == "okx" and not any(b'"seqId"' in raw for raw in raws):
        return OkxCrc()
    return VENUES[venue]()


class Truth:
    """One book of the undamaged tape. Index 0 is its snapshot; each update is one more."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self.instrument = instrument
        self.said: list[Said] = []
        self.tops: list[tuple[int, ...]] = []
        self.positions: list[int] = []
        """Where in the tape each update stands."""
        self.index_of: dict[int, int] = {}
        """By the venue's own sequence."""
        self._book = NaiveBook(instrument, depth)
        self._marks: list[NaiveBook] = []
        self._early: list[Said] = []

    def add(self, said: Said, position: int) -> int:
        """The update's index, or -1 for one from before the snapshot: the later ones of these follow it."""
        if not self.said and not said.snapshot:
            self._early.append(said)
            return -1
        index = self._append(said, position)  # of a stream's own snapshot all that came before is older
        for early in self._early:
            if early.seq > said.seq:
                self._append(early, position)
        self._early.clear()
        return index

    def _append(self, said: Said, position: int) -> int:
        self._book.apply(said)
        index = len(self.said)
        bid, _, ask, _ = self._book.top()
        if bid and ask and bid >= ask:
            raise ValueError(f"the tape's own book is crossed at update {index}: {bid} and {ask}")
        self.said.append(said)
        self.tops.append(self._book.top())
        self.positions.append(position)
        if said.seq >= 0:
            self.index_of[said.seq] = index
        if index % _MARK == 0:
            self._marks.append(self._book.copy())
        return index

    def index_before(self, position: int) -> int:
        """The update that held when the frame at `position` came."""
        return bisect_right(self.positions, position - 1) - 1

    def book_at(self, index: int) -> NaiveBook:
        book = self._marks[index // _MARK].copy()
        for said in self.said[index // _MARK * _MARK + 1 : index + 1]:
            book.apply(said)
        return book


class TapeFrame(NamedTuple):
    ns: int
    raw: bytes
    symbol: str
    """Unified; empty where the frame says nothing about a book of ours."""
    nth: int
    """Which update of the true book it is."""


class Reel:
    """A tape, read once by the bench's own reader: its frames and the truth of its books.

    `symbols`: unified; empty means all that the package knows by name at this venue. `limit`: frames read.
    """

    def __init__(self, path: Path, venue: str, symbols: Sequence[str] = (), limit: int | None = None) -> None:
        check_venue(venue)
        wanted = [settings.instrument(venue, s) for s in symbols or settings._table()["instruments"][venue]]
        self.venue, self.name = venue, path.name.removesuffix(".gz").removesuffix(".tape")
        self.frames: list[TapeFrame] = []
        frames = list(islice(Tape(path, wanted[0]).frames(), limit))
        self.wire = fake_venue(venue, (f.raw for f in frames))
        truths = {i.venue_symbol: Truth(i, self.wire.depth) for i in wanted}
        if self.wire.rest:
            truths[""] = truths[wanted[0].venue_symbol]
        for frame in frames:
            said = self._read(frame.raw)
            truth = truths.get(said.venue_symbol) if said else None
            if said is None or truth is None:
                self.frames.append(TapeFrame(frame.recv_ns, frame.raw, "", -1))
                continue
            index = truth.add(said, len(self.frames))
            if index >= 0 and not (self.wire.rest and said.snapshot):
                self.frames.append(TapeFrame(frame.recv_ns, frame.raw, truth.instrument.symbol, index))
        self.truths = {t.instrument.symbol: t for t in truths.values() if t.said}
        if not self.truths:
            raise SystemExit(f"{path}: no book of {', '.join(i.symbol for i in wanted)} in it")
        self.start = max(t.positions[0] for t in self.truths.values()) + 1
        """The first frame with a truth before it of every book."""

    def _read(self, raw: bytes) -> Said | None:
        try:
            return self.wire.read(raw)
        except UNREADABLE:  # the answer to a request
            return None


class Tail:
    """A run's own continuation of a true book, behind the end of the tape."""

    def __init__(self, truth: Truth) -> None:
        self._truth, self._tops = truth, list[tuple[int, ...]]()
        self._book: NaiveBook | None = None
        self._links = truth.said[-1].links

    def change(self, rng: random.Random, wire: FakeVenue) -> tuple[Said, int]:
        """A level near the touch takes another's quantity, or goes."""
        truth = self._truth
        if self._book is None:
            self._book = truth.book_at(len(truth.said) - 1)
        sides = self._book.texts(12)
        side = rng.randrange(2)
        price, qty = rng.choice(sides[side])[0], rng.choice(sides[rng.randrange(2)])[1]
        if len(sides[side]) > 8 and rng.random() < 0.1:
            qty = "0"
        levels = ([(price, qty)], []) if side == 0 else ([], [(price, qty)])
        last = self._links[1]
        self._links = wire.links(last, last + 1, last + 1) if last >= 0 else self._links
        said = Said(truth.instrument.venue_symbol, False, self._links, *levels)
        self._book.apply(said)
        self._tops.append(self._book.top())
        return said._replace(checksum=wire.checksum(self._book)), len(truth.said) + len(self._tops) - 1

    def top_at(self, index: int) -> tuple[int, ...]:
        told = len(self._truth.tops)
        return self._truth.tops[index] if index < told else self._tops[index - told]

    def book_at(self, index: int) -> NaiveBook:
        """Behind the tape's end only the newest is at hand."""
        return self._truth.book_at(index) if self._book is None else self._book

    def links_at(self, index: int) -> tuple[int, ...]:
        return self._truth.said[index].links if self._book is None else self._links
