"""What a report does to an order that is out: the upper half of the transition table.

Each rule asks: is this the venue's word on how the order ended? Only that leads back to IDLE. Whatever
contradicts what the venue said before leads to ASKING.
"""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase.follow import (
    asking,
    backed_off,
    counted,
    ended,
    gone,
    held_back,
    later,
    repriced,
    rests,
    without_amending,
)
from citadel_kit.micro.chase.records import (
    AMENDING,
    ASKING,
    CANCELING,
    CANCELLED,
    EXPIRED,
    FAILED,
    FILLED,
    IDLE,
    PLACING,
    RESTING,
    TAKING,
    ChaseConfig,
    ChaseState,
    EndReason,
)
from citadel_kit.types import CommandKind, OrderReport, RejectReason, ReportKind, TimeInForce

_ACK = ReportKind.ACK.value
_REJECT = ReportKind.REJECT.value
_FILL = ReportKind.FILL.value
_CANCELED = ReportKind.CANCELED.value
_CANCEL_REJECT = ReportKind.CANCEL_REJECT.value
_AMENDED = ReportKind.AMENDED.value
_AMEND_REJECT = ReportKind.AMEND_REJECT.value
_UNKNOWN = ReportKind.UNKNOWN.value
_STATE = ReportKind.STATE.value
_POST_ONLY = RejectReason.POST_ONLY.value
_UNKNOWN_ORDER = RejectReason.UNKNOWN_ORDER.value
_DUPLICATE = RejectReason.DUPLICATE.value
_RATE_LIMIT = RejectReason.RATE_LIMIT.value
_IOC = TimeInForce.IOC.value
_PLACE = CommandKind.PLACE.value
_AMEND = CommandKind.AMEND.value
_NONE = EndReason.NONE.value
_VENUE_CANCELED = EndReason.VENUE_CANCELED.value
_FILTER = EndReason.FILTER.value
_BALANCE = EndReason.BALANCE.value
_END_OF = (
    EndReason.REFUSED.value,
    EndReason.POST_ONLY.value,
    _FILTER,
    EndReason.LOST.value,
    EndReason.NO_BOOK.value,
    _BALANCE,
    EndReason.RATE_LIMIT.value,
    EndReason.REFUSED.value,
    EndReason.REFUSED.value,
)
"""By RejectReason."""


@register_jitable
def heard(config: ChaseConfig, state: ChaseState, report: OrderReport) -> ChaseState:
    """After a report of the order that was sent last."""
    state = counted(state, report)
    phase, order, kind = state.phase, state.order, report.kind
    if phase == IDLE or phase >= FILLED:
        return state
    if order.filled >= order.most or kind == _CANCELED:
        return _closed(config, state, report.reason)
    if kind in (_ACK, _FILL, _STATE, _AMENDED):
        return _lives(config, state, report)
    if kind == _UNKNOWN:
        return state if phase in (RESTING, ASKING) else asking(state, 0)
    if kind == _REJECT:
        return _rejected(config, state, report.reason)
    if kind == _CANCEL_REJECT:
        return _cancel_refused(config, state, report.reason)
    return _amend_refused(config, state, report.reason)


@register_jitable
def _lives(config: ChaseConfig, state: ChaseState, report: OrderReport) -> ChaseState:
    if report.kind == _AMENDED:
        return _amended(config, state, report)
    if report.kind != _STATE:
        return _proved_alive(config, state, report.price if report.kind == _ACK else 0)
    if report.filled >= report.qty > 0:
        return _closed(config, repriced(state, report.price, report.qty), report.reason)
    return _told(state, report)


@register_jitable
def _proved_alive(config: ChaseConfig, state: ChaseState, price: int) -> ChaseState:
    """By ACK or a partial FILL. It settles the fate of a PLACE, not that of a later command."""
    phase, order = state.phase, state.order
    if phase != PLACING and not (phase == ASKING and order.pending == _PLACE):
        return state
    if order.tif == _IOC:  # only its end is news
        return state
    return _as_asked(config, rests(state, price, 0), order.price, 0)


