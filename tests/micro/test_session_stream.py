"""The session's table where snapshots come in the stream or with a new connection; and the heartbeat."""

from __future__ import annotations

from typing import Any

import pytest
from toy_venue import A, C, ToyCodec, delta, frame, plain_sum, snap

from citadel_kit.micro.session import Connect, Send, Session, SessionConfig, StateChanged, TopChanged
from citadel_kit.types import FeedState

S = 1_000_000_000
BEAT = frame(["beat"])


def opened(way: str = "stream", config: SessionConfig | None = None, **options: Any) -> Session:
    session = Session(ToyCodec(way, **options), [A, C], config)
    session.on_open(0)
    return session


def live(way: str = "stream", config: SessionConfig | None = None, **options: Any) -> Session:
    session = opened(way, config, **options)
    for symbol in session.feeds:
        session.on_frame(frame(snap(symbol, 5)), 1)
    assert states(session) == [FeedState.LIVE] * 2
    return session


def states(session: Session) -> list[FeedState]:
    return [feed.state for feed in session.feeds.values()]


def sent(effects: list[Any]) -> list[str]:
    return [e.text for e in effects if isinstance(e, Send)]


def connects(effects: list[Any]) -> list[Connect]:
    return [e for e in effects if isinstance(e, Connect)]


AGAIN_A = ["2 unsubscribe A/B", "2 subscribe A/B"]


# --- books ---


def test_open_subscribes() -> None:
    session = Session(ToyCodec(), [A, C])
    assert sent(session.on_open(0)) == ["1 subscribe A/B C/B"]
    assert states(session) == [FeedState.SYNCING] * 2


def test_a_snapshot_in_the_stream_is_live_by_itself() -> None:
    session = opened()
    move, top = session.on_frame(frame(snap("A/B", 5)), 7)
    assert move == StateChanged("A/B", FeedState.LIVE, "")
    assert isinstance(top, TopChanged)
    assert top.top == (7, 0, 5, 9, 1, 11, 1)
    assert states(session) == [FeedState.LIVE, FeedState.SYNCING]


def test_a_snapshot_in_the_stream_replaces_a_live_book() -> None:
    session = live()
    (top,) = session.on_frame(frame(snap("A/B", 3, bids=[(2, 1)], asks=[])), 7)
    assert isinstance(top, TopChanged)
    assert top.top == (7, 0, 3, 2, 1, 0, 0)


def test_a_delta_before_the_snapshot_is_nothing() -> None:
    session = opened()
    assert session.on_frame(frame(delta("A/B", 4, 4)), 1) == []
    assert session.feeds["A/B"].counts["unsynced"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        delta("A/B", 7, 7),
        delta("A/B", 6, 6, bids=[(11, 1)]),
        snap("A/B", 9, bids=[(11, 1)]),
    ],
    ids=["gap", "crossed", "crossed snapshot"],
)
def test_a_doubted_book_is_had_anew_at_once_and_alone(bad: Any) -> None:
    session = live()
    effects = session.on_frame(frame(bad), 2)
    assert sent(effects) == AGAIN_A
    assert states(session) == [FeedState.GAP, FeedState.LIVE]
    assert session.on_frame(frame(delta("A/B", 8, 8)), 3) == [], "of the old subscription"
    session.on_frame(frame(snap("A/B", 20)), 4)
    assert states(session) == [FeedState.LIVE] * 2
    counts = session.feeds["A/B"].counts
    assert (counts["corrupt"], counts["resyncs"]) == (1, 1)


def test_a_wrong_checksum_is_a_gap_and_gives_no_top() -> None:
    session = live("checksum", depth=2)
    right = plain_sum([(9, 3)], [(11, 1)])
    assert [type(e) for e in session.on_frame(frame(delta("A/B", 0, 0, [(9, 3)], checksum=right)), 2)] == [
        TopChanged
    ]
    effects = session.on_frame(frame(delta("A/B", 0, 0, [(9, 4)], checksum=right)), 3)
    assert states(session) == [FeedState.GAP, FeedState.LIVE]
    assert not any(isinstance(e, TopChanged) for e in effects)
    assert sent(effects) == AGAIN_A
    counts = session.feeds["A/B"].counts
    assert (counts["checksums_right"], counts["checksums_wrong"]) == (1, 1)


def test_a_malformed_frame_may_have_been_any_books() -> None:
    session = live()
    effects = session.on_frame(b"{", 2)
    assert states(session) == [FeedState.GAP] * 2
    assert sent(effects) == [*AGAIN_A, "3 unsubscribe C/B", "3 subscribe C/B"]
    assert sent(session.on_frame(b"{", 3)) == [], "they are on their way already"


def test_a_snapshot_that_does_not_come_is_asked_for_again_and_then_the_connection_is_given_up() -> None:
    session = live(config=SessionConfig(reconnect_ns=100 * S))
    session.on_frame(frame(delta("A/B", 9, 9)), S)
    assert sent(session.on_timer(6 * S)) == []
    assert sent(session.on_timer(6 * S + 1)) == AGAIN_A
    assert sent(session.on_timer(12 * S)) == AGAIN_A
    (effect,) = connects(session.on_timer(18 * S))
    assert "no book snapshot came" in effect.reason
    assert states(session) == [FeedState.GAP] * 2


