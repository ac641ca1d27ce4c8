"""The real Binance tapes through codec, session and book: every link, every oracle, every single loss."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from citadel_kit import ladder, settings
from citadel_kit.io.tape import Tape
from citadel_kit.micro.session import FetchSnapshot, Session, SessionConfig, StateChanged, TopChanged
from citadel_kit.types import Codec, FeedState, Frame, Instrument, Quote
from citadel_kit.venues import codec

BTC = "BTC/USDT"


class Recorded(NamedTuple):
    name: str
    instrument: Instrument
    codec: Codec
    frames: list[Frame]
    losses: int
    """Of how many depth frames each is lost in turn."""

    def opened(self) -> Session:
        session = Session(self.codec, [self.instrument], SessionConfig(any_frame=True))
        session.on_open(self.frames[0].recv_ns)
        return session


@pytest.fixture(scope="module", params=["binance_spot_btcusdt", "binance_usdm_btcusdt"])
def tape(shared: Path, request: pytest.FixtureRequest) -> Recorded:
    ladder.warm_up()
    name = request.param
    venue, losses = ("binance", 3_400) if "spot" in name else ("binanceusdm", 300)
    instrument = settings.instrument(venue, BTC)
    frames = list(Tape(shared / "tapes" / f"{name}.tape.gz", instrument).frames())
    return Recorded(name, instrument, codec(venue, [instrument]), frames, losses)


def test_every_link_holds_and_every_quote_agrees(tape: Recorded) -> None:
    session = tape.opened()
    states, tops, quotes, asked = [], {}, {}, 0
    for frame in tape.frames:
        for event in tape.codec.decode(frame.raw, frame.recv_ns):
            if isinstance(event, Quote):
                quotes[event.seq] = event[4:]
        for effect in session.on_frame(frame.raw, frame.recv_ns):
            if isinstance(effect, StateChanged):
                states.append(effect.state)
            elif isinstance(effect, TopChanged):
                tops[effect.top.seq] = effect.top[3:]
            asked += isinstance(effect, FetchSnapshot)
    counts = session.feeds[BTC].counts
    frames = {"binance_spot_btcusdt": 41_249, "binance_usdm_btcusdt": 93_954}[tape.name]
    assert len(tape.frames) == session.counts["frames"] == frames
    assert states == [FeedState.LIVE], "one sync, and never a gap"
    assert asked == 1
    assert {name: session.counts[name] for name in ("malformed", "unknown", "holes")} == dict.fromkeys(
        ("malformed", "unknown", "holes"), 0
    )
    false_alarms = ("gaps", "corrupt", "crossed", "unsynced", "resyncs", "oracle_disagrees")
    assert {name: counts[name] for name in false_alarms} == dict.fromkeys(false_alarms, 0)
    assert counts["book_frames"] == counts["applied"] + counts["old"]
    assert counts["applied"] == len(tops)
    both = tops.keys() & quotes.keys()
    assert len(both) > 500, "otherwise the oracle proves little"
    assert all(tops[seq] == quotes[seq] for seq in both)
    assert counts["oracle_agrees"] == len(both)


def book_frames(tape: Recorded) -> list[Frame]:
    """Depth frames and the snapshot."""
    return [f for f in tape.frames if b"@depth" in f.raw[:40] or f.raw.startswith(b'{"lastUpdateId"')]


def test_any_one_lost_depth_frame_is_seen_at_the_next(tape: Recorded) -> None:
    """Without it, the next one ends LIVE and gives no quote. The sample lies evenly over the tape."""
    frames = book_frames(tape)
    session = tape.opened()
    every = max(1, len(frames) // tape.losses)
    tried: Counter[str] = Counter()
    for position, frame in enumerate(frames[:-1]):
        if session.feeds[BTC].state == FeedState.LIVE and position % every == 0:
            lossy = copy.deepcopy(session, {id(tape.codec): tape.codec, id(tape.instrument): tape.instrument})
            after = frames[position + 1]
            effects = lossy.on_frame(after.raw, after.recv_ns)
            assert lossy.feeds[BTC].state == FeedState.GAP
            assert not any(isinstance(e, TopChanged) for e in effects)
            if tried["lost"] % 97 == 0:
                check_silent_until_synced(lossy, frames[position + 2 :])
                tried["to the end"] += 1
            tried["lost"] += 1
        session.on_frame(frame.raw, frame.recv_ns)
    assert session.feeds[BTC].state == FeedState.LIVE
    assert tried["lost"] > 0.97 * tape.losses
    assert tried["to the end"] > tape.losses // 100


def check_silent_until_synced(session: Session, rest: list[Frame]) -> None:
    """No top comes from what follows a loss, and no LIVE: these tapes have no second snapshot."""
    asked = 0
    for frame in rest[:40]:
        effects = session.on_frame(frame.raw, frame.recv_ns)
        asked += sum(isinstance(e, FetchSnapshot) for e in effects)
        assert not any(isinstance(e, TopChanged) for e in effects)
        assert session.feeds[BTC].state == FeedState.GAP
    assert asked == min(1, len(rest)), "it asks for a snapshot, and once"


def test_a_dead_depth_stream_is_seen_though_quotes_and_trades_go_on(tape: Recorded) -> None:
    """Otherwise a book that stands still would be LIVE for ever: every frame says that all is well."""
    session, symbol = tape.opened(), tape.instrument.symbol
    dead_ns = tape.frames[0].recv_ns + 20_000_000_000
    left_ns = 0
    for frame in tape.frames:
        if frame.recv_ns > dead_ns and b"@depth" in frame.raw[:40]:
            continue
        effects = session.on_frame(frame.raw, frame.recv_ns)
        effects += session.on_timer(frame.recv_ns)
        if not left_ns and session.feeds[symbol].state != FeedState.LIVE and frame.recv_ns > dead_ns:
            left_ns = frame.recv_ns
        assert not (left_ns and any(isinstance(e, TopChanged) for e in effects))
    assert 0 < left_ns - dead_ns < 3_000_000_000
