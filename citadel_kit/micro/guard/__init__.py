"""The flash-crash breaker: what it sees of all venues → GO, PAUSE, REDUCE or FLATTEN.

| cause      | trips when                                                                      | to      |
| ---------- | ------------------------------------------------------------------------------- | ------- |
| FALL       | the global mid is more than `fall_bps` below its highest of `window_ns`         | REDUCE  |
| SLIDE      | … more than `slide_bps` below its highest of `slide_window_ns`                  | REDUCE  |
| either     | … more than `flatten_bps`, where that is set; latched                           | FLATTEN |
| SPREAD     | the global spread was above `max_spread_bps` for `spread_hold_ns`               | PAUSE   |
| DEPTH      | the depth was below `min_depth_share` of its median for `depth_hold_ns`         | PAUSE   |
| DIVERGENCE | a bid stood `max_crossed_bps` above another venue's ask for `crossed_hold_ns`   | PAUSE   |
| HALT       | no book was LIVE for `halt_ns`, or none changed for `quiet_ns`                  | PAUSE   |
| HAND       | somebody says so; latched                                                       | as said |

A hold time starts at the first update that shows the thing and ends at the first that shows the contrary; 0
trips at once. A PAUSE whose cause lasts for `escalate_ns` becomes REDUCE. A step only rises, until every
measure was calm (`GuardConfig.release`) for `cooldown_ns` without a break: then it is GO. What is latched
stays until `reset`. What is not known is never calm, and never trips. Before the first update of any book
nothing is halted.

Detection takes the one update, or timer, that shows it. Time that runs backwards counts as standing still.
Pure functions over NamedTuples, compilable by Numba.
"""

from __future__ import annotations

import math
from typing import Final

from numba.extending import register_jitable

from citadel_kit.micro.guard import rolling
from citadel_kit.micro.guard.records import (
    BUCKETS,
    DEPTH,
    DIVERGENCE,
    FALL,
    FLATTEN,
    GO,
    HALT,
    NONE,
    PAUSE,
    REDUCE,
    SAMPLES,
    SLIDE,
    SPREAD,
    Calm,
    GuardConfig,
    GuardState,
    GuardStep,
    Measures,
    Sight,
    Since,
    Trip,
    check,
)

__all__ = [
    "BUCKETS",
    "SAMPLES",
    "NOT_CALM",
    "Calm",
    "GuardConfig",
    "GuardState",
    "GuardStep",
    "Measures",
    "Sight",
    "Trip",
    "calm",
    "check",
    "describe",
    "fresh",
    "on_quote",
    "on_sight",
    "on_timer",
    "reset",
    "trip",
    "trip_to",
]

_NOTHING: Final = Measures(math.nan, math.nan, math.nan, math.nan, math.nan)
_NOT_SINCE: Final = Since(-1, -1, -1, -1, -1)


@register_jitable
def fresh(now_ns: int) -> GuardState:
    """Armed, with no past."""
    return GuardState(
        GO, NONE, 0, 0.0, 0, now_ns, 0, rolling.NO_PEAKS, rolling.NO_PEAKS, rolling.NO_DEPTHS, _NOT_SINCE,
        _NOTHING,
    )  # fmt: skip


@register_jitable
def on_sight(config: GuardConfig, state: GuardState, sight: Sight) -> GuardState:
    """After an update of any book."""
    c, s, now, mid = config, state, max(sight.now_ns, state.now_ns), sight.mid
    fast = rolling.with_mid(s.fast, c.window_ns, now, mid)
    slow = rolling.with_mid(s.slow, c.slide_window_ns, now, mid)
    depths = rolling.with_depth(s.depths, c.depth_sample_ns, now, sight.depth)
    last = Measures(
        rolling.fall_bps(fast, mid),
        rolling.fall_bps(slow, mid),
        sight.spread_bps if sight.spread_bps >= 0.0 else math.nan,
        rolling.depth_share(depths, sight.depth),
        sight.crossed_bps,
    )
    quiet = _is_calm(c, last, depths.median > 0.0)
    still_calm = quiet and s.since.calm_ns >= 0  # then nothing else lasts
    since = s.since if still_calm else _sinces(c, s.since, last, now, quiet)
    seen = GuardState(
        s.step, s.tripped, s.tripped_ns, s.measured, s.latched, now, now, fast, slow, depths, since, last
    )
    return seen if still_calm and s.step == GO and c.flatten_bps == 0.0 else _judged(c, seen)


@register_jitable
def on_quote(
    config: GuardConfig, state: GuardState, now_ns: int, mid: float, spread_bps: float
) -> GuardState:
    """`on_sight` where only a quote is known: no depth, and nothing that is crossed."""
    return on_sight(config, state, Sight(now_ns, mid, spread_bps, math.nan, 0.0))


