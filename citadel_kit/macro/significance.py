"""How far a Sharpe ratio can be believed: its error, its length of record, and the trials behind it.

Everything here is per period of the returns: nothing is annualised, so a Sharpe ratio of 2 a year on daily
returns goes in as 2 / sqrt(365). The market never closes, so a year has 365 days.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012: probabilistic Sharpe ratio,
minimum track record), "The Deflated Sharpe Ratio" (2014), and, with Borwein and Zhu, "Pseudo-Mathematics and
Financial Charlatanism" (2014: minimum backtest length) and "The Probability of Backtest Overfitting" (2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from math import e, inf, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats

_NORMAL: Final = NormalDist()
_EULER: Final = 0.5772156649015329


class SharpeEstimate(NamedTuple):
    """Of one series of returns."""

    sharpe: float
    """Mean over standard deviation, per period; 0 where nothing varied."""
    periods: int
    skew: float = 0.0
    kurtosis: float = 3.0
    """3 is a normal distribution's."""

    @property
    def error(self) -> float:
        """Standard error of `sharpe`, with the returns' own skew and tails. Infinite below two periods."""
        return sqrt(_spread(self) / (self.periods - 1)) if self.periods > 1 else inf


def estimate(returns: Floats) -> SharpeEstimate:
    """Moments by 1/n; the Sharpe ratio by the sample's standard deviation (1/(n-1)).

    Raises ConfigError for a NaN or an infinity.
    """
    if not np.isfinite(returns).all():
        raise ConfigError("returns", "hold a NaN or an infinity", "Leave the warm-up out")
    n = len(returns)
    deviation = float(np.std(returns)) if n > 1 else 0.0
    if deviation <= 1e-15 * max(1.0, float(np.max(np.abs(returns), initial=0.0))):
        return SharpeEstimate(0.0, n)
    z = (returns - np.mean(returns)) / deviation
    sharpe = float(np.mean(returns)) / deviation * sqrt((n - 1) / n)
    return SharpeEstimate(sharpe, n, float(np.mean(z**3)), float(np.mean(z**4)))


