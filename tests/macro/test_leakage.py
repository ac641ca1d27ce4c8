"""Planted leaks of each kind are caught, and the kit's own pipeline shows none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from sklearn.model_selection import KFold

from citadel_kit.errors import ConfigError
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.features import FeatureConfig, feature_matrix
from citadel_kit.macro.labels import LabelConfig, Labels, triple_barrier
from citadel_kit.macro.leakage import (
    check_pipeline,
    delayed_features,
    future_perturbation,
    ignored_candles,
    overlaps,
    shuffled_labels,
)
from citadel_kit.macro.splits import CombinatorialPurged, PurgedWalkForward
from citadel_kit.macro.trainer import train

FEATURES = FeatureConfig(
    return_lags=(1, 3), volatility_windows=(6, 24), rsi_windows=(7,), ema_windows=(6,), atr_window=7,
    channel_window=12, volume_window=12, trend_window=12, hurst_window=128,
)  # fmt: skip
LABELS = LabelConfig(horizon=8, volatility_window=24)
TRAIN = TrainConfig(rounds=10, min_leaf_rows=20)
SPLITS = PurgedWalkForward(3, embargo=4)


def honest(frame: pd.DataFrame) -> pd.DataFrame:
    return feature_matrix(frame, "1h", FEATURES)


def with_centred_window(frame: pd.DataFrame) -> pd.DataFrame:
    return honest(frame).assign(leak=frame["close"].rolling(9, center=True).mean() / frame["close"])


def with_scaler_of_all(frame: pd.DataFrame) -> pd.DataFrame:
    returns = frame["close"].pct_change()
    return honest(frame).assign(leak=(returns - returns.mean()) / returns.std())


def with_unclosed_bar(frame: pd.DataFrame) -> pd.DataFrame:
    """The close of the four-hour bar each hour lies in, known only at its end."""
    higher = frame["close"].resample("4h").last()
    return honest(frame).assign(leak=higher.reindex(frame.index, method="ffill") / frame["close"])


def with_next_bar(frame: pd.DataFrame) -> pd.DataFrame:
    return honest(frame).assign(leak=frame["close"].shift(-1) / frame["close"])


def with_backfill(frame: pd.DataFrame) -> pd.DataFrame:
    return honest(frame).assign(leak=frame["volume"].where(frame["volume"].diff() > 0).bfill())


@pytest.mark.parametrize(
    "features", [with_centred_window, with_scaler_of_all, with_unclosed_bar, with_next_bar, with_backfill]
)
def test_a_feature_that_knows_the_future_is_named(features: object) -> None:
    frame = random_candles(600, seed=3)
    found = future_perturbation(features, frame, np.random.default_rng(1))  # type: ignore[arg-type]
    assert [finding.where for finding in found] == ["leak"]
    assert found[0].certain


def test_features_that_know_the_past_alone_pass() -> None:
    frame = without(random_candles(600, seed=3), 200, 204)
    assert future_perturbation(honest, frame, np.random.default_rng(1)) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hour", [3, 22])
def test_a_leak_at_one_hour_of_the_day_is_found(hour: int, seed: int) -> None:
    frame = random_candles(600, seed=3)

    def at_one_hour(candles: pd.DataFrame) -> pd.DataFrame:
        ahead = candles["close"].shift(-1).fillna(candles["close"])
        return honest(candles).assign(leak=ahead.where(candles.index.hour == hour, candles["close"]))

    found = future_perturbation(at_one_hour, frame, np.random.default_rng(seed))
    assert [finding.where for finding in found] == ["leak"]


def test_the_cuts_go_round_the_clock_on_bars_of_any_length() -> None:
    frame = random_candles(600)
    for step, hours in (("1h", 24), ("4h", 6), ("5min", 24), ("1D", 1)):
        bars = frame.set_axis(pd.date_range(frame.index[0], periods=600, freq=step))
        cuts: set[int] = set()

        def cut(candles: pd.DataFrame, found: set[int] = cuts) -> pd.DataFrame:
            found.add(len(candles))
            return pd.DataFrame({"x": candles["close"]})

        future_perturbation(cut, bars, np.random.default_rng(1))
        cuts.remove(600)
        assert len(cuts) == 24
        assert len({bars.index[n - 1].hour for n in cuts}) == hours


FRAME = random_candles(600, seed=3)
TABLE = FRAME["close"].shift(-1) / FRAME["close"]


@pytest.mark.parametrize(
    "look_up",
    [
        lambda frame: TABLE.reindex(frame.index),
        lambda frame: TABLE.to_numpy()[: len(frame)],
        lambda frame: TABLE.to_numpy()[-600:][np.arange(len(frame))],
        lambda frame: np.where(frame.index <= FRAME.index[-1], TABLE.reindex(frame.index), 0.0),
    ],
)
def test_a_table_made_beforehand_is_found(look_up: Callable[[pd.DataFrame], object]) -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        return honest(frame).assign(table=look_up(frame))

    assert future_perturbation(honest, FRAME, np.random.default_rng(1)) == []
    found = ignored_candles(features, FRAME, np.random.default_rng(1))
    assert [(finding.where, finding.certain) for finding in found] == [("table", False)]


def test_features_that_are_a_table_altogether_are_found() -> None:
    table = honest(FRAME)
    for features, where in (
        (lambda frame: table, set(table.columns)),
        (lambda frame: honest(frame).assign(table=TABLE.loc[frame.index]), {"all"}),
    ):
        found = ignored_candles(features, FRAME, np.random.default_rng(1))
        assert {finding.where for finding in found} == where
    short = future_perturbation(lambda frame: table.tail(len(frame) // 4), FRAME, np.random.default_rng(1))
    assert {finding.where for finding in short} == set(table.columns)


def test_what_the_calendar_or_a_bars_own_shape_makes_is_no_table() -> None:
    def features(frame: pd.DataFrame) -> pd.DataFrame:
        shape = (frame["close"] - frame["open"]) / (frame["high"] - frame["low"])
        index = frame.index
        return honest(frame).assign(
            shape=shape, up=(shape > 0).astype(float), month=index.month, day=index.day_of_year, one=1.0
        )

    for frame in (FRAME, without(FRAME, 200, 204), random_candles(40)):
        assert ignored_candles(features, frame, np.random.default_rng(1)) == []


def test_a_label_that_reaches_into_the_test_fold_is_caught() -> None:
    ends = np.minimum(np.arange(200) + 5, 199)
    rows = np.zeros((200, 1))
    found = overlaps(KFold(4).split(rows), ends)
    assert {finding.where for finding in found} == {"fold 1", "fold 2", "fold 3", "fold 4"}
    assert any("look at tested bars" in finding.detail for finding in found)
    assert any("in the stretch of a tested label" in finding.detail for finding in found)
    assert overlaps([(np.arange(60), np.arange(50, 90))], np.arange(200))[0].detail.startswith("10 rows")
    for splits in (PurgedWalkForward(4), CombinatorialPurged(5, 2), CombinatorialPurged(4, 1, embargo=3)):
        assert overlaps(splits.split(rows, groups=ends), ends) == []


def noise() -> tuple[pd.DataFrame, Labels]:
    rng = np.random.default_rng(8)
    x = pd.DataFrame(rng.standard_normal((1200, 120)), columns=[f"f{k}" for k in range(120)])
    side = np.where(rng.random(1200) < 0.5, 1, -1).astype(np.int8)
    return x, Labels(side, np.minimum(np.arange(1200) + 3, 1199), np.full(1200, 0.01))


def out_of_sample(x: pd.DataFrame, labels: Labels) -> Floats:
    return train(x, labels, SPLITS, TRAIN).probability


def in_sample(x: pd.DataFrame, labels: Labels) -> Floats:
    return train(x, labels, SPLITS, TRAIN).model.predict(x)


def features_chosen_by_all_labels(x: pd.DataFrame, labels: Labels) -> Floats:
    related = x.corrwith(pd.Series(labels.side, index=x.index)).abs()
    return out_of_sample(x[related.nlargest(5).index], labels)


@pytest.mark.parametrize("pipeline", [in_sample, features_chosen_by_all_labels])
def test_a_pipeline_that_predicts_what_was_drawn_by_lot_is_caught(pipeline: object) -> None:
    found = shuffled_labels(pipeline, *noise(), np.random.default_rng(1), rounds=6)  # type: ignore[arg-type]
    assert [finding.test for finding in found] == ["shuffled labels"]


def test_an_honest_pipeline_does_not_predict_them() -> None:
    assert shuffled_labels(out_of_sample, *noise(), np.random.default_rng(1), rounds=6) == []
    with pytest.raises(ConfigError, match="no probability"):
        shuffled_labels(lambda x, labels: np.full(len(x), np.nan), *noise(), np.random.default_rng(1))


def test_a_skill_that_one_bar_takes_away_is_pointed_at() -> None:
    rng = np.random.default_rng(4)
    slow = pd.Series(rng.standard_normal(3000)).ewm(span=40).mean().to_numpy()
    side = np.where(slow / slow.std() + rng.standard_normal(3000) > 0, 1, -1).astype(np.int8)
    x = pd.DataFrame(
        {"slow": slow, "leak": side + rng.standard_normal(3000), "noise": rng.standard_normal(3000)}
    )
    labels = Labels(side, np.minimum(np.arange(3000) + 3, 2999), np.full(3000, 0.01))
    found = delayed_features(x, labels)
    assert [finding.where for finding in found] == ["leak"]
    assert not found[0].certain


def test_the_kits_own_pipeline_shows_none_and_a_planted_leak_is_in_the_table() -> None:
    frame = random_candles(1500, seed=5)
    labels = triple_barrier(frame, "1h", LABELS)
    for features, expected in ((honest, []), (with_next_bar, ["leak"])):
        table = check_pipeline(
            frame=frame, features=features, labels=labels, splits=SPLITS, pipeline=out_of_sample,
            rng=np.random.default_rng(2),
        )  # fmt: skip
        assert table["where"][table["certain"]].tolist() == expected
        assert list(table.columns) == ["test", "where", "detail", "certain"]
    x = honest(frame)
    table = check_pipeline(
        frame=frame, features=lambda _: x, labels=labels, splits=SPLITS, pipeline=out_of_sample,
        rng=np.random.default_rng(2),
    )  # fmt: skip
    assert set(table["test"]) == {"ignored candles"}
