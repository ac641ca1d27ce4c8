from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from citadel_kit.errors import ConfigError, ModelError
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.labels import Labels
from citadel_kit.macro.search import search
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import FoldScore, auc, skill, train

N = 3000
CONFIG = TrainConfig(rounds=30, min_leaf_rows=20, learning_rate=0.1)
SPLITS = PurgedWalkForward(3, embargo=2)


def material(strength: float, seed: int = 2) -> tuple[pd.DataFrame, Labels]:
    """Feature `a` decides the label with this strength; `b` is noise."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N)})
    side = np.where(strength * x["a"] + rng.standard_normal(N) > 0, 1, -1).astype(np.int8)
    side[::10] = 0
    end = np.arange(N) + 3
    end[-3:] = -1
    return x, Labels(side, end, np.full(N, 0.01))


def test_a_planted_edge_is_found_out_of_sample_and_noise_is_not() -> None:
    planted, noise = (train(*material(s), SPLITS, CONFIG) for s in (2.0, 0.0))
    assert all(fold.auc > 0.85 and fold.log_loss < fold.base_log_loss for fold in planted.folds)
    assert skill(planted.folds) > 0.3
    assert all(abs(fold.auc - 0.5) < 0.06 for fold in noise.folds)
    assert skill(noise.folds) < 0.0


def test_probabilities_are_out_of_sample_and_scores_are_theirs() -> None:
    x, labels = material(1.0)
    result = train(x, labels, SPLITS, CONFIG)
    assert np.isnan(result.probability[: N // 4]).all()
    assert np.isfinite(result.probability[N // 4 :]).all()
    test = np.arange(N // 4, N // 2)
    test = test[labels.side[test] != 0]
    y, p = labels.side[test] == 1, result.probability[test]
    assert result.folds[0].test_rows == len(test)
    assert result.folds[0].auc == pytest.approx(roc_auc_score(y, p))
    assert result.folds[0].log_loss == pytest.approx(log_loss(y, p))


def test_a_fold_never_learns_from_its_own_test_rows_or_later_ones() -> None:
    x, labels = material(1.0)
    side = labels.side.copy()
    side[N // 2 - 3 :] *= -1
    changed = train(x, labels._replace(side=side), SPLITS, CONFIG)
    before = train(x, labels, SPLITS, CONFIG)
    first = slice(N // 4, 3 * N // 4)
    np.testing.assert_array_equal(changed.probability[first], before.probability[first])
    assert (changed.probability[first.stop :] != before.probability[first.stop :]).any()


def test_touch_shares_are_of_the_labels_each_model_knew() -> None:
    x, labels = material(1.0)
    side = labels.side.copy()
    side[: N // 2 : 2] = 0
    result = train(x, labels._replace(side=side), SPLITS, CONFIG)
    assert np.isnan(result.touch_share[: N // 4]).all()
    for k in (1, 2, 3):
        start = k * N // 4
        known = side[: start - SPLITS.embargo - 3]  # a label ends 3 rows on, more than the embargo before it
        assert set(result.touch_share[start : start + N // 4]) == {np.mean(known != 0)}
    assert result.model.touch_share == np.mean(side[:-3] != 0)


def test_training_is_deterministic_whatever_the_threads() -> None:
    x, labels = material(1.0)
    runs = [train(x, labels, SPLITS, CONFIG._replace(threads=t)).probability for t in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_other_features_are_refused_and_missing_values_get_no_probability() -> None:
    x, labels = material(1.0)
    model = train(x, labels, SPLITS, CONFIG).model
    with pytest.raises(ModelError, match="their order"):
        model.predict(x[["b", "a"]])
    with pytest.raises(ModelError, match="c"):
        model.predict(x.assign(c=0.0))
    rows = x.head(3).copy()
    rows.iloc[1, 0] = np.nan
    assert np.isnan(model.predict(rows)).tolist() == [False, True, False]


def test_progress_reaches_its_end() -> None:
    calls: list[tuple[str, int, int]] = []
    train(*material(1.0), SPLITS, CONFIG, lambda what, done, total: calls.append((what, done, total)))
    assert [call[1:] for call in calls] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_too_little_to_learn_from_is_an_error() -> None:
    x, labels = material(1.0)
    with pytest.raises(ModelError, match="one class"):
        train(x, labels._replace(side=np.ones(N, dtype=np.int8)), SPLITS, CONFIG)
    with pytest.raises(ModelError, match="min_leaf_rows"):
        train(x, labels, SPLITS, CONFIG._replace(min_leaf_rows=2000))


def test_a_missing_openmp_runtime_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_openmp(name: str, *rest: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_openmp)
    with pytest.raises(ModelError, match="apt-get install libgomp1") as caught:
        train(*material(1.0), SPLITS, CONFIG)
    assert "\n" not in str(caught.value)


def test_scores_without_rows_are_nan() -> None:
    assert np.isnan(auc(np.ones(3), np.full(3, 0.5)))
    assert np.isnan(skill((FoldScore(1, 100, 0, np.nan, np.nan, np.nan),)))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_both_boosters_find_the_same_edge(kind: str) -> None:
    x, labels = material(2.0)
    result = train(x, labels, SPLITS, CONFIG._replace(kind=kind))
    assert all(fold.auc > 0.85 for fold in result.folds)
    model = result.model
    assert model.importance().index[0] == "a"
    assert model.importance().sum() == pytest.approx(1.0)
    parts = model.contributions(x.head(50))
    log_odds = np.log(model.predict(x.head(50)) / (1 - model.predict(x.head(50))))
    assert parts.sum(axis=1).to_numpy() == pytest.approx(log_odds, abs=1e-4)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_early_stopping_looks_at_the_training_rows_alone(kind: str) -> None:
    """Where the newest labels are noise there is little to gain, and the trees stop early; labels of the
    test set and later ones change nothing."""
    x, labels = material(1.0)
    config = CONFIG._replace(kind=kind, rounds=400, early_stopping=5)
    stopped = train(x, labels, SPLITS, config)
    assert 3 < stopped.model.trees < 200
    side = labels.side.copy()
    side[N // 2 - 3 :] *= -1
    changed = train(x, labels._replace(side=side), SPLITS, config)
    first = slice(N // 4, 3 * N // 4)
    np.testing.assert_array_equal(changed.probability[first], stopped.probability[first])


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_a_monotone_feature_never_turns(kind: str) -> None:
    x, labels = material(1.0)
    model = train(x, labels, SPLITS, CONFIG._replace(kind=kind, monotone=(("a", -1),))).model
    grid = pd.DataFrame({"a": np.linspace(-3, 3, 200), "b": np.zeros(200)})
    assert (np.diff(model.predict(grid)) <= 0).all()
    rising = train(x, labels, SPLITS, CONFIG._replace(kind=kind, monotone=(("a", 1),))).model
    assert rising.predict(grid)[-1] - rising.predict(grid)[0] > 0.5


def rare(seed: int = 4) -> tuple[pd.DataFrame, Labels]:
    """One upper row in five."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N)})
    side = np.where(x["a"] + rng.standard_normal(N) > 1.2, 1, -1).astype(np.int8)
    return x, Labels(side, np.minimum(np.arange(N) + 3, N - 1), np.full(N, 0.01))


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_calibration_mends_what_balanced_classes_bend(kind: str) -> None:
    x, labels = rare()
    bent = train(x, labels, SPLITS, CONFIG._replace(balance=True))
    mended = train(x, labels, SPLITS, CONFIG._replace(balance=True, calibration=kind))
    seen = np.isfinite(bent.probability)
    share = (labels.side[seen] == 1).mean()
    assert bent.probability[seen].mean() > share + 0.1
    assert mended.probability[seen].mean() == pytest.approx(share, abs=0.04)
    assert skill(mended.folds) > skill(bent.folds)


