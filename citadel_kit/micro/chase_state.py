"""The records of the chase order, and how one state follows from another.

`micro.chase` holds the rules. A field's integer values are those of the `IntEnum`s here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from numba.extending import register_jitable

from citadel_kit.errors import ConfigError
from citadel_kit.types import Command, Instrument, OrderReport, Side


class OnDeadline(IntEnum):
    CANCEL = 0
    TAKE = 1
    """After the confirmed cancel one IOC, within `take_slippage_bps` of the touch and within the bound."""


class Phase(IntEnum):
    """From FILLED on: terminal."""

    IDLE = 0
    PLACING = 1
    RESTING = 2
    CANCELING = 3
    TAKING = 4
    FILLED = 5
    CANCELLED = 6
    EXPIRED = 7
    FAILED = 8


class EndReason(IntEnum):
    NONE = 0
    DUST = 1
    POST_ONLY = 2
    FILTER = 3
    NO_BOOK = 4
    BEYOND = 5
    VENUE_CANCELED = 6


END_TEXT: Final = {
    EndReason.NONE: "",
    EndReason.DUST: "the rest is below the venue's lot or minimum notional",
    EndReason.POST_ONLY: "the venue rejected it as taking, max_rejects times in a row",
    EndReason.FILTER: "the venue rejected it: tick, lot, minimum notional or order id",
    EndReason.NO_BOOK: "no two-sided LIVE book",
    EndReason.BEYOND: "the touch lies beyond limit_price or max_chase_bps",
    EndReason.VENUE_CANCELED: "the venue cancelled it unasked, max_rejects times in a row",
}


class ChaseConfig(NamedTuple):
    """Plain ints; `configure` builds and checks one."""

    side: int
    qty: int
    limit_price: int
    """0: none."""
    tick: int
    lot: int
    min_notional: int
    max_chase_bps: int
    """From the arrival mid, 0 to 10,000."""
    min_move: int
    """Ticks between our price and the best before we follow, at least 1."""
    min_rest_ns: int
    pause_ns: int
    """After a reject, before the next try."""
    max_rejects: int
    """Orders in a row that may die without a fill or our cancel."""
    deadline_ns: int
    """Absolute; 0: none."""
    on_deadline: int
    take_slippage_bps: int


class Working(NamedTuple):
    """The last order sent; out exactly in the phases PLACING to TAKING."""

    order_id: int
    """0 before the first."""
    price: int
    qty: int
    filled: int
    placed_ns: int


class Seen(NamedTuple):
    """The market as last seen; bid and ask are 0 where the top is not to be used."""

    now_ns: int
    live: int
    bid: int
    ask: int


class ChaseState(NamedTuple):
    phase: int
    reason: int
    """EndReason"""
    twice_arrival_mid: int
    """Bid + ask at the start: twice the mid is an integer."""
    bound: int
    """Worst price allowed."""
    filled: int
    """Confirmed, over all orders."""
    cancel_wanted: int
    rejects: int
    """In a row."""
    reprices: int
    pause_until_ns: int
    order: Working
    seen: Seen


class Step(NamedTuple):
    state: ChaseState
    command: Command


def configure(
    instrument: Instrument,
    *,
    side: Side,
    qty: int,
    limit_price: int = 0,
    max_chase_bps: int = 50,
    min_move: int = 1,
    min_rest_ns: int = 0,
    pause_ns: int = 250_000_000,
    max_rejects: int = 5,
    deadline_ns: int = 0,
    on_deadline: OnDeadline = OnDeadline.CANCEL,
    take_slippage_bps: int = 5,
) -> ChaseConfig:
    """Raises ConfigError naming the setting that can't be."""
    lows = {
        "qty": (qty, 1),
        "limit_price": (limit_price, 0),
        "max_chase_bps": (max_chase_bps, 0),
        "min_move": (min_move, 1),
        "min_rest_ns": (min_rest_ns, 0),
        "pause_ns": (pause_ns, 0),
        "max_rejects": (max_rejects, 1),
        "deadline_ns": (deadline_ns, 0),
        "take_slippage_bps": (take_slippage_bps, 0),
    }
    for name, (value, low) in lows.items():
        if type(value) is not int or value < low:
            raise ConfigError(name, f"{value!r} is not an integer of at least {low}")
    for name, bps in (("max_chase_bps", max_chase_bps), ("take_slippage_bps", take_slippage_bps)):
        if bps > 10_000:
            raise ConfigError(name, f"{bps} bps is more than the whole price")
    return ChaseConfig(
        int(Side(side)), qty, limit_price, instrument.tick, instrument.lot, instrument.min_notional,
        max_chase_bps, min_move, min_rest_ns, pause_ns, max_rejects, deadline_ns,
        int(OnDeadline(on_deadline)), take_slippage_bps,
    )  # fmt: skip


