"""What is wrong with candles, by name; and mending, of what one is told to and nothing else.

    fault       what it is                                             `mend` may
    ----------  -----------------------------------------------------  ------------------------------------
    not_utc     the index holds no UTC times                           -
    columns     a column is missing or no float64                      -
    empty       there is no bar                                        -
    duplicate   two bars with one open time                            drop them, where all values are equal
    unsorted    a bar opens before the one above it                    sort
    swapped     columns bear each other's names                        rename, where the values single out
                                                                       one order: `macro.swapped`
    off_grid    a bar opens off the timeframe's grid                   -
    nan         a price or volume is NaN                               drop the bars: they become holes
    impossible  high below low, open or close outside, price not       drop the bars: they become holes
                above 0, volume below 0, an infinity
    timeframe   bars are mostly another distance apart                 -
    unclosed    the last bar's close lies in the future                drop it
    zone        another record of the market runs hours apart          `shifted`, by what `zone_shift` says

Holes are no fault: exchanges have outages. They are named by `check`, and no number bridges them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import CandleError
from citadel_kit.macro.candles import (
    COLUMNS,
    Gap,
    Ints,
    closed_before,
    columns_of,
    find_gaps,
    open_ns,
    timeframe_ns,
    usual_step,
    when,
)
from citadel_kit.macro.swapped import Reading, impossible, read_names

_LEAST_CORRELATION: Final = 0.8
_UNCLEAR: Final = "columns look swapped, and which is which can't be told from them; rename them by hand"


def find_faults(
    frame: pd.DataFrame,
    timeframe: str,
    now_ns: int | None = None,
    reference: pd.DataFrame | None = None,
) -> list[CandleError]:
    """Every fault but holes, by kind, each naming its first place; the table above has them all.

    `unclosed` needs `now_ns`, `zone` a `reference`: sound candles of the same market in the same timeframe.
    """
    step = timeframe_ns(timeframe)
    try:
        opens = open_ns(frame)
        columns_of(frame)
    except CandleError as fault:
        return [fault]
    if len(opens) == 0:
        return [CandleError("empty", "there is no bar")]
    marks = _marks(frame, opens, timeframe)
    reading = _reading(frame)
    if reading is not None and reading.names is not None:
        say = f"what is named {', '.join(COLUMNS)} reads like {', '.join(reading.names)}: swapped columns"
        marks.pop("impossible")
        marks["swapped"] = (np.ones(len(opens), np.bool_), say)
    elif reading is not None:
        marks["swapped"] = (np.ones(len(opens), np.bool_), _UNCLEAR)
    faults = [
        CandleError(code, f"{int(mask.sum())} bars, the first at {when(int(opens[mask.argmax()]))}: {text}")
        for code, (mask, text) in marks.items()
        if mask.any()
    ]
    usual = usual_step(np.sort(opens))
    if usual not in {0, step}:
        text = f"bars are mostly {usual // 10**9} s apart, which is not {timeframe}; name the right timeframe"
        faults.append(CandleError("timeframe", text))
    if now_ns is not None and int(opens.max()) + step > now_ns:
        last = when(int(opens.max()))
        faults.append(CandleError("unclosed", f"the bar of {last} is not closed yet; use closed_before"))
    if reference is not None and (bars := zone_shift(frame, reference, timeframe)):
        text = f"the times run {bars * step / 3.6e12:+g} h against the reference; use quality.shifted"
        faults.append(CandleError("zone", text))
    return faults


def check(frame: pd.DataFrame, timeframe: str, now_ns: int | None = None) -> tuple[Gap, ...]:
    """The holes of a sound frame. Raises the first of `find_faults`; holes are named, not fatal."""
    faults = find_faults(frame, timeframe, now_ns)
    if faults:
        raise faults[0]
    return find_gaps(frame, timeframe)


def mend(
    frame: pd.DataFrame, timeframe: str, *faults: str, now_ns: int | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """A copy with these faults mended, and what was done, in words. No other fault is touched.

    Raises CandleError for a fault that can't be mended, where bars of one open time differ, and where columns
    look swapped but the values don't say how: which is right can't be told here.
    """
    unknown = sorted(set(faults) - set(_MENDERS) - {"unclosed"})
    if unknown:
        text = f"{', '.join(unknown)} can't be mended; these can: {', '.join(_MENDERS)}, unclosed"
        raise CandleError(unknown[0], text)
    done = []
    for fault in (name for name in _MENDERS if name in faults):
        after = _MENDERS[fault](frame)
        if after is not frame:
            done.append(f"{fault}: {len(frame)} bars before, {len(after)} after")
        frame = after
    if "unclosed" in faults:
        if now_ns is None:
            raise CandleError("unclosed", "mending needs now_ns: which bar is closed is a matter of time")
        closed = closed_before(frame, timeframe, now_ns)
        if len(closed) < len(frame):
            done.append(f"unclosed: {len(frame)} bars before, {len(closed)} after")
        frame = closed
    return frame, done


def zone_shift(frame: pd.DataFrame, reference: pd.DataFrame, timeframe: str, most_hours: int = 14) -> int:
    """By how many bars the times run late against `reference`; 0 where they don't, or it can't be told.

    The shift at which returns of the two correlate best, if by 0.8 or more and over 100 bars in common. A
    record in the time of UTC+8 that says it is UTC runs eight hours late.
    """
    step = timeframe_ns(timeframe)
    mine, theirs = _returns(frame, step), _returns(reference, step)
    best, found = _LEAST_CORRELATION, 0
    limit = most_hours * 3_600 * 10**9 // step
    for bars in sorted(range(-limit, limit + 1), key=abs):
        both = pd.concat([mine.set_axis(mine.index - bars * step), theirs], axis=1, join="inner").dropna()
        if len(both) >= 100 and (match := float(np.corrcoef(both.to_numpy().T)[0, 1])) > best:
            best, found = match, bars
    return found


def shifted(frame: pd.DataFrame, timeframe: str, bars: int) -> pd.DataFrame:
    """The same bars with their times moved back by so many bars."""
    stamps = (open_ns(frame) - bars * timeframe_ns(timeframe)).astype("M8[ns]")
    return frame.set_axis(pd.DatetimeIndex(stamps, tz="UTC", name="ts"))


# --- inside ---


def _marks(frame: pd.DataFrame, opens: Ints, timeframe: str) -> dict[str, tuple[NDArray[np.bool_], str]]:
    step = timeframe_ns(timeframe)
    values = np.column_stack(columns_of(frame))
    steps = np.diff(opens, prepend=opens[0] - step)
    return {
        "duplicate": (np.asarray(pd.Index(opens).duplicated()), "two bars with one open time"),
        "unsorted": (steps < 0, "a bar opens before the one above it; sort by ts"),
        "off_grid": (opens % step != 0, f"opens off the {timeframe} grid; is it the open time, in UTC?"),
        "nan": (np.isnan(values).any(1), "a price or volume is NaN"),
        "impossible": (
            impossible(values),
            "low above open or close, high below, price not above 0, volume below 0, or infinite",
        ),
    }


def _reading(frame: pd.DataFrame) -> Reading | None:
    ordered = frame.iloc[np.argsort(open_ns(frame), kind="stable")]
    return read_names(np.column_stack(columns_of(ordered)))


def _returns(frame: pd.DataFrame, step: int) -> pd.Series[float]:
    """Log returns by open time in ns; NaN behind a hole."""
    stamps, first = np.unique(open_ns(frame), return_index=True)
    close = columns_of(frame)[3][first]
    returns = np.diff(np.log(close), prepend=np.nan)
    returns[np.diff(stamps, prepend=stamps[0] - step) != step] = np.nan
    return pd.Series(returns, index=stamps)


def _sort(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if frame.index.is_monotonic_increasing else frame.sort_index(kind="stable")


def _drop_duplicates(frame: pd.DataFrame) -> pd.DataFrame:
    again = frame.index.duplicated()
    if not again.any():
        return frame
    same = frame[list(COLUMNS)].assign(ts=frame.index).duplicated().to_numpy()
    if (again & ~same).any():
        first = frame.index[int((again & ~same).argmax())]
        raise CandleError("duplicate", f"the bars of {first} differ; drop the wrong one by hand")
    return frame[~again]


def _rename(frame: pd.DataFrame) -> pd.DataFrame:
    reading = _reading(frame)
    if reading is None:
        return frame
    if reading.names is None:
        raise CandleError("swapped", _UNCLEAR)
    right = {name: frame[COLUMNS[reading.names.index(name)]] for name in COLUMNS}
    return frame.assign(**right)


def _drop_nan(frame: pd.DataFrame) -> pd.DataFrame:
    bad = np.asarray(np.isnan(np.column_stack(columns_of(frame))).any(axis=1))
    return frame[~bad] if bad.any() else frame


def _drop_impossible(frame: pd.DataFrame) -> pd.DataFrame:
    bad = impossible(np.column_stack(columns_of(frame)))
    return frame[~bad] if bad.any() else frame


_MENDERS: Final = {
    "swapped": _rename,
    "unsorted": _sort,
    "duplicate": _drop_duplicates,
    "nan": _drop_nan,
    "impossible": _drop_impossible,
}
"""In the order in which they are done."""