@register_jitable
def on_timer(config: GuardConfig, state: GuardState, now_ns: int, live: bool) -> GuardState:
    """Time passes; `live`: is any book LIVE?"""
    s, now, old = state, max(now_ns, state.now_ns), state.since
    dead_ns = _since(old.dead_ns, now, not live and s.heard_ns > 0, live)
    calm_ns = old.calm_ns if live and not _is_quiet(config, s.heard_ns, now) else -1
    since = Since(old.wide_ns, old.thin_ns, old.crossed_ns, dead_ns, calm_ns)
    seen = GuardState(
        s.step, s.tripped, s.tripped_ns, s.measured, s.latched, now, s.heard_ns, s.fast, s.slow, s.depths,
        since, s.last,
    )  # fmt: skip
    return _judged(config, seen)


@register_jitable
def trip(state: GuardState, now_ns: int, code: int) -> GuardState:
    """REDUCE, latched: by hand, or by a rule that lives elsewhere."""
    return trip_to(state, now_ns, code, REDUCE)


@register_jitable
def trip_to(state: GuardState, now_ns: int, code: int, step: int) -> GuardState:
    """At least this step, latched. What latched it first stays the cause, unless the step rises."""
    s = state
    if s.latched != 0 and step <= s.step:
        return s
    now = max(now_ns, s.now_ns)
    return _with_trip(s, max(step, s.step), code, now, 0.0, 1)


@register_jitable
def reset(state: GuardState, now_ns: int) -> GuardState:
    """Armed again. The past is forgotten: the fall that was looked at must not trip once more."""
    return fresh(max(now_ns, state.now_ns))


# --- what needs no look ---

NOT_CALM: Final = Calm(-(1 << 62), 1, math.nan, math.nan, math.nan, math.nan)
_ROOM: Final = 0.25
"""Of the fall that is still calm: so much higher than the highest a mid may stand meanwhile."""


def calm(config: GuardConfig, state: GuardState) -> Calm:
    """Until the state is another. Fall and spread end a little before they would not be calm: no rounding can
    matter."""
    c, s = config, state
    if s.step != GO or s.since.calm_ns < 0 or s.since.dead_ns >= 0 or c.flatten_bps > 0.0:
        return NOT_CALM
    if s.depths.bucket < 0:
        return NOT_CALM
    until_ns = min(
        rolling.bucket_end_ns(s.slow, c.slide_window_ns), (s.depths.bucket + 1) * c.depth_sample_ns
    )
    near = 0.99 * c.release / 1e4
    least = min(c.fall_bps, c.slide_bps)
    high = s.slow.highest * (1.0 + _ROOM * near * least)
    low = max(high * (1.0 - near * c.fall_bps), high * (1.0 - near * c.slide_bps), 0.0)
    thin = s.depths.median * c.min_depth_share / c.release * (1.0 + 1e-9)
    width_ns = rolling.width_ns(c.window_ns)
    return Calm(until_ns, width_ns, low, high, 1.0 + near * c.max_spread_bps, thin)


# --- the rules ----------------------------------------------------------------------------------------------


@register_jitable
def _since(since_ns: int, now_ns: int, starts: bool, ends: bool) -> int:
    """With neither, as with NaN, it stands as it did."""
    if starts:
        return now_ns if since_ns < 0 else since_ns
    return -1 if ends else since_ns


@register_jitable
def _sinces(config: GuardConfig, old: Since, last: Measures, now_ns: int, calm: bool) -> Since:
    c, spread, share, crossed = config, last.spread_bps, last.depth_share, last.crossed_bps
    return Since(
        _since(old.wide_ns, now_ns, spread > c.max_spread_bps, spread <= c.max_spread_bps),
        _since(old.thin_ns, now_ns, share < c.min_depth_share, share >= c.min_depth_share),
        _since(old.crossed_ns, now_ns, crossed > c.max_crossed_bps, crossed <= c.max_crossed_bps),
        -1,
        _since(old.calm_ns, now_ns, calm, not calm),
    )


@register_jitable
def _is_calm(config: GuardConfig, last: Measures, has_median: bool) -> bool:
    """Written so that NaN is not calm; a depth that was never measured is not asked for."""
    share = config.release
    if not (last.fall_bps <= share * config.fall_bps and last.slide_bps <= share * config.slide_bps):
        return False
    if has_median and not last.depth_share * share >= config.min_depth_share:
        return False
    return last.spread_bps <= share * config.max_spread_bps and (
        last.crossed_bps <= share * config.max_crossed_bps
    )


