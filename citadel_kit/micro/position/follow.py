"""How one state of an exit plan follows from another, and what it adds up to."""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.position.records import GONE, ExitConfig, Leg, PlanState, Stop


@register_jitable
def position(state: PlanState) -> int:
    """Entry fills − exit fills − stop fills, as far as they are confirmed."""
    s = state
    return s.entered - s.stopped - s.stop.filled - s.exited - s.leg.filled


@register_jitable
def may_close(state: PlanState) -> int:
    """The most that stop and exit together can still trade. Never more than the position."""
    stop, leg = state.stop, state.leg
    by_stop = stop.qty - stop.filled if stop.phase != GONE else 0
    return by_stop + (leg.qty - leg.filled if leg.active != 0 else 0)


@register_jitable
def at_time(state: PlanState, now_ns: int) -> PlanState:
    return with_top(state, now_ns, state.bid, state.ask)


@register_jitable
def with_top(state: PlanState, now_ns: int, bid: int, ask: int) -> PlanState:
    s = state
    return PlanState(
        max(now_ns, s.now_ns), bid, ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited,
        s.cause, s.cause_ns, s.stop_rejects, s.stop_pause_ns, s.failures, s.exit_pause_ns, s.stop, s.leg,
    )  # fmt: skip


@register_jitable
def with_entry(state: PlanState, entered: int, done: int, cancelled: int) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, entered, done, cancelled, s.stopped, s.exited, s.cause, s.cause_ns,
        s.stop_rejects, s.stop_pause_ns, s.failures, s.exit_pause_ns, s.stop, s.leg,
    )  # fmt: skip


@register_jitable
def with_outside(state: PlanState, qty: int) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited + qty,
        s.cause, s.cause_ns, s.stop_rejects, s.stop_pause_ns, s.failures, s.exit_pause_ns, s.stop, s.leg,
    )  # fmt: skip


@register_jitable
def with_cause(state: PlanState, cause: int) -> PlanState:
    """A higher one replaces a lower, and what was put off for the lower is due at once."""
    s = state
    if cause <= s.cause:
        return s
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited, cause,
        s.now_ns, s.stop_rejects, s.stop_pause_ns, s.failures, s.now_ns, s.stop, s.leg,
    )  # fmt: skip


@register_jitable
def with_stop(state: PlanState, stop: Stop) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited, s.cause,
        s.cause_ns, s.stop_rejects, s.stop_pause_ns, s.failures, s.exit_pause_ns, stop, s.leg,
    )  # fmt: skip


@register_jitable
def with_new_stop(state: PlanState, stop: Stop) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped + s.stop.filled,
        s.exited, s.cause, s.cause_ns, s.stop_rejects, s.stop_pause_ns, s.failures, s.exit_pause_ns, stop,
        s.leg,
    )  # fmt: skip


@register_jitable
def stop_gone(config: ExitConfig, state: PlanState, refused: bool) -> PlanState:
    """It can't trade any more. `refused`: not by our wish."""
    s, o = state, state.stop
    rejects = s.stop_rejects + 1 if refused else 0
    pause = backed_off(config, s.now_ns, rejects) if refused else s.now_ns
    gone = Stop(
        GONE, o.order_id, o.qty, o.filled, o.acked, o.cancels, o.asks, o.placed_ns, s.now_ns, o.hold_ns
    )
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited, s.cause,
        s.cause_ns, rejects, pause, s.failures, s.exit_pause_ns, gone, s.leg,
    )  # fmt: skip


@register_jitable
def with_leg(state: PlanState, leg: Leg) -> PlanState:
    return with_leg_after(state, leg, state.failures, state.exit_pause_ns)


@register_jitable
def with_leg_after(state: PlanState, leg: Leg, failures: int, exit_pause_ns: int) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped, s.exited, s.cause,
        s.cause_ns, s.stop_rejects, s.stop_pause_ns, failures, exit_pause_ns, s.stop, leg,
    )  # fmt: skip


@register_jitable
def with_new_leg(state: PlanState, leg: Leg) -> PlanState:
    s = state
    return PlanState(
        s.now_ns, s.bid, s.ask, s.entered, s.entry_done, s.entry_cancelled, s.stopped,
        s.exited + s.leg.filled, s.cause, s.cause_ns, s.stop_rejects, s.stop_pause_ns, s.failures,
        s.exit_pause_ns, s.stop, leg,
    )  # fmt: skip


@register_jitable
def backed_off(config: ExitConfig, now_ns: int, in_a_row: int) -> int:
    return now_ns + (config.pause_ns << min(max(in_a_row - 1, 0), 6))
