"""What is kept beside a parent order: where it rested and for how long, and the market around it."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.run.trace import NO_MARK, PATH, RESTS, Mark, Rested, Trace
from citadel_kit.types import (
    FIRST_STOP_ID,
    BookTop,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    TimeInForce,
)

K, R = CommandKind, ReportKind


def top(bid: int, ask: int) -> BookTop:
    return BookTop(0, 0, -1, bid, 1, ask, 1)


def command(kind: K, order: int = 1, price: int = 100, qty: int = 10, tif: int = 0) -> Command:
    return Command(int(kind), order, 1, price, qty, tif)


def report(
    kind: R, at: int, order: int = 1, price: int = 0, qty: int = 0, filled: int = 0, reason: int = 0
) -> OrderReport:
    return OrderReport(int(kind), order, at, price, qty, filled, True, reason)


def resting() -> Trace:
    trace = Trace()
    trace.on_top(5, top(100, 102))
    trace.on_command(10, command(K.PLACE))
    trace.on_report(report(R.ACK, 20, price=100, qty=10))
    return trace


def test_an_order_rests_from_the_word_that_it_lives_to_the_word_that_it_does_not() -> None:
    trace = resting()
    assert trace.rests == [Rested(1, 100, 20, 0)] and trace.rested_ns(50) == 30
    trace.on_command(60, command(K.CANCEL))
    trace.on_report(report(R.CANCELED, 80))
    trace.on_command(80, command(K.PLACE, 2, 103))
    trace.on_report(report(R.ACK, 90, 2))  # a report that names no price: as commanded
    trace.on_report(report(R.FILL, 95, 2, price=103, qty=10, filled=10), booked=True)
    assert trace.rests == [Rested(1, 100, 20, 80), Rested(2, 103, 90, 95)]
    assert trace.rested_ns(1_000) == 65
    assert (trace.placed_ns, trace.reprices) == (10, 1)


def test_an_amendment_moves_it_only_when_the_venue_says_so() -> None:
    trace = resting()
    trace.on_command(30, command(K.AMEND, price=105, qty=10))
    trace.on_report(report(R.AMEND_REJECT, 40))
    assert trace.rests == [Rested(1, 100, 20, 0)] and trace.reprices == 0
    trace.on_command(50, command(K.AMEND, price=106, qty=8))
    trace.on_report(report(R.AMENDED, 60))
    assert trace.rests == [Rested(1, 100, 20, 60), Rested(1, 106, 60, 0)] and trace.reprices == 1
    trace.on_report(report(R.FILL, 70, price=106, qty=8, filled=8))  # of the smaller total: all of it
    assert trace.rested_ns(99) == 50


def test_back_at_its_price_is_no_reprice() -> None:
    trace = resting()
    trace.on_report(report(R.CANCELED, 30))
    trace.on_command(40, command(K.PLACE, 2))
    trace.on_report(report(R.ACK, 50, 2))
    assert trace.reprices == 0


@pytest.mark.parametrize(
    ("order", "tif"), [(1, TimeInForce.IOC), (FIRST_STOP_ID, TimeInForce.GTC)], ids=["a take", "a stop"]
)
def test_what_does_not_wait_in_a_queue_is_passed_over(order: int, tif: TimeInForce) -> None:
    trace = Trace()
    trace.on_command(10, command(K.PLACE, order, tif=int(tif)))
    trace.on_report(report(R.ACK, 20, order, 100, 10))
    assert trace.rests == [] and trace.rested_ns(99) == 0


def test_a_duplicate_order_id_is_no_end_and_another_reject_is() -> None:
    trace = resting()
    trace.on_report(report(R.REJECT, 30, reason=int(RejectReason.DUPLICATE)))
    assert trace.rested_ns(50) == 30
    trace.on_report(report(R.REJECT, 40, reason=int(RejectReason.VENUE)))
    assert trace.rested_ns(50) == 20


def test_each_booked_fill_has_the_market_as_last_seen() -> None:
    trace = resting()
    first, second = report(R.FILL, 30, price=100, qty=1, filled=1), report(R.FILL, 40, 1, 100, 2, 3)
    trace.on_report(first, booked=True)
    trace.on_top(35, top(101, 103))
    trace.on_top(36, top(0, 103))  # one-sided
    trace.on_top(37, top(103, 103))  # locked
    trace.on_report(first)  # said again: not booked
    trace.on_report(second, booked=True)
    assert trace.fills == [Mark(5, 100, 102), Mark(35, 101, 103)]
    assert (trace.arrival, trace.last) == (Mark(5, 100, 102), Mark(35, 101, 103))


def test_a_fill_before_any_market_has_no_mark() -> None:
    trace = Trace()
    trace.on_report(report(R.FILL, 30, price=100, qty=1, filled=1), booked=True)
    assert isnan(trace.fills[0].mid) and trace.fills[0] is NO_MARK


def test_memory_is_bounded_and_the_sums_are_not_touched_by_it() -> None:
    trace = Trace()
    n = 40_000
    for i in range(n):
        trace.on_top(10 * i, top(100 + i % 7, 120))
    path = trace.path()
    assert PATH // 2 <= len(path) <= PATH + 1
    assert path[0] == Mark(0, 100, 120) and path[-1] == trace.last
    steps = [b.at_ns - a.at_ns for a, b in pairwise(path[:-1])]
    assert max(steps) <= 4 * min(steps), "thinned evenly"
    for i in range(1, n):
        trace.on_command(10 * i, command(K.PLACE, i, 100 + i % 2))
        trace.on_report(report(R.ACK, 10 * i + 1, i))
        trace.on_report(report(R.CANCELED, 10 * i + 4, i))
    assert len(trace.rests) == RESTS
    assert (trace.rested_ns(0), trace.reprices) == (3 * (n - 1), n - 2)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 50), st.integers(1, 50), st.booleans()), max_size=20)
)
def test_time_and_moves_are_those_of_the_story(story: list[tuple[int, int, int, bool]]) -> None:
    """Lives of one order after the other: (price, wait before, time resting, filled or cancelled)."""
    trace, now, rested, prices = Trace(), 0, 0, []
    for number, (price, wait, life, filled) in enumerate(story, 1):
        trace.on_command(now, command(K.PLACE, number, price))
        now += wait + 1
        trace.on_report(report(R.ACK, now, number))
        trace.on_report(report(R.ACK, now, number, price))  # twice
        now, rested = now + life, rested + life
        trace.on_report(
            report(R.FILL, now, number, price, 10, 10) if filled else report(R.CANCELED, now, number)
        )
        trace.on_report(report(R.ACK, now, number))  # late
        prices.append(price)
    assert trace.rested_ns(now + 7) == rested
    assert trace.reprices == sum(a != b for a, b in pairwise(prices))
