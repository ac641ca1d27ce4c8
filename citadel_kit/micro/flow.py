"""What a book's shape says: spread, imbalance, microprice. Metrics are floats; nothing here decides."""

from __future__ import annotations

from math import nan
from typing import Final

from citadel_kit.micro.session import BookFeed
from citadel_kit.types import FeedState, Side, VenueView

DEPTHS: Final = (1, 5, 10)
"""Levels a side over which the imbalance is taken."""


def spread_bps(bid: float, ask: float) -> float:
    """(ask − bid) / mid in basis points; NaN unless both are positive. Negative when crossed."""
    return (ask - bid) / (ask + bid) * 20_000 if bid > 0 and ask > 0 else nan


def imbalance(bid_qty: float, ask_qty: float) -> float:
    """(bid − ask) / (bid + ask) of resting quantity, in [−1, 1]; NaN where nothing rests."""
    total = bid_qty + ask_qty
    return (bid_qty - ask_qty) / total if total > 0 else nan


def microprice(bid: float, bid_qty: float, ask: float, ask_qty: float) -> float:
    """The mid weighted by the opposite side's quantity (Stoikov, first order); NaN where nothing rests."""
    total = bid_qty + ask_qty
    return (bid * ask_qty + ask * bid_qty) / total if total > 0 else nan


def venue_view(feed: BookFeed, last_ns: int, now_ns: int, counts: dict[str, int]) -> VenueView:
    """The state of one book for the outside. `last_ns`: when the venue's last frame of any kind came."""
    instrument, live = feed.instrument, feed.state == FeedState.LIVE
    bids = feed.book.levels(Side.BUY, DEPTHS[-1]).tolist() if live else []
    asks = feed.book.levels(Side.SELL, DEPTHS[-1]).tolist() if live else []
    bid, bid_qty = _touch(bids, feed)
    ask, ask_qty = _touch(asks, feed)
    one, five, ten = (
        imbalance(sum(qty for _, qty in bids[:depth]), sum(qty for _, qty in asks[:depth]))
        for depth in DEPTHS
    )
    return VenueView(
        venue=instrument.venue,
        state=feed.state,
        state_reason=feed.reason,
        age_ns=now_ns - last_ns if last_ns >= 0 else -1,
        book_age_ns=now_ns - feed.book_ns if feed.book_ns >= 0 else -1,
        bid=bid,
        ask=ask,
        bid_qty=bid_qty,
        ask_qty=ask_qty,
        spread_bps=spread_bps(bid, ask),
        imbalance=(one, five, ten),
        microprice=microprice(bid, bid_qty, ask, ask_qty),
        counts=counts | feed.counts,
    )


def _touch(levels: list[list[int]], feed: BookFeed) -> tuple[float, float]:
    if not levels:
        return nan, nan
    price, qty = levels[0]
    return feed.instrument.price(price), feed.instrument.qty(qty) * feed.instrument.contract_size
