"""Each rule of the chase order by name."""

from __future__ import annotations

from typing import Any

import pytest
from chase_story import INSTRUMENT, IOC, Chase, amend, place

from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase
from citadel_kit.micro.chase import END_TEXT, EndReason, OnDeadline, Phase
from citadel_kit.types import NO_COMMAND, CommandKind, RejectReason, ReportKind, Side

# --- price ------------------------------------------------------------------------------------------------


def test_it_joins_the_best_price_of_its_side_post_only() -> None:
    assert Chase().top(10_000, 10_010) == place(1, 10_000)
    assert Chase(side=Side.SELL).top(10_000, 10_010) == place(1, 10_010, side=-1)


def test_it_follows_when_the_best_has_moved_min_move_ticks() -> None:
    order = Chase(min_move=2).rest()
    assert order.top(10_005, 10_015) == NO_COMMAND
    assert order.top(10_010, 10_015).kind == CommandKind.CANCEL
    assert order.state.reprices == 1
    assert order.report(ReportKind.CANCELED) == place(2, 10_010)


def test_it_goes_back_when_the_market_falls_back_behind_it() -> None:
    order = Chase(min_move=2).rest()
    assert order.top(9_995, 10_010) == NO_COMMAND
    assert order.top(9_990, 10_010).kind == CommandKind.CANCEL
    assert order.report(ReportKind.CANCELED) == place(2, 9_990)


def test_a_price_rests_for_min_rest_and_then_moves_by_the_timer() -> None:
    order = Chase(min_rest_ns=50).rest()
    assert order.top(10_005, 10_015, now=49) == NO_COMMAND
    assert order.timer(50).kind == CommandKind.CANCEL


@pytest.mark.parametrize(
    ("side", "bid", "ask", "price"), [(Side.BUY, 10_200, 10_210, 10_010), (Side.SELL, 9_800, 9_810, 10_000)]
)
def test_it_stops_at_max_chase_from_the_arrival_mid_rounded_inward(
    side: Side, bid: int, ask: int, price: int
) -> None:
    order = Chase(side=side, max_chase_bps=6)  # mid 10,005 ± 6.003
    assert order.top(bid, ask) == place(1, price, side=int(side))


@pytest.mark.parametrize(("side", "limit", "price"), [(Side.BUY, 9_998, 9_995), (Side.SELL, 10_012, 10_015)])
def test_it_stays_at_its_limit_price_rounded_inward(side: Side, limit: int, price: int) -> None:
    order = Chase(side=side, limit_price=limit)
    assert order.top(10_000, 10_010) == place(1, price, side=int(side))
    order.report(ReportKind.ACK)
    away = 100 * int(side)
    assert order.top(10_000 + away, 10_010 + away) == NO_COMMAND
    assert order.state.phase == Phase.RESTING


def test_a_crossed_or_one_sided_top_moves_nothing() -> None:
    order = Chase().rest()
    assert order.top(10_100, 10_090) == order.top(10_100, 0) == order.top(0, 10_010) == NO_COMMAND
    assert order.state.phase == Phase.RESTING
    assert Chase().top(10_100, 10_100) == NO_COMMAND


def test_a_market_one_sided_at_the_start_has_no_arrival_price() -> None:
    order = Chase(bid=0, ask=10_010)
    assert (order.state.phase, order.state.reason) == (Phase.FAILED, EndReason.NO_BOOK)
    assert order.top(10_000, 10_010) == NO_COMMAND


# --- one order, and only the remainder --------------------------------------------------------------------


def test_nothing_is_placed_before_the_cancel_is_confirmed_and_only_the_remainder_then() -> None:
    order = Chase().rest()
    order.report(ReportKind.FILL, qty=30, filled=30)
    order.top(10_005, 10_015)
    assert order.top(10_020, 10_030) == NO_COMMAND
    order.report(ReportKind.FILL, qty=20, filled=50)
    assert order.timer(10) == NO_COMMAND
    assert order.report(ReportKind.CANCELED, filled=50) == place(2, 10_020, qty=50)


def test_the_cancelled_total_counts_when_its_fill_report_is_still_on_the_way() -> None:
    order = Chase().rest()
    order.top(10_005, 10_015)
    assert order.report(ReportKind.CANCELED, filled=40) == place(2, 10_005, qty=60)
    assert order.report(ReportKind.FILL, order=1, qty=40, filled=40) == NO_COMMAND
    assert order.state.filled == 40


