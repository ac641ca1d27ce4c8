"""Slow, obvious twins of the fast code: what the tests hold it against."""

from __future__ import annotations

from collections.abc import Iterable


# --- books ------------------------------------------------------------------------------------------------


class PlainLadder:
    """One side of a book as a dict of price to quantity."""

    def __init__(self, side: int) -> None:
        self.side = int(side)
        self.book: dict[int, int] = {}

    def apply(self, levels: Iterable[tuple[int, int]]) -> None:
        for price, qty in levels:
            if qty:
                self.book[price] = qty
            else:
                self.book.pop(price, None)

    def levels(self, depth: int) -> list[tuple[int, int]]:
        return sorted(self.book.items(), key=lambda row: -self.side * row[0])[:depth]

    def best(self) -> tuple[int, int]:
        return self.levels(1)[0] if self.book else (0, 0)

    def qty_at(self, price: int) -> int:
        return self.book.get(price, 0)
