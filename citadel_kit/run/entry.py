"""From a signal to an intent: how much, where, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from citadel_kit.errors import ConfigError
from citadel_kit.macro.sizing import whole_lots
from citadel_kit.types import Instrument, MacroSignal, MicroSnapshot, OrderIntent, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """`intent` is None where the signal opens nothing; `reason` says why, or what is meant."""

    intent: OrderIntent | None
    reason: str


def plan_entry(
    signal: MacroSignal, snapshot: MicroSnapshot, instrument: Instrument, equity: float
) -> EntryPlan:
    """The spot entry a signal asks for, in whole lots, at the venue's own mid. It is the gate's to allow it.

    `equity` in the quote currency. A SELL opens nothing on spot: there is no position to sell.
    """
    if not equity > 0:
        raise ConfigError("equity", f"{equity!r} is not a positive amount")
    if signal.side is None:
        return EntryPlan(intent=None, reason=signal.reason)
    if signal.side == Side.SELL:
        return EntryPlan(intent=None, reason="the signal is SELL, and on spot there is nothing to sell short")
    qty = lots(signal.fraction * equity, snapshot, instrument)
    if qty == 0:
        what = f"{signal.fraction:.2%} of {equity:g} is less than the venue's smallest order"
        return EntryPlan(intent=None, reason=what)
    intent = OrderIntent(
        venue=instrument.venue, symbol=instrument.symbol, side=signal.side, qty=qty, signal=signal
    )
    return EntryPlan(intent=intent, reason=signal.reason)


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
