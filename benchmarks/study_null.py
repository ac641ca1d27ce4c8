"""How often the whole pipeline sees an edge on random walks, and how often one that was planted.

`make study` runs it and writes docs/honesty.md and docs/honesty.png; half an hour on two quiet cores. Every
series goes through `run_macro` as a user's candles do (features, labels, purged walk-forward, signal, trades
after costs), with three label horizons tried one after the other; the best is judged by its deflated Sharpe
ratio with the trials counted. The settings, the seed and the planted worths are the constants below.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.simulate import MODELS, YEAR_BARS
from citadel_kit.run.macro_loop import MacroConfig
from citadel_kit.run.study import Outcome, Rate, examine, rate, simulate, variants_of

ROOT: Final = Path(__file__).parents[1]
FOUND: Final = ROOT / "runs" / "study_null.json"
BARS: Final = 17_520
LONG: Final = 2 * BARS
SEED: Final = 7
HORIZONS: Final = (24, 48, 96)
WORTHS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
CONFIG: Final = MacroConfig(long_only=False, tried_before=0)
FREE: Final = MacroConfig(long_only=False, tried_before=0, costs=CostConfig(0.0, 0.0))
"""The same without costs, which hold a rule back: the harder test of the statistics."""
GOAL: Final = 0.05
POWER: Final = 0.8

Job = tuple[str, int, float | None]


def run(job: Job) -> tuple[str, Outcome]:
    kind, number, worth = job
    config, bars = FREE if kind == "free" else CONFIG, LONG if kind.startswith("long") else BARS
    return kind, examine(simulate(number, bars, worth, config, SEED), variants_of(config, HORIZONS))


def study(walks: int, series: int, jobs: int) -> dict[str, list[Any]]:
    """Outcomes by kind of series: `null`, `free`, a planted worth each, and `long` and the worth."""
    todo: list[Job] = [("null", number, None) for number in range(walks)]
    todo += [(f"{worth:g}", number, worth) for worth in WORTHS for number in range(series)]
    todo += [(f"long {worth:g}", number, worth) for worth in WORTHS for number in range(series)]
    todo += [("free", number, None) for number in range(walks // 2)]
    found: dict[str, list[Any]] = {}
    with ProcessPoolExecutor(jobs) as pool:
        for done, (kind, outcome) in enumerate(pool.map(run, todo, chunksize=4), start=1):
            found.setdefault(kind, []).append(outcome)
            print(f"\r{done} of {len(todo)} series", end="", flush=True)
    print()
    return found


def edges(outcomes: Sequence[Outcome]) -> Rate:
    return rate(sum(o.edge for o in outcomes), len(outcomes))


def crossing(rates: dict[float, Rate]) -> str:
    """Where the straight lines between the measured points first pass POWER, and where those between the ends
    of their intervals do."""
    middle, first, last = (
        _passes([(worth, getattr(r, end)) for worth, r in sorted(rates.items())])
        for end in ("share", "high", "low")
    )
    if middle is None:
        return f"nowhere up to {max(rates):g}"
    latest = "above what was tried" if last is None else f"{last:.1f}"
    earliest = "below what was tried" if first is None else f"{first:.1f}"
    ends = f"at {earliest} and at {latest}"
    return f"at an oracle Sharpe ratio of {middle:.1f} (by the intervals' ends {ends})"


def _passes(points: list[tuple[float, float]]) -> float | None:
    for (a, low), (b, high) in pairwise(points):
        if low < POWER <= high:
            return a + (POWER - low) / (high - low) * (b - a)
    return None


def draw(found: dict[str, list[Outcome]], path: Path) -> None:
    oracle = {
        worth: rate(sum(o.oracle_edge for o in found[f"{worth:g}"]), len(found[f"{worth:g}"]))
        for worth in WORTHS
    }
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for label, shown, colour, aside in (
        ("the oracle's own record of two years, alone", oracle, "#adb5bd", -0.03),
        ("the pipeline on four years", curve(found, "long "), "#2a9d8f", 0.0),
        ("the pipeline on two years", {0.0: edges(found["null"])} | curve(found, ""), "#1d3557", 0.03),
    ):
        middle = np.array([r.share for r in shown.values()])
        spread = [middle - [r.low for r in shown.values()], [r.high for r in shown.values()] - middle]
        axes.errorbar(
            [worth + aside for worth in shown],  # so that intervals don't hide each other
            100 * middle,
            100 * np.array(spread),
            color=colour,
            capsize=3,
            marker="o",
            label=label,
        )
    for place, level, text in ((2.7, GOAL, "5 %: what chance may show"), (0.0, POWER, "80 %")):
        axes.axhline(100 * level, color="#d1495b", linewidth=0.8, linestyle="--")
        axes.text(place, 100 * level + 1.5, text, color="#d1495b", fontsize=8)
    axes.set_xlabel("annual Sharpe ratio of the planted edge's oracle, after costs; 0: random walks")
    axes.set_ylabel("an edge is declared, % of series")
    series = len(found[f"{WORTHS[0]:g}"])
    axes.set_title(
        f"How often an edge is declared: best of three variants, deflated; {series} series a point, "
        f"{len(found['null'])} at 0; 95 % intervals",
        fontsize=9,
    )
    axes.set_ylim(-3, 103)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(path, format="png", dpi=110)


def curve(found: dict[str, list[Outcome]], prefix: str) -> dict[float, Rate]:
    return {worth: edges(found[f"{prefix}{worth:g}"]) for worth in WORTHS}


def text(found: dict[str, list[Outcome]]) -> str:
    null, free = edges(found["null"]), edges(found["free"])
    rates, longer = curve(found, ""), curve(found, "long ")
    by_model = {
        model: edges([o for k, o in enumerate(found["null"]) if k % len(MODELS) == m])
        for m, model in enumerate(MODELS)
    }
    verdict = "holds" if null.low <= GOAL else "is MISSED"
    rows = [
        f"| {worth:g} | {mean(o.oracle for o in found[f'{worth:g}']):.2f} | {r} | "
        f"{mean(o.sharpe for o in found[f'{worth:g}']):+.2f} | {longer[worth]} | "
        f"{mean(o.oracle_edge for o in found[f'{worth:g}']):.0%} |"
        for worth, r in rates.items()
    ]
    traded = mean(o.trades for o in found["null"])
    return TEMPLATE.format(
        bars=BARS, null=null, free=free, verdict=verdict, seed=SEED, horizons=", ".join(map(str, HORIZONS)),
        models="\n".join(f"| {model} | {r} |" for model, r in by_model.items()), rows="\n".join(rows),
        crossing=crossing(rates), longer=crossing(longer), costs=CONFIG.costs, trades=traded,
        rounds=CONFIG.training.rounds, low=CONFIG.regime.reverting_below, high=CONFIG.regime.trending_above,
        error=1.0 / np.sqrt(len(found[f"{WORTHS[0]:g}"]) * 0.8 * BARS / YEAR_BARS),
        null_sharpe=mean(o.sharpe for o in found["null"]),
        free_sharpe=mean(o.sharpe for o in found["free"]),
    )  # fmt: skip


TEMPLATE: Final = """# Does the pipeline believe in what isn't there?

