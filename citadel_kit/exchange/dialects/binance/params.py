"""A request's parameters: read, checked, and refused in Binance's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from citadel_kit.exchange.dialects.binance.errors import (
    ApiError,
    illegal,
    invalid_data,
    mandatory,
    too_precise,
)

_DECIMAL: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER: Final = r"^[0-9]{1,20}$"
_CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
_SYMBOL: Final = r"^[A-Z0-9-_.]{1,50}$"
_LARGEST: Final = 2**62
"""Of an integer, and of a price or quantity in the instrument's units: what compiled integers hold."""
PRECISION: Final = 8
"""Decimals that Binance accepts of any asset."""


class Params:
    """Texts by name. Every method raises ApiError where the text is not what it asks for.

    An empty text counts as not sent. Names that nobody asks for are ignored.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._texts: dict[str, str] = {}
        for name, text in pairs:
            if name in self._texts:
                raise ApiError(-1101, f"Duplicate values for parameter '{name[:50]}' detected.")
            self._texts[name] = text

    @classmethod
    def of_query(cls, raw: str) -> Params:
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=100, errors="strict")
        except UnicodeDecodeError:
            raise ApiError(-1100, "Illegal characters found in a parameter.") from None
        except ValueError:
            raise ApiError(-1101, "Too many parameters; expected '100' and received more.") from None
        return cls(pairs)

    @classmethod
    def of_json(cls, members: Mapping[str, Any]) -> Params:
        """Of a websocket request whose numbers were left as they were written; lists become JSON again."""
        return cls((name, _text(value)) for name, value in members.items() if value is not None)

    def merged(self, other: Params) -> Params:
        """Where both have a name, this one's text counts."""
        return Params({**other._texts, **self._texts}.items())

    def items(self) -> Iterable[tuple[str, str]]:
        return self._texts.items()

    def has(self, name: str) -> bool:
        return bool(self._texts.get(name))

    def text(self, name: str, default: str = "") -> str:
        return self._texts.get(name) or default

    def need(self, name: str) -> str:
        text = self.text(name)
        if not text:
            raise mandatory(name)
        return text

    def integer(self, name: str, default: int, low: int = 0, high: int = _LARGEST) -> int:
        """Raises ApiError beyond `low` and `high`, too."""
        if not self.has(name):
            return default
        text = self.text(name)
        if re.fullmatch(_INTEGER, text, re.ASCII) is None:
            raise illegal(name, _INTEGER)
        value = int(text)
        if not low <= value <= high:
            raise invalid_data(name)
        return value

    def limit(self, default: int, high: int) -> int:
        """As most lists have it: too many are cut to the most there may be, none at all is refused."""
        return min(self.integer("limit", default, low=1), high)

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name).lower()
        if text not in ("", "true", "false"):
            raise invalid_data(name)
        return default if not text else text == "true"

    def symbol(self, name: str = "symbol") -> str:
        text = self.need(name)
        if re.fullmatch(_SYMBOL, text, re.ASCII) is None:
            raise illegal(name, _SYMBOL)
        return text

    def client_id(self, name: str) -> str:
        """Empty where none was sent."""
        text = self.text(name)
        if text and re.fullmatch(_CLIENT_ID, text, re.ASCII) is None:
            raise illegal(name, _CLIENT_ID)
        return text

    def decimal(self, name: str) -> Decimal | None:
        """None where it was not sent."""
        if not self.has(name):
            return None
        text = self.text(name)
        if re.fullmatch(_DECIMAL, text, re.ASCII) is None:
            raise illegal(name, _DECIMAL)
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        if len(fraction) > PRECISION:
            raise too_precise(name)
        return Decimal(whole, fraction)

    def names(self, name: str) -> list[str]:
        """A JSON list of texts, such as `["BTCUSDT","BNBUSDT"]`; empty where it was not sent."""
        if not self.has(name):
            return []
        legal = r"^\[(\"[A-Z0-9-_.]{1,50}\"(,\"[A-Z0-9-_.]{1,50}\"){0,}){0,1}\]$"
        try:
            members = json.loads(self.text(name))
        except (ValueError, RecursionError):
            raise illegal(name, legal) from None
        if not isinstance(members, list) or not all(isinstance(m, str) for m in members):
            raise illegal(name, legal)
        if len(set(members)) < len(members):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
        return members


class Decimal:
    """A number as it was sent, exact."""

    __slots__ = ("_fraction", "_whole")

    def __init__(self, whole: str, fraction: str) -> None:
        self._whole, self._fraction = whole, fraction

    def units(self, decimals: int) -> int | None:
        """In units of 10**-decimals; None where that would lose a digit or pass 62 bits."""
        if len(self._fraction) > decimals:
            return None
        value = int(self._whole + self._fraction.ljust(decimals, "0"))
        return value if value < _LARGEST else None

    @property
    def zero(self) -> bool:
        return not (self._whole + self._fraction).strip("0")


class Number(str):
    """A number in JSON, as it was written."""

    __slots__ = ()


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def parse_json(raw: str | bytes) -> Any:
    """JSON whose numbers stay texts, as they were signed. Raises ApiError."""
    try:
        return json.loads(raw, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError):
        raise ApiError(-1135, "Invalid JSON Request") from None
