"""Each kind of order at the exchange, one by one, against a small market."""

from __future__ import annotations

import pytest
from matching_desk import ANN, ASKS, BIDS, BOB, BUY, INSTRUMENT, LOOSE, ONE, SELL, Desk

from citadel_kit.errors import ConfigError
from citadel_kit.micro.matching import (
    FEES,
    HISTORY,
    MARKET,
    Accounts,
    ExchangeOrder,
    Execution,
    MatchingEngine,
    OrderRefused,
    OrderType,
    QueueConfig,
    RefusalCode,
    Rules,
    Status,
    Stp,
    Tif,
)
from citadel_kit.types import Instrument, Side

MAKER, STOP, STOP_LIMIT = OrderType.LIMIT_MAKER, OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT
PROFIT, PROFIT_LIMIT = OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT


# --- limit and market ---------------------------------------------------------------------------------------


def test_a_limit_order_takes_what_crosses_and_rests_with_the_remainder() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 100, 102)
    assert desk.fills() == [(1, 101, 40), (1, 102, 30)]
    assert (order.status, order.filled, order.quote_filled) == (Status.PARTIALLY_FILLED, 70, 7_100)
    assert desk.engine.shown(True, 2) == [(102, 30), (99, 50)]
    assert desk.engine.shown(False, 9) == [(105, 500)]
    assert desk.money(ANN) == (1_000_000 - 7_100 - 30 * 102, 30 * 102, 10_070, 0)
    desk.cancel(order)
    assert desk.money(ANN) == (1_000_000 - 7_100, 0, 10_070, 0)
    assert (order.status, desk.engine.top()) == (Status.CANCELED, (99, 50, 105, 500))


def test_clients_trade_in_price_time_priority_and_with_the_outside_merged() -> None:
    desk = Desk()
    desk.place(ANN, SELL, 5, 101)  # 1: behind the outside's 40
    desk.place(BOB, SELL, 6, 100)  # 2: alone and best
    desk.place(BOB, SELL, 7, 101)  # 3: after ann
    desk.drain()
    desk.place(ANN, BUY, 6 + 40 + 5 + 3 + 0, 101, stp=Stp.NONE)
    _, prints, steps = desk.drain()
    assert [(p.price, p.qty) for p in prints] == [(100, 6), (101, 40), (101, 5), (101, 3)]
    makers = [s.order.order_id for s in steps if isinstance(s, Execution) and s.maker]
    assert makers == [2, 1, 3]
    assert {p.side for p in prints} == {BUY} and [p.trade_id for p in prints] == [1, 2, 3, 4]


def test_what_clients_took_stays_off_until_the_outside_changes_the_level() -> None:
    desk = Desk()
    desk.place(ANN, BUY, 15, 101, tif=Tif.IOC)
    assert desk.engine.shown(False, 1) == [(101, 25)]
    desk.show([], [(101, 40), (102, 31)], delta=True)
    desk.show(BIDS, [(101, 40), (102, 31)])
    assert desk.engine.shown(False, 2) == [(101, 25), (102, 31)]
    desk.show([], [(101, 10)], delta=True)
    assert desk.engine.shown(False, 1) == [(101, 10)]
    desk.place(ANN, BUY, 10, 101, tif=Tif.IOC)
    assert desk.engine.shown(False, 1) == [(102, 31)]


def test_ioc_expires_with_its_rest_and_fok_fills_whole_or_not_at_all() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 50, 101, tif=Tif.IOC)
    assert (order.status, order.filled) == (Status.EXPIRED, 40)
    assert desk.place(ANN, BUY, 31, 102, tif=Tif.FOK).filled == 0
    assert desk.place(ANN, BUY, 30, 102, tif=Tif.FOK).status == Status.FILLED
    assert desk.kinds()[-4:] == [(2, "NEW"), (2, "EXPIRED"), (3, "NEW"), (3, "TRADE")]
    assert desk.money(ANN)[1] == 0 and desk.engine.open_orders(ANN) == []


def test_post_only_rests_or_is_refused() -> None:
    desk = Desk()
    assert desk.refused(ANN, BUY, 10, 101, type=MAKER) == RefusalCode.WOULD_TAKE
    assert desk.refused(ANN, SELL, 10, 99, type=MAKER) == RefusalCode.WOULD_TAKE
    assert desk.place(ANN, BUY, 10, 100, type=MAKER).in_book
    assert desk.refused(BOB, SELL, 10, 100, type=MAKER) == RefusalCode.WOULD_TAKE


