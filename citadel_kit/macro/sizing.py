"""How much to hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats


class SizingConfig(NamedTuple):
    target_volatility: float = 0.20
    """Annual volatility the holding should add to equity."""
    cap: float = 0.5
    """Largest share of equity, whatever the volatility."""


def target_fraction(volatility: Floats, config: SizingConfig | None = None) -> Floats:
    """Share of equity whose volatility is the target: target / volatility, at most `cap`.

    `volatility` is annual. 0 where it is NaN, infinite or not above 0: no measure, no position.
    """
    config = config or SizingConfig()
    if config.target_volatility <= 0 or not 0 <= config.cap <= 1:
        raise ConfigError("sizing", f"{config}: target_volatility above 0, cap from 0 to 1")
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.minimum(config.target_volatility / volatility, config.cap)
    known = np.isfinite(volatility) & (volatility > 0)
    return np.asarray(np.where(known, fraction, 0.0), dtype=np.float64)
