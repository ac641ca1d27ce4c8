"""The ccxt broker over the real wire, ccxt unmodified: one order at a time, with and without faults."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from math import isclose

import ccxt
import pytest
from broker_world import (
    ASK,
    BID,
    BTC,
    QUICK,
    SYMBOL,
    Told,
    World,
    amend,
    cancel,
    is_open,
    keys_of,
    open_exchange,
    place,
    play,
    query,
)

from citadel_kit import clock
from citadel_kit.errors import ConfigError, EngineClosed, VenueUnreachable
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.broker import CcxtBroker
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    RejectReason,
    ReportKind,
    Side,
    StopCommand,
    TimeInForce,
)

QTY = 10_000
BEST = BID + 100
"""Inside the outside market's spread."""


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    with open_exchange() as running:
        yield running


# --- the venue does what it is told ---


def test_an_order_rests_and_is_cancelled(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, BEST, QTY))
        (ack,) = await world.told.until_kinds(1, "ACK")
        assert (ack.price, ack.qty, ack.filled) == (BEST, QTY, 0)
        (order,) = await world.book()
        assert (order.client_id, order.price, order.qty) == (f"{world.prefix}-p1-1", BEST, QTY)
        world.send(cancel(1))
        _, gone = await world.told.until_kinds(1, "ACK", "CANCELED")
        assert (gone.filled, gone.reason) == (0, RejectReason.NONE)

    play(exchange, scenario)


def test_partial_fills_come_once_each_with_the_venues_own_fee(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        await world.streams()
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        for qty in (3_000, 2_000):
            await world.trade(Side.SELL, BEST, qty)
        world.send(cancel(1))
        reports = await world.told.until_kinds(1, "ACK", "FILL", "FILL", "CANCELED")
        fills = [(r.price, r.qty, r.filled, r.maker) for r in reports[1:3]]
        assert fills == [(BEST, 3_000, 3_000, True), (BEST, 2_000, 5_000, True)]
        assert reports[3].filled == 5_000
        trades = [trade for _, _, trade in world.told.trades]
        assert len({t.trade_id for t in trades}) == 2
        rate = exchange.venue().fees.maker_bps / 1e4
        for trade in trades:  # taken in BTC, worth this in USDT
            assert isclose(trade.fee, trade.price * trade.qty / 10**7 * rate, rel_tol=1e-9)
            assert trade.fee_paid.endswith(" BTC")

    play(exchange, scenario)


def test_an_ioc_takes_level_by_level_and_its_rest_is_gone(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, ASK + 100, 250_000, TimeInForce.IOC))
        reports = await world.told.until_kinds(1, "FILL", "FILL", "CANCELED")
        assert [(r.price, r.qty, r.maker) for r in reports[:2]] == [
            (ASK, 100_000, False),
            (ASK + 100, 100_000, False),
        ]
        assert reports[-1].filled == 200_000

    play(exchange, scenario)


def test_a_full_fill_is_told_by_its_last_fill_alone(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.SELL, BID, 20_000, TimeInForce.IOC))
        (fill,) = await world.told.until_kinds(1, "FILL")
        assert fill.filled == 20_000
        world.send(cancel(1))  # too late: the end is told again
        _, gone = await world.told.until_kinds(1, "FILL", "CANCELED")
        assert gone.filled == 20_000

    play(exchange, scenario)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (place(1, Side.BUY, ASK, QTY), RejectReason.POST_ONLY),
        (place(1, Side.BUY, BID, 10**12), RejectReason.BALANCE),
        (place(1, Side.BUY, BID, 1), RejectReason.FILTER),
    ],
)
def test_refusals(exchange: LocalExchange, command: Command, reason: RejectReason) -> None:
    async def scenario(world: World) -> None:
        world.send(command)
        (no,) = await world.told.until_kinds(1, "REJECT")
        assert no.reason == reason
        world.send(query(1))  # it is known to be refused
        await world.told.until_kinds(1, "REJECT", "REJECT")
        assert await world.book() == []

    play(exchange, scenario)


@pytest.mark.parametrize("kind", ["post_only", "balance", "filter", "rate_limit"])
def test_refusals_that_are_switched_on(exchange: LocalExchange, kind: str) -> None:
    async def scenario(world: World) -> None:
        world.switch(reject=kind)
        world.send(place(1, Side.BUY, BEST, QTY))
        (no,) = await world.told.until_kinds(1, "REJECT")
        assert RejectReason(no.reason).name == kind.upper()

    play(exchange, scenario)


