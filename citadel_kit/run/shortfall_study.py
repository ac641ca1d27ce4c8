"""The same order, at the same moments of a recorded market, by several ways to trade it: what each costs.

Every trial is alone in its market: a chase, a paper broker and latency of its own over the one book that the
tape gives, so that no trial takes another's flow. All ways are the one state machine of `micro.chase`, with
other settings, and all end the same: what has not filled at the deadline is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit import ladder
from citadel_kit.clock import MILLISECOND, SECOND
from citadel_kit.micro import chase
from citadel_kit.micro.effects import Effect, FetchSnapshot, StateChanged, TopChanged, Traded
from citadel_kit.micro.ledger import make_fill
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.micro.session import Session, SessionConfig
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.run.shortfall import Execution, Row, market_facts, measure
from citadel_kit.run.trace import Trace
from citadel_kit.settings import Fees
from citadel_kit.types import (
    BookReader,
    BookTop,
    CommandKind,
    FeedState,
    Fill,
    Instrument,
    MarketSource,
    Purpose,
    ReportKind,
    Side,
    Trade,
)
from citadel_kit.venues import codec

TICK_NS: Final = 100 * MILLISECOND
MODELS: Final = {"queue": QueueConfig(), "pessimistic": QueueConfig(0, True)}


class Way(NamedTuple):
    """How to trade."""

    kind: str
    """`chase`, `static` (as placed, until the deadline) or `market`."""
    deadline_s: float
    """After which the rest is taken; 0 for a market order."""
    offset: int = 0
    """Ticks: see `ChaseConfig`."""


class Trial(NamedTuple):
    start_ns: int
    side: Side
    model: str
    way: Way
    row: Row


class StudyConfig(NamedTuple):
    qty: int
    """In the instrument's quantity units."""
    latency: Latency = Latency()
    """Its seed is the start's number: all ways of one start meet the same delays, as far as they can."""
    bound_bps: int = 1_000
    """Nothing is given up for its price."""
    take_bps: int = 100
    """Of a take, from the touch: as far as a market order of this size would go."""


def ways(deadlines_s: Sequence[float], offsets: Sequence[int]) -> tuple[Way, ...]:
    """The market order, and every chase and static order of these deadlines and offsets."""
    resting = (Way(kind, d, o) for kind in ("chase", "static") for d in deadlines_s for o in offsets)
    return Way("market", 0.0), *resting


def settings_of(
    instrument: Instrument, way: Way, side: Side, config: StudyConfig, now_ns: int
) -> chase.ChaseConfig:
    return chase.configure(
        instrument,
        side=side,
        qty=config.qty,
        offset=way.offset,
        max_reprices=-1 if way.kind == "chase" else 0,
        max_chase_bps=config.bound_bps,
        deadline_ns=now_ns + round(way.deadline_s * SECOND),
        on_deadline=chase.OnDeadline.TAKE,
        take_slippage_bps=config.take_bps,
    )


class World:
    """One trial on its way, in the order of events of the engine."""

    def __init__(
        self,
        instrument: Instrument,
        fees: Fees,
        side: Side,
        model: str,
        way: Way,
        config: StudyConfig,
        number: int,
    ) -> None:
        self.side, self.model, self.way = side, model, way
        self._instrument, self._fees, self._config = instrument, fees, config
        latency = config.latency._replace(seed=number)
        self._broker = PaperBroker([instrument], latency=latency, queue=MODELS[model])
        self._trace = Trace()
        self._fills: list[Fill] = []
        self.start_ns = self.finished_ns = 0

    def start(self, now_ns: int, top: BookTop, book: BookReader) -> None:
        self.start_ns = now_ns
        self._chase = settings_of(self._instrument, self.way, self.side, self._config, now_ns)
        self._state = chase.start(self._chase, chase.plain_touch(top))
        self.on_book(now_ns, top, book)

    def advance(self, now_ns: int) -> None:
        """Reports that come before the market moves on, each at its own time."""
        while 0 <= (due_ns := self._broker.next_due_ns()) <= now_ns:
            for _, report in self._broker.due(due_ns):
                fills = report.kind == ReportKind.FILL
                self._trace.on_report(report, booked=fills)
                if fills:
                    self._fills.append(make_fill(self._instrument, "", self.side, report, self._fees))
                self._step(chase.on_report(self._chase, self._state, report), due_ns)

    def on_trade(self, now_ns: int, trade: Trade) -> None:
        self._broker.on_trade(self._instrument.venue, now_ns, trade)

    def on_book(self, now_ns: int, top: BookTop, book: BookReader) -> None:
        self._broker.on_book(self._instrument.venue, now_ns, book)
        self._trace.on_top(now_ns, top)
        self._step(chase.on_top(self._chase, self._state, chase.plain_touch(top)), now_ns)

    def on_no_book(self, now_ns: int) -> None:
        self._broker.on_book_lost(self._instrument.venue, now_ns)
        self._step(chase.on_no_book(self._chase, self._state, now_ns), now_ns)

    def on_timer(self, now_ns: int) -> None:
        self.advance(now_ns)
        self._step(chase.on_timer(self._chase, self._state, now_ns), now_ns)

    def trial(self) -> Trial:
        i, filled = self._instrument, sum(fill.qty for fill in self._fills)
        e = Execution(
            run="",
            parent_id="",
            venue=i.venue,
            symbol=i.symbol,
            side=self.side,
            purpose=Purpose.ENTRY,
            status="filled" if filled == self._chase.qty else "expired",
            qty=i.qty(self._chase.qty),
            contract_size=i.contract_size,
            submitted_ns=self.start_ns,
            finished_ns=self.finished_ns,
            **market_facts(i, self._fills, self._trace, self.finished_ns),
        )
        return Trial(self.start_ns, self.side, self.model, self.way, measure(e))

    def _step(self, step: chase.Step, now_ns: int) -> None:
        self._state = step.state
        if step.command.kind != CommandKind.NONE:
            self._trace.on_command(now_ns, step.command)
            self._broker.send(self._instrument.venue, "", step.command, now_ns)
        if self._state.phase >= chase.Phase.FILLED and not self.finished_ns:
            self.finished_ns = now_ns


