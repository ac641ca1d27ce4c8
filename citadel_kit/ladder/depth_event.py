"""Binance's depth event in one pass, where it is written exactly as Binance writes it.

    {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT",
     "U":1,"u":2,"pu":0,"b":[["61737.63","0.5"], …],"a":[…]}}

without the line break; `T` and `pu` may be missing, no member comes twice, `b` stands before `a`. Of anything
else, a space or an error among it, nothing is read here: that is for a JSON decoder, and so is to say what is
wrong with it. This saves an eighth of the way from a frame to a snapshot.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba.extending import register_jitable

from citadel_kit.ladder.compiled import entry
from citadel_kit.types import Levels

Read = tuple[int, int, int, int, int, int]

STREAM: Final = b'{"stream":"'
_EVENT: Final = b'","data":{"e":"depthUpdate"'
_STREAM_SIZE, _EVENT_SIZE = len(STREAM), len(_EVENT)
_NOTHING: Final = (-1, 0, 0, 0, 0, 0)
_SHORT: Final = 18
"""Any number of so many digits is below 62 bits."""
_TENS: Final = np.array([10**n for n in range(_SHORT + 1)], np.int64)
_INT64: Final = np.dtype(np.int64)
LATEST_MS: Final = 9_000_000_000_000
"""In nanoseconds it still fits 64 bits."""
_QUOTE, _COMMA, _DOT, _COLON, _AT, _OPEN, _CLOSE, _END = 34, 44, 46, 58, 64, 91, 93, 125  # " , . : @ [ ] }


@register_jitable
def _behind_names(raw: bytes) -> tuple[int, int]:
    """Index behind the kind of the event, 0 if it is another; and that of the `@` in the stream's name."""
    i = _STREAM_SIZE
    at = 0
    while 97 <= raw[i] <= 122 or 48 <= raw[i] <= 57 or raw[i] == 95 or raw[i] == _AT:  # a-z 0-9 _ @
        if raw[i] == _AT and at == 0:
            at = i
        i += 1
    for k in range(_EVENT_SIZE):
        if raw[i + k] != _EVENT[k]:
            return 0, 0
    return (i + _EVENT_SIZE, at) if at > 0 else (0, 0)


@register_jitable
def _behind_symbol(raw: bytes, i: int, at: int) -> int:
    """Index behind the text at `i`, 0 unless that is the stream's symbol in capitals."""
    if raw[i] != _QUOTE:
        return 0
    i += 1
    for k in range(_STREAM_SIZE, at):
        if raw[i] != (raw[k] - 32 if raw[k] >= 97 else raw[k]):
            return 0
        i += 1
    return i + 1 if raw[i] == _QUOTE else 0


@register_jitable
def _integer(raw: bytes, i: int) -> tuple[int, int]:
    """The number at `i`, and the index behind it: 0 for what JSON calls none, and for a long one."""
    start, value = i, 0
    while 48 <= raw[i] <= 57:
        value = value * 10 + (raw[i] - 48)
        i += 1
    digits = i - start
    return (value, i) if 0 < digits <= _SHORT and (digits == 1 or raw[start] != 48) else (-1, 0)


@register_jitable
def _levels(
    raw: bytes, i: int, price_decimals: int, qty_decimals: int, out: Levels, row: int
) -> tuple[int, int]:
    """Read the list at `i` into `out` from `row` on: the row and the index behind it, which is 0 for a list
    that is written in another way. Numbers are read here and not by a function: it would take twice as long.
    """
    if i < 0:  # never; the compiler, once told so, looks at the sign of no index, and that saves a fifth
        return -1, 0
    more = raw[i] == _OPEN and raw[i + 1] != _CLOSE
    if not more:
        return (row, i + 2) if raw[i] == _OPEN else (-1, 0)
    while more:
        if raw[i + 1] != _OPEN or row >= out.shape[0]:
            return -1, 0
        i += 2
        for member in range(2):
            if raw[i] != _QUOTE:
                return -1, 0
            i += 1
            left = decimals = price_decimals if member == 0 else qty_decimals
            start, value, c = i, 0, raw[i]
            while 48 <= c <= 57:
                value = value * 10 + (c - 48)
                i += 1
                c = raw[i]
            digits = i - start
            if c == _DOT:
                i += 1
                c = raw[i]
                while 48 <= c <= 57 and left > 0:
                    value = value * 10 + (c - 48)
                    left -= 1
                    i += 1
                    c = raw[i]
                while c == 48:
                    i += 1
                    c = raw[i]
            if c != _QUOTE or digits == 0 or digits + decimals > _SHORT:
                return -1, 0
            out[row, member] = value * _TENS[left]
            i += 1
            if raw[i] != (_COMMA if member == 0 else _CLOSE):
                return -1, 0
            i += 1
        row += 1
        more = raw[i] == _COMMA
    return (row, i + 1) if raw[i] == _CLOSE else (-1, 0)


