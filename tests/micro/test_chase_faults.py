"""What a chase order survives, each by name."""

from __future__ import annotations

import pytest
from chase_story import IOC, Chase, amend, command, place

from citadel_kit.micro.chase import Amend, EndReason, OnDeadline, Phase, WhenBlind
from citadel_kit.types import NO_COMMAND, CommandKind, RejectReason, ReportKind

QUERY, CANCEL, PLACE = CommandKind.QUERY, CommandKind.CANCEL, CommandKind.PLACE
NOT_FOUND = RejectReason.UNKNOWN_ORDER


def moving() -> Chase:
    """An order at 10,000 whose amendment to 10,005 is out."""
    order = Chase(amend=Amend.PRICE_QTY).rest()
    assert order.top(10_005, 10_015) == amend(1, 10_005)
    return order


def leaving() -> Chase:
    """An order whose cancel is out."""
    order = Chase().rest()
    assert order.top(10_005, 10_015).kind == CANCEL
    return order


# --- fills that race ----------------------------------------------------------------------------------------


def test_a_fill_during_a_cancel() -> None:
    order = leaving()
    order.report(ReportKind.FILL, qty=60, filled=60)
    assert order.report(ReportKind.CANCELED, filled=60) == place(2, 10_005, qty=40)
    order = leaving()
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)
    assert order.report(ReportKind.CANCEL_REJECT, reason=NOT_FOUND) == NO_COMMAND


def test_a_fill_during_an_amendment() -> None:
    order = moving()
    order.report(ReportKind.FILL, qty=60, filled=60)
    assert order.phase == Phase.AMENDING
    order.report(ReportKind.AMENDED, price=10_005, qty=100, filled=60)
    assert (order.phase, order.state.filled, order.state.order.price) == (Phase.RESTING, 60, 10_005)
    order = moving()
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)


def test_reports_that_come_early() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)
    assert order.report(ReportKind.ACK) == NO_COMMAND
    order = Chase(pause_ns=0)
    order.top(10_000, 10_010)
    order.report(ReportKind.CANCELED, filled=20)
    assert order.report(ReportKind.ACK) == NO_COMMAND
    assert order.top(10_000, 10_010) == place(2, 10_000, qty=80)


def test_a_fill_beyond_the_total_of_the_cancel_makes_the_next_order_smaller() -> None:
    order = Chase(amend=Amend.QTY_DOWN).rest()
    order.top(10_005, 10_015)
    assert order.report(ReportKind.CANCELED, filled=40) == place(2, 10_005, qty=60)
    order.report(ReportKind.ACK)
    assert order.report(ReportKind.FILL, order=1, filled=70) == amend(2, 10_005, qty=30)
    order.report(ReportKind.AMENDED, price=10_005, qty=30)
    assert order.report(ReportKind.FILL, order=1, filled=70) == NO_COMMAND
    # All is filled now, if the amendment holds. It may yet be refused: whatever lives on must go.
    assert order.report(ReportKind.FILL, filled=30).kind == CANCEL
    assert order.report(ReportKind.CANCEL_REJECT, reason=NOT_FOUND).kind == QUERY
    order.report(ReportKind.CANCELED, qty=30, filled=30)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)


def test_an_order_the_venue_made_smaller_is_over_only_when_the_venue_says_so() -> None:
    order = Chase().rest()
    order.report(ReportKind.AMENDED, price=10_000, qty=60)
    assert order.report(ReportKind.FILL, filled=60).kind == QUERY
    assert order.report(ReportKind.STATE, price=10_000, qty=60, filled=60) == place(2, 10_000, qty=40)


def test_a_late_fill_without_amendments_pulls_the_order_that_is_too_large() -> None:
    order = leaving()
    order.report(ReportKind.CANCELED, filled=40)
    order.report(ReportKind.ACK)
    assert order.report(ReportKind.FILL, order=1, filled=70).kind == CANCEL
    assert order.report(ReportKind.CANCELED) == place(3, 10_005, qty=30)


# --- cancels ------------------------------------------------------------------------------------------------


