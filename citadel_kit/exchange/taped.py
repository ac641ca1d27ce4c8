"""A recorded market, played again as if it were now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from citadel_kit import ladder
from citadel_kit.errors import ConfigError
from citadel_kit.exchange.followed import Follower, shown_at
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent
from citadel_kit.micro.session import Connect, Effect, FetchSnapshot, Session, SessionConfig
from citadel_kit.types import Frame, MarketSource
from citadel_kit.venues import codec

TICK_NS: Final = 100_000_000
_PAUSE_NS: Final = 1_000_000_000
"""Between the end of a tape and its beginning; there is no book in it."""


class TapeMarket:
    """A `Market`. `source`: a tape, or anything with frames; its first instrument is played at all `venues`.

    The frames go through the same session as live ones, so only verified books play. At the end it begins
    anew with `loop`; else the book stays as it was and nothing more happens. Raises ConfigError for a tape
    that gives no book.
    """

    def __init__(
        self, source: MarketSource, venues: Sequence[str], *, start_ns: int, loop: bool = True
    ) -> None:
        self._source, self._venues, self._loop = source, tuple(venues), loop
        self._name, instrument = next(iter(source.instruments.items()))
        self.instrument = replace(instrument, venue=self._name)
        self.start_ns = start_ns
        self.instruments = shown_at(self._venues, [self.instrument])
        ladder.warm_up()
        self._check()

    def _check(self) -> None:
        """A tape without a book would be played over and over, and nothing would ever come of it."""
        events = _Player(self._source, self._name, self._venues, 0).play()
        if not any(isinstance(event, OutsideBook) for event in events):
            what = (
                f"nothing on the tape gives a book of {self.instrument.symbol} in {self._source.wire}'s wire"
            )
            raise ConfigError("market", what, "Name the venue it was recorded at: --tape-venue, tape_venue=")

    def events(self) -> Iterator[OutsideEvent]:
        shift_ns = self.start_ns - self._source.start_ns
        while True:
            player = _Player(self._source, self._name, self._venues, shift_ns)
            yield from player.play()
            if not self._loop:
                return
            yield from player.follower.lost(player.now_ns + shift_ns)
            shift_ns += player.now_ns - self._source.start_ns + _PAUSE_NS


class _Player:
    """One run of the tape. Connections given up are taken for opened again at once, as in a replay."""

    def __init__(self, source: MarketSource, name: str, venues: Sequence[str], shift_ns: int) -> None:
        self._source, self._name, self._shift_ns = source, name, shift_ns
        instrument = source.instruments[name]
        self._session = Session(codec(source.wire, [instrument]), [instrument], SessionConfig(any_frame=True))
        self.follower = Follower(self._session, instrument.symbol, venues)
        self.now_ns = source.start_ns

    def play(self) -> Iterator[OutsideEvent]:
        tick_ns = self.now_ns + TICK_NS
        yield from self._perform(self._session.on_open(self.now_ns))
        for frame in self._own():
            while tick_ns <= frame.recv_ns:
                self.now_ns = tick_ns
                yield from self._perform(self._session.on_timer(tick_ns))
                tick_ns += TICK_NS
            self.now_ns = frame.recv_ns
            yield from self._perform(self._session.on_frame(frame.raw, frame.recv_ns))

    def _own(self) -> Iterator[Frame]:
        return (frame for frame in self._source.frames() if frame.venue == self._name)

    def _perform(self, effects: Sequence[Effect]) -> Iterator[OutsideEvent]:
        yield from self.follower.follow(effects, self.now_ns + self._shift_ns)
        for effect in effects:
            if isinstance(effect, FetchSnapshot):
                body = self._source.snapshot(self._name, effect.path)
                if body is not None:
                    yield from self._perform(self._session.on_frame(body, self.now_ns, effect.symbol))
            elif isinstance(effect, Connect):
                yield from self._perform(self._session.on_open(self.now_ns))
