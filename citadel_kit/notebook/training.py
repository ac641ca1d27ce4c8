"""What `train.ipynb` shows beside the tear sheet: folds, the honesty kit, variants, importances."""

from __future__ import annotations

import json
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure

from citadel_kit.io.models import save_model
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.candles import Floats, infer_timeframe, open_ns, timeframe_ns
from citadel_kit.macro.events import uniqueness
from citadel_kit.macro.features import feature_matrix
from citadel_kit.macro.labels import Labels
from citadel_kit.macro.leakage import Features, check_pipeline
from citadel_kit.macro.significance import Overfitting, estimate, overfitting
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import train
from citadel_kit.run.macro_loop import MacroConfig, MacroResult, run_macro
from citadel_kit.run.saved_model import settings_of

_COLOURS: Final = {"train": "#1d3557", "purged": "#e9c46a", "test": "#2a9d8f"}
_TOP: Final = 15
_SHAP_ROWS: Final = 2_000


def folds_picture(result: MacroResult) -> Image:
    """Which bars each fold learns from, which it leaves out so as not to look ahead, and which test it."""
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    axes = figure.subplots()
    times = open_ns(result.candles).astype("datetime64[ns]")
    for fold, (learn, test) in enumerate(_splits(result.config).split(times, groups=result.labels.end), 1):
        first, last = int(test[0]), int(test[-1])
        for name, start, stop in (
            ("train", int(learn[0]), int(learn[-1])),
            ("purged", int(learn[-1]), first),
            ("test", first, last),
        ):
            bar = axes.barh(
                fold, times[stop] - times[start], left=times[start], height=0.6, color=_COLOURS[name],
                label=name if fold == 1 else None,
            )  # fmt: skip
            bar[0].set_linewidth(0)
    axes.set_yticks(range(1, len(result.folds) + 1))
    axes.invert_yaxis()
    axes.xaxis_date()
    axes.set_ylabel("fold")
    axes.set_title(
        f"purged walk-forward: labels look {result.config.labels.horizon} bars ahead, embargo of "
        f"{result.config.embargo_bars} bars",
        fontsize=9,
    )
    axes.legend(loc="upper right", fontsize=8)
    return _image(figure, "walk-forward folds over time")


def fold_scores(result: MacroResult) -> pd.DataFrame:
    """As of `FoldScore`, and the share of the base rate's log loss that was saved."""
    table = pd.DataFrame(result.folds).set_index("fold")
    return table.assign(skill=1.0 - table["log_loss"] / table["base_log_loss"]).round(4)


def honesty(result: MacroResult, seed: int = 7) -> pd.DataFrame:
    """The five tests of `macro.leakage` on the cycle's own pipeline, and on it with a leak planted: a centred
    mean of the returns, which knows two bars of the future. One row a finding, or one that says there is
    none."""
    timeframe, config = infer_timeframe(result.candles), result.config

    def ours(frame: pd.DataFrame) -> pd.DataFrame:
        return feature_matrix(frame, timeframe, config.features)

    def leaking(frame: pd.DataFrame) -> pd.DataFrame:
        centred = frame["close"].pct_change().rolling(5, center=True).mean()
        return ours(frame).assign(centred_mean=centred)

    tables = [_found(result, ours, "ours", seed), _found(result, leaking, "with a leak planted", seed)]
    return pd.concat(tables).set_index("pipeline")


