"""How our orders fill in a market that does not know them: a recorded one, or a synthetic one.

The model of a resting order, between two bounds:

- it joins at the end of the queue: `ahead` is what rested at its price when it came;
- a trade of the other side's aggressor at its price first takes what is ahead, the rest fills the order;
- what leaves its level without a trade was cancelled; `cancel_pct` percent of that stood ahead of us (100 is
  the optimistic bound, 0 the pessimistic one for the queue). A decrease is judged one book update late,
  because the trade that explains it may arrive after the book does;
- never more is ahead than rests there (with what a late trade may still explain);
- a trade beyond its price fills it, up to the trade's size: the market went through it;
- an opposite touch at or beyond its price fills it up to the size shown there: in a market with us in it,
  that quote would have met our order first.

With `pessimistic` only the last two count, and the touch must lie strictly beyond: no queue, filled only when
traded through. Truth lies between; our orders move nothing in this market.

Several of our orders share a flow: whoever calls goes through them in price-time priority and hands each one
what is left of the trade or of the touch, so that together they never get more than it gives.

A taking order walks the levels shown, best first, up to its limit price, and never gets more than shown.
Integers throughout; all functions compile with Numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from citadel_kit.types import Levels


class QueueConfig(NamedTuple):
    cancel_pct: int = 50
    """Percent of a cancelled quantity that stood ahead of us, 0 to 100."""
    pessimistic: bool = False
    """Fill only when traded through."""


class Resting(NamedTuple):
    """One of our orders at a venue."""

    order_id: int
    side: int
    price: int
    qty: int
    filled: int
    ahead: int
    """Quantity in the queue before us."""
    level: int
    """What others had at our price in the last book."""
    traded: int
    """At our price since that book, not yet seen to leave it."""
    unexplained: int
    """Left the level in that book without a trade so far."""


@register_jitable
def rest(order_id: int, side: int, price: int, qty: int, filled: int, ahead: int, level_qty: int) -> Resting:
    """A new order behind `ahead` of the `level_qty` that others have at its price."""
    return Resting(order_id, side, price, qty, filled, ahead, level_qty, 0, 0)


@register_jitable
def on_trade(
    config: QueueConfig, order: Resting, price: int, qty: int, aggressor: int, shared: int
) -> Resting:
    """The order after one public trade; what it gained in `filled` is its fill, at its own price.

    `shared`: what orders of ours with priority over this one got of the trade.
    """
    o = order
    left = qty - shared
    through = o.side * (o.price - price)
    if aggressor == o.side or through < 0 or qty <= 0 or (through == 0 and config.pessimistic):
        return o
    if through > 0:
        filled = o.filled + min(left, o.qty - o.filled)
        return Resting(o.order_id, o.side, o.price, o.qty, filled, 0, o.level, o.traded, o.unexplained)
    filled = o.filled + min(max(left - o.ahead, 0), o.qty - o.filled)
    explains = min(o.unexplained, qty)
    return Resting(
        o.order_id, o.side, o.price, o.qty, filled, max(o.ahead - left, 0), o.level,
        o.traded + qty - explains, o.unexplained - explains,
    )  # fmt: skip


@register_jitable
def on_level(
    config: QueueConfig, order: Resting, level_qty: int, opposite: int, opposite_qty: int
) -> Resting:
    """The order after a book update: others' quantity at its price, and the opposite touch (0 if none) with
    what orders of ours with priority over this one left of its size."""
    o = order
    beyond = o.side * (o.price - opposite) if opposite > 0 else -1
    if beyond > 0 or (beyond == 0 and not config.pessimistic):
        filled = o.filled + min(opposite_qty, o.qty - o.filled)
        return Resting(o.order_id, o.side, o.price, o.qty, filled, 0, level_qty, 0, 0)
    ahead = max(o.ahead - o.unexplained * config.cancel_pct // 100, 0)
    gone = max(o.level - level_qty - o.traded, 0)
    ahead = min(ahead, level_qty + gone)
    return Resting(o.order_id, o.side, o.price, o.qty, o.filled, ahead, level_qty, 0, gone)


@register_jitable
def crosses(side: int, price: int, opposite: int) -> bool:
    """Would an order at `price` take from the opposite touch (0 if none)?"""
    return opposite > 0 and side * (price - opposite) >= 0


@register_jitable
def take(levels: Levels, side: int, limit_price: int, qty: int) -> Levels:
    """Fills (price, quantity) of an order that takes from `levels`, the opposite side best first.

    Shape (n, 2), empty where nothing lies within the limit price.
    """
    fills = np.empty((len(levels), 2), np.int64)
    n = 0
    left = qty
    for i in range(len(levels)):
        price = levels[i, 0]
        if left <= 0 or side * (limit_price - price) < 0:
            break
        got = min(left, levels[i, 1])
        if got > 0:
            fills[n, 0] = price
            fills[n, 1] = got
            n += 1
            left -= got
    return fills[:n]
