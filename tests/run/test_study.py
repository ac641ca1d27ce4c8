"""A small, seeded version of the study of benchmarks/study_null.py."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.features import FeatureConfig
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.run.macro_loop import MacroConfig
from citadel_kit.run.study import Outcome, examine, rate, simulate, variants_of

FAST = MacroConfig(
    folds=3,
    long_only=False,
    tried_before=0,
    regime=RegimeConfig(hurst_window=128, history_window=240),
    features=FeatureConfig(hurst_window=128),
    training=TrainConfig(rounds=20, learning_rate=0.08, min_leaf_rows=200),
)
FREE = CostConfig(0.0, 0.0)
BARS = 5_000


def outcomes(n: int, worth: float | None, config: MacroConfig) -> list[Outcome]:
    variants = variants_of(config, (24, 48))
    return [examine(simulate(number, BARS, worth, config), variants) for number in range(n)]


@pytest.mark.slow
def test_walks_show_no_edge_and_a_strong_one_is_seen() -> None:
    walks = outcomes(20, None, FAST)
    assert rate(sum(o.edge for o in walks), 20).low <= 0.05
    assert all(o.trades > 0 for o in walks)
    planted = outcomes(5, 12.0, FAST)
    assert sum(o.edge for o in planted) >= 4
    assert all(o.oracle_edge and o.oracle > o.sharpe for o in planted)


def test_each_variant_counts() -> None:
    frame = simulate(0, BARS, None, FAST)
    one, three = (examine(frame, (FAST,) * 1), examine(frame, variants_of(FAST)))
    assert three.sharpe >= one.sharpe
    assert one.deflated != three.deflated


def test_series_differ_by_number_worth_and_seed() -> None:
    first = simulate(0, 50, None, FAST)["close"]
    assert first.equals(simulate(0, 50, None, FAST)["close"])
    others = (simulate(5, 50, None, FAST), simulate(0, 50, 1.0, FAST), simulate(0, 50, None, FAST, seed=8))
    for other in others:
        assert not first.equals(other["close"])


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 50), (10, 200), (20, 20)])
def test_the_interval_is_clopper_and_pearsons(hits: int, n: int) -> None:
    found = rate(hits, n)
    assert found.low <= found.share <= found.high
    if hits:
        assert binom.sf(hits - 1, n, found.low) == pytest.approx(0.025)
    if hits < n:
        assert binom.cdf(hits, n, found.high) == pytest.approx(0.025)
