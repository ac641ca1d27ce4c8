"""From a few words to a world: which market, which venues, which instruments, fees and keys."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.exchange.agents import DOLLARS, AgentMarket
from citadel_kit.exchange.candles import Candles, Rows, from_frame, made_up
from citadel_kit.exchange.dialects import NAMES
from citadel_kit.exchange.faults import Faults, ScheduledFault
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.markets import Market
from citadel_kit.exchange.streamed import LiveMarket
from citadel_kit.exchange.taped import TapeMarket
from citadel_kit.exchange.venue import ApiKey, Symbol, Venue
from citadel_kit.exchange.world import World
from citadel_kit.io.rest import fetch_listed
from citadel_kit.io.store import read_candles
from citadel_kit.io.tape import Tape
from citadel_kit.micro.matching import UNIT, Accounts, MatchingEngine, QueueConfig
from citadel_kit.micro.quoted import currencies
from citadel_kit.types import Instrument
from citadel_kit.venues import Endpoints, endpoints

ACCOUNT: Final = "main"
FILLS: Final = {"queue": QueueConfig(), "pessimistic": QueueConfig(pessimistic=True)}
_GENERIC: Final = Instrument(
    venue="", symbol="", venue_symbol="", price_decimals=2, qty_decimals=5, min_notional=5 * 10**7
)
_OF_DOLLARS: Final = replace(_GENERIC, price_decimals=5, min_notional=5 * 10**10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """What a local exchange is to be."""

    market: str | Market = "synthetic"
    """`synthetic`, `tape:PATH`, `live:VENUE`, or one made by hand."""
    venues: Sequence[str] = ("binance",)
    symbols: Sequence[str] = ("BTC/USDT",)
    balances: Mapping[str, float] = field(default_factory=lambda: {"USDT": 100_000, "BTC": 1})
    """Of the account `main` at each venue."""
    seed: int = 1
    fill: str = "queue"
    """How the outside market fills orders at rest: `queue`, or `pessimistic`, only when traded through."""
    latency: Latency = Latency()  # noqa: RUF009
    """Of orders on their way there, and of reports and answers on their way back."""
    start_prices: Mapping[str, float] = field(default_factory=dict)
    """Of a synthetic market: in dollars, by base asset."""
    annual_volatility: float = 0.5
    crash_at_s: float | None = None
    crash_fraction: float = 0.05
    tape_venue: str = ""
    """Where a tape was recorded; the first of `venues` where it is empty."""
    loop: bool = True
    """Does a tape begin anew at its end?"""
    candles: str = ""
    """A Parquet file of real candles from before the start; else a history is made up."""
    faults: Sequence[ScheduledFault] = ()
    """Of the first venue."""
    live_at: Endpoints | None = None
    """Other addresses than the live venue's own."""


def build_world(config: ExchangeConfig, start_ns: int, clock: Callable[[], int] | None = None) -> World:
    """Raises ConfigError for what makes no exchange, DataError for files that can't be read, VenueUnreachable
    for a live market that is out of reach."""
    _check(config)
    market = open_market(config, start_ns)
    world = World(market, start_ns, clock)
    for name in config.venues:
        world.venues[name] = _venue(config, name, market, world)
    if config.faults:
        world.schedule(config.venues[0], config.faults)
    return world


def open_market(config: ExchangeConfig, start_ns: int) -> Market:
    if not isinstance(config.market, str):
        return config.market
    kind, _, rest = config.market.partition(":")
    if kind == "synthetic" and not rest:
        own = {v: [instrument_for(v, s) for s in config.symbols] for v in config.venues}
        return AgentMarket(
            own,
            start_ns=start_ns,
            seed=config.seed,
            start_prices=config.start_prices,
            annual_volatility=config.annual_volatility,
            crash_at_s=config.crash_at_s,
            crash_fraction=config.crash_fraction,
        )
    if kind == "tape" and rest:
        taped = settings.instrument(config.tape_venue or config.venues[0], config.symbols[0])
        return TapeMarket(Tape(Path(rest), taped), config.venues, start_ns=start_ns, loop=config.loop)
    if kind == "live" and rest:
        at = config.live_at or endpoints(rest)
        listed = fetch_listed([(rest, symbol) for symbol in config.symbols], {rest: at})
        return LiveMarket(listed, at, config.venues, start_ns=start_ns)
    raise ConfigError("market", f"{config.market!r} is none", "synthetic, tape:PATH or live:VENUE")


