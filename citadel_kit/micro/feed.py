"""One book of a session: how it is synced, kept, doubted, and had anew."""

from __future__ import annotations

from collections import deque
from typing import Final

from citadel_kit.errors import BookCorrupt, SequenceGap
from citadel_kit.micro.book import Book
from citadel_kit.micro.effects import Effect, FetchSnapshot, Send, StateChanged, TopChanged
from citadel_kit.micro.liveness import Budget, SessionConfig
from citadel_kit.types import BookUpdate, Codec, FeedState, Instrument, Quote

COUNTS: Final = (
    "book_frames",
    "applied",
    "old",
    "unsynced",
    "gaps",
    "corrupt",
    "syncs",
    "resyncs",
    "oracle_agrees",
    "oracle_disagrees",
    "trades",
)
"""`old`: contained in the book already. `unsynced`: came while there was no book, and was not kept for one.
`corrupt`: times the book was given up, for whatever reason. `resyncs`: snapshots asked for after that."""
_QUOTES_KEPT: Final = 512
_LIVE: Final = FeedState.LIVE  # to look a member up takes 0.1 µs


class BookFeed:
    """A book with its state, why, and what was counted. Its session calls; effects go into `out`.

    Where there is a REST snapshot, deltas wait in a buffer for it, and a book is LIVE from the first delta
    that links to it. A snapshot in the stream replaces the book, and is LIVE by itself.
    """

    def __init__(self, instrument: Instrument, codec: Codec, config: SessionConfig, request_id: int) -> None:
        self.instrument = instrument
        self.verified = codec.verified
        self.book = Book(instrument, codec)
        self.path = codec.snapshot_path(instrument)
        self.state = FeedState.INIT
        self.reason = "not connected"
        self.buffer: deque[BookUpdate] = deque()
        self.quotes: dict[int, Quote] = {}
        """The venue's own quotes by sequence, newest last: they run ahead of the book's frames."""
        self.asked_ns = -1
        """When a snapshot was asked for; -1 while none is on its way."""
        self.came_ns = -1
        """When anything of the book last came on this connection; -1 while nothing did."""
        self.book_ns = -1
        """When the last update was applied; -1 while none was."""
        self.dead = ""
        """Why the book can't be had on this connection any more; empty while it can."""
        self.alive = True
        """Does the venue's heart beat? Set by the session."""
        self._counts = self.book.checks = dict.fromkeys(COUNTS, 0) | self.book.checks
        self._config = config
        self._resubscribe = [Send(text) for text in codec.resubscribe(instrument, request_id)]
        self._budget = Budget(config.resync_most, config.resync_window_ns)
        self._due_ns = self._ahead_ns = -1
        self._unanswered = 0

    @property
    def counts(self) -> dict[str, int]:
        return self._counts.copy()

    def counts_beside(self, others: dict[str, int]) -> dict[str, int]:
        """`others`, such as those of its session, and its own in one new dict."""
        return others.copy() if others is self._counts else others | self._counts

    def count_in(self, counts: dict[str, int]) -> None:
        """Count in this dict from now on: what a view shows is then a mere copy, and that is quicker."""
        counts.update(self._counts)
        self._counts = self.book.checks = counts

    def count(self, name: str) -> None:
        self._counts[name] += 1

    # --- the connection ------------------------------------------------------------------

    def opened(self, now_ns: int, out: list[Effect]) -> None:
        self._forget()
        self.came_ns, self.dead, self.alive, self._unanswered = -1, "", True, 0
        if self.path is None:
            self.asked_ns = now_ns  # the subscription itself asks
        self._move(FeedState.SYNCING, "waiting for the first update", out)

    def closed(self, state: FeedState, reason: str, out: list[Effect]) -> None:
        """A disconnect destroys the book."""
        self._forget()
        self._move(state, reason, out)

    def silent(self, reason: str, out: list[Effect]) -> None:
        """The heart stopped. The book is kept up to date, but nothing of it is shown."""
        self.alive = False
        if self.state == FeedState.LIVE:
            self._move(FeedState.STALE, reason, out)

    def revived(self, out: list[Effect]) -> None:
        self.alive = True
        if self.state == FeedState.STALE:
            self._publish(out)

    def on_timer(self, now_ns: int, out: list[Effect]) -> None:
        """Ask again for a snapshot that doesn't come."""
        if 0 <= self._due_ns <= now_ns:
            self._send(now_ns, out)
        elif self.asked_ns >= 0 and now_ns - self.asked_ns > self._config.snapshot_timeout_ns:
            self._unanswered += 1
            self.asked_ns = -1
            if self._unanswered >= self._config.snapshot_asks:
                self.dead = f"{self.instrument.symbol}: asked {self._unanswered} times, no book snapshot came"
            else:
                self._ask(now_ns, out)

    # --- the book ------------------------------------------------------------------

    def on_update(self, update: BookUpdate, out: list[Effect]) -> None:
        if update.is_snapshot:
            if self.path is None:
                self._on_stream_snapshot(update, out)
            else:
                self._on_rest_snapshot(update, out)
            return
        self._counts["book_frames"] += 1
        self.came_ns = update.recv_ns
        if self.book.synced:
            self._apply(update, out)
        elif self.path is None:
            self._counts["unsynced"] += 1
        else:
            self._keep(update, out)

    def on_quote(self, quote: Quote, out: list[Effect]) -> None:
        """Quotes run ahead of the book: each is kept until the book reaches its sequence."""
        if quote.seq < 0:
            return
        self.quotes[quote.seq] = quote
        if len(self.quotes) > _QUOTES_KEPT:
            del self.quotes[next(iter(self.quotes))]
        if not self.book.synced or self.book.just_synced:
            return
        if self.book.seq == quote.seq:
            self._agrees(quote, out)
        elif self.book.seq < quote.seq:
            self._overtaken(quote, out)

    def _overtaken(self, quote: Quote, out: list[Effect]) -> None:
        """Quotes that pass a book which stands still are the only sign of a dead book stream."""
        if self._ahead_ns < 0:
            self._ahead_ns = quote.recv_ns
        elif quote.recv_ns - self._ahead_ns > self._config.behind_ns:
            behind_s = (quote.recv_ns - self._ahead_ns) / 1e9
            self.lost(f"behind the venue's own quotes for {behind_s:.1f} s", quote.recv_ns, out)
            self.dead = f"{self.instrument.symbol}: its book updates stopped coming"

    def lost(self, reason: str, now_ns: int, out: list[Effect]) -> None:
        """The book can't be trusted: empty it, and have it anew.

        By REST that begins with the next delta, since a snapshot is of use only from there on.
        """
        self._counts["corrupt"] += 1
        waiting, due = self.asked_ns, self._due_ns
        self._forget()
        self._move(FeedState.GAP, reason, out)
        if self.path is not None:
            return
        self.asked_ns, self._due_ns = waiting, due
        if waiting < 0 and due < 0:
            self._ask(now_ns, out)

    def _on_stream_snapshot(self, update: BookUpdate, out: list[Effect]) -> None:
        self._counts["book_frames"] += 1
        self.came_ns = update.recv_ns
        self.asked_ns = self._due_ns = -1
        self._counts["syncs"] += 1
        try:
            self.book.snapshot(update)
        except BookCorrupt as error:
            self.lost(error.problem, update.recv_ns, out)
            return
        self._applied(update, out)

    def _on_rest_snapshot(self, update: BookUpdate, out: list[Effect]) -> None:
        """A snapshot that nobody waits for is ignored: the book is already verified beyond it."""
        if self.book.synced and not self.book.just_synced:
            return
        self.asked_ns = -1
        self._counts["syncs"] += 1
        try:
            self.book.snapshot(update)
        except BookCorrupt as error:
            self.lost(error.problem, update.recv_ns, out)
            return
        waiting = list(self.buffer)
        self.buffer.clear()
        for delta in waiting:
            if self.book.synced:
                self._apply(delta, out)
            else:
                self._keep(delta, out)

    def _keep(self, update: BookUpdate, out: list[Effect]) -> None:
        self.buffer.append(update)
        if len(self.buffer) > self._config.max_buffer:
            self._counts["unsynced"] += len(self.buffer)
            self.buffer.clear()
            self.asked_ns = -1
        if self.asked_ns < 0:
            self._ask(update.recv_ns, out)

    def _apply(self, update: BookUpdate, out: list[Effect]) -> None:
        book = self.book
        only_snapshot = book.just_synced and self.path is not None
        try:
            if not book.delta(update):
                self._on_old(update, out)
                return
        except SequenceGap as error:
            if only_snapshot:  # nothing is missing: the snapshot is older than what came since
                self._keep(update, out)
                return
            self._counts["gaps"] += 1
            self.lost(str(error), update.recv_ns, out)
        except BookCorrupt as error:
            self.lost(error.problem, update.recv_ns, out)
        else:
            self._applied(update, out)

    def _on_old(self, update: BookUpdate, out: list[Effect]) -> None:
        """One may be a duplicate, some follow a snapshot; where all are old, the book has a wrong number."""
        self._counts["old"] += 1
        if update.recv_ns - self.book.recv_ns > self._config.snapshot_timeout_ns:
            self.lost("what comes has long been older than the book", update.recv_ns, out)

    def _applied(self, update: BookUpdate, out: list[Effect]) -> None:
        self._counts["applied"] += 1
        self._ahead_ns = -1
        self.book_ns = update.recv_ns
        quote = self.quotes.get(update.last_seq)
        if quote is not None and not self._agrees(quote, out):
            return
        if self.state is _LIVE and self.alive:
            self._unanswered = 0
            out.append(TopChanged(self.instrument.symbol, self.book.top()))
        else:
            self._publish(out)

    def _agrees(self, quote: Quote, out: list[Effect]) -> bool:
        if self.book.agrees(quote):
            self._counts["oracle_agrees"] += 1
            return True
        self._counts["oracle_disagrees"] += 1
        self.lost(f"the venue's own quote at update {quote.seq} is another", quote.recv_ns, out)
        return False

    def _publish(self, out: list[Effect]) -> None:
        """The book is verified; it is shown if the venue is alive."""
        if not self.alive:
            self._move(FeedState.STALE, "synced, but the venue is silent", out)
            return
        self._unanswered = 0
        self._move(_LIVE, "", out)
        out.append(TopChanged(self.instrument.symbol, self.book.top()))

    # --- asking ------------------------------------------------------------------

    def _ask(self, now_ns: int, out: list[Effect]) -> None:
        self._counts["resyncs"] += self.state == FeedState.GAP
        if self.path is not None:
            self.asked_ns = now_ns
            out.append(FetchSnapshot(self.instrument.symbol, self.path))
        elif not self._resubscribe:
            self.dead = f"{self.instrument.symbol} needs a new connection: {self.reason}"
        else:
            self._due_ns = self._budget.free_ns(now_ns)
            if self._due_ns <= now_ns:
                self._send(now_ns, out)

    def _send(self, now_ns: int, out: list[Effect]) -> None:
        self.asked_ns, self._due_ns = now_ns, -1
        self._budget.spend(now_ns)
        out.extend(self._resubscribe)

    def _forget(self) -> None:
        self.book.clear()
        self.buffer.clear()
        self.quotes.clear()
        self.asked_ns = self._due_ns = self._ahead_ns = -1

    def _move(self, state: FeedState, reason: str, out: list[Effect]) -> None:
        if state == self.state == FeedState.STALE:
            return
        self.reason = reason
        if self.state != state:
            self.state = state
            out.append(StateChanged(self.instrument.symbol, state, reason))
