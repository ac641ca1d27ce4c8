"""Regimes: the memory of returns, the weather of volatility, the strength of the trend, and their names.

Everything is computed over one hole-free stretch at a time, float64 arrays in and out; warm-up is NaN, and a
NaN in the input is a hole (as in `macro.indicators`). Only `change_points` looks ahead, and says so.
"""

from __future__ import annotations

from citadel_kit.macro.regimes.changepoints import bars_since_change, change_points
from citadel_kit.macro.regimes.garch import GarchFit, fit_garch, garch_volatility
from citadel_kit.macro.regimes.hmm import HmmConfig, HmmFit, filter_states, fit_hmm, hmm_probabilities
from citadel_kit.macro.regimes.hurst import (
    expected_rescaled_range,
    rescaled_range,
    rolling_hurst,
    rolling_hurst_lags,
    rolling_hurst_rs,
)
from citadel_kit.macro.regimes.model import (
    RegimeConfig,
    RegimeModel,
    bars_since_switch,
    hold,
    regime_at,
    regime_frame,
)
from citadel_kit.macro.regimes.simulate import fractional_noise
from citadel_kit.macro.regimes.surrogate import Band, surrogate_band
from citadel_kit.macro.regimes.trend import trend_strength
from citadel_kit.macro.regimes.variance_ratio import VarianceRatio, rolling_variance_ratio
from citadel_kit.macro.regimes.volatility import (
    annual,
    close_to_close,
    ewma_volatility,
    garman_klass,
    parkinson,
    rogers_satchell,
    yang_zhang,
)

__all__ = [
    "Band",
    "GarchFit",
    "HmmConfig",
    "HmmFit",
    "RegimeConfig",
    "RegimeModel",
    "VarianceRatio",
    "annual",
    "bars_since_change",
    "bars_since_switch",
    "change_points",
    "close_to_close",
    "ewma_volatility",
    "expected_rescaled_range",
    "filter_states",
    "fit_garch",
    "fit_hmm",
    "fractional_noise",
    "garch_volatility",
    "garman_klass",
    "hmm_probabilities",
    "hold",
    "parkinson",
    "regime_at",
    "regime_frame",
    "rescaled_range",
    "rogers_satchell",
    "rolling_hurst",
    "rolling_hurst_lags",
    "rolling_hurst_rs",
    "rolling_variance_ratio",
    "surrogate_band",
    "trend_strength",
    "yang_zhang",
]
