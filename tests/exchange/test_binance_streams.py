"""Market streams, listen keys and the websocket API over real sockets; our own codec at the other end."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from binance_world import SECOND, START_NS, Desk

from citadel_kit import settings
from citadel_kit.exchange.dialects.binance import feed, frames, streams
from citadel_kit.exchange.dialects.binance.frames import StreamName
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.markets import OutsideTrade
from citadel_kit.exchange.socket import SocketLimits
from citadel_kit.exchange.venue import Depth
from citadel_kit.io.stream import StreamConfig
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.engine import Engine
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.types import FeedState, Side

S = "BTC/USDT"


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(balances={"USDT": 1_000_000, "BTC": 10}) as running:
        yield running


class Wire:
    """A client's end of one websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, text: Any) -> Any:
        """Send, and wait for the answer among whatever else comes."""
        await self.socket.send_str(text if isinstance(text, str) else json.dumps(text))
        return await self.until(lambda m: "result" in m or "error" in m)

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(20):
            while True:
                message = await self.socket.receive_json()
                if wanted(message):
                    return message


@asynccontextmanager
async def opened(exchange: LocalExchange, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://127.0.0.1:{exchange.port}/binance{path}") as socket,
    ):
        yield Wire(socket)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(run())


def signed(exchange: LocalExchange, **params: Any) -> dict[str, Any]:
    key = next(iter(exchange.venue().keys.values()))
    params = {"apiKey": key.key, "timestamp": int(time.time() * 1000), **params}
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


def buy_something(exchange: LocalExchange) -> None:
    client = exchange.ccxt("binance", sync=True)
    client.create_order(S, "market", "buy", 0.001)


# --- names ---


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("btcusdt@depth@100ms", StreamName("BTCUSDT", "depth", fast=True)),
        ("btcusdt@depth@1000ms", StreamName("BTCUSDT", "depth")),
        ("btcusdt@depth", StreamName("BTCUSDT", "depth")),
        ("btcusdt@depth5", StreamName("BTCUSDT", "depth", 5)),
        ("btcusdt@depth20@100ms", StreamName("BTCUSDT", "depth", 20, fast=True)),
        ("btcusdt@kline_1m", StreamName("BTCUSDT", "kline", interval="1m")),
        ("btcusdt@trade", StreamName("BTCUSDT", "trade")),
        ("!ticker@arr", StreamName("", "ticker")),
        ("btcusdt@depth@100mss", None),
        ("btcusdt@depth7", None),
        ("btcusdt@kline_7m", None),
        ("btcusdt@trade@100ms", None),
        ("btcusdt@trade5", None),
        ("btcusdt@nothing", None),
        ("0", None),
        ("", None),
    ],
)
def test_stream_names(name: str, parsed: StreamName | None) -> None:
    assert frames.parse(name) == parsed


def test_a_slow_depth_stream_joins_what_happened() -> None:
    first = Depth("BTC/USDT", START_NS, 11, 13, 10, [(100, 5), (99, 1)], [(101, 2)])
    second = Depth("BTC/USDT", START_NS + 1, 14, 20, 13, [(100, 0)], [(102, 7)])
    assert feed._merged(feed._merged(None, first), second) == Depth(
        "BTC/USDT", START_NS + 1, 11, 20, 10, [(100, 0), (99, 1)], [(101, 2), (102, 7)]
    )


def told(desk: Desk, name: str, times_s: Sequence[float]) -> list[Any]:
    """What a stream says while the venue's clock is looked at at these times after the start."""

    async def run() -> list[Any]:
        said: list[Any] = []
        feed_of = feed.Feed(desk.venue)
        stop = feed_of.subscribe(name, lambda text: said.append(json.loads(text)))
        for at_s in times_s:
            desk.world.advance(START_NS + int(at_s * SECOND))
            feed_of.on_time(desk.venue.now_ns())
        stop()
        feed_of.on_time(desk.venue.now_ns() + 10 * SECOND)
        return said

    return asyncio.run(run())