def test_a_market_order_takes_by_quantity_or_by_what_the_quote_buys() -> None:
    desk = Desk()
    order = desk.place(ANN, SELL, 60)
    assert (order.status, order.quote_filled) == (Status.FILLED, 50 * 99 + 10 * 98)
    order = desk.place(ANN, BUY, 0, quote=40 * 101 + 2 * 102 + 101)
    assert (order.status, order.filled, order.quote_filled) == (Status.FILLED, 42, 40 * 101 + 2 * 102)
    order = desk.place(ANN, BUY, 9_000)
    assert (order.status, order.filled) == (Status.EXPIRED, 528)
    assert desk.refused(ANN, BUY, 10) == RefusalCode.NO_LIQUIDITY
    assert desk.money(ANN)[1] == desk.money(ANN)[3] == 0


def test_a_quote_quantity_is_cut_to_whole_lots() -> None:
    desk = Desk(rules=Rules(lot=7, min_qty=7))
    assert desk.place(ANN, BUY, 0, quote=20 * 101).filled == 14
    assert desk.place(ANN, BUY, 0, quote=6 * 101).status == Status.EXPIRED


# --- stops --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "stop", "short_of_it", "at_it"),
    [
        (SELL, STOP, 95, 96, 95),
        (BUY, STOP, 105, 104, 105),
        (SELL, PROFIT, 105, 104, 106),
        (BUY, PROFIT, 95, 96, 94),
    ],
)
def test_a_stop_rests_unseen_and_triggers_on_the_last_trade_price(
    side: Side, kind: OrderType, stop: int, short_of_it: int, at_it: int
) -> None:
    desk = Desk()
    desk.trade(100, 1, BUY)
    desk.drain()
    order = desk.place(ANN, side, 20, type=kind, stop=stop)
    assert (order.working, order.working_ns) == (False, -1)
    assert desk.drain()[0] == []
    assert (desk.money(ANN)[1] if side is BUY else desk.money(ANN)[3]) == (20 * stop if side is BUY else 20)
    desk.trade(short_of_it, 1, BUY)
    assert order.status == Status.NEW and not order.triggered
    desk.trade(at_it, 1, BUY)
    assert (order.status, order.triggered, order.filled) == (Status.FILLED, True, 20)
    assert desk.kinds() == [(1, "NEW"), (1, "TRADE")]
    assert desk.money(ANN)[1] == desk.money(ANN)[3] == 0


def test_a_stop_limit_becomes_a_limit_order_and_may_rest() -> None:
    desk = Desk()
    order = desk.place(ANN, SELL, 70, 99, type=STOP_LIMIT, stop=98)
    desk.trade(98, 1, SELL)
    assert (order.filled, order.in_book, order.working) == (50, True, True)
    assert desk.engine.shown(False, 1) == [(99, 20)]
    order = desk.place(ANN, BUY, 30, 90, type=PROFIT_LIMIT, stop=92)
    desk.trade(92, 1, SELL)
    assert order.in_book and desk.engine.shown(True, 9)[-1] == (90, 30)


def test_a_stop_that_would_trigger_at_once_is_refused() -> None:
    desk = Desk()
    desk.trade(100, 1, BUY)
    for side, kind, stop in ((SELL, STOP, 100), (BUY, STOP, 100), (SELL, PROFIT, 99), (BUY, PROFIT, 101)):
        assert desk.refused(ANN, side, 10, type=kind, stop=stop) == RefusalCode.WOULD_TRIGGER


def test_a_stop_that_trades_may_trigger_the_next_one() -> None:
    desk = Desk()
    desk.trade(100, 1, BUY)
    first = desk.place(ANN, SELL, 60, type=STOP, stop=99)
    second = desk.place(BOB, SELL, 10, type=STOP, stop=98)
    third = desk.place(BOB, SELL, 10, type=STOP, stop=97)
    desk.trade(99, 1, SELL)
    assert (first.status, second.status, third.status) == (Status.FILLED, Status.FILLED, Status.NEW)