def test_a_cancel_that_is_refused_is_tried_again_later_each_time() -> None:
    order = leaving()
    order.report(ReportKind.CANCEL_REJECT, reason=RejectReason.RATE_LIMIT, now=0)
    assert order.timer(99) == NO_COMMAND
    assert order.timer(100).kind == CANCEL
    order.report(ReportKind.CANCEL_REJECT, reason=RejectReason.RATE_LIMIT, now=100)
    assert order.cancel(now=299) == NO_COMMAND
    assert order.timer(300).kind == CANCEL


def test_a_cancel_that_finds_no_order_asks_what_became_of_it() -> None:
    order = leaving()
    assert order.report(ReportKind.CANCEL_REJECT, reason=NOT_FOUND).kind == QUERY
    assert order.top(10_050, 10_060) == NO_COMMAND
    order.report(ReportKind.CANCELED, filled=100)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)


def test_a_cancel_that_timed_out_is_not_a_cancel() -> None:
    order = leaving()
    assert order.report(ReportKind.UNKNOWN).kind == QUERY
    assert order.report(ReportKind.STATE, price=10_000, qty=100, filled=10).kind == CANCEL  # still alive
    assert order.report(ReportKind.CANCELED, filled=10) == place(2, 10_005, qty=90)


def test_what_proves_it_alive_does_not_prove_that_the_cancel_failed() -> None:
    order = leaving()
    order.report(ReportKind.UNKNOWN)
    for kind in (ReportKind.ACK, ReportKind.FILL, ReportKind.AMENDED):
        assert order.report(kind, filled=10) == NO_COMMAND
        assert order.phase == Phase.ASKING


def test_it_asks_with_growing_pauses_until_the_venue_says() -> None:
    order = Chase(answer_ns=100).rest()
    order.cancel()
    asked = []
    for now in range(0, 6_000, 10):
        if order.timer(now).kind == QUERY:
            asked.append(now)
            order.report(ReportKind.UNKNOWN, now=now)
    assert asked == [100, 200, 400, 800, 1_600, 2_400, 3_200, 4_000, 4_800, 5_600]
    order.report(ReportKind.CANCELED, now=6_000)
    assert order.end == (Phase.CANCELLED, EndReason.NONE, 0)


def test_the_users_cancel_does_not_wait_for_the_back_off() -> None:
    order = Chase(answer_ns=100)
    order.top(10_000, 10_010)
    order.report(ReportKind.UNKNOWN)
    for now in (100, 300, 700):
        assert order.timer(now).kind == QUERY
    assert order.cancel(now=701).kind == QUERY
    assert order.cancel(now=702) == NO_COMMAND


# --- creates ------------------------------------------------------------------------------------------------


def test_a_create_that_timed_out_but_lives() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    assert order.report(ReportKind.UNKNOWN) == command(QUERY, 1, 10_000, 100, 1, 0)
    assert order.top(10_050, 10_060) == NO_COMMAND
    assert order.report(ReportKind.STATE, price=10_000, qty=100, filled=20).kind == CANCEL
    assert order.state.filled == 20


def test_a_create_that_timed_out_and_never_came() -> None:
    order = Chase(answer_ns=100)
    order.top(10_000, 10_010)
    order.report(ReportKind.UNKNOWN, now=10)
    assert order.report(ReportKind.REJECT, reason=NOT_FOUND, now=99) == NO_COMMAND
    assert order.phase == Phase.ASKING  # so soon it may be on its way yet
    assert order.timer(110).kind == QUERY
    assert order.report(ReportKind.REJECT, reason=NOT_FOUND, now=120) == NO_COMMAND
    assert order.top(10_000, 10_010, now=220) == place(2, 10_000)


def test_an_order_that_lived_is_never_believed_unknown() -> None:
    order = leaving()
    order.report(ReportKind.UNKNOWN, now=2_000_000)
    order.report(ReportKind.REJECT, reason=NOT_FOUND, now=9_000_000)
    assert order.phase == Phase.ASKING


def test_an_order_that_exists_already_is_asked_for() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    assert order.report(ReportKind.REJECT, reason=RejectReason.DUPLICATE).kind == QUERY
    order.report(ReportKind.STATE, price=10_000, qty=100)
    assert order.report(ReportKind.REJECT, reason=RejectReason.DUPLICATE) == NO_COMMAND
    assert order.phase == Phase.RESTING