@register_jitable
def _judged(config: GuardConfig, state: GuardState) -> GuardState:
    s, now, last = state, state.now_ns, state.last
    fell = max(last.fall_bps, last.slide_bps)
    if config.flatten_bps > 0.0 and fell > config.flatten_bps and s.step < FLATTEN:
        cause = FALL if last.fall_bps == fell else SLIDE
        return _with_trip(s, FLATTEN, cause, now, fell, 1)
    if s.step < REDUCE and last.fall_bps > config.fall_bps:
        return _with_trip(s, REDUCE, FALL, now, last.fall_bps, s.latched)
    if s.step < REDUCE and last.slide_bps > config.slide_bps:
        return _with_trip(s, REDUCE, SLIDE, now, last.slide_bps, s.latched)
    cause, measured = _ill(config, s)
    if cause != NONE and s.step == GO:
        return _with_trip(s, PAUSE, cause, now, measured, 0)
    if cause != NONE and s.step == PAUSE and now - s.tripped_ns >= config.escalate_ns:
        return _with_trip(s, REDUCE, cause, now, measured, s.latched)
    if cause != NONE or s.step == GO or s.latched != 0 or s.since.calm_ns < 0:
        return s
    if now - max(s.since.calm_ns, s.tripped_ns) < config.cooldown_ns:
        return s
    return _with_trip(s, GO, NONE, 0, 0.0, 0)


@register_jitable
def _ill(config: GuardConfig, state: GuardState) -> tuple[int, float]:
    """What makes for a PAUSE now, and how much of it there is."""
    c, now, since, last = config, state.now_ns, state.since, state.last
    if since.wide_ns >= 0 and last.spread_bps > c.max_spread_bps and now - since.wide_ns >= c.spread_hold_ns:
        return SPREAD, last.spread_bps
    if since.thin_ns >= 0 and last.depth_share < c.min_depth_share and now - since.thin_ns >= c.depth_hold_ns:
        return DEPTH, last.depth_share
    if (
        since.crossed_ns >= 0
        and last.crossed_bps > c.max_crossed_bps
        and now - since.crossed_ns >= c.crossed_hold_ns
    ):
        return DIVERGENCE, last.crossed_bps
    if since.dead_ns >= 0 and now - since.dead_ns >= c.halt_ns:
        return HALT, float(now - since.dead_ns)
    if _is_quiet(c, state.heard_ns, now):
        return HALT, float(now - state.heard_ns)
    return NONE, 0.0


@register_jitable
def _is_quiet(config: GuardConfig, heard_ns: int, now_ns: int) -> bool:
    return config.quiet_ns > 0 and heard_ns > 0 and now_ns - heard_ns >= config.quiet_ns


@register_jitable
def _with_trip(
    state: GuardState, step: int, cause: int, at_ns: int, measured: float, latched: int
) -> GuardState:
    s = state
    return GuardState(
        step, cause, at_ns, measured, latched, max(s.now_ns, at_ns), s.heard_ns, s.fast, s.slow, s.depths,
        s.since, s.last,
    )  # fmt: skip


# --- for people ---------------------------------------------------------------------------------------------

_SAYS: Final = {
    GuardStep.PAUSE: "PAUSE: no entries until it was calm for {0:g} s",
    GuardStep.REDUCE: "REDUCE: entries are cancelled, until it was calm for {0:g} s",
    GuardStep.FLATTEN: "FLATTEN: everything is closed",
}


def describe(config: GuardConfig, state: GuardState) -> str:
    """`ok`, or why the guard is tripped and what that means."""
    if state.step == GuardStep.GO:
        return "ok"
    step = GuardStep(state.step)
    if state.tripped == Trip.HAND:
        return "tripped by hand" if step == GuardStep.REDUCE else f"tripped by hand: {step.name}"
    says = _SAYS[step].format(config.cooldown_ns / 1e9)
    if state.latched:
        says = f"{says.split(',')[0].split(' until')[0]}, until it is re-armed by hand"
    return f"tripped: {_why(config, state)}; {says}"


def _why(c: GuardConfig, state: GuardState) -> str:
    cause, much = Trip(state.tripped), state.measured
    texts = {
        Trip.NONE: "",
        Trip.HAND: "",
        Trip.FALL: f"the mid fell {much:.1f} bps within {c.window_ns / 1e9:g} s (fall_bps is {c.fall_bps:g})",
        Trip.SLIDE: f"the mid fell {much:.1f} bps within {c.slide_window_ns / 1e9:g} s "
        f"(slide_bps is {c.slide_bps:g})",
        Trip.SPREAD: f"the spread was {much:.1f} bps and above max_spread_bps ({c.max_spread_bps:g}) for "
        f"{c.spread_hold_ns / 1e9:g} s",
        Trip.DEPTH: f"the depth was {much:.1%} of its median and below min_depth_share "
        f"({c.min_depth_share:.1%}) for {c.depth_hold_ns / 1e9:g} s",
        Trip.DIVERGENCE: f"venues were {much:.1f} bps apart and above max_crossed_bps "
        f"({c.max_crossed_bps:g}) for {c.crossed_hold_ns / 1e9:g} s",
        Trip.HALT: f"no LIVE book changed for {much / 1e9:.1f} s (halt_ns is {c.halt_ns / 1e9:g} s, "
        f"quiet_ns {c.quiet_ns / 1e9:g} s)",
    }
    return texts[cause]
