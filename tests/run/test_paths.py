from __future__ import annotations

import numpy as np
import pytest
from candle_samples import HOUR, START, random_candles

from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.features import FeatureConfig
from citadel_kit.macro.labels import LabelConfig
from citadel_kit.macro.performance import sharpe
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.macro.signals import SignalConfig
from citadel_kit.run.macro_loop import MacroConfig, run_macro
from citadel_kit.run.paths import combinatorial_paths

N = 1200
CONFIG = MacroConfig(
    folds=2,
    embargo_bars=6,
    regime=RegimeConfig(hurst_window=128, volatility_window=24, history_window=120, stormy_above=5.0),
    features=FeatureConfig(volatility_windows=(6, 48), ema_windows=(12,), hurst_window=128),
    labels=LabelConfig(horizon=6, volatility_window=24),
    training=TrainConfig(rounds=10, min_leaf_rows=20),
    signal=SignalConfig(neutral_band=0.0, random_band=0.0),
    costs=CostConfig(0.0, 0.0),
    long_only=False,
)


def test_every_path_holds_every_bar_predicted_once() -> None:
    result = run_macro(random_candles(N), "1h", "BTC/USDT", START.value + N * HOUR, CONFIG)
    said: list[tuple[int, int]] = []
    paths = combinatorial_paths(result, 5, 2, lambda _, done, total: said.append((done, total)))
    assert paths.nets.shape == (4, N)
    assert said[-1] == (10, 10)
    assert len(np.unique(paths.nets.sum(axis=1))) == 4, "each has models of its own"
    assert paths.sharpes == pytest.approx([sharpe(net, HOUR) for net in paths.nets])
    traded = (paths.nets != 0.0).any(axis=0)
    assert traded[200 : N // 5].any() and traded[-N // 5 :].any(), "the first fold is tested as well"


def test_a_record_of_the_cycles_own_probabilities_is_its_own() -> None:
    result = run_macro(random_candles(N), "1h", "BTC/USDT", START.value + N * HOUR, CONFIG)
    known = ~np.isnan(result.probability)
    shares = np.where(known, result.model.touch_share, np.nan)
    again = result.record_of(result.probability, shares, N - len(result.record.net))
    np.testing.assert_array_equal(again.market, result.record.market)
    assert again.costs == result.record.costs
    assert (again.position != 0).sum() > 0