def test_a_candle_is_told_when_it_changes_and_once_more_when_it_closes() -> None:
    trades = [
        OutsideTrade(START_NS + n * SECOND, "binance", S, 6_000_000 + n, 1_000, Side.BUY) for n in (10, 70)
    ]
    said = told(Desk(trades), "btcusdt@kline_1m", [1, 1.5, 5, 11, 12, 60, 61, 71])
    start_ms = START_NS // 10**6
    candles = [(m["k"]["t"] - start_ms, m["k"]["c"], m["k"]["x"]) for m in said]
    assert candles == [
        (0, "60000.05000000", False),
        (0, "60000.10000000", False),
        (0, "60000.10000000", True),
        (60_000, "60000.10000000", False),
        (60_000, "60000.70000000", False),
    ]


def test_a_ticker_comes_once_a_second_and_not_from_a_frozen_venue() -> None:
    desk = Desk()
    assert len(told(desk, "btcusdt@ticker", [0.1, 0.3, 0.9, 1.0, 1.9, 2.1])) == 3
    (every,) = told(desk, "!miniTicker@arr", [2.5])
    assert [(t["e"], t["s"]) for t in every] == [("24hrMiniTicker", "BTCUSDT")]
    desk.venue.faults.set(freeze_book=True)
    assert told(desk, "btcusdt@ticker", [3, 4, 5]) == []


# --- subscribing ---


def test_subscriptions_come_and_go(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws") as wire:
            names = ["btcusdt@bookTicker", "btcusdt@depth@100ms"]
            assert await wire.ask({"method": "SUBSCRIBE", "params": names, "id": 1}) == {
                "result": None,
                "id": 1,
            }
            tick = await wire.until(lambda m: "B" in m)
            assert set(tick) == {"u", "s", "b", "B", "a", "A"}
            listed = await wire.ask({"method": "LIST_SUBSCRIPTIONS", "id": "two"})
            assert listed == {"result": names, "id": "two"}
            gone = {"method": "UNSUBSCRIBE", "params": names[:1], "id": None}
            assert await wire.ask(gone) == {"result": None, "id": None}
            assert (await wire.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"] == names[1:]
            assert (await wire.until(lambda m: "stream" not in m))["e"] == "depthUpdate"
            combine = {"method": "SET_PROPERTY", "params": ["combined", True], "id": 4}
            assert (await wire.ask(combine))["result"] is None
            assert (await wire.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 5}))[
                "result"
            ] is True
            assert (await wire.until(lambda m: "stream" in m))["stream"] == "btcusdt@depth@100ms"

    play(scenario)


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        ("not JSON", 3, None),
        ('{"id":NaN}', 2, None),
        ("[" * 5000, 3, None),
        ("7", 2, None),
        ('{"id":1}', 2, 1),
        ('{"method":"SHOUT","id":1}', 2, 1),
        ('{"method":["SUBSCRIBE"],"id":1}', 2, 1),
        ('{"method":"SUBSCRIBE","id":-1}', 2, None),
        ('{"method":"SUBSCRIBE","id":1.5}', 2, None),
        ('{"method":"SUBSCRIBE","id":{"a":1}}', 2, None),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}', 2, 1),
        ('{"method":"SUBSCRIBE","params":[],"id":1}', 2, 1),
        ('{"method":"SUBSCRIBE","params":[""],"id":1}', 2, 1),
        ('{"method":"SUBSCRIBE","params":[true],"id":1}', 2, 1),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, 1),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1, 1),
    ],
)
def test_wrong_requests_are_told_what_is_wrong(
    exchange: LocalExchange, text: str, code: int, request_id: int | None
) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws") as wire:
            answer = await wire.ask(text)
            assert (answer["error"]["code"], answer["id"]) == (code, request_id)
            assert (await wire.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9}))["result"] == []

    play(scenario)


