"""A session's verified book, told on as an outside market: what is not LIVE is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from citadel_kit import settings
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideLost, OutsideTrade
from citadel_kit.micro.session import Effect, Session, StateChanged, TopChanged, Traded
from citadel_kit.types import FeedState, Instrument, Levels, Side

DEPTH: Final = 1000
"""Levels a side that are followed."""
_NOTHING: Final[Levels] = np.empty((0, 2), np.int64)


def shown_at(venues: Sequence[str], instruments: Sequence[Instrument]) -> dict[str, list[Instrument]]:
    """The same instruments at other venues, with the decimals they have; contracts as if they were spot."""
    return {venue: [_spot(venue, i) for i in instruments] for venue in venues}


def _spot(venue: str, instrument: Instrument) -> Instrument:
    pair = spot_symbol(instrument.symbol)
    name = settings.venue_symbol(venue, pair)
    return replace(instrument, venue=venue, symbol=pair, venue_symbol=name, contract_size=1.0)


def spot_symbol(symbol: str) -> str:
    """`BTC/USDT:USDT` → `BTC/USDT`."""
    return symbol.partition(":")[0]


class Follower:
    """One instrument of one session; what it does is told of all `venues`."""

    def __init__(self, session: Session, symbol: str, venues: Sequence[str]) -> None:
        self._feed, self._symbol, self._venues = session.feeds[symbol], symbol, tuple(venues)
        self._shown = spot_symbol(symbol)
        self._known = False
        self._bids, self._asks = _NOTHING, _NOTHING

    def follow(self, effects: Iterable[Effect], at_ns: int) -> Iterator[OutsideEvent]:
        """The book as it is after all of these effects of one input, and every trade among them."""
        for effect in effects:
            if isinstance(effect, StateChanged) and effect.symbol == self._symbol:
                yield from self._changed(effect.state, at_ns)
            elif isinstance(effect, TopChanged) and effect.symbol == self._symbol:
                yield from self._book(at_ns)
            elif isinstance(effect, Traded) and effect.trade.symbol == self._symbol and self._known:
                trade = effect.trade
                for venue in self._venues:
                    yield OutsideTrade(at_ns, venue, self._shown, trade.price, trade.qty, trade.side)

    def lost(self, at_ns: int) -> Iterator[OutsideEvent]:
        yield from self._changed(FeedState.INIT, at_ns)

    def _changed(self, state: FeedState, at_ns: int) -> Iterator[OutsideEvent]:
        if state == FeedState.LIVE or not self._known:
            return
        self._known = False
        for venue in self._venues:
            yield OutsideLost(at_ns, venue, self._shown)

    def _book(self, at_ns: int) -> Iterator[OutsideEvent]:
        if self._feed.state != FeedState.LIVE:
            return
        book = self._feed.book
        bids, asks = book.levels(Side.BUY, DEPTH), book.levels(Side.SELL, DEPTH)
        if self._known:
            changes = difference(self._bids, bids), difference(self._asks, asks)
        else:
            changes = bids, asks
        for venue in self._venues:
            yield OutsideBook(at_ns, venue, self._shown, not self._known, *changes)
        self._known, self._bids, self._asks = True, bids, asks


def difference(before: Levels, after: Levels) -> Levels:
    """The levels of `after` that are new or other than `before`, and with 0 those that are gone."""
    if not len(before):
        return after
    b, a = before[np.argsort(before[:, 0])], after[np.argsort(after[:, 0])]
    at = np.minimum(np.searchsorted(b[:, 0], a[:, 0]), len(b) - 1)
    same = (b[at, 0] == a[:, 0]) & (b[at, 1] == a[:, 1])
    gone = b[~np.isin(b[:, 0], a[:, 0])].copy()
    gone[:, 1] = 0
    return np.concatenate([a[~same], gone])