def test_resubscriptions_have_a_budget() -> None:
    """A book that is wrong after each snapshot must not become a storm of requests."""
    session = live(config=SessionConfig(resync_most=3, resync_window_ns=20 * S, reconnect_ns=100 * S))
    asked = 0
    for k in range(10):
        asked += bool(sent(session.on_frame(frame(snap("A/B", 9, bids=[(11, 1)])), S + k)))
    assert asked == 3
    assert sent(session.on_timer(20 * S)) == []
    assert sent(session.on_timer(22 * S)) == AGAIN_A
    session.on_frame(frame(snap("A/B", 9)), 23 * S)
    assert session.feeds["A/B"].state == FeedState.STALE, "synced, and no heartbeat came"


def test_a_book_with_no_other_way_needs_a_new_connection() -> None:
    session = live("connection")
    effects = session.on_frame(frame(delta("A/B", 0, 0, bids=[(11, 1)])), 2)
    (effect,) = connects(effects)
    assert effect.delay_ns == 0
    assert "crossed" in effect.reason
    assert states(session) == [FeedState.GAP] * 2
    assert session.on_frame(frame(snap("A/B", 9)), 3) == []


def test_a_malformed_frame_ends_a_connection_without_another_way_at_once() -> None:
    session = live("connection")
    assert len(connects(session.on_frame(b"{", 2))) == 1


def test_a_hole_in_the_frames_of_a_connection_is_a_gap_of_every_book() -> None:
    session = opened("connection")
    session.on_frame(frame(["n", 0], snap("A/B", 5)), 1)
    session.on_frame(frame(["n", 1], snap("C/B", 5)), 2)
    session.on_frame(frame(["n", 2], delta("A/B", 0, 0, [(10, 1)])), 3)
    assert states(session) == [FeedState.LIVE] * 2
    effects = session.on_frame(frame(["n", 4], delta("A/B", 0, 0, [(9, 5)])), 4)
    assert not any(isinstance(e, TopChanged) for e in effects)
    assert len(connects(effects)) == 1
    assert states(session) == [FeedState.GAP] * 2
    assert session.counts["holes"] == 1
    session.on_close(5, "given up", 0.0)
    session.on_open(6)
    session.on_frame(frame(["n", 0], snap("A/B", 9)), 7)
    assert session.feeds["A/B"].state == FeedState.LIVE
    assert session.counts["holes"] == 1, "the numbers begin anew"


def test_a_hole_where_a_book_can_be_had_anew_spares_the_connection() -> None:
    session = live()
    session.on_frame(frame(["n", 7]), 2)
    effects = session.on_frame(frame(["n", 7], delta("A/B", 6, 6)), 3)
    assert states(session) == [FeedState.GAP] * 2
    assert connects(effects) == []
    assert len(sent(effects)) == 4


def test_a_quote_that_has_no_sequence_proves_nothing() -> None:
    session = live()
    assert session.on_frame(frame(["quote", "A/B", -1, 1, 1, 2, 2]), 2) == []
    session.on_frame(frame(delta("A/B", 6, 6)), 3)
    assert states(session) == [FeedState.LIVE] * 2


def test_a_refused_subscription_ends_the_connection() -> None:
    session = live()
    (effect,) = connects(session.on_frame(frame(["ack", 1, False, "depth 27?"]), 2))
    assert "depth 27?" in effect.reason
    assert states(session) == [FeedState.GAP] * 2


# --- the heartbeat ---


def test_the_venues_heartbeat_is_judged_not_its_frames() -> None:
    session = live()
    for k in range(1, 5):
        session.on_frame(BEAT, k * S)
    for k in range(5, 9):
        session.on_frame(frame(delta("A/B", k + 1, k + 1)), k * S)
        assert session.on_timer(k * S) == []
    effects = session.on_timer(8 * S + 1)
    assert effects[0] == StateChanged("A/B", FeedState.STALE, "no heartbeat for 4.0 s")
    assert states(session) == [FeedState.STALE] * 2
    assert session.counts["heartbeats"] == 4


def test_a_silent_book_with_a_beating_heart_is_live() -> None:
    session = live()
    for k in range(1, 300):
        session.on_frame(BEAT, k * S)
        assert session.on_timer(k * S) == []
    assert states(session) == [FeedState.LIVE] * 2


def test_a_stale_book_is_kept_up_to_date_but_not_shown_until_the_heart_beats() -> None:
    session = live()
    session.on_timer(5 * S)
    assert session.on_frame(frame(delta("A/B", 6, 6, [(10, 1)])), 6 * S) == []
    effects = session.on_frame(BEAT, 7 * S)
    tops = {e.symbol: e.top.bid for e in effects if isinstance(e, TopChanged)}
    assert tops == {"A/B": 10, "C/B": 9}
    assert states(session) == [FeedState.LIVE] * 2


