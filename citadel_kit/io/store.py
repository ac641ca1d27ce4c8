"""Parquet candles: files on disk ⇄ candle frames of `macro.candles`, and a store of many markets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from citadel_kit import settings
from citadel_kit.errors import CandleError, DataError
from citadel_kit.io.candle_files import is_other, read_other
from citadel_kit.macro.candles import COLUMNS, columns_of, open_ns, timeframe_name, timeframe_ns
from citadel_kit.macro.quality import check

FOREVER_NS: Final = 1 << 62
_SCHEMA: Final = pa.schema(
    [("ts", pa.timestamp("ms", tz="UTC")), *((name, pa.float64()) for name in COLUMNS)]
)


def read_candles(path: str | Path) -> pd.DataFrame:
    """The file's bars as a candle frame, not yet held to `quality.check`. Further columns are dropped.

    CSV, Feather and JSON, by the file's name, are read as `candle_files.read_other` says; anything else is
    Parquet, whose `ts` must be a timestamp in UTC of any resolution: a number or a zoneless time could mean
    several things, so both are refused. Raises DataError for a missing or unreadable file, CandleError
    `columns` or `not_utc`.
    """
    if is_other(path):
        return read_other(path)
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


class Stored(NamedTuple):
    """What a `CandleStore` has of one market."""

    venue: str
    symbol: str
    timeframe: str
    bars: int
    first_ns: int
    """Open of the first bar."""
    last_ns: int
    """Open of the last bar."""
    files: int


class CandleStore:
    """Candles of many markets under one folder, in files that are written once and never again.

    A folder per market, `venue=binance/symbol=BTC-USDT/timeframe=1h`, and a Parquet file per append, named by
    its first and last open: DuckDB, Polars and pandas read it as a hive-partitioned table as it is. In names
    of folders `/` is written `-` and `:` is written `_`, which no symbol has.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def append(
        self, venue: str, symbol: str, timeframe: str, frame: pd.DataFrame, now_ns: int | None = None
    ) -> int:
        """Adds the bars that are not stored yet, anywhere in time; returns how many.

        A bar that is stored already must be equal. Raises CandleError `conflict` where it differs, and the
        first fault of `frame` that `macro.quality` finds, with `now_ns` a bar that is not closed by then too:
        nothing is stored then.
        """
        folder = self._folder(venue, symbol, timeframe)
        check(frame, timeframe, now_ns)
        opens = open_ns(frame)
        stored = self.read(venue, symbol, timeframe, int(opens[0]), int(opens[-1]) + 1)
        both = frame.index.intersection(stored.index)
        mine, theirs = frame.loc[both, list(COLUMNS)], stored.loc[both]
        differs = (mine.to_numpy() != theirs.to_numpy()).any(axis=1)
        if differs.any():
            text = (
                f"{int(differs.sum())} stored bars of {symbol} differ, the first at {both[differs.argmax()]}"
            )
            raise CandleError("conflict", f"{text}; delete its file under {folder} to take the new ones")
        new = frame.loc[frame.index.difference(stored.index)]
        if len(new):
            first, last = (stamp.strftime("%Y%m%dT%H%M%SZ") for stamp in (new.index[0], new.index[-1]))
            part = folder / f".{first}_{last}.part"
            write_candles(part, new)
            os.replace(part, folder / f"{first}_{last}_{len(self._files(folder)):04d}.parquet")
        return len(new)

    def read(
        self, venue: str, symbol: str, timeframe: str, since_ns: int = 0, until_ns: int = FOREVER_NS
    ) -> pd.DataFrame:
        """The bars that open in [since_ns, until_ns), in order; empty where there is none."""
        parts = []
        for path in self._files(self._folder(venue, symbol, timeframe)):
            first, last = _span(path)
            if first < until_ns and last >= since_ns:
                parts.append(read_candles(path))
        if not parts:
            return _empty()
        frame = pd.concat(parts).sort_index()
        opens = open_ns(frame)
        return frame[(opens >= since_ns) & (opens < until_ns)]

    def markets(self) -> list[Stored]:
        """Everything there is, by name."""
        found = []
        for folder in sorted(self.root.glob("venue=*/symbol=*/timeframe=*")):
            files = self._files(folder)
            if files:
                venue, symbol, timeframe = (part.partition("=")[2] for part in folder.parts[-3:])
                bars = sum(pq.read_metadata(path).num_rows for path in files)
                spans = [_span(path) for path in files]
                first, last = min(s[0] for s in spans), max(s[1] for s in spans)
                found.append(Stored(venue, _symbol(symbol), timeframe, bars, first, last, len(files)))
        return found

    def _folder(self, venue: str, symbol: str, timeframe: str) -> Path:
        """Raises ConfigError or CandleError for another spelling: it is never another folder."""
        settings.check_venue(venue)
        settings.venue_symbol(venue, symbol)
        usual = timeframe_name(timeframe_ns(timeframe))
        if timeframe != usual:
            raise CandleError("timeframe", f"{timeframe!r} is written {usual}")
        name = settings.own_symbol(venue, symbol).replace("/", "-").replace(":", "_")
        return self.root / f"venue={venue}" / f"symbol={name}" / f"timeframe={timeframe}"

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted(folder.glob("[0-9]*.parquet"))


def _symbol(name: str) -> str:
    return name.replace("-", "/", 1).replace("_", ":")


def _span(path: Path) -> tuple[int, int]:
    """First and last open of a file of the store, by its name."""
    try:
        first, last, _ = path.stem.split("_")
        stamps = [pd.Timestamp(text) for text in (first, last)]
    except ValueError as error:
        raise DataError(f"{path}: not a file of the store; move it elsewhere") from error
    return int(stamps[0].value), int(stamps[1].value)


def _empty() -> pd.DataFrame:
    index = pd.DatetimeIndex([], dtype="datetime64[ns, UTC]", name="ts")
    return pd.DataFrame({name: np.zeros(0) for name in COLUMNS}, index=index)
