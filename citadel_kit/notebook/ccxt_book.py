"""ccxt.pro's order book without a connection: recorded frames go straight to its own message handler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import ccxt.pro
import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.types import Instrument

WIRES: Final = {"binance": "spot", "binanceusdm": "linear", "kraken": "publicV2"}
"""The wires it is prepared for, and ccxt's name of the URL that their frames come from."""


class CcxtBook:
    """As ccxt.pro is by default: Kraken's checksum off (on, it raises an AttributeError), Binance's links on.

    Its own errors, among them its report of a gap, are raised as ccxt raises them; then it has no book until
    `restart` and, on Binance, `sync`. Kraken's book is made by the snapshot in the stream.
    """

    def __init__(self, instrument: Instrument, wire: str, loads: Callable[[bytes], Any] = json.loads) -> None:
        if wire not in WIRES:
            known = f"Known: {', '.join(WIRES)}"
            raise ConfigError("venue", f"no frames of {wire!r} go to ccxt.pro here", known)
        self.rest = wire != "kraken"
        """Does it need a snapshot by REST?"""
        self._loads = loads
        base, quote = instrument.symbol.partition(":")[0].split("/")
        swap = wire == "binanceusdm"
        self.symbol = f"{base}/{quote}:{quote}" if swap else f"{base}/{quote}"
        """As ccxt spells it."""
        market = {
            "id": instrument.venue_symbol, "symbol": self.symbol, "base": base, "quote": quote,
            "settle": quote if swap else None, "type": "swap" if swap else "spot", "spot": not swap,
            "swap": swap, "contract": swap, "linear": swap, "inverse": False, "option": False, "active": True,
        }  # fmt: skip
        self._exchange = getattr(ccxt.pro, wire)()
        self._exchange.set_markets([self._exchange.safe_market_structure(market)])
        self._client = _Client(self._exchange.urls["api"]["ws"][WIRES[wire]])
        self.restart()

    def restart(self) -> None:
        """What watching the book (again) begins with: an empty one that keeps updates for its snapshot."""
        if self.rest:
            self._client.subscriptions[f"orderbook::{self.symbol}"] = {}
            self._exchange.orderbooks[self.symbol] = self._exchange.order_book({}, 1000)

    def frame(self, raw: bytes) -> None:
        self._exchange.handle_message(self._client, self._loads(raw))

    def sync(self, body: bytes) -> None:
        """ccxt's own way from the body of a REST answer and its buffer to a book, without the request."""
        message = self._loads(body)

        async def fetched(symbol: str, *_: Any) -> Any:
            return self._exchange.parse_order_book(message, symbol) | {"nonce": message["lastUpdateId"]}

        self._exchange.fetch_rest_order_book_safe = fetched
        kind = "linear" if ":" in self.symbol else "spot"
        wish = {"symbol": self.symbol, "type": kind}
        for _ in self._exchange.fetch_order_book_snapshot(self._client, None, wish).__await__():
            raise RuntimeError("ccxt waits for something while it syncs its book")

    def touch(self) -> tuple[float, float]:
        """Best bid and ask; NaN where there is none."""
        book = self._exchange.orderbooks.get(self.symbol)
        if not book or not book["bids"] or not book["asks"]:
            return np.nan, np.nan
        return book["bids"][0][0], book["asks"][0][0]


class _Client:
    """What ccxt's handlers need of a connection. Nobody waits for its futures."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, result: Any, _key: str) -> Any:
        return result

    def reject(self, error: Any, _key: str = "") -> None:
        raise error
