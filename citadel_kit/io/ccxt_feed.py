"""Venues that the kit has no codec for, through ccxt.pro: the same events, and nothing that proves them.

ccxt keeps the book, and of most venues it checks nothing. So what comes from here is UNVERIFIED: it is shown,
and it counts in the global quote and for entries only where the user says so (`QuoteConfig.verified_only`,
`GateConfig.verified_only`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from citadel_kit import settings
from citadel_kit.errors import ConfigError, VenueUnreachable
from citadel_kit.io import rest
from citadel_kit.io.reach import REACH_S, explain, look_up
from citadel_kit.io.stream import Inbox, StreamConfig
from citadel_kit.types import Codec, Instrument
from citadel_kit.venues import Endpoints
from citadel_kit.venues.unified import Beat, Book, Deal, Deals, Unified

DEPTH: Final = 100
"""Levels a side that are handed on: as many as the aggregator looks at."""
LIST_S: Final = 20.0
"""For the list of markets: most venues have only the whole one."""
_BEAT_S: Final = 1.0
_PING_MS: Final = 2_000
"""Between ccxt's own pings, which it sends every 6 to 180 s if it is let: what comes back is the only sign of
life of a market in which nothing happens."""
_HOST: Final = re.compile(r"^(http|ws)s?://[^/]+")
_BEAT: Final = msgspec.json.encode(Beat())


class CcxtFeed:
    """One venue by its ccxt name, for `LiveDriver` beside the names of the kit's own venues.

    Raises ConfigError where ccxt.pro has no such venue, or no order book of it. `at`: another scheme and host
    than the venue's own, the paths staying as they are; one that has a path is refused with ConfigError.
    """

    def __init__(self, venue: str, *, at: Endpoints | None = None) -> None:
        import ccxt.pro

        kind = getattr(ccxt.pro, venue, None)
        if not (isinstance(kind, type) and issubclass(kind, ccxt.async_support.Exchange)):
            raise ConfigError("venue", f"ccxt.pro has no {venue!r}", "Its names are in ccxt.pro.exchanges")
        self.venue = venue
        self.fees: settings.Fees | None = None
        """The venue's usual ones of the first symbol that was listed; None where ccxt does not know them."""
        for field, url, scheme in (("stream", at.stream, "ws"), ("rest", at.rest, "http")) if at else ():
            if not re.fullmatch(scheme + r"s?://[^/?#\s]+/?", url):
                wanted = (
                    f"Write {scheme}://HOST:PORT or {scheme}s://HOST:PORT; the paths stay as ccxt has them"
                )
                raise ConfigError(f"at.{field}", f"{url!r} is not a scheme and host", wanted)
        self._kind, self._at = kind, at
        self._markets: list[dict[str, Any]] = []
        if not kind().has["watchOrderBook"]:
            raise ConfigError("venue", f"ccxt.pro has no order book of {venue!r}")

    def __repr__(self) -> str:
        return f"CcxtFeed({self.venue!r})"

    def fetch_listed(self, symbols: Sequence[str], *, timeout_s: float = REACH_S) -> list[Instrument]:
        """The instruments of these unified symbols, as they are today, in this order.

        Raises VenueUnreachable, for an unknown host within `timeout_s`, else within `LIST_S`; ConfigError for
        a symbol that is spelt otherwise, not traded, or has no fixed tick.
        """
        for symbol in symbols:
            settings.check_symbol(symbol)
        return rest.apart(self._fetch_listed(symbols, timeout_s))

    def codec(self, instruments: Sequence[Instrument]) -> Codec:
        return Unified(instruments, self.venue)

    @asynccontextmanager
    async def connect(
        self, instruments: Sequence[Instrument], config: StreamConfig
    ) -> AsyncIterator[CcxtStream]:
        """Raises VenueUnreachable when nothing has come after `open_s`."""
        async with self._exchange(config.open_s, config.close_s) as exchange:
            url = _rest_url(exchange)
            try:
                async with asyncio.timeout(config.open_s):
                    await look_up(url)
            except OSError as error:
                raise explain(self.venue, url, error, config.open_s) from error
            exchange.set_markets(self._markets)
            stream = CcxtStream(self.venue, exchange, [i.symbol for i in instruments], config)
            try:
                await stream.first(config.open_s)
                yield stream
            finally:
                await stream.close()

    async def _fetch_listed(self, symbols: Sequence[str], timeout_s: float) -> list[Instrument]:
        import ccxt

        async with self._exchange(LIST_S, 1.0) as exchange:
            url = _rest_url(exchange)
            try:
                async with asyncio.timeout(timeout_s):
                    await look_up(url)
                async with asyncio.timeout(LIST_S):
                    _narrow(exchange.options, symbols)
                    markets = exchange.set_markets(await exchange.fetch_markets())
            except Exception as error:  # its parsers raise more than its errors
                raise explain(self.venue, url, error, LIST_S) from error
            self._markets = [_market(self.venue, markets, symbol) for symbol in symbols]
            if exchange.precisionMode != ccxt.TICK_SIZE:
                raise ConfigError("venue", f"{self.venue} has no fixed ticks")
        maker, taker = self._markets[0].get("maker"), self._markets[0].get("taker")
        if maker is not None and taker is not None:
            self.fees = settings.Fees(maker * 1e4, taker * 1e4)
        return [
            rest.instrument_of(self.venue, symbol, market["id"], _texts(market))
            for symbol, market in zip(symbols, self._markets, strict=True)
        ]

    @asynccontextmanager
    async def _exchange(self, request_s: float, close_s: float) -> AsyncIterator[Any]:
        """A ccxt exchange of its own for every connection: no book of an earlier one can be in it."""
        async with rest.session(False) as session:
            exchange: Any = self._kind(
                {"session": session, "enableRateLimit": True, "timeout": int(request_s * 1000)}
            )
            exchange.timeout_on_exit = 0
            patience_ms = exchange.streaming["keepAlive"] * exchange.streaming["maxPingPongMisses"]
            exchange.streaming |= {"keepAlive": _PING_MS, "maxPingPongMisses": patience_ms / _PING_MS}
            if self._at is not None:
                exchange.urls["api"] = _moved(exchange.urls["api"], self._at)
            try:
                yield exchange
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(close_s):
                        await exchange.close()