def test_a_gap_while_stale_is_a_gap() -> None:
    session = live()
    session.on_timer(5 * S)
    assert sent(session.on_frame(frame(delta("A/B", 9, 9)), 6 * S)) == AGAIN_A
    session.on_frame(BEAT, 7 * S)
    assert states(session) == [FeedState.GAP, FeedState.LIVE]


def test_silence_is_seen_by_a_frame_before_the_timer_comes() -> None:
    """After a time in which our own loop stood still, what had piled up is not taken for the present."""
    session = live()
    effects = session.on_frame(frame(delta("A/B", 6, 6)), 30 * S)
    assert [type(e) for e in effects] == [StateChanged, StateChanged]
    assert states(session) == [FeedState.STALE] * 2


def test_long_silence_gives_the_connection_up() -> None:
    session = live()
    session.on_frame(frame(delta("A/B", 6, 6)), 14 * S)
    assert connects(session.on_timer(15 * S)) == []
    (effect,) = connects(session.on_timer(15 * S + 1))
    assert effect.reason == "no heartbeat for 15 s"


def test_without_a_heartbeat_our_ping_once_a_second_takes_its_place() -> None:
    session = live(heartbeat=False, ping="ping")
    texts = []
    for tenth in range(1, 61):
        texts += sent(session.on_timer(tenth * S // 10))
        if texts[-1:] == ["ping"] and tenth % 10 == 0:
            session.on_frame(BEAT, tenth * S // 10 + 1)
    assert texts == ["ping"] * 6
    assert states(session) == [FeedState.LIVE] * 2
    session.on_pong(7 * S)  # of the protocol: says nothing about the venue behind it
    session.on_timer(10 * S + 2)
    assert states(session) == [FeedState.STALE] * 2


def test_no_ping_where_the_venue_has_a_heartbeat_or_is_a_recording() -> None:
    for session in (
        live(heartbeat=True, ping="ping"),
        live(heartbeat=False, ping="ping", config=SessionConfig(any_frame=True)),
    ):
        assert sent(session.on_timer(2 * S)) == []


def test_on_a_recording_any_frame_counts() -> None:
    session = live(config=SessionConfig(any_frame=True))
    for k in range(1, 60):
        session.on_frame(frame(["quote", "A/B", -1, 1, 1, 2, 2]), k * S)
        assert session.on_timer(k * S) == []
    assert states(session) == [FeedState.LIVE] * 2


# --- what a new connection, a second loss and a late body leave behind ---


def test_after_a_hole_the_rest_of_the_frame_is_nothing_where_only_a_new_connection_helps() -> None:
    session = live("connection")
    session.on_frame(frame(["n", 0]), 2)
    session.on_frame(frame(["n", 2], snap("A/B", 9)), 3)
    assert states(session) == [FeedState.GAP] * 2


def test_a_new_connection_is_judged_by_its_own_heartbeat() -> None:
    session = live()
    session.on_timer(5 * S)
    assert states(session) == [FeedState.STALE] * 2
    session.on_close(6 * S, "gone", 0.0)
    session.on_open(7 * S)
    session.on_frame(frame(snap("A/B", 5)), 8 * S)
    assert states(session) == [FeedState.LIVE, FeedState.SYNCING]
    session.on_timer(11 * S + 1)
    assert states(session) == [FeedState.STALE, FeedState.SYNCING]


def test_the_subscription_itself_asks_for_the_first_snapshot() -> None:
    session = opened()
    session.on_frame(frame(delta("A/B", 4, 4), delta("C/B", 4, 4)), 1)
    assert sent(session.on_timer(5 * S)) == []
    assert sent(session.on_timer(5 * S + 1)) == [*AGAIN_A, "3 unsubscribe C/B", "3 subscribe C/B"]


def test_a_second_loss_while_waiting_forgets_no_request() -> None:
    session = live()
    session.on_frame(frame(delta("A/B", 9, 9)), S)
    session.on_frame(b"{", 2 * S)
    assert sent(session.on_timer(6 * S + 1))[:2] == AGAIN_A


def test_vain_requests_are_counted_from_the_last_synced_book() -> None:
    session = live(config=SessionConfig(reconnect_ns=100 * S))
    now = 0
    for _ in range(3):
        session.on_frame(frame(delta("A/B", 9, 9)), now)
        for _ in range(2):
            now += 6 * S
            assert sent(session.on_timer(now)) == AGAIN_A
        session.on_frame(BEAT, now)
        session.on_frame(frame(snap("A/B", 5)), now)
        assert session.feeds["A/B"].state == FeedState.LIVE


def test_quotes_and_books_without_a_sequence_are_not_matched() -> None:
    session = live("checksum", depth=2)
    session.on_frame(frame(["quote", "A/B", -1, 1, 1, 2, 2]), 2)
    session.on_frame(frame(delta("A/B", -1, -1, [(9, 3)])), 3)
    assert states(session) == [FeedState.LIVE] * 2
