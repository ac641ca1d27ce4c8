"""What `train.ipynb` asks once more: other paths, a second opinion on a plain rule, and how much to hold."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure

from citadel_kit.macro.candles import Floats, Ints, infer_timeframe, open_ns, timeframe_ns
from citadel_kit.macro.events import cusum_events, meta_labels, uniqueness
from citadel_kit.macro.labels import LOWER, UPPER, Labels
from citadel_kit.macro.performance import equity_curve
from citadel_kit.macro.sizing import KellyConfig, kelly_fraction, risk_fraction, target_fraction
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import auc, skill, train
from citadel_kit.run.macro_loop import MacroResult
from citadel_kit.run.paths import Paths

_PATH: Final = "#8d99ae"
_RULE: Final = "#1d3557"


def paths_picture(paths: Paths, result: MacroResult) -> Image:
    """Equity of every path, and as a line of its own of the walk-forward record; the Sharpe ratio of each."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    equity, ratios = figure.subplots(1, 2, width_ratios=[2.4, 1])
    times, rows = open_ns(result.candles).astype("datetime64[ns]"), len(result.record.net)
    for k, net in enumerate(paths.nets):
        label = f"{len(paths.nets)} paths; their models learned from later bars too" if k == 0 else None
        equity.plot(times, equity_curve(net), color=_PATH, linewidth=0.7, label=label)
    walked = equity_curve(result.record.net)
    equity.plot(
        times[-rows:], walked, color=_RULE, linewidth=1.4, label="walk-forward: from earlier bars only"
    )
    equity.set_title("equity, from 1, after costs", fontsize=9)
    equity.legend(loc="upper left", fontsize=8)
    equity.margins(x=0)
    equity.tick_params(axis="x", labelsize=8)
    order = np.sort(paths.sharpes)
    ratios.barh(range(len(order)), order, color=_PATH)
    ratios.axvline(result.summary["sharpe"], color=_RULE, linewidth=1.4)
    ratios.axvline(0, color="black", linewidth=0.5)
    ratios.set_yticks([])
    ratios.set_title(
        f"annual Sharpe ratio by path: {order[0]:+.2f} to {order[-1]:+.2f},\n"
        f"median {np.median(order):+.2f}; line: walk-forward {result.summary['sharpe']:+.2f}",
        fontsize=9,
    )
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return Image(png.getvalue(), width=990, alt="paths of combinatorial purged cross-validation")


def second_opinion(result: MacroResult) -> pd.DataFrame:
    """A plain first rule (hold with the trend) at CUSUM events, and a model of when to follow it.

    An event is a bar at which log price has moved by half a barrier's width since the last one; the
    meta-label is whether the trend's side was the barrier touched first. Walk-forward; out of sample.
    """
    rows, side = _events(result), np.sign(result.regimes["trend"].to_numpy(dtype=np.float64))
    asked = np.isin(np.arange(len(side)), rows) & np.isfinite(side)
    right = meta_labels(result.labels, np.where(asked, side, 0.0))
    labels = Labels(
        np.where(right == 1, np.int8(UPPER), np.int8(LOWER)),
        np.where(right >= 0, result.labels.end, -1),
        result.labels.width,
    )
    config, splits = result.config, PurgedWalkForward(result.config.folds, result.config.embargo_bars)
    training = config.training._replace(min_leaf_rows=max(5, int(0.05 * (right >= 0).sum())))
    trained = train(result.features, labels, splits, training, weights=uniqueness(labels.end))
    scored = (right >= 0) & np.isfinite(trained.probability)
    p, hit = trained.probability[scored], (right[scored] == 1).astype(np.float64)
    surest = p >= np.median(p)
    return pd.DataFrame(
        {
            "events": [len(hit), int(surest.sum())],
            "trend was right": [hit.mean(), hit[surest].mean()],
            "AUC": [auc(hit, p), np.nan],
            "skill": [skill(trained.folds), np.nan],
        },
        index=["followed at every event", "followed where the model is surest (half)"],
    ).round(3)


def _events(result: MacroResult) -> Ints:
    """Warm-up and the bars behind holes have no width, and no events."""
    width, close = result.labels.width, result.candles["close"].to_numpy(dtype=np.float64)
    known = np.flatnonzero(width > 0)
    cuts = np.flatnonzero(np.diff(known) > 1) + 1
    runs = [run for run in np.split(known, cuts) if len(run)]
    return np.concatenate([run[cusum_events(close[run], width[run] / 2)] for run in runs])


def sizes(result: MacroResult) -> pd.DataFrame:
    """What each way of sizing would hold on the newest bar, as shares of equity; the rule of this cycle takes
    the volatility target within the caps, and whoever trusts the model less takes the smallest.

    Kelly's bet is the barriers' width either way, less the costs, shrunk by the trades out of sample; the
    stop of the risk per trade is one width away.
    """
    config, last = result.config, slice(-1, None)
    width, volatility = result.labels.width[last], result.regimes["volatility"].to_numpy(np.float64)[last]
    p = result.model.predict(result.features.iloc[last])
    held_ns = config.labels.horizon * timeframe_ns(infer_timeframe(result.candles))
    cost, trades = config.costs.round_trip_bps(held_ns) / 1e4, result.summary["trades"]
    asked: dict[str, Floats] = {
        f"volatility target {config.sizing.target_volatility:.0%} a year": target_fraction(
            volatility, config.sizing
        ),
        "risk of 0.5 % of equity to the stop": risk_fraction(width + cost),
        f"quarter Kelly, full trust in p = {p[0]:.3f}": kelly_fraction(
            p, width - cost, width + cost, trades, KellyConfig(prior_trades=0.0)
        ),
        f"quarter Kelly, shrunk by {trades:.0f} trades": kelly_fraction(
            p, width - cost, width + cost, trades
        ),
        "cap of one symbol": np.array([config.caps.symbol]),
    }
    return pd.DataFrame({"share of equity": {name: float(share[0]) for name, share in asked.items()}}).round(
        4
    )
