"""Parquet candles: files on disk ⇄ candle frames of `macro.candles`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from citadel_kit.errors import CandleError, DataError
from citadel_kit.macro.candles import COLUMNS, columns_of, open_ns

_SCHEMA = pa.schema([("ts", pa.timestamp("ms", tz="UTC")), *((name, pa.float64()) for name in COLUMNS)])


def read_candles(path: str | Path) -> pd.DataFrame:
    """The file's bars as a candle frame, not yet held to `candles.check`. Further columns are dropped.

    `ts` must be a timestamp in UTC of any resolution: a number or a zoneless time could mean several
    things, so both are refused. Raises DataError for a missing or unreadable file, CandleError `columns` or
    `not_utc`.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; name a Parquet file of candles") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: can't be read as Parquet: {error}") from error
    missing = [name for name in ("ts", *COLUMNS) if name not in table.column_names]
    if missing:
        raise CandleError(
            "columns", f"{path} has no {', '.join(missing)}; it has {', '.join(table.column_names)}"
        )
    kind = table.schema.field("ts").type
    if not pa.types.is_timestamp(kind) or kind.tz not in {"UTC", "+00:00"}:
        raise CandleError(
            "not_utc", f"{path}: ts is {kind}, not a timestamp with time zone UTC; convert it first"
        )
    stamps = table["ts"].cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_numpy()
    try:
        columns = {name: table[name].cast(pa.float64()).to_numpy() for name in COLUMNS}
    except pa.ArrowInvalid as error:
        raise CandleError("columns", f"{path}: a price or volume is no number: {error}") from error
    index = pd.DatetimeIndex(np.asarray(stamps, dtype="M8[ns]"), tz="UTC", name="ts")
    return pd.DataFrame(columns, index=index)


def write_candles(path: str | Path, frame: pd.DataFrame) -> None:
    """Writes `ts` (UTC, ms) and the five columns. Under one pyarrow version the same bars give the same
    bytes."""
    stamps = pa.array(open_ns(frame), pa.timestamp("ns", tz="UTC")).cast(_SCHEMA.field("ts").type)
    table = pa.Table.from_arrays([stamps, *map(pa.array, columns_of(frame))], schema=_SCHEMA)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
