"""What the guard sees of an engine's venues."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Final, Protocol

from citadel_kit.clock import SECOND
from citadel_kit.micro import guard
from citadel_kit.micro.flow import spread_bps
from citadel_kit.types import BookTop, GlobalQuote, Instrument

DEPTH_LEVELS: Final = 20
"""A side, whose quantity is the depth that the guard looks at."""
DEPTH_EVERY_NS: Final = SECOND
"""Of one venue: to add levels up costs more than all else the guard does."""


_Seen = tuple[int, GlobalQuote, float]
"""Time, quote and depth of a sight that was put off."""


class Depths(Protocol):
    """What is looked at of a book."""

    def top(self) -> BookTop: ...

    def depths(self, levels: int) -> tuple[int, int]: ...


class Watch:
    """The guard's state, and what it is fed. Raises ConfigError for a setting that can't be.

    Each input returns whether the step or its cause is another than before.
    """

    def __init__(self, config: guard.GuardConfig, instruments: Mapping[str, Instrument]) -> None:
        guard.check(config)
        self._config, self._instruments = config, instruments
        self._highs: list[_Seen] = []
        """Of what was calm the highest of each width, in their order."""
        self._newest: _Seen | None = None
        """And the last of all. These are looked at before anything else."""
        self._width, self._high, self._total = -1, nan, nan
        self._depths: dict[str, tuple[int, float, float]] = {}
        """When it was read, and base units of bids and asks, of each LIVE venue."""
        self._set(guard.fresh(0))

    @property
    def state(self) -> guard.GuardState:
        self._catch_up()
        return self._state

    @property
    def stands(self) -> tuple[int, int, str]:
        """Step, cause, and both in words; what was put off changes none of them."""
        return self._state.step, self._state.tripped, self.says

    def on_book(self, venue: str, now_ns: int, quote: GlobalQuote, book: Depths) -> bool:
        """Of a crossed quote one side is wrong, and which is not known: it has no mid, only a distance."""
        read = self._depths.get(venue)
        if read is None or now_ns - read[0] >= DEPTH_EVERY_NS:
            self._read_depth(venue, now_ns, book)
        bid, ask = quote.bid, quote.ask
        until_ns, width_ns, low, high, widest, thin = self._calm
        if now_ns < until_ns and low <= bid <= ask <= high and ask <= bid * widest and self._total >= thin:
            seen = self._newest = now_ns, quote, self._total
            mid, width = (bid + ask) / 2, now_ns // width_ns
            if width != self._width:
                self._width, self._high = width, mid
                self._highs.append(seen)
            elif mid >= self._high:
                self._high = mid
                self._highs[-1] = seen
            return False
        self._catch_up()
        sight = self._sight(now_ns, quote, self._total)
        return self._is_news(guard.on_sight(self._config, self._state, sight))

    def lost(self, venue: str) -> None:
        """The venue's book is not LIVE: what rested there is no depth."""
        self._depths.pop(venue, None)
        self._add_up()

    def on_timer(self, now_ns: int, live: bool) -> bool:
        """`live`: is any book LIVE? While it is calm only a book that stands still is news."""
        if live and self._calm is not guard.NOT_CALM:
            heard_ns = self._newest[0] if self._newest else self._state.heard_ns
            if now_ns - heard_ns < self._config.quiet_ns or self._config.quiet_ns == 0:
                return False
        return self._is_news(guard.on_timer(self._config, self.state, now_ns, live))

    def trip(self, now_ns: int, step: guard.GuardStep = guard.GuardStep.REDUCE) -> bool:
        """By hand; latched."""
        return self._is_news(guard.trip_to(self.state, now_ns, guard.Trip.HAND.value, step.value))

    def rearm(self, now_ns: int) -> bool:
        return self._is_news(guard.reset(self.state, now_ns))

    def _is_news(self, state: guard.GuardState) -> bool:
        before = self._state
        self._set(state)
        return (state.step, state.tripped) != (before.step, before.tripped)

    def _set(self, state: guard.GuardState) -> None:
        self._state, self._calm = state, guard.calm(self._config, state)
        self._width = -1
        self.says = guard.describe(self._config, state)  # what is put off says nothing else
        """`ok`, or why it is tripped."""

    def _catch_up(self) -> None:
        if self._newest is None:
            return
        seen, state = self._highs, self._state
        if seen[-1] is not self._newest:
            seen.append(self._newest)
        self._highs, self._newest = [], None
        for at_ns, quote, depth in seen:
            state = guard.on_sight(self._config, state, self._sight(at_ns, quote, depth))
        self._set(state)

    def _sight(self, now_ns: int, quote: GlobalQuote, depth: float) -> guard.Sight:
        mid, spread, crossed = quote.mid, spread_bps(quote.bid, quote.ask), 0.0
        if quote.crossed:
            mid, spread, crossed = nan, nan, -spread
        return guard.Sight(now_ns, mid, spread, depth, crossed)

    def _read_depth(self, venue: str, now_ns: int, book: Depths) -> None:
        instrument, price = self._instruments[venue], book.top().bid
        bids, asks = book.depths(DEPTH_LEVELS)
        if price > 0:
            base = instrument.base_qty(price, bids), instrument.base_qty(price, asks)
            self._depths[venue] = (now_ns, *base)
        self._add_up()

    def _add_up(self) -> None:
        """Of the thinner side, over all LIVE venues."""
        bid_depth = sum(bids for _, bids, _ in self._depths.values())
        self._total = min(bid_depth, sum(asks for _, _, asks in self._depths.values()))
