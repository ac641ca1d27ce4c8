"""The participants of one simulated venue: makers, noise traders, informed takers and retail orders.

Makers quote a ladder around the venue's reference price, lean against their inventory, and replace an order
once the reference has left it. Noise traders arrive in clusters and keep their side for a while; a few of
their orders are large. Informed takers see the fair price first and take quotes that have gone stale, which
holds the venue to it. Retail orders rest at distances with a fat tail and are cancelled at random.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.fairprice import (
    CRASH_FALL_S,
    CRASH_PANIC_S,
    CRASH_SHAPE,
    GRID_HZ,
    Crash,
    Fair,
    reference_chunks,
)
from citadel_kit.exchange.orderbook import Match, Order, OrderBook
from citadel_kit.types import Side

Happening = tuple[float, Sequence[Match] | None]
"""Seconds since the start and the trades of one action; None marks the moment of a depth frame."""


class Paths(NamedTuple):
    """A chunk of what a venue goes by, on the grid of `fairprice`: prices in price units, and relative
    volatility."""

    fair: array[float]
    reference: array[float]
    heat: array[float]


def venue_paths(
    rng: np.random.Generator, fair: Iterator[Fair], index: int, basis_bps: float
) -> Iterator[Paths]:
    """Of the `index`-th venue: each sees the fair price a little later than the one before."""
    mine, prices = itertools.tee(fair)
    late = reference_chunks(rng, (chunk.price for chunk in prices), lag_s(index), basis_bps)
    for chunk, reference in zip(mine, late, strict=True):
        yield Paths(chunk.prices, array("d", reference.tobytes()), chunk.heats)


def lag_s(index: int) -> float:
    """How late the `index`-th venue's makers see the fair price."""
    return _FIRST_LAG_S + index * _LAG_STEP_S


_FIRST_LAG_S: Final = 0.02
"""How late the first venue's makers see the fair price; every further venue is `_LAG_STEP_S` later."""
_LAG_STEP_S: Final = 0.03
_SIDES: Final = (Side.BUY, Side.SELL)
_RETAIL: Final = -1
BPS: Final = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Rates are per second, distances in basis points of the price, sizes in the quote currency."""

    makers: int = 8
    ladder: int = 10
    """Orders a maker keeps on each side."""
    maker_rate: float = 12.0
    """How often each maker looks at its quotes."""
    half_spread_bps: float = 0.6
    """Of the tightest maker in normal weather; the others quote up to twice as wide."""
    maker_size: float = 9_000.0
    """Median at the touch; it rises away from it."""
    taker_rate: float = 6.0
    """Of noise traders, before clustering doubles it."""
    taker_size: float = 500.0
    large_share: float = 0.01
    large_factor: float = 60.0
    informed_rate: float = 10.0
    informed_edge_bps: float = 0.1
    informed_size: float = 60_000.0
    retail_rate: float = 36.0
    """Placements and cancels together."""
    retail_orders: int = 300
    """The usual number on each side; filled ones count until they are drawn for a cancel."""
    retail_size: float = 1_500.0
    max_heat: float = 6.0
    """Cap of the factor by which volatility speeds takers up and widens makers' quotes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"flow.{field.name}", f"{getattr(self, field.name)!r} is not above 0")


_EXCITE_JUMP: Final = 0.6
_EXCITE_DECAY_S: Final = 0.8
_KEEP_SIDE: Final = 0.7
"""Chance that the next noise order is on the side of the last: large orders come in slices."""
_PROTECTION_BPS: Final = 30.0
"""A market order trades no further than this from the best price."""
_INVENTORY_LIMIT: Final = 20.0
"""In median maker sizes; at the limit a maker leans by half its spread."""
_SLACK: Final = 0.5
"""How far a maker's order may lag behind its wanted place, as a share of its distance; half as far ahead."""
_IMPROVES: Final = 0.05
"""Share of retail orders placed inside the spread."""
_ROUND_SHARE: Final = 0.5
"""Share of retail orders at round prices."""
_RETAIL_MEDIAN_BPS: Final = 6.0
_RETAIL_MAX_BPS: Final = 500.0
_LEAST_PRICE: Final = 1000
_MIN_SIZE: Final = 5.0
"""In the quote currency: the venue's smallest order."""


class Maker:
    """One market maker: its width, its orders by side and rung, and its inventory in quantity units."""

    __slots__ = ("centre", "distances", "index", "inventory", "orders", "width")

    def __init__(self, index: int, width: float, ladder: int) -> None:
        self.index, self.width = index, width * BPS
        self.distances = tuple(self.width * (1 + 0.6 * rung**1.5) for rung in range(ladder))
        self.orders: dict[Side, list[Order | None]] = {side: [None] * ladder for side in _SIDES}
        self.inventory, self.centre = 0, 0.0


