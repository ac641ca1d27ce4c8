"""Plain numbers of a backtest, and one honest sentence. A year has 365 days: the market never closes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import Backtest, CostConfig
from citadel_kit.macro.candles import YEAR_NS, Floats, Ints
from citadel_kit.macro.significance import Trials, estimate, minimum_track_record, probabilistic_sharpe

EDGE_LEVEL: Final = 0.95
"""Deflated Sharpe ratio above which a record counts as an edge."""

_HOUR_NS: Final = 3_600 * 10**9


def sharpe(returns: Floats, bar_ns: int) -> float:
    """Annualised mean over standard deviation of per-bar returns; 0 where nothing varied."""
    spread = float(np.std(returns)) if len(returns) else 0.0
    return float(np.mean(returns)) / spread * float(np.sqrt(YEAR_NS / bar_ns)) if spread > 0 else 0.0


def equity_curve(returns: Floats) -> Floats:
    """Compounded equity at the end of each stretch, from 1 before the first."""
    return np.asarray(np.cumprod(1.0 + returns), dtype=np.float64)


def drawdowns(returns: Floats) -> Floats:
    """Per stretch, how far compounded equity stands below its peak so far, the start included, as a share:
    0.2 is a fall of 20 %."""
    equity = equity_curve(returns)
    return np.asarray(1.0 - equity / np.maximum(np.maximum.accumulate(equity), 1.0), dtype=np.float64)


def max_drawdown(returns: Floats) -> float:
    """The largest of `drawdowns`; 0 without a return."""
    return float(np.max(drawdowns(returns), initial=0.0))


def rolling_sharpe(returns: Floats, bar_ns: int, window: int) -> Floats:
    """Annualised Sharpe ratio of the last `window` returns; NaN before there are so many, 0 where nothing
    varied."""
    if window < 2:
        raise ConfigError("window", f"{window}: at least two bars")
    rolled = pd.Series(returns).rolling(window)
    mean, spread = rolled.mean().to_numpy(), rolled.std(ddof=0).to_numpy()
    # What rounding leaves of the spread of equal returns is no spread.
    moved = spread > 1e-12
    out = np.where(moved, mean / np.where(moved, spread, 1.0), 0.0) * np.sqrt(YEAR_NS / bar_ns)
    return np.asarray(np.where(np.isnan(spread), np.nan, out), dtype=np.float64)


def by_group(result: Backtest, groups: NDArray[Any], bar_ns: int) -> pd.DataFrame:
    """One row a group, in sorted order: `bars`, `exposure` (mean absolute share held), `net` and `market`
    (sums of simple returns), `sharpe` of the net returns.

    `groups`: one value a row of `result`, known at the close before that stretch. A trade's costs count
    where they fall: entry and exit often lie in different groups.
    """
    if len(groups) != len(result.net):
        raise ConfigError("groups", f"{len(groups)} values for {len(result.net)} rows")
    table = pd.DataFrame({"net": result.net, "market": result.market, "held": np.abs(result.position)})
    rows = {
        name: {
            "bars": len(part),
            "exposure": float(part["held"].mean()),
            "net": float(part["net"].sum()),
            "market": float(part["market"].sum()),
            "sharpe": sharpe(part["net"].to_numpy(), bar_ns),
        }
        for name, part in table.groupby(np.asarray(groups))
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def hours_utc(opens: Ints) -> Ints:
    """Hour of day, 0 to 23, in which each bar opens: a group for `by_group`."""
    return opens % (24 * _HOUR_NS) // _HOUR_NS


def trade_returns(result: Backtest) -> Floats:
    """Summed net return of each trade: a stretch of positions of one sign, with its exit's cost."""
    sign = np.sign(result.position)
    begins = np.flatnonzero((np.diff(sign, prepend=0.0) != 0) & (sign != 0))
    if len(begins) == 0:
        return np.zeros(0)
    # A flat row behind a trade holds nothing but that trade's exit cost, so cutting at entries attributes it.
    # Where a trade flips sign, the whole cost of the flip goes to the newer one.
    return np.add.reduceat(result.net, begins)


