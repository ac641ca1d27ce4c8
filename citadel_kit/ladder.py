"""Integer price ladders, and the compiled kernels that read level lists into them.

The kernels have one source. Until `warm_up()` has compiled them they run as plain Python, so that nothing on
the way to a first price waits for a compiler; both give the same result.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.types import Levels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BAD_SYNTAX: Final = -1
TOO_FINE: Final = -2
TOO_LARGE: Final = -3
PROBLEMS: Final = {
    BAD_SYNTAX: "not a list of [price, quantity] levels",
    TOO_FINE: "a number has more decimals than the instrument",
    TOO_LARGE: "a number is too large for 62 bits",
}
_LIMIT: Final = 1 << 62
_NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)
_SIDE, _PRICE, _QTY, _OTHER = 0, 1, 2, 3  # the members of a level that names its side, in a list's order


@register_jitable
def _number(raw: bytes, i: int, decimals: int) -> tuple[int, int]:
    """The unsigned number that starts at `i`, times 10**decimals, or < 0; and the index behind it.

    A closing quote belongs to the number. No venue writes an exponent in a book.
    """
    value = 0
    kept = 0  # decimals that are in value
    zeros = 0  # zeros behind the point that may be trailing
    point = False
    while i < len(raw):
        c = raw[i]
        if c == 46 and not point:  # .
            point = True
        elif c < 48 or c > 57:
            break
        elif not point:
            value = value * 10 + (c - 48)
        elif c == 48:
            zeros += 1
        else:
            if kept + zeros >= decimals:
                return TOO_FINE, i
            for _ in range(zeros):
                value *= 10
                if value > _LIMIT // 10:
                    return TOO_LARGE, i
            value = value * 10 + (c - 48)
            kept += zeros + 1
            zeros = 0
        if value > _LIMIT // 10:
            return TOO_LARGE, i
        i += 1
    if i < len(raw) and raw[i] == 34:
        i += 1
    if i < len(raw) and raw[i] != 44 and raw[i] != 93 and raw[i] != 125 and raw[i] != 32:  # , ] } space
        return BAD_SYNTAX, i
    for _ in range(decimals - kept):
        value *= 10
        if value >= _LIMIT:
            return TOO_LARGE, i
    return value, i


@register_jitable
def _behind_text(raw: bytes, i: int) -> int:
    """Index of the quote that ends the text whose opening quote is at `i`."""
    i += 1
    while i < len(raw) and raw[i] != 34:
        i += 1
    return i


def _parse(raw: bytes, price_decimals: int, qty_decimals: int, out: Levels) -> int:  # noqa: PLR0912
    """Read the first two numbers of each inner list or object of a JSON list into `out`; the count, or < 0.

    Numbers may be quoted; keys and further members are passed over. Trailing zeros do not count as decimals
    (Binance writes eight where the tick has two). They are read here and not by `_number`, which would take
    twice as long: this is the hottest loop of all.
    """
    depth = level = member = i = 0
    while i < len(raw):
        c = raw[i]
        if 48 <= c <= 57 and member < 2:
            if depth != 2 or level >= out.shape[0]:
                return BAD_SYNTAX
            value = 0
            left = price_decimals if member == 0 else qty_decimals
            while i < len(raw) and 48 <= raw[i] <= 57:
                if value > _LIMIT // 10:
                    return TOO_LARGE
                value = value * 10 + (raw[i] - 48)
                i += 1
            if i < len(raw) and raw[i] == 46:  # .
                i += 1
                while i < len(raw) and 48 <= raw[i] <= 57:
                    if left > 0 and value <= _LIMIT // 10:
                        value = value * 10 + (raw[i] - 48)
                        left -= 1
                    elif raw[i] != 48:
                        return TOO_FINE if left == 0 else TOO_LARGE
                    i += 1
            while left > 0 and value <= _LIMIT // 10:
                value *= 10
                left -= 1
            if value >= _LIMIT or left > 0:
                return TOO_LARGE
            if i < len(raw) and raw[i] == 34:  # the closing quote
                i += 1
            # , ] } space
            if i < len(raw) and raw[i] != 44 and raw[i] != 93 and raw[i] != 125 and raw[i] != 32:
                return BAD_SYNTAX
            out[level, member] = value
            member += 1
            continue
        if 48 <= c <= 57:
            while i < len(raw) and raw[i] != 44 and raw[i] != 93 and raw[i] != 125:
                i += 1
            continue
        if c == 34 and depth == 2 and i + 1 < len(raw) and (raw[i + 1] < 48 or raw[i + 1] > 57):
            i += 1
            while i < len(raw) and raw[i] != 34:
                i += 1
        elif c == 91 or c == 123:  # [ {
            depth += 1
            member = 0
        elif c == 93 or c == 125:  # ] }
            depth -= 1
            if depth < 0 or (depth == 1 and member < 2):
                return BAD_SYNTAX
            if depth == 1:
                level += 1
        elif c == 45 or (depth < 2 and c != 44 and c != 32):  # a minus; between levels all but , and space
            return BAD_SYNTAX
        i += 1
    return level if depth == 0 else BAD_SYNTAX


@register_jitable
def _is_text(raw: bytes, i: int, end: int, word: bytes) -> bool:
    same = end - i == len(word)
    for k in range(len(word) if same else 0):
        same = same and raw[i + k] == word[k]
    return same


@register_jitable
def _member(raw: bytes, i: int, end: int) -> int:
    """Which member of a level the key `raw[i:end]` announces."""
    if _is_text(raw, i, end, b"side"):
        return _SIDE
    if _is_text(raw, i, end, b"price_level"):
        return _PRICE
    return _QTY if _is_text(raw, i, end, b"new_quantity") else _OTHER


@register_jitable
def _side(raw: bytes, i: int, end: int) -> int:
    """1, -1, or 0 for a word that names no side."""
    if _is_text(raw, i, end, b"bid") or _is_text(raw, i, end, b"buy"):
        return 1
    return -1 if _is_text(raw, i, end, b"offer") or _is_text(raw, i, end, b"sell") else 0


@register_jitable
def _quoted(raw: bytes, i: int, end: int, decimals: int) -> int:
    """The number that fills the text `raw[i:end]`, times 10**decimals, or < 0."""
    if i >= end or raw[i] < 48 or raw[i] > 57:
        return BAD_SYNTAX
    value, behind = _number(raw, i, decimals)
    return value if value < 0 or behind == end + 1 else BAD_SYNTAX


def _parse_sided(
    raw: bytes, price_decimals: int, qty_decimals: int, bids: Levels, asks: Levels
) -> tuple[int, int]:
    """Sort the levels of one JSON list into `bids` and `asks`, each in its order; both counts, or one < 0.

    A level is a list of side, price and quantity, or an object with these by name; all three are texts.
    """
    bid_count = ask_count = depth = 0
    side, price, qty = 0, BAD_SYNTAX, BAD_SYNTAX
    keyed = False
    member = _OTHER
    i = 0
    while i < len(raw):
        c = raw[i]
        if c == 91 or c == 123:  # [ {
            depth += 1
            keyed = c == 123
            member = _OTHER if keyed else _SIDE
            side, price, qty = 0, BAD_SYNTAX, BAD_SYNTAX
        elif c == 93 or c == 125:  # ] }
            depth -= 1
            if depth < 0 or (depth == 1 and (side == 0 or price < 0 or qty < 0)):
                return min(price, qty, BAD_SYNTAX), 0
            if depth == 1 and side > 0:
                bids[bid_count, 0], bids[bid_count, 1] = price, qty
                bid_count += 1
            elif depth == 1:
                asks[ask_count, 0], asks[ask_count, 1] = price, qty
                ask_count += 1
        elif c == 34:
            end = _behind_text(raw, i)
            if depth != 2 or end >= len(raw):
                return BAD_SYNTAX, 0
            if keyed and end + 1 < len(raw) and raw[end + 1] == 58:  # :
                member = _member(raw, i + 1, end)
            elif member == _SIDE:
                side = _side(raw, i + 1, end)
            elif member == _PRICE:
                price = _quoted(raw, i + 1, end, price_decimals)
            elif member == _QTY:
                qty = _quoted(raw, i + 1, end, qty_decimals)
            i = end
        elif c == 44 and depth == 2:  # ,
            member = _OTHER if keyed else min(member + 1, _OTHER)
        elif depth < 2 and c != 44 and c != 32:
            return BAD_SYNTAX, 0
        i += 1
    return (bid_count, ask_count) if depth == 0 else (BAD_SYNTAX, 0)


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


_parse_jit: Any = numba.njit(cache=True, nogil=True)(_parse)
_sided_jit: Any = numba.njit(cache=True, nogil=True)(_parse_sided)
_merge_jit: Any = numba.njit(cache=True, nogil=True)(_merge)
_best_jit: Any = numba.njit(cache=True, nogil=True)(_best)
_sums_jit: Any = numba.njit(cache=True, nogil=True)(_sums)
_kernels: dict[str, Any] = {
    "parse": _parse,
    "sided": _parse_sided,
    "merge": _merge,
    "best": _best,
    "sums": _sums,
}


def warm_up() -> None:
    """Compile the kernels, or load them from the cache, and use them from now on. May take some seconds."""
    out = np.zeros((2, 2), np.int64)
    _parse_jit(b'[["1","1"]]', 0, 0, out)
    _sided_jit(b'[["buy","1","1"]]', 0, 0, out, out)
    _merge_jit(np.zeros((3, 2), np.int64), 0, out[:1], 1, 0)
    _best_jit(out, 1, 1, out)
    _sums_jit(out, 1, np.ones(1, np.int64), np.zeros(1))
    _kernels.update(parse=_parse_jit, sided=_sided_jit, merge=_merge_jit, best=_best_jit, sums=_sums_jit)


def parse_levels(raw: bytes, price_decimals: int, qty_decimals: int) -> Levels:
    """Levels of a JSON list as a venue writes it: `[["61737.63000000","0.5"], …]` or a list of objects.

    Raises ValueError for anything else, for a negative number, or for one that the decimals can't hold.
    """
    if not raw.startswith(b"["):
        raise ValueError(PROBLEMS[BAD_SYNTAX])
    out = np.empty((_room(raw), 2), np.int64)
    count = _kernels["parse"](raw, price_decimals, qty_decimals, out)
    if count < 0:
        raise ValueError(PROBLEMS[count])
    return out[:count]


def _room(raw: bytes) -> int:
    """More levels than the shortest, `[1,1],`, would make of it."""
    return len(raw) // 6 + 1


def parse_sided(raw: bytes, price_decimals: int, qty_decimals: int) -> tuple[Levels, Levels]:
    """Bids and asks of a JSON list that mixes them, each in the order of the list.

    A level is `["buy", "61737.63", "0.5"]`, or an object with `side`, `price_level` and `new_quantity` among
    its members. Raises ValueError as `parse_levels` does, and for any other name of a side.
    """
    if not raw.startswith(b"["):
        raise ValueError(PROBLEMS[BAD_SYNTAX])
    room = _room(raw)
    bids, asks = np.empty((room, 2), np.int64), np.empty((room, 2), np.int64)
    bid_count, ask_count = _kernels["sided"](raw, price_decimals, qty_decimals, bids, asks)
    if bid_count < 0:
        raise ValueError(PROBLEMS[bid_count])
    return bids[:bid_count], asks[:ask_count]


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
        size, price, qty = _kernels["merge"](self._book, self._size, levels, self._sign, depth)
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
        return out[: _kernels["best"](self._book, self._size, self._sign, out)]

    def sums(self, depths: Ints) -> list[float]:
        """Quantity of the best levels down to each of the ascending `depths`, for metrics."""
        out = np.empty(len(depths))
        _kernels["sums"](self._book, self._size, depths, out)
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
