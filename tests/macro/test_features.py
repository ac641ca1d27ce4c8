from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.macro import features
from citadel_kit.macro.features import FeatureConfig, FeatureStream, feature_matrix, feature_names

SMALL = FeatureConfig(
    return_lags=(1, 4),
    volatility_windows=(6, 24),
    ema_windows=(5,),
    channel_window=12,
    volume_window=12,
    trend_window=12,
    hurst_window=64,
)

WIDE = SMALL._replace(higher=(("3h", SMALL._replace(return_lags=(1,), volatility_windows=(6,))),))


def test_default_matrix_has_named_columns_and_is_whole_behind_the_warm_up() -> None:
    matrix = feature_matrix(random_candles(900), "1h")
    assert 15 <= matrix.shape[1] <= 35
    assert matrix.columns.is_unique
    assert matrix.iloc[:512].isna().any(axis=1).all()
    assert np.isfinite(matrix.iloc[512:].to_numpy()).all()


def test_values_follow_their_names() -> None:
    frame = random_candles(200)
    row = feature_matrix(frame, "1h", SMALL).iloc[-1]
    close = frame["close"].to_numpy()
    noise = np.diff(np.log(close))[-24:].std()
    assert np.isclose(row["volatility_24"], noise, rtol=1e-12)
    assert np.isclose(row["return_4"], np.log(close[-1] / close[-5]) / (noise * 2), rtol=1e-12)
    tail = frame.tail(12)
    place = (close[-1] - tail["low"].min()) / (tail["high"].max() - tail["low"].min())
    assert np.isclose(row["channel_place"], place, rtol=1e-12)
    volume = tail["volume"].to_numpy()
    assert np.isclose(row["volume_z"], (volume[-1] - volume.mean()) / volume.std(), rtol=1e-12)
    closes_at = frame.index[-1].hour + 1
    assert np.isclose(row["day_sin"], np.sin(2 * np.pi * closes_at / 24), atol=1e-12)
    week = (frame.index[-1].day_of_week + closes_at / 24) / 7
    assert np.isclose(row["week_cos"], np.cos(2 * np.pi * week), atol=1e-12)


def test_behind_a_hole_features_equal_those_of_a_fresh_start() -> None:
    whole = random_candles(400)
    broken = feature_matrix(without(whole, 200, 203), "1h", SMALL)
    assert broken.iloc[200:].equals(feature_matrix(whole.iloc[203:], "1h", SMALL))
    assert broken["return_1"].iloc[200:224].isna().all()


def test_a_market_that_stands_still_gives_zeros_or_nan_but_never_infinity() -> None:
    frame = random_candles(200)
    frame[["open", "high", "low", "close"]] = 100.0
    matrix = feature_matrix(frame, "1h", SMALL)
    assert not np.isinf(matrix.to_numpy()).any()
    assert matrix["body"].iloc[-1] == 0.0
    assert matrix["rsi_14"].iloc[-1] == 50.0


def test_an_empty_frame_gives_an_empty_matrix() -> None:
    assert feature_matrix(random_candles(5).iloc[:0], "1h", SMALL).shape[0] == 0


# --- candle by candle ---


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 100),
    cuts=st.lists(st.integers(1, 420), max_size=12),
    hole=st.integers(0, 400),
    length=st.integers(0, 4),
)
def test_a_stream_equals_the_whole(seed: int, cuts: list[int], hole: int, length: int) -> None:
    frame = without(random_candles(420, seed=seed), hole, hole + length)
    for config in (SMALL, WIDE):
        stream = FeatureStream("1h", config)
        for cut in sorted({*cuts, len(frame)}):
            part = frame.iloc[:cut]
            got, expected = stream.update(part), feature_matrix(part, "1h", config)
            pd.testing.assert_frame_equal(got, expected, rtol=0, atol=1e-12, check_freq=False)


def test_a_higher_timeframe_shows_its_closed_bars_only() -> None:
    frame = random_candles(600)
    matrix, config = feature_matrix(frame, "1h", WIDE), WIDE.higher[0][1]
    assert matrix.columns.is_unique and "week_sin_3h" not in matrix
    assert tuple(matrix.columns) == feature_names(WIDE)
    threes = frame.resample("3h").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    alone = feature_matrix(threes, "3h", config)
    for t in (597, 598, 599):  # the bar that closes at 600 is known at the last row, and not before
        row = matrix.iloc[t]
        known = alone.iloc[(t + 1) // 3 - 1]
        np.testing.assert_array_equal(
            row[[f"{name}_3h" for name in ("return_1", "rsi_14", "hurst")]],
            known[["return_1", "rsi_14", "hurst"]],
        )
    for t in (450, 451, 452):
        changed = frame.copy()
        changed.iloc[t + 1 :] *= 1.5
        later = feature_matrix(changed, "1h", WIDE)
        pd.testing.assert_frame_equal(later.iloc[: t + 1], matrix.iloc[: t + 1])
        assert not later.iloc[t + 1 :].equals(matrix.iloc[t + 1 :])


def test_a_higher_timeframe_bridges_no_hole() -> None:
    """A missing hour takes the bar of three it lies in, and everything behind starts anew."""
    matrix = feature_matrix(without(random_candles(500), 300, 301), "1h", WIDE)
    opens = (matrix.index - matrix.index[0]) / pd.Timedelta("1h")
    returned, known = matrix["return_1_3h"].notna(), matrix["rsi_14_3h"].notna()
    assert returned[opens == 301].all(), "the bar of 297 to 299 is the newest, until 302 has closed"
    warm = 6  # bars of three hours, by which returns are measured
    assert not returned[(opens >= 302) & (opens < 305 + 3 * warm)].any()
    assert returned[opens >= 305 + 3 * warm].all()
    assert not known[(opens >= 302) & (opens < 305 + 3 * 14)].any()


def test_a_new_candle_costs_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, stream, bars = random_candles(3000), FeatureStream("1h", SMALL), []
    real = features._columns
    monkeypatch.setattr(features, "_columns", lambda c, *rest: bars.append(len(c[0])) or real(c, *rest))
    for end in (2990, 2991, 2992, 3000):
        stream.update(frame.iloc[:end])
    assert bars == [2990, SMALL.reach + 1, SMALL.reach + 1, SMALL.reach + 8]
    bars.clear()
    stream.update(frame)
    assert bars == []


def test_other_candles_start_anew() -> None:
    frame, stream = random_candles(300), FeatureStream("1h", SMALL)
    stream.update(frame)
    edited = random_candles(320)
    edited.iloc[7, 3] = edited.iloc[7, 1]
    for other in (edited, frame.iloc[50:], frame.iloc[:100]):
        pd.testing.assert_frame_equal(
            stream.update(other), feature_matrix(other, "1h", SMALL), rtol=0, atol=1e-12, check_freq=False
        )
