"""What goes to each venue, as the installed ccxt would write it: caught before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from broker_world import place
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from citadel_kit.errors import ConfigError
from citadel_kit.io.broker import capabilities
from citadel_kit.io.broker.account import Account
from citadel_kit.io.broker.track import Tracked
from citadel_kit.io.broker.wire import close_client, make_client, seen, venue_order
from citadel_kit.io.keys import Keys
from citadel_kit.micro.chase import Amend
from citadel_kit.types import FIRST_STOP_ID, Command, CommandKind, Instrument, Side, StopCommand, client_id

VENUES = ("binance", "bybit", "okx", "kraken", "coinbase")
OWN_ID = "ck12ab34-p7-12"
NAMES = {
    "binance": "BTCUSDT",
    "bybit": "BTCUSDT",
    "okx": "BTC-USDT",
    "kraken": "XBTUSDT",
    "coinbase": "BTC-USDT",
}


class Caught(Exception):
    pass


def sent(venue: str, act: Callable[[Account], Awaitable[object]]) -> str:
    """URL and body of the first request."""
    requests: list[str] = []

    async def run() -> None:
        cap = capabilities(venue)
        keys = Keys.of(venue, "somekey0123456789", _secret(venue), "phrase")
        client = make_client(cap, keys, None, timeout_s=1, recv_window_s=5)
        client.options |= {"enableUnifiedAccount": True, "enableUnifiedMargin": False}
        market = {
            "id": NAMES[venue], "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC",
            "quoteId": "USDT", "type": "spot", "spot": True, "active": True, "contract": False,
            "precision": {"amount": "0.00001", "price": "0.01"},
            "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"]},
        }  # fmt: skip
        client.set_markets([client.safe_market_structure(market)])

        async def catch(url: str, method: str = "GET", headers: object = None, body: object = None) -> None:
            requests.append(f"{method} {url} {body}")
            raise Caught

        client.fetch = catch
        instrument = Instrument(
            venue=venue, symbol="BTC/USDT", venue_symbol=NAMES[venue], price_decimals=2, qty_decimals=5
        )
        try:
            await act(Account(cap, client, [instrument], None))
        except Caught:
            pass
        finally:
            await close_client(client)

    asyncio.run(run())
    return requests[0]


def _secret(venue: str) -> str:
    """In the form that the venue's requests are signed with."""
    if venue != "coinbase":
        return "c29tZXNlY3JldA=="
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def tracked(venue_order_id: str = "") -> Tracked:
    return Tracked(
        parent_id="p7", order_id=12, client_id=OWN_ID, symbol="BTC/USDT", side=1, price=6_000_000, qty=1_000,
        venue_order_id=venue_order_id,
    )  # fmt: skip


PLACED = {
    "binance": f"POST /api/v3/order newClientOrderId={OWN_ID} LIMIT_MAKER quantity=0.01& recvWindow=5000",
    "bybit": f'POST /v5/order/create "orderLinkId":"{OWN_ID}" "PostOnly" "qty":"0.01" "price":"60000"',
    "okx": 'POST /trade/ "clOrdId":"ck12ab34Zp7Z12" post_only "sz":"0.01" "px":"60000"',
    "kraken": "POST /private/AddOrder cl_ord_id=ck12ab34-p7-c oflags=post volume=0.01 price=60000",
    "coinbase": f'POST /brokerage/orders "client_order_id":"{OWN_ID}" "post_only":true "base_size":"0.01"',
}


@pytest.mark.parametrize(("venue", "parts"), [(v, parts.split()) for v, parts in PLACED.items()])
def test_a_post_only_order_with_our_id(venue: str, parts: list[str]) -> None:
    said = sent(venue, lambda account: account.place(tracked(), place(12, Side.BUY, 6_000_000, 1_000)))
    assert [part for part in parts if part not in said] == [], said


@pytest.mark.parametrize(
    ("venue", "parts"),
    [
        ("binance", ["DELETE", f"origClientOrderId={OWN_ID}"]),
        ("bybit", ["/v5/order/cancel", f'"orderLinkId":"{OWN_ID}"']),
        ("okx", ["/cancel", '"clOrdId":"ck12ab34Zp7Z12"']),
        ("kraken", ["/private/CancelOrder", "cl_ord_id=ck12ab34-p7-c"]),
        ("coinbase", ["GET", "/brokerage/orders/historical/batch"]),  # looked up first
    ],
)
def test_a_cancel_while_the_venues_id_is_not_known(venue: str, parts: list[str]) -> None:
    said = sent(venue, lambda account: account.cancel(tracked()))
    assert [part for part in parts if part not in said] == [], said