def _read(raw: bytes, price_decimals: int, qty_decimals: int, out: Levels) -> Read:
    """The first row behind the asks, that behind the bids before them, `E`, `U`, `u`, `pu`; see `read_event`.

    `raw` ends with two braces. Nothing that is passed over is one, so no index gets behind them.
    """
    end = len(raw)
    if price_decimals < 0 or qty_decimals < 0:
        return _NOTHING
    if end < _STREAM_SIZE + 2 or raw[end - 1] != _END or raw[end - 2] != _END:
        return _NOTHING
    i, at = _behind_names(raw)
    behind_bids = behind_asks = event_ms = match_ms = first = last = before = -1
    named = False
    while i > 0 and raw[i] == _COMMA and raw[i + 1] == _QUOTE:
        key, two, i = raw[i + 2], raw[i + 3] == 117, i + 3
        if two:  # only `pu` has two letters
            i += 1
        if two != (key == 112) or raw[i] != _QUOTE or raw[i + 1] != _COLON:
            return _NOTHING
        i += 2
        if key == 69 and event_ms < 0:  # E
            event_ms, i = _integer(raw, i)
        elif key == 84 and match_ms < 0:  # T
            match_ms, i = _integer(raw, i)
        elif key == 115 and not named:  # s
            i, named = _behind_symbol(raw, i, at), True
        elif key == 85 and first < 0:  # U
            first, i = _integer(raw, i)
        elif key == 117 and last < 0:  # u
            last, i = _integer(raw, i)
        elif key == 112 and before < 0:  # pu
            before, i = _integer(raw, i)
        elif key == 98 and behind_bids < 0:  # b
            behind_bids, i = _levels(raw, i, price_decimals, qty_decimals, out, 0)
        elif key == 97 and behind_bids >= 0 and behind_asks < 0:  # a
            behind_asks, i = _levels(raw, i, price_decimals, qty_decimals, out, behind_bids)
        else:
            return _NOTHING
    whole = i == end - 2 and named and behind_asks >= 0 and 0 <= event_ms <= LATEST_MS >= match_ms
    return (behind_asks, behind_bids, event_ms, first, last, before) if whole else _NOTHING


# Without nogil: it takes microseconds, and who lets the lock go may wait 5 ms to get it back.
_COMPILED: Final[Any] = numba.njit(cache=True)(_read)
kernels: Final[dict[str, Any]] = {"read": _read}
"""What to call now."""


def warm_up() -> None:
    kernels["read"] = entry(_COMPILED, STREAM + b"}}", 0, 0, np.zeros((1, 2), np.int64))


def read_event(
    raw: bytes, price_decimals: int, qty_decimals: int
) -> tuple[int, int, int, int, Levels, Levels] | None:
    """`E`, `U`, `u`, `pu`, bids and asks of a depth event, -1 for an id that is missing; None where it is
    written in any other way, or is none. `raw` starts with `STREAM`."""
    out = np.empty((len(raw) // 10, 2), _INT64)  # `["1","1"],` takes ten
    behind_asks, behind_bids, event_ms, first, last, before = kernels["read"](
        raw, price_decimals, qty_decimals, out
    )
    if behind_asks < 0:
        return None
    return event_ms, first, last, before, out[:behind_bids], out[behind_bids:behind_asks]
