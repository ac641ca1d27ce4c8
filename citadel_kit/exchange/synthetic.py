"""A seeded market of several venues that speak Binance spot's wire form, for runs without a network.

Everything follows from the arguments: no clock is read and nothing leaves the process. The same seed gives
the same bytes (on one version of numpy, whose generators may change between versions).
"""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.fairprice import (
    CRASH_FALL_S,
    Crash,
    as_floats,
    fair_chunks,
)
from citadel_kit.exchange.orderbook import Change, Match
from citadel_kit.exchange.orderflow import FlowConfig, VenueFlow, venue_paths
from citadel_kit.types import Frame, Instrument, Side

PRICE_DECIMALS: Final = 2
QTY_DECIMALS: Final = 5
MIN_NOTIONAL: Final = 5
"""In the quote currency."""
MAX_SNAPSHOT: Final = 5000

_DEPTH_EVERY_S: Final = 0.1
_FIRST_LATENCY_NS: Final = 4_000_000
_LATENCY_STEP_NS: Final = 5_000_000
_JITTER_NS: Final = 600_000
_STALL_SHARE: Final = 0.0005
_STALL_NS: Final = 60_000_000
_CLOCK_SKEW_MS: Final = 20
_FRAME_GAP_NS: Final = 2_000
"""Frames of one connection never arrive closer together than this."""


class _Sent(NamedTuple):
    """A frame on its way, and the book it left behind: the first `changes` of `journal` are in it."""

    recv_ns: int
    venue: int
    raw: bytes
    journal: list[Change]
    changes: int
    is_depth: bool


class SyntheticMarket:
    """A `MarketSource`. Raises ConfigError where an argument makes no market.

    `crash_at_s` lets the price fall by `crash_fraction` within four seconds of that moment; half of the fall
    is won back over the next minute. `start_ns` is the market's first moment, when the first frame of each
    venue comes, the subscription's ack.
    """

    wire = "binance"
    includes_our_orders = False

    def __init__(
        self,
        *,
        start_ns: int,
        start_price: float,
        seed: int,
        duration_s: float = 600.0,
        venues: Sequence[str] = ("alpha", "beta"),
        symbol: str = "BTC/USDT",
        annual_volatility: float = 0.5,
        basis_bps: float = 0.1,
        crash_at_s: float | None = None,
        crash_fraction: float = 0.05,
        flow: FlowConfig | None = None,
    ) -> None:
        self.venues = tuple(venues)
        self.symbol, self.start_ns, self.start_price, self.seed = symbol, start_ns, start_price, seed
        self.duration_s, self.annual_volatility, self.basis_bps = duration_s, annual_volatility, basis_bps
        self.crash_at_s, self.crash_fraction = crash_at_s, crash_fraction
        self.flow = flow or FlowConfig()
        self._check()
        self.instruments = {venue: _instrument(venue, symbol) for venue in self.venues}
        self._feeds = self._open()

    def _check(self) -> None:
        last_crash = self.duration_s - CRASH_FALL_S
        for setting, wrong, problem in (
            ("venues", not self.venues or len(set(self.venues)) < len(self.venues), "one or more, each once"),
            ("symbol", len(self.symbol.split("/")) != 2, "write it as BASE/QUOTE"),
            ("start_price", not 10 <= self.start_price <= 1e8, "between 10 and 100 million"),
            ("duration_s", not 1 <= self.duration_s <= 7 * 86_400, "between a second and a week"),
            ("annual_volatility", not 0 <= self.annual_volatility <= 5, "between 0 and 5"),
            ("basis_bps", not 0 <= self.basis_bps <= 100, "between 0 and 100"),
            ("crash_fraction", not 0 < self.crash_fraction <= 0.5, "above 0, at most 0.5"),
            (
                "crash_at_s",
                self.crash_at_s is not None and not 0 <= self.crash_at_s <= last_crash,
                f"between 0 and {last_crash:g}, {CRASH_FALL_S:g} s before the end",
            ),
        ):
            if wrong:
                raise ConfigError(setting, f"{getattr(self, setting)!r} makes no market", problem)

    def _open(self) -> list[_VenueFeed]:
        """The market at its first moment."""
        path_seed, *venue_seeds = np.random.SeedSequence(self.seed).spawn(1 + len(self.venues))
        crash = None
        if self.crash_at_s is not None:
            crash = Crash(self.crash_at_s, self.crash_fraction, self.flow.max_heat)
        chunks = fair_chunks(
            np.random.default_rng(path_seed),
            self.start_price * 10**PRICE_DECIMALS,
            self.annual_volatility,
            int(self.duration_s) + 1,
            crash,
        )
        feeds = []
        scale = 10 ** (PRICE_DECIMALS + QTY_DECIMALS)
        for index, fair in enumerate(itertools.tee(as_floats(chunks), len(self.venues))):
            flow_rng, wire_rng, basis_rng = map(np.random.default_rng, venue_seeds[index].spawn(3))
            paths = venue_paths(basis_rng, fair, index, self.basis_bps)
            flow = VenueFlow(self.flow, flow_rng, paths, scale)
            feeds.append(
                _VenueFeed(index, self.instruments[self.venues[index]], flow, wire_rng, self.start_ns)
            )
        return feeds

    def frames(self) -> Iterator[Frame]:
        """All venues' frames in order of `recv_ns`. A second call starts again from the beginning, and from
        then on `snapshot` belongs to that new run."""
        feeds = self._feeds = self._open()
        return self._merged(feeds)

    def _merged(self, feeds: list[_VenueFeed]) -> Iterator[Frame]:
        streams = (feed.send(self.duration_s) for feed in feeds)
        for sent in heapq.merge(*streams, key=attrgetter("recv_ns")):
            feeds[sent.venue].deliver(sent)
            yield Frame(self.venues[sent.venue], sent.recv_ns, sent.raw)

    def snapshot(self, venue: str, path: str) -> bytes:
        """Binance's `/api/v3/depth?symbol=…&limit=…` (limit 100 where not given) of the book as of the last
        frame handed out. Raises ConfigError for a venue, path, symbol or limit that does not exist here."""
        if venue not in self.venues:
            raise ConfigError("venue", f"no venue {venue!r}", f"There are: {', '.join(self.venues)}")
        url = urlsplit(path)
        query = parse_qs(url.query)
        symbol = self.instruments[venue].venue_symbol
        if not url.path.endswith("/depth") or query.get("symbol") != [symbol]:
            raise ConfigError("path", f"{path!r} is unknown here", f"Ask for /api/v3/depth?symbol={symbol}")
        limit = query.get("limit", ["100"])[0]
        if not limit.isdecimal() or not 1 <= int(limit) <= MAX_SNAPSHOT:
            raise ConfigError("limit", f"{limit!r} levels can't be had", f"Ask for 1 to {MAX_SNAPSHOT}")
        return self._feeds[self.venues.index(venue)].snapshot(int(limit))


