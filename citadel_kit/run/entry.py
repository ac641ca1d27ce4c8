"""From a signal to an intent: how much, where, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from citadel_kit.errors import ConfigError
from citadel_kit.macro.sizing import Caps, room, whole_lots
from citadel_kit.types import Instrument, MacroSignal, MicroSnapshot, OrderIntent, Side

_NOTHING: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """`intent` is None where the signal opens nothing; `reason` says why, or what is meant."""

    intent: OrderIntent | None
    reason: str


def plan_entry(
    signal: MacroSignal,
    snapshot: MicroSnapshot,
    instrument: Instrument,
    equity: float,
    *,
    caps: Caps | None = None,
    held: Mapping[str, float] = _NOTHING,
    groups: Sequence[Sequence[str]] = (),
    factor: float = 1.0,
) -> EntryPlan:
    """The spot entry a signal asks for, in whole lots, at the venue's own mid. It is the gate's to allow it.

    `equity` in the quote currency. A SELL opens nothing on spot: there is no position to sell. `held` (signed
    shares of equity by symbol, this one included) and `groups` (as of `sizing.clusters`) say what room the
    caps leave; `factor` is `sizing.throttle`'s.
    """
    if not equity > 0 or not 0 <= factor <= 1:
        raise ConfigError("equity", f"{equity!r} × {factor!r}: a positive amount, a factor from 0 to 1")
    if signal.side is None:
        return EntryPlan(intent=None, reason=signal.reason)
    if signal.side == Side.SELL:
        return EntryPlan(intent=None, reason="the signal is SELL, and on spot there is nothing to sell short")
    share = room(signal.symbol, signal.fraction * factor, held, groups, caps or Caps())
    cut = f" (cut from {signal.fraction:.2%})" if share < signal.fraction else ""
    qty = lots(share * equity, snapshot, instrument)
    if qty == 0:
        what = f"{share:.2%}{cut} of {equity:g} is less than the venue's smallest order"
        return EntryPlan(intent=None, reason=what)
    intent = OrderIntent(
        venue=instrument.venue, symbol=instrument.symbol, side=signal.side, qty=qty, signal=signal
    )
    return EntryPlan(intent=intent, reason=f"{signal.reason}; {share:.2%}{cut}" if cut else signal.reason)


def drill(side: Side | str, snapshot: MicroSnapshot, instrument: Instrument, notional: float) -> OrderIntent:
    """An entry that rests on no signal, labelled `forced`: to see a chase work. Every other gate rule holds.

    `side` may be written "BUY" or "SELL". Raises ConfigError where it is neither, and where `notional` (quote
    currency) buys less than the venue's smallest order.
    """
    name = side.name if isinstance(side, Side) else str(side).upper()
    if name not in Side.__members__:
        raise ConfigError("side", f"{side!r} is neither BUY nor SELL")
    qty = lots(notional, snapshot, instrument)
    if qty == 0:
        venue = instrument.venue
        raise ConfigError("notional", f"{notional:g} is below {venue}'s smallest order, or it has no price")
    return OrderIntent(
        venue=instrument.venue, symbol=instrument.symbol, side=Side[name], qty=qty, forced=True
    )


def lots(notional: float, snapshot: MicroSnapshot, instrument: Instrument) -> int:
    """A quote amount in whole lots at the venue's mid; 0 below its minimum notional or without a price."""
    view = snapshot.venue(instrument.venue)
    return whole_lots(1.0, max(notional, 0.0), (view.bid + view.ask) / 2, instrument)