def test_a_triggered_buy_takes_no_more_than_its_account_can_pay() -> None:
    desk = Desk(usdt=1_050)
    order = desk.place(ANN, BUY, 10, type=STOP, stop=105)
    desk.show(BIDS, [(200, 3), (210, 10)])
    desk.trade(105, 1, BUY)
    assert (order.status, order.filled) == (Status.EXPIRED, 5)
    assert desk.money(ANN) == (1_050 - 3 * 200 - 2 * 210, 0, 10_005, 0)


def test_stops_wait_while_there_is_no_book() -> None:
    desk = Desk()
    order = desk.place(ANN, SELL, 10, type=STOP, stop=95)
    desk.engine.on_outside_lost(90)
    desk.trade(90, 1, SELL)
    assert order.status == Status.NEW
    desk.show(BIDS, ASKS)
    assert order.status == Status.FILLED


# --- one cancels the other ----------------------------------------------------------------------------------


def oco(desk: Desk, side: Side = SELL, qty: int = 20) -> tuple[ExchangeOrder, ExchangeOrder]:
    desk.trade(100, 1, BUY)
    desk.drain()
    limit, stop = (110, 90) if side is SELL else (90, 110)
    return desk.engine.place_oco(
        desk.request(ANN, side, qty, limit, type=MAKER),
        desk.request(ANN, side, qty, type=STOP, stop=stop),
        50,
    )[1]


def test_a_list_holds_what_its_dearer_leg_needs() -> None:
    desk = Desk()
    limit, stop = oco(desk)
    assert desk.kinds() == [(-1, "EXEC_STARTED"), (stop.order_id, "NEW"), (limit.order_id, "NEW")]
    assert desk.money(ANN) == (1_000_000, 0, 9_980, 20)
    desk = Desk()
    oco(desk, BUY)
    assert desk.money(ANN)[1] == 20 * 110


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_part_fill_of_the_limit_expires_the_stop(side: Side) -> None:
    desk = Desk()
    limit, stop = oco(desk, side)
    desk.drain()
    desk.trade(111 if side is SELL else 89, 5, Side(-side))
    assert (limit.filled, limit.open, stop.status) == (5, True, Status.EXPIRED)
    assert desk.money(ANN)[3 if side is SELL else 1] == 15 * (1 if side is SELL else 90)
    desk.trade(111 if side is SELL else 89, 50, Side(-side))
    assert limit.status == Status.FILLED
    assert desk.kinds()[-1] == (-1, "ALL_DONE")
    assert desk.money(ANN)[1] == desk.money(ANN)[3] == 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_triggered_stop_expires_the_limit(side: Side) -> None:
    desk = Desk()
    limit, stop = oco(desk, side)
    desk.drain()
    desk.trade(90 if side is SELL else 110, 1, Side(-side))
    assert (limit.status, stop.status) == (Status.EXPIRED, Status.FILLED)
    assert desk.kinds()[-1] == (-1, "ALL_DONE")
    assert desk.money(ANN)[1] == desk.money(ANN)[3] == 0


@pytest.mark.parametrize("leg", [0, 1])
def test_cancelling_a_leg_cancels_both(leg: int) -> None:
    desk = Desk()
    legs = oco(desk)
    desk.drain()
    desk.cancel(legs[leg])
    assert [o.status for o in legs] == [Status.CANCELED, Status.CANCELED]
    assert [k for _, k in desk.kinds()] == ["CANCELED", "CANCELED", "ALL_DONE"]
    assert desk.money(ANN) == (1_000_000, 0, 10_000, 0)


def test_a_list_is_refused_whole() -> None:
    desk = Desk(btc=15)
    with pytest.raises(OrderRefused, match="INSUFFICIENT"):
        oco(desk)
    limit, stop = desk.request(ANN, SELL, 5, 110, type=MAKER), desk.request(ANN, SELL, 5, type=STOP, stop=105)
    with pytest.raises(OrderRefused, match="OCO_PRICES"):
        desk.engine.place_oco(limit, stop, 60)
    with pytest.raises(OrderRefused, match="BAD_PARAMETER"):
        desk.engine.place_oco(limit, desk.request(ANN, SELL, 6, type=STOP, stop=90), 60)
    assert desk.engine.all_orders(ANN) == [] and desk.kinds() == []
    assert desk.money(ANN) == (1_000_000, 0, 15, 0)


# --- amend, cancel, replace ---------------------------------------------------------------------------------