def test_a_user_stream_that_dropped_is_found_out_by_its_silence() -> None:
    order = Chase(answer_ns=100)
    order.top(10_000, 10_010)
    assert order.timer(99) == NO_COMMAND
    assert order.timer(100).kind == QUERY
    order.report(ReportKind.STATE, price=10_000, qty=100, now=110)
    order.cancel(now=120)
    assert order.timer(220).kind == QUERY
    order = Chase(answer_ns=100, amend=Amend.PRICE_QTY).rest()
    order.top(10_005, 10_015)
    assert order.timer(100).kind == QUERY


def test_a_resting_order_nothing_is_heard_of_is_asked_for() -> None:
    order = Chase(check_ns=1_000).rest()
    order.report(ReportKind.FILL, filled=10, now=500)
    assert order.top(10_000, 10_010, now=1_499) == NO_COMMAND
    assert order.timer(1_500).kind == QUERY
    order.report(ReportKind.CANCELED, filled=100, now=1_510)
    assert order.end == (Phase.FILLED, EndReason.NONE, 100)


# --- amendments ---------------------------------------------------------------------------------------------


def test_an_amendment_acknowledged_and_then_rejected_is_asked_for() -> None:
    order = moving()
    order.report(ReportKind.AMENDED, price=10_005, qty=100)
    assert order.report(ReportKind.AMEND_REJECT, reason=RejectReason.VENUE).kind == QUERY
    assert order.report(ReportKind.STATE, price=10_000, qty=100) == amend(1, 10_005)


def test_an_amendment_that_finds_no_order_asks_what_became_of_it() -> None:
    order = moving()
    assert order.report(ReportKind.AMEND_REJECT, reason=NOT_FOUND).kind == QUERY


def test_an_amendment_that_timed_out_is_asked_for() -> None:
    order = moving()
    assert order.report(ReportKind.UNKNOWN).kind == QUERY
    assert order.report(ReportKind.STATE, price=10_005, qty=100) == NO_COMMAND
    assert (order.phase, order.state.order.price) == (Phase.RESTING, 10_005)


def test_a_venue_that_refuses_to_amend_is_cancelled_and_placed_from_then_on() -> None:
    order = moving()
    assert order.report(ReportKind.AMEND_REJECT, reason=RejectReason.VENUE, now=10) == NO_COMMAND
    assert order.timer(110).kind == CANCEL
    assert order.report(ReportKind.CANCELED, now=120) == place(2, 10_005)
    order.report(ReportKind.ACK, now=130)
    assert order.top(10_010, 10_020, now=140).kind == CANCEL


def test_a_rate_limit_only_delays_an_amendment() -> None:
    order = moving()
    order.report(ReportKind.AMEND_REJECT, reason=RejectReason.RATE_LIMIT, now=10)
    assert order.top(10_005, 10_015, now=109) == NO_COMMAND
    assert order.timer(110) == amend(1, 10_005)


def test_a_pull_for_safety_does_not_wait_for_the_pause_of_a_reject() -> None:
    order = moving()
    order.report(ReportKind.AMEND_REJECT, reason=RejectReason.RATE_LIMIT, now=10)
    assert order.held(now=11).kind == CANCEL


def test_after_the_first_cancel_it_is_never_amended() -> None:
    order = Chase(amend=Amend.PRICE_QTY, when_blind=WhenBlind.PULL).rest()
    assert order.no_book().kind == CANCEL
    order.report(ReportKind.UNKNOWN)
    order.top(10_005, 10_015)
    assert order.report(ReportKind.STATE, price=10_000, qty=100).kind == CANCEL


# --- post-only loops ----------------------------------------------------------------------------------------


def test_a_post_only_loop_backs_off_wants_a_newer_top_and_stops() -> None:
    order, placed_at, now = Chase(max_rejects=5), [], 0
    while order.phase < Phase.FILLED:
        if PLACE in {order.timer(now).kind, order.top(10_000, 10_010, now).kind}:
            placed_at.append(now)
            order.report(ReportKind.REJECT, reason=RejectReason.POST_ONLY, now=now)
        now += 50
    assert placed_at == [0, 100, 300, 700, 1_500]
    assert order.end == (Phase.FAILED, EndReason.POST_ONLY, 0)


