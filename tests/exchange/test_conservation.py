"""Two clients trade at random over the wire while requests fail; in the end every unit is accounted for."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from plain_client import PlainClient

from citadel_kit.exchange.build import balance_units, make_key
from citadel_kit.exchange.dialects.binance import Limits, set_limits
from citadel_kit.exchange.local import LocalExchange

START = {"USDT": Decimal(100_000), "BTC": Decimal(1)}


class Clients:
    def __init__(self, exchange: LocalExchange, seed: int) -> None:
        self.rng = random.Random(seed)
        venue = exchange.venue()
        other = make_key(seed, "binance", "other")
        exchange.call(
            lambda: venue.add_key(other, {asset: balance_units(float(n)) for asset, n in START.items()})
        )
        self.both = [PlainClient(exchange), PlainClient(exchange)]
        self.both[1]._key, self.both[1]._secret = other.key, other.secret
        exchange.call(lambda: set_limits(venue, Limits(weight_per_minute=10**6, orders_per_10s=10**6)))

    def act(self) -> None:
        client = self.rng.choice(self.both)
        ticker = self.call(client, "GET", "/api/v3/ticker/bookTicker")
        if ticker is None:
            return
        side = self.rng.choice(("BUY", "SELL"))
        price = Decimal(ticker["askPrice" if side == "BUY" else "bidPrice"])
        order: dict[str, Any] = {"side": side, "quantity": f"{self.rng.uniform(0.0005, 0.02):.5f}"}
        kind = self.rng.choice(("take", "rest", "market", "ioc", "cancel"))
        if kind == "cancel":
            self.call(client, "DELETE", "/api/v3/openOrders")
            return
        if kind == "market":
            order["type"] = "MARKET"
        else:
            order |= {"type": "LIMIT", "timeInForce": "IOC" if kind == "ioc" else "GTC"}
            order["price"] = f"{price + (-1 if (side == 'BUY') == (kind == 'rest') else 1):.2f}"
        self.call(client, "POST", "/api/v3/order", **order)

    def call(self, client: PlainClient, method: str, path: str, **parameters: Any) -> Any:
        """None where it failed or was refused."""
        send = client.call if path.endswith("bookTicker") else client.signed
        status, body = send(method, path, symbol="BTCUSDT", **parameters)
        return body if status == 200 else None


@pytest.mark.parametrize("seed", [1, 2])
def test_what_clients_are_told_adds_up_to_the_last_unit(seed: int) -> None:
    with LocalExchange(seed=seed) as exchange:
        clients = Clients(exchange, seed)
        accounts = exchange.venue().accounts
        before = exchange.call(accounts.totals)
        exchange.faults(http_error=0.1, http_moment="after", duplicate_report=0.3, late_report=0.3, lose=0.1)
        for _ in range(250):
            clients.act()
        exchange.faults(http_error=0.0, reject="balance", reject_probability=0.2)
        for _ in range(120):
            clients.act()
        assert exchange.venue().faults.injected["http_error"] > 5
        exchange.faults(reject="")
        for client in clients.both:
            clients.call(client, "DELETE", "/api/v3/openOrders")
        assert exchange.call(accounts.totals) == before
        fills = [look(client) for client in clients.both]
        assert min(fills) > 20


def look(client: PlainClient) -> int:
    """Start, trades and fees give the balance; each order's fills give what the order says of itself."""
    money, filled = defaultdict(Decimal, START), defaultdict(Decimal)
    trades = client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", limit=1000)[1]
    for trade in trades:
        sign = 1 if trade["isBuyer"] else -1
        money["BTC"] += sign * Decimal(trade["qty"])
        money["USDT"] -= sign * Decimal(trade["qty"]) * Decimal(trade["price"])
        money[trade["commissionAsset"]] -= Decimal(trade["commission"])
        filled[trade["orderId"]] += Decimal(trade["qty"])
    told = client.signed("GET", "/api/v3/account")[1]["balances"]
    for balance in told:
        assert Decimal(balance["locked"]) == 0
        # Fees are kept to 18 decimals and told with eight, as the balance is.
        off = Decimal(balance["free"]) - money[balance["asset"]]
        assert abs(off) <= Decimal("1e-8") * (len(trades) + 1), (balance, off)
    for order in client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)[1]:
        assert Decimal(order["executedQty"]) == filled[order["orderId"]] <= Decimal(order["origQty"])
    return len(trades)