def test_a_connection_has_1024_streams_at_most(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws") as wire:
            many = [f"s{n}@trade" for n in range(1024)]
            assert (await wire.ask({"method": "SUBSCRIBE", "params": many, "id": 1}))["result"] is None
            more = await wire.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 2})
            assert more["error"]["code"] == 2

    play(scenario)


def test_pings_go_both_ways(exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LIMITS", SocketLimits(messages_per_s=5, ping_s=0.1))

    async def scenario() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{exchange.port}/binance/ws", autoping=False) as socket,
        ):
            await socket.ping(b"ours")
            first, second = await socket.receive(), await socket.receive()
            assert (first.type, first.data) == (aiohttp.WSMsgType.PONG, b"ours")
            assert second.type == aiohttp.WSMsgType.PING  # which nobody answers
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE)

    play(scenario)


def test_a_misspelt_stream_is_silent(exchange: LocalExchange) -> None:
    """As at the venue: the connection stands, nothing ever comes."""

    async def scenario() -> None:
        async with opened(exchange, "/ws/btcusdt@depth@100mss") as wire:
            await asyncio.sleep(0.5)
            answer = await wire.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            assert answer == {"result": ["btcusdt@depth@100mss"], "id": 1}

    play(scenario)


def test_every_stream_says_what_it_is_about(exchange: LocalExchange) -> None:
    kinds = {
        "depth@100ms": "depthUpdate",
        "depth": "depthUpdate",
        "depth5@100ms": None,
        "depth10": None,
        "bookTicker": None,
        "trade": "trade",
        "aggTrade": "aggTrade",
        "kline_1m": "kline",
        "ticker": "24hrTicker",
        "miniTicker": "24hrMiniTicker",
        "avgPrice": "avgPrice",
    }
    names = {f"btcusdt@{kind}": event for kind, event in kinds.items()}

    async def scenario() -> None:
        async with opened(exchange, f"/stream?streams={'/'.join(names)}") as wire:
            left = dict(names)
            asyncio.get_running_loop().run_in_executor(None, buy_something, exchange)

            def seen(message: Any) -> bool:
                name = message["stream"]
                assert message["data"].get("e") == names[name]
                if name.startswith("btcusdt@depth5"):
                    assert len(message["data"]["bids"]) == 5
                left.pop(name, None)
                return not left

            await wire.until(seen)

    play(scenario)


def levels(data: dict[str, Any]) -> dict[str, str]:
    return {side + price: qty for side in "ba" for price, qty in data[side]}