def test_a_post_only_loop_of_amendments_pulls_the_order_and_stops() -> None:
    order, now = Chase(amend=Amend.PRICE_QTY, max_rejects=3).rest(), 0
    for _ in range(2):
        now += 1_000
        assert order.top(10_005, 10_015, now) == amend(1, 10_005)
        assert order.report(ReportKind.AMEND_REJECT, reason=RejectReason.POST_ONLY, now=now) == NO_COMMAND
        assert order.timer(now + 999) == NO_COMMAND  # the old top is known to be wrong
    assert order.top(10_005, 10_015, now + 1_000) == amend(1, 10_005)
    said = order.report(ReportKind.AMEND_REJECT, reason=RejectReason.POST_ONLY, now=now + 1_000)
    assert said.kind == CANCEL
    order.report(ReportKind.CANCELED)
    assert order.end == (Phase.FAILED, EndReason.POST_ONLY, 0)


def test_a_rejection_after_the_acknowledgement_is_asked_for_and_counts() -> None:
    order = Chase(max_rejects=2, pause_ns=0)
    for _ in range(2):
        order.rest()
        assert order.report(ReportKind.REJECT, reason=RejectReason.POST_ONLY).kind == QUERY
        order.report(ReportKind.CANCELED, reason=RejectReason.POST_ONLY)
    assert order.end == (Phase.FAILED, EndReason.POST_ONLY, 0)


# --- venues with a mind of their own ------------------------------------------------------------------------


def test_a_venue_that_silently_reprices_is_taken_at_its_word_and_not_fought() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    assert order.report(ReportKind.ACK, price=9_995, now=10) == NO_COMMAND
    assert order.state.order.price == 9_995
    assert order.top(10_000, 10_010, now=109) == NO_COMMAND  # it knows a newer market: a pause, a newer top
    assert order.timer(110).kind == CANCEL


@pytest.mark.parametrize("kind", [ReportKind.ACK, ReportKind.AMENDED, ReportKind.STATE])
def test_an_order_that_the_venue_put_beyond_the_bound_is_pulled_at_once(kind: ReportKind) -> None:
    order = Chase(limit_price=10_000, amend=Amend.PRICE_QTY)
    order.top(10_000, 10_010)
    assert order.report(kind, price=10_005, qty=100).kind == CANCEL
    assert order.state.reprices == 0


def test_an_amendment_to_another_price_than_asked_turns_amending_off() -> None:
    order = moving()
    assert order.report(ReportKind.AMENDED, price=9_995, qty=100, now=10) == NO_COMMAND
    assert order.top(10_005, 10_015, now=110).kind == CANCEL


def test_a_venue_that_reprices_a_resting_order_is_followed_up() -> None:
    order = Chase().rest()
    assert order.report(ReportKind.AMENDED, price=9_990, qty=100).kind == CANCEL


# --- books that can't be trusted ----------------------------------------------------------------------------


def test_a_book_that_is_not_live_freezes_the_order_where_that_is_asked() -> None:
    order = Chase(when_blind=WhenBlind.FREEZE).rest()
    assert order.no_book() == order.timer(10**9) == NO_COMMAND
    assert order.top(10_005, 10_015).kind == CANCEL
    order = Chase(when_blind=WhenBlind.FREEZE)
    order.no_book()
    assert order.timer(10) == NO_COMMAND  # and nothing is placed into the dark


def test_what_the_gate_does_not_allow_is_pulled_even_where_blindness_freezes() -> None:
    order = Chase(when_blind=WhenBlind.FREEZE, deadline_ns=100, on_deadline=OnDeadline.TAKE).rest()
    assert order.held().kind == CANCEL
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.timer(50) == NO_COMMAND
    order.timer(100)
    assert order.end == (Phase.EXPIRED, EndReason.HELD, 0)


def test_a_crossed_book_is_never_chased() -> None:
    order = Chase(amend=Amend.PRICE_QTY).rest()
    for now in range(100):
        assert order.top(10_300, 10_200, now) == order.top(10_300, 0, now) == NO_COMMAND
    assert order.phase == Phase.RESTING


def test_a_runaway_market_is_followed_to_the_bound_and_no_further() -> None:
    order = Chase(amend=Amend.PRICE_QTY, max_chase_bps=20).rest()
    asked = []
    for now in range(1, 200):
        said = order.top(10_000 + 5 * now, 10_010 + 5 * now, now)
        if said != NO_COMMAND:
            asked.append(said.price)
            order.report(ReportKind.AMENDED, price=said.price, qty=100, now=now)
    assert asked == list(range(10_005, 10_026, 5))  # mid 10,005 + 20 bps = 10,025.01
    assert order.phase == Phase.RESTING


