"""The tracker: the same facts in any order, from any source, any number of times."""

from __future__ import annotations

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.io.broker.refusals import refusal
from citadel_kit.io.broker.track import Seen, Tracked, Tracker
from citadel_kit.types import OrderReport, RejectReason, ReportKind, VenueTrade

QTY = 100


def seen(
    filled: int, *, alive: bool = False, gone: bool = False, named: bool = True, reason: int = 0
) -> Seen:
    return Seen("BTC/USDT", "ck-p1-1" if named else "", "77", 500, QTY, filled, alive, gone, reason)


def trade(number: int, qty: int) -> VenueTrade:
    return VenueTrade(str(number), "77", "", "BTC/USDT", 1, 500 + number, qty, True, 0.0, 0)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Seen | VenueTrade], list[int]]:
    """What one order's sources say, shuffled and repeated; and its fills."""
    fills = draw(st.lists(st.integers(1, 25), max_size=4))
    totals = [sum(fills[:n]) for n in range(len(fills) + 1)]
    facts: list[Seen | VenueTrade] = [seen(total, alive=True, named=draw(st.booleans())) for total in totals]
    facts += [trade(n, qty) for n, qty in enumerate(fills)]
    facts += [seen(totals[-1], gone=True)]
    again = draw(st.lists(st.sampled_from(facts), max_size=6))
    return draw(st.permutations(facts + again)), fills


@given(histories())
def test_any_order_of_facts_gives_each_report_once(
    history: tuple[list[Seen | VenueTrade], list[int]],
) -> None:
    facts, fills = history
    reports: list[OrderReport] = []
    trades: list[str] = []
    tracker = Tracker(lambda _, report: reports.append(report), lambda _, __, t: trades.append(t.trade_id))
    order = Tracked(
        parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY
    )
    tracker.add(order)
    for now_ns, fact in enumerate(facts):
        if isinstance(fact, Seen):
            tracker.on_order(fact, now_ns)
        else:
            tracker.on_trade(fact, now_ns)
        booked = sum(r.qty for r in reports if r.kind == ReportKind.FILL)
        ends = [r for r in reports if r.kind == ReportKind.CANCELED]
        assert booked == order.total <= QTY
        assert not ends or ends[0].filled == booked  # never before its fills
    kinds = [ReportKind(r.kind) for r in reports]
    assert sorted(trades) == [str(n) for n in range(len(fills))]
    assert kinds.count(ReportKind.FILL) == len(fills)
    assert kinds.count(ReportKind.CANCELED) == (sum(fills) < QTY)
    assert kinds.count(ReportKind.ACK) <= 1
    totals = [r.filled for r in reports if r.kind == ReportKind.FILL]
    assert totals == sorted(set(totals))
    assert order.settled


def test_a_fill_booked_elsewhere_is_not_told_and_the_next_goes_on_from_it() -> None:
    reports: list[OrderReport] = []
    tracker = Tracker(lambda _, report: reports.append(report), lambda *_: None)
    order = Tracked(
        parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY
    )
    tracker.add(order)
    tracker.on_order(seen(50, gone=True), 1)
    assert tracker.note("p1", 1, "8", 20) is order
    assert tracker.note("p1", 1, "8", 20) is None
    tracker.on_trade(trade(8, 20), 2)
    tracker.on_trade(trade(9, 30), 3)
    told = [(ReportKind(r.kind).name, r.qty, r.filled) for r in reports]
    assert told == [("FILL", 30, 50), ("CANCELED", 0, 50)]
    assert tracker.note("p1", 2, "8", 20) is None


def test_an_end_that_waited_for_a_fill_booked_elsewhere_is_told() -> None:
    reports: list[OrderReport] = []
    tracker = Tracker(lambda _, report: reports.append(report), lambda *_: None)
    order = Tracked(
        parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY
    )
    tracker.add(order)
    tracker.on_order(seen(20, gone=True), 1)
    assert tracker.note("p1", 1, "8", 20) is order
    tracker.tell_over(order, 2)
    assert [(ReportKind(r.kind).name, r.filled) for r in reports] == [("CANCELED", 20)]