def test_slow_and_fast_depth_end_in_the_same_book(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/stream?streams=btcusdt@depth/btcusdt@depth@100ms") as wire:
            fast: dict[int, dict[str, str]] = {}  # by side and price
            book: dict[str, str] = {}
            last = -1
            for _ in range(100):
                message = await wire.until(lambda m: True)
                data = message["data"]
                if message["stream"].endswith("100ms"):
                    assert last in (-1, data["U"] - 1)
                    last = data["u"]
                    book |= levels(data)
                    fast[last] = dict(book)
                elif data["u"] in fast and min(fast) < data["U"]:
                    said = levels(data)
                    assert said == {key: fast[data["u"]][key] for key in said}
                    return
            pytest.fail("no second of depth came")

    play(scenario)


# --- our own codec ---


def test_our_own_session_stays_live_and_the_oracle_agrees(exchange: LocalExchange) -> None:
    driver = LiveDriver(at={"binance": exchange.endpoints("binance")}, stream=StreamConfig(close_s=0.2))
    instrument = driver.feeds[0][1]
    assert instrument == settings.instrument("binance", S)
    engine = Engine(
        driver.feeds,
        PaperBroker([instrument]),
        {"binance": settings.fees("binance")},
        EngineConfig(SessionConfig(), GateConfig(), GuardConfig()),
        mode=driver.mode,
        feed_shows_our_orders=True,
    )
    book = engine.sessions["binance"].feeds[S]
    failures: list[Exception] = []

    async def scenario() -> None:
        await driver.start(engine, lambda: None, failures.append)
        try:
            await driver.play(
                20.0, lambda: book.counts["oracle_agrees"] >= 3 and book.state == FeedState.LIVE
            )
            await asyncio.to_thread(buy_something, exchange)
            await driver.play(20.0, lambda: book.counts["oracle_agrees"] >= 6)
            assert book.state == FeedState.LIVE
        finally:
            await driver.stop()

    play(scenario)
    assert failures == []
    assert book.counts["oracle_agrees"] >= 6
    assert (book.counts["oracle_disagrees"], book.counts["gaps"]) == (0, 0)


# --- user data by listen key ---


def test_a_listen_key_brings_the_accounts_events(exchange: LocalExchange) -> None:
    client = exchange.ccxt("binance", sync=True)
    key = client.public_post_userdatastream()["listenKey"]

    async def scenario() -> None:
        async with opened(exchange, f"/ws/{key}") as raw, opened(exchange, f"/stream?streams={key}") as both:
            await asyncio.to_thread(buy_something, exchange)
            report = await raw.until(lambda m: m["e"] == "executionReport" and m["x"] == "TRADE")
            position = await raw.until(lambda m: m["e"] == "outboundAccountPosition")
            assert {b["a"] for b in position["B"]} == {"BTC", "USDT"}
            again = await both.until(lambda m: m["data"].get("x") == "TRADE")
            assert (again["stream"], again["data"]["t"]) == (key, report["t"])
            await asyncio.to_thread(client.public_delete_userdatastream, {"listenKey": key})
            await asyncio.to_thread(buy_something, exchange)
            assert (await raw.until(lambda m: m["e"] != "outboundAccountPosition" and "x" not in m))[
                "listenKey"
            ] == key
            await asyncio.to_thread(buy_something, exchange)
            assert await raw.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1}) == {"result": [], "id": 1}

    play(scenario)


# --- the websocket API ---


def test_the_websocket_api_answers_as_rest_does(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws-api/v3") as wire:
            ping = await wire.ask({"id": "a-1", "method": "ping"})
            assert (ping["id"], ping["status"], ping["result"]) == ("a-1", 200, {})
            assert ping["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
            quiet = {"id": 7, "method": "time", "params": {"returnRateLimits": False}}
            assert set(await wire.ask(quiet)) == {"id", "status", "result"}
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            params = signed(
                exchange, **order, quantity="0.01", price="30000.00", newClientOrderId="by-socket"
            )
            placed = await wire.ask({"id": 8, "method": "order.place", "params": params})
            assert placed["result"]["clientOrderId"] == "by-socket"
            assert [limit["rateLimitType"] for limit in placed["rateLimits"]] == [
                "ORDERS",
                "ORDERS",
                "REQUEST_WEIGHT",
            ]
            assert placed["rateLimits"][0]["count"] >= 1
            which = signed(exchange, symbol="BTCUSDT", orderId=placed["result"]["orderId"], newQty="0.009")
            amended = await wire.ask({"id": 9, "method": "order.amend.keepPriority", "params": which})
            assert amended["result"]["amendedOrder"]["qty"] == "0.00900000"
            gone = signed(exchange, symbol="BTCUSDT")
            gone = await wire.ask({"id": 10, "method": "openOrders.cancelAll", "params": gone})
            assert [o["origClientOrderId"] for o in gone["result"]] == ["by-socket"]
            status = await wire.ask({"id": 11, "method": "account.status", "params": signed(exchange)})
            assert status["result"]["accountType"] == "SPOT"

    play(scenario)


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("not JSON", 400, -1135),
        ("[1]", 400, -1135),
        ('{"id":1}', 400, -1135),
        ('{"id":1,"method":7}', 400, -1135),
        ('{"id":1,"method":"ping","params":[]}', 400, -1135),
        ('{"id":[],"method":"ping"}', 400, -1135),
        ('{"id":1,"method":"order.fly"}', 404, -1020),
        ('{"id":1,"method":"depth","params":{"symbol":"NOPE"}}', 400, -1121),
        ('{"id":1,"method":"depth","params":{"symbol":{"a":[1]}}}', 400, -1100),
        ('{"id":1,"method":"account.status"}', 401, -2014),
        ('{"id":1,"method":"account.status","params":{"apiKey":"nobody-at-all"}}', 401, -2015),
        ('{"id":1,"method":"userDataStream.subscribe.signature"}', 401, -2014),
        ('{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":5}}', 400, -1130),
    ],
)
def test_the_websocket_api_refuses(exchange: LocalExchange, text: str, status: int, code: int) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws-api/v3") as wire:
            answer = await wire.ask(text)
            assert (answer["status"], answer["error"]["code"]) == (status, code)
            assert (await wire.ask({"id": 2, "method": "ping"}))["status"] == 200

    play(scenario)


