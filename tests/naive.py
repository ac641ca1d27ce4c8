"""Slow, obvious twins of the fast code: what the tests hold it against."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pandas as pd

# --- books ------------------------------------------------------------------------------------------------


class PlainLadder:
    """One side of a book as a dict of price to quantity."""

    def __init__(self, side: int) -> None:
        self.side = int(side)
        self.book: dict[int, int] = {}

    def apply(self, levels: Iterable[tuple[int, int]]) -> None:
        for price, qty in levels:
            if qty:
                self.book[price] = qty
            else:
                self.book.pop(price, None)

    def levels(self, depth: int) -> list[tuple[int, int]]:
        return sorted(self.book.items(), key=lambda row: -self.side * row[0])[:depth]

    def best(self) -> tuple[int, int]:
        return self.levels(1)[0] if self.book else (0, 0)

    def qty_at(self, price: int) -> int:
        return self.book.get(price, 0)


# --- the simulated venue's own book -----------------------------------------------------------------------


class PlainFifoBook:
    """Price-time priority as one list of orders in order of arrival: [side, price, quantity left]."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []

    def place(self, side: int, price: int, qty: int) -> None:
        self.orders.append([int(side), price, qty])

    def cancel(self, index: int) -> bool:
        alive = self.orders[index][2] > 0
        self.orders[index][2] = 0
        return alive

    def take(self, side: int, qty: int, limit: int) -> list[tuple[int, int]]:
        trades = []
        while qty:
            offers = [o for o in self.orders if o[0] == -side and o[2] and side * o[1] <= side * limit]
            if not offers:
                break
            best = min(offers, key=lambda order: side * order[1])
            traded = min(qty, best[2])
            best[2] -= traded
            qty -= traded
            trades.append((best[1], traded))
        return trades

    def queues(self, side: int) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for order_side, price, qty in self.orders:
            if order_side == side and qty:
                found.setdefault(price, []).append(qty)
        return found


# --- the macro layer --------------------------------------------------------------------------------------


