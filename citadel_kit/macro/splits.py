"""Purged, embargoed cross-validation in the shape of scikit-learn splitters (López de Prado 2018, ch. 7, 12).

Rows are in time order, one label a row. A label is a statement about a stretch of time: `groups` holds, for
each row, the number of the last row that its label looked at (`Labels.end`; -1: the row has no label and is
never trained on). A training row whose stretch meets the test set's would let the model read what it is
tested on, so it is purged. They drop into scikit-learn:
`cross_val_score(model, x, y, groups=ends, cv=PurgedWalkForward(5))`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, groupby
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from citadel_kit.errors import ConfigError

Rows = NDArray[np.int64]


class PurgedWalkForward:
    """Training sets that end before their test set begins.

    The n rows are cut into n_splits + 1 blocks of equal length; split k tests on block k + 1 (the last takes
    the rest) and trains on all rows before it whose label ended more than `embargo` rows before the test set
    begins. `window`: at most so many rows before the test set are looked at, which makes the training sets
    roll; 0 lets them expand. No row behind a test set is trained on for it, so there is no second side.
    """

    def __init__(self, n_splits: int = 4, embargo: int = 0, window: int = 0) -> None:
        if n_splits < 1 or embargo < 0 or window < 0:
            text = f"n_splits {n_splits}, embargo {embargo}, window {window}: at least 1, 0 and 0"
            raise ConfigError("splits", text)
        self.n_splits, self.embargo, self.window = n_splits, embargo, window

    def get_n_splits(self, x: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits

    def split(self, x: Any, y: Any = None, groups: ArrayLike | None = None) -> Iterator[tuple[Rows, Rows]]:
        """Row numbers to train and to test on.

        Rows left out of `x` have to be left out of `groups` and of its count as well. Raises ConfigError
        without `groups`, or where a fold has nothing to train on.
        """
        ends = _ends(x, groups)
        rows, block = np.arange(len(ends), dtype=np.int64), len(ends) // (self.n_splits + 1)
        for k in range(1, self.n_splits + 1):
            start = k * block
            stop = start + block if k < self.n_splits else len(ends)
            known = (rows < start) & (ends >= 0) & (ends + self.embargo < start)
            if self.window:
                known &= rows >= start - self.window
            yield _whole(k, rows[known], block), rows[start:stop]


class CombinatorialPurged:
    """Every choice of `n_test_folds` out of `n_folds` is once the test set, the rest trains.

    That gives C(n_folds, n_test_folds) splits and, fold by fold put together, `n_paths` whole histories that
    were all predicted out of sample. A training row is dropped where its label's stretch meets a test fold's,
    and where it begins within `embargo` rows after the last row a test fold's labels looked at. The n rows
    are cut into n_folds folds of equal length, the last takes the rest.
    """

    def __init__(self, n_folds: int = 6, n_test_folds: int = 2, embargo: int = 0) -> None:
        if not 1 <= n_test_folds < n_folds or embargo < 0:
            raise ConfigError(
                "splits",
                f"n_folds {n_folds}, n_test_folds {n_test_folds}, embargo {embargo}: at least one fold to "
                "test and one to train on, and no negative embargo",
            )
        self.n_folds, self.n_test_folds, self.embargo = n_folds, n_test_folds, embargo

    def get_n_splits(self, x: Any = None, y: Any = None, groups: Any = None) -> int:
        return comb(self.n_folds, self.n_test_folds)

    @property
    def n_paths(self) -> int:
        return self.get_n_splits() * self.n_test_folds // self.n_folds

    def test_folds(self) -> list[tuple[int, ...]]:
        """The folds each split tests on, in the order of the splits."""
        return list(combinations(range(self.n_folds), self.n_test_folds))

    def path_ids(self) -> Rows:
        """Shape (splits, n_test_folds): the path to which each split's prediction of each of its test folds
        belongs; a path holds each fold once."""
        seen = [0] * self.n_folds
        ids = []
        for folds in self.test_folds():
            ids.append([seen[fold] for fold in folds])
            for fold in folds:
                seen[fold] += 1
        return np.array(ids, dtype=np.int64)

    def fold_of(self, rows: int) -> Rows:
        """The fold of each of so many rows."""
        block = max(rows // self.n_folds, 1)
        return np.minimum(np.arange(rows, dtype=np.int64) // block, self.n_folds - 1)

    def split(self, x: Any, y: Any = None, groups: ArrayLike | None = None) -> Iterator[tuple[Rows, Rows]]:
        """As of `PurgedWalkForward.split`."""
        ends = _ends(x, groups)
        rows, fold_of = np.arange(len(ends), dtype=np.int64), self.fold_of(len(ends))
        for number, folds in enumerate(self.test_folds(), start=1):
            tested = np.isin(fold_of, folds)
            known = ~tested & (ends >= 0)
            for start, stop in _stretches(folds, fold_of):
                reach = max(int(ends[start:stop].max(initial=-1)), stop - 1)
                known &= ((rows < start) & (ends < start)) | (rows > reach + self.embargo)
            yield _whole(number, rows[known], len(ends) // self.n_folds), rows[tested]


def _stretches(folds: tuple[int, ...], fold_of: Rows) -> Iterator[tuple[int, int]]:
    """First row and the one behind the last of each run of neighbouring folds."""
    for _, run in groupby(enumerate(folds), lambda pair: pair[1] - pair[0]):
        fold = [f for _, f in run]
        yield int(np.searchsorted(fold_of, fold[0])), int(np.searchsorted(fold_of, fold[-1], side="right"))


def _ends(x: Any, groups: ArrayLike | None) -> Rows:
    if groups is None:
        raise ConfigError("groups", "is missing", "Pass each label's end row: purging needs it")
    ends = np.asarray(groups, dtype=np.int64)
    if len(ends) != len(x):
        raise ConfigError("groups", f"has {len(ends)} rows, x has {len(x)}")
    rows = np.arange(len(ends))
    if bool(np.any((ends >= 0) & (ends < rows))) or bool(np.any(ends >= len(ends))):
        raise ConfigError("groups", "a label ends before its own row or behind the last: count rows of x")
    return ends


def _whole(number: int, train: Rows, block: int) -> Rows:
    if block == 0 or len(train) == 0:
        raise ConfigError(
            "splits", f"fold {number} has nothing to train on", "Give more rows or fewer splits"
        )
    return train
