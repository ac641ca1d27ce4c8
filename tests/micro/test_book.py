"""A book: what is checked, in which order, and what is left after a doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_venue import A, ToyCodec, plain_sum

from citadel_kit.errors import BookCorrupt, SequenceGap
from citadel_kit.micro.book import Book
from citadel_kit.types import BookUpdate, Quote, Side


def update(
    first: int, last: int, bids: Any, asks: Any, *, checksum: int = -1, snap: bool = False
) -> BookUpdate:
    b, a = (np.array(rows, np.int64).reshape(-1, 2) for rows in (bids, asks))
    return BookUpdate("A/B", 7, 8, first, last, -1, snap, b, a, checksum)


def synced(way: str = "stream", depth: int = 0) -> Book:
    book = Book(A, ToyCodec(way, depth=depth))
    book.snapshot(update(5, 5, [(9, 1), (8, 2)], [(11, 1), (12, 2)], snap=True))
    return book


def is_empty(book: Book) -> bool:
    return not book.synced and book.top() == (0, 0, -1, 0, 0, 0, 0)


def test_a_snapshot_replaces_the_book() -> None:
    book = synced()
    book.snapshot(update(9, 9, [(5, 1)], [], snap=True))
    assert book.top() == (7, 8, 9, 5, 1, 0, 0)


def test_a_delta_sets_and_deletes() -> None:
    book = synced()
    assert book.delta(update(6, 6, [(9, 0), (7, 4)], [(11, 3)]))
    assert book.levels(Side.BUY, 9).tolist() == [[8, 2], [7, 4]]
    assert book.top() == (7, 8, 6, 8, 2, 11, 3)
    assert (book.qty_at(Side.SELL, 12), book.qty_at(Side.SELL, 13)) == (2, 0)


def test_old_news_change_nothing() -> None:
    book = synced()
    assert not book.delta(update(4, 5, [(9, 0)], []))
    assert book.top().bid == 9


def test_a_sequence_is_checked_before_anything_is_applied() -> None:
    book = synced()
    book.delta(update(6, 6, [], []))
    with pytest.raises(SequenceGap) as caught:
        book.delta(update(8, 9, [(9, 7)], []))
    assert (caught.value.expected, caught.value.got) == (7, 8)
    assert "update 7 expected, 8 came" in str(caught.value)
    assert "update 7 doesn't say which it follows" in str(SequenceGap("v", "A/B", 7, 7))
    assert is_empty(book)


def test_a_gap_names_the_predecessor_where_the_venue_does() -> None:
    book = synced()
    book.delta(update(6, 6, [], []))
    with pytest.raises(SequenceGap) as caught:
        book.delta(update(8, 9, [], [])._replace(prev_seq=10))
    assert caught.value.got == 11


@pytest.mark.parametrize("ask", [8, 9])
def test_a_crossed_or_locked_book_is_given_up(ask: int) -> None:
    book = synced()
    with pytest.raises(BookCorrupt, match="crossed"):
        book.delta(update(6, 6, [], [(ask, 1)]))
    assert is_empty(book)
    assert book.checks == {"checksums_right": 0, "checksums_wrong": 0, "crossed": 1}


def test_a_crossed_snapshot_is_given_up() -> None:
    with pytest.raises(BookCorrupt):
        Book(A, ToyCodec()).snapshot(update(5, 5, [(12, 1)], [(11, 1)], snap=True))


def test_the_depth_is_kept_after_each_message() -> None:
    """Kraken sends no delete for a level that falls out of the subscribed depth: kept, it would come back."""
    book = synced(depth=2)
    book.delta(update(6, 6, [(10, 5)], []))
    assert book.levels(Side.BUY, 9).tolist() == [[10, 5], [9, 1]]
    book.delta(update(7, 7, [(10, 0)], []))
    assert book.levels(Side.BUY, 9).tolist() == [[9, 1]]


def test_the_checksum_is_of_the_book_after_the_update_and_the_cut() -> None:
    book = synced("checksum", depth=2)
    right = plain_sum([(10, 5), (9, 1)], [(11, 1), (12, 2)])
    book.delta(update(6, 6, [(10, 5)], [], checksum=right))
    assert book.checks["checksums_right"] == 1
    with pytest.raises(BookCorrupt, match="checksum"):
        book.delta(update(7, 7, [(10, 6)], [], checksum=right))
    assert is_empty(book)
    assert book.checks["checksums_wrong"] == 1


def test_an_update_without_a_checksum_is_not_held_to_one() -> None:
    book = synced("checksum", depth=2)
    assert book.delta(update(6, 6, [(10, 5)], []))
    assert book.checks["checksums_right"] == 0


def test_a_snapshot_is_held_to_its_checksum() -> None:
    with pytest.raises(BookCorrupt, match="checksum"):
        Book(A, ToyCodec("checksum", depth=2)).snapshot(update(5, 5, [(9, 1)], [], checksum=1, snap=True))


def test_the_venues_quote_must_be_the_touch() -> None:
    book = synced()
    assert book.agrees(Quote("A/B", 7, 0, 5, 9, 1, 11, 1))
    assert not book.agrees(Quote("A/B", 7, 0, 5, 9, 2, 11, 1))
    assert is_empty(book)