def _instrument(venue: str, symbol: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=symbol.replace("/", ""),
        price_decimals=PRICE_DECIMALS,
        qty_decimals=QTY_DECIMALS,
        min_notional=MIN_NOTIONAL * 10 ** (PRICE_DECIMALS + QTY_DECIMALS),
    )


class _VenueFeed:
    """One venue's connection: renders what its flow does, and knows the book its reader has heard of."""

    def __init__(
        self, index: int, instrument: Instrument, flow: VenueFlow, rng: np.random.Generator, start_ns: int
    ) -> None:
        self.index, self.symbol, self.flow, self.start_ns = index, instrument.venue_symbol, flow, start_ns
        self.latency = _latencies(rng, _FIRST_LATENCY_NS + index * _LATENCY_STEP_NS)
        self.skew_ms = int(rng.integers(-_CLOCK_SKEW_MS, _CLOCK_SKEW_MS + 1))
        self.phase_s = float(rng.uniform(0.0, _DEPTH_EVERY_S))
        self.trade_id = int(rng.integers(10**8, 10**10))
        self.arrived_ns = start_ns
        # What the reader has heard: the book at the last delivered depth frame, and the changes since it.
        self.heard_bids, self.heard_asks = dict(self._opening(Side.BUY)), dict(self._opening(Side.SELL))
        self.heard_id = flow.book.last_id
        self.pending: list[Change] = []
        self.pending_count = 0

    def _opening(self, side: Side) -> Iterator[tuple[int, int]]:
        for key, qty in self.flow.book.half(side).totals.items():
            yield abs(key), qty

    def send(self, duration_s: float) -> Iterator[_Sent]:
        """Frames in the order of the connection. A quote comes before the trades that changed it, as it does
        on the real wire."""
        book = self.flow.book
        top = (0, 0, 0, 0)
        yield _Sent(self.start_ns, self.index, b'{"result":null,"id":1}', [], 0, False)
        for now, matches in self.flow.run(duration_s, self.phase_s, _DEPTH_EVERY_S):
            if matches is None:
                if book.journal:
                    yield self._sent(now, self._depth(now), is_depth=True)
                    book.journal = []
                continue
            if (newest := book.top()) != top:
                top = newest
                yield self._sent(now, self._book_ticker(top))
            for match in matches:
                yield self._sent(now, self._trade(now, match))

    def _sent(self, now: float, raw: bytes, is_depth: bool = False) -> _Sent:
        due = self.start_ns + int(now * 1e9) + next(self.latency)
        self.arrived_ns = max(due, self.arrived_ns + _FRAME_GAP_NS)
        journal = self.flow.book.journal
        return _Sent(self.arrived_ns, self.index, raw, journal, len(journal), is_depth)

    def _exchange_ms(self, now: float) -> int:
        return (self.start_ns + int(now * 1e9)) // 1_000_000 + self.skew_ms

    def _depth(self, now: float) -> bytes:
        book = self.flow.book
        levels: tuple[dict[int, int], dict[int, int]] = {}, {}
        for is_bid, price, qty in book.journal:
            levels[is_bid][price] = qty
        asks, bids = levels
        return (
            f'{{"stream":"{self.symbol.lower()}@depth@100ms","data":{{"e":"depthUpdate",'
            f'"E":{self._exchange_ms(now)},"s":"{self.symbol}",'
            f'"U":{book.last_id - len(book.journal) + 1},"u":{book.last_id},'
            f'"b":{_level_list(sorted(bids.items(), reverse=True))},'
            f'"a":{_level_list(sorted(asks.items()))}}}}}'
        ).encode()

    def _book_ticker(self, top: tuple[int, int, int, int]) -> bytes:
        bid, bid_qty, ask, ask_qty = top
        return (
            f'{{"stream":"{self.symbol.lower()}@bookTicker","data":{{"u":{self.flow.book.last_id},'
            f'"s":"{self.symbol}","b":"{_price(bid)}","B":"{_qty(bid_qty)}",'
            f'"a":"{_price(ask)}","A":"{_qty(ask_qty)}"}}}}'
        ).encode()

    def _trade(self, now: float, match: Match) -> bytes:
        self.trade_id += 1
        at = self._exchange_ms(now)
        buyer_is_maker = "true" if match.side is Side.SELL else "false"
        return (
            f'{{"stream":"{self.symbol.lower()}@trade","data":{{"e":"trade","E":{at},"s":"{self.symbol}",'
            f'"t":{self.trade_id},"p":"{_price(match.price)}","q":"{_qty(match.qty)}","T":{at},'
            f'"m":{buyer_is_maker},"M":true}}}}'
        ).encode()

    def deliver(self, sent: _Sent) -> None:
        """The reader now has this frame."""
        self.pending, self.pending_count = sent.journal, sent.changes
        if sent.is_depth:
            _apply(self.heard_bids, self.heard_asks, sent.journal)
            self.heard_id += sent.changes
            self.pending, self.pending_count = [], 0

    def snapshot(self, limit: int) -> bytes:
        bids, asks = dict(self.heard_bids), dict(self.heard_asks)
        _apply(bids, asks, self.pending[: self.pending_count])
        return (
            f'{{"lastUpdateId":{self.heard_id + self.pending_count},'
            f'"bids":{_level_list(sorted(bids.items(), reverse=True)[:limit])},'
            f'"asks":{_level_list(sorted(asks.items())[:limit])}}}'
        ).encode()


def _apply(bids: dict[int, int], asks: dict[int, int], changes: Sequence[Change]) -> None:
    for is_bid, price, qty in changes:
        half = bids if is_bid else asks
        if qty:
            half[price] = qty
        else:
            half.pop(price, None)


def _latencies(rng: np.random.Generator, base_ns: int) -> Iterator[int]:
    """Nanoseconds from the venue to us: a floor, a skewed jitter, and now and then a stall."""
    while True:
        jitter = rng.gamma(1.5, _JITTER_NS, 1024)
        stalls = np.where(rng.random(1024) < _STALL_SHARE, rng.exponential(_STALL_NS, 1024), 0.0)
        yield from array("q", (base_ns + jitter + stalls).astype(np.int64).tobytes())


def _price(units: int) -> str:
    """Eight decimals, as Binance writes them."""
    return f"{units // 100}.{units % 100:02d}000000"


def _qty(units: int) -> str:
    return f"{units // 100_000}.{units % 100_000:05d}000"


def _level_list(levels: Sequence[tuple[int, int]]) -> str:
    return "[" + ",".join([f'["{_price(price)}","{_qty(qty)}"]' for price, qty in levels]) + "]"