def test_duplicated_and_reordered_fills_count_once() -> None:
    order = Chase().rest()
    for filled in (30, 30, 70, 30, 70):
        order.report(ReportKind.FILL, qty=30, filled=filled)
    assert order.state.filled == 70
    order.report(ReportKind.FILL, qty=30, filled=100)
    order.report(ReportKind.FILL, qty=30, filled=100)
    assert (order.state.filled, order.state.phase) == (100, Phase.FILLED)


def test_a_fill_that_comes_before_the_acknowledgement_proves_the_order_alive() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    order.report(ReportKind.FILL, qty=10, filled=10)
    assert order.state.phase == Phase.RESTING
    order.report(ReportKind.ACK)
    assert order.state.filled == 10


def test_a_refused_cancel_is_not_a_cancel() -> None:
    order = Chase().rest()
    order.top(10_005, 10_015)
    assert order.report(ReportKind.CANCEL_REJECT, reason=RejectReason.VENUE, now=10) == NO_COMMAND
    assert order.timer(109) == NO_COMMAND
    assert order.timer(110).kind == CommandKind.CANCEL  # still alive, for all we know: ask again
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert order.state.phase == Phase.FILLED


def test_a_cancel_wish_before_the_acknowledgement_waits_for_it() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    assert order.cancel() == NO_COMMAND
    assert order.report(ReportKind.ACK).kind == CommandKind.CANCEL
    order.report(ReportKind.CANCELED)
    assert order.state.phase == Phase.CANCELLED


def test_the_users_cancel_wins_over_a_reprice_that_is_under_way() -> None:
    order = Chase().rest()
    order.top(10_005, 10_015)
    order.cancel()
    assert order.report(ReportKind.CANCELED, filled=20) == NO_COMMAND
    assert (order.state.phase, order.state.filled) == (Phase.CANCELLED, 20)


def test_an_idle_order_cancels_at_once() -> None:
    order = Chase()
    assert order.cancel() == NO_COMMAND
    assert order.state.phase == Phase.CANCELLED


# --- rejects and lost books -------------------------------------------------------------------------------


def test_a_post_only_reject_waits_for_a_newer_top_and_the_pause() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    assert order.report(ReportKind.REJECT, reason=RejectReason.POST_ONLY, now=10) == NO_COMMAND
    assert order.timer(500) == NO_COMMAND  # the old top is known to be wrong
    order.state = order.state._replace(pause_until_ns=600)
    assert order.top(9_990, 10_000, now=599) == NO_COMMAND
    assert order.timer(600) == place(2, 9_990)


def test_it_gives_up_after_max_rejects_in_a_row() -> None:
    order = Chase(max_rejects=2, pause_ns=0)
    order.top(10_000, 10_010)
    order.report(ReportKind.REJECT, reason=RejectReason.POST_ONLY)
    order.top(10_000, 10_010)
    order.report(ReportKind.REJECT, reason=RejectReason.POST_ONLY)
    assert (order.state.phase, order.state.reason) == (Phase.FAILED, EndReason.POST_ONLY)


def test_a_fill_ends_a_row_of_rejects() -> None:
    order = Chase(max_rejects=2, pause_ns=0)
    order.top(10_000, 10_010)
    order.report(ReportKind.REJECT, reason=RejectReason.NO_BOOK)
    order.rest()
    order.report(ReportKind.FILL, qty=10, filled=10)
    assert order.state.rejects == 0


def test_a_filter_reject_fails_at_once() -> None:
    order = Chase()
    order.top(10_000, 10_010)
    order.report(ReportKind.REJECT, reason=RejectReason.FILTER)
    assert (order.state.phase, order.state.reason) == (Phase.FAILED, EndReason.FILTER)


def test_a_venue_that_cancels_unasked_is_backed_off_from() -> None:
    order = Chase(max_rejects=2).rest()
    assert order.report(ReportKind.CANCELED, now=10) == NO_COMMAND
    assert order.top(10_000, 10_010, now=109) == NO_COMMAND
    assert order.timer(110).kind == CommandKind.PLACE
    order.report(ReportKind.ACK)
    order.report(ReportKind.CANCELED)
    assert (order.state.phase, order.state.reason) == (Phase.FAILED, EndReason.VENUE_CANCELED)


def test_a_book_that_is_not_live_pulls_the_order_and_places_none() -> None:
    order = Chase().rest()
    assert order.no_book().kind == CommandKind.CANCEL
    assert order.state.reprices == 0
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.timer(1_000) == NO_COMMAND
    assert order.top(10_000, 10_010) == place(2, 10_000)


