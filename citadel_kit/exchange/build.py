"""From a few words to a world: which market, which venues, which instruments, fees and keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from citadel_kit import settings
from citadel_kit.exchange.venue import ApiKey
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.types import Instrument

ACCOUNT: Final = "main"
FILLS: Final = {"queue": QueueConfig(), "pessimistic": QueueConfig(pessimistic=True)}
_GENERIC: Final = Instrument(
    venue="", symbol="", venue_symbol="", price_decimals=2, qty_decimals=6, lot=10, min_notional=5 * 10**8
)


def instrument_for(venue: str, symbol: str) -> Instrument:
    """As the venue has it where that is known, else with usual decimals."""
    if settings.is_known(venue, symbol):
        return settings.instrument(venue, symbol)
    name = settings.venue_symbol(venue, symbol)
    return replace(_GENERIC, venue=venue, symbol=symbol, venue_symbol=name)


def make_key(seed: int, venue: str, account: str = ACCOUNT) -> ApiKey:
    """A key that is worth nothing anywhere else, the same for the same seed."""
    made = hashlib.sha256(f"citadel local exchange {seed} {venue} {account}".encode()).hexdigest()
    return ApiKey(key=f"local{made[:27]}", secret=made[32:], account=account)
