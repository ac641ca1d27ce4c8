"""Unmodified `ccxt.pro` and our own sessions on one exchange of four venues: the same books at one time.

ccxt's option to check Kraken's sums stays off, since it fails inside ccxt. Our codec checks them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from itertools import pairwise
from typing import Any, NamedTuple

import ccxt.pro
import pytest

from citadel_kit import clock
from citadel_kit.exchange.dialects import dialect
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.stream import Stream, connect
from citadel_kit.micro.session import Connect, Effect, Send, Session, SessionConfig, StateChanged
from citadel_kit.types import FeedState, Side
from citadel_kit.venues import codec

VENUES = ("bybit", "okx", "kraken", "coinbase")
SYMBOL = "BTC/USDT"
LEVELS = 10
Book = tuple[list[list[float]], list[list[float]]]
"""The best bids and asks, each a price and a quantity."""


def client(exchange: LocalExchange, name: str, **options: Any) -> Any:
    """ccxt's class with other URLs and nothing else."""
    config = dialect(name).ccxt_config(exchange.urls[name], exchange.urls[name].replace("http", "ws", 1))
    assert set(config) == {"urls"}
    return getattr(ccxt.pro, name)({**config, **options})


class Follower:
    """One of our sessions over `io.stream`; opens a new connection whenever the session wants one."""

    def __init__(self, exchange: LocalExchange, name: str) -> None:
        self.url = exchange.endpoints(name).stream
        self.of = exchange.venue(name).symbols[SYMBOL].instrument
        config = SessionConfig(snapshot_timeout_ns=clock.SECOND)
        self.session = Session(codec(name, [self.of]), [self.of], config)
        self.feed = self.session.feeds[SYMBOL]
        self.states: list[FeedState] = []
        self.books: dict[int, Book] = {}
        """By the venue's time in ms."""
        self.enough = False
        self._again = ""

    @property
    def counts(self) -> dict[str, int]:
        return self.session.counts | self.feed.counts

    async def run(self, seconds: float) -> None:
        """So long, or until it is told that it is `enough`."""
        until_ns = clock.now_ns() + int(seconds * clock.SECOND)
        while clock.now_ns() < until_ns and not self.enough:
            async with connect(self.feed.instrument.venue, self.url) as stream:
                self._again = ""
                self._perform(self.session.on_open(clock.now_ns()), stream)
                while clock.now_ns() < until_ns and not self._again and not self.enough:
                    await self._turn(stream)
            if self._again:
                self._perform(self.session.on_close(clock.now_ns(), self._again, 0.0), stream)

    async def _turn(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(0.1):
                frames = await stream.receive()
        except TimeoutError:
            frames = []
        for frame in frames:
            if frame.raw:
                self._perform(self.session.on_frame(frame.raw, frame.recv_ns), stream)
                self._note()
        self._perform(self.session.on_timer(clock.now_ns()), stream)

    def _perform(self, effects: list[Effect], stream: Stream) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                stream.send(effect.text)
            elif isinstance(effect, StateChanged):
                self.states.append(effect.state)
            elif isinstance(effect, Connect):
                self._again = effect.reason

    def _note(self) -> None:
        book, of = self.feed.book, self.of
        if self.feed.state == FeedState.LIVE:
            bids, asks = (
                [[of.price(p), of.qty(q)] for p, q in book.levels(side, LEVELS).tolist()]
                for side in (Side.BUY, Side.SELL)
            )
            self.books[book.exch_ns // clock.MILLISECOND] = (bids, asks)


class Seen(NamedTuple):
    """What ccxt and our session saw of one venue in the same seconds."""

    market: dict[str, Any]
    books: dict[int, Book]
    trades: list[dict[str, Any]]
    again: Any
    """The book after ccxt left its channel and entered it again, where it knows how."""
    ours: Follower


async def watch_books(watcher: Any, limit: int | None) -> dict[int, Book]:
    books = {}
    for _ in range(20):
        book = await watcher.watch_order_book(SYMBOL, limit)
        bids, asks = ([row[:2] for row in book[side][:LEVELS]] for side in ("bids", "asks"))
        books[book["timestamp"]] = (bids, asks)
    return books


async def watch_trades(watcher: Any) -> list[dict[str, Any]]:
    trades: dict[str, dict[str, Any]] = {}
    while len(trades) < 5:
        trades.update({trade["id"]: trade for trade in await watcher.watch_trades(SYMBOL)})
    return list(trades.values())


async def see(exchange: LocalExchange, name: str) -> Seen:
    ours = Follower(exchange, name)
    async with AsyncExitStack() as ends, asyncio.timeout(20):
        watcher = client(exchange, name)
        ends.push_async_callback(watcher.close)
        markets = await watcher.load_markets()
        books, trades, _ = await asyncio.gather(
            watch_books(watcher, 25 if name == "kraken" else None), watch_trades(watcher), ours.run(2.5)
        )
        again = None
        if name in ("bybit", "okx"):
            await watcher.un_watch_order_book(SYMBOL)
            again = await watcher.watch_order_book(SYMBOL)
    return Seen(markets[SYMBOL], books, trades, again, ours)


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(venues=VENUES, seed=7) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def seen(exchange: LocalExchange) -> dict[str, Seen]:
    """All four venues at once."""

    async def run() -> list[Seen]:
        return await asyncio.gather(*(see(exchange, name) for name in VENUES))

    return dict(zip(VENUES, asyncio.run(run()), strict=True))


@pytest.mark.parametrize("name", VENUES)
def test_ccxt_loads_the_market(exchange: LocalExchange, seen: dict[str, Seen], name: str) -> None:
    market, of = seen[name].market, exchange.venue(name).symbols[SYMBOL].instrument
    assert market["spot"] and market["active"]
    assert market["precision"] == {"price": of.price(of.tick), "amount": of.qty(of.lot)}
    assert market["limits"]["amount"]["min"] == of.qty(of.lot)


@pytest.mark.parametrize("name", VENUES)
def test_ccxt_builds_the_same_books_as_our_session(seen: dict[str, Seen], name: str) -> None:
    theirs, ours = seen[name].books, seen[name].ours.books
    shared = sorted(theirs.keys() & ours.keys())
    assert len(shared) >= 10
    assert [theirs[at] for at in shared] == [ours[at] for at in shared]
    assert len({str(theirs[at]) for at in shared}) > 5  # and not ever the same one


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_ccxt_leaves_and_enters_a_book_again(seen: dict[str, Seen], name: str) -> None:
    book = seen[name].again
    assert book["timestamp"] > max(seen[name].books) and len(book["bids"]) > LEVELS
    assert book["bids"][0][0] < book["asks"][0][0]


@pytest.mark.parametrize("name", VENUES)
def test_our_session_stays_live(seen: dict[str, Seen], name: str) -> None:
    ours = seen[name].ours
    assert ours.states == [FeedState.SYNCING, FeedState.LIVE]
    assert [ours.counts[kind] for kind in ("gaps", "corrupt", "malformed", "refused", "holes")] == [0] * 5
    if name == "kraken":
        assert ours.counts["checksums_right"] == ours.counts["applied"] > 10
    assert ours.counts["heartbeats"] > 0


@pytest.mark.parametrize("name", VENUES)
def test_ccxt_sees_the_trades_of_the_tape(exchange: LocalExchange, seen: dict[str, Seen], name: str) -> None:
    symbol = exchange.venue(name).symbols[SYMBOL]
    of = symbol.instrument
    told = {
        str(trade.trade_id): (of.price(trade.price), of.qty(trade.qty), trade.side)
        for trade in exchange.call(lambda: list(symbol.trades))
    }
    for trade in seen[name].trades:
        price, qty, aggressor = told[trade["id"]]
        assert (trade["price"], trade["amount"]) == (price, qty)
        # Coinbase says the maker's side, and ccxt hands it on as it comes.
        said = -aggressor if name == "coinbase" else aggressor
        assert trade["side"] == ("buy" if said == Side.BUY else "sell")


@pytest.mark.parametrize("name", VENUES)
def test_ccxt_fetches_over_rest(exchange: LocalExchange, name: str) -> None:
    """With a key, as `LocalExchange.ccxt` hands it out: some classes then ask for more."""

    async def run() -> tuple[Any, ...]:
        fetcher = exchange.ccxt(name, enableRateLimit=False)
        try:
            await fetcher.load_markets()
            return (
                await fetcher.fetch_time(),
                await fetcher.fetch_order_book(SYMBOL, 10),
                await fetcher.fetch_ticker(SYMBOL),
                await fetcher.fetch_trades(SYMBOL, limit=5),
                await fetcher.fetch_ohlcv(SYMBOL, "1m", limit=7),
                await fetcher.fetch_ohlcv(SYMBOL, "1h", since=since, limit=5),
            )
        finally:
            await fetcher.close()

    hour = 3_600_000
    since = clock.now_ns() // clock.MILLISECOND - 30 * hour
    time_ms, book, ticker, trades, minutes, hours = asyncio.run(run())
    assert abs(time_ms - clock.now_ns() // clock.MILLISECOND) < 5000
    assert len(book["bids"]) == len(book["asks"]) == 10 and book["bids"][0][0] < book["asks"][0][0]
    assert ticker["bid"] < ticker["ask"] and ticker["last"] > 0
    assert 1 <= len(trades) <= 5
    assert len(minutes) == 7 and {b[0] - a[0] for a, b in pairwise(minutes)} == {60_000}
    assert [bar[0] for bar in hours] == [-(-since // hour) * hour + n * hour for n in range(5)]


@pytest.mark.parametrize("name", VENUES)
def test_private_calls_are_refused_in_the_venues_form(exchange: LocalExchange, name: str) -> None:
    async def run() -> None:
        trader = exchange.ccxt(name, enableRateLimit=False, password="p")
        try:
            await trader.create_order(SYMBOL, "limit", "buy", 1, 1000)
        finally:
            await trader.close()

    with pytest.raises(ccxt.pro.ExchangeError, match="only public market data"):
        asyncio.run(run())


def test_lost_frames_are_gaps_and_every_book_comes_back(exchange: LocalExchange) -> None:
    followers = {name: Follower(exchange, name) for name in VENUES}

    def lost(name: str) -> int:
        return exchange.venue(name).faults.injected.get("lose", 0)

    def back(states: list[FeedState]) -> bool:
        return FeedState.GAP in states and states[-1] == FeedState.LIVE

    async def until(reached: Callable[[], bool]) -> None:
        """Or for a while: what is missing then is told below."""
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not reached():
                    await asyncio.sleep(0.02)

    async def run() -> None:
        jobs = asyncio.gather(*(follower.run(30.0) for follower in followers.values()))
        await until(lambda: all(follower.states[-1:] == [FeedState.LIVE] for follower in followers.values()))
        before = {name: lost(name) for name in VENUES}
        for name in VENUES:
            exchange.faults(name, lose=1.0)
        await asyncio.sleep(0.5)
        await until(lambda: all(lost(name) > before[name] + 5 for name in VENUES))
        for name in VENUES:
            exchange.faults(name, lose=0.0)
        await until(lambda: all(back(follower.states) for follower in followers.values()))
        for follower in followers.values():
            follower.enough = True
        await jobs

    asyncio.run(run())
    for name, follower in followers.items():
        # Coinbase numbers its heartbeats too: a hole may be seen while frames still get lost, and again.
        first = [FeedState.SYNCING, FeedState.LIVE, FeedState.GAP]
        assert follower.states[:3] == first and follower.states[-1] == FeedState.LIVE, follower.feed.reason
        assert name == "coinbase" or len(follower.states) == 4
