"""A Binance venue in virtual time whose outside market stands still, and a client that signs by itself."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

from citadel_kit.exchange.candles import Candles
from citadel_kit.exchange.dialects.binance import api_of
from citadel_kit.exchange.dialects.binance.calls import REST
from citadel_kit.exchange.dialects.binance.errors import ApiError
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.dialects.binance.userdata import events
from citadel_kit.exchange.faults import Faults
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.venue import ApiKey, Symbol, Venue
from citadel_kit.exchange.world import World
from citadel_kit.micro.matching import UNIT, Accounts, MatchingEngine
from citadel_kit.settings import Fees
from citadel_kit.types import Instrument, Side

START_NS = 1_723_118_400 * 10**9
SECOND = 10**9
MS = 10**6
BTC = Instrument(
    venue="binance", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5,
    min_notional=5 * 10**7,
)  # fmt: skip
KEY = ApiKey(key="testkey0", secret="never seen anywhere else", account="main")
READER = ApiKey(key="readonly", secret="this one may look", account="main", may_trade=False)
OTHER = ApiKey(key="another0", secret="somebody else's", account="other")


class Still:
    """Bids from 60000.00 down, asks from 60000.10 up, a tenth apart, 1 BTC each; a trade at 60000.05."""

    start_ns = START_NS

    def __init__(self, later: Sequence[OutsideEvent] = ()) -> None:
        self.instruments = {"binance": [BTC]}
        self._later = later

    def events(self) -> Iterator[OutsideEvent]:
        bids = [(6_000_000 - 10 * n, 100_000) for n in range(50)]
        asks = [(6_000_010 + 10 * n, 100_000) for n in range(50)]
        yield OutsideBook(START_NS, "binance", "BTC/USDT", True, bids, asks)
        yield OutsideTrade(START_NS, "binance", "BTC/USDT", 6_000_005, 1_000, Side.BUY)
        yield from self._later


class Desk:
    """The API without a network."""

    def __init__(self, later: Sequence[OutsideEvent] = ()) -> None:
        self.world = World(Still(later), START_NS)
        accounts = Accounts()
        symbol = Symbol(BTC, MatchingEngine(BTC, accounts), Candles("BTC/USDT"))
        self.venue = Venue("binance", self.world, {"BTC/USDT": symbol}, accounts, Fees(10, 10), Faults(1))
        self.world.venues["binance"] = self.venue
        for key in (KEY, READER, OTHER):
            self.venue.add_key(key)
        for account in ("main", "other"):
            accounts.deposit(account, "USDT", 100_000 * 10**UNIT)
            accounts.deposit(account, "BTC", 10**UNIT)
        self.world.advance(START_NS)
        self.symbol, self.api = symbol, api_of(self.venue)
        self.said: list[dict[str, Any]] = []
        """What the user data stream of `main` said."""
        self.venue.listen_account("main", lambda event: self.said.extend(events(self.api, event)))

    @property
    def now_ms(self) -> int:
        return self.venue.now_ns() // MS

    def call(self, method: str, path: str, *, key: ApiKey | None = KEY, **params: Any) -> Any:
        """Signed where there is a key, unless `timestamp` or `signature` are given as None."""
        if key is not None and "timestamp" not in params:
            params["timestamp"] = self.now_ms
        given = params.pop("signature", "")
        query = urlencode({k: v for k, v in params.items() if v is not None})
        if key is not None and given == "":
            given = hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        answer = self.api.answer(
            REST[method, path],
            "127.0.0.1",
            Params.of_query(query),
            key="" if key is None else key.key,
            payload=query,
            signature=given or "",
        )
        return answer.result

    def refused(self, method: str, path: str, **params: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.call(method, path, **params)
        return caught.value

    def order(self, **params: Any) -> Any:
        return self.call("POST", "/api/v3/order", **limit_order(**params))

    def refused_order(self, **params: Any) -> ApiError:
        return self.refused("POST", "/api/v3/order", **limit_order(**params))


def limit_order(**changes: Any) -> dict[str, Any]:
    """A purchase far from the market; a change of None leaves that parameter out."""
    base = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "59000.00",
    }
    return {name: value for name, value in (base | changes).items() if value is not None}
