"""The real Binance tape through codec, session and book: every link, every oracle, every single loss."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest

from citadel_kit import ladder, settings
from citadel_kit.io.tape import Tape
from citadel_kit.micro.session import FetchSnapshot, Session, StateChanged, TopChanged
from citadel_kit.types import BookUpdate, FeedState, Frame, Quote
from citadel_kit.venues.binance import BinanceSpot

BTC = settings.instrument("binance", "BTC/USDT")


@pytest.fixture(scope="module")
def frames(shared: Path) -> list[Frame]:
    ladder.warm_up()
    return list(Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", BTC).frames())


def opened(at_ns: int) -> Session:
    session = Session(BinanceSpot([BTC]), [BTC])
    session.on_open(at_ns)
    return session


def test_every_link_holds_and_every_quote_agrees(frames: list[Frame]) -> None:
    session = opened(frames[0].recv_ns)
    states, tops, quotes, asked = [], {}, {}, 0
    for frame in frames:
        for event in BinanceSpot([BTC]).decode(frame.raw, frame.recv_ns):
            if isinstance(event, Quote):
                quotes[event.seq] = event[4:]
        for effect in session.on_frame(frame.raw, frame.recv_ns):
            if isinstance(effect, StateChanged):
                states.append(effect.state)
            elif isinstance(effect, TopChanged):
                tops[effect.top.seq] = effect.top[3:]
            asked += isinstance(effect, FetchSnapshot)
    counts = session.feeds["BTC/USDT"].counts
    assert len(frames) == session.counts["frames"] == 41_249
    assert states == [FeedState.LIVE], "one sync, and never a gap"
    assert asked == 1
    assert (session.counts["malformed"], session.counts["unknown"], counts["gaps"], counts["corrupt"]) == (
        0,
        0,
        0,
        0,
    )
    assert counts["book_frames"] == counts["applied"] + counts["old"]
    assert counts["applied"] == len(tops)
    both = tops.keys() & quotes.keys()
    assert len(both) > 500, "otherwise the oracle proves little"
    assert all(tops[seq] == quotes[seq] for seq in both)
    assert (counts["oracle_agrees"], counts["oracle_disagrees"]) == (len(both), 0)


def depth_frames(frames: list[Frame]) -> list[tuple[Frame, BookUpdate]]:
    """Depth frames and the snapshot, decoded once."""
    codec, out = BinanceSpot([BTC]), []
    for frame in frames:
        if b"@depth" in frame.raw[:40] or frame.raw.startswith(b'{"lastUpdateId"'):
            (update,) = codec.decode(frame.raw, frame.recv_ns)
            assert isinstance(update, BookUpdate)
            out.append((frame, update))
    return out


def test_any_one_lost_depth_frame_is_seen_at_the_next(frames: list[Frame]) -> None:
    """For each applied frame but the last: without it, the next one ends LIVE and gives no quote."""
    book_frames = [frame for frame, _ in depth_frames(frames)]
    session = opened(book_frames[0].recv_ns)
    tried: Counter[str] = Counter()
    for position, frame in enumerate(book_frames[:-1]):
        if session.feeds["BTC/USDT"].state == FeedState.LIVE:
            lossy = copy.deepcopy(session, {id(session._codec): session._codec, id(BTC): BTC})
            after = book_frames[position + 1]
            effects = lossy.on_frame(after.raw, after.recv_ns)
            assert lossy.feeds["BTC/USDT"].state == FeedState.GAP
            assert not any(isinstance(e, TopChanged) for e in effects)
            tried["lost"] += 1
            if position % 97 == 0:
                check_silent_until_synced(lossy, book_frames[position + 2 :])
                tried["to the end"] += 1
        session.on_frame(frame.raw, frame.recv_ns)
    assert session.feeds["BTC/USDT"].state == FeedState.LIVE
    assert tried["lost"] > 3_400
    assert tried["to the end"] > 30


def check_silent_until_synced(session: Session, rest: list[Frame]) -> None:
    """No top comes from what follows a loss, and no LIVE: this tape has no second snapshot."""
    asked = 0
    for frame in rest[:40]:
        effects = session.on_frame(frame.raw, frame.recv_ns)
        asked += sum(isinstance(e, FetchSnapshot) for e in effects)
        assert not any(isinstance(e, TopChanged) for e in effects)
        assert session.feeds["BTC/USDT"].state == FeedState.GAP
    assert asked == min(1, len(rest)), "it asks for a snapshot, and once"
