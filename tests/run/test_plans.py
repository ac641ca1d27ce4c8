"""Exit plans at work: which of them a top still has to look at."""

from __future__ import annotations

from citadel_kit.micro import chase, position
from citadel_kit.micro.guard import GuardStep
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.plans import Plans
from citadel_kit.types import BookTop, Fill, Instrument, OrderIntent, Side

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3, lot=10)
TOP = BookTop(2, 0, 2, 10_000, 50, 10_010, 50)


def fill(qty: int) -> Fill:
    return Fill(
        venue="v", symbol="A/B", parent_id="p1", order_id=1, recv_ns=0, side=Side.BUY, price=10_000, qty=qty,
        maker=True, fee=0.0,
    )  # fmt: skip


def entered(qty: int, base_fee: int) -> tuple[Plans, ParentOrder, list[tuple[int, int]]]:
    """An entry that is done, and the exits it asked for as (number, quantity)."""
    exits: list[tuple[int, int]] = []

    def start(entry: ParentOrder, number: int, qty: int, urgent: bool, now_ns: int) -> bool:
        exits.append((number, qty))
        return True

    plans = Plans(start, lambda name, now_ns: None, lambda entry, command, now_ns: None)
    config = chase.configure(COIN, side=Side.BUY, qty=qty)
    order = ParentOrder(
        parent_id="p1", instrument=COIN, config=config, submitted_ns=0,
        state=chase.start(config, chase.plain_touch(TOP)),
        intent=OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=qty, forced=True),
    )  # fmt: skip
    plan = position.configure(COIN, side=Side.BUY, stop_price=9_000, rests=False)
    plans.add(order, plan, position.fresh(0), 0)
    order.fills.append(fill(qty))
    order.base_fee, order.finished_ns = base_fee, 1
    plans.on_parent(order, 1)
    plans.on_top("v", TOP, 1)
    return plans, order, exits


def test_each_new_cause_is_told_before_anything_is_done_for_it() -> None:
    plans, _, exits = entered(100, base_fee=0)
    told: list[tuple[str, int, int]] = []
    plans._on_closing = lambda parent_id, plan, cause: told.append((parent_id, cause, len(exits)))
    plans.close("p1", 2)
    plans.close("p1", 3)
    plans.on_guard(GuardStep.FLATTEN.value, 4)
    assert told == [("p1", position.Cause.HAND, 0), ("p1", position.Cause.GUARD, 1)]


def closed_to_dust() -> tuple[Plans, ParentOrder, list[tuple[int, int]]]:
    plans, order, exits = entered(100, base_fee=1)
    plans.close("p1", 2)
    assert exits == [(1, 90)] and "p1" in plans.open
    plan = plans.of("p1")
    assert plan is not None
    plans._follow(plan, position.on_exit(plan.config, plan.state, 1, 90, True), 3)
    return plans, order, exits


def test_dust_costs_no_top_anything_and_is_still_shown() -> None:
    plans, _, exits = closed_to_dust()
    assert not plans.open and "0.009 LEFT" in plans.says("p1")
    plans.on_top("v", TOP, 4)
    plans.close("p1", 5)  # again, by hand: there is nothing that could be done
    assert not plans.open and exits == [(1, 90)]


def test_dust_without_an_exit_is_shown_as_well() -> None:
    plans, _, _ = entered(10, base_fee=1)
    assert not plans.open and "0.009 LEFT: below the venue's lot" in plans.says("p1")


def test_a_late_fill_brings_it_back() -> None:
    plans, order, exits = closed_to_dust()
    order.fills.append(fill(20))
    plans.on_parent(order, 6)
    assert "p1" in plans.open and exits[-1] == (2, 20)


def test_what_is_closed_from_outside_may_be_dust() -> None:
    plans, _, _ = closed_to_dust()
    plans.on_outside("v", -1, 9, 7)
    assert plans.says("p1") == "" and not plans.open
