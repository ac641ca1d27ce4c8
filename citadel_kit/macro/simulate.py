"""Hourly candles of known making, to test a whole pipeline on: random walks, and one edge of known worth.

A walk is a martingale: no rule has an edge on it before costs. `planted` adds a weekly season, up in one half
of the week and down in the other, which the calendar features show. Its worth is set beforehand: the annual
Sharpe ratio, after costs, of an oracle that holds all equity long or short with the season.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.candles import Floats

MODELS: Final = ("constant", "garch", "stochastic", "switching", "fat tails")
SIGMA: Final = 0.006
"""Standard deviation of an hour's return in the long run: 56 % a year."""
YEAR_BARS: Final = 8_760
WEEK_BARS: Final = 168
_START: Final = pd.Timestamp("2024-01-01", tz="UTC")
"""A Monday."""
_STEPS: Final = 6
"""Price steps within a bar, from which its high and low come."""
_FLIPS_A_YEAR: Final = 2 * YEAR_BARS / WEEK_BARS


def random_walk(model: str, bars: int, rng: np.random.Generator) -> pd.DataFrame:
    """Candles without an edge. The volatility is, by `model`: constant; GARCH(1,1) with 0.08 and 0.90; the
    exponential of an AR(1) with 0.98; switching at random between a calm and a stormy one, three times as
    high, every 200 hours on average; or constant with steps of Student's t with three degrees of freedom.
    """
    return planted(model, bars, rng, None)


def planted(model: str, bars: int, rng: np.random.Generator, drift: float | None) -> pd.DataFrame:
    """`drift`: the season's, as a share of `SIGMA` an hour, as of `drift_for`; None: no season."""
    if model not in MODELS or bars < 2:
        raise ConfigError("model", f"{model!r}, {bars} bars: one of {', '.join(MODELS)}, two bars")
    steps = _steps(model, bars, rng)
    sigma = _volatility(model, steps.sum(axis=1), rng)
    mean = -0.5 * sigma**2 + (0.0 if drift is None else drift * SIGMA * season(bars))
    moves = sigma[:, None] * steps + (mean / _STEPS)[:, None]
    path = np.cumsum(moves).reshape(bars, _STEPS)
    close = 100.0 * np.exp(path[:, -1])
    opens = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opens, 100.0 * np.exp(path.max(axis=1)))
    low = np.minimum(opens, 100.0 * np.exp(path.min(axis=1)))
    volume = rng.lognormal(3.0, 0.7, bars)
    index = pd.date_range(_START, periods=bars, freq="1h", name="ts", unit="ns")
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index)


def season(bars: int) -> Floats:
    """1 in the first half of each week, -1 in the second, one value a bar: what the oracle holds over it."""
    return np.where(np.arange(bars) % WEEK_BARS < WEEK_BARS // 2, 1.0, -1.0)


def drift_for(sharpe: float, costs: CostConfig) -> float:
    """The drift with which the oracle's annual Sharpe ratio is `sharpe` after `costs`: it turns its holding
    over, all equity twice, two times a week."""
    paid = _FLIPS_A_YEAR * 2.0 * costs.side_bps / 1e4 / (SIGMA * np.sqrt(YEAR_BARS))
    return float((sharpe + paid) / np.sqrt(YEAR_BARS))


def _steps(model: str, bars: int, rng: np.random.Generator) -> Floats:
    """Shape (bars, steps): a bar's steps sum to variance 1."""
    if model != "fat tails":
        return np.asarray(rng.standard_normal((bars, _STEPS)) / np.sqrt(_STEPS))
    # Cut where a price would halve within minutes; three degrees of freedom have a variance of 3.
    drawn = np.clip(rng.standard_t(3, (bars, _STEPS)), -60.0, 60.0)
    return np.asarray(drawn / np.sqrt(3.0 * _STEPS))


def _volatility(model: str, z: Floats, rng: np.random.Generator) -> Floats:
    """Per bar, its mean square `SIGMA` squared; `z`: the bars' moves in units of it."""
    bars = len(z)
    if model == "garch":
        variance, out = 1.0, np.empty(bars)
        for t, square in enumerate((z**2).tolist()):
            out[t] = variance
            variance = 0.02 + (0.08 * square + 0.90) * variance
        return np.asarray(SIGMA * np.sqrt(out))
    if model == "stochastic":
        noise, log_volatility, level = rng.normal(0.0, 0.1, bars), np.empty(bars), 0.0
        for t, shock in enumerate(noise.tolist()):
            level = 0.98 * level + shock
            log_volatility[t] = level
        spread = 0.1**2 / (1 - 0.98**2)
        return np.asarray(SIGMA * np.exp(log_volatility - spread))
    if model == "switching":
        stormy = np.cumsum(rng.random(bars) < 1 / 200) % 2 == 1
        return np.asarray(SIGMA * np.where(stormy, 3.0, 1.0) / np.sqrt(5.0))
    return np.full(bars, SIGMA)
