"""How one state follows from another: the constructors, since Numba knows no `_replace`."""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase.records import (
    AMENDING,
    ASKING,
    CANCELING,
    IDLE,
    RESTING,
    ChaseConfig,
    ChaseState,
    Seen,
    Working,
)
from citadel_kit.types import CommandKind, OrderReport, TimeInForce

_PLACE = CommandKind.PLACE.value
_CANCEL = CommandKind.CANCEL.value
_AMEND = CommandKind.AMEND.value
_IOC = TimeInForce.IOC.value


@register_jitable
def with_seen(state: ChaseState, seen: Seen) -> ChaseState:
    s = state
    return ChaseState(
        s.phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices, s.takes, s.amend_off, s.pause_until_ns,
        s.order, seen,
    )  # fmt: skip


@register_jitable
def with_order(state: ChaseState, phase: int, order: Working) -> ChaseState:
    s = state
    return ChaseState(
        phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices, s.takes, s.amend_off, s.pause_until_ns,
        order, s.seen,
    )  # fmt: skip


@register_jitable
def ended(state: ChaseState, phase: int, reason: int) -> ChaseState:
    s = state
    return ChaseState(
        phase, reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices, s.takes, s.amend_off, s.pause_until_ns,
        s.order, s.seen,
    )  # fmt: skip


@register_jitable
def wished_away(state: ChaseState) -> ChaseState:
    """An order whose fate is unknown is asked for at once: its back-off was for less urgent times."""
    s, o = state, state.order
    asks = 0 if s.cancel_wanted == 0 else o.asks
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled, o.alive, o.pending, o.target_price, o.target_qty,
        o.cancels, asks, o.since_ns, o.quiet_ns, o.hold_ns,
    )  # fmt: skip
    return ChaseState(
        s.phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, 1, s.rejects, s.reprices, s.takes, s.amend_off, s.pause_until_ns, order, s.seen,
    )  # fmt: skip


# --- commands that go out ----------------------------------------------------------------------------------


@register_jitable
def placed(state: ChaseState, phase: int, price: int, qty: int, tif: int, take_cap: int) -> ChaseState:
    s, old, seen = state, state.order, state.seen
    now, takes = seen.now_ns, s.takes + (1 if tif == _IOC else 0)
    order = Working(old.order_id + 1, tif, price, qty, qty, 0, 0, _PLACE, 0, 0, 0, 0, now, now, 0)
    fresh = Seen(now, seen.sight, seen.bid, seen.ask, seen.wanted, 0, now)
    return ChaseState(
        phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, take_cap, s.filled, old.order_id,
        old.filled, s.cancel_wanted, s.rejects, s.reprices, takes, s.amend_off, s.pause_until_ns, order,
        fresh,
    )  # fmt: skip


@register_jitable
def pulled(state: ChaseState, moves: int) -> ChaseState:
    s, o, now = state, state.order, state.seen.now_ns
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled, o.alive, _CANCEL, 0, 0, o.cancels + 1, 0,
        o.since_ns, now, 0,
    )  # fmt: skip
    return ChaseState(
        CANCELING, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices + moves, s.takes, s.amend_off,
        s.pause_until_ns, order, s.seen,
    )  # fmt: skip


@register_jitable
def amending(state: ChaseState, price: int, qty: int, moves: int) -> ChaseState:
    s, o, now = state, state.order, state.seen.now_ns
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled, o.alive, _AMEND, price, qty, o.cancels, 0,
        o.since_ns, now, o.hold_ns,
    )  # fmt: skip
    return ChaseState(
        AMENDING, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices + moves, s.takes, s.amend_off,
        s.pause_until_ns, order, s.seen,
    )  # fmt: skip


@register_jitable
def asking(state: ChaseState, asks: int) -> ChaseState:
    """0 asks: the QUERY is due now."""
    o = state.order
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled, o.alive, o.pending, o.target_price, o.target_qty,
        o.cancels, asks, o.since_ns, state.seen.now_ns, o.hold_ns,
    )  # fmt: skip
    return with_order(state, ASKING, order)


# --- reports that came -------------------------------------------------------------------------------------


