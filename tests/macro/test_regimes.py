from __future__ import annotations

from pathlib import Path

import naive_regimes
import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.indicators import log_returns, rolling_mean_std
from citadel_kit.macro.regimes import (
    HmmConfig,
    RegimeConfig,
    RegimeModel,
    bars_since_change,
    bars_since_switch,
    change_points,
    filter_states,
    fit_hmm,
    hmm_probabilities,
    hold,
    regime_at,
    regime_frame,
    rolling_hurst,
    rolling_variance_ratio,
    trend_strength,
)
from citadel_kit.types import Memory, Weather

SMALL = RegimeConfig(hurst_window=64, volatility_window=12, history_window=60, trend_window=24)
AT_ONCE = SMALL._replace(hurst_margin=0.0, volatility_margin=0.0)


def test_volatility_and_trend_equal_their_formulas() -> None:
    frame = random_candles(300)
    returns = log_returns(frame["close"].to_numpy())
    regimes = regime_frame(frame, "1h", SMALL)
    last = returns[-12:]
    assert regimes["volatility"].iloc[-1] == pytest.approx(last.std() * np.sqrt(365 * 24), rel=1e-9)
    assert regimes["volatility_ratio"].iloc[-1] == pytest.approx(last.std() / returns[-60:].std(), rel=1e-9)
    last = returns[-24:]
    assert regimes["trend"].iloc[-1] == pytest.approx(last.mean() / last.std() * np.sqrt(24), rel=1e-9)
    np.testing.assert_array_equal(regimes["hurst"], rolling_hurst(returns, 64))


def test_trend_has_no_value_where_nothing_moves() -> None:
    assert np.isnan(trend_strength(np.zeros(50), 10)).all()


def test_every_threshold_is_used() -> None:
    frame = random_candles(600)
    base = regime_frame(frame, "1h", AT_ONCE)
    h, ratio = base["hurst"], _ratio(frame)
    moved = AT_ONCE._replace(trending_above=0.55, reverting_below=0.5, calm_below=0.95, stormy_above=1.05)
    for config in (AT_ONCE, moved):
        regimes = regime_frame(frame, "1h", config)
        trending = regimes["memory"] == Memory.TRENDING.value
        reverting = regimes["memory"] == Memory.MEAN_REVERTING.value
        assert trending.any()
        assert reverting.any()
        np.testing.assert_array_equal(trending, h > config.trending_above)
        np.testing.assert_array_equal(reverting, h < config.reverting_below)
        np.testing.assert_array_equal(regimes["weather"] == Weather.STORMY.value, ratio > config.stormy_above)
        np.testing.assert_array_equal(regimes["weather"] == Weather.CALM.value, ratio < config.calm_below)


def _ratio(frame: pd.DataFrame) -> np.ndarray:
    returns = log_returns(frame["close"].to_numpy())
    with np.errstate(invalid="ignore"):
        return rolling_mean_std(returns, 12)[1] / rolling_mean_std(returns, 60)[1]


@pytest.mark.parametrize(
    "bad",
    [
        {"trending_above": 0.4},
        {"hurst_margin": -0.01},
        {"hurst_margin": 0.2},
        {"stormy_above": 0.5},
        {"volatility_margin": -0.1},
        {"volatility_margin": 2.0},
        {"history_window": 12},
        {"trend_window": 1},
    ],
)
def test_contradicting_thresholds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="regime"):
        RegimeModel(config=SMALL._replace(**bad))


@given(
    st.lists(
        st.sampled_from([-1.0, -0.75, -0.5, -0.4, -0.2, 0.0, 0.2, 0.4, 0.5, 0.75, 1.0, np.nan]), max_size=60
    ),
    st.sampled_from([0.0, 0.1, 0.3, 0.9]),
)
def test_a_state_is_held_until_its_measure_is_back_by_the_margin(values: list[float], margin: float) -> None:
    x = np.array(values)
    states = hold(x, np.full(len(x), -0.5), np.full(len(x), 0.5), margin)
    assert states.tolist() == naive_regimes.held(x, -0.5, 0.5, margin)
    since = bars_since_switch(states)
    for t in range(len(x)):
        run = states[t - since[t] : t + 1]
        assert (run == states[t]).all()
        assert since[t] == t or states[t - since[t] - 1] != states[t]


def test_a_margin_means_fewer_switches_and_says_since_when() -> None:
    frame = random_candles(3000, seed=5)
    switches = []
    for config in (AT_ONCE, SMALL):
        regimes = regime_frame(frame, "1h", config)
        for name in ("memory", "weather"):
            changed = (regimes[name] != regimes[name].shift()).to_numpy()
            np.testing.assert_array_equal(changed, regimes[f"{name}_bars"] == 0)
            np.testing.assert_array_equal(regimes[f"{name}_s"], 3600.0 * regimes[f"{name}_bars"])
            switches.append(int(changed.sum()))
    assert switches[2] < 0.9 * switches[0]
    assert switches[3] < switches[1]


