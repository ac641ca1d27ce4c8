"""`citadel record`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citadel_kit import clock
from citadel_kit.errors import ConfigError

if TYPE_CHECKING:
    from citadel_kit.run.record import Recording
    from citadel_kit.types import Instrument
    from citadel_kit.venues import Endpoints


def record(
    venue: Annotated[list[str], typer.Option(help="binance, okx, kraken, …; may be given several times.")],
    symbol: Annotated[
        list[str],
        typer.Option(help="BTC/USDT; may be given several times: each is recorded at each venue."),
    ],
    out: Annotated[Path, typer.Option(help="The folder for the files.")],
    seconds: Annotated[float, typer.Option(min=0, help="Stop by itself after these; 0: at Ctrl-C.")] = 0.0,
    part_minutes: Annotated[float, typer.Option(min=0.01, help="A new file after these …")] = 60.0,
    part_mb: Annotated[float, typer.Option(min=0.01, help="… or when one has grown to this.")] = 256.0,
    price_decimals: Annotated[
        int | None, typer.Option(min=0, max=18, help="For an instrument that is not well known.")
    ] = None,
    qty_decimals: Annotated[int | None, typer.Option(min=0, max=18, help="The same.")] = None,
    stream_url: Annotated[str, typer.Option(help="Of one venue, instead of its own address.")] = "",
    rest_url: Annotated[
        str, typer.Option(help="The same for REST: all that stands before the venue's own path.")
    ] = "",
) -> None:
    """Record public market data: books, trades, quotes, and the book snapshots that go with them.

    One connection and one row of .tape.gz files for each instrument at each venue. Every file stands on its
    own: it is of one connection, and begins with a book snapshot. After a kill all but the last second can be
    read. Books that have a gap are fetched anew, lost connections opened again. Exit status 1 if the book of
    any instrument was never LIVE: then no book can be had from its files, and the reason is said.
    """
    from citadel_kit.run.record import RecordConfig, Recording
    from citadel_kit.run.record import record as run

    if len(venue) > 1 and (stream_url or rest_url):
        raise ConfigError("stream-url, rest-url", "are of one venue", "Record the others with another call")
    at = {name: _address(name, stream_url, rest_url) for name in venue}
    config = RecordConfig(part_s=part_minutes * 60, part_bytes=int(part_mb * 2**20))
    recordings = [
        Recording(_instrument(v, s, price_decimals, qty_decimals, at[v]), out, at[v], config)
        for v in dict.fromkeys(venue)
        for s in dict.fromkeys(symbol)
    ]
    progress = _Progress(recordings)
    try:
        asyncio.run(run(recordings, seconds, progress.show))
    except KeyboardInterrupt:  # where there are no signal handlers
        pass
    finally:
        progress.end()
    bookless = [recording for recording in recordings if not recording.lived]
    for recording in bookless:
        print(f"citadel: never LIVE, so no book can be had: {recording.trouble()}", file=sys.stderr)
    if bookless:
        raise typer.Exit(1)


def _address(venue: str, stream_url: str, rest_url: str) -> Endpoints:
    from citadel_kit.venues import endpoints

    own = endpoints(venue)
    return own._replace(stream=stream_url or own.stream, rest=rest_url or own.rest)


def _instrument(
    venue: str, symbol: str, price_decimals: int | None, qty_decimals: int | None, at: Endpoints
) -> Instrument:
    """As given, as in the table, or as the venue says it is."""
    from citadel_kit import settings
    from citadel_kit.io.rest import fetch_instruments
    from citadel_kit.types import Instrument

    name = settings.venue_symbol(venue, symbol)
    if price_decimals is not None and qty_decimals is not None:
        return Instrument(
            venue=venue,
            symbol=symbol,
            venue_symbol=name,
            price_decimals=price_decimals,
            qty_decimals=qty_decimals,
        )
    if settings.is_known(venue, symbol):
        return settings.instrument(venue, symbol)
    try:
        return fetch_instruments(symbol, {venue: at})[venue]
    except ConfigError as error:
        hint = "Give --price-decimals and --qty-decimals"
        raise ConfigError("symbol", f"{symbol} on {venue} is not well known: {error}", hint) from error


class _Progress:
    """One line that is written over on a terminal; in a log, one a minute."""

    def __init__(self, recordings: list[Recording]) -> None:
        self._recordings = recordings
        self._shown_ns = self._began_ns = clock.now_ns()
        self._frames = 0
        self._terminal = sys.stderr.isatty()

    def show(self) -> None:
        now_ns = clock.now_ns()
        wait_ns = clock.SECOND // 2 if self._terminal else 60 * clock.SECOND
        if now_ns - self._shown_ns < wait_ns:
            return
        frames = sum(r.recorder.frames for r in self._recordings)
        rate = (frames - self._frames) / ((now_ns - self._shown_ns) / clock.SECOND)
        self._frames, self._shown_ns = frames, now_ns
        text = f"{self._text()}, {rate:,.0f} frames/s"
        print(
            f"\r\x1b[K{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr
        )
        sys.stderr.flush()

    def end(self) -> None:
        """The sum, and the files."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr)
        for recording in self._recordings:
            for path in recording.recorder.files:
                print(path)
        if any(recording.recorder.frames for recording in self._recordings):
            print(self._text(), file=sys.stderr)

    def _text(self) -> str:
        frames = sum(r.recorder.frames for r in self._recordings)
        size = sum(r.recorder.bytes for r in self._recordings)
        again = sum(max(0, r.connections - 1) for r in self._recordings)
        seconds = (clock.now_ns() - self._began_ns) / clock.SECOND
        text = f"{seconds:,.0f} s: {frames:,} frames, {size / 2**20:,.2f} MB"
        troubles = [trouble for r in self._recordings if (trouble := r.trouble())]
        text += f", {again} reconnects" if again else ""
        more = f" and {len(troubles) - 2} more" if len(troubles) > 2 else ""
        return text + (f"; not LIVE: {', '.join(troubles[:2])}{more}" if troubles else "")