@register_jitable
def counted(state: ChaseState, report: OrderReport) -> ChaseState:
    """With the report's cumulative fill and its time; a fill ends a row of rejects."""
    s, o, seen = state, state.order, state.seen
    more = max(report.filled - o.filled, 0)
    now = max(seen.now_ns, report.recv_ns)
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled + more, o.alive, o.pending, o.target_price,
        o.target_qty, o.cancels, o.asks, o.since_ns, now if s.phase == RESTING else o.quiet_ns, o.hold_ns,
    )  # fmt: skip
    return ChaseState(
        s.phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled + more, s.prior_id,
        s.prior_filled, s.cancel_wanted, 0 if more > 0 else s.rejects, s.reprices, s.takes, s.amend_off,
        s.pause_until_ns, order,
        Seen(now, seen.sight, seen.bid, seen.ask, seen.wanted, seen.away, seen.away_ns),
    )  # fmt: skip


@register_jitable
def counted_late(state: ChaseState, report: OrderReport) -> ChaseState:
    """A fill of the order before this one, beyond the total its end was reported with."""
    s = state
    more = max(report.filled - s.prior_filled, 0)
    return ChaseState(
        s.phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled + more, s.prior_id,
        s.prior_filled + more, s.cancel_wanted, s.rejects, s.reprices, s.takes, s.amend_off,
        s.pause_until_ns, s.order, s.seen,
    )  # fmt: skip


@register_jitable
def rests(state: ChaseState, price: int, qty: int) -> ChaseState:
    """The venue says it lives, at this price and total; 0: as known."""
    o = state.order
    at = price if price > 0 else o.price
    total = qty if qty > 0 else o.qty
    order = Working(
        o.order_id, o.tif, at, total, max(o.most, total), o.filled, 1, 0, 0, 0, o.cancels, 0,
        o.since_ns if at == o.price else state.seen.now_ns, state.seen.now_ns, o.hold_ns,
    )  # fmt: skip
    return with_order(state, RESTING, order)


@register_jitable
def repriced(state: ChaseState, price: int, qty: int) -> ChaseState:
    """The same, while another command is pending."""
    o = state.order
    total = qty if qty > 0 else o.qty
    order = Working(
        o.order_id, o.tif, price if price > 0 else o.price, total, max(o.most, total), o.filled, 1, o.pending,
        o.target_price, o.target_qty, o.cancels, o.asks, o.since_ns, o.quiet_ns, o.hold_ns,
    )  # fmt: skip
    return with_order(state, state.phase, order)


@register_jitable
def held_back(state: ChaseState, hold_ns: int) -> ChaseState:
    """It rests on; no CANCEL before `hold_ns`."""
    o = state.order
    order = Working(
        o.order_id, o.tif, o.price, o.qty, o.most, o.filled, o.alive, 0, 0, 0, o.cancels, 0, o.since_ns,
        state.seen.now_ns, hold_ns,
    )  # fmt: skip
    return with_order(state, RESTING, order)


@register_jitable
def gone(config: ChaseConfig, state: ChaseState, pause_until_ns: int) -> ChaseState:
    """Our own end of it, or all filled: a row of rejects is over, unless it was too long already."""
    s = state
    rejects = s.rejects if s.rejects >= config.max_rejects else 0
    return ChaseState(
        IDLE, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, rejects, s.reprices, s.takes, s.amend_off, pause_until_ns, s.order,
        s.seen,
    )  # fmt: skip


@register_jitable
def backed_off(config: ChaseConfig, state: ChaseState, phase: int, trouble: int, counts: int) -> ChaseState:
    """The venue knows a newer market than our top: drop it, and pause longer the longer the row."""
    s, seen = state, state.seen
    rejects = s.rejects + counts
    return ChaseState(
        phase, s.reason, trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, rejects, s.reprices, s.takes, s.amend_off,
        seen.now_ns + later(config.pause_ns, rejects - 1), s.order,
        Seen(seen.now_ns, seen.sight, 0, 0, 0, seen.away, seen.away_ns),
    )  # fmt: skip


@register_jitable
def without_amending(state: ChaseState, pause_until_ns: int) -> ChaseState:
    s = state
    return ChaseState(
        s.phase, s.reason, s.trouble, s.twice_arrival_mid, s.bound, s.take_cap, s.filled, s.prior_id,
        s.prior_filled, s.cancel_wanted, s.rejects, s.reprices, s.takes, 1, pause_until_ns, s.order, s.seen,
    )  # fmt: skip


@register_jitable
def later(base_ns: int, n: int) -> int:
    """`base_ns` doubled n times, at most thrice."""
    return base_ns << min(max(n, 0), 3)
