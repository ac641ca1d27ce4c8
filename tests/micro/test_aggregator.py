"""The global quote and what pays between venues, held against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import exchanged, paying_units, solid_touch

from citadel_kit.errors import ConfigError
from citadel_kit.micro.aggregator import DataAggregator, QuoteConfig
from citadel_kit.micro.opportunity import depth
from citadel_kit.settings import Fees
from citadel_kit.types import BookTop, Instrument, Levels, Side

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
NO_DUST = QuoteConfig(min_notional=0.0)


def instrument(venue: str, symbol: str = "BTC/USD", **changes: Any) -> Instrument:
    facts = {"price_decimals": 2, "qty_decimals": 3, "venue_symbol": symbol} | changes
    return Instrument(venue=venue, symbol=symbol, **facts)


class Shown:
    """A book as plain lists, best first."""

    def __init__(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.sides = {Side.BUY: bids, Side.SELL: asks}

    def top(self) -> BookTop:
        (bid, bid_qty), (ask, ask_qty) = ((self.sides[s] or [(0, 0)])[0] for s in (Side.BUY, Side.SELL))
        return BookTop(NOW, 0, -1, bid, bid_qty, ask, ask_qty)

    def levels(self, side: int, depth: int) -> Levels:
        return np.array(self.sides[Side(side)][:depth], np.int64).reshape(-1, 2)

    def qty_at(self, side: int, price: int) -> int:
        return dict(self.sides[Side(side)]).get(price, 0)


def top(bid: int, ask: int, bid_qty: int = 1_000, ask_qty: int = 1_000, recv_ns: int = NOW) -> BookTop:
    return BookTop(recv_ns, 0, -1, bid, bid_qty, ask, ask_qty)


def touch(quote: Any) -> tuple[float, str, float, str]:
    return quote.bid, quote.bid_venue, quote.ask, quote.ask_venue


# --- the quote ------------------------------------------------------------------

ladders = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 40)), max_size=4, unique_by=lambda row: row[0]
)
venues = st.lists(
    st.tuples(
        st.sampled_from(["USD", "USDT", "USDC", "EUR"]),
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from([1.0, 0.01, 10.0, 0.5]),
        ladders,
        ladders,
    ),
    min_size=1,
    max_size=5,
)
rates = st.tuples(st.integers(80, 120), st.integers(1, 9))


@given(venues, rates, rates, st.integers(0, 500))
def test_the_quote_equals_its_twin(
    rows: list[Any], usdt: tuple[int, int], usdc: tuple[int, int], dust: int
) -> None:
    """USDT/USD prices USDT in dollars, USD/USDC prices dollars in USDC; of EUR no rate is known."""
    instruments = [
        instrument(f"v{i}", f"BTC/{money}", price_decimals=p, qty_decimals=q, contract_size=size)
        for i, (money, p, q, size, _, _) in enumerate(rows)
    ]
    conversions = [instrument("c", "USDT/USD"), instrument("c", "USD/USDC")]
    aggregator = DataAggregator(
        instruments, conversions=conversions, currency="USD", config=QuoteConfig(min_notional=dust)
    )
    known = {"USD": None}
    for symbol, money, (bid, spread) in (("USDT/USD", "USDT", usdt), ("USD/USDC", "USDC", usdc)):
        aggregator.update("c", symbol, top(bid, bid + spread), NOW)
        known[money] = Fraction(bid, 100), Fraction(bid + spread, 100)
    step = Fraction(1, 10 ** max(row[1] for row in rows))
    expected: dict[str, dict[bool, list[tuple[Fraction, Fraction, str]]]] = {"USD": {True: [], False: []}}
    for place, (money, p, q, size, *sides) in zip(instruments, rows, strict=True):
        bids, asks = sorted(sides[0], reverse=True), sorted(sides[1])
        book = Shown(bids, asks)
        aggregator.update(place.venue, place.symbol, book.top(), NOW, book)
        group = expected.setdefault("USD" if money in known else money, {True: [], False: []})
        for is_bid, levels in ((True, bids), (False, asks)):
            exact = [(Fraction(price, 10**p), qty * Fraction(str(size)) / 10**q) for price, qty in levels]
            found = solid_touch(exact, Fraction(dust))
            if found is None:
                continue
            price, qty = found
            rate, way = known.get(money), "over" if money == "USDC" else "times"
            if rate is not None:
                price = exchanged(price, way, rate, is_bid, step)
            if price:
                group[is_bid].append((price, qty, place.venue))
    quote = aggregator.quote(NOW)
    for seen in (quote, *quote.apart):
        best = expected.pop(seen.currency)
        check_side(best[True], seen.bid, seen.bid_qty, seen.bid_venue, max)
        check_side(best[False], seen.ask, seen.ask_qty, seen.ask_venue, min)
        assert seen.crossed == (bool(seen.bid_venue and seen.ask_venue) and seen.bid >= seen.ask)
    assert not expected


sides = st.tuples(st.integers(0, 3), st.integers(0, 9))


@given(st.lists(st.tuples(st.integers(0, 40), sides, sides), max_size=12), st.integers(0, 30))
def test_the_only_venue_is_quoted_as_one_of_many(moments: list[tuple[int, Any, Any]], max_age: int) -> None:
    """The short way of one venue beside the way of all."""
    config = QuoteConfig(min_notional=0.0, max_age_ns=max_age)
    short, long = (DataAggregator([instrument("v")], config=config) for _ in range(2))
    long._only = None
    now = NOW
    for step, bid, ask in moments:
        for aggregator in (short, long):
            aggregator.update("v", "BTC/USD", top(bid[0], ask[0], bid[1], ask[1], now), now)
        for asked in (now, now + step):
            one, other = short.quote(asked), long.quote(asked)
            assert repr(one) == repr(other)
            assert short.left_out("v", "BTC/USD", asked) == long.left_out("v", "BTC/USD", asked)
        now += step


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["home", "abroad", "gate", "inverse", "rate"]),
            st.sampled_from(["update", "empty", "heard", "drop", "wait"]),
            st.integers(0, 40),
        ),
        max_size=25,
    ),
    st.sets(st.sampled_from(["abroad", "gate", "inverse"])),
)
def test_all_are_in_the_quote_where_nobody_is_left_out(steps: list[Any], others: set[str]) -> None:
    symbols = {"home": "BTC/USD", "abroad": "BTC/USDT", "gate": "BTC/USD", "inverse": "BTC/USD:BTC"}
    places = [instrument(venue, symbols[venue]) for venue in ("home", *sorted(others))]
    config = QuoteConfig(max_silence_ns=60, max_age_ns=90, conversion_max_age_ns=80, min_notional=0.0)
    aggregator = DataAggregator(
        places, conversions=[instrument("rate", "USDT/USD")], unverified=["gate"], config=config
    )
    known, now = {i.venue: i.symbol for i in places} | {"rate": "USDT/USD"}, NOW
    for venue, what, passed in steps:
        if venue not in known:
            continue
        if what == "update":
            aggregator.update(venue, known[venue], top(100, 101, recv_ns=now), now)
        elif what == "empty":
            aggregator.update(venue, known[venue], top(0, 0, 0, 0, recv_ns=now), now)
        elif what == "heard":
            aggregator.heard(venue, now)
        elif what == "drop":
            aggregator.drop(venue, known[venue], now)
        else:
            now += passed
        aggregator.quote(now)
        left_out = [aggregator.left_out(i.venue, i.symbol, now) for i in places]
        assert (aggregator.all_in_ns == now) == (not any(left_out)), left_out


def check_side(
    rows: list[tuple[Fraction, Fraction, str]], price: float, qty: float, venue: str, best: Any
) -> None:
    if not rows:
        assert venue == ""
        assert np.isnan(price) and np.isnan(qty)
        return
    at_best = [row for row in rows if row[0] == best(r[0] for r in rows)]
    winner = max(at_best, key=lambda row: row[1])
    assert (price, qty) == (float(winner[0]), float(winner[1]))
    assert venue in {row[2] for row in at_best if row[1] == winner[1]}


def test_finer_decimals_are_exact_and_the_larger_quantity_wins_a_tie() -> None:
    a, b = instrument("a", price_decimals=1), instrument("b", price_decimals=3, contract_size=0.01)
    aggregator = DataAggregator([a, b], config=NO_DUST)
    aggregator.update("a", "BTC/USD", top(1_000_1, 1_000_9, 5, 5), NOW)
    aggregator.update("b", "BTC/USD", top(1_000_100, 1_000_899, 501, 1), NOW)
    quote = aggregator.quote(NOW)
    assert touch(quote) == (1000.1, "b", 1000.899, "b")
    assert (quote.bid_qty, quote.ask_qty) == (0.00501, 0.00001)


@pytest.mark.parametrize(
    ("symbol", "home", "bid", "ask"),
    # 100.00 … 100.02 in the other currency, at a rate of 0.9996 … 0.9998
    [("USDT/USD", "USD", 99.96, 100.00), ("USD/USDT", "USD", 100.02, 100.07)],
)
def test_a_converted_bid_rounds_down_and_an_ask_up(symbol: str, home: str, bid: float, ask: float) -> None:
    place, rate = instrument("a", "BTC/USDT"), instrument("c", symbol, price_decimals=4)
    aggregator = DataAggregator([place], conversions=[rate], currency=home)
    aggregator.update("c", symbol, top(9_996, 9_998, recv_ns=NOW - SECOND), NOW)
    aggregator.update("a", "BTC/USDT", top(100_00, 100_02), NOW)
    quote = aggregator.quote(NOW)
    assert (quote.bid, quote.ask, quote.currency) == (bid, ask, home)
    assert quote.bid_age_ns == quote.ask_age_ns == SECOND, "as old as the older of quote and rate"


def test_currencies_without_a_live_rate_stand_apart() -> None:
    places = [instrument("a", "BTC/USD"), instrument("b", "BTC/USDT")]
    limits = QuoteConfig(conversion_max_age_ns=5 * SECOND)
    aggregator = DataAggregator(places, conversions=[instrument("c", "USDT/USD")], config=limits)
    aggregator.update("a", "BTC/USD", top(100_00, 100_10), NOW)
    aggregator.update("b", "BTC/USDT", top(200_00, 200_10), NOW)

    def sees(now_ns: int) -> list[tuple[str, float, float]]:
        quote = aggregator.quote(now_ns)
        return [(q.currency, q.bid, q.ask) for q in (quote, *quote.apart)]

    apart, together = [("USD", 100.0, 100.1), ("USDT", 200.0, 200.1)], [("USD", 200.0, 100.1)]
    assert sees(NOW) == apart
    assert "USDT/USD" in aggregator.left_out("b", "BTC/USDT", NOW)
    aggregator.update("c", "USDT/USD", top(100, 100), NOW)
    assert sees(NOW) == together
    assert aggregator.quote(NOW).crossed, "shown as it is"
    assert aggregator.left_out("b", "BTC/USDT", NOW) == ""
    aggregator.heard("c", NOW + 5 * SECOND)
    assert sees(NOW + 5 * SECOND) == together
    assert sees(NOW + 5 * SECOND + 1) == apart, "the rate is too old, though its venue is alive"
    aggregator.update("c", "USDT/USD", top(100, 0, recv_ns=NOW + 6 * SECOND), NOW + 6 * SECOND)
    assert sees(NOW + 6 * SECOND) == apart, "a one-sided rate is none"
    aggregator.update("c", "USDT/USD", top(100, 100, recv_ns=NOW + 6 * SECOND), NOW + 6 * SECOND)
    assert sees(NOW + 6 * SECOND) == together
    aggregator.drop("c", "USDT/USD", NOW + 6 * SECOND)
    assert sees(NOW + 6 * SECOND) == apart


def test_dust_is_walked_over_and_without_a_book_it_is_nothing() -> None:
    aggregator = DataAggregator([instrument("a")], config=QuoteConfig(min_notional=10.0))
    book = Shown([(100_00, 60), (99_00, 39), (98_00, 2), (97_00, 900)], [(101_00, 99), (102_00, 1)])
    aggregator.update("a", "BTC/USD", book.top(), NOW, book)
    quote = aggregator.quote(NOW)
    assert (quote.bid, quote.bid_qty) == (98.0, 0.101), "6.00 + 3.861 is not yet 10, with 0.196 it is"
    assert (quote.ask, quote.ask_qty) == (102.0, 0.1), "9.999 + 0.102"
    aggregator.update("a", "BTC/USD", book.top(), NOW)
    assert touch(aggregator.quote(NOW))[1::2] == ("", "")
    exact = Shown([(100_00, 60), (80_00, 50)], [(101_00, 100)])
    aggregator.update("a", "BTC/USD", exact.top(), NOW, exact)
    assert aggregator.quote(NOW).bid == 80.0, "6.00 + 4.00 is enough"
    thin = Shown([(100_00, 1)], [(101_00, 100)])
    aggregator.update("a", "BTC/USD", thin.top(), NOW, thin)
    assert touch(aggregator.quote(NOW))[1::2] == ("", "a")


def test_a_dead_venue_leaves_within_its_bound() -> None:
    limits = QuoteConfig(max_silence_ns=2 * SECOND, max_age_ns=30 * SECOND)
    aggregator = DataAggregator([instrument("a"), instrument("b")], config=limits)
    aggregator.update("a", "BTC/USD", top(100_00, 101_00), NOW)
    aggregator.update("b", "BTC/USD", top(90_00, 111_00), NOW)

    def leader(after_ns: int) -> str:
        return aggregator.quote(NOW + after_ns).bid_venue

    aggregator.heard("b", NOW + 2 * SECOND)
    assert (leader(2 * SECOND), leader(2 * SECOND + 1)) == ("a", "b"), "no frame of any kind"
    assert "no frame" in aggregator.left_out("a", "BTC/USD", NOW + 3 * SECOND)
    assert leader(4 * SECOND + 1) == ""
    aggregator.heard("a", NOW + 30 * SECOND)
    assert (leader(30 * SECOND), leader(30 * SECOND + 1)) == ("a", ""), "frames, but never of the book"
    assert "not changed" in aggregator.left_out("a", "BTC/USD", NOW + 31 * SECOND)
    assert leader(-1) == "", "a quote from the future"
    aggregator.drop("a", "BTC/USD", NOW)
    assert leader(0) == "b", "at once"
    assert "not LIVE" in aggregator.left_out("a", "BTC/USD", NOW)
    assert aggregator.quote(NOW).bid_age_ns == 0


def test_unverified_venues_count_only_where_allowed() -> None:
    for allowed in (False, True):
        aggregator = DataAggregator(
            [instrument("a"), instrument("gate")],
            unverified=["gate"],
            fees={"a": Fees(0, 0), "gate": Fees(0, 0)},
            config=QuoteConfig(verified_only=not allowed),
        )
        aggregator.update("a", "BTC/USD", top(100_00, 101_00), NOW)
        aggregator.update("gate", "BTC/USD", top(102_00, 103_00), NOW)
        assert aggregator.quote(NOW).bid_venue == ("gate" if allowed else "a")
        assert bool(aggregator.opportunities(NOW)) == allowed
        assert ("verified_only" in aggregator.left_out("gate", "BTC/USD", NOW)) != allowed


def test_an_unverified_rate_converts_only_where_allowed() -> None:
    for allowed in (False, True):
        aggregator = DataAggregator(
            [instrument("a", "BTC/USDT")],
            conversions=[instrument("gate", "USDT/USD")],
            currency="USD",
            unverified=["gate"],
            config=QuoteConfig(verified_only=not allowed),
        )
        aggregator.update("gate", "USDT/USD", top(100, 100), NOW)
        aggregator.update("a", "BTC/USDT", top(100_00, 101_00), NOW)
        assert aggregator.quote(NOW).bid_venue == ("a" if allowed else "")


@pytest.mark.parametrize("spelling", ["BTCUSD", "BTC-USD", "btc/usd", "XBT/USD", ""])
def test_another_spelling_is_an_error_that_names_the_known(spelling: str) -> None:
    aggregator = DataAggregator([instrument("a")])
    for lookup in (
        lambda: aggregator.update("a", spelling, top(1, 2), NOW),
        lambda: aggregator.drop("a", spelling, NOW),
        lambda: aggregator.left_out("a", spelling, NOW),
        lambda: aggregator.update(spelling, "BTC/USD", top(1, 2), NOW),
    ):
        with pytest.raises(KeyError, match="a BTC/USD"):
            lookup()
    with pytest.raises(KeyError, match="there are: a"):
        aggregator.heard(spelling, NOW)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"instruments": [instrument("a"), instrument("b", "ETH/USD")]}, "one base asset"),
        ({"instruments": [instrument("a", "BTCUSD")]}, "unified form"),
        ({"instruments": [instrument("a"), instrument("a")]}, "named twice"),
        ({"instruments": [instrument("a", contract_size=0.0)]}, "not positive"),
        ({"conversions": [instrument("c", "USDT/EUR")]}, "converts nothing into USD"),
        ({"conversions": [instrument("c", "USDT/USD"), instrument("d", "USDT/USD")]}, "more than one"),
        ({"fees": {"b": Fees(1, 1)}}, "none for 'a'"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        DataAggregator(**({"instruments": [instrument("a")]} | options))


# --- opportunities ------------------------------------------------------------------


def two(sell_bps: float = 10.0, buy_bps: float = 10.0, **options: Any) -> DataAggregator:
    fees = {"a": Fees(0, sell_bps), "b": Fees(0, buy_bps), "c": Fees(0, 5)}
    return DataAggregator([instrument("a"), instrument("b")], fees=fees, config=NO_DUST, **options)


@pytest.mark.parametrize(
    ("sell_bps", "buy_bps", "bid", "ask", "pays"),
    [
        (0.0, 10.0, 1_001_00, 1_000_00, False),
        (0.0, 10.0, 1_001_01, 1_000_00, True),
        (10.0, 0.0, 1_000_00, 999_00, False),
        (10.0, 0.0, 1_000_00, 998_99, True),
        (-1.0, 0.0, 1_000_00, 1_000_00, True),
    ],
)
def test_it_must_bring_more_than_its_fees(
    sell_bps: float, buy_bps: float, bid: int, ask: int, pays: bool
) -> None:
    aggregator = two(sell_bps, buy_bps)
    aggregator.update("b", "BTC/USD", top(990_00, ask), NOW)
    aggregator.update("a", "BTC/USD", top(bid, 1_003_00), NOW)
    found = aggregator.opportunities(NOW)
    assert bool(found) == pays
    if pays:
        gain = bid / 100 * (1 - sell_bps / 1e4) - ask / 100 * (1 + buy_bps / 1e4)
        assert (found[0].buy_venue, found[0].sell_venue) == ("b", "a")
        assert (found[0].ask, found[0].bid) == (ask / 100, bid / 100)
        assert found[0].profit == pytest.approx(gain), "of 1 BTC"
        assert found[0].edge_bps == pytest.approx(gain / (ask / 100 * (1 + buy_bps / 1e4)) * 1e4)


sides = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=6, unique_by=lambda row: row[0])


@given(sides, sides)
def test_depth_is_what_single_units_would_find(
    asks: list[tuple[int, int]], bids: list[tuple[int, int]]
) -> None:
    assert depth(sorted(asks), sorted(bids, reverse=True)) == paying_units(asks, bids)


def test_depth_counts_every_level_that_still_pays() -> None:
    aggregator = two()
    buy = Shown([(990_00, 1)], [(1_000_00, 2_000), (1_001_00, 3_000), (1_009_00, 9_000)])
    sell = Shown([(1_010_00, 4_000), (1_004_00, 5_000), (1_002_00, 9_000)], [(1_011_00, 1)])
    aggregator.update("b", "BTC/USD", buy.top(), NOW, buy)
    aggregator.update("a", "BTC/USD", sell.top(), NOW, sell)
    (found,) = aggregator.opportunities(NOW)
    assert found.qty == 5.0, "2 and 2 at 1,010, 1 at 1,004 over 1,001: 3.00 beats the fees of 2.00"
    spent, earned = 2 * 1000 + 3 * 1001, 4 * 1010 + 1004
    assert found.profit == pytest.approx(earned * 0.999 - spent * 1.001)
    assert found.currency == "USD"


def test_it_counts_the_updates_it_has_stood() -> None:
    aggregator = two(0.0, 0.0)
    steps = [
        ("b", 990_00, 1_000_00, None),
        ("a", 1_001_00, 1_002_00, 1),
        ("b", 990_00, 1_000_50, 2),
        ("a", 1_000_75, 1_002_00, 3),
        ("a", 1_000_50, 1_002_00, None),
        ("a", 1_000_51, 1_002_00, 1),
    ]
    for step, (venue, bid, ask, updates) in enumerate(steps):
        now = NOW + step * SECOND
        aggregator.update(venue, "BTC/USD", top(bid, ask, recv_ns=now), now)
        found = aggregator.opportunities(now)
        assert [o.updates for o in found] == ([] if updates is None else [updates])
    assert found[0].since_ns == NOW + 5 * SECOND
    assert (found[0].buy_age_ns, found[0].sell_age_ns) == (3 * SECOND, 0)


def test_it_ends_with_either_side() -> None:
    for gone in "ab":
        aggregator = two(0.0, 0.0)
        aggregator.update("b", "BTC/USD", top(990_00, 1_000_00), NOW)
        aggregator.update("a", "BTC/USD", top(1_001_00, 1_002_00), NOW)
        assert aggregator.opportunities(NOW)
        assert not aggregator.opportunities(NOW + 11 * SECOND), "both silent"
        aggregator.drop(gone, "BTC/USD", NOW)
        assert not aggregator.opportunities(NOW)
        back = top(1_001_00, 1_002_00) if gone == "a" else top(990_00, 1_000_00)
        aggregator.update(gone, "BTC/USD", back, NOW)
        assert aggregator.opportunities(NOW)[0].updates == 1, "from the start"


def test_a_stale_side_pays_nothing() -> None:
    aggregator = two(0.0, 0.0)
    aggregator.update("b", "BTC/USD", top(990_00, 1_000_00), NOW)
    late = NOW + 11 * SECOND
    aggregator.update("a", "BTC/USD", top(1_001_00, 1_002_00, recv_ns=late), late)
    aggregator.heard("b", late)
    assert not aggregator.opportunities(late), "it was stale at the update"


def test_dust_makes_no_opportunity() -> None:
    fees = {"a": Fees(0, 0), "b": Fees(0, 0)}
    aggregator = DataAggregator([instrument("a"), instrument("b")], fees=fees)
    aggregator.update("b", "BTC/USD", top(990_00, 1_000_00), NOW)
    aggregator.update("a", "BTC/USD", top(1_001_00, 1_002_00, bid_qty=9), NOW)
    assert not aggregator.opportunities(NOW)


def test_one_exchange_is_no_cross_exchange() -> None:
    places = [instrument("a", "BTC/USD"), instrument("a", "BTC/USDT")]
    rate = instrument("c", "USDT/USD")
    aggregator = DataAggregator(places, conversions=[rate], fees={"a": Fees(0, 0), "c": Fees(0, 0)})
    aggregator.update("c", "USDT/USD", top(100, 100), NOW)
    aggregator.update("a", "BTC/USD", top(990_00, 1_000_00), NOW)
    aggregator.update("a", "BTC/USDT", top(1_010_00, 1_020_00), NOW)
    assert not aggregator.opportunities(NOW)


def test_across_currencies_the_rate_and_its_fee_count() -> None:
    """Bought for 1,000 USD, sold for 1,003 USDT, at 0.999 and 5 bps: 1,001.4960 against 1,001.0000."""
    places = [instrument("b", "BTC/USD"), instrument("a", "BTC/USDT")]
    fees = {"a": Fees(0, 0), "b": Fees(0, 10), "c": Fees(0, 5)}
    aggregator = DataAggregator(
        places, conversions=[instrument("c", "USDT/USD", price_decimals=4)], fees=fees, config=NO_DUST
    )
    aggregator.update("b", "BTC/USD", top(990_00, 1_000_00), NOW)
    aggregator.update("a", "BTC/USDT", top(1_003_00, 1_004_00), NOW)
    assert not aggregator.opportunities(NOW), "no rate yet"
    aggregator.update("c", "USDT/USD", top(9_990, 9_991), NOW)
    (found,) = aggregator.opportunities(NOW)
    assert found.profit == pytest.approx(1003 * 0.999 * 0.9995 - 1001.0, abs=1e-6)
    assert (found.bid, found.currency, found.updates) == (1001.99, "USD", 1)
    aggregator.update("c", "USDT/USD", top(9_985, 9_991), NOW)
    assert not aggregator.opportunities(NOW)
    aggregator.update("c", "USDT/USD", top(9_990, 9_991), NOW)
    aggregator.drop("c", "USDT/USD", NOW)
    assert not aggregator.opportunities(NOW)


def test_the_other_way_round_the_rate_is_bought() -> None:
    """Bought for 1,000 USDT that cost 1.0005 USD each at 5 bps, sold for 1,002 USD."""
    places = [instrument("a", "BTC/USD"), instrument("b", "BTC/USDT")]
    fees = {"a": Fees(0, 0), "b": Fees(0, 0), "c": Fees(0, 5)}
    rates = {"USDT/USD": top(10_000, 10_005), "USD/USDT": top(9_995, 10_000)}
    costs = {"USDT/USD": 1.0005 * 1.0005, "USD/USDT": 1 / 0.9995 / 0.9995}
    for symbol, rate in rates.items():
        place = instrument("c", symbol, price_decimals=4)
        aggregator = DataAggregator(places, conversions=[place], fees=fees, config=NO_DUST)
        aggregator.update("c", symbol, rate, NOW)
        aggregator.update("a", "BTC/USD", top(1_002_00, 1_003_00), NOW)
        aggregator.update("b", "BTC/USDT", top(990_00, 1_000_00), NOW)
        (found,) = aggregator.opportunities(NOW)
        assert found.profit == pytest.approx(1002 - 1000 * costs[symbol], abs=1e-6)


def test_two_quotes_in_another_currency_need_no_rate() -> None:
    places = [instrument("h", "BTC/USD"), instrument("a", "BTC/USDT"), instrument("b", "BTC/USDT")]
    fees = {"h": Fees(0, 0), "a": Fees(0, 0), "b": Fees(0, 0)}
    aggregator = DataAggregator(places, fees=fees, config=NO_DUST)
    aggregator.update("b", "BTC/USDT", top(990_00, 1_000_00), NOW)
    aggregator.update("a", "BTC/USDT", top(1_001_00, 1_002_00), NOW)
    (found,) = aggregator.opportunities(NOW)
    assert (found.currency, found.profit, found.qty) == ("USDT", 1.0, 1.0)


def test_without_fees_nothing_is_sought() -> None:
    aggregator = DataAggregator([instrument("a"), instrument("b")])
    aggregator.update("b", "BTC/USD", top(990_00, 1_000_00), NOW)
    aggregator.update("a", "BTC/USD", top(2_000_00, 2_001_00), NOW)
    assert aggregator.quote(NOW).crossed
    assert aggregator.opportunities(NOW) == ()
