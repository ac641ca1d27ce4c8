"""The only place where commands are born: the lower half of the transition table.

`forceinline`: between compiled functions the tuples travel word by word, which on the way of a plain top
costs five times what is decided there.
"""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase.follow import amending, asking, ended, later, placed, pulled
from citadel_kit.micro.chase.price import (
    beyond,
    placeable,
    remainder,
    slice_qty,
    take_cap_of,
    usable,
    within_reach,
)
from citadel_kit.micro.chase.records import (
    ASKING,
    CANCELLED,
    EXPIRED,
    FAILED,
    FILLED,
    IDLE,
    PLACING,
    RESTING,
    TAKING,
    Amend,
    ChaseConfig,
    ChaseState,
    EndReason,
    OnDeadline,
    Seen,
    Sight,
    Step,
    WhenBlind,
)
from citadel_kit.types import NO_COMMAND, Command, CommandKind, TimeInForce

_PLACE = CommandKind.PLACE.value
_CANCEL = CommandKind.CANCEL.value
_AMEND = CommandKind.AMEND.value
_QUERY = CommandKind.QUERY.value
_POST_ONLY = TimeInForce.POST_ONLY.value
_IOC = TimeInForce.IOC.value
_LIVE = Sight.LIVE.value
_NO_BOOK = Sight.NO_BOOK.value
_HELD = Sight.HELD.value
_PULL = WhenBlind.PULL.value
_QTY_DOWN = Amend.QTY_DOWN.value
_PRICE_QTY = Amend.PRICE_QTY.value
_TAKE = OnDeadline.TAKE.value
_NO_REASON = EndReason.NONE.value
_DUST = EndReason.DUST.value


@register_jitable(forceinline=True)
def decide(config: ChaseConfig, state: ChaseState) -> Step:
    phase = state.phase
    if phase == IDLE:
        return _idle(config, state)
    if phase >= FILLED:
        return Step(state, NO_COMMAND)
    if phase == RESTING:
        return _resting(config, state)
    order = state.order
    if phase == ASKING:
        due = order.asks == 0 or state.seen.now_ns >= order.quiet_ns + later(config.answer_ns, order.asks - 1)
        return _ask(config, state, order.asks + 1) if due else Step(state, NO_COMMAND)
    if state.seen.now_ns >= order.quiet_ns + config.answer_ns:  # silence is not an answer
        return _ask(config, state, 1)
    return Step(state, NO_COMMAND)


@register_jitable
def seen_now(
    config: ChaseConfig, state: ChaseState, now_ns: int, bid: int, ask: int, wanted: int, tops: int
) -> Seen:
    """With for how many tops in a row, and since when, the market has wanted our order elsewhere."""
    seen, order = state.seen, state.order
    away, since = seen.away, seen.away_ns
    ahead = config.side * (wanted - order.price)
    if ahead == 0:
        away, since = 0, now_ns
    elif wanted > 0 and ahead * away <= 0:
        away, since = (1 if ahead > 0 else -1), now_ns
    elif wanted > 0:
        away += tops if ahead > 0 else -tops
    return Seen(now_ns, _LIVE if tops > 0 else seen.sight, bid, ask, wanted, away, since)


# --- no order is out ---------------------------------------------------------------------------------------


@register_jitable
def _idle(config: ChaseConfig, state: ChaseState) -> Step:
    if state.filled >= config.qty:
        return _end(state, FILLED, _NO_REASON)
    if state.cancel_wanted != 0:
        return _end(state, CANCELLED, _NO_REASON)
    if state.rejects >= config.max_rejects:
        return _end(state, FAILED, state.trouble)
    if _expired(config, state):
        return _at_deadline(config, state)
    price = state.seen.wanted
    if price == 0 or state.seen.now_ns < state.pause_until_ns:
        return Step(state, NO_COMMAND)
    qty = remainder(config, state)
    if not placeable(config, qty, price):
        return _end(state, FILLED if state.filled > 0 else FAILED, _DUST)
    return _place(config, placed(state, PLACING, price, qty, _POST_ONLY, state.take_cap))


