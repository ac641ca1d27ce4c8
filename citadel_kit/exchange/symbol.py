"""One symbol of a venue, and the news of its market that dialects render."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from citadel_kit.exchange.candles import Candles
from citadel_kit.micro.matching import LevelChange, MatchingEngine, PublicTrade
from citadel_kit.types import Instrument

FIRST_UPDATE_ID: Final = 1_000_000
_TRADES_KEPT: Final = 1000

Pairs = list[tuple[int, int]]
"""Price and quantity, best first."""


class Depth(NamedTuple):
    """What changed in a shown book since the `Depth` before it: new totals, 0 where nothing is left."""

    symbol: str
    at_ns: int
    first_id: int
    last_id: int
    prev_id: int
    """`last_id` of the one before."""
    bids: Pairs
    asks: Pairs


class Top(NamedTuple):
    """Best prices, whenever they changed; a missing side is 0."""

    symbol: str
    at_ns: int
    last_id: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


class Print(NamedTuple):
    """One public trade; `side` is the aggressor's."""

    symbol: str
    at_ns: int
    trade_id: int
    price: int
    qty: int
    side: int


MarketEvent = Depth | Top | Print


class Symbol:
    """One instrument at one venue, and what was last told about it."""

    def __init__(self, instrument: Instrument, engine: MatchingEngine, candles: Candles) -> None:
        self.instrument, self.engine, self.candles = instrument, engine, candles
        self.update_id = FIRST_UPDATE_ID
        """Of the newest change of a level."""
        self.trades: deque[PublicTrade] = deque(maxlen=_TRADES_KEPT)
        self._changed: dict[tuple[bool, int], int] = {}
        self._flushed_id = FIRST_UPDATE_ID
        self._top = (0, 0, 0, 0)

    def absorb(self, changes: Sequence[LevelChange], trades: Sequence[PublicTrade]) -> None:
        for change in changes:
            self._changed[bool(change.is_bid), change.price] = change.qty
        self.update_id += len(changes)
        for trade in trades:
            self.trades.append(trade)
            self.candles.add(trade.at_ns, trade.price, trade.qty, trade.side)

    def new_top(self, at_ns: int) -> Top | None:
        top = self.engine.top()
        if top == self._top:
            return None
        self._top = top
        return Top(self.instrument.symbol, at_ns, self.update_id, *top)

    def flush(self, at_ns: int) -> Depth | None:
        """What changed since the last call; None where nothing did."""
        if not self._changed:
            return None
        bids = sorted(((p, q) for (is_bid, p), q in self._changed.items() if is_bid), reverse=True)
        asks = sorted((p, q) for (is_bid, p), q in self._changed.items() if not is_bid)
        depth = Depth(
            self.instrument.symbol, at_ns, self._flushed_id + 1, self.update_id, self._flushed_id, bids, asks
        )
        self._changed, self._flushed_id = {}, self.update_id
        return depth
