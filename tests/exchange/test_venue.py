from __future__ import annotations

import pytest
from scripted_market import (  # fmt: skip
    MS,
    OPENING,
    SECOND,
    START_NS,
    SYMBOL,
    book,
    depths,
    heard,
    limit,
    scripted_world,
    tops,
    trade,
)

from citadel_kit.exchange.build import balance_units, make_key
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.venue import AccountEvent, Print
from citadel_kit.micro.matching import Execution, ExecutionKind, OrderRefused, RefusalCode
from citadel_kit.types import Side


def test_clients_orders_are_in_the_feed_and_what_they_take_is_not() -> None:
    world = scripted_world()
    venue = world.venues["binance"]
    world.advance(START_NS + 150 * MS)
    events = heard(venue)
    venue.place(limit(Side.BUY, 6_000_050, 10_000))
    assert tops(events)[-1][3:] == (6_000_050, 10_000, 6_000_100, 150_000)
    venue.place(limit(Side.BUY, 6_000_100, 50_000))
    assert tops(events)[-1][3:] == (6_000_050, 10_000, 6_000_100, 100_000)
    (printed,) = [event for event in events if isinstance(event, Print)]
    assert (printed.price, printed.qty, printed.side) == (6_000_100, 50_000, Side.BUY)
    world.advance(START_NS + 250 * MS)
    (depth,) = depths(events)
    assert (depth.bids, depth.asks) == ([(6_000_050, 10_000)], [(6_000_100, 100_000)])


def test_a_refused_order_leaves_the_feed_silent() -> None:
    world = scripted_world()
    venue = world.venues["binance"]
    world.advance(START_NS + 150 * MS)
    events = heard(venue)
    with pytest.raises(OrderRefused):
        venue.place(limit(Side.BUY, 6_000_050, 10_000_000))
    world.advance(START_NS + SECOND)
    assert events == []


