"""The flash-crash breaker. Tripped, it stays tripped until somebody resets it.

It trips

- on a fall: the global mid stands more than `fall_bps` below its highest value of the last `window_ns`;
- on a spread blow-out: the spread was above `max_spread_bps` at every update for at least `spread_hold_ns`
  (0: the first such update trips);
- by hand.

The rolling maximum is kept in 16 buckets of a fifteenth of the window each. They reach back at least one
window and at most 16/15 of one, so a fall larger than stated within the window is never missed, and one that
took up to 7 % longer than the window may trip too. Detection takes the one update that shows it.

A mid that is NaN or not positive, or a spread that is NaN or negative, is no news: an absent or crossed
quote is the gate's matter. Time that runs backwards counts as standing still. Pure functions over
NamedTuples, compilable by Numba.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

from numba.extending import register_jitable

from citadel_kit.errors import ConfigError

BUCKETS: Final = 16
_EMPTY: Final = (0.0,) * BUCKETS
_NO_TIME: Final = -(1 << 62)


class Trip(IntEnum):
    NONE = 0
    FALL = 1
    SPREAD = 2
    HAND = 3


# As plain ints: looking a member up and asking its value costs more than all the rest of an update.
_NONE: Final = Trip.NONE.value
_FALL: Final = Trip.FALL.value
_SPREAD: Final = Trip.SPREAD.value


class GuardConfig(NamedTuple):
    fall_bps: float = 200.0
    window_ns: int = 10_000_000_000
    max_spread_bps: float = 100.0
    spread_hold_ns: int = 2_000_000_000


class GuardState(NamedTuple):
    tripped: int
    """Trip"""
    tripped_ns: int
    measured_bps: float
    """The fall or the spread that tripped; 0 by hand."""
    now_ns: int
    """Latest time handed in."""
    bucket: int
    """Number of the newest bucket since the epoch."""
    peaks: tuple[float, ...]
    """Highest mid per bucket, newest first; 0 where there was none."""
    highest: float
    """Of `peaks`."""
    wide_since_ns: int
    """-1: the spread is not too wide."""


class Calm(NamedTuple):
    """Quotes of which `on_quote` would change nothing but `now_ns`: most of them, so they may be left out.

    Only by a caller whose time never runs backwards.
    """

    until_ns: int
    """Exclusive."""
    low: float
    """Lowest and highest mid; NaN where no quote is of this kind."""
    high: float
    widest: float
    """Ask over bid; the narrowest is 1."""


def calm(config: GuardConfig, state: GuardState) -> Calm:
    """Until the state is another. Mid and spread end half of the way to a trip: no rounding can matter."""
    if state.tripped != _NONE or state.wide_since_ns >= 0:
        return Calm(_NO_TIME, math.nan, math.nan, math.nan)
    until_ns = (state.bucket + 1) * _width(config)
    low = state.highest * (1.0 - 0.5 * config.fall_bps / 1e4)
    return Calm(until_ns, max(low, 0.0), state.peaks[0], 1.0 + 0.5 * config.max_spread_bps / 1e4)


def check(config: GuardConfig) -> None:
    """Raises ConfigError for a setting with which the guard would never trip. NaN is one."""
    for name in ("fall_bps", "max_spread_bps", "window_ns"):
        if not 0 < getattr(config, name) < math.inf:
            raise ConfigError(name, f"{getattr(config, name)!r} is not a positive number")
    if not config.spread_hold_ns >= 0:
        raise ConfigError("spread_hold_ns", f"{config.spread_hold_ns!r} is negative")


@register_jitable
def fresh(now_ns: int) -> GuardState:
    """Armed, with no past."""
    return GuardState(_NONE, 0, 0.0, now_ns, 0, _EMPTY, 0.0, -1)


@register_jitable
def on_quote(
    config: GuardConfig, state: GuardState, now_ns: int, mid: float, spread_bps: float
) -> GuardState:
    """A new global quote. The first trip stands; later ones don't replace it."""
    s, now_ns = state, max(now_ns, state.now_ns)
    bucket = now_ns // _width(config)
    peaks, highest = s.peaks, s.highest
    if bucket != s.bucket:
        falls_out = bucket - s.bucket > 1 or peaks[-1] >= highest
        peaks = _rolled(peaks, bucket - s.bucket)
        if falls_out:
            highest = _highest(peaks)
    fall_bps = 0.0
    if 0.0 < mid < math.inf:
        if mid > peaks[0]:
            peaks = (mid,) + peaks[1:]  # noqa: RUF005 - Numba knows no unpacking here
            highest = max(highest, mid)
        fall_bps = (highest - mid) * 1e4 / highest
    wide_since_ns = s.wide_since_ns
    if spread_bps > config.max_spread_bps:
        wide_since_ns = now_ns if wide_since_ns < 0 else wide_since_ns
    elif spread_bps >= 0.0:
        wide_since_ns = -1
    if s.tripped != _NONE:
        return GuardState(
            s.tripped, s.tripped_ns, s.measured_bps, now_ns, bucket, peaks, highest, wide_since_ns
        )
    if fall_bps > config.fall_bps:
        return GuardState(_FALL, now_ns, fall_bps, now_ns, bucket, peaks, highest, wide_since_ns)
    if spread_bps > config.max_spread_bps and now_ns - wide_since_ns >= config.spread_hold_ns:
        return GuardState(_SPREAD, now_ns, spread_bps, now_ns, bucket, peaks, highest, wide_since_ns)
    return GuardState(_NONE, 0, 0.0, now_ns, bucket, peaks, highest, wide_since_ns)


@register_jitable
def trip(state: GuardState, now_ns: int, code: int) -> GuardState:
    """By hand, or by a rule that lives elsewhere. A guard that is tripped already keeps its first cause."""
    s = state
    if s.tripped != _NONE:
        return s
    return GuardState(code, now_ns, 0.0, max(now_ns, s.now_ns), s.bucket, s.peaks, s.highest, s.wide_since_ns)


@register_jitable
def reset(state: GuardState, now_ns: int) -> GuardState:
    """Armed again. The past is forgotten: the fall that was looked at must not trip once more."""
    return fresh(max(now_ns, state.now_ns))


def describe(config: GuardConfig, state: GuardState) -> str:
    """`ok`, or why the guard is tripped."""
    if state.tripped == _NONE:
        return "ok"
    if state.tripped == Trip.FALL:
        return (
            f"tripped: the mid fell {state.measured_bps:.1f} bps within {config.window_ns / 1e9:g} s "
            f"(fall_bps is {config.fall_bps:g})"
        )
    if state.tripped == Trip.SPREAD:
        return (
            f"tripped: the spread was {state.measured_bps:.1f} bps and above max_spread_bps "
            f"({config.max_spread_bps:g}) for {config.spread_hold_ns / 1e9:g} s"
        )
    return "tripped by hand"


@register_jitable
def _width(config: GuardConfig) -> int:
    """Of one bucket: all but the newest together reach back at least one window."""
    return max(-(-config.window_ns // (BUCKETS - 1)), 1)


@register_jitable
def _rolled(peaks: tuple[float, ...], buckets: int) -> tuple[float, ...]:
    if buckets >= BUCKETS:
        return _EMPTY
    for _ in range(buckets):
        peaks = (0.0,) + peaks[:-1]  # noqa: RUF005 - Numba knows no unpacking here
    return peaks


@register_jitable
def _highest(peaks: tuple[float, ...]) -> float:
    highest = 0.0
    for peak in peaks:
        if peak > highest:  # noqa: PLR1730 - a quarter of the cost of max() where this runs as plain Python
            highest = peak
    return highest
