"""The candle schema, its holes, and the closed-bar rule; `macro.quality` finds its faults.

A candle frame is a pandas DataFrame with a `DatetimeIndex` named `ts` in UTC holding each bar's OPEN time,
ascending, and the float64 columns `open, high, low, close, volume`. Further columns are allowed and ignored.
A bar may be used from its CLOSE on, that is from `ts` + timeframe.

A hole in the data splits a frame into segments. Everything rolling is computed segment by segment, so that
no number bridges a hole: warm-up starts anew behind it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import CandleError

COLUMNS: Final = ("open", "high", "low", "close", "volume")
DAY_NS: Final = 86_400 * 10**9
YEAR_NS: Final = 365 * DAY_NS
"""The market never closes: a year has 365 days."""

_UNITS_NS: Final = {"m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Gap(NamedTuple):
    """`bars` missing bars; the first was to open at `start_ns`, the next present one opens at `end_ns`."""

    start_ns: int
    end_ns: int
    bars: int

    def __str__(self) -> str:
        return f"{self.bars} bars missing from {when(self.start_ns)} to {when(self.end_ns)}"


def timeframe_ns(timeframe: str) -> int:
    """Length of a bar named as exchanges do: `5m`, `1h`, `1d`. Raises CandleError `timeframe`."""
    count, unit = timeframe[:-1], timeframe[-1:]
    if not (count.isascii() and count.isdigit()) or int(count) == 0 or unit not in _UNITS_NS:
        raise CandleError("timeframe", f"{timeframe!r}: use minutes, hours or days, such as 5m, 1h, 1d")
    return int(count) * _UNITS_NS[unit]


def infer_timeframe(frame: pd.DataFrame) -> str:
    """The name of the most frequent step between bars. Raises CandleError `timeframe` below two bars."""
    step = usual_step(open_ns(frame))
    if step == 0:
        raise CandleError("timeframe", "can't be told from fewer than two bars in order; name it, such as 5m")
    return timeframe_name(step)


def timeframe_name(step_ns: int) -> str:
    """The one name of a bar's length, in its largest whole unit: `1h`, never `60m`. Raises CandleError
    `timeframe`."""
    for unit in ("d", "h", "m"):
        if step_ns % _UNITS_NS[unit] == 0:
            return f"{step_ns // _UNITS_NS[unit]}{unit}"
    raise CandleError("timeframe", f"bars are {step_ns / 1e9:g} s apart, which is no whole number of minutes")


def open_ns(frame: pd.DataFrame) -> Ints:
    """Open times in ns since the epoch. Raises CandleError `not_utc` for anything but UTC times."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        text = f"the index must hold UTC times, it is {index.dtype}; make it of the open times by to_datetime"
        raise CandleError("not_utc", text)
    if index.tz is None:
        text = "the index must hold UTC times, it names no zone; where they are UTC use tz_localize('UTC')"
        raise CandleError("not_utc", text)
    if str(index.tz) != "UTC":
        text = f"the index must hold UTC times, it is in {index.tz}; use tz_convert('UTC')"
        raise CandleError("not_utc", text)
    if index.hasnans:
        text = f"{np.count_nonzero(index.isna())} bars have no open time (NaT); drop them or find their times"
        raise CandleError("not_utc", text)
    return index.as_unit("ns").asi8


def columns_of(frame: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Open, high, low, close and volume as contiguous arrays. Raises CandleError `columns`."""
    names = list(frame.columns)
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise CandleError("columns", f"more than one column is named {', '.join(twice)}; keep one of each")
    if missing := [name for name in COLUMNS if name not in names]:
        raise CandleError("columns", f"{', '.join(missing)} missing; there are {', '.join(map(str, names))}")
    if other := [f"{name} ({frame[name].dtype})" for name in COLUMNS if frame[name].dtype != np.float64]:
        text = f"{', '.join(other)} not float64; use astype('float64'), which makes None a NaN"
        raise CandleError("columns", text)
    o, h, low, c, v = (np.ascontiguousarray(frame[name].to_numpy()) for name in COLUMNS)
    return o, h, low, c, v


def find_gaps(frame: pd.DataFrame, timeframe: str) -> tuple[Gap, ...]:
    step, opens = timeframe_ns(timeframe), open_ns(frame)
    before = np.flatnonzero(np.diff(opens) > step)
    return tuple(
        Gap(int(opens[i]) + step, int(opens[i + 1]), int(opens[i + 1] - opens[i]) // step - 1) for i in before
    )


def segments(frame: pd.DataFrame, timeframe: str) -> list[slice]:
    """Row ranges without a hole inside, in order; together they are the whole frame."""
    opens = open_ns(frame)
    cuts = np.flatnonzero(np.diff(opens) != timeframe_ns(timeframe)) + 1
    bounds = [0, *cuts.tolist(), len(opens)]
    return [slice(a, b) for a, b in pairwise(bounds) if b > a]


def closed_before(frame: pd.DataFrame, timeframe: str, t_ns: int) -> pd.DataFrame:
    """Only the bars whose close time is at or before `t_ns`."""
    return frame[open_ns(frame) + timeframe_ns(timeframe) <= t_ns]


def usual_step(opens: Ints) -> int:
    """The most frequent step forward, in ns; 0 where there is none."""
    steps = np.diff(opens)
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else 0


def when(ns: int) -> str:
    return pd.Timestamp(ns, tz="UTC").strftime("%Y-%m-%d %H:%M")
