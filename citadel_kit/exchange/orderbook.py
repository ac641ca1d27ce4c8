"""A price-time order book of simulated participants, with a journal of every change of a level.

Sides are kept by *key*: the price for bids, its negative for asks, so that a larger key is always the better
one and both sides share one piece of code. Prices are in price units, quantities in quantity units.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from citadel_kit.types import Side


class Change(NamedTuple):
    """A level's new total; the n-th change of a book carries the n-th update id."""

    is_bid: bool
    price: int
    qty: int


class Match(NamedTuple):
    """One trade: what a taker took from one resting order. `side` is the taker's."""

    price: int
    qty: int
    side: Side


class Order:
    """One resting order; `qty` is what is left of it, 0 once it is filled or cancelled."""

    __slots__ = ("key", "owner", "qty", "side")

    def __init__(self, side: Side, key: int, qty: int, owner: int) -> None:
        self.side, self.key, self.qty, self.owner = side, key, qty, owner


class HalfBook:
    """One side: FIFO queues by key, their totals, and the keys in rising order (best last)."""

    __slots__ = ("keys", "queues", "totals")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.queues: dict[int, list[Order]] = {}
        self.totals: dict[int, int] = {}

    def insert(self, order: Order) -> None:
        queue = self.queues.get(order.key)
        if queue is None:
            insort(self.keys, order.key)
            self.queues[order.key] = [order]
            self.totals[order.key] = order.qty
        else:
            queue.append(order)
            self.totals[order.key] += order.qty

    def shrink(self, order: Order, qty: int) -> None:
        """Take `qty` off a resting order, and the order and its level off the book where nothing is left."""
        key = order.key
        order.qty -= qty
        self.totals[key] -= qty
        if order.qty:
            return
        queue = self.queues[key]
        queue.remove(order)
        if not queue:
            del self.queues[key], self.totals[key], self.keys[bisect_left(self.keys, key)]


class OrderBook:
    """Both sides. Never crossed, and once seeded never without a best bid and ask.

    `journal` collects the changes since whoever reads it last replaced it by a new list; `last_id` is the
    update id of the newest change.
    """

    def __init__(self, last_id: int) -> None:
        self.bids, self.asks = HalfBook(), HalfBook()
        self.last_id = last_id
        self.journal: list[Change] = []

    def half(self, side: Side) -> HalfBook:
        return self.bids if side is Side.BUY else self.asks

    def best(self, side: Side) -> int:
        """Best key of a side."""
        return self.half(side).keys[-1]

    def top(self) -> tuple[int, int, int, int]:
        """Best bid, its quantity, best ask, its quantity."""
        bid, ask = self.bids.keys[-1], self.asks.keys[-1]
        return bid, self.bids.totals[bid], -ask, self.asks.totals[ask]

    def resting_key(self, side: Side, key: int) -> int:
        """The key itself, or one unit short of the other side's best price where it would cross it."""
        opposite = self.asks if side is Side.BUY else self.bids
        return min(key, -opposite.keys[-1] - 1) if opposite.keys else key

    def place(self, side: Side, key: int, qty: int, owner: int) -> Order:
        """Rest an order at `resting_key` of its key."""
        order = Order(side, key := self.resting_key(side, key), qty, owner)
        self.half(side).insert(order)
        self._log(side, key)
        return order

    def cancel(self, order: Order) -> bool:
        """False where the order is already gone, or is the last one of its side, which has to stay."""
        half = self.half(order.side)
        if not order.qty or (len(half.keys) == 1 and half.totals[order.key] == order.qty):
            return False
        half.shrink(order, order.qty)
        self._log(order.side, order.key)
        return True

    def take(self, side: Side, qty: int, limit_key: int) -> list[tuple[Match, Order]]:
        """Trade up to `qty` against the other side while its keys are at least `limit_key`, best first.

        Within a level the oldest order trades first. The last order of the side is never taken.
        """
        half = self.half(Side.SELL if side is Side.BUY else Side.BUY)
        matches: list[tuple[Match, Order]] = []
        while qty and half.keys[-1] >= limit_key:
            key = half.keys[-1]
            order = half.queues[key][0]
            if len(half.keys) == 1 and half.totals[key] == order.qty:
                break
            traded = min(qty, order.qty)
            qty -= traded
            half.shrink(order, traded)
            self._log(order.side, key)
            matches.append((Match(abs(key), traded, side), order))
        return matches

    def _log(self, side: Side, key: int) -> None:
        self.last_id += 1
        is_bid = side is Side.BUY
        totals = self.bids.totals if is_bid else self.asks.totals
        self.journal.append(Change(is_bid, abs(key), totals.get(key, 0)))
