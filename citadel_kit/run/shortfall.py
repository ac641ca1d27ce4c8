"""What one parent order cost against the market as it was when it came.

The implementation shortfall of Perold, "The Implementation Shortfall: Paper versus Reality" (1988): against a
paper portfolio that trades all of it, at once, at the mid of the venue's book on arrival. Of an order on side
`s` (+1 buys, -1 sells) with arrival mid `M` and fills of quantity `q` at price `p`, each with the mid `m` of
the venue's book when its report came, and fee `f`, with `Q` the sum of all `q`, in basis points of `Q M`:

    spread     s sum q (p - m)     what the fills were worse than the mid of their moment; resting earns it
    drift      s sum q (m - M)     how far the mid had gone until then, also called timing
    fees       sum f
    shortfall  their sum: positive is a cost

What was not filled costs nothing yet. It is stated apart, in basis points of all that was intended, with
`E` the mid when the order ended:

    opportunity   s (E - M) / M × the share not filled

Everything is by our clock and our book: what moved the mid between the fill and its report, and what the fill
itself did to it, is in the spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isnan, nan
from typing import Final, NamedTuple, TypedDict

from citadel_kit.clock import SECOND
from citadel_kit.run.trace import NO_MARK, Mark, Rested, Trace
from citadel_kit.types import FIRST_STOP_ID, Fill, Instrument, OrderView, Purpose, Side

WHOLE: Final = 1e-9
"""Share that may be missing of an order that is filled whole: quantities are floats here."""


class Executed(NamedTuple):
    """One fill, and the venue's book when its report came; NaN where that is not known."""

    at_ns: int
    price: float
    qty: float
    maker: bool
    fee: float
    """In the quote currency; NaN where the venue did not say."""
    bid: float
    ask: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One parent order, as far as it has come. Prices in the quote currency, quantities as the venue counts
    them, times by our clock."""

    run: str
    """Prefix of the engine's run; empty for the one at hand."""
    parent_id: str
    venue: str
    symbol: str
    side: Side
    purpose: Purpose
    status: str
    qty: float
    contract_size: float
    submitted_ns: int
    finished_ns: int
    """0 while it works."""
    arrival: Mark
    end: Mark
    """The market when it ended, or as last seen."""
    fills: tuple[Executed, ...]
    placed_ns: int
    """Of its first order; 0 where none was placed."""
    reprices: int
    queue_ns: int
    rests: tuple[Rested, ...] = ()
    path: tuple[Mark, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.run}-{self.parent_id}" if self.run else self.parent_id


def execution(
    view: OrderView, instrument: Instrument, fills: Sequence[Fill], trace: Trace, now_ns: int
) -> Execution:
    """Of an engine's own parent order. `fills`: as booked."""
    return Execution(
        run="",
        parent_id=view.parent_id,
        venue=view.venue,
        symbol=view.symbol,
        side=view.side,
        purpose=view.purpose,
        status=view.status,
        qty=view.qty,
        contract_size=instrument.contract_size,
        submitted_ns=view.submitted_ns,
        finished_ns=view.finished_ns,
        **market_facts(instrument, fills, trace, view.finished_ns or now_ns),
    )


class MarketFacts(TypedDict):
    """The part of an `Execution` that its trace and its fills tell."""

    arrival: Mark
    end: Mark
    fills: tuple[Executed, ...]
    placed_ns: int
    reprices: int
    queue_ns: int
    rests: tuple[Rested, ...]
    path: tuple[Mark, ...]


