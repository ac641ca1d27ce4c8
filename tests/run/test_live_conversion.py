"""A conversion quote over real sockets: a venue in USDT, one in USD, and USDT/USD between them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import loopback
import pytest
from aiohttp import WSMsgType, web
from fake_venues import Okx, Said
from local_venue import LocalVenue
from tape_server import listed

from citadel_kit import clock, ladder
from citadel_kit.io.stream import StreamConfig
from citadel_kit.micro import flow
from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.live import LiveDriver
from citadel_kit.types import FeedState, MicroSnapshot
from citadel_kit.venues import Endpoints

pytestmark = pytest.mark.filterwarnings("error")

QUOTES = QuoteConfig(conversion_max_age_ns=clock.SECOND // 2)
TICKS = {"BTC-USD": ("0.1", "0.00000001"), "USDT-USD": ("0.0001", "0.0001")}


class Dollars:
    """OKX on loopback, with BTC/USD and USDT/USD."""

    def __init__(self) -> None:
        self.books = {
            "BTC-USD": ([("60090.0", "1")], [("60100.0", "1")]),
            "USDT-USD": ([("0.9990", "100000")], [("0.9992", "100000")]),
        }
        self.seqs = dict.fromkeys(self.books, 10)
        self.subscribed: list[str] = []
        self.said_ns = 0
        self._wire, self._streams = Okx(), set[web.WebSocketResponse]()
        self._thread = loopback.LoopbackThread("dollars")

    @property
    def at(self) -> Endpoints:
        return Endpoints(f"ws://127.0.0.1:{self.port}/stream", f"http://127.0.0.1:{self.port}")

    def say(self, name: str, *, lost: int = 0) -> None:
        """An update that changes nothing, after `lost` others."""

        async def send() -> None:
            before = self.seqs[name] + lost
            self.seqs[name] = before + 1
            self.said_ns = clock.now_ns()
            said = Said(name, False, (before + 1, before + 1, before), self.books[name][0], [], 0)
            for stream in self._streams:
                await stream.send_str(self._wire.book(said, clock.now_ns()).decode())

        self._thread.run(send())

    def __enter__(self) -> Dollars:
        self._thread.start()
        self._thread.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(loopback.end(self._runner))
        self._thread.end()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/{path:.*}", self._instrument)
        self._runner = await loopback.start(app)
        self.port: int = self._runner.addresses[0][1]

    async def _instrument(self, request: web.Request) -> web.Response:
        name = request.query["instId"]
        return web.json_response(listed("okx", name, *name.split("-"), *TICKS[name]))

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self._streams.add(stream)
        try:
            async for message in stream:
                if message.type == WSMsgType.TEXT:
                    await self._hear(stream, message.data)
        except ConnectionError:
            pass
        finally:
            self._streams.discard(stream)
        return stream

    async def _hear(self, stream: web.WebSocketResponse, text: str) -> None:
        if text == "ping":
            await stream.send_str("pong")
            return
        heard = self._wire.hear(json.loads(text))
        for answer in heard.answers:
            await stream.send_str(answer.decode())
        for name in heard.begins:
            self.subscribed.append(name)
            seq = self.seqs[name]
            said = Said(name, True, (seq, seq, -1), *self.books[name], 0)
            await stream.send_str(self._wire.book(said, clock.now_ns()).decode())


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    ladder.warm_up()
    flow.warm_up()
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(2)
    assert not [thread for thread in left if thread.is_alive()]


@pytest.fixture
def both() -> Iterator[tuple[HybridConnector, Dollars]]:
    with LocalVenue() as binance, Dollars() as dollars:
        driver = LiveDriver(
            ("binance", "okx"),
            {"binance": "BTC/USDT", "okx": "BTC/USD"},
            conversions={"okx": "USDT/USD"},
            at={"binance": binance.at, "okx": dollars.at},
            stream=StreamConfig(close_s=0.2),
        )
        with HybridConnector(driver, quotes=QUOTES) as kit:
            kit.wait_live()
            yield kit, dollars


def wait(
    kit: HybridConnector, true: Callable[[MicroSnapshot], Any], *, with_news: Any = None
) -> MicroSnapshot:
    for _ in range(100):
        if with_news is not None:
            with_news()
        snapshot = kit.run_for(0.05)
        if true(snapshot):
            return snapshot
    raise AssertionError(snapshot)


def converted(snapshot: MicroSnapshot) -> bool:
    return snapshot.quote.bid_venue == "okx"


def test_the_quote_uses_the_conversion_while_it_is_fresh_and_not_a_moment_longer(
    both: tuple[HybridConnector, Dollars],
) -> None:
    kit, dollars = both
    for _ in range(2):
        quote = wait(kit, converted, with_news=lambda: dollars.say("USDT-USD")).quote
        assert (quote.bid_venue, quote.ask_venue, quote.currency) == ("okx", "binance", "USDT")
        assert math.isclose(quote.bid, 60_090 / 0.9992, abs_tol=0.1), "dollars buy USDT at its ask"
        assert quote.ask == 60_000.02 and quote.crossed and quote.apart == ()
        assert kit.snapshot().venue("okx").left_out == ""

        stale = wait(kit, lambda s: not converted(s))
        assert (stale.quote.bid_venue, stale.quote.ask_venue) == ("binance", "binance")
        assert [(q.bid, q.ask, q.currency) for q in stale.quote.apart] == [(60_090.0, 60_100.0, "USD")]
        left_out = stale.venue("okx").left_out
        assert left_out.startswith("it stands apart: of USDT/USD, its book has not changed for 0.")
        assert stale.venue("okx").state == FeedState.LIVE, "the venue itself is well"
        late_ns = dollars.said_ns + QUOTES.conversion_max_age_ns + clock.SECOND // 4
        assert not any(converted(seen) for seen in kit.past(late_ns))


def test_a_hole_in_the_conversions_stream_drops_it_and_the_venue_brings_it_back(
    both: tuple[HybridConnector, Dollars],
) -> None:
    kit, dollars = both
    wait(kit, converted, with_news=lambda: dollars.say("USDT-USD"))
    before = len(dollars.subscribed)
    dollars.say("USDT-USD", lost=3)
    wait(kit, lambda _: len(dollars.subscribed) > before)
    assert dollars.subscribed[before:] == ["USDT-USD"], "that book alone"
    assert wait(kit, converted, with_news=lambda: dollars.say("USDT-USD")).venue("okx").counts["gaps"] == 0
