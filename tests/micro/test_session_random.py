"""The session against a small venue that does its worst, held against what the venue's book truly was."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from toy_venue import WAYS, A, C, ToyCodec, TrueBook, frame

from citadel_kit.micro.session import (
    Connect,
    Effect,
    FetchSnapshot,
    Send,
    Session,
    SessionConfig,
    StateChanged,
    TopChanged,
)
from citadel_kit.types import FeedState, Instrument

S = 1_000_000_000
SYMBOLS = (A.symbol, C.symbol)
CONFIG = SessionConfig(
    reconnect_ns=8 * S,
    silent_ns=6 * S,
    snapshot_timeout_ns=3 * S,
    resync_most=4,
    resync_window_ns=20 * S,
    connect_most=4,
    connect_window_ns=20 * S,
    backoff_cap_ns=4 * S,
    max_buffer=6,
    life_ns=600 * S,
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3
).map(lambda rows: [(side, (9 - away, 11 + away)[side], qty) for side, away, qty in rows])
"""Near the touch, so that a lost one mostly leaves another best price: bids at 9 to 6, asks at 11 to 14."""


class Watched(Session):
    """Holds every effect and state against a twin whose timer looks at everything each time."""

    def __init__(self, codec: ToyCodec, instruments: list[Instrument], config: SessionConfig) -> None:
        super().__init__(codec, instruments, config)
        self.twin = Session(codec, instruments, config)

    def on_open(self, now_ns: int, draw: float = 0.0) -> list[Effect]:
        return self.same(super().on_open(now_ns, draw), self.twin.on_open(now_ns, draw))

    def on_close(self, now_ns: int, reason: str, draw: float) -> list[Effect]:
        return self.same(super().on_close(now_ns, reason, draw), self.twin.on_close(now_ns, reason, draw))

    def on_frame(self, raw: bytes, recv_ns: int, symbol: str = "") -> list[Effect]:
        return self.same(super().on_frame(raw, recv_ns, symbol), self.twin.on_frame(raw, recv_ns, symbol))

    def on_pong(self, now_ns: int) -> list[Effect]:
        return self.same(super().on_pong(now_ns), self.twin.on_pong(now_ns))

    def on_timer(self, now_ns: int) -> list[Effect]:
        self.twin._quiet_ns = -1
        return self.same(super().on_timer(now_ns), self.twin.on_timer(now_ns))

    def same(self, ours: list[Effect], theirs: list[Effect]) -> list[Effect]:
        assert ours == theirs
        assert self.counts == self.twin.counts
        assert (self._live_ns, self._stale) == (self.twin._live_ns, self.twin._stale)
        for symbol, feed in self.feeds.items():
            other = self.twin.feeds[symbol]
            assert (feed.state, feed.reason, feed.counts) == (other.state, other.reason, other.counts)
        return ours


class Machine(RuleBasedStateMachine):
    """One connection of two books. `wire` holds what the venue sent and we have not read."""

    way: ClassVar[str]

    @initialize()
    def start(self) -> None:
        depth = 3 if self.way == "checksum" else 0
        self.session = Watched(ToyCodec(self.way, depth=depth), [A, C], CONFIG)
        self.books = {symbol: TrueBook(symbol, depth) for symbol in SYMBOLS}
        self.wire: deque[bytes] = deque()
        self.bodies: deque[tuple[str, bytes]] = deque()
        self.seen = dict.fromkeys(SYMBOLS, FeedState.INIT)
        self.now, self.number, self.reopen_ns = 0, 0, 0
        self.subscribed: set[str] = set()
        self.open = False
        self.on_time()
        self.all_comes(([(0, 8, 1)], [(0, 8, 1)]))
        self.all_comes(([(0, 8, 2)], [(0, 8, 2)]))
        assert set(self.seen.values()) == {FeedState.LIVE}

    # --- the venue ---

    def push(self, event: list[Any]) -> None:
        events = [["n", self.number], event] if self.way == "connection" else [event]
        self.number += 1
        self.wire.append(frame(*events))

    def perform(self, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, StateChanged):
                assert self.seen[effect.symbol] != effect.state, "a change is one"
                self.seen[effect.symbol] = effect.state
            elif isinstance(effect, TopChanged):
                assert self.seen[effect.symbol] == FeedState.LIVE
                assert effect.top[3:] == self.books[effect.symbol].tops[effect.top.seq]
            elif isinstance(effect, Send):
                self.answer(effect.text)
            elif isinstance(effect, FetchSnapshot):
                body = frame(self.books[effect.symbol].snapshot())
                self.bodies.append((effect.symbol, body))
            elif isinstance(effect, Connect):
                self.reopen_ns = max(self.reopen_ns, self.now + effect.delay_ns)
                if self.open:
                    self.close(effect.reason)

    def answer(self, text: str) -> None:
        _, verb, *symbols = text.split()
        for symbol in symbols:
            if verb == "unsubscribe":
                self.subscribed.discard(symbol)
            else:
                self.subscribed.add(symbol)
                if self.way != "rest":
                    self.push(self.books[symbol].snapshot())

    def close(self, reason: str) -> None:
        self.open = False
        self.subscribed.clear()
        self.wire.clear()
        self.bodies.clear()
        self.perform(self.session.on_close(self.now, reason, 0.5))

    def on_time(self) -> None:
        if not self.open and self.now >= self.reopen_ns:
            self.open, self.number = True, 0
            self.perform(self.session.on_open(self.now))
        self.perform(self.session.on_timer(self.now))

    # --- what happens ---

    @rule(seconds=st.sampled_from([0.1, 1, 1, 3]), beat=st.sampled_from([True, True, False]))
    def time_passes(self, seconds: float, beat: bool) -> None:
        self.now += int(seconds * S)
        self.on_time()
        if beat and self.open:
            self.push(["beat"])

    @rule(symbol=st.sampled_from(SYMBOLS), changes=CHANGES)
    def book_changes(self, symbol: str, changes: list[tuple[int, int, int]]) -> None:
        told = self.books[symbol].change(changes)
        if symbol in self.subscribed:
            self.push(told)

    @rule(count=st.integers(1, 8), bodies=st.booleans())
    def frames_come(self, count: int, bodies: bool) -> None:
        for _ in range(count):
            self.now += 1
            if self.wire:
                self.perform(self.session.on_frame(self.wire.popleft(), self.now))
            elif self.bodies and bodies:
                symbol, body = self.bodies.popleft()
                self.perform(self.session.on_frame(body, self.now, symbol))

    @rule(changes=st.tuples(CHANGES, CHANGES))
    def all_comes(self, changes: tuple[list[Any], list[Any]]) -> None:
        for symbol, news in zip(SYMBOLS, changes, strict=True):
            self.book_changes(symbol, news)
        while self.wire or self.bodies:
            self.frames_come(8, True)

    # --- what goes wrong ---

    @rule(changes=st.tuples(CHANGES, CHANGES), hurt=st.sampled_from(["lost", "doubled", "swapped", "cut"]))
    def one_of_many_is_hurt(self, changes: tuple[list[Any], list[Any]], hurt: str) -> None:
        self.all_comes(changes)
        for symbol, news in zip(SYMBOLS, changes, strict=True):
            self.book_changes(symbol, [(side, price, 3 - qty) for side, price, qty in news])
        if self.wire:
            self.frame_is_hurt(hurt, 0)
        self.all_comes(changes)

    @precondition(lambda self: self.wire)
    @rule(kind=st.sampled_from(["lost", "lost", "doubled", "swapped", "cut"]), at=st.integers(0, 7))
    def frame_is_hurt(self, kind: str, at: int) -> None:
        at = at % len(self.wire)
        raw = self.wire[at]
        if kind == "lost":
            del self.wire[at]
        elif kind == "cut":
            self.wire[at] = raw[:-3]
        elif self.way == "checksum":
            return  # a book from before has the right checksum too
        elif kind == "doubled":
            self.wire.insert(at, raw)
        else:
            self.wire[at], self.wire[0] = self.wire[0], raw

    @rule(
        kind=st.sampled_from(["disconnected", "body lost", "crossed"]),
        symbol=st.sampled_from(SYMBOLS),
    )
    def mishap(self, kind: str, symbol: str) -> None:
        if kind == "crossed":
            self.book_changes(symbol, [(0, 13, 1)])
            self.book_changes(symbol, [(0, 13, 0)])
        elif kind == "body lost" and self.bodies:
            self.bodies.popleft()
        elif kind == "disconnected" and self.open:
            self.close("reset by peer")

    # --- what must hold ---

    @invariant()
    def a_live_book_is_true(self) -> None:
        for symbol, feed in self.session.feeds.items():
            assert feed.state == self.seen[symbol], "every change of state was said"
            if feed.state == FeedState.LIVE:
                assert feed.book.top()[3:] == self.books[symbol].tops[feed.book.seq]

    def teardown(self) -> None:
        """Whatever was, two minutes without mishap bring every book back to life."""
        for step in range(240):
            self.now += S // 2
            self.on_time()
            for symbol in SYMBOLS:
                self.book_changes(symbol, [(0, 5, 1 + step % 2)])
            if self.open and step % 2 == 0:
                self.push(["beat"])
            while self.wire or self.bodies:
                self.frames_come(8, True)
            self.a_live_book_is_true()
            if all(state == FeedState.LIVE for state in self.seen.values()):
                break
        for symbol, feed in self.session.feeds.items():
            assert feed.state == FeedState.LIVE, feed.reason
            assert feed.book.seq == self.books[symbol].seq


@pytest.mark.parametrize("way", WAYS)
def test_a_live_book_is_true_and_every_book_recovers(way: str) -> None:
    """And a timer that passes over what can't be due does what one does that always looks."""
    machine = type(f"{way}_machine", (Machine,), {"way": way})
    run(machine, settings=settings(max_examples=100, stateful_step_count=30, deadline=None))


