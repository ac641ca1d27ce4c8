"""The book of one venue as an engine sees it: with frames lost, doubled and overtaken, and streams cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from near_venue import Gate

from citadel_kit import clock
from citadel_kit.errors import BookCorrupt, SequenceGap
from citadel_kit.exchange.symbol import Depth, MarketEvent, Symbol
from citadel_kit.micro.book import Book
from citadel_kit.types import BookReader, BookTop, BookUpdate, Instrument, Levels, Link

OnTop = Callable[[str, BookTop, int, BookReader], None]
OnNoBook = Callable[[str, int], None]


class _Rules:
    """How updates of the local exchange follow each other."""

    depth, checksum_depth = 1_000, 0

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        if update.last_seq <= book_seq:
            return Link.OLD
        return Link.NEXT if update.first_seq <= book_seq + 1 else Link.GAP

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int:
        return -1


class Feed:
    """Tells every change of its book, and when there is none any more."""

    def __init__(self, gate: Gate, of: Symbol, on_top: OnTop, on_no_book: OnNoBook) -> None:
        self._gate, self._symbol, self._on_top, self._on_no_book = gate, of, on_top, on_no_book
        self._name, self._listed = gate.venue.name, of.instrument.symbol
        self.book = Book(of.instrument, _Rules())
        self._round, self._due_ns = 0, 0
        self._waiting: list[BookUpdate] | None = []
        self._held: Depth | None = None
        self._end: Callable[[], None] = lambda: None

    def connect(self) -> None:
        if self._gate.streams_refused:
            _soon(100 * clock.MILLISECOND, self.connect)
            return
        self._end = self._gate.venue.listen(self._heard)
        self._gate.lines.append(self)
        self._resync()

    def cut(self) -> None:
        self._end()
        self._lose()
        self._held = None
        self.connect()

    def _lose(self) -> None:
        self._round += 1
        self._waiting = []
        if self.book.synced:
            self.book.clear()
            self._on_no_book(self._name, clock.now_ns())

    def _resync(self) -> None:
        _soon(self._travel(), self._snapshot, self._round)

    def _snapshot(self, number: int) -> None:
        """At the venue."""
        self._gate.venue.catch_up()
        bids, asks = (self._symbol.engine.shown(is_bid, 100) for is_bid in (True, False))
        seq, now_ns = self._symbol.update_id, clock.now_ns()
        update = BookUpdate(self._listed, 0, now_ns, seq, seq, -1, True, _levels(bids), _levels(asks), -1)
        _soon(self._travel(), self._synced, number, update)

    def _synced(self, number: int, update: BookUpdate) -> None:
        if number != self._round:
            return
        waiting, self._waiting = self._waiting or [], None
        self.book.snapshot(update._replace(recv_ns=clock.now_ns()))
        for delta in waiting:
            if self._waiting is None:
                self._apply(delta)
        self._tell()

    def _heard(self, event: MarketEvent) -> None:
        """At the venue, in its order; as `exchange.socket` sends it."""
        if not isinstance(event, Depth):
            return
        faults, config = self._gate.venue.faults, self._gate.venue.faults.config
        if faults.strikes("lose", config.lose):
            return
        if self._held is None and faults.strikes("reorder", config.reorder):
            self._held = event
            return
        for _ in range(1 + faults.strikes("duplicate", config.duplicate)):
            self._send(event)
        held, self._held = self._held, None
        if held is not None:
            self._send(held)

    def _send(self, event: Depth) -> None:
        self._due_ns = max(self._due_ns, clock.now_ns() + self._travel())
        _soon(self._due_ns - clock.now_ns(), self._came, self._round, event)

    def _came(self, number: int, event: Depth) -> None:
        if number < self._round and not self._gate.lines:
            return
        update = BookUpdate(
            self._listed, clock.now_ns(), event.at_ns, event.first_id, event.last_id, event.prev_id, False,
            _levels(event.bids), _levels(event.asks), -1,
        )  # fmt: skip
        if self._waiting is not None:
            self._waiting.append(update)
        else:
            self._apply(update)
            self._tell()

    def _apply(self, update: BookUpdate) -> None:
        try:
            self.book.delta(update._replace(recv_ns=clock.now_ns()))
        except (SequenceGap, BookCorrupt):
            self._on_no_book(self._name, clock.now_ns())
            self._lose()
            self._resync()

    def _tell(self) -> None:
        if self.book.synced:
            now_ns = clock.now_ns()
            self._on_top(self._name, self.book.top()._replace(recv_ns=now_ns), now_ns, self.book)

    def _travel(self) -> int:
        return self._gate.venue.travel_ns(self._gate.venue.from_venue)


def _soon(ns: int, action: Any, *what: object) -> None:
    asyncio.get_running_loop().call_later(max(ns, 0) / 1e9, action, *what)


def _levels(pairs: Sequence[tuple[int, int]]) -> Levels:
    return np.array(pairs, np.int64).reshape(-1, 2)
