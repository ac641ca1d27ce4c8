"""`citadel …`: every command does one job and fails with one clear line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from citadel_kit import __version__
from citadel_kit.cli import candles, demo, exchange, kill, record, tape
from citadel_kit.errors import CitadelError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(demo.demo)
app.command()(record.record)
app.command()(exchange.exchange)
app.command()(kill.kill)
app.command()(kill.arm)
app.add_typer(tape.app, name="tape")
app.add_typer(candles.app, name="candles")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"citadel_kit {__version__}")
        raise typer.Exit


@app.callback()
def citadel(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """A notebook-first kit for crypto research and live trading. Nothing here is advice."""


def main() -> None:
    """Entry point. What the kit raises on purpose becomes one line and exit status 1."""
    try:
        app()
    except CitadelError as error:
        print(f"citadel: {error}", file=sys.stderr)
        sys.exit(1)
