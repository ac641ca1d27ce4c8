"""What venues write of levels, and the integers it means: JSON lists in, digits for a checksum out."""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.types import Levels

Bytes = NDArray[np.uint8]

BAD_SYNTAX: Final = -1
TOO_FINE: Final = -2
TOO_LARGE: Final = -3
PROBLEMS: Final = {
    BAD_SYNTAX: "not a list of [price, quantity] levels",
    TOO_FINE: "a number has more decimals than the instrument",
    TOO_LARGE: "a number is too large for 62 bits",
}
_LIMIT: Final = 1 << 62
_INT64: Final = np.dtype(np.int64)
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
    """Index of the quote that ends the text whose opening quote is at `i`; the end if an escape is in it.

    No venue writes an escape in a book, and one could hide a quote.
    """
    i += 1
    while i < len(raw) and raw[i] != 34:
        if raw[i] == 92:
            return len(raw)
        i += 1
    return i


@register_jitable
def _is_text(raw: bytes, i: int, end: int, word: bytes) -> bool:
    same = end - i == len(word)
    for k in range(len(word) if same else 0):
        same = same and raw[i + k] == word[k]
    return same


@register_jitable
def _behind_number(raw: bytes, i: int, quoted: bool) -> int:
    """Index behind the quote and the comma that follow a number; the end if anything else does."""
    if quoted:
        if i == len(raw) or raw[i] != 34:
            return len(raw)
        i += 1
    if i < len(raw) and raw[i] == 44:  # ,
        return i + 1
    return i if i < len(raw) and (raw[i] == 93 or raw[i] == 125 or raw[i] == 32) else len(raw)  # ] } space


@register_jitable
def _behind_key(raw: bytes, i: int, member: int) -> int:
    """As `_behind_text`; the end too for a text, before the two numbers, that isn't the name of the next."""
    end = _behind_text(raw, i)
    named = member == 2 or _is_text(raw, i + 1, end, b"qty" if member == 1 else b"price")
    return end if named else len(raw)


@register_jitable
def _parse(raw: bytes, price_decimals: int, qty_decimals: int, out: Levels) -> int:  # noqa: PLR0912
    """Read the first two members of each inner list or object of a JSON list into `out`; the count, or < 0.

    They are numbers, perhaps quoted; of an object, its price and its qty. What follows is passed over, if it
    is flat. Trailing zeros do not count as decimals (Binance writes eight where the tick has two). Numbers
    are read here and not by `_number`, which would take twice as long: this is the hottest loop of all.
    """
    depth = level = member = i = 0
    while i < len(raw):
        c = raw[i]
        if 48 <= c <= 57 and member < 2:
            if depth != 2 or level >= out.shape[0]:
                return BAD_SYNTAX
            quoted = raw[i - 1] == 34
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
            out[level, member] = value
            member += 1
            i = _behind_number(raw, i, quoted)
            continue
        if 48 <= c <= 57:
            while i < len(raw) and raw[i] != 44 and raw[i] != 93 and raw[i] != 125:
                i += 1
            continue
        if c == 34 and depth == 2:
            if member == 2 or i + 1 == len(raw) or raw[i + 1] < 48 or raw[i + 1] > 57:
                i = _behind_key(raw, i, member)
        elif c == 91 or c == 123:  # [ {
            depth += 1
            member = 0
        elif c == 93 or c == 125:  # ] }
            depth -= 1
            if depth < 0 or (depth == 1 and member < 2):
                return BAD_SYNTAX
            if depth == 1:
                level += 1
            member = 0
        elif c == 45 or (depth < 2 and c != 44 and c != 32) or (c == 44 and depth == 2 and member < 2):
            return BAD_SYNTAX  # a minus; between levels all but , and space; a comma without its number
        i += 1
    return level if depth == 0 else BAD_SYNTAX


