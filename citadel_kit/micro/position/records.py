"""The records of an exit plan. A field's integer values are those of the `IntEnum`s here.

Quantities are in units of the instrument, never negative: what the entry bought (or sold short) is the
position, and every exit and stop makes it smaller.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from citadel_kit.types import FIRST_STOP_ID


class Cause(IntEnum):
    """Why the position is closed, the more urgent the higher; a higher one replaces a lower."""

    NONE = 0
    FLIP = 1
    """The signal points to the other side."""
    TIME = 2
    TARGET = 3
    HAND = 4
    STOP = 5
    """The stop's price was seen, or the stop at the venue has filled in part. From here on: take at once."""
    GUARD = 6
    """FLATTEN."""


class StopPhase(IntEnum):
    """Of the one protective stop there may be. From PLACING on it may trade."""

    NONE = 0
    PLACING = 1
    RESTING = 2
    CANCELING = 3
    ASKING = 4
    """Its fate is unknown: nothing but a QUERY follows until the venue has said it."""


class DeedKind(IntEnum):
    NONE = 0
    PLACE_STOP = 1
    CANCEL_STOP = 2
    QUERY_STOP = 3
    START_EXIT = 4
    CANCEL_EXIT = 5
    CANCEL_ENTRY = 6


class Guarded(IntEnum):
    """Who closes the position when the stop's price is reached."""

    NOTHING_OPEN = 0
    VENUE = 1
    """A stop for all of it rests there."""
    PARTLY = 2
    """A stop for a part of it rests there; the rest is guarded only while the engine runs."""
    ENGINE = 3
    """It is guarded only while the engine runs."""


# As plain ints: looking a member up and asking its value costs more than the rest of a decision.
NO_CAUSE: Final = Cause.NONE.value
FLIP: Final = Cause.FLIP.value
TIME: Final = Cause.TIME.value
TARGET: Final = Cause.TARGET.value
BY_HAND: Final = Cause.HAND.value
STOP: Final = Cause.STOP.value
BY_GUARD: Final = Cause.GUARD.value
GONE: Final = StopPhase.NONE.value
PLACING: Final = StopPhase.PLACING.value
RESTING: Final = StopPhase.RESTING.value
CANCELING: Final = StopPhase.CANCELING.value
ASKING: Final = StopPhase.ASKING.value


class ExitConfig(NamedTuple):
    """Plain ints; `configure` builds and checks one."""

    side: int
    """Of the entry."""
    stop_price: int
    """0: none."""
    stop_limit: int
    """Limit price of the stop at the venue once triggered; 0: at market."""
    target_price: int
    """0: none."""
    deadline_ns: int
    """Absolute; 0: none."""
    on_flip: int
    """1: close when the signal points to the other side."""
    rests: int
    """1: protective stops can rest at the venue."""
    tick: int
    lot: int
    min_notional: int
    restop_ns: int
    """A resting stop is replaced for a larger position only so long after it was placed."""
    grace_ns: int
    """What a stop at the venue gets to do its work, once its price was seen or it has begun to fill."""
    entry_wait_ns: int
    """How long an exit waits for the end of the entry it has cancelled."""
    pause_ns: int
    """After a refused stop or an exit that filled nothing; doubles with each in a row, up to 64-fold."""
    answer_ns: int
    """Silence after a command that makes its fate unknown, and the first pause between two QUERYs."""
    check_ns: int
    """A resting stop nothing was heard of for so long is asked for; 0: never."""


class Stop(NamedTuple):
    """The last protective stop. Only when it is certain that it can't trade any more is there another."""

    phase: int
    """StopPhase"""
    order_id: int
    """FIRST_STOP_ID − 1 before the first."""
    qty: int
    filled: int
    acked: int
    """1: the venue has said once that it lives."""
    cancels: int
    """Sent."""
    asks: int
    """QUERYs since its fate became unknown."""
    placed_ns: int
    quiet_ns: int
    """Time of the last command, or of the last report while it rests."""
    hold_ns: int
    """No CANCEL before."""


class Leg(NamedTuple):
    """The last exit chase."""

    number: int
    """0 before the first."""
    qty: int
    filled: int
    active: int
    urgent: int
    cancelled: int
    """1: its cancel was asked for."""


class PlanState(NamedTuple):
    now_ns: int
    bid: int
    """0, as `ask`, where the book is not to be used."""
    ask: int
    entered: int
    """Confirmed fills of the entry."""
    entry_done: int
    entry_cancelled: int
    """1: its cancel was asked for."""
    stopped: int
    """Confirmed fills of all stops before the last."""
    exited: int
    """Confirmed fills of all exits before the last."""
    cause: int
    """Cause"""
    cause_ns: int
    stop_rejects: int
    """In a row."""
    stop_pause_ns: int
    """No new stop before."""
    failures: int
    """Exits in a row that filled nothing."""
    exit_pause_ns: int
    """No new exit before."""
    stop: Stop
    leg: Leg


NO_STOP: Final = Stop(0, FIRST_STOP_ID - 1, 0, 0, 0, 0, 0, 0, 0, 0)
NO_LEG: Final = Leg(0, 0, 0, 0, 0, 0)


class Deed(NamedTuple):
    """What must be done."""

    kind: int
    """DeedKind"""
    order_id: int
    """Of the stop; of an exit its number: 1, 2, 3, …"""
    qty: int
    urgent: int
    """Of an exit. 1: take at once, within the slippage allowed; 0: chase."""


NO_DEED: Final = Deed(0, 0, 0, 0)


class Step(NamedTuple):
    state: PlanState
    deed: Deed
