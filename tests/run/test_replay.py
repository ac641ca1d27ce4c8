"""The replay driver's own part: what it does when a session wants a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from toy_venue import A, ToyCodec, delta, frame, snap

from citadel_kit.micro.session import Session, SessionConfig
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import FeedState, Frame

S = 1_000_000_000


class OneSession:
    """The engine's part that a driver sees, with nothing behind it but a session."""

    def __init__(self) -> None:
        self.session = Session(ToyCodec("connection"), [A], SessionConfig(any_frame=True))
        self.sessions = {"toy": self.session}
        self.now_ns = 0
        self.heard: list[tuple[str, float]] = []
        self._effects: list[tuple[str, Any]] = []

    def _take(self, now_ns: int, effects: list[Any]) -> None:
        self.now_ns = now_ns
        self._effects += [("toy", effect) for effect in effects]

    def opened(self, venue: str, now_ns: int) -> None:
        self.heard.append(("opened", now_ns / S))
        self._take(now_ns, self.session.on_open(now_ns))

    def closed(self, venue: str, now_ns: int, reason: str, draw: float) -> None:
        self.heard.append(("closed", now_ns / S))
        self._take(now_ns, self.session.on_close(now_ns, reason, draw))

    def frame(self, venue: str, raw: bytes, recv_ns: int, symbol: str = "") -> None:
        self._take(recv_ns, self.session.on_frame(raw, recv_ns, symbol))

    def timer(self, now_ns: int) -> None:
        self._take(now_ns, self.session.on_timer(now_ns))

    def advance(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def take_effects(self) -> list[tuple[str, Any]]:
        effects, self._effects = self._effects, []
        return effects


def test_a_connection_given_up_is_closed_once_and_opened_after_its_back_off() -> None:
    def frames() -> Iterator[Frame]:
        yield Frame("toy", 1, frame(snap("A/B", 5)))
        yield Frame("toy", S, frame(delta("A/B", 0, 0, bids=[(12, 1)])))  # crossed
        yield Frame("toy", S + S // 4, frame(snap("A/B", 6)))  # not heard: the connection is closed
        yield Frame("toy", 2 * S, frame(snap("A/B", 7)))

    market: Any = SimpleNamespace(
        instruments={}, wire="binance", start_ns=0, includes_our_orders=False, frames=frames
    )
    engine: Any = OneSession()
    driver = ReplayDriver(market)

    async def play() -> None:
        await driver.start(engine, lambda: None)
        await driver.play(10, lambda: False)

    asyncio.run(play())
    assert engine.heard == [("opened", 0.0), ("closed", 1.0), ("opened", 1.5)]
    feed = engine.session.feeds["A/B"]
    assert (feed.state, feed.book.seq, feed.counts["syncs"]) == (FeedState.LIVE, 7, 2)
