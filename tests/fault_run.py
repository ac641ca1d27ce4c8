"""One run of the fault bench: a tape, a fake venue on it, a session, and what goes wrong between them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from damage import DAMAGE, OUTAGE, Wire, damaged
from fake_venues import FakeVenue, Said
from judge import Judge
from true_tape import Reel, Tail, TapeFrame

from citadel_kit.micro.session import Connect, Effect, FetchSnapshot, Send, Session
from citadel_kit.types import FeedState
from citadel_kit.venues import codec

S = 1_000_000_000
KINDS = (*DAMAGE, *OUTAGE, "mixed")
_CALM = 60
"""Book frames for which a session must have been well at the end."""
_PATIENCE_NS = 900 * S
"""Longer than any back-off or budget of the session makes it wait."""


class Run:
    """One seed on one reel. `go()` gives its counts.

    wrong: tops shown while LIVE that are not the truth's at the update they claim.
    wrong_digit: the same, while the book holds an update whose damage left JSON, sequence and checksum as
        they were.
    behind: LIVE at an update older than one that had come.
    unwell: 1 if at the end a book isn't LIVE at the newest update.
    outage_ms: the longest time in which one wasn't, once all were.
    """

    def __init__(self, reel: Reel, kind: str, seed: int) -> None:
        self.reel, self.kind, self.rng = reel, kind, random.Random(f"{seed} {kind}")
        self.wire: FakeVenue = reel.wire
        self.truths = reel.truths
        instruments = [t.instrument for t in self.truths.values()]
        self.by_name = {i.venue_symbol: i.symbol for i in instruments}
        self.session = Session(codec(reel.venue, instruments), instruments)
        self.feeds = self.session.feeds
        self.counts: Counter[str] = Counter()
        self.events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.ordinal = 0

        last_start = reel.start + int(0.8 * (len(reel.frames) - 1 - reel.start))
        self.position = self.rng.randint(reel.start, last_start)
        self.now = reel.frames[self.position].ns
        self.newest = {s: t.index_before(self.position) for s, t in self.truths.items()}
        """The update at which each true book stands."""
        self.tail = {s: Tail(t) for s, t in self.truths.items()}
        self.judge = Judge(reel, self.session, self.tail, self.counts)

        self.open, self.connection, self.number = False, 0, 0
        self.reopen_ns = self.now
        self.told: set[str] = set()
        """Books that the venue sends on this connection."""
        self.held: list[tuple[int, int, Wire]] = []
        self.emitted = 0
        self.backlog: list[Wire] | None = None
        """What waits while the connection is stalled; None while it isn't."""
        self.mute = 0
        """Subscriptions yet to be acknowledged and not served."""

        self.window = self.rng.randint(20, 100)
        self.passed = -self.rng.choice((0, 20))
        most = 3 if kind in OUTAGE else 6
        offsets = sorted(self.rng.sample(range(self.window), self.rng.randint(1, most)))
        self.plan = [(at, self._kind(), self.rng.random() < 0.25) for at in offsets]
        self.calm = 0
        self.calm_ns = -1
        """When the faults were over."""
        self.ill_ns, self.outage_ns, self.well = -1, 0, False

    def _kind(self) -> str:
        return self.rng.choice(DAMAGE + OUTAGE) if self.kind == "mixed" else self.kind

    # --- time ---------------------------------------------------------------------------------------------

    def go(self) -> Counter[str]:
        self._later(0, self._tick)
        self._later(0, self._beat)
        began_ns = self.now
        while self.calm < _CALM:
            if self.now - max(began_ns, self.calm_ns) > _PATIENCE_NS:
                self.counts["unwell"] = 1
                self.judge.problem(f"not well: {[f'{f.state.name} {f.reason}' for f in self.feeds.values()]}")
                break
            at_ns = self._next_ns()
            while self.events and self.events[0][0] <= at_ns:
                self.now, _, act, args = heappop(self.events)
                act(*args)
            self.now = at_ns
            self._pass(self._next())
        self.counts["outage_ms"] = self.outage_ns // 10**6
        for feed in self.feeds.values():
            for name in ("gaps", "corrupt", "resyncs", "oracle_disagrees", "checksums_wrong", "crossed"):
                self.counts[name] += feed.counts[name]
        for name in ("malformed", "holes", "connects"):
            self.counts[name] += self.session.counts[name]
        return self.counts

    def _later(self, delay_ns: int, act: Callable[..., None], *args: Any) -> None:
        self.ordinal += 1
        heappush(self.events, (self.now + delay_ns, self.ordinal, act, args))

    def _next_ns(self) -> int:
        left = self.position < len(self.reel.frames)
        return self.reel.frames[self.position].ns if left else self.now + S // 10

    def _next(self) -> TapeFrame:
        """The tape's next frame; behind its end, a change of our own."""
        if self.position < len(self.reel.frames):
            self.position += 1
            return self.reel.frames[self.position - 1]
        symbol = self.rng.choice(list(self.truths))
        said, index = self.tail[symbol].change(self.rng, self.wire)
        if said.seq >= 0 and not self.wire.numbered:
            self.judge.index_of[symbol][said.seq] = index
        return TapeFrame(self.now, self.wire.book(said, self.now), symbol, index)

    def _tick(self) -> None:
        if not self.open and self.now >= self.reopen_ns:
            self.open, self.connection, self.number = True, self.connection + 1, 0
            self.told.clear()
            if self.wire.numbered:
                self.judge.index_of = {s: {} for s in self.truths}
            self._perform(self.session.on_open(self.now, self.rng.random()))
        self._perform(self.session.on_timer(self.now))
        self._later(S // 10, self._tick)

    def _beat(self) -> None:
        if self.open and self.wire.beat:
            self._emit(self.wire.beat)
        elif self.open and not self.wire.pong and self.backlog is None:
            self._perform(self.session.on_pong(self.now))
        self._later(S, self._beat)

    # --- the venue ----------------------------------------------------------------------------------------

    def _pass(self, frame: TapeFrame) -> None:
        """The venue's book changes, and who listens is told."""
        if frame.symbol:
            self.newest[frame.symbol] = frame.nth
            self.passed += 1
            self._break_down()
        if frame.raw == self.wire.beat:
            return
        if not frame.symbol or frame.symbol in self.told:
            self._emit(frame.raw, frame.symbol, frame.nth)
        if frame.symbol:
            self._see_how_it_is()

    def _see_how_it_is(self) -> None:
        """Is every book LIVE and at the newest update? Since when, and for how long had it not been?"""
        well = all(
            f.state == FeedState.LIVE and self.judge.at[s] == self.newest[s] for s, f in self.feeds.items()
        )
        if well and self.ill_ns >= 0:
            self.outage_ns, self.ill_ns = max(self.outage_ns, self.now - self.ill_ns), -1
        elif self.well and not well:
            self.ill_ns = self.now
        self.well = well
        if not self.plan and self.passed >= self.window:
            self.calm_ns = self.calm_ns if self.calm_ns >= 0 else self.now
            self.calm = self.calm + 1 if well else 0

    def _hear(self, text: str, connection: int) -> None:
        if not self.open or connection != self.connection:
            return
        if text == "ping" or '"ping"' in text:
            self._emit(self.wire.pong)
            return
        heard = self.wire.hear(json.loads(text))
        for answer in heard.answers:
            self._emit(answer)
        self.told -= {self.by_name[name] for name in heard.ends}
        if heard.begins and self.mute:
            self.mute -= 1
            return
        for symbol in [self.by_name[name] for name in heard.begins]:
            self.told.add(symbol)
            if not self.wire.rest:
                self._emit(self._snapshot(symbol, self.newest[symbol]), symbol, self.newest[symbol])

    def _snapshot(self, symbol: str, index: int, seq: int | None = None) -> bytes:
        book = self.tail[symbol].book_at(index)
        links = self.tail[symbol].links_at(index)
        last = links[1] if seq is None else seq
        instrument = self.truths[symbol].instrument
        checksum = self.wire.checksum(book)
        said = Said(instrument.venue_symbol, True, (last, last, -1), *book.texts(), checksum)
        return self.wire.book(said, self.now)

    def _answer(self, symbol: str) -> None:
        """A REST body: of now, of a moment ago, or from between two frames."""
        index, seq = self.newest[symbol], None
        drawn = self.rng.random()
        if drawn < 0.2:
            index = max(0, index - self.rng.randint(1, 4))
        elif drawn < 0.5 and index + 1 < len(self.truths[symbol].said):
            here, following = (self.truths[symbol].said[i].seq for i in (index, index + 1))
            seq = self.rng.randrange(here, following)
        wire = Wire(self._snapshot(symbol, index, seq), 0, symbol, index, body=True)
        for hold, body in self._damage(wire):
            self._later(int((hold + self.rng.random()) * S / 4), self._deliver, body)

    # --- the way ------------------------------------------------------------------------------------------

    def _emit(self, raw: bytes, symbol: str = "", index: int = -1) -> None:
        if not self.open:
            return
        if self.wire.numbered:
            raw = self.wire.number(raw, self.number)
            if symbol:
                self.judge.index_of[symbol][self.number] = index
            self.number += 1
        self.emitted += 1
        for hold, wire in self._damage(Wire(raw, self.connection, symbol, index)):
            if hold:
                self.ordinal += 1
                heappush(self.held, (self.emitted + hold, self.ordinal, wire))
            else:
                self._arrive(wire)
        while self.held and self.held[0][0] <= self.emitted:
            self._arrive(heappop(self.held)[2])

    def _arrive(self, wire: Wire) -> None:
        if self.backlog is not None:
            self.backlog.append(wire)
        else:
            self._deliver(wire)

    def _deliver(self, wire: Wire) -> None:
        if not self.open or not (wire.body or wire.connection == self.connection):
            return
        before = self.judge.progress(wire.symbol)
        effects = self.session.on_frame(wire.raw, self.now, wire.symbol if wire.body else "")
        self.judge.after(wire, before, effects)
        self._perform(effects)

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._later(S // 50, self._hear, effect.text, self.connection)
            elif isinstance(effect, FetchSnapshot):
                self._later(int(self.rng.random() * S / 4), self._answer, effect.symbol)
            elif isinstance(effect, Connect):
                self.reopen_ns = max(self.reopen_ns, self.now + effect.delay_ns)
                if self.open:
                    self._close(effect.reason)

    def _close(self, reason: str) -> None:
        self.open, self.backlog = False, None
        self.held.clear()
        self.told.clear()
        self._perform(self.session.on_close(self.now, reason, self.rng.random()))

    # --- faults -------------------------------------------------------------------------------------------

    def _due(self, kinds: Sequence[str]) -> bool:
        return bool(self.plan) and self.plan[0][0] <= self.passed and self.plan[0][1] in kinds

    def _break_down(self) -> None:
        if not self.open or not self._due(OUTAGE):
            return
        kind = self.plan.pop(0)[1]
        self._count_fault(kind)
        if kind == "stale":
            if self.backlog is None:
                self.backlog = []
                seconds = self.rng.choice((0.5, 1.5, 3, 8, 25))
                self._later(int(seconds * S), self._move_again, self.connection, self.rng.random() < 0.5)
        else:
            self.mute += kind == "silent"
            self._close("reset by peer")

    def _move_again(self, connection: int, kept: bool) -> None:
        """The stall is over: what was held up comes at once, or never."""
        if connection != self.connection or self.backlog is None:
            return
        backlog, self.backlog = self.backlog, None
        for wire in backlog if kept else ():
            self._deliver(wire)

    def _damage(self, wire: Wire) -> list[tuple[int, Wire]]:
        if not self._due(DAMAGE) or not (wire.symbol or self.plan[0][2]):
            return [(0, wire)]
        kind = self.plan.pop(0)[1]
        self._count_fault(kind)
        return damaged(wire, kind, self.rng)

    def _count_fault(self, kind: str) -> None:
        self.counts["faults"] += 1
        self.counts[f"faults {kind}"] += 1
