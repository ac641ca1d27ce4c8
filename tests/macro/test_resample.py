from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from candle_samples import START, random_candles, without
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import CandleError
from citadel_kit.macro.candles import closed_before
from citadel_kit.macro.resample import beside, resample

MINUTE = 60 * 10**9


def five_minutes(n: int, seed: int = 1) -> pd.DataFrame:
    return random_candles(n, seed=seed, step="5min")


def one_by_one(frame: pd.DataFrame) -> dict[pd.Timestamp, list[float]]:
    """Hourly bars of the hours that hold twelve bars of five minutes."""
    out = {}
    for hour, bars in frame.groupby(frame.index.floor("1h")):
        if len(bars) == 12:
            out[hour] = [
                bars["open"].iloc[0], bars["high"].max(), bars["low"].min(), bars["close"].iloc[-1],
                bars["volume"].sum(),
            ]  # fmt: skip
    return out


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 150), start=st.integers(0, 12), hole=st.integers(0, 140), length=st.integers(0, 30),
)  # fmt: skip
def test_whole_hours_only(n: int, start: int, hole: int, length: int) -> None:
    frame = without(five_minutes(n + start).iloc[start:], hole, hole + length)
    got, expected = resample(frame, "5m", "1h"), one_by_one(frame)
    assert list(got.index) == list(expected)
    assert got.to_numpy() == pytest.approx(np.array(list(expected.values())).reshape(-1, 5))


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, 200), seed=st.integers(0, 50), hole=st.integers(20, 150))
def test_no_hour_is_known_before_it_closed(cut: int, seed: int, hole: int) -> None:
    """What stands beside a bar is the same whether later bars are there or not."""
    frame = without(five_minutes(200, seed), hole, hole + 7)
    hours = resample(frame, "5m", "1h")[["close", "high"]]
    whole = beside(frame, "5m", hours, "1h", suffix="_1h")
    now = START.value + cut * 5 * MINUTE
    past = closed_before(frame, "5m", now)
    then = beside(past, "5m", resample(past, "5m", "1h")[["close", "high"]], "1h", suffix="_1h")
    pd.testing.assert_frame_equal(then, whole.iloc[: len(past)])


def test_the_hour_that_closes_with_a_bar_stands_beside_it_and_none_over_a_hole() -> None:
    frame = five_minutes(48)
    hours = resample(frame, "5m", "1h")
    got = beside(frame, "5m", hours[["close"]], "1h")["close"].to_numpy()
    assert np.isnan(got[:11]).all()
    assert (got[11:23] == hours["close"].iloc[0]).all()
    assert (got[23:35] == hours["close"].iloc[1]).all()
    holed = beside(frame, "5m", hours[["close"]].drop(hours.index[1]), "1h")["close"].to_numpy()
    assert np.isnan(holed[23:35]).all()
    assert (holed[35:47] == hours["close"].iloc[2]).all()
    assert np.isnan(beside(frame, "5m", hours.iloc[:0], "1h").to_numpy()).all()


def test_a_timeframe_that_does_not_fit_is_refused() -> None:
    for higher in ("7m", "5m", "1m"):
        with pytest.raises(CandleError, match="no multiple"):
            resample(five_minutes(20), "5m", higher)
    assert len(resample(five_minutes(20).iloc[:0], "5m", "1h")) == 0
