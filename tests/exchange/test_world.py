from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_market import (
    MS,
    OPENING,
    SECOND,
    START_NS,
    SYMBOL,
    Scripted,
    book,
    depths,
    heard,
    limit,
    lost,
    scripted_world,
    synthetic_world,
    tops,
    trade,
)

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.build import ExchangeConfig, build_world
from citadel_kit.exchange.faults import ScheduledFault
from citadel_kit.exchange.venue import Depth, Print, Top
from citadel_kit.micro.matching import OrderRefused, RefusalCode
from citadel_kit.types import Side

VENUES = ("binance", "kraken", "okx")


def test_the_outsides_book_is_shown_and_its_changes_are_flushed_every_100_ms() -> None:
    world = scripted_world(OPENING, book(130, [(6_000_000, 0)], [(6_000_300, 5)], snapshot=False))
    events = heard(world.venues["binance"])
    world.advance(START_NS + 250 * MS)
    first, second = depths(events)
    assert first.at_ns == START_NS + 100 * MS
    assert first.bids == [(6_000_000, 100_000), (5_999_900, 200_000)]
    assert first.asks == [(6_000_100, 150_000), (6_000_200, 300_000)]
    assert (second.bids, second.asks) == ([(6_000_000, 0)], [(6_000_300, 5)])
    assert second.prev_id == first.last_id
    assert second.first_id == first.last_id + 1
    assert second.last_id == first.last_id + 2
    assert [(t.bid, t.ask) for t in tops(events)] == [(6_000_000, 6_000_100), (5_999_900, 6_000_100)]


def test_a_lost_book_is_taken_down_and_orders_are_refused_until_it_is_back() -> None:
    world = scripted_world(OPENING, lost(10), book(300, [(50, 1)], [(60, 1)]))
    venue = world.venues["binance"]
    events = heard(venue)
    world.advance(START_NS + 200 * MS)
    assert tops(events)[-1][3:] == (0, 0, 0, 0)
    with pytest.raises(OrderRefused) as refused:
        venue.place(limit(Side.BUY, 6_000_000, 1_000))
    assert refused.value.code is RefusalCode.NO_BOOK
    world.advance(START_NS + 400 * MS)
    assert tops(events)[-1][3:] == (50, 1, 60, 1)


def test_at_one_moment_the_outside_comes_first_then_what_is_due_then_the_flush() -> None:
    world = scripted_world(OPENING, trade(100, 6_000_100, 7, Side.BUY))
    order: list[str] = []
    world.venues["binance"].listen(lambda event: order.append(type(event).__name__))
    world.later(START_NS + 100 * MS, lambda: order.append("first due"))
    world.later(START_NS + 100 * MS, lambda: order.append("second due"))
    world.later(START_NS + 50 * MS, lambda: order.append("early"))
    world.advance(START_NS + 100 * MS)
    assert order == ["Top", "early", "Print", "first due", "second due", "Depth"]


