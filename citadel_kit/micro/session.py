"""One connection to one venue, as a pure state machine: what came in → what to do, and what is now true.

For each book (`micro.feed`), where the snapshot comes by REST (R), in the stream (S), or where a new one
needs a new connection (C):

    state     input                                        next      effect
    INIT      connection opened                            SYNCING   Send(subscribe)
    SYNCING   R: first delta (buffered)                    SYNCING   FetchSnapshot
    SYNCING   R: snapshot older than the buffer            SYNCING   FetchSnapshot again
    SYNCING   R: snapshot, and a delta that links to it    LIVE      TopChanged per applied delta
    SYNCING   S, C: snapshot                               LIVE      TopChanged
    SYNCING   asked-for snapshot doesn't come              SYNCING   asked for again; after three, Connect
    SYNCING   nothing of the book came for `silent_ns`     GAP       Connect
    LIVE      delta that links, and is proved right        LIVE      TopChanged
    LIVE      S, C: snapshot                               LIVE      TopChanged; the book is replaced
    LIVE      missing link, bad checksum, crossed, oracle  GAP       R: FetchSnapshot (on the next delta)
              disagrees, malformed frame                             S: Send(resubscribe)  C: Connect
    LIVE      hole in the numbers of the connection        GAP       as above, for every book
    GAP       as SYNCING
    LIVE      no heartbeat for too long                    STALE
    STALE     delta                                        STALE     the book is kept up to date, not shown
    STALE     heartbeat                                    LIVE      TopChanged
    any       no heartbeat for `reconnect_ns`              GAP       Connect
    any       a subscription is refused                    GAP       Connect, after the longest back-off
    any       the connection is `life_ns` old              GAP       Connect
    any       the venue says that it will end it           GAP       Connect
    any       connection closed                            INIT      Connect after a back-off

The heartbeat is the venue's own; where it has none, the answer to our ping once a second: the venue's, or, as
Binance counts and limits what we send, the pong frame of the websocket protocol. On a recording it is any
frame. Neither silence of a book nor its news says anything about it: what was held up on its way comes late.

After a Connect everything is ignored until the connection is closed and another opened. The driver performs
the effects and hands their results back in. Time and random draws are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from citadel_kit.errors import DecodeError
from citadel_kit.micro.effects import (
    Connect,
    Effect,
    FetchSnapshot,
    Send,
    StateChanged,
    TopChanged,
    Traded,
)
from citadel_kit.micro.feed import BookFeed
from citadel_kit.micro.liveness import Backoff, Rhythm, SessionConfig
from citadel_kit.types import (
    Ack,
    BookUpdate,
    Codec,
    ConnectionSeq,
    Event,
    FeedState,
    Heartbeat,
    Instrument,
    Quote,
    Shutdown,
    Trade,
    Unknown,
)

__all__ = [
    "BookFeed",
    "Connect",
    "Effect",
    "FetchSnapshot",
    "Send",
    "Session",
    "SessionConfig",
    "StateChanged",
    "TopChanged",
    "Traded",
]

_LIVE: Final = FeedState.LIVE  # to look a member up takes 0.1 µs
_SUBSCRIBE: Final = 1
"""Id of the request that subscribes; those for one book alone follow."""


class Session:
    """See the table at the top of this module. Every `on_…` returns effects in the order they happened."""

    def __init__(
        self, codec: Codec, instruments: Sequence[Instrument], config: SessionConfig | None = None
    ) -> None:
        self.venue = codec.venue
        self.config = config or SessionConfig()
        self.feeds = {
            i.symbol: BookFeed(i, codec, self.config, _SUBSCRIBE + n) for n, i in enumerate(instruments, 1)
        }
        self.counts = dict.fromkeys(
            ("frames", "unknown", "malformed", "connects", "heartbeats", "acks", "refused", "holes"), 0
        )
        if len(self.feeds) == 1:  # the counts of an only book stand among them
            next(iter(self.feeds.values())).count_in(self.counts)
        self.last_ns = -1
        """When the last frame came; -1 while none did on this connection."""
        self._codec, self._any_frame = codec, self.config.any_frame
        self._instruments = tuple(instruments)
        self._rhythm = Rhythm(self.config)
        self._backoff = Backoff(self.config)
        ping = None if codec.heartbeat or self.config.any_frame else codec.ping()
        self._ping = None if ping is None else Send(ping)
        self._pongs_count = not (codec.heartbeat or self.config.any_frame or ping is not None)
        self._open = self._stale = False
        self._opened_ns = self._renew_ns = self._pinged_ns = 0
        self._live_ns = self._quiet_ns = -1
        self._seq = -1

    # --- inputs ------------------------------------------------------------------

    def on_open(self, now_ns: int, draw: float = 0.0) -> list[Effect]:
        """A connection stands: subscribe. `draw`, uniform in [0, 1), says how early it is renewed."""
        self.counts["connects"] += 1
        self._open, self._stale, self._seq, self.last_ns, self._live_ns = True, False, -1, -1, -1
        self._opened_ns = self._pinged_ns = now_ns
        self._quiet_ns = -1
        self._renew_ns = now_ns + self.config.life_ns - int(draw * self.config.life_jitter_ns)
        self._rhythm.start(now_ns)
        out: list[Effect] = [Send(text) for text in self._codec.subscribe(self._instruments, _SUBSCRIBE)]
        for feed in self.feeds.values():
            feed.opened(now_ns, out)
        return out

    def on_close(self, now_ns: int, reason: str, draw: float) -> list[Effect]:
        """The connection is gone, or could not be opened. `draw`: uniform in [0, 1), for the back-off."""
        self._judge_stretch(now_ns)
        self._open, self._live_ns = False, -1
        out: list[Effect] = []
        for feed in self.feeds.values():
            feed.closed(FeedState.INIT, reason, out)
        out.append(Connect(self._backoff.delay_ns(now_ns, draw), reason))
        return out

    def on_frame(self, raw: bytes, recv_ns: int, symbol: str = "") -> list[Effect]:
        """One frame off the connection, or with `symbol` the body of the snapshot asked for.

        A malformed frame may have been a book update, so every book of the connection is synced anew.
        """
        out: list[Effect] = []
        if not self._open:
            return out
        self.counts["frames"] += 1
        if not symbol:
            self.last_ns = recv_ns
            if self._any_frame:
                self._rhythm.beat(recv_ns)
                if self._stale:
                    self._revive(out)
            else:
                self._judge_silence(recv_ns, out)
        try:
            events = self._codec.decode(raw, recv_ns, symbol)
        except DecodeError as error:
            self.counts["malformed"] += 1
            self._lose([symbol] if symbol else list(self.feeds), str(error), recv_ns, out)
            return out
        for event in events:
            if isinstance(event, BookUpdate):
                feed = self.feeds[event.symbol]
                feed.on_update(event, out)
                if feed.dead:
                    self._check_dead(feed, out)
            else:
                self._on_event(event, recv_ns, out)
            if not self._open:
                break
        return out

    def on_pong(self, now_ns: int) -> list[Effect]:
        """A pong frame of the websocket protocol, in its order among the frames; one a second is expected."""
        out: list[Effect] = []
        if self._open and self._pongs_count:
            self._beat(now_ns, out)
        return out

    def on_timer(self, now_ns: int) -> list[Effect]:
        """To be called about ten times a second: judges silence, pings, asks again for lost snapshots."""
        out: list[Effect] = []
        if not self._open or self.is_quiet(now_ns):
            return out
        self._judge_silence(now_ns, out)
        self._judge_stretch(now_ns)
        if self._ping is not None and now_ns - self._pinged_ns >= self.config.ping_ns:
            self._pinged_ns = now_ns
            out.append(self._ping)
        for feed in self.feeds.values():
            feed.on_timer(now_ns, out)
        if problem := self._problem(now_ns):
            self._give_up(0, problem, out)
        self._quiet_ns = self._quiet_until_ns()
        return out

    # --- facts ------------------------------------------------------------------

    def is_quiet(self, now_ns: int) -> bool:
        """Is every book LIVE, and nothing for the timer to find?"""
        return now_ns < self._quiet_ns and self._all_live()

    def stale_after_ns(self) -> int:
        """Silence beyond which a LIVE book is STALE, by the rhythm of the heartbeat."""
        return self._rhythm.stale_after_ns()

    # --- how ------------------------------------------------------------------

    def _on_event(self, event: Event, recv_ns: int, out: list[Effect]) -> None:
        if isinstance(event, Quote):
            feed = self.feeds[event.symbol]
            feed.on_quote(event, out)
            if feed.dead:
                self._check_dead(feed, out)
        elif isinstance(event, Trade):
            self.feeds[event.symbol].count("trades")
            out.append(Traded(event))
        elif isinstance(event, Heartbeat):
            self.counts["heartbeats"] += 1
            self._beat(recv_ns, out)
        elif isinstance(event, ConnectionSeq):
            self._on_seq(event.seq, recv_ns, out)
        elif isinstance(event, Ack):
            self._on_ack(event, out)
        elif isinstance(event, Shutdown):
            self._give_up(0, f"renewed before the venue ends it: {event.message}", out)
        elif isinstance(event, Unknown):
            self.counts["unknown"] += 1

    def _on_seq(self, seq: int, now_ns: int, out: list[Effect]) -> None:
        expected, self._seq = self._seq + 1, seq
        if expected > 0 and seq != expected:
            self.counts["holes"] += 1
            reason = f"frame {expected} of the connection expected, {seq} came"
            self._lose(list(self.feeds), reason, now_ns, out)

    def _on_ack(self, ack: Ack, out: list[Effect]) -> None:
        self.counts["acks"] += 1
        if not ack.ok:
            self.counts["refused"] += 1
            self._give_up(self.config.backoff_cap_ns, f"subscription refused: {ack.message}", out)

    def _lose(self, symbols: list[str], reason: str, now_ns: int, out: list[Effect]) -> None:
        for symbol in symbols:
            self.feeds[symbol].lost(reason, now_ns, out)
        for symbol in symbols:
            self._check_dead(self.feeds[symbol], out)

    def _check_dead(self, feed: BookFeed, out: list[Effect]) -> None:
        if feed.dead and self._open:
            self._give_up(0, feed.dead, out)

    def _beat(self, now_ns: int, out: list[Effect]) -> None:
        self._rhythm.beat(now_ns)
        if self._stale:
            self._revive(out)

    def _revive(self, out: list[Effect]) -> None:
        self._stale = False
        for feed in self.feeds.values():
            feed.revived(out)

    def _judge_silence(self, now_ns: int, out: list[Effect]) -> None:
        if self._stale or not self._rhythm.is_stale(now_ns):
            return
        self._stale = True
        what = "frame" if self.config.any_frame else "heartbeat"
        for feed in self.feeds.values():
            feed.silent(f"no {what} for {self._rhythm.silence_ns(now_ns) / 1e9:.1f} s", out)

    def _judge_stretch(self, now_ns: int) -> None:
        """A long enough stretch of LIVE proves the connection, and the next back-off is small again."""
        if not self._all_live():
            self._live_ns = -1
        elif self._live_ns < 0:
            self._live_ns = now_ns
        elif now_ns - self._live_ns >= self.config.backoff_reset_ns:
            self._backoff.reset()

    def _all_live(self) -> bool:
        for feed in self.feeds.values():  # noqa: SIM110 - a generator takes half a microsecond
            if feed.state is not _LIVE:
                return False
        return True

    def _quiet_until_ns(self) -> int:
        """Before this the timer finds nothing to do, as long as every book is LIVE; -1: it may at any time.

        A book that is LIVE waits for no snapshot. A frame can only put off what is judged by silence.
        """
        if self._stale or not (self._open and self._all_live()):
            return -1
        config = self.config
        silence_ns = min(config.stale_floor_ns, config.reconnect_ns)
        due_ns = min(self._rhythm.last_ns + silence_ns, self._renew_ns)
        return due_ns if self._ping is None else min(due_ns, self._pinged_ns + config.ping_ns)

    def _problem(self, now_ns: int) -> str:
        """Why the connection must be given up now; empty while it need not."""
        silence = self._rhythm.silence_ns(now_ns)
        if silence > self.config.reconnect_ns:
            return f"no {'frame' if self.config.any_frame else 'heartbeat'} for {silence / 1e9:.0f} s"
        for feed in self.feeds.values():
            if feed.came_ns < 0 and now_ns - self._opened_ns > self.config.silent_ns:
                return f"{feed.instrument.symbol}: subscribed, but no book update ever came"
            if feed.dead:
                return feed.dead
        if now_ns > self._renew_ns:
            return "renewed before the venue ends it"
        return ""

    def _give_up(self, delay_ns: int, reason: str, out: list[Effect]) -> None:
        self._open = False
        for feed in self.feeds.values():
            feed.closed(FeedState.GAP, reason, out)
        out.append(Connect(delay_ns, reason))
