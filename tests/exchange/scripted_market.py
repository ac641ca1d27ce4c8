"""A market whose every event a test writes down, and worlds made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from citadel_kit.exchange.build import ExchangeConfig, build_world
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideLost, OutsideTrade
from citadel_kit.exchange.venue import Depth, Top, Venue
from citadel_kit.exchange.world import World
from citadel_kit.micro.matching import OrderRequest, OrderType
from citadel_kit.types import Instrument, Side

START_NS = 1_723_118_400 * 10**9
MS = 1_000_000
SECOND = 1_000_000_000
SYMBOL = "BTC/USDT"
BTCUSDT = Instrument(
    venue="binance",
    symbol=SYMBOL,
    venue_symbol="BTCUSDT",
    price_decimals=2,
    qty_decimals=5,
    min_notional=5 * 10**7,
)


def book(ms: float, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], snapshot: bool = True,
         venue: str = "binance") -> OutsideBook:  # fmt: skip
    return OutsideBook(START_NS + int(ms * MS), venue, SYMBOL, snapshot, list(bids), list(asks))


def trade(ms: float, price: int, qty: int, side: Side, venue: str = "binance") -> OutsideTrade:
    return OutsideTrade(START_NS + int(ms * MS), venue, SYMBOL, price, qty, side)


def lost(ms: float) -> OutsideLost:
    return OutsideLost(START_NS + int(ms * MS), "binance", SYMBOL)


OPENING = book(0, [(6_000_000, 100_000), (5_999_900, 200_000)], [(6_000_100, 150_000), (6_000_200, 300_000)])


class Scripted:
    """A `Market`."""

    start_ns = START_NS

    def __init__(self, *events: OutsideEvent) -> None:
        self.instruments = {"binance": [BTCUSDT]}
        self._events = events or (OPENING,)

    def events(self) -> Iterator[OutsideEvent]:
        return iter(self._events)


def scripted_world(*events: OutsideEvent, **config: Any) -> World:
    return build_world(ExchangeConfig(market=Scripted(*events), **config), START_NS)


def synthetic_world(**config: Any) -> World:
    return build_world(ExchangeConfig(**config), START_NS)


def limit(side: Side, price: int, qty: int, **other: Any) -> OrderRequest:
    return OrderRequest(
        account="main", symbol=SYMBOL, side=side, type=OrderType.LIMIT, price=price, qty=qty, **other
    )


def heard(venue: Venue) -> list[Any]:
    """A list that every market event is added to."""
    events: list[Any] = []
    venue.listen(events.append)
    return events


def tops(events: list[Any]) -> list[Top]:
    return [event for event in events if isinstance(event, Top)]


def depths(events: list[Any]) -> list[Depth]:
    return [event for event in events if isinstance(event, Depth)]
