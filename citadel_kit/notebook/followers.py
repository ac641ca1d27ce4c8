"""Three who follow one market's frames: the truth, our book, and ccxt.pro's. The last two may miss some."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np
from ccxt import BaseError

from citadel_kit import clock
from citadel_kit.micro.session import (
    Connect,
    Effect,
    FetchSnapshot,
    Send,
    Session,
    SessionConfig,
    TopChanged,
)
from citadel_kit.notebook.ccxt_book import CcxtBook
from citadel_kit.notebook.fake_venue import asks_for_book, snapshot
from citadel_kit.types import FeedState, Frame, MarketSource
from citadel_kit.venues import codec

ANSWER_NS: Final = 200 * clock.MILLISECOND
"""From asking the fake venue for a new snapshot to having it."""
_TICK_NS: Final = 100 * clock.MILLISECOND
_NEVER_NS: Final = 1 << 62

Touch = tuple[float, float]
"""Best bid and ask; NaN where none is shown."""


class _Kit:
    """A session of the kit, on a recording."""

    def __init__(self, market: MarketSource) -> None:
        (self.instrument,) = market.instruments.values()
        self.codec = codec(market.wire, [self.instrument])
        self._session = Session(self.codec, [self.instrument], SessionConfig(any_frame=True))
        self.feed = self._session.feeds[self.instrument.symbol]
        self._market = market
        self._touch = (np.nan, np.nan)

    @property
    def live(self) -> bool:
        return self.feed.state == FeedState.LIVE

    def touch(self) -> Touch:
        return self._touch if self.live else (np.nan, np.nan)

    def frame(self, frame: Frame) -> None:
        self._perform(self._session.on_frame(frame.raw, frame.recv_ns), frame.recv_ns)

    def _perform(self, effects: Sequence[Effect], now_ns: int) -> None:
        for effect in effects:
            if isinstance(effect, TopChanged):
                price = self.instrument.price
                self._touch = price(effect.top.bid), price(effect.top.ask)
            else:
                self._answer(effect, now_ns)

    def _answer(self, effect: Effect, now_ns: int) -> None:
        raise NotImplementedError


class Truth(_Kit):
    """Gets every frame, and the market's own snapshot at once."""

    def __init__(self, market: MarketSource) -> None:
        super().__init__(market)
        self._perform(self._session.on_open(market.start_ns), market.start_ns)

    def snapshot(self, now_ns: int) -> bytes:
        """To be asked for while it is `live`."""
        return snapshot(self.feed.book, self.codec, now_ns)

    def updates(self, frame: Frame) -> bool:
        """Take the frame: does it update the book, and is no snapshot?"""
        before = self.feed.counts
        self.frame(frame)
        after = self.feed.counts
        return self.live and after["applied"] > before["applied"] and after["syncs"] == before["syncs"]

    def _answer(self, effect: Effect, now_ns: int) -> None:
        if isinstance(effect, FetchSnapshot):
            body = self._market.snapshot(self.instrument.venue, effect.path)
            if body is not None:
                self._perform(self._session.on_frame(body, now_ns, effect.symbol), now_ns)


class Ours(_Kit):
    """As it runs live: a timer, and a venue that answers after a while."""

    def __init__(self, market: MarketSource, truth: Truth) -> None:
        super().__init__(market)
        self._truth = truth
        self._asked: list[tuple[int, str]] = []
        """When an answer comes, and whose REST snapshot it is; empty where it comes in the stream."""
        self._tick_ns = market.start_ns + _TICK_NS
        self._perform(self._session.on_open(market.start_ns), market.start_ns)

    @property
    def connects(self) -> int:
        return self._session.counts["connects"]

    def until(self, now_ns: int) -> None:
        """The timer and the venue's answers, in their order."""
        while min(due_ns := self._asked[0][0] if self._asked else _NEVER_NS, self._tick_ns) <= now_ns:
            if due_ns < self._tick_ns:
                self._hear(*heapq.heappop(self._asked))
            else:
                self._perform(self._session.on_timer(self._tick_ns), self._tick_ns)
                self._tick_ns += _TICK_NS

    def _hear(self, now_ns: int, symbol: str) -> None:
        if self._truth.live:
            body = self._truth.snapshot(now_ns)
            self._perform(self._session.on_frame(body, now_ns, symbol), now_ns)
        else:  # the market has only just begun
            heapq.heappush(self._asked, (now_ns + ANSWER_NS, symbol))

    def _answer(self, effect: Effect, now_ns: int) -> None:
        if isinstance(effect, FetchSnapshot):
            heapq.heappush(self._asked, (now_ns + ANSWER_NS, effect.symbol))
        elif isinstance(effect, Send) and asks_for_book(effect.text):
            heapq.heappush(self._asked, (now_ns + ANSWER_NS, ""))
        elif isinstance(effect, Connect):  # at once, as in a replay
            self._asked.clear()
            self._session.on_close(now_ns, effect.reason, 0.0)
            self._perform(self._session.on_open(now_ns), now_ns)


class Theirs:
    """ccxt.pro, watched by one who asks again after each error, and is answered as soon as we are."""

    def __init__(self, market: MarketSource, truth: Truth) -> None:
        self.errors = 0
        self._book = CcxtBook(truth.instrument, market.wire)
        self._truth = truth
        self._due_ns = market.start_ns + ANSWER_NS if self._book.rest else _NEVER_NS

    def touch(self) -> Touch:
        return self._book.touch()

    def frame(self, frame: Frame) -> None:
        try:
            self._book.frame(frame.raw)
        except BaseError:
            self.errors += 1
            self._book.restart()
            self._due_ns = frame.recv_ns + ANSWER_NS if self._book.rest else _NEVER_NS

    def until(self, now_ns: int) -> None:
        if self._due_ns <= now_ns and self._truth.live:
            self._book.sync(self._truth.snapshot(now_ns))
            self._due_ns = _NEVER_NS
