"""One connection to one venue, as a pure state machine: what came in → what to do, and what is now true.

For each book:

    state     input                                   next      effect
    INIT      connection opened                       SYNCING   Send(subscribe)
    SYNCING   first delta (buffered)                  SYNCING   FetchSnapshot
    SYNCING   snapshot older than the buffer          SYNCING   FetchSnapshot again
    SYNCING   snapshot, and a delta that links to it  LIVE      TopChanged per applied delta
    SYNCING   nothing came for `silent_ns`            SYNCING   Reconnect
    LIVE      delta that links                        LIVE      TopChanged
    LIVE      missing link, crossed, oracle disagrees GAP       FetchSnapshot (on the next delta)
    GAP       as SYNCING
    LIVE      no frame for too long                   STALE
    STALE     any frame                               LIVE
    STALE     no frame for `reconnect_ns`             STALE     Reconnect
    any       connection closed                       INIT      Connect after a back-off

The driver performs the effects and hands their results back in. Time and random draws are arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from citadel_kit.errors import BookCorrupt, DecodeError, SequenceGap
from citadel_kit.micro.book import Book
from citadel_kit.types import (
    Ack,
    BookTop,
    BookUpdate,
    Codec,
    FeedState,
    Instrument,
    Quote,
    Trade,
    Unknown,
)


class SessionConfig(NamedTuple):
    stale_factor: float = 4.0
    """A feed is STALE when silent for this many times the rolling median of its own frame intervals …"""
    stale_floor_ns: int = 2_000_000_000
    """… but not sooner than this."""
    reconnect_ns: int = 15_000_000_000
    """Silence after which the connection is given up."""
    silent_ns: int = 10_000_000_000
    """Subscribed, and no book update came: the subscription is taken for dead."""
    snapshot_timeout_ns: int = 5_000_000_000
    """A snapshot that was asked for and did not come is asked for again."""
    max_buffer: int = 5_000
    """Deltas kept while a snapshot is on its way; more than these start the sync anew."""
    backoff_floor_ns: int = 500_000_000
    backoff_cap_ns: int = 60_000_000_000
    backoff_reset_ns: int = 60_000_000_000
    """The back-off starts small again only after this long a connection with a LIVE book."""


class Send(NamedTuple):
    text: str


class FetchSnapshot(NamedTuple):
    symbol: str
    path: str


class Connect(NamedTuple):
    """Open a (new) connection after `delay_ns`, closing the old one if it still stands."""

    delay_ns: int
    reason: str


class TopChanged(NamedTuple):
    symbol: str
    top: BookTop


class StateChanged(NamedTuple):
    symbol: str
    state: FeedState
    reason: str


class Traded(NamedTuple):
    trade: Trade


Effect = Send | FetchSnapshot | Connect | TopChanged | StateChanged | Traded

_QUOTES_KEPT = 512
_INTERVALS_KEPT = 64


class BookFeed:
    """One book of a session: its state, why, and what was counted."""

    def __init__(self, instrument: Instrument, codec: Codec) -> None:
        self.instrument = instrument
        self.book = Book(instrument, codec)
        self.path = codec.snapshot_path(instrument)
        self.state = FeedState.INIT
        self.reason = "not connected"
        self.buffer: deque[BookUpdate] = deque()
        self.quotes: dict[int, Quote] = {}
        """The venue's own quotes by sequence, newest last: they run ahead of the book's frames."""
        self.asked_ns = -1
        """When a snapshot was asked for; -1 while none is on its way."""
        self.heard = False
        """Has a book update come on this connection?"""
        self.book_ns = -1
        """When the last update was applied; -1 while none was."""
        self.counts = dict.fromkeys(
            (
                "book_frames",
                "applied",
                "old",
                "gaps",
                "corrupt",
                "syncs",
                "oracle_agrees",
                "oracle_disagrees",
                "trades",
            ),
            0,
        )


class Session:
    """See the table at the top of this module. Every `on_…` returns effects in the order they happened."""

    def __init__(
        self, codec: Codec, instruments: Sequence[Instrument], config: SessionConfig | None = None
    ) -> None:
        self.venue = codec.venue
        self.config = config or SessionConfig()
        self.feeds = {i.symbol: BookFeed(i, codec) for i in instruments}
        self.counts = dict.fromkeys(("frames", "unknown", "malformed", "connects"), 0)
        self.last_ns = -1
        """When the last frame came; -1 while none did on this connection."""
        self._codec = codec
        self._instruments = tuple(instruments)
        self._intervals: deque[int] = deque(maxlen=_INTERVALS_KEPT)
        self._opened_ns = -1
        self._live_ns = -1
        self._attempt = 0

    # --- inputs ------------------------------------------------------------------

    def on_open(self, now_ns: int) -> list[Effect]:
        """A connection stands: subscribe."""
        self.counts["connects"] += 1
        self._opened_ns, self.last_ns, self._live_ns = now_ns, -1, -1
        self._intervals.clear()
        out: list[Effect] = [Send(text) for text in self._codec.subscribe(self._instruments, 1)]
        for feed in self.feeds.values():
            feed.heard = False
            self._move(feed, FeedState.SYNCING, "waiting for the first update", out)
        return out

    def on_close(self, now_ns: int, reason: str, draw: float) -> list[Effect]:
        """The connection is gone. `draw`: a uniform random number in [0, 1) for the full-jitter back-off."""
        out: list[Effect] = []
        if self._live_ns >= 0 and now_ns - self._live_ns >= self.config.backoff_reset_ns:
            self._attempt = 0
        for feed in self.feeds.values():
            self._forget(feed)
            self._move(feed, FeedState.INIT, reason, out)
        self._opened_ns = -1
        ceiling = min(self.config.backoff_cap_ns, self.config.backoff_floor_ns << min(self._attempt, 20))
        self._attempt += 1
        floor = self.config.backoff_floor_ns
        out.append(Connect(floor + int(draw * (ceiling - floor)), reason))
        return out

    def on_frame(self, raw: bytes, recv_ns: int, symbol: str = "") -> list[Effect]:
        """One frame off the connection, or with `symbol` the body of the snapshot asked for.

        A malformed frame may have been a book update, so every book of the connection is synced anew.
        """
        self.counts["frames"] += 1
        if self.last_ns >= 0:
            self._intervals.append(recv_ns - self.last_ns)
        self.last_ns = recv_ns
        out: list[Effect] = []
        for feed in self.feeds.values():
            if feed.state == FeedState.STALE:
                self._move(feed, FeedState.LIVE, "", out)
        try:
            events = self._codec.decode(raw, recv_ns, symbol)
        except DecodeError as error:
            self.counts["malformed"] += 1
            for feed in self.feeds.values():
                self._lost(feed, str(error), out)
            return out
        for event in events:
            if isinstance(event, BookUpdate):
                self._on_book(self.feeds[event.symbol], event, out)
            elif isinstance(event, Quote):
                self._on_quote(self.feeds[event.symbol], event, out)
            elif isinstance(event, Trade):
                self.feeds[event.symbol].counts["trades"] += 1
                out.append(Traded(event))
            elif isinstance(event, Ack) and not event.ok:
                out.append(Connect(self.config.backoff_cap_ns, f"subscription refused: {event.message}"))
            elif isinstance(event, Unknown):
                self.counts["unknown"] += 1
        return out

    def on_timer(self, now_ns: int) -> list[Effect]:
        """To be called a few times a second: judges silence, asks again for lost snapshots."""
        out: list[Effect] = []
        if self._opened_ns < 0:
            return out
        silence = now_ns - max(self.last_ns, self._opened_ns)
        for feed in self.feeds.values():
            if feed.state == FeedState.LIVE and silence > self.stale_after_ns():
                self._move(feed, FeedState.STALE, f"no frame for {silence / 1e9:.1f} s", out)
            if feed.asked_ns >= 0 and now_ns - feed.asked_ns > self.config.snapshot_timeout_ns:
                self._ask(feed, now_ns, out)
            if not feed.heard and now_ns - self._opened_ns > self.config.silent_ns:
                out.append(Connect(0, f"{feed.instrument.symbol}: subscribed, but no book update ever came"))
                return out
        if silence > self.config.reconnect_ns:
            out.append(Connect(0, f"no frame for {silence / 1e9:.0f} s"))
        return out

    # --- facts ------------------------------------------------------------------

    def stale_after_ns(self) -> int:
        """Silence beyond which a LIVE book is STALE, by the feed's own rhythm."""
        usual = median(self._intervals) if self._intervals else 0.0
        return max(self.config.stale_floor_ns, int(self.config.stale_factor * usual))

    # --- the book ------------------------------------------------------------------

    def _on_book(self, feed: BookFeed, update: BookUpdate, out: list[Effect]) -> None:
        if update.is_snapshot:
            self._on_snapshot(feed, update, out)
            return
        feed.counts["book_frames"] += 1
        feed.heard = True
        if feed.book.synced:
            self._apply(feed, update, out)
            return
        feed.buffer.append(update)
        if len(feed.buffer) > self.config.max_buffer:
            feed.buffer.clear()
            feed.asked_ns = -1
        if feed.asked_ns < 0:
            self._ask(feed, update.recv_ns, out)

    def _on_snapshot(self, feed: BookFeed, update: BookUpdate, out: list[Effect]) -> None:
        """A snapshot that nobody waits for is ignored: the book is already verified beyond it."""
        if feed.book.synced and not feed.book.just_synced:
            return
        feed.asked_ns = -1
        feed.counts["syncs"] += 1
        try:
            feed.book.snapshot(update)
        except BookCorrupt as error:
            self._lost(feed, str(error), out)
            return
        waiting = list(feed.buffer)
        feed.buffer.clear()
        for position, delta in enumerate(waiting):
            if not feed.book.synced:  # the snapshot is older than the buffer: keep what came, ask again
                feed.buffer.extend(waiting[position - 1 :])
                self._ask(feed, update.recv_ns, out)
                return
            self._apply(feed, delta, out)

    def _apply(self, feed: BookFeed, update: BookUpdate, out: list[Effect]) -> None:
        try:
            if not feed.book.delta(update):
                feed.counts["old"] += 1
                return
        except SequenceGap as error:
            feed.counts["gaps"] += 1
            self._lost(feed, str(error), out)
            return
        except BookCorrupt as error:
            self._lost(feed, str(error), out)
            return
        feed.counts["applied"] += 1
        feed.book_ns = update.recv_ns
        quote = feed.quotes.get(update.last_seq)
        if quote is not None and not self._agrees(feed, quote, out):
            return
        if feed.state != FeedState.LIVE:
            self._move(feed, FeedState.LIVE, "", out)
            if self._live_ns < 0:
                self._live_ns = update.recv_ns
        out.append(TopChanged(feed.instrument.symbol, feed.book.top()))

    def _on_quote(self, feed: BookFeed, quote: Quote, out: list[Effect]) -> None:
        """Quotes run ahead of the book: each is kept until the book reaches its sequence."""
        feed.quotes[quote.seq] = quote
        if len(feed.quotes) > _QUOTES_KEPT:
            del feed.quotes[next(iter(feed.quotes))]
        if feed.book.synced and not feed.book.just_synced and feed.book.seq == quote.seq:
            self._agrees(feed, quote, out)

    def _agrees(self, feed: BookFeed, quote: Quote, out: list[Effect]) -> bool:
        if feed.book.agrees(quote):
            feed.counts["oracle_agrees"] += 1
            return True
        feed.counts["oracle_disagrees"] += 1
        self._lost(feed, f"the venue's own quote at update {quote.seq} is another", out)
        return False

    def _lost(self, feed: BookFeed, reason: str, out: list[Effect]) -> None:
        """The book can't be trusted: empty it; the next delta asks for a snapshot."""
        feed.counts["corrupt"] += 1
        self._forget(feed)
        self._move(feed, FeedState.GAP, reason, out)

    def _forget(self, feed: BookFeed) -> None:
        feed.book.clear()
        feed.buffer.clear()
        feed.quotes.clear()
        feed.asked_ns = -1

    def _ask(self, feed: BookFeed, now_ns: int, out: list[Effect]) -> None:
        if feed.path is not None:
            feed.asked_ns = now_ns
            out.append(FetchSnapshot(feed.instrument.symbol, feed.path))

    def _move(self, feed: BookFeed, state: FeedState, reason: str, out: list[Effect]) -> None:
        feed.reason = reason
        if feed.state != state:
            feed.state = state
            out.append(StateChanged(feed.instrument.symbol, state, reason))
