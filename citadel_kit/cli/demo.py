"""`citadel demo`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from citadel_kit import clock

ROOT = Path(__file__).parents[2]


def demo(
    tape: Annotated[str, typer.Option(help="A tape of recorded frames to replay; needs --candles.")] = "",
    candles: Annotated[str, typer.Option(help="A Parquet file of candles from before the tape.")] = "",
    live: Annotated[
        str, typer.Option(help="A venue whose public streams to use (binance); fills are simulated.")
    ] = "",
    venue: Annotated[str, typer.Option(help="The venue a tape was recorded at.")] = "binance",
    symbol: Annotated[str, typer.Option(help="What the tape or the live venue trades.")] = "BTC/USDT",
    seed: Annotated[int, typer.Option(help="Of the synthetic market.")] = 7,
    watch: Annotated[float, typer.Option(help="Seconds of the market to watch after the order.")] = 600.0,
    out: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
) -> None:
    """Run the quickstart notebook from candles to a filled chase order.

    Without --tape or --live it plays a seeded synthetic market after real sample candles, with no network.
    """
    from citadel_kit.io import rest
    from citadel_kit.notebook.choice import check_choice

    parameters = {
        "TAPE": _absolute(tape),
        "CANDLES": _absolute(candles),
        "LIVE": live,
        "VENUE": venue,
        "SYMBOL": symbol,
        "SEED": seed,
        "WATCH_S": watch,
    }
    check_choice(tape, candles, live)
    if live:
        rest.check_reachable(live)
    from citadel_kit.notebook.result import summarise  # only now: these take seconds to import
    from citadel_kit.notebook.unattended import execute

    run_dir = _new_folder(out.resolve())
    execute(
        ROOT / "notebooks" / "00_quickstart.ipynb",
        run_dir / "quickstart.ipynb",
        {**parameters, "RUN_DIR": str(run_dir)},
    )
    result = json.loads((run_dir / "result.json").read_text())
    print()
    for label, text in summarise(result):
        print(f"{label:>14}  {text}")
    print()
    for name in ("quickstart.ipynb", "quickstart.html", "result.json"):
        print(run_dir / name)


def _new_folder(out: Path) -> Path:
    """Named by the present second; a second run of the same second waits for the next."""
    while True:
        folder = out / datetime.fromtimestamp(clock.now_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _absolute(path: str) -> str:
    """The notebook's kernel may work in another folder; empty stays empty."""
    return str(Path(path).resolve()) if path else ""
