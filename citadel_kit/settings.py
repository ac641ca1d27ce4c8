"""TOML files → frozen records. A wrong name or type is an error that names the setting."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.types import Instrument, to_units

_UNIFIED: Final = re.compile(r"([^/:\\\s.][^/:\\\s]*)/([^/:\\\s.-]+)(?::([^/:\\\s.-]+)(?:-(\d{6}))?)?")
_LINEAR: Final = ("binanceusdm", "bybitlinear")
"""Venues whose contracts all settle in their quote currency, so that `:USDT` may be left out."""
_SPOT: Final = ("binance", "bybit", "kraken", "coinbase", "coinbaseexchange")


class Fees(NamedTuple):
    """Of the notional, in basis points; a negative maker fee is a rebate."""

    maker_bps: float
    taker_bps: float


@cache
def _table() -> dict[str, Any]:
    text = resources.files("citadel_kit.venues").joinpath("instruments.toml").read_text("utf-8")
    return tomllib.loads(text)


def check_venue(venue: str) -> None:
    """Raises ConfigError naming the known venues, or the right spelling."""
    known = list(_table()["fees"])
    if venue not in known:
        near = get_close_matches(venue.lower(), known, n=1)
        hint = f"Perhaps {near[0]}; known: {', '.join(known)}" if near else f"Known: {', '.join(known)}"
        raise ConfigError("venue", f"{venue!r} is unknown", hint)


def check_symbol(symbol: str) -> tuple[str, str, str | None, str | None]:
    """Base, quote, settlement and expiry of a unified symbol. Raises ConfigError for another spelling."""
    match = _UNIFIED.fullmatch(symbol)
    if match is None:
        raise ConfigError("symbol", f"{symbol!r} is no unified symbol", "Write it as BASE/QUOTE: BTC/USDT")
    base, quote, settle, expiry = match.groups()
    return base, quote, settle, expiry


def venue_symbol(venue: str, symbol: str) -> str:
    """How the venue writes a unified symbol: `BTC/USDT`; swaps and futures as ccxt spells them.

    `BTC/USDT:USDT`, `BTC/USD:BTC-220527`; on venues that have nothing else, `:USDT` may be left out. Raises
    ConfigError for another spelling, or a contract that the venue can't have.
    """
    base, quote, settle, expiry = check_symbol(symbol)
    if symbol != symbol.upper():
        raise ConfigError("symbol", f"{symbol!r} is no symbol of {venue}", f"Write it as {symbol.upper()}")
    if settle is not None and (venue in _SPOT or (venue in _LINEAR and settle != quote)):
        raise ConfigError("symbol", f"{venue} has no contracts like {symbol!r}", f"Perhaps {base}/{quote}")
    if venue == "okx":
        return "-".join((base, quote) if settle is None else (base, quote, expiry or "SWAP"))
    if venue == "kraken":
        return symbol
    if venue.startswith("coinbase"):
        return f"{base}-{quote}"
    if venue == "bybitlinear" and (expiry or quote == "USDC"):
        if expiry:
            raise ConfigError("symbol", f"dated contracts of {venue} are not read: {symbol!r}")
        return f"{base}PERP"
    return f"{base}{quote}_{expiry}" if expiry else f"{base}{quote}"


def is_known(venue: str, symbol: str) -> bool:
    """Is there an `instrument` of it?"""
    return own_symbol(venue, symbol) in _table()["instruments"].get(venue, {})


def instrument(venue: str, symbol: str) -> Instrument:
    """A well-known instrument, for use without a network. Raises ConfigError naming the known ones."""
    rows = _table()["instruments"].get(venue, {})
    symbol = own_symbol(venue, symbol)
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
        contract_size=float(row.get("contract_size", 1.0)),
    )


def own_symbol(venue: str, symbol: str) -> str:
    """The one of a linear contract's two spellings that the kit goes by, on venues that have nothing else."""
    pair, _, settle = symbol.partition(":")
    return pair if venue in _LINEAR and pair.endswith(f"/{settle}") else symbol


def ccxt_symbol(venue: str, symbol: str) -> str:
    """The other: ccxt always names the settlement currency of a contract."""
    _, quote, settle, _ = check_symbol(symbol)
    return f"{symbol}:{quote}" if venue in _LINEAR and settle is None else symbol


def fees(venue: str) -> Fees:
    """Published fees of the venue's first tier. Raises ConfigError for an unknown venue."""
    row = _table()["fees"].get(venue)
    if row is None:
        raise ConfigError(
            "venue", f"no fees are known for {venue!r}", f"Known: {', '.join(_table()['fees'])}"
        )
    return Fees(float(row["maker_bps"]), float(row["taker_bps"]))
