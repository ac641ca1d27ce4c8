"""Why the gate refuses: its rules by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


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
