"""How many decimals an instrument has, from the numbers that its venue wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from citadel_kit.errors import ConfigError

_NAMES: Final = ("s", "symbol", "instId", "product_id")
"""Under which the venues name the instrument that an object is about."""
_PRICES: Final = frozenset(("p", "px", "price", "price_level"))
_QTYS: Final = frozenset(("q", "v", "sz", "qty", "size", "new_quantity", "B", "A"))
_NUMBER: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)
_MAX_DIGITS: Final = 18
"""10**18 is the largest power of ten below 2**62."""


class Precision:
    """Collects the prices and quantities of one instrument over frames of any of the kit's wires.

    Prices count without their trailing zeros (Binance writes eight decimals where the tick has two), unless
    `as_written` (Kraken's checksum is over all digits); quantities as written, since even a venue that writes
    ever the same decimals may use the last of them once in a thousand frames.
    """

    def __init__(self, venue_symbol: str, *, as_written: bool = False) -> None:
        self._symbol, self._as_written = venue_symbol, as_written
        self.named: set[str] = set()
        """All instruments that the frames named."""
        self._prices, self._qtys = _Widest(), _Widest()

    def read(self, raw: bytes) -> None:
        """One frame. What can't be read as JSON, or is nested too deep to be followed, says nothing."""
        try:
            message = json.loads(raw, parse_float=str, parse_int=str)
            # A REST snapshot names no symbol: it is of the instrument that the tape is of.
            self._walk(message, isinstance(message, dict) and "lastUpdateId" in message)
        except (ValueError, RecursionError):
            return

    def decimals(self) -> tuple[int, int] | None:
        """Of price and quantity; None where nothing of this instrument was seen but a REST snapshot, perhaps.

        Quantities lose their trailing zeros too where they would pass 62 bits otherwise. Raises ConfigError
        where they do even so.
        """
        if self._symbol not in self.named or not self._prices.seen or not self._qtys.seen:
            return None
        price = self._prices.written if self._as_written else self._prices.stripped
        qty = self._qtys.written if self._qtys.fits(self._qtys.written) else self._qtys.stripped
        if not self._prices.fits(price) or not self._qtys.fits(qty):
            raise ConfigError("symbol", f"the numbers of {self._symbol} pass 62 bits")
        return price, qty

    def _walk(self, node: Any, ours: bool) -> None:
        if isinstance(node, dict):
            self._walk_object(node, ours)
        elif isinstance(node, list):
            pair = node[1:3] if node and node[0] in ("buy", "sell") else node[:2]
            if len(pair) == 2 and all(isinstance(number, str) for number in pair):
                if ours:
                    self._prices.add(pair[0])
                    self._qtys.add(pair[1])
            else:
                for member in node:
                    self._walk(member, ours)

    def _walk_object(self, node: dict[str, Any], ours: bool) -> None:
        about = node["arg"] if isinstance(node.get("arg"), dict) else node
        name = next((about[key] for key in _NAMES if isinstance(about.get(key), str)), None)
        if name is not None:
            ours = name == self._symbol
            self.named.add(name)
        for key, value in node.items():
            if not isinstance(value, str):
                self._walk(value, ours)
            elif ours and key in _PRICES:
                self._prices.add(value)
            elif ours and key in _QTYS:
                self._qtys.add(value)


class _Widest:
    """The most decimals, as written and without trailing zeros, and the most digits before the point."""

    def __init__(self) -> None:
        self.seen = False
        self.written = self.stripped = self._whole = 0

    def add(self, text: str) -> None:
        if _NUMBER.fullmatch(text) is None:
            return
        whole, _, fraction = text.partition(".")
        self.seen = True
        self._whole = max(self._whole, len(whole.lstrip("0")))
        self.written = max(self.written, len(fraction))
        self.stripped = max(self.stripped, len(fraction.rstrip("0")))

    def fits(self, decimals: int) -> bool:
        return self._whole + decimals <= _MAX_DIGITS


def nothing_of(venue_symbol: str, named: Iterable[str]) -> str:
    """The problem with a tape that has no book of this instrument, and what it has."""
    others = sorted(set(named) - {venue_symbol})
    more = f" and {len(others) - 10} more" if len(others) > 10 else ""
    return f"no book of {venue_symbol} was found. Named there: {', '.join(others[:10]) or 'none'}{more}"


def named(frames: Iterable[bytes]) -> set[str]:
    """All instruments that the frames name; a list of all that a venue has (Kraken's) says nothing."""
    reader = Precision("")
    for raw in frames:
        if b'"channel":"instrument"' not in raw:
            reader.read(raw)
    return reader.named


def infer(frames: Iterable[bytes], venue: str, venue_symbol: str) -> tuple[int, int]:
    """Decimals of price and quantity over all frames. Raises ConfigError where none is of this instrument."""
    precision = Precision(venue_symbol, as_written=venue == "kraken")
    for raw in frames:
        precision.read(raw)
    found = precision.decimals()
    if found is None:
        raise ConfigError("symbol", nothing_of(venue_symbol, precision.named))
    return found
