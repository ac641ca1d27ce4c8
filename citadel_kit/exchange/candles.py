"""A symbol's candles: history from before the start, then bars of its public trades, in any of the usual
intervals. Bars of one minute are kept; longer ones are put together from them when asked for.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.macro.candles import YEAR_NS, columns_of, infer_timeframe, open_ns, timeframe_ns
from citadel_kit.types import Instrument, Side

MINUTE_NS: Final = 60_000_000_000
_DAY_NS: Final = 86_400 * 10**9
INTERVALS: Final[dict[str, int]] = {
    "1m": MINUTE_NS, "3m": 3 * MINUTE_NS, "5m": 5 * MINUTE_NS, "15m": 15 * MINUTE_NS, "30m": 30 * MINUTE_NS,
    "1h": 60 * MINUTE_NS, "2h": 120 * MINUTE_NS, "4h": 240 * MINUTE_NS, "6h": 360 * MINUTE_NS,
    "8h": 480 * MINUTE_NS, "12h": 720 * MINUTE_NS, "1d": _DAY_NS, "3d": 3 * _DAY_NS, "1w": 7 * _DAY_NS,
    "1M": 30 * _DAY_NS,
}  # fmt: skip
"""Nanoseconds by name; of a month, about."""
HISTORY_BARS: Final = 90_000
"""Minutes of a made-up history: 1,500 hours."""
_KEPT: Final = 400_000
_MONDAY_NS: Final = 4 * _DAY_NS
"""The first Monday after the epoch: weeks begin on it."""
_BUSY: Final = 0.012
"""Median quantity traded in a made-up minute, as a share of a million in the quote currency."""

Rows = NDArray[np.int64]
"""One bar of a minute each: open time, open, high, low, close, volume, quote volume, trades, volume and quote
volume of buying takers; in the units of the instrument, quote volumes in those of its notional."""


class Bar(NamedTuple):
    """Prices and quantities in units, quote volumes in notional units; `taker_…` is of buying takers."""

    symbol: str
    interval: str
    open_ns: int
    close_ns: int
    """The first moment after it."""
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    taker_volume: int
    taker_quote_volume: int
    closed: bool


class Candles:
    """`history`: minutes without a hole, up to the start. A minute without a trade is flat."""

    def __init__(self, symbol: str, history: Rows | None = None) -> None:
        self.symbol = symbol
        self._n = 0 if history is None else len(history)
        self._rows = np.zeros((max(1024, self._n + 1024), 10), np.int64)
        if history is not None:
            self._rows[: self._n] = history

    def add(self, at_ns: int, price: int, qty: int, side: int) -> None:
        """One public trade. Trades come in order of time; one of an earlier minute counts for the newest."""
        self.roll(at_ns)
        if not self._n or self._rows[self._n - 1, 0] + MINUTE_NS <= at_ns:
            self._append(at_ns - at_ns % MINUTE_NS, price)
        row = self._rows[self._n - 1]
        notional = price * qty
        if row[7] == 0:  # flat until now
            row[1:4] = price
        row[2], row[3], row[4] = max(row[2], price), min(row[3], price), price
        row[5] += qty
        row[6] += notional
        row[7] += 1
        if side == Side.BUY:
            row[8] += qty
            row[9] += notional

    def roll(self, now_ns: int) -> None:
        """Flat bars up to the present minute, once there was a first price."""
        if not self._n:
            return
        while int(self._rows[self._n - 1, 0]) + MINUTE_NS <= now_ns:
            last = self._rows[self._n - 1]
            self._append(int(last[0]) + MINUTE_NS, int(last[4]))

    def last_price(self) -> int:
        """0 where there never was one."""
        return int(self._rows[self._n - 1, 4]) if self._n else 0

    def current(self, interval: str, now_ns: int) -> Bar | None:
        """The bar that is open now; None before the first price."""
        bars = self.bars(interval, now_ns, limit=1)
        return bars[-1] if bars else None

    def bars(
        self,
        interval: str,
        now_ns: int,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
    ) -> list[Bar]:
        """Bars whose open time is within [start_ns, end_ns], oldest first: the first `limit` of them with
        `start_ns`, else the last. Raises ConfigError for an interval there is not."""
        if interval not in INTERVALS:
            raise ConfigError("interval", f"{interval!r} is unknown", f"Known: {', '.join(INTERVALS)}")
        self.roll(now_ns)
        rows = self._between(interval, start_ns, end_ns, limit)
        if not len(rows):
            return []
        buckets = _buckets(interval, rows[:, 0])
        starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
        ends = np.append(starts[1:], len(rows))
        columns = [
            buckets[starts],
            rows[starts, 1],
            np.maximum.reduceat(rows[:, 2], starts),
            np.minimum.reduceat(rows[:, 3], starts),
            rows[ends - 1, 4],
        ]
        numbers = [column.tolist() for column in columns] + _exact_sums(rows[:, 5:], starts)
        bars = [self._bar(interval, now_ns, *row) for row in zip(*numbers, strict=True)]
        return bars[:limit] if start_ns is not None else bars[-limit:]

    def _bar(self, interval: str, now_ns: int, opened_ns: int, *numbers: int) -> Bar:
        closes_ns = _bucket_end(interval, opened_ns)
        o, high, low, c, volume, quote, count, bought, quote_bought = numbers
        return Bar(
            self.symbol, interval, opened_ns, closes_ns, o, high, low, c, volume, quote, count, bought,
            quote_bought, closes_ns <= now_ns,
        )  # fmt: skip

    def _between(self, interval: str, start_ns: int | None, end_ns: int | None, limit: int) -> Rows:
        """The minutes of the buckets asked for, each bucket whole."""
        rows = self._rows[: self._n]
        if not self._n:
            return rows
        opens, reach = rows[:, 0], (limit + 1) * int(INTERVALS[interval] * 1.1)
        last = int(opens[-1]) if end_ns is None else min(end_ns, int(opens[-1]))
        until = _bucket_end(interval, _bucket(interval, last))
        if start_ns is None:
            first = _bucket(interval, max(last - reach, 0))
        else:
            first = _bucket(interval, start_ns)
            first = first if first == start_ns else _bucket_end(interval, first)
            until = min(until, first + reach)
        return rows[np.searchsorted(opens, first) : np.searchsorted(opens, until)]

    def _append(self, opened_ns: int, price: int) -> None:
        if self._n == len(self._rows):
            kept = self._rows[-_KEPT // 2 :] if self._n >= _KEPT else self._rows
            self._rows = np.concatenate([kept, np.zeros_like(kept)])
            self._n = len(kept)
        self._rows[self._n] = (opened_ns, price, price, price, price, 0, 0, 0, 0, 0)
        self._n += 1


def _exact_sums(columns: Rows, starts: NDArray[np.int64]) -> list[list[int]]:
    """Of each column, from each start to the next; a day's quote volume can pass 64 bits, so in two parts."""
    high = np.add.reduceat(columns >> 24, starts).T.tolist()
    low = np.add.reduceat(columns & ((1 << 24) - 1), starts).T.tolist()
    return [[(h << 24) + part for h, part in zip(*both, strict=True)] for both in zip(high, low, strict=True)]


