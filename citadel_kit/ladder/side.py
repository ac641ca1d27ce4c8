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

_GAP: Final = 4
"""Of so many rows one is a hole where holes are made."""
_PATIENCE: Final = 4
"""When so many times all rows were moved, new holes are made …"""
_LEAST_PATIENCE: Final = 1_000
"""… but not before so many were."""


@register_jitable
def _row(book: Levels, size: int, key: int, near: int) -> int:
    """The first row whose key is not below `key`: looked for from `near` in steps that double.

    Venues send levels in order of price, so the next one is seldom far from the last.
    """
    step = 1
    low = high = min(near, size)
    if low < size and book[low, 0] < key:
        while high < size and book[high, 0] < key:
            low = high + 1
            high += step
            step <<= 1
        high = min(high, size)
    else:
        while low > 0 and book[low - 1, 0] >= key:
            high = low - 1
            low = max(high - step, 0)
            step <<= 1
    while low < high:
        middle = (low + high) >> 1
        if book[middle, 0] < key:
            low = middle + 1
        else:
            high = middle
    return low


@register_jitable
def _merge(book: Levels, size: int, levels: Levels, sign: int, depth: int) -> tuple[int, int, int, int]:
    """Set or delete `levels` in the ascending `book[:size]` of sign × price.

    Returns the new size, the best price, its quantity, and how many rows had to move. A deleted level leaves
    a hole: its row with quantity 0, which the next level that fits there takes. The last row is never a hole.
    With `depth` all but the best are forgotten. `book` must have room for size + len(levels) rows.
    """
    moved = 0
    low = size
    for k in range(levels.shape[0]):
        key = sign * levels[k, 0]
        qty = levels[k, 1]
        low = _row(book, size, key, low)
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
                moved += end - low
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
        return 0, 0, 0, moved
    return size, int(sign * book[size - 1, 0]), int(book[size - 1, 1]), moved


def _merge_both(
    bids: Levels, bid_size: int, new_bids: Levels, asks: Levels, ask_size: int, new_asks: Levels, depth: int
) -> tuple[int, int, int, int, int, int, int, int]:
    """`_merge` of both sides of a book in one call; a first size of -1 where one of them lacks room."""
    if bid_size + new_bids.shape[0] > bids.shape[0] or ask_size + new_asks.shape[0] > asks.shape[0]:
        return -1, 0, 0, 0, 0, 0, 0, 0
    bid_size, bid, bid_qty, bids_moved = _merge(bids, bid_size, new_bids, 1, depth)
    ask_size, ask, ask_qty, asks_moved = _merge(asks, ask_size, new_asks, -1, depth)
    return bid_size, bid, bid_qty, bids_moved, ask_size, ask, ask_qty, asks_moved


def _spread(book: Levels, size: int, out: Levels) -> int:
    """Copy all levels, and behind every few of them make a hole; the new size.

    A hole repeats the key of the row below it, so it is never the first row of that key. Where nothing was
    ever deleted, far from the touch, a new level would else move thousands of rows.
    """
    end = since = 0
    for row in range(size):
        if book[row, 1] != 0:
            out[end, 0], out[end, 1] = book[row, 0], book[row, 1]
            end += 1
            since += 1
            if since == _GAP - 1 and row < size - 1:
                out[end, 0], out[end, 1] = book[row, 0], 0
                end += 1
                since = 0
    return end


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


@register_jitable
def sums(book: Levels, size: int, depths: tuple[int, ...], out: Floats) -> None:
    """Quantity of the best levels of `Ladder.rows`, down to each of the ascending `depths`."""
    row = size - 1
    levels = 0
    total = 0.0
    for k in range(len(depths)):
        while row >= 0 and levels < depths[k]:
            if book[row, 1] != 0:
                total += book[row, 1]
                levels += 1
            row -= 1
        out[k] = total