# --- dust -------------------------------------------------------------------------------------------------


def test_a_rest_below_the_lot_is_never_placed_and_said_to_be_dust() -> None:
    order = Chase(qty=105)
    assert order.top(10_000, 10_010) == place(1, 10_000, qty=100)
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert (order.state.phase, order.state.reason, order.state.filled) == (Phase.FILLED, EndReason.DUST, 100)
    assert "minimum notional" in END_TEXT[EndReason(order.state.reason)]


def test_an_order_that_is_dust_from_the_start_has_failed() -> None:
    order = Chase(min_notional=2_000_000)
    assert order.top(10_000, 10_010) == NO_COMMAND
    assert (order.state.phase, order.state.reason) == (Phase.FAILED, EndReason.DUST)


def test_a_remainder_that_could_not_be_placed_again_is_not_moved() -> None:
    order = Chase(min_notional=500_000).rest()
    order.report(ReportKind.FILL, qty=60, filled=60)
    assert order.top(10_020, 10_030) == NO_COMMAND
    assert order.state.phase == Phase.RESTING


# --- the deadline -----------------------------------------------------------------------------------------


def test_at_the_deadline_it_cancels_and_has_expired_when_that_is_confirmed() -> None:
    order = Chase(deadline_ns=1_000).rest()
    assert order.timer(999) == NO_COMMAND
    assert order.timer(1_000).kind == CommandKind.CANCEL
    assert order.state.phase == Phase.CANCELING
    assert order.report(ReportKind.CANCELED, filled=10) == NO_COMMAND
    assert (order.state.phase, order.state.filled) == (Phase.EXPIRED, 10)


def taker(**settings: Any) -> Chase:
    order = Chase(deadline_ns=1_000, on_deadline=OnDeadline.TAKE, **settings).rest()
    assert order.timer(1_000).kind == CommandKind.CANCEL
    return order


def test_it_takes_once_after_the_confirmed_cancel_with_a_capped_ioc() -> None:
    order = taker(take_slippage_bps=10)
    assert order.report(ReportKind.CANCELED, filled=30) == place(2, 10_020, qty=70, tif=IOC)
    order.report(ReportKind.FILL, qty=30, filled=30)
    assert order.report(ReportKind.CANCELED, filled=30) == NO_COMMAND
    assert (order.state.phase, order.state.filled) == (Phase.EXPIRED, 60)
    assert order.top(10_000, 10_010, now=2_000) == NO_COMMAND


def test_a_sell_takes_below_the_bid() -> None:
    order = taker(side=Side.SELL, take_slippage_bps=10)
    assert order.report(ReportKind.CANCELED) == place(2, 9_990, side=-1, tif=IOC)
    order.report(ReportKind.FILL, qty=100, filled=100)
    assert order.state.phase == Phase.FILLED


def test_a_take_stays_inside_the_limit_price() -> None:
    assert taker(limit_price=10_013, take_slippage_bps=100).report(ReportKind.CANCELED).price == 10_010


def test_no_take_beyond_the_bound() -> None:
    order = taker(limit_price=10_005)
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert (order.state.phase, order.state.reason) == (Phase.EXPIRED, EndReason.BEYOND)


def test_no_take_without_a_live_book() -> None:
    order = taker()
    order.no_book()
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert (order.state.phase, order.state.reason) == (Phase.EXPIRED, EndReason.NO_BOOK)


def test_a_take_waits_for_a_usable_top_while_the_book_is_live() -> None:
    order = taker()
    order.top(10_000, 0)
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.top(10_000, 10_010).tif == IOC


def test_no_take_of_dust() -> None:
    order = taker(min_notional=500_000)
    order.report(ReportKind.CANCELED, filled=60)
    assert (order.state.phase, order.state.reason) == (Phase.EXPIRED, EndReason.DUST)


def test_the_users_cancel_prevents_the_take() -> None:
    order = taker()
    order.cancel()
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.state.phase == Phase.CANCELLED


def test_a_rejected_take_expires_with_its_reason() -> None:
    order = taker()
    order.report(ReportKind.CANCELED)
    order.report(ReportKind.REJECT, reason=RejectReason.NO_BOOK)
    assert (order.state.phase, order.state.reason) == (Phase.EXPIRED, EndReason.NO_BOOK)


def test_time_never_runs_backwards() -> None:
    order = Chase(deadline_ns=1_000).rest()
    order.timer(1_000)
    order.report(ReportKind.CANCELED, now=5)
    assert order.state.phase == Phase.EXPIRED


