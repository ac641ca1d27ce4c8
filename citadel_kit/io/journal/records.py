"""What the journal knows of one order of ours, as reconciliation needs it."""

from __future__ import annotations

from typing import NamedTuple


class Booked(NamedTuple):
    """A fill is a piece of its order's filled quantity: all above `filled - qty`, up to `filled`."""

    trade_id: str
    """Empty where the report that brought it did not say."""
    qty: int
    filled: int


class OpenFamily(NamedTuple):
    """An entry that is still open, by the journal's fills."""

    family: str
    """Its run's prefix and its parent, as `prefix-parent_id`."""
    symbol: str
    side: int
    """Of the entry."""
    net: int
    """Signed, less what venues kept of it as fees."""
    price: int
    """Average of the entry's fills, rounded down."""
    plan: str | None
    """The newest exit plan, as JSON."""


class OwnOrder(NamedTuple):
    client_id: str
    prefix: str
    parent_id: str
    order_id: int
    symbol: str
    side: int
    price: int
    qty: int
    claimed: int
    """The most that any report said was filled."""
    done: int
    """1: a report said that it is gone, or it is filled."""
    venue_order_id: str
    """Empty where no report has said it yet."""
    placed_ns: int
    last_ns: int
    """When it was last heard of, or told anything."""
    family: str
    """The entry it belongs to, as `prefix-parent_id`, whichever run this order is of."""
    family_net: int
    """Signed sum of all booked fills of that entry: of it, its stops and its exits."""
    fills: tuple[Booked, ...]

    @property
    def booked(self) -> int:
        return sum(fill.qty for fill in self.fills)

    @property
    def settled(self) -> bool:
        """Nothing more is to come of it, by all that reports said."""
        return bool(self.done) and self.booked >= self.claimed