# --- what is left over --------------------------------------------------------------------------------------


def test_a_remainder_below_the_minimum_notional_is_said_to_be_dust() -> None:
    order = Chase(min_notional=500_000, amend=Amend.PRICE_QTY).rest()
    order.report(ReportKind.FILL, filled=60)
    assert order.top(10_050, 10_060) == NO_COMMAND  # it could not be placed again: it is not moved
    assert order.no_book().kind == CANCEL
    order.report(ReportKind.CANCELED, filled=60)
    order.top(10_000, 10_010)
    assert order.end == (Phase.FILLED, EndReason.DUST, 60)


def test_a_cancel_replace_of_which_the_second_half_fails() -> None:
    order = leaving()
    assert order.report(ReportKind.CANCELED, filled=30, now=0) == place(2, 10_005, qty=70)
    order.report(ReportKind.REJECT, reason=RejectReason.VENUE, now=0)
    assert order.top(10_005, 10_015, now=99) == NO_COMMAND
    assert order.timer(100) == place(3, 10_005, qty=70)


def test_a_cancel_replace_of_which_the_first_half_fails() -> None:
    order = leaving()
    assert order.report(ReportKind.CANCEL_REJECT, reason=RejectReason.VENUE) == NO_COMMAND
    assert [c.kind for c in order.sent] == [PLACE, CANCEL]  # nothing is placed beside it
    order.top(10_000, 10_010)
    assert order.timer(1_000) == NO_COMMAND and order.phase == Phase.RESTING  # no longer wanted elsewhere


@pytest.mark.parametrize("reason", [RejectReason.FILTER, RejectReason.BALANCE])
def test_what_will_not_get_better_fails_at_once(reason: RejectReason) -> None:
    order = Chase()
    order.top(10_000, 10_010)
    order.report(ReportKind.REJECT, reason=reason)
    assert order.phase == Phase.FAILED


# --- the user's cancel against everything -------------------------------------------------------------------


def test_the_users_cancel_while_an_amendment_is_out() -> None:
    order = moving()
    assert order.cancel() == NO_COMMAND
    assert order.report(ReportKind.AMENDED, price=10_005, qty=100).kind == CANCEL
    assert order.report(ReportKind.CANCELED, filled=10) == NO_COMMAND
    assert order.end == (Phase.CANCELLED, EndReason.NONE, 10)


def test_the_users_cancel_while_a_reprice_waits_for_its_second_half() -> None:
    order = leaving()
    assert order.cancel() == NO_COMMAND
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.end == (Phase.CANCELLED, EndReason.NONE, 0)


def test_the_users_cancel_while_a_create_is_unknown() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    order.report(ReportKind.UNKNOWN)
    assert order.cancel().kind == QUERY
    assert order.report(ReportKind.STATE, price=10_000, qty=100).kind == CANCEL
    order.report(ReportKind.CANCELED)
    assert order.end == (Phase.CANCELLED, EndReason.NONE, 0)


# --- the take -----------------------------------------------------------------------------------------------


def take() -> Chase:
    order = Chase(deadline_ns=1_000, on_deadline=OnDeadline.TAKE).rest()
    assert order.timer(1_000).kind == CANCEL
    return order


def test_no_take_before_an_unknown_cancel_is_known() -> None:
    order = take()
    assert order.report(ReportKind.UNKNOWN).kind == QUERY
    assert order.report(ReportKind.UNKNOWN) == order.top(10_000, 10_010) == NO_COMMAND
    assert order.report(ReportKind.CANCELED, filled=40).qty == 60


def test_a_take_that_timed_out_is_asked_for_and_never_sent_twice() -> None:
    order = take()
    assert order.report(ReportKind.CANCELED).tif == IOC
    assert order.report(ReportKind.UNKNOWN).kind == QUERY
    assert order.report(ReportKind.ACK) == order.report(ReportKind.FILL, filled=10) == NO_COMMAND
    assert order.report(ReportKind.CANCELED, filled=70) == NO_COMMAND
    assert order.end == (Phase.EXPIRED, EndReason.NONE, 70)


