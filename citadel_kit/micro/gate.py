"""May this intent trade now? The gate fails closed: what it can't see, can't compare or can't compute blocks.

An entry has to pass every rule of `Reason`. A reduction or exit asks only for what is needed to trade at all
(the rules in `FOR_EXITS`): a known venue whose own book is LIVE and two-sided, the right symbol, a positive
quantity, a running engine, and a position that it makes smaller. Neither spread, age, guard, signal nor the
global quote may trap a position.

The target venue's own spread is judged. The global quote can only add a reason to refuse.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from numba.extending import register_jitable

from citadel_kit.micro.reason import BIT, FOR_EXITS, REASONS, Reason
from citadel_kit.types import FeedState, MicroSnapshot, OrderIntent, Purpose, Side, VenueView, Verdict


class GateConfig(NamedTuple):
    max_spread_bps: float = 50.0
    """Of the target venue's own book; 50 is 0.5 %."""
    max_age_ns: int = 3_000_000_000
    """Since the target venue's last frame of any kind, and of the snapshot that says so."""
    max_notional: float = 100_000.0
    """Of one entry, in the quote currency."""
    verified_only: bool = True
    """False: entries pass on a venue whose books can't be verified, too."""


class Exposure(NamedTuple):
    """What the account holds and does already on the intent's venue, in quantity units."""

    position: int
    """Signed: negative is short."""
    reducing: int
    """Not yet filled quantity of working reductions and exits."""
    signal_used: bool
    """An entry on this signal works already, or has filled: running a cell again must not buy again."""
    notional: float
    """Of the intent at the venue's ask, in the quote currency."""
    inverse: bool = False
    """Is it in inverse contracts? Positions and profit are counted in base units, which these are not."""


NOTHING_KNOWN: Final = Exposure(0, 0, True, math.nan)
"""Allows neither an entry nor an exit."""


__all__ = [
    "BIT",
    "FOR_EXITS",
    "NOTHING_KNOWN",
    "REASONS",
    "Exposure",
    "Facts",
    "GateConfig",
    "Reason",
    "check",
    "gather",
    "judge",
]

# By name, as plain ints: Numba knows no enum of strings.
_VENUE_UNKNOWN: Final = BIT[Reason.VENUE_UNKNOWN]
_BOOK_NOT_LIVE: Final = BIT[Reason.BOOK_NOT_LIVE]
_VENUE_UNVERIFIED: Final = BIT[Reason.VENUE_UNVERIFIED]
_QUOTE_MISSING: Final = BIT[Reason.QUOTE_MISSING]
_QUOTE_STALE: Final = BIT[Reason.QUOTE_STALE]
_SPREAD: Final = BIT[Reason.SPREAD]
_GLOBAL_MISSING: Final = BIT[Reason.GLOBAL_MISSING]
_GLOBAL_CROSSED: Final = BIT[Reason.GLOBAL_CROSSED]
_SIGNAL_MISSING: Final = BIT[Reason.SIGNAL_MISSING]
_SIGNAL_INVALID: Final = BIT[Reason.SIGNAL_INVALID]
_SIGNAL_EXPIRED: Final = BIT[Reason.SIGNAL_EXPIRED]
_SIGNAL_FUTURE: Final = BIT[Reason.SIGNAL_FUTURE]
_SIGNAL_FLAT: Final = BIT[Reason.SIGNAL_FLAT]
_SIGNAL_SIDE: Final = BIT[Reason.SIGNAL_SIDE]
_SIGNAL_SYMBOL: Final = BIT[Reason.SIGNAL_SYMBOL]
_SIGNAL_USED: Final = BIT[Reason.SIGNAL_USED]
_GUARD: Final = BIT[Reason.GUARD]
_ENGINE: Final = BIT[Reason.ENGINE]
_QUANTITY: Final = BIT[Reason.QUANTITY]
_NOTIONAL: Final = BIT[Reason.NOTIONAL]
_NOT_REDUCING: Final = BIT[Reason.NOT_REDUCING]
_SYMBOL: Final = BIT[Reason.SYMBOL]
_INVERSE: Final = BIT[Reason.INVERSE]


class Facts(NamedTuple):
    """What the rules look at, as scalars. Sides as ints, 0 for none; ages and times in ns."""

    is_entry: bool
    venue_known: bool
    verified: bool
    state: int
    """FeedState"""
    age_ns: int
    """Negative: from the future."""
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    spread_bps: float
    global_bid: float
    global_ask: float
    global_crossed: bool
    forced: bool
    has_signal: bool
    signal_side: int
    signal_asof_ns: int
    signal_until_ns: int
    signal_probability: float
    signal_fraction: float
    signal_symbol_ok: bool
    guard_ok: bool
    engine_runs: bool
    side: int
    qty: int
    symbol_ok: bool
    now_ns: int
    position: int
    reducing: int
    signal_used: bool
    notional: float
    inverse: bool


