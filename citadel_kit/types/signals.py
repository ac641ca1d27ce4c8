"""The macro layer's word: regimes and signals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from citadel_kit.types.market import Side


class Memory(StrEnum):
    """What past moves say about the next: by the Hurst exponent."""

    TRENDING = "trending"
    MEAN_REVERTING = "mean-reverting"
    RANDOM = "random"
    UNKNOWN = "unknown"


class Weather(StrEnum):
    """Volatility against its own history."""

    CALM = "calm"
    NORMAL = "normal"
    STORMY = "stormy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    memory: Memory
    weather: Weather
    hurst: float
    """NaN in warm-up or over a hole."""
    volatility: float
    """Annualised over 365 days; NaN in warm-up or over a hole."""
    trend: float
    """Trend strength in units of its own noise; its sign is the direction. NaN in warm-up."""
    memory_bars: int = 0
    """Since the bar at which `memory` got its name, that one being 0; anew behind a hole."""
    weather_bars: int = 0
    memory_s: float = 0.0
    """The same in seconds of the bars' own time."""
    weather_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.memory.value}, {self.weather.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroSignal:
    """The macro layer's one output. Expired, or from the future, it opens no risk."""

    symbol: str
    side: Side | None
    """None: flat."""
    asof_ns: int
    """Close of the last candle used."""
    valid_until_ns: int
    regime: Regime
    probability: float
    """Of the upper barrier first, GIVEN that one of the two is touched before the horizon ends; often neither
    is. NaN where it can't be told."""
    fraction: float
    """Share of equity to hold, 0 or more; the direction is `side`."""
    reason: str
    """Why this side, or why flat."""

    @property
    def conviction(self) -> float:
        """How sure of its side it is, from 0 (flat, or a coin's toss) to 1: |2 × probability - 1|."""
        return 0.0 if self.side is None else abs(2.0 * self.probability - 1.0)
