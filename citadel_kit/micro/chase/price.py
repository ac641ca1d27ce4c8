"""At which price, and how much: the arithmetic of a chase, in integers."""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase.records import ChaseConfig, ChaseState, Seen, Touch
from citadel_kit.types import Side

_BUY = Side.BUY.value


@register_jitable
def bound_of(config: ChaseConfig, twice_mid: int) -> int:
    """The tighter of the limit price and `max_chase_bps` from the mid, rounded inward to the tick."""
    if config.side == _BUY:
        worst = twice_mid * (10_000 + config.max_chase_bps) // 20_000
        if config.limit_price > 0:
            worst = min(worst, config.limit_price)
        return worst - worst % config.tick
    worst = -(-twice_mid * (10_000 - config.max_chase_bps) // 20_000)
    worst = max(worst, config.limit_price)
    return worst + -worst % config.tick


@register_jitable
def usable(seen: Seen) -> bool:
    return 0 < seen.bid < seen.ask


@register_jitable
def wanted_price(config: ChaseConfig, bound: int, top: Touch) -> int:
    """`offset` ticks from our side's best, dust passed over where a next level is known."""
    if not 0 < top.bid < top.ask:
        return 0
    if config.side == _BUY:
        best = top.next_bid if top.bid_qty < config.ignore_qty and top.next_bid > 0 else top.bid
        price = min(best + config.offset * config.tick, top.ask - 1, bound)
        return max(price - price % config.tick, 0)
    best = top.next_ask if top.ask_qty < config.ignore_qty and top.next_ask > 0 else top.ask
    price = max(best - config.offset * config.tick, top.bid + 1, bound)
    return price + -price % config.tick


@register_jitable
def take_cap_of(config: ChaseConfig, state: ChaseState) -> int:
    """Set by the touch of the first take, so that slices don't walk away with the market."""
    if state.take_cap > 0:
        return state.take_cap
    if config.side == _BUY:
        price = min(state.seen.ask * (10_000 + config.take_slippage_bps) // 10_000, state.bound)
        return price - price % config.tick
    price = max(-(-state.seen.bid * (10_000 - config.take_slippage_bps) // 10_000), state.bound)
    return price + -price % config.tick


@register_jitable
def within_reach(config: ChaseConfig, seen: Seen, cap: int) -> bool:
    """Does the other side's touch lie within the cap?"""
    return cap >= seen.ask if config.side == _BUY else 0 < cap <= seen.bid


@register_jitable
def beyond(config: ChaseConfig, state: ChaseState, price: int) -> bool:
    return config.side * (price - state.bound) > 0


@register_jitable
def remainder(config: ChaseConfig, state: ChaseState) -> int:
    """What is not confirmed as filled, in whole lots."""
    rest = max(config.qty - state.filled, 0)
    return rest - rest % config.lot


@register_jitable
def placeable(config: ChaseConfig, qty: int, price: int) -> bool:
    return qty > 0 and qty * price >= config.min_notional


@register_jitable
def slice_qty(config: ChaseConfig, state: ChaseState, price: int) -> int:
    """An even share of what remains, in whole lots; all of it where a share or its rest would be dust."""
    rest, left = remainder(config, state), config.slices - state.takes
    share = -(-rest // max(left, 1))
    share += -share % config.lot
    if placeable(config, share, price) and placeable(config, rest - share, price):
        return share
    return rest
