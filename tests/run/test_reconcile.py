"""Each rule of reconciliation, one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from reconcile_world import COIN, SECOND, START_NS

from citadel_kit.io.journal import Booked, Journal, OwnOrder
from citadel_kit.run.reconcile import (
    GRACE_NS,
    Reconciliation,
    VenueView,
    reconcile,
    record,
    to_ask,
    trades_since,
)
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    OrderIntent,
    RejectReason,
    ReportKind,
    Side,
    VenueOrder,
    VenueTrade,
    parse_client_id,
)

NOW = START_NS + 3600 * SECOND
NAME, STOP = "ck000001-p1-1", f"ck000001-p1-{FIRST_STOP_ID}"


def own(name: str = NAME, *fills: Booked, **more: object) -> OwnOrder:
    parent, order_id = parse_client_id(name, "ck000001") or ("", 0)
    order = OwnOrder(
        *(name, "ck000001", parent, order_id, "A/B", 1, 100, 9),
        claimed=sum(fill.qty for fill in fills),
        done=0,
        venue_order_id="",
        placed_ns=START_NS,
        last_ns=START_NS,
        family=f"ck000001-{parent}",
        family_net=sum(fill.qty for fill in fills),
        fills=fills,
    )
    return order._replace(**more)


def shown(name: str = NAME, *, filled: int = 0, alive: bool = True, side: int = 1) -> VenueOrder:
    return VenueOrder(name, f"n-{name}", "A/B", side, 100, 9, filled, alive, START_NS)


def trade(trade_id: str, qty: int, *, of: str = NAME, named: bool = True, price: int = 100) -> VenueTrade:
    return VenueTrade(trade_id, f"n-{of}", of if named else "", "A/B", 1, price, qty, True, 0.5, START_NS)


def decide(
    ours: Sequence[OwnOrder],
    *,
    alive: Sequence[VenueOrder] = (),
    asked: Mapping[str, VenueOrder | None] | None = None,
    trades: Sequence[VenueTrade] = (),
    keep: Collection[str] | None = None,
) -> Reconciliation:
    return reconcile("v", ours, VenueView(NOW, alive, asked or {}, trades), ["ck000001"], keep=keep)


def booked(result: Reconciliation) -> list[tuple[str, int, int]]:
    return [(missed.trade_id, missed.fill.qty, missed.filled) for missed in result.book]


def test_nothing_is_settled() -> None:
    result = decide([])
    assert result.settled
    assert not any(result)


def test_a_missed_fill_is_booked_from_the_trade_and_its_order_finished() -> None:
    gone = shown(filled=5, alive=False)
    result = decide([own()], asked={NAME: gone}, trades=[trade("t1", 2), trade("t2", 3, price=101)])
    assert booked(result) == [("t1", 2, 2), ("t2", 3, 5)]
    assert result.book[1].fill.price == 101
    assert [(f.filled, f.lived) for f in result.finish] == [(5, True)]
    assert not result.settled


@pytest.mark.parametrize("trade_id", ["t2", ""])
def test_what_is_booked_is_not_booked_again_whether_or_not_its_id_is_known(trade_id: str) -> None:
    held = own(NAME, Booked(trade_id, 3, 5))
    gone = shown(filled=9, alive=False)
    trades = [trade("t1", 2), trade("t2", 3), trade("t3", 4), trade("t3", 4)]
    assert booked(decide([held], asked={NAME: gone}, trades=trades)) == [("t1", 2, 2), ("t3", 4, 9)]


def test_a_report_that_covered_parts_of_trades() -> None:
    held = own(NAME, Booked("", 4, 6))
    result = decide([held], asked={NAME: shown(filled=9)}, trades=[trade("t1", 5), trade("t2", 4)])
    assert booked(result) == [("t1", 2, 2), ("t2", 3, 9)]
    assert [missed.fill.fee for missed in result.book] == [0.5 * 2 / 5, 0.5 * 3 / 4]


def test_a_list_that_is_in_another_order_than_we_heard() -> None:
    held = own(NAME, Booked("t1", 2, 2))
    result = decide([held], asked={NAME: shown(filled=5)}, trades=[trade("t2", 3), trade("t1", 2)])
    assert booked(result) == [("t2", 3, 5)]


def test_a_trade_that_lies_about_others_is_booked_in_pieces() -> None:
    held = own(NAME, Booked("t1", 2, 3))
    result = decide([held], asked={NAME: shown(filled=5)}, trades=[trade("t1", 2), trade("t2", 3)])
    assert booked(result) == [("t2", 1, 1), ("t2", 2, 5)]


def test_trades_without_our_client_id_are_known_by_the_venues_number() -> None:
    trades = [trade("t1", 2, named=False), trade("t2", 1, of="theirs", named=False)]
    result = decide([own()], asked={NAME: shown(filled=2)}, trades=trades, keep=[NAME])
    assert booked(result) == [("t1", 2, 2)]
    assert [t.trade_id for t in result.foreign_trades] == ["t2"]
    late = own(done=1, venue_order_id=f"n-{NAME}")
    assert booked(decide([late], trades=trades)) == [("t1", 2, 2)]


def test_trades_that_do_not_add_up_yet_are_waited_for() -> None:
    """The first is missing: to book the second now would put it in the first one's place."""
    result = decide([own()], asked={NAME: shown(filled=5, alive=False)}, trades=[trade("t2", 3)])
    assert not result.book
    assert not result.finish
    assert "3 of 5" in result.waiting[0]