def judge(
    config: GateConfig, intent: OrderIntent, snapshot: MicroSnapshot, now_ns: int, exposure: Exposure
) -> Verdict:
    """Never raises: an exception inside blocks with `Reason.ERROR`."""
    try:
        facts = gather(intent, snapshot, now_ns, exposure)
        mask = check(config, facts)
        reasons = tuple(reason for reason in REASONS if mask & BIT[reason])
        if not reasons:
            return Verdict(True, (), f"{intent.venue}: allowed")
        texts = "; ".join(_say(reason, config, facts, intent, snapshot) for reason in reasons)
        return Verdict(False, tuple(r.value for r in reasons), f"{intent.venue}: blocked: {texts}")
    except Exception as fault:  # noqa: BLE001 - whatever went wrong, no verdict means no trade
        return Verdict(False, (Reason.ERROR.value,), f"blocked: the gate failed: {_name(fault)}")


@register_jitable
def check(config: GateConfig, facts: Facts) -> int:
    """The bits of the broken rules; 0: allowed. Conditions are written so that NaN breaks the rule."""
    f = facts
    mask = _check_book(config, f) if f.venue_known else _VENUE_UNKNOWN
    if not f.engine_runs:
        mask |= _ENGINE
    if not f.qty > 0:
        mask |= _QUANTITY
    if not f.symbol_ok:
        mask |= _SYMBOL
    if f.inverse:
        mask |= _INVERSE
    if f.is_entry:
        return mask | _check_entry(config, f)
    if not (f.side * f.position < 0 and f.qty + f.reducing <= abs(f.position)):
        mask |= _NOT_REDUCING
    return mask


@register_jitable
def _check_book(config: GateConfig, f: Facts) -> int:
    """A book that is not LIVE shows no numbers, so nothing else is said of it."""
    if f.state != FeedState.LIVE:
        return _BOOK_NOT_LIVE
    mask = 0
    if f.is_entry and config.verified_only and not f.verified:
        mask |= _VENUE_UNVERIFIED
    if not (0.0 < f.bid < f.ask < math.inf and f.bid_qty > 0.0 and f.ask_qty > 0.0):
        mask |= _QUOTE_MISSING
    elif f.is_entry and not f.spread_bps <= config.max_spread_bps:
        mask |= _SPREAD
    if f.is_entry and not 0 <= f.age_ns <= config.max_age_ns:
        mask |= _QUOTE_STALE
    return mask


@register_jitable
def _check_entry(config: GateConfig, f: Facts) -> int:
    mask = 0
    if not f.notional <= config.max_notional:
        mask |= _NOTIONAL
    if not (0.0 < f.global_bid < math.inf and 0.0 < f.global_ask < math.inf):
        mask |= _GLOBAL_MISSING
    if f.global_crossed or f.global_bid > f.global_ask:
        mask |= _GLOBAL_CROSSED
    if not f.guard_ok:
        mask |= _GUARD
    if f.forced:
        return mask
    return mask | _check_signal(f) if f.has_signal else mask | _SIGNAL_MISSING


@register_jitable
def _check_signal(f: Facts) -> int:
    mask = 0
    if not (0.0 <= f.signal_probability <= 1.0 and 0.0 <= f.signal_fraction < math.inf):
        mask |= _SIGNAL_INVALID
    if not f.now_ns < f.signal_until_ns:
        mask |= _SIGNAL_EXPIRED
    if not f.signal_asof_ns <= f.now_ns:
        mask |= _SIGNAL_FUTURE
    if f.signal_side == 0 or f.signal_fraction == 0.0:
        mask |= _SIGNAL_FLAT
    elif f.signal_side != f.side:
        mask |= _SIGNAL_SIDE
    if not f.signal_symbol_ok:
        mask |= _SIGNAL_SYMBOL
    if f.signal_used:
        mask |= _SIGNAL_USED
    return mask


def gather(intent: OrderIntent, snapshot: MicroSnapshot, now_ns: int, exposure: Exposure) -> Facts:
    """The spread is the worse of the one reported and the one computed; NaN where either is."""
    view = next((v for v in snapshot.venues if v.venue == intent.venue), None)
    signal, quote = intent.signal, snapshot.quote
    side = int(signal.side) if signal is not None and signal.side is not None else 0
    return Facts(
        is_entry=intent.purpose not in (Purpose.REDUCE, Purpose.EXIT),
        venue_known=view is not None,
        verified=view is not None and view.verified,
        state=int(view.state) if view else int(FeedState.INIT),
        age_ns=_age(view, snapshot.asof_ns, now_ns),
        bid=float(view.bid) if view else math.nan,
        bid_qty=float(view.bid_qty) if view else math.nan,
        ask=float(view.ask) if view else math.nan,
        ask_qty=float(view.ask_qty) if view else math.nan,
        spread_bps=_spread_bps(view) if view else math.nan,
        global_bid=float(quote.bid),
        global_ask=float(quote.ask),
        global_crossed=bool(quote.crossed),
        forced=bool(intent.forced),
        has_signal=signal is not None,
        signal_side=side,
        signal_asof_ns=signal.asof_ns if signal else 0,
        signal_until_ns=signal.valid_until_ns if signal else 0,
        signal_probability=float(signal.probability) if signal else math.nan,
        signal_fraction=float(signal.fraction) if signal else math.nan,
        signal_symbol_ok=signal is not None and signal.symbol == intent.symbol,
        guard_ok=snapshot.guard == "ok",
        engine_runs=snapshot.engine == "running",
        side=int(Side(intent.side)),
        qty=intent.qty,
        symbol_ok=snapshot.symbol == intent.symbol,
        now_ns=now_ns,
        position=exposure.position,
        reducing=exposure.reducing,
        signal_used=bool(exposure.signal_used),
        notional=float(exposure.notional),
        inverse=bool(exposure.inverse),
    )


