"""A symbol's last 24 hours, as tickers tell them."""

from __future__ import annotations

from typing import NamedTuple

from citadel_kit.exchange.venue import Symbol


class Day(NamedTuple):
    """In the instrument's units, the quote volume in those of its notional; all 0 before the first price."""

    open: int
    high: int
    low: int
    last: int
    last_qty: int
    volume: int
    quote_volume: int
    trades: int

    @property
    def change(self) -> float:
        """As a share of the first price."""
        return self.last / self.open - 1 if self.open else 0.0

    @property
    def vwap(self) -> int:
        return self.quote_volume // self.volume if self.volume else self.last


def day(symbol: Symbol, now_ns: int) -> Day:
    """Of 24 bars of an hour, the open one included. `now_ns`: by the venue's clock or the world's, which are
    the same but for a fault."""
    bars = symbol.candles.bars("1h", now_ns, limit=24)
    if not bars:
        return Day(0, 0, 0, 0, 0, 0, 0, 0)
    return Day(
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        symbol.trades[-1].qty if symbol.trades else 0,
        sum(bar.volume for bar in bars),
        sum(bar.quote_volume for bar in bars),
        sum(bar.trades for bar in bars),
    )