def instrument_for(venue: str, symbol: str) -> Instrument:
    """As the venue has it where that is known, else with usual decimals: five for a dollar in dollars."""
    if settings.is_known(venue, symbol):
        return settings.instrument(venue, symbol)
    name = settings.venue_symbol(venue, symbol)
    usual = _OF_DOLLARS if set(currencies(symbol)) <= set(DOLLARS) else _GENERIC
    return replace(usual, venue=venue, symbol=symbol, venue_symbol=name)


def make_key(seed: int, venue: str, account: str = ACCOUNT) -> ApiKey:
    """A key that is worth nothing anywhere else, the same for the same seed."""
    made = hashlib.sha256(f"citadel local exchange {seed} {venue} {account}".encode()).hexdigest()
    return ApiKey(key=f"local{made[:27]}", secret=made[32:], account=account)


def balance_units(amount: float) -> int:
    """In 10**-18 of the asset; what a float is written as, not what it is in binary."""
    return int(Decimal(str(amount)).scaleb(UNIT))


def _check(config: ExchangeConfig) -> None:
    if isinstance(config.venues, str) or isinstance(config.symbols, str):
        raise ConfigError("venues, symbols", "are lists of names", 'As ("binance", "kraken")')
    if config.seed < 0:
        raise ConfigError("seed", f"{config.seed} is below 0")
    for setting, given, known in (
        ("venues", config.venues, NAMES),
        ("fill", [config.fill], FILLS),
    ):
        wrong = [name for name in given if name not in known]
        if wrong or not given or len(set(given)) < len(given):
            text = f"{', '.join(wrong) or 'nothing, or one twice'}: can't be"
            raise ConfigError(setting, text, f"Known: {', '.join(known)}")
    if not config.symbols or len(set(config.symbols)) < len(config.symbols):
        raise ConfigError("symbols", "one or more, each once", "As BTC/USDT")
    for asset, amount in config.balances.items():
        if not 0 <= amount <= 1e15:
            raise ConfigError("balances", f"{amount:g} {asset}", "From 0 to 1e15")


def _venue(config: ExchangeConfig, name: str, market: Market, world: World) -> Venue:
    accounts, fees = Accounts(), settings.fees(name)
    symbols = {}
    for instrument in market.instruments[name]:
        engine = MatchingEngine(
            instrument,
            accounts,
            maker_ppm=round(fees.maker_bps * 100),
            taker_ppm=round(fees.taker_bps * 100),
            queue=FILLS[config.fill],
        )
        candles = Candles(instrument.symbol, _history(config, instrument, market, world.start_ns))
        symbols[instrument.symbol] = Symbol(instrument, engine, candles)
    faults = Faults(zlib.crc32(f"{config.seed} {name}".encode()))
    venue = Venue(
        name, world, symbols, accounts, fees, faults, to_venue=config.latency, from_venue=config.latency
    )
    balances = {asset: balance_units(amount) for asset, amount in config.balances.items()}
    venue.add_key(make_key(config.seed, name), balances)
    return venue


def _history(config: ExchangeConfig, instrument: Instrument, market: Market, end_ns: int) -> Rows | None:
    if config.candles:
        return from_frame(read_candles(config.candles), instrument, end_ns)
    if isinstance(market, AgentMarket):
        seed = zlib.crc32(f"{config.seed} {instrument.symbol.split('/')[0]}".encode())
        return made_up(seed, instrument, end_ns, market.start_price(instrument), config.annual_volatility)
    return None
