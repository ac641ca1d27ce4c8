"""What our simulated orders took of a recorded market."""

from __future__ import annotations

import numpy as np

from citadel_kit.types import BookReader, Levels


class Taken:
    """What our orders took of the levels shown, by (side, price), each with what was shown there then."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], tuple[int, int]] = {}

    def left(self, side: int, price: int, shown: int) -> int:
        then, taken = self.rows.get((side, price), (shown, 0))
        return max(shown - taken, 0) if then == shown else shown

    def add(self, side: int, price: int, shown: int, qty: int) -> None:
        self.rows[side, price] = shown, qty + shown - self.left(side, price, shown)

    def levels(self, side: int, shown: Levels) -> Levels:
        """The levels shown, less what we took."""
        if not self.rows:
            return shown
        rows = [(price, self.left(side, price, qty)) for price, qty in shown.tolist()]
        return np.array(rows, np.int64).reshape(-1, 2)

    def forget(self, book: BookReader) -> None:
        """Drop what the market has changed since."""
        for (side, price), (shown, _) in list(self.rows.items()):
            if book.qty_at(side, price) != shown:
                del self.rows[side, price]
