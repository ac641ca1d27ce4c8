"""Fills → position, average price, fees and profit.

Amounts of money are integers in units of 10**-(price_decimals + qty_decimals) of the quote currency (times
the contract size), so that `cash == realised - cost` holds to the last unit; fees are floats, as a venue's
rates make them. Average-cost accounting: a reduction takes its share of the cost with it, rounded down to a
unit; a fill that turns the position round first closes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from citadel_kit.errors import ConfigError
from citadel_kit.settings import Fees
from citadel_kit.types import Fill, Instrument, OrderReport, ReportKind, Side


class Position(NamedTuple):
    """What a row of fills of one instrument adds up to; start from `FLAT`."""

    qty: int
    """Signed: negative is short."""
    cost: int
    """Of the open quantity, with its sign."""
    realised: int
    """Of what was closed, fees not taken off."""
    cash: int
    """Paid and received, fees not taken off."""
    fees: float
    fills: int

    def average_price(self) -> float:
        """Of the open quantity, in price units; NaN when flat."""
        return self.cost / self.qty if self.qty else float("nan")

    def unrealised(self, price: int) -> int:
        """Profit of the open quantity at a price in price units."""
        return self.qty * price - self.cost


FLAT = Position(0, 0, 0, 0, 0.0, 0)


def make_fill(
    instrument: Instrument, parent_id: str, side: Side, report: OrderReport, fees: Fees, base_fee: int = 0
) -> Fill:
    """The fact in a FILL report; its price and quantity are this fill's, not the order's."""
    rate = fees.maker_bps if report.maker else fees.taker_bps
    return Fill(
        venue=instrument.venue,
        symbol=instrument.symbol,
        parent_id=parent_id,
        order_id=report.order_id,
        recv_ns=report.recv_ns,
        side=side,
        price=report.price,
        qty=report.qty,
        maker=report.maker,
        fee=instrument.notional(report.price, report.qty) * rate / 1e4,
        base_fee=base_fee,
    )


def add(position: Position, fill: Fill) -> Position:
    """The position after one more fill of the same instrument.

    A fee kept in the base currency counts as sold at the fill's price to pay it: `fees` has it.
    """
    p, signed = position, int(fill.side) * fill.qty
    closed = min(abs(signed), abs(p.qty)) if p.qty * signed < 0 else 0
    cost_out = p.cost * closed // abs(p.qty) if closed else 0
    proceeds = closed * fill.price * (1 if p.qty > 0 else -1)
    opened = signed + (closed if p.qty > 0 else -closed)
    return Position(
        qty=p.qty + signed - fill.base_fee,
        cost=p.cost - cost_out + (opened - fill.base_fee) * fill.price,
        realised=p.realised + proceeds - cost_out,
        cash=p.cash - (signed - fill.base_fee) * fill.price,
        fees=p.fees + fill.fee,
        fills=p.fills + 1,
    )


class Ledger:
    """Positions per venue and per parent order; a report that comes twice counts once.

    A fill is known by its parent, its order and the order's cumulative quantity, so reports may come in any
    order.
    """

    def __init__(self, instruments: Iterable[Instrument], fees: Mapping[str, Fees]) -> None:
        self._instruments = {i.venue: i for i in instruments}
        self._fees = fees
        self._seen: set[tuple[str, int, int]] = set()
        self._by_venue: dict[str, Position] = {}
        self._by_parent: dict[str, Position] = {}

    def on_report(
        self, venue: str, parent_id: str, side: Side, report: OrderReport, base_fee: int = 0
    ) -> Fill | None:
        """The new fill in this report, booked; None where there is none. ConfigError: unknown venue."""
        if venue not in self._instruments:
            raise ConfigError(
                "venue", f"the ledger has no {venue!r}", f"It has: {', '.join(self._instruments)}"
            )
        key = (parent_id, report.order_id, report.filled)
        if report.kind != ReportKind.FILL or report.qty <= 0 or key in self._seen:
            return None
        self._seen.add(key)
        fill = make_fill(self._instruments[venue], parent_id, side, report, self._fees[venue], base_fee)
        self._by_venue[venue] = add(self.position(venue), fill)
        self._by_parent[parent_id] = add(self.of_parent(parent_id), fill)
        return fill

    def carry_over(self, venue: str, qty: int, price: int) -> None:
        """A position of an earlier run, in whole at its average price."""
        p = self.position(venue)
        self._by_venue[venue] = p._replace(
            qty=p.qty + qty, cost=p.cost + qty * price, cash=p.cash - qty * price
        )

    def position(self, venue: str) -> Position:
        return self._by_venue.get(venue, FLAT)

    def gross(self, price: float) -> float:
        """What all positions are worth at this price, none set off against another. Not for inverse ones."""
        held = [(self._instruments[venue], p.qty) for venue, p in self._by_venue.items()]
        return sum(price * i.qty(abs(qty)) * i.contract_size for i, qty in held)

    def of_parent(self, parent_id: str) -> Position:
        return self._by_parent.get(parent_id, FLAT)