def test_a_take_that_is_found_resting_is_pulled() -> None:
    order = take()
    order.report(ReportKind.CANCELED)
    order.report(ReportKind.UNKNOWN)
    assert order.report(ReportKind.STATE, price=10_015, qty=100, filled=10).kind == CANCEL
    order.report(ReportKind.CANCELED, filled=10)
    assert order.end == (Phase.EXPIRED, EndReason.NONE, 10)


# --- restarts -----------------------------------------------------------------------------------------------


def test_after_a_restart_the_venue_is_asked_before_anything_else() -> None:
    order = Chase()
    order.rest()
    order.report(ReportKind.FILL, filled=30)
    order.top(10_005, 10_015)
    order.restarted(now=50)
    assert (order.phase, order.state.filled) == (Phase.ASKING, 30)
    assert order.top(10_050, 10_060, now=51) == command(QUERY, 1, 10_000, 100, 1, 0)
    assert order.report(ReportKind.CANCELED, filled=40, now=60) == place(2, 10_050, qty=60)


def test_a_command_that_was_journalled_and_never_sent() -> None:
    order = Chase(answer_ns=100)
    order.top(10_000, 10_010)
    order.restarted(now=50)
    assert order.timer(51).kind == QUERY
    order.report(ReportKind.REJECT, reason=NOT_FOUND, now=60)
    assert order.phase == Phase.ASKING  # it may have been sent all the same
    assert order.timer(160).kind == QUERY
    order.report(ReportKind.REJECT, reason=NOT_FOUND, now=170)
    assert order.top(10_000, 10_010, now=400) == place(2, 10_000)


def test_a_restart_between_two_orders_goes_on_with_the_rest() -> None:
    order = leaving()
    order.no_book()
    order.report(ReportKind.CANCELED, filled=40)
    order.restarted(now=5)
    assert order.timer(6) == NO_COMMAND  # nothing is known of the market
    assert order.top(10_000, 10_010, now=7) == place(2, 10_000, qty=60)


def test_a_restart_after_a_take_never_takes_again() -> None:
    order = take()
    order.report(ReportKind.CANCELED, filled=20)
    order.restarted(now=1_001)
    assert order.top(10_000, 10_010, now=1_002).kind == QUERY
    order.report(ReportKind.CANCELED, filled=30)
    assert order.end == (Phase.EXPIRED, EndReason.NONE, 50)


def test_a_restart_after_a_take_that_has_ended_never_takes_again() -> None:
    order = take()
    order.report(ReportKind.CANCELED, filled=20)
    order.report(ReportKind.CANCELED, filled=30)
    order.restarted(now=1_001)  # it died before it could journal its end
    assert order.top(10_000, 10_010, now=1_002) == NO_COMMAND
    assert order.end == (Phase.EXPIRED, EndReason.NONE, 50)


def test_a_restart_between_slices_goes_on_with_the_next_within_the_first_ones_cap() -> None:
    order = Chase(deadline_ns=1_000, on_deadline=OnDeadline.TAKE, slices=2, take_slippage_bps=10).rest()
    order.timer(1_000)
    assert order.report(ReportKind.CANCELED) == place(2, 10_020, qty=50, tif=IOC)
    order.report(ReportKind.CANCELED, filled=20)
    order.restarted(now=1_001)
    assert order.top(10_005, 10_015, now=1_002) == place(3, 10_020, qty=80, tif=IOC)


def test_a_restart_forgets_neither_the_wish_nor_the_budget_nor_the_bound() -> None:
    order = Chase(max_reprices=2, amend=Amend.PRICE_QTY, max_chase_bps=20).rest()
    for price in (10_005, 10_010):
        order.top(price, price + 10)
        order.report(ReportKind.AMENDED, price=price, qty=100)
    before = order.state
    order.restarted(now=9)
    assert (order.state.reprices, order.state.bound) == (before.reprices, before.bound)
    assert order.top(10_050, 10_060).kind == QUERY
    assert order.report(ReportKind.STATE, price=10_010, qty=100) == NO_COMMAND
    order.restarted(now=10, wanted=True)
    order.timer(11)
    assert order.report(ReportKind.STATE, price=10_010, qty=100).kind == CANCEL


def test_a_restart_before_the_first_order() -> None:
    order = Chase().restarted(now=3)
    assert order.top(10_000, 10_010, now=4) == place(1, 10_000)
