"""The guard, as it comes, on two months of real candles with two crashes in them.

A candle of a minute is fed as four mids 20 s apart, the high before the low or after it; see `docs/guard.md`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from citadel_kit.micro import guard
from citadel_kit.micro.guard import GuardConfig, GuardStep, Sight

S = 1_000_000_000


def trip_days(path: Path, order: list[str]) -> list[str]:
    table = pd.read_parquet(path)
    opens = table["ts"].to_numpy("datetime64[ns]").astype(np.int64)
    state, days, config = guard.fresh(0), [], GuardConfig()
    for open_ns, mids in zip(opens.tolist(), table[order].to_numpy(float).tolist(), strict=True):
        for i, mid in enumerate(mids):
            before = state.step
            state = guard.on_sight(
                config, state, Sight(open_ns + i * 20 * S - i // 3, mid, 0.0, math.nan, 0.0)
            )
            if before == GuardStep.GO < state.step:
                days.append(str(np.datetime64(state.tripped_ns, "ns").astype("datetime64[D]")))
    return days


@pytest.mark.parametrize("extremes", [["high", "low"], ["low", "high"]])
@pytest.mark.parametrize(
    ("name", "crash", "elsewhere"),
    [("BTCUSDT-1m_20210420_20210520", "2021-05-19", 1), ("BTCUSDT-1m_20211111_20211211", "2021-12-04", 0)],
)
def test_it_trips_on_the_day_of_the_crash_and_hardly_elsewhere(
    shared: Path, name: str, crash: str, elsewhere: int, extremes: list[str]
) -> None:
    path = shared / "candles" / "binance_spot_1m_events" / f"{name}.parquet"
    days = trip_days(path, ["open", *extremes, "close"])
    assert crash in days
    assert sum(day != crash for day in days) == elsewhere
