"""Fills to position and profit: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.micro.ledger import FLAT, Ledger, Position, add, make_fill
from citadel_kit.settings import Fees
from citadel_kit.types import Fill, Instrument, OrderReport, ReportKind, Side

INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=3, tick=1, lot=1
)
FEES = Fees(maker_bps=-1.0, taker_bps=5.0)


def report(order: int, price: int, qty: int, filled: int, *, maker: bool = True) -> OrderReport:
    return OrderReport(int(ReportKind.FILL), order, 9, price, qty, filled, maker, 0)


def fill(side: Side, price: int, qty: int) -> Fill:
    return make_fill(INSTRUMENT, "p", side, report(1, price, qty, qty), FEES)


def test_a_fill_carries_its_fee_in_the_quote_currency() -> None:
    made = make_fill(INSTRUMENT, "p", Side.BUY, report(3, 5_000_000, 200, 200, maker=False), FEES)
    assert made.fee == pytest.approx(50_000 * 0.2 * 5 / 1e4)
    assert (made.venue, made.symbol, made.parent_id, made.order_id) == ("v", "BTC/USDT", "p", 3)
    rebate = make_fill(INSTRUMENT, "p", Side.BUY, report(3, 5_000_000, 200, 200), FEES)
    assert rebate.fee == pytest.approx(-1.0)


def test_average_cost_and_profit_of_a_long() -> None:
    p = add(add(FLAT, fill(Side.BUY, 100, 10)), fill(Side.BUY, 110, 30))
    assert (p.qty, p.average_price()) == (40, 107.5)
    p = add(p, fill(Side.SELL, 120, 20))
    assert (p.qty, p.realised, p.average_price()) == (20, 250, 107.5)
    assert p.unrealised(107) == -10
    p = add(p, fill(Side.SELL, 100, 20))
    assert (p.qty, p.cost, p.realised) == (0, 0, 100)
    assert math.isnan(p.average_price())


def test_a_short_earns_when_the_price_falls() -> None:
    p = add(FLAT, fill(Side.SELL, 100, 10))
    assert (p.qty, p.average_price(), p.unrealised(90)) == (-10, 100, 100)
    assert add(p, fill(Side.BUY, 90, 10))[:3] == (0, 0, 100)


def test_a_fill_that_turns_the_position_closes_it_first() -> None:
    p = add(add(FLAT, fill(Side.BUY, 100, 10)), fill(Side.SELL, 130, 25))
    assert (p.qty, p.realised, p.average_price()) == (-15, 300, 130)


fills = st.lists(
    st.builds(fill, st.sampled_from(list(Side)), st.integers(1, 10**7), st.integers(1, 10**6)), max_size=40
)


@given(fills, st.integers(1, 10**7))
def test_cash_profit_and_cost_add_up_to_the_last_unit(rows: list[Fill], price: int) -> None:
    p: Position = FLAT
    for row in rows:
        p = add(p, row)
    assert p.qty == sum(int(r.side) * r.qty for r in rows)
    assert p.cash == -sum(int(r.side) * r.qty * r.price for r in rows)
    assert p.cash == p.realised - p.cost
    assert p.realised + p.unrealised(price) == p.cash + p.qty * price
    assert p.fees == pytest.approx(sum(r.fee for r in rows))
    assert p.fills == len(rows)
    assert p.qty or p.cost == 0
    assert p.cost * p.qty >= 0


def test_reports_that_come_twice_or_in_disorder_count_once() -> None:
    reports = [report(1, 100, 3, 3), report(1, 101, 4, 7), report(2, 99, 3, 3)]
    twice = reports * 3
    random.Random(1).shuffle(twice)
    ledger = Ledger([INSTRUMENT], {INSTRUMENT.venue: FEES})
    booked = [f for r in twice if (f := ledger.on_report("v", "p", Side.BUY, r))]
    assert len(booked) == 3
    assert (ledger.position("v").qty, ledger.of_parent("p").cost) == (10, 3 * 100 + 4 * 101 + 3 * 99)
    assert ledger.position("v") == ledger.of_parent("p")


def test_parents_do_not_mix_and_other_reports_are_no_fills() -> None:
    ledger = Ledger([INSTRUMENT], {INSTRUMENT.venue: FEES})
    ledger.on_report("v", "p", Side.BUY, report(1, 100, 3, 3))
    ledger.on_report("v", "q", Side.SELL, report(1, 100, 3, 3))
    assert (ledger.of_parent("p").qty, ledger.of_parent("q").qty, ledger.position("v").qty) == (3, -3, 0)
    ack = OrderReport(int(ReportKind.CANCELED), 1, 9, 100, 0, 3, False, 0)
    assert ledger.on_report("v", "p", Side.BUY, ack) is None
    assert ledger.of_parent("nobody") == FLAT


def test_an_unknown_venue_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"'V'.*v"):
        Ledger([INSTRUMENT], {INSTRUMENT.venue: FEES}).on_report("V", "p", Side.BUY, report(1, 100, 3, 3))
