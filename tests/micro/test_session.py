"""The session's table where the snapshot comes by REST, line by line, on a recording of a small venue."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from citadel_kit.micro.session import (
    Connect,
    FetchSnapshot,
    Send,
    Session,
    SessionConfig,
    StateChanged,
    TopChanged,
)
from citadel_kit.types import FeedState, Instrument
from citadel_kit.venues.binance import BinanceSpot

COIN = Instrument(venue="x", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)
S = 1_000_000_000


def depth(first: int, last: int, bids: Any = (), asks: Any = ()) -> bytes:
    data = {"e": "depthUpdate", "E": 1, "s": "AB", "U": first, "u": last, "b": list(bids), "a": list(asks)}
    return json.dumps({"stream": "ab@depth@100ms", "data": data}).encode()


def quote(seq: int, bid: str, ask: str) -> bytes:
    data = {"u": seq, "s": "AB", "b": bid, "B": "1.0", "a": ask, "A": "1.0"}
    return json.dumps({"stream": "ab@bookTicker", "data": data}).encode()


def snapshot(last: int, bids: Any = (("9.00", "1"),), asks: Any = (("11.00", "1"),)) -> bytes:
    return json.dumps({"lastUpdateId": last, "bids": list(bids), "asks": list(asks)}).encode()


@pytest.fixture
def session() -> Session:
    return Session(BinanceSpot([COIN], venue="x"), [COIN], SessionConfig(any_frame=True))


def live(session: Session) -> Session:
    session.on_open(0)
    session.on_frame(depth(9, 11), 1)
    session.on_frame(snapshot(10), 2)
    assert state(session) == FeedState.LIVE
    return session


def state(session: Session) -> FeedState:
    return session.feeds["A/B"].state


def kinds(effects: list[Any]) -> list[str]:
    return [type(e).__name__ for e in effects]


def test_open_subscribes_and_syncs(session: Session) -> None:
    effects = session.on_open(0)
    assert kinds(effects) == ["Send", "StateChanged"]
    assert isinstance(effects[0], Send)
    assert json.loads(effects[0].text)["params"] == ["ab@depth@100ms", "ab@bookTicker", "ab@trade"]
    assert state(session) == FeedState.SYNCING


def test_the_first_delta_asks_for_a_snapshot_once(session: Session) -> None:
    session.on_open(0)
    assert kinds(session.on_frame(depth(9, 11), 1)) == ["FetchSnapshot"]
    assert session.on_frame(depth(12, 12), 2) == []


def test_buffered_deltas_are_applied_with_their_own_time(session: Session) -> None:
    session.on_open(0)
    session.on_frame(depth(8, 10, [["9.10", "9"]]), 1)
    session.on_frame(depth(11, 12, [["9.10", "2"]]), 5)
    session.on_frame(depth(13, 13, [["9.20", "3.5"]]), 7)
    effects = session.on_frame(snapshot(10), 9)
    tops = [e.top for e in effects if isinstance(e, TopChanged)]
    assert [(t.recv_ns, t.seq, t.bid, t.bid_qty, t.ask) for t in tops] == [
        (5, 12, 910, 2000, 1100),
        (7, 13, 920, 3500, 1100),
    ]
    assert session.feeds["A/B"].counts["old"] == 1


def test_a_snapshot_alone_is_not_live_until_a_delta_links_to_it(session: Session) -> None:
    session.on_open(0)
    session.on_frame(snapshot(10), 1)
    assert state(session) == FeedState.SYNCING
    assert "TopChanged" in kinds(session.on_frame(depth(9, 11), 2))
    assert state(session) == FeedState.LIVE


def test_a_snapshot_older_than_the_buffer_is_fetched_again(session: Session) -> None:
    session.on_open(0)
    session.on_frame(depth(20, 22), 1)
    session.on_frame(depth(23, 24), 2)
    effects = session.on_frame(snapshot(10), 3)
    assert "FetchSnapshot" in kinds(effects)
    assert "TopChanged" not in kinds(effects)
    tops = [e for e in session.on_frame(snapshot(21), 4) if isinstance(e, TopChanged)]
    assert [t.top.seq for t in tops] == [22, 24], "the buffer was kept"
    assert state(session) == FeedState.LIVE


@pytest.mark.parametrize("first", [13, 11, 5])
def test_after_the_sync_each_delta_starts_where_the_last_ended(session: Session, first: int) -> None:
    live(session)
    effects = session.on_frame(depth(first, 20), 3)
    assert state(session) == FeedState.GAP
    assert "TopChanged" not in kinds(effects)
    assert "12 expected" in session.feeds["A/B"].reason


def test_old_deltas_are_ignored(session: Session) -> None:
    live(session)
    assert session.on_frame(depth(9, 11), 3) == []
    assert state(session) == FeedState.LIVE


@pytest.mark.parametrize("damaged", [depth(12, 10**9), snapshot(10**9)])
def test_a_number_far_ahead_does_not_freeze_the_book(session: Session, damaged: bytes) -> None:
    """Everything after it looks old, and no quote ever meets it."""
    if b"lastUpdateId" in damaged:
        session.on_open(0)
        session.on_frame(depth(9, 11), 1)
    else:
        live(session)
    session.on_frame(damaged, S)
    assert [session.on_frame(depth(n, n), n * S // 10) for n in range(12, 61)] == [[]] * 49
    assert "StateChanged" in kinds(session.on_frame(depth(61, 61), 61 * S // 10))
    assert state(session) == FeedState.GAP
    assert kinds(session.on_frame(depth(62, 62), 62 * S // 10)) == ["FetchSnapshot"]


def test_a_snapshot_that_nobody_waits_for_is_ignored(session: Session) -> None:
    live(session)
    assert session.on_frame(snapshot(10, [["8.00", "1"]]), 3) == []
    assert session.feeds["A/B"].book.top().bid == 900
    assert "TopChanged" in kinds(session.on_frame(depth(12, 12), 4))


def test_a_gap_recovers_by_a_new_snapshot(session: Session) -> None:
    live(session)
    session.on_frame(depth(15, 16), 3)
    assert kinds(session.on_frame(depth(17, 18), 4)) == ["FetchSnapshot"]
    effects = session.on_frame(snapshot(17, [["8.00", "1"]]), 5)
    assert kinds(effects) == ["StateChanged", "TopChanged"]
    assert session.feeds["A/B"].book.top().bid == 800, "the old book is gone"


def test_a_crossed_book_is_not_believed(session: Session) -> None:
    live(session)
    effects = session.on_frame(depth(12, 12, [["11.00", "1"]]), 3)
    assert state(session) == FeedState.GAP
    assert "TopChanged" not in kinds(effects)
    assert "crossed" in session.feeds["A/B"].reason


@pytest.mark.parametrize("early", [True, False])
def test_the_venues_own_quote_is_an_oracle(session: Session, early: bool) -> None:
    live(session)
    good, bad = quote(12, "9.50", "11.00"), quote(13, "9.40", "11.00")
    first, second = depth(12, 12, [["9.50", "1"]]), depth(13, 13)
    for frame in (good, first, bad, second) if early else (first, good, second, bad):
        assert state(session) == FeedState.LIVE
        session.on_frame(frame, 3)
    assert state(session) == FeedState.GAP
    counts = session.feeds["A/B"].counts
    assert (counts["oracle_agrees"], counts["oracle_disagrees"]) == (1, 1)


def test_a_malformed_frame_ends_live(session: Session) -> None:
    """It may have been a book update: nothing can be known until the next snapshot."""
    live(session)
    session.on_frame(depth(12, 12)[:-5], 3)
    assert state(session) == FeedState.GAP
    assert session.counts["malformed"] == 1


def test_unknown_messages_are_counted_not_fatal(session: Session) -> None:
    live(session)
    session.on_frame(b'{"stream":"ab@kline_1m","data":{"e":"kline","s":"AB"}}', 3)
    assert (state(session), session.counts["unknown"]) == (FeedState.LIVE, 1)


def test_silence_is_stale_and_any_frame_ends_it(session: Session) -> None:
    live(session)
    assert session.on_timer(2 + 2 * S) == []
    effects = session.on_timer(3 + 2 * S)
    assert effects == [StateChanged("A/B", FeedState.STALE, "no frame for 2.0 s")]
    effects = session.on_frame(quote(12, "9.00", "11.00"), 4 * S)
    assert kinds(effects) == ["StateChanged", "TopChanged"], "the quote that STALE took away comes back"
    assert state(session) == FeedState.LIVE


def test_a_stale_book_still_checks_its_sequence(session: Session) -> None:
    live(session)
    session.on_timer(3 * S)
    session.on_frame(depth(14, 14), 4 * S)
    assert state(session) == FeedState.GAP


def test_staleness_follows_the_feeds_own_rhythm(session: Session) -> None:
    live(session)
    for k in range(12, 80):
        session.on_frame(depth(k, k), k * S)
    assert session.stale_after_ns() == 4 * S
    assert session.on_timer(79 * S + 4 * S) == []
    assert kinds(session.on_timer(79 * S + 4 * S + 1)) == ["StateChanged"]


def test_a_long_silence_gives_the_connection_up(session: Session) -> None:
    live(session)
    assert any(isinstance(e, Connect) for e in session.on_timer(16 * S))


def test_a_subscription_that_never_delivers_is_seen(session: Session) -> None:
    session.on_open(0)
    for k in range(1, 11):
        session.on_frame(quote(k, "9.00", "11.00"), k * S)
        assert session.on_timer(k * S) == []
    lost, effect = session.on_timer(11 * S)
    assert isinstance(effect, Connect)
    assert "no book update ever came" in effect.reason
    assert kinds([lost]) == ["StateChanged"]


def test_a_subscription_that_never_delivers_is_seen_on_every_connection(session: Session) -> None:
    live(session)
    session.on_close(S, "gone", 0.0)
    session.on_open(2 * S)
    session.on_frame(quote(1, "9.00", "11.00"), 12 * S)
    assert "Connect" in kinds(session.on_timer(13 * S))


def test_a_refused_subscription_ends_the_connection_for_a_while(session: Session) -> None:
    live(session)
    lost, effect = session.on_frame(b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', 3)
    assert kinds([lost]) == ["StateChanged"]
    assert isinstance(effect, Connect)
    assert "Invalid request" in effect.reason
    assert effect.delay_ns == session.config.backoff_cap_ns
    assert session.counts["refused"] == 1


def test_a_good_acknowledgement_is_counted(session: Session) -> None:
    session.on_open(0)
    assert session.on_frame(b'{"result":null,"id":1}', 1) == []
    assert (session.counts["acks"], session.counts["refused"]) == (1, 0)


def test_a_connection_that_was_given_up_says_nothing_more(session: Session) -> None:
    live(session)
    assert "Connect" in kinds(session.on_timer(16 * S))
    assert state(session) == FeedState.GAP
    assert session.on_frame(depth(12, 12), 17 * S) == []
    assert session.on_frame(snapshot(20), 17 * S) == []
    assert session.on_timer(40 * S) == []
    assert session.on_pong(40 * S) == []
    assert kinds(session.on_close(41 * S, "closed", 0.0)) == ["StateChanged", "Connect"]


def test_a_lost_snapshot_is_asked_for_again(session: Session) -> None:
    session.on_open(0)
    session.on_frame(depth(9, 11), 1)
    session.on_frame(depth(12, 12), 5 * S)
    assert session.on_timer(5 * S) == []
    assert kinds(session.on_timer(5 * S + 2)) == ["FetchSnapshot"]


def test_a_buffer_never_outgrows_its_bound() -> None:
    session = Session(BinanceSpot([COIN], venue="x"), [COIN], SessionConfig(max_buffer=10))
    session.on_open(0)
    asked = 0
    for k in range(100):
        effects = session.on_frame(depth(k, k), k)
        asked += sum(isinstance(e, FetchSnapshot) for e in effects)
        assert len(session.feeds["A/B"].buffer) <= 10
    assert asked == 10, "at the first delta, and whenever the eleventh came"


def test_a_disconnect_destroys_the_book(session: Session) -> None:
    live(session)
    effects = session.on_close(5, "reset by peer", 0.5)
    assert effects[0] == StateChanged("A/B", FeedState.INIT, "reset by peer")
    assert session.feeds["A/B"].book.top()[3:] == (0, 0, 0, 0)
    session.on_open(6)
    session.on_frame(depth(12, 13), 7)
    assert state(session) == FeedState.SYNCING


def test_the_back_off_is_small_again_only_after_a_live_stretch(session: Session) -> None:
    def delay(at: int) -> int:
        (effect,) = [e for e in session.on_close(at, "gone", 1.0) if isinstance(e, Connect)]
        return effect.delay_ns

    def live_from(at: int, seconds: int, *, hole: bool = False) -> int:
        session.on_open(at)
        session.on_frame(depth(9, 11), at)
        session.on_frame(snapshot(10), at)
        for k in range(1, seconds + 1):
            session.on_frame(depth(11 + k, 11 + k), at + k * S)
            session.on_timer(at + k * S)
            if hole and k == seconds // 2:
                session.on_frame(depth(11 + k, 11 + k)[:-5], at + k * S)
                session.on_frame(depth(11 + k, 11 + k), at + k * S)
                session.on_timer(at + k * S)
                session.on_frame(snapshot(11 + k), at + k * S)
        return at + seconds * S

    for k in range(10):
        delay(k)
    assert delay(live_from(100 * S, 59)) == 60 * S, "a minute, less a second, is no proof"
    assert delay(live_from(300 * S, 80, hole=True)) == 60 * S, "two stretches of forty seconds are none"
    assert delay(live_from(500 * S, 62)) == S // 2


def test_a_connection_is_renewed_before_the_venue_ends_it(session: Session) -> None:
    life, jitter = session.config.life_ns, session.config.life_jitter_ns
    for draw, due in ((0.0, life), (0.5, life - jitter // 2)):
        session.on_open(0, draw)
        session.on_frame(depth(9, 11), due - 2)
        session.on_frame(snapshot(10), due - 1)
        assert "Connect" not in kinds(session.on_timer(due))
        assert "Connect" in kinds(session.on_timer(due + 1))
        assert state(session) == FeedState.GAP
        session.on_close(due + 2, "closed", 0.0)


def test_a_connection_is_renewed_when_the_venue_says_that_it_will_end_it(session: Session) -> None:
    effects = live(session).on_frame(b'{"e":"serverShutdown","E":1770123456789}', 3)
    reason = "renewed before the venue ends it: serverShutdown"
    assert effects == [StateChanged("A/B", FeedState.GAP, reason), Connect(0, reason)]
    assert session.on_frame(depth(12, 12), 4) == [], "nothing more of the old connection"
    assert "Connect" in kinds(session.on_close(5, "closed", 0.0))
    assert session.on_open(S)
    live(session)


def test_a_damaged_snapshot_body_harms_no_other_book() -> None:
    other = replace(COIN, symbol="C/B", venue_symbol="CB")
    session = Session(BinanceSpot([COIN, other], venue="x"), [COIN, other], SessionConfig(any_frame=True))
    session.on_open(0)
    for frame in (depth(9, 11), depth(9, 11).replace(b'"AB"', b'"CB"')):
        session.on_frame(frame, 1)
    session.on_frame(snapshot(10), 2, "A/B")
    assert session.last_ns == 1, "a body says nothing about the stream"
    session.on_frame(snapshot(10)[:-4], 3, "C/B")
    assert [f.state for f in session.feeds.values()] == [FeedState.LIVE, FeedState.GAP]


def test_where_a_venue_has_no_heartbeat_and_no_ping_message_the_pong_frame_takes_their_place() -> None:
    session = Session(BinanceSpot([COIN], venue="x"), [COIN], SessionConfig())
    live(session)
    assert session.on_timer(4 * S) == []
    session.on_frame(depth(12, 12), 4 * S)
    assert kinds(session.on_timer(5 * S)) == ["StateChanged"], "frames that were held up come late"
    assert session.on_frame(depth(13, 13, [["9.50", "1"]]), 6 * S) == []
    assert state(session) == FeedState.STALE
    back, top = session.on_pong(7 * S)
    assert back == StateChanged("A/B", FeedState.LIVE, "")
    assert isinstance(top, TopChanged)
    assert (top.top.seq, top.top.bid) == (13, 950)
