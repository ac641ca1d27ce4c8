"""The deterministic driver: what it does with a market's holes and snapshots."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_venue import A, ToyCodec, delta, frame, snap

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.io.tape import Tape
from citadel_kit.micro.session import Session, SessionConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import FeedState, Frame

BTC = settings.instrument("binance", "BTC/USDT")
S = 1_000_000_000


@pytest.fixture
def holed(shared: Path, tmp_path: Path) -> Path:
    """The first 4,000 frames of the real tape, with the recorder asleep for 40 s after the 2,000th."""
    out = tmp_path / "holed.tape.gz"
    frames = Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", BTC).frames()
    with gzip.open(out, "wb") as file:
        for number, frame in zip(range(4_000), frames, strict=False):
            late = 40 * S if number >= 2_000 else 0
            file.write(b"%d %s\n" % (frame.recv_ns + late, frame.raw))
    return out


def test_a_hole_in_a_tape_is_stale_and_ends_without_a_reconnect(holed: Path) -> None:
    with HybridConnector(ReplayDriver(Tape(holed, BTC))) as kit:
        kit.wait_live()
        kit.run_until(lambda: kit.snapshot().venues[0].state == FeedState.STALE, 60)
        stale = kit.snapshot()
        assert "no frame for 2" in stale.venues[0].state_reason
        assert stale.quote.bid_venue == "", "a STALE book is in no quote"
        kit.run_for(60)
        end = kit.snapshot().venues[0]
        assert end.state == FeedState.LIVE, "nothing was lost: the links hold across the hole"
        assert end.counts["connects"] == 1
        assert kit.snapshot().engine == "ended"


@pytest.mark.parametrize("speed", [-1.0, float("nan")])
def test_a_pace_that_can_not_be_is_refused(holed: Path, speed: float) -> None:
    with pytest.raises(ConfigError, match="speed"):
        ReplayDriver(Tape(holed, BTC), speed=speed)


def test_a_connection_given_up_in_a_recording_is_opened_once_a_tick_at_most(
    shared: Path, tmp_path: Path
) -> None:
    """A depth frame is missing and no snapshot follows: the book is never LIVE again, and nothing spins."""
    out = tmp_path / "lossy.tape"
    frames = Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", BTC).frames()
    depth = 0
    with out.open("wb") as file:
        for frame in frames:
            depth += b"@depth" in frame.raw[:40]
            if depth != 100:
                file.write(b"%d %s\n" % (frame.recv_ns, frame.raw))
    with HybridConnector(ReplayDriver(Tape(out, BTC))) as kit:
        kit.wait_live()
        end = kit.run_for(400)
        view = end.venues[0]
        assert view.state != FeedState.LIVE
        assert end.quote.bid_venue == ""
        assert view.counts["gaps"] == 1
        assert view.counts["connects"] < 40


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


def test_a_connection_given_up_is_taken_for_opened_again_at_once() -> None:
    def frames() -> Iterator[Frame]:
        yield Frame("toy", 1, frame(snap("A/B", 5)))
        yield Frame("toy", S, frame(delta("A/B", 0, 0, bids=[(12, 1)])))  # crossed
        yield Frame("toy", S + S // 4, frame(snap("A/B", 6)))  # the recorder connected anew
        yield Frame("toy", 2 * S, frame(snap("A/B", 7)))

    market: Any = SimpleNamespace(
        instruments={}, wire="binance", start_ns=0, includes_our_orders=False, frames=frames
    )
    engine: Any = OneSession()
    driver = ReplayDriver(market)

    async def play() -> None:
        await driver.start(engine, lambda: None, lambda error: None)
        await driver.play(10, lambda: False)

    asyncio.run(play())
    assert engine.heard == [("opened", 0.0), ("opened", 1.0)]
    feed = engine.session.feeds["A/B"]
    assert (feed.state, feed.book.seq, feed.counts["syncs"]) == (FeedState.LIVE, 7, 3)