def test_maintenance_refuses(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.switch(maintenance=True)
        world.send(place(1, Side.BUY, BEST, QTY))
        (no,) = await world.told.until_kinds(1, "REJECT")
        assert no.reason == RejectReason.VENUE

    play(exchange, scenario)


def test_a_smaller_quantity_is_amended_in_place(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        world.send(amend(1, Side.BUY, BEST, 6_000))
        *_, done = await world.told.until_kinds(1, "ACK", "AMENDED")
        assert (done.price, done.qty, done.filled) == (BEST, 6_000, 0)
        world.send(amend(1, Side.BUY, BEST + 100, 6_000))  # a price can't be: two orders would be needed
        *_, no = await world.told.until_kinds(1, "ACK", "AMENDED", "AMEND_REJECT")
        assert no.reason == RejectReason.VENUE
        (order,) = await world.book()
        assert (order.price, order.qty) == (BEST, 6_000)
        await world.trade(Side.SELL, BEST, 6_000)
        *_, gone = await world.told.until_kinds(1, "ACK", "AMENDED", "AMEND_REJECT", "FILL", "CANCELED")
        assert gone.filled == 6_000

    play(exchange, scenario)


@pytest.mark.parametrize("limit", [0, BID - 2_000])
def test_a_stop_rests_at_the_venue_and_works(exchange: LocalExchange, limit: int) -> None:
    async def scenario(world: World) -> None:
        await world.trade(Side.BUY, ASK + 1_000, 10)  # so that the last price is above the stop's
        world.send(StopCommand(FIRST_STOP_ID, int(Side.SELL), BID - 1_000, limit, QTY))
        await world.told.until_kinds(FIRST_STOP_ID, "ACK")
        (stop,) = await world.book()
        assert stop.client_id == f"{world.prefix}-p1-{FIRST_STOP_ID}"
        assert (stop.stop_price, is_open(stop)) == (BID - 1_000, True)
        await world.trade(Side.SELL, BID - 1_000, 1_200_000)
        _, fill = await world.told.until_kinds(FIRST_STOP_ID, "ACK", "FILL")
        assert (fill.qty, fill.filled) == (QTY, QTY)

    play(exchange, scenario)


def test_a_stop_is_cancelled_like_any_order(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        await world.trade(Side.BUY, ASK + 1_000, 10)
        world.send(StopCommand(FIRST_STOP_ID + 1, int(Side.SELL), ASK + 50_000, 0, QTY))
        (no,) = await world.told.until_kinds(FIRST_STOP_ID + 1, "REJECT")
        assert no.reason == RejectReason.VENUE  # it would trigger at once
        world.send(StopCommand(FIRST_STOP_ID, int(Side.SELL), BID - 1_000, 0, QTY))
        await world.told.until_kinds(FIRST_STOP_ID, "ACK")
        world.send(cancel(FIRST_STOP_ID))
        await world.told.until_kinds(FIRST_STOP_ID, "ACK", "CANCELED")

    play(exchange, scenario)


# --- what is not known is asked for ---


def test_a_lost_answer_is_unknown_until_the_venue_says(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.switch(timeout=1.0, timeout_moment="after", disconnect=True)
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "UNKNOWN")
        world.switch(timeout=0.0)
        world.send(query(1))
        await world.told.until(lambda: "STATE" in world.told.kinds(1))
        assert set(world.told.kinds(1)) == {"UNKNOWN", "ACK", "STATE"}
        assert (world.told.of(1)[-1].price, world.told.of(1)[-1].qty) == (BEST, QTY)

    play(exchange, scenario)


def test_not_found_is_no_proof_while_the_order_may_be_on_its_way(exchange: LocalExchange) -> None:
    """It arrives after we stopped waiting, within the receive window."""

    async def scenario(world: World) -> None:
        late = world.delay_orders(0.4)
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "UNKNOWN")
        world.send(query(1))
        await world.told.until_kinds(1, "UNKNOWN", "UNKNOWN")
        await world.told.until(lambda: "ACK" in world.told.kinds(1))
        assert [is_open(o) for o in await world.book()] == [True]
        await late()

    play(exchange, scenario, config=QUICK._replace(recv_window_s=1.0))


def test_an_order_later_than_the_receive_window_is_refused_by_the_venue(exchange: LocalExchange) -> None:
    """That is what makes "not found" a proof after it."""

    async def scenario(world: World) -> None:
        late = world.delay_orders(0.5)
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "UNKNOWN")
        (refusal,) = await late()
        assert isinstance(refusal, ccxt.InvalidNonce)
        assert await world.book() == []

    play(exchange, scenario)


def test_an_order_that_never_arrived_is_unknown_and_then_refused(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.switch(timeout=1.0, timeout_moment="before")
        world.send(place(1, Side.BUY, BEST, QTY))
        (lost,) = await world.told.until_kinds(1, "UNKNOWN")
        world.switch(timeout=0.0)
        while world.told.of(1)[-1].kind != ReportKind.REJECT:
            count = len(world.told.of(1))
            world.send(query(1))
            await world.told.until(lambda: len(world.told.of(1)) > count)  # noqa: B023 - awaited at once
            await asyncio.sleep(0.05)
        end = world.told.of(1)[-1]
        assert end.reason == RejectReason.UNKNOWN_ORDER
        assert end.recv_ns - lost.recv_ns > (QUICK.recv_window_s + 1.0) * clock.SECOND
        assert set(world.told.kinds(1)) == {"UNKNOWN", "REJECT"}
        assert await world.book() == []

    play(exchange, scenario)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_cancel_without_an_answer(exchange: LocalExchange, moment: str) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        world.switch(http_error=1.0, http_moment=moment, disconnect=True)
        world.send(cancel(1))
        await world.told.until(lambda: "UNKNOWN" in world.told.kinds(1))
        world.switch(http_error=0.0)
        world.send(query(1))
        wanted = "STATE" if moment == "before" else "CANCELED"
        await world.told.until(lambda: wanted in world.told.kinds(1))

    play(exchange, scenario)


def test_fills_while_the_streams_are_down_are_found_by_looking(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        await world.streams()
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        await world.cut()
        await world.trade(Side.SELL, BEST, 4_000)
        await world.trade(Side.SELL, BEST, 6_000)
        reports = await world.told.until_kinds(1, "ACK", "FILL", "FILL")
        assert [r.filled for r in reports] == [0, 4_000, 10_000]
        assert world.broker.health().drops > 0
        world.switch(disconnect=False)
        await world.streams()
        world.send(place(2, Side.BUY, BEST, QTY))
        await world.told.until_kinds(2, "ACK")
        looks = world.broker.health().looks
        await world.trade(Side.SELL, BEST, QTY)
        await world.told.until_kinds(2, "ACK", "FILL")
        assert world.broker.health().looks == looks  # the stream told of it

    play(exchange, scenario)


def test_a_silent_stream_is_made_good_by_looks(exchange: LocalExchange) -> None:
    """The connection stands, and nothing comes: only the slow look finds it."""

    async def scenario(world: World) -> None:
        await world.streams()
        world.switch(late_report=1.0, late_report_ms=30_000.0)
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        await world.trade(Side.SELL, BEST, QTY)
        await world.told.until_kinds(1, "ACK", "FILL")

    play(exchange, scenario, config=QUICK._replace(slow_s=0.5))


def test_doubled_reports_count_once(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        await world.streams()
        world.switch(duplicate_report=1.0)
        world.send(place(1, Side.BUY, BEST, QTY))
        await world.told.until_kinds(1, "ACK")
        await world.trade(Side.SELL, BEST, 4_000)
        world.send(cancel(1))
        await world.told.until_kinds(1, "ACK", "FILL", "CANCELED")
        await asyncio.sleep(0.3)
        await world.told.until_kinds(1, "ACK", "FILL", "CANCELED")

    play(exchange, scenario)


def test_a_cancel_follows_its_place_though_no_answer_came_yet(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.switch(latency_ms=50.0)
        world.send(place(1, Side.BUY, BEST, QTY))
        world.send(cancel(1))
        await world.told.until_kinds(1, "ACK", "CANCELED")

    play(exchange, scenario)


# --- what the broker refuses by itself ---


def test_what_is_not_known_here(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, BEST, QTY))
        world.send(place(1, Side.BUY, BEST, QTY))
        world.send(cancel(7))
        world.send(query(8))
        world.send(amend(9, Side.BUY, BEST, QTY))
        assert world.told.reports == []  # never from within `send`
        await world.told.until(lambda: len(world.told.reports) == 5)
        kinds = {
            i: [(ReportKind(r.kind).name, RejectReason(r.reason).name) for r in world.told.of(i)]
            for i in (1, 7, 8, 9)
        }
        assert kinds[1] == [("REJECT", "DUPLICATE"), ("ACK", "NONE")]
        assert kinds[7] == [("CANCEL_REJECT", "UNKNOWN_ORDER")]
        assert kinds[8] == [("UNKNOWN", "UNKNOWN_ORDER")]
        assert kinds[9] == [("AMEND_REJECT", "UNKNOWN_ORDER")]
        assert len(await world.book()) == 1

    play(exchange, scenario)


def test_an_id_that_the_venue_does_not_take(exchange: LocalExchange) -> None:
    async def scenario(world: World) -> None:
        world.send(place(1, Side.BUY, BEST, QTY), parent_id="p" * 40)
        (no,) = await world.told.until_kinds(1, "REJECT", parent_id="p" * 40)
        assert no.reason == RejectReason.FILTER

    play(exchange, scenario)


# --- a second run ---


def test_orders_of_an_earlier_run_are_adopted(exchange: LocalExchange) -> None:
    first: list[tuple[str, dict[str, int]]] = []

    async def before(world: World) -> None:
        for order_id in (1, 2):
            world.send(place(order_id, Side.BUY, BEST, QTY), parent_id="p5")
            await world.told.until_kinds(order_id, "ACK", parent_id="p5")
        await world.trade(Side.SELL, BEST, 4_000)
        await world.told.until_kinds(1, "ACK", "FILL", parent_id="p5")
        (fact,) = world.told.trades
        first.append((world.prefix, {fact[2].trade_id: fact[2].qty}))
        world.exchange.call(lambda: None)
        await world.broker.close()
        await world.trade(Side.SELL, BEST, 6_000)  # while nobody listens

        second = Told()
        broker = CcxtBroker(
            "binance", [BTC], second.on_report, prefix="ckother", keys=keys_of(exchange),
            at=exchange.ccxt_config("binance"), on_trade=second.on_trade, config=QUICK,
        )  # fmt: skip
        await broker.start()
        try:
            alive = {o.client_id: o for o in await broker.open_orders()}
            prefix = world.prefix
            assert alive[f"{prefix}-p5-2"].qty == QTY
            assert f"{prefix}-p5-1" not in alive
            done = await broker.order(SYMBOL, f"{prefix}-p5-1")
            assert done is not None and (done.filled, done.alive) == (QTY, False)
            assert await broker.order(SYMBOL, f"{prefix}-p5-9") is None
            trades = await broker.trades(SYMBOL, clock.now_ns() - 60 * clock.SECOND)
            ours = [t.qty for t in trades if t.venue_order_id == done.venue_order_id]
            assert ours == [4_000, 6_000]
            now_ns = clock.now_ns()
            for order_id, booked in ((1, first[0][1]), (2, {})):
                broker.adopt(
                    "p5", place(order_id, Side.BUY, BEST, QTY),
                    own_id=f"{prefix}-p5-{order_id}", sent_ns=now_ns, booked=booked,
                )  # fmt: skip
                broker.send("binance", "p5", query(order_id), now_ns)
            await second.until(
                lambda: "CANCELED" in second.kinds(1, "p5") and "STATE" in second.kinds(2, "p5")
            )
            (fill,) = [r for r in second.of(1, "p5") if r.kind == ReportKind.FILL]
            assert (fill.qty, fill.filled) == (6_000, QTY)  # only what did not count yet
            assert [r.kind for r in second.of(2, "p5")] == [ReportKind.ACK, ReportKind.STATE]
        finally:
            await broker.close()

    play(exchange, before)


# --- life ---


def test_a_clean_close_leaves_nothing_behind(exchange: LocalExchange) -> None:
    threads = set(threading.enumerate())

    async def scenario(world: World) -> None:
        await world.streams()
        world.send(place(1, Side.BUY, BEST, QTY))
        world.send(place(2, Side.BUY, BEST, QTY))
        await world.broker.close()  # waits for both answers
        assert [world.told.kinds(i) for i in (1, 2)] == [["ACK"], ["ACK"]]
        world.send(place(3, Side.BUY, BEST, QTY))
        (no,) = await world.told.until_kinds(3, "REJECT")
        assert no.reason == RejectReason.VENUE
        await world.broker.close()
        with pytest.raises(EngineClosed):
            await world.broker.open_orders()
        for _ in range(100):
            if not world.exchange.venue().connections:
                break
            await asyncio.sleep(0.01)
        assert not world.exchange.venue().connections

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unclosed session or socket warns when it is collected
        play(exchange, scenario)
        gc.collect()
    left = {t for t in threading.enumerate() if t not in threads and not t.name.startswith("asyncio_")}
    assert not left


def test_a_venue_that_is_not_there_and_a_symbol_it_has_not(exchange: LocalExchange) -> None:
    def broker(**changes: object) -> CcxtBroker:
        from dataclasses import replace

        return CcxtBroker(
            "binance", [replace(BTC, **changes)], lambda *_: None, prefix="cknone",  # type: ignore[arg-type]
            keys=keys_of(exchange), at=exchange.ccxt_config("binance"), config=QUICK,
        )  # fmt: skip

    with pytest.raises(ConfigError, match="does not list XYZ/USDT"):
        asyncio.run(broker(symbol="XYZ/USDT").start())
    exchange.faults(maintenance=True)
    try:
        with pytest.raises((VenueUnreachable, ConfigError)):
            asyncio.run(broker().start())
    finally:
        exchange.call(exchange.venue().faults.clear)
