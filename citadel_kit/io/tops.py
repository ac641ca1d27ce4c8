"""Best bids and asks of a replay as a Parquet file."""

from __future__ import annotations

import os
from math import nan
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from citadel_kit.errors import DataError
from citadel_kit.types import BookTop, Instrument

_SCHEMA: Final = pa.schema(
    [(name, pa.int64()) for name in ("recv_ns", "exch_ns", "seq")]
    + [(name, pa.float64()) for name in ("bid", "bid_qty", "ask", "ask_qty")]
)
_ROWS: Final = 100_000
"""Of a row group, and kept in memory."""


class TopsWriter:
    """One row a top: times in ns and the sequence as integers, prices and quantities as floats.

    Quantities are the wire's, times `contract_size`. A missing side is NaN. The file appears when the block
    ends without an error, and replaces an older one. Raises DataError where it can't be written.
    """

    def __init__(self, path: str | Path, instrument: Instrument, contract_size: float = 1.0) -> None:
        self.rows = 0
        self._path, self._part = Path(path), Path(f"{path}.part")
        self._price, self._qty = 10**instrument.price_decimals, 10**instrument.qty_decimals
        self._contract_size = contract_size
        self._waiting: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._part, _SCHEMA, compression="zstd")
        except OSError as error:
            raise DataError(f"{self._path} can't be written: {error.strerror or error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._store()
            self._writer.close()
            if kind is None:
                os.replace(self._part, self._path)
        except OSError as error:
            raise DataError(f"{self._path} can't be written: {error.strerror or error}") from error
        finally:
            self._part.unlink(missing_ok=True)

    def write(self, top: BookTop) -> None:
        bid, bid_qty = self._side(top.bid, top.bid_qty)
        ask, ask_qty = self._side(top.ask, top.ask_qty)
        self._waiting.append((top.recv_ns, top.exch_ns, top.seq, bid, bid_qty, ask, ask_qty))
        self.rows += 1
        if len(self._waiting) >= _ROWS:
            self._store()

    def _side(self, price: int, qty: int) -> tuple[float, float]:
        if price == 0:
            return nan, nan
        return price / self._price, qty / self._qty * self._contract_size

    def _store(self) -> None:
        columns = zip(*self._waiting, strict=True) if self._waiting else [()] * len(_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
        self._waiting.clear()
