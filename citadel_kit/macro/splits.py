"""Walk-forward splits with purging and embargo, in the shape of a scikit-learn splitter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from citadel_kit.errors import ConfigError


class PurgedWalkForward:
    """Expanding training sets, each followed in time by its test set.

    Rows are in time order. The n rows are cut into n_splits + 1 blocks of equal length; split k tests on
    block k + 1 (the last takes the rest) and trains on all rows before it whose label ended more than
    `embargo` rows before the test set begins. Without that purge a label decided inside the test set would
    be learned from. No row behind a test set is trained on for it, so there is no second side to embargo.
    """

    def __init__(self, n_splits: int = 4, embargo: int = 0) -> None:
        if n_splits < 1 or embargo < 0:
            raise ConfigError("splits", f"n_splits {n_splits}, embargo {embargo}: at least 1 and at least 0")
        self.n_splits, self.embargo = n_splits, embargo

    def get_n_splits(self, x: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits

    def split(
        self, x: Any, y: Any = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Row numbers to train and to test on.

        `groups`: for each row of `x` the number of the last row whose bar its label looked at (-1: it has
        none and is never trained on). Rows left out of `x` have to be left out of this count as well. Raises
        ConfigError without it, or where a fold has nothing to train on.
        """
        if groups is None:
            raise ConfigError("groups", "is missing", "Pass each label's end row: purging needs it")
        ends = np.asarray(groups, dtype=np.int64)
        if len(ends) != len(x):
            raise ConfigError("groups", f"has {len(ends)} rows, x has {len(x)}")
        rows, block = np.arange(len(ends)), len(ends) // (self.n_splits + 1)
        for k in range(1, self.n_splits + 1):
            start = k * block
            stop = start + block if k < self.n_splits else len(ends)
            known = (rows < start) & (ends >= 0) & (ends + self.embargo < start)
            train = np.flatnonzero(known).astype(np.int64)
            if block == 0 or len(train) == 0:
                raise ConfigError(
                    "splits", f"fold {k} has nothing to train on", "Give more rows or fewer splits"
                )
            yield train, rows[start:stop]