Made by `make study` (`benchmarks/study_null.py`, seed {seed}); nothing here is edited by hand. Each series
has {bars:,} hourly bars, two years, and goes through `run_macro` as a user's candles do: features,
triple-barrier labels, purged and embargoed walk-forward, signal, trades at the next open after
{costs}.
Three label horizons ({horizons} bars) are tried, the one with the best out-of-sample Sharpe ratio is kept,
and its **deflated Sharpe ratio** is reckoned with the trials counted. Above 0.95 an edge is declared. The
settings are the defaults ({rounds} trees, regimes by Hurst exponents of {low:.2f} and {high:.2f}), except
that the rule may also sell short and no earlier trials are charged (`tried_before=0`; the default of 3 makes
it stricter).

![Share of series on which an edge is declared](honesty.png)

## On random walks

| series | an edge declared, with its 95 % Clopper-Pearson interval |
| --- | --- |
| **all walks, after costs** | **{null}** |
{models}
| all walks, without costs | {free} |

The bar is a rate whose interval reaches or lies below 5 %: it {verdict}.
The rule made {trades:.0f} trades a series; the mean Sharpe ratio of the best of three was {null_sharpe:+.2f}
after costs and {free_sharpe:+.2f} without. The volatility models are those of `macro/simulate.py`.

## On planted edges

The edge is a weekly season: price drifts up in the first half of each week and down in the second, and the
calendar is among the features. How strong it is was set beforehand by its oracle, who knows the season and
holds all equity long or short with it: the annual Sharpe ratio of that, after the same costs. The columns:
what was planted; what the oracle made in the out-of-sample part, on average (with a standard
error of some {error:.2f}: it is this that neighbouring rows differ by); how often the pipeline declared
an edge; its own Sharpe ratio, on average; how often it declared one in four years instead of two; and how
often the oracle's own record of two years would count as one.

| planted | realised | declared | pipeline's Sharpe | in four years | oracle's record |
| --- | --- | --- | --- | --- | --- |
{rows}

With two years of hours the curve passes 80 % {crossing};
with four {longer}.
The last column is no record of ours: a rule that
knows the season beforehand, and is charged a single trial. What the pipeline loses against it, it
loses to learning the season from few weeks, to trading only where the expected edge passes the costs of entry
and exit, and to holding for a label's horizon instead of with the season.

So a verdict of "no edge" is no proof that there is none: an edge weaker than where the curve rises mostly
goes unseen. And a verdict of "edge" is no proof that there is one: the first table says how often it is given
where there is none, on these five kinds of walk. What share of the declared edges are chance depends also on
how many of the rules that one tries have an edge, and that can't be read here.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--walks", type=int, default=200)
    parser.add_argument("--series", type=int, default=40, help="a planted worth and length")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--draw", action="store_true", help="only write the page anew, from the last run")
    chosen = parser.parse_args()
    if not chosen.draw:
        FOUND.parent.mkdir(exist_ok=True)
        FOUND.write_text(json.dumps(study(chosen.walks, chosen.series, chosen.jobs)))
    found = {kind: [Outcome(*o) for o in rows] for kind, rows in json.loads(FOUND.read_text()).items()}
    draw(found, ROOT / "docs" / "honesty.png")
    (ROOT / "docs" / "honesty.md").write_text(text(found), "utf-8")
    print(edges(found["null"]), edges(found["free"]), crossing(curve(found, "")), sep="; ")


if __name__ == "__main__":
    main()