def amend(desk: Desk, order: ExchangeOrder, qty: int, price: int = 0) -> ExchangeOrder:
    now = next(desk.clock)
    return desk.engine.amend(order.account, now, order_id=order.order_id, qty=qty, price=price)


def test_quantity_down_keeps_the_place_and_up_loses_it() -> None:
    desk = Desk()
    first, second = desk.place(ANN, BUY, 10, 100), desk.place(BOB, BUY, 10, 100)
    amend(desk, first, 6)
    assert desk.money(ANN)[1] == 600 and desk.engine.top()[:2] == (100, 16)
    desk.place(BOB, SELL, 2, 100)
    assert (first.filled, second.filled) == (2, 0)
    amend(desk, first, 8)
    desk.place(ANN, SELL, 10, 100, stp=Stp.NONE)
    assert (first.filled, second.filled) == (2, 10)
    assert desk.money(ANN)[1] == 600


def test_a_new_price_may_take() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 60, 100)
    amend(desk, order, 60, 101)
    assert (order.filled, order.price, desk.money(ANN)[1]) == (40, 101, 20 * 101)
    assert [k for _, k in desk.kinds()] == ["NEW", "REPLACED", "TRADE"]
    assert desk.engine.shown(True, 2) == [(101, 20), (99, 50)]


def test_what_can_not_be_amended_stays_as_it_was() -> None:
    desk = Desk(usdt=2_000)
    order = desk.place(ANN, BUY, 10, 100, type=MAKER)
    stop = desk.place(ANN, SELL, 10, type=STOP, stop=90)
    desk.trade(99, 4, SELL)
    before = desk.picture()
    for target, qty, price, code in (
        (order, 4, 0, RefusalCode.AMEND_REFUSED),
        (order, 10, 0, RefusalCode.AMEND_REFUSED),
        (order, 30, 0, RefusalCode.INSUFFICIENT_BALANCE),
        (order, 10, 101, RefusalCode.WOULD_TAKE),
        (order, 10, 2_000, RefusalCode.PERCENT_PRICE),
        (stop, 12, 0, RefusalCode.AMEND_REFUSED),
    ):
        with pytest.raises(OrderRefused) as caught:
            amend(desk, target, qty, price)
        assert caught.value.code == code
    assert desk.picture() == before
    assert amend(desk, stop, 5).qty == 5 and desk.money(ANN)[3] == 5


def test_cancel_replace_has_four_outcomes() -> None:
    desk = Desk()
    good = desk.request(ANN, BUY, 10, 100)
    bad = desk.request(ANN, BUY, 10, 10**9)

    def run(order_id: int, new: object, stop: bool) -> tuple[bool, str, bool, str]:
        done = desk.engine.cancel_replace(ANN, new, 9, order_id=order_id, stop_on_failure=stop)  # type: ignore[arg-type]
        refusals = [r.code.name if r else "" for r in (done.cancel_refusal, done.new_refusal)]
        return done.canceled is not None, refusals[0], done.placed is not None, refusals[1]

    desk.place(ANN, BUY, 10, 99)
    assert run(1, good, True) == (True, "", True, "")
    assert run(1, good, True) == (False, "UNKNOWN_ORDER", False, "")
    assert run(1, good, False) == (False, "UNKNOWN_ORDER", True, "")
    assert run(2, bad, True) == (True, "", False, "PERCENT_PRICE")
    assert run(2, bad, False) == (False, "UNKNOWN_ORDER", False, "PERCENT_PRICE")


def test_what_is_released_by_the_cancel_pays_for_the_replacement() -> None:
    desk = Desk(usdt=1_000)
    desk.place(ANN, BUY, 10, 100)
    done = desk.engine.cancel_replace(
        ANN, desk.request(ANN, BUY, 9, 100), 9, order_id=1, stop_on_failure=True
    )
    assert done.placed is not None and desk.money(ANN) == (100, 900, 10_000, 0)


