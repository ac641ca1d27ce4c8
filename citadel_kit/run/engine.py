"""The engine: one total order of inputs → verified books, the guard, chase orders, one snapshot.

It has no loop, no thread and no clock. A driver (`run.replay`, `run.live`) hands in what happened and when,
and performs what `take_effects()` returns. The same inputs in the same order give the same commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any, Final, NamedTuple

from citadel_kit.clock import SECOND, iso
from citadel_kit.errors import GateRefused
from citadel_kit.micro import guard
from citadel_kit.micro.aggregator import DataAggregator, QuoteConfig
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.micro.flow import Flow, FlowConfig, spread_bps, venue_view
from citadel_kit.micro.gate import NOTHING_KNOWN, Exposure, GateConfig, judge
from citadel_kit.micro.ledger import Ledger
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
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.run.options import configure
from citadel_kit.run.paper import PaperBroker
from citadel_kit.settings import Fees
from citadel_kit.types import (
    BookTop,
    Codec,
    FeedState,
    Fill,
    Instrument,
    MicroSnapshot,
    OrderIntent,
    OrderView,
    VenueView,
    Verdict,
)

NEVER_NS: Final = 1 << 62


class EngineConfig(NamedTuple):
    session: SessionConfig
    gate: GateConfig
    guard: guard.GuardConfig
    quotes: QuoteConfig = QuoteConfig()
    flow: FlowConfig = FlowConfig()


class _Venue(NamedTuple):
    """What is kept of one venue, looked up once a frame."""

    instrument: Instrument
    session: Session
    feed: BookFeed
    book: Book
    flow: Flow


class Engine:
    """Everything of one symbol over its venues. Every input carries its time; time never runs backwards.

    `conversions`: instruments on some of these venues that make quote currencies comparable in the global
    quote. Their books are kept as the others are; nothing else is made of them.
    """

    def __init__(
        self,
        feeds: Sequence[tuple[Codec, Instrument]],
        broker: PaperBroker,
        fees: Mapping[str, Fees],
        config: EngineConfig,
        *,
        mode: str,
        feed_shows_our_orders: bool,
        conversions: Sequence[Instrument] = (),
    ) -> None:
        self.mode, self.now_ns = mode, 0
        self.state = "running"
        """running, ended (a recorded market is over), closed, or what it died of; only running trades."""
        self.instruments = {instrument.venue: instrument for _, instrument in feeds}
        self.symbol = feeds[0][1].symbol
        self.fills: list[Fill] = []
        session = config.session
        if mode == "REPLAY":  # a recording answers no ping and can't be connected to anew
            session = session._replace(
                any_frame=True, reconnect_ns=NEVER_NS, silent_ns=NEVER_NS, life_ns=NEVER_NS
            )
        self.sessions = {
            codec.venue: Session(codec, [i, *(c for c in conversions if c.venue == i.venue)], session)
            for codec, i in feeds
        }
        self._config, self._broker = config, broker
        self._own_size = feed_shows_our_orders
        instruments = list(self.instruments.values())
        self._aggregator = DataAggregator(
            instruments,
            conversions=conversions,
            fees=fees,
            unverified=[codec.venue for codec, _ in feeds if not codec.verified],
            config=config.quotes,
        )
        self._venues = {i.venue: self._venue(i) for i in instruments}
        guard.check(config.guard)
        self._set_guard(guard.fresh(0))
        ledger = Ledger(self.instruments.values(), fees)
        self._executor = SmartOrderExecutor(broker, ledger, self.fills.append, self._may_go_on)
        self.verdict: Verdict | None = None
        self._effects: list[tuple[str, Effect]] = []

    # --- inputs from venues ------------------------------------------------------------------

    def opened(self, venue: str, now_ns: int, draw: float = 0.0) -> None:
        """A connection stands; `draw`: a uniform random number in [0, 1) for when it will be renewed."""
        self.advance(now_ns)
        self._handle(venue, self._venues[venue].session.on_open(self.now_ns, draw))

    def closed(self, venue: str, now_ns: int, reason: str, draw: float) -> None:
        """A connection is gone; `draw` is a uniform random number in [0, 1)."""
        self.advance(now_ns)
        self._handle(venue, self._venues[venue].session.on_close(self.now_ns, reason, draw))

    def frame(self, venue: str, raw: bytes, recv_ns: int, symbol: str = "") -> None:
        """A frame, or with `symbol` the body of the snapshot that was asked for."""
        self.advance(recv_ns)
        self._aggregator.heard(venue, self.now_ns)
        self._handle(venue, self.sessions[venue].on_frame(raw, recv_ns, symbol))

    def pong(self, venue: str, now_ns: int) -> None:
        """The answer to a ping of the websocket protocol, in its order among the frames."""
        self.advance(now_ns)
        self._aggregator.heard(venue, self.now_ns)
        self._handle(venue, self.sessions[venue].on_pong(self.now_ns))

    def timer(self, now_ns: int) -> None:
        """To be called about ten times a second."""
        self.advance(now_ns)
        for venue, session in self.sessions.items():
            if effects := session.on_timer(self.now_ns):
                self._handle(venue, effects)
        if self._executor.working:
            self._executor.on_timer(self.now_ns)

    # --- inputs from people and the macro layer ----------------------------------------

    def judge(self, intent: OrderIntent) -> Verdict:
        """What the gate says to this intent now; kept, with its time, as `verdict`."""
        said = judge(self._config.gate, intent, self.snapshot(), self.now_ns, self._exposure(intent))
        self.verdict = said._replace(text=f"{said.text} ({iso(self.now_ns)[11:19]} UTC)")
        return said

    def submit(self, intent: OrderIntent, options: Mapping[str, Any]) -> str:
        """Ask the gate, then chase; the parent's id. Raises GateRefused, or ConfigError for a bad option.

        `options` are those of `chase.configure`, with `deadline_s` from now in place of `deadline_ns`.
        """
        verdict = self.judge(intent)
        if not verdict.allowed:
            raise GateRefused(verdict.reasons, verdict.text)
        instrument = self.instruments[intent.venue]
        config = configure(instrument, intent, options, self.now_ns)
        top = self.sessions[intent.venue].feeds[intent.symbol].book.top()
        return self._executor.submit(intent, instrument, config, top, self.now_ns).parent_id

    def cancel(self, parent_id: str) -> None:
        self._executor.cancel(parent_id, self.now_ns)

    def kill(self) -> None:
        """Trip the guard: every working order is cancelled and no entry passes until `rearm`."""
        self._set_guard(guard.trip(self._guard, self.now_ns, guard.Trip.HAND.value))
        self.verdict = None  # what the gate said before is no longer true
        self.cancel_all()

    def cancel_all(self) -> None:
        """Cancel every working order. Every one is tried; the first failure is raised after that."""
        self._executor.cancel_all(self.now_ns)

    def rearm(self) -> None:
        self._set_guard(guard.reset(self._guard, self.now_ns))

    def drain(self, seconds: float) -> None:
        """Let reports that are under way arrive, without a market: for closing down."""
        end = self.now_ns + int(seconds * SECOND)
        while 0 <= self._broker.next_due_ns() <= end:
            self.advance(self._broker.next_due_ns())

    # --- facts ------------------------------------------------------------------

    def take_effects(self) -> list[tuple[str, Effect]]:
        """What the driver must do, in order: Send, FetchSnapshot, Connect."""
        effects, self._effects = self._effects, []
        return effects

    @property
    def live(self) -> bool:
        """Are all books LIVE?"""
        return all(f.state == FeedState.LIVE for s in self.sessions.values() for f in s.feeds.values())

    def not_live(self) -> dict[str, str]:
        """State of each book that is not LIVE, and why, by venue and symbol."""
        return {
            f"{venue} {symbol}": f"{feed.state.name} ({feed.reason})"
            for venue, session in self.sessions.items()
            for symbol, feed in session.feeds.items()
            if feed.state != FeedState.LIVE
        }

    def order(self, parent_id: str) -> OrderView:
        return self._executor.view(parent_id)

    def is_finished(self, parent_id: str) -> bool:
        return self._executor.is_finished(parent_id)

    def snapshot(self) -> MicroSnapshot:
        """Plain, immutable data as of now."""
        now_ns, quotes = self.now_ns, self._aggregator
        quote, views = quotes.quote(now_ns), []
        for venue in self._venues.values():  # no comprehension: it costs a call
            views.append(self._view(venue))
        return MicroSnapshot(  # by position: by name it takes longer
            now_ns,
            self.symbol,
            self.mode,
            quote,
            tuple(views),
            self._guard_says,
            self._executor.views(),
            self.state,
            quotes.opportunities(now_ns),
        )

    def _venue(self, instrument: Instrument) -> _Venue:
        session = self.sessions[instrument.venue]
        feed = session.feeds[instrument.symbol]
        return _Venue(instrument, session, feed, feed.book, Flow(instrument, self._config.flow))

    def _view(self, venue: _Venue) -> VenueView:
        instrument, session, feed, _, flow = venue
        left_out = self._aggregator.left_out(instrument.venue, instrument.symbol, self.now_ns)
        return venue_view(feed, flow, session.last_ns, self.now_ns, session.counts, left_out)

    # --- the order of events ------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Time moves on; reports that arrive before `now_ns` are handled first, each at its own time."""
        while 0 <= (due_ns := self._broker.next_due_ns()) <= now_ns:
            self.now_ns = max(self.now_ns, due_ns)
            for parent_id, report in self._broker.due(self.now_ns):
                self._executor.on_report(parent_id, report, self.now_ns)
        if now_ns > self.now_ns:  # noqa: PLR1730 - a third of the cost of max()
            self.now_ns = now_ns

    def _handle(self, venue: str, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, TopChanged):
                self._on_top(venue, effect.symbol, effect.top)
            elif isinstance(effect, StateChanged):
                if effect.state != FeedState.LIVE:
                    self._on_no_book(venue, effect.symbol)
            elif isinstance(effect, Send | FetchSnapshot | Connect):
                self._effects.append((venue, effect))
            elif effect.trade.symbol == self.instruments[venue].symbol:
                self._venues[venue].flow.on_trade(self.now_ns, effect.trade)
                self._broker.on_trade(venue, self.now_ns, effect.trade)

    def _on_top(self, venue: str, symbol: str, top: BookTop) -> None:
        now_ns = self.now_ns
        instrument, _, _, book, flow = self._venues[venue]
        if symbol != instrument.symbol:  # a conversion
            self._aggregator.update(venue, symbol, top, now_ns)
            return
        self._broker.on_book(venue, now_ns, book)
        flow.on_top(now_ns, top)
        self._aggregator.update(venue, symbol, top, now_ns, book)
        self._watch()
        if self._executor.working:
            self._executor.on_top(venue, top, now_ns, book if self._own_size else None)

    def _on_no_book(self, venue: str, symbol: str) -> None:
        self._aggregator.drop(venue, symbol, self.now_ns)
        if symbol != self.instruments[venue].symbol:
            return
        self._venues[venue].flow.lost(self.now_ns)
        self._broker.on_book_lost(venue, self.now_ns)
        self._executor.on_no_book(venue, self.now_ns)

    def _exposure(self, intent: OrderIntent) -> Exposure:
        try:
            ask = self.sessions[intent.venue].feeds[intent.symbol].book.top().ask
            return Exposure(
                position=self._executor.ledger.position(intent.venue).qty,
                reducing=self._executor.reducing(intent.venue),
                signal_used=intent.signal is not None and self._executor.has_used(intent.signal),
                notional=self.instruments[intent.venue].notional(ask, intent.qty),
                inverse=self.instruments[intent.venue].inverse,
            )
        except Exception:  # noqa: BLE001 - the gate says what is wrong with the intent, and blocks
            return NOTHING_KNOWN

    def _may_go_on(self, intent: OrderIntent) -> bool:
        """An entry at work is asked again; that its own signal is in use is no news.

        The gate is shown what it looks at, and neither other venues nor orders: this is asked at every top.
        """
        held = self._exposure(intent)._replace(signal_used=False)
        seen = MicroSnapshot(
            asof_ns=self.now_ns,
            symbol=self.symbol,
            mode=self.mode,
            quote=self._aggregator.quote(self.now_ns),
            venues=(self._view(self._venues[intent.venue]),),
            guard=self._guard_says,
            orders=(),
            engine=self.state,
        )
        return judge(self._config.gate, intent, seen, self.now_ns, held).allowed

    def _watch(self) -> None:
        """A crossed quote is no news to the guard: one of its sides is wrong, and which is not known."""
        now_ns, calm = self.now_ns, self._calm
        quote = self._aggregator.quote(now_ns)
        bid, ask = quote.bid, quote.ask
        still = now_ns < calm.until_ns and calm.low <= (bid + ask) / 2 <= calm.high
        if still and bid <= ask <= bid * calm.widest:
            return
        before = self._guard.tripped
        mid, spread = (nan, nan) if quote.crossed else (quote.mid, spread_bps(bid, ask))
        self._set_guard(guard.on_quote(self._config.guard, self._guard, now_ns, mid, spread))
        if self._guard.tripped != before:
            self.verdict = None
            self._executor.cancel_all(now_ns, entries_only=True)

    def _set_guard(self, state: guard.GuardState) -> None:
        self._guard, self._calm = state, guard.calm(self._config.guard, state)
        self._guard_says = guard.describe(self._config.guard, state)
