"""No number at or before t may depend on a candle after t."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.features import FeatureConfig, feature_matrix
from citadel_kit.macro.labels import LabelConfig, barrier_width, triple_barrier
from citadel_kit.macro.regimes import RegimeConfig, regime_frame
from citadel_kit.macro.signals import SignalConfig, decide, edge_bps, signal_at, targets
from citadel_kit.macro.sizing import target_fraction
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import Model, Training, train
from citadel_kit.types import MacroSignal

N = 400
FEATURES = FeatureConfig(
    return_lags=(1, 3),
    volatility_windows=(6, 24),
    ema_windows=(5,),
    channel_window=12,
    volume_window=12,
    trend_window=12,
    hurst_window=64,
)
REGIMES = RegimeConfig(hurst_window=64, volatility_window=12, history_window=60, trend_window=12)
LABELS = LabelConfig(horizon=6, volatility_window=12)
SIGNALS = SignalConfig(neutral_band=0.001, random_band=0.002)
FRAME = random_candles(N, seed=11)
MODEL: Model = train(
    feature_matrix(FRAME, "1h", FEATURES),
    triple_barrier(FRAME, "1h", LABELS),
    PurgedWalkForward(1),
    TrainConfig(rounds=10, min_leaf_rows=10),
).model


class Outcome(NamedTuple):
    features: pd.DataFrame
    regimes: pd.DataFrame
    edge: Floats
    fraction: Floats
    probability: Floats
    target: Floats


def outcome(frame: pd.DataFrame) -> Outcome:
    features = feature_matrix(frame, "1h", FEATURES)
    regimes = regime_frame(frame, "1h", REGIMES)
    width = barrier_width(frame, "1h", LABELS)
    fraction = target_fraction(regimes["volatility"].to_numpy())
    probability = MODEL.predict(features)
    edge = edge_bps(probability, np.full(len(frame), MODEL.touch_share), width)
    decisions = decide(regimes, probability, edge, fraction, 1.0, SIGNALS)
    return Outcome(features, regimes, edge, fraction, probability, targets(decisions, fraction))


def signal(result: Outcome, rows: int) -> MacroSignal:
    cut = slice(0, rows)
    return signal_at(
        "BTC/USDT",
        rows,
        1,
        result.regimes[cut],
        result.probability[cut],
        result.edge[cut],
        result.fraction[cut],
        1.0,
    )


BEFORE = outcome(FRAME)


def assert_same_until(t: int, after: Outcome) -> None:
    for name, was, now in zip(Outcome._fields, BEFORE, after, strict=True):
        pd.testing.assert_frame_equal(
            pd.DataFrame(was).iloc[: t + 1],
            pd.DataFrame(now).iloc[: t + 1],
            check_exact=True,
            check_freq=False,
            obj=name,
        )
    assert repr(signal(BEFORE, t + 1)) == repr(signal(after, t + 1))


def test_the_pipeline_under_test_does_decide_something() -> None:
    assert (BEFORE.target > 0).any()
    assert (BEFORE.target < 0).any()
    assert np.isfinite(BEFORE.features.iloc[-1]).all()


@settings(max_examples=40, deadline=None)
@given(t=st.integers(0, N - 2), seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 1.0))
def test_changing_any_candles_after_t_changes_nothing_at_or_before_t(t: int, seed: int, scale: float) -> None:
    changed = FRAME.copy()
    changed.iloc[t + 1 :] = random_candles(N - t - 1, seed=seed, volatility=scale).to_numpy() * (1 + scale)
    assert_same_until(t, outcome(changed))


@settings(max_examples=20, deadline=None)
@given(t=st.integers(0, N - 2))
def test_truncating_after_t_changes_nothing_at_or_before_t(t: int) -> None:
    assert_same_until(t, outcome(FRAME.iloc[: t + 1]))


@settings(max_examples=20, deadline=None)
@given(t=st.integers(0, N - 40), width=st.integers(1, 30))
def test_a_hole_after_t_changes_nothing_at_or_before_t(t: int, width: int) -> None:
    assert_same_until(t, outcome(FRAME.drop(FRAME.index[t + 1 : t + 1 + width])))


def test_the_test_sees_a_leak() -> None:
    leaky = BEFORE._replace(edge=np.roll(BEFORE.edge, -1))
    with pytest.raises(AssertionError, match="edge"):
        assert_same_until(200, leaky)


def walk_forward(frame: pd.DataFrame) -> Training:
    """Folds begin at rows 100, 200 and 300."""
    features, labels = feature_matrix(frame, "1h", FEATURES), triple_barrier(frame, "1h", LABELS)
    return train(features, labels, PurgedWalkForward(3, embargo=2), TrainConfig(rounds=5, min_leaf_rows=5))


WALKED = walk_forward(FRAME)


@settings(max_examples=25, deadline=None)
@given(t=st.integers(80, N - 2), seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 1.0))
def test_probability_and_touch_share_out_of_sample_know_no_candle_after_t(
    t: int, seed: int, scale: float
) -> None:
    changed = FRAME.copy()
    changed.iloc[t + 1 :] = random_candles(N - t - 1, seed=seed, volatility=scale).to_numpy() * (1 + scale)
    after = walk_forward(changed)
    np.testing.assert_array_equal(after.probability[: t + 1], WALKED.probability[: t + 1])
    np.testing.assert_array_equal(after.touch_share[: t + 1], WALKED.touch_share[: t + 1])


@settings(max_examples=25, deadline=None)
@given(t=st.integers(60, N), seed=st.integers(0, 1000))
def test_a_label_is_the_same_as_soon_as_its_horizon_is_over(t: int, seed: int) -> None:
    frame = random_candles(N, seed=seed)
    then, later = triple_barrier(frame.iloc[:t], "1h", LABELS), triple_barrier(frame, "1h", LABELS)
    assert then.end.max() < t
    known = slice(0, t - LABELS.horizon)
    np.testing.assert_array_equal(then.end[known], later.end[known])
    np.testing.assert_array_equal(then.side[:t][known], later.side[known])
    assert (then.end[t - LABELS.horizon :] == -1).all()
