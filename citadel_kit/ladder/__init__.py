"""Integer price ladders, and the compiled kernels that read level lists into them.

The kernels have one source. Until `warm_up()` has compiled them they run as plain Python, so that nothing on
the way to a first price waits for a compiler; both give the same result.
"""

from __future__ import annotations

from citadel_kit.ladder import depth_event, side, text
from citadel_kit.ladder.compiled import entry
from citadel_kit.ladder.depth_event import LATEST_MS, STREAM, read_event
from citadel_kit.ladder.side import Ints, Ladder, apply_both, depths, sums
from citadel_kit.ladder.text import digits, parse_both, parse_sided

__all__ = [
    "LATEST_MS",
    "Ints",
    "Ladder",
    "STREAM",
    "apply_both",
    "depths",
    "digits",
    "entry",
    "parse_both",
    "parse_sided",
    "read_event",
    "sums",
    "warm_up",
]


def warm_up() -> None:
    """Compile the kernels, or load them from the cache, and use them from now on. May take some seconds."""
    text.warm_up()
    depth_event.warm_up()
    side.warm_up()
