"""Which column is which: told by the values, where names may be wrong.

Evidence, in this order. The four prices of a bar lie close together, and its volume anywhere. The high is at
or above the other three and the low at or below. Where markets never close, a bar opens near the last close.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit.macro.candles import COLUMNS, Floats

_LEAST_BARS: Final = 20
"""Below which nothing is told of names."""
_LEAST_STEPS: Final = 200
"""Below which open and close are not told apart by nearness alone: over few, bars bounce."""
_LEAST_SHARE: Final = 0.001
"""Of impossible bars, up to which names are right."""
_MOSTLY: Final = 0.5
"""Of bars impossible, above which the names are in doubt even where no other order is sound."""
_LEVEL: Final = 3.0
"""How many times closer together four columns lie than any other four, to be the prices."""
_NEARER: Final = 2.0
"""How many times nearer bars open to the last close under one order than another, to be the right one."""


class Reading(NamedTuple):
    """What columns that bear wrong names look like."""

    names: tuple[str, ...] | None
    """Of what is named open, high, low, close, volume; None where the values don't single out one order."""


def impossible(values: Floats) -> NDArray[np.bool_]:
    """By bar. `values`: open, high, low, close, volume."""
    o, high, low, c, volume = values.T
    wrong = (low <= 0) | (high < np.maximum(o, c)) | (low > np.minimum(o, c)) | (volume < 0)
    return np.asarray(wrong | np.isinf(values).any(1))


def read_names(values: Floats) -> Reading | None:
    """None where the given names do. `values`: open, high, low, close, volume, in order of time.

    Bars with a NaN or an infinity are left out; below 20 others nothing is told, and
    below 200 nothing of open and close where all else is right.
    """
    values = values[np.isfinite(values).all(1)]
    if len(values) < _LEAST_BARS:
        return None
    given = (0, 1, 2, 3, 4)
    share = float(impossible(values).mean())
    volume = _volume(values)
    if share <= _LEAST_SHARE and volume in {4, None}:
        reversed_ = (3, 1, 2, 0, 4)
        if len(values) < _LEAST_STEPS or _apart(values, reversed_) * _NEARER >= _apart(values, given):
            return None
        return Reading(_named(reversed_) if volume == 4 else None)
    orders = [order for order in permutations(given) if volume in {order[4], None}]
    sound = [order for order in orders if _share(values, order) <= _LEAST_SHARE]
    if not sound:
        better = any(_share(values, order) < share / 10 for order in orders)
        return Reading(None) if volume not in {4, None} or (share > _MOSTLY and better) else None
    best, *others = sorted(sound, key=lambda order: _apart(values, order))
    alone = all(_apart(values, best) * _NEARER < _apart(values, other) for other in others)
    return Reading(_named(best) if alone and volume is not None else None)


def _volume(values: Floats) -> int | None:
    """The column without which the other four lie closest together, if clearly so."""
    spreads = np.array([_spread(np.delete(values, k, axis=1)) for k in range(5)])
    first, second = np.argsort(spreads, kind="stable")[:2]
    return int(first) if spreads[first] * _LEVEL < spreads[second] else None


def _spread(values: Floats) -> float:
    """Of the columns in a bar, from 0 to 1, on average."""
    return float(_distance(values.max(axis=1), values.min(axis=1)).mean())


def _share(values: Floats, order: Sequence[int]) -> float:
    return float(impossible(values[:, list(order)]).mean())


def _apart(values: Floats, order: Sequence[int]) -> float:
    """How far bars open from the last close, on average."""
    return float(_distance(values[1:, order[0]], values[:-1, order[3]]).mean())


def _distance(a: Floats, b: Floats) -> Floats:
    """0 where equal, 1 where one is 0."""
    size = np.abs(a) + np.abs(b)
    return np.asarray(np.abs(a - b) / np.where(size > 0, size, 1.0))


def _named(order: Sequence[int]) -> tuple[str, ...]:
    """By column as given, the name that `order` (open, high, low, close, volume by column) gives it."""
    return tuple(COLUMNS[order.index(k)] for k in range(5))
