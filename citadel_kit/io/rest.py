"""A venue's public REST data: instruments by ccxt, book snapshots as the raw bytes they are.

Candles are in `io.history`.

The faces for people and the macro layer wait for their answer. They work on a thread with a loop of its own,
because the thread of a notebook has a running loop already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from citadel_kit import settings
from citadel_kit.errors import ConfigError, VenueUnreachable
from citadel_kit.io.reach import REACH_S, explain, look_up, tls
from citadel_kit.io.stream import StreamConfig, connect
from citadel_kit.types import Instrument, to_units
from citadel_kit.venues import Endpoints, endpoints

T = TypeVar("T")
_LARGEST: Final = 1 << 62


_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class _Access(NamedTuple):
    """How ccxt reaches one venue, asking for one symbol instead of thousands where the venue can be."""

    name: str
    """ccxt's of the venue."""
    options: Mapping[str, Any] = _NONE
    one_market: str = ""
    """The parameter that names the market, as the venue writes it; empty where it lists all or nothing."""
    lists_none: bool = False
    """Is the list empty where there is no such market? Else the venue says no, or lists the others."""
    ask: str = "fetch_markets"
    also: Mapping[str, str] = _NONE
    """Parameters of `ask`, beside the market's name."""


_SPOT: Final[dict[str, Any]] = {"fetchMarkets": {"types": ["spot"]}}
_LINEAR: Final[dict[str, Any]] = {"fetchMarkets": {"types": ["linear"]}}
_ACCESS: Final = {
    "binance": _Access("binance", _SPOT, "symbol"),
    "binanceusdm": _Access("binanceusdm", _LINEAR),
    "bybit": _Access("bybit", _SPOT, "symbol", lists_none=True),
    "bybitlinear": _Access("bybit", _LINEAR, "symbol", True, "fetch_future_markets", {"category": "linear"}),
    "okx": _Access("okx", _SPOT, "instId"),
    "kraken": _Access("kraken", {}, "pair"),
    "coinbase": _Access("coinbase", {}, "product_ids", lists_none=True),
    "coinbaseexchange": _Access("coinbaseexchange"),
}


# --- for people and the macro layer ---


def check_reachable(venue: str, *, at: Endpoints | None = None, timeout_s: float = REACH_S) -> None:
    """Do REST host and stream answer? Raises VenueUnreachable, or ConfigError for an unknown venue."""
    at = at or endpoints(venue)

    async def stream() -> None:
        async with connect(venue, at.stream, StreamConfig(open_s=timeout_s)):
            pass

    async def rest() -> None:
        async with exchange_at(venue, at, timeout_s, timeout_s) as exchange:
            await exchange.fetch_time()

    apart(_all(rest(), stream()))


def fetch_instruments(
    symbol: str, at: Mapping[str, Endpoints], *, timeout_s: float = REACH_S
) -> dict[str, Instrument]:
    """`fetch_listed` of one symbol at each venue of `at`."""
    return {i.venue: i for i in fetch_listed([(venue, symbol) for venue in at], at, timeout_s=timeout_s)}


def fetch_listed(
    wanted: Sequence[tuple[str, str]], at: Mapping[str, Endpoints], *, timeout_s: float = REACH_S
) -> list[Instrument]:
    """Precision, tick, lot and least order value of each (venue, symbol), as they are today, in this order.

    Raises VenueUnreachable within `timeout_s`; ConfigError where a symbol is not traded.
    """

    async def one(venue: str, symbol: str) -> Instrument:
        async with exchange_at(venue, at[venue], timeout_s, timeout_s) as exchange:
            market = await market_at(exchange, venue, symbol)
        own = settings.own_symbol(venue, symbol)
        return instrument_of(venue, own, settings.venue_symbol(venue, own), market)

    for venue, symbol in wanted:
        settings.venue_symbol(venue, symbol)  # a wrong spelling is known before anybody is asked
    return apart(_all(*(one(venue, symbol) for venue, symbol in wanted)))


# --- for the driver ---


async def fetch_snapshot(venue: str, url: str, *, timeout_s: float = REACH_S) -> bytes:
    """The body of one GET, byte for byte. Raises VenueUnreachable for anything but HTTP 200."""
    import aiohttp

    try:
        async with asyncio.timeout(timeout_s):
            await look_up(url)
            async with session(True) as opened, opened.get(url) as answer:
                return bytes(await answer.read())
    except (aiohttp.ClientError, OSError) as error:
        raise explain(venue, url, error, timeout_s) from error


def instrument_of(venue: str, symbol: str, venue_symbol: str, market: dict[str, Any]) -> Instrument:
    """ccxt's market, with numbers as text, → Instrument.

    Quantities get the decimals of the base asset, which the wire may use though the lot is coarser today,
    unless the venue's largest order would then pass 62 bits. Raises ConfigError where nothing fits.
    """
    precision, limits = market["precision"], market["limits"]
    tick, lot = precision["price"], precision["amount"]
    price_decimals, lot_decimals = _decimals(tick), _decimals(lot)
    qty_decimals = max(lot_decimals, _decimals(precision.get("base") or lot))
    largest = Decimal(limits["amount"]["max"] or 0)
    if largest.scaleb(qty_decimals) >= _LARGEST:
        qty_decimals = lot_decimals
    if largest.scaleb(qty_decimals) >= _LARGEST:
        raise ConfigError("symbol", f"{symbol} on {venue}: its quantities pass 62 bits")
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=venue_symbol,
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        tick=to_units(_plain(tick), price_decimals),
        lot=to_units(_plain(lot), qty_decimals),
        min_notional=to_units(_plain(limits["cost"]["min"] or "0"), price_decimals + qty_decimals),
        contract_size=float(market["contractSize"] or 1.0),
    )


