"""TOML files → frozen records. A wrong name or type is an error that names the setting."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.types import Instrument, to_units


class Fees(NamedTuple):
    """Of the notional, in basis points; a negative maker fee is a rebate."""

    maker_bps: float
    taker_bps: float


@cache
def _table() -> dict[str, Any]:
    text = resources.files("citadel_kit.venues").joinpath("instruments.toml").read_text("utf-8")
    return tomllib.loads(text)


def instrument(venue: str, symbol: str) -> Instrument:
    """A well-known instrument, for use without a network. Raises ConfigError naming the known ones."""
    rows = _table()["instruments"].get(venue, {})
    row = rows.get(symbol)
    if row is None:
        known = ", ".join(rows) or "none"
        raise ConfigError("symbol", f"{symbol!r} is not known on {venue!r}", f"Known there: {known}")
    price_decimals, qty_decimals = row["price_decimals"], row["qty_decimals"]
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=row["venue_symbol"],
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=to_units(row["tick"], price_decimals),
        lot=to_units(row["lot"], qty_decimals),
        min_notional=to_units(row["min_notional"], price_decimals + qty_decimals),
    )


def fees(venue: str) -> Fees:
    """Published fees of the venue's first tier. Raises ConfigError for an unknown venue."""
    row = _table()["fees"].get(venue)
    if row is None:
        raise ConfigError(
            "venue", f"no fees are known for {venue!r}", f"Known: {', '.join(_table()['fees'])}"
        )
    return Fees(float(row["maker_bps"]), float(row["taker_bps"]))