def test_unknown_in_warm_up_and_again_behind_a_hole() -> None:
    whole = random_candles(500)
    broken = regime_frame(without(whole, 300, 301), "1h", SMALL)
    np.testing.assert_array_equal(broken["memory"].iloc[:64] == Memory.UNKNOWN.value, True)
    before = regime_at(broken, 299)
    assert before.memory is not Memory.UNKNOWN
    names = broken["memory"].iloc[:300].tolist()
    age = next(k for k, name in enumerate(reversed(names)) if name != names[-1]) - 1
    assert (before.memory_bars, before.memory_s) == (age, 3600.0 * age)
    assert (regime_at(broken, 300).memory_bars, regime_at(broken, 310).weather_s) == (0, 36_000.0)
    behind = broken.iloc[300 : 300 + 64]
    assert (behind["memory"] == Memory.UNKNOWN.value).all()
    assert (behind["weather"].iloc[:60] == Weather.UNKNOWN.value).all()
    assert behind["volatility"].iloc[:12].isna().all()
    assert regime_at(broken, 300 + 64).memory is not Memory.UNKNOWN
    fresh = regime_frame(whole.iloc[301:], "1h", SMALL)
    assert broken.iloc[300:].equals(fresh)


def test_of_a_still_market_nothing_is_known() -> None:
    frame = random_candles(300)
    frame.loc[frame.index[200] :, ["open", "high", "low", "close"]] = 100.0
    regimes = regime_frame(frame, "1h", SMALL)
    assert regime_at(regimes, 230).weather is Weather.CALM, "it still has a history"
    assert (regime_at(regimes).memory, regime_at(regimes).weather) == (Memory.UNKNOWN, Weather.UNKNOWN)


def test_no_candle_is_no_row() -> None:
    regimes = regime_frame(random_candles(3).iloc[:0], "1h", SMALL)
    assert len(regimes) == 0
    assert {"memory", "weather", "hurst", "memory_bars"} <= set(regimes.columns)


def test_with_signs_the_band_of_the_surrogates_is_the_threshold() -> None:
    frame = random_candles(400, seed=2)
    signs = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), (39, 400))
    config = AT_ONCE._replace(band_level=0.5)
    regimes = RegimeModel(config=config, signs=signs).frame(frame, "1h")
    known = regimes["hurst"].notna()
    trending = regimes["memory"] == Memory.TRENDING.value
    np.testing.assert_array_equal(trending, known & (regimes["hurst"] > regimes["hurst_upper"]))
    assert trending.any()
    assert regimes.loc[known, "hurst_upper"].nunique() > 100
    early = RegimeModel(config=config, signs=signs[:, :300]).frame(frame.iloc[:300], "1h")
    assert regimes.iloc[:300].equals(early)
    broken = RegimeModel(config=config, signs=signs[:, :-1]).frame(without(frame, 200, 201), "1h")
    assert (broken["memory"].iloc[200:264] == Memory.UNKNOWN.value).all()


@pytest.mark.parametrize("lag", [2, 5, 16])
def test_variance_ratio_equals_the_one_of_arch(lag: int) -> None:
    from arch.unitroot import VarianceRatio

    returns = 0.01 * np.random.default_rng(1).standard_t(4, 400) + 0.002
    returns[0] = np.nan
    ours = rolling_variance_ratio(returns, 256, lag)
    assert np.isnan(ours.z[:256]).all()
    for t in (256, 300, 399):
        path = np.concatenate(([0.0], np.cumsum(returns[t - 255 : t + 1])))
        theirs = VarianceRatio(path, lags=lag)
        assert (ours.ratio[t], ours.z[t]) == pytest.approx((theirs.vr, theirs.stat), rel=1e-9)


def test_variance_ratio_moves_the_right_way_and_needs_movement() -> None:
    noise = np.random.default_rng(4).standard_normal(2000)
    assert np.nanmin(rolling_variance_ratio(np.convolve(noise, np.ones(4)), 512, 4).z) > 2
    assert np.nanmax(rolling_variance_ratio(np.diff(noise), 512, 4).z) < -2
    assert np.isnan(rolling_variance_ratio(np.full(100, 0.1), 64, 4).ratio).all()
    for lag in (1, 33):
        with pytest.raises(ConfigError, match="lag"):
            rolling_variance_ratio(noise, 64, lag)


