"""The rules of the gate over plain scalars, compilable by Numba."""

from __future__ import annotations

import math
from typing import Final

from numba.extending import register_jitable

from citadel_kit.micro.gate.records import BIT, Facts, GateConfig, Reason
from citadel_kit.types import FeedState

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
    max_spread_bps = config.max_spread_bps if f.is_entry else config.max_reduce_spread_bps
    if not (0.0 < f.bid < f.ask < math.inf and f.bid_qty > 0.0 and f.ask_qty > 0.0):
        mask |= _QUOTE_MISSING
    elif not f.is_exit and not f.spread_bps <= max_spread_bps:
        mask |= _SPREAD
    if not f.is_exit and not 0 <= f.age_ns <= config.max_age_ns:
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