def test_requests_by_websocket_have_the_venues_faults_too(exchange: LocalExchange) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}

    async def scenario() -> None:
        async with opened(exchange, "/ws-api/v3") as wire:
            exchange.faults("binance", reject="rate_limit")
            answer = await wire.ask({"id": 1, "method": "ping"})
            assert (answer["status"], answer["error"]["code"]) == (429, -1003)
            exchange.faults("binance", reject="", timeout=1.0, timeout_moment="after")
            params = signed(exchange, **order, price="30000", newClientOrderId="lost")
            await wire.socket.send_json({"id": 2, "method": "order.place", "params": params})
            await asyncio.sleep(0.2)
            exchange.call(exchange.venue().faults.clear)
            assert (await wire.ask({"id": 3, "method": "ping"}))["id"] == 3  # nothing came before it
            which = signed(exchange, symbol="BTCUSDT", origClientOrderId="lost")
            gone = await wire.ask({"id": 4, "method": "order.cancel", "params": which})
            assert gone["result"]["status"] == "CANCELED"  # it had taken effect

    try:
        play(scenario)
    finally:
        exchange.call(exchange.venue().faults.clear)


def test_a_half_failed_cancel_replace_by_websocket(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws-api/v3") as wire:
            params = signed(
                exchange, symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01",
                price="30000", cancelOrderId=999_999, cancelReplaceMode="ALLOW_FAILURE",
            )  # fmt: skip
            answer = await wire.ask({"id": 1, "method": "order.cancelReplace", "params": params})
            assert (answer["status"], answer["error"]["code"]) == (409, -2021)
            assert answer["error"]["data"]["newOrderResult"] == "SUCCESS"
            await wire.ask(
                {"id": 2, "method": "openOrders.cancelAll", "params": signed(exchange, symbol="BTCUSDT")}
            )

    play(scenario)


def test_user_data_by_signature_until_unsubscribed(exchange: LocalExchange) -> None:
    async def scenario() -> None:
        async with opened(exchange, "/ws-api/v3") as wire:
            subscribe = {"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(exchange)}
            assert (await wire.ask(subscribe))["result"] == {"subscriptionId": 0}
            await asyncio.to_thread(buy_something, exchange)
            event = await wire.until(lambda m: "event" in m)
            assert (event["subscriptionId"], event["event"]["e"]) == (0, "executionReport")
            assert (await wire.ask({"id": 2, "method": "userDataStream.unsubscribe"}))["result"] == {}
            await asyncio.to_thread(buy_something, exchange)
            await wire.socket.send_str('{"id":3,"method":"ping"}')
            assert (await wire.until(lambda m: "event" in m or m["id"] == 3)).get("id") == 3

    play(scenario)
