"""Regime × probability → one `MacroSignal`. One rule decides every bar of a backtest and the live one."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats, Ints
from citadel_kit.macro.regimes import regime_at
from citadel_kit.types import MacroSignal, Memory, Regime, Side, Weather


class Decision(IntEnum):
    """The first that holds, in this order."""

    UNKNOWN_REGIME = 0
    NO_PROBABILITY = 1
    STORMY = 2
    NEUTRAL = 3
    AGAINST_TREND = 4
    BELOW_COSTS = 5
    NO_SIZE = 6
    BUY = 7
    SELL = 8


_SIDES: Final = {Decision.BUY: Side.BUY, Decision.SELL: Side.SELL}


class SignalConfig(NamedTuple):
    neutral_band: float = 0.03
    """No side while |probability - 0.5| is within it."""
    random_band: float = 0.06
    """The same where returns show no memory: there the model has to be surer."""
    valid_bars: int = 3
    """A signal opens no risk later than this many bars after its last candle closed."""


def decide(
    regimes: pd.DataFrame,
    probability: Floats,
    width: Floats,
    fraction: Floats,
    round_trip_bps: float,
    config: SignalConfig | None = None,
) -> Ints:
    """`Decision` of each bar, from arrays of one value a bar.

    `regimes` as of `regime_frame`, `width` as of `barrier_width`. The expected edge, (2p - 1) × width, is
    what a trade between symmetric barriers makes on average; it has to pass the costs of entry and exit,
    `round_trip_bps`.
    """
    config = _checked(config or SignalConfig())
    memory, weather = regimes["memory"].to_numpy(), regimes["weather"].to_numpy()
    trend = regimes["trend"].to_numpy(dtype=np.float64)
    lean = probability - 0.5
    band = np.where(memory == Memory.RANDOM.value, config.random_band, config.neutral_band)
    unknown = (memory == Memory.UNKNOWN.value) | (weather == Weather.UNKNOWN.value) | np.isnan(trend)
    against = (memory == Memory.TRENDING.value) & (np.sign(lean) != np.sign(trend))
    blocks = [
        unknown,
        np.isnan(probability) | np.isnan(width),
        weather == Weather.STORMY.value,
        np.abs(lean) <= band,
        against,
        edge_bps(probability, width) <= round_trip_bps,
        fraction <= 0.0,
        lean > 0.0,
    ]
    return np.select(blocks, [int(d) for d in list(Decision)[:-1]], default=int(Decision.SELL)).astype(
        np.int64
    )


def edge_bps(probability: Floats, width: Floats) -> Floats:
    return np.asarray(np.abs(2.0 * probability - 1.0) * width * 1e4, dtype=np.float64)


def targets(decisions: Ints, fraction: Floats) -> Floats:
    """Signed share of equity each bar asks for: positive for BUY, negative for SELL, 0 where flat."""
    sign = np.where(decisions == Decision.BUY, 1.0, np.where(decisions == Decision.SELL, -1.0, 0.0))
    return np.asarray(sign * fraction, dtype=np.float64)


def signal_at(
    symbol: str,
    asof_ns: int,
    bar_ns: int,
    regimes: pd.DataFrame,
    probability: Floats,
    width: Floats,
    fraction: Floats,
    round_trip_bps: float,
    config: SignalConfig | None = None,
    veto: str = "",
) -> MacroSignal:
    """The last bar's decision as a signal. `asof_ns` is the close of that bar.

    `veto`: why no side may be taken whatever the rule says, such as a model without skill; it becomes the
    reason.
    """
    config = config or SignalConfig()
    last = slice(-1, None)
    decided = decide(
        regimes.iloc[last], probability[last], width[last], fraction[last], round_trip_bps, config
    )
    decision = Decision(int(decided[0]))
    p, edge = float(probability[-1]), float(edge_bps(probability[last], width[last])[0])
    side, regime = _SIDES.get(decision), regime_at(regimes)
    reason = _reason(decision, regime, p, edge, round_trip_bps, config)
    if side is not None and veto:
        side, reason = None, f"flat: {veto}"
    return MacroSignal(
        symbol=symbol,
        side=side,
        asof_ns=asof_ns,
        valid_until_ns=asof_ns + config.valid_bars * bar_ns,
        regime=regime,
        probability=p,
        fraction=float(fraction[-1]) if side is not None else 0.0,
        reason=reason,
    )


def _reason(
    decision: Decision, regime: Regime, p: float, edge: float, costs: float, config: SignalConfig
) -> str:
    band = config.random_band if regime.memory is Memory.RANDOM else config.neutral_band
    return {
        Decision.UNKNOWN_REGIME: f"flat: the regime is unknown ({regime}): warm-up, or a hole in the candles",
        Decision.NO_PROBABILITY: "flat: the model has no probability: a feature of the last bar is missing",
        Decision.STORMY: f"flat: stormy, volatility {regime.volatility:.0%} a year",
        Decision.NEUTRAL: f"flat: probability {p:.3f} lies within 0.5 ± {band:g} (regime: {regime})",
        Decision.AGAINST_TREND: f"flat: probability {p:.3f} is against the trend ({regime.trend:+.1f})",
        Decision.BELOW_COSTS: f"flat: expected edge {edge:.1f} bps does not pass costs of {costs:g} bps",
        Decision.NO_SIZE: "flat: volatility can't be measured, so no size can be set",
        Decision.BUY: f"probability {p:.3f}, expected edge {edge:.1f} bps above costs (regime: {regime})",
        Decision.SELL: f"probability {p:.3f}, expected edge {edge:.1f} bps above costs (regime: {regime})",
    }[decision]


def _checked(config: SignalConfig) -> SignalConfig:
    if not 0 <= config.neutral_band <= config.random_band < 0.5:
        raise ConfigError("signal.neutral_band", "must lie from 0 to random_band, and that below 0.5")
    if config.valid_bars < 1:
        raise ConfigError("signal.valid_bars", "must be at least 1")
    return config
