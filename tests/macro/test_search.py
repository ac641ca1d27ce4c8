from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.labels import Labels
from citadel_kit.macro.search import Search, Span, search
from citadel_kit.macro.significance import SharpeEstimate, Trials, deflated_sharpe, probabilistic_sharpe
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import skill, train

N = 1500
SPLITS = PurgedWalkForward(3, embargo=2)
BASE = TrainConfig(rounds=20, min_leaf_rows=20)
SPACE = {"learning_rate": Span(0.001, 0.3, log=True), "leaves": Span(2, 8), "kind": ["lightgbm", "xgboost"]}


def material() -> tuple[pd.DataFrame, Labels]:
    rng = np.random.default_rng(2)
    x = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N)})
    side = np.where(x["a"] + rng.standard_normal(N) > 0, 1, -1).astype(np.int8)
    return x, Labels(side, np.minimum(np.arange(N) + 3, N - 1), np.full(N, 0.01))


def run(trials: Trials | None = None) -> tuple[Search, list[tuple[str, int, int]]]:
    calls: list[tuple[str, int, int]] = []
    x, labels = material()

    def record(probability: Floats, share: Floats) -> Floats:
        known = np.isfinite(probability)
        return np.asarray(np.sign(probability[known] - 0.5) * labels.side[known] * 0.01)

    found = search(
        x, labels, SPLITS, n_trials=12, base=BASE, space=SPACE, trials=trials, record=record,
        progress=lambda *call: calls.append(call),
    )  # fmt: skip
    return found, calls


def test_the_best_of_the_trials_is_found_and_every_one_is_counted() -> None:
    trials = Trials()
    trials.add(0.1)
    found, calls = run(trials)
    table = found.table
    finished = table[~table["pruned"]]
    assert len(table) == 12
    assert found.trials is trials and trials.count == 13
    assert calls[-1] == ("search", 12, 12)
    assert found.skill == finished["skill"].max()
    best = finished.loc[finished["skill"].idxmax()]
    assert best["learning_rate"] == found.config.learning_rate
    assert found.skill == pytest.approx(skill(train(*material(), SPLITS, found.config).folds))
    # A stopped trial was looked at, and counts, though it has no record.
    assert table["pruned"].any()
    assert np.isnan(trials.sharpes[1:])[table["pruned"]].all()
    assert (table["folds"][table["pruned"]] < 3).all()


def test_the_same_seed_searches_the_same_way() -> None:
    pd.testing.assert_frame_equal(run()[0].table, run()[0].table)


def test_a_record_is_deflated_by_the_trials_behind_it() -> None:
    record, trials = SharpeEstimate(0.1, 400), Trials()
    assert trials.deflate(record) == probabilistic_sharpe(record)
    for sharpe in (0.1, 0.02, -0.05, float("nan")):
        trials.add(sharpe)
    variance = np.var([0.1, 0.02, -0.05], ddof=1)
    assert trials.variance == pytest.approx(variance)
    assert trials.deflate(record) == pytest.approx(deflated_sharpe(record, 4, variance))
    unknown = Trials([float("nan")] * 50)
    assert unknown.deflate(record) == deflated_sharpe(record, 50, record.error**2)
    assert unknown.deflate(record) < probabilistic_sharpe(record)


def test_what_was_tried_before_counts_and_a_name_counts_once() -> None:
    record, trials = SharpeEstimate(0.1, 400), Trials(before=3)
    for sharpe in (0.01, 0.011, 0.012):
        trials.add(sharpe, "the same settings")
    trials.add(0.02, "others")
    assert (trials.count, trials.sharpes) == (5, [0.012, 0.02])
    # Two records that nearly agree say nothing of the three that nobody kept.
    assert trials.deflate(record) == pytest.approx(deflated_sharpe(record, 5, record.error**2))


def test_the_same_search_again_tries_nothing_new() -> None:
    trials = Trials()
    for _ in range(2):
        search(*material(), SPLITS, n_trials=3, base=BASE, space=SPACE, trials=trials, name="here")
    assert trials.count == 3
    search(*material(), SPLITS, n_trials=3, base=BASE, space=SPACE, trials=trials, name="there")
    assert trials.count == 6


def test_settings_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="depth"):
        search(*material(), SPLITS, space={"depth": Span(1, 3)})
    with pytest.raises(ConfigError, match="no trials"):
        search(*material(), SPLITS, n_trials=0)
