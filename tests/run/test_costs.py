from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import CostConfig, backtest
from citadel_kit.run.costs import costs_from_report
from citadel_kit.run.macro_loop import MacroConfig


def report(n: int = 101, seed: int = 3) -> pd.DataFrame:
    """Spreads from 0 to 1 bps, drift around 2, a fee of 4."""
    rng = np.random.default_rng(seed)
    parts = {
        "side": rng.choice(["BUY", "SELL"], n),
        "notional": rng.uniform(100.0, 1000.0, n),
        "spread_bps": rng.permutation(np.linspace(0.0, 1.0, n)),
        "drift_bps": rng.normal(2.0, 5.0, n),
        "fees_bps": np.full(n, 4.0),
    }
    frame = pd.DataFrame(parts)
    return frame.assign(shortfall_bps=frame["spread_bps"] + frame["drift_bps"] + frame["fees_bps"])


def test_medians_with_intervals_become_the_costs_of_a_backtest() -> None:
    costs = costs_from_report(report())
    assert costs.orders == 101
    assert costs.spread.median == pytest.approx(0.5)
    # Of 101 values the interval runs from the 41st to the 61st.
    assert (costs.spread.low, costs.spread.high) == pytest.approx((0.40, 0.60))
    assert costs.fees == (4.0, 4.0, 4.0)
    assert costs.drift.low < 2.0 < costs.drift.high
    config = costs.config()
    assert (config.fee_bps, config.half_spread_bps, config.funding_bps_day) == (4.0, 0.5, 0.0)
    assert config.side_bps == pytest.approx(max(costs.mean_bps, 4.5 + costs.drift.median))
    assert costs.config(hard=True).side_bps > config.side_bps
    frame, target = random_candles(50), np.full(50, 0.5)
    paid = backtest(frame, target, config).cost
    assert paid.sum() == pytest.approx(2 * 0.5 * config.side_bps / 1e4)
    assert replace(MacroConfig(), costs=config).costs is config


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    held = []
    for seed in range(150):
        drawn = report(40).assign(drift_bps=np.random.default_rng(seed).standard_t(2, 40))
        drift = costs_from_report(drawn.drop(columns="shortfall_bps")).drift
        held.append(drift.low <= 0.0 <= drift.high)
    assert np.mean(held) > 0.92


def test_luck_is_not_planned_on_and_dear_orders_are() -> None:
    lucky = report().assign(spread_bps=-0.4, drift_bps=-3.0, shortfall_bps=0.6)
    assert costs_from_report(lucky).config() == CostConfig(4.0, 0.0, 0.0)
    dear = report().assign(spread_bps=0.0, drift_bps=0.0, shortfall_bps=4.0, notional=1.0)
    dear.loc[dear.index[:10], ["drift_bps", "shortfall_bps"]] = [101.0, 105.0]
    costs = costs_from_report(dear)
    assert costs.drift.median == 0.0
    assert costs.config().slippage_bps == pytest.approx(10.0), "their mean, which the median hides"


def test_funding_is_given_by_hand() -> None:
    assert costs_from_report(report()).config(funding_bps_day=3.0).funding_bps_day == 3.0


def test_orders_that_were_not_filled_count_for_nothing() -> None:
    frame = report()
    unfilled = pd.DataFrame(
        {name: [np.nan] for name in frame.columns if name.endswith("_bps")} | {"notional": 0.0}
    )
    assert costs_from_report(pd.concat([frame, unfilled])) == costs_from_report(frame)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (report().drop(columns="drift_bps"), "drift_bps"),
        (report(19), "19 filled"),
        (report().assign(shortfall_bps=0.0), "apart"),
        (report().assign(notional=0.0), "notional"),
    ],
)
def test_a_table_that_says_too_little_is_refused(frame: pd.DataFrame, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        costs_from_report(frame)
