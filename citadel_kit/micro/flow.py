"""What a book and its trades say: spread, imbalance, microprice, and flow over the last seconds.

Metrics are floats; nothing here decides. Times are by our clock, quantities in base units, spreads and
volatility in basis points. What a window must know before it says anything stands with each member of `Flow`;
until then it says NaN.
"""

from __future__ import annotations

from math import nan
from typing import Final, NamedTuple

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.micro import windows
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.types import BookTop, FeedState, Instrument, Trade, VenueView

DEPTHS: Final = (1, 5, 10)
"""Levels a side over which the imbalance is taken."""
SHARES: Final = windows.SHARES
_DEPTHS: Final = np.array(DEPTHS)


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


def _touch(instrument: Instrument, price: int, qty: int) -> tuple[float, float]:
    if not price:
        return nan, nan
    return instrument.price(price), instrument.base_qty(price, qty)


class FlowConfig(NamedTuple):
    window_ns: int = 10_000_000_000
    """Of order flow and trades."""
    slots: int = 100
    """Into which that window is cut: it moves on by one of them."""
    spread_window_ns: int = 300_000_000_000
    spread_slots: int = 30
    grid_ns: int = 1_000_000_000
    """Step of the grid on which the mid is sampled for volatility."""
    returns: int = 60
    """On that grid: the window of volatility."""


class Reading(NamedTuple):
    """The windows at one moment; see `Flow`."""

    spread_quantiles: tuple[float, float, float]
    order_flow: float
    signed_volume: float
    trade_imbalance: float
    volatility_bps: float


class BookNumbers(NamedTuple):
    """What one state of a book shows, in quote currency and base units; NaN where there is nothing."""

    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    spread_bps: float
    imbalance: tuple[float, float, float]
    microprice: float


_NO_SPREADS: Final = (nan, nan, nan)
_NOTHING: Final = Reading(_NO_SPREADS, nan, nan, nan, nan)
_NO_TOP: Final = BookTop(0, 0, -1, 0, 0, 0, 0)
_NO_NUMBERS: Final = BookNumbers(nan, nan, nan, nan, nan, (nan, nan, nan), nan)


