"""Trades with a stop, a target and a time limit, bar by bar: compiled over arrays, or event by event.

Both follow the same rules, and a test holds them to each other. A decision falls at a bar's close and is
traded at the NEXT bar's open. From the entry bar on, each bar is asked in this order, the hardest first:

1. the open lies beyond the stop: out at the open (a gap is no reason to be paid the stop's price);
2. low (long) or high (short) reaches the stop: out at the stop, even where the target was reached too, since
   which came first inside the bar can't be known;
3. the target is reached: out at the target, never better;
4. at the next open: the time is over, or the rule now asks for the other side.

Through a hole a position is held: what price made is made, and rule 1 decides at the first open behind it.
A position's size is a share of equity at its entry and is not rebalanced. Costs are `CostConfig`'s; an exit
at the target rests in the book and pays no slippage. Funding is paid by longs and got by shorts, per bar.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import Backtest, CostConfig, funding_rates
from citadel_kit.macro.candles import Floats, Ints, columns_of
from citadel_kit.macro.indicators import compiled


class Exit(IntEnum):
    STOP = 1
    TARGET = 2
    TIME = 3
    FLIP = 4
    END = 5
    """The data ended: out at the last close."""


class Plan(NamedTuple):
    """What to hold from the next open on, and when to leave it."""

    share: float
    """Signed share of equity; 0: nothing new."""
    stop: float = np.inf
    """Distance from the entry price as a share of it; infinite: none."""
    target: float = np.inf
    bars: int = 0
    """At most so many, the entry bar included; 0: no limit."""


class Plans(NamedTuple):
    """A `Plan` a bar, as arrays."""

    share: Floats
    stop: Floats
    target: Floats
    bars: Ints


class Trades(NamedTuple):
    """One row a trade."""

    entry: Ints
    """Row of the bar at whose open it began."""
    exit: Ints
    """Row of the bar in which it ended."""
    share: Floats
    entry_price: Floats
    exit_price: Floats
    reason: NDArray[np.int64]
    """`Exit`"""

    def frame(self, index: pd.DatetimeIndex) -> pd.DataFrame:
        """For people: times, prices, reasons in words, and the return on the traded amount before costs."""
        table = pd.DataFrame(self._asdict())
        made = np.sign(self.share) * (self.exit_price / self.entry_price - 1.0)
        words = [Exit(reason).name.lower() for reason in self.reason.tolist()]
        return table.assign(entry=index[self.entry], exit=index[self.exit], reason=words, gain=made)


class Account(NamedTuple):
    """What a rule may know at a bar's close."""

    row: int
    equity: float
    """At the close, from 1 at the start."""
    peak: float
    share: float
    """Of the open position at its entry, signed; 0: flat."""
    entry_price: float
    bars: int
    """Since the entry, this one included."""


Rule = Callable[[Account], Plan]


def trade(
    frame: pd.DataFrame, plans: Plans, costs: CostConfig | None = None, funding: Floats | None = None
) -> tuple[Backtest, Trades]:
    """`plans`: one value a bar of sound candles. A plan of the side already held changes nothing.

    `funding`: rate per bar, positive: longs pay; without it, that of `costs`. The returned rows are the
    stretches of `backtest.backtest`.
    Raises ConfigError for a share that is no number, or a distance not above 0.
    """
    costs = costs or CostConfig()
    n = len(frame)
    o, high, low, c, _ = columns_of(frame)
    rate = funding_rates(frame, costs) if funding is None else funding
    for name, values, wrong in (
        ("share", plans.share, ~np.isfinite(plans.share)),
        ("stop", plans.stop, ~(plans.stop > 0)),
        ("target", plans.target, ~(plans.target > 0)),
        ("bars", plans.bars, plans.bars < 0),
        ("funding", rate, ~np.isfinite(rate)),
    ):
        if len(values) != n or wrong.any():
            raise ConfigError(
                f"plans.{name}", f"{len(values)} values for {n} bars, {int(wrong.sum())} can't be"
            )
    equity, held, paid, rows = _walk(o, high, low, c, *plans, rate, costs.side_bps / 1e4, costs.fee_bps / 1e4)
    entry, out, reason = (rows[:, k].astype(np.int64) for k in (0, 1, 5))
    return _result(o, c, equity, held, paid, costs), Trades(
        entry, out, rows[:, 2], rows[:, 3], rows[:, 4], reason
    )