def _parse_both(
    bids: bytes, asks: bytes, price_decimals: int, qty_decimals: int, out: Levels
) -> tuple[int, int]:
    """`_parse` of both sides in one call, the asks behind the bids; both counts, or one < 0."""
    if len(bids) == 0 or bids[0] != 91 or len(asks) == 0 or asks[0] != 91:  # [
        return BAD_SYNTAX, 0
    bid_count = _parse(bids, price_decimals, qty_decimals, out)
    if bid_count < 0:
        return bid_count, 0
    return bid_count, _parse(asks, price_decimals, qty_decimals, out[bid_count:])


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


def _digits(levels: Levels, out: Bytes) -> int:
    """Write the decimal digits of price, quantity, price, …, nothing between them; how many they are."""
    end = 0
    for row in range(levels.shape[0]):
        for column in range(2):
            value = levels[row, column]
            end += 1
            rest = value // 10
            while rest > 0:
                end += 1
                rest //= 10
            i = end
            for _ in range(20):
                i -= 1
                out[i] = 48 + value % 10
                value //= 10
                if value == 0:
                    break
    return end


_SOURCES: Final[dict[str, Any]] = {
    "parse": _parse_both,
    "sided": _parse_sided,
    "digits": _digits,
}
# Without nogil: these take microseconds, and who lets the lock go may wait 5 ms to get it back.
_COMPILED: Final[dict[str, Any]] = {name: numba.njit(cache=True)(source) for name, source in _SOURCES.items()}
kernels: Final[dict[str, Any]] = dict(_SOURCES)
"""What to call now."""


def warm_up() -> None:
    out = np.zeros((1, 2), np.int64)
    _COMPILED["parse"](b'[["1","1"]]', b"[]", 0, 0, out)
    _COMPILED["sided"](b'[["buy","1","1"]]', 0, 0, out, out)
    _COMPILED["digits"](out, np.empty(40, np.uint8))
    kernels.update(_COMPILED)


def parse_both(bids: bytes, asks: bytes, price_decimals: int, qty_decimals: int) -> tuple[Levels, Levels]:
    """Levels of two JSON lists as a venue writes them: `[["61737.63000000","0.5"], …]`, or of objects.

    Raises ValueError for anything else, for a negative number, or for one that the decimals can't hold.
    """
    out = np.empty(((len(bids) + len(asks)) // 6 + 2, 2), _INT64)  # `_room` of both
    bid_count, ask_count = kernels["parse"](bids, asks, price_decimals, qty_decimals, out)
    if bid_count < 0 or ask_count < 0:
        raise ValueError(PROBLEMS[min(bid_count, ask_count)])
    return out[:bid_count], out[bid_count : bid_count + ask_count]


def _room(raw: bytes) -> int:
    """More levels than the shortest, `[1,1],`, would make of it."""
    return len(raw) // 6 + 1


def parse_sided(raw: bytes, price_decimals: int, qty_decimals: int) -> tuple[Levels, Levels]:
    """Bids and asks of a JSON list that mixes them, each in the order of the list.

    A level is `["buy", "61737.63", "0.5"]`, or an object with `side`, `price_level` and `new_quantity` among
    its members. Raises ValueError as `parse_both` does, and for any other name of a side.
    """
    if not raw.startswith(b"["):
        raise ValueError(PROBLEMS[BAD_SYNTAX])
    room = _room(raw)
    bids, asks = np.empty((room, 2), np.int64), np.empty((room, 2), np.int64)
    bid_count, ask_count = kernels["sided"](raw, price_decimals, qty_decimals, bids, asks)
    if bid_count < 0:
        raise ValueError(PROBLEMS[bid_count])
    return bids[:bid_count], asks[:ask_count]


def digits(levels: Levels) -> bytes:
    """The decimal digits of price, quantity, price, … of all levels, as a checksum over them wants."""
    out = np.empty(40 * len(levels), np.uint8)
    return out[: kernels["digits"](levels, out)].tobytes()