def test_an_order_taken_for_dead_is_reported_when_it_lives() -> None:
    reports: list[OrderReport] = []
    tracker = Tracker(lambda _, report: reports.append(report), lambda *_: None)
    order = Tracked(
        parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY
    )
    tracker.add(order)
    tracker.refuse(order, RejectReason.UNKNOWN_ORDER, 1)
    assert order.settled
    tracker.on_order(seen(0, alive=True), 2)
    assert [r.kind for r in reports] == [ReportKind.REJECT, ReportKind.ACK]
    assert not order.settled


def test_a_post_only_order_that_ends_in_the_stream() -> None:
    """Accepted first, as at Bybit and OKX: a REJECT where it never rested, else an end with a reason."""
    for acked, kind in ((False, ReportKind.REJECT), (True, ReportKind.CANCELED)):
        reports: list[OrderReport] = []
        tracker = Tracker(lambda _, report, said=reports: said.append(report), lambda *_: None)  # type: ignore[misc]
        order = Tracked(
            parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY,
            acked=acked,
        )  # fmt: skip
        tracker.add(order)
        tracker.on_order(seen(0, gone=True, reason=RejectReason.POST_ONLY), 1)
        assert [(r.kind, r.reason) for r in reports] == [(kind, RejectReason.POST_ONLY)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ccxt.RequestTimeout("x"), None),
        (ccxt.NetworkError("x"), None),
        (ccxt.ExchangeNotAvailable("502"), None),
        (ccxt.OperationFailed("-1006 execution status unknown"), None),
        (ccxt.BadResponse("x"), None),
        (ccxt.ExchangeError("a code that ccxt has no class for"), None),
        (TimeoutError(), None),
        (OSError(), None),
        (ccxt.RateLimitExceeded("x"), RejectReason.RATE_LIMIT),
        (ccxt.DDoSProtection("418"), RejectReason.RATE_LIMIT),
        (ccxt.OnMaintenance("x"), RejectReason.VENUE),
        (ccxt.InvalidNonce("-1021"), RejectReason.VENUE),
        (ccxt.InsufficientFunds("x"), RejectReason.BALANCE),
        (ccxt.OrderImmediatelyFillable("x"), RejectReason.POST_ONLY),
        (ccxt.InvalidOrder("binance Duplicate order sent."), RejectReason.DUPLICATE),
        (ccxt.DuplicateOrderId("x"), RejectReason.DUPLICATE),
        (ccxt.BadRequest("binance Filter failure: NOTIONAL"), RejectReason.FILTER),
        (ccxt.InvalidOrder("LOT_SIZE"), RejectReason.FILTER),
        (ccxt.OrderNotFound("x"), RejectReason.UNKNOWN_ORDER),
        (ccxt.MarketClosed("x"), RejectReason.NO_BOOK),
        (ccxt.PermissionDenied("x"), RejectReason.VENUE),
        (ccxt.ExchangeError("EOrder:Post only order"), RejectReason.POST_ONLY),
    ],
)
def test_only_the_venues_clear_no_is_a_refusal(error: Exception, reason: RejectReason | None) -> None:
    assert refusal(error, ("Post only order",)) == reason


def test_the_venues_id_is_known_when_the_ack_is_told() -> None:
    """So that it is journalled with it: by it alone some venues' trades are ours."""
    order = Tracked(
        parent_id="p1", order_id=1, client_id="ck-p1-1", symbol="BTC/USDT", side=1, price=500, qty=QTY
    )
    told: list[str] = []
    tracker = Tracker(lambda *_: told.append(order.venue_order_id), lambda *_: None)
    tracker.add(order)
    tracker.on_order(seen(0, alive=True), 1)
    assert told == ["77"]
