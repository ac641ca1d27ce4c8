from __future__ import annotations

import naive
import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import CostConfig, backtest, hold
from citadel_kit.settings import fees

FREE = CostConfig(fee_bps=0.0, slippage_bps=0.0)


def opens(*prices: float) -> pd.DataFrame:
    frame = random_candles(len(prices))
    frame["open"] = frame["close"] = np.array(prices)
    return frame


def test_entry_is_at_the_next_open_and_the_last_target_is_never_traded() -> None:
    result = backtest(opens(100.0, 110.0, 121.0, 121.0), np.array([1.0, 0.0, 0.0, 1.0]), FREE)
    assert result.position.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert result.net == pytest.approx([0.0, 0.1, 0.0, 0.0])


def test_costs_are_by_default_those_of_the_venue() -> None:
    fee = fees("binance").taker_bps
    assert backtest(opens(100.0, 100.0), np.zeros(2)).costs == CostConfig(fee_bps=fee)
    assert CostConfig(fee_bps=fee).side_bps == fee + CostConfig().slippage_bps


def test_costs_fall_on_every_change_and_on_closing_what_is_left() -> None:
    costs = CostConfig(fee_bps=6.0, slippage_bps=4.0)
    flat_market = opens(*[100.0] * 5)
    result = backtest(flat_market, np.array([0.5, 0.5, 0.0, 1.0, 0.0]), costs)
    assert result.cost == pytest.approx([0.0, 0.0005, 0.0, 0.0005, 0.002])
    assert result.net == pytest.approx(-result.cost)


def test_spot_takes_a_sell_as_flat_and_a_margin_account_does_not() -> None:
    frame, target = opens(100.0, 100.0, 90.0), np.array([-1.0, 0.0, 0.0])
    assert backtest(frame, target, FREE).net.sum() == 0.0
    assert backtest(frame, target, FREE, long_only=False).net.sum() == pytest.approx(0.1)


def test_what_is_held_through_a_hole_makes_what_price_made() -> None:
    frame = without(opens(100.0, 100.0, 90.0, 80.0, 50.0, 50.0), 2, 4)
    result = backtest(frame, np.array([1.0, 1.0, 0.0, 0.0]), FREE)
    assert result.net.tolist() == [0.0, -0.5, 0.0, 0.0]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    target=st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, -0.5]), min_size=1, max_size=40),
    long_only=st.booleans(),
    half_spread=st.sampled_from([0.0, 1.5]),
    funded=st.booleans(),
)
def test_equals_an_account_that_trades_bar_by_bar(
    seed: int, target: list[float], long_only: bool, half_spread: float, funded: bool
) -> None:
    frame, n = random_candles(len(target), seed=seed), len(target)
    funding = np.random.default_rng(seed).normal(0, 1e-3, n) if funded else np.zeros(n)
    costs = CostConfig(half_spread_bps=half_spread)
    result = backtest(frame, np.array(target), costs, long_only, funding if funded else None)
    expected = naive.account(frame, target, (12.0 + half_spread) / 1e4, long_only, funding.tolist())
    np.testing.assert_allclose(result.net, expected, atol=1e-15)


def test_a_target_stands_for_its_bars_or_until_another() -> None:
    target = np.array([0.0, 0.5, 0.0, 0.0, 0.0, -1.0, 0.3, 0.0])
    assert hold(target, 3).tolist() == [0.0, 0.5, 0.5, 0.5, 0.0, -1.0, 0.3, 0.3]
    assert hold(target, 1).tolist() == target.tolist()


def test_a_half_spread_is_paid_by_who_takes_and_said_where_there_is_one() -> None:
    costs = CostConfig(5.0, 1.0, 0.5)
    assert costs.side_bps == 6.5
    assert str(costs) == "6.5 bps a side (5 fee, 1 slippage, 0.5 half spread)"
    assert "spread" not in str(CostConfig())


def test_longs_pay_funding_and_shorts_receive_it() -> None:
    frame, rate = opens(*[100.0] * 4), np.array([0.0, 0.001, 0.001, 0.0])
    for side in (1.0, -1.0):
        result = backtest(frame, np.array([side, 0.0, 0.0, 0.0]), FREE, False, rate)
        assert result.net == pytest.approx([0.0, -side * 0.001, 0.0, 0.0])
    with pytest.raises(ConfigError, match="funding"):
        backtest(frame, np.zeros(4), FREE, False, rate[:3])


@pytest.mark.parametrize(
    ("target", "costs"),
    [(np.zeros(3), CostConfig()), (np.full(4, np.nan), CostConfig()), (np.zeros(4), CostConfig(-9.0, 2.0))],
)
def test_unusable_input_is_refused(target: np.ndarray, costs: CostConfig) -> None:
    with pytest.raises(ConfigError, match="backtest"):
        backtest(random_candles(4), target, costs)


def test_funding_of_the_costs_is_paid_per_day_of_holding_and_through_holes() -> None:
    frame = without(opens(*[100.0] * 50), 20, 44)
    costs = CostConfig(0.0, 0.0, funding_bps_day=24.0)
    assert backtest(frame, np.full(len(frame), 0.5), costs).cost.sum() == pytest.approx(0.5 * 24e-4 * 49 / 24)
    short = backtest(frame, np.full(len(frame), -0.5), costs, long_only=False)
    assert short.cost.sum() == pytest.approx(-0.5 * 24e-4 * 49 / 24), "shorts are paid"
    rates = np.full(len(frame), 1e-4)
    rates[19] = 25e-4
    given = backtest(frame, np.full(len(frame), 0.5), CostConfig(0.0, 0.0), funding=rates)
    np.testing.assert_allclose(given.cost, backtest(frame, np.full(len(frame), 0.5), costs).cost, atol=1e-15)
    assert "24 bps of funding a day" in str(costs)
    assert costs.round_trip_bps(12 * 3_600 * 10**9) == costs._replace(funding_bps_day=-24.0).round_trip_bps(
        12 * 3_600 * 10**9
    )
    assert costs.round_trip_bps(12 * 3_600 * 10**9) == pytest.approx(12.0)
    empty = backtest(frame.iloc[:0], np.zeros(0), costs)
    assert len(empty.net) == 0
