"""Gradient-boosted trees over purged walk-forward folds: out-of-sample probabilities, and one final model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ModelError
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.labels import NEITHER, UPPER, Labels
from citadel_kit.macro.splits import PurgedWalkForward

Progress = Callable[[str, int, int], None]
"""What is being done, steps done, steps in all."""


class TrainConfig(NamedTuple):
    """Small trees and big leaves: the labels of neighbouring bars overlap, so rows are worth far less than
    they count."""

    rounds: int = 60
    learning_rate: float = 0.03
    leaves: int = 7
    min_leaf_rows: int = 500
    feature_share: float = 0.7
    """Of the columns, drawn anew for each tree."""
    seed: int = 7
    threads: int = 1
    """Results don't depend on it. One thread leaves the other cores to the fast loop."""


class FoldScore(NamedTuple):
    """Rows are counted, and scored, where a barrier was touched and no feature is missing."""

    fold: int
    train_rows: int
    test_rows: int
    auc: float
    """Area under the ROC curve; 0.5 is chance, NaN where the fold has one class only."""
    log_loss: float
    base_log_loss: float
    """What the training set's share of upper touches scores when said of every row: a model without
    features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted booster that knows which features it was fitted on."""

    booster: Any
    features: tuple[str, ...]
    touch_share: float
    """Share of the labels known to it that touched a barrier: an estimate of P(touch) without features."""

    def predict(self, x: pd.DataFrame) -> Floats:
        """P(upper barrier first, given that one is touched before the horizon ends) per row; NaN where the
        row holds a NaN or an infinity.

        Raises ModelError for other features, or the same in another order.
        """
        if tuple(x.columns) != self.features:
            odd = sorted(set(x.columns) ^ set(self.features)) or ["their order"]
            raise ModelError(f"the model was trained on other features ({', '.join(odd)}); train it anew")
        values = x.to_numpy(dtype=np.float64)
        out, whole = np.full(len(values), np.nan), np.isfinite(values).all(axis=1)
        if whole.any():
            out[whole] = self.booster.predict(values[whole], num_threads=1)
        return out


class Training(NamedTuple):
    model: Model
    """Fitted on every row whose label touched a barrier; newer than any fold's model."""
    probability: Floats
    """Out of sample: each row by its fold's model, which learned only from labels that had ended before the
    fold began. NaN before the first fold, and where a feature is missing."""
    touch_share: Floats
    """Of the same fold's model; NaN before the first fold."""
    folds: tuple[FoldScore, ...]


def train(
    x: pd.DataFrame,
    labels: Labels,
    splits: PurgedWalkForward,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
) -> Training:
    """Learns UPPER against LOWER. Rows that touched neither barrier count for `touch_share` only; rows
    without a label, or with a NaN or an infinity, for nothing.

    `x` and `labels` have one row a bar. Raises ModelError where a fold's training rows are too few or of one
    class.
    """
    config = config or TrainConfig()
    known = (labels.end >= 0) & np.isfinite(x.to_numpy(dtype=np.float64)).all(axis=1)
    usable = known & (labels.side != NEITHER)
    upper = (labels.side == UPPER).astype(np.float64)
    probability, touch_share = np.full(len(x), np.nan), np.full(len(x), np.nan)
    folds: list[FoldScore] = []
    steps = splits.get_n_splits() + 1
    for fold, (learn, test) in enumerate(splits.split(x, groups=labels.end), start=1):
        model = _fit(x, labels.side, learn[known[learn]], config)
        probability[test], touch_share[test] = model.predict(x.iloc[test]), model.touch_share
        learned, seen = learn[usable[learn]], test[usable[test]]
        folds.append(_score(fold, upper[learned], upper[seen], probability[seen]))
        if progress is not None:
            progress("walk-forward", fold, steps)
    model = _fit(x, labels.side, np.flatnonzero(known), config)
    if progress is not None:
        progress("final model", steps, steps)
    return Training(model, probability, touch_share, tuple(folds))


def skill(folds: tuple[FoldScore, ...]) -> float:
    """Share of the featureless model's log loss that the model saved out of sample, all folds' rows together.

    Not above 0: it knows nothing that the base rate doesn't. NaN where no test row has a label.
    """
    rows = sum(f.test_rows for f in folds)
    loss = sum(f.log_loss * f.test_rows for f in folds if f.test_rows)
    base = sum(f.base_log_loss * f.test_rows for f in folds if f.test_rows)
    return 1.0 - loss / base if rows else float("nan")


def auc(y: Floats, p: Floats) -> float:
    """Probability that an upper row scores above a lower one, ties half. NaN with one class only."""
    ups = int(y.sum())
    downs = len(y) - ups
    if ups == 0 or downs == 0:
        return float("nan")
    ranks = pd.Series(p).rank().to_numpy()
    return float((ranks[y == 1].sum() - ups * (ups + 1) / 2) / (ups * downs))


def _score(fold: int, learned: Floats, y: Floats, p: Floats) -> FoldScore:
    base = np.full(len(y), learned.mean())
    return FoldScore(fold, len(learned), len(y), auc(y, p), _log_loss(y, p), _log_loss(y, base))


def _log_loss(y: Floats, p: Floats) -> float:
    if len(y) == 0:
        return float("nan")
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _fit(x: pd.DataFrame, side: NDArray[np.int8], known: NDArray[np.int64], config: TrainConfig) -> Model:
    """`known`: the rows with a label, touched or not, and no missing feature."""
    rows = known[side[known] != NEITHER]
    y = (side[rows] == UPPER).astype(np.float64)
    if len(y) < 2 * config.min_leaf_rows or y.min() == y.max():
        raise ModelError(
            f"{len(y)} labelled rows ({int(y.sum())} upper) are too few or of one class; at least "
            f"{2 * config.min_leaf_rows} are needed: give more candles or lower train.min_leaf_rows"
        )
    lightgbm = _lightgbm()
    parameters = {
        "objective": "binary",
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.min_leaf_rows,
        "feature_fraction": config.feature_share,
        "max_bin": 63,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }
    names = tuple(map(str, x.columns))
    values = x.iloc[rows].to_numpy(dtype=np.float64)
    data = lightgbm.Dataset(values, label=y, feature_name=list(names))
    booster = lightgbm.train(parameters, data, num_boost_round=config.rounds)
    return Model(booster=booster, features=names, touch_share=len(rows) / len(known))


def _lightgbm() -> ModuleType:
    """LightGBM's library is linked to the system's OpenMP runtime, which a slim machine lacks."""
    try:
        import lightgbm
    except OSError as error:
        raise ModelError(
            f"LightGBM can't load its OpenMP runtime ({error}); install it: apt-get install libgomp1 "
            "(Debian, Ubuntu), brew install libomp (macOS), or conda install libgomp"
        ) from error
    return lightgbm