# --- how ---


def apart(job: Coroutine[Any, Any, T]) -> T:
    """Await on a thread with its own loop. An interrupt of the caller cancels the job."""
    inside: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def tracked() -> T:
        task = asyncio.current_task()
        assert task is not None
        inside.append((asyncio.get_running_loop(), task))
        return await job

    with ThreadPoolExecutor(1, thread_name_prefix="citadel-rest") as pool:
        future = pool.submit(lambda: asyncio.run(tracked()))
        try:
            return future.result()
        except KeyboardInterrupt:
            for loop, task in inside:
                loop.call_soon_threadsafe(task.cancel)
            raise


async def _all(*jobs: Coroutine[Any, Any, T]) -> list[T]:
    """Side by side. The first failure is raised when all have ended, so that none leaves a socket behind."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


@asynccontextmanager
async def session(check: Any) -> AsyncIterator[Any]:
    """An aiohttp session; `check`: True or what judges an answer's status."""
    import aiohttp

    connector = aiohttp.TCPConnector(ssl=tls())
    async with aiohttp.ClientSession(connector=connector, raise_for_status=check) as opened:
        yield opened


@asynccontextmanager
async def exchange_at(
    venue: str, at: Endpoints, request_s: float, total_s: float | None = None
) -> AsyncIterator[Any]:
    """A ccxt exchange on a session of ours. What goes wrong inside comes out as an error of ours."""
    import aiohttp
    import ccxt.async_support as ccxt

    access = _ACCESS.get(venue)
    if access is None:
        raise ConfigError("venue", f"no public data are known for {venue!r}", f"Known: {', '.join(_ACCESS)}")

    async def check(answer: aiohttp.ClientResponse) -> None:
        if answer.status != 400:  # its body says what was wrong with the question
            answer.raise_for_status()

    try:
        async with asyncio.timeout(total_s):
            async with asyncio.timeout(request_s):
                await look_up(at.rest)
            async with session(check) as opened:
                exchange = getattr(ccxt, access.name)(
                    {
                        "session": opened,
                        "enableRateLimit": True,
                        "timeout": int(request_s * 1000),
                        "number": str,
                        "options": dict(access.options),
                    }
                )
                exchange.timeout_on_exit = 0
                exchange.urls["api"] = {
                    part: exchange.implode_hostname(url).replace(endpoints(venue).rest, at.rest, 1)
                    for part, url in exchange.urls["api"].items()
                }
                try:
                    yield exchange
                finally:
                    await exchange.close()
    except (ccxt.BadSymbol, ccxt.BadRequest) as error:
        raise ConfigError("symbol, timeframe", f"{venue} does not know them: {error}") from error
    except (ccxt.BaseError, aiohttp.ClientError, OSError) as error:
        if "EQuery:Unknown asset pair" in str(error):  # Kraken's, which ccxt has no class for
            raise ConfigError("symbol", f"{venue} does not know it: {error}") from error
        raise explain(venue, at.rest, error, total_s or request_s) from error


async def market_at(exchange: Any, venue: str, symbol: str) -> dict[str, Any]:
    """The one market, known to `exchange` from now on."""
    access = _ACCESS[venue]
    wish = {access.one_market: settings.venue_symbol(venue, symbol)} if access.one_market else {}
    _, _, settle, expiry = settings.check_symbol(symbol)
    if venue == "okx" and settle is not None:  # it lists each kind of contract apart
        exchange.options["fetchMarkets"] = {"types": ["swap" if expiry is None else "future"]}
    markets = await getattr(exchange, access.ask)({**access.also, **wish})
    if not markets and access.lists_none:
        raise ConfigError("symbol", f"{venue} lists no {symbol!r}", "Write it as BASE/QUOTE: BTC/USDT")
    if not markets:
        hint = "A login page or a proxy may stand between"
        raise VenueUnreachable(venue, "what answers lists no market", hint)
    exchange.set_markets(markets)
    market: dict[str, Any] | None = exchange.markets.get(settings.ccxt_symbol(venue, symbol))
    if market is None:
        raise ConfigError("symbol", f"{venue} does not list {symbol!r}", "Write it as BASE/QUOTE: BTC/USDT")
    if market["active"] is False:
        raise ConfigError("symbol", f"{symbol} is not being traded on {venue} now")
    return market


def _plain(text: str) -> str:
    """`1e-05` → `0.00001`, `0.010` → `0.01`: what `to_units` reads."""
    plain = format(Decimal(text), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _decimals(text: str) -> int:
    return len(_plain(text).partition(".")[2])
