"""Gradient-boosted trees over purged walk-forward folds: out-of-sample probabilities, and one final model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from citadel_kit.errors import ConfigError, ModelError
from citadel_kit.macro import boosters
from citadel_kit.macro.boosters import Matrix, TrainConfig
from citadel_kit.macro.calibration import NO_CALIBRATION, Calibration, calibrate, check_kind
from citadel_kit.macro.candles import Floats, Ints
from citadel_kit.macro.labels import NEITHER, UPPER, Labels

Progress = Callable[[str, int, int], None]
"""What is being done, steps done, steps in all."""

HELD_SHARE: Final = 0.2
"""Of a fold's training rows, the newest: early stopping and calibration look at them."""


class Splits(Protocol):
    """`macro.splits.PurgedWalkForward`, or what behaves like it."""

    embargo: int

    def get_n_splits(self) -> int: ...

    def split(
        self, x: Any, y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Ints, Ints]]: ...


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

    kind: str
    booster: Any
    features: tuple[str, ...]
    touch_share: float
    """Share of the labels known to it that touched a barrier: an estimate of P(touch) without features."""
    calibration: Calibration = NO_CALIBRATION

    @property
    def trees(self) -> int:
        return boosters.trees(self.kind, self.booster)

    def predict(self, x: pd.DataFrame) -> Floats:
        """P(upper barrier first, given that one is touched before the horizon ends) per row; NaN where the
        row holds a NaN or an infinity.

        Raises ModelError for other features, or the same in another order.
        """
        return self.predict_values(self._values(x))

    def predict_values(self, values: Floats) -> Floats:
        """The same for the bare columns, in the order of `features`."""
        out, whole = np.full(len(values), np.nan), np.isfinite(values).all(axis=1)
        if whole.any():
            rows = values if whole.all() else values[whole]
            out[whole] = self.calibration(boosters.probability(self.kind, self.booster, rows))
        return out

    def importance(self) -> pd.Series[float]:
        """Share of the gain that splits on each feature brought, the largest first."""
        gain = boosters.importance(self.kind, self.booster, self.features)
        return pd.Series(gain, index=list(self.features), name="gain").sort_values(ascending=False)

    def contributions(self, x: pd.DataFrame) -> pd.DataFrame:
        """SHAP values of the log-odds before calibration, one column a feature and `base`; their sum is the
        row's log-odds. NaN where `predict` is."""
        values = self._values(x)
        out, whole = np.full((len(x), len(self.features) + 1), np.nan), np.isfinite(values).all(axis=1)
        if whole.any():
            out[whole] = boosters.contributions(self.kind, self.booster, values[whole])
        return pd.DataFrame(out, index=x.index, columns=[*self.features, "base"])

    def _values(self, x: pd.DataFrame) -> Floats:
        if tuple(x.columns) != self.features:
            odd = sorted(set(x.columns) ^ set(self.features)) or ["their order"]
            raise ModelError(f"the model was trained on other features ({', '.join(odd)}); train it anew")
        return x.to_numpy(dtype=np.float64)


class Training(NamedTuple):
    model: Model
    """Fitted on every row whose label touched a barrier; newer than any fold's model."""
    probability: Floats
    """Out of sample: each row by its fold's model, which learned only from labels that had ended before the
    fold began. NaN before the first fold, and where a feature is missing."""
    touch_share: Floats
    """Of the same fold's model; NaN before the first fold."""
    folds: tuple[FoldScore, ...]


class Material(NamedTuple):
    """One row a bar."""

    values: Floats
    features: tuple[str, ...]
    known: NDArray[np.bool_]
    """Has a label, touched or not, and no missing feature."""
    labels: Labels
    upper: Floats
    weight: Floats


def train(
    x: pd.DataFrame,
    labels: Labels,
    splits: Splits,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
    weights: Floats | None = None,
) -> Training:
    """Learns UPPER against LOWER. Rows that touched neither barrier count for `touch_share` only; rows
    without a label, or with a NaN or an infinity, for nothing.

    `x`, `labels` and `weights` (such as `macro.events.uniqueness`) have one row a bar; only the weights'
    proportions count, since a fit scales its rows' to a mean of 1. Counts no trial, since it sees no returns:
    a record made of its probabilities is for you to add to a `Trials`, as `run_macro` and `search` do.

    Raises ConfigError for settings that can't be, ModelError for a feature without a value, or where a fold's
    training rows are too few or of one class.
    """
    config, material = config or TrainConfig(), material_of(x, labels, weights)
    steps, folds = splits.get_n_splits() + 1, []
    probability, touch_share = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for scored in walk_forward(material, splits, config):
        probability[scored.test], touch_share[scored.test] = scored.probability, scored.model.touch_share
        folds.append(scored.score)
        if progress is not None:
            progress("walk-forward", len(folds), steps)
    model = _fit(material, np.flatnonzero(material.known), config, splits.embargo)
    if progress is not None:
        progress("final model", steps, steps)
    return Training(model, probability, touch_share, tuple(folds))


class FoldResult(NamedTuple):
    model: Model
    test: Ints
    probability: Floats
    """Of the test rows."""
    score: FoldScore