def two_weathers(n: int = 1500, seed: int = 3) -> np.ndarray:
    """Returns whose volatility triples at n / 2."""
    x = 0.01 * np.random.default_rng(seed).standard_normal(n)
    x[n // 2 :] *= 3.0
    return x


def test_change_points_are_found_where_they_are_and_not_in_noise() -> None:
    ranges = np.log(np.abs(two_weathers()) + 1e-6)
    found = change_points(ranges)
    assert len(found) == 1
    assert abs(int(found[0]) - 750) < 20
    quiet = np.random.default_rng(0)
    assert sum(len(change_points(quiet.standard_normal(500))) for _ in range(50)) <= 2
    assert len(change_points(np.ones(200))) == 0
    assert len(change_points(np.arange(30.0))) == 0
    with pytest.raises(ConfigError, match="hole"):
        change_points(np.array([1.0, np.nan] * 50))


def test_bars_since_change_know_the_past_only() -> None:
    ranges = np.log(np.abs(two_weathers()) + 1e-6)
    since = bars_since_change(ranges, window=400, every=20)
    assert np.isnan(since[:399]).all()
    assert (since[399:740] == 400).all()
    assert abs(since[1000] - 250) < 20
    assert since[1001] == since[1000] + 1
    for t in (399, 739, 759, 779, 799, 1100):  # most of them a bar of a search
        np.testing.assert_array_equal(bars_since_change(ranges[: t + 1], 400, 20), since[: t + 1])


HMM = HmmConfig(states=2, window=500, every=100)


def test_hidden_states_are_sorted_filtered_and_causal() -> None:
    returns = two_weathers()
    p = hmm_probabilities(returns, HMM)
    assert np.isnan(p[:499]).all()
    np.testing.assert_allclose(p[499:].sum(axis=1), 1.0, rtol=1e-12)
    assert p[800:1000, 1].mean() > 0.9
    for t in (499, 640, 905):
        np.testing.assert_array_equal(hmm_probabilities(returns[: t + 1], HMM), p[: t + 1])
    holed = returns.copy()
    holed[600] = np.nan
    behind = hmm_probabilities(holed, HMM)
    assert np.isnan(behind[600:1100]).all()
    np.testing.assert_array_equal(behind[601:], hmm_probabilities(returns[601:], HMM))


def test_the_fitted_states_are_those_of_the_series() -> None:
    rng = np.random.default_rng(5)
    stormy = np.repeat(rng.random(60) < 0.5, 50)
    fit = fit_hmm(np.where(stormy, 0.03, 0.01) * rng.standard_normal(3000), HMM)
    assert fit.deviation == pytest.approx([0.01, 0.03], rel=0.1)
    assert (np.diag(fit.transitions) > 0.9).all()


def test_the_filter_equals_the_one_of_hmmlearn() -> None:
    """The last row of a smoothed sequence is filtered: nothing comes after it."""
    from hmmlearn.hmm import GaussianHMM

    returns = two_weathers(300)
    fit = fit_hmm(returns, HMM)
    model = GaussianHMM(2, covariance_type="diag", init_params="")
    model.startprob_, model.transmat_ = fit.start, fit.transitions
    model.means_, model.covars_ = fit.mean[:, None], fit.deviation[:, None] ** 2
    ours = filter_states(returns, *fit)
    for t in (0, 10, 149, 299):
        np.testing.assert_allclose(
            ours[t], model.predict_proba(returns[: t + 1, None])[-1], rtol=1e-8, atol=1e-12
        )


def test_what_a_hidden_model_cannot_be_fitted_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="hmm"):
        fit_hmm(np.zeros(500))
    with pytest.raises(ConfigError, match="window"):
        hmm_probabilities(np.zeros(500), HmmConfig(window=10))
    still = hmm_probabilities(np.zeros(600), HMM)
    assert np.isnan(still).all()


def test_no_regime_bridges_the_outages_of_real_candles(shared: Path) -> None:
    """Behind each hole everything is as if the candles began there."""
    from citadel_kit.io.store import read_candles
    from citadel_kit.macro.candles import segments

    path = sorted((shared / "candles/binance_spot_5m").glob("*20210902*.parquet"))[0]
    frame = read_candles(path)
    parts = segments(frame, "5m")
    assert len(parts) > 1
    regimes = regime_frame(frame, "5m", SMALL)
    for part in parts:
        pd.testing.assert_frame_equal(
            regimes.iloc[part], regime_frame(frame.iloc[part], "5m", SMALL), check_freq=False
        )
        assert (regimes["memory"].iloc[part].iloc[:64] == Memory.UNKNOWN.value).all()
