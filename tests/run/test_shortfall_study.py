"""The shortfall study's pieces: trials are alone, equal the engine's, and intervals know about overlap."""

from __future__ import annotations

import numpy as np
import pytest

from citadel_kit import settings
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.matching import QueueConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.run.shortfall import measure
from citadel_kit.run.shortfall_study import MODELS, StudyConfig, Trial, Way, block_bootstrap, study, ways
from citadel_kit.types import OrderIntent, Side

S = 1_000_000_000
START = 1_700_000_000 * S
FEES = settings.Fees(2.0, 5.0)
QTY = 30_000
JOIN, STATIC, MARKET = Way("chase", 5.0), Way("static", 5.0), Way("market", 0.0)


def market() -> SyntheticMarket:
    return SyntheticMarket(start_ns=START, start_price=30_000.0, seed=5, duration_s=25.0, venues=["alpha"])


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    starts = [START + 2 * S + 400_000_000 * i for i in range(12)]
    return study(market(), starts, ways([2.0, 5.0], [1, 0, -1]), FEES, StudyConfig(QTY))


def found(trials: list[Trial], way: Way, model: str = "queue", side: Side = Side.BUY) -> list[Trial]:
    return sorted(t for t in trials if (t.way, t.model, t.side) == (way, model, side))


def test_every_start_is_tried_every_way(trials: list[Trial]) -> None:
    assert len(trials) == 12 * len(MODELS) * 2 * (1 + 2 * 2 * 3)
    assert all(t.row.fill_rate == pytest.approx(1.0) for t in trials)
    for t in trials:
        assert t.row.shortfall_bps == t.row.spread_bps + t.row.drift_bps + t.row.fees_bps


def test_each_way_does_what_its_name_says(trials: list[Trial]) -> None:
    for t in trials:
        if t.way == MARKET:
            assert t.row.maker_rate == 0.0 and t.row.queue_s == 0.0
            assert t.row.fees_bps == pytest.approx(5.0, rel=1e-3)
        elif t.way.kind == "static":
            assert t.row.reprices == 0
        assert t.row.time_to_fill_s < t.way.deadline_s + 0.5
    assert sum(t.row.reprices for t in trials) > 20
    assert {0.0, 1.0} <= {round(t.row.maker_rate, 6) for t in trials}


def test_trials_do_not_share_the_markets_flow(trials: list[Trial]) -> None:
    """One start and one way alone gives what it gave among 312 others."""
    for start in (0, 7):
        at_ns = [START + 2 * S + 400_000_000 * i for i in range(start + 1)]
        alone = study(market(), at_ns, [JOIN], FEES, StudyConfig(QTY))
        for model in MODELS:
            for side in Side:
                assert found(alone, JOIN, model, side)[start] == found(trials, JOIN, model, side)[start]


def test_pessimistic_fills_never_come_sooner(trials: list[Trial]) -> None:
    for fast, slow in zip(found(trials, STATIC), found(trials, STATIC, "pessimistic"), strict=True):
        assert fast.row.time_to_fill_s <= slow.row.time_to_fill_s


@pytest.mark.parametrize(("model", "side"), [("queue", Side.BUY), ("pessimistic", Side.SELL)])
def test_a_trial_is_an_order_of_the_engine_to_the_last_digit(
    trials: list[Trial], model: str, side: Side
) -> None:
    """The first trial, whose delays have the default seed, beside a whole connector on the same market."""
    trial = found(trials, JOIN, model, side)[0]
    rich = GateConfig(max_notional=1e12, max_spread_bps=1e4)
    queue: QueueConfig = MODELS[model]
    fees = {"alpha": FEES}
    with HybridConnector(ReplayDriver(market()), gate=rich, queue=queue, fees=fees) as kit:
        kit.run_until(lambda: kit._engine.now_ns >= trial.start_ns, 10)
        intent = OrderIntent(venue="alpha", symbol="BTC/USDT", side=side, qty=QTY, forced=True)
        order = kit.submit(
            intent, deadline_s=5, on_deadline="take", max_chase_bps=1_000, take_slippage_bps=100
        )
        view = order.wait(10)
        (seen,) = kit.report().executions
    row = measure(seen)
    assert row._replace(parent_id="") == trial.row
    assert row.spread_bps + row.drift_bps == pytest.approx(view.slippage_bps)
    assert row.fees_bps * row.notional / 1e4 == pytest.approx(view.fees)
    assert row.average_price == pytest.approx(view.average_price)


def test_a_trial_the_tape_cuts_off_is_not_counted() -> None:
    assert study(market(), [START + 23 * S], [Way("static", 5.0, -500)], FEES, StudyConfig(QTY)) == []


# --- intervals -------------------------------------------------------------------------------------------


def dependent(rng: np.random.Generator, n: int, run: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` values a second apart, each like the `run` around it; their mean is 0."""
    shocks = rng.normal(size=n + run)
    values = np.convolve(shocks, np.ones(run), "valid")[:n]
    return np.arange(n) * S, values


def test_blocks_cover_the_truth_where_single_draws_do_not() -> None:
    rng = np.random.default_rng(1)
    covered = {1: 0, 40: 0}
    for _ in range(60):
        times, values = dependent(rng, 400, 10)
        for seconds in covered:
            interval = block_bootstrap(times, values, seconds * S, draws=200)
            covered[seconds] += interval.low <= 0 <= interval.high
    assert covered[40] >= 48 and covered[1] <= 35


def test_its_mean_is_the_mean_and_a_constant_has_no_width() -> None:
    times = np.sort(np.random.default_rng(2).integers(0, 100 * S, 50))
    assert block_bootstrap(times, np.full(50, 3.0), 10 * S) == pytest.approx((3.0, 3.0, 3.0))
    interval = block_bootstrap(times, np.arange(50.0), 10 * S)
    assert interval.mean == pytest.approx(24.5) and interval.low < 24.5 < interval.high


def test_a_block_longer_than_the_span_is_the_whole_span() -> None:
    times, values = dependent(np.random.default_rng(3), 30, 2)
    interval = block_bootstrap(times, values, 10**6 * S)
    assert interval.low == pytest.approx(interval.high) == pytest.approx(interval.mean)
