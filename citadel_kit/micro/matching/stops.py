"""Orders that rest unseen until the last trade price reaches their stop price."""

from __future__ import annotations

from bisect import bisect_left, insort

from citadel_kit.micro.matching.orders import STOP_TYPES, ExchangeOrder, OrderType
from citadel_kit.types import Side


def triggers_falling(side: Side, order_type: OrderType) -> bool:
    """Does it trigger when the price falls to its stop price? Otherwise when it rises to it."""
    return (side is Side.SELL) == (order_type in STOP_TYPES)


def is_triggered(side: Side, order_type: OrderType, stop_price: int, last: int) -> bool:
    """`last`: the last trade price, 0 where nothing traded yet."""
    if not last:
        return False
    return last <= stop_price if triggers_falling(side, order_type) else last >= stop_price


class Stops:
    """Ordered by (distance key, order id): who is reached first comes first, then who came first."""

    def __init__(self) -> None:
        self._falling: list[tuple[int, int]] = []
        self._rising: list[tuple[int, int]] = []
        self._orders: dict[int, ExchangeOrder] = {}

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def add(self, order: ExchangeOrder) -> None:
        keys, entry = self._place(order)
        insort(keys, entry)
        self._orders[order.order_id] = order

    def remove(self, order: ExchangeOrder) -> None:
        keys, entry = self._place(order)
        del keys[bisect_left(keys, entry)], self._orders[order.order_id]

    def next_reached(self, low: int, high: int) -> ExchangeOrder | None:
        """The first order that trade prices between `low` and `high` reach; it stays until removed."""
        if self._falling and -self._falling[0][0] >= low:
            return self._orders[self._falling[0][1]]
        if self._rising and self._rising[0][0] <= high:
            return self._orders[self._rising[0][1]]
        return None

    def _place(self, order: ExchangeOrder) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        if triggers_falling(order.side, order.type):
            return self._falling, (-order.stop_price, order.order_id)
        return self._rising, (order.stop_price, order.order_id)
