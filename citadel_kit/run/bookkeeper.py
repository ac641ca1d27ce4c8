"""An account's journal at work: everything is written before it counts, in the order it happens.

Not thread-safe: it lives on the engine's loop, beside the brokers whose reports it hears first.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from math import isnan, nan
from typing import NamedTuple

from citadel_kit.io.journal import Journal
from citadel_kit.run.outbox import Closing, NewParent, SendCommand
from citadel_kit.run.parent import ParentOrder
from citadel_kit.types import (
    FIRST_STOP_ID,
    Fill,
    OrderReport,
    ReportKind,
    Side,
    VenueTrade,
)


class Known(NamedTuple):
    """Under which name the journal has an order: its run's prefix, its parent there, its number."""

    prefix: str
    parent_id: str
    order_id: int


class Bookkeeper:
    def __init__(self, journal: Journal, forward: Callable[[str, OrderReport, int], None]) -> None:
        """`forward`: hears each report after it was written, with what the venue kept of its fill in the base
        currency; but no fill that was booked before."""
        self.journal, self._forward = journal, forward
        self.venue_order_id: Callable[[str, str, int], str] = lambda venue, parent_id, order_id: ""
        """Of an order, as its broker knows it."""
        self._parents: dict[str, ParentOrder] = {}
        self._earlier: dict[tuple[str, int], Known] = {}
        """Orders of earlier runs, by the parent and number that the brokers know them by now."""
        self._trades: dict[tuple[str, int], deque[VenueTrade]] = defaultdict(deque)
        self._sides: dict[tuple[str, int], tuple[str, int]] = {}
        """Symbol and side of orders that have no parent here."""

    # --- said before it is done ---

    def parent(self, new: NewParent, now_ns: int, closes: str) -> None:
        """`closes`: of an exit, the family it belongs to. Raises JournalError."""
        order = new.order
        self._parents[order.parent_id] = order
        seen, scale = order.trace.arrival, 10**order.instrument.price_decimals
        arrival = {"arrival_bid": seen.bid / scale, "arrival_ask": seen.ask / scale}  # as people write prices
        options = {**arrival, **order.config._asdict()}
        self.journal.intent(order.parent_id, order.intent, order.instrument, options, now_ns, closes)
        if new.plan is not None:
            self.journal.exit_plan(order.parent_id, new.plan._asdict(), now_ns)

    def closing(self, item: Closing, family: str, now_ns: int) -> None:
        """`family`: of the plan's entry. Raises JournalError."""
        prefix, _, parent_id = family.partition("-")
        self.journal.exit_plan(parent_id, {**item.plan._asdict(), "cause": item.cause}, now_ns, prefix)

    def command(self, sent: SendCommand) -> None:
        """Raises JournalError."""
        known = self._earlier.get((sent.parent_id, sent.command.order_id))
        if known is None:
            self.journal.command(sent.parent_id, sent.command, sent.now_ns)
        else:
            command = sent.command._replace(order_id=known.order_id)
            self.journal.command(known.parent_id, command, sent.now_ns, known.prefix)

    def earlier(self, parent_id: str, order_id: int, known: Known, symbol: str, side: int) -> None:
        """An order of an earlier run that a broker has taken over under a name of this one."""
        self._earlier[parent_id, order_id] = known
        self._sides[parent_id, order_id] = symbol, side

    # --- what came back ---

    def on_trade(self, venue: str, parent_id: str, order_id: int, trade: VenueTrade) -> None:
        """Just before the FILL report that follows from it."""
        self._trades[parent_id, order_id].append(trade)

    def on_report(self, venue: str, parent_id: str, report: OrderReport) -> None:
        """Raises JournalError; then nothing was forwarded, and nothing more may be placed."""
        key, fill = (parent_id, report.order_id), None
        known = self._earlier.get(key) or Known(self.journal.prefix, parent_id, report.order_id)
        named = report._replace(order_id=known.order_id)
        with self.journal.batch():
            if report.kind == ReportKind.FILL:
                fill, trade_id = self._fill(venue, key, known, named)
                if not self.journal.fill(fill, report.filled, trade_id, known.prefix, *self._market(*key)):
                    return
            number = self.venue_order_id(venue, *key)
            self.journal.report(known.parent_id, named, known.prefix, number)
        self._forward(parent_id, report, fill.base_fee if fill else 0)

    def _fill(self, venue: str, key: tuple[str, int], known: Known, report: OrderReport) -> tuple[Fill, str]:
        """What the report says, with the venue's own facts where it has told them, and the trade's id."""
        trade = self._trades[key].popleft() if self._trades[key] else None
        symbol, side = self._sides.get(key) or self._of_parent(*key)
        fill = Fill(
            venue=venue,
            symbol=symbol,
            parent_id=known.parent_id,
            order_id=known.order_id,
            recv_ns=report.recv_ns,
            side=Side(side),
            price=report.price,
            qty=report.qty,
            maker=report.maker,
            fee=trade.fee if trade else nan,
            base_fee=trade.base_fee if trade else 0,
        )
        return fill, trade.trade_id if trade else ""

    def _market(self, parent_id: str, order_id: int) -> tuple[int, int]:
        """Bid and ask as its parent sees them; 0, 0 where nothing follows the market for it."""
        if parent_id not in self._parents or order_id >= FIRST_STOP_ID:
            return 0, 0
        seen = self._parents[parent_id].trace.last
        return (0, 0) if isnan(seen.bid) else (int(seen.bid), int(seen.ask))

    def _of_parent(self, parent_id: str, order_id: int) -> tuple[str, int]:
        intent = self._parents[parent_id].intent
        return intent.symbol, int(intent.side) * (-1 if order_id >= FIRST_STOP_ID else 1)
