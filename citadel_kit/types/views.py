"""The micro layer's word: what the bridge shows of books, quotes and orders, as plain immutable data."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from citadel_kit.types.market import FeedState, Side
from citadel_kit.types.orders import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueView:
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
    counts: dict[str, int] = field(default_factory=dict)
    """frames, book updates, gaps, resyncs, oracle agreements and disagreements, unknown messages …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalQuote:
    """Best bid and ask over LIVE venues. Prices are NaN and venues empty where there is none."""

    bid: float
    bid_qty: float
    bid_venue: str
    bid_age_ns: int
    ask: float
    ask_qty: float
    ask_venue: str
    ask_age_ns: int
    crossed: bool

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroSnapshot:
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

    def _repr_html_(self) -> str:
        cells = [("venue", "state", "bid", "ask", "spread, bps", "imbalance 1 / 5 / 10", "microprice")]
        for v in self.venues:
            numbers = " / ".join(f"{x:+.2f}" for x in v.imbalance)
            state = f"{v.state.name} {v.state_reason}"
            row = (f"{v.bid:,}", f"{v.ask:,}", f"{v.spread_bps:.4f}", numbers, f"{v.microprice:,.4f}")
            cells.append((v.venue, state, *row))
        rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in cells)
        return f"<p>{escape(f'{self.mode} {self.symbol}, guard {self.guard}')}</p><table>{rows}</table>"

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
