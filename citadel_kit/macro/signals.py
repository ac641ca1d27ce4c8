"""Regime × probability → one `MacroSignal`.

One rule, `decide`, takes the side of every bar of a backtest and of the live one. How long a trade is held is
not its matter.
"""

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
    JUST_SWITCHED = 3
    NEUTRAL = 4
    AGAINST_TREND = 5
    BELOW_COSTS = 6
    NO_SIZE = 7
    BUY = 8
    SELL = 9


_SIDES: Final = {Decision.BUY: Side.BUY, Decision.SELL: Side.SELL}


class SignalConfig(NamedTuple):
    neutral_band: float = 0.03
    """No side while |probability - 0.5| is within it."""
    random_band: float = 0.06
    """The same where returns show no memory: there the model has to be surer."""
    settle_bars: int = 3
    """No side within so many bars after memory or weather got another name: the newest switch is the one
    most often taken back."""
    valid_bars: int = 3
    """A signal opens no risk later than this many bars after its last candle closed."""


def decide(
    regimes: pd.DataFrame,
    probability: Floats,
    edge: Floats,
    fraction: Floats,
    round_trip_bps: float,
    config: SignalConfig | None = None,
) -> Ints:
    """`Decision` of each bar, from arrays of one value a bar.

    `regimes` as of `regime_frame`, `probability` as of `Model.predict`, `edge` as of `edge_bps`: it has to
    pass the costs of entry and exit together, `round_trip_bps`. NaN in `probability` or `edge` is flat.
    """
    config = _checked(config or SignalConfig())
    memory, weather = regimes["memory"].to_numpy(), regimes["weather"].to_numpy()
    trend = regimes["trend"].to_numpy(dtype=np.float64)
    lean = probability - 0.5
    band = np.where(memory == Memory.RANDOM.value, config.random_band, config.neutral_band)
    unknown = (memory == Memory.UNKNOWN.value) | (weather == Weather.UNKNOWN.value) | np.isnan(trend)
    age = np.minimum(regimes["memory_bars"].to_numpy(), regimes["weather_bars"].to_numpy())
    against = (memory == Memory.TRENDING.value) & (np.sign(lean) != np.sign(trend))
    blocks = [
        unknown,
        np.isnan(probability) | np.isnan(edge),
        weather == Weather.STORMY.value,
        age < config.settle_bars,
        np.abs(lean) <= band,
        against,
        edge <= round_trip_bps,
        fraction <= 0.0,
        lean > 0.0,
    ]
    return np.select(blocks, [int(d) for d in list(Decision)[:-1]], default=int(Decision.SELL)).astype(
        np.int64
    )


def edge_bps(probability: Floats, touch_share: Floats, width: Floats) -> Floats:
    """touch_share × |2p - 1| × width, in bps: the mean of a trade on the likelier side before costs.

    `probability` is of the upper barrier first, GIVEN that one is touched before the horizon ends;
    `touch_share` is how often one was touched in the past, whatever the features; `width` is the barriers'
    distance as of `barrier_width`. A touch is taken to pay the width, either way, and no touch to pay
    nothing. For a trade that is left by time instead (`hold`) it also takes price to drift nowhere after a
    touch.
    """
    return np.asarray(touch_share * np.abs(2.0 * probability - 1.0) * width * 1e4, dtype=np.float64)


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
    edge: Floats,
    fraction: Floats,
    round_trip_bps: float,
    config: SignalConfig | None = None,
    veto: str = "",
) -> MacroSignal:
    """The last bar's decision as a signal; arrays as of `decide`. `asof_ns` is the close of that bar.

    `veto`: why no side may be taken whatever the rule says, such as a model without skill; it becomes the
    reason.
    """
    config = config or SignalConfig()
    last = slice(-1, None)
    decided = decide(
        regimes.iloc[last], probability[last], edge[last], fraction[last], round_trip_bps, config
    )
    decision = Decision(int(decided[0]))
    p, side, regime = float(probability[-1]), _SIDES.get(decision), regime_at(regimes)
    reason = _reason(decision, regime, p, float(edge[-1]), round_trip_bps, config)
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
    taken = (
        f"probability {p:.3f}, expected edge {edge:.1f} bps against costs of {costs:g} bps (regime: {regime})"
    )
    return {
        Decision.UNKNOWN_REGIME: f"flat: the regime is unknown ({regime}): warm-up, or a hole in the candles",
        Decision.NO_PROBABILITY: "flat: no probability: a feature or the barrier width can't be measured",
        Decision.STORMY: f"flat: stormy, volatility {regime.volatility:.0%} a year",
        Decision.JUST_SWITCHED: f"flat: the regime ({regime}) began less than {config.settle_bars} bars ago",
        Decision.NEUTRAL: f"flat: probability {p:.3f} lies within 0.5 ± {band:g} (regime: {regime})",
        Decision.AGAINST_TREND: f"flat: probability {p:.3f} is against the trend ({regime.trend:+.1f})",
        Decision.BELOW_COSTS: f"flat: expected edge {edge:.1f} bps does not pass costs of {costs:g} bps",
        Decision.NO_SIZE: "flat: no size: volatility can't be measured, or sizing.cap is 0",
        Decision.BUY: taken,
        Decision.SELL: taken,
    }[decision]


def _checked(config: SignalConfig) -> SignalConfig:
    if not 0 <= config.neutral_band <= config.random_band < 0.5:
        raise ConfigError("signal.neutral_band", "must lie from 0 to random_band, and that below 0.5")
    if config.valid_bars < 1 or config.settle_bars < 0:
        raise ConfigError("signal.valid_bars", "must be at least 1, and settle_bars not negative")
    return config
