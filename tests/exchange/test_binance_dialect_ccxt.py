"""ccxt is the judge: its Binance classes, unmodified, with only their URLs turned to the local exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from citadel_kit.exchange.local import LocalExchange

S = "BTC/USDT"
Scenario = Callable[[Any], Awaitable[None]]


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(balances={"USDT": 1_000_000, "BTC": 10}) as running:
        yield running


def play(exchange: LocalExchange, scenario: Scenario, *, pro: bool = False, **options: Any) -> None:
    async def run() -> None:
        client = exchange.ccxt("binance", pro=pro, enableRateLimit=False, **options)
        try:
            await client.load_markets()
            async with asyncio.timeout(30):
                await scenario(client)
        finally:
            await client.close()
            exchange.call(lambda: exchange.venue().cancel_all(S, "main"))

    asyncio.run(run())


async def best(client: Any) -> tuple[float, float]:
    book = await client.fetch_order_book(S, 5)
    return book["bids"][0][0], book["asks"][0][0]


def test_only_urls_and_documented_options_are_overridden(exchange: LocalExchange) -> None:
    assert set(exchange.ccxt_config("binance")) == {"apiKey", "secret", "urls", "options"}
    assert exchange.ccxt_config("binance")["options"] == {
        "fetchMarkets": {"types": ["spot"]},
        "defaultType": "spot",
    }


@pytest.mark.parametrize("pro", [False, True])
def test_no_address_is_the_real_exchanges(exchange: LocalExchange, pro: bool) -> None:
    def addresses(node: Any) -> Iterator[str]:
        for value in node.values():
            yield from addresses(value) if isinstance(value, dict) else (value,)

    client = exchange.ccxt("binance", pro=pro)
    here = f"://127.0.0.1:{exchange.port}/binance/"
    assert all(here in address for address in addresses(client.urls["api"]))


def test_markets_currencies_and_fees(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        market = client.market(S)
        assert (market["id"], market["spot"], market["active"]) == ("BTCUSDT", True, True)
        assert market["precision"]["price"] == 0.01
        assert market["limits"]["cost"]["min"] == 5.0
        assert set(client.currencies) >= {"BTC", "USDT"}
        fees = await client.fetch_trading_fees()
        assert (fees[S]["maker"], fees[S]["taker"]) == (0.001, 0.001)
        assert (await client.fetch_trading_fee(S))["taker"] == 0.001
        assert (await client.fetch_status())["status"] == "ok"
        assert abs(await client.fetch_time() - client.milliseconds()) < 60_000
        restrictions = await client.sapi_get_account_apirestrictions()
        assert restrictions["enableWithdrawals"] is False

    play(exchange, scenario)


def test_market_data(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        bars = await client.fetch_ohlcv(S, "5m", limit=100)
        assert len(bars) == 100
        assert all(b[0] - a[0] == 300_000 for a, b in pairwise(bars))
        assert all(low <= min(o, c) and high >= max(o, c) for _, o, high, low, c, _ in bars)
        since = await client.fetch_ohlcv(S, "5m", since=bars[10][0], limit=3)
        assert [bar[0] for bar in since] == [bar[0] for bar in bars[10:13]]
        book = await client.fetch_order_book(S)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert book["nonce"] > 0
        ticker = await client.fetch_ticker(S)
        assert ticker["bid"] < ticker["ask"]
        assert ticker["baseVolume"] > 0
        assert set(await client.fetch_tickers()) == {S}
        assert set(await client.fetch_tickers([S])) == {S}
        assert (await client.fetch_bids_asks([S]))[S]["bid"] > 0
        assert (await client.fetch_last_prices([S]))[S]["price"] > 0
        await client.create_order(S, "market", "buy", 0.01)
        trades = await client.fetch_trades(S)
        assert trades[-1]["side"] in ("buy", "sell")
        assert (trades[-1]["symbol"], trades[-1]["price"] > 0) == (S, True)

    play(exchange, scenario)


def test_orders_of_every_kind(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        before = await client.fetch_balance()
        bid, ask = await best(client)
        low, high = round(bid * 0.9, 2), round(ask * 1.1, 2)
        limit = await client.create_order(S, "limit", "buy", 0.01, low, {"clientOrderId": "ours-1"})
        assert (limit["status"], limit["clientOrderId"], limit["price"]) == ("open", "ours-1", low)
        post_only = await client.create_order(S, "limit", "sell", 0.01, high, {"postOnly": True})
        assert post_only["postOnly"] is True
        stop = await client.create_order(S, "limit", "sell", 0.01, low - 10, {"triggerPrice": low})
        assert (stop["type"], stop["status"]) == ("limit", "open")
        assert (await client.fetch_order(stop["id"], S))["triggerPrice"] == low
        held = await client.fetch_balance()
        assert held["USDT"]["used"] == pytest.approx(before["USDT"]["used"] + 0.01 * low)
        assert held["BTC"]["used"] == pytest.approx(before["BTC"]["used"] + 0.02)

        fok = await client.create_order(S, "limit", "buy", 5, low, {"timeInForce": "FOK"})
        assert (fok["status"], fok["filled"]) == ("expired", 0)
        ioc = await client.create_order(S, "limit", "buy", 0.01, high, {"timeInForce": "IOC"})
        assert (ioc["status"], ioc["filled"]) == ("closed", 0.01)
        market = await client.create_order(S, "market", "sell", 0.01)
        assert (market["status"], market["fee"]["currency"], len(market["trades"]) > 0) == (
            "closed",
            "USDT",
            True,
        )
        cost = await client.create_market_buy_order_with_cost(S, 700)
        assert 690 < cost["cost"] <= 700

        open_ids = {o["id"] for o in await client.fetch_open_orders(S)}
        assert open_ids == {limit["id"], post_only["id"], stop["id"]}
        assert open_ids < {o["id"] for o in await client.fetch_orders(S)}
        assert {o["id"] for o in await client.fetch_closed_orders(S)} >= {ioc["id"], market["id"], cost["id"]}
        mine = await client.fetch_my_trades(S)
        assert {t["order"] for t in mine} >= {ioc["id"], market["id"], cost["id"]}
        assert {t["takerOrMaker"] for t in mine} == {"taker"}
        assert len(await client.fetch_order_trades(market["id"], S)) == len(market["trades"])

        by_name = await client.fetch_order("", S, {"clientOrderId": "ours-1"})
        assert by_name["id"] == limit["id"]
        edited = await client.edit_order(limit["id"], S, "limit", "buy", 0.02, low - 1)
        assert (edited["status"], edited["amount"], edited["price"]) == ("open", 0.02, low - 1)
        assert (await client.fetch_order(limit["id"], S))["status"] == "canceled"
        amended = await client.request(
            "order/amend/keepPriority",
            ["private"],
            "PUT",
            {"symbol": "BTCUSDT", "orderId": edited["id"], "newQty": "0.01"},
        )
        assert amended["amendedOrder"]["qty"] == "0.01000000"
        assert (await client.cancel_order(edited["id"], S))["status"] == "canceled"
        assert len(await client.cancel_all_orders(S)) == 2
        assert await client.fetch_open_orders(S) == []
        assert (await client.fetch_balance())["USDT"]["used"] == 0

    play(exchange, scenario)


def test_stops_and_lists_are_triggered_at_the_exchange(exchange: LocalExchange) -> None:
    """ccxt has no word of its own for a list: its call of the endpoint is made of the endpoint's name."""

    async def scenario(client: Any) -> None:
        bid, ask = await best(client)
        below, far = round(bid * 0.9998, 2), round(bid * 0.9, 2)
        stop = await client.create_order(S, "market", "sell", 0.01, None, {"stopLossPrice": below})
        profit = await client.create_order(S, "limit", "buy", 0.01, far, {"takeProfitPrice": far + 1})
        legs = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.02", "aboveType": "LIMIT_MAKER",
                "abovePrice": f"{ask * 1.1:.2f}", "belowType": "STOP_LOSS_LIMIT", "belowTimeInForce": "GTC",
                "belowStopPrice": f"{below:.2f}", "belowPrice": f"{far:.2f}"}  # fmt: skip
        listed = await client.private_post_orderlist_oco(legs)
        below_id, above_id = (
            next(r["orderId"] for r in listed["orderReports"] if (r["type"] == "LIMIT_MAKER") is above)
            for above in (False, True)
        )
        assert len(await client.fetch_open_orders(S)) == 4
        assert (await client.fetch_order(stop["id"], S))["status"] == "open"
        while (await client.fetch_order(stop["id"], S))["status"] == "open":
            await client.create_order(S, "market", "sell", 3)
            await client.create_order(S, "market", "buy", 3)
        assert (await client.fetch_order(stop["id"], S))["status"] == "closed"
        assert (await client.fetch_order(below_id, S))["filled"] == 0.02
        assert (await client.fetch_order(above_id, S))["status"] == "expired"
        assert [o["id"] for o in await client.fetch_open_orders(S)] == [profit["id"]]
        again = await client.private_post_orderlist_oco({**legs, "belowStopPrice": f"{far:.2f}"})
        await client.cancel_order(again["orderReports"][0]["orderId"], S)
        assert [o["id"] for o in await client.fetch_open_orders(S)] == [profit["id"]]

    play(exchange, scenario)


