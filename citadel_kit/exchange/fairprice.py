"""The price path behind a synthetic market: what its participants believe the asset is worth.

A random walk in the logarithm with stochastic volatility (an Ornstein-Uhlenbeck process of log volatility),
bursts of volatility that die away, spells of drift, and on demand a flash crash that halves itself back.
"""

from __future__ import annotations

import math
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRID_HZ: Final = 100
"""Points per second of every path here."""
SECONDS_PER_YEAR: Final = 365 * 86_400.0
CRASH_FALL_S: Final = 4.0
CRASH_RECOVERY_S: Final = 60.0

_REVERSION: Final = 1 / 60
"""Of log volatility, per second."""
_VOL_OF_VOL: Final = 0.35
"""Stationary standard deviation of log volatility."""
_BURST_RATE: Final = 1 / 120
_BURST_SIZE: Final = 1.2
_BURST_DECAY_S: Final = 8.0
_TREND_RATE: Final = 1 / 150
_TREND_LENGTH_S: Final = 40.0
_TREND_STRENGTH: Final = 0.35
"""Drift of a spell, in standard deviations of one second's move."""
_BASIS_REVERSION: Final = 1 / 15

Path = NDArray[np.float64]


def fair_path(
    rng: np.random.Generator, start_price: float, seconds: int, annual_volatility: float
) -> tuple[Path, Path]:
    """(price, heat) at `GRID_HZ` points a second; heat is volatility over its long-run level (mean square 1
    but for bursts). Prices are positive whatever the draws."""
    heat, drift = _weather(rng, seconds)
    sigma = annual_volatility / math.sqrt(SECONDS_PER_YEAR)
    steps = rng.standard_normal(seconds * GRID_HZ) * np.repeat(heat, GRID_HZ) * sigma / math.sqrt(GRID_HZ)
    steps += np.repeat(drift, GRID_HZ) * sigma / GRID_HZ
    return start_price * np.exp(np.cumsum(steps)), np.repeat(heat, GRID_HZ)


def _weather(rng: np.random.Generator, seconds: int) -> tuple[Path, Path]:
    """Heat and drift per second."""
    heat, drift = np.empty(seconds), np.zeros(seconds)
    keep = 1 - _REVERSION
    kick = _VOL_OF_VOL * math.sqrt(1 - keep * keep)
    log_vol, burst, trend = _VOL_OF_VOL * rng.standard_normal(), 0.0, 0.0
    for second in range(seconds):
        log_vol = keep * log_vol + kick * rng.standard_normal()
        burst *= math.exp(-1 / _BURST_DECAY_S)
        if rng.random() < _BURST_RATE:
            burst += _BURST_SIZE
        if trend and rng.random() < 1 / _TREND_LENGTH_S:
            trend = 0.0
        elif not trend and rng.random() < _TREND_RATE:
            trend = _TREND_STRENGTH * (1.0 if rng.random() < 0.5 else -1.0)
        heat[second] = math.exp(log_vol + burst - _VOL_OF_VOL * _VOL_OF_VOL)
        drift[second] = trend * heat[second]
    return heat, drift


def add_crash(price: Path, heat: Path, at_s: float, fraction: float, heat_in_crash: float) -> None:
    """In place: a fall by `fraction` within `CRASH_FALL_S`, half of it won back over `CRASH_RECOVERY_S`."""
    since = np.arange(len(price)) / GRID_HZ - at_s
    depth = np.interp(
        since, [0.0, CRASH_FALL_S, CRASH_FALL_S + CRASH_RECOVERY_S], [0.0, fraction, fraction / 2]
    )
    price *= 1 - depth
    panic = (since >= 0) & (since <= 2 * CRASH_FALL_S)
    heat[panic] = np.maximum(heat[panic], heat_in_crash)


def venue_reference(rng: np.random.Generator, price: Path, lag_s: float, basis_bps: float) -> Path:
    """What one venue's makers take for fair: the price `lag_s` ago plus a slow basis of the venue's own."""
    lag = min(round(lag_s * GRID_HZ), len(price) - 1)
    late = np.concatenate([np.full(lag, price[0]), price[: len(price) - lag]])
    seconds = len(price) // GRID_HZ
    keep = 1 - _BASIS_REVERSION
    kick = math.sqrt(1 - keep * keep)
    basis = np.empty(seconds + 1)
    level = float(rng.standard_normal())
    for second in range(seconds + 1):
        basis[second] = level
        level = keep * level + kick * rng.standard_normal()
    between = np.interp(np.arange(len(price)) / GRID_HZ, np.arange(seconds + 1), basis)
    return late * (1 + basis_bps * 1e-4 * between)


def as_floats(path: Path) -> array[float]:
    """The same numbers as Python floats: reading one from a numpy array costs several times as much."""
    return array("d", path.tobytes())
