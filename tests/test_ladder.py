"""Ladders and the kernels that fill them, held against a dict and against exact decimals."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import PlainLadder

from citadel_kit import ladder
from citadel_kit.ladder import side, text
from citadel_kit.types import Side, to_units


@pytest.fixture(scope="module", params=["plain", "compiled"], autouse=True)
def kernels(request: pytest.FixtureRequest) -> None:
    """Every test here runs once on the interpreted and once on the compiled kernels."""
    if request.param == "plain":
        text.kernels.update(text._SOURCES)
        side.kernels.update(side._SOURCES)
    else:
        ladder.warm_up()


levels = st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**12)), max_size=30)


def sums(fast: ladder.Ladder, depths: tuple[int, int, int]) -> list[float]:
    return list(ladder.sums(fast.rows, depths))


@given(levels, levels, levels, st.integers(0, 40))
def test_the_depth_is_the_sum_of_the_best_levels(
    first: list[tuple[int, int]], second: list[tuple[int, int]], third: list[tuple[int, int]], depth: int
) -> None:
    sides = ladder.Ladder(Side.BUY), ladder.Ladder(Side.SELL)
    for bids, asks in ((first, second), (second, third), (third, first)):
        for one, rows in zip(sides, (bids, asks), strict=True):
            one.apply(np.array(rows, np.int64).reshape(-1, 2))
            if rows:
                one.apply(np.array([(rows[0][0], 0)]))  # leaves a hole
        assert ladder.depths(*sides, depth) == tuple(one.levels(depth)[:, 1].sum() for one in sides)


def wire(units: int, decimals: int, padding: int) -> str:
    """An integer as a venue writes it, with trailing zeros."""
    written = f"{Decimal(units).scaleb(-decimals):f}"
    return (written if "." in written else written + ".0") + "0" * padding


@given(
    levels,
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 6),
    st.sampled_from(["pairs", "quads", "objects"]),
)
def test_parse_returns_exactly_what_the_wire_says(
    rows: list[tuple[int, int]], price_decimals: int, qty_decimals: int, padding: int, form: str
) -> None:
    texts = [(wire(p, price_decimals, padding), wire(q, qty_decimals, padding)) for p, q in rows]
    if form == "objects":
        raw = "[" + ", ".join(f'{{"price": {p}, "qty":{q}}}' for p, q in texts) + "]"
    else:
        raw = json.dumps([[p, q, "0", "17"][: 2 if form == "pairs" else 4] for p, q in texts])
    expected = [list(r) for r in rows]
    both = ladder.parse_both(raw.encode(), b'[["3","0"]]', price_decimals, qty_decimals)
    assert both[0].tolist() == expected
    assert both[1].tolist() == [[3 * 10**price_decimals, 0]]
    swapped = ladder.parse_both(b"[]", raw.encode(), price_decimals, qty_decimals)
    assert [side.tolist() for side in swapped] == [[], expected]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'[["1.234","1"]]', "more decimals"),
        (b'[["1","0.1234"]]', "more decimals"),
        (b'[["-1","1"]]', "not a list"),
        (b'[["1e3","1"]]', "not a list"),
        (b'[["1x","1"]]', "not a list"),
        (b'[["1.2.3","1"]]', "not a list"),
        (b'[["1"]]', "not a list"),
        (b"", "not a list"),
        (b'"none"', "not a list"),
        (b'["none"]', "not a list"),
        (b"[null]", "not a list"),
        (b'["1","2"]', "not a list"),
        (b'[[null,"1","2"]]', "not a list"),
        (b'[["","1","2"]]', "not a list"),
        (b'[["price","1","2"]]', "not a list"),
        (b'[["1",true,"2"]]', "not a list"),
        (b'[["1","2",[],"3","4"]]', "not a list"),
        (b'[["1","2"],7]', "not a list"),
        (b'[["1","2"],7,["3","4"]]', "not a list"),
        (b'[["1 ","2"]]', "not a list"),
        (b'[[1","2"]]', "not a list"),
        (b'[["1,"2"]]', "not a list"),
        (b'[["\\u0031","2","3"]]', "not a list"),
        (b'[["x\\"],[\\"1","2"]]', "not a list"),
        (b'[["1","2","\\"],[3,4,\\""]]', "not a list"),
        (b'[{"qty":1,"price":2}]', "not a list"),
        (b'[{"price":null,"qty":1,"sum":3}]', "not a list"),
        (b'[{"price":1,"sum":3,"qty":2}]', "not a list"),
        (b'[["1","1"]', "not a list"),
        (b'["1","1"]]', "not a list"),
        (b'[["9999999999999999999","1"]]', "too large"),
        (b'[["46116860184273879.04","1"]]', "too large"),
    ],
)
def test_parse_refuses(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ladder.parse_both(raw, b"[]", 2, 2)
    with pytest.raises(ValueError, match=problem):
        ladder.parse_both(b"[]", raw, 2, 2)


def test_what_follows_the_two_numbers_is_passed_over() -> None:
    rows = b'["1","2",null,"3],[4,5,6","[",7e8,true],["3","4"]'
    assert ladder.parse_both(b"[" + rows + b"]", b"[]", 0, 0)[0].tolist() == [[1, 2], [3, 4]]
    objects = b'[{"price":1,"qty":2,"side":"1]","n":3},{"price":3,"qty":4}]'
    assert ladder.parse_both(b"[]", objects, 0, 0)[1].tolist() == [[1, 2], [3, 4]]


sided_levels = st.lists(
    st.tuples(st.sampled_from(["bid", "offer"]), st.integers(0, 10**9), st.integers(0, 10**12)), max_size=30
)


@given(
    sided_levels,
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 6),
    st.permutations(range(4)),
    st.booleans(),
)
def test_mixed_sides_part_into_what_the_wire_says(
    rows: list[tuple[str, int, int]],
    price_decimals: int,
    qty_decimals: int,
    padding: int,
    order: list[int],
    keyed: bool,
) -> None:
    """Members of an object may come in any order, and one holds digits that are no level."""
    texts = [(s, wire(p, price_decimals, padding), wire(q, qty_decimals, padding)) for s, p, q in rows]
    if keyed:
        names = ("side", "price_level", "new_quantity", "event_time")
        time = "2021-04-17T16:43:37.000000Z"
        objects = [dict(zip(names, (*row, time), strict=True)) for row in texts]
        raw = json.dumps([{names[k]: o[names[k]] for k in order} for o in objects])
    else:
        raw = json.dumps([[{"bid": "buy", "offer": "sell"}[s], p, q] for s, p, q in texts])
    bids, asks = ladder.parse_sided(raw.encode(), price_decimals, qty_decimals)
    assert bids.tolist() == [[p, q] for s, p, q in rows if s == "bid"]
    assert asks.tolist() == [[p, q] for s, p, q in rows if s == "offer"]
    assert bids.flags.c_contiguous
    assert asks.flags.c_contiguous


SIDED = b'[{"side":"bid","event_time":"2021-04-17","price_level":"1.5","new_quantity":"0"}]'


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (SIDED.replace(b'"bid"', b'"bids"'), "not a list"),
        (SIDED.replace(b'"bid"', b'"ask"'), "not a list"),
        (SIDED.replace(b'"side":"bid",', b""), "not a list"),
        (SIDED.replace(b',"new_quantity":"0"', b""), "not a list"),
        (SIDED.replace(b"price_level", b"price_Level"), "not a list"),
        (SIDED.replace(b'"1.5"', b"1.5"), "not a list"),
        (SIDED.replace(b'"1.5"', b'"-1.5"'), "not a list"),
        (SIDED.replace(b'"1.5"', b'"1.5 "'), "not a list"),
        (SIDED.replace(b'"1.5"', b'""'), "not a list"),
        (SIDED.replace(b'"1.5"', b'"1e5"'), "not a list"),
        (SIDED.replace(b'"1.5"', b'["1.5"]'), "not a list"),
        (SIDED.replace(b'"2021-04-17"', b'"\\",\\""'), "not a list"),
        (SIDED.replace(b'"1.5"', b'"1.555"'), "more decimals"),
        (SIDED.replace(b'"0"', b'"0.001"'), "more decimals"),
        (SIDED.replace(b'"0"', b'"9999999999999999999"'), "too large"),
        (SIDED[:-1], "not a list"),
        (SIDED[:-4], "not a list"),
        (SIDED + b"]", "not a list"),
        (SIDED[1:-1], "not a list"),
        (b'[["buy","1"]]', "not a list"),
        (b'[["1","1","buy"]]', "not a list"),
        (b'["buy","1","1"]', "not a list"),
        (b"[null]", "not a list"),
        (b'"none"', "not a list"),
        (b"", "not a list"),
    ],
)
def test_parse_sided_refuses(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ladder.parse_sided(raw, 2, 2)


def test_a_number_is_exact_up_to_the_last_unit() -> None:
    assert ladder.parse_both(b'[["61737.63000000","0.00001000"]]', b"[]", 2, 5)[0].tolist() == [[6173763, 1]]
    assert to_units("61737.63000000", 2) == 6173763
    assert to_units("0.00000001", 8) == 1
    for bad in ("1.001", "1e-08", "-1", "", "1_0", "٣", "²", "1.٣", "5000000000000000000"):
        with pytest.raises(ValueError, match=r"number|large"):
            to_units(bad, 2)


@given(
    st.lists(st.tuples(*[st.sampled_from([0, 9, 10, 2**62 - 1]) | st.integers(0, 2**62 - 1)] * 2), max_size=9)
)
def test_digits_are_those_python_writes(rows: list[tuple[int, int]]) -> None:
    expected = "".join(f"{price}{qty}" for price, qty in rows)
    assert ladder.digits(np.array(rows, np.int64).reshape(-1, 2)) == expected.encode()


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=60), max_size=8),
    st.sampled_from(Side),
)
def test_ladder_equals_a_dict(updates: list[list[tuple[int, int]]], side: Side) -> None:
    fast, slow = ladder.Ladder(side), PlainLadder(side)
    for update in updates:
        fast.apply(np.array(update, np.int64).reshape(-1, 2))
        slow.apply(update)
        assert len(fast) == len(slow.levels(100))
        assert fast.best() == slow.best()
        assert fast.levels(5).tolist() == [list(row) for row in slow.levels(5)]
        expected = [float(sum(qty for _, qty in slow.levels(depth))) for depth in (1, 5, 10)]
        assert sums(fast, (1, 5, 10)) == expected
        assert [fast.qty_at(p) for p in range(42)] == [slow.qty_at(p) for p in range(42)]


def test_a_deep_ladder_stays_right_while_holes_are_made_in_it() -> None:
    """Both sides of a book of two thousand levels, whose far levels are set and deleted again and again."""
    rng = np.random.default_rng(7)
    bids, asks, alone = (ladder.Ladder(s) for s in (Side.BUY, Side.SELL, Side.SELL))
    slow_bids, slow_asks = PlainLadder(Side.BUY), PlainLadder(Side.SELL)
    kernel, spreads = side.kernels["spread"], 0

    def spread(*args: object) -> int:
        nonlocal spreads
        spreads += 1
        return int(kernel(*args))

    side.kernels["spread"] = spread
    try:
        for turn in range(400):
            fresh = [
                np.column_stack([rng.choice(8_000, 40, False) + 1, rng.integers(0, 3, 40)]) for _ in range(2)
            ]
            touch = ladder.apply_both(bids, asks, fresh[0], fresh[1])
            alone.apply(fresh[1])
            slow_bids.apply(fresh[0].tolist())
            slow_asks.apply(fresh[1].tolist())
            assert touch == (*bids.best(), *asks.best()) == (*slow_bids.best(), *slow_asks.best())
            if turn % 40 == 0:
                for fast, slow in ((bids, slow_bids), (asks, slow_asks), (alone, slow_asks)):
                    assert fast.levels(9_000).tolist() == [list(row) for row in slow.levels(9_000)]
                    assert all(fast.qty_at(p) == slow.qty_at(p) for p in range(1, 8_001, 7))
                for fast, slow in ((bids, slow_bids), (asks, slow_asks)):
                    expected = [sum(q for _, q in slow.levels(depth)) for depth in (1, 5, 2_000)]
                    assert sums(fast, (1, 5, 2_000)) == expected
    finally:
        side.kernels["spread"] = kernel
    assert spreads > 30


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), max_size=20), max_size=12),
    st.sampled_from(Side),
    st.integers(1, 6),
)
def test_a_ladder_of_fixed_depth_forgets_what_falls_out(
    updates: list[list[tuple[int, int]]], side: Side, depth: int
) -> None:
    """What was deleted leaves no trace in what is kept."""
    fast, slow = ladder.Ladder(side), PlainLadder(side)
    for update in updates:
        fast.apply(np.array(update, np.int64).reshape(-1, 2), depth)
        slow.apply(update)
        slow.book = dict(slow.levels(depth))
        assert fast.levels(100).tolist() == [list(row) for row in slow.levels(100)]
        assert (len(fast), fast.best()) == (len(slow.book), slow.best())
    fast.clear()
    assert (len(fast), fast.best()) == (0, (0, 0))
