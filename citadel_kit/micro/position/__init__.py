"""The exit plan of one entry: what must happen so that its position is guarded, and closed when it is time.

Pure state machine. Inputs are the totals of the entry and of the exits it asked for, reports of the stop that
rests at the venue, tops, time, signals and the guard's step; each returns a `Step`. While its deed is not
NONE it is to be done, and then `proceed` called for the next.

position = entry fills − exit fills − stop fills, as confirmed. What may still trade against it, the stop and
the exit at work together (`may_close`), is never more. So

1. there is one stop or none: the next is placed when the venue has said that the last can't trade any more,
   and with what total. For a larger position the order is cancel, confirmation, place: for that round trip,
   and for `restop_ns` before it, the addition is guarded only while the engine runs (`guarded` says so);
2. an exit starts only when the stop is gone in the same sense, and for the whole position; while it works
   nothing rests. When it ends with a rest, the next takes that at once; after one that filled nothing there
   is a pause, in which the stop rests again;
3. unknown is not cancelled: a stop whose fate is not known is asked for, and until the answer nothing else
   may sell, whatever the cause.

| cause  | when                                                                       | exit          |
| ------ | -------------------------------------------------------------------------- | ------------- |
| FLIP   | a signal points to the other side, and `on_flip`                           | chase         |
| TIME   | `deadline_ns`                                                              | chase         |
| TARGET | the position can be closed at `target_price`                               | chase         |
| HAND   | `close`                                                                    | chase         |
| STOP   | the position could only be closed at `stop_price` or worse, or the stop at | take at once, |
|        | the venue has begun to fill                                                | see below     |
| GUARD  | the guard says FLATTEN                                                     | take at once  |

Every cause is final, cancels the entry, and lasts until nothing is left; a more urgent one replaces a less
urgent, and its chase. An exit that filled nothing is followed by one that takes. A stop that rests at the
venue has `grace_ns` to do its work before it is cancelled and the rest taken.
"""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.guard.records import FLATTEN
from citadel_kit.micro.position.config import configure
from citadel_kit.micro.position.decide import close_price, decide, is_through, tradable
from citadel_kit.micro.position.follow import (
    at_time,
    backed_off,
    may_close,
    position,
    with_cause,
    with_entry,
    with_leg_after,
    with_outside,
    with_top,
)
from citadel_kit.micro.position.records import (
    ASKING,
    BY_GUARD,
    BY_HAND,
    FLIP,
    GONE,
    NO_CAUSE,
    NO_DEED,
    NO_LEG,
    NO_STOP,
    RESTING,
    STOP,
    TARGET,
    TIME,
    Cause,
    Deed,
    DeedKind,
    ExitConfig,
    Guarded,
    Leg,
    PlanState,
    Step,
    Stop,
    StopPhase,
)
from citadel_kit.micro.position.reports import heard
from citadel_kit.types import Command, CommandKind, Instrument, OrderReport, StopCommand, TimeInForce

__all__ = [
    "Cause",
    "Deed",
    "DeedKind",
    "ExitConfig",
    "Guarded",
    "Leg",
    "PlanState",
    "Step",
    "Stop",
    "StopPhase",
    "close",
    "command",
    "configure",
    "describe",
    "fresh",
    "guarded",
    "is_closed",
    "is_dust",
    "left",
    "may_close",
    "on_entry",
    "on_exit",
    "on_guard",
    "on_no_book",
    "on_outside",
    "on_report",
    "on_signal",
    "on_timer",
    "on_top",
    "position",
    "proceed",
    "resume",
]


@register_jitable
def fresh(now_ns: int) -> PlanState:
    """Before the entry is placed."""
    return PlanState(now_ns, 0, 0, 0, 0, 0, 0, 0, NO_CAUSE, 0, 0, 0, 0, 0, NO_STOP, NO_LEG)


@register_jitable
def on_entry(config: ExitConfig, state: PlanState, filled: int, done: bool) -> Step:
    """The entry's confirmed total; `done`: it has ended."""
    s = state
    ended = 1 if done else s.entry_done
    return decide(config, with_entry(s, max(filled, s.entered), ended, s.entry_cancelled))


