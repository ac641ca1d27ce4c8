"""A search for settings of the trainer, pruned fold by fold, that counts what it tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError, ModelError
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.labels import Labels
from citadel_kit.macro.significance import Trials, estimate
from citadel_kit.macro.trainer import (
    FoldScore,
    Progress,
    Splits,
    check_settings,
    material_of,
    most_leaf_rows,
    skill,
    walk_forward,
)


class Span(NamedTuple):
    """Numbers between two; whole ones where both are whole."""

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Span | Sequence[Any]]
"""Setting of `TrainConfig` → a span, or the values to choose from."""

SPACE: Final[Space] = {
    "learning_rate": Span(0.01, 0.2, log=True),
    "leaves": Span(3, 31, log=True),
    "min_leaf_rows": Span(100, 3000, log=True),
    "feature_share": Span(0.3, 1.0),
    "ridge": Span(1e-3, 100.0, log=True),
}


class Search(NamedTuple):
    config: TrainConfig
    """The best found."""
    skill: float
    """Of it, out of sample over all folds. As the best of many it flatters; see `Trials`."""
    table: pd.DataFrame
    """One row a trial: its settings, `skill` (so far, where it was stopped), `folds`, `pruned`, `sharpe`, and
    `problem`, why it could not be trained."""
    trials: Trials


Record = Callable[[Floats, Floats], Floats]
"""(out-of-sample probability, touch share) of a trial → returns per period of the rule that trades on it."""


def search(
    x: pd.DataFrame,
    labels: Labels,
    splits: Splits,
    *,
    n_trials: int = 30,
    base: TrainConfig | None = None,
    space: Space = SPACE,
    trials: Trials | None = None,
    name: str = "",
    bar_ns: int = 0,
    record: Record | None = None,
    weights: Floats | None = None,
    progress: Progress | None = None,
) -> Search:
    """Settings with the most skill over the purged folds, by optuna's TPE sampler seeded with `base.seed`.

    After each fold a trial whose skill so far is below the median of the earlier ones at that fold is
    stopped, and so is one that can't be trained; both count. The span of `min_leaf_rows` ends at what the
    smallest fold has rows for. `record` gives each trial's Sharpe ratio per period of `bar_ns`, for `Trials`;
    with a `name` of the data and the other settings, running the same search again counts nothing twice.
    Raises ConfigError for a setting that does not exist or can't be, ModelError where no trial can be
    trained.
    """
    import optuna

    base, trials = base or TrainConfig(), trials or Trials()
    unknown = sorted(set(space) - set(TrainConfig._fields))
    if unknown or n_trials < 1:
        raise ConfigError("space", f"no such setting: {', '.join(unknown)}" if unknown else "no trials")
    check_settings(base, tuple(map(str, x.columns)))
    material = material_of(x, labels, weights)
    space = _fitting(space, most_leaf_rows(material, splits))
    rows: list[dict[str, Any]] = []

    def objective(trial: Any) -> float:
        try:
            return judged(trial)
        except ModelError as error:
            rows[-1] |= {"pruned": True, "problem": str(error)}
            raise optuna.TrialPruned from error

    def judged(trial: Any) -> float:
        config = base._replace(**{name: _suggest(trial, name, span) for name, span in space.items()})
        probability, share = np.full(len(x), np.nan), np.full(len(x), np.nan)
        folds: list[FoldScore] = []
        row: dict[str, Any] = {name: getattr(config, name) for name in space}
        row |= {"skill": np.nan, "folds": 0, "pruned": False, "sharpe": np.nan, "problem": ""}
        rows.append(row)
        for result in walk_forward(material, splits, config):
            probability[result.test], share[result.test] = result.probability, result.model.touch_share
            folds.append(result.score)
            row |= {"skill": skill(tuple(folds)), "folds": len(folds)}
            trial.report(row["skill"], len(folds))
            if len(folds) < splits.get_n_splits() and trial.should_prune():
                row["pruned"] = True
                raise optuna.TrialPruned
        if not np.isfinite(row["skill"]):
            raise ModelError("no test row has a label of either side: there is no skill to compare")
        row["sharpe"] = _sharpe(record, probability, share)
        return float(row["skill"])

    def note(study: Any, _trial: Any) -> None:
        config = base._replace(**study.trials[-1].params)
        trials.add(rows[-1]["sharpe"], name and f"{name}, {config}", bar_ns)
        if progress is not None:
            progress("search", len(rows), n_trials)

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # else it prints the traceback of what it raises
    try:
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=base.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        )
        study.optimize(objective, n_trials=n_trials, callbacks=[note])
    finally:
        optuna.logging.set_verbosity(level)
    table = pd.DataFrame(rows)
    if table["pruned"].all():
        raise ModelError(f"none of {n_trials} trials could be judged: {table['problem'].iloc[-1]}")
    best = base._replace(**study.best_params)
    return Search(best, float(study.best_value), table, trials)


def _fitting(space: Space, most: int) -> Space:
    """The space without leaves that no trial could fill."""
    span = space.get("min_leaf_rows")
    if not isinstance(span, Span) or span.high <= most:
        return space
    if most < span.low:
        raise ModelError(
            f"the smallest fold has {2 * most} labelled rows, too few for min_leaf_rows of {span.low} or "
            "more: give more candles or another span"
        )
    return {**space, "min_leaf_rows": span._replace(high=type(span.high)(most))}


def _suggest(trial: Any, name: str, span: Span | Sequence[Any]) -> Any:
    if not isinstance(span, Span):
        return trial.suggest_categorical(name, list(span))
    if isinstance(span.low, int) and isinstance(span.high, int):
        return trial.suggest_int(name, span.low, span.high, log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _sharpe(record: Record | None, probability: Floats, share: Floats) -> float:
    if record is None:
        return float("nan")
    return estimate(record(probability, share)).sharpe
