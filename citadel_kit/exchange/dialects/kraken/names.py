"""Kraken's REST API knows assets and pairs by older names than its websocket v2: BTC is XBT there, and the
first listed coins carry an X and the first currencies a Z.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from citadel_kit.types import Instrument

_ALTNAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_PREFIXES: Final = {
    **dict.fromkeys(("XBT", "XDG", "ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC"), "X"),
    **dict.fromkeys(("AUD", "CAD", "EUR", "GBP", "JPY", "USD"), "Z"),
}


class Asset(NamedTuple):
    id: str
    altname: str


class Pair(NamedTuple):
    id: str
    altname: str
    wsname: str
    base: Asset
    quote: Asset


def asset(code: str) -> Asset:
    """`BTC` is `XXBT`, in short `XBT`; `USDT` is itself."""
    altname = _ALTNAMES.get(code, code)
    return Asset(_PREFIXES.get(altname, "") + altname, altname)


def pair(instrument: Instrument) -> Pair:
    """Prefixes are in a pair's id only where both sides have one: `XXBTZUSD`, but `XBTUSDT`."""
    base, quote = (asset(code) for code in instrument.symbol.split("/"))
    altname = base.altname + quote.altname
    prefixed = base.id != base.altname and quote.id != quote.altname
    return Pair(
        base.id + quote.id if prefixed else altname, altname, f"{base.altname}/{quote.altname}", base, quote
    )