def rolling_hurst(returns: np.ndarray, window: int) -> np.ndarray:
    """DFA-1 of each window from scratch: polyfit on each half-overlapping block, newest first."""
    scales = [n for n in (2**k for k in range(3, 20)) if n <= (window + 1) // 4]
    out = np.full(len(returns), np.nan)
    for end in range(window, len(returns) + 1):
        profile = np.concatenate(([0.0], np.cumsum(returns[end - window : end])))[::-1]
        logs = []
        for n in scales:
            blocks = [profile[i : i + n] for i in range(0, len(profile) - n, n // 2)]
            rests = [b - np.polyval(np.polyfit(np.arange(n), b, 1), np.arange(n)) for b in blocks]
            logs.append(0.5 * np.log(np.mean([np.mean(rest**2) for rest in rests])))
        out[end - 1] = np.polyfit(np.log(scales), logs, 1)[0] if np.isfinite(logs).all() else np.nan
    return out


def triple_barrier(frame: pd.DataFrame, hole: int, width: np.ndarray, horizon: int) -> list[tuple[int, int]]:
    """(side, end) per bar of a frame with one hole before row `hole`."""
    out = []
    for t in range(len(frame)):
        last = t + horizon
        if np.isnan(width[t]) or last >= len(frame) or t < hole <= last:
            out.append((0, -1))
            continue
        entry = frame["open"].iloc[t + 1]
        label = (0, last)
        for k in range(last, t, -1):
            if frame["high"].iloc[k] >= entry * (1 + width[t]):
                label = (1, k)
            if frame["low"].iloc[k] <= entry * (1 - width[t]):
                label = (-1, k)
        out.append(label)
    return out


def account(
    frame: pd.DataFrame, target: list[float], cost: float, long_only: bool, funding: list[float]
) -> list[float]:
    """Net return of each bar's stretch for an account that trades yesterday's target at today's open."""
    held, out = 0.0, []
    for t in range(len(frame)):
        wanted = target[t - 1] if t else 0.0
        if long_only and wanted < 0:
            wanted = 0.0
        paid = abs(wanted - held) * cost
        held = wanted
        last = t == len(frame) - 1
        to = frame["close"].iloc[t] if last else frame["open"].iloc[t + 1]
        paid += abs(held) * cost if last else 0.0
        out.append(held * (to / frame["open"].iloc[t] - 1) - paid - held * funding[t])
    return out


# --- the guard --------------------------------------------------------------------------------------------


def largest_fall_bps(history: list[tuple[int, float]], window_ns: int) -> float:
    """The largest fall from any (time, mid) to a later one at most `window_ns` after it."""
    return max(
        (1 - late / early) * 1e4
        for i, (start, early) in enumerate(history)
        for end, late in history[i:]
        if end - start <= window_ns
    )


# --- the global quote, in exact fractions -----------------------------------------------------------------


def solid_touch(
    levels: list[tuple[Fraction, Fraction]], min_notional: Fraction
) -> tuple[Fraction, Fraction] | None:
    """The best price down to which price × quantity adds up to `min_notional`, and the quantity so far."""
    for n in range(1, len(levels) + 1):
        if sum(price * qty for price, qty in levels[:n]) >= min_notional:
            return levels[n - 1][0], sum((qty for _, qty in levels[:n]), Fraction(0))
    return None


def exchanged(
    price: Fraction, way: str, rate: tuple[Fraction, Fraction], is_bid: bool, step: Fraction
) -> Fraction:
    """A price in another currency, by the rate's (bid, ask), rounded to `step` to our disadvantage.

    `way`: "times" where the rate is a price of that currency in ours, "over" where it is one of ours in that.
    """
    bid, ask = rate
    if is_bid:
        exact = price * bid if way == "times" else price / ask
        return math.floor(exact / step) * step
    exact = price * ask if way == "times" else price / bid
    return math.ceil(exact / step) * step


def paying_units(costs: list[tuple[int, int]], values: list[tuple[int, int]]) -> tuple[int, int]:
    """Quantity and profit of pairing single units, the cheapest with the dearest, while that pays."""
    bought = sorted(price for price, qty in costs for _ in range(qty))
    sold = sorted((price for price, qty in values for _ in range(qty)), reverse=True)
    gains = [value - cost for cost, value in zip(bought, sold, strict=False) if value > cost]
    return len(gains), sum(gains)


# --- flow -------------------------------------------------------------------------------------------------


class PlainFlow:
    """Keeps every top (time, bid, bid_qty, ask, ask_qty; zeros: none) and trade (time, qty, side).

    The arguments are those of `FlowConfig`.
    """

    def __init__(
        self, window_ns: int, slots: int, spread_ns: int, spread_slots: int, grid_ns: int, returns: int
    ) -> None:
        self.short, self.long = (window_ns // slots, slots), (spread_ns // spread_slots, spread_slots)
        self.grid_ns, self.returns = grid_ns, returns
        self.tops: list[tuple[int, int, int, int, int]] = []
        self.trades: list[tuple[int, int, int]] = []

    @staticmethod
    def start(now: int, window: tuple[int, int]) -> int:
        """Of the oldest slot of a window."""
        width, count = window
        return (now // width - count + 1) * width

    def stretches(self, now: int, window: tuple[int, int]) -> list[tuple[float, int]]:
        """(spread in bps, how long it stood within the window)"""
        ends = [top[0] for top in self.tops[1:]] + [now]
        return [
            ((ask - bid) / ((ask + bid) / 2) * 1e4, end - max(begin, self.start(now, window)))
            for (begin, bid, _, ask, _), end in zip(self.tops, ends, strict=False)
            if bid and ask and end > max(begin, self.start(now, window))
        ]

    def covered_ns(self, now: int) -> int:
        return sum(duration for _, duration in self.stretches(now, self.short))

    def spread_quantile(self, now: int, share: float) -> float:
        stretches = sorted(self.stretches(now, self.long))
        total = sum(duration for _, duration in stretches)
        for n in range(1, len(stretches) + 1):
            if sum(duration for _, duration in stretches[:n]) >= share * total:
                return stretches[n - 1][0]
        return math.nan

    def order_flow(self, now: int) -> int:
        total = 0
        for before, after in itertools.pairwise(self.tops):
            _, bid0, bid_qty0, ask0, ask_qty0 = before
            time, bid, bid_qty, ask, ask_qty = after
            if not (bid0 and ask0 and bid and ask) or time < self.start(now, self.short):
                continue
            total += bid_qty if bid > bid0 else -bid_qty0 if bid < bid0 else bid_qty - bid_qty0
            total -= ask_qty if ask < ask0 else -ask_qty0 if ask > ask0 else ask_qty - ask_qty0
        return total

    def volumes(self, now: int) -> tuple[int, int]:
        """Bought and sold by aggressors."""
        recent = [trade for trade in self.trades if trade[0] >= self.start(now, self.short)]
        return sum(qty for _, qty, side in recent if side > 0), sum(
            qty for _, qty, side in recent if side < 0
        )

    def mid_before(self, time: int) -> float:
        earlier = [top for top in self.tops if top[0] < time]
        return (
            (earlier[-1][1] + earlier[-1][3]) / 2
            if earlier and earlier[-1][1] and earlier[-1][3]
            else math.nan
        )

    def volatility(self, now: int) -> float:
        last = now // self.grid_ns
        squares = []
        for end in range((last - self.returns + 1) * self.grid_ns, last * self.grid_ns + 1, self.grid_ns):
            begin = end - self.grid_ns
            hole = any(begin <= time < end and not (bid and ask) for time, bid, _, ask, _ in self.tops)
            a, b = self.mid_before(begin), self.mid_before(end)
            if a > 0 and b > 0 and not hole:
                squares.append(math.log(b / a) ** 2)
        if 2 * len(squares) < self.returns:
            return math.nan
        return 1e4 * math.sqrt(sum(squares) / (len(squares) * self.grid_ns / 1e9))
