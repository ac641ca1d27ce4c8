"""A venue of a made-up outside market, a wire of a dialect, and our session on it, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from citadel_kit.exchange.candles import Candles
from citadel_kit.exchange.dialects.bybit.stream import BybitStream
from citadel_kit.exchange.dialects.coinbase.stream import CoinbaseStream
from citadel_kit.exchange.dialects.kraken.stream import KrakenStream
from citadel_kit.exchange.dialects.okx.stream import OkxStream
from citadel_kit.exchange.dialects.stream import Out, Wire
from citadel_kit.exchange.faults import Faults
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.venue import MarketEvent, Symbol, Venue
from citadel_kit.exchange.world import World
from citadel_kit.micro.matching import Accounts, MatchingEngine
from citadel_kit.micro.session import Connect, Effect, Send, Session, StateChanged
from citadel_kit.settings import Fees, venue_symbol
from citadel_kit.types import FeedState, Instrument, Side
from citadel_kit.venues import codec

START_NS = 1_723_118_400 * 10**9
MS = 1_000_000
SECOND = 1_000_000_000
WIRES: dict[str, Callable[[Venue, int], Wire]] = {
    "bybit": BybitStream,
    "okx": OkxStream,
    "kraken": KrakenStream,
    "coinbase": CoinbaseStream,
}
DEPTHS = {"bybit": 50, "okx": 400, "kraken": 25, "coinbase": 10_000}
"""Levels a side that our codec's book must have right."""


class Outside:
    """A `Market` of one symbol."""

    start_ns = START_NS

    def __init__(self, of: Instrument, seed: int, seconds: float, every_ms: int) -> None:
        self.instruments = {of.venue: [of]}
        self._of, self._seed, self._seconds, self._every_ms = of, seed, seconds, every_ms

    def events(self) -> Iterator[OutsideEvent]:
        return outside(self._of.venue, self._of.symbol, self._seed, self._seconds, self._every_ms)


def instrument(venue: str, symbol: str = "BTC/USDT") -> Instrument:
    name = venue_symbol(venue, symbol)
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=name,
        price_decimals=2,
        qty_decimals=5,
        min_notional=5 * 10**7,
    )


def outside(venue: str, symbol: str, seed: int, seconds: float, every_ms: int) -> Iterator[OutsideEvent]:
    """A book of 600 levels a side that changes anywhere, wanders, and is traded with."""
    rng = random.Random(seed)
    mid = 5_000_000
    sides: list[dict[int, int]] = [{}, {}]
    for step in range(1, 601):
        sides[0][mid - step], sides[1][mid + step] = rng.randint(1, 10**6), rng.randint(1, 10**6)
    yield OutsideBook(START_NS, venue, symbol, True, *(list(s.items()) for s in sides))
    at_ns = START_NS
    while (at_ns := at_ns + rng.randint(1, 2 * every_ms) * MS) < START_NS + seconds * SECOND:
        changes: list[dict[int, int]] = [{}, {}]
        for _ in range(rng.randint(1, 4)):
            side = rng.randrange(2)
            best = max(sides[0]) if side == 0 else min(sides[1])
            away = min(int(rng.expovariate(0.05)), 700) if rng.random() < 0.9 else -1
            price = best - away if side == 0 else best + away
            other = min(sides[1]) if side == 0 else max(sides[0])
            if (price >= other) if side == 0 else (price <= other):
                continue
            qty = 0 if rng.random() < 0.4 and len(sides[side]) > 50 else rng.randint(1, 10**6)
            changes[side][price] = qty
            if qty:
                sides[side][price] = qty
            else:
                sides[side].pop(price, None)
        if rng.random() < 0.2:
            side = rng.choice((Side.BUY, Side.SELL))
            price = min(sides[1]) if side == Side.BUY else max(sides[0])
            yield OutsideTrade(at_ns, venue, symbol, price, rng.randint(1, 10**5), side)
        yield OutsideBook(at_ns, venue, symbol, False, *(list(c.items()) for c in changes))


def make_venue(name: str, *, seed: int = 1, seconds: float = 10.0, every_ms: int = 8) -> tuple[World, Venue]:
    """Its world is at the first moment: the book is there, nothing was told yet."""
    of, accounts = instrument(name), Accounts()
    world = World(Outside(of, seed, seconds, every_ms), START_NS)
    symbol = Symbol(of, MatchingEngine(of, accounts), Candles(of.symbol))
    venue = Venue(name, world, {of.symbol: symbol}, accounts, Fees(10, 10), Faults(seed))
    world.venues[name] = venue
    world.advance(START_NS)
    return world, venue


@dataclass
class Client:
    """Our codec and session at the other end of one wire after another. `drops`: frames that get lost."""

    world: World
    venue: Venue
    drops: Callable[[Out], bool] = lambda out: False
    states: list[FeedState] = field(default_factory=list)
    frames: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        symbols = [s.instrument for s in self.venue.symbols.values()]
        self.session = Session(codec(self.venue.name, symbols), symbols)
        self.feed = self.session.feeds[symbols[0].symbol]
        self.connections = 0
        self.venue.listen(self._saw)
        self._connect()

    def run(self, seconds: float, check: Callable[[], None] = lambda: None) -> None:
        """In steps of 10 ms; `check` after each in which the book is LIVE and nothing was told since."""
        for step in range(1, int(seconds * 100) + 1):
            if self._closed:
                self._connect()
            self.world.advance(self.world.now_ns + 10 * MS)
            if step % 10 == 0:
                self._do(self.session.on_timer(self.world.now_ns))
                if self.feed.state == FeedState.LIVE:
                    check()
            if step % 100 == 0:
                self._deliver(self.wire.second())

    def _connect(self) -> None:
        self.connections += 1
        assert self.connections < 20, "the session gives every connection up"
        self._closed = False
        self.wire = WIRES[self.venue.name](self.venue, self.connections)
        self._deliver(self.wire.opened())
        self._do(self.session.on_open(self.world.now_ns))

    def _saw(self, event: MarketEvent) -> None:
        if not self._closed:
            self._deliver(self.wire.saw(event))

    def _deliver(self, frames: Iterable[Out]) -> None:
        for out in list(frames):  # an answer to one may change the wire
            self.frames.append(out.text)
            if not self.drops(out):
                self._do(self.session.on_frame(out.text.encode(), self.world.now_ns))

    def _do(self, effects: list[Effect]) -> None:
        """What an effect leads to comes after the effects beside it, as on a real connection."""
        for effect in effects:
            if isinstance(effect, StateChanged):
                self.states.append(effect.state)
        for effect in effects:
            if isinstance(effect, Send):
                self._deliver(self.wire.heard(effect.text))
            elif isinstance(effect, Connect):
                self._do(self.session.on_close(self.world.now_ns, effect.reason, 0.0)[:-1])
                self._closed = True
