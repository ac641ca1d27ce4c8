"""Spread, imbalance, order flow, volatility: held against twins that keep every event."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import PlainFlow

from citadel_kit import ladder, settings
from citadel_kit.errors import ConfigError
from citadel_kit.io.tape import Tape
from citadel_kit.micro import flow, windows
from citadel_kit.micro.book import Book
from citadel_kit.micro.effects import TopChanged, Traded
from citadel_kit.micro.flow import SHARES, Flow, FlowConfig, imbalance, microprice, spread_bps
from citadel_kit.micro.session import Session
from citadel_kit.types import BookTop, BookUpdate, Instrument, Side, Trade
from citadel_kit.venues.binance import BinanceSpot

UNITS = Instrument(venue="v", symbol="X/Y", venue_symbol="XY", price_decimals=0, qty_decimals=0)
SMALL = FlowConfig(window_ns=40, slots=4, spread_window_ns=60, spread_slots=3, grid_ns=5, returns=6)
SECOND = 1_000_000_000
HALF_A_BUCKET = math.sqrt(1.05) * (1 + 1e-9)


@pytest.fixture(scope="module", params=["plain", "compiled"], autouse=True)
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here runs once on the interpreted and once on the compiled kernels."""
    if request.param == "plain":
        windows.kernels.update(windows._SOURCES)
    else:
        flow.warm_up()
    yield
    windows.kernels.update(windows._SOURCES)
    flow.kernels["show"] = flow._show


def top(now: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> BookTop:
    return BookTop(now, 0, -1, bid, bid_qty, ask, ask_qty)


def trade(now: int, qty: int, side: int) -> Trade:
    return Trade("X/Y", now, 0, 1, 100, qty, int(side))


def check(fast: Flow, slow: PlainFlow, now: int, base: float, window_ns: int) -> None:
    reading = fast.read(now)
    for share, value in zip(SHARES, reading.spread_quantiles, strict=True):
        expected = slow.spread_quantile(now, share)
        if math.isnan(expected):
            assert math.isnan(value)
        else:
            assert expected / HALF_A_BUCKET <= value <= expected * HALF_A_BUCKET
    assert reading.volatility_bps == pytest.approx(slow.volatility(now), rel=1e-9, abs=1e-5, nan_ok=True)
    if 2 * slow.covered_ns(now) < window_ns:
        assert all(math.isnan(value) for value in reading[1:4])
        return
    bought, sold = slow.volumes(now)
    share = (bought - sold) / (bought + sold) if bought + sold else math.nan
    assert reading.order_flow == pytest.approx(slow.order_flow(now) * base, rel=1e-9, abs=1e-9)
    assert reading.signed_volume == pytest.approx((bought - sold) * base, rel=1e-9, abs=1e-9)
    assert reading.trade_imbalance == pytest.approx(share, rel=1e-9, nan_ok=True)


quotes = st.tuples(st.integers(90, 110), st.integers(1, 9), st.integers(1, 15), st.integers(1, 9))
events = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 12), st.integers(0, 200)),
        st.one_of(
            quotes,
            quotes,
            st.tuples(st.integers(1, 9), st.sampled_from(Side)),
            st.sampled_from(["lost", "one-sided", "read"]),
        ),
    ),
    max_size=40,
)


@given(events)
def test_every_window_equals_its_twin(moments: list[tuple[int, Any]]) -> None:
    fast, slow, now = Flow(UNITS, SMALL), PlainFlow(*SMALL), 1_003
    for step, event in moments:
        now += step
        if event == "read":
            fast.read(now)
        elif event == "lost":
            fast.lost(now)
            slow.tops.append((now, 0, 0, 0, 0))
        elif event == "one-sided":
            fast.on_top(now, top(now, 100, 1, 0, 0))
            slow.tops.append((now, 0, 0, 0, 0))
        elif len(event) == 4:
            bid, bid_qty, spread, ask_qty = event
            fast.on_top(now, top(now, bid, bid_qty, bid + spread, ask_qty))
            slow.tops.append((now, bid, bid_qty, bid + spread, ask_qty))
        else:
            qty, side = event
            fast.on_trade(now, trade(now, qty, side))
            slow.trades.append((now, qty, int(side)))
    for later in (0, 1, 7, 41):
        now += later
        check(fast, slow, now, 1.0, SMALL.window_ns)


def test_a_real_tape_equals_its_twin(shared: Path) -> None:
    ladder.warm_up()
    btc = settings.instrument("binance", "BTC/USDT")
    session = Session(BinanceSpot([btc]), [btc])
    fast, slow, config = Flow(btc), PlainFlow(*FlowConfig()), FlowConfig()
    tape, checks = Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", btc), 0
    session.on_open(tape.start_ns)
    due = tape.start_ns
    for frame in tape.frames():
        now = frame.recv_ns
        for effect in session.on_frame(frame.raw, now):
            if isinstance(effect, TopChanged):
                fast.on_top(now, effect.top)
                slow.tops.append((now, *effect.top[3:]))
            elif isinstance(effect, Traded):
                fast.on_trade(now, effect.trade)
                slow.trades.append((now, effect.trade.qty, effect.trade.side))
        if now >= due:
            check(fast, slow, now, 1e-8, config.window_ns)
            due, checks = now + 25 * SECOND, checks + 1
    assert checks > 10
    assert all(math.isfinite(value) for value in fast.read(now)[1:])


