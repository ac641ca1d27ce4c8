"""`citadel candles …`: download, check and list candles."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from citadel_kit.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Download candles into a store, and check what files hold.")

_SHOWN = 10
"""Holes, of which a file may have thousands."""
Root = Annotated[Path, typer.Option(help="The store's folder.")]
Timeframe = Annotated[str, typer.Option(help="5m, 1h, 1d …")]


@app.command()
def download(
    venue: Annotated[str, typer.Option(help="binance, okx, kraken, …")],
    symbol: Annotated[str, typer.Option(help="BTC/USDT; swaps as ccxt spells them, BTC/USDT:USDT.")],
    timeframe: Timeframe,
    since: Annotated[str, typer.Option(help="First day, or time, in UTC: 2024-01-01, 2024-01-01T12:00.")],
    until: Annotated[str, typer.Option(help="Bars that open before it; by default all closed ones.")] = "",
    root: Root = Path("data/candles"),
    rest_url: Annotated[str, typer.Option(help="Instead of the venue's own: scheme and host.")] = "",
) -> None:
    """Fetch every closed bar of the span that is not stored yet.

    May be broken off and called again: it goes on where it was. Bars the venue doesn't have are named as
    holes.
    """
    from tqdm import tqdm

    from citadel_kit.io.history import download_candles
    from citadel_kit.io.store import CandleStore
    from citadel_kit.venues import endpoints

    at = endpoints(venue)._replace(rest=rest_url) if rest_url else None
    span = _ns("since", since), _ns("until", until) if until else None
    with tqdm(unit=" bars", unit_scale=True, desc=f"{venue} {symbol} {timeframe}", file=sys.stderr) as bar:

        def show(done: int, wanted: int) -> None:
            bar.total = wanted
            bar.update(done - bar.n)

        got = download_candles(CandleStore(root), venue, symbol, timeframe, *span, progress=show, at=at)
    print(f"{got.new:,} new bars, {got.bars:,} stored of this span, under {root}")
    for gap in got.gaps:
        print(f"hole: {gap}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Parquet, CSV, Feather or JSON.", show_default=False)],
    timeframe: Annotated[str, typer.Option(help="By default the most frequent step.")] = "",
    reference: Annotated[
        Path | None,
        typer.Option(help="Sound candles of the same market, to see whether times are in another zone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Name every fault, and holes. Exit status 1 where there is a fault; holes are none.

    A bar that is not closed by this machine's clock is a fault.
    """
    from citadel_kit.clock import now_ns
    from citadel_kit.io.store import read_candles
    from citadel_kit.macro.candles import find_gaps, infer_timeframe
    from citadel_kit.macro.quality import find_faults

    frame = read_candles(file)
    name = timeframe or infer_timeframe(frame.sort_index())
    faults = find_faults(frame, name, now_ns(), read_candles(reference) if reference else None)
    gaps = find_gaps(frame.sort_index(), name)
    if as_json:
        found = [{"fault": fault.fault, "detail": fault.detail} for fault in faults]
        holes = [gap._asdict() for gap in gaps]
        print(json.dumps({"bars": len(frame), "timeframe": name, "faults": found, "holes": holes}, indent=2))
    else:
        for fault in faults:
            print(f"{fault.fault}: {fault.detail}")
        print(f"{len(frame):,} bars of {name}, {len(gaps)} holes with {sum(gap.bars for gap in gaps):,} bars")
        for gap in gaps[:_SHOWN]:
            print(f"hole: {gap}")
        if len(gaps) > _SHOWN:
            print(f"and {len(gaps) - _SHOWN:,} more holes; --json has them all")
    if faults:
        raise typer.Exit(1)


@app.command("list")
def list_markets(root: Root = Path("data/candles")) -> None:
    """What a store holds."""
    from citadel_kit.clock import iso
    from citadel_kit.io.store import CandleStore

    for m in CandleStore(root).markets():
        span = f"{iso(m.first_ns)[:16]} to {iso(m.last_ns)[:16]}"
        print(f"{m.venue:16} {m.symbol:16} {m.timeframe:4} {m.bars:>10,} bars  {span}  {m.files} files")


def _ns(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(name, f"{text!r} is no date or time", "Write it as 2024-01-01") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return int(moment.timestamp()) * 10**9
