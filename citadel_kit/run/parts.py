"""What an engine is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.micro.flow import Flow, FlowConfig
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.limits import Budget, Limits
from citadel_kit.micro.routing import Offer
from citadel_kit.micro.session import Session, SessionConfig
from citadel_kit.settings import Fees
from citadel_kit.types import Codec, FeedState, Instrument, Side

_LIVE: Final = FeedState.LIVE  # to look a member up takes 0.1 µs
NEVER_NS: Final = 1 << 62
DEEP: Final = 50
"""Levels that routing looks at."""


class EngineConfig(NamedTuple):
    session: SessionConfig
    gate: GateConfig
    guard: GuardConfig
    quotes: QuoteConfig = QuoteConfig()
    flow: FlowConfig = FlowConfig()
    limits: Limits = Limits()
    budgets: Mapping[str, Budget] = MappingProxyType({})
    """Requests about orders that a venue allows; one that is not named has no budget."""


class VenueParts(NamedTuple):
    """What is kept of one venue, looked up once a frame."""

    instrument: Instrument
    session: Session
    feed: BookFeed
    book: Book
    flow: Flow


def sessions(
    feeds: Sequence[tuple[Codec, Instrument]],
    conversions: Sequence[Instrument],
    config: SessionConfig,
    *,
    replayed: bool,
) -> dict[str, Session]:
    """One a venue. `replayed`: a recording answers no ping and can't be connected to anew."""
    if replayed:
        config = config._replace(any_frame=True, reconnect_ns=NEVER_NS, silent_ns=NEVER_NS, life_ns=NEVER_NS)
    return {
        codec.venue: Session(codec, [i, *(c for c in conversions if c.venue == i.venue)], config)
        for codec, i in feeds
    }


def venue_parts(instrument: Instrument, session: Session, config: FlowConfig) -> VenueParts:
    feed = session.feeds[instrument.symbol]
    return VenueParts(instrument, session, feed, feed.book, Flow(instrument, config))


def any_live(venues: Iterable[VenueParts]) -> bool:
    for venue in venues:  # noqa: SIM110 - a generator takes half a microsecond
        if venue.feed.state is _LIVE:
            return True
    return False


def not_live(sessions: Mapping[str, Session]) -> dict[str, str]:
    """State of each book that is not LIVE, and why, by venue and symbol."""
    return {
        f"{venue} {symbol}": f"{feed.state.name} ({feed.reason})"
        for venue, session in sessions.items()
        for symbol, feed in session.feeds.items()
        if feed.state != FeedState.LIVE
    }


def offer(parts: VenueParts, fees: Fees) -> Offer:
    """What routing looks at."""
    bids, asks = (parts.book.levels(side, DEEP) for side in (Side.BUY, Side.SELL))
    return Offer(parts.instrument, parts.feed.state, bids, asks, fees)
