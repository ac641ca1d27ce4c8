"""The decision of an exit plan: the only place where deeds are born."""

from __future__ import annotations

from typing import Final

from numba.extending import register_jitable

from citadel_kit.micro.position.follow import (
    may_close,
    position,
    with_entry,
    with_leg,
    with_new_leg,
    with_new_stop,
    with_stop,
)
from citadel_kit.micro.position.records import (
    ASKING,
    CANCELING,
    GONE,
    NO_CAUSE,
    NO_DEED,
    PLACING,
    RESTING,
    STOP,
    Deed,
    DeedKind,
    ExitConfig,
    Leg,
    PlanState,
    Step,
    Stop,
)
from citadel_kit.micro.position.reports import in_doubt

_PLACE_STOP: Final = DeedKind.PLACE_STOP.value
_CANCEL_STOP: Final = DeedKind.CANCEL_STOP.value
_QUERY_STOP: Final = DeedKind.QUERY_STOP.value
_START_EXIT: Final = DeedKind.START_EXIT.value
_CANCEL_EXIT: Final = DeedKind.CANCEL_EXIT.value
_CANCEL_ENTRY: Final = DeedKind.CANCEL_ENTRY.value


@register_jitable
def decide(config: ExitConfig, state: PlanState) -> Step:
    s, leg = state, state.leg
    if s.cause != NO_CAUSE and s.entry_done == 0 and s.entry_cancelled == 0:
        return Step(with_entry(s, s.entered, 0, 1), Deed(_CANCEL_ENTRY, 0, 0, 0))
    if leg.active != 0:
        if s.cause >= STOP and leg.urgent == 0 and leg.cancelled == 0:
            faster = Leg(leg.number, leg.qty, leg.filled, 1, 0, 1)
            return Step(with_leg(s, faster), Deed(_CANCEL_EXIT, leg.number, 0, 0))
        return _tend(config, s)
    if exit_is_due(config, s) and s.stop.phase == GONE:
        return _start(config, s)
    if exit_is_due(config, s) and s.stop.phase == RESTING and s.now_ns >= s.stop.hold_ns:
        return _pull(s)
    return _tend(config, s)


@register_jitable
def exit_is_due(config: ExitConfig, state: PlanState) -> bool:
    """An exit that can't start leaves the stop where it rests: without a book, below the venue's minimum,
    while it pauses, and while the venue's stop is at work itself."""
    s = state
    if s.cause == NO_CAUSE or s.now_ns < s.exit_pause_ns:
        return False
    if s.entry_done == 0 and s.now_ns - s.cause_ns < config.entry_wait_ns:
        return False
    if s.cause == STOP and s.stop.phase != GONE and s.now_ns - s.cause_ns < config.grace_ns:
        return False
    return tradable(config, position(s), close_price(config, s)) > 0


@register_jitable
def close_price(config: ExitConfig, state: PlanState) -> int:
    """Where the position could be closed now; 0: nowhere."""
    return state.bid if config.side > 0 else state.ask


@register_jitable
def is_through(config: ExitConfig, state: PlanState) -> bool:
    """Has the market reached the stop's price?"""
    price = close_price(config, state)
    return config.stop_price > 0 and price > 0 and (price - config.stop_price) * config.side <= 0


@register_jitable
def tradable(config: ExitConfig, qty: int, price: int) -> int:
    """In whole lots; 0 where that is below the venue's minimum."""
    whole = qty - qty % config.lot
    return whole if whole > 0 and price > 0 and whole * price >= config.min_notional else 0


@register_jitable
def _start(config: ExitConfig, state: PlanState) -> Step:
    s = state
    qty = tradable(config, position(s), close_price(config, s))
    urgent = 1 if s.cause >= STOP or s.failures > 0 else 0
    leg = Leg(s.leg.number + 1, qty, 0, 1, urgent, 0)
    return Step(with_new_leg(s, leg), Deed(_START_EXIT, leg.number, qty, urgent))


# --- the stop at the venue ----------------------------------------------------------------------------------


@register_jitable
def _tend(config: ExitConfig, state: PlanState) -> Step:
    s, o = state, state.stop
    silent_ns = s.now_ns - o.quiet_ns
    if o.phase == GONE:
        return _place(config, s)
    if o.phase == RESTING:
        if _is_outgrown(config, s) and s.now_ns >= o.hold_ns:
            return _pull(s)
        if 0 < _check_ns(config, s) <= silent_ns:
            return _ask(in_doubt(s))
    elif o.phase == ASKING:
        if o.asks == 0 or silent_ns >= config.answer_ns << min(o.asks - 1, 3):
            return _ask(s)
    elif silent_ns >= config.answer_ns:
        return _ask(in_doubt(s))
    return Step(s, NO_DEED)


@register_jitable
def _check_ns(config: ExitConfig, state: PlanState) -> int:
    """While closing, a stop that still rests is asked for in any case: that it has filled may be what was not
    heard."""
    if state.cause == NO_CAUSE:
        return config.check_ns
    while_closing = config.answer_ns << 3
    return min(config.check_ns, while_closing) if config.check_ns > 0 else while_closing


@register_jitable
def _is_outgrown(config: ExitConfig, state: PlanState) -> bool:
    """The position is larger than its stop by something that can be placed, and has been for a while; or,
    which only a position that somebody else made smaller could bring about, smaller."""
    s, o = state, state.stop
    if may_close(s) > position(s):
        return True
    if s.cause != NO_CAUSE or s.now_ns - o.placed_ns < config.restop_ns:
        return False
    return tradable(config, position(s), config.stop_price) > o.qty - o.filled


@register_jitable
def _place(config: ExitConfig, state: PlanState) -> Step:
    """For all of the position, when no other stop can trade any more and no exit works or is due."""
    s = state
    closing = s.cause != NO_CAUSE and (s.now_ns >= s.exit_pause_ns or is_through(config, s))
    if config.rests == 0 or config.stop_price == 0 or closing:  # an exit at work is closing
        return Step(s, NO_DEED)
    qty = tradable(config, position(s), config.stop_price)
    if qty == 0 or s.now_ns < s.stop_pause_ns:
        return Step(s, NO_DEED)
    stop = Stop(PLACING, s.stop.order_id + 1, qty, 0, 0, 0, 0, s.now_ns, s.now_ns, 0)
    return Step(with_new_stop(s, stop), Deed(_PLACE_STOP, stop.order_id, qty, 0))


@register_jitable
def _pull(state: PlanState) -> Step:
    o, now = state.stop, state.now_ns
    pulled = Stop(
        CANCELING, o.order_id, o.qty, o.filled, o.acked, o.cancels + 1, 0, o.placed_ns, now, o.hold_ns
    )
    return Step(with_stop(state, pulled), Deed(_CANCEL_STOP, o.order_id, o.qty, 0))


@register_jitable
def _ask(state: PlanState) -> Step:
    o, now = state.stop, state.now_ns
    asked = Stop(
        ASKING, o.order_id, o.qty, o.filled, o.acked, o.cancels, o.asks + 1, o.placed_ns, now, o.hold_ns
    )
    return Step(with_stop(state, asked), Deed(_QUERY_STOP, o.order_id, o.qty, 0))
