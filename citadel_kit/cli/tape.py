"""`citadel tape …`: what a recording holds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citadel_kit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from citadel_kit.run.verify import TapeReport

app = typer.Typer(no_args_is_help=True, help="Verify a recording, and rebuild its books.")

File = Annotated[Path, typer.Argument(help="A tape, plain or gzip.", show_default=False)]
Venue = Annotated[
    str,
    typer.Option(
        help="binance, binanceusdm, bybit, bybitlinear, okx, kraken, coinbase or coinbaseexchange: "
        "in whose wire form the frames are."
    ),
]
Symbol = Annotated[
    str,
    typer.Option(
        help="Which instrument of the tape, in the unified form: BTC/USDT; swaps and futures as ccxt spells "
        "them, BTC/USDT:USDT."
    ),
]
PriceDecimals = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=18,
        help="Decimals of prices. By default those of the instrument message on the tape, or of the table of "
        "well-known instruments; else the most that any frame of the tape has, without trailing zeros "
        "(on kraken as written).",
        show_default=False,
    ),
]
QtyDecimals = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=18,
        help="The same of quantities; inferred as written, trailing zeros included, unless they would then "
        "pass 62 bits.",
        show_default=False,
    ),
]


@app.command()
def verify(
    file: File,
    venue: Venue,
    symbol: Symbol,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
    price_decimals: PriceDecimals = None,
    qty_decimals: QtyDecimals = None,
) -> None:
    """Replay a tape and count every link, checksum and quote that the venue lets us check.

    Exit status 0 only if the tape is clean: no gap, no wrong checksum, no disagreement with the venue's own
    quote, no crossed book, no malformed frame, no refused subscription, and the book LIVE at the end. Frames
    of unknown kinds and a cut-off last line are reported, and don't count against it. Otherwise 1.
    """
    from citadel_kit.io.tape import TapeFile
    from citadel_kit.run.verify import find_instrument, replay

    tape = TapeFile(file)
    report = replay(tape, find_instrument(tape, venue, symbol, price_decimals, qty_decimals))
    if as_json:
        print(json.dumps({"file": str(file), **asdict(report), "clean": report.clean}, indent=2))
    else:
        _show(report)
    if not report.clean:
        raise typer.Exit(1)


@app.command()
def tops(
    file: File,
    venue: Venue,
    symbol: Symbol,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    contract_size: Annotated[
        float, typer.Option(min=0, help="Base units a contract: quantities are multiplied by it.")
    ] = 1.0,
    price_decimals: PriceDecimals = None,
    qty_decimals: QtyDecimals = None,
) -> None:
    """Best bid and ask after each book frame that was applied while the book was LIVE, one row each.

    Columns: recv_ns, exch_ns, seq (integers; seq −1 where the venue numbers nothing), bid, bid_qty, ask,
    ask_qty (floats, in the wire's units; NaN where a side is empty). A REST snapshot is no row. Without a
    row nothing is written, and the exit status is 1; what kept the book from being LIVE in between is said.
    """
    from citadel_kit.io.tape import TapeFile
    from citadel_kit.io.tops import TopsWriter
    from citadel_kit.run.verify import find_instrument, replay

    if contract_size <= 0:
        raise ConfigError("contract-size", f"{contract_size:g} base units a contract: above 0")
    tape = TapeFile(file)
    instrument = find_instrument(tape, venue, symbol, price_decimals, qty_decimals)
    with TopsWriter(out, instrument, contract_size) as writer:
        report = replay(tape, instrument, writer.write)
        if not writer.rows:  # no file is written
            raise DataError(f"{file}: the book of {symbol} was never LIVE: {'; '.join(report.problems)}")
    print(f"{writer.rows:,} rows of {report.book_frames:,} book frames in {out}")
    for problem in report.problems:
        print(f"citadel: not LIVE: {problem}", file=sys.stderr)


def _show(report: TapeReport) -> None:
    for name, value in asdict(report).items():
        if name not in ("verified_by", "problems"):
            text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
            print(f"{name.replace('_', ' '):>22}  {text}")
    blind = "nothing: this stream gives no means to see a loss" if report.applied else "nothing"
    print(f"{'verified by':>22}  {', '.join(report.verified_by) or blind}")
    for problem in report.problems:
        print(f"{'not LIVE':>22}  {problem}")
    print(f"{'clean':>22}  {'yes' if report.clean else 'NO'}")