def test_refusals_become_ccxts_own_errors(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        bid, ask = await best(client)
        low = round(bid * 0.9, 2)
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order(S, "limit", "buy", 1000, low)
        with pytest.raises(ccxt.OrderImmediatelyFillable):
            await client.create_order(S, "limit", "buy", 0.01, round(ask * 1.01, 2), {"postOnly": True})
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            await client.create_order(S, "limit", "buy", 0.00001, low)
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order("999999", S)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("999999", S)
        with pytest.raises(ccxt.ExchangeError, match="-2022"):
            await client.edit_order("999999", S, "limit", "buy", 0.01, low)

    play(exchange, scenario)


def test_a_wrong_secret_and_an_unknown_key(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        client.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            await client.fetch_balance()
        client.apiKey = "unknownunknown"
        with pytest.raises(ccxt.AuthenticationError):
            await client.fetch_open_orders(S)

    play(exchange, scenario, options={"fetchCurrencies": False})


def test_watching_the_market(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        for _ in range(5):
            book = await client.watch_order_book(S)
            assert book["bids"][0][0] < book["asks"][0][0]
        ours = round(book["bids"][0][0] * 0.998, 2)
        await client.create_order(S, "limit", "buy", 0.5, ours)
        while ours not in [price for price, _ in (await client.watch_order_book(S))["bids"]]:
            pass  # the feed shows our order
        await client.cancel_all_orders(S)
        watching = asyncio.create_task(client.watch_trades(S))
        await asyncio.sleep(0.2)
        await client.create_order(S, "market", "buy", 0.01)
        assert (await watching)[-1]["symbol"] == S
        assert (await client.watch_ohlcv(S, "1m"))[-1][4] > 0
        assert (await client.watch_bids_asks([S]))[S]["bid"] > 0
        assert (await client.watch_ticker(S))["last"] > 0
        assert (await client.watch_tickers([S]))[S]["last"] > 0
        assert await client.un_watch_order_book(S) is True

    play(exchange, scenario, pro=True)


def test_the_book_that_ccxt_keeps_is_the_exchanges(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        seen = 0
        symbol = exchange.venue().symbols[S]
        price, qty = 10**symbol.instrument.price_decimals, 10**symbol.instrument.qty_decimals
        for _ in range(200):
            book = await client.watch_order_book(S)
            at, bids, asks = exchange.call(
                lambda: (symbol.update_id, symbol.engine.shown(True, 20), symbol.engine.shown(False, 20))
            )
            if book["nonce"] == at:
                seen += 1
                for told, shown in ((book["bids"], bids), (book["asks"], asks)):
                    assert [(round(p * price), round(q * qty)) for p, q in told[:20]] == shown
            if seen > 3:
                return
        assert seen > 1

    play(exchange, scenario, pro=True)


def test_watching_the_account_and_trading_by_websocket(exchange: LocalExchange) -> None:
    async def scenario(client: Any) -> None:
        bid, _ = await best(client)
        low = round(bid * 0.9, 2)
        watch = {
            name: asyncio.create_task(getattr(client, name)())
            for name in ("watch_orders", "watch_balance", "watch_my_trades")
        }
        await asyncio.sleep(0.3)
        placed = await client.create_order_ws(S, "limit", "buy", 0.01, low)
        assert placed["status"] == "open"
        assert [(o["id"], o["status"]) for o in await watch["watch_orders"]] == [(placed["id"], "open")]
        assert (await watch["watch_balance"])["USDT"]["used"] == pytest.approx(0.01 * low)
        edited = await client.edit_order_ws(placed["id"], S, "limit", "buy", 0.02, low)
        assert edited["amount"] == 0.02
        assert (await client.fetch_order_ws(edited["id"], S))["status"] == "open"
        assert [o["id"] for o in await client.fetch_open_orders_ws(S)] == [edited["id"]]
        assert (await client.cancel_order_ws(edited["id"], S))["status"] == "canceled"
        bought = await client.create_order_ws(S, "market", "buy", 0.01)
        assert bought["status"] == "closed"
        mine = await watch["watch_my_trades"]
        assert (mine[-1]["order"], mine[-1]["fee"]["currency"]) == (bought["id"], "BTC")
        while not any(o["id"] == bought["id"] and o["status"] == "closed" for o in client.orders):
            await client.watch_orders(S)
        assert len(await client.fetch_orders_ws(S)) > 2
        assert len(await client.fetch_my_trades_ws(S)) > 0
        assert len(await client.fetch_trades_ws(S)) > 0
        assert len(await client.fetch_ohlcv_ws(S, "1m", limit=5)) == 5
        await client.create_order_ws(S, "limit", "buy", 0.01, low)
        assert len(await client.cancel_all_orders_ws(S)) == 1
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order_ws("999999", S)
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order_ws(S, "limit", "buy", 1000, low)

    play(exchange, scenario, pro=True)


def test_plain_ccxt_without_a_loop(exchange: LocalExchange) -> None:
    client = exchange.ccxt("binance", sync=True)
    bid = client.fetch_ticker(S)["bid"]
    order = client.create_order(S, "limit", "buy", 0.01, round(bid * 0.9, 2))
    assert client.cancel_order(order["id"], S)["status"] == "canceled"


def test_several_symbols_at_once() -> None:
    symbols = ["BTC/USDT", "ETH/USDT"]

    async def scenario(client: Any) -> None:
        assert set(await client.fetch_tickers(symbols)) == set(symbols)
        seen: set[str] = set()
        while seen != set(symbols):
            seen.add((await client.watch_order_book_for_symbols(symbols))["symbol"])
        while len(client.tickers) < 2:
            await client.watch_tickers()
        prices = [client.tickers[symbol]["last"] for symbol in symbols]
        assert prices[0] > 3 * prices[1]
        order = await client.create_order("ETH/USDT", "market", "buy", 0.1)
        assert (order["symbol"], order["status"]) == ("ETH/USDT", "closed")
        assert await client.fetch_my_trades(S) == []
        assert {o["symbol"] for o in await client.fetch_orders("ETH/USDT")} == {"ETH/USDT"}
        assert (await client.fetch_balance())["ETH"]["total"] > 0.09

    with LocalExchange(symbols=symbols) as several:
        play(several, scenario, pro=True)