@register_jitable
def _as_asked(config: ChaseConfig, state: ChaseState, price: int, qty: int) -> ChaseState:
    """The venue's word counts. Where it chose another price, it knows a newer market than we do."""
    if state.order.price != price:
        state = backed_off(config, state, RESTING, state.trouble, 0)
    if qty > 0 and (state.order.price != price or state.order.qty != qty):
        return without_amending(state, state.pause_until_ns)
    return state


@register_jitable
def _told(state: ChaseState, report: OrderReport) -> ChaseState:
    """The answer to a QUERY, or a late one while another command is pending."""
    phase = state.phase
    if phase in (AMENDING, CANCELING):
        return repriced(state, report.price, report.qty)
    return rests(state, report.price, report.qty)


@register_jitable
def _amended(config: ChaseConfig, state: ChaseState, report: OrderReport) -> ChaseState:
    phase, order = state.phase, state.order
    if phase == AMENDING or (phase == ASKING and order.pending == _AMEND):
        price = report.price if report.price > 0 else order.target_price
        after = rests(state, price, report.qty)
        return _as_asked(config, after, order.target_price, order.target_qty)
    if phase in (CANCELING, ASKING, TAKING):
        return repriced(state, report.price, report.qty)
    return rests(state, report.price, report.qty)


@register_jitable
def _amend_refused(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    phase = state.phase
    if phase == RESTING:  # after it was acknowledged: which of the two holds?
        return asking(state, 0)
    if phase != AMENDING:
        return state
    if reason == _UNKNOWN_ORDER:
        return asking(state, 0)
    after = rests(state, 0, 0)
    if reason == _POST_ONLY:
        return backed_off(config, after, RESTING, _END_OF[reason], 1)
    if reason == _RATE_LIMIT:
        return backed_off(config, after, RESTING, state.trouble, 0)
    return without_amending(after, state.seen.now_ns + config.pause_ns)


@register_jitable
def _cancel_refused(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    """Not found is not cancelled: it may have filled, or not have arrived yet."""
    if state.phase != CANCELING:
        return state
    if reason == _UNKNOWN_ORDER:
        return asking(state, 0)
    return held_back(state, state.seen.now_ns + later(config.pause_ns, state.order.cancels - 1))


@register_jitable
def _rejected(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    """Believed of an order that was never seen alive; that it is unknown, only in answer to a QUERY."""
    phase, order = state.phase, state.order
    waits = phase in (PLACING, TAKING)
    if order.alive != 0 or order.filled > 0:
        if reason in (_DUPLICATE, _UNKNOWN_ORDER) or phase == ASKING:
            return state
        return asking(state, 0)
    if reason == _DUPLICATE:
        return asking(state, 0) if waits else state
    if reason == _UNKNOWN_ORDER and (waits or state.seen.now_ns < order.since_ns + config.answer_ns):
        return state  # it may be on its way yet
    ends = _END_OF[reason]
    if order.tif == _IOC:
        return _taken(config, state, ends)
    if ends in (_FILTER, _BALANCE):
        return ended(state, FAILED, ends)
    return backed_off(config, state, IDLE, ends, 1)


@register_jitable
def _closed(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    """The order is gone, and its total known."""
    order = state.order
    if order.tif == _IOC:
        return _taken(config, state, _NONE)
    if order.filled >= order.qty or order.cancels > 0:
        return gone(config, state, state.pause_until_ns)
    return backed_off(config, state, IDLE, _END_OF[reason] if reason == _POST_ONLY else _VENUE_CANCELED, 1)


@register_jitable
def _taken(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    if state.filled >= config.qty:
        return ended(state, FILLED, reason)
    if state.cancel_wanted != 0:
        return ended(state, CANCELLED, reason)
    if reason == _NONE and state.takes < config.slices:
        return gone(config, state, state.seen.now_ns + config.slice_ns)
    return ended(state, EXPIRED, reason)
