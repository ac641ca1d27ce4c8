from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.sizing import (
    Caps,
    KellyConfig,
    LossLimits,
    SizingConfig,
    clusters,
    kelly_fraction,
    risk_fraction,
    room,
    target_fraction,
    throttle,
    whole_lots,
)
from citadel_kit.types import Instrument


def test_target_over_volatility_with_a_cap_and_nothing_without_a_measure() -> None:
    volatility = np.array([0.4, 0.8, 0.01, 0.0, np.nan, np.inf, -1.0])
    assert target_fraction(volatility).tolist() == [0.5, 0.25, 0.5, 0.0, 0.0, 0.0, 0.0]
    config = SizingConfig(target_volatility=0.4, cap=0.9)
    assert target_fraction(volatility[:2], config).tolist() == [0.9, 0.5]


@pytest.mark.parametrize("bad", [{"target_volatility": 0.0}, {"cap": 1.5}, {"cap": -0.1}])
def test_unusable_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="sizing"):
        target_fraction(np.array([0.5]), SizingConfig()._replace(**bad))


FULL = KellyConfig(share=1.0)


def kelly(p: float, gain: float, loss: float, trades: float = 1e12, config: KellyConfig = FULL) -> float:
    values = (np.array([number]) for number in (p, gain, loss))
    return float(kelly_fraction(*values, trades, config)[0])


def test_kelly_of_the_textbook() -> None:
    assert kelly(0.6, 1.0, 1.0) == pytest.approx(0.2, abs=1e-9)  # even money at 60 %: 2p - 1
    assert kelly(0.5, 2.0, 1.0) == pytest.approx(0.25, abs=1e-9)  # (bp - q) / b at odds of two to one
    assert kelly(0.4, 1.0, 1.0) == pytest.approx(-0.2, abs=1e-9)
    assert kelly(0.6, 1.0, 1.0, config=KellyConfig(share=0.25)) == pytest.approx(0.05, abs=1e-9)


@given(p=st.floats(0.01, 0.99), gain=st.floats(0.001, 0.5), loss=st.floats(0.001, 0.5))
def test_full_kelly_grows_fastest(p: float, gain: float, loss: float) -> None:
    """No other stake on that side has a higher expected logarithm of wealth."""
    stake = kelly(p, gain, loss)
    if stake < 0:
        p, stake = 1 - p, -stake
    grid = np.linspace(0, 0.999 / loss, 2000)
    growth = p * np.log1p(grid * gain) + (1 - p) * np.log1p(-grid * loss)
    mine = p * np.log1p(stake * gain) + (1 - p) * np.log1p(-stake * loss)
    assert mine >= growth.max() - 1e-9


def test_kelly_shrinks_with_the_record_and_knows_when_it_knows_nothing() -> None:
    few, many = kelly(0.6, 1.0, 1.0, 50), kelly(0.6, 1.0, 1.0, 5000)
    assert few == pytest.approx(0.2 * 50 / 250)
    assert few < many < 0.2
    assert kelly(0.6, 1.0, 1.0, 0) == 0.0
    assert kelly(0.5, 1.0, 1.05) == 0.0  # costs eat both sides
    for numbers in ((np.nan, 1, 1), (0.6, 0, 1), (0.6, 1, -1), (0.6, np.nan, 1), (1.2, 1, 1)):
        assert kelly(*numbers) == 0.0
    with pytest.raises(ConfigError, match="kelly"):
        kelly(0.6, 1.0, 1.0, config=KellyConfig(share=1.5))


def test_a_stop_loses_what_was_risked() -> None:
    fraction = risk_fraction(np.array([0.01, 0.05, 0.0, np.nan, -0.1]), risk=0.005)
    assert fraction.tolist() == pytest.approx([0.5, 0.1, 0.0, 0.0, 0.0])
    with pytest.raises(ConfigError, match="risk"):
        risk_fraction(np.array([0.01]), risk=0.0)