def reports(latency: Latency = Latency(), **faults: object) -> tuple[list[AccountEvent], list[int]]:  # noqa: B008
    """Of an order that rests at 150 ms and is filled by a trade at 400 ms: the events, and when they came."""
    world = scripted_world(OPENING, trade(400, 5_999_950, 100_000, Side.SELL), latency=latency)
    venue = world.venues["binance"]
    venue.faults.set(**faults)
    events: list[AccountEvent] = []
    times: list[int] = []

    def came(event: AccountEvent) -> None:
        events.append(event)
        times.append((world.now_ns - START_NS) // MS)

    venue.listen_account("main", came)
    venue.listen_account("nobody", came)
    world.advance(START_NS + 150 * MS)
    venue.place(limit(Side.BUY, 6_000_050, 10_000))
    world.advance(START_NS + 5 * SECOND)
    return events, times


def test_an_account_hears_of_its_orders_with_its_balances() -> None:
    events, times = reports()
    kinds = [e.execution.kind for e in events if isinstance(e.execution, Execution)]
    assert kinds == [ExecutionKind.NEW, ExecutionKind.TRADE]
    assert times == [150, 400]
    cost = 6_000_050 * 10_000 * 10**11  # of 7 decimals, in 18
    usdt = 100_000 * 10**18
    assert events[0].balances == {"USDT": (usdt - cost, cost), "BTC": (10**18, 0)}
    fee = 10**17 // 1000
    assert events[1].balances == {"USDT": (usdt - cost, 0), "BTC": (10**18 + 10**17 - fee, 0)}


def test_reports_travel_back_for_as_long_as_they_are_told_to() -> None:
    assert reports(Latency("constant", 30))[1] == [180, 430]
    _, times = reports(Latency("uniform", 10, 50))
    assert 160 <= times[0] <= 200
    assert 410 <= times[1] <= 450
    assert reports(Latency("uniform", 10, 50))[1] == times
    assert reports(latency_ms=25.0)[1] == [175, 425]


def test_reports_of_one_account_never_overtake_each_other() -> None:
    world = scripted_world(latency=Latency("lognormal", 20, 1.0))
    venue = world.venues["binance"]
    heard_ids: list[int] = []
    venue.listen_account("main", lambda e: heard_ids.append(e.execution.order.order_id))  # type: ignore[union-attr]
    world.advance(START_NS + 150 * MS)
    for n in range(50):
        world.advance(START_NS + (150 + n) * MS)
        venue.place(limit(Side.BUY, 5_990_000 + n, 1_000))
    world.advance(START_NS + 10 * SECOND)
    assert heard_ids == sorted(heard_ids)
    assert len(heard_ids) == 50


def test_late_and_duplicate_reports() -> None:
    assert reports(late_report=1.0, late_report_ms=700.0)[1] == [850, 1100]
    events, times = reports(duplicate_report=1.0)
    assert times == [150, 150, 400, 400]
    assert events[0] == events[1]
    assert events[2] == events[3]


def test_frozen_it_says_nothing_and_goes_on_without_a_hole() -> None:
    world = scripted_world(
        OPENING,
        book(300, [(6_000_000, 0)], [], snapshot=False),
        trade(350, 5_999_900, 10, Side.SELL),
        book(550, [], [(6_000_100, 7)], snapshot=False),
    )
    venue = world.venues["binance"]
    events = heard(venue)
    world.advance(START_NS + 250 * MS)
    venue.faults.set(freeze_book=True)
    before = len(events)
    world.advance(START_NS + 500 * MS)
    venue.place(limit(Side.BUY, 5_999_800, 1_000))
    assert len(events) == before
    assert len(venue.symbols[SYMBOL].trades) == 1  # asked for, it is told
    venue.faults.clear()
    world.advance(START_NS + 700 * MS)
    first, *_, last = depths(events)
    assert [depth.prev_id for depth in depths(events)[1:]] == [d.last_id for d in depths(events)[:-1]]
    assert tops(events)[-1][3:] == (5_999_900, 200_000, 6_000_100, 7)
    assert first.last_id < last.first_id


@pytest.mark.parametrize(
    ("reject", "code"),
    [
        ("post_only", RefusalCode.WOULD_TAKE),
        ("balance", RefusalCode.INSUFFICIENT_BALANCE),
        ("filter", RefusalCode.PRICE_FILTER),
    ],
)
def test_orders_are_refused_by_fault(reject: str, code: RefusalCode) -> None:
    world = scripted_world()
    venue = world.venues["binance"]
    world.advance(START_NS + 150 * MS)
    venue.faults.set(reject=reject)
    with pytest.raises(OrderRefused) as refused:
        venue.place(limit(Side.BUY, 6_000_000, 1_000))
    assert refused.value.code is code
    assert venue.faults.injected == {f"reject_{reject}": 1}
    venue.faults.set(reject_probability=0.0)
    venue.place(limit(Side.BUY, 6_000_000, 1_000))


def test_a_skewed_clock_is_in_what_it_says_not_in_what_it_does() -> None:
    world = scripted_world()
    venue = world.venues["binance"]
    venue.faults.set(clock_skew_ms=-1500.0)
    events = heard(venue)
    world.advance(START_NS + 200 * MS)
    assert venue.now_ns() == START_NS - 1300 * MS
    assert depths(events)[0].at_ns == START_NS - 1400 * MS
    assert venue.place(limit(Side.BUY, 6_000_000, 1_000)).created_ns == START_NS + 200 * MS


def test_who_stopped_listening_hears_no_more() -> None:
    world = scripted_world()
    events: list[object] = []
    stop = world.venues["binance"].listen(events.append)
    stop()
    stop()
    world.advance(START_NS + SECOND)
    assert events == []


def test_amend_cancel_and_replace_are_told_too() -> None:
    world = scripted_world()
    venue = world.venues["binance"]
    world.advance(START_NS + 150 * MS)
    order = venue.place(limit(Side.BUY, 6_000_050, 10_000))
    events = heard(venue)
    venue.amend(SYMBOL, "main", order_id=order.order_id, qty=4_000)
    assert tops(events)[-1].bid_qty == 4_000
    new = limit(Side.BUY, 6_000_060, 3_000)
    done = venue.cancel_replace("main", new, order_id=order.order_id, stop_on_failure=True)
    assert done.placed is not None
    assert tops(events)[-1][3:5] == (6_000_060, 3_000)
    venue.cancel(SYMBOL, "main", order_id=done.placed.order_id)
    assert tops(events)[-1].bid == 6_000_000
    venue.place(limit(Side.BUY, 6_000_050, 10_000))
    assert len(venue.cancel_all(SYMBOL, "main")) == 1
    assert tops(events)[-1].bid == 6_000_000


def test_keys_are_the_seeds_and_their_secret_is_in_no_repr() -> None:
    key = make_key(7, "binance")
    assert key == make_key(7, "binance")
    assert key.key != make_key(7, "okx").key
    assert key.secret not in repr(key)
    assert not key.may_withdraw


def test_a_balance_is_what_the_number_is_written_as() -> None:
    assert balance_units(0.1) == 10**17
    assert balance_units(100_000) == 10**23
