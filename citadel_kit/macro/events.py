"""Labels at chosen moments instead of every bar, the second opinion on a given side, and what labels weigh.

López de Prado (2018): the symmetric CUSUM filter (section 2.5.2.1), daily volatility (3.2), triple barriers
at events (3.3), meta-labels (3.6), uniqueness of overlapping labels (4.3-4.5). Bars need not be of equal
length here: times are given in ns, and barriers are judged at closes, as the book does. For candles, where
high and low are known and the entry is at the next open, there is `macro.labels`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import DAY_NS, Floats, Ints
from citadel_kit.macro.labels import Labels


class EventLabels(NamedTuple):
    """One value an event."""

    row: Ints
    """Of the event."""
    side: NDArray[np.int8]
    """1 upper barrier, -1 lower, 0 neither within the horizon; seen from the given side where one is."""
    end: Ints
    """Row at which it was decided; -1 where the data end before it is."""
    gain: Floats
    """Simple return from the event's close to that of `end`, times the given side; NaN where `end` is -1."""


def daily_volatility(stamps_ns: Ints, close: Floats, span: int = 100) -> Floats:
    """Exponentially weighted standard deviation of returns over one day, one value a bar.

    The return of a bar is from the last close before the moment 24 hours earlier. NaN where there is none,
    and at the first bar that has one: one return has no deviation.
    """
    earlier = np.searchsorted(stamps_ns, stamps_ns - DAY_NS) - 1
    known = earlier >= 0
    out = np.full(len(close), np.nan)
    returns = close[known] / close[earlier[known]] - 1.0
    out[known] = pd.Series(returns).ewm(span=span).std().to_numpy()
    return out


def cusum_events(close: Floats, threshold: float | Floats) -> Ints:
    """Rows at which log price has moved by more than `threshold` (one, or one a bar) in one direction since
    the last event of that direction: sums of log returns, held at 0 from the other side, restart at events.

    A price that hovers around a level makes no second event. Raises ConfigError for a threshold not above 0
    or a close that is not a positive number.
    """
    limits = np.broadcast_to(np.asarray(threshold, dtype=np.float64), close.shape)
    if not (limits > 0).all() or not (np.isfinite(close) & (close > 0)).all():
        raise ConfigError("threshold", "thresholds and closes must be numbers above 0", "Leave warm-up out")
    up = down = 0.0
    events = []
    moves = np.diff(np.log(close)).tolist()
    for row, (move, limit) in enumerate(zip(moves, limits[1:].tolist(), strict=True), start=1):
        up, down = max(0.0, up + move), min(0.0, down + move)
        if down < -limit:
            down = 0.0
            events.append(row)
        elif up > limit:
            up = 0.0
            events.append(row)
    return np.array(events, dtype=np.int64)


def event_labels(
    stamps_ns: Ints,
    close: Floats,
    rows: Ints,
    width: Floats,
    *,
    horizon_ns: int = 0,
    profit: float = 1.0,
    stop: float = 1.0,
    side: ArrayLike | None = None,
) -> EventLabels:
    """What became of a position opened at each event's close.

    `width`: one a bar, the barriers' distance as a share of price; events where it is NaN or not above 0 are
    left out. `profit`, `stop`: the distances in widths. `horizon_ns`: the first bar at or after it decides
    at the latest; 0: only the barriers do. `side`: one a bar, 1 or -1; without it the upper barrier is at
    `profit` widths and the lower one, too, since profit and stop need a side.
    """
    if profit <= 0 or stop <= 0 or horizon_ns < 0:
        raise ConfigError(
            "barriers", f"profit {profit}, stop {stop}, horizon {horizon_ns}: above 0, 0 or more"
        )
    sides = np.ones(len(close)) if side is None else np.asarray(side, dtype=np.float64)
    rows = rows[width[rows] > 0]
    last = len(close) - 1
    ends, gains = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), np.nan)
    touched = np.zeros(len(rows), dtype=np.int8)
    for k, row in enumerate(rows.tolist()):
        due = int(np.searchsorted(stamps_ns, stamps_ns[row] + horizon_ns)) if horizon_ns else last + 1
        path = (close[row : min(due, last) + 1] / close[row] - 1.0) * sides[row]
        floor = -width[row] * (profit if side is None else stop)
        outside = np.flatnonzero((path > profit * width[row]) | (path < floor))
        if len(outside):
            touched[k] = 1 if path[outside[0]] > 0 else -1
            ends[k], gains[k] = row + outside[0], path[outside[0]]
        elif due <= last:
            ends[k], gains[k] = due, path[-1]
    return EventLabels(rows, touched, ends, gains)


def meta_labels(labels: Labels, side: ArrayLike) -> NDArray[np.int8]:
    """Was the side of a first model right? 1 where its barrier was touched first, 0 where the other one or
    neither was, -1 where it took no side (0) or there is no label. Learn it to decide whether to follow."""
    sides = np.asarray(side)
    if len(sides) != len(labels.side):
        raise ConfigError("side", f"has {len(sides)} rows, the labels {len(labels.side)}")
    right = np.asarray(labels.side == sides, dtype=np.int8)
    return np.where((sides == 0) | (labels.end < 0), np.int8(-1), right).astype(np.int8)


def uniqueness(ends: Ints) -> Floats:
    """Average uniqueness of each row's label, in (0, 1]; 0 where it has none (`end` -1).

    A label at t spans the bars t + 1 … end. At each bar it shares its outcome with all labels that span it,
    so it counts for one over their number there, averaged over its span. As sample weights these keep a
    move that many overlapping labels saw from counting many times.
    """
    rows = np.arange(len(ends), dtype=np.int64)
    known = ends >= 0
    if bool(np.any(known & (ends <= rows))) or bool(np.any(ends >= len(ends))):
        raise ConfigError("ends", "a label must end behind its own row and within the data")
    change = np.zeros(len(ends) + 1)
    np.add.at(change, rows[known] + 1, 1.0)
    np.add.at(change, ends[known] + 1, -1.0)
    together = np.cumsum(change)[:-1]
    share = np.concatenate(
        (np.zeros(1), np.cumsum(np.where(together > 0, 1.0 / np.maximum(together, 1.0), 0.0)))
    )
    out = np.zeros(len(ends))
    out[known] = (share[ends[known] + 1] - share[rows[known] + 1]) / (ends[known] - rows[known])
    return out
