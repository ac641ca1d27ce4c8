"""Measurements to names: trending, mean-reverting or random × calm, normal or stormy.

A name is kept until its measure has gone back through the threshold by a margin: a measure that lingers at a
threshold would else switch the regime at every bar. A bar whose longest window reaches into warm-up or a hole
is unknown in the part that needs that window. What the defaults cost on series without memory (the share of
bars called trending or mean-reverting, and switches per thousand bars) stands in docs/regimes.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats, Ints, columns_of, segments, timeframe_ns
from citadel_kit.macro.indicators import compiled, log_returns, ratio, rolling_mean_std
from citadel_kit.macro.regimes.hurst import rolling_hurst
from citadel_kit.macro.regimes.surrogate import Signs, surrogate_band
from citadel_kit.macro.regimes.trend import trend_strength
from citadel_kit.macro.regimes.volatility import annual
from citadel_kit.types import Memory, Regime, Weather

LOW, BETWEEN, HIGH, UNKNOWN = -1, 0, 1, 2

_MEMORY: Final = {
    LOW: Memory.MEAN_REVERTING.value,
    BETWEEN: Memory.RANDOM.value,
    HIGH: Memory.TRENDING.value,
    UNKNOWN: Memory.UNKNOWN.value,
}
_WEATHER: Final = {
    LOW: Weather.CALM.value,
    BETWEEN: Weather.NORMAL.value,
    HIGH: Weather.STORMY.value,
    UNKNOWN: Weather.UNKNOWN.value,
}


class RegimeConfig(NamedTuple):
    """Windows in bars. The longest of them is the warm-up, at the start and behind every hole."""

    hurst_window: int = 512
    trending_above: float = 0.60
    reverting_below: float = 0.40
    hurst_margin: float = 0.04
    """How far the exponent must come back through its threshold to end a regime."""
    volatility_window: int = 96
    history_window: int = 480
    """What volatility is compared with."""
    calm_below: float = 0.6
    """Ratio of recent volatility to that of the history."""
    stormy_above: float = 1.8
    volatility_margin: float = 0.1
    """Share of the threshold by which the ratio must come back to end a regime."""
    trend_window: int = 96
    band_level: float = 0.95
    """Share of the surrogates' exponents within the band, where `RegimeModel.signs` are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeModel:
    """Raises ConfigError where thresholds contradict each other."""

    config: RegimeConfig = field(default_factory=RegimeConfig)
    signs: Signs | None = field(default=None, repr=False)
    """One row a surrogate, one column a bar of the frame, as of `surrogate_band`. With them an exponent
    counts as memory where it leaves the band of its own returns' surrogates, in place of the two fixed
    thresholds."""

    def __post_init__(self) -> None:
        _check(self.config)

    def frame(self, candles: pd.DataFrame, timeframe: str) -> pd.DataFrame:
        """Per bar: `hurst` and the thresholds `hurst_lower`, `hurst_upper` it is held against; `volatility`
        (annualised over 365 days), `volatility_ratio` to that of the history, `trend`; the names `memory` and
        `weather`; `memory_bars`, `weather_bars` since the name last changed, 0 on the bar of the switch, and
        `memory_s`, `weather_s`, the same in seconds.

        The names depend on all bars of their segment, since they are held; the rest on its window alone.
        Behind a hole names and counts begin anew.
        """
        close = columns_of(candles)[3]
        parts = [
            pd.DataFrame(self._measure(close[part], part, timeframe), index=candles.index[part])
            for part in segments(candles, timeframe) or [slice(0, 0)]
        ]
        return pd.concat(parts)

    def _measure(self, close: Floats, part: slice, timeframe: str) -> dict[str, NDArray[np.generic]]:
        config, returns = self.config, log_returns(close)
        hurst, lower, upper = self._band(returns, part)
        recent = rolling_mean_std(returns, config.volatility_window).std
        history = rolling_mean_std(returns, config.history_window).std
        relative = ratio(recent, history)
        memory = hold(hurst, lower, upper, config.hurst_margin)
        calm, stormy = (np.full(len(close), np.log(x)) for x in (config.calm_below, config.stormy_above))
        with np.errstate(divide="ignore"):  # nothing moves lately: calm
            weather = hold(np.log(relative), calm, stormy, np.log1p(config.volatility_margin))
        ages = {"memory": bars_since_switch(memory), "weather": bars_since_switch(weather)}
        bar_s = timeframe_ns(timeframe) / 1e9
        return {
            "hurst": hurst,
            "hurst_lower": lower,
            "hurst_upper": upper,
            "volatility": annual(recent, timeframe),
            "volatility_ratio": relative,
            "trend": trend_strength(returns, config.trend_window),
            "memory": _named(memory, _MEMORY),
            "weather": _named(weather, _WEATHER),
            **{f"{name}_bars": bars for name, bars in ages.items()},
            **{f"{name}_s": bars * bar_s for name, bars in ages.items()},
        }

    def _band(self, returns: Floats, part: slice) -> tuple[Floats, Floats, Floats]:
        config = self.config
        if self.signs is None:
            hurst = rolling_hurst(returns, config.hurst_window)
            return (
                hurst,
                np.full(len(returns), config.reverting_below),
                np.full(len(returns), config.trending_above),
            )
        return surrogate_band(
            returns, lambda r: rolling_hurst(r, config.hurst_window), self.signs[:, part], config.band_level
        )