class Tape:
    """A market played once, and what happens in it told to every trial under way."""

    def __init__(self, market: MarketSource) -> None:
        (self._instrument,) = market.instruments.values()
        self._market, self._fresh = market, False
        feed = codec(market.wire, [self._instrument])
        self._session = Session(feed, [self._instrument], SessionConfig(any_frame=True))
        self.reader = self._session.feeds[self._instrument.symbol].book
        self.alive: list[World] = []
        self.ended: list[Trial] = []

    def play(self, waiting: Sequence[tuple[int, list[World]]]) -> None:
        """`waiting`: when to start which trials, by time; each begins at the next book. Those
        that the end of the tape finds at work are not counted."""
        ladder.warm_up()
        due, tick_ns = list(reversed(waiting)), self._market.start_ns
        self._tell(self._session.on_open(tick_ns), tick_ns)
        for frame in self._market.frames():
            while tick_ns <= frame.recv_ns:
                for world in self.alive:
                    world.on_timer(tick_ns)
                tick_ns += TICK_NS
            for world in self.alive:
                world.advance(frame.recv_ns)
            self._fresh = False
            self._tell(self._session.on_frame(frame.raw, frame.recv_ns), frame.recv_ns)
            while self._fresh and due and due[-1][0] <= frame.recv_ns:
                for world in due.pop()[1]:
                    world.start(frame.recv_ns, self.reader.top(), self.reader)
                    self.alive.append(world)
            self.ended += [world.trial() for world in self.alive if world.finished_ns]
            self.alive = [world for world in self.alive if not world.finished_ns]

    def _tell(self, effects: Sequence[Effect], now_ns: int) -> None:
        for effect in effects:
            if isinstance(effect, TopChanged):
                self._fresh = True
                for world in self.alive:
                    world.on_book(now_ns, effect.top, self.reader)
            elif isinstance(effect, Traded):
                for world in self.alive:
                    world.on_trade(now_ns, effect.trade)
            elif isinstance(effect, FetchSnapshot):
                body = self._market.snapshot(self._instrument.venue, effect.path)
                if body is not None:
                    self._tell(self._session.on_frame(body, now_ns, effect.symbol), now_ns)
            elif isinstance(effect, StateChanged) and effect.state != FeedState.LIVE:
                self._fresh = False
                for world in self.alive:
                    world.on_no_book(now_ns)


def study(
    market: MarketSource, starts_ns: Sequence[int], ways: Sequence[Way], fees: Fees, config: StudyConfig
) -> list[Trial]:
    """Every way from every start, both sides, under both fill models: 4 trials for each start and way."""
    (instrument,) = market.instruments.values()
    waiting = [
        (
            at_ns,
            [
                World(instrument, fees, side, model, way, config, number)
                for side in Side
                for model in MODELS
                for way in ways
            ],
        )
        for number, at_ns in enumerate(sorted(starts_ns))
    ]
    tape = Tape(market)
    tape.play(waiting)
    return tape.ended


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def block_bootstrap(
    times_ns: NDArray[np.int64], values: NDArray[np.float64], block_ns: int, draws: int = 2_000, seed: int = 7
) -> Interval:
    """Mean of values at times in order, with its 95 % interval by a circular block bootstrap.

    Values nearer to each other than `block_ns` may depend on each other. Blocks are stretches of time that
    begin anywhere, as many as make up the whole span; their values are taken as they come.
    """
    n, span = len(values), int(times_ns[-1] - times_ns[0]) + 1
    count = ceil(span / block_ns)
    begins = np.random.default_rng(seed).integers(0, span, (draws, count)) + times_ns[0]
    twice = np.concatenate([times_ns, times_ns + span])
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    first = np.searchsorted(twice, begins)
    last = np.searchsorted(twice, begins + min(block_ns, span))
    taken = (last - first).sum(axis=1)
    totals = (sums[last] - sums[first]).sum(axis=1)
    means = totals[taken > 0] / taken[taken > 0]
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.sum() / n), float(low), float(high))