def test_more_booked_than_the_venue_shows_is_a_problem() -> None:
    result = decide([own(NAME, Booked("", 5, 5))], asked={NAME: shown(filled=3)}, trades=[trade("t1", 3)])
    assert "5 are booked, the venue shows 3" in result.problems[0]
    claimed = own(claimed=4)
    assert "4 were reported" in decide([claimed], asked={NAME: shown(alive=False)}).problems[0]
    assert "4 were reported" in decide([claimed], asked={NAME: None}).problems[0]


def test_no_answer_is_waited_for() -> None:
    result = decide([own()])
    assert "did not say" in result.waiting[0]
    assert not result.finish


def test_an_order_that_the_venue_does_not_know_is_given_up_only_after_a_while() -> None:
    young = own(placed_ns=NOW - GRACE_NS + 1)
    assert "does not know it yet" in decide([young], asked={NAME: None}).waiting[0]
    old = own(placed_ns=NOW - GRACE_NS)
    assert [f.lived for f in decide([old], asked={NAME: None}).finish] == [False]


def test_at_the_start_the_end_of_an_order_just_sent_is_not_believed_unasked() -> None:
    young = own(placed_ns=NOW - GRACE_NS + 1, done=1)
    assert to_ask([young], NOW, start=True) == [NAME]
    assert to_ask([young], NOW, start=False) == to_ask([own(done=1)], NOW, start=True) == []
    assert decide([young]).waiting
    assert decide([young], asked={NAME: None}).waiting
    assert decide([young], asked={NAME: shown(alive=False)}).settled
    assert decide([young], keep=[]).settled


def test_what_is_wanted_is_adopted_and_what_is_not_is_cancelled() -> None:
    other = "ck000001-p2-1"
    result = decide([own(), own(other)], alive=[shown(), shown(other)], keep=[NAME])
    assert [f.order.client_id for f in result.adopt] == [NAME]
    assert [f.order.client_id for f in result.cancel] == [other]
    assert [f.order.client_id for f in decide([own()], alive=[shown()]).cancel] == [NAME]


def test_what_the_journal_holds_for_gone_must_not_live_on() -> None:
    result = decide([own(done=1)], alive=[shown()], keep=[NAME])
    assert [f.order.client_id for f in result.cancel] == [NAME]


def test_an_order_of_ours_that_the_journal_does_not_know_is_cancelled_and_its_fills_booked() -> None:
    result = decide([], alive=[shown(filled=2)], trades=[trade("t1", 2)], keep=[NAME])
    assert [f.order.client_id for f in result.cancel] == [NAME]
    assert booked(result) == [("t1", 2, 2)]


def test_other_peoples_orders_are_reported_and_left_alone() -> None:
    theirs = [shown(name) for name in ("web-1", "", "ck000002-p1-1", "ck000001-")]
    result = decide([], alive=theirs, trades=[trade("t1", 2, of="web-1")])
    assert list(result.foreign_orders) == theirs
    assert len(result.foreign_trades) == 1
    assert result.settled
    assert not result.cancel


def test_while_running_an_order_that_moved_since_is_left_to_the_next_round() -> None:
    moved = own(last_ns=NOW)
    assert decide([moved], alive=[shown()], trades=[trade("t1", 2)], keep=[]).settled
    assert decide([moved], alive=[shown()]).cancel  # at the start nothing moves


def test_the_newest_stop_of_a_position_stays_and_every_other_goes() -> None:
    second = f"ck000001-p1-{FIRST_STOP_ID + 1}"
    flat = f"ck000001-p2-{FIRST_STOP_ID}"
    ours = [own(STOP, family_net=9), own(second, family_net=9), own(flat, family_net=0)]
    alive = [shown(name, side=-1) for name in (second, STOP, flat)]
    result = decide(ours, alive=alive)
    assert [f.order.client_id for f in result.adopt] == [second]
    assert [f.order.client_id for f in result.cancel] == [STOP, flat]
    no_stop = own(family_net=9)
    assert decide([no_stop], alive=[shown(side=-1)]).cancel
    wrong = decide([own(STOP, family_net=-9)], alive=[shown(STOP, side=-1)])
    assert wrong.cancel


