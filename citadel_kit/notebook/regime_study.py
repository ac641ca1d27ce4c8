"""One market's regimes, and the measures behind them, side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.candles import Floats, columns_of, find_gaps, infer_timeframe, timeframe_ns
from citadel_kit.macro.indicators import log_returns
from citadel_kit.macro.quality import check
from citadel_kit.macro.regimes import (
    Band,
    HmmConfig,
    RegimeConfig,
    RegimeModel,
    annual,
    bars_since_change,
    close_to_close,
    ewma_volatility,
    garch_volatility,
    garman_klass,
    hmm_probabilities,
    parkinson,
    rolling_hurst,
    surrogate_band,
    yang_zhang,
)
from citadel_kit.notebook.world import SAMPLE

_WINDOWS = (256, 512, 1024)
_SURROGATES = 99
_PENALTY = 6.0
"""Twice the default: ranges are correlated from bar to bar, which the search takes for changes."""
_APART = 48
"""Bars: a change found a little beside where it was before is no new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeStudy:
    """Frames and arrays have one row a bar of the grid; a missing bar is a row of NaN."""

    origin: str
    timeframe: str
    seed: int
    gaps: int
    candles: pd.DataFrame
    regimes: pd.DataFrame
    """As of `RegimeModel.frame` with surrogates; `memory` and `weather` are `unknown` where a bar is
    missing."""
    hurst: dict[int, Band]
    """By window."""
    volatility: dict[str, Floats]
    """Annual, by estimator."""
    stormiest: Floats
    """Filtered probability of the hidden state of the highest volatility."""
    changed: NDArray[np.bool_]
    """The bars at which a change of volatility was first seen, as it could be seen then."""

    def facts(self) -> dict[str, Any]:
        known = self.regimes["memory"] != "unknown"
        last = self.regimes.iloc[-1]
        return {
            "origin": self.origin,
            "seed": self.seed,
            "bars": int(self.candles["close"].notna().sum()),
            "gaps": self.gaps,
            "memory": _shares(self.regimes["memory"]),
            "weather": _shares(self.regimes["weather"]),
            "memory_switches_per_1000_bars": 1000 * float((self.regimes["memory_bars"] == 0)[known].mean()),
            "now": {
                "bar": str(self.candles.index[-1]),
                **{name: f"{last[name]}, {_since(last, name)}" for name in ("memory", "weather")},
                **{
                    name: _number(last[name])
                    for name in ("hurst", "hurst_lower", "hurst_upper", "volatility")
                },
            },
        }

    def write(self, run_dir: str | Path) -> None:
        """`result.json` into this folder; nowhere if it is empty."""
        if run_dir:
            text = json.dumps(self.facts(), indent=1) + "\n"
            (Path(run_dir) / "result.json").write_text(text, encoding="utf-8")

    def _repr_html_(self) -> str:
        facts = self.facts()
        now = facts["now"]
        lines = [
            ("candles", f"{facts['origin']}: {facts['bars']:,} bars, {facts['gaps']} gaps"),
            ("memory", ", ".join(f"{name} {share:.0%}" for name, share in facts["memory"].items())),
            ("weather", ", ".join(f"{name} {share:.0%}" for name, share in facts["weather"].items())),
            ("memory switches", f"{facts['memory_switches_per_1000_bars']:.1f} per 1,000 bars"),
            (f"at {now['bar']}", f"{now['memory']}; {now['weather']}"),
            ("hurst", f"{now['hurst']}; by chance {now['hurst_lower']} to {now['hurst_upper']}"),
        ]
        rows = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in lines)
        return f"<table>{rows}</table>"


def study_regimes(candles: str | Path = "", end: str = "", bars: int = 6_000, seed: int = 7) -> RegimeStudy:
    """Of a Parquet file, or of the sample: the last `bars` before `end`, a date in UTC (empty: the newest).
    `seed` draws the surrogates' signs.

    Raises DataError for a file that can't be read, CandleError for faulty candles, ConfigError for too few
    bars.
    """
    path = Path(candles or SAMPLE / "BTCUSD-1h.parquet")
    frame = read_candles(path)
    if end:
        frame = frame[frame.index < pd.Timestamp(end, tz="UTC")]
    frame = frame.tail(bars)
    if len(frame) < 2 * max(_WINDOWS):
        raise ConfigError("bars", f"{len(frame)} candles", f"Give {2 * max(_WINDOWS):,} at least")
    timeframe = infer_timeframe(frame)
    check(frame, timeframe)
    step = pd.Timedelta(timeframe_ns(timeframe), unit="ns")
    grid = pd.date_range(frame.index[0], frame.index[-1], freq=step, name="ts")
    whole = frame.reindex(grid)
    draws = np.random.default_rng(seed)
    signs = draws.choice(np.array([-1, 1], dtype=np.int8), (_SURROGATES, len(whole)))
    o, h, low, c, _ = columns_of(whole)
    returns, window = log_returns(c), RegimeConfig().volatility_window
    since = bars_since_change(np.log(np.maximum(h / low - 1.0, 1e-6)), penalty=_PENALTY)
    regimes = RegimeModel(signs=signs[:, : len(frame)]).frame(frame, timeframe).reindex(grid)
    return RegimeStudy(
        origin=path.name,
        timeframe=timeframe,
        seed=seed,
        gaps=len(find_gaps(frame, timeframe)),
        candles=whole,
        regimes=regimes.fillna({"memory": "unknown", "weather": "unknown"}),
        hurst={n: surrogate_band(returns, partial(rolling_hurst, window=n), signs) for n in _WINDOWS},
        volatility={
            name: annual(values, timeframe)
            for name, values in {
                "close to close": close_to_close(c, window),
                "Parkinson": parkinson(h, low, window),
                "Garman-Klass": garman_klass(o, h, low, c, window),
                "Yang-Zhang": yang_zhang(o, h, low, c, window),
                "EWMA": ewma_volatility(returns, decay=1.0 - 2.0 / (window + 1.0)),
                "GARCH(1,1)": garch_volatility(returns),
            }.items()
        },
        stormiest=hmm_probabilities(returns, HmmConfig(window=1000, every=250))[:, -1],
        changed=np.diff(since, prepend=since[:1]) < -_APART,
    )


def _since(row: pd.Series[Any], name: str) -> str:
    return f"for {int(row[f'{name}_bars'])} bars ({pd.Timedelta(seconds=row[f'{name}_s'])})"


def _number(x: float) -> float | None:
    return round(float(x), 3) if np.isfinite(x) else None


def _shares(names: pd.Series[str]) -> dict[str, float]:
    return {str(name): round(float(share), 4) for name, share in names.value_counts(normalize=True).items()}
