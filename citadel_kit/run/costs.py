"""What orders were seen to cost, as the costs of a backtest: from the table of the execution report."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom  # type: ignore[import-untyped]

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import CostConfig

ENOUGH: Final = 20
"""Orders below which nothing is concluded."""
_LEVEL: Final = 0.95
_ROUNDING_BPS: Final = 1e-6
_PARTS: Final = ("spread_bps", "drift_bps", "fees_bps")


class Middle(NamedTuple):
    """Of basis points of the traded value, positive where they cost."""

    median: float
    low: float
    high: float
    """95 % interval of the median by order statistics, whatever the distribution; of orders that overlap in
    time it is too narrow."""


class Costs(NamedTuple):
    orders: int
    """That were filled, wholly or in part."""
    spread: Middle
    """From the middle at the fill to the fill; below 0 where orders rested and were paid it."""
    drift: Middle
    """What the middle moved from the arrival to the fill: the slippage of a model."""
    fees: Middle
    total: Middle
    mean_bps: float
    """Of the total, weighed by what was traded."""

    def config(self, *, hard: bool = False, funding_bps_day: float = 0.0) -> CostConfig:
        """Medians, `hard`: the upper ends of their intervals.

        A spread that was earned and a drift that was in favour are not planned on: they count as 0. Medians
        hide the few dear orders, so slippage makes up what a side lacks to the mean of all. Orders don't
        show funding: give it.
        """
        spread, drift, fee = ((m.high if hard else m.median) for m in (self.spread, self.drift, self.fees))
        half_spread, slippage = max(0.0, spread), max(0.0, drift)
        lacking = self.mean_bps - (fee + half_spread + slippage)
        return CostConfig(fee, slippage + max(0.0, lacking), half_spread, funding_bps_day)


def costs_from_report(frame: pd.DataFrame) -> Costs:
    """`frame`: of `run.report.ExecutionReport`, or any table of parent orders with `spread_bps`, `drift_bps`
    and `fees_bps`, and, where known, `shortfall_bps` (their sum) and `notional` (which weighs the mean).

    Orders with a part that is NaN were not filled and are left out, though a backtest fills every trade: what
    it cost not to be filled stands in the report. Raises ConfigError for a missing column, parts that don't
    add up to the shortfall, or fewer than `ENOUGH` filled orders.
    """
    missing = [name for name in _PARTS if name not in frame.columns]
    if missing:
        raise ConfigError("report", f"has no {', '.join(missing)}", "Give the frame of an execution report")
    parts = frame[list(_PARTS)].to_numpy(dtype=np.float64)
    filled = np.isfinite(parts).all(axis=1)
    if filled.sum() < ENOUGH:
        raise ConfigError(
            "report", f"{int(filled.sum())} filled orders", f"Costs need {ENOUGH} at least; keep the defaults"
        )
    parts = parts[filled]
    total, weights = parts.sum(axis=1), np.ones(len(parts))
    if "shortfall_bps" in frame.columns:
        apart = np.abs(frame["shortfall_bps"].to_numpy(dtype=np.float64)[filled] - total)
        if not (apart <= _ROUNDING_BPS).all():
            raise ConfigError("report", f"parts and shortfall lie up to {np.max(apart):g} bps apart")
    if "notional" in frame.columns:
        weights = frame["notional"].to_numpy(dtype=np.float64)[filled]
        if not (weights > 0).all():
            raise ConfigError("report", "a filled order has a notional that is not above 0")
    spread, drift, fees = (_middle(part) for part in parts.T)
    return Costs(len(parts), spread, drift, fees, _middle(total), float(np.average(total, weights=weights)))


def _middle(values: NDArray[np.float64]) -> Middle:
    ordered = np.sort(values)
    k = int(binom.ppf((1.0 - _LEVEL) / 2.0, len(ordered), 0.5)) - 1
    return Middle(float(np.median(ordered)), float(ordered[k]), float(ordered[-1 - k]))
