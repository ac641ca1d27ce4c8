"""Where the level of a series changed, by `ruptures`' exact search (PELT) for shifts of the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import Floats, by_run


def change_points(x: Floats, penalty: float = 3.0, least: int = 24) -> NDArray[np.int64]:
    """First rows of all segments but the first. It looks at the WHOLE series: for pictures, never for a rule.

    A change has to lower the squared error by `penalty` × ln(n) × the noise's variance, which is taken from
    the median step between neighbours, so that no shift inflates it; segments have `least` rows at least. For
    changes of volatility give the logarithm of the bars' ranges. Raises ConfigError for a series with a NaN.
    """
    if len(x) < 2 * least:
        return np.zeros(0, dtype=np.int64)
    if not np.isfinite(x).all():
        raise ConfigError("x", "holds a NaN or an infinity", "Give one stretch without holes")
    from ruptures import KernelCPD  # type: ignore[import-untyped]

    noise = float(np.median(np.abs(np.diff(x)))) / (0.6745 * np.sqrt(2.0))
    if noise == 0.0:
        return np.zeros(0, dtype=np.int64)
    search = KernelCPD(kernel="linear", min_size=least).fit((x - x[0]) / noise)
    return np.asarray(search.predict(pen=penalty * np.log(len(x)))[:-1], dtype=np.int64)


@by_run
def bars_since_change(
    x: Floats, window: int = 512, every: int = 24, penalty: float = 3.0, least: int = 24
) -> Floats:
    """Bars since the last change that could be seen at the time: the search runs on the last `window` values
    every `every` bars, and the count goes on in between. `window` stands for "none seen". NaN in the first
    `window` - 1 bars.
    """
    out = np.full(len(x), np.nan)
    for now in range(window - 1, len(x), every):
        found = change_points(x[now - window + 1 : now + 1], penalty, least)
        stop = min(now + every, len(x))
        since = window - 1 - int(found[-1]) if len(found) else window
        count = since + np.arange(stop - now, dtype=np.float64)
        out[now:stop] = np.minimum(count, window)
    return out
