from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import Backtest, CostConfig, backtest
from citadel_kit.macro.trades import Account, Exit, Plan, Plans, Trades, trade, walk

FREE = CostConfig(fee_bps=0.0, slippage_bps=0.0)
COSTS = CostConfig(fee_bps=8.0, slippage_bps=2.0, half_spread_bps=1.0)


def plans(n: int, seed: int, sides: tuple[float, ...] = (0.0, 0.0, 0.0, 0.5, 1.0, -0.7)) -> Plans:
    rng = np.random.default_rng(seed)
    return Plans(
        rng.choice(sides, n),
        rng.choice([0.005, 0.02, np.inf], n),
        rng.choice([0.004, 0.03, np.inf], n),
        rng.choice([0, 1, 5, 20], n),
    )


def read_from(plans: Plans) -> object:
    return lambda account: Plan(
        *(float(column[account.row]) for column in plans[:3]), int(plans.bars[account.row])
    )


def same(a: tuple[Backtest, Trades], b: tuple[Backtest, Trades]) -> None:
    for mine, theirs in zip(a[0][:5], b[0][:5], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
    for mine, theirs in zip(a[1], b[1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), hole=st.integers(5, 150), funded=st.booleans())
def test_arrays_and_events_agree(seed: int, hole: int, funded: bool) -> None:
    frame = without(random_candles(200, seed=seed), hole, hole + 3)
    wanted, n = plans(len(frame), seed), len(frame)
    funding = np.random.default_rng(seed).normal(0, 1e-4, n) if funded else None
    same(trade(frame, wanted, COSTS, funding), walk(frame, read_from(wanted), COSTS, funding))  # type: ignore[arg-type]


def bars(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    frame = random_candles(len(rows))
    frame[["open", "high", "low", "close"]] = np.array(rows)
    return frame


def one(plan: Plan, n: int) -> Plans:
    """The plan at the first close, nothing after it."""
    share = np.zeros(n)
    share[0] = plan.share
    return Plans(share, np.full(n, plan.stop), np.full(n, plan.target), np.full(n, plan.bars))


CALM = (100.0, 101.0, 99.0, 100.0)


@pytest.mark.parametrize(
    ("plan", "rows", "reason", "row", "price"),
    [
        (
            Plan(1.0, 0.05, 0.05),
            [CALM, CALM, (100, 106, 94, 100), CALM],
            Exit.STOP,
            2,
            95.0,
        ),  # both
        (Plan(1.0, 0.05, 0.05), [CALM, CALM, (100, 106, 96, 100), CALM], Exit.TARGET, 2, 105.0),
        (Plan(1.0, 0.05, 0.05), [CALM, CALM, (90, 110, 90, 100), CALM], Exit.STOP, 2, 90.0),  # a gap
        (
            Plan(1.0, 0.05, 0.05),
            [CALM, CALM, (108, 110, 107, 108), CALM],
            Exit.TARGET,
            2,
            105.0,
        ),
        (Plan(1.0, 0.05, 0.05), [CALM, (100, 101, 94, 100), CALM, CALM], Exit.STOP, 1, 95.0),  # the entry bar
        (Plan(-1.0, 0.05, 0.05), [CALM, CALM, (100, 106, 94, 100), CALM], Exit.STOP, 2, 105.0),
        (Plan(-1.0, 0.05, 0.05), [CALM, CALM, (100, 104, 94, 100), CALM], Exit.TARGET, 2, 95.0),
        (Plan(1.0, bars=2), [CALM, CALM, CALM, (102, 103, 101, 102)], Exit.TIME, 3, 102.0),
        (Plan(1.0), [CALM, CALM, CALM, (100, 101, 99, 100.5)], Exit.END, 3, 100.5),
    ],
)
def test_each_way_out_by_hand(
    plan: Plan, rows: list[tuple[float, float, float, float]], reason: Exit, row: int, price: float
) -> None:
    result, trades = trade(bars(*rows), one(plan, len(rows)), FREE)
    assert (trades.entry.tolist(), trades.exit.tolist()) == ([1], [row])
    assert (trades.reason.tolist(), trades.exit_price.tolist()) == ([reason], [pytest.approx(price)])
    assert np.prod(1 + result.net) == pytest.approx(1 + plan.share * (price / 100 - 1))
    table = trades.frame(bars(*rows).index)
    assert table["reason"].tolist() == [reason.name.lower()]


def test_the_other_side_is_asked_for() -> None:
    frame = bars(CALM, CALM, CALM, (104, 105, 103, 104), CALM)
    share = np.array([1.0, 0.0, -1.0, 0.0, 0.0])
    n = len(frame)
    _, trades = trade(frame, Plans(share, np.full(n, np.inf), np.full(n, np.inf), np.zeros(n, int)), FREE)
    assert trades.reason.tolist() == [Exit.FLIP, Exit.END]
    assert trades.entry.tolist() == [1, 3]
    assert trades.exit_price.tolist() == [104.0, 100.0]


def test_costs_and_funding_are_paid_to_the_last_unit() -> None:
    frame = bars(CALM, CALM, CALM, CALM)
    rate = np.full(4, 0.001)
    result, _ = trade(frame, one(Plan(0.5, bars=2), 4), COSTS, rate)
    side = COSTS.side_bps / 1e4
    assert np.prod(1 + result.net) == pytest.approx(1 - 0.5 * (2 * side + 2 * 0.001), abs=1e-12)
    short, _ = trade(frame, one(Plan(-0.5, bars=2), 4), COSTS, rate)
    assert np.prod(1 + short.net) == pytest.approx(1 - 0.5 * (2 * side - 2 * 0.001), abs=1e-12)
    target, _ = trade(bars(CALM, CALM, (100, 106, 99, 100), CALM), one(Plan(1.0, target=0.05), 4), COSTS)
    expected = 1.05 - side - 1.05 * COSTS.fee_bps / 1e4  # at the target no slippage
    assert np.prod(1 + target.net) == pytest.approx(expected, abs=1e-12)


def test_all_in_and_out_is_what_the_share_backtest_says() -> None:
    """Without costs and barriers, a whole share held until the other target comes is the same account."""
    frame, rng = random_candles(300, seed=2), np.random.default_rng(2)
    share = np.repeat(rng.choice([1.0, -1.0], 60), 5)
    n = len(frame)
    free = Plans(share, np.full(n, np.inf), np.full(n, np.inf), np.zeros(n, int))
    longs = np.maximum(share, 0.0)
    result, _ = trade(frame, free._replace(share=longs), FREE)
    assert np.prod(1 + result.net) > 0
    both, _ = trade(frame, free, FREE)
    flat = backtest(frame, longs, FREE)
    until_flat, _ = walk(frame, lambda a: Plan(longs[a.row]) if longs[a.row] else Plan(-1e-15), FREE)
    np.testing.assert_allclose(until_flat.net, flat.net, atol=1e-9)
    assert len(both.net) == n


def test_a_rule_may_look_at_its_account() -> None:
    """It stops trading once it has lost a tenth: arrays can't say that."""
    frame, seen = random_candles(400, seed=3, volatility=0.03), []

    def rule(account: Account) -> Plan:
        seen.append(account)
        return Plan(1.0, stop=0.01, bars=3) if account.equity > 0.9 * account.peak else Plan(0.0)

    result, trades = walk(frame, rule, COSTS)
    equity = np.cumprod(1 + result.net)
    assert len(seen) == 400
    assert 0.8 < equity[-1] < 0.9
    assert trades.entry[-1] < 300
    assert seen[5].share in (0.0, 1.0)
    assert np.isnan(seen[0].entry_price)


def test_plans_that_can_not_be_are_named() -> None:
    frame, good = random_candles(5), one(Plan(1.0), 5)
    for name, values in (
        ("share", np.full(5, np.nan)),
        ("stop", np.zeros(5)),
        ("target", np.full(5, np.nan)),
        ("bars", np.full(5, -1)),
        ("share", np.zeros(4)),
    ):
        with pytest.raises(ConfigError, match=f"plans.{name}"):
            trade(frame, good._replace(**{name: values}))
    assert trade(frame.iloc[:0], Plans(*(np.zeros(0),) * 3, np.zeros(0, int)))[0].net.size == 0
    assert walk(frame, lambda account: Plan(0.0))[1].entry.size == 0