class Flow:
    """One instrument's flow over the last seconds, in memory of fixed size.

    - `spread_quantiles`: the spread that was not exceeded in 10, 50, 90 % of the time there was one, over
      `spread_window_ns`; right to 2.5 % within 1e-4 … 1e4 bps. NaN while there was none.
    - `order_flow`: order-flow imbalance (Cont, Kukanov and Stoikov, "The Price Impact of Order Book Events",
      2014): the sum of e = q_bid[b ≥ b′] − q′_bid[b ≤ b′] − q_ask[a ≤ a′] + q′_ask[a ≥ a′] over
      consecutive tops. NaN unless there was a top for half of `window_ns`, as every sum over that window.
    - `signed_volume`: bought less sold by aggressors; `trade_imbalance`: the same as a share of all volume,
      in [−1, 1], NaN where nothing traded.
    - `volatility_bps`: √(Σ r² / seconds) × 1e4 of the log returns r of the mid on a grid of `grid_ns`, each
      point being the mid just before it (realised volatility, Andersen and Bollerslev 1998, not centred);
      bps per √second: × √t for t seconds, × √31,557,600 for a year. NaN while less than half of the returns
      are known.

    Of inverse contracts `order_flow` and `signed_volume` are always NaN.

    What happens across a hole (`lost`) is unknown: neither a return nor an order flow spans it.
    """

    def __init__(self, instrument: Instrument, config: FlowConfig | None = None) -> None:
        c = config or FlowConfig()
        if min(c) <= 0 or c.window_ns % c.slots or c.spread_window_ns % c.spread_slots:
            raise ConfigError("flow", f"{c}: a part is not positive, or a window no multiple of its slots")
        # Sums of inverse contracts are sums of money, over many prices: nothing in base units.
        size = nan if instrument.inverse else instrument.contract_size
        self._base = size / 10**instrument.qty_decimals
        self._half_ns = c.window_ns / 2
        slot_ns, spread_slot_ns = c.window_ns // c.slots, c.spread_window_ns // c.spread_slots
        shape = windows.Shape(c.slots, slot_ns, c.spread_slots, spread_slot_ns, c.returns, c.grid_ns)
        self._windows = windows.arrays(shape)
        self._out = np.zeros(windows.READ_SIZE)
        self._instrument = instrument
        self._shown, self._numbers = _NO_TOP, _NO_NUMBERS

    def on_top(self, now_ns: int, top: BookTop) -> None:
        """The top of a LIVE book; a one-sided one counts as none."""
        windows.kernels["on_top"](*self._windows, now_ns, top.bid, top.bid_qty, top.ask, top.ask_qty)

    def on_trade(self, now_ns: int, trade: Trade) -> None:
        windows.kernels["on_trade"](*self._windows, now_ns, trade.qty, trade.side)

    def lost(self, now_ns: int) -> None:
        """The book is not LIVE any more."""
        windows.kernels["on_top"](*self._windows, now_ns, 0, 0, 0, 0)

    def read(self, now_ns: int) -> Reading:
        """As of now, which moves the windows on."""
        windows.kernels["read"](*self._windows, now_ns, self._out)
        flow, bought, sold, covered_ns, volatility, low, middle, high = self._out.tolist()
        # One NaN for all, so that two snapshots of the same state are equal.
        spreads = (low, middle, high) if low > 0 else _NO_SPREADS
        if not volatility >= 0:
            volatility = nan
        if covered_ns < self._half_ns:
            return Reading(spreads, nan, nan, nan, volatility)
        signed = (bought - sold) * self._base
        return Reading(spreads, flow * self._base, signed, imbalance(bought, sold), volatility)

    def numbers(self, book: Book) -> BookNumbers:
        """Of a LIVE book. It is looked at again only when it has changed."""
        top = book.top()
        if top is not self._shown:
            bid, bid_qty = _touch(self._instrument, top.bid, top.bid_qty)
            ask, ask_qty = _touch(self._instrument, top.ask, top.ask_qty)
            bid_1, bid_5, bid_10, ask_1, ask_5, ask_10 = book.sums(_DEPTHS)
            self._numbers = BookNumbers(
                bid,
                bid_qty,
                ask,
                ask_qty,
                spread_bps(bid, ask),
                (imbalance(bid_1, ask_1), imbalance(bid_5, ask_5), imbalance(bid_10, ask_10)),
                microprice(bid, bid_qty, ask, ask_qty),
            )
            self._shown = top
        return self._numbers


def venue_view(
    feed: BookFeed, flow: Flow, last_ns: int, now_ns: int, counts: dict[str, int], left_out: str
) -> VenueView:
    """The state of one book for the outside. `last_ns`: when the venue's last frame of any kind came."""
    live = feed.state == FeedState.LIVE
    bid, bid_qty, ask, ask_qty, spread, imbalances, micro = flow.numbers(feed.book) if live else _NO_NUMBERS
    reading = flow.read(now_ns) if live else _NOTHING
    return VenueView(
        venue=feed.instrument.venue,
        state=feed.state,
        state_reason=feed.reason,
        age_ns=now_ns - last_ns if last_ns >= 0 else -1,
        book_age_ns=now_ns - feed.book_ns if feed.book_ns >= 0 else -1,
        bid=bid,
        ask=ask,
        bid_qty=bid_qty,
        ask_qty=ask_qty,
        spread_bps=spread,
        imbalance=imbalances,
        microprice=micro,
        counts=counts | feed.counts,
        spread_quantiles=reading.spread_quantiles,
        order_flow=reading.order_flow,
        signed_volume=reading.signed_volume,
        trade_imbalance=reading.trade_imbalance,
        volatility_bps=reading.volatility_bps,
        left_out=left_out,
        verified=feed.verified,
    )
