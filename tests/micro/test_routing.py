"""The best venue against a naive twin, and slices that add up."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from citadel_kit.errors import ConfigError
from citadel_kit.micro.routing import Offer, best_venue, due, slice_at, slices, smallest_order
from citadel_kit.settings import Fees
from citadel_kit.types import FeedState, Instrument, Levels, Side


def instrument(venue: str, **changes: Any) -> Instrument:
    plain: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "price_decimals": 2,
        "qty_decimals": 3,
        "min_notional": 500_000,
    }
    return Instrument(venue=venue, venue_symbol="X", **{**plain, **changes})


def levels(*rows: tuple[int, int]) -> Levels:
    return np.array(rows, np.int64).reshape(-1, 2)


PLAIN = Fees(1.0, 5.0)


def offer(venue: str, ask: int = 10_010, there: int = 1_000, fees: Fees = PLAIN, **changes: Any) -> Offer:
    bids, asks = levels((ask - 10, there), (ask - 20, there)), levels((ask, there), (ask + 10, there))
    return Offer(instrument(venue, **changes), FeedState.LIVE, bids, asks, fees)


ONE = Fraction(1)


def test_the_fee_decides_between_two_prices() -> None:
    dear, cheap = offer("dear", 10_000, fees=Fees(0, 20.0)), offer("cheap", 10_010, fees=Fees(0, 5.0))
    found = best_venue([dear, cheap], Side.BUY, ONE, taking=True)
    assert [route.venue for route in found] == ["cheap", "dear"]
    assert found[0].price == Fraction(10_010, 100) * Fraction(10_005, 10_000) and found[0].qty == 1_000
    assert best_venue([dear, cheap], Side.BUY, ONE, taking=False)[0].venue == "dear"  # makers pay nothing
    assert best_venue([dear, cheap], Side.SELL, ONE, taking=True)[0].venue == "cheap"


def test_a_touch_of_dust_does_not_decide_where_deeper_levels_are_known() -> None:
    thin = offer("thin")._replace(asks=levels((10_005, 1), (10_100, 5_000)))
    assert best_venue([thin, offer("deep")], Side.BUY, ONE, taking=True)[0].venue == "deep"
    small = [
        o._replace(instrument=instrument(o.instrument.venue, min_notional=0)) for o in (thin, offer("deep"))
    ]
    assert best_venue(small, Side.BUY, Fraction(1, 1_000), taking=True)[0].venue == "thin"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (offer("x")._replace(state=FeedState.STALE), "STALE"),
        (offer("x")._replace(bids=levels()), "two-sided"),
        (offer("x")._replace(asks=levels()), "two-sided"),
        (offer("x")._replace(bids=levels((10_010, 5))), "two-sided"),
        (offer("x", there=400), "the 2 levels known hold less"),
        (offer("x", min_notional=10**9), "smallest order"),
        (offer("x", lot=2_000), "smallest order"),
        (offer("x", symbol="BTC/USDT:BTC"), "inverse"),
    ],
)
def test_where_it_cannot_be_had_comes_last_with_the_reason(broken: Offer, says: str) -> None:
    for given_ in ([broken, offer("good", 12_000)], [offer("good", 12_000), broken]):
        for side in Side:
            first, last = best_venue(given_, side, ONE, taking=True)
            assert (first.venue, first.reason, last.venue, last.qty) == ("good", "", "x", 0)
            assert says in last.reason


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="USD, USDT"):
        best_venue([offer("a"), offer("b", symbol="BTC/USD")], Side.BUY, ONE, taking=True)
    with pytest.raises(ConfigError, match="base_qty"):
        best_venue([offer("a")], Side.BUY, Fraction(0), taking=True)
    assert best_venue([], Side.BUY, ONE, taking=True) == []


books = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 900)), min_size=1, max_size=5)
venues = st.tuples(
    books, books, st.integers(2, 4), st.integers(2, 4), st.sampled_from([1.0, 0.01]), st.integers(-2, 9)
)


@given(st.lists(venues, min_size=1, max_size=4), st.sampled_from(list(Side)), st.integers(1, 9_000))
def test_no_venue_gives_a_better_price_than_the_first(shown: list[Any], side: Side, milli: int) -> None:
    """Against a walk in plain fractions of base and quote units."""
    offers, worth = [], {}
    for i, (bid_gaps, ask_gaps, price_decimals, qty_decimals, size, fee) in enumerate(shown):
        scale = 10 ** (price_decimals - 2)
        bids = [
            (scale * (10_000 - sum(g for g, _ in bid_gaps[: n + 1])), bid_gaps[n][1])
            for n in range(len(bid_gaps))
        ]
        asks = [
            (scale * (10_000 + sum(g for g, _ in ask_gaps[: n + 1])), ask_gaps[n][1])
            for n in range(len(ask_gaps))
        ]
        traded = instrument(
            f"v{i}",
            price_decimals=price_decimals,
            qty_decimals=qty_decimals,
            contract_size=size,
            min_notional=0,
        )
        offers.append(Offer(traded, FeedState.LIVE, levels(*bids), levels(*asks), Fees(0.0, float(fee))))
        unit = Fraction(str(size)) / 10**qty_decimals
        rest = want = Fraction(milli, 1_000) // unit * unit
        paid = Fraction(0)
        for price, qty in asks if side == Side.BUY else bids:
            part = min(rest, qty * unit)
            paid, rest = paid + part * Fraction(price, 10**price_decimals), rest - part
        if want and not rest:
            worth[f"v{i}"] = paid / want * (1 + int(side) * Fraction(fee, 10_000))
    found = best_venue(offers, side, Fraction(milli, 1_000), taking=True)
    assert {route.venue: route.price for route in found if not route.reason} == worth
    if worth:
        assert found[0].price == (min if side == Side.BUY else max)(worth.values())


# --- slices -------------------------------------------------------------------------------------------------

settings = st.fixed_dictionaries(
    {
        "qty": st.integers(1, 10_000), "price": st.integers(1, 20_000), "start_ns": st.integers(0, 10**6),
        "duration_ns": st.integers(0, 10**9), "count": st.integers(1, 40),
        "jitter": st.sampled_from([0.0, 0.1, 0.5, 0.9]),
        "draws": st.lists(st.floats(0, 1, exclude_max=True), min_size=80, max_size=80),
    }
)  # fmt: skip


@given(settings, st.sampled_from([1, 7, 100]), st.sampled_from([0, 500_000]))
def test_slices_add_up_in_whole_lots_none_below_the_smallest_order(chosen: Any, lot: int, least: int) -> None:
    traded = instrument("v", lot=lot, min_notional=least)
    cut = slices(traded, **chosen)
    assert sum(cut.qtys) == chosen["qty"] and len(cut.times_ns) == len(cut.qtys) <= chosen["count"]
    assert all(qty % lot == 0 for qty in cut.qtys[:-1])
    if len(cut.qtys) > 1:
        assert min(cut.qtys) >= smallest_order(traded, chosen["price"])
    assert list(cut.times_ns) == sorted(cut.times_ns)
    end = chosen["start_ns"] + chosen["duration_ns"]
    assert chosen["start_ns"] <= cut.times_ns[0] and cut.times_ns[-1] <= end
    mean = chosen["qty"] / len(cut.qtys)
    wide = (1 + chosen["jitter"]) / (1 - chosen["jitter"])
    assert all(mean / wide - lot <= qty <= mean * wide + lot for qty in cut.qtys)


def test_without_draws_slices_are_equal() -> None:
    cut = slices(instrument("v", min_notional=0), qty=1_001, price=1, start_ns=50, duration_ns=400, count=4)
    assert cut == ((50, 150, 250, 350), (250, 250, 250, 251))
    assert slice_at(cut.times_ns, 49) == -1 and slice_at(cut.times_ns, 249) == 1
    assert slice_at(cut.times_ns, 10**9) == 3


def test_what_a_slice_left_comes_with_the_next_within_its_bound_and_all_at_the_end() -> None:
    qtys = (100, 100, 100, 100)
    assert due(qtys, 0, 0, 1, 1, 1.0) == 100
    assert due(qtys, 1, 60, 1, 1, 1.0) == 140
    assert due(qtys, 2, 60, 1, 1, 1.0) == 200  # 140 are missing, 100 of them may come
    assert due(qtys, 2, 60, 1, 1, 0.5) == 150 and due(qtys, 2, 60, 1, 1, 0.0) == 100
    assert due(qtys, 3, 60, 1, 1, 0.0) == 340
    assert due(qtys, 1, 150, 1, 1, 1.0) == 50  # ahead of the plan
    assert due(qtys, 1, 230, 1, 1, 1.0) == 0
    assert due(qtys, 1, 185, 10, 1, 1.0) == 10 and due(qtys, 1, 185, 10, 11, 1.0) == 0
    assert due(qtys, 3, 395, 10, 1, 1.0) == 0  # dust


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=12),
    st.lists(st.floats(0, 1), min_size=12, max_size=12),
    st.sampled_from([1, 10]), st.integers(1, 40), st.floats(0, 3),
)  # fmt: skip
def test_a_whole_twap_never_sends_too_much_and_all_of_it_where_all_is_filled(
    qtys: list[int], shares: list[float], lot: int, smallest: int, catch_up: float
) -> None:
    done = 0
    for number in range(len(qtys)):
        qty = due(tuple(qtys), number, done, lot, smallest, catch_up)
        assert qty % lot == 0 and (qty == 0 or qty >= smallest)
        assert done + qty <= sum(qtys[: number + 1])
        done += qty if number == len(qtys) - 1 else math.floor(qty * shares[number])
    assert sum(qtys) - done < max(lot, smallest + lot)


@njit
def compiled(qtys: Any, number: int, done: int, lot: int, smallest: int, catch_up: float) -> int:
    return due(qtys, number, done, lot, smallest, catch_up)


@given(st.integers(0, 3), st.integers(0, 500), st.integers(1, 9), st.integers(1, 50), st.floats(0, 3))
def test_what_is_due_compiles_to_the_same(
    number: int, done: int, lot: int, smallest: int, catch_up: float
) -> None:
    row = ((100, 90, 130, 77), number, done, lot, smallest, catch_up)
    assert compiled(*row) == due(*row)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("qty", {"qty": 0}), ("price", {"price": 0}), ("count", {"count": 0}),
        ("duration_ns", {"duration_ns": -1}),
        ("jitter", {"jitter": 1.0}), ("jitter", {"jitter": math.nan}), ("draws", {"jitter": 0.5}),
    ],
)  # fmt: skip
def test_slices_that_cannot_be_are_refused(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        slices(
            instrument("v"), **{"qty": 9, "price": 1, "start_ns": 0, "duration_ns": 1, "count": 2, **changes}
        )
    assert error.value.setting == name