def summarize(result: Backtest, bar_ns: int, trials: Trials | None = None) -> dict[str, float]:
    """Returns and `cost` as shares of equity, not per cent; `cost` is the sum of what was paid.

    `fee_bps`, `slippage_bps`, `half_spread_bps` and `funding_bps_day` are those of the costs. `t_stat` is
    Sharpe × sqrt(years). `turnover` is in multiples of equity a year. Buy-and-hold pays one entry and one
    exit at the same costs. `trials`: what was looked at, this record included; none: this one alone.
    `probabilistic_sharpe` and `deflated_sharpe` are probabilities that the true Sharpe ratio is above 0, the
    second after the choice among `trials`; `min_track_days` is how long such a record must be before the
    first is 0.95, infinite where it made nothing.
    """
    years, trades = len(result.net) * bar_ns / YEAR_NS, trade_returns(result)
    market = result.market.copy()
    side = result.costs.side_bps / 1e4
    if len(market):
        market[0] -= side
        market[-1] -= side
    net = sharpe(result.net, bar_ns)
    return {
        "days": years * 365.0,
        "bars": float(len(result.net)),
        "trades": float(len(trades)),
        "exposure": float(np.mean(np.abs(result.position))) if len(result.net) else 0.0,
        "turnover": float(np.abs(np.diff(result.position, prepend=0.0, append=0.0)).sum()) / years
        if years
        else 0.0,
        "gross_return": _compound(result.gross),
        "net_return": _compound(result.net),
        "cost": float(result.cost.sum()),
        "fee_bps": result.costs.fee_bps,
        "slippage_bps": result.costs.slippage_bps,
        "half_spread_bps": result.costs.half_spread_bps,
        "funding_bps_day": result.costs.funding_bps_day,
        "sharpe": net,
        "t_stat": net * float(np.sqrt(years)),
        "max_drawdown": max_drawdown(result.net),
        "hit_rate": float(np.mean(trades > 0)) if len(trades) else 0.0,
        "hold_return": _compound(market),
        "hold_sharpe": sharpe(market, bar_ns),
        "hold_max_drawdown": max_drawdown(market),
        **_significance(result.net, bar_ns, trials or Trials()),
    }


def _significance(net: Floats, bar_ns: int, trials: Trials) -> dict[str, float]:
    record = estimate(net)
    return {
        "trials": float(max(trials.count, 1)),
        "probabilistic_sharpe": probabilistic_sharpe(record),
        "deflated_sharpe": trials.deflate(record, bar_ns),
        "min_track_days": minimum_track_record(record) * bar_ns / YEAR_NS * 365.0,
    }


def shows_edge(summary: dict[str, float]) -> bool:
    """Its deflated Sharpe ratio is above `EDGE_LEVEL`; `summary` as of `summarize`."""
    return summary["deflated_sharpe"] > EDGE_LEVEL


def verdict(summary: dict[str, float]) -> str:
    """One sentence that a poor result can't hide behind; `summary` as of `summarize`."""
    days, trades = f"{summary['days']:.0f} days", int(summary["trades"])
    hold = f"buy-and-hold made {summary['hold_return']:+.1%}"
    costs = CostConfig(*(summary[name] for name in CostConfig._fields))
    tried = int(summary["trials"])
    choice = "the only variant tried" if tried == 1 else f"the best of {tried} variants tried"
    if trades == 0:
        made = f"Out of sample, at costs of {costs}, the rule made no trade in {days}"
        return f"{made}; {hold}: there is no result to judge."
    made = (
        f"Out of sample, after costs of {costs}, the rule made {summary['net_return']:+.1%} in {days} and "
        f"{trades} trades (Sharpe {summary['sharpe']:.2f}, before costs {summary['gross_return']:+.1%}); "
        f"{hold}"
    )
    if summary["net_return"] <= 0:
        return f"{made}: it lost money, and shows no edge ({tried} variant{'s' * (tried > 1)} tried)."
    sure = (
        f"as {choice} its Sharpe ratio is above zero with a probability of {summary['deflated_sharpe']:.0%}"
    )
    if shows_edge(summary):
        return f"{made}: {sure}, which counts as an edge if nothing else was tried."
    needs = f"a record like this, chosen from no others, would need {summary['min_track_days']:,.0f} days"
    return f"{made}: {sure}, which can't be told from luck; {needs}."


def _compound(returns: Floats) -> float:
    return float(np.prod(1.0 + returns) - 1.0)
