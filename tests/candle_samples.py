"""Seeded random candles for tests of the macro layer."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOUR = 3_600 * 10**9
START = pd.Timestamp("2024-01-01", tz="UTC")


def random_candles(n: int, seed: int = 1, volatility: float = 0.01, step: str = "1h") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(volatility * rng.standard_normal(n)))
    opens = np.concatenate(([100.0], close[:-1])) * np.exp(0.1 * volatility * rng.standard_normal(n))
    high = np.maximum(opens, close) * np.exp(np.abs(0.5 * volatility * rng.standard_normal(n)))
    low = np.minimum(opens, close) * np.exp(-np.abs(0.5 * volatility * rng.standard_normal(n)))
    volume = rng.lognormal(3, 1, n)
    index = pd.date_range(START, periods=n, freq=step, name="ts", unit="ns")
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index)


def without(frame: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    """The frame with a hole in place of rows start to stop - 1."""
    return pd.concat([frame.iloc[:start], frame.iloc[stop:]])