def test_cancel_all_and_unknown_orders() -> None:
    desk = Desk()
    desk.place(ANN, BUY, 10, 98, name="a")
    oco(desk)
    desk.place(BOB, BUY, 10, 98, name="a")
    assert len(desk.engine.cancel_all(ANN, 9)) == 3
    assert desk.engine.open_orders(ANN) == [] and desk.money(ANN) == (1_000_000, 0, 10_000, 0)
    for wrong in ({"order_id": 1}, {"client_id": "a"}, {"client_id": ""}, {"order_id": 4}):
        with pytest.raises(OrderRefused, match="UNKNOWN_ORDER"):
            desk.engine.cancel(ANN, 10, **wrong)  # type: ignore[arg-type]
    assert desk.engine.order(ANN, client_id="a").order_id == 1
    assert desk.engine.cancel(BOB, 11, client_id="a").status == Status.CANCELED


# --- self-trade prevention ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stp", "mine", "takers", "bobs"),
    [
        (Stp.NONE, (5, Status.FILLED), (12, Status.FILLED), 7),
        (Stp.EXPIRE_TAKER, (0, Status.NEW), (0, Status.EXPIRED_IN_MATCH), 0),
        (Stp.EXPIRE_MAKER, (0, Status.EXPIRED_IN_MATCH), (10, Status.PARTIALLY_FILLED), 10),
        (Stp.EXPIRE_BOTH, (0, Status.EXPIRED_IN_MATCH), (0, Status.EXPIRED_IN_MATCH), 0),
    ],
)
def test_the_takers_mode_decides_about_self_trades(
    stp: Stp, mine: tuple[int, Status], takers: tuple[int, Status], bobs: int
) -> None:
    desk = Desk()
    maker, other = desk.place(ANN, SELL, 5, 100), desk.place(BOB, SELL, 10, 100)
    taker = desk.place(ANN, BUY, 12, 100, stp=stp)
    assert (maker.filled, maker.status) == mine
    assert (taker.filled, taker.status) == takers
    assert other.filled == bobs
    held = desk.money(ANN)
    assert (held[1], held[3]) == (200 if taker.in_book else 0, 5 if maker.in_book else 0)


def test_a_fill_or_kill_does_not_count_on_what_it_would_expire() -> None:
    desk = Desk()
    maker = desk.place(ANN, SELL, 5, 100)
    desk.place(BOB, SELL, 10, 100)
    assert desk.place(ANN, BUY, 12, 100, tif=Tif.FOK).status == Status.EXPIRED
    assert maker.open


# --- refusals -----------------------------------------------------------------------------------------------


def test_filters_name_what_is_wrong() -> None:
    rules = Rules(tick=5, lot=10, min_qty=20, max_qty=1_000, max_market_qty=500, min_price=10, max_price=900,
                  min_notional=3_000, band_up_pct=200, band_down_pct=50)  # fmt: skip
    desk = Desk(rules=rules)
    desk.trade(100, 1, BUY)
    code = RefusalCode
    for qty, price, expected in (
        (40, 101, code.PRICE_FILTER), (40, 5, code.PRICE_FILTER), (40, 905, code.PRICE_FILTER),
        (40, 205, code.PERCENT_PRICE), (40, 45, code.PERCENT_PRICE),
        (35, 90, code.LOT_SIZE), (10, 90, code.LOT_SIZE), (1_010, 90, code.LOT_SIZE),
        (30, 95, code.MIN_NOTIONAL), (510, 0, code.MARKET_LOT_SIZE), (20, 0, code.MIN_NOTIONAL),
    ):  # fmt: skip
        assert desk.refused(ANN, BUY, qty, price) == expected
    assert desk.refused(ANN, BUY, 0, quote=2_999) == code.MIN_NOTIONAL
    assert desk.refused(ANN, SELL, 30, type=STOP, stop=91) == code.PRICE_FILTER
    assert desk.refused(ANN, SELL, 30, type=STOP, stop=90) == code.MIN_NOTIONAL
    desk.place(ANN, BUY, 40, 90)


def test_the_band_follows_the_average_of_the_last_seconds() -> None:
    desk = Desk(rules=Rules(band_up_pct=110, band_down_pct=90, average_s=10))
    second = 10**9
    desk.engine.on_outside_trade(second, 100, 30, BUY)
    desk.engine.on_outside_trade(5 * second, 200, 10, BUY)
    assert desk.engine.average_price(5 * second) == 125
    assert desk.engine.average_price(12 * second) == 200
    assert desk.engine.average_price(99 * second) == 200
    assert desk.engine.last_price == 200


