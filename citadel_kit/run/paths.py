"""Many histories of one rule, by combinatorial purged cross-validation: what chance moves its record by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.macro.candles import Floats, infer_timeframe, timeframe_ns
from citadel_kit.macro.events import uniqueness
from citadel_kit.macro.performance import sharpe
from citadel_kit.macro.splits import CombinatorialPurged
from citadel_kit.macro.trainer import Progress, material_of, walk_forward
from citadel_kit.run.macro_loop import MacroResult


class Paths(NamedTuple):
    """Each path holds every bar once, predicted by a model that learned from no label which saw that bar's
    fold. Most of these models learned from bars BEHIND it as well: a path is no track record, and its Sharpe
    ratio no forecast; their spread says how far chance alone moves it."""

    nets: Floats
    """Shape (paths, bars): net returns after costs of the rule on all used bars."""
    sharpes: Floats
    """Annual, one a path."""


def combinatorial_paths(
    result: MacroResult, n_folds: int = 10, n_test_folds: int = 2, progress: Progress | None = None
) -> Paths:
    """The cycle's own features, labels, settings and rule; one training for each of the C(n_folds,
    n_test_folds) splits. Raises as `trainer.train` does."""
    config, labels, rows = result.config, result.labels, len(result.candles)
    splits = CombinatorialPurged(n_folds, n_test_folds, config.embargo_bars)
    weights = uniqueness(labels.end) if config.weigh_by_uniqueness else None
    material = material_of(result.features, labels, weights)
    fold_of, ids = splits.fold_of(rows), splits.path_ids()
    probability = np.full((splits.n_paths, rows), np.nan)
    touch_share = np.full((splits.n_paths, rows), np.nan)
    for split, found in enumerate(walk_forward(material, splits, config.training)):
        for fold, path in zip(splits.test_folds()[split], ids[split].tolist(), strict=True):
            here = fold_of[found.test] == fold
            probability[path, found.test[here]] = found.probability[here]
            touch_share[path, found.test[here]] = found.model.touch_share
        if progress is not None:
            progress("paths", split + 1, len(ids))
    pairs = zip(probability, touch_share, strict=True)
    nets = np.stack([result.record_of(p, share).net for p, share in pairs])
    bar_ns = timeframe_ns(infer_timeframe(result.candles))
    return Paths(nets, np.array([sharpe(net, bar_ns) for net in nets]))
