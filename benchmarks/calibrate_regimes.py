"""How far the Hurst estimators, and the regimes built on them, are to be believed: on series of known memory.

Exact fractional noise (`fractional_noise`) has the exponent asked for at every lag. Noise without memory is
of three kinds: normal, Student's t (three degrees of freedom), and normal times a volatility that wanders (a
half-life of 96 bars, a log deviation of 0.5). Writes the tables into docs/regimes.md, between their markers,
and the picture beside it; the seed is fixed, so it writes the same again. The table of
real candles stays as it is where ../shared lacks them. It takes two or three minutes.

    python benchmarks/calibrate_regimes.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from citadel_kit.io.store import read_candles
from citadel_kit.macro.regimes import (
    RegimeConfig,
    RegimeModel,
    fractional_noise,
    rolling_hurst,
    rolling_hurst_lags,
    rolling_hurst_rs,
)

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
REAL: Final = Path(__file__).resolve().parents[2] / "shared" / "candles" / "binance_spot_1h"
SEED: Final = 20240817
SERIES: Final = 2_000
"""Independent windows an entry of the first tables stands on."""
BARS: Final = 1 << 14
"""Of each series the regimes are run on."""
RUNS: Final = 40
"""Independent series of a kind: what the uncertainty of a share is told by."""
NEWEST: Final = 1 << 15
"""Real bars that are held against surrogates."""
EXPONENTS: Final = (0.3, 0.4, 0.5, 0.6, 0.7)
WINDOWS: Final = (256, 512, 1024, 2048)
ESTIMATORS: Final = {
    "DFA": rolling_hurst,
    "R/S, corrected": rolling_hurst_rs,
    "variance of lags": rolling_hurst_lags,
}
KINDS: Final = ("normal", "Student t, 3", "wandering volatility")
COLOURS: Final = {"DFA": "#1d4e89", "R/S, corrected": "#d1495b", "variance of lags": "#2a9d8f"}

Floats = NDArray[np.float64]
Found = dict[tuple[str, int, float], tuple[float, float]]
"""Estimator, window, true exponent → mean and standard deviation of the estimates."""


def noise(kind: str, n: int, rng: np.random.Generator) -> Floats:
    """Returns without memory."""
    if kind == "Student t, 3":
        return rng.standard_t(3, n)
    if kind == "wandering volatility":
        keep = 0.5 ** (1 / 96)
        shocks = 0.5 * np.sqrt(1 - keep**2) * rng.standard_normal(n)
        shocks[0] *= np.sqrt((1 - keep) / (1 + keep))  # begins as it goes on
        log_volatility = pd.Series(shocks / (1 - keep)).ewm(alpha=1 - keep, adjust=False).mean().to_numpy()
        return np.asarray(np.exp(log_volatility) * rng.standard_normal(n))
    return rng.standard_normal(n)


def one_a_window(estimator: Callable[[Floats, int], Floats], windows: Floats) -> Floats:
    """Rows are windows, estimated each by itself."""
    size = windows.shape[1]
    return estimator(windows.ravel(), size)[size - 1 :: size]


def spreads(rng: np.random.Generator) -> Found:
    found: Found = {}
    for window in WINDOWS:
        for hurst in EXPONENTS:
            series = fractional_noise(hurst, rng.standard_normal((SERIES, 2 * window)))
            for name, estimator in ESTIMATORS.items():
                values = one_a_window(estimator, series)
                found[name, window, hurst] = float(values.mean()), float(values.std())
    return found


def spread_table(found: Found) -> Iterable[str]:
    yield "| estimator | window | " + " | ".join(f"H = {h}" for h in EXPONENTS) + " |"
    yield "| --- | ---: |" + " ---: |" * len(EXPONENTS)
    for name in ESTIMATORS:
        for window in WINDOWS:
            cells = (found[name, window, h] for h in EXPONENTS)
            parts = (f"{mean - h:+.3f} ± {std:.3f}" for h, (mean, std) in zip(EXPONENTS, cells, strict=True))
            yield f"| {name} | {window:,} | " + " | ".join(parts) + " |"


def kind_table(rng: np.random.Generator) -> Iterable[str]:
    config = RegimeConfig()
    yield "| noise without memory | " + " | ".join(ESTIMATORS) + " |"
    yield "| --- |" + " ---: |" * len(ESTIMATORS)
    for kind in KINDS:
        series = noise(kind, SERIES * config.hurst_window, rng).reshape(SERIES, config.hurst_window)
        cells = []
        for estimator in ESTIMATORS.values():
            h = one_a_window(estimator, series)
            outside = ((h > config.trending_above) | (h < config.reverting_below)).mean()
            cells.append(f"{h.mean():.3f} ± {h.std():.3f}, {outside:.1%} outside")
        yield f"| {kind} | " + " | ".join(cells) + " |"


def candles(returns: Floats) -> pd.DataFrame:
    close = 100.0 * np.exp(1e-3 * np.cumsum(returns))
    index = pd.date_range("2020-01-01", periods=len(close), freq="1h", tz="UTC", name="ts")
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), close), index=index)


class Run:
    """Of one model on independent series of one kind, warm-up left out."""

    def __init__(self, frames: Sequence[pd.DataFrame]) -> None:
        rows = np.array([[float((f["memory"] == name).mean()) for name in NAMES] for f in frames])
        false = 1.0 - rows[:, NAMES.index("random")]
        self.shares = dict(zip(NAMES, rows.mean(axis=0), strict=True))
        self.named = float(false.mean())
        self.error = float(false.std(ddof=1) / np.sqrt(len(frames)))
        self.switches = 1000 * float(np.mean([(f["memory_bars"] == 0).mean() for f in frames]))


NAMES: Final = ("mean-reverting", "random", "trending")


def models(rng: np.random.Generator) -> dict[str, RegimeModel]:
    """By name; the signs of the surrogates are drawn anew each time."""
    at_once = RegimeConfig(trending_above=0.58, reverting_below=0.42, hurst_margin=0.0)
    signs = rng.choice(np.array([-1, 1], dtype=np.int8), (99, BARS))
    return {
        "0.42 and 0.58, no margin": RegimeModel(config=at_once),
        "the default: 0.40 and 0.60, margin 0.04": RegimeModel(),
        "95 % band of 99 surrogates, margin 0.04": RegimeModel(signs=signs),
        "95 % band of 99 surrogates, no margin": RegimeModel(
            config=RegimeConfig(hurst_margin=0.0), signs=signs
        ),
    }


def regime_runs(rng: np.random.Generator) -> dict[tuple[str, str], Run]:
    """Model and series → run; every model is run on the same series."""
    frames: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for _ in range(RUNS):
        series = {kind: noise(kind, BARS, rng) for kind in KINDS}
        for hurst in (h for h in EXPONENTS if h != 0.5):
            series[f"H = {hurst}"] = fractional_noise(hurst, rng.standard_normal(2 * BARS))
        for name, model in models(rng).items():
            for kind, returns in series.items():
                frame = model.frame(candles(returns), "1h").iloc[model.config.hurst_window :]
                frames.setdefault((name, kind), []).append(frame[["memory", "memory_bars"]])
    return {key: Run(frames[key]) for name in models(rng) for key in frames if key[0] == name}


def run_table(runs: dict[tuple[str, str], Run]) -> Iterable[str]:
    yield "| model | series | mean-reverting | random | trending | named at all | switches per 1,000 bars |"
    yield "| --- | --- |" + " ---: |" * 5
    for (model, series), run in runs.items():
        shares = " | ".join(f"{run.shares[name]:.1%}" for name in NAMES)
        named = f"{run.named:.1%} ± {100 * run.error:.1f}"
        yield f"| {model} | {series} | {shares} | {named} | {run.switches:.1f} |"


def real_table(rng: np.random.Generator) -> Iterable[str]:
    """Names on real hourly candles, by thresholds and by surrogates of the newest `NEWEST` bars."""
    yield "| market | bars | mean-reverting | random | trending | the same three by surrogates, newest bars |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for path in sorted(REAL.glob("*.parquet")):
        frame = read_candles(path)
        recent = frame.tail(NEWEST)
        signs = rng.choice(np.array([-1, 1], dtype=np.int8), (99, len(recent)))
        shares, banded = (
            [f"{(names == name).sum() / (names != 'unknown').sum():.1%}" for name in NAMES]
            for names in (
                RegimeModel().frame(frame, "1h")["memory"],
                RegimeModel(signs=signs).frame(recent, "1h")["memory"],
            )
        )
        market = path.name.partition("-")[0]
        yield f"| {market} | {len(frame):,} | {' | '.join(shares)} | {', '.join(banded)} |"


def picture(found: Found, runs: dict[tuple[str, str], Run]) -> Figure:
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_estimates(left, found)
    for name in ESTIMATORS:
        middle.plot(WINDOWS, [found[name, w, 0.5][1] for w in WINDOWS], "o-", color=COLOURS[name], label=name)
    middle.set_xscale("log", base=2)
    middle.set_xticks(WINDOWS, [f"{w:,}" for w in WINDOWS])
    middle.set(xlabel="window, bars", ylabel="standard deviation", title="spread at H = 0.5", ylim=(0, None))
    middle.legend(fontsize=8)
    _draw_shares(right, runs)
    return figure


def _draw_estimates(axes: Any, found: Found) -> None:
    for k, name in enumerate(ESTIMATORS):
        mean, std = zip(*(found[name, 512, h] for h in EXPONENTS), strict=True)
        at = np.array(EXPONENTS) + 0.008 * (k - 1)
        axes.errorbar(at, mean, std, fmt="o", markersize=4, capsize=3, color=COLOURS[name], label=name)
    axes.plot(EXPONENTS, EXPONENTS, color="#adb5bd", linewidth=1, zorder=0, label="true")
    axes.set(xlabel="true H", ylabel="estimate ± one deviation", title="one window of 512 bars")
    axes.legend(fontsize=8)


def _draw_shares(axes: Any, runs: dict[tuple[str, str], Run]) -> None:
    model = "the default: 0.40 and 0.60, margin 0.04"
    kinds = ["H = 0.3", "H = 0.4", *KINDS, "H = 0.6", "H = 0.7"]
    start = np.zeros(len(kinds))
    for name, colour in zip(NAMES, ("#e76f51", "#ced4da", "#2a9d8f"), strict=True):
        share = np.array([runs[model, kind].shares[name] for kind in kinds])
        axes.barh(kinds, share, left=start, color=colour, label=name)
        start += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of bars", title="what the default model calls them")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=3)


def put(text: str, name: str, table: Iterable[str]) -> str:
    """`text` with the table between its markers."""
    marks = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
    lines = "\n".join(table)
    replaced, count = re.subn(marks, lambda m: m[1] + lines + m[2], text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"docs/regimes.md: no place for the table {name}")
    return replaced


def main() -> None:
    rng = np.random.default_rng(SEED)
    page = DOCS / "regimes.md"
    found = spreads(rng)
    tables = {"spread": spread_table(found), "kinds": kind_table(rng)}
    text = page.read_text()
    for name, table in tables.items():
        text = put(text, name, table)
    runs = regime_runs(rng)
    text = put(text, "runs", run_table(runs))
    if REAL.is_dir():
        text = put(text, "real", real_table(rng))
    page.write_text(text)
    picture(found, runs).savefig(DOCS / "regimes.png", dpi=100)
    print(f"written: {page.relative_to(DOCS.parent)}, docs/regimes.png")


if __name__ == "__main__":
    main()
