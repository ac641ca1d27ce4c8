"""One verified order book: a snapshot and the deltas that follow it without a hole."""

from __future__ import annotations

from typing import Final, NoReturn, Protocol

from citadel_kit.errors import BookCorrupt, SequenceGap
from citadel_kit.ladder import Ladder, apply_both, depths
from citadel_kit.types import BookTop, BookUpdate, Instrument, Levels, Link, Quote, Side

CHECKS = ("checksums_right", "checksums_wrong", "crossed")
"""What a book counts, beside what its session does."""
_NOTHING: Final = BookTop(0, 0, -1, 0, 0, 0, 0)
_new: Final = tuple.__new__  # what a NamedTuple's own calls, in half the time
_OLD, _GAP = Link.OLD, Link.GAP  # to look a member up takes 0.1 µs


class Rules(Protocol):
    """The part of a codec a book needs: how updates follow each other, and what proves the result."""

    depth: int
    checksum_depth: int

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link: ...

    def checksum(self, instrument: Instrument, bids: Levels, asks: Levels) -> int: ...


class Book:
    """Holds what the venue holds, or nothing: any doubt raises, and the caller fetches a new snapshot.

    A sequence is checked before a delta is applied, and the book is checked after it and before the top is
    read. After a raise the book is empty.
    """

    def __init__(self, instrument: Instrument, rules: Rules) -> None:
        self.instrument = instrument
        self.checks = dict.fromkeys(CHECKS, 0)
        self._rules = rules
        self._depth, self._checksum_depth = rules.depth, rules.checksum_depth
        self.bids, self.asks = Ladder(Side.BUY), Ladder(Side.SELL)
        self.clear()

    def clear(self) -> None:
        """Forget everything: a disconnect destroys the book."""
        self.bids.clear()
        self.asks.clear()
        self._top = _NOTHING
        self.seq = -1
        self.recv_ns = 0
        self.exch_ns = 0
        self.synced = False
        """Has a snapshot been applied?"""
        self.just_synced = False
        """Is the snapshot all there is?"""

    def snapshot(self, update: BookUpdate) -> None:
        """Replace the book. Raises BookCorrupt where it is crossed or its checksum is wrong."""
        self.clear()
        self.synced = self.just_synced = True
        self._apply(update)

    def delta(self, update: BookUpdate) -> bool:
        """Apply the next delta; False if it is old news. Raises SequenceGap or BookCorrupt."""
        link = self._rules.link(self.seq, self.just_synced, update)
        if link is _OLD:
            return False
        if link is _GAP:
            expected = self.seq + 1
            got = update.prev_seq + 1 if update.prev_seq >= 0 else update.first_seq
            self.clear()
            raise SequenceGap(self.instrument.venue, self.instrument.symbol, expected, got)
        self.just_synced = False
        self._apply(update)
        return True

    def agrees(self, quote: Quote) -> bool:
        """Does the venue's own quote at the same sequence show the same touch?

        On a disagreement the book is cleared.
        """
        same = self._top[3:] == quote[4:]
        if not same:
            self.clear()
        return same

    def top(self) -> BookTop:
        """The same object until the book changes."""
        return self._top

    def levels(self, side: int, depth: int) -> Levels:
        """The best `depth` levels of a side, best first; a copy."""
        return (self.bids if side == Side.BUY else self.asks).levels(depth)

    def depths(self, levels: int) -> tuple[int, int]:
        """Quantity of the best `levels` of bids, and of asks."""
        return depths(self.bids, self.asks, levels)

    def qty_at(self, side: int, price: int) -> int:
        return (self.bids if side == Side.BUY else self.asks).qty_at(price)

    def _apply(self, update: BookUpdate) -> None:
        _, recv_ns, exch_ns, _, seq, _, _, bids, asks, checksum = update
        bid, bid_qty, ask, ask_qty = apply_both(self.bids, self.asks, bids, asks, self._depth)
        self._top = _new(BookTop, (recv_ns, exch_ns, seq, bid, bid_qty, ask, ask_qty))
        self.seq, self.recv_ns, self.exch_ns = seq, recv_ns, exch_ns
        if bid and ask and bid >= ask:
            self._corrupt("crossed", f"crossed: bid {bid} is not below ask {ask}")
        if checksum >= 0 and self._checksum_depth:
            self._check_sum(checksum)

    def _check_sum(self, theirs: int) -> None:
        bids, asks = self.bids.levels(self._checksum_depth), self.asks.levels(self._checksum_depth)
        ours = self._rules.checksum(self.instrument, bids, asks)
        if ours != theirs:
            self._corrupt("checksums_wrong", f"checksum {theirs} came, the book's is {ours}")
        self.checks["checksums_right"] += 1

    def _corrupt(self, check: str, problem: str) -> NoReturn:
        self.checks[check] += 1
        self.clear()
        raise BookCorrupt(self.instrument.venue, self.instrument.symbol, problem)
