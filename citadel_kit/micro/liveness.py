"""Is a venue alive, and how soon may it be asked again? By our own clock, which comes in as an argument."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final, NamedTuple

_INTERVALS_KEPT: Final = 64
_INTERVALS_NEEDED: Final = 3
"""Fewer say nothing about a rhythm; until then it is taken to be that of our own pings."""
_SECOND: Final = 1_000_000_000


class SessionConfig(NamedTuple):
    any_frame: bool = False
    """Every frame counts as a heartbeat: for recordings, which answer no ping and may hold no heartbeat."""
    ping_ns: int = _SECOND
    """Between our own pings, where the venue has no heartbeat."""
    stale_factor: float = 4.0
    """A feed is STALE when silent for this many times the rolling median between its heartbeats. Healthy
    venues were seen to stay under 1.94 …"""
    stale_floor_ns: int = 2 * _SECOND
    """… but not sooner than this."""
    reconnect_ns: int = 15 * _SECOND
    """Silence after which the connection is given up."""
    silent_ns: int = 10 * _SECOND
    """Subscribed, and nothing of the book ever came: the subscription is taken for dead."""
    behind_ns: int = 2 * _SECOND
    """The venue's own quotes run ahead of the book for so long: its book updates have stopped coming."""
    life_ns: int = 23 * 3600 * _SECOND
    """A connection is renewed before the venue ends it (Binance: after 24 h) …"""
    life_jitter_ns: int = 1800 * _SECOND
    """… and up to this much earlier, so that several are not renewed at once."""
    snapshot_timeout_ns: int = 5 * _SECOND
    """A snapshot that was asked for and did not come is asked for again …"""
    snapshot_asks: int = 3
    """… but after so many in vain the connection is given up."""
    resync_most: int = 10
    """Resubscriptions of one book within `resync_window_ns`; further ones wait (OKX allows 480 requests an
    hour, and a resubscription is two)."""
    resync_window_ns: int = 300 * _SECOND
    max_buffer: int = 5_000
    """Deltas kept while a snapshot is on its way; more than these start the sync anew."""
    connect_most: int = 30
    """Connections within `connect_window_ns`; further ones wait (Kraken allows about 150 in ten minutes to
    one address, Binance 300 in five, and others may share ours)."""
    connect_window_ns: int = 300 * _SECOND
    backoff_floor_ns: int = _SECOND // 2
    backoff_cap_ns: int = 60 * _SECOND
    backoff_reset_ns: int = 60 * _SECOND
    """The back-off starts small again only after this long a stretch with every book LIVE."""


class Rhythm:
    """The heartbeats of one connection."""

    def __init__(self, config: SessionConfig) -> None:
        self._factor, self._floor_ns = config.stale_factor, config.stale_floor_ns
        self._assumed_ns = 0 if config.any_frame else config.ping_ns
        self._intervals: deque[int] = deque(maxlen=_INTERVALS_KEPT)
        self.last_ns = 0
        """When the last heartbeat came, or since when the connection stands."""
        self._beaten = False

    def start(self, now_ns: int) -> None:
        """A new connection: nothing is known of its rhythm."""
        self._intervals.clear()
        self.last_ns, self._beaten = now_ns, False

    def beat(self, now_ns: int) -> None:
        if self._beaten:
            self._intervals.append(now_ns - self.last_ns)
        self.last_ns, self._beaten = now_ns, True

    def silence_ns(self, now_ns: int) -> int:
        """Since the last heartbeat, or since the connection stands."""
        return now_ns - self.last_ns

    def stale_after_ns(self) -> int:
        """Silence beyond which the venue can't be taken for alive."""
        known = len(self._intervals) >= _INTERVALS_NEEDED
        usual = median(self._intervals) if known else self._assumed_ns
        return max(self._floor_ns, int(self._factor * usual))

    def is_stale(self, now_ns: int) -> bool:
        silence = now_ns - self.last_ns
        return silence > self._floor_ns and silence > self.stale_after_ns()


class Budget:
    """At most `most` of something within any `window_ns`."""

    def __init__(self, most: int, window_ns: int) -> None:
        self._window_ns = window_ns
        self._spent: deque[int] = deque(maxlen=most)

    def free_ns(self, now_ns: int) -> int:
        """The first time from `now_ns` on at which there is room for one more."""
        full = len(self._spent) == self._spent.maxlen
        return max(now_ns, self._spent[0] + self._window_ns) if full else now_ns

    def spend(self, now_ns: int) -> None:
        self._spent.append(now_ns)


class Backoff:
    """When to connect again: full jitter over a floor that doubles its ceiling, within the venue's budget.

    Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._budget = Budget(config.connect_most, config.connect_window_ns)
        self._attempt = 0

    def reset(self) -> None:
        self._attempt = 0

    def delay_ns(self, now_ns: int, draw: float) -> int:
        """`draw`: a uniform random number in [0, 1)."""
        floor = self._config.backoff_floor_ns
        ceiling = min(self._config.backoff_cap_ns, floor << min(self._attempt, 20))
        self._attempt += 1
        at_ns = self._budget.free_ns(now_ns + floor + int(draw * (ceiling - floor)))
        self._budget.spend(at_ns)
        return at_ns - now_ns
