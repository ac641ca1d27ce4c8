"""Slow, obvious twins of the fast code: what the tests hold it against."""

from __future__ import annotations

from collections.abc import Iterable

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


def account(frame: pd.DataFrame, target: list[float], cost: float, long_only: bool) -> list[float]:
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
        out.append(held * (to / frame["open"].iloc[t] - 1) - paid)
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