def test_an_entry_keeps_one_stop_whichever_runs_placed_them() -> None:
    """A later run takes the position up under a name of its own, and its stops are named by that."""
    later = f"ck000001-r1-{FIRST_STOP_ID}"
    stops = [own(STOP, family_net=9), own(later, family="ck000001-p1", family_net=9, placed_ns=START_NS + 1)]
    result = decide(stops, alive=[shown(name, side=-1) for name in (later, STOP)])
    assert [f.order.client_id for f in result.adopt] == [later]
    assert [f.order.client_id for f in result.cancel] == [STOP]


def test_a_stop_stays_for_a_fill_that_was_missed() -> None:
    ours = [own(family_net=0), own(STOP, family_net=0)]
    result = decide(
        ours,
        alive=[shown(STOP, side=-1)],
        asked={NAME: shown(filled=4, alive=False)},
        trades=[trade("t1", 4)],
    )
    assert [f.order.client_id for f in result.adopt] == [STOP]


def test_from_when_on_trades_are_needed() -> None:
    ours = [own(placed_ns=NOW), own(placed_ns=NOW - 5)]
    assert trades_since(ours, [shown()._replace(created_ns=NOW - 7)], NOW) == NOW - 7 - 60 * SECOND
    assert trades_since([], [], NOW) == NOW - 60 * SECOND
    assert trades_since([], [shown()._replace(created_ns=0)], NOW) == 0


# --- into the journal ---------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An earlier run placed p1 and died; this one has begun."""
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "TEST", START_NS)
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=9, forced=True)
        journal.intent("p1", intent, COIN, {}, START_NS)
        journal.command("p1", Command(CommandKind.PLACE, 1, 1, 100, 9, 0), START_NS)
        journal.start_run("ck000002", "main", "TEST", NOW)
        yield journal


def test_a_round_is_written_down_cancels_first_and_told(journal: Journal, tmp_path: Path) -> None:
    ours = journal.own_orders("v", 0)
    result = decide(ours, alive=[shown(filled=4)], trades=[trade("t1", 4)])
    said = record(journal, "v", result, {}, NOW)
    assert [(prefix, parent, r.kind, r.qty, r.filled) for prefix, parent, r in said] == [
        ("ck000001", "p1", ReportKind.FILL, 4, 4)
    ]
    with Journal.open_readonly(tmp_path / "j.db") as reader:
        assert reader.commands()[["client_id", "command"]].to_numpy().tolist()[-1] == [NAME, "CANCEL"]
        assert "t1" in reader.reconciliations().detail[0]
    ours = journal.own_orders("v", 0)
    assert (ours[0].booked, ours[0].venue_order_id, ours[0].settled) == (4, f"n-{NAME}", False)
    gone = decide(ours, asked={NAME: shown(filled=4, alive=False)}, trades=[trade("t1", 4)])
    said = record(journal, "v", gone, {}, NOW)
    assert [(r.kind, r.filled) for _, _, r in said] == [(ReportKind.CANCELED, 4)]
    assert journal.own_orders("v", 0)[0].settled
    assert record(journal, "v", result._replace(cancel=()), {}, NOW) == []


def test_one_that_never_lived_ends_as_unknown(journal: Journal) -> None:
    result = decide(journal.own_orders("v", 0), asked={NAME: None})
    said = record(journal, "v", result, {}, NOW)
    assert [(r.kind, r.reason) for _, _, r in said] == [(ReportKind.REJECT, RejectReason.UNKNOWN_ORDER)]
    assert journal.own_orders("v", 0)[0].settled


def test_an_adopted_order_is_told_as_the_venue_shows_it(journal: Journal) -> None:
    result = decide(journal.own_orders("v", 0), alive=[shown()._replace(price=105, qty=7)], keep=[NAME])
    said = record(journal, "v", result, {}, NOW)
    assert [(r.kind, r.price, r.qty) for _, _, r in said] == [(ReportKind.STATE, 105, 7)]
    order = journal.own_orders("v", 0)[0]
    assert (order.price, order.qty, order.venue_order_id) == (105, 7, f"n-{NAME}")


def test_a_lost_journal_begins_with_the_venues_word(tmp_path: Path) -> None:
    lost = "ck000001-p8-1"
    with Journal(tmp_path / "new.db") as journal:
        journal.start_run("ck000002", "main", "TEST", NOW)
        trades = [trade("t1", 2, of=lost), trade("t2", 1, of=lost), trade("t3", 3)]
        result = decide([], alive=[shown(lost, filled=3)], trades=trades)
        assert record(journal, "v", result, {}, NOW) == []  # nobody knows A/B: no round is settled
        assert journal.own_orders("v", 0) == []
        assert len(record(journal, "v", result, {"A/B": COIN}, NOW)) == 3
        ours = {order.client_id: order for order in journal.own_orders("v", 0)}
        assert {name: (o.booked, bool(o.done)) for name, o in ours.items()} == {
            NAME: (3, True),
            lost: (3, False),
        }
        again = decide(list(ours.values()), asked={lost: shown(lost, filled=3, alive=False)}, trades=trades)
        record(journal, "v", again, {"A/B": COIN}, NOW)
        assert decide(journal.own_orders("v", 0), trades=trades).settled
