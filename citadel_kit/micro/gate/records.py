"""The records of the gate: its settings, its rules by name, and the facts they look at."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple


class GateConfig(NamedTuple):
    max_spread_bps: float = 50.0
    """Of the target venue's own book; 50 is 0.5 %."""
    max_age_ns: int = 3_000_000_000
    """Since the target venue's last frame of any kind, and of the snapshot that says so."""
    max_notional: float = 100_000.0
    """Of one entry, in the quote currency."""
    verified_only: bool = True
    """False: entries pass on a venue whose books can't be verified, too."""
    max_reduce_spread_bps: float = 200.0
    """Of the target venue's own book, for a reduction."""


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


class Reason(StrEnum):
    """In the order of the bits of `check`."""

    VENUE_UNKNOWN = "venue_unknown"
    BOOK_NOT_LIVE = "book_not_live"
    VENUE_UNVERIFIED = "venue_unverified"
    QUOTE_MISSING = "quote_missing"
    """One-sided, empty, crossed in itself, or NaN."""
    QUOTE_STALE = "quote_stale"
    SPREAD = "spread"
    GLOBAL_MISSING = "global_missing"
    GLOBAL_CROSSED = "global_crossed"
    SIGNAL_MISSING = "signal_missing"
    SIGNAL_INVALID = "signal_invalid"
    """Its probability or fraction is NaN or out of range."""
    SIGNAL_EXPIRED = "signal_expired"
    SIGNAL_FUTURE = "signal_future"
    SIGNAL_FLAT = "signal_flat"
    SIGNAL_SIDE = "signal_side"
    SIGNAL_SYMBOL = "signal_symbol"
    SIGNAL_USED = "signal_used"
    GUARD = "guard"
    ENGINE = "engine"
    QUANTITY = "quantity"
    NOTIONAL = "notional"
    NOT_REDUCING = "not_reducing"
    SYMBOL = "symbol"
    INVERSE = "inverse"
    ERROR = "error"
    """The gate itself failed."""


REASONS: Final = tuple(Reason)
BIT: Final = {reason: 1 << i for i, reason in enumerate(REASONS)}
"""Bit of each rule in the result of `check`."""
FOR_EXITS: Final = (
    Reason.VENUE_UNKNOWN,
    Reason.BOOK_NOT_LIVE,
    Reason.QUOTE_MISSING,
    Reason.ENGINE,
    Reason.QUANTITY,
    Reason.NOT_REDUCING,
    Reason.SYMBOL,
    Reason.INVERSE,
)
"""The rules of an exit: what is needed to trade at all."""
FOR_REDUCTIONS: Final = (*FOR_EXITS, Reason.QUOTE_STALE, Reason.SPREAD)


class Facts(NamedTuple):
    """What the rules look at, as scalars. Sides as ints, 0 for none; ages and times in ns."""

    is_entry: bool
    """Any purpose that is not known to be another."""
    is_exit: bool
    """Neither: a reduction."""
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