# --- where it rests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "price"), [(1, 10_005), (3, 10_015), (9, 10_015), (-2, 9_990)])
def test_it_improves_or_stays_behind_by_ticks_and_never_takes(offset: int, price: int) -> None:
    assert Chase(offset=offset).top(10_000, 10_020) == place(1, price)
    mirrored = 20_020 - price
    assert Chase(offset=offset, side=Side.SELL).top(10_000, 10_020) == place(1, mirrored, side=-1)


def test_dust_at_the_touch_is_passed_over_for_the_next_level() -> None:
    assert Chase(ignore_qty=10).top(10_000, 10_010, bid_qty=9) == place(1, 9_995)
    assert Chase(ignore_qty=10).top(10_000, 10_010, bid_qty=10) == place(1, 10_000)
    sell = Chase(ignore_qty=10, side=Side.SELL)
    assert sell.top(10_000, 10_010, bid_qty=1, ask_qty=9) == place(1, 10_015, side=-1)


def test_where_nothing_is_known_behind_it_dust_is_the_best() -> None:
    order = Chase(ignore_qty=10)
    step = chase.on_top(order.config, order.state, chase.Touch(0, 10_000, 1, 0, 0, 10_010, 1, 0, 0))
    assert step.command == place(1, 10_000)


def test_dust_that_comes_before_us_is_no_reason_to_follow() -> None:
    order = Chase(ignore_qty=10).rest()
    assert order.top(10_005, 10_010, bid_qty=1) == NO_COMMAND


# --- when it follows --------------------------------------------------------------------------------------


def test_it_stays_when_the_price_returns_unless_it_trails_back() -> None:
    order = Chase(trail_back=False).rest()
    assert order.top(9_990, 10_000) == NO_COMMAND
    assert order.top(10_005, 10_015).kind == CommandKind.CANCEL


def test_the_budget_of_reprices_keeps_it_where_it_is() -> None:
    order = Chase(max_reprices=1).rest()
    order.top(10_005, 10_015)
    assert order.report(ReportKind.CANCELED) == place(2, 10_005)
    order.report(ReportKind.ACK)
    assert order.top(10_050, 10_060) == NO_COMMAND
    assert order.no_book().kind == CommandKind.CANCEL  # a pull for safety is no reprice


def test_without_a_budget_it_never_moves() -> None:
    assert Chase(max_reprices=0).rest().top(10_050, 10_060) == NO_COMMAND


def test_flicker_is_not_followed() -> None:
    order = Chase(confirm_tops=3).rest()
    for _ in range(5):
        assert order.top(10_005, 10_015) == order.top(10_005, 10_015) == NO_COMMAND
        assert order.top(10_000, 10_010) == NO_COMMAND
    order.top(10_005, 10_015)
    order.top(10_010, 10_020)
    assert order.timer(5) == NO_COMMAND  # a tick is no top
    assert order.top(10_005, 10_015).kind == CommandKind.CANCEL


def test_flicker_from_one_side_to_the_other_is_not_followed() -> None:
    order = Chase(confirm_tops=2).rest()
    for now in range(5):
        assert order.top(10_005, 10_015, now) == order.top(9_995, 10_015, now) == NO_COMMAND


def test_a_move_is_confirmed_by_time() -> None:
    order = Chase(confirm_ns=50).rest()
    assert order.top(10_005, 10_015, now=10) == order.top(10_010, 10_020, now=59) == NO_COMMAND
    assert order.timer(60).kind == CommandKind.CANCEL


def test_a_good_place_in_the_queue_is_not_given_up_for_one_tick_before_patience_ends() -> None:
    order = Chase(min_move=2, patience_ns=1_000).rest()
    assert order.top(10_005, 10_015, now=10) == NO_COMMAND
    assert order.top(10_000, 10_010, now=500) == NO_COMMAND  # back: patience starts anew
    assert order.top(10_005, 10_015, now=600) == order.timer(1_599) == NO_COMMAND
    assert order.timer(1_600).kind == CommandKind.CANCEL


def test_two_ticks_are_followed_at_once() -> None:
    assert Chase(min_move=2, patience_ns=1_000).rest().top(10_010, 10_020).kind == CommandKind.CANCEL


# --- amending in place ------------------------------------------------------------------------------------