@compiled
def _walk(
    o: Floats,
    high: Floats,
    low: Floats,
    c: Floats,
    share: Floats,
    stop: Floats,
    target: Floats,
    bars: Ints,
    funding: Floats,
    side_cost: float,
    fee: float,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Equity at each open and at the end, share held over each stretch, cost paid in it, and the trades."""
    n = len(o)
    equity, held, paid = np.ones(n + 1), np.zeros(n), np.zeros(n)
    rows = np.empty((n, 6))
    count, cash, qty, entry, begun, plan = 0, 1.0, 0.0, 0.0, 0, 0
    for t in range(n):
        wish = share[t - 1] if t > 0 else 0.0
        reason, price = 0, o[t]
        if qty != 0.0:
            if bars[plan] > 0 and t - begun >= bars[plan]:
                reason = 3
            elif wish * qty < 0.0:
                reason = 4
        for stage in range(2):
            if qty != 0.0 and reason == 0 and (stage == 1 or t > begun):
                side = 1.0 if qty > 0.0 else -1.0
                floor, goal = entry * (1.0 - side * stop[plan]), entry * (1.0 + side * target[plan])
                worst, best = (low[t], high[t]) if side > 0.0 else (high[t], low[t])
                if stage == 0:
                    if side * (o[t] - floor) <= 0.0:
                        reason, price = 1, o[t]
                elif side * (worst - floor) <= 0.0:
                    reason, price = 1, floor
                elif side * (best - goal) >= 0.0:
                    reason, price = 2, goal
                elif t == n - 1:
                    reason, price = 5, c[t]
            if qty != 0.0 and reason != 0:
                cost = abs(qty) * price * (fee if reason == 2 else side_cost)
                cash += qty * price - cost
                paid[t] += cost
                rows[count - 1, 1], rows[count - 1, 4], rows[count - 1, 5] = t, price, reason
                qty, reason = 0.0, 0
            if stage == 0:
                equity[t] = cash + paid[t] + qty * o[t] if t > 0 else 1.0
                if qty == 0.0 and wish != 0.0 and equity[t] > 0.0:
                    entry, begun, plan = o[t], t, t - 1
                    now = cash
                    qty = wish * now / entry
                    cost = abs(qty) * entry * side_cost
                    cash -= qty * entry + cost
                    paid[t] += cost
                    rows[count, 0], rows[count, 2], rows[count, 3] = t, wish, entry
                    count += 1
                if qty != 0.0:
                    held[t] = qty * o[t] / equity[t]
                    cost = qty * o[t] * funding[t]
                    cash -= cost
                    paid[t] += cost
    equity[n] = cash
    return equity, held, paid, rows[:count]


def walk(
    frame: pd.DataFrame, rule: Rule, costs: CostConfig | None = None, funding: Floats | None = None
) -> tuple[Backtest, Trades]:
    """The same event by event: `rule` is called at each close with the account, and may decide by it, which
    arrays can't. About a thousand times slower than `trade`."""
    costs = costs or CostConfig()
    book = _Book(frame, costs, funding_rates(frame, costs) if funding is None else funding)
    for t in range(len(frame)):
        book.at_open(t)
        book.within(t)
        book.plan = rule(book.account(t))
    o, _, _, c, _ = columns_of(frame)
    equity = np.append(book.equity, book.cash)
    rows = np.array(book.trades, dtype=np.float64).reshape(-1, 6)
    return _result(o, c, equity, np.array(book.held), np.array(book.paid), costs), _trades(rows)


class _Book:
    """The account of `walk`: one position, its plan, and what happened."""

    def __init__(self, frame: pd.DataFrame, costs: CostConfig, funding: Floats) -> None:
        self.o, self.high, self.low, self.c, _ = columns_of(frame)
        self.costs, self.funding = costs, funding
        self.cash, self.qty, self.peak = 1.0, 0.0, 1.0
        self.plan = self.held_plan = Plan(0.0)
        self.entry_price, self.entry_row = 0.0, 0
        self.equity: list[float] = []
        self.held: list[float] = []
        self.paid: list[float] = []
        self.trades: list[tuple[int, int, float, float, float, int]] = []

    def at_open(self, t: int) -> None:
        price = float(self.o[t])
        self.paid.append(0.0)
        self.held.append(0.0)
        if self.qty:
            limit = self.held_plan.bars
            if limit and t - self.entry_row >= limit:
                self.close(t, price, Exit.TIME)
            elif self.plan.share * self.qty < 0:
                self.close(t, price, Exit.FLIP)
            elif self.side * (price - self.level(-self.held_plan.stop)) <= 0:
                self.close(t, price, Exit.STOP)
        equity = self.cash + self.paid[t] + self.qty * price
        self.equity.append(equity if t else 1.0)
        if not self.qty and self.plan.share and equity > 0:
            self.open(t, price)
        if self.qty:
            self.held[t] = self.qty * price / self.equity[t]
            self.pay(t, self.qty * price * float(self.funding[t]))

    def within(self, t: int) -> None:
        """Stop before target, target before the end of the data."""
        if not self.qty:
            return
        stop, target = self.level(-self.held_plan.stop), self.level(self.held_plan.target)
        worst, best = (self.low[t], self.high[t]) if self.side > 0 else (self.high[t], self.low[t])
        if self.side * (worst - stop) <= 0:
            self.close(t, stop, Exit.STOP)
        elif self.side * (best - target) >= 0:
            self.close(t, target, Exit.TARGET)
        elif t == len(self.o) - 1:
            self.close(t, float(self.c[t]), Exit.END)

    @property
    def side(self) -> int:
        return 1 if self.qty > 0 else -1

    def level(self, distance: float) -> float:
        return self.entry_price * (1 + self.side * distance)

    def open(self, t: int, price: float) -> None:
        self.held_plan, self.entry_price, self.entry_row = self.plan, price, t
        self.qty = self.plan.share * self.cash / price
        self.cash -= self.qty * price
        self.pay(t, abs(self.qty) * price * self.costs.side_bps / 1e4)

    def close(self, t: int, price: float, reason: Exit) -> None:
        bps = self.costs.fee_bps if reason is Exit.TARGET else self.costs.side_bps
        self.cash += self.qty * price
        self.pay(t, abs(self.qty) * price * bps / 1e4)
        share = self.held_plan.share
        self.trades.append((self.entry_row, t, share, self.entry_price, price, int(reason)))
        self.qty = 0.0

    def pay(self, t: int, amount: float) -> None:
        self.cash -= amount
        self.paid[t] += amount

    def account(self, t: int) -> Account:
        equity = self.cash + self.qty * float(self.c[t])
        self.peak = max(self.peak, equity)
        share, bars = (self.held_plan.share, t - self.entry_row + 1) if self.qty else (0.0, 0)
        return Account(t, equity, self.peak, share, self.entry_price if self.qty else np.nan, bars)


def _trades(rows: Floats) -> Trades:
    """Columns as `Trades` has them."""
    entry, out, reason = (rows[:, k].astype(np.int64) for k in (0, 1, 5))
    return Trades(entry, out, rows[:, 2], rows[:, 3], rows[:, 4], reason)


def _result(o: Floats, c: Floats, equity: Floats, held: Floats, paid: Floats, costs: CostConfig) -> Backtest:
    """`equity` at each open is before that open's costs, which belong to the stretch they begin."""
    before = equity[:-1]
    net = equity[1:] / before - 1.0
    cost = paid / before
    market = np.append(o[1:], c[-1:]) / o - 1.0
    return Backtest(held, net + cost, cost, net, market, costs)
