"""What the guard sees of an engine's venues."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Final, NamedTuple

from citadel_kit.clock import SECOND
from citadel_kit.micro import guard
from citadel_kit.micro.flow import spread_bps
from citadel_kit.types import BookReader, GlobalQuote, Instrument, Side

DEPTH_LEVELS: Final = 20
"""A side, whose quantity is the depth that the guard looks at."""
DEPTH_EVERY_NS: Final = SECOND // 2
"""Of one venue: to add levels up costs more than all else the guard does."""


class _Seen(NamedTuple):
    at_ns: int
    mid: float
    quote: GlobalQuote
    depth: float


class Watch:
    """The guard's state, and what it is fed. Raises ConfigError for a setting that can't be.

    Each input returns whether the step or its cause is another than before.
    """

    def __init__(self, config: guard.GuardConfig, instruments: Mapping[str, Instrument]) -> None:
        guard.check(config)
        self._config, self._instruments = config, instruments
        self._put_off: list[_Seen] = []
        """Of what was calm the highest and the last of each width, which are looked at before all else."""
        self._bucket, self._high, self._total = -1, 0, nan
        self._depths: dict[str, tuple[int, float, float]] = {}
        """When it was read, and base units of bids and asks, of each LIVE venue."""
        self._set(guard.fresh(0))

    @property
    def state(self) -> guard.GuardState:
        self._catch_up()
        return self._state

    def on_book(self, venue: str, now_ns: int, quote: GlobalQuote, book: BookReader) -> bool:
        """Of a crossed quote one side is wrong, and which is not known: it has no mid, only a distance."""
        read = self._depths.get(venue)
        if read is None or now_ns - read[0] >= DEPTH_EVERY_NS:
            self._read_depth(venue, now_ns, book)
        calm, bid, ask = self._calm, quote.bid, quote.ask
        mid = (bid + ask) / 2
        still = now_ns < calm.until_ns and bid <= ask <= bid * calm.widest and self._total >= calm.thin
        if still and calm.low <= mid <= calm.high:
            self._put(_Seen(now_ns, mid, quote, self._total))
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
            heard_ns = self._put_off[-1].at_ns if self._put_off else self._state.heard_ns
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
        self.says = guard.describe(self._config, state)  # what is put off says nothing else
        """`ok`, or why it is tripped."""

    def _put(self, seen: _Seen) -> None:
        """Of each width: the highest, and behind it the last where that is another."""
        rows, bucket = self._put_off, seen.at_ns // self._calm.width_ns
        if bucket != self._bucket or not rows:
            self._bucket = bucket
            rows.append(seen)
        elif seen.mid >= rows[self._high].mid:
            del rows[self._high :]
            rows.append(seen)
        elif self._high == len(rows) - 1:
            rows.append(seen)
            return
        else:
            rows[-1] = seen
            return
        self._high = len(rows) - 1

    def _catch_up(self) -> None:
        if self._put_off:
            rows, self._put_off, state = self._put_off, [], self._state
            for at_ns, _, quote, depth in rows:
                state = guard.on_sight(self._config, state, self._sight(at_ns, quote, depth))
            self._set(state)

    def _sight(self, now_ns: int, quote: GlobalQuote, depth: float) -> guard.Sight:
        mid, spread, crossed = quote.mid, spread_bps(quote.bid, quote.ask), 0.0
        if quote.crossed:
            mid, spread, crossed = nan, nan, -spread
        return guard.Sight(now_ns, mid, spread, depth, crossed)

    def _read_depth(self, venue: str, now_ns: int, book: BookReader) -> None:
        instrument, price = self._instruments[venue], book.top().bid
        bids, asks = (int(book.levels(side, DEPTH_LEVELS)[:, 1].sum()) for side in (Side.BUY, Side.SELL))
        if price > 0:
            base = instrument.base_qty(price, bids), instrument.base_qty(price, asks)
            self._depths[venue] = (now_ns, *base)
        self._add_up()

    def _add_up(self) -> None:
        """Of the thinner side, over all LIVE venues."""
        bid_depth = sum(bids for _, bids, _ in self._depths.values())
        self._total = min(bid_depth, sum(asks for _, _, asks in self._depths.values()))