def market_facts(instrument: Instrument, fills: Sequence[Fill], trace: Trace, until_ns: int) -> MarketFacts:
    """In floats. A protective stop's fills are not the parent's execution, and have no mark."""
    scale = 10.0**instrument.price_decimals
    own = [fill for fill in fills if fill.order_id < FIRST_STOP_ID]
    marks = [*trace.fills, *[NO_MARK] * len(own)]
    return MarketFacts(
        arrival=_scaled(trace.arrival, scale),
        end=_scaled(trace.last, scale),
        fills=tuple(
            Executed(
                fill.recv_ns, fill.price / scale, instrument.qty(fill.qty), fill.maker, fill.fee,
                mark.bid / scale, mark.ask / scale,
            )
            for fill, mark in zip(own, marks, strict=False)
        ),
        placed_ns=trace.placed_ns,
        reprices=trace.reprices,
        queue_ns=trace.rested_ns(until_ns),
        rests=tuple(rest._replace(price=rest.price / scale) for rest in trace.rests),
        path=tuple(_scaled(mark, scale) for mark in trace.path()),
    )  # fmt: skip


class Row(NamedTuple):
    """One row of the report. What is not known, or is not there without a fill, is NaN."""

    run: str
    parent_id: str
    venue: str
    symbol: str
    side: str
    purpose: str
    status: str
    submitted_ns: int
    qty: float
    filled: float
    fill_rate: float
    arrival_price: float
    average_price: float
    notional: float
    """Filled, at the arrival price, in the quote currency."""
    intended: float
    """The same of all of it."""
    shortfall_bps: float
    spread_bps: float
    drift_bps: float
    fees_bps: float
    opportunity_bps: float
    maker_rate: float
    """Share of the filled quantity."""
    time_to_place_s: float
    time_to_first_fill_s: float
    time_to_fill_s: float
    """Until the last fill, where all was filled."""
    reprices: int
    queue_s: float
    """Time spent resting at the venue."""


def measure(e: Execution) -> Row:
    """Inverse contracts are not for it: the gate lets none of them be traded."""
    side, mid, filled = int(e.side), e.arrival.mid, fsum(fill.qty for fill in e.fills)
    base = mid * filled if filled else nan
    spread = side * fsum(f.qty * (f.price - (f.bid + f.ask) / 2) for f in e.fills) / base * 1e4
    drift = side * fsum(f.qty * ((f.bid + f.ask) / 2 - mid) for f in e.fills) / base * 1e4
    fees = fsum(f.fee for f in e.fills) / (base * e.contract_size) * 1e4
    price = spread + drift
    if isnan(price):  # their sum needs no mid of the moment
        price = side * fsum(f.qty * (f.price - mid) for f in e.fills) / base * 1e4
    unfilled = max(1 - filled / e.qty, 0.0)
    whole = unfilled < WHOLE
    return Row(
        run=e.run,
        parent_id=e.parent_id,
        venue=e.venue,
        symbol=e.symbol,
        side=e.side.name,
        purpose=e.purpose.name,
        status=e.status,
        submitted_ns=e.submitted_ns,
        qty=e.qty,
        filled=filled,
        fill_rate=filled / e.qty,
        arrival_price=mid,
        average_price=fsum(f.qty * f.price for f in e.fills) / filled if filled else nan,
        notional=base * e.contract_size if filled else 0.0,
        intended=mid * e.qty * e.contract_size,
        shortfall_bps=price + fees,
        spread_bps=spread,
        drift_bps=drift,
        fees_bps=fees,
        opportunity_bps=0.0 if whole else side * (e.end.mid - mid) / mid * unfilled * 1e4,
        maker_rate=fsum(f.qty for f in e.fills if f.maker) / filled if filled else nan,
        time_to_place_s=_since(e, e.placed_ns),
        time_to_first_fill_s=_since(e, e.fills[0].at_ns if e.fills else 0),
        time_to_fill_s=_since(e, e.fills[-1].at_ns if whole else 0),
        reprices=e.reprices,
        queue_s=e.queue_ns / SECOND,
    )


def _since(e: Execution, at_ns: int) -> float:
    return (at_ns - e.submitted_ns) / SECOND if at_ns else nan


def _scaled(mark: Mark, scale: float) -> Mark:
    return Mark(mark.at_ns, mark.bid / scale, mark.ask / scale)