@register_jitable
def on_exit(config: ExitConfig, state: PlanState, number: int, filled: int, done: bool) -> Step:
    """An exit's confirmed total; `done`: it has ended, or could not be started."""
    s, leg = state, state.leg
    if number != leg.number or number == 0:
        return Step(s, NO_DEED)
    active = 0 if done else leg.active
    after = Leg(number, leg.qty, max(filled, leg.filled), active, leg.urgent, leg.cancelled)
    failures, pause_ns = s.failures, s.exit_pause_ns
    if leg.active != 0 and active == 0 and leg.cancelled == 0:
        failures = s.failures + 1 if after.filled == 0 else 0
        pause_ns = backed_off(config, s.now_ns, failures) if after.filled == 0 else s.now_ns
    return decide(config, with_leg_after(s, after, failures, pause_ns))


@register_jitable
def on_outside(config: ExitConfig, state: PlanState, qty: int) -> Step:
    """So much of the position was closed by an order that is not of this plan."""
    return decide(config, with_outside(state, min(qty, max(position(state), 0))))


@register_jitable
def on_report(config: ExitConfig, state: PlanState, report: OrderReport) -> Step:
    """Of a stop of this plan. One that is not the last is ignored: its end was confirmed with its total."""
    if report.order_id != state.stop.order_id:
        return Step(state, NO_DEED)
    return decide(config, heard(config, state, report))


@register_jitable
def on_top(config: ExitConfig, state: PlanState, now_ns: int, bid: int, ask: int) -> Step:
    """A top of the venue's LIVE book; one that is not two-sided is as none."""
    good = 0 < bid < ask
    s = with_top(state, now_ns, bid if good else 0, ask if good else 0)
    price = close_price(config, s)
    if position(s) > 0 and is_through(config, s):
        s = with_cause(s, STOP)
    reached = config.target_price > 0 and price > 0 and (price - config.target_price) * config.side >= 0
    if position(s) > 0 and reached:
        s = with_cause(s, TARGET)
    return _on_time(config, s)


@register_jitable
def on_no_book(config: ExitConfig, state: PlanState, now_ns: int) -> Step:
    """The venue's book is not LIVE, until the next top: no exit starts, and the stop stays."""
    return _on_time(config, with_top(state, now_ns, 0, 0))


@register_jitable
def on_timer(config: ExitConfig, state: PlanState, now_ns: int) -> Step:
    return _on_time(config, at_time(state, now_ns))


@register_jitable
def on_signal(config: ExitConfig, state: PlanState, now_ns: int, side: int) -> Step:
    """A new signal's side; 0: flat, which closes nothing."""
    s = at_time(state, now_ns)
    if config.on_flip != 0 and side == -config.side:
        s = with_cause(s, FLIP)
    return decide(config, s)


@register_jitable
def on_guard(config: ExitConfig, state: PlanState, now_ns: int, step: int) -> Step:
    """The guard's step; only FLATTEN closes. That REDUCE cancels the entry is the executor's part."""
    s = at_time(state, now_ns)
    if step >= FLATTEN:
        s = with_cause(s, BY_GUARD)
    return decide(config, s)


@register_jitable
def close(config: ExitConfig, state: PlanState, now_ns: int) -> Step:
    """By hand."""
    return decide(config, with_cause(at_time(state, now_ns), BY_HAND))


@register_jitable
def proceed(config: ExitConfig, state: PlanState) -> Step:
    """After a deed was done: the next."""
    return decide(config, state)


