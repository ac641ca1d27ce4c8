from __future__ import annotations

from pathlib import Path

import naive
import numpy as np
import pytest
from candle_samples import random_candles, without

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import log_returns, rolling_mean_std
from citadel_kit.macro.regimes import RegimeConfig, regime_at, regime_frame, rolling_hurst, trend_strength
from citadel_kit.types import Memory, Weather

SMALL = RegimeConfig(hurst_window=64, volatility_window=12, history_window=60, trend_window=24)

# The scales of the published values: 4 × 1.2^k without repeats, up to a tenth of the series.
SCALES = [4, 5, 6, 8, 9, 11, 14, 17, 20, 24, 29, 35, 42, 51, 61, 73, 88]


@pytest.mark.parametrize(
    ("file", "published"),
    [("brown72.csv", 0.7348497697684724), ("nolds_qrandom_first1000.csv", 0.5450874638765073)],
)
def test_hurst_meets_the_published_dfa_values(shared: Path, file: str, published: float) -> None:
    """The published estimator counts blocks from the oldest point and takes n values for n + 1 points."""
    series = np.loadtxt(shared / "candles/reference" / file)
    turned = series[:0:-1]
    assert rolling_hurst(turned, len(turned), SCALES)[-1] == pytest.approx(published, abs=1e-12)


def test_hurst_of_brown72_is_near_its_prescribed_072(shared: Path) -> None:
    series = np.loadtxt(shared / "candles/reference/brown72.csv")
    assert rolling_hurst(series, len(series))[-1] == pytest.approx(0.72, abs=0.02)


@pytest.mark.parametrize("window", [512, 1024])
def test_hurst_of_white_noise_is_near_a_half(window: int) -> None:
    noise = np.random.default_rng(3).standard_normal(60_000)
    hurst = rolling_hurst(noise, window)[window - 1 :: window // 2]
    assert np.mean(hurst) == pytest.approx(0.5, abs=0.015)


def test_memory_moves_hurst_the_right_way() -> None:
    noise = np.random.default_rng(4).standard_normal(4000)
    smooth = np.convolve(noise, np.ones(40), mode="valid")
    assert np.nanmean(rolling_hurst(smooth, 512)) > 0.8
    assert np.nanmean(rolling_hurst(np.diff(noise), 512)) < 0.2


@pytest.mark.parametrize(("window", "scale"), [(64, 1e-4), (100, 1.0), (257, 30.0)])
def test_hurst_equals_the_naive_twin(window: int, scale: float) -> None:
    returns = scale * np.random.default_rng(window).standard_t(3, 600) + 0.1 * scale
    returns[0] = np.nan
    np.testing.assert_allclose(
        rolling_hurst(returns, window), naive.rolling_hurst(returns, window), rtol=0, atol=1e-9
    )


def test_hurst_has_no_value_in_warm_up_nor_where_nothing_moves() -> None:
    returns = np.random.default_rng(5).standard_normal(200)
    assert np.isnan(rolling_hurst(returns, 64)[:63]).all()
    assert np.isfinite(rolling_hurst(returns, 64)[63:]).all()
    assert np.isnan(rolling_hurst(np.zeros(200), 64)).all()
    assert np.isnan(rolling_hurst(returns[:50], 64)).all()


@pytest.mark.parametrize(("window", "scales"), [(62, None), (64, [8]), (64, [2, 8]), (64, [8, 65])])
def test_unusable_scales_are_refused(window: int, scales: list[int] | None) -> None:
    with pytest.raises(ConfigError, match="hurst_window"):
        rolling_hurst(np.zeros(200), window, scales)


def test_volatility_and_trend_equal_their_formulas() -> None:
    frame = random_candles(300)
    returns = log_returns(frame["close"].to_numpy())
    regimes = regime_frame(frame, "1h", SMALL)
    last = returns[-12:]
    assert regimes["volatility"].iloc[-1] == pytest.approx(last.std() * np.sqrt(365 * 24), rel=1e-9)
    last = returns[-24:]
    assert regimes["trend"].iloc[-1] == pytest.approx(last.mean() / last.std() * np.sqrt(24), rel=1e-9)
    np.testing.assert_array_equal(regimes["hurst"], rolling_hurst(returns, 64))


def test_trend_has_no_value_where_nothing_moves() -> None:
    assert np.isnan(trend_strength(np.zeros(50), 10)).all()


def test_every_threshold_is_used() -> None:
    frame = random_candles(600)
    base = regime_frame(frame, "1h", SMALL)
    h, ratio = base["hurst"], _ratio(frame)
    moved = SMALL._replace(trending_above=0.55, reverting_below=0.5, calm_below=0.95, stormy_above=1.05)
    for config in (SMALL, moved):
        regimes = regime_frame(frame, "1h", config)
        trending = regimes["memory"] == Memory.TRENDING.value
        reverting = regimes["memory"] == Memory.MEAN_REVERTING.value
        assert trending.any()
        assert reverting.any()
        np.testing.assert_array_equal(trending, h > config.trending_above)
        np.testing.assert_array_equal(reverting, h < config.reverting_below)
        np.testing.assert_array_equal(regimes["weather"] == Weather.STORMY.value, ratio > config.stormy_above)
        np.testing.assert_array_equal(regimes["weather"] == Weather.CALM.value, ratio < config.calm_below)


def _ratio(frame: object) -> np.ndarray:
    returns = log_returns(frame["close"].to_numpy())  # type: ignore[index]
    with np.errstate(invalid="ignore"):
        return rolling_mean_std(returns, 12)[1] / rolling_mean_std(returns, 60)[1]


@pytest.mark.parametrize(
    "bad",
    [
        {"trending_above": 0.4},
        {"stormy_above": 0.5},
        {"history_window": 12},
        {"trend_window": 1},
    ],
)
def test_contradicting_thresholds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="regime"):
        regime_frame(random_candles(100), "1h", SMALL._replace(**bad))


def test_unknown_in_warm_up_and_again_behind_a_hole() -> None:
    whole = random_candles(500)
    broken = regime_frame(without(whole, 300, 301), "1h", SMALL)
    np.testing.assert_array_equal(broken["memory"].iloc[:64] == Memory.UNKNOWN.value, True)
    assert regime_at(broken, 299).memory is not Memory.UNKNOWN
    behind = broken.iloc[300 : 300 + 64]
    assert (behind["memory"] == Memory.UNKNOWN.value).all()
    assert (behind["weather"].iloc[:60] == Weather.UNKNOWN.value).all()
    assert behind["volatility"].iloc[:12].isna().all()
    assert regime_at(broken, 300 + 64).memory is not Memory.UNKNOWN
    fresh = regime_frame(whole.iloc[301:], "1h", SMALL)
    assert broken.iloc[300:].equals(fresh)
