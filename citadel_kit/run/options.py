"""What a user may say of an order beside its intent, and the chase it makes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from inspect import signature
from typing import Any

from citadel_kit.clock import SECOND
from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase
from citadel_kit.types import Instrument, OrderIntent, to_units


def configure(
    instrument: Instrument, intent: OrderIntent, options: Mapping[str, Any], now_ns: int
) -> chase.ChaseConfig:
    """An intent and a user's options → a chase. Raises ConfigError naming the option that can't be.

    `limit_price` is in the quote currency, as people write prices. An entry never outlives its signal.
    """
    known = dict(options)
    deadline_s = known.pop("deadline_s", 60.0)
    if not (isinstance(deadline_s, int | float) and 0 < deadline_s < 1e9):
        raise ConfigError("deadline_s", f"{deadline_s!r} is not a positive number of seconds")
    deadline_ns = now_ns + int(deadline_s * SECOND)
    ending = str(known.pop("on_deadline", "cancel")).upper()
    if ending not in chase.OnDeadline.__members__:
        raise ConfigError("on_deadline", f"{ending.lower()!r} is neither 'cancel' nor 'take'")
    if intent.signal is not None and not intent.forced and intent.signal.valid_until_ns < deadline_ns:
        deadline_ns, ending = intent.signal.valid_until_ns, "CANCEL"  # an expired signal opens no risk
    if "limit_price" in known:
        known["limit_price"] = _price_units(instrument, known["limit_price"])
    ours = {"instrument", "side", "qty", "deadline_ns"}
    names = [name for name in signature(chase.configure).parameters if name not in ours]
    unknown = sorted(known.keys() - set(names))
    if unknown:
        hint = f"There are: deadline_s, {', '.join(names)}"
        raise ConfigError("options", f"no such option: {', '.join(unknown)}", hint)
    return chase.configure(
        instrument,
        side=intent.side,
        qty=intent.qty,
        deadline_ns=deadline_ns,
        on_deadline=chase.OnDeadline[ending],
        **known,
    )


def _price_units(instrument: Instrument, price: Any) -> int:
    try:
        return to_units(format(Decimal(str(price)), "f"), instrument.price_decimals)
    except (InvalidOperation, ValueError) as error:
        raise ConfigError("limit_price", f"{price!r} is no price of {instrument.symbol}: {error}") from None