def _found(result: MacroResult, features: Features, name: str, seed: int) -> pd.DataFrame:
    config, splits = result.config, _splits(result.config)
    weights = uniqueness(result.labels.end) if config.weigh_by_uniqueness else None

    def pipeline(x: pd.DataFrame, labels: Labels) -> Floats:
        return train(x, labels, splits, config.training, weights=weights).probability

    table = check_pipeline(
        frame=result.candles, features=features, labels=result.labels, splits=splits, pipeline=pipeline,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    if table.empty:
        nothing = {"test": "all five", "where": "", "detail": "nothing found", "certain": False}
        table = pd.DataFrame([nothing])
    return table.assign(pipeline=name)


class Variants(NamedTuple):
    """Shown as the last value of a cell."""

    table: pd.DataFrame
    """One row a variant: annual Sharpe ratio, and what it is worth alone and as the best of all."""
    overfitting: Overfitting
    """Of choosing the best of them by its record."""

    def _repr_html_(self) -> str:
        share = self.overfitting.probability
        said = (
            f"Probability of backtest overfitting {share:.0%}: in that share of the ways to halve the "
            "record, the variant that was best in one half was below the median in the other. 50 % is what a "
            "choice among worthless ones gives."
        )
        return f"{self.table.round(3).to_html()}<p>{escape(said)}</p>"


def compare_variants(
    candles: pd.DataFrame, timeframe: str, symbol: str, now_ns: int, configs: dict[str, MacroConfig],
    result: MacroResult, blocks: int = 12, cache: Cache | None = None,
) -> Variants:  # fmt: skip
    """Runs the cycle with each of `configs` and counts it in `result.trials`, beside `result` itself.

    They must test on the same bars: the same `folds` and `train_bars`. `cache`: as of `run_macro`.
    """
    cache = cache or Cache()
    results = {"this one": result} | {
        name: run_macro(candles, timeframe, symbol, now_ns, config, trials=result.trials, cache=cache)
        for name, config in configs.items()
    }
    bar_ns = timeframe_ns(timeframe)
    rows = {
        name: {
            "sharpe": found.summary["sharpe"],
            "net_return": found.summary["net_return"],
            "trades": found.summary["trades"],
            "skill": found.skill,
            "alone": found.summary["probabilistic_sharpe"],
            f"as the best of {result.trials.count}": result.trials.deflate(
                estimate(found.record.net), bar_ns
            ),
        }
        for name, found in results.items()
    }
    nets = np.column_stack([found.record.net for found in results.values()])
    return Variants(pd.DataFrame.from_dict(rows, orient="index"), overfitting(nets, blocks))


def importance_picture(result: MacroResult) -> Image:
    """Of the final model: gain, and the mean absolute SHAP value over the newest bars."""
    gain = result.model.importance()
    shap = result.model.contributions(result.features.tail(_SHAP_ROWS)).drop(columns="base").abs().mean()
    names = gain.index[:_TOP][::-1]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(list(names), 100 * gain[names], color="#1d3557")
    left.set_title(f"gain, % (the first {len(names)} of {len(gain)})", fontsize=9)
    right.barh(list(names), shap[names], color="#2a9d8f")
    right.set_title(
        f"mean |SHAP|, log-odds, newest {min(_SHAP_ROWS, len(result.features)):,} bars", fontsize=9
    )
    left.tick_params(labelsize=8)
    return _image(figure, "feature importances")


def keep_model(result: MacroResult, run_dir: str, facts: dict[str, Any] | None = None) -> Path:
    """The final model and its manifest in `run_dir`/model, and `result.json` beside it; with an empty
    `run_dir` in a new temporary folder. Returns the manifest's path."""
    folder = Path(run_dir or mkdtemp(prefix="citadel-"))
    manifest = save_model(
        folder / "model", result.model, candles=result.candles, timeframe=infer_timeframe(result.candles),
        symbol=result.signal.symbol, config=result.config.training, trials=result.trials.count,
        settings=settings_of(result.config), folds=result.folds, notes={"verdict": result.verdict},
    )  # fmt: skip
    told = {"verdict": result.verdict, "skill": result.skill, **result.summary, **(facts or {})}
    plain = {name: None if _no_number(value) else value for name, value in told.items()}
    (folder / "result.json").write_text(json.dumps(plain, indent=2, allow_nan=False) + "\n")
    return manifest


def _no_number(value: Any) -> bool:
    return isinstance(value, float) and not np.isfinite(value)


def _splits(config: MacroConfig) -> PurgedWalkForward:
    return PurgedWalkForward(config.folds, config.embargo_bars)


def _image(figure: Figure, alt: str) -> Image:
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return Image(png.getvalue(), width=990, alt=alt)
