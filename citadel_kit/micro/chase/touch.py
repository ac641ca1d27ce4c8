"""What one chase may see of a book: our own orders, and those of its siblings, are nobody to follow.

Taking all of ours off keeps two chasers from outbidding each other, and one from outbidding itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.micro.chase.records import (
    AMENDING,
    ASKING,
    FILLED,
    IDLE,
    RESTING,
    ChaseState,
    Touch,
)
from citadel_kit.types import BookReader, BookTop, Levels, Side


class OwnSize(NamedTuple):
    """What may stand in a book under our name."""

    price: int
    qty: int
    sure: int
    """0: it may not be there yet, or no more. A level smaller than it does not contain it."""


def own_sizes(state: ChaseState) -> list[OwnSize]:
    """Where an order that is out may stand: an amendment under way makes it two places."""
    order = state.order
    rest = order.qty - order.filled
    if state.phase == IDLE or state.phase >= FILLED or rest <= 0:
        return []
    sizes = [OwnSize(order.price, rest, int(state.phase == RESTING))]
    moving = state.phase in {AMENDING, ASKING} and order.target_price not in {0, order.price}
    return [*sizes, OwnSize(order.target_price, rest, 0)] if moving else sizes


def touch_of(top: BookTop, book: BookReader, side: int, own: Iterable[OwnSize] = ()) -> Touch:
    """The touch for a chase on `side`, with `own` taken off that side."""
    sizes = np.array(list(own), np.int64).reshape(-1, 3)
    depth = len(sizes) + 2
    none = np.empty((0, 3), np.int64)
    bid = best_two(book.levels(Side.BUY, depth), sizes if side == Side.BUY else none)
    ask = best_two(book.levels(Side.SELL, depth), sizes if side == Side.SELL else none)
    return Touch(top.recv_ns, *bid, *ask)


def plain_touch(top: BookTop) -> Touch:
    """Of a feed that does not show our orders, where nothing is known behind the touch."""
    return Touch(top.recv_ns, top.bid, top.bid_qty, 0, 0, top.ask, top.ask_qty, 0, 0)


@register_jitable
def best_two(levels: Levels, own: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Price and quantity of the first two levels that hold something else than ours; 0, 0 for none.

    `own`: rows as `OwnSize`. At most one level per row vanishes: give that many levels and two.
    """
    price = qty = 0
    for i in range(len(levels)):
        left = int(levels[i, 1])
        for j in range(len(own)):
            if own[j, 0] == levels[i, 0] and (own[j, 2] != 0 or left >= own[j, 1]):
                left -= int(own[j, 1])
        if left > 0:
            if qty > 0:
                return price, qty, int(levels[i, 0]), left
            price, qty = int(levels[i, 0]), left
    return price, qty, 0, 0
