"""The calls of Binance's API, without a network: what they answer, and how they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from binance_world import KEY, OTHER, READER, SECOND, START_NS, Desk, limit_order

from citadel_kit.exchange.dialects.binance import set_limits
from citadel_kit.exchange.dialects.binance.errors import ApiError, refusal
from citadel_kit.exchange.dialects.binance.limits import Limits
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.markets import OutsideBook, OutsideLost, OutsideTrade
from citadel_kit.micro.matching import OrderRefused, RefusalCode
from citadel_kit.types import Side

ORDER = "/api/v3/order"
REPLACE = "/api/v3/order/cancelReplace"
AMEND = "/api/v3/order/amend/keepPriority"


def trade(seconds: float, price: int, qty: int, side: Side) -> OutsideTrade:
    return OutsideTrade(START_NS + int(seconds * SECOND), "binance", "BTC/USDT", price, qty, side)


# --- market data ---


def test_exchange_info_states_the_filters_that_the_engine_applies() -> None:
    desk = Desk()
    (symbol,) = desk.call("GET", "/api/v3/exchangeInfo", key=None)["symbols"]
    filters = {f["filterType"]: f for f in symbol["filters"]}
    assert (symbol["symbol"], symbol["baseAsset"], symbol["quoteAsset"]) == ("BTCUSDT", "BTC", "USDT")
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert desk.refused_order(quantity="0.00008").message == "Filter failure: NOTIONAL"
    assert desk.order(quantity="0.00009")["status"] == "NEW"


def test_depth_is_the_shown_book_and_contains_our_order() -> None:
    desk = Desk()
    desk.order(price="60000.05", quantity="0.5")
    book = desk.call("GET", "/api/v3/depth", key=None, symbol="BTCUSDT", limit=2)
    assert book["bids"] == [("60000.05000000", "0.50000000"), ("60000.00000000", "1.00000000")]
    assert book["asks"][0] == ("60000.10000000", "1.00000000")
    assert book["lastUpdateId"] == desk.symbol.update_id


def test_trades_and_tickers_tell_what_traded() -> None:
    desk = Desk()
    desk.order(type="MARKET", timeInForce=None, price=None, quantity="0.5")
    public = desk.call("GET", "/api/v3/trades", key=None, symbol="BTCUSDT")
    assert [(t["price"], t["qty"], t["isBuyerMaker"]) for t in public] == [
        ("60000.05000000", "0.01000000", False),
        ("60000.10000000", "0.50000000", False),
    ]
    aggregated = desk.call("GET", "/api/v3/aggTrades", key=None, symbol="BTCUSDT", fromId=public[1]["id"])
    assert [(t["p"], t["m"]) for t in aggregated] == [("60000.10000000", False)]
    day = desk.call("GET", "/api/v3/ticker/24hr", key=None, symbol="BTCUSDT")
    assert (day["lastPrice"], day["volume"], day["count"]) == ("60000.10000000", "0.51000000", 2)
    assert desk.call("GET", "/api/v3/ticker/price", key=None)[0]["price"] == "60000.10000000"
    best = desk.call("GET", "/api/v3/ticker/bookTicker", key=None, symbols='["BTCUSDT"]')
    assert (best[0]["askPrice"], best[0]["askQty"]) == ("60000.10000000", "0.50000000")


def test_older_trades_and_the_average_price() -> None:
    desk = Desk()
    desk.order(type="MARKET", timeInForce=None, price=None, quantity="0.5")
    older = desk.call("GET", "/api/v3/historicalTrades", key=None, symbol="BTCUSDT", limit=1)
    assert [t["price"] for t in older] == ["60000.10000000"]
    older = desk.call("GET", "/api/v3/historicalTrades", key=None, symbol="BTCUSDT", limit=1, fromId=0)
    assert [t["price"] for t in older] == ["60000.05000000"]
    average = desk.call("GET", "/api/v3/avgPrice", key=None, symbol="BTCUSDT")
    assert (average["mins"], average["price"]) == (5, "60000.09000000")


def test_candles_are_those_of_the_trades() -> None:
    desk = Desk([trade(61, 6_000_100, 2_000, Side.BUY), trade(62, 5_999_000, 1_000, Side.SELL)])
    desk.world.advance(START_NS + 63 * SECOND)
    bars = desk.call("GET", "/api/v3/klines", key=None, symbol="BTCUSDT", interval="1m")
    assert [bar[0] for bar in bars] == [START_NS // 10**6, START_NS // 10**6 + 60_000]
    assert bars[1][1:6] == [
        "60001.00000000",
        "60001.00000000",
        "59990.00000000",
        "59990.00000000",
        "0.03000000",
    ]
    assert bars[0][6] == START_NS // 10**6 + 59_999
    assert bars[1][9] == "0.02000000"  # bought by takers


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/api/v3/depth", {}, -1102),
        ("/api/v3/depth", {"symbol": "NOPE"}, -1121),
        ("/api/v3/depth", {"symbol": "btc usdt"}, -1100),
        ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "ten"}, -1100),
        ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "0"}, -1130),
        ("/api/v3/klines", {"symbol": "BTCUSDT"}, -1102),
        ("/api/v3/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("/api/v3/aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
        ("/api/v3/ticker/24hr", {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}, -1128),
        ("/api/v3/ticker/24hr", {"symbols": "BTCUSDT"}, -1100),
        ("/api/v3/ticker/24hr", {"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151),
        ("/api/v3/ticker/24hr", {"symbol": "BTCUSDT", "type": "TINY"}, -1130),
        ("/api/v3/exchangeInfo", {"symbols": '["NOPE"]'}, -1121),
    ],
)
def test_market_data_refuse(path: str, params: dict[str, Any], code: int) -> None:
    error = Desk().refused("GET", path, key=None, **params)
    assert (error.code, error.status) == (code, 400)


def test_a_parameter_sent_twice_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        Params.of_query("symbol=BTCUSDT&limit=5&symbol=ETHUSDT")
    assert caught.value.code == -1101


# --- who asks ---


def test_a_signed_request_is_believed_only_with_its_signature_and_in_its_time() -> None:
    desk = Desk()
    account = "/api/v3/account"
    assert desk.call("GET", account)["canTrade"]
    for params, code, status in (
        ({"signature": "0" * 64}, -1022, 400),
        ({"signature": None}, -1102, 400),
        ({"timestamp": None}, -1102, 400),
        ({"timestamp": "yesterday"}, -1100, 400),
        ({"timestamp": desk.now_ms - 5_001}, -1021, 400),
        ({"timestamp": desk.now_ms + 1_000}, -1021, 400),
        ({"recvWindow": 60_001}, -1131, 400),
        ({"recvWindow": "wide"}, -1102, 400),
        ({"timestamp": desk.now_ms - 101, "recvWindow": 100}, -1021, 400),
        ({"key": None}, -2014, 401),
        ({"key": KEY.__class__(key="nobody00", secret="x", account="x")}, -2015, 401),
        ({"key": KEY.__class__(key="a b", secret="x", account="x")}, -2014, 401),
    ):  # fmt: skip
        error = desk.refused("GET", account, **params)
        assert (error.code, error.status) == (code, status), params
    assert desk.call("GET", account, timestamp=desk.now_ms * 1000)  # microseconds
    assert desk.call("GET", account, timestamp=desk.now_ms - 50_000, recvWindow="60000.0")


def test_the_clock_that_counts_is_the_venues() -> None:
    desk = Desk()
    right = desk.now_ms
    desk.venue.faults.set(clock_skew_ms=-2_000.0)
    error = desk.refused("GET", "/api/v3/account", timestamp=right)
    assert (error.code, error.message) == (
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    )
    assert desk.call("GET", "/api/v3/time", key=None)["serverTime"] == right - 2_000
    assert desk.order()["transactTime"] == right - 2_000
    assert {said["T"] for said in desk.said if "T" in said} == {right - 2_000}


def test_a_key_that_may_not_trade_may_look() -> None:
    desk = Desk()
    assert desk.call("GET", "/api/v3/account", key=READER)["canTrade"] is False
    assert desk.refused_order(key=READER).code == -2015
    assert (
        desk.call("GET", "/sapi/v1/account/apiRestrictions", key=READER)["enableSpotAndMarginTrading"]
        is False
    )
    assert desk.call("GET", "/sapi/v1/account/apiRestrictions")["enableWithdrawals"] is False


# --- placing ---


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"symbol": None}, -1102, "symbol"),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"side": None}, -1102, "side"),
        ({"side": "LEFT"}, -1117, "Invalid side."),
        ({"type": "FANCY"}, -1116, "Invalid orderType."),
        ({"timeInForce": None}, -1102, "timeInForce"),
        ({"timeInForce": "LATER"}, -1115, "Invalid timeInForce."),
        ({"quantity": None}, -1102, "quantity"),
        ({"quantity": "-1"}, -1100, "quantity"),
        ({"quantity": "1e3"}, -1100, "quantity"),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "99999999999999999999"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": None}, -1102, "price"),
        ({"price": "59000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "59000.000000001"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "0.00"}, -1013, "Invalid price."),
        ({"price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
        ({"side": "SELL", "price": "61000", "quantity": "2"}, -2010, "insufficient balance"),
        ({"stopPrice": "58000"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quoteOrderQty": "100"}, -1106, "quoteOrderQty"),
        ({"newClientOrderId": "with space"}, -1100, "newClientOrderId"),
        ({"newClientOrderId": "x" * 37}, -1100, "newClientOrderId"),
        ({"newOrderRespType": "LONG"}, -1130, "newOrderRespType"),
        ({"selfTradePreventionMode": "DECREMENT"}, -1130, "selfTradePreventionMode"),
        ({"icebergQty": "0.001"}, -2010, "Iceberg orders are not supported"),
        ({"trailingDelta": "100"}, -2010, "Trailing stop orders are not supported"),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010, "Pegged orders are not supported"),
        ({"type": "LIMIT_MAKER"}, -1106, "timeInForce"),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "60000.10"}, -2010, "match and take"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "price"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": None}, -1102, "quoteOrderQty"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quoteOrderQty": "9"}, -1128, "Combination"),
        ({"type": "MARKET", "timeInForce": None, "price": None, "quantity": None, "quoteOrderQty": "1"},
         -1013, "NOTIONAL"),
        ({"type": "STOP_LOSS_LIMIT"}, -1102, "stopPrice"),
        ({"type": "STOP_LOSS_LIMIT", "stopPrice": "59000"}, -2010, "Order would trigger immediately."),
    ],
)  # fmt: skip
def test_an_order_that_can_not_be_is_refused_and_changes_nothing(
    changes: dict[str, Any], code: int, words: str
) -> None:
    desk = Desk()
    error = desk.refused_order(**changes)
    assert error.code == code
    assert words in error.message
    assert error.status == 400
    assert desk.call("GET", "/api/v3/openOrders") == []
    assert desk.said == []


def test_a_client_id_is_free_again_when_its_order_is_gone() -> None:
    desk = Desk()
    desk.order(newClientOrderId="mine")
    error = desk.refused_order(newClientOrderId="mine")
    assert (error.code, error.message) == (-2010, "Duplicate order sent.")
    desk.call("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine")
    assert desk.order(newClientOrderId="mine")["clientOrderId"] == "mine"


def test_three_shapes_of_an_answer() -> None:
    desk = Desk()
    market = {"type": "MARKET", "timeInForce": None, "price": None, "quantity": "1.5"}
    ack = desk.order(**market, newOrderRespType="ACK")
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = desk.order(newOrderRespType="RESULT")
    assert (result["status"], result["origQty"], result["workingTime"]) == (
        "NEW",
        "0.01000000",
        START_NS // 10**6,
    )
    assert "fills" not in result
    full = desk.order(**market | {"side": "SELL", "quantity": "1.5"})
    assert full["status"] == "FILLED"
    assert [(f["price"], f["qty"]) for f in full["fills"]] == [
        ("60000.00000000", "1.00000000"),
        ("59999.90000000", "0.50000000"),
    ]
    assert full["fills"][0]["commissionAsset"] == "USDT"
    assert full["fills"][0]["commission"] == "60.00000000"
    assert full["cummulativeQuoteQty"] == "89999.95000000"


def test_ioc_and_fok_do_not_rest() -> None:
    desk = Desk()
    none = desk.order(timeInForce="FOK", price="60000.10", quantity="1.2")
    assert (none["status"], none["executedQty"]) == ("EXPIRED", "0.00000000")
    part = desk.order(timeInForce="IOC", price="60000.10", quantity="1.2")
    assert (part["status"], part["executedQty"]) == ("EXPIRED", "1.00000000")
    assert desk.call("GET", "/api/v3/openOrders", symbol="BTCUSDT") == []


def test_a_market_order_by_cost() -> None:
    bought = Desk().order(type="MARKET", timeInForce=None, price=None, quantity=None, quoteOrderQty="600.01")
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.01000000")
    assert bought["origQuoteOrderQty"] == "600.01000000"


def test_a_stop_rests_unseen_and_triggers() -> None:
    desk = Desk([trade(1, 5_998_000, 1_000, Side.SELL)])
    stop = desk.order(
        side="SELL",
        type="STOP_LOSS_LIMIT",
        stopPrice="59990",
        price="59980",
        quantity="0.5",
        newOrderRespType="RESULT",
    )
    assert (stop["status"], stop["stopPrice"], stop["workingTime"]) == ("NEW", "59990.00000000", -1)
    asked = desk.call("GET", ORDER, symbol="BTCUSDT", orderId=stop["orderId"])
    assert asked["isWorking"] is False
    desk.world.advance(START_NS + 2 * SECOND)
    asked = desk.call("GET", ORDER, symbol="BTCUSDT", orderId=stop["orderId"])
    assert (asked["status"], asked["executedQty"]) == ("FILLED", "0.50000000")


def test_order_test_checks_and_places_nothing() -> None:
    desk = Desk()
    assert desk.call("POST", "/api/v3/order/test", **limit_order()) == {}
    error = desk.refused("POST", "/api/v3/order/test", **limit_order(price="59000.001"))
    assert error.message == "Filter failure: PRICE_FILTER"
    assert desk.call("GET", "/api/v3/allOrders", symbol="BTCUSDT") == []


def test_every_refusal_of_the_engine_has_the_venues_words() -> None:
    for code in RefusalCode:
        error = refusal(OrderRefused(code, "in the engine's words"))
        assert error.code in (-1013, -1112, -2010), code
        plain = code in (RefusalCode.BAD_PARAMETER, RefusalCode.AMEND_REFUSED)
        assert ("engine" in error.message) == plain, code


def test_open_orders_and_stops_are_limited() -> None:
    desk = Desk()
    set_limits(desk.venue, Limits(weight_per_minute=10**6, orders_per_10s=10**6))
    stop = {
        "side": "BUY",
        "type": "STOP_LOSS_LIMIT",
        "stopPrice": "61000",
        "price": "61000",
        "quantity": "0.0001",
    }
    for _ in range(20):
        desk.order(**stop)
    assert desk.refused_order(**stop).message == "Filter failure: MAX_NUM_ALGO_ORDERS"
    for _ in range(180):
        desk.order(quantity="0.0001")
    assert desk.refused_order(quantity="0.0001").message == "Filter failure: MAX_NUM_ORDERS"


def test_a_market_that_is_gone_is_closed() -> None:
    desk = Desk([OutsideLost(START_NS + SECOND, "binance", "BTC/USDT")])
    desk.world.advance(START_NS + SECOND)
    error = desk.refused_order()
    assert (error.code, error.message) == (-2010, "Market is closed.")


def test_a_market_without_another_side_has_no_orders_on_its_book() -> None:
    desk = Desk([OutsideBook(START_NS + SECOND, "binance", "BTC/USDT", True, [(6_000_000, 1)], [])])
    desk.world.advance(START_NS + SECOND)
    error = desk.refused_order(type="MARKET", timeInForce=None, price=None)
    assert (error.code, error.message) == (-1112, "No orders on book for symbol.")


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("post_only", -2010, "Order would immediately match and take."),
        ("balance", -2010, "Account has insufficient balance for requested action."),
        ("filter", -1013, "Filter failure: PRICE_FILTER"),
    ],
)
def test_rejects_as_faults_have_the_venues_words(kind: str, code: int, words: str) -> None:
    desk = Desk()
    desk.venue.faults.set(reject=kind)
    for error in (desk.refused_order(), desk.refused("POST", REPLACE, **replacing(cancelOrderId=1))):
        assert (error.code, error.message) == (code, words)


# --- cancelling, replacing, amending ---


def test_cancel_names_the_order_and_itself() -> None:
    desk = Desk()
    placed = desk.order(newClientOrderId="mine")
    gone = desk.call("DELETE", ORDER, symbol="BTCUSDT", orderId=placed["orderId"], newClientOrderId="stop-it")
    assert (gone["status"], gone["origClientOrderId"], gone["clientOrderId"]) == (
        "CANCELED",
        "mine",
        "stop-it",
    )
    last = [e for e in desk.said if e["e"] == "executionReport"][-1]
    assert (last["x"], last["C"], last["c"]) == ("CANCELED", "mine", "stop-it")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -1102),
        ({"orderId": 77}, -2011),
        ({"origClientOrderId": "nobody"}, -2011),
        ({"orderId": 1, "origClientOrderId": "another"}, -2011),
        ({"orderId": 1, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, -2011),
        ({"orderId": 1, "cancelRestrictions": "NEVER"}, -1145),
        ({"orderId": 1, "key": OTHER}, -2011),
        ({"orderId": "one"}, -1100),
    ],
)
def test_cancel_refuses(params: dict[str, Any], code: int) -> None:
    desk = Desk()
    desk.order()
    assert desk.refused("DELETE", ORDER, **{"symbol": "BTCUSDT", **params}).code == code
    assert len(desk.call("GET", "/api/v3/openOrders")) == 1


def test_cancel_all() -> None:
    desk = Desk()
    assert desk.refused("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").code == -2011
    desk.order()
    desk.order(side="SELL", price="61000")
    gone = desk.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert [o["status"] for o in gone] == ["CANCELED", "CANCELED"]


def replacing(**changes: Any) -> dict[str, Any]:
    return limit_order(**{"cancelReplaceMode": "STOP_ON_FAILURE", "price": "59100", **changes})


def test_cancel_replace_does_both() -> None:
    desk = Desk()
    old = desk.order()
    done = desk.call("POST", REPLACE, **replacing(cancelOrderId=old["orderId"], newOrderRespType="RESULT"))
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert done["cancelResponse"]["status"] == "CANCELED"
    assert done["newOrderResponse"]["price"] == "59100.00000000"


def test_cancel_replace_that_half_failed() -> None:
    desk = Desk()
    old = desk.order()
    error = desk.refused("POST", REPLACE, **replacing(cancelOrderId=old["orderId"], quantity="50"))
    assert (error.code, error.status) == (-2021, 409)
    body = error.body()["data"]
    assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert body["newOrderResponse"]["code"] == -2010
    error = desk.refused("POST", REPLACE, **replacing(cancelOrderId=77, cancelReplaceMode="ALLOW_FAILURE"))
    assert (error.code, error.status) == (-2021, 409)
    body = error.body()["data"]
    assert (body["cancelResult"], body["newOrderResult"]) == ("FAILURE", "SUCCESS")
    assert body["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert len(desk.call("GET", "/api/v3/openOrders")) == 1


def test_cancel_replace_that_failed() -> None:
    desk = Desk()
    error = desk.refused("POST", REPLACE, **replacing(cancelOrderId=77))
    assert (error.code, error.status) == (-2022, 400)
    body = error.body()["data"]
    assert (body["cancelResult"], body["newOrderResult"]) == ("FAILURE", "NOT_ATTEMPTED")
    assert body["newOrderResponse"] is None
    both = replacing(cancelOrderId=77, quantity="50", cancelReplaceMode="ALLOW_FAILURE")
    error = desk.refused("POST", REPLACE, **both)
    assert (error.code, error.body()["data"]["newOrderResult"]) == (-2022, "FAILURE")


def test_cancel_replace_refuses_what_makes_no_sense() -> None:
    desk = Desk()
    assert desk.refused("POST", REPLACE, **replacing()).code == -1102
    assert desk.refused("POST", REPLACE, **replacing(cancelOrderId=1, cancelReplaceMode="TRY")).code == -1130
    restricted = replacing(cancelOrderId=desk.order()["orderId"], cancelRestrictions="ONLY_PARTIALLY_FILLED")
    error = desk.refused("POST", REPLACE, **restricted)
    assert (error.code, error.body()["data"]["cancelResponse"]["code"]) == (-2022, -2011)
    error = desk.refused("POST", REPLACE, **restricted | {"cancelReplaceMode": "ALLOW_FAILURE"})
    assert (error.code, error.body()["data"]["newOrderResult"]) == (-2021, "SUCCESS")
    assert len(desk.call("GET", "/api/v3/openOrders")) == 2
    assert desk.refused("POST", REPLACE, **restricted | {"cancelRestrictions": "NEVER"}).code == -1145


def test_amend_keeps_the_order() -> None:
    desk = Desk()
    order = desk.order(quantity="0.5")
    done = desk.call("PUT", AMEND, symbol="BTCUSDT", orderId=order["orderId"], newQty="0.2")["amendedOrder"]
    assert (done["orderId"], done["qty"], done["status"]) == (order["orderId"], "0.20000000", "NEW")
    assert [e["x"] for e in desk.said if e["e"] == "executionReport"] == ["NEW", "REPLACED"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"newQty": "0.6"}, -2038),
        ({"newQty": "0.5"}, -2038),
        ({"newQty": "0"}, -1013),
        ({"newQty": "0.000001"}, -1013),
        ({}, -1102),
        ({"newQty": "0.1", "orderId": 77}, -2038),
    ],
)
def test_amend_refuses(params: dict[str, Any], code: int) -> None:
    desk = Desk()
    order = desk.order(quantity="0.5")
    assert (
        desk.refused("PUT", AMEND, **{"symbol": "BTCUSDT", "orderId": order["orderId"], **params}).code
        == code
    )


# --- one-cancels-other ---


def oco(**changes: Any) -> dict[str, Any]:
    base = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.5",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "61000",
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": "59000",
        "belowPrice": "58990",
        "belowTimeInForce": "GTC",
        "listClientOrderId": "pair",
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def test_an_oco_is_placed_asked_for_and_cancelled_as_one() -> None:
    desk = Desk()
    placed = desk.call("POST", "/api/v3/orderList/oco", **oco())
    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OCO", "EXECUTING")
    assert [r["type"] for r in placed["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
    asked = desk.call("GET", "/api/v3/orderList", origClientOrderId="pair")
    assert asked["orderListId"] == placed["orderListId"]
    assert len(desk.call("GET", "/api/v3/openOrderList")) == 1
    gone = desk.call("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=placed["orderListId"])
    assert gone["listOrderStatus"] == "ALL_DONE"
    assert [r["status"] for r in gone["orderReports"]] == ["CANCELED", "CANCELED"]
    assert desk.call("GET", "/api/v3/openOrderList") == []
    assert len(desk.call("GET", "/api/v3/allOrderList")) == 1
    told = [(e["l"], e["C"]) for e in desk.said if e["e"] == "listStatus"]
    assert told == [("EXEC_STARTED", "pair"), ("ALL_DONE", "pair")]


def test_cancelling_a_leg_ends_the_list() -> None:
    desk = Desk()
    placed = desk.call("POST", "/api/v3/orderList/oco", **oco())
    leg = placed["orders"][0]["orderId"]
    gone = desk.call("DELETE", ORDER, symbol="BTCUSDT", orderId=leg)
    assert gone["listOrderStatus"] == "ALL_DONE"


def test_the_old_oco() -> None:
    desk = Desk()
    params: dict[str, Any] = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5"}
    params |= {"price": "61000", "stopPrice": "59000"}
    placed = desk.call("POST", "/api/v3/order/oco", **params)
    assert [r["type"] for r in placed["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]
    more = {**params, "quantity": "0.1", "stopLimitPrice": "58990"}
    assert desk.refused("POST", "/api/v3/order/oco", **more).code == -1102
    placed = desk.call("POST", "/api/v3/order/oco", **more, stopLimitTimeInForce="GTC")
    assert placed["orderReports"][1]["type"] == "STOP_LOSS_LIMIT"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aboveType": "STOP_LOSS", "aboveStopPrice": "61000", "abovePrice": None}, -1014),
        ({"side": "BUY"}, -2010),
        ({"abovePrice": "59900"}, -2010),
        ({"belowStopPrice": None}, -1102),
        ({"quantity": "5"}, -2010),
        ({"listClientOrderId": "two words"}, -1100),
    ],
)
def test_an_oco_that_can_not_be(changes: dict[str, Any], code: int) -> None:
    desk = Desk()
    assert desk.refused("POST", "/api/v3/orderList/oco", **oco(**changes)).code == code
    assert desk.call("GET", "/api/v3/openOrders") == []


def test_lists_that_are_none() -> None:
    desk = Desk()
    assert desk.refused("GET", "/api/v3/orderList", orderListId=7).code == -2018
    assert desk.refused("GET", "/api/v3/orderList").code == -1102
    assert desk.refused("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=7).code == -2011


# --- account ---


def test_an_account_has_what_it_paid_and_got() -> None:
    desk = Desk()
    desk.order(type="MARKET", timeInForce=None, price=None, quantity="0.5")
    desk.order(quantity="0.1", price="59000")
    balances = {b["asset"]: b for b in desk.call("GET", "/api/v3/account")["balances"]}
    assert balances["BTC"] == {"asset": "BTC", "free": "1.49950000", "locked": "0.00000000"}
    assert balances["USDT"] == {"asset": "USDT", "free": "64099.95000000", "locked": "5900.00000000"}


def test_orders_and_trades_are_asked_for() -> None:
    desk = Desk()
    first = desk.order(type="MARKET", timeInForce=None, price=None, quantity="1.5")["orderId"]
    second = desk.order(newClientOrderId="mine")["orderId"]
    every = desk.call("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    assert [(o["orderId"], o["status"]) for o in every] == [(first, "FILLED"), (second, "NEW")]
    assert [
        o["orderId"] for o in desk.call("GET", "/api/v3/allOrders", symbol="BTCUSDT", orderId=second)
    ] == [second]
    assert [o["clientOrderId"] for o in desk.call("GET", "/api/v3/openOrders")] == ["mine"]
    trades = desk.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=first)
    assert [(t["qty"], t["isBuyer"], t["isMaker"], t["commissionAsset"]) for t in trades] == [
        ("1.00000000", True, False, "BTC"),
        ("0.50000000", True, False, "BTC"),
    ]
    assert desk.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", key=OTHER) == []
    newest = desk.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", fromId=trades[1]["id"])
    assert [t["id"] for t in newest] == [trades[1]["id"]]


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        (ORDER, {"symbol": "BTCUSDT"}, -1102),
        (ORDER, {"symbol": "BTCUSDT", "orderId": 77}, -2013),
        (ORDER, {"symbol": "BTCUSDT", "orderId": 1, "key": OTHER}, -2013),
        ("/api/v3/allOrders", {}, -1102),
        ("/api/v3/allOrders", {"symbol": "BTCUSDT", "startTime": 0, "endTime": 86_400_001}, -1127),
        ("/api/v3/allOrders", {"symbol": "BTCUSDT", "startTime": 2, "endTime": 1}, -1128),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT", "startTime": 2, "fromId": 1}, -1128),
        ("/api/v3/account", {"omitZeroBalances": "maybe"}, -1130),
        ("/api/v3/account/commission", {"symbol": "NOPE"}, -1121),
        ("/api/v3/myPreventedMatches", {"symbol": "BTCUSDT"}, -1102),
    ],
)
def test_accounts_refuse(path: str, params: dict[str, Any], code: int) -> None:
    desk = Desk()
    desk.order()
    assert desk.refused("GET", path, **params).code == code


def test_fees_are_told_as_they_are_taken() -> None:
    desk = Desk()
    rates = desk.call("GET", "/api/v3/account/commission", symbol="BTCUSDT")["standardCommission"]
    assert (rates["maker"], rates["taker"]) == ("0.00100000", "0.00100000")
    assert desk.call("GET", "/sapi/v1/asset/tradeFee")[0]["takerCommission"] == "0.00100000"


def test_listen_keys_live_for_an_hour() -> None:
    desk = Desk()
    path = "/api/v3/userDataStream"
    opened = desk.call("POST", path)["listenKey"]
    assert desk.call("POST", path)["listenKey"] == opened
    assert desk.call("POST", path, key=OTHER)["listenKey"] != opened
    assert desk.refused("PUT", path, listenKey=opened, key=OTHER).code == -1125
    desk.world.advance(START_NS + 3_000 * SECOND)
    desk.call("PUT", path, listenKey=opened)
    desk.world.advance(START_NS + 6_500 * SECOND)
    assert desk.call("DELETE", path, listenKey=opened) == {}
    assert desk.refused("DELETE", path, listenKey=opened).code == -1125
    again = desk.call("POST", path)["listenKey"]
    desk.world.advance(START_NS + 10_101 * SECOND)
    assert desk.refused("PUT", path, listenKey=again).code == -1125
    assert desk.refused("PUT", path).code == -1102


# --- limits ---


def test_too_much_weight_is_429_and_in_the_end_418() -> None:
    desk = Desk()
    set_limits(desk.venue, Limits(weight_per_minute=50))
    info = "/api/v3/exchangeInfo"
    desk.call("GET", info, key=None)
    desk.call("GET", info, key=None)
    for _ in range(20):
        error = desk.refused("GET", info, key=None)
        assert (error.code, error.status) == (-1003, 429)
        assert error.headers == {"Retry-After": "60"}
    error = desk.refused("GET", info, key=None)
    assert (error.status, error.headers) == (418, {"Retry-After": "120"})
    desk.world.advance(START_NS + 119 * SECOND)
    assert desk.refused("GET", "/api/v3/ping", key=None).status == 418
    desk.world.advance(START_NS + 121 * SECOND)
    assert desk.call("GET", "/api/v3/ping", key=None) == {}


def test_too_many_orders_are_429_and_refused_ones_do_not_count() -> None:
    desk = Desk()
    set_limits(desk.venue, Limits(orders_per_10s=2))
    for _ in range(5):
        desk.refused_order(quantity="50")
    desk.order()
    desk.order()
    error = desk.refused_order()
    assert (error.code, error.status) == (-1015, 429)
    limits = desk.call("GET", "/api/v3/rateLimit/order")
    assert [(limit["interval"], limit["count"]) for limit in limits] == [("SECOND", 2), ("DAY", 2)]
    desk.world.advance(START_NS + 10 * SECOND)
    assert desk.order()["status"] == "NEW"


# --- what the account is told ---


def test_reports_follow_an_order_to_its_end() -> None:
    desk = Desk([trade(1, 5_999_900, 100_000, Side.SELL)])
    desk.order(price="60000.05", quantity="0.5", newClientOrderId="mine")
    desk.world.advance(START_NS + SECOND)
    reports = [e for e in desk.said if e["e"] == "executionReport"]
    assert [(r["x"], r["X"], r["z"], r["m"]) for r in reports] == [
        ("NEW", "NEW", "0.00000000", False),
        ("TRADE", "FILLED", "0.50000000", True),
    ]
    last = reports[-1]
    assert (last["c"], last["C"], last["L"], last["l"], last["n"], last["N"]) == (
        "mine", "", "60000.05000000", "0.50000000", "0.00050000", "BTC",
    )  # fmt: skip
    balances = {b["a"]: (b["f"], b["l"]) for b in desk.said[-1]["B"]}
    assert balances == {"BTC": ("1.49950000", "0.00000000"), "USDT": ("69999.97500000", "0.00000000")}