def test_what_is_put_off_to_the_past_happens_now_and_the_past_changes_nothing() -> None:
    world = scripted_world()
    world.advance(START_NS + SECOND)
    done: list[int] = []
    world.later(START_NS, lambda: done.append(world.now_ns))
    world.advance(START_NS + SECOND // 2)
    assert world.now_ns == START_NS + SECOND
    assert done == []
    world.advance(START_NS + SECOND)
    assert done == [START_NS + SECOND]


def told(cuts: list[int], seed: int = 3) -> list[Any]:
    """All that three venues say in two seconds, with orders at fixed times; `cuts`: further stops, in ms."""
    world = synthetic_world(venues=VENUES, seed=seed)
    said: list[Any] = []
    for venue in world.venues.values():
        venue.listen(said.append)
        venue.listen_account("main", said.append)
    orders = {400: Side.BUY, 900: Side.SELL, 1300: Side.BUY}
    for ms in sorted({*cuts, *orders, 2000}):
        world.advance(START_NS + ms * MS)
        if ms in orders:
            for venue in world.venues.values():
                bid, _, ask, _ = venue.engine(SYMBOL).top()
                of = venue.symbols[SYMBOL].instrument
                price = bid if orders[ms] is Side.BUY else ask
                venue.place(limit(orders[ms], price, 10**of.qty_decimals // 100))
    return said


def test_the_same_seed_and_calls_give_the_same_events() -> None:
    once = told([])
    assert told([]) == once
    assert told([], seed=4) != once
    assert {type(event) for event in once} >= {Depth, Top, Print}


@settings(max_examples=8)
@given(st.lists(st.integers(0, 1999), max_size=30))
def test_how_often_the_world_is_moved_changes_nothing(cuts: list[int]) -> None:
    assert told(cuts) == told([])


def test_depths_alone_rebuild_the_shown_book_of_every_venue() -> None:
    world = synthetic_world(venues=VENUES, seed=5)
    events = {name: heard(venue) for name, venue in world.venues.items()}
    for second in range(1, 5):
        world.advance(START_NS + second * SECOND)
        for venue in world.venues.values():
            bid, _, ask, _ = venue.engine(SYMBOL).top()
            of = venue.symbols[SYMBOL].instrument
            venue.place(limit(Side.BUY, ask + 50 * of.tick, 10**of.qty_decimals // 10))
            venue.place(limit(Side.SELL, bid + (ask - bid) // of.tick // 2 * of.tick + of.tick, 10**of.qty_decimals // 50))  # fmt: skip # noqa: E501
    world.advance(START_NS + 5 * SECOND)
    for name, venue in world.venues.items():
        venue.flush()
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        said = depths(events[name])
        assert all(b.prev_id == a.last_id and b.first_id == a.last_id + 1 for a, b in pairwise(said))
        for depth in said:
            for side, levels in ((bids, depth.bids), (asks, depth.asks)):
                side.update(levels)
        engine = venue.engine(SYMBOL)
        assert sorted(((p, q) for p, q in bids.items() if q), reverse=True) == engine.shown(True, 10**6)
        assert sorted((p, q) for p, q in asks.items() if q) == engine.shown(False, 10**6)
        assert tops(events[name])[-1][3:] == engine.top()


def test_a_top_has_the_id_of_the_change_that_made_it() -> None:
    world = synthetic_world(seed=6)
    events = heard(world.venues["binance"])
    world.advance(START_NS + 9 * SECOND)
    by_id = {top.last_id: top for top in tops(events)}
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    agreed = 0
    for depth in depths(events):
        bids.update(depth.bids)
        asks.update(depth.asks)
        top = by_id.get(depth.last_id)
        if top is not None:
            agreed += 1
            assert (top.bid, top.ask) == (max(p for p, q in bids.items() if q), min(p for p, q in asks.items() if q))  # fmt: skip # noqa: E501
    assert agreed >= 3


def test_trades_make_candles_behind_the_history() -> None:
    world = synthetic_world(seed=8)
    venue = world.venues["binance"]
    events = heard(venue)
    world.advance(START_NS + 90 * SECOND)
    prints = [event for event in events if isinstance(event, Print)]
    first, second = venue.symbols[SYMBOL].candles.bars("1m", world.now_ns, limit=2)
    own = [p for p in prints if p.at_ns < START_NS + 60 * SECOND]
    assert first.volume == sum(p.qty for p in own)
    assert first.quote_volume == sum(p.qty * p.price for p in own)
    assert (first.open, first.close) == (own[0].price, own[-1].price)
    assert (first.high, first.low) == (max(p.price for p in own), min(p.price for p in own))
    assert first.taker_volume == sum(p.qty for p in own if p.side == Side.BUY)
    assert (first.trades, first.closed, second.closed) == (len(own), True, False)
    before = venue.symbols[SYMBOL].candles.bars("1m", world.now_ns, end_ns=START_NS - 1, limit=1)[0]
    assert before.close == pytest.approx(own[0].price, rel=1e-3)


def test_a_schedule_switches_faults_on_and_off() -> None:
    world = scripted_world(faults=[ScheduledFault(1.0, 2.0, {"lose": 0.5, "freeze_book": True})])
    faults = world.venues["binance"].faults
    seen = []
    for second in (0.9, 1.0, 2.9, 3.0):
        world.advance(START_NS + int(second * SECOND))
        seen.append((faults.config.lose, faults.config.freeze_book))
    assert seen == [(0.0, False), (0.5, True), (0.5, True), (0.0, False)]


class Ticking:
    """A clock that goes on by 0.1 ms whenever it is looked at."""

    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        self.now_ns += MS // 10
        return self.now_ns


def test_a_turn_is_short_and_what_it_leaves_comes_late_but_in_order() -> None:
    clock = Ticking()
    prices = [6_000_100 + n for n in range(100)]
    market = Scripted(OPENING, *(trade(n / 10, price, 1, Side.BUY) for n, price in enumerate(prices)))
    world = build_world(ExchangeConfig(market=market), START_NS, clock)
    events = heard(world.venues["binance"])

    def told() -> list[int]:
        return [event.price for event in events if isinstance(event, Print)]

    clock.now_ns += 50 * MS
    assert not world.turn()
    before = len(told())
    assert 0 < before < 20
    world.catch_up()  # a client is not made to wait for the rest
    assert len(told()) == before
    assert world.now_ns == clock.now_ns
    turns = 1
    while not world.turn():
        turns += 1
    assert told() == prices
    assert turns > 5
    late = [event.at_ns for event in events if isinstance(event, Print)]
    assert late == sorted(late)
    assert late[-1] > START_NS + 50 * MS
    world.catch_up()
    assert world.now_ns == clock.now_ns


def test_books_of_several_symbols_are_flushed_one_after_another() -> None:
    world = synthetic_world(venues=VENUES, symbols=("BTC/USDT", "ETH/USDT"))
    events = [event for venue in world.venues.values() for event in [heard(venue)]]
    world.advance(START_NS + 2 * SECOND)
    times = sorted(depth.at_ns for told in events for depth in depths(told))
    assert len(set(times)) == len(times)
    assert {at % (100 * MS) // MS for at in times} == {0, 16, 33, 50, 66, 83}
    for told in events:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            own = [depth.at_ns for depth in depths(told) if depth.symbol == symbol]
            assert {(b - a) // MS for a, b in pairwise(own)} <= {99, 100, 200}


def test_only_a_synthetic_market_crashes_on_demand() -> None:
    with pytest.raises(ConfigError, match="synthetic"):
        scripted_world().crash()
    world = synthetic_world(venues=VENUES)
    world.crash(0.2, venue="okx")  # before it moved for the first time
    world.advance(START_NS + 5 * SECOND)
    bid = {name: venue.engine(SYMBOL).top()[0] / 10 ** venue.symbols[SYMBOL].instrument.price_decimals
           for name, venue in world.venues.items()}  # fmt: skip
    assert bid["okx"] == pytest.approx(48_000, rel=0.02)
    assert bid["kraken"] == pytest.approx(60_000, rel=0.01)
