"""What holds on every wire."""

from __future__ import annotations

import pytest

from citadel_kit.errors import DecodeError
from citadel_kit.types import Instrument
from citadel_kit.venues import WIRES, codec

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "raw",
    [b'{"x":' + b"[" * 100_000, b"[" * 100_000, b'{"data":' + b'{"a":' * 50_000],
    ids=["list", "top", "dict"],
)
def test_deep_nesting_is_malformed_and_nothing_worse(wire: str, raw: bytes) -> None:
    with pytest.raises(DecodeError):
        codec(wire, [COIN]).decode(raw, 1)
