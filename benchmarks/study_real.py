"""The quickstart's strategy on real candles, good or bad, beside buy and hold.

`make results` runs it and writes docs/results.md; a few minutes. It is `run_macro` with the settings the
quickstart uses (its defaults, and the venue's own fee), on all bars there are. Every market counts as a
trial, beside the settings that were tried before. The candles are not part of the clone: where
../shared/candles is missing it says so and ends.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from citadel_kit import settings
from citadel_kit.io.store import read_candles
from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.candles import YEAR_NS, open_ns, timeframe_ns
from citadel_kit.macro.performance import shows_edge, summarize, verdict
from citadel_kit.macro.significance import Trials
from citadel_kit.run.macro_loop import MacroConfig, MacroResult, run_macro

ROOT: Final = Path(__file__).parents[1]
CANDLES: Final = ROOT.parent / "shared" / "candles"
COINS: Final = ("BTC", "ETH", "SOL", "XRP", "BNB", "ADA")
VENUE: Final = "binance"


class Market(NamedTuple):
    symbol: str
    timeframe: str
    path: Path


MARKETS: Final = (
    *(Market(f"{coin}/USDT", "1h", CANDLES / "binance_spot_1h" / f"{coin}USDT-1h.parquet") for coin in COINS),
    Market("BTC/USDT", "5m", CANDLES / "binance_spot_5m" / "BTCUSDT-5m_20220101_20260131.parquet"),
)


def run(market: Market, trials: Trials) -> MacroResult:
    candles = read_candles(market.path)
    config = replace(
        MacroConfig(costs=CostConfig(fee_bps=settings.fees(VENUE).taker_bps)), train_bars=len(candles)
    )
    now_ns = int(open_ns(candles)[-1]) + YEAR_NS  # every bar is closed
    return run_macro(candles, market.timeframe, market.symbol, now_ns, config, trials=trials)


def text(results: list[tuple[Market, MacroResult]], trials: Trials) -> str:
    rows, said, edges = [], [], 0
    for market, result in results:
        s = summarize(result.record, timeframe_ns(market.timeframe), trials)
        first = result.candles.index[-len(result.record.net)].date()
        edges += shows_edge(s)
        rows.append(
            f"| {market.symbol} {market.timeframe} | {len(result.candles):,} | {first} | "
            f"{s['net_return']:+.1%} | {s['gross_return']:+.1%} | {s['hold_return']:+.1%} | "
            f"{s['sharpe']:+.2f} | {s['hold_sharpe']:+.2f} | {s['max_drawdown']:.0%} | "
            f"{s['hold_max_drawdown']:.0%} | {s['trades']:.0f} | {s['exposure']:.0%} | {result.skill:+.1%} | "
            f"{s['probabilistic_sharpe']:.0%} | {s['deflated_sharpe']:.0%} |"
        )
        said.append(f"- **{market.symbol} {market.timeframe}.** {verdict(s)}")
    config = results[0][1].config
    return TEMPLATE.format(
        costs=config.costs, folds=config.folds, embargo=config.embargo_bars, trials=trials.count,
        before=trials.before, markets=len(results), rows="\n".join(rows), said="\n".join(said), edges=edges,
        cap=config.caps.symbol,
        header=f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}",
    )  # fmt: skip


COLUMNS: Final = (
    "market", "bars", "out of sample from", "net", "before costs", "hold", "Sharpe", "hold's", "fall",
    "hold's", "trades", "exposure", "skill", "alone", "deflated",
)  # fmt: skip

TEMPLATE: Final = """# The quickstart's strategy on real candles

Made by `make results` (`benchmarks/study_real.py`) from candles of Binance's spot market; nothing here is
edited by hand. The settings are the quickstart's, unchanged for any of these markets: {folds} purged
walk-forward folds with an embargo of {embargo} bars, trades at the next open after
{costs}, long only, at most {cap:.0%} of equity.
Buy and hold is all of equity, and pays the same costs twice.

**Of {markets} markets {edges} show an edge.** The number of trials is {trials}: {before} variants of
the settings tried before these were kept, and each market here; Sharpe ratios on bars of different lengths
are compared by the year.

{header}
{rows}

`fall` is the largest drawdown. `skill` is the share of the base rate's log loss that the model saved out of
sample; not above 0 the live signal takes no side, while the record here shows the rule without that veto.
`alone` is the probability that the true Sharpe ratio is above zero if nothing else had been tried, `deflated`
the same as the best of {trials}; above 95 % it would count as an edge.

{said}
"""


def main() -> None:
    missing = [str(m.path.name) for m in MARKETS if not m.path.is_file()]
    if missing:
        print(f"skipped: {', '.join(missing)} not in ../shared/candles")
        return
    trials, results = Trials(before=MacroConfig().tried_before), []
    for market in MARKETS:
        results.append((market, run(market, trials)))
        print(f"{market.symbol} {market.timeframe}: {results[-1][1].verdict}", flush=True)
    (ROOT / "docs" / "results.md").write_text(text(results, trials), "utf-8")


if __name__ == "__main__":
    main()
