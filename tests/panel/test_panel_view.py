from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from panel_samples import ALLOWED, NAN, SECOND, START, market, order, signal, venue

from citadel_kit.errors import ConfigError
from citadel_kit.panel import History, view
from citadel_kit.panel.view import GLOBAL, ORDERS_SHOWN
from citadel_kit.types import FeedState


def test_everything_is_json_with_no_nan_in_it() -> None:
    shown = view(market(), signal(), ALLOWED)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


@given(st.floats(), st.floats(), st.floats(), st.floats())
def test_no_number_of_a_venue_breaks_the_json(
    bid: float, ask: float, spread: float, imbalance: float
) -> None:
    odd = replace(
        venue("x", 1, 2, 0), bid=bid, ask=ask, spread_bps=spread, imbalance=(imbalance, NAN, -math.inf)
    )
    quote = replace(market().quote, bid=bid, bid_qty=ask, ask=ask, ask_qty=bid)
    json.dumps(view(market(venues=(odd,), quote=quote), signal(), None), allow_nan=False)


def test_times_are_milliseconds_and_an_age_that_never_began_is_none() -> None:
    shown = view(market(), signal(), None)
    assert shown["asof_ms"] == START // 1_000_000
    ages = {v["venue"]: (v["age_ms"], v["book_age_ms"]) for v in shown["venues"]}
    assert ages == {"binance": (12, 48), "kraken": (12, 48), "bybit": (350, None)}


@pytest.mark.parametrize("state", [s for s in FeedState if s != FeedState.LIVE])
def test_a_book_that_is_not_live_shows_no_number_even_where_one_was_left(state: FeedState) -> None:
    shown = view(market(venues=(venue("x", 100, 101, 0.5, state=state),)), None, None)["venues"][0]
    assert shown["state"] == state.name
    assert [shown[k] for k in ("bid", "ask", "bid_qty", "ask_qty", "spread_bps", "microprice")] == [None] * 6
    assert shown["imbalance"] == [None] * 3


@pytest.mark.parametrize("state", FeedState)
def test_an_unverified_venue_is_marked_in_every_state(state: FeedState) -> None:
    both = (
        venue("binance", 100, 101, 0.5, state=state),
        venue("gate", 100, 101, 0.5, state=state, verified=False),
    )
    plain, marked = view(market(venues=both), None, None)["venues"]
    assert (plain["verified"], plain["standing"]) == (True, state.name)
    assert (marked["verified"], marked["standing"]) == (False, f"{state.name} UNVERIFIED")


@pytest.mark.parametrize(
    ("asof_s", "valid_s", "state"),
    [
        (-600, 3600, "valid"),
        (-600, 601, "valid"),
        (-600, 600, "expired"),
        (0, 60, "valid"),
        (1, 60, "from the future"),
    ],
)
def test_the_signal_is_judged_at_the_market_time_of_the_snapshot(
    asof_s: int, valid_s: int, state: str
) -> None:
    shown = view(market(), signal(START + asof_s * SECOND, valid_s), None)
    assert shown["signal"]["state"] == state


def test_a_mode_without_a_watermark_is_refused() -> None:
    with pytest.raises(ConfigError, match="mode: 'real' is unknown"):
        view(market(mode="real"), None, None)


def test_working_orders_come_first_then_the_newest_and_the_rest_is_counted() -> None:
    finished = [order(i, finished_ns=1, status="done") for i in range(2, 12)]
    shown = view(market(orders=(*finished, order(1))), None, None)
    assert [o["id"] for o in shown["orders"]][:3] == ["p1", "p11", "p10"]
    assert len(shown["orders"]) == ORDERS_SHOWN
    assert shown["orders_hidden"] == 11 - ORDERS_SHOWN


def test_history_is_bounded_and_keeps_the_newest() -> None:
    history = History(3)
    for i in range(1, 6):
        history.add(i, view(market(i), None, None))
    kept = history.plain()
    assert [p["n"] for p in kept["points"]] == [3, 4, 5]
    assert kept["names"] == [GLOBAL, "binance", "kraken", "bybit"]
    assert history.first == 3
    assert kept["points"][0]["imbalance"][3] is None  # bybit is in GAP


def test_history_adds_nothing_while_market_time_stands_still() -> None:
    history = History(3)
    assert history.add(1, view(market(1), None, None)) is not None
    assert history.add(2, view(market(1), None, None)) is None
    assert len(history.plain()["points"]) == 1


def test_history_starts_anew_for_another_run_of_the_market() -> None:
    history = History(9)
    for n, i in enumerate((5, 6, 7, 2)):
        history.add(n, view(market(i), None, None))
    assert [p["n"] for p in history.plain()["points"]] == [3]
    history.add(4, view(market(9, mode="PAPER"), None, None))
    assert [p["n"] for p in history.plain()["points"]] == [4]


def test_a_venue_that_appears_later_gets_a_series_of_its_own() -> None:
    history = History(9)
    one, two = venue("a", 1, 2, 0.1), venue("b", 1, 2, 0.2)
    history.add(1, view(market(1, venues=(one,)), None, None))
    history.add(2, view(market(2, venues=(two, one)), None, None))
    history.add(3, view(market(3, venues=(two,)), None, None))
    kept = history.plain()
    assert kept["names"] == [GLOBAL, "a", "b"]
    assert [p["imbalance"][1:] for p in kept["points"]] == [[0.1], [0.1, 0.2], [None, 0.2]]


def test_an_order_whose_position_is_open_stays_in_sight_and_says_who_guards_it() -> None:
    plan = "0.5 open: guarded only while the engine runs"
    old = replace(order(), parent_id="p0", submitted_ns=1, finished_ns=2, status="filled", plan=plan)
    newer = [
        replace(order(), parent_id=f"p{i}", submitted_ns=10 + i, finished_ns=20 + i, status="filled", plan="")
        for i in range(1, 12)
    ]
    shown = view(market(orders=(old, *newer)), None, None)["orders"]
    assert shown[0]["id"] == "p0" and shown[0]["note"].endswith(f"· {plan}")
    assert all(" · " not in row["note"] for row in shown[1:])