@given(
    st.lists(
        st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), max_size=12, unique_by=lambda row: row[0]
    ),
    st.lists(
        st.tuples(st.integers(10**9 + 1, 2 * 10**9), st.integers(1, 10**9)),
        max_size=12,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from(["X/Y", "X/Y:X"]),
    st.sampled_from([1.0, 0.01]),
)
def test_numbers_are_those_of_the_levels(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], symbol: str, size: float
) -> None:
    i = Instrument(
        venue="binance",
        symbol=symbol,
        venue_symbol="XY",
        price_decimals=2,
        qty_decimals=5,
        contract_size=size,
    )
    book, reader = Book(i, BinanceSpot([i])), Flow(i)
    sides = [np.array(rows, np.int64).reshape(-1, 2) for rows in (bids, asks)]
    book.snapshot(BookUpdate(i.symbol, 1, 0, 1, 1, -1, True, sides[0], sides[1], -1))
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    bid, bid_qty = (i.price(bids[0][0]), i.base_qty(*bids[0])) if bids else (math.nan, math.nan)
    ask, ask_qty = (i.price(asks[0][0]), i.base_qty(*asks[0])) if asks else (math.nan, math.nan)
    shares = tuple(imbalance(*(sum(q for _, q in rows[:n]) for rows in (bids, asks))) for n in flow.DEPTHS)
    expected = [bid, ask, bid_qty, ask_qty, spread_bps(bid, ask), *shares]
    shown = reader.show(1, book)
    read, seen = shown[:7], shown[8:]
    assert repr(_flat(reader.read(1))) == repr(read)
    assert repr(seen[:8]) == repr(expected)
    assert seen[8] == pytest.approx(microprice(bid, bid_qty, ask, ask_qty), nan_ok=True)
    for again in (shown, reader.show(2, book), reader.show(2, book)):
        assert repr(again[8:]) == repr(seen)
        assert len({id(value) for value in again if math.isnan(value)}) <= 1, "one NaN for all"
    more = np.array([[10**9 + 1, 7]])
    book.delta(BookUpdate(i.symbol, 2, 0, 2, 2, 1, False, np.empty((0, 2), np.int64), more, -1))
    assert reader.show(2, book)[9] == i.price(10**9 + 1), "a changed book is looked at again"


def _flat(reading: flow.Reading) -> list[float]:
    return [*reading[0], *reading[1:]]


@given(
    st.lists(
        st.tuples(st.integers(0, 15), quotes, st.sampled_from(["show", "trade", "nothing"])), max_size=25
    )
)
def test_a_top_booked_with_the_view_counts_as_one_booked_before(moments: list[tuple[int, Any, str]]) -> None:
    """`show` folds the newest top in; the other reader is made to book each at once."""
    rules = BinanceSpot([UNITS])
    book, folded, at_once, now = Book(UNITS, rules), Flow(UNITS, SMALL), Flow(UNITS, SMALL), 1_003
    for step, (bid, bid_qty, spread, ask_qty), then in moments:
        now += step
        bids, asks = np.array([[bid, bid_qty]]), np.array([[bid + spread, ask_qty]])
        book.snapshot(BookUpdate("X/Y", now, 0, now, now, -1, True, bids, asks, -1))
        for reader in (folded, at_once):
            reader.on_top(now, book.top())
        at_once.read(now)
        if then == "trade":
            for reader in (folded, at_once):
                reader.on_trade(now, trade(now, 2, Side.BUY))
        if then == "show":
            assert repr(folded.show(now + 1, book)[:7]) == repr(_flat(at_once.read(now + 1)))
            now += 1
    assert repr(folded.read(now + 9)) == repr(at_once.read(now + 9))


def test_order_flow_by_hand() -> None:
    """The three cases of each side: price up, same, down."""
    flow = Flow(UNITS, SMALL)
    tops = [(100, 5, 102, 7), (100, 8, 102, 4), (101, 2, 102, 4), (100, 6, 101, 3), (100, 6, 103, 9)]
    each = [+3 + 3, +2, -2 - 3, +3]
    expected = 0
    for i, quote in enumerate(tops):
        flow.on_top(1_000 + 8 * i, top(0, *quote))
        expected += each[i - 1] if i else 0
    assert flow.read(1_033).order_flow == expected == 6
    assert flow.read(1_059).order_flow == -5 + 3, "the slots of the first two steps have passed"


def test_volatility_has_the_stated_unit() -> None:
    """A mid that goes 1 bp up and down in turn, a step a second: 1 bp per √second."""
    flow = Flow(UNITS)
    for second in range(70):
        mid = 100_000_000 if second % 2 else 100_010_000
        flow.on_top(second * SECOND, top(0, mid - 1, 1, mid + 1, 1))
        volatility = flow.read(second * SECOND).volatility_bps
        assert math.isnan(volatility) == (second < 31), "30 returns need 31 sampled mids"
    assert volatility == pytest.approx(1.0, rel=1e-4)


