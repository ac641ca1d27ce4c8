"""Candle files as other programs write them: CSV, Feather, JSON → the columns of a candle frame."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from citadel_kit.errors import CandleError, DataError
from citadel_kit.macro.candles import COLUMNS

SUFFIXES: Final = (".csv", ".csv.gz", ".feather", ".json", ".json.gz")
_TIMES: Final = ("ts", "date", "timestamp", "open_time", "datetime", "time")
"""Names of the column of open times, in any case."""
_UNITS: Final = ((1e11, "s"), (1e14, "ms"), (1e17, "us"), (np.inf, "ns"))
"""Until the year 5000 a number of the unit since 1970 is below the bound: units can't be mistaken."""


def is_other(path: str | Path) -> bool:
    """Is it a file of `read_other`, by its name?"""
    return str(path).lower().endswith(SUFFIXES)


def read_other(path: str | Path) -> pd.DataFrame:
    """The file's bars, not yet held to `quality.check`.

    CSV and Feather by column names in any case, the time under `ts`, `date`, `timestamp`, `open_time`,
    `datetime` or `time`; JSON as a list of `[time, open, high, low, close, volume]`. Times are UTC: ISO 8601
    text or timestamps with their zone, or numbers since 1970 in s, ms, µs or ns. Raises DataError for a
    missing or unreadable file, CandleError `columns` or `not_utc`.
    """
    try:
        table = _table(Path(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; name a file of candles") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    time = next((name for name in _TIMES if name in table.columns), None)
    missing = [name for name in COLUMNS if name not in table.columns]
    if time is None or missing:
        lacks = ", ".join([*missing, *([] if time else ["ts"])])
        raise CandleError("columns", f"{path} has no {lacks}; it has {', '.join(table.columns)}")
    try:
        values = {name: table[name].astype("float64").to_numpy() for name in COLUMNS}
    except (ValueError, TypeError) as error:
        raise CandleError("columns", f"{path}: a price or volume is no number: {error}") from error
    return pd.DataFrame(values, index=_utc(path, table[time]))


def _table(path: Path) -> pd.DataFrame:
    name = path.name.lower()
    if name.endswith(".feather"):
        return pd.read_feather(path)
    if name.endswith((".csv", ".csv.gz")):
        return pd.read_csv(path)
    raw = path.read_bytes()
    rows: Any = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw)
    if not isinstance(rows, list) or any(not isinstance(row, list) or len(row) < 6 for row in rows):
        raise ValueError("no list of [time, open, high, low, close, volume]")
    return pd.DataFrame([row[:6] for row in rows], columns=["ts", *COLUMNS])


def _utc(path: str | Path, times: pd.Series[Any]) -> pd.DatetimeIndex:
    if pd.api.types.is_numeric_dtype(times):
        largest = float(times.abs().max()) if len(times) else 0.0
        unit: Any = next(name for bound, name in _UNITS if largest < bound)
        stamps = pd.to_datetime(times, unit=unit, utc=True)
    else:
        try:
            stamps = pd.to_datetime(times, format=None if times.dtype.kind == "M" else "ISO8601")
        except (ValueError, TypeError) as error:
            raise CandleError("not_utc", f"{path}: {times.name} holds no times: {error}") from error
        zone = getattr(stamps.dt, "tz", None)
        if zone is None:
            text = f"{path}: {times.name} names no time zone; where it is UTC, write the times with a Z"
            raise CandleError("not_utc", text)
        if str(zone) not in {"UTC", "UTC+00:00", "+00:00"}:
            raise CandleError("not_utc", f"{path}: {times.name} is in {zone}, not in UTC; convert it first")
    return pd.DatetimeIndex(stamps.dt.tz_convert("UTC").dt.as_unit("ns"), name="ts")
