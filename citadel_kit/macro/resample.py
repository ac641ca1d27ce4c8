"""From a timeframe to a higher one, and its numbers back beside the lower one's bars: closed bars only."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citadel_kit.errors import CandleError
from citadel_kit.macro.candles import COLUMNS, columns_of, open_ns, timeframe_ns


def resample(frame: pd.DataFrame, timeframe: str, higher: str) -> pd.DataFrame:
    """Bars of `higher`, each made of all the bars it spans.

    A bar of which one is missing, in a hole or because it is not closed yet, is left out, and so becomes part
    of a hole: half a bar's high is no high. `frame` has to be sound (`quality.check`). Raises CandleError
    `timeframe` where `higher` is no multiple of `timeframe`.
    """
    step, long = timeframe_ns(timeframe), timeframe_ns(higher)
    if long % step or long <= step:
        raise CandleError("timeframe", f"{higher} is no multiple of {timeframe}")
    opens = open_ns(frame)
    o, high, low, close, volume = columns_of(frame)
    starts, first, count = np.unique(opens // long * long, return_index=True, return_counts=True)
    if len(starts) == 0:
        return frame[list(COLUMNS)]
    bars = {
        "open": o[first],
        "high": np.maximum.reduceat(high, first),
        "low": np.minimum.reduceat(low, first),
        "close": close[first + count - 1],
        "volume": np.add.reduceat(volume, first),
    }
    index = pd.DatetimeIndex(starts.astype("M8[ns]"), tz="UTC", name="ts")
    whole = count == long // step
    return pd.DataFrame({name: column[whole] for name, column in bars.items()}, index=index[whole])


def beside(
    frame: pd.DataFrame, timeframe: str, table: pd.DataFrame, higher: str, *, suffix: str = ""
) -> pd.DataFrame:
    """For each bar of `frame`, the row of `table` (one a bar of `higher`) that was known at the bar's close.

    That is the newest bar of `higher` closed at or before it, and only if it is the one just before the bar
    of `higher` that runs, or closes, then: over a hole in `table` the row is NaN, never an older one.
    `suffix` is put behind the names of the columns.
    """
    step, long = timeframe_ns(timeframe), timeframe_ns(higher)
    closes, known = open_ns(frame) + step, open_ns(table) + long
    row = np.searchsorted(known, closes, side="right") - 1
    fresh = (
        (row >= 0) & (closes - known[np.maximum(row, 0)] < long) if len(known) else np.zeros(len(row), bool)
    )
    values = table.to_numpy(dtype=np.float64)
    out = np.full((len(frame), values.shape[1]), np.nan)
    out[fresh] = values[row[fresh]]
    return pd.DataFrame(out, index=frame.index, columns=[f"{name}{suffix}" for name in table.columns])
