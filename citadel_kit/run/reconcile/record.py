"""Carrying a reconciliation out: into the journal, and as reports."""

from __future__ import annotations

from collections.abc import Mapping

from citadel_kit.io.journal import Journal
from citadel_kit.run.reconcile.records import Found, MissedFill, Reconciliation
from citadel_kit.types import (
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    RejectReason,
    ReportKind,
    VenueOrder,
    client_id,
)


def record(
    journal: Journal, venue: str, result: Reconciliation, instruments: Mapping[str, Instrument], now_ns: int
) -> list[tuple[str, str, OrderReport]]:
    """Journal all of it, the cancels ahead of their sending; what came of it as prefix, parent and report.

    `instruments`: by symbol, for orders of ours that this journal has no row of. One whose symbol is missing
    there is cancelled all the same, and its fills are not booked: no round is settled then.

    Raises JournalError.
    """
    said: list[tuple[str, str, OrderReport]] = []
    with journal.batch():
        for found in result.cancel:
            if not journal.knows(found.order.client_id) and found.order.symbol in instruments:
                journal.found(found.order, *found[:3], instruments[found.order.symbol])
            # Until the venue shows it gone it is at work, whatever the journal held of it.
            journal.report(found.parent_id, _state(found, now_ns), found.prefix, found.order.venue_order_id)
        totals = {
            _name(missed): missed.filled for missed in result.book
        }  # the last of each order is its most
        for missed in result.book:
            said += _booked(journal, missed, totals[_name(missed)], instruments)
        for finish in result.finish:
            own, reason = finish.own, RejectReason.NONE if finish.lived else RejectReason.UNKNOWN_ORDER
            kind = ReportKind.CANCELED if finish.lived else ReportKind.REJECT
            report = OrderReport(kind, own.order_id, now_ns, 0, 0, finish.filled, False, reason)
            journal.report(own.parent_id, report, own.prefix, finish.venue_order_id)
            said.append((own.prefix, own.parent_id, report))
        for found in result.adopt:
            report = _state(found, now_ns)
            journal.report(found.parent_id, report, found.prefix, found.order.venue_order_id)
            said.append((found.prefix, found.parent_id, report))
        journal.reconciliation(venue, result.settled, _detail(result), now_ns)
    for found in result.cancel:
        order = found.order
        command = Command(CommandKind.CANCEL, found.order_id, order.side, order.price, order.qty, 0)
        journal.command(found.parent_id, command, now_ns, found.prefix)
    return said


def _booked(
    journal: Journal, missed: MissedFill, total: int, instruments: Mapping[str, Instrument]
) -> list[tuple[str, str, OrderReport]]:
    """Empty where a report of the stream was faster, or nobody knows the instrument.

    `total`: of its order, with all that was missed.
    """
    fill, name = missed.fill, _name(missed)
    if not journal.knows(name):
        if fill.symbol not in instruments:
            return []
        order = VenueOrder(name, "", fill.symbol, fill.side, fill.price, total, total, False, fill.recv_ns)
        journal.found(order, missed.prefix, fill.parent_id, fill.order_id, instruments[fill.symbol])
    if not journal.fill(fill, missed.filled, missed.trade_id, missed.prefix):
        return []
    report = OrderReport(
        ReportKind.FILL,
        fill.order_id,
        fill.recv_ns,
        fill.price,
        fill.qty,
        missed.filled,
        fill.maker,
        RejectReason.NONE,
    )
    journal.report(fill.parent_id, report, missed.prefix)
    return [(missed.prefix, fill.parent_id, report)]


def _name(missed: MissedFill) -> str:
    return client_id(missed.prefix, missed.fill.parent_id, missed.fill.order_id)


def _state(found: Found, now_ns: int) -> OrderReport:
    order = found.order
    return OrderReport(
        ReportKind.STATE,
        found.order_id,
        now_ns,
        order.price,
        order.qty,
        order.filled,
        False,
        RejectReason.NONE,
    )


def _detail(result: Reconciliation) -> dict[str, object]:
    return {
        "booked": [f"{_name(missed)}: {missed.trade_id}" for missed in result.book],
        "adopted": [found.order.client_id for found in result.adopt],
        "finished": [finish.own.client_id for finish in result.finish],
        "cancelled": [found.order.client_id for found in result.cancel],
        "waiting": result.waiting,
        "problems": result.problems,
        "foreign orders": [order.client_id or order.venue_order_id for order in result.foreign_orders],
        "foreign trades": [trade.trade_id for trade in result.foreign_trades],
    }
