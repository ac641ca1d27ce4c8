"""Each rule of the chase order by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.micro import chase
from citadel_kit.micro.chase import END_TEXT, EndReason, OnDeadline, Phase
from citadel_kit.types import (
    NO_COMMAND,
    BookTop,
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
)

INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=3, tick=5, lot=10
)
POST, IOC = int(TimeInForce.POST_ONLY), int(TimeInForce.IOC)


def top(bid: int, ask: int, now: int = 0) -> BookTop:
    return BookTop(now, 0, -1, bid, 100 if bid else 0, ask, 100 if ask else 0)


class Chase:
    """One order on its way, so that a test reads as a story."""

    def __init__(self, bid: int = 10_000, ask: int = 10_010, **settings: Any) -> None:
        instrument = replace(INSTRUMENT, min_notional=settings.pop("min_notional", 0))
        given = {"side": Side.BUY, "qty": 100, "pause_ns": 100} | settings
        self.config = chase.configure(instrument, **given)
        self.state = chase.start(self.config, top(bid, ask))

    def _take(self, step: chase.Step) -> Command:
        self.state, command = step
        return command

    def top(self, bid: int, ask: int, now: int = 0) -> Command:
        return self._take(chase.on_top(self.config, self.state, top(bid, ask, now)))

    def timer(self, now: int) -> Command:
        return self._take(chase.on_timer(self.config, self.state, now))

    def no_book(self, now: int = 0) -> Command:
        return self._take(chase.on_no_book(self.config, self.state, now))

    def cancel(self, now: int = 0) -> Command:
        return self._take(chase.cancel(self.config, self.state, now))

    def report(
        self,
        kind: ReportKind,
        *,
        order: int = 0,
        qty: int = 0,
        filled: int = 0,
        reason: int = 0,
        now: int = 0,
    ) -> Command:
        order = order or self.state.order.order_id
        report = OrderReport(int(kind), order, now, 1, qty, filled, True, int(reason))
        return self._take(chase.on_report(self.config, self.state, report))

    def rest(self, bid: int = 10_000, ask: int = 10_010) -> Chase:
        """Placed and acknowledged."""
        assert self.top(bid, ask).kind == CommandKind.PLACE
        assert self.report(ReportKind.ACK) == NO_COMMAND
        return self


def place(order: int, price: int, qty: int = 100, side: int = 1, tif: int = POST) -> Command:
    return Command(int(CommandKind.PLACE), order, side, price, qty, tif)


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
    assert order.report(ReportKind.CANCEL_REJECT, reason=RejectReason.UNKNOWN_ORDER, now=10) == NO_COMMAND
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


# --- our own size in the book -----------------------------------------------------------------------------


def seen(side: Side, price: int, qty: int) -> tuple[int, int, int, int]:
    t = chase.without_own(
        BookTop(1, 2, 3, 10_000, 50, 10_010, 60), 9_990, 7, 10_020, 8, int(side), price, qty
    )
    assert t[:3] == (1, 2, 3)
    return t[3:]


def test_own_size_is_taken_off_the_touch() -> None:
    assert seen(Side.BUY, 10_000, 20) == (10_000, 30, 10_010, 60)
    assert seen(Side.SELL, 10_010, 20) == (10_000, 50, 10_010, 40)


def test_alone_at_the_touch_the_next_level_is_the_best() -> None:
    assert seen(Side.BUY, 10_000, 50) == (9_990, 7, 10_010, 60)
    assert seen(Side.SELL, 10_010, 60) == (10_000, 50, 10_020, 8)


def test_an_order_behind_the_touch_changes_nothing() -> None:
    assert seen(Side.BUY, 9_990, 50) == seen(Side.SELL, 10_020, 50) == (10_000, 50, 10_010, 60)


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [("qty", 0), ("qty", 1.5), ("max_chase_bps", -1), ("max_chase_bps", 10_001), ("min_move", 0),
     ("limit_price", -5), ("max_rejects", 0), ("take_slippage_bps", 20_000), ("deadline_ns", -1)],
)  # fmt: skip
def test_a_setting_that_can_not_be_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        chase.configure(INSTRUMENT, **({"side": Side.BUY, "qty": 10} | {setting: value}))
    assert error.value.setting == setting
