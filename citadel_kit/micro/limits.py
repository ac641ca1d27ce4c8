"""Pre-trade limits of the account, and the rate budget of each venue.

`check` looks at one order before it goes out; the gate has looked at the market and the signal before. An
order that opens risk has to keep every limit; one that closes is only kept from prices that can't be meant
(`exit_collar_bps`), and only where there is a global mid to compare them with: no limit may trap a position.

Amounts are floats in the quote currency of the global quote. Conditions are written so that NaN breaks them.
Pure functions over NamedTuples, compilable by Numba.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple

from numba.extending import register_jitable

from citadel_kit.errors import ConfigError

MINUTE: Final = 60_000_000_000
SLOTS: Final = 13
_SLOT_NS: Final = MINUTE // (SLOTS - 1)
_NO_SLOTS: Final = (0,) * SLOTS


class Breach(StrEnum):
    """In the order of the bits of `mask`."""

    ORDER_NOTIONAL = "order_notional"
    SYMBOL_NOTIONAL = "symbol_notional"
    TOTAL_EXPOSURE = "total_exposure"
    ORDER_RATE = "order_rate"
    COLLAR = "collar"


BREACHES: Final = tuple(Breach)
_ORDER, _SYMBOL, _TOTAL, _RATE, _COLLAR = (1 << i for i in range(len(BREACHES)))


class Limits(NamedTuple):
    max_order_notional: float = 100_000.0
    max_symbol_notional: float = 250_000.0
    """Position and working entries of one symbol over all venues, this order included."""
    max_total_notional: float = 500_000.0
    """The same over all symbols."""
    max_orders_per_minute: int = 120
    """PLACE commands of any kind that open risk, over all venues, within any 60 s."""
    collar_bps: float = 100.0
    """How much worse than the global mid a price may be: above it for a buy, below it for a sell."""
    exit_collar_bps: float = 1_000.0


class Facts(NamedTuple):
    """Of one order about to go out. Notionals are not negative."""

    opens: bool
    """It opens risk: an entry."""
    side: int
    price: float
    """In the global quote's currency."""
    notional: float
    """Of this order."""
    symbol_notional: float
    """Of what is open and working in its symbol, without it."""
    total_notional: float
    """The same over all symbols."""
    orders: int
    """Sent within the last minute: `in_last_minute`."""
    global_mid: float
    """NaN where there is none."""


def validate(limits: Limits) -> None:
    """Raises ConfigError for a limit that is not positive; infinite is none."""
    for name, value in limits._asdict().items():
        if not value > 0:
            raise ConfigError(name, f"{value!r} is not a positive number")


@register_jitable
def mask(limits: Limits, facts: Facts) -> int:
    """The bits of the limits it would break; 0: none."""
    f, has_mid = facts, 0.0 < facts.global_mid < math.inf
    away = (f.price - f.global_mid) * f.side * 1e4
    if not f.opens:
        return _COLLAR if has_mid and away > limits.exit_collar_bps * f.global_mid else 0
    bits = 0 if has_mid and away <= limits.collar_bps * f.global_mid else _COLLAR
    if not f.notional <= limits.max_order_notional:
        bits |= _ORDER
    if not f.symbol_notional + f.notional <= limits.max_symbol_notional:
        bits |= _SYMBOL
    if not f.total_notional + f.notional <= limits.max_total_notional:
        bits |= _TOTAL
    if not f.orders < limits.max_orders_per_minute:
        bits |= _RATE
    return bits


def check(limits: Limits, facts: Facts) -> tuple[Breach, ...]:
    """The limits it would break; empty: it may go out."""
    bits = mask(limits, facts)
    return tuple(breach for i, breach in enumerate(BREACHES) if bits & 1 << i)


def describe(limits: Limits, facts: Facts, breach: Breach) -> str:
    """The measured value, and the setting that decides."""
    f = facts
    away = (f.price / f.global_mid - 1) * f.side * 1e4 if f.global_mid else math.nan
    name = "collar_bps" if f.opens else "exit_collar_bps"
    texts = {
        Breach.ORDER_NOTIONAL: f"its value is {f.notional:,.2f}; max_order_notional is "
        f"{limits.max_order_notional:,.0f}",
        Breach.SYMBOL_NOTIONAL: f"its symbol would stand at {f.symbol_notional + f.notional:,.2f}; "
        f"max_symbol_notional is {limits.max_symbol_notional:,.0f}",
        Breach.TOTAL_EXPOSURE: f"the account would stand at {f.total_notional + f.notional:,.2f}; "
        f"max_total_notional is {limits.max_total_notional:,.0f}",
        Breach.ORDER_RATE: f"{f.orders} orders went out within a minute; max_orders_per_minute is "
        f"{limits.max_orders_per_minute}",
        Breach.COLLAR: f"its price is {away:.1f} bps worse than the global mid; {name} is "
        f"{getattr(limits, name):g}",
    }
    return texts[breach]


# --- orders per minute --------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """Orders of the last minute, in 13 slots of 5 s: none of them is missed, and one may count up to 5 s
    longer."""

    slot: int
    """Number of the newest since the epoch."""
    counts: tuple[int, ...]
    """Newest first."""


NONE_SENT: Final = Sent(0, _NO_SLOTS)


@register_jitable
def sent(state: Sent, now_ns: int) -> Sent:
    """After one more order. Time that runs backwards counts as standing still."""
    counts = _moved(state, now_ns)
    return Sent(max(now_ns // _SLOT_NS, state.slot), (counts[0] + 1,) + counts[1:])  # noqa: RUF005 - for Numba


@register_jitable
def in_last_minute(state: Sent, now_ns: int) -> int:
    total = 0
    for count in _moved(state, now_ns):
        total += count
    return total


@register_jitable
def _moved(state: Sent, now_ns: int) -> tuple[int, ...]:
    counts, steps = state.counts, now_ns // _SLOT_NS - state.slot
    if steps >= SLOTS:
        return _NO_SLOTS
    for _ in range(steps):
        counts = (0,) + counts[:-1]  # noqa: RUF005 - Numba knows no unpacking here
    return counts


# --- what a venue allows ------------------------------------------------------------------------------------


class Budget(NamedTuple):
    """A token bucket: `burst` requests at once, one more every `interval_ns`; the last `reserve` of them are
    for what closes, cancels and asks, so that entries never use up what an exit needs."""

    interval_ns: int
    burst: int
    reserve: int


def budget(per_second: float, burst: int, reserve: int) -> Budget:
    """Raises ConfigError where nothing could ever be sent, or no entry."""
    if not 0 < per_second < 1e9:
        raise ConfigError("per_second", f"{per_second!r} is not a positive number of requests")
    if not 0 <= reserve < burst:
        raise ConfigError("reserve", f"{reserve!r} of {burst!r} leaves nothing for entries, or is negative")
    return Budget(math.ceil(1e9 / per_second), burst, reserve)


@register_jitable
def wait_ns(budget: Budget, full_ns: int, now_ns: int, cost: int, opens: bool) -> int:
    """How long a request has to wait; 0: it may go now. `full_ns`: when the bucket will be full again, which
    is its whole state; start with 0. A request that costs more than the bucket holds waits until it is full.

    Generic cell rate algorithm, in integers.
    """
    room = max(budget.burst - (budget.reserve if opens else 0), cost)
    return max(max(full_ns, now_ns) + (cost - room) * budget.interval_ns - now_ns, 0)


@register_jitable
def taken(budget: Budget, full_ns: int, now_ns: int, cost: int) -> int:
    """The state after a request that went out, whether it had to wait or not."""
    return max(full_ns, now_ns) + cost * budget.interval_ns