class VenueFlow:
    """Runs one venue along `paths`; `units_per_quote` is price units × quantity units per unit of quote
    currency; `late_s`: how late its makers see a `crash`.
    """

    def __init__(
        self,
        config: FlowConfig,
        rng: np.random.Generator,
        paths: Iterator[Paths],
        units_per_quote: float,
        late_s: float = 0.0,
    ) -> None:
        self.config, self.rng, self.units_per_quote = config, rng, units_per_quote
        self._paths, self._path, self._path_start = paths, next(paths), 0
        self._crashes: list[Crash] = []
        self._late_s, self._level = late_s, 1.0
        self.book = OrderBook(last_id=int(rng.integers(10**9, 10**11)))
        widths = config.half_spread_bps * np.linspace(1.0, 2.0, config.makers)
        self.makers = [Maker(index, float(width), config.ladder) for index, width in enumerate(widths)]
        self.retail: list[Order] = []
        self.excitement, self.taker_side = 0.0, Side.BUY
        self._look(0.0, 0.0)
        self._open()

    def _open(self) -> None:
        """The book as the market opens: every maker's ladder and the usual number of retail orders."""
        for maker in self.makers:
            for _ in self._requote(maker, range(self.config.ladder)):
                pass
        while len(self.retail) < 2 * self.config.retail_orders:
            self._place_retail()
        self.book.journal = []

    def check_crash(self, at_s: float, fraction: float) -> None:
        """Raises ConfigError while the price falls already, and where it would end below a thousand price
        units."""
        if any(at_s - crash.at_s < CRASH_FALL_S for crash in self._crashes):
            raise ConfigError("crash", "the price is falling already", f"Wait {CRASH_FALL_S:g} s")
        if self.fair * (1 - fraction) < _LEAST_PRICE:
            raise ConfigError("crash", "the price would be too low for its tick", "Take a smaller fraction")

    def crash(self, at_s: float, fraction: float) -> None:
        """The fair price falls from then on, as in `fairprice`, whatever its path."""
        self._crashes.append(Crash(at_s, fraction, self.config.max_heat))

    def run(self, duration_s: float, depth_phase_s: float, depth_every_s: float) -> Iterator[Happening]:
        """Every action in order of time, and None at each depth moment, before what happens after it."""
        config, rng = self.config, self.rng
        now, depths = 0.0, 0
        while True:
            hurry = max(1.0, self.heat)
            makers = config.maker_rate * config.makers * math.sqrt(hurry)
            takers = config.taker_rate * self.heat + self.excitement
            informed = config.informed_rate * hurry
            total = makers + takers + informed + config.retail_rate
            wait = rng.standard_exponential() / total
            now += wait
            while (moment := depth_phase_s + depths * depth_every_s) <= min(now, duration_s):
                yield moment, None
                depths += 1
            if now >= duration_s:
                return
            self._look(now, wait)
            pick = rng.random() * total
            if pick < makers:
                maker = self.makers[int(pick / makers * config.makers)]
                for _ in self._requote(maker, self._rungs_to_check()):
                    yield now, ()
            elif pick < makers + takers:
                yield now, self._noise_trade()
            elif pick < makers + takers + informed:
                yield now, self._informed_trade()
            else:
                self._retail_action()
                yield now, ()

    def _look(self, now: float, waited: float) -> None:
        point = int(now * GRID_HZ) - self._path_start
        while point >= (length := len(self._path.fair)):
            self._path, self._path_start, point = next(self._paths), self._path_start + length, point - length
        path = self._path
        self.fair, self.reference = path.fair[point] * self._level, path.reference[point] * self._level
        self.heat = min(max(path.heat[point], 0.4), self.config.max_heat)
        for crash in self._crashes:
            self._fall(crash, now - crash.at_s)
        self.excitement *= math.exp(-waited / _EXCITE_DECAY_S)

    def _fall(self, crash: Crash, since_s: float) -> None:
        self.fair *= 1 - crash.fraction * float(np.interp(since_s, *CRASH_SHAPE))
        self.reference *= 1 - crash.fraction * float(np.interp(since_s - self._late_s, *CRASH_SHAPE))
        if 0 <= since_s <= CRASH_PANIC_S:
            self.heat = max(self.heat, crash.heat)
        if since_s - self._late_s > CRASH_SHAPE[0][-1]:  # over: what was not won back is the new level
            self._level *= 1 - crash.fraction * CRASH_SHAPE[1][-1]
            self._crashes = [other for other in self._crashes if other is not crash]

    def _units(self, median: float, spread: float) -> int:
        """A log-normal size in quantity units, at least the venue's smallest order."""
        size = max(median * math.exp(spread * self.rng.standard_normal()), _MIN_SIZE)
        return math.ceil(size * self.units_per_quote / self.reference)

    # Makers

    def _rungs_to_check(self) -> Sequence[int]:
        """On the side that the price leaves: the best two, and by chance one further away."""
        ladder = self.config.ladder
        return (0, 1, int(self.rng.integers(2, ladder))) if ladder > 3 else range(ladder)

    def _requote(self, maker: Maker, rungs: Sequence[int]) -> Iterator[None]:
        """Put right the rungs that are out of place, one change of the book at a time.

        The side that the price runs into comes first, and whole. A new order is placed before the old one
        is cancelled, so that no quote vanishes for a moment.
        """
        limit = _INVENTORY_LIMIT * self.config.maker_size * self.units_per_quote / self.reference
        lean = min(max(maker.inventory / limit, -1.0), 1.0) * maker.width / 2
        centre = self.reference * (1 - lean)
        wider, tolerance = centre * (0.6 + 0.4 * self.heat), centre * _SLACK
        hit = Side.SELL if centre > maker.centre else Side.BUY
        for side in (hit, Side.BUY if hit is Side.SELL else Side.SELL):
            orders, middle = maker.orders[side], side * centre
            for rung in range(len(orders)) if side is hit else rungs:
                order, distance = orders[rung], maker.distances[rung]
                wanted, slack = middle - distance * wider, distance * tolerance
                if order is None or not order.qty or not -slack <= order.key - wanted <= slack / 2:
                    yield from self._replace(maker, side, rung, wanted, slack)
        maker.centre = centre
        maker.inventory = int(maker.inventory * 0.99)

    def _replace(self, maker: Maker, side: Side, rung: int, wanted: float, slack: float) -> Iterator[None]:
        """A fresh order near `wanted`: joining the best price where that is close, else at a round price."""
        book = self.book
        old, keys = maker.orders[side][rung], book.half(side).keys
        joins = bool(keys) and abs(keys[-1] - wanted) < slack / 2
        key = book.resting_key(side, keys[-1] if joins else _round_down(wanted, slack / (1 + 2 * rung)))
        if old is not None and old.qty and old.key == key:
            return
        qty = self._units(self.config.maker_size * 1.25**rung / math.sqrt(max(1.0, self.heat)), 0.8)
        maker.orders[side][rung] = book.place(side, key, qty, maker.index)
        yield
        if old is not None and book.cancel(old):
            yield

    # Takers

    def _noise_trade(self) -> list[Match]:
        config, rng = self.config, self.rng
        if rng.random() > _KEEP_SIDE:
            self.taker_side = Side.BUY if self.taker_side is Side.SELL else Side.SELL
        median = config.taker_size * (config.large_factor if rng.random() < config.large_share else 1.0)
        self.excitement += _EXCITE_JUMP
        best = self.book.best(Side.SELL if self.taker_side is Side.BUY else Side.BUY)
        limit = best - int(abs(best) * _PROTECTION_BPS * BPS)
        return self._take(self.taker_side, self._units(median, 1.3), limit)

    def _informed_trade(self) -> list[Match]:
        """Takes what is offered more than the edge below the fair price, or bid more than that above it."""
        edge = self.config.informed_edge_bps * BPS
        for side in _SIDES:
            limit = math.ceil(self.fair * (edge - side))
            if self.book.best(Side.SELL if side is Side.BUY else Side.BUY) >= limit:
                return self._take(side, self._units(self.config.informed_size, 0.5), limit)
        return []

    def _take(self, side: Side, qty: int, limit_key: int) -> list[Match]:
        matches = self.book.take(side, qty, limit_key)
        for match, order in matches:
            if order.owner != _RETAIL:
                self.makers[order.owner].inventory -= side * match.qty
        return [match for match, _ in matches]

    # Retail

    def _retail_action(self) -> None:
        """Place or cancel, so that the number at rest stays near the configured one."""
        usual = 2 * self.config.retail_orders
        if self.rng.random() * (usual + len(self.retail)) < usual:
            self._place_retail()
            return
        chosen = int(self.rng.integers(len(self.retail)))
        self.retail[chosen], self.retail[-1] = self.retail[-1], self.retail[chosen]
        self.book.cancel(self.retail.pop())

    def _place_retail(self) -> None:
        rng, book = self.rng, self.book
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        best = book.best(side)
        if rng.random() < _IMPROVES:
            gap = -book.best(Side.SELL if side is Side.BUY else Side.BUY) - best
            key = min(best + int(rng.random() * gap / 3), math.floor(side * self.reference))
        else:
            away = min(_RETAIL_MEDIAN_BPS * math.exp(1.5 * rng.standard_normal()), _RETAIL_MAX_BPS) * BPS
            distance = away * abs(best)
            key = _round_down(best - distance, distance / 10 if rng.random() < _ROUND_SHARE else 1.0)
        self.retail.append(book.place(side, key, self._units(self.config.retail_size, 1.0), _RETAIL))


def _round_down(key: float, slack: float) -> int:
    """To a round price that is not better: a multiple of 1, 2 or 5 times a power of ten, at most `slack`."""
    decade: int = 10 ** max(0, math.floor(math.log10(max(slack, 1.0))))
    step = decade * (5 if slack >= 5 * decade else 2 if slack >= 2 * decade else 1)
    return math.floor(key / step) * step
