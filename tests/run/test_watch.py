"""What the guard is shown of an engine's venues, and what the engine does at each of its steps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import NOT_CALM, GuardConfig, GuardStep, Trip
from citadel_kit.micro.limits import Limits
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.run.watch import DEPTH_EVERY_NS, DEPTH_LEVELS, Watch
from citadel_kit.types import BookTop, GlobalQuote, Instrument, OrderIntent, Purpose, Side

S = 1_000_000_000
START = 1_700_000_000_000_000_000
COINS = {
    name: Instrument(
        venue=name,
        symbol="A/B",
        venue_symbol="AB",
        price_decimals=2,
        qty_decimals=decimals,
        contract_size=size,
    )
    for name, decimals, size in (("one", 0, 1.0), ("two", 2, 0.5))
}


class Flat(NamedTuple):
    """A book of equal levels."""

    bid_qty: int
    ask_qty: int
    count: int = 40

    def top(self) -> BookTop:
        return BookTop(0, 0, 0, 10_000, self.bid_qty, 10_001, self.ask_qty)

    def depths(self, levels: int) -> tuple[int, int]:
        return self.bid_qty * min(levels, self.count), self.ask_qty * min(levels, self.count)


def quote(bid: float = 100.0, ask: float = 100.1) -> GlobalQuote:
    return GlobalQuote(
        bid=bid, bid_qty=1.0, bid_venue="one", bid_age_ns=0, ask=ask, ask_qty=1.0, ask_venue="two",
        ask_age_ns=0, crossed=bid > ask,
    )  # fmt: skip


def watch(**changes: float) -> Watch:
    return Watch(GuardConfig(depth_sample_ns=S)._replace(**changes), COINS)  # type: ignore[arg-type]


def test_depth_is_that_of_the_thinner_side_over_all_live_venues() -> None:
    it = watch()
    it.on_book("one", 1 * S, quote(), Flat(3, 5))
    assert it.state.depths.samples[0] == 3 * DEPTH_LEVELS
    it.on_book("two", 2 * S, quote(), Flat(400, 100))  # of 0.5 a contract, two decimals: 2.0 and 0.5
    assert it.state.depths.samples[0] == min(3 + 2.0, 5 + 0.5) * DEPTH_LEVELS
    it.lost("one")
    it.on_book("two", 3 * S, quote(), Flat(400, 100, 4))
    assert it.state.depths.samples[0] == 0.5 * 4


def test_depth_is_read_now_and_then_and_the_quote_each_time() -> None:
    it = watch(depth_sample_ns=1)
    it.on_book("one", S, quote(), Flat(3, 5))
    it.on_book("one", S + DEPTH_EVERY_NS - 1, quote(99.0, 99.1), Flat(1, 1))
    assert it.state.depths.samples[0] == 60 and it.state.last.fall_bps > 90
    it.on_book("one", S + DEPTH_EVERY_NS, quote(), Flat(1, 1))
    assert it.state.depths.samples[0] == 20


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * S),
            st.floats(94.0, 102.0) | st.just(math.nan),
            st.floats(-80.0, 200.0),
            st.sampled_from(["one", "two"]),
            st.sampled_from([1, 40, 50]),
            st.sampled_from(["book"] * 8 + ["timer", "dead", "lost", "look", "hand", "rearm"]),
        ),
        max_size=80,
    ),
    st.sampled_from([1.0, 10.0]),
)
def test_what_is_put_off_changes_nothing(rows: list[Any], every_s: float) -> None:
    """A twin looks at every sight in its turn, since somebody asks it for its state after each."""
    quick, slow = watch(depth_sample_ns=int(every_s * S)), watch(depth_sample_ns=int(every_s * S))
    now = S
    for step, mid, spread_bps, venue, depth, what in rows:
        now += step // 20
        slow._calm = NOT_CALM  # and at every timer
        for it in (quick, slow):
            if what == "book":
                half = mid * spread_bps / 2e4
                it.on_book(venue, now, quote(mid - half, mid + half), Flat(depth, depth))
            elif what in ("timer", "dead"):
                it.on_timer(now, what == "timer")
            elif what == "lost":
                it.lost(venue)
            elif what == "hand":
                it.trip(now)
            elif what == "rearm":
                it.rearm(now)
        assert slow.state.now_ns <= now
        assert (quick.says, quick._state.step, quick._state.tripped_ns) == (
            slow.says, slow.state.step, slow.state.tripped_ns,
        )  # fmt: skip
        if what == "look":
            np.testing.assert_equal(timeless(quick.state), timeless(slow.state))
    np.testing.assert_equal(timeless(quick.state), timeless(slow.state))


def timeless(state: Any) -> list[float]:
    """A timer that brings no news is left out, so only the latest time seen may differ."""
    return flat(state._replace(now_ns=0))


def flat(state: Any) -> list[float]:
    if not isinstance(state, tuple):
        return [float(state)]
    return [value for part in state for value in flat(part)]


def test_most_updates_of_a_calm_market_are_put_off() -> None:
    it = watch(depth_sample_ns=10 * S)
    for i in range(4):
        it.on_book("one", 20 * S + i, quote(), Flat(3, 5))
    assert it._newest is not None and it._state.heard_ns == 20 * S
    assert it.state.heard_ns == 20 * S + 3


def test_a_crossed_quote_has_a_distance_and_no_mid() -> None:
    it = watch(crossed_hold_ns=0)
    assert it.on_book("one", S, quote(101.0, 100.0), Flat(1, 1))
    assert (it.state.step, it.state.tripped) == (GuardStep.PAUSE, Trip.DIVERGENCE)
    assert it.state.measured == pytest.approx(1 / 100.5 * 1e4) and math.isnan(it.state.last.fall_bps)


def test_a_hand_and_a_timer_are_news_once() -> None:
    it = watch()
    assert not it.on_book("one", S, quote(), Flat(1, 1)) and it.says == "ok"
    assert not it.on_timer(2 * S, False)
    assert it.on_timer(8 * S, False) and "no LIVE book" in it.says
    assert it.trip(9 * S) and not it.trip(10 * S) and it.says == "tripped by hand"
    assert it.trip(11 * S, GuardStep.FLATTEN) and it.rearm(12 * S) and it.says == "ok"


def test_a_setting_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="slide_bps"):
        watch(slide_bps=0)


def test_a_pause_pulls_an_entry_and_reduce_ends_it_and_exits_go_on() -> None:
    """Any spread is too wide here, from the twentieth second on."""
    market = SyntheticMarket(start_ns=START, start_price=30_000.0, seed=5, duration_s=90.0)
    config = GuardConfig(max_spread_bps=1e-6, spread_hold_ns=20 * S, escalate_ns=10 * S)
    rich = GateConfig(max_notional=1e9)
    with HybridConnector(ReplayDriver(market), guard=config, gate=rich, limits=Limits(1e9, 1e9, 1e9)) as kit:
        kit.wait_live()
        venue, instrument = next(iter(kit.instruments.items()))
        first = OrderIntent(venue=venue, symbol=instrument.symbol, side=Side.BUY, qty=10_000, forced=True)
        kit.run_until(lambda: kit.gate(first).allowed, 10)
        bought = kit.submit(first, on_deadline="take", deadline_s=5.0)
        kit.run_for(10)
        assert bought.status == "filled"
        kit.run_until(lambda: kit.gate(first).allowed, 5)
        entry = kit.submit(first, limit_price=20_000, max_chase_bps=9_000, deadline_s=300.0)
        leave = replace(first, side=Side.SELL, purpose=Purpose.EXIT)
        kit.run_until(lambda: "PAUSE" in kit.snapshot().guard, 40)
        kit.run_for(1)
        assert entry.status == "working" and math.isnan(entry.view.working_price)
        assert "guard" in kit.gate(first).reasons and kit.gate(leave).allowed
        sold = kit.submit(leave, limit_price=40_000, max_chase_bps=9_000, deadline_s=300.0)
        kit.run_until(lambda: "REDUCE" in kit.snapshot().guard, 40)
        kit.run_for(1)
        assert (entry.status, sold.status) == ("cancelled", "working")
        assert not math.isnan(sold.view.working_price)