def test_caps_by_hand() -> None:
    caps, groups = Caps(symbol=0.25, cluster=0.4, total=0.6), [["BTC", "ETH"]]
    for wish, held, left in (
        (0.3, {}, 0.25), (0.1, {"BTC": 0.2}, 0.05), (-0.3, {"ETH": 0.3}, -0.1), (0.3, {"SOL": 0.5}, 0.1),
        (0.3, {"BTC": -0.25}, 0.0), (0.3, {"SOL": float("nan")}, 0.0),
    ):  # fmt: skip
        assert room("BTC", wish, held, groups, caps) == pytest.approx(left)


def test_what_moves_together_is_one_cluster() -> None:
    rng = np.random.default_rng(3)
    common = rng.standard_normal(500)
    columns = [common + 0.3 * rng.standard_normal(500), -common, rng.standard_normal(500)]
    returns = np.column_stack([*columns, columns[2] + 0.5 * rng.standard_normal(500)])
    returns[7, 2] = np.nan
    assert clusters(returns, ["A", "B", "C", "D"]) == [["A", "B"], ["C", "D"]]
    assert clusters(returns[:, :1], ["A"]) == [["A"]]
    assert clusters(returns * [1, 1, 1, 0], ["A", "B", "C", "D"]) == [["A", "B", "C", "D"]]
    assert clusters(returns[:2], ["A", "B", "C", "D"]) == [["A", "B", "C", "D"]]


def test_losses_throttle() -> None:
    limits = LossLimits(throttle_from=0.1, stop_at=0.3, daily_stop=0.05)
    for equity, peak, day_start, factor in (
        (100, 100, 100, 1.0), (120, 100, 120, 1.0), (90, 100, 90, 1.0), (80, 100, 80, 0.5),
        (70, 100, 70, 0.0), (50, 100, 50, 0.0), (95, 100, 100, 0.0), (95.1, 100, 100, 1.0),
        (np.nan, 100, 100, 0.0), (0, 100, 100, 0.0),
    ):  # fmt: skip
        assert throttle(equity, peak, day_start, limits) == pytest.approx(factor)
    with pytest.raises(ConfigError, match="throttle_from"):
        throttle(100, 100, 100, LossLimits(stop_at=0.05))


COIN = Instrument(
    venue="binance", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5, lot=10,
    min_notional=5 * 10**7,
)  # fmt: skip


@given(fraction=st.floats(-1, 1), equity=st.floats(0, 1e7), price=st.floats(0.01, 1e6))
def test_whole_lots_within_the_share(fraction: float, equity: float, price: float) -> None:
    units = whole_lots(fraction, equity, price, COIN)
    assert units % COIN.lot == 0
    worth = COIN.qty(units) * price
    assert units == 0 or 5 <= worth <= abs(fraction) * equity * (1 + 1e-9)
    more = COIN.qty(units + COIN.lot) * price
    assert more > abs(fraction) * equity * (1 - 1e-9) or more < 5 or worth + 1e-9 < 5


def test_a_quantity_that_no_venue_takes_is_none() -> None:
    assert whole_lots(0.5, 1000.0, 60_000.0, COIN) == 830  # 0.00833… in lots of 0.0001
    assert whole_lots(0.004, 1000.0, 60_000.0, COIN) == 0  # 4 USDT
    assert whole_lots(0.5, 1000.0, float("nan"), COIN) == 0
    assert whole_lots(float("nan"), 1000.0, 60_000.0, COIN) == 0


@given(
    wish=st.floats(-1, 1),
    held=st.dictionaries(st.sampled_from(["A", "B", "C"]), st.floats(-0.6, 0.6)),
)
def test_room_never_passes_a_cap_and_touches_nothing_held(wish: float, held: dict[str, float]) -> None:
    caps, groups = Caps(0.25, 0.4, 0.8), [["A", "B"]]
    added = room("A", wish, held, groups, caps)
    assert added * wish >= 0 and abs(added) <= abs(wish)
    if added:
        assert abs(held.get("A", 0.0)) + abs(added) <= caps.symbol + 1e-12
        assert abs(held.get("A", 0.0)) + abs(held.get("B", 0.0)) + abs(added) <= caps.cluster + 1e-12
        assert sum(map(abs, held.values())) + abs(added) <= caps.total + 1e-12
    assert room("A", float("nan"), held, groups, caps) == 0.0