@given(
    st.booleans(),
    st.lists(
        st.tuples(st.integers(1, 25), st.sampled_from(["timer", "timer", "delta", "beat", "gap"])),
        max_size=60,
    ),
)
def test_a_timer_that_passes_over_what_is_not_due_misses_nothing(
    any_frame: bool, moments: list[tuple[int, str]]
) -> None:
    """A LIVE book, steps of up to 2.5 s: where a heart beats quickly, 2 s of silence are too many."""
    session = Watched(ToyCodec("stream"), [A], CONFIG._replace(any_frame=any_frame))
    book, now = TrueBook(A.symbol, 0), 0
    session.on_open(now)
    session.on_frame(frame(book.snapshot()), now)
    for _ in range(5):
        now += S // 10
        session.on_frame(frame(["beat"]), now)
    session.on_timer(now)
    for tenths, kind in moments:
        now += tenths * S // 10
        if kind == "timer":
            session.on_timer(now)
        elif kind == "beat":
            session.on_frame(frame(["beat"]), now)
        else:
            told = book.change([(0, 8, 1 + tenths)])
            if kind == "delta":
                session.on_frame(frame(told), now)


def test_a_book_that_was_lost_is_looked_at_by_every_timer() -> None:
    """Its venue's heart beats on, so that silence alone would leave the timer nothing to do."""
    session, book = Watched(ToyCodec("stream"), [A], CONFIG), TrueBook(A.symbol, 0)
    session.on_open(0)
    session.on_frame(frame(book.snapshot()), 0)
    session.on_timer(0)
    book.change([(0, 8, 1)])
    assert session.on_frame(frame(book.change([(0, 8, 2)])), 1), "a hole: GAP, and asked for anew"
    asked = []
    for tenth in range(1, 60):
        session.on_frame(frame(["beat"]), tenth * S // 10)
        if session.on_timer(tenth * S // 10):
            asked.append(tenth)
    assert asked == [31], "the first timer after `snapshot_timeout_ns`"
