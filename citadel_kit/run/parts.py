"""What an engine is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.micro.flow import Flow, FlowConfig
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.limits import Budget, Limits
from citadel_kit.micro.session import Session, SessionConfig
from citadel_kit.types import Codec, Instrument

NEVER_NS: Final = 1 << 62


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
