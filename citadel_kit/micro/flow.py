"""What a book and its trades say: spread, imbalance, microprice, and flow over the last seconds.

Metrics are floats; nothing here decides. Times are by our clock, quantities in base units, spreads and
volatility in basis points. What a window must know before it says anything stands with each member of `Flow`;
until then it says NaN.
"""

from __future__ import annotations

from math import isnan, nan
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.ladder import entry, sums
from citadel_kit.micro import windows
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.types import BookTop, FeedState, Instrument, Levels, Trade, VenueView

Floats = NDArray[np.float64]

DEPTHS: Final = (1, 5, 10)
"""Levels a side over which the imbalance is taken."""
SHARES: Final = windows.SHARES


@register_jitable
def spread_bps(bid: float, ask: float) -> float:
    """(ask − bid) / mid in basis points; NaN unless both are positive. Negative when crossed."""
    return (ask - bid) / (ask + bid) * 20_000 if bid > 0 and ask > 0 else nan


@register_jitable
def imbalance(bid_qty: float, ask_qty: float) -> float:
    """(bid − ask) / (bid + ask) of resting quantity, in [−1, 1]; NaN where nothing rests."""
    total = bid_qty + ask_qty
    return (bid_qty - ask_qty) / total if total > 0 else nan


@register_jitable
def microprice(bid: float, bid_qty: float, ask: float, ask_qty: float) -> float:
    """The mid weighted by the opposite side's quantity (Stoikov, first order); NaN where nothing rests."""
    total = bid_qty + ask_qty
    return (bid * ask_qty + ask * bid_qty) / total if total > 0 else nan


# Behind what `windows.read` writes to its block: what the book shows, as `Flow.show` lists it, and scales
# that make floats of its integers (INVERSE: 1 of an inverse contract, else 0).
_SEEN: Final = windows.BASE + 1
_PRICE, _QTY, _SIZE, _INVERSE = range(_SEEN + 9, _SEEN + 13)


@register_jitable
def _look(bids: Levels, asks: Levels, out: Floats) -> None:
    bid = bid_qty = ask = ask_qty = nan
    last_bid, last_ask = bids[bids[0, 0]], asks[asks[0, 0]]
    if bids[0, 0] > 0:
        bid = last_bid[0] / out[_PRICE]
        bid_qty = last_bid[1] / out[_QTY] * out[_SIZE]
    if asks[0, 0] > 0:
        ask = -last_ask[0] / out[_PRICE]
        ask_qty = last_ask[1] / out[_QTY] * out[_SIZE]
    if out[_INVERSE] > 0:
        bid_qty, ask_qty = bid_qty / bid, ask_qty / ask
    seen = out[_SEEN:]
    seen[0], seen[1], seen[2], seen[3] = bid, ask, bid_qty, ask_qty
    seen[4] = spread_bps(bid, ask)
    of_bids, of_asks = sums(bids, DEPTHS), sums(asks, DEPTHS)
    for k in range(len(DEPTHS)):
        seen[5 + k] = imbalance(of_bids[k], of_asks[k])
    seen[8] = microprice(bid, bid_qty, ask, ask_qty)


def _show(block: windows.Ints, now: int, then: int, bids: Levels, asks: Levels) -> bool:
    """In one call: that these rows are the top since `then` (negative: known already), the windows, the book.

    Is none of the numbers NaN?
    """
    two_sided = bids[0, 0] > 0 and asks[0, 0] > 0
    if then >= 0 and two_sided:
        bid, ask = bids[bids[0, 0]], asks[asks[0, 0]]
        windows.on_top(block, then, bid[0], bid[1], -ask[0], ask[1])
    elif then >= 0:
        windows.on_top(block, then, 0, 0, 0, 0)
    whole = windows.read(block, now)
    _look(bids, asks, windows.parts(block)[4])
    return whole and two_sided


# Without nogil: these take microseconds, and who lets the lock go may wait 5 ms to get it back.
_COMPILED: Final[Any] = numba.njit(cache=True)(_show)
kernels: Final[dict[str, Any]] = {"show": _show}
"""What to call now."""


def warm_up() -> None:
    """Compile this module's kernel and those of the windows, or load them, and use them from now on."""
    windows.warm_up()
    rows = np.zeros((1, 2), np.int64)
    kernels["show"] = entry(_COMPILED, windows.block_of(windows.Shape(2, 1, 2, 1, 2, 1)), 1, -1, rows, rows)


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


