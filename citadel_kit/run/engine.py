"""The engine: one total order of inputs → verified books, the guard, chase orders, one snapshot.

It has no loop, no thread and no clock. A driver (`run.replay`, `run.live`) hands in what happened and when,
and performs what `take_effects()` returns. The same inputs in the same order give the same commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import nan
from typing import Any

from citadel_kit.clock import SECOND
from citadel_kit.micro import guard
from citadel_kit.micro.aggregator import DataAggregator
from citadel_kit.micro.flow import venue_view
from citadel_kit.micro.ledger import Ledger
from citadel_kit.micro.position import ExitConfig, PlanState
from citadel_kit.micro.routing import Route, best_venue
from citadel_kit.micro.session import Connect, Effect, FetchSnapshot, Send, StateChanged, TopChanged
from citadel_kit.run.allowance import Allowance
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.run.intake import Intake
from citadel_kit.run.orders import Orders
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.parts import (
    EngineConfig,
    VenueParts,
    any_live,
    not_live,
    offer,
    sessions,
    venue_parts,
)
from citadel_kit.run.watch import Watch
from citadel_kit.settings import Fees
from citadel_kit.types import (
    BookReader,
    BookTop,
    Codec,
    FeedState,
    Fill,
    GlobalQuote,
    Instrument,
    MicroSnapshot,
    OrderIntent,
    OrderReport,
    Side,
    VenueView,
    Verdict,
)


class Engine:
    """Everything of one symbol over its venues. Every input carries its time; time never runs backwards.

    `conversions`: instruments on some of these venues that make quote currencies comparable in the global
    quote. Their books are kept as the others are; nothing else is made of them.
    """

    def __init__(
        self,
        feeds: Sequence[tuple[Codec, Instrument]],
        broker: PaperBroker | Outbox,
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
        self.sessions = sessions(feeds, conversions, config.session, replayed=mode == "REPLAY")
        self._broker = broker
        instruments = list(self.instruments.values())
        self._aggregator = DataAggregator(
            instruments,
            conversions=conversions,
            fees=fees,
            unverified=[codec.venue for codec, _ in feeds if not codec.verified],
            config=config.quotes,
        )
        self._venues = {i.venue: venue_parts(i, self.sessions[i.venue], config.flow) for i in instruments}
        self.watch = Watch(config.guard, self.instruments)
        self._quote: GlobalQuote | None = None  # as of the last top, until the next input
        self._fees, self.blocked = fees, ""
        """Why the account opens no risk now, beside the guard; empty where it may."""
        allowance = Allowance(config.limits, config.budgets, self._mid)
        self._intake = Intake(config.gate, self, self.instruments, allowance, broker.abilities)
        self._executor = SmartOrderExecutor(
            broker,
            Ledger(self.instruments.values(), fees),
            self.fills.append,
            self._intake.may_go_on,
            shows_own=feed_shows_our_orders,
            allowance=allowance,
            start_exit=self._intake.start_exit,
            submit_slice=self._intake.submit_one,
            on_new=broker.new_parent,
            on_closing=broker.closing,
        )
        self._intake.serve(self._executor)
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
        quiet = True
        for venue, session in self.sessions.items():
            if not session.is_quiet(self.now_ns):
                self._handle(venue, session.on_timer(self.now_ns))
                quiet = False
        if self.watch.on_timer(self.now_ns, quiet or any_live(self._venues.values())):
            self._obey_guard()
        if self._executor.has_work:
            self._executor.on_timer(self.now_ns)

    def report(self, parent_id: str, report: OrderReport, now_ns: int, base_fee: int = 0) -> None:
        """What a real account's broker says of an order; booked before it comes here. `base_fee`: what the
        venue kept of a fill, in quantity units."""
        self.advance(now_ns)
        self._executor.on_report(parent_id, report, self.now_ns, base_fee)

    # --- inputs from people and the macro layer ----------------------------------------

    @property
    def verdict(self) -> Verdict | None:
        """The gate's last word, to `judge` or `submit`."""
        return self._intake.verdict

    def judge(self, intent: OrderIntent) -> Verdict:
        """What the gate says to this intent now; kept, with its time, as `verdict`."""
        return self._intake.judge(intent)

    def submit(self, intent: OrderIntent, options: Mapping[str, Any]) -> str:
        """Ask the gate, then chase; the parent's id. Raises GateRefused, or ConfigError for a bad option.

        `options` are those of `chase.configure`, with `deadline_s` from now in place of `deadline_ns`, and
        for an entry those of `run.options.plan_of`."""
        return self._intake.submit(intent, options)

    def on_signal(self, side: int) -> None:
        """The macro layer's newest word: plans that close on a flip look at it. 0: flat."""
        self._executor.on_signal(side, self.now_ns)

    def block(self, why: str) -> None:
        """The account opens no risk for this reason; empty: it may."""
        self.blocked = why

    def guard_again(self, order: ParentOrder, plan: ExitConfig, state: PlanState) -> None:
        """Take up the exit plan of an earlier run's entry, whose position is still open."""
        self._executor.guard_again(order, plan, state, self.now_ns)

    def carry_over(self, venue: str, qty: int, price: int) -> None:
        """A position of an earlier run that nothing guards: too small to be closed. `qty` is signed."""
        self._executor.ledger.carry_over(venue, qty, price)

    def close_position(self, parent_id: str) -> None:
        """Close what an entry opened, by its exit plan. Raises ConfigError where it has none."""
        self._executor.close_position(parent_id, self.now_ns)

    def cancel(self, parent_id: str) -> None:
        self._executor.cancel(parent_id, self.now_ns)

    def kill(self, step: guard.GuardStep = guard.GuardStep.REDUCE) -> None:
        """Trip the guard: no entry passes until `rearm`, and every working order but the exits of plans is
        cancelled. Stops at the venue stay; at FLATTEN plans close."""
        self.watch.trip(self.now_ns, step)
        self._intake.verdict = None  # what the gate said before is no longer true
        self._executor.cancel_all(self.now_ns)
        self._executor.on_guard(step, self.now_ns)

    def cancel_all(self) -> None:
        """Cancel every working order. Every one is tried; the first failure is raised after that."""
        self._executor.cancel_all(self.now_ns, exits_too=True)

    def rearm(self) -> None:
        self.watch.rearm(self.now_ns)

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
        """Is every book LIVE?"""
        return not not_live(self.sessions)

    def not_live(self) -> dict[str, str]:
        """State of each book that is not LIVE, and why, by venue and symbol."""
        return not_live(self.sessions)

    @property
    def orders(self) -> Orders:
        """What is known of them."""
        return self._executor.orders

    def snapshot(self) -> MicroSnapshot:
        """Plain, immutable data as of now."""
        now_ns, quotes = self.now_ns, self._aggregator
        quote = self._quote or quotes.quote(now_ns)
        return MicroSnapshot(  # by position: by name it takes longer
            now_ns,
            self.symbol,
            self.mode,
            quote,
            self._views(self._venues.values()),
            self.blocked or self.watch.says,
            self._executor.orders.views(),
            self.state,
            quotes.opportunities(now_ns),
        )

    def glimpse(self, venue: str) -> MicroSnapshot:
        """What the gate looks at, and neither other venues nor orders."""
        return MicroSnapshot(
            asof_ns=self.now_ns,
            symbol=self.symbol,
            mode=self.mode,
            quote=self._aggregator.quote(self.now_ns),
            venues=self._views([self._venues[venue]]),
            guard=self.blocked or self.watch.says,
            orders=(),
            engine=self.state,
        )

    def book(self, venue: str) -> BookReader:
        """The venue's book, whatever its state."""
        return self._venues[venue].book

    def routes(self, side: Side, base_qty: Fraction, *, taking: bool) -> list[Route]:
        """Every venue for so much of the base currency, the best first; see `micro.routing.best_venue`."""
        offers = [offer(parts, self._fees[venue]) for venue, parts in self._venues.items()]
        return best_venue(offers, side, base_qty, taking=taking)

    def _mid(self) -> float:
        """NaN where the global quote is missing or crossed."""
        quote = self._aggregator.quote(self.now_ns)
        return nan if quote.crossed else quote.mid

    def _views(self, venues: Iterable[VenueParts]) -> tuple[VenueView, ...]:
        """To be called behind `quote`, which finds out who is left out of it."""
        quotes, now_ns, left_out, views = self._aggregator, self.now_ns, "", []
        for instrument, session, feed, _, flow in venues:  # no comprehension: it costs a call
            if quotes.all_in_ns != now_ns:
                left_out = quotes.left_out(instrument.venue, instrument.symbol, now_ns)
            views.append(venue_view(feed, flow, session.last_ns, now_ns, session.counts, left_out))
        return tuple(views)

    # --- the order of events ------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Time moves on; reports that arrive before `now_ns` are handled first, each at its own time."""
        while 0 <= (due_ns := self._broker.next_due_ns()) <= now_ns:
            self.now_ns = max(self.now_ns, due_ns)
            for parent_id, report in self._broker.due(self.now_ns):
                self._executor.on_report(parent_id, report, self.now_ns)
        if now_ns > self.now_ns:  # noqa: PLR1730 - a third of the cost of max()
            self.now_ns = now_ns
        self._quote = None

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
            self._quote = None
            return
        self._broker.on_book(venue, now_ns, book)
        flow.on_top(now_ns, top)
        self._aggregator.update(venue, symbol, top, now_ns, book)
        self._quote = quote = self._aggregator.quote(now_ns)
        if self.watch.on_book(venue, now_ns, quote, book):
            self._obey_guard()
        if self._executor.has_work:
            self._executor.on_top(venue, top, now_ns, book)

    def _on_no_book(self, venue: str, symbol: str) -> None:
        self._aggregator.drop(venue, symbol, self.now_ns)
        self._quote = None
        if symbol != self.instruments[venue].symbol:
            return
        self._venues[venue].flow.lost(self.now_ns)
        self.watch.lost(venue)
        self._broker.on_book_lost(venue, self.now_ns)
        self._executor.on_no_book(venue, self.now_ns)

    def _obey_guard(self) -> None:
        """PAUSE pulls entries, REDUCE and FLATTEN end them. What is open is for its exit plan to close."""
        self._intake.verdict = None
        if self.watch.state.step >= guard.GuardStep.REDUCE:
            self._executor.cancel_all(self.now_ns, entries_only=True)
        elif self.watch.state.step == guard.GuardStep.PAUSE:
            self._executor.hold_entries(self.now_ns)
        self._executor.on_guard(self.watch.state.step, self.now_ns)