class CcxtStream(Inbox):
    """An open connection; made by `CcxtFeed.connect`."""

    def __init__(self, venue: str, exchange: Any, symbols: Sequence[str], config: StreamConfig) -> None:
        super().__init__(venue, config.max_waiting)
        self._exchange = exchange
        self._clients: dict[str, Any] = {}
        jobs = [self._beat(), *(self._books(symbol) for symbol in symbols)]
        if exchange.has["watchTrades"]:
            jobs += [self._trades(symbol) for symbol in symbols]
        self._tasks = [asyncio.create_task(self._until_it_fails(job)) for job in jobs]

    async def first(self, seconds: float) -> None:
        """Until something came."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            raise VenueUnreachable(self._venue, f"nothing came within {seconds:g} s") from None
        if self._end:
            raise VenueUnreachable(self._venue, self._end)

    def send(self, text: str) -> None:
        """Not for ccxt, which subscribes itself."""

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_it_fails(self, job: Coroutine[Any, Any, None]) -> None:
        """Whatever ccxt raises, its book is not to be believed any more."""
        try:
            await job
        except VenueUnreachable as error:
            self._finish(error.problem)
        except Exception as error:  # noqa: BLE001 - ccxt's handlers raise more than ccxt's errors
            text = " ".join(str(error).split())[:200]
            self._finish(f"ccxt: {type(error).__name__}: {text}")

    async def _books(self, symbol: str) -> None:
        while True:
            book = await self._exchange.watch_order_book(symbol)
            bids, asks = ([(row[0], row[1]) for row in book[side][:DEPTH]] for side in ("bids", "asks"))
            self._say(Book(symbol, bids, asks, book.get("timestamp") or 0, _nonce(book.get("nonce"))))

    async def _trades(self, symbol: str) -> None:
        await self._exchange.watch_trades(symbol)  # the first answer may be history
        while True:
            rows = await self._exchange.watch_trades(symbol)
            self._say(Deals(symbol, [_deal(row) for row in rows]))

    async def _beat(self) -> None:
        """Once a second, if something came over every connection that ccxt has."""
        heard = 0
        while True:
            await asyncio.sleep(_BEAT_S)
            clients = list(self._exchange.clients.values())
            newest = min((client.last_message_at or 0 for client in clients), default=0)
            if newest > heard:
                heard = newest
                self._came(_BEAT)

    def _say(self, message: Book | Deals) -> None:
        """ccxt may connect anew without a word, and go on with the book of before."""
        clients = self._exchange.clients
        if any(clients.get(url) is not client for url, client in self._clients.items()):
            raise VenueUnreachable(self._venue, "its connection ended, and ccxt opened another")
        self._clients.update(clients)
        self._came(msgspec.json.encode(message))


def _nonce(given: Any) -> int:
    return given if isinstance(given, int) and 0 <= given < 1 << 62 else -1


def _deal(row: dict[str, Any]) -> Deal:
    identity, side = str(row.get("id") or ""), str(row.get("side") or "")
    return Deal(float(row["price"]), float(row["amount"]), side, row.get("timestamp") or 0, identity)


def _market(venue: str, markets: dict[str, dict[str, Any]], symbol: str) -> dict[str, Any]:
    market = markets.get(symbol)
    if market is None:
        raise ConfigError("symbol", f"{venue} does not list {symbol!r}", "Write it as BASE/QUOTE: BTC/USDT")
    if market["active"] is False:
        raise ConfigError("symbol", f"{symbol} is not being traded on {venue} now")
    precision = market["precision"] or {}
    if precision.get("price") is None or precision.get("amount") is None:
        raise ConfigError("symbol", f"{symbol} has no fixed tick and lot on {venue}")
    return market


def _texts(node: Any) -> Any:
    """Numbers as text: the shortest that is the number, which is how the venue wrote it."""
    if isinstance(node, dict):
        return {key: _texts(value) for key, value in node.items()}
    return str(node) if isinstance(node, int | float) and not isinstance(node, bool) else node


def _narrow(options: dict[str, Any], symbols: Sequence[str]) -> None:
    """Where a venue lists its spot market apart, nothing else is asked for."""
    listing = options.get("fetchMarkets")
    if not isinstance(listing, dict):
        return
    kinds = listing.get("types")
    if isinstance(kinds, list) and "spot" in kinds and not any(":" in symbol for symbol in symbols):
        options["fetchMarkets"] = {**listing, "types": ["spot"]}


def _moved(node: Any, at: Endpoints) -> Any:
    """ccxt's URLs, of any nesting, with the scheme and host of `at`."""
    if isinstance(node, dict):
        return {key: _moved(value, at) for key, value in node.items()}
    if not isinstance(node, str):
        return node
    origin = (at.stream if node.startswith("ws") else at.rest).removesuffix("/")
    return _HOST.sub(lambda _: origin, node)


def _rest_url(exchange: Any) -> str:
    """The first of the venue's REST addresses, for the look-up of its host."""
    waiting = [exchange.urls["api"]]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, str) and node.startswith("http"):
            return str(exchange.implode_hostname(node))
    raise ConfigError("venue", f"ccxt has no REST address of {exchange.id!r}")
