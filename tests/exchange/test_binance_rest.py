"""Binance's API over HTTP: headers, bodies, faults, and whatever a broken client may send."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from binance_world import KEY, Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.exchange.dialects.binance import Limits, set_limits
from citadel_kit.exchange.dialects.binance.calls import REST, SOCKET
from citadel_kit.exchange.dialects.binance.errors import ApiError
from citadel_kit.exchange.dialects.binance.params import Params, parse_json
from citadel_kit.exchange.dialects.binance.text import decimal
from citadel_kit.exchange.local import LocalExchange

Session = aiohttp.ClientSession


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange() as running:
        set_limits(
            running.venue(), Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_day=10**9)
        )
        yield running


def play(exchange: LocalExchange, scenario: Callable[[Session], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), aiohttp.ClientSession(exchange.urls["binance"] + "/") as session:
            await scenario(session)

    asyncio.run(run())


def sign(exchange: LocalExchange, query: str) -> tuple[str, dict[str, str]]:
    key = next(iter(exchange.venue().keys.values()))
    query = f"{query}{'&' if query else ''}timestamp={int(time.time() * 1000)}"
    proof = hmac.new(key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={proof}", {"X-MBX-APIKEY": key.key}


def test_headers_count_weight_and_orders(exchange: LocalExchange) -> None:
    async def scenario(session: Session) -> None:
        async with session.get("api/v3/depth?symbol=BTCUSDT&limit=5000") as answer:
            first = int(answer.headers["X-MBX-USED-WEIGHT-1M"])
            assert "X-MBX-ORDER-COUNT-10S" not in answer.headers
        async with session.get("api/v3/exchangeInfo") as answer:
            assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) in (first + 20, 20)  # or a new minute
        order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000"
        query, headers = sign(exchange, order)
        async with session.post(f"api/v3/order?{query}", headers=headers) as answer:
            assert answer.status == 200
            assert int(answer.headers["X-MBX-ORDER-COUNT-1D"]) >= 1
            assert "X-MBX-ORDER-COUNT-10S" in answer.headers

    play(exchange, scenario)


def test_parameters_may_be_in_query_and_body(exchange: LocalExchange) -> None:
    """What is signed is the one after the other."""

    async def scenario(session: Session) -> None:
        key = next(iter(exchange.venue().keys.values()))
        query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
        body = f"quantity=0.01&price=50000&timestamp={int(time.time() * 1000)}"
        proof = hmac.new(key.secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": key.key, "Content-Type": "application/x-www-form-urlencoded"}
        url = f"api/v3/order/test?{query}"
        async with session.post(url, data=f"{body}&signature={proof}", headers=headers) as answer:
            assert (answer.status, await answer.json()) == (200, {})
        async with session.post(url, data=f"{body}&signature={proof[::-1]}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, -1022)

    play(exchange, scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "api/v3/nothing", 404),
        ("POST", "api/v3/ping", 404),
        ("GET", "", 404),
        ("PATCH", "api/v3/order", 404),
    ],
)
def test_what_there_is_not(exchange: LocalExchange, method: str, path: str, status: int) -> None:
    async def scenario(session: Session) -> None:
        async with session.request(method, path) as answer:
            assert answer.status == status
            assert set(await answer.json()) == {"code", "msg"}

    play(exchange, scenario)


def test_a_body_that_is_too_large_or_no_text(exchange: LocalExchange) -> None:
    async def scenario(session: Session) -> None:
        for data, status in ((b"a=" + b"x" * 200_000, 413), (b"\xff\xfe", 400)):
            async with session.post("api/v3/order", data=data) as answer:
                assert answer.status == status
                assert (await answer.json())["code"] < 0

    play(exchange, scenario)


@pytest.mark.parametrize(
    ("switches", "status", "code"),
    [
        ({"maintenance": True}, 503, 1),
        ({"reject": "rate_limit"}, 429, -1003),
        ({"http_error": 1.0, "http_status": 502}, 502, -1001),
    ],
)
def test_faults_speak_the_venues_words(
    exchange: LocalExchange, switches: dict[str, Any], status: int, code: int
) -> None:
    async def scenario(session: Session) -> None:
        async with session.get("api/v3/ping") as answer:
            assert (answer.status, (await answer.json())["code"]) == (status, code)
            assert (answer.headers.get("Retry-After") == "1") == (status == 429)

    exchange.faults("binance", **switches)
    try:
        play(exchange, scenario)
    finally:
        exchange.call(exchange.venue().faults.clear)


def test_listen_keys_and_limits_outlast_a_restart(exchange: LocalExchange) -> None:
    client = exchange.ccxt("binance", sync=True)
    key = client.public_post_userdatastream()["listenKey"]
    exchange.restart()
    assert client.public_put_userdatastream({"listenKey": key}) == {}


# --- whatever may come ---

_NAMES = (
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice",
    "newClientOrderId", "newOrderRespType", "selfTradePreventionMode", "icebergQty", "orderId",
    "origClientOrderId", "cancelReplaceMode", "cancelOrderId", "cancelRestrictions", "newQty", "limit",
    "startTime", "endTime", "fromId", "interval", "recvWindow", "listenKey", "orderListId",
    "listClientOrderId", "aboveType", "abovePrice", "belowType", "belowStopPrice", "belowPrice",
    "belowTimeInForce", "omitZeroBalances", "stopLimitPrice", "stopLimitTimeInForce",
)  # fmt: skip
_LIKELY = (
    "BTCUSDT", '["BTCUSDT"]', "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS",
    "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "GTC", "IOC", "FOK", "0.01", "0.5", "59000",
    "60000.05", "0", "1", "2", "7", "-1", "1e9", "9" * 18, "9" * 19, "9" * 21, "0.000000001",
    "0." + "0" * 19 + "1",
    "ACK", "FULL", "RESULT", "STOP_ON_FAILURE", "ALLOW_FAILURE", "ONLY_NEW", "1m", "1M", "1w", "3d", "true",
    "", " ", "null", "NaN", "[]", "[[[", '["', '{"a":1}', "ä", "\x00", "\uff11\uff12", "x" * 60, "NONE",
    "4398046511103",
)  # fmt: skip
_params = st.dictionaries(
    st.sampled_from(_NAMES), st.sampled_from(_LIKELY) | st.text(max_size=30), max_size=9
)
_fuzz = Desk()
set_limits(_fuzz.venue, Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_day=10**9))


@settings(max_examples=200)
@given(st.sampled_from(sorted(REST)), _params, st.integers(0, 3))
def test_any_parameters_are_answered_or_refused(
    call: tuple[str, str], params: dict[str, Any], wild: int
) -> None:
    """Never by anything but ApiError: that would be a 500. What is answered can be written as JSON."""
    if wild:
        params["symbol"] = "BTCUSDT"
    try:
        json.dumps(_fuzz.call(*call, **params))
    except ApiError as error:
        assert 400 <= error.status < 500
        assert error.code < 0
        assert error.message


def test_any_order_of_likely_parameters_is_answered_or_refused() -> None:
    """Nearer to what clients send, so that much of it gets as far as the engine."""
    rng, desk = random.Random(5), Desk()
    set_limits(desk.venue, Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_day=10**9))
    codes: dict[int, int] = {}
    menu: dict[str, list[str | None]] = {
        "side": ["BUY", "SELL"],
        "type": [
            "LIMIT",
            "MARKET",
            "LIMIT_MAKER",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", None],
        "quantity": ["0.01", "0.5", "0.00001", "3", None],
        "price": ["59000", "60000.10", "61000", None],
        "stopPrice": ["59500", "60500", None, None],
        "quoteOrderQty": ["700", None, None, None],
        "newOrderRespType": ["ACK", "RESULT", "FULL"],
    }
    for _ in range(1000):
        params: dict[str, Any] = {name: rng.choice(choices) for name, choices in menu.items()}
        path = rng.choice(("/api/v3/order", "/api/v3/order/cancelReplace"))
        if path.endswith("Replace"):
            params |= {"cancelReplaceMode": rng.choice(("STOP_ON_FAILURE", "ALLOW_FAILURE"))}
            params |= {"cancelOrderId": str(rng.randint(1, 60))}
        try:
            desk.call("POST", path, symbol="BTCUSDT", **params)
            codes[0] = codes.get(0, 0) + 1
        except ApiError as error:
            codes[error.code] = codes.get(error.code, 0) + 1
            assert 400 <= error.status < 500
    assert {0, -1013, -1102, -1106, -2010, -2021, -2022} <= codes.keys()
    totals = desk.venue.accounts.totals()
    assert totals["USDT"] == 200_000 * 10**18
    assert totals["BTC"] == 2 * 10**18


@given(st.text(max_size=60) | st.builds(lambda t: f"symbol={quote(t)}", st.text(max_size=20)))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        Params.of_query(query)
    except ApiError as error:
        assert error.status == 400


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(_json)
def test_any_json_becomes_parameters(value: Any) -> None:
    read = parse_json(json.dumps(value))
    if isinstance(read, dict):
        assert all(isinstance(text, str) for _, text in Params.of_json(read).items())


def test_any_bytes_over_http_get_binances_errors(exchange: LocalExchange) -> None:
    rng = random.Random(7)

    async def scenario(session: Session) -> None:
        for _ in range(300):
            method, path = rng.choice(sorted(REST))
            chosen = rng.sample(_NAMES, rng.randint(0, 6))
            query = "&".join(f"{name}={quote(rng.choice(_LIKELY))}" for name in chosen)
            query, headers = sign(exchange, query)
            async with session.request(method, f"{path[1:]}?{query}", headers=headers) as answer:
                assert answer.status in (200, 400, 401, 404, 409), await answer.text()
                if answer.status != 200:
                    assert {"code", "msg"} <= set(await answer.json())

    play(exchange, scenario)


@given(st.integers(-(10**30), 10**30), st.integers(0, 18))
def test_numbers_are_written_exactly(units: int, decimals: int) -> None:
    text = decimal(units, decimals)
    whole, _, fraction = text.removeprefix("-").partition(".")
    assert len(fraction) >= 8
    assert int(whole + fraction) * 10**decimals == abs(units) * 10 ** len(fraction)
    assert text.startswith("-") == (units < 0)


def test_every_signed_call_asks_for_a_key() -> None:
    desk = Desk()
    for (method, path), call in REST.items():
        if call.security:
            assert desk.refused(method, path, key=None).code == -2014, path
    assert {id(call) for call in SOCKET.values()} <= {id(call) for call in REST.values()}
    assert KEY.secret not in repr(KEY)
