"""A random market for the local exchange: walks, jumps, trades, and books that are lost, each venue alone."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence

from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideLost, OutsideTrade
from citadel_kit.types import Instrument, Side

MID = 10_000
_MS = 1_000_000


class RestlessMarket:
    """A `Market`. `quiet_s`: from then on it hardly moves."""

    def __init__(
        self, instruments: Mapping[str, Sequence[Instrument]], *, start_ns: int, seed: int, quiet_s: float
    ) -> None:
        self.instruments, self.start_ns, self._seed = instruments, start_ns, seed
        self._quiet_ns = start_ns + int(quiet_s * 1e9)

    def events(self) -> Iterator[OutsideEvent]:
        rng = random.Random(self._seed)
        streams = [self._run(own[0], random.Random(rng.random())) for own in self.instruments.values()]
        return heapq.merge(*streams, key=lambda event: event.at_ns)

    def _run(self, of: Instrument, rng: random.Random) -> Iterator[OutsideEvent]:
        venue, symbol, tick = of.venue, of.symbol, of.tick
        at_ns, mid, spread = self.start_ns, MID + rng.randint(-10, 10) * tick, rng.choice([1, 2, 5]) * tick
        every_ms = rng.choice([15.0, 40.0, 100.0])
        shown = _ladder(rng, of, mid, spread)
        yield OutsideBook(at_ns, venue, symbol, True, *_sides(shown))
        while True:
            late = at_ns >= self._quiet_ns
            at_ns += int(rng.expovariate(1.0) * (2_000.0 if late else every_ms) * _MS) + 1
            what = rng.random()
            if what < 0.4:
                side = rng.choice([Side.BUY, Side.SELL])
                price = min(p for p, q in shown.items() if q < 0) if side == Side.BUY else max(
                    p for p, q in shown.items() if q > 0
                )  # fmt: skip
                price += rng.choice([0, 0, 0, 1, 2]) * int(side) * tick  # now and then it trades through
                yield OutsideTrade(at_ns, venue, symbol, price, rng.randint(1, 60) * of.lot, int(side))
                continue
            if what < 0.41:
                yield OutsideLost(at_ns, venue, symbol)
                at_ns += rng.randint(10, 400) * _MS
                shown = _ladder(rng, of, mid, spread)
                yield OutsideBook(at_ns, venue, symbol, True, *_sides(shown))
                continue
            step = rng.choice([0, 0, 1, -1, 1, -1, 2, -2, 5, -5]) if what < 0.97 else rng.randint(-80, 80)
            mid = min(max(mid + step * tick, MID * 8 // 10), MID * 12 // 10)
            before, shown = shown, _ladder(rng, of, mid, spread, shown)
            changed = {p: shown.get(p, 0) for p in {**before, **shown} if before.get(p) != shown.get(p)}
            bids = [(p, max(q, 0)) for p, q in changed.items() if q > 0 or before.get(p, 0) > 0]
            asks = [(p, max(-q, 0)) for p, q in changed.items() if q < 0 or before.get(p, 0) < 0]
            yield OutsideBook(at_ns, venue, symbol, False, bids, asks)


def _ladder(
    rng: random.Random, of: Instrument, mid: int, spread: int, before: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Quantity by price, above 0 for bids; most levels that stay keep theirs."""
    bid = mid - mid % of.tick
    levels = {}
    for n in range(5):
        for side, price in ((1, bid - n * of.tick), (-1, bid + spread + n * of.tick)):
            old = (before or {}).get(price, 0)
            keep = old * side > 0 and rng.random() < 0.8
            levels[price] = old if keep else side * rng.randint(1, 80) * of.lot
    return levels


def _sides(levels: Mapping[int, int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids = sorted(((p, q) for p, q in levels.items() if q > 0), reverse=True)
    return bids, sorted((p, -q) for p, q in levels.items() if q < 0)
