"""Does a pipeline see edges that aren't there, and which of those that are? By series of known making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import beta  # type: ignore[import-untyped]

from citadel_kit.clock import SECOND
from citadel_kit.macro.backtest import backtest
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.candles import infer_timeframe, open_ns, timeframe_ns
from citadel_kit.macro.performance import sharpe, shows_edge, summarize
from citadel_kit.macro.significance import Trials
from citadel_kit.macro.simulate import MODELS, drift_for, planted, season
from citadel_kit.run.macro_loop import MacroConfig, run_macro


class Outcome(NamedTuple):
    """Of one series: the best of the variants, judged as the best of so many."""

    sharpe: float
    deflated: float
    trades: int
    edge: bool
    oracle: float
    """Annual Sharpe ratio of the season's oracle over the same bars, after costs; on a walk, of a rule that
    holds as it does."""
    oracle_edge: bool
    """Whether the oracle's own record would count as an edge, were it the only one: the most that any rule
    could show in so many bars."""


class Rate(NamedTuple):
    """A share of `n` with its 95 % Clopper-Pearson interval."""

    hits: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.hits / self.n

    def __str__(self) -> str:
        return f"{self.hits} of {self.n}, {self.share:.1%} ({self.low:.1%} to {self.high:.1%})"


def variants_of(config: MacroConfig, horizons: Sequence[int] = (24, 48, 96)) -> tuple[MacroConfig, ...]:
    """The settings a user might try one after the other and keep the best of."""
    return tuple(replace(config, labels=config.labels._replace(horizon=bars)) for bars in horizons)


def examine(frame: pd.DataFrame, variants: Sequence[MacroConfig]) -> Outcome:
    """Runs the whole cycle once a variant, counts them all, and judges the one with the highest Sharpe ratio
    of its out-of-sample record."""
    timeframe = infer_timeframe(frame)
    bar_ns, trials = timeframe_ns(timeframe), Trials(before=variants[0].tried_before)
    now_ns = int(open_ns(frame)[-1]) + bar_ns + SECOND
    cache = Cache()
    records = [
        run_macro(frame, timeframe, "SIM/USD", now_ns, config, trials=trials, cache=cache).record
        for config in variants
    ]
    best = records[int(np.argmax([sharpe(record.net, bar_ns) for record in records]))]
    summary = summarize(best, bar_ns, trials)
    # The holding of a stretch is what was wanted at the close before it.
    wanted = np.roll(season(len(frame)), -1)[-len(best.net) :]
    held = backtest(frame.iloc[-len(best.net) :], wanted, best.costs, long_only=False)
    ideal = summarize(held, bar_ns)
    return Outcome(
        sharpe=summary["sharpe"],
        deflated=summary["deflated_sharpe"],
        trades=int(summary["trades"]),
        edge=shows_edge(summary),
        oracle=ideal["sharpe"],
        oracle_edge=shows_edge(ideal),
    )


def simulate(number: int, bars: int, worth: float | None, config: MacroConfig, seed: int = 7) -> pd.DataFrame:
    """Series `number` of a study; their volatility models take turns. `worth`: the oracle's Sharpe ratio;
    None: a random walk."""
    drift = None if worth is None else drift_for(worth, config.costs)
    rng = np.random.default_rng([seed, number, 0 if worth is None else 1 + round(100 * worth)])
    return planted(MODELS[number % len(MODELS)], bars, rng, drift)


def rate(hits: int, n: int) -> Rate:
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return Rate(hits, n, low, high)