def walk_forward(material: Material, splits: Splits, config: TrainConfig) -> Iterator[FoldResult]:
    """Fold by fold, so that a search may stop a hopeless one. Raises as `train` does."""
    check_settings(config, material.features)
    usable = material.known & (material.labels.side != NEITHER)
    folds = splits.split(material.values, groups=material.labels.end)
    for fold, (learn, test) in enumerate(folds, start=1):
        model = _fit(material, learn[material.known[learn]], config, splits.embargo)
        probability = model.predict_values(material.values[test])
        learned, seen = learn[usable[learn]], usable[test]
        score = _score(fold, material.upper[learned], material.upper[test[seen]], probability[seen])
        yield FoldResult(model, test, probability, score)


def check_settings(config: TrainConfig, features: tuple[str, ...]) -> None:
    """Raises ConfigError for one that can't be, whatever the rows."""
    boosters.check(config, features)
    check_kind(config.calibration)


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


def material_of(x: pd.DataFrame, labels: Labels, weights: Floats | None) -> Material:
    """Raises ModelError for a feature that has no value in any row with a label."""
    weight = np.ones(len(x)) if weights is None else weights
    if len(weight) != len(x) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ConfigError("weights", f"{len(weight)} for {len(x)} rows: one a row, finite, not negative")
    values = x.to_numpy(dtype=np.float64)
    finite, labelled = np.isfinite(values), labels.end >= 0
    empty = [
        str(name) for name, some in zip(x.columns, finite[labelled].any(axis=0), strict=True) if not some
    ]
    if empty and labelled.any():
        raise ModelError(
            f"no labelled row has a value of {', '.join(empty)}: leave it out, or give more candles than its "
            "window needs"
        )
    # A row that weighs nothing has no say: LightGBM would still count it as a row of its leaf.
    known = labelled & finite.all(axis=1) & (weight > 0)
    upper = (labels.side == UPPER).astype(np.float64)
    return Material(values, tuple(map(str, x.columns)), known, labels, upper, weight)


def _score(fold: int, learned: Floats, y: Floats, p: Floats) -> FoldScore:
    base = np.full(len(y), learned.mean())
    return FoldScore(fold, len(learned), len(y), auc(y, p), _log_loss(y, p), _log_loss(y, base))


def _log_loss(y: Floats, p: Floats) -> float:
    if len(y) == 0:
        return float("nan")
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _fit(material: Material, known: Ints, config: TrainConfig, embargo: int) -> Model:
    """`known`: the rows with a label, touched or not, and no missing feature."""
    rows = known[material.labels.side[known] != NEITHER]
    _enough(material.upper[rows], config)
    rounds, calibration = config.rounds, NO_CALIBRATION
    if config.early_stopping or config.calibration != "none":
        rounds, calibration = _look_at_the_newest(material, rows, config, embargo)
    booster = boosters.fit(config, material.features, _matrix(material, rows, config), None, rounds)
    return Model(
        kind=config.kind,
        booster=booster,
        features=material.features,
        touch_share=len(rows) / len(known),
        calibration=calibration,
    )


def _look_at_the_newest(
    material: Material, rows: Ints, config: TrainConfig, embargo: int
) -> tuple[int, Calibration]:
    """Trees and calibration by a booster that learned from the older rows alone."""
    held = rows[int(len(rows) * (1 - HELD_SHARE)) :]
    older = rows[material.labels.end[rows] + embargo < held[0]]
    _enough(material.upper[older], config)
    watched = _matrix(material, held, config)
    learn = _matrix(material, older, config)
    stop = watched if config.early_stopping else None
    booster = boosters.fit(config, material.features, learn, stop, config.rounds)
    p = boosters.probability(config.kind, booster, watched.x)
    # By the rows' own weights: balanced ones would bend the probabilities the other way.
    found = calibrate(config.calibration, p, watched.y, material.weight[held])
    return boosters.trees(config.kind, booster), found


def _matrix(material: Material, rows: Ints, config: TrainConfig) -> Matrix:
    y, weight = material.upper[rows], material.weight[rows]
    weight = weight / weight.mean()
    if config.balance:
        up = float(weight[y == 1].sum()) / float(weight.sum())
        weight = weight * np.where(y == 1, 0.5 / up, 0.5 / (1 - up))
    return Matrix(material.values[rows], y, weight)


def most_leaf_rows(material: Material, splits: Splits) -> int:
    """The largest `min_leaf_rows` for which every fold has rows enough. Early stopping and calibration leave
    fewer, by a fifth and what is purged."""
    usable = material.known & (material.labels.side != NEITHER)
    folds = splits.split(material.values, groups=material.labels.end)
    return min(int(usable[learn].sum()) for learn, _ in folds) // 2


def _enough(y: Floats, config: TrainConfig) -> None:
    if len(y) < 2 * config.min_leaf_rows or y.min() == y.max():
        raise ModelError(
            f"{len(y)} labelled rows ({int(y.sum())} upper) are too few or of one class; at least "
            f"{2 * config.min_leaf_rows} are needed: give more candles or lower train.min_leaf_rows"
        )
