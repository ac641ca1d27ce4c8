"""The price path behind a synthetic market: what its participants believe the asset is worth.

A random walk in the logarithm with stochastic volatility (an Ornstein-Uhlenbeck process of log volatility),
bursts of volatility that die away, spells of drift, and on demand a flash crash that halves itself back.
It comes in chunks, so that a market can go on for days; where the draws of one chunk end, those of the next
begin, so another length of chunks is another path.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID_HZ: Final = 100
"""Points per second of every path here."""
SECONDS_PER_YEAR: Final = 365 * 86_400.0
CRASH_FALL_S: Final = 4.0
CRASH_RECOVERY_S: Final = 60.0
CRASH_PANIC_S: Final = 2 * CRASH_FALL_S
CRASH_SHAPE: Final = [0.0, CRASH_FALL_S, CRASH_FALL_S + CRASH_RECOVERY_S], [0.0, 1.0, 0.5]
"""Seconds since its begin, and the share of its fraction that is gone by then."""

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


class Crash(NamedTuple):
    at_s: float
    fraction: float
    heat: float
    """Volatility over its long-run level while it falls."""


class Chunk(NamedTuple):
    """A stretch of the path; the next begins where it ends."""

    price: Path
    heat: Path


def fair_chunks(
    rng: np.random.Generator,
    start_price: float,
    annual_volatility: float,
    chunk_s: int,
    crash: Crash | None = None,
) -> Iterator[Chunk]:
    """(price, heat) at `GRID_HZ` points a second, without an end; heat is volatility over its long-run level
    (mean square 1 but for bursts). Prices are positive whatever the draws."""
    weather = _weather(rng)
    sigma = annual_volatility / math.sqrt(SECONDS_PER_YEAR)
    moved = 0.0
    for start_s in itertools.count(0, chunk_s):
        seconds = np.array(list(itertools.islice(weather, chunk_s)))
        heat, drift = np.repeat(seconds[:, 0], GRID_HZ), np.repeat(seconds[:, 1], GRID_HZ)
        steps = rng.standard_normal(chunk_s * GRID_HZ) * heat * sigma / math.sqrt(GRID_HZ)
        steps += drift * sigma / GRID_HZ
        path = moved + np.cumsum(steps)
        moved = float(path[-1])
        price = start_price * np.exp(path)
        if crash is not None:
            _add_crash(price, heat, start_s, crash)
        yield Chunk(price, heat)


def _weather(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Heat and drift of each second."""
    keep = 1 - _REVERSION
    kick = _VOL_OF_VOL * math.sqrt(1 - keep * keep)
    log_vol, burst, trend = _VOL_OF_VOL * rng.standard_normal(), 0.0, 0.0
    while True:
        log_vol = keep * log_vol + kick * rng.standard_normal()
        burst *= math.exp(-1 / _BURST_DECAY_S)
        if rng.random() < _BURST_RATE:
            burst += _BURST_SIZE
        if trend and rng.random() < 1 / _TREND_LENGTH_S:
            trend = 0.0
        elif not trend and rng.random() < _TREND_RATE:
            trend = _TREND_STRENGTH * (1.0 if rng.random() < 0.5 else -1.0)
        heat = math.exp(log_vol + burst - _VOL_OF_VOL * _VOL_OF_VOL)
        yield heat, trend * heat


def _add_crash(price: Path, heat: Path, start_s: int, crash: Crash) -> None:
    """In place: a fall by `fraction` within `CRASH_FALL_S`, half of it won back over `CRASH_RECOVERY_S`."""
    since = (np.arange(len(price)) + start_s * GRID_HZ) / GRID_HZ - crash.at_s
    price *= 1 - crash.fraction * np.interp(since, *CRASH_SHAPE)
    panic = (since >= 0) & (since <= CRASH_PANIC_S)
    heat[panic] = np.maximum(heat[panic], crash.heat)


def reference_chunks(
    rng: np.random.Generator, prices: Iterable[Path], lag_s: float, basis_bps: float
) -> Iterator[Path]:
    """What one venue's makers take for fair: the price `lag_s` ago plus a slow basis of the venue's own."""
    keep = 1 - _BASIS_REVERSION
    kick = math.sqrt(1 - keep * keep)
    level = float(rng.standard_normal())
    basis: list[float] = []
    earlier: Path | None = None
    for price in prices:
        lag = min(round(lag_s * GRID_HZ), len(price) - 1)
        before = np.full(lag, price[0]) if earlier is None else earlier[len(earlier) - lag :]
        late = np.concatenate([before, price[: len(price) - lag]])
        earlier = price
        basis = basis[-1:]  # a chunk begins with the last point of the one before
        seconds = len(price) // GRID_HZ
        while len(basis) <= seconds:
            basis.append(level)
            level = keep * level + kick * rng.standard_normal()
        between = np.interp(np.arange(len(price)) / GRID_HZ, np.arange(seconds + 1), np.array(basis))
        yield late * (1 + basis_bps * 1e-4 * between)


class Fair(NamedTuple):
    """A chunk as Python floats: reading one from a numpy array costs several times as much."""

    price: Path
    prices: array[float]
    heats: array[float]


def as_floats(chunks: Iterable[Chunk]) -> Iterator[Fair]:
    for price, heat in chunks:
        yield Fair(price, array("d", price.tobytes()), array("d", heat.tobytes()))