@register_jitable
def _at_deadline(config: ChaseConfig, state: ChaseState) -> Step:
    """Waits with a take for a usable top as long as the book is LIVE: a reject may just have dropped it."""
    seen = state.seen
    if config.on_deadline != _TAKE or state.takes >= config.slices:
        return _end(state, EXPIRED, _NO_REASON)
    if seen.sight == _NO_BOOK:
        return _end(state, EXPIRED, EndReason.NO_BOOK.value)
    if seen.sight == _HELD:
        return _end(state, EXPIRED, EndReason.HELD.value)
    if not usable(seen) or (state.takes > 0 and seen.now_ns < state.pause_until_ns):
        return Step(state, NO_COMMAND)
    cap = take_cap_of(config, state)
    if not within_reach(config, seen, cap):
        return _end(state, EXPIRED, EndReason.BEYOND.value)
    qty = slice_qty(config, state, cap)
    if not placeable(config, qty, cap):
        return _end(state, EXPIRED, _DUST)
    return _place(config, placed(state, TAKING, cap, qty, _IOC, cap))


# --- an order rests ----------------------------------------------------------------------------------------


@register_jitable(forceinline=True)
def _resting(config: ChaseConfig, state: ChaseState) -> Step:
    order, now = state.order, state.seen.now_ns
    if _must_go(config, state):
        return _cancel(config, state, 0) if now >= order.hold_ns else Step(state, NO_COMMAND)
    silent = config.check_ns > 0 and now >= order.quiet_ns + config.check_ns
    if silent or order.filled >= order.qty:  # all of a smaller total that an amendment gave it
        return _ask(config, state, 1)
    if now < state.pause_until_ns or now < order.hold_ns:
        return Step(state, NO_COMMAND)
    if order.qty - order.filled > config.qty - state.filled:
        return _move(config, state, order.price, 0)
    price = state.seen.wanted
    if _should_move(config, state, price):
        return _move(config, state, price, 1)
    return Step(state, NO_COMMAND)


@register_jitable
def _must_go(config: ChaseConfig, state: ChaseState) -> bool:
    """A pull that waits for no pause."""
    order, sight = state.order, state.seen.sight
    if state.cancel_wanted != 0 or state.filled >= config.qty or _expired(config, state):
        return True
    if sight == _HELD or (sight == _NO_BOOK and config.when_blind == _PULL):
        return True
    return order.tif == _IOC or beyond(config, state, order.price) or state.rejects >= config.max_rejects


@register_jitable
def _should_move(config: ChaseConfig, state: ChaseState, price: int) -> bool:
    """The queue rule: a gap below `min_move` does not cost us our place until it has lasted `patience_ns`."""
    seen, order = state.seen, state.order
    gap = abs(price - order.price)
    if price == 0 or gap == 0 or (seen.away < 0 and config.trail_back == 0):
        return False
    lasted = seen.now_ns - seen.away_ns
    small = gap < config.min_move * config.tick
    if small and (config.patience_ns == 0 or lasted < config.patience_ns):
        return False
    if abs(seen.away) < config.confirm_tops or lasted < config.confirm_ns:
        return False
    if seen.now_ns - order.since_ns < config.min_rest_ns:
        return False
    if 0 <= config.max_reprices <= state.reprices:
        return False
    return placeable(config, remainder(config, state), price)


# --- commands ----------------------------------------------------------------------------------------------


@register_jitable
def _expired(config: ChaseConfig, state: ChaseState) -> bool:
    return config.deadline_ns > 0 and state.seen.now_ns >= config.deadline_ns


@register_jitable
def _end(state: ChaseState, phase: int, reason: int) -> Step:
    return Step(ended(state, phase, reason), NO_COMMAND)


@register_jitable
def _place(config: ChaseConfig, after: ChaseState) -> Step:
    o = after.order
    return Step(after, Command(_PLACE, o.order_id, config.side, o.price, o.qty, o.tif))


@register_jitable
def _cancel(config: ChaseConfig, state: ChaseState, moves: int) -> Step:
    o = state.order
    return Step(pulled(state, moves), Command(_CANCEL, o.order_id, config.side, o.price, o.qty, o.tif))


@register_jitable
def _move(config: ChaseConfig, state: ChaseState, price: int, moves: int) -> Step:
    """In place where the venue can, and else by a cancel: the new one follows when that is confirmed."""
    o, rest = state.order, remainder(config, state)
    can = config.amend == _PRICE_QTY or (config.amend == _QTY_DOWN and price == o.price)
    if not can or state.amend_off != 0 or o.cancels > 0 or not placeable(config, rest, price):
        return _cancel(config, state, moves)
    qty = min(o.qty, o.filled + rest)
    command = Command(_AMEND, o.order_id, config.side, price, qty, o.tif)
    return Step(amending(state, price, qty, moves), command)


@register_jitable
def _ask(config: ChaseConfig, state: ChaseState, asks: int) -> Step:
    o = state.order
    return Step(asking(state, asks), Command(_QUERY, o.order_id, config.side, o.price, o.qty, o.tif))
