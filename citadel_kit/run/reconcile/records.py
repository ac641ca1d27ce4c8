"""What reconciliation is given, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from citadel_kit.io.journal import OwnOrder
from citadel_kit.types import Fill, VenueOrder, VenueTrade


class VenueView(NamedTuple):
    """What the venue said, asked in the order of the fields; see the module's order of calls."""

    asked_ns: int
    """By our clock, before the first question."""
    open_orders: Sequence[VenueOrder]
    asked: Mapping[str, VenueOrder | None]
    """By client id. None: the venue positively has no such order. Not in it: no answer came."""
    trades: Sequence[VenueTrade]
    """Oldest first."""


class MissedFill(NamedTuple):
    prefix: str
    trade_id: str
    fill: Fill
    filled: int
    """Of its order, after it."""


class Found(NamedTuple):
    """An order that the venue shows, whose client id is ours."""

    prefix: str
    parent_id: str
    order_id: int
    order: VenueOrder


class Finish(NamedTuple):
    own: OwnOrder
    filled: int
    lived: bool
    venue_order_id: str


class Reconciliation(NamedTuple):
    """Every part may be carried out more than once: what is done already has no effect."""

    book: tuple[MissedFill, ...]
    adopt: tuple[Found, ...]
    finish: tuple[Finish, ...]
    cancel: tuple[Found, ...]
    waiting: tuple[str, ...]
    """What is not known yet, in words. Asked again, it should be."""
    problems: tuple[str, ...]
    """Where journal and venue contradict each other. Nothing is entered while they do; if it lasts, a person
    must look at it. A new journal begins with the venue's word: the lease still tells whose orders are ours.
    """
    foreign_orders: tuple[VenueOrder, ...]
    foreign_trades: tuple[VenueTrade, ...]

    @property
    def settled(self) -> bool:
        """True once a round finds nothing to do, to wait for, or to explain. Adopted orders are in order."""
        return not (self.book or self.finish or self.cancel or self.waiting or self.problems)
