from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citadel_kit.errors import ConfigError, ModelError
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
    assert trials.variance() == pytest.approx(variance)
    assert trials.deflate(record) == pytest.approx(deflated_sharpe(record, 4, variance))
    unknown = Trials([float("nan")] * 50)
    assert unknown.deflate(record) == deflated_sharpe(record, 50, record.error**2)
    assert unknown.deflate(record) < probabilistic_sharpe(record)


def test_trials_on_bars_of_several_lengths_are_compared_as_one() -> None:
    """The same Sharpe ratio a year, 0.03 an hour, is a twelfth's root of that on bars of five minutes."""
    hour, five = 3_600 * 10**9, 300 * 10**9
    alike, mixed = Trials(), Trials()
    for k, sharpe in enumerate((0.03, -0.02, 0.01, 0.0)):
        alike.add(sharpe, bar_ns=hour)
        mixed.add(*((sharpe / 12**0.5, "", five) if k % 2 else (sharpe, "", hour)))
    assert mixed.variance(hour) == pytest.approx(alike.variance(hour)) == pytest.approx(alike.variance())
    assert mixed.variance(five) == pytest.approx(alike.variance(hour) / 12)
    slow, fast = SharpeEstimate(0.05, 4_000), SharpeEstimate(0.05 / 12**0.5, 48_000)
    assert mixed.deflate(slow, hour) == pytest.approx(alike.deflate(slow, hour))
    assert mixed.deflate(fast, five) == pytest.approx(mixed.deflate(slow, hour), abs=1e-3)
    mixed.add(0.02)
    with pytest.raises(ConfigError, match="several bar lengths"):
        mixed.deflate(slow, hour)
    with pytest.raises(ConfigError, match="several bar lengths"):
        Trials([0.1, 0.2], bars_ns=[hour, five]).deflate(slow)
    assert Trials([0.1, 0.2], bars_ns=[hour, 0]).variance() == pytest.approx(0.005)
    mixed.add(0.04, "same")
    mixed.add(0.01, "same", five)
    assert (mixed.sharpes[-1], mixed.bars_ns[-1]) == (0.01, five)


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


def test_leaves_that_no_fold_could_fill_are_not_tried(capfd: pytest.CaptureFixture[str]) -> None:
    space = SPACE | {"min_leaf_rows": Span(10, 3000, log=True)}
    table = search(*material(), SPLITS, n_trials=6, base=BASE, space=space).table
    assert (table["problem"] == "").all()
    assert 10 <= table["min_leaf_rows"].min() <= table["min_leaf_rows"].max() <= N // 4 // 2
    assert {type(rows) for rows in table["min_leaf_rows"].tolist()} == {int}
    with pytest.raises(ModelError, match=r"3\d\d labelled rows, too few for min_leaf_rows of 200"):
        search(*material(), SPLITS, space={"min_leaf_rows": Span(200, 3000)})
    assert capfd.readouterr().err == ""


def test_a_trial_that_can_not_be_trained_counts_and_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    trials = Trials()
    space = {"min_leaf_rows": [20, 1000], "learning_rate": Span(0.01, 0.1)}
    found = search(*material(), SPLITS, n_trials=8, base=BASE, space=space, trials=trials)
    failed = found.table["min_leaf_rows"] == 1000
    assert failed.any() and found.config.min_leaf_rows == 20
    assert found.table["pruned"][failed].all()
    assert found.table["problem"][failed].str.contains("are too few").all()
    assert trials.count == 8
    with pytest.raises(ModelError, match=r"none of 3 trials could be judged: .*too few"):
        search(*material(), SPLITS, n_trials=3, base=BASE, space={"min_leaf_rows": [1000]}, trials=trials)
    assert trials.count == 11
    x, labels = material()
    untouched = labels._replace(side=np.where(np.arange(N) < N // 4, labels.side, 0).astype(np.int8))
    with pytest.raises(ModelError, match="no test row has a label"):
        search(x, untouched, SPLITS, n_trials=2, base=BASE, space=SPACE)
    with pytest.raises(ConfigError, match="catboost"):
        search(*material(), SPLITS, n_trials=3, base=BASE, space={"kind": ["catboost"]})
    assert capfd.readouterr().err == ""


def test_settings_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="depth"):
        search(*material(), SPLITS, space={"depth": Span(1, 3)})
    with pytest.raises(ConfigError, match="no trials"):
        search(*material(), SPLITS, n_trials=0)