@pytest.mark.parametrize(
    ("venue", "parts"),
    [
        ("binance", ["GET", "/api/v3/order", f"origClientOrderId={OWN_ID}"]),
        ("bybit", ["GET", "/v5/order/realtime", f"orderLinkId={OWN_ID}"]),
        ("okx", ["GET", "/trade/order", "clOrdId=ck12ab34Zp7Z12"]),
        ("kraken", ["/private/OpenOrders", "cl_ord_id=ck12ab34-p7-c"]),
        ("coinbase", ["GET", "/brokerage/orders/historical/batch"]),
    ],
)
def test_an_order_is_asked_for_by_our_id(venue: str, parts: list[str]) -> None:
    said = sent(venue, lambda account: account.find(tracked()))
    assert [part for part in parts if part not in said] == [], said


AMENDED = {
    "binance": "PUT /order/amend/keepPriority orderId=77 newQty=0.00900",
    "bybit": '/v5/order/amend "orderId":"77" "qty":"0.009" "price":"60000"',
    "okx": '/trade/amend-order "ordId":"77" "newSz":"0.009" "newPx":"60000"',
    "kraken": "/private/AmendOrder txid=77 order_qty=0.009 limit_price=60000 post_only=true",
    "coinbase": '/brokerage/orders/edit "order_id":"77" "size":"0.009" "price":"60000"',
}


@pytest.mark.parametrize(("venue", "parts"), [(v, parts.split()) for v, parts in AMENDED.items()])
def test_an_amend_is_one_request(venue: str, parts: list[str]) -> None:
    command = Command(CommandKind.AMEND, 12, 1, 6_000_000, 900, 0)
    said = sent(venue, lambda account: account.amend(tracked("77"), command))
    assert [part for part in parts if part not in said] == [], said


@pytest.mark.parametrize(
    ("venue", "parts"),
    [
        ("binance", ["type=STOP_LOSS_LIMIT", "stopPrice=59000", "price=58900"]),
        ("kraken", ["ordertype=stop-loss-limit", "59000", "58900"]),
        ("coinbase", ["stop_limit_stop_limit_gtc", '"stop_price":"59000"', '"limit_price":"58900"']),
    ],
)
def test_a_stop_where_one_can_rest(venue: str, parts: list[str]) -> None:
    assert capabilities(venue).stops
    stop = StopCommand(FIRST_STOP_ID, int(Side.SELL), 5_900_000, 5_890_000, 1_000)
    said = sent(venue, lambda account: account.place(tracked(), stop))
    assert [part for part in parts if part not in said] == [], said


@pytest.mark.parametrize("venue", ["bybit", "okx", "kraken"])
def test_the_dead_mans_switch(venue: str) -> None:
    assert capabilities(venue).dead_man
    said = sent(venue, lambda account: account.dead_man(60.0))
    assert "60" in said


@pytest.mark.parametrize("venue", VENUES)
def test_our_ids_are_the_venues_and_come_back(venue: str) -> None:
    cap = capabilities(venue)
    for parent, order_id in (("p1", 1), ("p7", 35), ("p7", 36), ("p99", 1_295), ("p123", FIRST_STOP_ID + 3)):
        own = client_id("ck12ab34", parent, order_id)
        assert cap.own_id(cap.wire_id(own)) == own
    with pytest.raises(ConfigError, match="Shorten"):
        cap.wire_id(client_id("ck12ab34", "p" * 40, 1))
    assert cap.own_id("a stranger's") != OWN_ID


def test_what_is_declared() -> None:
    amends = {v: capabilities(v).amend for v in VENUES}
    assert amends.pop("binance") == Amend.QTY_DOWN  # a new price is two orders there
    assert set(amends.values()) == {Amend.PRICE_QTY}
    assert all(capabilities(v).source for v in VENUES)
    with pytest.raises(ConfigError, match="binance, bybit"):
        capabilities("mtgox")


def test_a_stop_at_market_that_filled_between_two_prices_has_none_itself() -> None:
    """ccxt puts the average where an order has no price."""
    coin = Instrument(
        venue="binance", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5
    )
    row = {
        "id": "7", "clientOrderId": OWN_ID, "side": "sell", "status": "closed", "amount": "0.5",
        "filled": "0.5", "price": "59901.74988", "average": "59901.74988",
    }  # fmt: skip
    order = venue_order(capabilities("binance"), coin, row)
    assert (order.price, order.filled, order.alive) == (0, 50_000, False)
    assert seen(capabilities("binance"), coin, row).price == 0
    with pytest.raises(ValueError, match="at most 2 decimals"):
        venue_order(capabilities("binance"), coin, {**row, "average": "59901.7"})
