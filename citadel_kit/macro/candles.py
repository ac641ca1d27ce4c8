"""The candle schema, its checker, and the closed-bar rule.

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
YEAR_NS: Final = 365 * 86_400 * 10**9
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
        return f"{self.bars} bars missing from {_when(self.start_ns)} to {_when(self.end_ns)}"


def timeframe_ns(timeframe: str) -> int:
    """Length of a bar named as exchanges do: `5m`, `1h`, `1d`. Raises CandleError `timeframe`."""
    count, unit = timeframe[:-1], timeframe[-1:]
    if not (count.isascii() and count.isdigit()) or int(count) == 0 or unit not in _UNITS_NS:
        raise CandleError("timeframe", f"{timeframe!r}: use minutes, hours or days, such as 5m, 1h, 1d")
    return int(count) * _UNITS_NS[unit]


def infer_timeframe(frame: pd.DataFrame) -> str:
    """The name of the most frequent step between bars. Raises CandleError `timeframe` below two bars."""
    step = _usual_step(open_ns(frame))
    if step == 0:
        raise CandleError("timeframe", "can't be told from fewer than two bars in order; name it, such as 5m")
    for unit in ("d", "h", "m"):
        if step % _UNITS_NS[unit] == 0:
            return f"{step // _UNITS_NS[unit]}{unit}"
    raise CandleError("timeframe", f"bars are {step / 1e9:g} s apart, which is no whole number of minutes")


def open_ns(frame: pd.DataFrame) -> Ints:
    """Open times in ns since the epoch. Raises CandleError `not_utc` for anything but UTC times."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        kind = str(index.tz) if isinstance(index, pd.DatetimeIndex) else str(index.dtype)
        raise CandleError("not_utc", f"the index must hold UTC times, it is {kind}; use tz_convert('UTC')")
    return index.as_unit("ns").asi8


def columns_of(frame: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Open, high, low, close and volume as contiguous arrays. Raises CandleError `columns`."""
    missing = [name for name in COLUMNS if name not in frame.columns or frame[name].dtype != np.float64]
    if missing:
        raise CandleError("columns", f"{', '.join(missing)} missing or not float64")
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


def find_faults(frame: pd.DataFrame, timeframe: str, now_ns: int | None = None) -> list[CandleError]:
    """Every fault but holes, by kind, each naming its first place.

    Kinds: `not_utc`, `columns`, `empty`, `duplicate`, `unsorted`, `off_grid`, `nan`, `impossible`,
    `timeframe`, and with `now_ns` also `unclosed`: the last bar's close lies after it.
    """
    step = timeframe_ns(timeframe)
    try:
        opens = open_ns(frame)
        o, h, low, c, v = columns_of(frame)
    except CandleError as fault:
        return [fault]
    if len(opens) == 0:
        return [CandleError("empty", "there is no bar")]
    prices = np.column_stack([o, h, low, c, v])
    impossible = (
        (low <= 0) | (h < np.maximum(o, c)) | (low > np.minimum(o, c)) | (v < 0) | np.isinf(prices).any(1)
    )
    steps = np.diff(opens, prepend=opens[0] - step)
    marks = {
        "duplicate": (pd.Index(opens).duplicated(), "two bars with one open time"),
        "unsorted": (steps < 0, "a bar opens before the one above it; sort by ts"),
        "off_grid": (opens % step != 0, f"opens off the {timeframe} grid; is it the open time, in UTC?"),
        "nan": (np.isnan(prices).any(1), "a price or volume is NaN"),
        "impossible": (
            impossible,
            "low above open or close, high below, price not above 0, volume below 0, or infinite",
        ),
    }
    faults = [
        CandleError(code, f"{int(mask.sum())} bars, the first at {_when(int(opens[mask.argmax()]))}: {text}")
        for code, (mask, text) in marks.items()
        if mask.any()
    ]
    usual = _usual_step(opens)
    if usual not in {0, step}:
        text = f"bars are mostly {usual // 10**9} s apart, which is not {timeframe}; name the right timeframe"
        faults.append(CandleError("timeframe", text))
    if now_ns is not None and int(opens.max()) + step > now_ns:
        last = _when(int(opens.max()))
        faults.append(CandleError("unclosed", f"the bar of {last} is not closed yet; use closed_before"))
    return faults


def check(frame: pd.DataFrame, timeframe: str, now_ns: int | None = None) -> tuple[Gap, ...]:
    """The holes of a sound frame. Raises the first of `find_faults`; holes are named, not fatal."""
    faults = find_faults(frame, timeframe, now_ns)
    if faults:
        raise faults[0]
    return find_gaps(frame, timeframe)


def _usual_step(opens: Ints) -> int:
    """The most frequent step forward, in ns; 0 where there is none."""
    steps = np.diff(opens)
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else 0


def _when(ns: int) -> str:
    return pd.Timestamp(ns, tz="UTC").strftime("%Y-%m-%d %H:%M")
