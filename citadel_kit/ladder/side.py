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
_PATIENCE_FACTOR: Final = 4
"""When so many times all rows were moved, new holes are made …"""
_LEAST_PATIENCE: Final = 1_000
"""… but not before so many were."""


# The head of a ladder's rows: how many follow, and how many more may be moved before new holes are made.
_SIZE, _PATIENCE = 0, 1
# What `_apply_one` and `_apply_both` say: done; the same, but too many rows were moved; nothing was done.
DONE, WORN, NO_ROOM = 0, 1, 2


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


@register_jitable
def _apply(book: Levels, levels: Levels, sign: int, depth: int) -> tuple[int, int]:
    """`_merge` into a ladder's rows behind its head; the touch."""
    size, price, qty, moved = _merge(book[1:], book[0, _SIZE], levels, sign, depth)
    book[0, _SIZE] = size
    book[0, _PATIENCE] -= moved
    return price, qty


def _apply_one(book: Levels, levels: Levels, sign: int, depth: int) -> int:
    """DONE, or what else is to be done."""
    if book[0, _SIZE] + levels.shape[0] >= book.shape[0]:
        return NO_ROOM
    _apply(book, levels, sign, depth)
    return WORN if book[0, _PATIENCE] < 0 else DONE


def _apply_both(
    bids: Levels, asks: Levels, new_bids: Levels, new_asks: Levels, depth: int
) -> tuple[int, int, int, int, int]:
    """Both sides of a book in one call: as `_apply_one`, bid, its quantity, ask, its quantity."""
    bids_end, asks_end = bids[0, _SIZE] + new_bids.shape[0], asks[0, _SIZE] + new_asks.shape[0]
    if bids_end >= bids.shape[0] or asks_end >= asks.shape[0]:
        return NO_ROOM, 0, 0, 0, 0
    bid, bid_qty = _apply(bids, new_bids, 1, depth)
    ask, ask_qty = _apply(asks, new_asks, -1, depth)
    worn = bids[0, _PATIENCE] < 0 or asks[0, _PATIENCE] < 0
    return WORN if worn else DONE, bid, bid_qty, ask, ask_qty


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
def sums(book: Levels, depths: tuple[int, int, int]) -> tuple[float, float, float]:
    """Quantity of the best levels of `Ladder.rows`, down to each of the ascending `depths`."""
    row = book[0, _SIZE]
    levels = 0
    total = first = second = 0.0
    while row > 0 and levels < depths[2]:
        if book[row, 1] != 0:
            if levels == depths[0]:
                first = total
            if levels == depths[1]:
                second = total
            total += book[row, 1]
            levels += 1
        row -= 1
    if levels <= depths[0]:
        first = total
    if levels <= depths[1]:
        second = total
    return float(first), float(second), float(total)


@register_jitable
def _depth(book: Levels, levels: int) -> int:
    """Quantity of the best levels of `Ladder.rows`."""
    row, total = book[0, _SIZE], 0
    while row > 0 and levels > 0:
        total += book[row, 1]
        levels -= book[row, 1] != 0
        row -= 1
    return total


def _depths(bids: Levels, asks: Levels, levels: int) -> tuple[int, int]:
    return _depth(bids, levels), _depth(asks, levels)


_SOURCES: Final[dict[str, Any]] = {
    "apply_one": _apply_one,
    "apply_both": _apply_both,
    "spread": _spread,
    "best": _best,
    "depths": _depths,
}
# Without nogil: these take microseconds, and who lets the lock go may wait 5 ms to get it back.
_COMPILED: Final[dict[str, Any]] = {name: numba.njit(cache=True)(source) for name, source in _SOURCES.items()}
kernels: Final[dict[str, Any]] = dict(_SOURCES)
"""What to call now."""


