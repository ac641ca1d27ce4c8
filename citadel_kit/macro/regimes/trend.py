"""How strongly price went one way."""

from __future__ import annotations

import numpy as np

from citadel_kit.macro.indicators import Floats, ratio, rolling_mean_std


def trend_strength(returns: Floats, window: int) -> Floats:
    """t-statistic of the mean return over the window: its sign is the direction, |2| is rare by chance.

    NaN in the first `window` - 1 bars, and where all returns are equal.
    """
    mean, std = rolling_mean_std(returns, window)
    return np.asarray(ratio(mean, std) * np.sqrt(window), dtype=np.float64)
