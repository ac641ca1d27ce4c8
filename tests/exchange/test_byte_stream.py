"""The same seed and the same calls give the same bytes: what each dialect would send, in virtual time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from scripted_market import MS, START_NS, SYMBOL, limit, synthetic_world

from citadel_kit.exchange.dialects.binance import api_of, frames, userdata
from citadel_kit.exchange.dialects.binance.text import Scale
from citadel_kit.exchange.dialects.bybit.stream import BybitStream
from citadel_kit.exchange.dialects.coinbase.stream import CoinbaseStream
from citadel_kit.exchange.dialects.kraken.stream import KrakenStream
from citadel_kit.exchange.dialects.okx.stream import OkxStream
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.venue import AccountEvent, Depth, MarketEvent, Print, Venue
from citadel_kit.types import Side

WIRES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "bybit": (
        BybitStream,
        [{"op": "subscribe", "args": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]}],
    ),
    "okx": (
        OkxStream,
        [{"op": "subscribe", "args": [{"channel": c, "instId": "BTC-USDT"}]} for c in ("books", "trades")],
    ),
    "kraken": (
        KrakenStream,
        [
            {"method": "subscribe", "params": {"channel": c, "symbol": ["BTC/USDT"]}}
            for c in ("book", "trade")
        ],
    ),
    "coinbase": (
        CoinbaseStream,
        [
            {"type": "subscribe", "product_ids": ["BTC-USDT"], "channel": c}
            for c in ("level2", "market_trades")
        ],
    ),
}
"""Its wire, and what subscribes to book and trades there."""


def binance(venue: Venue, said: list[str]) -> None:
    """Streams and user data, as Binance's dialect renders them."""
    symbol, api = venue.symbols[SYMBOL], api_of(venue)
    scale = Scale(symbol.instrument)

    def tell(event: MarketEvent) -> None:
        if isinstance(event, Depth):
            said.append(frames.diff(symbol, scale, event))
        elif isinstance(event, Print):
            said.append(frames.trade(symbol, scale, event))
        else:
            said.append(frames.book_ticker(symbol, scale, event))

    def report(event: AccountEvent) -> None:
        said.extend(msgspec.json.encode(e).decode() for e in userdata.events(api, event))

    venue.listen(tell)
    venue.listen_account("main", report)


def stream(seed: int) -> dict[str, list[str]]:
    """Three seconds of five venues: orders, cancels, latency with jitter, and faults of every report."""
    names = ("binance", *WIRES)
    world = synthetic_world(venues=names, seed=seed, latency=Latency("lognormal", 8, 0.7))
    said: dict[str, list[str]] = {name: [] for name in names}
    world.advance(START_NS)
    binance(world.venues["binance"], said["binance"])
    for name, (wire, requests) in WIRES.items():
        end = wire(world.venues[name], 1)
        told = said[name]
        told += [out.text for out in end.opened()]
        told += [out.text for request in requests for out in end.heard(json.dumps(request))]
        world.venues[name].listen(lambda e, end=end, told=told: told.extend(o.text for o in end.saw(e)))
    for venue in world.venues.values():
        venue.faults.set(late_report=0.3, late_report_ms=150.0, duplicate_report=0.3)
    for step in range(1, 31):
        world.advance(START_NS + step * 100 * MS)
        for venue in world.venues.values():
            of, engine = venue.symbols[SYMBOL].instrument, venue.engine(SYMBOL)
            bid, _, ask, _ = engine.top()
            price = ask if step % 3 == 0 else bid - (step % 5) * of.tick
            venue.place(limit(Side.BUY, price, 10**of.qty_decimals // 200))
            if step % 4 == 0:
                venue.cancel_all(SYMBOL, "main")
    return said


@pytest.fixture(scope="module")
def once() -> dict[str, list[str]]:
    return stream(1)


@pytest.fixture(scope="module")
def again() -> dict[str, list[str]]:
    return stream(1)


@pytest.fixture(scope="module")
def other() -> dict[str, list[str]]:
    return stream(2)


@pytest.mark.parametrize("venue", ["binance", *WIRES])
def test_bytes_are_the_seeds(
    once: dict[str, list[str]], again: dict[str, list[str]], other: dict[str, list[str]], venue: str
) -> None:
    assert len(once[venue]) > 40
    assert again[venue] == once[venue]
    assert other[venue] != once[venue]


def test_reports_are_among_them(once: dict[str, list[str]]) -> None:
    kinds = {json.loads(text).get("e") for text in once["binance"]}
    assert {"depthUpdate", "trade", "executionReport", "outboundAccountPosition"} <= kinds
