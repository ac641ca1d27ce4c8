"""Inverse contracts, whose quantities are sums of money: nowhere are they taken for the base asset."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from citadel_kit import settings
from citadel_kit.errors import GateRefused
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.tape import Tape
from citadel_kit.micro.aggregator import DataAggregator
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import lots
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.settings import Fees
from citadel_kit.types import BookTop, FeedState, Instrument, OrderIntent, Purpose, Side

CONTRACTS = {"UNI/USD:UNI": 10, "BTC/USD:BTC-220527": 100}
"""Worth of one, in USD, as OKX states it."""


def future(symbol: str, **changes: object) -> Instrument:
    facts = {"venue": "okx", "venue_symbol": "x", "price_decimals": 1, "qty_decimals": 0} | changes
    return Instrument(symbol=symbol, **facts)  # type: ignore[arg-type]


def touch_of_tape(path: Path, name: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Best bid and ask and their contracts at the tape's end, by the plainest of books."""
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    for frame in Tape(path, settings.instrument("okx", "BTC/USDT")).frames():
        message = json.loads(frame.raw)
        arg = message.get("arg", {})
        if arg.get("channel") != "books" or arg.get("instId") != name or "data" not in message:
            continue
        for side, book in sides.items():
            if message["action"] == "snapshot":
                book.clear()
            for price, qty, *_ in message["data"][0][side]:
                book[Decimal(price)] = Decimal(qty)
    best = [{p: q for p, q in book.items() if q} for book in sides.values()]
    bid, ask = max(best[0]), min(best[1])
    return bid, best[0][bid], ask, best[1][ask]


@pytest.fixture(params=CONTRACTS)
def kit(request: pytest.FixtureRequest, shared: Path) -> Iterator[HybridConnector]:
    tape = shared / "tapes" / "okx_v5_2022_crc.tape.gz"
    with HybridConnector(ReplayDriver(Tape(tape, settings.instrument("okx", request.param)))) as started:
        started.wait_live()
        yield started


def test_on_the_real_tape_sizes_are_base_units_and_the_quote_does_without(
    kit: HybridConnector, shared: Path
) -> None:
    kit.run_for(30)
    (symbol, instrument), snapshot = (kit.snapshot().symbol, kit.instruments["okx"]), kit.snapshot()
    view = snapshot.venue("okx")
    assert view.counts["checksums_wrong"] == 0 and view.counts["applied"] > 50
    path = shared / "tapes" / "okx_v5_2022_crc.tape.gz"
    bid, bid_qty, ask, ask_qty = touch_of_tape(path, instrument.venue_symbol)
    assert (view.bid, view.ask) == (float(bid), float(ask))
    worth = CONTRACTS[symbol]
    assert math.isclose(view.bid_qty, bid_qty * worth / bid) and math.isclose(
        view.ask_qty, ask_qty * worth / ask
    )
    assert view.left_out == f"{symbol} is an inverse contract: its quantities are sums of USD"
    assert snapshot.quote.bid_venue == snapshot.quote.ask_venue == "" and snapshot.opportunities == ()
    assert math.isnan(view.order_flow) and math.isnan(view.signed_volume)


@pytest.mark.parametrize("purpose", [Purpose.ENTRY, Purpose.EXIT])
def test_they_are_not_traded(kit: HybridConnector, purpose: Purpose) -> None:
    symbol = kit.snapshot().symbol
    intent = OrderIntent(venue="okx", symbol=symbol, side=Side.BUY, qty=1, purpose=purpose, forced=True)
    with pytest.raises(GateRefused, match="inverse contracts are shown, not traded") as refused:
        kit.submit(intent)
    assert "inverse" in refused.value.reasons


@pytest.mark.parametrize(
    ("symbol", "inverse"),
    [
        ("BTC/USD:BTC", True),
        ("BTC/USD:BTC-220527", True),
        ("BTC/USD", False),
        ("BTC/USDT:USDT", False),
        ("BTC/USDT:USDT-241227", False),
        ("B/USD:BTC", False),
    ],
)
def test_the_symbol_says_what_it_is(symbol: str, inverse: bool) -> None:
    assert future(symbol).inverse == inverse


def test_worth_and_size() -> None:
    inverse, linear = future("BTC/USD:BTC", contract_size=100.0), future("BTC/USDT:USDT", contract_size=0.01)
    assert (inverse.notional(500_000, 3), inverse.base_qty(500_000, 3)) == (300.0, 300 / 50_000)
    assert (linear.notional(500_000, 3), linear.base_qty(500_000, 3)) == (1_500.0, 0.03)


def test_beside_others_it_makes_neither_quote_nor_opportunity() -> None:
    """Its bid is the best, and its "quantity" enormous."""
    now, spot, inverse = 10**18, future("BTC/USD", venue="kraken"), future("BTC/USD:BTC", contract_size=100.0)
    fees = {venue: Fees(0.0, 0.0) for venue in ("kraken", "okx")}
    aggregator = DataAggregator([spot, inverse], fees=fees)
    aggregator.update("okx", "BTC/USD:BTC", BookTop(now, 0, -1, 600_000, 10**6, 600_010, 10**6), now)
    aggregator.update("kraken", "BTC/USD", BookTop(now, 0, -1, 500_000, 1, 500_010, 1), now)
    aggregator.update("okx", "BTC/USD:BTC", BookTop(now, 0, -1, 600_000, 10**6, 600_010, 10**6), now)
    quote = aggregator.quote(now)
    assert (quote.bid, quote.bid_venue, quote.ask, quote.ask_venue) == (50_000, "kraken", 50_001, "kraken")
    assert quote.apart == () and aggregator.opportunities(now) == ()
    aggregator.drop("okx", "BTC/USD:BTC", now)
    assert "inverse" in aggregator.left_out("okx", "BTC/USD:BTC", now)


def test_lots_of_a_sum_are_counted_in_contracts() -> None:
    market = SyntheticMarket(start_ns=10**18, start_price=30_000.0, seed=5, duration_s=10.0)
    with HybridConnector(ReplayDriver(market)) as started:
        snapshot = started.wait_live()
        assert snapshot.venue("alpha").state == FeedState.LIVE
        contract = future("BTC/USD:BTC", venue="alpha", contract_size=100.0)
        assert lots(1_050.0, snapshot, contract) == 10