@register_jitable
def resume(
    config: ExitConfig,
    now_ns: int,
    entered: int,
    stopped: int,
    exited: int,
    exits: int,
    cause: int,
    stop: Stop,
) -> PlanState:
    """After a restart, when entry and exits have ended and their totals are known; `exits` were started.

    `stop`: the last one in the journal, with what is known to be filled, or `NO_STOP`; unless it is certainly
    gone it is asked for first. `stopped`: by those before it.
    """
    leg = Leg(exits, 0, 0, 0, 0, 0)
    phase = stop.phase if stop.phase == GONE else ASKING
    o = Stop(
        phase, stop.order_id, stop.qty, stop.filled, stop.acked, stop.cancels, 0, stop.placed_ns, now_ns, 0
    )
    return PlanState(now_ns, 0, 0, entered, 1, 1, stopped, exited, cause, now_ns, 0, 0, 0, 0, o, leg)


@register_jitable
def _on_time(config: ExitConfig, state: PlanState) -> Step:
    s = state
    if 0 < config.deadline_ns <= s.now_ns:
        s = with_cause(s, TIME)
    return decide(config, s)


# --- facts --------------------------------------------------------------------------------------------------


@register_jitable
def is_closed(state: PlanState) -> bool:
    """Nothing is open, and nothing can open or close anything any more."""
    return state.entry_done != 0 and position(state) == 0 and may_close(state) == 0


@register_jitable
def is_dust(config: ExitConfig, state: PlanState) -> bool:
    """Less than a lot is open, which no order can close, and nothing is at work: until a fill comes late."""
    return state.entry_done != 0 and 0 < position(state) < config.lot and may_close(state) == 0


@register_jitable
def left(config: ExitConfig, state: PlanState) -> int:
    """What closing could not close: below the venue's minimum, where only a stop may still rest for it, or
    refused so far. 0 while it is under way."""
    s = state
    if s.cause == NO_CAUSE or s.entry_done == 0 or s.leg.active != 0 or position(s) <= 0:
        return 0
    dust = tradable(config, position(s), close_price(config, s)) == 0
    if s.stop.phase == RESTING:
        return position(s) if dust and s.bid > 0 else 0
    if may_close(s) > 0:
        return 0
    return position(s) if dust or s.failures > 0 else 0


@register_jitable
def guarded(config: ExitConfig, state: PlanState) -> int:
    """`Guarded`, by what the venue has confirmed."""
    held, stop = position(state), state.stop
    if held <= 0:
        return Guarded.NOTHING_OPEN.value
    if stop.phase != RESTING:
        return Guarded.ENGINE.value
    return Guarded.VENUE.value if stop.qty - stop.filled >= held - held % config.lot else Guarded.PARTLY.value


def command(config: ExitConfig, deed: Deed) -> Command | StopCommand | None:
    """What goes to the broker; None where the deed is the executor's own."""
    if deed.kind == DeedKind.PLACE_STOP:
        return StopCommand(deed.order_id, -config.side, config.stop_price, config.stop_limit, deed.qty)
    if deed.kind in (DeedKind.CANCEL_STOP, DeedKind.QUERY_STOP):
        kind = CommandKind.CANCEL if deed.kind == DeedKind.CANCEL_STOP else CommandKind.QUERY
        gtc = TimeInForce.GTC.value
        return Command(kind.value, deed.order_id, -config.side, config.stop_limit, deed.qty, gtc)
    return None


_GUARDED = {
    Guarded.NOTHING_OPEN: "nothing to guard",
    Guarded.VENUE: "guarded by a stop at the venue",
    Guarded.PARTLY: "a part guarded by a stop at the venue, the rest only while the engine runs",
    Guarded.ENGINE: "guarded only while the engine runs",
}


def describe(instrument: Instrument, config: ExitConfig, state: PlanState) -> str:
    """One line: what is open, who guards it, and what is left."""
    if is_closed(state):
        return "closed"
    says = f"{instrument.qty(position(state)):g} open: {_GUARDED[Guarded(guarded(config, state))]}"
    if state.cause != Cause.NONE:
        says += f"; closing ({Cause(state.cause).name})"
    rest = position(state) if is_dust(config, state) else left(config, state)
    if rest and state.failures:
        says += f"; {instrument.qty(rest):g} LEFT after {state.failures} exits that filled nothing"
    elif rest:
        says += f"; {instrument.qty(rest):g} LEFT: below the venue's lot or minimum notional, or no price"
    return says