def _age(view: VenueView | None, asof_ns: int, now_ns: int) -> int:
    """Of the venue's last frame, now; negative where it has none: no frame yet, or a future snapshot."""
    if view is None or view.age_ns < 0 or now_ns < asof_ns:
        return -1
    return view.age_ns + now_ns - asof_ns


def _spread_bps(view: VenueView) -> float:
    computed = (view.ask - view.bid) / ((view.ask + view.bid) / 2) * 1e4 if view.ask + view.bid else math.nan
    if math.isnan(computed) or math.isnan(view.spread_bps):
        return math.nan
    return max(computed, view.spread_bps)


def _say(
    reason: Reason, config: GateConfig, facts: Facts, intent: OrderIntent, snapshot: MicroSnapshot
) -> str:
    """The measured value, and the setting or the step that decides."""
    f, until = facts, (facts.now_ns - facts.signal_until_ns) / 1e9
    known = ", ".join(v.venue for v in snapshot.venues) or "none"
    age = f"{f.age_ns / 1e6:.0f} ms old" if f.age_ns >= 0 else "from no time that can be trusted"
    signal_symbol = intent.signal.symbol if intent.signal else ""
    texts = {
        Reason.VENUE_UNKNOWN: f"there is no venue {intent.venue!r}; there are: {known}",
        Reason.BOOK_NOT_LIVE: f"its book is {FeedState(f.state).name}, not LIVE; wait until it is synced",
        Reason.QUOTE_MISSING: f"its quote is not two-sided: bid {f.bid:g} × {f.bid_qty:g}, "
        f"ask {f.ask:g} × {f.ask_qty:g}",
        Reason.QUOTE_STALE: f"its quote is {age}; max_age_ns allows {config.max_age_ns / 1e6:.0f} ms",
        Reason.VENUE_UNVERIFIED: "nothing proves its books; GateConfig.verified_only=False lets it trade",
        Reason.SPREAD: f"its spread is {f.spread_bps:.2f} bps; max_spread_bps is {config.max_spread_bps:g}",
        Reason.GLOBAL_MISSING: "there is no global quote; wait until a venue is LIVE",
        Reason.GLOBAL_CROSSED: f"the global quote is crossed: bid {f.global_bid:g} at "
        f"{snapshot.quote.bid_venue}, ask {f.global_ask:g} at {snapshot.quote.ask_venue}",
        Reason.SIGNAL_MISSING: "an entry needs a signal; pass one, or forced=True for a drill",
        Reason.SIGNAL_INVALID: f"the signal's probability is {f.signal_probability:g} and its fraction "
        f"{f.signal_fraction:g}; look at the model's features",
        Reason.SIGNAL_EXPIRED: f"the signal expired {until:.1f} s ago; run the macro cycle again",
        Reason.SIGNAL_FUTURE: f"the signal's last candle closes {(f.signal_asof_ns - f.now_ns) / 1e9:.1f} s "
        "from now; use candles closed by now",
        Reason.SIGNAL_FLAT: f"the signal is flat: {intent.signal.reason if intent.signal else ''}",
        Reason.SIGNAL_SIDE: "the signal points to the other side",
        Reason.SIGNAL_SYMBOL: f"the signal is for {signal_symbol}, the intent for {intent.symbol}",
        Reason.SIGNAL_USED: "an entry on this signal works or has filled already; wait for the next signal",
        Reason.GUARD: f"the guard: {snapshot.guard}; reset it by hand when the cause is understood",
        Reason.ENGINE: f"the engine is {snapshot.engine}",
        Reason.QUANTITY: f"the quantity is {f.qty}; it must be positive",
        Reason.NOTIONAL: f"its value is {f.notional:,.2f}; max_notional is {config.max_notional:,.0f}",
        Reason.NOT_REDUCING: f"it would not make the position of {f.position} units smaller: "
        f"side {Side(f.side).name}, {f.qty} more than {f.reducing} on their way",
        Reason.INVERSE: "inverse contracts are shown, not traded: choose a spot or linear instrument",
        Reason.SYMBOL: f"the intent is for {intent.symbol}, the engine trades {snapshot.symbol}",
    }
    return texts[reason]


def _name(fault: BaseException) -> str:
    """Without trusting the exception's own text."""
    try:
        return f"{type(fault).__name__}: {fault}"
    except Exception:  # noqa: BLE001 - its __str__ may be what is broken
        return type(fault).__name__
