"""One side of the shown book: the outside's levels less what clients took from them, and clients' orders."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from citadel_kit.micro.matching.orders import ExchangeOrder
from citadel_kit.micro.matching.queue import QueueConfig, on_level, rest
from citadel_kit.types import Side


class HalfBook:
    """A *key* is the price for bids and its negative for asks: the larger is the better one, so that both
    sides share one piece of code. `keys` and `client_keys` rise, the best is last."""

    __slots__ = (
        "_client_totals", "_dirty", "_off", "_outside", "_restless", "client_keys", "keys", "queues", "side",
        "sign", "totals",
    )  # fmt: skip

    def __init__(self, side: Side) -> None:
        self.side, self.sign = side, int(side)
        self.keys: list[int] = []
        """Of all prices at which something is shown."""
        self.totals: dict[int, int] = {}
        """What is shown, by price."""
        self.client_keys: list[int] = []
        self.queues: dict[int, dict[int, ExchangeOrder]] = {}
        """Clients' orders by price, each queue by order id in the order of arrival."""
        self._client_totals: dict[int, int] = {}
        self._outside: dict[int, int] = {}
        self._off: dict[int, int] = {}
        """What clients took of an outside level since the outside last changed it."""
        self._dirty: dict[int, int] = {}
        """Prices changed since the last `changes`, with what was shown then."""
        self._restless: set[int] = set()
        """Prices whose queues have something to hear at the next book update."""

    # --- reading --------------------------------------------------------------------------------------------

    def outside(self, price: int) -> int:
        """What is left of the outside's quantity."""
        return max(self._outside.get(price, 0) - self._off.get(price, 0), 0)

    def outside_stated(self, price: int) -> int:
        """The outside's quantity by its own word."""
        return self._outside.get(price, 0)

    def best(self) -> int:
        """Price of the best level, 0 where the side is empty."""
        return self.keys[-1] * self.sign if self.keys else 0

    def segments(self) -> Iterator[tuple[int, int, ExchangeOrder | None]]:
        """(price, quantity, client's order or None for the outside) in the order in which a taker meets them.

        Within a price an order stands behind the `ahead` of the outside. Not to be changed while iterated.
        """
        for key in reversed(self.keys):
            price = key * self.sign
            outside, passed = self.outside(price), 0
            for order in self.queues.get(price, {}).values():
                front = min(order.resting.ahead, outside) - passed
                if front > 0:
                    yield price, front, None
                    passed += front
                yield price, order.left, order
            if outside > passed:
                yield price, outside - passed, None

    # --- clients --------------------------------------------------------------------------------------------

    def insert(self, order: ExchangeOrder) -> None:
        """At the end of the queue at its price."""
        price = order.price
        ahead = self.outside(price)
        queue = self.queues.get(price)
        if queue is None:
            queue = self.queues[price] = {}
            insort(self.client_keys, price * self.sign)
        else:
            # The outside may still owe a trade for what left the level: who came before keeps the lead.
            ahead = max(ahead, next(reversed(queue.values())).resting.ahead)
        order.resting = rest(
            order.order_id, self.sign, price, order.qty, order.filled, ahead, self._outside.get(price, 0)
        )
        queue[order.order_id] = order
        self._client_totals[price] = self._client_totals.get(price, 0) + order.left
        self._refresh(price)

    def shrink(self, order: ExchangeOrder, qty: int) -> None:
        """`qty` of a resting order is gone: filled, cancelled or amended away."""
        self._client_totals[order.price] -= qty
        self._refresh(order.price)

    def remove(self, order: ExchangeOrder) -> None:
        """An order of which nothing is left in the totals."""
        price = order.price
        queue = self.queues[price]
        del queue[order.order_id]
        if not queue:
            del self.queues[price], self._client_totals[price]
            del self.client_keys[bisect_left(self.client_keys, price * self.sign)]
            self._restless.discard(price)

    # --- the outside ----------------------------------------------------------------------------------------

    def take_outside(self, price: int, qty: int) -> None:
        """A client took this from the outside; who stands behind it moves up."""
        self._off[price] = self._off.get(price, 0) + qty
        for order in self.queues.get(price, {}).values():
            place = order.resting
            order.resting = place._replace(ahead=max(place.ahead - qty, 0))
        self._refresh(price)

    def hide_outside(self, price: int) -> None:
        """Show nothing of the outside here until it changes the level."""
        self._off[price] = self._outside.get(price, 0)
        self._refresh(price)

    def apply(self, levels: Iterable[tuple[int, int]], *, is_snapshot: bool) -> None:
        """The outside's levels: all of them, or those that changed."""
        if is_snapshot:
            stated = dict(levels)
            levels = [(price, 0) for price in self._outside if price not in stated]
            levels.extend(stated.items())
        outside, off, queues = self._outside, self._off, self.queues
        for price, qty in levels:
            if qty == outside.get(price, 0):
                continue
            if qty:
                outside[price] = qty
            else:
                del outside[price]
            off.pop(price, None)
            if price in queues:
                self._restless.add(price)
            self._refresh(price)

    def traded_at(self, price: int) -> None:
        """The outside traded here: the queue hears of it again at the next book update."""
        if price in self.queues:
            self._restless.add(price)

    def settle(self, config: QueueConfig) -> None:
        """Tell the queues that a book update came. A queue nothing happened to would not change by it."""
        restless, self._restless = self._restless, set()
        for price in restless:
            stated = self._outside.get(price, 0)
            for order in self.queues[price].values():
                order.resting = on_level(config, order.resting, stated, 0, 0)
                if order.resting.unexplained:
                    self._restless.add(price)

    # --- changes --------------------------------------------------------------------------------------------

    def changes(self) -> list[tuple[int, int]]:
        """(price, shown total) of all levels that differ from what they were at the last call."""
        dirty, self._dirty = self._dirty, {}
        totals = self.totals
        return [(price, totals.get(price, 0)) for price, old in dirty.items() if totals.get(price, 0) != old]

    def _refresh(self, price: int) -> None:
        old = self.totals.get(price, 0)
        new = self._outside.get(price, 0)
        if price in self._off:
            new = max(new - self._off[price], 0)
        new += self._client_totals.get(price, 0)
        if new == old:
            return
        self._dirty.setdefault(price, old)
        key = price * self.sign
        if not new:
            del self.totals[price], self.keys[bisect_left(self.keys, key)]
            return
        self.totals[price] = new
        if not old:
            insort(self.keys, key)
