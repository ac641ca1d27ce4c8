"""Venues by ccxt.pro: a small exchange class in this process, and ccxt's own class for Gate over loopback."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import ccxt.async_support
import ccxt.pro
import pytest
from gate_server import GateServer, until
from local_venue import nobody

from citadel_kit.errors import ConfigError, DecodeError, VenueUnreachable
from citadel_kit.io import ccxt_feed
from citadel_kit.io.ccxt_feed import CcxtFeed, CcxtStream
from citadel_kit.io.stream import StreamConfig
from citadel_kit.settings import Fees
from citadel_kit.types import BookUpdate, Heartbeat, Instrument, Trade
from citadel_kit.venues import Endpoints
from citadel_kit.venues.unified import Deal

pytestmark = pytest.mark.filterwarnings("error")

BTC = Instrument(
    venue="gate", symbol="BTC/USDT", venue_symbol="BTC_USDT", price_decimals=1, qty_decimals=6,
    min_notional=30_000_000,
)  # fmt: skip
MARKET: dict[str, Any] = {
    "id": "ab",
    "symbol": "A/B",
    "base": "A",
    "quote": "B",
    "type": "spot",
    "spot": True,
}
MARKET |= {"active": True, "precision": {"price": 0.01, "amount": 1e-05}}


class Toy(ccxt.async_support.Exchange):  # type: ignore[misc]
    """Hands out what the test puts into its queues."""

    markets_listed: ClassVar[list[dict[str, Any]]] = []

    def describe(self) -> Any:
        own = {
            "id": "toy",
            "has": {"watchOrderBook": True, "watchTrades": True, "ws": True},
            "streaming": {"keepAlive": 30_000, "maxPingPongMisses": 2},
            "precisionMode": ccxt.TICK_SIZE,
            "urls": {"api": {"public": "http://127.0.0.1:1/"}},
        }
        return self.deep_extend(super().describe(), own)

    def __init__(self, config: Any = None) -> None:
        super().__init__(config or {})
        self.books: asyncio.Queue[Any] = asyncio.Queue()
        self.deals: asyncio.Queue[Any] = asyncio.Queue()

    async def fetch_markets(self, params: Any = None) -> Any:
        return self.markets_listed

    async def watch_order_book(self, symbol: str) -> Any:
        return self._given(await self.books.get())

    async def watch_trades(self, symbol: str) -> Any:
        return self._given(await self.deals.get())

    def _given(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


def book(bid: float, ask: float) -> dict[str, Any]:
    return {"bids": [[bid, 1.0, 3]], "asks": [[ask, 2.0, 4]], "timestamp": None, "nonce": None}


def deal(price: float, **changes: Any) -> dict[str, Any]:
    return {"id": "1", "price": price, "amount": 0.5, "side": "buy", "timestamp": 9, **changes}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt.pro, "toy", Toy, raising=False)
    monkeypatch.setattr(Toy, "markets_listed", [{**MARKET, "maker": 0.001, "taker": 0.002}])
    monkeypatch.setattr(ccxt_feed, "_BEAT_S", 0.02)


async def with_toy(scenario: Callable[[CcxtStream, Toy], Awaitable[None]]) -> None:
    toy = Toy()
    toy.clients = {"ws://one": SimpleNamespace(last_message_at=None)}
    toy.books.put_nowait(book(1.0, 1.01))
    stream = CcxtStream("toy", toy, ["A/B"], StreamConfig())
    try:
        await stream.first(1.0)
        await stream.receive()
        await scenario(stream, toy)
    finally:
        await stream.close()
        toy.clients = {}
        await toy.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def end_of(stream: CcxtStream) -> str:
    async with asyncio.timeout(5):
        while True:
            try:
                await stream.receive()
            except VenueUnreachable as error:
                return error.problem


def test_instrument_and_fees_are_what_ccxt_says(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = CcxtFeed("toy")
    (coin,) = feed.fetch_listed(["A/B"])
    assert (coin.venue, coin.symbol, coin.venue_symbol) == ("toy", "A/B", "ab")
    assert (coin.price_decimals, coin.tick, coin.qty_decimals, coin.lot) == (2, 1, 5, 1)
    assert feed.fees == Fees(10.0, 20.0)


@pytest.mark.parametrize(
    ("symbol", "listed", "says"),
    [
        ("AB", {}, "no unified symbol"),
        ("A-B", {}, "no unified symbol"),
        ("B/A", {}, "does not list 'B/A'"),
        ("A/B", {"active": False}, "not being traded"),
        ("A/B", {"precision": {"price": None, "amount": 1.0}}, "no fixed tick"),
        ("A/B", {"precision": None}, "no fixed tick"),
    ],
)
def test_a_symbol_that_cannot_be_is_an_error(
    symbol: str, listed: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toy, "markets_listed", [MARKET | listed])
    with pytest.raises(ConfigError, match=says):
        CcxtFeed("toy").fetch_listed([symbol])


def test_a_venue_that_ccxt_pro_does_not_have() -> None:
    for name in ("nowhere", "exchanges", "Exchange"):
        with pytest.raises(ConfigError, match=r"ccxt\.pro has no"):
            CcxtFeed(name)


def test_an_unreachable_venue_is_said_to_be_one() -> None:
    with pytest.raises(VenueUnreachable, match="refuses connections"):
        CcxtFeed("gate", at=Endpoints("ws://127.0.0.1:1", nobody().rest)).fetch_listed(["BTC/USDT"])


@pytest.mark.parametrize(
    "url", ["127.0.0.1:80", "ftp://h", "", "%s://h/p", "%s://h?x", "%s://h\n", "%s://a b"]
)
def test_an_address_is_a_scheme_and_a_host_alone(url: str) -> None:
    """ccxt keeps its own paths, and one that was given would be lost."""
    good = Endpoints("ws://127.0.0.1:8000", "https://127.0.0.1:8000/")
    CcxtFeed("gate", at=good)
    for field, scheme in (("stream", "ws"), ("rest", "http")):
        wrong = good._replace(**{field: url.replace("%s", scheme)})
        with pytest.raises(ConfigError, match=rf"at\.{field}: .* is not a scheme and host"):
            CcxtFeed("gate", at=wrong)
    with pytest.raises(ConfigError, match=r"at\.stream"):
        CcxtFeed("gate", at=Endpoints(good.rest, good.rest))


def test_a_name_that_nobody_knows_is_not_left_to_ccxt() -> None:
    """Its look-up can't be given up, and would hold the interpreter's exit."""
    feed = CcxtFeed("gate", at=Endpoints("wss://nowhere.invalid", "https://nowhere.invalid"))

    async def scenario() -> None:
        with pytest.raises(VenueUnreachable, match=r"nowhere\.invalid can't be resolved"):
            async with feed.connect([BTC], StreamConfig(open_s=10.0)):
                raise AssertionError

    asyncio.run(scenario())


def test_whatever_ccxt_raises_ends_the_connection() -> None:
    async def from_books(stream: CcxtStream, toy: Toy) -> None:
        toy.books.put_nowait(ccxt.ChecksumError("the book is\nout of order"))
        assert await end_of(stream) == "ccxt: ChecksumError: the book is out of order"

    async def from_trades(stream: CcxtStream, toy: Toy) -> None:
        toy.deals.put_nowait(KeyError("price"))
        assert await end_of(stream) == "ccxt: KeyError: 'price'"

    asyncio.run(with_toy(from_books))
    asyncio.run(with_toy(from_trades))


def test_a_connection_that_ccxt_opened_anew_is_another() -> None:
    """Its book may be the one of before."""

    async def scenario(stream: CcxtStream, toy: Toy) -> None:
        toy.clients = {"ws://one": SimpleNamespace(last_message_at=1)}
        toy.books.put_nowait(book(1.0, 1.01))
        assert await end_of(stream) == "its connection ended, and ccxt opened another"

    asyncio.run(with_toy(scenario))


def test_a_beat_comes_only_when_every_connection_said_something() -> None:
    async def scenario(stream: CcxtStream, toy: Toy) -> None:
        toy.clients["ws://two"] = SimpleNamespace(last_message_at=5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.receive()
        toy.clients["ws://one"].last_message_at = 6
        assert [f.raw for f in await stream.receive()] == [b'{"kind":"beat"}']
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await stream.receive()

    asyncio.run(with_toy(scenario))


def test_the_first_answer_of_trades_may_be_history_and_is_not_told() -> None:
    async def scenario(stream: CcxtStream, toy: Toy) -> None:
        for price in (1.0, 2.0):
            toy.deals.put_nowait([deal(price)])
        async with asyncio.timeout(5):
            (frame,) = await stream.receive()
        assert b'"price":2.0' in frame.raw and b'"price":1.0' not in frame.raw

    asyncio.run(with_toy(scenario))


def test_what_a_venue_leaves_out_of_a_trade() -> None:
    assert ccxt_feed._deal(deal(1.5, id=None, side=None, timestamp=None)) == Deal(1.5, 0.5, "")


@asynccontextmanager
async def gate() -> AsyncIterator[tuple[GateServer, CcxtFeed, list[Instrument]]]:
    async with GateServer().serve() as server:
        feed = CcxtFeed("gate", at=server.at)
        yield server, feed, await asyncio.to_thread(feed.fetch_listed, ["BTC/USDT"])
        await asyncio.sleep(0.05)
        await until(lambda: not server.streams)
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_gate_by_ccxts_own_class_over_loopback() -> None:
    async def scenario() -> None:
        async with gate() as (server, feed, instruments):
            assert instruments == [BTC] and feed.fees == Fees(20.0, 20.0)
            assert server.asked == ["/api/v4/spot/currency_pairs"]
            codec = feed.codec(instruments)

            async def next_of(kind: type) -> Any:
                async with asyncio.timeout(5):
                    while True:
                        for frame in await stream.receive():
                            for event in codec.decode(frame.raw, frame.recv_ns):
                                if isinstance(event, kind):
                                    return event

            async with feed.connect(instruments, StreamConfig()) as stream:
                first = await next_of(BookUpdate)
                assert first.bids.tolist() == [[600_000, 1_500_000], [599_995, 2_000_000]]
                await until(lambda: len(server.heard) == 2)
                await server.trade(1, "60000.1", "0.5", "buy")
                await asyncio.sleep(0.1)
                await server.trade(2, "60000.1", "0.25", "sell")
                assert (await next_of(Trade))[3:] == (2, 600_001, 250_000, -1)
                await server.delta([["60000.0", "0"]], [["60000.1", "0.75"]])
                second = await next_of(BookUpdate)
                assert second.bids.tolist() == [[599_995, 2_000_000]]
                assert second.asks.tolist() == [[600_001, 750_000]]
                await next_of(Heartbeat)
                await server.delta([], [["60000.05", "1"]])
                with pytest.raises(DecodeError, match=r"60000\.05 is not a price of 1 decimals"):
                    await next_of(BookUpdate)

    asyncio.run(scenario())


def test_a_cut_connection_and_one_that_cannot_be_opened() -> None:
    async def scenario() -> None:
        async with gate() as (server, feed, instruments):
            async with feed.connect(instruments, StreamConfig()) as stream:
                server.cut()
                assert "NetworkError" in await end_of(stream)
            server.refuses = True
            with pytest.raises(VenueUnreachable, match="503"):
                async with feed.connect(instruments, StreamConfig()):
                    raise AssertionError
            server.refuses, server.answers = False, False
            with pytest.raises(VenueUnreachable, match=r"nothing came within 0\.2 s"):
                async with feed.connect(instruments, StreamConfig(open_s=0.2, close_s=0.2)):
                    raise AssertionError

    asyncio.run(scenario())


def test_ccxts_pings_are_quick_and_its_patience_is_its_own() -> None:
    async def scenario() -> None:
        async with CcxtFeed("gate")._exchange(1.0, 1.0) as exchange:
            assert exchange.streaming["keepAlive"] == ccxt_feed._PING_MS
            assert exchange.streaming["keepAlive"] * exchange.streaming["maxPingPongMisses"] == 60_000

    asyncio.run(scenario())
