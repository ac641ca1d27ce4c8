"""One place that turns a notebook's parameters into candles and a market."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from citadel_kit import clock, settings
from citadel_kit.errors import ConfigError
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.history import fetch_candles
from citadel_kit.io.store import read_candles
from citadel_kit.io.tape import Tape
from citadel_kit.macro.candles import closed_before, infer_timeframe, open_ns, timeframe_ns
from citadel_kit.notebook.choice import check_choice
from citadel_kit.run.driver import Driver
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import Instrument

SAMPLE: Final = Path(__file__).parents[2] / "data" / "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Candles for the macro layer, a driver for the micro layer, and where both come from."""

    candles: pd.DataFrame = field(repr=False)
    timeframe: str
    symbol: str
    driver: Driver
    instrument: Instrument
    """Of the venue orders go to."""
    fees: settings.Fees
    """Of that venue, first tier."""
    origin: str
    """In words, for the result file and the reader."""

    @property
    def start_ns(self) -> int:
        """The market's first moment: the macro layer may use candles closed before it."""
        return self.driver.start_ns


def open_world(
    *,
    tape: str = "",
    candles: str = "",
    live: str = "",
    venue: str = "binance",
    symbol: str = "BTC/USDT",
    seed: int = 7,
    speed: float = 0.0,
) -> World:
    """A tape with its candles, a live venue (paper-filled), or with neither the embedded synthetic market.

    Raises ConfigError where the parameters don't go together, DataError for files that can't be read.
    """
    check_choice(tape, candles, live)
    if live:
        return _live(live, symbol)
    return _recorded(tape, candles, venue, symbol, speed) if tape else _synthetic(seed, speed)


def _recorded(tape: str, candles: str, venue: str, symbol: str, speed: float) -> World:
    instrument = settings.instrument(venue, symbol)
    market = Tape(tape, instrument)
    frame = read_candles(candles)
    driver = ReplayDriver(market, speed=speed)
    known = closed_before(frame, infer_timeframe(frame), driver.start_ns)
    if known.empty:
        raise ConfigError("candles", f"none closed before the tape begins, {clock.iso(driver.start_ns)}")
    return World(
        candles=known,
        timeframe=infer_timeframe(frame),
        symbol=symbol,
        driver=driver,
        instrument=instrument,
        fees=settings.fees(venue),
        origin=f"recorded {venue} frames ({Path(tape).name}) and real candles ({Path(candles).name})",
    )


def _synthetic(seed: int, speed: float) -> World:
    """Real hourly candles, and a market that was never there, from the moment the last of them closes."""
    path = SAMPLE / "BTCUSD-1h.parquet"
    if not path.is_file():
        raise ConfigError("data/sample", "is missing: the kit runs from a clone", "Run data/make_sample.py")
    frame = read_candles(path)
    end_ns = int(open_ns(frame)[-1]) + timeframe_ns("1h")
    market = SyntheticMarket(
        symbol="BTC/USD",
        start_ns=end_ns + clock.SECOND,
        start_price=float(frame["close"].iloc[-1]),
        seed=seed,
    )
    return World(
        candles=frame,
        timeframe="1h",
        symbol="BTC/USD",
        driver=ReplayDriver(market, speed=speed),
        instrument=next(iter(market.instruments.values())),
        fees=settings.fees(next(iter(market.instruments))),
        origin=f"a synthetic market (seed {seed}) after real candles ({path.name})",
    )


def _live(venue: str, symbol: str) -> World:
    """Raises VenueUnreachable within ten seconds."""
    driver = LiveDriver((venue,), symbol)
    frame = fetch_candles(venue, symbol, "5m", bars=20_000)
    return World(
        candles=frame,
        timeframe="5m",
        symbol=symbol,
        driver=driver,
        instrument=driver.feeds[0][1],
        fees=settings.fees(venue),
        origin=f"live public streams and candles of {venue}; fills are simulated",
    )
