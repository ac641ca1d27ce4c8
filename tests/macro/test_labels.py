from __future__ import annotations

import naive
import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles, without
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.labels import LOWER, NEITHER, UPPER, LabelConfig, barrier_width, triple_barrier


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    horizon=st.integers(1, 20),
    width=st.floats(0.1, 2.0),
    hole=st.integers(30, 150),
)
def test_labels_equal_the_naive_twin(seed: int, horizon: int, width: float, hole: int) -> None:
    frame = without(random_candles(200, seed=seed), hole, hole + 2)
    config = LabelConfig(horizon=horizon, width=width, volatility_window=10)
    labels = triple_barrier(frame, "1h", config)
    expected = naive.triple_barrier(frame, hole, labels.width, horizon)
    assert list(zip(labels.side.tolist(), labels.end.tolist(), strict=True)) == expected


def path(*bars: tuple[float, float, float, float]) -> pd.DataFrame:
    """Twelve bars that swing between 100 and 101, then these (open, high, low, close), then a still tail."""
    calm = [(100.0, 101.0, 100.0, 100.0 + k % 2) for k in range(12)]
    rows = np.array([*calm, *bars, *[(100.0, 100.1, 99.9, 100.0)] * 6])
    frame = random_candles(len(rows))
    frame[["open", "high", "low", "close"]] = rows
    return frame


@pytest.mark.parametrize(
    ("bars", "side", "end"),
    [
        ([(100.0, 103.0, 99.9, 100.0)], UPPER, 12),
        ([(100.0, 100.1, 97.0, 100.0)], LOWER, 12),
        ([(100.0, 103.0, 97.0, 100.0)], LOWER, 12),
        ([(100.0, 100.1, 99.9, 100.0), (100.0, 103.0, 99.9, 100.0)], UPPER, 13),
        ([(100.0, 100.1, 99.9, 100.0)], NEITHER, 15),
    ],
)
def test_first_touch_decides_and_a_bar_over_both_counts_as_a_loss(
    bars: list[tuple[float, float, float, float]], side: int, end: int
) -> None:
    labels = triple_barrier(path(*bars), "1h", LabelConfig(horizon=4, width=1.0, volatility_window=8))
    assert 0.015 < labels.width[11] < 0.025
    assert (labels.side[11], labels.end[11]) == (side, end)


def test_entry_is_the_next_open_not_the_close() -> None:
    jumped = [(110.0, 110.1, 109.9, 110.0)] * 5
    labels = triple_barrier(path(*jumped), "1h", LabelConfig(horizon=4, width=1.0, volatility_window=8))
    assert labels.side[11] == NEITHER


def test_no_label_reaches_over_a_hole_or_the_end() -> None:
    frame = without(random_candles(200), 100, 101)
    labels = triple_barrier(frame, "1h", LabelConfig(horizon=5, volatility_window=10))
    assert (labels.end[95:100] == -1).all()
    assert labels.end[94] >= 0
    assert (labels.end[100:110] == -1).all()
    assert (labels.end[-5:] == -1).all()
    assert (labels.side[labels.end == -1] == 0).all()
    assert (labels.end[:100] < 100).all()


def test_width_is_that_of_the_labels_and_scales_with_volatility() -> None:
    config = LabelConfig(horizon=9, width=0.5, volatility_window=10)
    calm, wild = random_candles(100, volatility=0.001), random_candles(100, volatility=0.01)
    width = barrier_width(calm, "1h", config)
    np.testing.assert_array_equal(width, triple_barrier(calm, "1h", config).width)
    recent = np.diff(np.log(calm["close"].to_numpy()))[-10:]
    assert width[-1] == pytest.approx(0.5 * recent.std() * 3, rel=1e-9)
    assert barrier_width(wild, "1h", config)[-1] == pytest.approx(10 * width[-1], rel=1e-6)


@pytest.mark.parametrize("bad", [{"horizon": 0}, {"width": 0.0}, {"volatility_window": 1}])
def test_unusable_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="labels"):
        triple_barrier(random_candles(50), "1h", LabelConfig()._replace(**bad))
