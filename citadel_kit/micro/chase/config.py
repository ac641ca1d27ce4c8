"""A user's settings → a `ChaseConfig`."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

from citadel_kit.errors import ConfigError
from citadel_kit.micro.chase.records import Amend, ChaseConfig, OnDeadline, WhenBlind
from citadel_kit.types import Instrument, Side

_Choice = TypeVar("_Choice", bound=IntEnum)


def configure(
    instrument: Instrument,
    *,
    side: Side,
    qty: int,
    limit_price: int = 0,
    max_chase_bps: int = 50,
    offset: int = 0,
    ignore_qty: int = 0,
    min_move: int = 1,
    min_rest_ns: int = 0,
    patience_ns: int = 0,
    confirm_tops: int = 1,
    confirm_ns: int = 0,
    max_reprices: int = -1,
    trail_back: bool = True,
    when_blind: WhenBlind = WhenBlind.PULL,
    amend: Amend = Amend.NONE,
    pause_ns: int = 250_000_000,
    max_rejects: int = 5,
    answer_ns: int = 5_000_000_000,
    check_ns: int = 0,
    deadline_ns: int = 0,
    on_deadline: OnDeadline = OnDeadline.CANCEL,
    take_slippage_bps: int = 5,
    slices: int = 1,
    slice_ns: int = 1_000_000_000,
) -> ChaseConfig:
    """Raises ConfigError naming the setting that can't be. The settings are those of `ChaseConfig`.

    `check_ns` is for brokers that can lose a report without a word; `amend` is the venue's capability.
    """
    lows = {
        "qty": (qty, 1),
        "limit_price": (limit_price, 0),
        "max_chase_bps": (max_chase_bps, 0),
        "offset": (offset, -1_000_000),
        "ignore_qty": (ignore_qty, 0),
        "min_move": (min_move, 1),
        "min_rest_ns": (min_rest_ns, 0),
        "patience_ns": (patience_ns, 0),
        "confirm_tops": (confirm_tops, 1),
        "confirm_ns": (confirm_ns, 0),
        "max_reprices": (max_reprices, -1),
        "pause_ns": (pause_ns, 0),
        "max_rejects": (max_rejects, 1),
        "answer_ns": (answer_ns, 1),
        "check_ns": (check_ns, 0),
        "deadline_ns": (deadline_ns, 0),
        "take_slippage_bps": (take_slippage_bps, 0),
        "slices": (slices, 1),
        "slice_ns": (slice_ns, 0),
    }
    for name, (value, low) in lows.items():
        if type(value) is not int or value < low:
            raise ConfigError(name, f"{value!r} is not an integer of at least {low}")
    for name, bps in (("max_chase_bps", max_chase_bps), ("take_slippage_bps", take_slippage_bps)):
        if bps > 10_000:
            raise ConfigError(name, f"{bps} bps is more than the whole price")
    if offset > 1_000_000:
        raise ConfigError("offset", f"{offset} ticks is no distance in a book")
    return ChaseConfig(
        int(Side(side)), qty, limit_price, instrument.tick, instrument.lot, instrument.min_notional,
        max_chase_bps, offset, ignore_qty, min_move, min_rest_ns, patience_ns, confirm_tops, confirm_ns,
        max_reprices, int(bool(trail_back)), _choice("when_blind", WhenBlind, when_blind),
        _choice("amend", Amend, amend), pause_ns, max_rejects, answer_ns, check_ns, deadline_ns,
        _choice("on_deadline", OnDeadline, on_deadline), take_slippage_bps, slices, slice_ns,
    )  # fmt: skip


def _choice(name: str, choices: type[_Choice], value: object) -> int:
    """A member, or its name in any case."""
    if isinstance(value, str) and value.upper() in choices.__members__:
        return int(choices[value.upper()])
    if isinstance(value, choices):
        return int(value)
    names = ", ".join(c.name.lower() for c in choices)
    raise ConfigError(name, f"{value!r} is none of: {names}")