def test_rows_without_weight_are_not_learned() -> None:
    x, labels = material(1.0)
    side, weights = labels.side.copy(), np.ones(N)
    side[::3] *= -1
    weights[::3] = 0.0
    told = train(x, labels._replace(side=side), SPLITS, CONFIG, weights=weights)
    without = train(x, labels, SPLITS, CONFIG, weights=weights)
    np.testing.assert_array_equal(told.probability, without.probability)
    with pytest.raises(ConfigError, match="one a row"):
        train(x, labels, SPLITS, CONFIG, weights=-weights)


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"kind": "catboost"}, "training.kind"),
        ({"device": "tpu"}, "training.device"),
        ({"rounds": 0}, "training.rounds"),
        ({"monotone": (("c", 1),)}, "training.monotone"),
        ({"monotone": (("a", 2),)}, "training.monotone"),
        ({"calibration": "beta"}, "training.calibration"),
        ({"learning_rate": 0.0}, "training.learning_rate"),
        ({"leaves": 1}, "training.leaves"),
        ({"min_leaf_rows": 0}, "training.min_leaf_rows"),
        ({"feature_share": 1.5}, "training.feature_share"),
        ({"ridge": -1.0}, "training.ridge"),
        ({"early_stopping": -1}, "training.early_stopping"),
    ],
)
def test_settings_that_can_not_be_are_named(change: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        train(*material(1.0), SPLITS, CONFIG._replace(**change))
    assert caught.value.setting == setting
    x, labels = material(1.0)
    few = labels._replace(end=np.where(np.arange(N) < 20, labels.end, -1))
    with pytest.raises(ConfigError) as caught:  # the setting is named however few the rows are
        train(x, few, SPLITS, CONFIG._replace(**change))
    assert caught.value.setting == setting
    with pytest.raises(ConfigError) as caught:
        search(x, few, SPLITS, base=CONFIG._replace(**change))
    assert caught.value.setting == setting


def test_a_feature_without_a_value_is_named() -> None:
    x, labels = material(1.0)
    for empty in (np.nan, np.inf):
        with pytest.raises(ModelError, match="no labelled row has a value of late, never: "):
            late = np.where(labels.end < 0, 1.0, np.nan)
            train(x.assign(late=late, never=empty), labels, SPLITS, CONFIG)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_a_gpu_that_is_not_there_is_an_error_and_never_the_processor(kind: str) -> None:
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="GPU"):
        train(*material(1.0), SPLITS, CONFIG._replace(kind=kind, device="gpu"))
