"""How clients' resting orders meet the outside: its trades and its books, by the rules of `queue`."""

from __future__ import annotations

from collections.abc import Iterable

from citadel_kit.micro.matching.floor import Floor
from citadel_kit.micro.matching.halfbook import HalfBook
from citadel_kit.micro.matching.queue import QueueConfig, crosses, on_level, on_trade
from citadel_kit.types import Side


def outside_trade(floor: Floor, config: QueueConfig, now_ns: int, price: int, qty: int, side: Side) -> None:
    """A trade of the outside, shared by the clients' orders it reaches, best price and oldest first. What
    none of them gets is printed at the trade's own price."""
    half = floor.opposite(side)
    shared = 0
    for key in [k for k in reversed(half.client_keys) if k >= price * half.sign]:
        for order in list(half.queues[key * half.sign].values()):
            place = on_trade(config, order.resting, price, qty, side, shared)
            gained = place.filled - order.resting.filled
            order.resting = place
            if gained:
                shared += gained
                floor.trade(now_ns, order, None, side, order.price, gained)
    half.traded_at(price)
    if qty > shared:
        floor.print(now_ns, side, price, qty - shared)


def outside_book(
    floor: Floor, config: QueueConfig, now_ns: int,
    bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], *, is_snapshot: bool,
) -> None:  # fmt: skip
    for half, levels in ((floor.bids, bids), (floor.asks, asks)):
        half.apply(levels, is_snapshot=is_snapshot)
        half.settle(config)
    for half, other in ((floor.bids, floor.asks), (floor.asks, floor.bids)):
        while half.client_keys and other.keys and _meet(floor, config, now_ns, half, other):
            pass


def _meet(floor: Floor, config: QueueConfig, now_ns: int, half: HalfBook, other: HalfBook) -> bool:
    """The clients' best order against the outside's best opposite level; False where they do not cross."""
    price, opposite = half.client_keys[-1] * half.sign, other.best()
    if not crosses(half.sign, price, opposite):
        return False
    order = next(iter(half.queues[price].values()))
    place = on_level(config, order.resting, half.outside_stated(price), opposite, other.outside(opposite))
    gained = place.filled - order.resting.filled
    order.resting = place
    if gained:
        other.take_outside(opposite, gained)
        floor.trade(now_ns, order, None, other.side, price, gained)
    else:
        # Locked, and the pessimistic bound gives no fill: a book that shows both would be a crossed one.
        other.hide_outside(opposite)
    return gained > 0 or other.best() != opposite