def warm_up() -> None:
    book, out = np.zeros((3, 2), np.int64), np.zeros((2, 2), np.int64)
    _COMPILED["apply_one"](book, out[:1], 1, 0)
    _COMPILED["apply_both"](book, book, out[:1], out[:1], 0)
    _COMPILED["spread"](book, 1, out)
    _COMPILED["best"](out, 1, 1, out)
    _COMPILED["depths"](book, book, 1)
    kernels.update(_COMPILED)


class Ladder:
    """One side of a book: distinct integer prices, each with its quantity; the best at the end of the array.

    Asks are kept negated, so that one code serves both sides; every face of the class but `rows` speaks real
    prices.
    """

    __slots__ = ("_sign", "rows")

    def __init__(self, side: int) -> None:
        self._sign = int(side)
        self.rows: Levels = np.empty((64, 2), np.int64)
        """For kernels, another array after many an `apply`: a head, whose first number says how many rows
        follow, then sign × price and quantity, the best last. A row without a quantity is a hole."""
        self.clear()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._levels[:, 1]))

    def clear(self) -> None:
        self.rows[0] = 0, _LEAST_PATIENCE

    def apply(self, levels: Levels, depth: int = 0) -> None:
        """Set each level to its quantity; 0 deletes. Then forget all but the best `depth`; 0 keeps all."""
        said = kernels["apply_one"](self.rows, levels, self._sign, depth)
        if said != DONE:
            self._renew(len(levels) if said == NO_ROOM else 0)
        if said == NO_ROOM:
            self.apply(levels, depth)

    def best(self) -> tuple[int, int]:
        """Price and quantity at the touch; (0, 0) on an empty side."""
        levels = self._levels
        return (self._sign * int(levels[-1, 0]), int(levels[-1, 1])) if len(levels) else (0, 0)

    def levels(self, depth: int) -> Levels:
        """The best `depth` levels, best first; a copy."""
        levels = self._levels
        out = np.empty((min(depth, len(levels)), 2), np.int64)
        return out[: kernels["best"](levels, len(levels), self._sign, out)]

    def qty_at(self, price: int) -> int:
        """Quantity at exactly this price; 0 if there is none."""
        levels = self._levels
        row = int(np.searchsorted(levels[:, 0], self._sign * price))
        if row < len(levels) and levels[row, 0] == self._sign * price:
            return int(levels[row, 1])
        return 0

    @property
    def _levels(self) -> Levels:
        return self.rows[1 : 1 + self.rows[0, _SIZE]]

    def _renew(self, more: int) -> None:
        """Room for as many rows again, and for `more`, with holes between them."""
        levels = self._levels
        self.rows = np.empty((2 * (len(levels) + more) + 1, 2), np.int64)
        size = kernels["spread"](levels, len(levels), self.rows[1:])
        self.rows[0] = size, _LEAST_PATIENCE + _PATIENCE_FACTOR * size


def apply_both(
    bids: Ladder, asks: Ladder, new_bids: Levels, new_asks: Levels, depth: int = 0
) -> tuple[int, int, int, int]:
    """`apply` on both sides of a book, in half the time; bid, its quantity, ask, its quantity."""
    said, bid, bid_qty, ask, ask_qty = kernels["apply_both"](bids.rows, asks.rows, new_bids, new_asks, depth)
    if said == DONE:
        return bid, bid_qty, ask, ask_qty
    for side, levels in ((bids, new_bids), (asks, new_asks)):
        if said == NO_ROOM or side.rows[0, _PATIENCE] < 0:
            side._renew(len(levels) if said == NO_ROOM else 0)
    if said == NO_ROOM:
        return apply_both(bids, asks, new_bids, new_asks, depth)
    return bid, bid_qty, ask, ask_qty


def depths(bids: Ladder, asks: Ladder, levels: int) -> tuple[int, int]:
    """Quantity of the best `levels` of each side."""
    bid_depth, ask_depth = kernels["depths"](bids.rows, asks.rows, levels)
    return int(bid_depth), int(ask_depth)
