"""How much to hold: a wish per symbol, and the limits that cut it.

A wish is a signed share of equity. `target_fraction` asks by volatility, `kelly_fraction` by the edge,
`risk_fraction` by the distance of the stop; take the smallest, since each knows a different way to lose.
`throttle` then cuts the wish by what was lost so far, `room` to what the caps of symbol, cluster and total
leave beside what is held, and `whole_lots` turns a share into a quantity that a venue takes. Every step can
only make a wish smaller, and what can't be measured gives 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import Floats
from citadel_kit.types import Instrument


class SizingConfig(NamedTuple):
    target_volatility: float = 0.20
    """Annual volatility the holding should add to equity."""
    cap: float = 0.5
    """Largest share of equity, whatever the volatility."""


def target_fraction(volatility: Floats, config: SizingConfig | None = None) -> Floats:
    """Share of equity whose volatility is the target: target / volatility, at most `cap`.

    `volatility` is annual. 0 where it is NaN, infinite or not above 0: no measure, no position.
    """
    config = config or SizingConfig()
    if config.target_volatility <= 0 or not 0 <= config.cap <= 1:
        raise ConfigError("sizing", f"{config}: target_volatility above 0, cap from 0 to 1")
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.minimum(config.target_volatility / volatility, config.cap)
    known = np.isfinite(volatility) & (volatility > 0)
    return np.asarray(np.where(known, fraction, 0.0), dtype=np.float64)


class KellyConfig(NamedTuple):
    share: float = 0.25
    """Of the full Kelly stake: the full one bets on the probabilities being right."""
    prior_trades: float = 200.0
    """The edge is shrunk as if so many trades without one had been seen beside the real ones."""


def kelly_fraction(
    probability: Floats, gain: Floats, loss: Floats, trades: float, config: KellyConfig | None = None
) -> Floats:
    """Signed share of equity by fractional Kelly with shrinkage; positive to buy.

    A bet that wins `gain` (a share of the stake, after costs) with `probability`, else loses `loss`: the full
    stake is p / loss - (1 - p) / gain (Kelly 1956, in the form for partial losses). The probability is first
    drawn towards the one at which the bet is worth nothing, by trades / (trades + prior_trades): `trades` is
    how many out-of-sample trades stand behind it. Both sides are looked at, the other one with 1 - p; 0 where
    neither has an edge, or a number is missing.
    """
    config = config or KellyConfig()
    if not 0 < config.share <= 1 or config.prior_trades < 0 or trades < 0:
        raise ConfigError("kelly", f"{config}, {trades} trades: share in (0, 1], counts not negative")
    weight = trades / (trades + config.prior_trades) if trades > 0 else 0.0
    long, short = (_kelly(p, gain, loss, weight) for p in (probability, 1.0 - probability))
    signed = np.where(long > 0, long, np.where(short > 0, -short, 0.0))
    return np.asarray(np.where(np.isfinite(signed), config.share * signed, 0.0), dtype=np.float64)


def _kelly(p: Floats, gain: Floats, loss: Floats, weight: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        fair = loss / (gain + loss)
        shrunk = fair + weight * (p - fair)
        stake = shrunk / loss - (1.0 - shrunk) / gain
    known = (gain > 0) & (loss > 0) & (p >= 0) & (p <= 1)
    return np.asarray(np.where(known, stake, np.nan), dtype=np.float64)


def risk_fraction(stop_distance: Floats, risk: float = 0.005) -> Floats:
    """Share of equity that loses `risk` of it where price moves `stop_distance` (a share of price, costs and
    slippage of the exit included) against the position. 0 where the distance is not above 0."""
    if not 0 < risk < 1:
        raise ConfigError("risk", f"{risk}: a share of equity between 0 and 1")
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = risk / stop_distance
    known = np.isfinite(stop_distance) & (stop_distance > 0)
    return np.asarray(np.where(known, fraction, 0.0), dtype=np.float64)


class Caps(NamedTuple):
    """Shares of equity, by absolute value."""

    symbol: float = 0.25
    cluster: float = 0.5
    """Of symbols that move together; see `clusters`."""
    total: float = 1.0


def room(
    symbol: str, wish: float, held: Mapping[str, float], groups: Sequence[Sequence[str]], caps: Caps
) -> float:
    """What of a signed `wish` may be added to what is `held` already, which nothing here makes smaller.

    `held`: signed shares of equity by symbol. A symbol of no group is a cluster of its own. 0 for a wish, or
    a holding, that is no number. Reductions are not its matter: they need no room.
    """
    if not np.isfinite([wish, *held.values()]).all():
        return 0.0
    group = next((names for names in groups if symbol in names), (symbol,))
    free = min(
        caps.symbol - abs(held.get(symbol, 0.0)),
        caps.cluster - sum(abs(held.get(name, 0.0)) for name in group),
        caps.total - sum(map(abs, held.values())),
    )
    return float(np.sign(wish)) * max(0.0, min(abs(wish), free))


def clusters(returns: Floats, names: Sequence[str], least: float = 0.6) -> list[list[str]]:
    """Symbols joined while some pair of them correlates by at least `least` (single linkage).

    `returns`: shape (bars, symbols); bars with a NaN are left out. A symbol that never moved, or fewer than
    three bars, can't be told apart: everything is one cluster then.
    """
    whole = returns[np.isfinite(returns).all(axis=1)]
    if len(whole) < 3 or (whole.std(axis=0) == 0).any():
        return [list(names)]
    together = np.abs(np.corrcoef(whole, rowvar=False)) >= least if len(names) > 1 else np.ones((1, 1), bool)
    label = list(range(len(names)))
    for a in range(len(names)):
        for b in range(a):
            if together[a, b]:
                old, new = label[a], label[b]
                label = [new if group == old else group for group in label]
    return [[n for n, g in zip(names, label, strict=True) if g == group] for group in dict.fromkeys(label)]


class LossLimits(NamedTuple):
    """Shares of equity."""

    throttle_from: float = 0.10
    """Drawdown from the peak at which sizes begin to shrink."""
    stop_at: float = 0.25
    """Drawdown at which nothing new is opened."""
    daily_stop: float = 0.03
    """Loss since 00:00 UTC at which nothing new is opened until the next day."""


def throttle(equity: float, peak: float, day_start: float, limits: LossLimits | None = None) -> float:
    """Factor in [0, 1] on every new position: 1 above `throttle_from`, falling in a line to 0 at `stop_at`;
    0 after the day's loss. 0 for amounts that are no numbers above 0. It never closes anything."""
    limits = limits or LossLimits()
    if not 0 <= limits.throttle_from < limits.stop_at <= 1 or not 0 < limits.daily_stop <= 1:
        raise ConfigError("limits", f"{limits}: 0 <= throttle_from < stop_at <= 1, 0 < daily_stop <= 1")
    if not all(np.isfinite(amount) and amount > 0 for amount in (equity, peak, day_start)):
        return 0.0
    if 1.0 - equity / day_start >= limits.daily_stop:
        return 0.0
    fallen = 1.0 - equity / max(peak, equity)
    return float(np.clip((limits.stop_at - fallen) / (limits.stop_at - limits.throttle_from), 0.0, 1.0))


def whole_lots(fraction: float, equity: float, price: float, instrument: Instrument) -> int:
    """Quantity units of the most whole lots within `fraction` of `equity` at `price`, by absolute value.

    Amounts in the quote currency. 0 below the venue's minimum notional, and where a number is missing.
    """
    value = abs(fraction) * equity
    if not (np.isfinite(value) and value > 0 and np.isfinite(price) and price > 0):
        return 0
    worth = instrument.contract_size * (1.0 if instrument.inverse else price)
    units = int(value / worth * 10**instrument.qty_decimals)
    units -= units % instrument.lot
    smallest = instrument.min_notional / 10 ** (instrument.price_decimals + instrument.qty_decimals)
    return units if instrument.qty(units) * worth >= smallest else 0
