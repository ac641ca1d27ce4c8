from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.candles import HISTORY_BARS, INTERVALS, MINUTE_NS, Bar, Candles, from_frame, made_up
from citadel_kit.types import Instrument, Side

OF = Instrument(
    venue="binance",
    symbol="BTC/USDT",
    venue_symbol="BTCUSDT",
    price_decimals=2,
    qty_decimals=8,
    lot=1000,
    min_notional=5 * 10**10,
)
NOW_NS = 1_723_118_437 * 10**9
DAY_NS = 86_400 * 10**9


RECENT = Candles("BTC/USDT", made_up(3, OF, NOW_NS, 6_000_000, 0.5)[-20_000:])


@pytest.fixture(scope="module")
def history() -> Candles:
    return Candles("BTC/USDT", made_up(3, OF, NOW_NS, 6_000_000, 0.5))


def test_a_made_up_history_is_one_sound_path_to_the_start_price(history: Candles) -> None:
    bars = history.bars("1m", NOW_NS, limit=10**6)
    assert len(bars) == HISTORY_BARS + 1  # and the flat one of the present minute
    assert all(b.open_ns - a.open_ns == MINUTE_NS for a, b in pairwise(bars))
    assert all(a.close == b.open for a, b in pairwise(bars))
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)
    assert all(b.volume > 0 and 0 < b.taker_volume < b.volume for b in bars[:-1])
    assert bars[-2].close == 6_000_000
    assert bars[-1].volume == 0
    moves = np.diff(np.log([b.close for b in bars]))
    assert moves.std() * np.sqrt(365 * 1440) == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize("interval", ["1m", "1h"])
def test_it_is_long_enough_for_a_bots_warm_up(history: Candles, interval: str) -> None:
    assert len(history.bars(interval, NOW_NS, limit=1500)) == 1500


def naive(bars: list[Bar], interval: str) -> dict[int, list[Bar]]:
    groups: dict[int, list[Bar]] = {}
    for bar in bars:
        stamp = pd.Timestamp(bar.open_ns)
        if interval == "1M":
            key = stamp.replace(day=1).floor("D").value
        elif interval == "1w":
            key = (stamp.floor("D") - pd.Timedelta(days=stamp.weekday())).value
        else:
            key = bar.open_ns // INTERVALS[interval] * INTERVALS[interval]
        groups.setdefault(key, []).append(bar)
    return groups


@pytest.mark.parametrize("interval", INTERVALS)
def test_longer_bars_are_made_of_the_minutes(interval: str) -> None:
    minutes = RECENT.bars("1m", NOW_NS, limit=10**6)
    groups = naive(minutes, interval)
    bars = RECENT.bars(interval, NOW_NS, limit=10**6)
    assert [bar.open_ns for bar in bars] == sorted(groups)
    for bar in [*bars[:3], *bars[-3:]]:
        own = groups[bar.open_ns]
        assert (bar.open, bar.close) == (own[0].open, own[-1].close)
        assert (bar.high, bar.low) == (max(b.high for b in own), min(b.low for b in own))
        for name in ("volume", "quote_volume", "trades", "taker_volume", "taker_quote_volume"):
            assert getattr(bar, name) == sum(getattr(b, name) for b in own)
        assert bar.closed == (bar.close_ns <= NOW_NS)
    if interval == "1M":
        assert [pd.Timestamp(bar.close_ns).day for bar in bars] == [1] * len(bars)


@settings(max_examples=40)
@given(
    st.sampled_from(["1m", "15m", "4h", "1d", "1w", "1M"]),
    st.none() | st.integers(-4 * DAY_NS, DAY_NS),
    st.none() | st.integers(-4 * DAY_NS, DAY_NS),
    st.integers(1, 40),
)
def test_start_end_and_limit_pick_from_all_bars(interval: str, start: int | None, end: int | None, limit: int) -> None:  # fmt: skip # noqa: E501
    candles = RECENT
    start_ns = None if start is None else NOW_NS + start
    end_ns = None if end is None else NOW_NS + end
    whole = candles.bars(interval, NOW_NS, limit=10**6)
    wanted = [b for b in whole if (start_ns is None or b.open_ns >= start_ns) and (end_ns is None or b.open_ns <= end_ns)]  # fmt: skip # noqa: E501
    wanted = wanted[:limit] if start_ns is not None else wanted[-limit:]
    assert candles.bars(interval, NOW_NS, start_ns=start_ns, end_ns=end_ns, limit=limit) == wanted


def test_trades_make_bars_and_silence_makes_flat_ones() -> None:
    candles = Candles("BTC/USDT")
    assert candles.bars("1m", NOW_NS) == []
    assert candles.current("1h", NOW_NS) is None
    first_ns = NOW_NS - NOW_NS % MINUTE_NS
    for second, price, side in ((5, 100, Side.BUY), (20, 130, Side.SELL), (50, 90, Side.BUY), (185, 95, Side.BUY)):  # fmt: skip # noqa: E501
        candles.add(first_ns + second * 10**9, price, 2, side)
    first, flat, flat_too, last = candles.bars("1m", first_ns + 200 * 10**9)
    assert first[3:] == (first_ns + MINUTE_NS, 100, 130, 90, 90, 6, 640, 3, 4, 380, True)
    assert flat[4:] == (90, 90, 90, 90, 0, 0, 0, 0, 0, True)
    assert flat_too[4:8] == (90, 90, 90, 90)
    assert last[4:] == (95, 95, 95, 95, 2, 190, 1, 2, 190, False)
    assert candles.last_price() == 95


def test_it_grows_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citadel_kit.exchange.candles._KEPT", 2000)
    candles = Candles("BTC/USDT")
    for n in range(9000):
        candles.add(n * MINUTE_NS, 100 + n, 1, Side.BUY)
        assert len(candles._rows) <= 4096
    bars = candles.bars("1m", 9000 * MINUTE_NS, limit=500)
    assert [b.close for b in bars[-3:]] == [9098, 9099, 9099]


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_real_candles_come_back_as_they_were_moved_in_time(minutes: int) -> None:
    rng = np.random.default_rng(1)
    closes = 60_000 + np.cumsum(rng.normal(0, 20, 301)).round(2)
    opens = pd.date_range("2024-01-01", periods=300, freq=f"{minutes}min", tz="UTC", name="ts")
    o, c = closes[:-1], closes[1:]
    frame = pd.DataFrame(
        {
            "open": o,
            "high": np.maximum(o, c) + 3.5,
            "low": np.minimum(o, c) - 2.25,
            "close": c,
            "volume": 1.25,
        },
        index=opens.astype("datetime64[ns, UTC]"),
    )
    candles = Candles("BTC/USDT", from_frame(frame, OF, NOW_NS))
    interval = {1: "1m", 5: "5m", 60: "1h"}[minutes]
    bars = [b for b in candles.bars(interval, NOW_NS, limit=1000) if b.volume]
    assert len(bars) == 300
    assert NOW_NS - INTERVALS[interval] < bars[-1].close_ns <= NOW_NS
    got = np.array([[b.open, b.high, b.low, b.close] for b in bars]) / 100
    np.testing.assert_allclose(got, frame[["open", "high", "low", "close"]].to_numpy(), atol=0.006)
    assert {b.volume for b in bars} == {125_000_000}


def test_an_unknown_interval_is_refused(history: Candles) -> None:
    with pytest.raises(ConfigError, match="interval"):
        history.bars("7m", NOW_NS)
