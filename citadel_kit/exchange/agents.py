"""The synthetic market behind a local exchange: at each venue a crowd of agents, around one fair price.

It goes on without an end. The same arguments give the same events (on one version of numpy).
"""

from __future__ import annotations

import heapq
import itertools
import math
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.fairprice import Chunk, Crash, Fair, fair_chunks
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.orderbook import Change
from citadel_kit.exchange.orderflow import FlowConfig, VenueFlow, lag_s, venue_paths
from citadel_kit.types import Instrument, Side

DOLLARS: Final = ("USD", "USDT", "USDC", "EUR")
START_PRICES: Final = {
    "BTC": 60_000.0,
    "ETH": 3_000.0,
    "SOL": 150.0,
    "BNB": 600.0,
    "XRP": 0.6,
} | dict.fromkeys(DOLLARS, 1.0)
"""In dollars."""
_OTHER_START: Final = 100.0
_CHUNK_S: Final = 60
"""Ten minutes take 8 ms to draw, for which every client of a local exchange would wait."""


class AgentMarket:
    """A `Market`. Instruments of one base asset follow one fair price, each with its own delay and basis.

    `crash_at_s`: the price of everything falls by `crash_fraction` within four seconds of that moment, and
    wins half of it back over a minute. Raises ConfigError where an argument makes no market.
    """

    def __init__(
        self,
        instruments: Mapping[str, Sequence[Instrument]],
        *,
        start_ns: int,
        seed: int,
        start_prices: Mapping[str, float] | None = None,
        annual_volatility: float = 0.5,
        basis_bps: float = 0.1,
        crash_at_s: float | None = None,
        crash_fraction: float = 0.05,
        flow: FlowConfig | None = None,
    ) -> None:
        self.instruments, self.start_ns, self.seed = instruments, start_ns, seed
        self.annual_volatility, self.basis_bps = annual_volatility, basis_bps
        self.flow = flow or FlowConfig()
        self._flows: dict[tuple[str, str], VenueFlow] = {}
        """By venue and symbol, of the newest `events`."""
        self._prices = START_PRICES | dict(start_prices or {})
        self._crash = None
        if crash_at_s is not None:
            if not (crash_at_s >= 0 and 0 < crash_fraction <= 0.5):
                raise ConfigError("crash_at_s, crash_fraction", "no such crash", "At 0 or later, 0 to 0.5")
            self._crash = Crash(crash_at_s, crash_fraction, self.flow.max_heat)
        for instrument in self._all():
            if self.start_price(instrument) < 1000 * instrument.tick:
                raise ConfigError(
                    "symbol",
                    f"{instrument.symbol} at {instrument.venue}: the price is too low for its tick",
                    "Give another start price",
                )

    def start_price(self, instrument: Instrument) -> int:
        """The fair price at the start, in price units, on the tick."""
        ticks = round(self._start(instrument) * 10.0**instrument.price_decimals / instrument.tick)
        return ticks * instrument.tick

    def events(self) -> Iterator[OutsideEvent]:
        streams = []
        for base in dict.fromkeys(_assets(i)[0] for i in self._all()):
            own = [i for i in self._all() if _assets(i)[0] == base]
            seeds = np.random.SeedSequence([self.seed, zlib.crc32(base.encode())]).spawn(1 + len(own))
            path_rng = np.random.default_rng(seeds[0])
            chunks = fair_chunks(path_rng, 1.0, self.annual_volatility, _CHUNK_S, self._crash)
            for instrument, mine, seed in zip(own, itertools.tee(chunks, len(own)), seeds[1:], strict=True):
                streams.append(self._run(instrument, mine, seed))
        return heapq.merge(*streams, key=attrgetter("at_ns"))

    def crash(self, now_ns: int, fraction: float = 0.05, *, venue: str = "", symbol: str = "") -> None:
        """A flash crash from now on, of the same course as that of `crash_at_s`: of one venue, of one symbol,
        or of all. Raises ConfigError for an unknown one, and where `VenueFlow.check_crash` does."""
        if not 0 < fraction <= 0.5:
            raise ConfigError("fraction", f"{fraction!r} is no such crash", "Above 0, at most 0.5")
        hit = [flow for (v, s), flow in self._flows.items() if venue in ("", v) and symbol in ("", s)]
        if not hit:
            known = ", ".join(f"{v} {s}" for v, s in self._flows)
            raise ConfigError("venue, symbol", f"no {venue} {symbol} here", f"There are: {known}")
        at_s = (now_ns - self.start_ns) / 1e9
        for flow in hit:
            flow.check_crash(at_s, fraction)
        for flow in hit:
            flow.crash(at_s, fraction)

    def _all(self) -> list[Instrument]:
        return [instrument for own in self.instruments.values() for instrument in own]

    def _start(self, instrument: Instrument) -> float:
        base, quote = _assets(instrument)
        price = self._prices.get(base, _OTHER_START)
        return price if quote in DOLLARS else price / self._prices.get(quote, _OTHER_START)

    def _run(
        self, instrument: Instrument, chunks: Iterator[Chunk], seed: np.random.SeedSequence
    ) -> Iterator[OutsideEvent]:
        """One venue's crowd. It thinks in ticks and lots."""
        venue, symbol, tick, lot = instrument.venue, instrument.symbol, instrument.tick, instrument.lot
        flow_rng, basis_rng = map(np.random.default_rng, seed.spawn(2))
        scale = 10 ** (instrument.price_decimals + instrument.qty_decimals) / (tick * lot)
        fair = _scaled(chunks, self._start(instrument) * 10**instrument.price_decimals / tick)
        place = list(self.instruments).index(venue)
        paths = venue_paths(basis_rng, fair, place, self.basis_bps)
        flow = VenueFlow(self.flow, flow_rng, paths, scale, lag_s(place))
        self._flows[venue, symbol] = flow
        book = flow.book
        opening = [
            [(abs(key) * tick, qty * lot) for key, qty in book.half(side).totals.items()]
            for side in (Side.BUY, Side.SELL)
        ]
        yield OutsideBook(self.start_ns, venue, symbol, True, *opening)
        for now, matches in flow.run(math.inf, math.inf, 1.0):
            at_ns = self.start_ns + int(now * 1e9)
            for match in matches or ():
                yield OutsideTrade(at_ns, venue, symbol, match.price * tick, match.qty * lot, match.side)
            if book.journal:
                journal, book.journal = book.journal, []
                yield OutsideBook(at_ns, venue, symbol, False, *_levels(journal, tick, lot))


def _assets(instrument: Instrument) -> tuple[str, str]:
    base, _, quote = instrument.symbol.partition(":")[0].partition("/")
    return base, quote


def _levels(journal: Iterable[Change], tick: int, lot: int) -> tuple[list[tuple[int, int]], ...]:
    """Bids and asks, the last total of each level."""
    last = {(is_bid, price * tick): qty * lot for is_bid, price, qty in journal}
    sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = [], []
    for (is_bid, price), qty in last.items():
        sides[not is_bid].append((price, qty))
    return sides


def _scaled(chunks: Iterable[Chunk], factor: float) -> Iterator[Fair]:
    for price, heat in chunks:
        scaled = price * factor
        yield Fair(scaled, array("d", scaled.tobytes()), array("d", heat.tobytes()))
