"""What an estimator says of the same returns without their memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats

Estimator = Callable[[Floats], Floats]
Signs = NDArray[np.signedinteger[Any]]


class Band(NamedTuple):
    estimate: Floats
    lower: Floats
    upper: Floats


def surrogate_band(returns: Floats, estimator: Estimator, signs: Signs, level: float = 0.95) -> Band:
    """The estimate, and the range that holds `level` of the surrogates' at each bar: outside of it there is
    memory.

    A surrogate is the series of the same returns, each turned up or down at random: every bar's size stays,
    and with it the clustering of volatility and the heavy tails; what goes is what one sign says about the
    next. `signs` (+1 or -1) has one row a surrogate and one column a bar, drawn by the caller, such as
    `rng.choice(np.array([-1, 1], dtype=np.int8), (199, len(returns)))`. `estimator` is a rolling one that
    knows only the past; then so is the band. NaN where the estimate is NaN. Raises ConfigError for signs of
    another shape.
    """
    if signs.ndim != 2 or signs.shape[1] != len(returns) or len(signs) < 19 or not 0.0 < level < 1.0:
        raise ConfigError(
            "signs", f"shape {signs.shape} for {len(returns)} bars, level {level}", "Draw 19 rows at least"
        )
    values = np.stack([estimator(returns * row) for row in signs])
    lower, upper = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return Band(estimator(returns), lower, upper)
