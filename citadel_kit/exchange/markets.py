"""Outside markets: where the prices come from that our clients' orders meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from citadel_kit.types import Instrument, Levels

Pairs = Levels | Sequence[tuple[int, int]]


class OutsideBook(NamedTuple):
    """A snapshot (replaces the outside's levels) or changed levels: new totals, 0 where nothing is left."""

    at_ns: int
    venue: str
    symbol: str
    is_snapshot: bool
    bids: Pairs
    asks: Pairs


class OutsideTrade(NamedTuple):
    """`side` is the aggressor's."""

    at_ns: int
    venue: str
    symbol: str
    price: int
    qty: int
    side: int


class OutsideLost(NamedTuple):
    """There is no book any more, until the next snapshot."""

    at_ns: int
    venue: str
    symbol: str


OutsideEvent = OutsideBook | OutsideTrade | OutsideLost


class Market(Protocol):
    """Of one or more venues, from `start_ns` on."""

    start_ns: int

    @property
    def instruments(self) -> Mapping[str, Sequence[Instrument]]:
        """By venue."""

    def events(self) -> Iterator[OutsideEvent]:
        """In order of time, from the start; may be called again."""
