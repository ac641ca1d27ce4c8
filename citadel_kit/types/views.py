"""The micro layer's word: what the bridge shows of books, quotes and orders, as plain immutable data.

They are msgspec structs, since one of each is made after every frame that changes something and a frozen
dataclass takes ten times as long to make. A changed copy: `msgspec.structs.replace`; plain dicts all the way
down: `MicroSnapshot.asdict`.
"""

from __future__ import annotations

from html import escape
from math import nan
from typing import Any, NamedTuple

import msgspec

from citadel_kit.types.market import FeedState, Side
from citadel_kit.types.orders import Purpose


class VenueView(msgspec.Struct, frozen=True, gc=False):
    """One venue's book as the micro layer sees it. Numbers are floats for display; NaN where not LIVE."""

    venue: str
    state: FeedState
    state_reason: str
    age_ns: int
    """Since the last frame of any kind; -1 where none came yet."""
    book_age_ns: int
    """Since the last applied book update; -1 where none came yet."""
    bid: float
    ask: float
    bid_qty: float
    ask_qty: float
    spread_bps: float
    imbalance: tuple[float, float, float]
    """Of the top 1, 5 and 10 levels: (bid - ask) / (bid + ask) by quantity, in [-1, 1]."""
    microprice: float
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """frames, book updates, gaps, resyncs, oracle agreements and disagreements, unknown messages …"""
    spread_quantiles: tuple[float, float, float] = (nan, nan, nan)
    """Spread in bps that was not exceeded in 10, 50 and 90 % of the time; see `micro.flow`."""
    order_flow: float = nan
    """Order-flow imbalance over the last seconds, in base units; positive: buyers press."""
    signed_volume: float = nan
    """Traded by buying less by selling aggressors over the last seconds, in base units."""
    trade_imbalance: float = nan
    """The same as a share of all that was traded, in [-1, 1]."""
    volatility_bps: float = nan
    """Of the mid, in basis points per square root of a second."""
    left_out: str = ""
    """Why the venue is not in the global quote; empty where it is."""
    verified: bool = True
    """False: nothing proves its books, however LIVE they are."""

    @property
    def standing(self) -> str:
        """Its state in words, with the mark of an unverified venue."""
        return self.state.name if self.verified else f"{self.state.name} UNVERIFIED"


class GlobalQuote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask over LIVE venues. Prices are NaN and venues empty where there is none.

    Prices are in `currency`. An age is that of the older of the book and, where the price was converted, the
    conversion quote.
    """

    bid: float
    bid_qty: float
    bid_venue: str
    bid_age_ns: int
    ask: float
    ask_qty: float
    ask_venue: str
    ask_age_ns: int
    crossed: bool
    currency: str = ""
    bid_symbol: str = ""
    ask_symbol: str = ""
    apart: tuple[GlobalQuote, ...] = ()
    """The best of other quote currencies, each in its own, that no live conversion makes comparable."""

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


class Opportunity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Buying on one exchange and selling on another pays now, after taker fees. A sight, not an order."""

    buy_venue: str
    buy_symbol: str
    sell_venue: str
    sell_symbol: str
    currency: str
    """Of the prices and the profit."""
    ask: float
    """Where we would buy, fees not included."""
    bid: float
    """Where we would sell, fees not included."""
    edge_bps: float
    """Of these prices, after fees; always positive."""
    qty: float
    """In base units: what both books show at prices that still pay after fees."""
    profit: float
    """Of all of `qty`, after fees."""
    buy_age_ns: int
    sell_age_ns: int
    updates: int
    """Consecutive updates of either quote at which it has stood, the first included."""
    since_ns: int


class OrderView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One parent order as plain data. Prices are floats for display; NaN where there is none."""

    parent_id: str
    venue: str
    symbol: str
    side: Side
    purpose: Purpose
    forced: bool
    status: str
    """working, filled, cancelled, expired or failed"""
    note: str
    """What it did last, in words."""
    qty: float
    filled: float
    remaining: float
    working_price: float
    arrival_mid: float
    average_price: float
    slippage_bps: float
    """Average price against the mid at arrival; positive is worse for us. Fees not included."""
    fees: float
    reprices: int
    submitted_ns: int
    finished_ns: int
    """0 while it works."""
    plan: str = ""
    """Of an entry: what is open of it, and who guards that; empty where nothing is."""


class MicroSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Everything the bridge shows of the micro layer at one moment. Immutable; swapped as one reference."""

    asof_ns: int
    symbol: str
    mode: str
    """REPLAY, PAPER or LIVE"""
    quote: GlobalQuote
    venues: tuple[VenueView, ...]
    guard: str
    """ok, or why the guard is tripped"""
    orders: tuple[OrderView, ...]
    engine: str
    """running, ended, closed, or what it died of"""
    opportunities: tuple[Opportunity, ...] = ()
    """The most profitable first."""

    def __repr__(self) -> str:
        books = ", ".join(f"{v.venue} {v.standing} {v.bid:g}/{v.ask:g}" for v in self.venues)
        rest = f"guard {self.guard}, {len(self.orders)} orders, engine {self.engine}"
        return f"<MicroSnapshot {self.mode} {self.symbol}: {books}; {rest}>"

    def _repr_html_(self) -> str:
        cells = [("venue", "state", "bid", "ask", "spread, bps", "imbalance 1 / 5 / 10", "microprice")]
        for v in self.venues:
            numbers = " / ".join(f"{x:+.2f}" for x in v.imbalance)
            state = f"{v.standing} {v.state_reason}"
            row = (f"{v.bid:,}", f"{v.ask:,}", f"{v.spread_bps:.4f}", numbers, f"{v.microprice:,.4f}")
            cells.append((v.venue, state, *row))
        rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in cells)
        return f"<p>{escape(f'{self.mode} {self.symbol}, guard {self.guard}')}</p><table>{rows}</table>"

    def asdict(self) -> dict[str, Any]:
        """Everything as dicts, tuples, texts and numbers; a state, side or purpose is its enum's number."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def venue(self, name: str) -> VenueView:
        """Raises KeyError naming the venues there are: another spelling is an error, never a silent miss."""
        for view in self.venues:
            if view.venue == name:
                return view
        raise KeyError(f"no venue {name!r}; there are: {', '.join(v.venue for v in self.venues)}")


class Verdict(NamedTuple):
    """The gate's answer. `reasons` is empty exactly when `allowed`."""

    allowed: bool
    reasons: tuple[str, ...]
    """Codes of `micro.gate.Reason`."""
    text: str
    """For people: what blocks, the measured value, and the setting that decides."""