def test_nothing_spans_a_hole() -> None:
    flow = Flow(UNITS, SMALL)
    """Not even of one that is shorter than a step of the grid."""
    for back in (1_021, 1_026):
        flow = Flow(UNITS, SMALL)
        flow.on_top(1_000, top(0, 100, 5, 102, 5))
        flow.lost(1_020)
        flow.on_top(back, top(0, 200, 50, 204, 50))
        reading = flow.read(1_039)
        assert reading.order_flow == 0
        assert reading.volatility_bps == 0, "no return from 101 to 202"


def test_a_quiet_window_says_nothing_of_trades_and_an_uncovered_one_nothing_at_all() -> None:
    flow = Flow(UNITS, SMALL)
    assert all(math.isnan(v) for v in (*flow.read(999).spread_quantiles, *flow.read(999)[1:]))
    flow.on_top(1_000, top(0, 100, 5, 102, 5))
    flow.on_trade(1_001, trade(1_001, 3, Side.BUY))
    assert math.isnan(flow.read(1_019).signed_volume)
    assert flow.read(1_020)[2:4] == (3.0, 1.0)
    quiet = flow.read(1_100)
    assert quiet.signed_volume == 0
    assert math.isnan(quiet.trade_imbalance)
    assert quiet.order_flow == 0


def test_time_that_runs_backwards_is_booked_at_the_newest() -> None:
    flow = Flow(UNITS, SMALL)
    flow.on_top(1_000, top(0, 100, 5, 102, 5))
    flow.on_top(1_039, top(0, 100, 6, 102, 5))
    flow.on_trade(900, trade(900, 4, Side.SELL))
    assert flow.read(1_039)[1:3] == (1.0, -4.0)


def test_quantities_are_in_base_units() -> None:
    contracts = Instrument(
        venue="v", symbol="X/Y", venue_symbol="XY", price_decimals=0, qty_decimals=1, contract_size=0.01
    )
    flow = Flow(contracts, SMALL)
    flow.on_top(1_000, top(0, 100, 5, 102, 5))
    flow.on_top(1_030, top(0, 100, 25, 102, 5))
    flow.on_trade(1_030, trade(1_030, 7, Side.BUY))
    assert flow.read(1_030)[1:3] == pytest.approx((0.02, 0.007))


@given(st.floats(1e-4, 1e4, exclude_min=True))
def test_a_bucket_is_right_to_its_stated_resolution(spread: float) -> None:
    index = windows.bucket(spread)
    assert 1 / HALF_A_BUCKET <= windows.bucket_bps(index) / spread <= HALF_A_BUCKET


def test_spreads_beyond_the_buckets_show_their_ends() -> None:
    assert windows.bucket_bps(windows.bucket(1e-9)) == 1e-4
    assert windows.bucket_bps(windows.bucket(19_999.0)) == pytest.approx(1e4, rel=0.05)


def test_memory_does_not_grow_with_events() -> None:
    flow = Flow(UNITS, SMALL)

    def play(first: int, count: int) -> None:
        for i in range(first, first + count):
            flow.on_top(i, top(i, 100 + i % 7, 1 + i % 5, 110 + i % 3, 1))
            flow.on_trade(i, trade(i, 1, Side.BUY))
            if i % 50 == 0:
                flow.read(i)

    play(1_000, 500)
    tracemalloc.start()
    play(1_500, 500)
    before = tracemalloc.get_traced_memory()[0]
    play(2_000, 5_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2_000


@pytest.mark.parametrize(
    "config", [FlowConfig(slots=7), FlowConfig(spread_slots=7), FlowConfig(grid_ns=0), FlowConfig(returns=-1)]
)
def test_a_window_that_cannot_be_cut_is_refused(config: FlowConfig) -> None:
    with pytest.raises(ConfigError, match="flow"):
        Flow(UNITS, config)


@given(quotes)
def test_the_formulas_of_one_top(quote: tuple[int, int, int, int]) -> None:
    bid, bid_qty, spread, ask_qty = quote
    ask = bid + spread
    assert spread_bps(bid, ask) == pytest.approx(spread / ((bid + ask) / 2) * 1e4)
    assert imbalance(bid_qty, ask_qty) == pytest.approx(1 - 2 * ask_qty / (bid_qty + ask_qty))
    assert bid < microprice(bid, bid_qty, ask, ask_qty) < ask
    leaning = microprice(bid, bid_qty, ask, ask_qty) - (bid + ask) / 2
    assert leaning == pytest.approx(imbalance(bid_qty, ask_qty) * spread / 2), "towards the thinner side"


def test_the_formulas_of_no_top() -> None:
    nan = math.nan
    assert math.isnan(spread_bps(nan, 1.0)) and math.isnan(spread_bps(1.0, 0.0))
    assert math.isnan(imbalance(0.0, 0.0)) and math.isnan(microprice(1.0, 0.0, 2.0, 0.0))