@pytest.mark.parametrize(
    "more",
    [
        {"qty": 0}, {"qty": -5, "price": 99}, {"qty": 5, "quote": 500}, {"qty": 0, "quote": 500, "price": 99},
        {"qty": 5, "price": 99, "type": STOP, "stop": 90}, {"qty": 5, "type": OrderType.LIMIT},
        {"qty": 5, "type": STOP_LIMIT, "price": 99}, {"qty": 5, "price": 99, "stop": 90},
        {"qty": 5, "price": 99, "type": MAKER, "tif": Tif.IOC}, {"qty": 5, "tif": Tif.FOK},
        {"qty": 5, "price": 99, "name": "x" * 65}, {"qty": 5, "price": 99, "name": "exchange-1"},
    ],
)  # fmt: skip
def test_parameters_that_do_not_belong_together(more: dict[str, object]) -> None:
    assert Desk().refused(ANN, BUY, **more) == RefusalCode.BAD_PARAMETER  # type: ignore[arg-type]


def test_balances_are_checked_to_the_last_unit() -> None:
    desk = Desk(usdt=1_000, btc=10)
    assert desk.refused(ANN, BUY, 11, 99) == RefusalCode.INSUFFICIENT_BALANCE
    assert desk.refused(ANN, SELL, 11, 102) == RefusalCode.INSUFFICIENT_BALANCE
    assert desk.refused(ANN, BUY, 10) == RefusalCode.INSUFFICIENT_BALANCE
    assert desk.refused(ANN, SELL, 11) == RefusalCode.INSUFFICIENT_BALANCE
    assert desk.refused(ANN, SELL, 11, type=STOP, stop=90) == RefusalCode.INSUFFICIENT_BALANCE
    assert desk.place(ANN, BUY, 10, 100).in_book
    assert desk.money(ANN) == (0, 1_000, 10, 0)


def test_client_ids_are_unique_while_open() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 10, 98, name="a")
    assert desk.refused(ANN, BUY, 10, 98, name="a") == RefusalCode.DUPLICATE_CLIENT_ID
    desk.cancel(order)
    again = desk.place(ANN, BUY, 10, 98, name="a")
    assert desk.engine.order(ANN, client_id="a") is again


def test_the_number_of_open_orders_is_limited() -> None:
    desk = Desk(rules=Rules(max_orders=3, max_stop_orders=1))
    desk.place(ANN, BUY, 10, 98)
    stop = desk.place(ANN, SELL, 10, type=STOP, stop=90)
    assert desk.refused(ANN, SELL, 10, type=STOP, stop=90) == RefusalCode.MAX_STOP_ORDERS
    desk.place(ANN, BUY, 10, 98)
    assert desk.refused(ANN, BUY, 10, 98) == RefusalCode.MAX_ORDERS
    desk.cancel(stop)
    desk.place(ANN, SELL, 10, type=STOP, stop=90)


def test_without_a_book_nothing_is_placed_but_everything_can_be_cancelled() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 10, 98)
    desk.engine.on_outside_lost(9)
    assert desk.engine.top() == (98, 10, 0, 0)
    assert desk.refused(ANN, BUY, 10, 98) == RefusalCode.NO_BOOK
    desk.show([(97, 5)], [], delta=True)
    assert desk.refused(ANN, BUY, 10, 98) == RefusalCode.NO_BOOK
    amend(desk, order, 5)
    desk.cancel(order)
    desk.show(BIDS, ASKS)
    assert desk.engine.top() == (99, 50, 101, 40)


def test_another_symbol_is_not_traded_here_and_some_instruments_can_not_be() -> None:
    with pytest.raises(ConfigError, match="exact fees"):
        engine(price_decimals=8, qty_decimals=8)
    with pytest.raises(ConfigError, match="spot pair"):
        engine(symbol="BTC/USDT:USDT")
    with pytest.raises(ConfigError, match="taker_ppm"):
        MatchingEngine(INSTRUMENT, Accounts(), taker_ppm=-1)
    with pytest.raises(ConfigError, match="cancel_pct"):
        MatchingEngine(INSTRUMENT, Accounts(), queue=QueueConfig(101, False))


def engine(symbol: str = "BTC/USDT", price_decimals: int = 2, qty_decimals: int = 5) -> MatchingEngine:
    return MatchingEngine(
        Instrument(venue="v", symbol=symbol, venue_symbol="X", price_decimals=price_decimals,
                   qty_decimals=qty_decimals), Accounts(),
    )  # fmt: skip


