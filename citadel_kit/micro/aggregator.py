"""The global best bid and ask over the LIVE books of several venues."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from citadel_kit.errors import ConfigError
from citadel_kit.types import BookTop, GlobalQuote, Instrument


class DataAggregator:
    """Keeps each venue's top, and compares them in the finest decimals of all.

    To finer decimals the conversion is exact, so no edge is made by rounding. A venue without a top (its book
    is not LIVE) is in no quote; a crossed global quote is shown as crossed, never mended.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        symbols = {i.symbol for i in instruments}
        if len(symbols) != 1:
            raise ConfigError("instruments", f"one symbol is compared across venues, not {sorted(symbols)}")
        self._instruments = {i.venue: i for i in instruments}
        self._decimals = max(i.price_decimals for i in instruments)
        self._tops: dict[str, BookTop] = {}

    def update(self, venue: str, top: BookTop) -> None:
        """A LIVE book's new top. Raises KeyError for a venue that is not one of the instruments'."""
        self._tops[self._instruments[venue].venue] = top

    def drop(self, venue: str) -> None:
        """The venue's book is not LIVE any more."""
        self._tops.pop(venue, None)

    def quote(self, now_ns: int) -> GlobalQuote:
        """The best of each side; the larger quantity wins among equal prices."""
        bids = [
            (self._scaled(v, t.bid), self._size(v, t.bid_qty), v, t) for v, t in self._tops.items() if t.bid
        ]
        asks = [
            (self._scaled(v, t.ask), self._size(v, t.ask_qty), v, t) for v, t in self._tops.items() if t.ask
        ]
        bid, bid_qty, bid_venue, bid_ns = 0, nan, "", now_ns + 1
        ask, ask_qty, ask_venue, ask_ns = 0, nan, "", now_ns + 1
        if bids:
            bid, bid_qty, bid_venue, top = max(bids, key=lambda row: row[:2])
            bid_ns = top.recv_ns
        if asks:
            ask, ask_qty, ask_venue, top = min(asks, key=lambda row: (row[0], -row[1]))
            ask_ns = top.recv_ns
        scale = 10**self._decimals
        return GlobalQuote(
            bid=bid / scale if bids else nan,
            bid_qty=bid_qty,
            bid_venue=bid_venue,
            bid_age_ns=now_ns - bid_ns,
            ask=ask / scale if asks else nan,
            ask_qty=ask_qty,
            ask_venue=ask_venue,
            ask_age_ns=now_ns - ask_ns,
            crossed=bool(bids) and bool(asks) and bid >= ask,
        )

    def _scaled(self, venue: str, price: int) -> int:
        return int(price * 10 ** (self._decimals - self._instruments[venue].price_decimals))

    def _size(self, venue: str, qty: int) -> float:
        instrument = self._instruments[venue]
        return instrument.qty(qty) * instrument.contract_size