def _bucket(interval: str, ns: int) -> int:
    return int(_buckets(interval, np.array([ns], np.int64))[0])


def _buckets(interval: str, opens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Open time of the bar that each moment is in."""
    if interval == "1M":
        return opens.astype("M8[ns]").astype("M8[M]").astype("M8[ns]").astype(np.int64)
    offset = _MONDAY_NS if interval == "1w" else 0
    step = INTERVALS[interval]
    return (opens - offset) // step * step + offset


def _bucket_end(interval: str, opened_ns: int) -> int:
    if interval == "1M":
        return _bucket(interval, opened_ns + 32 * _DAY_NS)
    return opened_ns + INTERVALS[interval]


def made_up(seed: int, instrument: Instrument, end_ns: int, price: int, annual_volatility: float) -> Rows:
    """`HISTORY_BARS` minutes of a random walk that ends at `price`, the last of them closed at `end_ns` or
    within the minute before it."""
    rng = np.random.default_rng(seed)
    sigma = annual_volatility * math.sqrt(MINUTE_NS / YEAR_NS)
    calm = np.exp(0.4 * np.sin(np.arange(HISTORY_BARS + 1) * 2 * math.pi / 1440))
    steps = rng.standard_normal(HISTORY_BARS + 1) * sigma * calm
    path = np.cumsum(steps)
    path = price * np.exp(path - path[-1])
    tick, lot = instrument.tick, instrument.lot
    closes = np.maximum(np.rint(path / tick), 1).astype(np.int64) * tick
    o, c = closes[:-1], closes[1:]
    wick = np.abs(rng.standard_normal((2, HISTORY_BARS))) * sigma * 0.6 * closes[1:]
    high = np.maximum(o, c) + (wick[0] / tick).astype(np.int64) * tick
    low = np.maximum(np.minimum(o, c) - (wick[1] / tick).astype(np.int64) * tick, tick)
    traded = _BUSY * 1e6 * np.exp(0.8 * rng.standard_normal(HISTORY_BARS)) * calm[1:]
    scale = 10 ** (instrument.price_decimals + instrument.qty_decimals)
    volume = np.maximum((traded * scale / closes[1:] / lot).astype(np.int64), 1) * lot
    bought = (volume * rng.uniform(0.3, 0.7, HISTORY_BARS) / lot).astype(np.int64) * lot
    middle = (o + c) // 2
    count = np.maximum((traded / 400).astype(np.int64), 1)
    opens = end_ns // MINUTE_NS * MINUTE_NS - np.arange(HISTORY_BARS, 0, -1, dtype=np.int64) * MINUTE_NS
    return np.column_stack([opens, o, high, low, c, volume, volume * middle, count, bought, bought * middle])


def from_frame(frame: pd.DataFrame, instrument: Instrument, end_ns: int) -> Rows:
    """Real candles (a frame of `macro.candles`), moved in time so that the last closes at `end_ns` or less
    than a bar before it. A bar of more than a minute is cut into minutes that make the same bar again; holes
    are left out. Raises CandleError for a frame whose bars are no such."""
    step = timeframe_ns(infer_timeframe(frame))
    opens, columns = open_ns(frame), columns_of(frame)
    shift = (end_ns - (int(opens[-1]) + step)) // step * step
    minutes = step // MINUTE_NS
    tick = instrument.tick
    o, high, low, c = (
        np.maximum(np.rint(x * 10**instrument.price_decimals / tick), 1).astype(np.int64) * tick
        for x in columns[:4]
    )
    volume = np.rint(columns[4] * 10**instrument.qty_decimals).astype(np.int64)
    rows = np.zeros((len(opens), minutes, 10), np.int64)
    rows[:, :, 0] = (opens + shift)[:, None] + np.arange(minutes) * MINUTE_NS
    share = np.linspace(0, 1, minutes + 1)
    between = (o[:, None] + (c - o)[:, None] * share // tick * tick).astype(np.int64)
    between[:, -1] = c
    rows[:, :, 1], rows[:, :, 4] = between[:, :-1], between[:, 1:]
    rows[:, :, 2], rows[:, :, 3] = rows[:, :, [1, 4]].max(axis=2), rows[:, :, [1, 4]].min(axis=2)
    rows[:, minutes // 3, 2], rows[:, 2 * minutes // 3, 3] = high, low
    rows[:, :, 5] = (volume // minutes)[:, None]
    rows[:, -1, 5] += volume % minutes
    rows[:, :, 6] = rows[:, :, 5] * rows[:, :, 4]
    rows[:, :, 7] = rows[:, :, 5] > 0
    rows[:, :, 8], rows[:, :, 9] = rows[:, :, 5] // 2, rows[:, :, 6] // 2
    return rows.reshape(-1, 10)