# --- money and history --------------------------------------------------------------------------------------


def test_fees_are_taken_from_what_is_received() -> None:
    desk = Desk(maker_ppm=100, taker_ppm=1_000)
    desk.place(ANN, SELL, 10, 100)
    desk.place(BOB, BUY, 50, 101)
    at = desk.accounts
    assert at.free(BOB, "BTC") == 10_050 * ONE - 50 * ONE // 1_000
    assert at.free(ANN, "USDT") == 1_001_000 * ONE - 1_000 * ONE // 10_000
    assert at.balances(FEES) == {"BTC": (ONE // 20, 0), "USDT": (ONE // 10, 0)}
    assert at.balances(MARKET) == {"BTC": (-40 * ONE, 0), "USDT": (4_040 * ONE, 0)}
    assert at.totals() == desk.deposits
    taken = [(t.price, t.qty, t.maker, t.commission, t.commission_asset) for t in desk.engine.trades(BOB)]
    assert taken == [(100, 10, False, ONE // 100, "BTC"), (101, 40, False, ONE // 25, "BTC")]


def test_the_history_of_an_account_is_bounded() -> None:
    desk = Desk(rules=LOOSE)
    kept = desk.place(ANN, BUY, 10, 98, name="kept")
    for i in range(HISTORY + 5):
        desk.cancel(desk.place(ANN, BUY, 10, 98, name=f"n{i}"))
    orders = desk.engine.all_orders(ANN)
    assert len(orders) == HISTORY + 1 and orders[0] is kept and orders[1].client_id == "n5"
    with pytest.raises(OrderRefused, match="UNKNOWN_ORDER"):
        desk.engine.order(ANN, client_id="n4")


# --- the outside reaches resting orders ---------------------------------------------------------------------


def test_one_trade_is_shared_in_priority_order_and_printed_once() -> None:
    desk = Desk()
    behind, best = desk.place(ANN, BUY, 30, 99), desk.place(BOB, BUY, 20, 100)
    desk.place(BOB, BUY, 40, 99)
    desk.drain()
    desk.trade(99, 20 + 50 + 30 + 5, SELL)
    _, prints, _ = desk.drain()
    assert [(p.price, p.qty) for p in prints] == [(100, 20), (99, 30), (99, 5), (99, 50)]
    assert (behind.status, best.status) == (Status.FILLED, Status.FILLED)


def test_an_outside_quote_that_crosses_is_met_up_to_its_size() -> None:
    desk = Desk()
    first, second = desk.place(ANN, BUY, 30, 100), desk.place(BOB, BUY, 20, 100)
    desk.show([(98, 50)], [(99, 25), (100, 10), (101, 9)])
    assert (first.filled, second.filled) == (30, 5)
    assert desk.engine.top() == (100, 15, 101, 9)
    desk.show([], [(101, 10)], delta=True)
    assert second.filled == 5
    desk.show([], [(100, 12)], delta=True)
    assert second.filled == 17


def test_the_pessimistic_bound_hides_a_quote_that_locks() -> None:
    desk = Desk(queue=QueueConfig(0, True))
    order = desk.place(ANN, BUY, 30, 100)
    desk.trade(100, 500, SELL)
    desk.show([(98, 50)], [(100, 10), (101, 9)])
    assert order.filled == 0 and desk.engine.top() == (100, 30, 101, 9)
    desk.trade(99, 5, SELL)
    assert order.filled == 5
    desk.show([], [(99, 10)], delta=True)
    assert order.filled == 15


def test_who_takes_the_outside_moves_up_who_waits_behind_it() -> None:
    desk = Desk()
    order = desk.place(ANN, BUY, 10, 99)
    desk.place(BOB, SELL, 45, 99)
    desk.drain()
    desk.trade(99, 8, SELL)
    assert (order.filled, desk.engine.top()[1]) == (3, 12)


def test_a_trade_explains_what_the_next_book_shows_and_nothing_after_it() -> None:
    desk = Desk(queue=QueueConfig(100, False))
    order = desk.place(ANN, BUY, 10, 99)
    desk.trade(99, 20, SELL)
    for level in ((98, 81), (99, 40), (98, 80)):
        desk.show([level], [], delta=True)
    assert order.resting.ahead == 20
    desk.trade(99, 21, SELL)
    assert order.filled == 1
