"""Numbers as Binance writes them: eight decimals, times in milliseconds."""

from __future__ import annotations

from typing import Final

from citadel_kit.types import Instrument

MILLISECOND: Final = 1_000_000
_DECIMALS: Final = 8
ZERO: Final = "0.00000000"


def ms(ns: int) -> int:
    return ns // MILLISECOND


def decimal(units: int, decimals: int) -> str:
    """Exact: at least eight decimals, more where the number has them."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    if decimals < _DECIMALS:
        units, decimals = units * 10 ** (_DECIMALS - decimals), _DECIMALS
    whole, fraction = divmod(units, 10**decimals)
    digits = f"{fraction:0{decimals}d}"
    return f"{sign}{whole}.{digits[:_DECIMALS]}{digits[_DECIMALS:].rstrip('0')}"


class Scale:
    """One instrument's numbers."""

    __slots__ = ("notional_decimals", "price_decimals", "qty_decimals")

    def __init__(self, instrument: Instrument) -> None:
        self.price_decimals, self.qty_decimals = instrument.price_decimals, instrument.qty_decimals
        self.notional_decimals = instrument.price_decimals + instrument.qty_decimals

    def price(self, units: int) -> str:
        return decimal(units, self.price_decimals)

    def qty(self, units: int) -> str:
        return decimal(units, self.qty_decimals)

    def notional(self, units: int) -> str:
        return decimal(units, self.notional_decimals)

    def levels(self, rows: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(decimal(p, self.price_decimals), decimal(q, self.qty_decimals)) for p, q in rows]
