from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from citadel_kit.errors import ConfigError
from citadel_kit.macro.splits import CombinatorialPurged, PurgedWalkForward


def test_a_small_case_by_hand() -> None:
    """Twelve rows, labels three rows long, one row of embargo."""
    ends = np.minimum(np.arange(12) + 2, 11)
    splits = list(PurgedWalkForward(2, embargo=1).split(np.zeros((12, 1)), groups=ends))
    assert [(train.tolist(), test.tolist()) for train, test in splits] == [
        ([0], [4, 5, 6, 7]),
        ([0, 1, 2, 3, 4], [8, 9, 10, 11]),
    ]


def test_a_window_makes_the_training_sets_roll() -> None:
    ends = np.arange(12)
    splits = PurgedWalkForward(2, window=3).split(np.zeros((12, 1)), groups=ends)
    assert [train.tolist() for train, _ in splits] == [[1, 2, 3], [5, 6, 7]]


@pytest.mark.parametrize(
    ("reach", "embargo", "train"),
    [
        (0, 0, [[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]]),
        (1, 0, [[9, 10, 11], [5, 6], [0, 1, 2]]),
        (0, 1, [[9, 10, 11], [5, 6, 7], [0, 1, 2, 3]]),
    ],
)
def test_published_combinatorial_splits(reach: int, embargo: int, train: list[list[int]]) -> None:
    """Of skfolio's own tests: twelve rows, three folds, two of them tested; its purge of one row is a label
    that looks one row ahead."""
    splits = CombinatorialPurged(3, 2, embargo)
    ends = np.minimum(np.arange(12) + reach, 11)
    got = list(splits.split(np.zeros((12, 1)), groups=ends))
    assert [learned.tolist() for learned, _ in got] == train
    assert [test.tolist() for _, test in got] == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, 8, 9, 10, 11],
        [4, 5, 6, 7, 8, 9, 10, 11],
    ]
    assert (splits.get_n_splits(), splits.n_paths) == (3, 2)
    assert splits.test_folds() == [(0, 1), (0, 2), (1, 2)]
    assert splits.path_ids().tolist() == [[0, 0], [1, 0], [1, 1]]


def test_folds_of_a_length_that_does_not_divide() -> None:
    splits = CombinatorialPurged(5, 2)
    assert (splits.get_n_splits(), splits.n_paths) == (10, 4)
    assert splits.fold_of(12).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]


@given(
    n=st.integers(60, 200),
    shape=st.sampled_from([(4, 1), (5, 2), (6, 3)]),
    embargo=st.integers(0, 5),
    lengths=st.randoms(use_true_random=False),
)
def test_no_stretch_of_a_training_label_meets_a_tested_one(
    n: int, shape: tuple[int, int], embargo: int, lengths: object
) -> None:
    """Against every pair of rows, one by one."""
    ends = np.array([-1 if k % 7 == 3 else min(k + lengths.randint(0, 4), n - 1) for k in range(n)])  # type: ignore[attr-defined]
    splits = CombinatorialPurged(*shape, embargo)
    times_tested, fold = np.zeros(n, dtype=int), splits.fold_of(n)
    for train, test in splits.split(np.zeros((n, 1)), groups=ends):
        times_tested[test] += 1
        in_test = set(test.tolist())
        # The last row that the labels of each run of tested rows look at.
        reaches = [(a, max(b, *(ends[a : b + 1]))) for a, b in _runs(test.tolist())]
        for row in range(n):
            meets = any(row <= reach + embargo and ends[row] >= a for a, reach in reaches)
            assert (row in train) == (row not in in_test and ends[row] >= 0 and not meets)
    assert (times_tested == splits.n_paths).all()
    for path in range(splits.n_paths):
        pairs = zip(splits.test_folds(), splits.path_ids().tolist(), strict=True)
        folds = [f for tested, ids in pairs for f, i in zip(tested, ids, strict=True) if i == path]
        assert sorted(folds) == sorted(set(fold.tolist()))


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    breaks = [k for k in range(1, len(rows)) if rows[k] != rows[k - 1] + 1]
    return [(rows[a], rows[b - 1]) for a, b in zip([0, *breaks], [*breaks, len(rows)], strict=True)]


@given(
    n=st.integers(60, 200),
    n_splits=st.integers(1, 5),
    embargo=st.integers(0, 5),
    lengths=st.randoms(use_true_random=False),
)
def test_no_training_label_reaches_the_test_set(n: int, n_splits: int, embargo: int, lengths: object) -> None:
    ends = np.array([-1 if k % 7 == 3 else min(k + lengths.randint(0, 4), n - 1) for k in range(n)])  # type: ignore[attr-defined]
    tested: list[int] = []
    for train, test in PurgedWalkForward(n_splits, embargo).split(np.zeros((n, 1)), groups=ends):
        assert train.max() < test.min()
        assert (ends[train] + embargo < test.min()).all()
        assert (ends[train] >= 0).all()
        dropped = np.setdiff1d(np.arange(test.min()), train)
        assert ((ends[dropped] < 0) | (ends[dropped] + embargo >= test.min())).all()
        tested += test.tolist()
    assert tested == list(range(n // (n_splits + 1), n))


def test_it_drops_into_scikit_learn() -> None:
    x, y = np.zeros((50, 2)), np.arange(50) % 2
    splits = PurgedWalkForward(4, embargo=2)
    scores = cross_val_score(DummyClassifier(), x, y, groups=np.arange(50), cv=splits)
    assert len(scores) == splits.get_n_splits() == 4


def test_what_would_leak_or_fail_is_refused() -> None:
    x = np.zeros((10, 1))
    with pytest.raises(ConfigError, match="purging needs it"):
        list(PurgedWalkForward(2).split(x))
    with pytest.raises(ConfigError, match="9 rows"):
        list(PurgedWalkForward(2).split(x, groups=np.arange(9)))
    with pytest.raises(ConfigError, match="nothing to train on"):
        list(PurgedWalkForward(2, embargo=5).split(x, groups=np.arange(10)))
    with pytest.raises(ConfigError, match="nothing to train on"):
        list(PurgedWalkForward(20).split(x, groups=np.arange(10)))
    for ends in (np.arange(10) + 1, np.arange(10) - 1):
        with pytest.raises(ConfigError, match="count rows of x"):
            list(CombinatorialPurged(5, 1).split(x, groups=ends))
    with pytest.raises(ConfigError, match="at least"):
        PurgedWalkForward(0)
    with pytest.raises(ConfigError, match="one fold to test"):
        CombinatorialPurged(3, 3)
