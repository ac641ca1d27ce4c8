"""All venues of one local exchange in one time: the outside market, the clients' orders, and what is due."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.agents import AgentMarket
from citadel_kit.exchange.faults import FaultConfig, ScheduledFault
from citadel_kit.exchange.markets import Market, OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.venue import Venue
from citadel_kit.types import Side

FLUSH_NS: Final = 100_000_000
"""Between two `Depth` of a symbol; those of several symbols are spread over it."""
_TURN_NS: Final = 1_000_000
"""By the clock: longer than this, what is played at once keeps no client waiting."""
_SECOND: Final = 1_000_000_000


class World:
    """Moves by `advance` only: with the same seed and the same calls at the same times, the same happens.

    What is due at one moment happens in this order: outside events, what was put off by `later`, the flush.
    """

    def __init__(
        self,
        market: Market,
        start_ns: int,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.market = market
        self.venues: dict[str, Venue] = {}
        """Whoever makes the world puts them here before it moves."""
        self.start_ns = self.now_ns = start_ns
        self._clock = clock
        self._events = market.events()
        self._next: OutsideEvent | None = None
        self._inbox: deque[OutsideEvent] = deque()
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0
        self._flushes: list[tuple[Venue, str]] = []
        self._flushed, self._flush_ns = 0, start_ns + FLUSH_NS
        self._started = self._late = False

    def advance(self, to_ns: int) -> None:
        """Play everything up to and including `to_ns`. A time before the present changes nothing."""
        self._start()
        while self._step(to_ns):
            pass
        self.now_ns = max(self.now_ns, to_ns)

    def turn(self) -> bool:
        """Go on to the clock's present, for a millisecond at the most; False: there is more to play.

        What is left comes late: the world's time is the clock's all the same, and outside events of before
        happen now. A crash on a busy machine may bring more than can be played in its time.
        """
        if self._clock is None:
            return True
        self._start()
        now_ns = self._clock()
        until_ns, self._late = now_ns + _TURN_NS, False
        while self._step(now_ns) and not self._late:
            self._late = self._clock() >= until_ns
        self.now_ns = max(self.now_ns, now_ns)
        return not self._late

    def catch_up(self) -> None:
        """To be called before a client is answered: a `turn`, unless the last one left something. Then the
        server is at it, turn by turn, and no client has to wait for that."""
        if self._late and self._clock is not None:
            self.now_ns = max(self.now_ns, self._clock())
        else:
            self.turn()

    def later(self, at_ns: int, action: Callable[[], object]) -> None:
        """Do it when the world gets there; what is due at one moment, in the order of these calls."""
        self._count += 1
        heapq.heappush(self._due, (max(at_ns, self.now_ns), self._count, action))

    def push(self, event: OutsideEvent) -> None:
        """An outside event that just came, from a live market; it is played by the next `advance`."""
        self._inbox.append(event)

    def schedule(self, venue: str, faults: Sequence[ScheduledFault]) -> None:
        """Switch these on and off again, counted from now."""
        default, switch = FaultConfig(), self.venues[venue].faults.set
        for fault in faults:
            on_ns = self.now_ns + int(fault.at_s * _SECOND)
            off = {name: getattr(default, name) for name in fault.switches}
            self.later(on_ns, partial(switch, **fault.switches))
            self.later(on_ns + int(fault.for_s * _SECOND), partial(switch, **off))

    def crash(self, fraction: float = 0.05, *, venue: str = "", symbol: str = "") -> None:
        """A flash crash from now on, of one venue, of one symbol, or of all: down by `fraction` within four
        seconds, half of it won back over a minute. Raises ConfigError where it can't be."""
        if not isinstance(self.market, AgentMarket):
            raise ConfigError("market", "only a synthetic market crashes on demand", "A tape is what it was")
        self._start()
        self.market.crash(self.now_ns, fraction, venue=venue, symbol=symbol)

    def _start(self) -> None:
        if not self._started:
            self._started, self._next = True, next(self._events, None)
            self._flushes = [(venue, symbol) for venue in self.venues.values() for symbol in venue.symbols]

    def _step(self, to_ns: int) -> bool:
        """Play the first thing that is due by then; False where nothing is."""
        if self._inbox:
            self._play(self._inbox.popleft())
            return True
        outside = self._next.at_ns if self._next is not None else to_ns + 1
        due = self._due[0][0] if self._due else to_ns + 1
        if min(outside, due, self._flush_ns) > to_ns:
            return False
        if outside <= due and outside <= self._flush_ns and self._next is not None:
            event, self._next = self._next, None
            self._play(event)
            self._next = next(self._events, None)
        elif due <= self._flush_ns:
            self.now_ns = max(self.now_ns, due)
            heapq.heappop(self._due)[2]()
        else:
            self._flush()
        return True

    def _play(self, event: OutsideEvent) -> None:
        self.now_ns = max(self.now_ns, event.at_ns)
        venue = self.venues.get(event.venue)
        if venue is None or event.symbol not in venue.symbols:
            return
        engine = venue.engine(event.symbol)
        if isinstance(event, OutsideTrade):
            engine.on_outside_trade(self.now_ns, event.price, event.qty, Side(event.side))
        elif isinstance(event, OutsideBook):
            engine.on_outside(self.now_ns, is_snapshot=event.is_snapshot, bids=event.bids, asks=event.asks)
        else:
            engine.on_outside_lost(self.now_ns)
        venue.publish(event.symbol)

    def _flush(self) -> None:
        """Of one symbol: all of them at one moment would keep everybody waiting."""
        self.now_ns = max(self.now_ns, self._flush_ns)
        if self._flushes:
            venue, symbol = self._flushes[self._flushed % len(self._flushes)]
            venue.flush(symbol)
        self._flushed += 1
        self._flush_ns = self.start_ns + FLUSH_NS + self._flushed * FLUSH_NS // max(1, len(self._flushes))
