"""What a user may say of an order beside its intent, and the chase it makes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from inspect import signature
from typing import Any, Final, NamedTuple

from citadel_kit.clock import SECOND
from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase, position
from citadel_kit.micro.position import ExitConfig
from citadel_kit.types import Instrument, MacroSignal, OrderIntent, Purpose, Side, to_units

PLAN: Final = ("stop_bps", "stop_price", "target_bps", "target_price", "exit_after_s", "exit_on_flip")
_BEYOND_BPS: Final = 100
"""How far a stop's limit price lies beyond its trigger, where the venue takes none at market."""


class Abilities(NamedTuple):
    """What a broker can do at a venue."""

    stops: bool = False
    """Protective stops rest there."""
    stops_at_market: bool = True
    """Without a limit price, too."""
    amend: chase.Amend = chase.Amend.NONE
    """In place."""


_KINDS: Final = {"venue": str, "symbol": str, "side": Side, "qty": int, "purpose": Purpose, "forced": bool}


def check(intent: Any, options: Mapping[str, Any] = {}) -> None:
    """Before an engine is asked: is it an intent at all, and is every option one plain value? ConfigError."""
    if not isinstance(intent, OrderIntent):
        raise ConfigError("intent", f"{intent!r} is no OrderIntent", "drill() and plan_entry() make one")
    for name, kind in _KINDS.items():
        value = getattr(intent, name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigError(name, f"{value!r} is no {kind.__name__}")
    if abs(intent.qty) >= 1 << 62:
        raise ConfigError("qty", f"{intent.qty} does not fit 62 bits")
    if intent.signal is not None:
        check_signal(intent.signal)
    for name, value in options.items():
        plain = value is None or isinstance(value, int | float | str | Decimal | Enum)
        if not plain or (isinstance(value, int) and abs(value) >= 1 << 62):
            raise ConfigError(name, f"{value!r} is neither a number nor a text that an option can be")


def check_signal(signal: Any) -> None:
    if not isinstance(signal, MacroSignal):
        raise ConfigError("signal", f"{signal!r} is no MacroSignal")
    if not (signal.side is None or isinstance(signal.side, Side)):
        raise ConfigError("signal", f"its side {signal.side!r} is neither a Side nor None")


def configure(
    instrument: Instrument,
    intent: OrderIntent,
    options: Mapping[str, Any],
    now_ns: int,
    can: Abilities = Abilities(),  # noqa: B008 - immutable
) -> chase.ChaseConfig:
    """An intent and a user's options → a chase. Raises ConfigError naming the option that can't be.

    `limit_price` is in the quote currency, as people write prices. An entry never outlives its signal.
    """
    known = {name: value for name, value in options.items() if name not in PLAN}
    deadline_s = known.pop("deadline_s", 60.0)
    if not (isinstance(deadline_s, int | float) and 0 < deadline_s < 1e9):
        raise ConfigError("deadline_s", f"{deadline_s!r} is not a positive number of seconds")
    deadline_ns = now_ns + int(deadline_s * SECOND)
    ending = str(known.pop("on_deadline", "cancel")).upper()
    if ending not in chase.OnDeadline.__members__:
        raise ConfigError("on_deadline", f"{ending.lower()!r} is neither 'cancel' nor 'take'")
    if intent.signal is not None and not intent.forced and intent.signal.valid_until_ns < deadline_ns:
        deadline_ns, ending = intent.signal.valid_until_ns, "CANCEL"  # an expired signal opens no risk
    known.setdefault("amend", can.amend)
    if "limit_price" in known:
        known["limit_price"] = _price_units(instrument, known["limit_price"])
    ours = {"instrument", "side", "qty", "deadline_ns"}
    names = [name for name in signature(chase.configure).parameters if name not in ours]
    unknown = sorted(known.keys() - set(names))
    if unknown:
        hint = f"There are: deadline_s, {', '.join([*names, *PLAN])}"
        raise ConfigError("options", f"no such option: {', '.join(unknown)}", hint)
    return chase.configure(
        instrument,
        side=intent.side,
        qty=intent.qty,
        deadline_ns=deadline_ns,
        on_deadline=chase.OnDeadline[ending],
        **known,
    )


def plan_of(
    instrument: Instrument,
    intent: OrderIntent,
    options: Mapping[str, Any],
    mid: float,
    now_ns: int,
    can: Abilities,
) -> ExitConfig:
    """The exit plan of an entry. Raises ConfigError naming the option that can't be.

    `stop_bps` 500 and `target_bps` 0 (none) count from the mid at arrival, `mid` in price units; `stop_price`
    and `target_price`, in the quote currency, replace them, and lie on their own side of it. `exit_after_s` 0
    (never), `exit_on_flip` True."""
    side, tick = int(intent.side), instrument.tick

    def level(name: str, default_bps: float, sign: int) -> int:
        if options.get(f"{name}_price") is not None:
            units = _price_units(instrument, options[f"{name}_price"], f"{name}_price")
            if units and sign * side * (units - mid) <= 0:
                market, where = instrument.price(round(mid)), "above" if sign * side > 0 else "below"
                what = f"{options[f'{name}_price']} is on the wrong side of the market, which is at {market}"
                raise ConfigError(f"{name}_price", what, f"Of a {intent.side.name} it must be {where} that")
            return units
        bps = options.get(f"{name}_bps", default_bps)
        if not (isinstance(bps, int | float) and 0 <= bps < 10_000):
            raise ConfigError(f"{name}_bps", f"{bps!r} is not a distance from 0 to below 10,000 bps")
        return round(mid * (1 + sign * side * bps / 1e4) / tick) * tick if bps else 0

    seconds = options.get("exit_after_s", 0.0)
    if not (isinstance(seconds, int | float) and 0 <= seconds < 1e9):
        raise ConfigError("exit_after_s", f"{seconds!r} is not a number of seconds, 0 or more")
    flips = options.get("exit_on_flip", True)
    if not isinstance(flips, bool):
        raise ConfigError("exit_on_flip", f"{flips!r} is neither True nor False")
    stop = level("stop", 500.0, -1)
    beyond = round(stop * (1 - side * _BEYOND_BPS / 1e4) / tick) * tick
    return position.configure(
        instrument,
        side=intent.side,
        stop_price=stop,
        stop_limit=0 if can.stops_at_market or not can.stops else beyond,
        target_price=level("target", 0.0, 1),
        deadline_ns=now_ns + int(seconds * SECOND) if seconds else 0,
        on_flip=flips,
        rests=can.stops,
    )


def exit_chase(
    instrument: Instrument, intent: OrderIntent, now_ns: int, can: Abilities, *, urgent: bool
) -> chase.ChaseConfig:
    """How a plan's exit works: an urgent one takes at once, within 100 bps of the touch; any other chases for
    ten seconds before it does. What is left then is the next exit's."""
    return chase.configure(
        instrument,
        side=intent.side,
        qty=intent.qty,
        max_chase_bps=1_000,
        amend=can.amend,
        deadline_ns=now_ns if urgent else now_ns + 10 * SECOND,
        on_deadline=chase.OnDeadline.TAKE,
        take_slippage_bps=100,
    )


def _price_units(instrument: Instrument, price: Any, name: str = "limit_price") -> int:
    try:
        return to_units(format(Decimal(str(price)), "f"), instrument.price_decimals)
    except (InvalidOperation, ValueError) as error:
        raise ConfigError(name, f"{price!r} is no price of {instrument.symbol}: {error}") from None