_SOURCES: Final[dict[str, Any]] = {
    "merge": _merge,
    "merge_both": _merge_both,
    "spread": _spread,
    "best": _best,
}
# Without nogil: these take microseconds, and who lets go of the lock for so long may wait 5 ms to get it back.
_COMPILED: Final[dict[str, Any]] = {
    name: numba.njit(cache=True)(source) for name, source in _SOURCES.items()
}
kernels: Final[dict[str, Any]] = dict(_SOURCES)
"""What to call now."""


def warm_up() -> None:
    book, out = np.zeros((3, 2), np.int64), np.zeros((2, 2), np.int64)
    _COMPILED["merge"](book, 0, out[:1], 1, 0)
    _COMPILED["merge_both"](book, 0, out[:1], book, 0, out[:1], 0)
    _COMPILED["spread"](book, 1, out)
    _COMPILED["best"](out, 1, 1, out)
    kernels.update(_COMPILED)


class Ladder:
    """One side of a book: distinct integer prices, each with its quantity; the best at the end of the array.

    Asks are kept negated, so that one code serves both sides; every face of the class speaks real prices.
    """

    __slots__ = ("_book", "_patience", "_sign", "_size")

    def __init__(self, side: int) -> None:
        self._sign = int(side)
        self._size, self._patience = 0, _LEAST_PATIENCE
        self._book: Levels = np.empty((64, 2), np.int64)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._book[: self._size, 1]))

    def clear(self) -> None:
        self._size, self._patience = 0, _LEAST_PATIENCE

    def apply(self, levels: Levels, depth: int = 0) -> None:
        """Set each level to its quantity; 0 deletes. Then forget all but the best `depth`; 0 keeps all."""
        if self._size + len(levels) > len(self._book):
            self._make_room(len(levels))
        self._size, _, _, moved = kernels["merge"](self._book, self._size, levels, self._sign, depth)
        self._wear(moved)

    def best(self) -> tuple[int, int]:
        """Price and quantity at the touch; (0, 0) on an empty side."""
        if self._size == 0:
            return 0, 0
        return self._sign * int(self._book[self._size - 1, 0]), int(self._book[self._size - 1, 1])

    @property
    def rows(self) -> tuple[Levels, int]:
        """For kernels: rows of sign × price and quantity, and how many of them count, the last one the best.

        A row without a quantity is a hole. Valid until the next `apply`.
        """
        return self._book, self._size

    def levels(self, depth: int) -> Levels:
        """The best `depth` levels, best first; a copy."""
        out = np.empty((min(depth, self._size), 2), np.int64)
        return out[: kernels["best"](self._book, self._size, self._sign, out)]

    def qty_at(self, price: int) -> int:
        """Quantity at exactly this price; 0 if there is none."""
        row = int(np.searchsorted(self._book[: self._size, 0], self._sign * price))
        if row < self._size and self._book[row, 0] == self._sign * price:
            return int(self._book[row, 1])
        return 0

    def _wear(self, moved: int) -> None:
        self._patience -= moved
        if self._patience < 0:
            self._make_room(0)

    def _make_room(self, more: int) -> None:
        """For as many rows again, and with holes between them."""
        rows, self._book = self._book, np.empty((2 * (self._size + more), 2), np.int64)
        self._size = kernels["spread"](rows, self._size, self._book)
        self._patience = _LEAST_PATIENCE + _PATIENCE * self._size


def apply_both(
    bids: Ladder, asks: Ladder, new_bids: Levels, new_asks: Levels, depth: int = 0
) -> tuple[int, int, int, int]:
    """`apply` on both sides of a book, in half the time; bid, its quantity, ask, its quantity."""
    size, bid, bid_qty, bids_moved, ask_size, ask, ask_qty, asks_moved = kernels["merge_both"](
        bids._book, bids._size, new_bids, asks._book, asks._size, new_asks, depth
    )
    if size < 0:
        bids._make_room(len(new_bids))
        asks._make_room(len(new_asks))
        return apply_both(bids, asks, new_bids, new_asks, depth)
    bids._size, asks._size = size, ask_size
    if bids_moved:
        bids._wear(bids_moved)
    if asks_moved:
        asks._wear(asks_moved)
    return bid, bid_qty, ask, ask_qty