def test_where_the_venue_can_the_order_is_amended_in_place_with_its_total() -> None:
    order = Chase(amend=chase.Amend.PRICE_QTY).rest()
    order.report(ReportKind.FILL, filled=30)
    assert order.top(10_005, 10_015, now=7) == amend(1, 10_005)
    assert order.top(10_020, 10_030, now=8) == NO_COMMAND  # one thing at a time
    assert order.report(ReportKind.AMENDED, price=10_005, qty=100, filled=30) == amend(1, 10_020)
    order.report(ReportKind.AMENDED, price=10_020, qty=100, filled=30)
    assert (order.phase, order.state.order.price, order.state.reprices) == (Phase.RESTING, 10_020, 2)


def test_where_it_changes_the_quantity_only_a_price_is_cancelled_and_placed() -> None:
    assert Chase(amend=chase.Amend.QTY_DOWN).rest().top(10_005, 10_015).kind == CommandKind.CANCEL


def test_an_amendment_starts_the_minimum_rest_anew() -> None:
    order = Chase(amend=chase.Amend.PRICE_QTY, min_rest_ns=50).rest()
    assert order.top(10_005, 10_015, now=60) == amend(1, 10_005)
    order.report(ReportKind.AMENDED, price=10_005, qty=100, now=70)
    assert order.top(10_010, 10_020, now=119) == NO_COMMAND
    assert order.timer(120) == amend(1, 10_010)


# --- taking in slices -------------------------------------------------------------------------------------


def test_it_takes_in_slices_one_after_the_other() -> None:
    order = taker(slices=3, slice_ns=500, take_slippage_bps=10)
    assert order.report(ReportKind.CANCELED, now=1_000) == place(2, 10_020, qty=40, tif=IOC)
    assert order.report(ReportKind.CANCELED, filled=40, now=1_100) == NO_COMMAND
    assert order.timer(1_599) == NO_COMMAND
    assert order.timer(1_600) == place(3, 10_020, qty=30, tif=IOC)
    order.report(ReportKind.FILL, filled=10, now=1_600)
    assert order.report(ReportKind.CANCELED, filled=10, now=1_650) == NO_COMMAND
    assert order.timer(2_150) == place(4, 10_020, qty=50, tif=IOC)
    order.report(ReportKind.CANCELED, filled=20, now=2_200)
    assert order.end == (Phase.EXPIRED, EndReason.NONE, 70)


def test_slices_do_not_walk_away_with_the_market() -> None:
    order = taker(slices=2, slice_ns=0, take_slippage_bps=10)
    assert order.report(ReportKind.CANCELED) == place(2, 10_020, qty=50, tif=IOC)
    order.top(10_010, 10_020)
    assert order.report(ReportKind.CANCELED) == place(3, 10_020, qty=100, tif=IOC)
    order = taker(slices=2, slice_ns=0, take_slippage_bps=10)
    order.report(ReportKind.CANCELED)
    order.top(10_020, 10_025)
    assert order.report(ReportKind.CANCELED) == NO_COMMAND
    assert order.end == (Phase.EXPIRED, EndReason.BEYOND, 0)


def test_a_slice_that_would_leave_dust_takes_all() -> None:
    order = taker(slices=2, min_notional=600_000)
    assert order.report(ReportKind.CANCELED).qty == 100


def test_the_users_cancel_ends_the_slices() -> None:
    order = taker(slices=2, slice_ns=0)
    order.report(ReportKind.CANCELED)
    assert order.cancel() == NO_COMMAND
    assert order.report(ReportKind.CANCELED, filled=50) == NO_COMMAND
    assert order.end == (Phase.CANCELLED, EndReason.NONE, 50)


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [("qty", 0), ("qty", 1.5), ("max_chase_bps", -1), ("max_chase_bps", 10_001), ("min_move", 0),
     ("limit_price", -5), ("max_rejects", 0), ("take_slippage_bps", 20_000), ("deadline_ns", -1),
     ("offset", 2_000_000), ("confirm_tops", 0), ("max_reprices", -2), ("answer_ns", 0), ("slices", 0),
     ("amend", "sometimes"), ("when_blind", 7), ("on_deadline", None)],
)  # fmt: skip
def test_a_setting_that_can_not_be_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        chase.configure(INSTRUMENT, **({"side": Side.BUY, "qty": 10} | {setting: value}))
    assert error.value.setting == setting


def test_a_choice_may_be_named() -> None:
    config = chase.configure(INSTRUMENT, side=Side.BUY, qty=10, amend="price_qty", when_blind="FREEZE")  # type: ignore[arg-type]
    assert (config.amend, config.when_blind) == (chase.Amend.PRICE_QTY, chase.WhenBlind.FREEZE)
