"""The detector of look-ahead: five tests of a pipeline that knows more than it could have known.

- `future_perturbation`: other candles after t must change no feature at or before t. Sees centred windows,
  scalers fitted on all data, a higher timeframe's bar before its close, a bar's own future.
- `ignored_candles`: other candles must change a feature, unless the calendar alone makes it. Sees a table
  made beforehand, from all data perhaps, which no change of the candles reaches. A hint and no proof.
- `overlaps`: no training label may look at a bar of the test set, and no row may stand in both.
- `shuffled_labels`: labels drawn by lot can't be predicted. A pipeline that predicts them scores itself in
  sample, or chose its features by all labels.
- `delayed_features`: what one bar's delay takes most of the skill from was not known at that bar. A hint and
  no proof: a signal may be that short-lived.

None of them proves the absence of a leak. The first is exact: what it finds is one. A leak at some hours
alone is found where a cut falls on one of them, which is why the cuts go round the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import COLUMNS, DAY_NS, Floats, Ints, open_ns
from citadel_kit.macro.labels import NEITHER, UPPER, Labels
from citadel_kit.macro.trainer import auc

Features = Callable[[pd.DataFrame], pd.DataFrame]
"""Candles → one row a bar."""

Pipeline = Callable[[pd.DataFrame, Labels], Floats]
"""Features and labels → the probability it says was out of sample, NaN where there is none."""


class Finding(NamedTuple):
    test: str
    where: str
    """A feature, or a fold."""
    detail: str
    certain: bool
    """A proof; else a number that chance or a real but short-lived signal would seldom give."""

    def __str__(self) -> str:
        return f"{self.test}: {self.where}: {self.detail}"


_HOUR_NS: Final = DAY_NS // 24
_CALENDAR_DAYS: Final = 10_227
"""Twenty-eight years: the days of week, month and year are the same again."""


def future_perturbation(
    features: Features, frame: pd.DataFrame, rng: np.random.Generator, cuts: int = 24
) -> list[Finding]:
    """Features at or before t, three times: on all candles, without those after t, with others after t.

    `cuts`: moments t, drawn from the later half of `frame` so that warm-up is over, from every hour of the
    day in turn. One finding a feature, at the earliest bar that changed.
    """
    if len(frame) < 4 or cuts < 1:
        raise ConfigError("frame", f"{len(frame)} candles, {cuts} cuts: at least four and one")
    whole = features(frame)
    earliest: dict[str, tuple[int, int]] = {}
    for cut in _moments(frame, rng, cuts):
        for other in (frame.iloc[: cut + 1], _other_future(frame, cut, rng)):
            for column, row in _changed(whole, features(other), cut).items():
                earliest[column] = min(earliest.get(column, (row, cut)), (row, cut))
    return [
        Finding(
            "future perturbation",
            column,
            f"its value at {frame.index[row]} changes with candles after {frame.index[cut]}",
            certain=True,
        )
        for column, (row, cut) in sorted(earliest.items())
    ]


def ignored_candles(features: Features, frame: pd.DataFrame, rng: np.random.Generator) -> list[Finding]:
    """Features that are the same on candles of the same times with other prices and volumes, and not on the
    same candles at other times: neither they nor the calendar made them.

    Other times are those of 28 years later, without the first quarter of the bars.
    """
    whole, other = features(frame), features(_other_candles(frame, rng))
    changed = _changed(whole, other, len(frame) - 1)
    same = [column for column in whole.columns if str(column) not in changed]
    if not same:
        return []
    left = len(frame) // 4
    later = frame.iloc[left:].set_axis(frame.index[left:] + pd.Timedelta(days=_CALENDAR_DAYS))
    text = "no change of the candles changes it, nor does the calendar make it: was it made beforehand?"
    try:
        moved = features(later)
    except (LookupError, ValueError) as error:  # a table without rows for these times, or of another length
        return [_ignored("all", f"can't be made of candles of other times ({error!r}): read from a table?")]
    unlike = _changed(whole[same].iloc[left:], moved, len(later) - 1)
    return [_ignored(str(column), text) for column in same if str(column) in unlike]


def overlaps(splits: Iterable[tuple[Ints, Ints]], ends: Ints) -> list[Finding]:
    """`splits`: (train, test) row numbers per fold; `ends`: each label's last row, -1 where it has none."""
    found = []
    for fold, (train, test) in enumerate(splits, start=1):
        both = np.intersect1d(train, test)
        if len(both):
            found.append(_overlap(fold, f"{len(both)} rows are trained and tested on"))
        tested = np.zeros(len(ends) + 1, dtype=np.int64)
        tested[test] = 1
        before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(tested)))
        learn = np.setdiff1d(train, both)
        learn = learn[ends[learn] >= 0]
        seen = before[ends[learn] + 1] - before[learn] > 0
        if seen.any():
            row = int(learn[seen][0])
            text = f"{int(seen.sum())} training labels look at tested bars, first row {row} up to {ends[row]}"
            found.append(_overlap(fold, text))
        told = test[(ends[test] >= 0)]
        reach = np.zeros(len(ends) + 2, dtype=np.int64)
        np.add.at(reach, told, 1)
        np.add.at(reach, ends[told] + 1, -1)
        after = learn[(np.cumsum(reach)[learn] > 0) & (tested[learn] == 0)]
        if len(after):
            text = f"{len(after)} training rows lie in the stretch of a tested label, first row {after[0]}"
            found.append(_overlap(fold, text))
    return found


