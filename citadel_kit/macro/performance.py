"""Plain numbers of a backtest, and one honest sentence. A year has 365 days: the market never closes."""

from __future__ import annotations

import numpy as np

from citadel_kit.macro.backtest import Backtest, CostConfig
from citadel_kit.macro.candles import YEAR_NS, Floats


def sharpe(returns: Floats, bar_ns: int) -> float:
    """Annualised mean over standard deviation of per-bar returns; 0 where nothing varied."""
    spread = float(np.std(returns)) if len(returns) else 0.0
    return float(np.mean(returns)) / spread * float(np.sqrt(YEAR_NS / bar_ns)) if spread > 0 else 0.0


def max_drawdown(returns: Floats) -> float:
    """Largest fall of compounded equity from a former peak, as a share: 0.2 is a fall of 20 %."""
    equity = np.concatenate((np.ones(1), np.cumprod(1.0 + returns)))
    return float(np.max(1.0 - equity / np.maximum.accumulate(equity)))


def trade_returns(result: Backtest) -> Floats:
    """Summed net return of each trade: a stretch of positions of one sign, with its exit's cost."""
    sign = np.sign(result.position)
    begins = np.flatnonzero((np.diff(sign, prepend=0.0) != 0) & (sign != 0))
    if len(begins) == 0:
        return np.zeros(0)
    # A flat row behind a trade holds nothing but that trade's exit cost, so cutting at entries attributes it.
    # Where a trade flips sign, the whole cost of the flip goes to the newer one.
    return np.add.reduceat(result.net, begins)


def summarize(result: Backtest, bar_ns: int) -> dict[str, float]:
    """Returns and `cost` as shares of equity, not per cent; `cost` is the sum of what was paid.

    `fee_bps` and `slippage_bps` are what each side was charged. `t_stat` is Sharpe × sqrt(years): below 2 it
    can't be told from luck. `turnover` is in multiples of equity a year. Buy-and-hold pays one entry and one
    exit at the same costs.
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
        "sharpe": net,
        "t_stat": net * float(np.sqrt(years)),
        "max_drawdown": max_drawdown(result.net),
        "hit_rate": float(np.mean(trades > 0)) if len(trades) else 0.0,
        "hold_return": _compound(market),
        "hold_sharpe": sharpe(market, bar_ns),
        "hold_max_drawdown": max_drawdown(market),
    }


def verdict(summary: dict[str, float]) -> str:
    """One sentence that a poor result can't hide behind; `summary` as of `summarize`."""
    days, trades = f"{summary['days']:.0f} days", int(summary["trades"])
    hold = f"buy-and-hold made {summary['hold_return']:+.1%}"
    costs = CostConfig(summary["fee_bps"], summary["slippage_bps"])
    if trades == 0:
        made = f"Out of sample, at costs of {costs}, the rule made no trade in {days}"
        return f"{made}; {hold}: there is no result to judge."
    made = (
        f"Out of sample, after costs of {costs}, the rule made {summary['net_return']:+.1%} in {days} and "
        f"{trades} trades (Sharpe {summary['sharpe']:.2f}, before costs {summary['gross_return']:+.1%}); "
        f"{hold}"
    )
    if summary["net_return"] <= 0:
        return f"{made}: it lost money, and shows no edge."
    if summary["t_stat"] < 2:
        return f"{made}: with a t-statistic of {summary['t_stat']:.1f} that can't be told from luck."
    return f"{made}: a t-statistic of {summary['t_stat']:.1f}, with no allowance for the variants tried."


def _compound(returns: Floats) -> float:
    return float(np.prod(1.0 + returns) - 1.0)
