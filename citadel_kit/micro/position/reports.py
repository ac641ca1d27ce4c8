"""What a report does to the protective stop."""

from __future__ import annotations

from typing import Final

from numba.extending import register_jitable

from citadel_kit.micro.position.follow import at_time, stop_gone, with_cause, with_stop
from citadel_kit.micro.position.records import (
    ASKING,
    CANCELING,
    GONE,
    PLACING,
    RESTING,
    STOP,
    ExitConfig,
    PlanState,
    Stop,
)
from citadel_kit.types import OrderReport, RejectReason, ReportKind

_ACK: Final = ReportKind.ACK.value
_REJECT: Final = ReportKind.REJECT.value
_FILL: Final = ReportKind.FILL.value
_CANCELED: Final = ReportKind.CANCELED.value
_CANCEL_REJECT: Final = ReportKind.CANCEL_REJECT.value
_UNKNOWN: Final = ReportKind.UNKNOWN.value
_STATE: Final = ReportKind.STATE.value
_DUPLICATE: Final = RejectReason.DUPLICATE.value
_UNKNOWN_ORDER: Final = RejectReason.UNKNOWN_ORDER.value


@register_jitable
def heard(config: ExitConfig, state: PlanState, report: OrderReport) -> PlanState:
    """Of the last stop, in any order and any number: fills are cumulative, and an end is an end."""
    s, kind = _counted(at_time(state, report.recv_ns), report), report.kind
    stop = s.stop
    if stop.phase == GONE:
        return s
    if stop.filled >= stop.qty:
        return stop_gone(config, s, False)
    if kind == _CANCELED:
        return stop_gone(config, s, stop.cancels == 0)
    if kind == _REJECT:
        return _rejected(config, s, report.reason)
    if kind in (_ACK, _FILL, _STATE):
        if stop.phase == PLACING or (stop.phase == ASKING and kind == _STATE):
            return _alive(config, s)
        return s
    if kind == _UNKNOWN or (kind == _CANCEL_REJECT and stop.phase == CANCELING):
        return in_doubt(s)
    return s


@register_jitable
def _counted(state: PlanState, report: OrderReport) -> PlanState:
    """A stop that has filled was triggered: the plan is to close."""
    s, o = state, state.stop
    if report.filled <= o.filled:
        return s
    filled = Stop(
        o.phase, o.order_id, o.qty, report.filled, 1, o.cancels, o.asks, o.placed_ns, s.now_ns, o.hold_ns
    )
    return with_cause(with_stop(s, filled), STOP)


@register_jitable
def _rejected(config: ExitConfig, state: PlanState, reason: int) -> PlanState:
    """Of an order that was said to live, or lives already under this id, a REJECT is not believed."""
    known_by_venue = reason == _DUPLICATE or state.stop.acked != 0
    if known_by_venue and not (reason == _UNKNOWN_ORDER and state.stop.phase == ASKING):
        return in_doubt(state)
    return stop_gone(config, state, True)


@register_jitable
def _alive(config: ExitConfig, state: PlanState) -> PlanState:
    """After doubt, a cancel that may be refused again waits a little."""
    o, now = state.stop, state.now_ns
    hold = now + config.pause_ns if o.phase == ASKING and o.cancels > 0 else o.hold_ns
    return with_stop(
        state, Stop(RESTING, o.order_id, o.qty, o.filled, 1, o.cancels, 0, o.placed_ns, now, hold)
    )


@register_jitable
def in_doubt(state: PlanState) -> PlanState:
    """Asked for at once; while it is being asked for already, in its turn."""
    o = state.stop
    if o.phase == ASKING:
        return state
    asking = Stop(
        ASKING, o.order_id, o.qty, o.filled, o.acked, o.cancels, 0, o.placed_ns, state.now_ns, o.hold_ns
    )
    return with_stop(state, asking)
