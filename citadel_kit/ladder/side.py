"""One side of a book: its rows, and the kernels that keep them."""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.types import Levels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)


def _merge(book: Levels, size: int, levels: Levels, sign: int, depth: int) -> tuple[int, int, int]:
    """Set or delete `levels` in the ascending `book[:size]` of sign × price; new size, best price, its qty.

    A deleted level leaves a hole: its row with quantity 0, which the next level that fits there takes. So
    rows seldom move far. The last row is never a hole. With `depth` all but the best are forgotten.
    `book` must have room for size + len(levels) rows.
    """
    for k in range(levels.shape[0]):
        key = sign * levels[k, 0]
        qty = levels[k, 1]
        low = 0
        high = size
        while low < high:
            middle = (low + high) >> 1
            if book[middle, 0] < key:
                low = middle + 1
            else:
                high = middle
        if low < size and book[low, 0] == key:
            book[low, 1] = qty
            while size > 0 and book[size - 1, 1] == 0:
                size -= 1
        elif qty != 0:
            if low > 0 and book[low - 1, 1] == 0:
                low -= 1
            else:
                end = low
                while end < size and book[end, 1] != 0:
                    end += 1
                for j in range(end, low, -1):
                    book[j, 0] = book[j - 1, 0]
                    book[j, 1] = book[j - 1, 1]
                if end == size:
                    size += 1
            book[low, 0] = key
            book[low, 1] = qty
    if depth > 0 and size > depth:
        size = _cut(book, size, depth)
    if size == 0:
        return 0, 0, 0
    return size, int(sign * book[size - 1, 0]), int(book[size - 1, 1])


@register_jitable
def _cut(book: Levels, size: int, depth: int) -> int:
    """Keep the best `depth` levels; the new size."""
    first = size
    kept = 0
    while first > 0 and kept < depth:
        first -= 1
        if book[first, 1] != 0:
            kept += 1
    for j in range(first, size):
        book[j - first, 0] = book[j, 0]
        book[j - first, 1] = book[j, 1]
    return size - first


def _best(book: Levels, size: int, sign: int, out: Levels) -> int:
    """Write the best levels, best first; how many there are of the `len(out)` asked for."""
    count = 0
    row = size - 1
    while row >= 0 and count < out.shape[0]:
        if book[row, 1] != 0:
            out[count, 0] = sign * book[row, 0]
            out[count, 1] = book[row, 1]
            count += 1
        row -= 1
    return count


def _sums(book: Levels, size: int, depths: Ints, out: Floats) -> None:
    """Quantity of the best levels down to each of the ascending `depths`."""
    row = size - 1
    levels = 0
    total = 0.0
    for k in range(depths.shape[0]):
        while row >= 0 and levels < depths[k]:
            if book[row, 1] != 0:
                total += book[row, 1]
                levels += 1
            row -= 1
        out[k] = total


_SOURCES: Final[dict[str, Any]] = {"merge": _merge, "best": _best, "sums": _sums}
_COMPILED: Final[dict[str, Any]] = {
    name: numba.njit(cache=True, nogil=True)(source) for name, source in _SOURCES.items()
}
kernels: Final[dict[str, Any]] = dict(_SOURCES)
"""What to call now."""


def warm_up() -> None:
    out = np.zeros((2, 2), np.int64)
    _COMPILED["merge"](np.zeros((3, 2), np.int64), 0, out[:1], 1, 0)
    _COMPILED["best"](out, 1, 1, out)
    _COMPILED["sums"](out, 1, np.ones(1, np.int64), np.zeros(1))
    kernels.update(_COMPILED)


class Ladder:
    """One side of a book: distinct integer prices, each with its quantity; the best at the end of the array.

    Asks are kept negated, so that one code serves both sides; every face of the class speaks real prices.
    """

    __slots__ = ("_best", "_book", "_sign", "_size")

    def __init__(self, side: int) -> None:
        self._sign = int(side)
        self._size = 0
        self._book: Levels = np.empty((64, 2), np.int64)
        self._best = (0, 0)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._book[: self._size, 1]))

    def clear(self) -> None:
        self._size = 0
        self._best = (0, 0)

    def apply(self, levels: Levels, depth: int = 0) -> None:
        """Set each level to its quantity; 0 deletes. Then forget all but the best `depth`; 0 keeps all."""
        if self._size + len(levels) > len(self._book):
            self._make_room(len(levels))
        size, price, qty = kernels["merge"](self._book, self._size, levels, self._sign, depth)
        self._size, self._best = size, (price, qty)

    def truncate(self, depth: int) -> None:
        """Forget all but the best `depth` levels."""
        self.apply(_NO_LEVELS, depth)

    def best(self) -> tuple[int, int]:
        """Price and quantity at the touch; (0, 0) on an empty side."""
        return self._best

    def levels(self, depth: int) -> Levels:
        """The best `depth` levels, best first; a copy."""
        out = np.empty((min(depth, self._size), 2), np.int64)
        return out[: kernels["best"](self._book, self._size, self._sign, out)]

    def sums(self, depths: Ints) -> list[float]:
        """Quantity of the best levels down to each of the ascending `depths`, for metrics."""
        out = np.empty(len(depths))
        kernels["sums"](self._book, self._size, depths, out)
        return out.tolist()

    def qty_at(self, price: int) -> int:
        """Quantity at exactly this price; 0 if there is none."""
        row = int(np.searchsorted(self._book[: self._size, 0], self._sign * price))
        if row < self._size and self._book[row, 0] == self._sign * price:
            return int(self._book[row, 1])
        return 0

    def _make_room(self, more: int) -> None:
        """Close the holes, and leave room for as many rows again."""
        rows = self._book[: self._size]
        rows = rows[rows[:, 1] != 0]
        self._size = len(rows)
        self._book = np.empty((2 * (len(rows) + more), 2), np.int64)
        self._book[: self._size] = rows