def shuffled_labels(
    pipeline: Pipeline, x: pd.DataFrame, labels: Labels, rng: np.random.Generator, rounds: int = 5
) -> list[Finding]:
    """The labels dealt out anew among the rows that have one, so that nothing tells them.

    A finding where the mean AUC over `rounds` lies more than four standard errors above one half; the error
    is that of ranks drawn by lot.
    """
    rows = np.flatnonzero((labels.end >= 0) & (labels.side != NEITHER))
    scores, errors = [], []
    for _ in range(rounds):
        side = labels.side.copy()
        side[rows] = rng.permutation(side[rows])
        p = pipeline(x, labels._replace(side=side))
        told = rows[np.isfinite(p[rows])]
        y = (side[told] == UPPER).astype(np.float64)
        ups, downs = float(y.sum()), float(len(y) - y.sum())
        if ups and downs:
            scores.append(auc(y, p[told]))
            errors.append((ups + downs + 1) / (12 * ups * downs))
    if not scores:
        raise ConfigError("pipeline", "gave no probability for a row with a label of each side")
    mean, error = float(np.mean(scores)), sqrt(sum(errors)) / len(errors)
    if mean <= 0.5 + 4 * error:
        return []
    return [Finding("shuffled labels", "pipeline", f"AUC {mean:.3f} on labels drawn by lot", certain=True)]


def delayed_features(
    x: pd.DataFrame, labels: Labels, least_auc: float = 0.55, kept_share: float = 0.5
) -> list[Finding]:
    """Features alone, each by its AUC, now and one bar late.

    A finding where it departs from one half by more than `least_auc` does, and a delay of one bar leaves
    less than `kept_share` of that.
    """
    known = (labels.end >= 0) & (labels.side != NEITHER)
    known[0] = False
    y = (labels.side == UPPER).astype(np.float64)
    found = []
    for column in x.columns:
        now, late = x[column].to_numpy(dtype=np.float64), x[column].shift().to_numpy(dtype=np.float64)
        rows = known & np.isfinite(now) & np.isfinite(late)
        gain, kept = auc(y[rows], now[rows]) - 0.5, auc(y[rows], late[rows]) - 0.5
        if abs(gain) > least_auc - 0.5 and kept * np.sign(gain) < kept_share * abs(gain):
            text = f"AUC {0.5 + gain:.3f} alone, {0.5 + kept:.3f} one bar late"
            found.append(Finding("delayed features", str(column), text, certain=False))
    return found


def check_pipeline(
    *,
    frame: pd.DataFrame,
    features: Features,
    labels: Labels,
    splits: Any,
    pipeline: Pipeline,
    rng: np.random.Generator,
    rounds: int = 3,
) -> pd.DataFrame:
    """All five tests: one row a finding with `test, where, detail, certain`; empty where nothing was found.

    `splits` as of `macro.splits`; `frame`, what `features` makes of it and `labels` have one row a bar.
    """
    x = features(frame)
    found = future_perturbation(features, frame, rng)
    found += ignored_candles(features, frame, rng)
    found += overlaps(splits.split(x, groups=labels.end), labels.end)
    found += shuffled_labels(pipeline, x, labels, rng, rounds)
    found += delayed_features(x, labels)
    return pd.DataFrame(found, columns=list(Finding._fields))


def _ignored(where: str, text: str) -> Finding:
    return Finding("ignored candles", where, text, certain=False)


def _overlap(fold: int, text: str) -> Finding:
    return Finding("overlap", f"fold {fold}", text, certain=True)


def _moments(frame: pd.DataFrame, rng: np.random.Generator, cuts: int) -> list[int]:
    """Rows of the later half but for the last, in order; no hour twice before each was there once."""
    rows = rng.permutation(np.arange(len(frame) // 2, len(frame) - 1))
    hour = pd.Series(open_ns(frame)[rows] % DAY_NS // _HOUR_NS)
    turn = hour.groupby(hour).cumcount().to_numpy()
    return sorted(rows[np.argsort(turn, kind="stable")][: min(cuts, len(frame) // 4)].tolist())


def _other_candles(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Sound candles of the same times: the bars in another order, at other prices."""
    mixed = frame.iloc[rng.permutation(len(frame))].set_axis(frame.index)
    return _other_future(mixed, -1, rng)


def _other_future(frame: pd.DataFrame, cut: int, rng: np.random.Generator) -> pd.DataFrame:
    """Sound candles that go elsewhere after `cut`: prices times one random factor a bar, volumes another."""
    other, after = frame.copy(), len(frame) - cut - 1
    factor = np.exp(np.cumsum(rng.normal(0.02, 0.05, after)))
    for column in COLUMNS:
        times = factor if column != "volume" else rng.uniform(2, 5, after)
        other.loc[frame.index[cut + 1 :], column] = frame[column].to_numpy()[cut + 1 :] * times
    return other


def _changed(whole: pd.DataFrame, other: pd.DataFrame, cut: int) -> dict[str, int]:
    """Feature → earliest row at or before `cut` where the two differ by more than rounding; 0 where `other`
    lacks it, or rows of it."""
    missing = [c for c in whole.columns if c not in other.columns]
    found = {str(column): 0 for column in missing}
    for column in whole.columns.difference(missing):
        a = whole[column].to_numpy(dtype=np.float64)[: cut + 1]
        b = other[column].to_numpy(dtype=np.float64)[: cut + 1]
        if len(a) != len(b):
            found[str(column)] = 0
            continue
        differs: NDArray[np.bool_] = ~np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
        if differs.any():
            found[str(column)] = int(differs.argmax())
    return found
