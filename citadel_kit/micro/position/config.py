"""A user's exit plan → an `ExitConfig`."""

from __future__ import annotations

from citadel_kit.errors import ConfigError
from citadel_kit.micro.position.records import ExitConfig
from citadel_kit.types import Instrument, Side


def configure(
    instrument: Instrument,
    *,
    side: Side,
    stop_price: int = 0,
    stop_limit: int = 0,
    target_price: int = 0,
    deadline_ns: int = 0,
    on_flip: bool = True,
    rests: bool,
    restop_ns: int = 1_000_000_000,
    grace_ns: int = 2_000_000_000,
    entry_wait_ns: int = 1_000_000_000,
    pause_ns: int = 1_000_000_000,
    answer_ns: int = 5_000_000_000,
    check_ns: int = 30_000_000_000,
) -> ExitConfig:
    """`side`: of the entry. `rests`: the venue lets protective stops rest. The settings are those of
    `ExitConfig`.

    Raises ConfigError naming the setting that can't be; a plan needs a stop or a deadline, since nothing else
    is sure to end it.
    """
    lows = {
        "stop_price": (stop_price, 0),
        "stop_limit": (stop_limit, 0),
        "target_price": (target_price, 0),
        "deadline_ns": (deadline_ns, 0),
        "restop_ns": (restop_ns, 0),
        "grace_ns": (grace_ns, 0),
        "entry_wait_ns": (entry_wait_ns, 0),
        "pause_ns": (pause_ns, 1),
        "answer_ns": (answer_ns, 1),
        "check_ns": (check_ns, 0),
    }
    for name, (value, low) in lows.items():
        if type(value) is not int or value < low:
            raise ConfigError(name, f"{value!r} is not an integer of at least {low}")
    for name in ("stop_price", "stop_limit", "target_price"):
        if lows[name][0] % instrument.tick:
            raise ConfigError(name, f"{lows[name][0]} is no multiple of the tick, {instrument.tick}")
    if not stop_price and not deadline_ns:
        raise ConfigError("stop_price", "an exit plan needs a stop or a deadline")
    if stop_price and target_price and (target_price - stop_price) * int(side) <= 0:
        raise ConfigError(
            "target_price", f"{target_price} is not on the other side of the stop, {stop_price}"
        )
    if stop_limit and (not stop_price or (stop_price - stop_limit) * int(side) < 0):
        raise ConfigError("stop_limit", f"at {stop_limit} the stop at {stop_price} could not trade")
    return ExitConfig(
        int(Side(side)), stop_price, stop_limit, target_price, deadline_ns, int(bool(on_flip)),
        int(bool(rests)), instrument.tick, instrument.lot, instrument.min_notional, restop_ns, grace_ns,
        entry_wait_ns, pause_ns, answer_ns, check_ns,
    )  # fmt: skip
