"""A tape through codec, session and book, as it would have been live: what held, and what did not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from citadel_kit import ladder, settings
from citadel_kit.errors import ConfigError, DecodeError, TapeError
from citadel_kit.io.tape import TapeFile
from citadel_kit.micro.session import Connect, Effect, Session, SessionConfig, StateChanged, TopChanged
from citadel_kit.types import (
    BookTop,
    BookUpdate,
    Codec,
    ConnectionSeq,
    Event,
    FeedState,
    Instrument,
    Link,
    Unknown,
)
from citadel_kit.venues import WIRES, codec, kraken
from citadel_kit.venues.precision import infer, named, nothing_of

OnTop = Callable[[BookTop], None]
_OTHER: Final = "other instrument"
_PROBLEMS_KEPT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeReport:
    """What a replay found. Frames are lines of the tape, of every kind and instrument."""

    venue: str
    symbol: str
    frames: int
    book_frames: int
    """Of this instrument; a REST snapshot is none."""
    applied: int
    """Book frames that went into a book; those from before a snapshot don't."""
    snapshots: int
    links_checked: int
    """Update to update; where frames are numbered within their connection, frame to frame."""
    gaps: int
    checksums_right: int
    checksums_wrong: int
    resyncs: int
    """New books that a live session would have asked for."""
    oracle_agreements: int
    oracle_disagreements: int
    crossed: int
    malformed: int
    refused: int
    """Subscriptions that the venue did not grant."""
    unknown: int
    """Frames of a kind that nobody reads."""
    other_instruments: int
    final_state: str
    cut_off: bool
    verified_by: tuple[str, ...]
    """Of `sequence`, `checksum` and `oracle`: what the tape was held to. Empty: nothing would tell a loss."""
    problems: tuple[str, ...]
    """The first few times the book was lost, by number of the frame, and why."""

    @property
    def clean(self) -> bool:
        """Nothing was missing, wrong or unreadable, and the book is LIVE at the end.

        Unknown frames and a cut-off end are no fault of what there is.
        """
        wrong = (self.gaps, self.checksums_wrong, self.oracle_disagreements, self.crossed)
        return not any((*wrong, self.malformed, self.refused)) and self.final_state == FeedState.LIVE.name


def check_venue(venue: str) -> None:
    """Raises ConfigError naming the known ones."""
    if venue not in WIRES:
        raise ConfigError("venue", f"no codec for {venue!r}", f"Known: {', '.join(WIRES)}")


def find_instrument(
    tape: TapeFile,
    venue: str,
    symbol: str,
    price_decimals: int | None = None,
    qty_decimals: int | None = None,
) -> Instrument:
    """Whose book to rebuild, and the scale of its numbers.

    Decimals are those given, else of an instrument message on the tape (Kraken's), else of the table of
    well-known instruments, else inferred from all frames of the tape. Raises ConfigError for an unknown venue
    or an instrument that the tape doesn't name, TapeError for a tape that can't be read.
    """
    check_venue(venue)
    name = settings.venue_symbol(venue, symbol)
    if price_decimals is None or qty_decimals is None:
        known = _stated(tape, symbol) if venue == "kraken" else None
        if known is None and settings.is_known(venue, symbol):
            known = settings.instrument(venue, symbol)
        if known is not None and price_decimals is None and qty_decimals is None:
            return known
        inferred = (
            (known.price_decimals, known.qty_decimals)
            if known is not None
            else infer((raw for _, raw in tape), venue, name)
        )
        price_decimals = inferred[0] if price_decimals is None else price_decimals
        qty_decimals = inferred[1] if qty_decimals is None else qty_decimals
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=name,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
    )


def replay(tape: TapeFile, instrument: Instrument, on_top: OnTop | None = None) -> TapeReport:
    """Play the tape from its start; `on_top` sees the top after each applied book frame while LIVE.

    Where a book needs a new connection, it stays GAP until the tape shows one. No timer runs: a hole in time
    without a missing link is none. Raises TapeError for a tape that can't be read.
    """
    ladder.warm_up()
    player = _Player(instrument, on_top)
    for recv_ns, raw in tape:
        player.line(recv_ns, raw)
    if player.frames == 0:
        raise TapeError(str(tape.path), 1, "no frame in it")
    report = player.report(tape.cut_off)
    if not report.book_frames:
        problem = _no_book(tape, instrument, report)
        report = dataclasses.replace(report, problems=(problem, *report.problems))
    return report


def _no_book(tape: TapeFile, instrument: Instrument, report: TapeReport) -> str:
    if not report.refused and report.unknown + report.malformed == report.frames:
        return f"no frame is of {instrument.venue}'s wire form: is the tape another venue's?"
    problem = nothing_of(instrument.venue_symbol, named(raw for _, raw in tape))
    return f"{report.refused} subscriptions were refused, and {problem}" if report.refused else problem


