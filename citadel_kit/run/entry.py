"""From a signal to an intent: how much, where, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Final

from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.macro.sizing import Caps, room, whole_lots
from citadel_kit.micro.gate import Reason
from citadel_kit.types import FeedState, Instrument, MacroSignal, MicroSnapshot, OrderIntent, Side

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
    if missing := _no_price(snapshot, instrument):
        return EntryPlan(intent=None, reason=missing)
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
    currency) buys less than the venue's smallest order; GateRefused where the venue shows no price now.
    """
    name = side.name if isinstance(side, Side) else str(side).upper()
    if name not in Side.__members__:
        raise ConfigError("side", f"{side!r} is neither BUY nor SELL")
    if missing := _no_price(snapshot, instrument):
        live = snapshot.venue(instrument.venue).state == FeedState.LIVE
        raise GateRefused((Reason.QUOTE_MISSING if live else Reason.BOOK_NOT_LIVE,), missing)
    qty = lots(notional, snapshot, instrument)
    if qty == 0:
        raise ConfigError("notional", f"{notional:g} is below {instrument.venue}'s smallest order")
    return OrderIntent(
        venue=instrument.venue, symbol=instrument.symbol, side=Side[name], qty=qty, forced=True
    )


def lots(notional: float, snapshot: MicroSnapshot, instrument: Instrument) -> int:
    """A quote amount in whole lots at the venue's mid; 0 below its minimum notional or without a price."""
    view = snapshot.venue(instrument.venue)
    return whole_lots(1.0, max(notional, 0.0), (view.bid + view.ask) / 2, instrument)


def _no_price(snapshot: MicroSnapshot, instrument: Instrument) -> str:
    """Why the venue shows none, and what to do; empty where it shows one."""
    view = snapshot.venue(instrument.venue)
    if 0 < view.bid < inf and 0 < view.ask < inf:
        return ""
    if view.state == FeedState.LIVE:
        return f"{view.venue} has no price: nobody quotes on both sides of its book; wait until somebody does"
    why = f"{view.state.name} ({view.state_reason})" if view.state_reason else view.state.name
    return f"{view.venue} has no price: its book is {why}, not LIVE; `wait_live()` waits for it"
