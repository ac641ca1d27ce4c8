"""What a series of target positions would have made, after costs; vectorised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import DAY_NS, Floats, columns_of, open_ns, usual_step


class CostConfig(NamedTuple):
    """In basis points of the traded value, per side; `run.costs` makes one of the orders that were done.

    The fee's default is Binance's published taker fee of the first tier, as in `venues/instruments.toml`;
    for a venue's own give `fee_bps=settings.fees(venue).taker_bps`. The slippage is an assumption; it holds
    the spread as well, unless that is named apart.
    """

    fee_bps: float = 10.0
    slippage_bps: float = 2.0
    half_spread_bps: float = 0.0
    """From the middle, which candles are taken to show, to the side that is traded on."""
    funding_bps_day: float = 0.0
    """What a perpetual's longs pay the shorts, per day of holding; below 0: shorts pay. A stand-in for the
    venue's own rates, which go bar by bar into the `funding` of a backtest instead."""

    @property
    def side_bps(self) -> float:
        """Of an order that takes."""
        return self.fee_bps + self.slippage_bps + self.half_spread_bps

    def round_trip_bps(self, held_ns: int) -> float:
        """Of entry and exit, and of funding in between: as paid, also by the side that would be."""
        return 2.0 * self.side_bps + abs(self.funding_bps_day) * held_ns / DAY_NS

    def __str__(self) -> str:
        spread = f", {self.half_spread_bps:g} half spread" if self.half_spread_bps else ""
        funding = f" and {self.funding_bps_day:g} bps of funding a day" if self.funding_bps_day else ""
        side = f"{self.side_bps:g} bps a side ({self.fee_bps:g} fee, {self.slippage_bps:g} slippage{spread})"
        return side + funding


class Backtest(NamedTuple):
    """Arrays of one value a bar; row t is the stretch from bar t's open to the next bar's."""

    position: Floats
    """Signed share of equity held over the stretch. While it doesn't change nothing is traded or paid for,
    though a real holding's share would drift with price."""
    gross: Floats
    """Simple return on equity before costs."""
    cost: Floats
    """Share of equity paid at the stretch's start, funding included (below 0 where it was received); the last
    row also pays for closing what is still held."""
    net: Floats
    market: Floats
    """Simple return of holding all equity in the market, without costs."""
    costs: CostConfig
    """What `cost` was reckoned with."""


def hold(target: Floats, bars: int) -> Floats:
    """A non-zero target stands for `bars` bars, or until another one takes its place.

    This is how a backtest leaves a trade: by time. It places no orders at the barriers of the labels.
    """
    wanted = pd.Series(target).where(target != 0.0)
    held = wanted.ffill(limit=bars - 1) if bars > 1 else wanted
    return np.asarray(held.fillna(0.0), dtype=np.float64)


def funding_rates(frame: pd.DataFrame, costs: CostConfig) -> Floats:
    """Of each stretch from one open to the next, through holes as well."""
    opens = open_ns(frame)
    stretches = np.diff(opens, append=opens[-1:] + usual_step(opens))
    return np.asarray(costs.funding_bps_day / 1e4 * stretches / DAY_NS, dtype=np.float64)


def backtest(
    frame: pd.DataFrame,
    target: Floats,
    costs: CostConfig | None = None,
    long_only: bool = True,
    funding: Floats | None = None,
) -> Backtest:
    """Trades `target` (signed share of equity, decided at each bar's close) at the NEXT bar's open.

    `long_only` takes a negative target as flat, as a spot account must. The last bar's target is never
    traded, and its own stretch ends at its close. A hole is not skipped: what was held through it made what
    price made, and a target of the bar before it is traded at the open behind it. `funding`: rate per bar on
    what is held over it; positive: longs pay; without it, that of `costs`.
    """
    costs = costs or CostConfig()
    rate = funding_rates(frame, costs) if funding is None else funding
    for name, values in (("target", target), ("funding", rate)):
        if len(values) != len(frame) or not np.isfinite(values).all():
            raise ConfigError(f"backtest.{name}", "needs one finite value a bar")
    if costs.side_bps < 0:
        raise ConfigError("backtest.costs", f"{costs} must not be negative")
    o, _, _, c, _ = columns_of(frame)
    wanted = np.maximum(target, 0.0) if long_only else target
    position = np.concatenate((np.zeros(1), wanted[:-1])) if len(wanted) else wanted
    market = np.append(o[1:], c[-1:]) / o - 1.0
    turnover = np.abs(np.diff(position, prepend=0.0))
    if len(position):
        turnover[-1] += abs(position[-1])
    cost = turnover * costs.side_bps / 1e4 + position * rate
    gross = position * market
    return Backtest(position, gross, cost, gross - cost, market, costs)