def _stated(tape: TapeFile, symbol: str) -> Instrument | None:
    for _, raw in tape:
        if b'"instrument"' in raw:
            for instrument in kraken.instruments(raw):
                if instrument.symbol == symbol:
                    return instrument
    return None


class _Watched:
    """A codec that remembers what it said; everything else is the codec's own."""

    def __init__(self, inner: Codec) -> None:
        self.events: Sequence[Event] = ()
        self.linked = 0
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decode(self, raw: bytes, recv_ns: int, symbol: str = "") -> Sequence[Event]:
        self.events = ()
        self.events = self._inner.decode(raw, recv_ns, symbol)
        return self.events

    def link(self, book_seq: int, just_synced: bool, update: BookUpdate) -> Link:
        link = self._inner.link(book_seq, just_synced, update)
        self.linked += link == Link.NEXT and update.last_seq >= 0
        return link


class _Player:
    def __init__(self, instrument: Instrument, on_top: OnTop | None) -> None:
        self.frames = 0
        self._watched = _Watched(codec(instrument.venue, [instrument]))
        self._session = Session(
            cast(Codec, self._watched), [instrument], SessionConfig(any_frame=True)
        )  # a recording answers no ping
        self._feed = self._session.feeds[instrument.symbol]
        self._on_top = on_top
        self._closed = ""
        """Why the connection was given up; empty while it stands."""
        self._kinds: Counter[str] = Counter()
        self._numbered = self._connections = 0
        self._malformed = 0
        self._problems: list[str] = []

    def line(self, recv_ns: int, raw: bytes) -> None:
        if self.frames == 0:
            self._open(recv_ns)
        self.frames += 1
        if self._closed:
            self._listen(recv_ns, raw)
        else:
            self._perform(self._session.on_frame(raw, recv_ns))
        if self._closed and self._begins_anew():
            self._session.on_close(recv_ns, self._closed, 0.0)
            self._open(recv_ns)
            self._perform(self._session.on_frame(raw, recv_ns))
        self._note()

    def report(self, cut_off: bool) -> TapeReport:
        feed, session = self._feed.counts, self._session.counts
        right, agreed = feed["checksums_right"], feed["oracle_agrees"]
        gaps = feed["gaps"] + session["holes"]
        links = self._numbered - self._connections if self._numbered else self._watched.linked + feed["gaps"]
        checked = (("sequence", links), ("checksum", right), ("oracle", agreed))
        return TapeReport(
            venue=self._session.venue,
            symbol=self._feed.instrument.symbol,
            frames=self.frames,
            book_frames=self._kinds["book"],
            applied=feed["applied"],
            snapshots=feed["syncs"],
            links_checked=links,
            gaps=gaps,
            checksums_right=right,
            checksums_wrong=feed["checksums_wrong"],
            resyncs=feed["resyncs"],
            oracle_agreements=agreed,
            oracle_disagreements=feed["oracle_disagrees"],
            crossed=feed["crossed"],
            malformed=session["malformed"] + self._malformed,
            refused=session["refused"],
            unknown=self._kinds["unknown"],
            other_instruments=self._kinds[_OTHER],
            final_state=self._feed.state.name,
            cut_off=cut_off,
            verified_by=tuple(name for name, count in checked if count),
            problems=tuple(self._problems[:_PROBLEMS_KEPT]),
        )

    def _open(self, now_ns: int) -> None:
        self._closed = ""
        self._connections += 1
        self._session.on_open(now_ns)

    def _listen(self, recv_ns: int, raw: bytes) -> None:
        """The session is deaf until a new connection; the frames are counted all the same."""
        try:
            self._watched.decode(raw, recv_ns)
        except DecodeError:
            self._malformed += 1

    def _begins_anew(self) -> bool:
        """Does the last frame show a connection that was opened then?"""
        return any(
            event.seq == 0 if isinstance(event, ConnectionSeq) else getattr(event, "is_snapshot", False)
            for event in self._watched.events
        )

    def _note(self) -> None:
        """Counted by frame, not by event."""
        kinds: set[str] = set()
        for event in self._watched.events:
            if isinstance(event, BookUpdate):
                kinds.add("book" if self._feed.path is None or not event.is_snapshot else "REST")
            elif isinstance(event, Unknown):
                kinds.add(_OTHER if event.kind == _OTHER else "unknown")
            elif isinstance(event, ConnectionSeq):
                self._numbered += 1
        self._kinds.update(kinds)

    def _perform(self, effects: Sequence[Effect]) -> None:
        tops = []
        for effect in effects:
            if isinstance(effect, TopChanged):
                tops.append(effect.top)
            elif isinstance(effect, Connect):
                self._closed = effect.reason
            elif isinstance(effect, StateChanged) and effect.state == FeedState.GAP:
                self._problems.append(f"frame {self.frames}: {effect.reason}")
        if self._on_top is None:
            return
        # A frame is one row, however many updates it holds; but several may have waited for a REST snapshot.
        for top in tops if self._feed.path is not None else tops[-1:]:
            self._on_top(top)
