"""What the engine shows of flow and of opportunities, wired to its own events."""

from __future__ import annotations

import math

from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import FeedState

START = 1_700_000_000_000_000_000


def market() -> SyntheticMarket:
    return SyntheticMarket(start_ns=START, start_price=30_000.0, seed=5, duration_s=60.0)


def test_a_snapshot_shows_the_flow_of_every_live_venue() -> None:
    with HybridConnector(ReplayDriver(market())) as kit:
        kit.wait_live()
        kit.run_for(45)
        for venue in kit.snapshot().venues:
            numbers = venue.order_flow, venue.signed_volume, venue.trade_imbalance, venue.volatility_bps
            assert all(math.isfinite(number) for number in numbers), venue
            assert venue.signed_volume != 0
            assert 0 < venue.spread_quantiles[0] <= venue.spread_quantiles[1] <= venue.spread_quantiles[2]
            assert venue.left_out == ""
        assert kit.snapshot().quote.currency == "USDT"


def test_the_guard_hears_that_no_book_is_live() -> None:
    with HybridConnector(ReplayDriver(market())) as kit:
        kit.wait_live()
        engine, halt_ns = kit._engine, GuardConfig().halt_ns
        now_ns = engine.now_ns
        engine.timer(now_ns + 1)
        for venue in engine.sessions:
            assert engine.snapshot().guard == "ok"
            engine.closed(venue, now_ns + 2, "cut", 0.0)
        engine.timer(now_ns + 3)
        engine.timer(now_ns + 2 + halt_ns)
        assert engine.snapshot().guard == "ok"
        engine.timer(now_ns + 3 + halt_ns)
        assert "no LIVE book" in engine.snapshot().guard


def test_a_book_that_is_not_live_shows_no_flow_and_is_left_out() -> None:
    with HybridConnector(ReplayDriver(market()), session=SessionConfig()) as kit:
        kit.wait_live()
        kit.run_for(20)
        engine = kit._engine
        (venue, other) = engine.sessions
        engine.closed(venue, engine.now_ns, "cut", 0.0)
        snapshot = engine.snapshot()
        dead, alive = snapshot.venue(venue), snapshot.venue(other)
        assert dead.state == FeedState.INIT
        assert all(math.isnan(number) for number in (dead.order_flow, *dead.spread_quantiles))
        assert "not LIVE" in dead.left_out
        assert math.isfinite(alive.order_flow)
        assert {snapshot.quote.bid_venue, snapshot.quote.ask_venue} == {other}
        assert all(venue not in (o.buy_venue, o.sell_venue) for o in snapshot.opportunities)
