from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from citadel_kit.errors import ConfigError
from citadel_kit.macro.splits import PurgedWalkForward


def test_a_small_case_by_hand() -> None:
    """Twelve rows, labels three rows long, one row of embargo."""
    ends = np.minimum(np.arange(12) + 2, 11)
    splits = list(PurgedWalkForward(2, embargo=1).split(np.zeros((12, 1)), groups=ends))
    assert [(train.tolist(), test.tolist()) for train, test in splits] == [
        ([0], [4, 5, 6, 7]),
        ([0, 1, 2, 3, 4], [8, 9, 10, 11]),
    ]


@given(
    n=st.integers(60, 200),
    n_splits=st.integers(1, 5),
    embargo=st.integers(0, 5),
    lengths=st.randoms(use_true_random=False),
)
def test_no_training_label_reaches_the_test_set(n: int, n_splits: int, embargo: int, lengths: object) -> None:
    ends = np.array([-1 if k % 7 == 3 else k + lengths.randint(0, 4) for k in range(n)])  # type: ignore[attr-defined]
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
    with pytest.raises(ConfigError, match="at least"):
        PurgedWalkForward(0)