def probabilistic_sharpe(record: SharpeEstimate, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark`, by one record without a choice."""
    return _NORMAL.cdf((record.sharpe - benchmark) / record.error)


def expected_maximum(trials: int) -> float:
    """Of so many independent standard normals: what the best of them shows by luck. 0 for one."""
    if trials < 1:
        raise ConfigError("trials", f"{trials}: at least the one that was run")
    if trials == 1:
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return (1 - _EULER) * first + _EULER * second


def deflated_sharpe(record: SharpeEstimate, trials: int, variance: float) -> float:
    """Probability that the true Sharpe ratio is above 0, for the best of `trials`.

    `variance`: of the trials' Sharpe ratios, per period. The record has to beat what the best of so many
    worthless ones would show; above 0.95 it does so at the usual level.
    """
    if variance < 0:
        raise ConfigError("variance", f"{variance} of the trials' Sharpe ratios can't be negative")
    return probabilistic_sharpe(record, sqrt(variance) * expected_maximum(trials))


def minimum_track_record(record: SharpeEstimate, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Periods after which such a Sharpe ratio would be above `benchmark` at `level`; infinite where it is
    not above it."""
    if record.sharpe <= benchmark:
        return inf
    return 1 + _spread(record) * (_NORMAL.inv_cdf(level) / (record.sharpe - benchmark)) ** 2


def minimum_backtest_length(trials: int, sharpe: float) -> float:
    """Periods below which the best of `trials` worthless rules is expected to show `sharpe` by luck."""
    if sharpe <= 0:
        raise ConfigError("sharpe", f"{sharpe}: must be above 0")
    return (expected_maximum(trials) / sharpe) ** 2


@dataclass(slots=True)
class Trials:
    """Every variant that was looked at, so that the best one's record can be judged as the best of so many.

    Nothing is counted behind the scenes: a cycle or search adds what it tried to the object it was given, and
    one without it starts at `before`. So hand the same object to every search and every cycle, of other
    markets too, and add by hand what was tried by hand or by `train` alone, in another process, or on another
    day: a variant that was looked at and left out counts as much as the one that was kept.
    """

    sharpes: list[float] = field(default_factory=list)
    """Per period, NaN where a variant was stopped before it had a record."""
    names: list[str] = field(default_factory=list)
    """What each was; empty where nobody said."""
    bars_ns: list[int] = field(default_factory=list)
    """How long each one's periods are; 0 where nobody said."""
    before: int = 0
    """Variants looked at before anything was counted here; of them no record is known."""

    def __post_init__(self) -> None:
        self.names += [""] * (len(self.sharpes) - len(self.names))
        self.bars_ns += [0] * (len(self.sharpes) - len(self.bars_ns))

    def add(self, sharpe: float = float("nan"), name: str = "", bar_ns: int = 0) -> None:
        """`sharpe` is per period of `bar_ns`. A variant of a `name` that is known already takes the place of
        its former record: a cell that runs again tries nothing new."""
        if name and name in self.names:
            place = self.names.index(name)
            self.sharpes[place], self.bars_ns[place] = sharpe, bar_ns
            return
        self.sharpes.append(sharpe)
        self.names.append(name)
        self.bars_ns.append(bar_ns)

    @property
    def count(self) -> int:
        return self.before + len(self.sharpes)

    def variance(self, bar_ns: int = 0) -> float:
        """Of the Sharpe ratios there are, each brought to periods of `bar_ns` (it grows with the square root
        of their length); NaN below two of them. A length that nobody gave is the others'.

        Raises ConfigError where those differ.
        """
        known = [(s, bar) for s, bar in zip(self.sharpes, self.bars_ns, strict=True) if np.isfinite(s)]
        lengths = {bar for _, bar in known} | {bar_ns}
        if 0 in lengths and len(lengths) > 2:
            raise ConfigError(
                "bar_ns", "trials are of several bar lengths", "Give it to `add` and to `deflate`"
            )
        bar_ns = bar_ns or max(lengths)
        scaled = [s * sqrt(bar_ns / bar) if bar else s for s, bar in known]
        return float(np.var(scaled, ddof=1)) if len(scaled) > 1 else float("nan")

    def deflate(self, record: SharpeEstimate, bar_ns: int = 0) -> float:
        """Deflated Sharpe ratio of the best one's record: the probability that it is above 0 after the
        choice. Where the trials' variance isn't known, that of a record of pure noise of the same length;
        with trials from before, at least that. `bar_ns`: length of the record's periods, as of `variance`."""
        variance, noise = self.variance(bar_ns), record.error**2
        if not np.isfinite(variance):
            variance = noise
        elif self.before:
            variance = max(variance, noise)
        return deflated_sharpe(record, max(self.count, 1), variance)


class Overfitting(NamedTuple):
    """Of choosing the best of several rules by their record."""

    probability: float
    """Share of the ways to halve the record in which the rule that was best in one half was below the median
    in the other. One half is what a choice among worthless rules gives."""
    rank: NDArray[np.float64]
    """Per way, the relative rank of the chosen rule in the other half, in (0, 1); 0.5 is the median."""
    loss_probability: float
    """Share of ways in which the chosen rule lost money in the other half."""


def overfitting(returns: Floats, blocks: int = 16) -> Overfitting:
    """Combinatorially symmetric cross-validation of `returns`, shape (periods, rules).

    The record is cut into `blocks` of equal length (what is left over at the start is dropped) and halved in
    every way. Raises ConfigError for fewer than two rules, an odd number of blocks, or fewer than two periods
    a block.
    """
    if returns.ndim != 2 or returns.shape[1] < 2 or blocks < 2 or blocks % 2:
        raise ConfigError(
            "returns", f"shape {returns.shape}, {blocks} blocks: needs two rules and an even number"
        )
    length = len(returns) // blocks
    if length < 2:
        raise ConfigError("blocks", f"{blocks} of {len(returns)} periods are shorter than two")
    kept = returns[len(returns) - length * blocks :].reshape(blocks, length, -1)
    total, squares = kept.sum(axis=1), (kept**2).sum(axis=1)
    ways = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(ways), blocks))
    np.put_along_axis(chosen, ways, 1.0, axis=1)
    rules, periods = returns.shape[1], length * blocks // 2
    best = _sharpes(chosen @ total, chosen @ squares, periods).argmax(axis=1)
    other = _sharpes((1 - chosen) @ total, (1 - chosen) @ squares, periods)
    mine = np.take_along_axis(other, best[:, None], axis=1)
    below, equal = (other < mine).sum(axis=1), (other == mine).sum(axis=1)
    rank = (below + (equal + 1) / 2) / (rules + 1)
    lost = np.take_along_axis((1 - chosen) @ total, best[:, None], axis=1)[:, 0] < 0
    return Overfitting(float(np.mean(rank <= 0.5)), rank, float(np.mean(lost)))


def _sharpes(total: Floats, squares: Floats, periods: int) -> Floats:
    mean = total / periods
    deviation = np.sqrt(np.maximum(squares / periods - mean**2, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(deviation > 0, mean / deviation, 0.0))


def _spread(record: SharpeEstimate) -> float:
    """n - 1 times the variance of the estimated Sharpe ratio."""
    sharpe = record.sharpe
    return 1 - record.skew * sharpe + (record.kurtosis - 1) / 4 * sharpe * sharpe
