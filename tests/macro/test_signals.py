from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.signals import Decision, SignalConfig, decide, edge_bps, signal_at, targets
from citadel_kit.types import MacroSignal, Side

WIDTH = 0.02
TOUCH_SHARE = 0.75
COSTS = 14.0


def regimes(
    memory: str = "random", weather: str = "normal", trend: float = 1.0, ages: tuple[int, int] = (9, 9)
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hurst": [0.5],
            "volatility": [0.6],
            "trend": [trend],
            "memory": [memory],
            "weather": [weather],
            "memory_bars": [ages[0]],
            "weather_bars": [ages[1]],
            "memory_s": [3600.0 * ages[0]],
            "weather_s": [3600.0 * ages[1]],
        }
    )


def signal(
    p: float, regime: pd.DataFrame | None = None, width: float = WIDTH, fraction: float = 0.3, veto: str = ""
) -> MacroSignal:
    edge = edge_bps(np.array([p]), np.array([TOUCH_SHARE]), np.array([width]))
    arrays = (np.array([p]), edge, np.array([fraction]))
    frame = regimes() if regime is None else regime
    return signal_at("BTC/USDT", 1000, 10, frame, *arrays, COSTS, SignalConfig(valid_bars=3), veto)


@pytest.mark.parametrize(("p", "side"), [(0.6, Side.BUY), (0.4, Side.SELL)])
def test_a_sure_model_in_a_fit_regime_takes_its_side(p: float, side: Side) -> None:
    taken = signal(p)
    assert (taken.side, taken.fraction, taken.probability) == (side, 0.3, p)
    assert (taken.asof_ns, taken.valid_until_ns, taken.symbol) == (1000, 1030, "BTC/USDT")
    assert "expected edge 30.0 bps against costs of 14 bps" in taken.reason


@given(
    up=st.integers(0, 50), down=st.integers(0, 50), neither=st.integers(0, 50), width=st.floats(0.001, 0.1)
)
def test_the_edge_is_the_mean_of_what_past_trades_between_barriers_made(
    up: int, down: int, neither: int, width: float
) -> None:
    assume(up + down > 0)
    made = np.repeat([width, -width, 0.0], [up, down, neither])
    touched = up + down
    edge = edge_bps(np.array([up / touched]), np.array([touched / len(made)]), np.array([width]))
    assert edge[0] == pytest.approx(abs(made.mean()) * 1e4, abs=1e-9)


@pytest.mark.parametrize(
    ("flat", "reason"),
    [
        (signal(0.9, regimes(memory="unknown")), "regime is unknown"),
        (signal(0.9, regimes(weather="unknown")), "regime is unknown"),
        (signal(0.9, regimes(trend=float("nan"))), "regime is unknown"),
        (signal(float("nan")), "no probability"),
        (signal(0.9, width=float("nan")), "no probability"),
        (signal(0.9, regimes(weather="stormy")), "stormy"),
        (signal(0.9, regimes(ages=(2, 9))), "began less than 3 bars ago"),
        (signal(0.9, regimes(ages=(9, 0))), "began less than 3 bars ago"),
        (signal(0.54), "within 0.5 ± 0.06"),
        (signal(0.48, regimes(memory="mean-reverting")), "within 0.5 ± 0.03"),
        (signal(0.9, regimes(memory="trending", trend=-2.0)), "against the trend (-2.0)"),
        (signal(0.6, width=0.008), "12.0 bps does not pass costs of 14 bps"),
        (signal(0.9, fraction=0.0), "no size"),
        (signal(0.9, veto="the model has no skill"), "flat: the model has no skill"),
    ],
)
def test_each_reason_to_stay_flat_is_said(flat: MacroSignal, reason: str) -> None:
    assert reason in flat.reason
    assert flat.side is None
    assert flat.fraction == 0.0


def test_memory_sets_the_band_and_a_trend_is_only_followed() -> None:
    assert signal(0.54, regimes(memory="mean-reverting"), width=0.03).side is Side.BUY
    assert signal(0.9, regimes(memory="trending", trend=2.0)).side is Side.BUY
    assert signal(0.1, regimes(memory="trending", trend=-2.0)).side is Side.SELL


def test_a_veto_leaves_an_earlier_reason_alone() -> None:
    assert "stormy" in signal(0.9, regimes(weather="stormy"), veto="the model has no skill").reason


def test_targets_carry_the_sign_and_are_flat_elsewhere() -> None:
    decisions = np.array([d.value for d in Decision])
    wanted = targets(decisions, np.full(len(decisions), 0.2))
    assert wanted.tolist() == [0.0] * 8 + [0.2, -0.2]


def test_a_whole_series_is_decided_as_bar_by_bar() -> None:
    rng = np.random.default_rng(1)
    n = 200
    frame = pd.concat(
        [
            regimes(m, w, t, (a, 9))
            for m, w, t, a in zip(
                rng.choice(["random", "trending", "mean-reverting", "unknown"], n),
                rng.choice(["normal", "calm", "stormy", "unknown"], n),
                rng.standard_normal(n),
                rng.integers(0, 20, n),
                strict=True,
            )
        ],
        ignore_index=True,
    )
    p, width, fraction = rng.uniform(0.3, 0.7, n), rng.uniform(0, 0.05, n), rng.choice([0.0, 0.3], n)
    decisions = decide(frame, p, edge_bps(p, np.full(n, TOUCH_SHARE), width), fraction, COSTS)
    assert set(decisions) == {int(d) for d in Decision} - {int(Decision.NO_PROBABILITY)}
    for k in range(n):
        side = {8: Side.BUY, 9: Side.SELL}.get(int(decisions[k]))
        assert signal(p[k], frame.iloc[[k]], width[k], fraction[k]).side == side


@pytest.mark.parametrize("bad", [{"neutral_band": 0.2}, {"random_band": 0.5}, {"valid_bars": 0}])
def test_contradicting_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="signal"):
        decide(regimes(), *(np.array([0.5]),) * 3, COSTS, SignalConfig()._replace(**bad))