@register_jitable
def with_seen(state: ChaseState, seen: Seen) -> ChaseState:
    s = state
    return ChaseState(
        s.phase, s.reason, s.twice_arrival_mid, s.bound, s.filled, s.cancel_wanted, s.rejects, s.reprices,
        s.pause_until_ns, s.order, seen,
    )  # fmt: skip


@register_jitable
def wished_away(state: ChaseState) -> ChaseState:
    s = state
    return ChaseState(
        s.phase, s.reason, s.twice_arrival_mid, s.bound, s.filled, 1, s.rejects, s.reprices, s.pause_until_ns,
        s.order, s.seen,
    )  # fmt: skip


@register_jitable
def in_phase(state: ChaseState, phase: int, reason: int, pause_until_ns: int) -> ChaseState:
    s = state
    return ChaseState(
        phase, reason, s.twice_arrival_mid, s.bound, s.filled, s.cancel_wanted, s.rejects, s.reprices,
        pause_until_ns, s.order, s.seen,
    )  # fmt: skip


@register_jitable
def placed(state: ChaseState, phase: int, price: int, qty: int) -> ChaseState:
    s = state
    return ChaseState(
        phase, s.reason, s.twice_arrival_mid, s.bound, s.filled, s.cancel_wanted, s.rejects, s.reprices,
        s.pause_until_ns, Working(s.order.order_id + 1, price, qty, 0, s.seen.now_ns), s.seen,
    )  # fmt: skip


@register_jitable
def pulled(state: ChaseState, moves: int) -> ChaseState:
    """An order that rested until we pulled it ends a row of rejects."""
    s = state
    return ChaseState(
        Phase.CANCELING.value, s.reason, s.twice_arrival_mid, s.bound, s.filled, s.cancel_wanted, 0,
        s.reprices + moves, s.pause_until_ns, s.order, s.seen,
    )  # fmt: skip


@register_jitable
def counted(state: ChaseState, report: OrderReport) -> ChaseState:
    """With the report's cumulative fill and its time; a fill ends a row of rejects."""
    s, o, seen = state, state.order, state.seen
    more = max(report.filled - o.filled, 0)
    return ChaseState(
        s.phase, s.reason, s.twice_arrival_mid, s.bound, s.filled + more, s.cancel_wanted,
        0 if more > 0 else s.rejects, s.reprices, s.pause_until_ns,
        Working(o.order_id, o.price, o.qty, o.filled + more, o.placed_ns),
        Seen(max(seen.now_ns, report.recv_ns), seen.live, seen.bid, seen.ask),
    )  # fmt: skip


@register_jitable
def backed_off(state: ChaseState, reason: int, pause_ns: int, max_rejects: int) -> ChaseState:
    """The venue knows a newer market than our top: drop it, pause, give up after `max_rejects`."""
    s, seen = state, state.seen
    failed = s.rejects + 1 >= max_rejects
    return ChaseState(
        Phase.FAILED.value if failed else Phase.IDLE.value, reason if failed else s.reason,
        s.twice_arrival_mid, s.bound, s.filled, s.cancel_wanted, s.rejects + 1, s.reprices,
        seen.now_ns + pause_ns, s.order, Seen(seen.now_ns, seen.live, 0, 0),
    )  # fmt: skip