def regime_frame(frame: pd.DataFrame, timeframe: str, config: RegimeConfig | None = None) -> pd.DataFrame:
    """`RegimeModel.frame` with fixed thresholds."""
    return RegimeModel(config=config or RegimeConfig()).frame(frame, timeframe)


def regime_at(regimes: pd.DataFrame, row: int = -1) -> Regime:
    """One row of `regime_frame` as the record that crosses the module border."""
    values = regimes.iloc[row]
    return Regime(
        memory=Memory(values["memory"]),
        weather=Weather(values["weather"]),
        hurst=float(values["hurst"]),
        volatility=float(values["volatility"]),
        trend=float(values["trend"]),
        memory_bars=int(values["memory_bars"]),
        weather_bars=int(values["weather_bars"]),
        memory_s=float(values["memory_s"]),
        weather_s=float(values["weather_s"]),
    )


@compiled
def hold(value: Floats, low: Floats, high: Floats, margin: float) -> Ints:
    """LOW below `low`, HIGH above `high`, else BETWEEN; LOW and HIGH last until the value is back by more
    than `margin`. UNKNOWN where anything is NaN; behind it the thresholds decide anew."""
    out = np.empty(len(value), dtype=np.int64)
    state = 2
    for t in range(len(value)):
        v = value[t]
        if np.isnan(v) or np.isnan(low[t]) or np.isnan(high[t]):
            state = 2
        elif v > high[t]:
            state = 1
        elif v < low[t]:
            state = -1
        elif not ((state == 1 and v >= high[t] - margin) or (state == -1 and v <= low[t] + margin)):
            state = 0
        out[t] = state
    return out


@compiled
def bars_since_switch(states: Ints) -> Ints:
    """0 at the first bar and wherever the state is another than the bar before."""
    out = np.zeros(len(states), dtype=np.int64)
    for t in range(1, len(states)):
        out[t] = out[t - 1] + 1 if states[t] == states[t - 1] else 0
    return out


def _named(states: Ints, names: dict[int, str]) -> NDArray[np.generic]:
    return np.array([names[s] for s in (LOW, BETWEEN, HIGH, UNKNOWN)], dtype=object)[states + 1]


def _check(config: RegimeConfig) -> None:
    if not 0 < config.reverting_below < config.trending_above < 1:
        raise ConfigError("regime.trending_above", "must lie above reverting_below, both between 0 and 1")
    if not 0 <= config.hurst_margin <= config.trending_above - config.reverting_below:
        raise ConfigError("regime.hurst_margin", "must lie from 0 to the distance of the two thresholds")
    if not 0 < config.calm_below < config.stormy_above:
        raise ConfigError("regime.stormy_above", "must lie above calm_below, both above 0")
    if not 0 <= config.volatility_margin < config.stormy_above / config.calm_below - 1:
        raise ConfigError(
            "regime.volatility_margin", "must lie from 0 to below stormy_above / calm_below - 1"
        )
    if min(config.volatility_window, config.trend_window) < 2:
        raise ConfigError("regime.volatility_window", "and trend_window must be at least 2 bars")
    if config.history_window <= config.volatility_window:
        raise ConfigError("regime.history_window", "must be longer than volatility_window")