_NO_TOP: Final = BookTop(0, 0, -1, 0, 0, 0, 0)
_NOTHING: Final = [nan] * _PRICE
_LIVE: Final = FeedState.LIVE
"""Looking a member of an enum up takes 0.1 µs."""


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
        slot_ns, spread_slot_ns = c.window_ns // c.slots, c.spread_window_ns // c.spread_slots
        shape = windows.Shape(c.slots, slot_ns, c.spread_slots, spread_slot_ns, c.returns, c.grid_ns)
        self._block, i = windows.block_of(shape), instrument
        out = windows.parts(self._block)[4]
        out[windows.BASE] = size / 10**i.qty_decimals
        out[_PRICE:] = 10**i.price_decimals, 10**i.qty_decimals, i.contract_size, float(i.inverse)
        self._out = out[:_PRICE]
        self._shown = _NO_TOP
        self._pending: BookTop | None = None
        """The newest top, until it is booked: `show` does that in one call with all else."""
        self._pending_ns = 0

    def on_top(self, now_ns: int, top: BookTop) -> None:
        """The top of a LIVE book; a one-sided one counts as none."""
        if self._pending is not None:
            self._book()
        self._pending, self._pending_ns = top, now_ns

    def on_trade(self, now_ns: int, trade: Trade) -> None:
        if self._pending is not None:
            self._book()
        windows.kernels["on_trade"](self._block, now_ns, trade.qty, trade.side)

    def lost(self, now_ns: int) -> None:
        """The book is not LIVE any more."""
        if self._pending is not None:
            self._book()
        windows.kernels["on_top"](self._block, now_ns, 0, 0, 0, 0)

    def read(self, now_ns: int) -> Reading:
        """As of now, which moves the windows on."""
        if self._pending is not None:
            self._book()
        whole = windows.kernels["read"](self._block, now_ns)
        low, middle, high, order_flow, signed, share, volatility, *_ = self._numbers(whole)
        return Reading((low, middle, high), order_flow, signed, share, volatility)

    def show(self, now_ns: int, book: Book) -> list[float]:
        """The windows, and what a LIVE book shows, which is looked at again only when it has changed.

        The members of a `Reading`; one that means nothing; in quote currency and base units bid, ask, the
        quantity of both, spread in bps, imbalance over `DEPTHS`, microprice. NaN where there is nothing.
        """
        top = book.top()
        then_ns = -1
        if self._pending is top:
            then_ns, self._pending = self._pending_ns, None
        elif self._pending is not None:
            self._book()
        if top is self._shown and then_ns < 0:
            whole = windows.kernels["read"](self._block, now_ns) and top.bid > 0 and top.ask > 0
        else:
            whole = kernels["show"](self._block, now_ns, then_ns, book.bids.rows, book.asks.rows)
            self._shown = top
        return self._numbers(whole)

    def _numbers(self, whole: bool) -> list[float]:
        """What the kernels wrote; unless that is `whole`, with one NaN for all, so that views are equal."""
        numbers: list[float] = self._out.tolist()
        return numbers if whole else [nan if isnan(number) else number for number in numbers]

    def _book(self) -> None:
        top, self._pending = self._pending, None
        if top is not None:
            _, _, _, bid, bid_qty, ask, ask_qty = top
            windows.kernels["on_top"](self._block, self._pending_ns, bid, bid_qty, ask, ask_qty)


def venue_view(
    feed: BookFeed, flow: Flow, last_ns: int, now_ns: int, counts: dict[str, int], left_out: str
) -> VenueView:
    """The state of one book for the outside. `last_ns`: when the venue's last frame of any kind came."""
    state = feed.state
    # fmt: off
    (low, middle, high, order_flow, signed, share, volatility, _,
     bid, ask, bid_qty, ask_qty, spread, one, five, ten, micro) = (
        flow.show(now_ns, feed.book) if state is _LIVE else _NOTHING
    )
    # fmt: on
    return VenueView(  # by position: by name it takes a microsecond longer
        feed.instrument.venue,
        state,
        feed.reason,
        now_ns - last_ns if last_ns >= 0 else -1,
        now_ns - feed.book_ns if feed.book_ns >= 0 else -1,
        bid,
        ask,
        bid_qty,
        ask_qty,
        spread,
        (one, five, ten),
        micro,
        feed.counts_beside(counts),
        (low, middle, high),
        order_flow,
        signed,
        share,
        volatility,
        left_out,
        feed.verified,
    )
