from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats, Ints
from citadel_kit.macro.events import (
    DAY_NS,
    cusum_events,
    daily_volatility,
    event_labels,
    meta_labels,
    uniqueness,
)
from citadel_kit.macro.labels import Labels


@pytest.fixture
def dollar_bars(shared: Path) -> tuple[Ints, Floats]:
    """E-mini S&P dollar bars of January 2015, on which mlfinpy states what its functions give."""
    path = shared / "candles" / "reference" / "mlfinpy_dollar_bar_sample.csv"
    frame = pd.read_csv(path, parse_dates=["date_time"])
    stamps = frame["date_time"].astype("datetime64[ns]").astype("int64").to_numpy()
    return stamps, frame["close"].to_numpy(dtype=np.float64)


def test_published_daily_volatility(dollar_bars: tuple[Ints, Floats]) -> None:
    volatility = daily_volatility(*dollar_bars, span=100)
    first = int(np.flatnonzero(np.isfinite(volatility))[0])
    assert len(volatility) - first + 1 == 960  # mlfinpy counts the first return, which has no deviation yet
    assert volatility[-1] == pytest.approx(0.00896823893217064, rel=1e-12)


def test_published_events_and_barriers(dollar_bars: tuple[Ints, Floats]) -> None:
    stamps, close = dollar_bars
    volatility = daily_volatility(stamps, close, span=100)
    wide = np.where(volatility > 0.005, volatility, np.nan)
    events = cusum_events(close, 0.02)
    assert len(cusum_events(close, close * 1e-5)) == 9
    timed = event_labels(stamps, close, events, wide, horizon_ns=DAY_NS)
    assert len(timed.row) == 8
    assert wide[timed.row[0]] == pytest.approx(0.010166261175903357, rel=1e-12)
    assert wide[timed.row[-1]] == pytest.approx(0.006455887663302873, rel=1e-12)
    free = event_labels(stamps, close, events, wide)
    assert int((free.end != timed.end).sum()) == 2
    assert set(free.side.tolist()) == {1, -1}
    mirrored = event_labels(stamps, close, events, wide, side=np.full(len(close), -1))
    assert mirrored.side.tolist() == (-free.side).tolist()
    assert mirrored.gain == pytest.approx(-free.gain)


def test_barriers_by_hand() -> None:
    close = np.array([100.0, 101.0, 99.0, 103.0, 100.0, 100.5])
    stamps = np.arange(6) * DAY_NS
    labels = event_labels(stamps, close, np.array([0, 2, 4]), np.full(6, 0.02), horizon_ns=3 * DAY_NS)
    assert labels.row.tolist() == [0, 2, 4]
    assert labels.side.tolist() == [1, 1, 0]
    assert labels.end.tolist() == [3, 3, -1]  # the last one's horizon lies behind the data
    assert labels.gain[:2] == pytest.approx([0.03, 103 / 99 - 1])
    assert np.isnan(labels.gain[2])
    # With a side the stop has its own distance, and neither is touched within a day.
    short = event_labels(
        stamps, close, np.array([0]), np.full(6, 0.02), horizon_ns=DAY_NS, stop=0.6, side=np.full(6, -1)
    )
    assert (short.side.tolist(), short.end.tolist()) == ([0], [1])


def test_cusum_counts_a_direction_from_its_own_last_event() -> None:
    close = np.exp(np.cumsum([0.0, 0.6, 0.6, -0.3, 0.3, 0.8, -0.5, -0.6]))
    assert cusum_events(close, 1.0).tolist() == [2, 5, 7]
    assert cusum_events(np.full(50, 3.0), 0.1).tolist() == []


def test_meta_labels() -> None:
    labels = Labels(np.array([1, -1, 0, 1, 1], dtype=np.int8), np.array([3, 3, 4, 4, -1]), np.ones(5))
    assert meta_labels(labels, [1, 1, 1, 0, 1]).tolist() == [1, 0, 0, -1, -1]
    with pytest.raises(ConfigError, match="4 rows"):
        meta_labels(labels, [1, 1, 1, 1])


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(-1, 6), min_size=2, max_size=40))
def test_uniqueness_against_bars_counted_one_by_one(lengths: list[int]) -> None:
    n = len(lengths)
    ends = np.array([min(k + m, n - 1) if m > 0 and k < n - 1 else -1 for k, m in enumerate(lengths)])
    spans = [set(range(k + 1, end + 1)) if end >= 0 else set() for k, end in enumerate(ends.tolist())]
    expected = [
        float(np.mean([1 / sum(bar in other for other in spans) for bar in span])) if span else 0.0
        for span in spans
    ]
    assert uniqueness(ends) == pytest.approx(np.array(expected), abs=1e-12)


def test_what_makes_no_sense_is_refused() -> None:
    close = np.array([1.0, 2.0, 3.0])
    for wrong, limit in ((close, 0.0), (close * np.nan, 0.1), (-close, 0.1)):
        with pytest.raises(ConfigError, match="above 0"):
            cusum_events(wrong, limit)
    with pytest.raises(ConfigError, match="profit"):
        event_labels(np.arange(3), close, np.array([0]), close, profit=0.0)
    for ends in (np.array([0, -1, -1]), np.array([3, -1, -1])):
        with pytest.raises(ConfigError, match="behind its own row"):
            uniqueness(ends)
