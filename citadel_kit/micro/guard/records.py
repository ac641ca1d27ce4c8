"""The records of the flash-crash breaker. A field's integer values are those of the `IntEnum`s here."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

from citadel_kit.errors import ConfigError

BUCKETS: Final = 16
SAMPLES: Final = 31
"""Of the depth; odd, so that the median is one of them."""


class Trip(IntEnum):
    """Why."""

    NONE = 0
    FALL = 1
    SPREAD = 2
    HAND = 3
    SLIDE = 4
    """A fall over the longer window."""
    DEPTH = 5
    DIVERGENCE = 6
    HALT = 7


class GuardStep(IntEnum):
    """What it asks for. Exits pass at every step."""

    GO = 0
    PAUSE = 1
    """No entries: those at work are pulled, and go on when it is over."""
    REDUCE = 2
    """Entries are cancelled for good; exits and reductions go on."""
    FLATTEN = 3
    """Everything that is open is closed. Only where it was opted for."""


# As plain ints: looking a member up and asking its value costs more than all the rest of an update.
NONE: Final = Trip.NONE.value
FALL: Final = Trip.FALL.value
SPREAD: Final = Trip.SPREAD.value
HAND: Final = Trip.HAND.value
SLIDE: Final = Trip.SLIDE.value
DEPTH: Final = Trip.DEPTH.value
DIVERGENCE: Final = Trip.DIVERGENCE.value
HALT: Final = Trip.HALT.value
GO: Final = GuardStep.GO.value
PAUSE: Final = GuardStep.PAUSE.value
REDUCE: Final = GuardStep.REDUCE.value
FLATTEN: Final = GuardStep.FLATTEN.value


class GuardConfig(NamedTuple):
    """Round numbers, chosen before any market was looked at; `docs/guard.md` counts what they do on real
    ones."""

    fall_bps: float = 200.0
    window_ns: int = 10_000_000_000
    max_spread_bps: float = 100.0
    spread_hold_ns: int = 2_000_000_000
    slide_bps: float = 500.0
    """The fall within the longer window that trips."""
    slide_window_ns: int = 300_000_000_000
    min_depth_share: float = 0.1
    """Of its own rolling median; less is a collapse."""
    depth_hold_ns: int = 2_000_000_000
    depth_sample_ns: int = 10_000_000_000
    """The median is that of the last 31 samples, one in each of these."""
    max_crossed_bps: float = 50.0
    """How far one venue's bid may stand above another's ask."""
    crossed_hold_ns: int = 2_000_000_000
    halt_ns: int = 5_000_000_000
    """Without any LIVE book."""
    quiet_ns: int = 60_000_000_000
    """Without any change of any book, however LIVE; 0: that never trips."""
    escalate_ns: int = 30_000_000_000
    """A PAUSE whose cause is still there after so long becomes REDUCE."""
    flatten_bps: float = 0.0
    """A fall of more within either window means FLATTEN; 0: never."""
    release: float = 0.5
    """Calm is below this share of every limit, and the depth above its limit divided by it."""
    cooldown_ns: int = 300_000_000_000
    """Of calm without a break, before PAUSE or REDUCE is lifted."""


class Sight(NamedTuple):
    """What the guard looks at, after an update of any book. NaN: nothing is known of it now."""

    now_ns: int
    mid: float
    """Of the global quote."""
    spread_bps: float
    """Of the global quote; negative is no news."""
    depth: float
    """Base units in the best levels of the thinner side, over all LIVE venues. Any measure does, as long as
    it stays the same one."""
    crossed_bps: float
    """How far the best bid of all venues stands above the best ask of all; 0 where it doesn't."""


class Calm(NamedTuple):
    """Sights that are calm, as those before them: all that they leave behind is the highest mid of each
    `width_ns`, and what the last one said. So of each width only the highest and the last need be looked at,
    in their order and later, by a caller whose time never runs backwards."""

    until_ns: int
    """Exclusive."""
    width_ns: int
    low: float
    """Lowest and highest mid; NaN where no sight is of this kind."""
    high: float
    widest: float
    """Ask over bid; the narrowest is 1."""
    thin: float
    """Least depth."""


class Peaks(NamedTuple):
    """A rolling maximum."""

    bucket: int
    """Number of the newest bucket since the epoch."""
    peaks: tuple[float, ...]
    """Highest mid per bucket, newest first; 0 where there was none."""
    highest: float
    """Of `peaks`."""


class Depths(NamedTuple):
    """A rolling median."""

    bucket: int
    samples: tuple[float, ...]
    """Newest first."""
    taken: int
    """Of samples taken, up to all of them; before that there is no median."""
    median: float
    """0 before."""


class Since(NamedTuple):
    """Since when each of these lasts; -1: it doesn't."""

    wide_ns: int
    thin_ns: int
    crossed_ns: int
    dead_ns: int
    """No book is LIVE."""
    calm_ns: int


class Measures(NamedTuple):
    """As of the last update; NaN where nothing is known."""

    fall_bps: float
    slide_bps: float
    spread_bps: float
    depth_share: float
    crossed_bps: float


class GuardState(NamedTuple):
    step: int
    """GuardStep"""
    tripped: int
    """Trip: what led to this step."""
    tripped_ns: int
    measured: float
    """What tripped: bps of a fall, spread or crossing, the share of depth, or nanoseconds of silence; 0 by
    hand."""
    latched: int
    """1: only `reset` lifts it."""
    now_ns: int
    """Latest time seen."""
    heard_ns: int
    """Time of the last update of a book; 0: none yet."""
    fast: Peaks
    slow: Peaks
    depths: Depths
    since: Since
    last: Measures


_POSITIVE: Final = (
    "fall_bps", "window_ns", "max_spread_bps", "slide_bps", "slide_window_ns", "depth_sample_ns",
    "max_crossed_bps", "halt_ns", "cooldown_ns",
)  # fmt: skip
_NOT_NEGATIVE: Final = (
    "spread_hold_ns", "depth_hold_ns", "crossed_hold_ns", "quiet_ns", "escalate_ns", "flatten_bps",
)  # fmt: skip


def check(config: GuardConfig) -> None:
    """Raises ConfigError for a setting with which the guard would never trip, or never end. NaN is one."""
    for name in _POSITIVE:
        if not 0 < getattr(config, name) < math.inf:
            raise ConfigError(name, f"{getattr(config, name)!r} is not a positive number")
    for name in _NOT_NEGATIVE:
        if not 0 <= getattr(config, name) < math.inf:
            raise ConfigError(name, f"{getattr(config, name)!r} is not a number of at least 0")
    for name in ("min_depth_share", "release"):
        if not 0 < getattr(config, name) < 1:
            raise ConfigError(name, f"{getattr(config, name)!r} is no share between 0 and 1")
    if config.min_depth_share > config.release:
        hint = "Calm is a depth of at least min_depth_share / release of its median"
        raise ConfigError("release", f"{config.release!r} is below min_depth_share", hint)
