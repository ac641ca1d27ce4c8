"""The bridge: one thread, plain data, and nothing that a notebook does leaves it in a bad state."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from citadel_kit.errors import ConfigError, EngineClosed, GateRefused, NotLive
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.micro.chase import OnDeadline
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.limits import Limits
from citadel_kit.run import connector, host
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.host import close_all
from citadel_kit.run.options import configure
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import (
    Command,
    FeedState,
    MacroSignal,
    Memory,
    OrderIntent,
    Purpose,
    Regime,
    Side,
    Weather,
)

START = 1_700_000_000_000_000_000
LOT = 10_000
"""0.1 BTC"""


def market(**options: object) -> SyntheticMarket:
    return SyntheticMarket(start_ns=START, start_price=30_000.0, seed=5, duration_s=60.0, **options)  # type: ignore[arg-type]


def intent(side: Side = Side.BUY, **options: object) -> OrderIntent:
    wish = {"venue": "alpha", "symbol": "BTC/USDT", "side": side, "qty": LOT, "forced": True}
    return OrderIntent(**(wish | options))  # type: ignore[arg-type]


RICH = GateConfig(max_notional=1e9)
VAST = Limits(1e9, 1e9, 1e9)


@pytest.fixture
def kit() -> Iterator[HybridConnector]:
    with HybridConnector(ReplayDriver(market()), gate=RICH, limits=VAST) as started:
        started.wait_live()
        started.run_for(2)
        yield started


def engine_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("citadel-")]


def test_waiting_too_short_for_live_books_says_which_and_why() -> None:
    with HybridConnector(ReplayDriver(market())) as kit:
        with pytest.raises(
            NotLive, match=r"not LIVE within 0\.01 s: .*beta BTC/USDT is SYNCING \(wait"
        ) as caught:
            kit.wait_live(0.01)
        assert list(caught.value.books) == ["alpha BTC/USDT", "beta BTC/USDT"]
        assert kit.wait_live().engine == "running", "the engine goes on"


def test_a_chase_from_intent_to_fill(kit: HybridConnector) -> None:
    order = kit.submit(intent(), deadline_s=30, on_deadline="take")
    assert order.status == "working"
    view = order.wait(40)
    assert view.status == "filled"
    fills = kit.fills()
    assert sum(fill.qty for fill in fills) == LOT
    assert view.filled == 0.1
    assert view.average_price == pytest.approx(sum(f.price * f.qty for f in fills) / LOT / 100)
    assert view.fees == pytest.approx(view.average_price * 0.1 * 0.001), "10 bps both ways"
    assert all(fill.parent_id == view.parent_id for fill in fills)
    assert "0.1 filled" in repr(order)
    assert "<table>" in order._repr_html_()


def test_what_goes_out_is_plain_and_immutable(kit: HybridConnector) -> None:
    kit.submit(intent())
    kit.run_for(1)
    snapshot = kit.snapshot()
    assert snapshot.mode == "REPLAY"
    assert [v.state for v in snapshot.venues] == [FeedState.LIVE, FeedState.LIVE]
    assert snapshot.asdict()["venues"][0]["venue"] == "alpha"
    with pytest.raises(AttributeError):
        snapshot.symbol = "X"  # type: ignore[misc]
    with pytest.raises(KeyError, match="alpha, beta"):
        snapshot.venue("Alpha")


def test_the_past_is_kept_by_market_time_however_fast_it_was_played(kit: HybridConnector) -> None:
    since = kit.snapshot().asof_ns
    kit.run_for(5)
    past = kit.past(since)
    times = [snapshot.asof_ns for snapshot in past]
    assert 45 <= len(past) <= 51
    assert times == sorted(set(times))
    assert all(snapshot.asof_ns > since for snapshot in past)
    assert kit.past(times[-2]) == past[-1:]


def test_the_same_run_twice_gives_the_same_fills_whatever_the_pieces() -> None:
    outcomes = []
    for pieces in ([20.0], [0.5] * 40, [3.1, 0.0, 16.9]):
        with HybridConnector(ReplayDriver(market())) as kit:
            kit.wait_live()
            kit.run_for(2)
            kit.submit(intent(), deadline_s=15, on_deadline="take")
            kit.submit(intent(Side.SELL, venue="beta"), deadline_s=15)
            for piece in pieces:
                kit.run_for(piece)
            outcomes.append((kit.fills(), repr(kit.snapshot().asdict())))  # as text: a NaN equals no NaN
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0][0]) > 0


def test_pace_does_not_change_what_happens() -> None:
    outcomes = []
    for speed in (0.0, 40.0):
        with HybridConnector(ReplayDriver(market(), speed=speed)) as kit:
            kit.wait_live()
            kit.run_for(2)
            kit.submit(intent(), deadline_s=5, on_deadline="take")
            kit.run_for(8)
            outcomes.append((kit.fills(), repr(kit.snapshot().asdict())))  # as text: a NaN equals no NaN
    assert outcomes[0] == outcomes[1]


def test_running_the_cell_ten_times_leaves_one_thread() -> None:
    driver = ReplayDriver(market())
    for _ in range(10):
        kit = HybridConnector(driver)
        kit.wait_live()
        kit.run_for(1)
    assert engine_threads() == ["citadel-main"]
    kit.close()
    assert engine_threads() == []


def test_two_names_are_two_engines() -> None:
    with HybridConnector(ReplayDriver(market()), name="a"), HybridConnector(ReplayDriver(market()), name="b"):
        assert sorted(engine_threads()) == ["citadel-a", "citadel-b"]
    assert engine_threads() == []


def test_closing_cancels_what_works_and_twice_is_fine(kit: HybridConnector) -> None:
    kit.submit(intent(qty=100 * LOT), deadline_s=60)
    kit.run_for(1)
    assert kit.snapshot().orders[0].status == "working"
    kit.close()
    kit.close()
    assert kit.snapshot().orders[0].status == kit.order("p1").status == "cancelled"
    assert sum(fill.qty for fill in kit.fills()) == round(kit.order("p1").filled * 10**5)
    assert kit.snapshot().engine == "closed"
    assert "closed" in repr(kit)


def test_a_closed_engine_blocks_and_says_so(kit: HybridConnector) -> None:
    kit.close()
    verdict = kit.gate(intent())
    assert not verdict.allowed
    assert verdict.reasons == ("engine",)
    for call in (
        lambda: kit.submit(intent()),
        lambda: kit.run_for(1),
        kit.rearm,
    ):
        with pytest.raises(EngineClosed, match="start a new one"):
            call()
    kit.kill()


def test_the_gate_is_asked_at_submit(kit: HybridConnector) -> None:
    with pytest.raises(GateRefused) as caught:
        kit.submit(intent(forced=False))
    assert caught.value.reasons == ("signal_missing",)
    assert kit.snapshot().orders == ()


def test_a_wide_spread_blocks_an_entry_and_not_an_exit() -> None:
    with HybridConnector(ReplayDriver(market()), gate=GateConfig(max_spread_bps=1e6)) as kit:
        kit.wait_live()
        kit.run_for(2)
        kit.submit(intent(), deadline_s=10, on_deadline="take").wait(20)
        kit._engine._intake._config = GateConfig(max_spread_bps=0.0)
        assert "spread" in kit.gate(intent()).reasons
        exit_it = intent(Side.SELL, purpose=Purpose.EXIT)
        assert kit.gate(exit_it).allowed
        assert kit.submit(exit_it, deadline_s=10, on_deadline="take").wait(20).status == "filled"
        assert kit.gate(exit_it).reasons == ("not_reducing",), "flat: there is nothing left to exit"


def test_an_exit_is_no_way_round_the_kill_switch(kit: HybridConnector) -> None:
    kit.kill()
    with pytest.raises(GateRefused) as caught:
        kit.submit(intent(Side.BUY, purpose=Purpose.EXIT), on_deadline="take")
    assert caught.value.reasons == ("not_reducing",)


def test_two_exits_do_not_sell_the_same_position_twice(kit: HybridConnector) -> None:
    kit.submit(intent(), deadline_s=10, on_deadline="take").wait(20)
    kit.submit(intent(Side.SELL, purpose=Purpose.EXIT, qty=LOT // 2))
    assert not kit.gate(intent(Side.SELL, purpose=Purpose.EXIT)).allowed
    assert kit.gate(intent(Side.SELL, purpose=Purpose.EXIT, qty=LOT // 2)).allowed


def signal(kit: HybridConnector, seconds: float) -> MacroSignal:
    now = kit.snapshot().asof_ns
    regime = Regime(memory=Memory.TRENDING, weather=Weather.CALM, hurst=0.6, volatility=0.5, trend=1.0)
    return MacroSignal(
        symbol="BTC/USDT",
        side=Side.BUY,
        asof_ns=now - 1,
        valid_until_ns=now + int(seconds * 1e9),
        regime=regime,
        probability=0.7,
        fraction=0.1,
        reason="a test",
    )


def test_an_entry_does_not_outlive_its_signal(kit: HybridConnector) -> None:
    wish = intent(forced=False, signal=signal(kit, 3.0))
    order = kit.submit(wish, deadline_s=50, on_deadline="take", limit_price=20_000)
    kit.run_for(2.9)
    assert order.status == "working"
    kit.run_for(0.4)
    assert (order.status, order.filled) == ("expired", 0)


def test_an_entry_that_expires_with_its_signal_does_not_take(kit: HybridConnector) -> None:
    wish = intent(forced=False, signal=signal(kit, 3.0))
    options = {"deadline_s": 50, "on_deadline": "take"}
    config = configure(kit.instruments["alpha"], wish, options, kit.snapshot().asof_ns)
    assert wish.signal is not None
    assert (config.deadline_ns, config.on_deadline) == (wish.signal.valid_until_ns, OnDeadline.CANCEL)
    drill = configure(kit.instruments["alpha"], replace(wish, forced=True), options, kit.snapshot().asof_ns)
    assert drill.on_deadline == OnDeadline.TAKE


def test_a_signal_buys_once_however_often_the_cell_is_run(kit: HybridConnector) -> None:
    wish = intent(forced=False, signal=signal(kit, 40.0))
    kit.submit(wish)
    with pytest.raises(GateRefused) as caught:
        kit.submit(wish)
    assert caught.value.reasons == ("signal_used",)


def test_a_working_entry_is_pulled_while_the_gate_would_refuse_it(kit: HybridConnector) -> None:
    order = kit.submit(intent(qty=100 * LOT))
    kit.run_for(2)
    open_gate = kit._engine._intake._config
    kit._engine._intake._config = GateConfig(max_spread_bps=0.0)
    kit.run_for(1)
    filled = order.filled
    kit.run_for(5)
    assert (order.status, order.filled) == ("working", filled), "nothing rests, nothing fills"
    assert order.view.working_price != order.view.working_price
    kit._engine._intake._config = open_gate
    kit.run_for(5)
    assert order.filled > filled


def test_a_limit_price_is_written_as_people_write_prices(kit: HybridConnector) -> None:
    bid = kit.snapshot().venue("alpha").bid
    order = kit.submit(intent(), limit_price=bid - 5, deadline_s=20, max_chase_bps=100)
    kit.run_for(1)
    assert order.view.working_price == pytest.approx(bid - 5)
    with pytest.raises(ConfigError, match="limit_price"):
        kit.submit(intent(), limit_price="cheap")
    with pytest.raises(ConfigError, match="limit_price"):
        kit.submit(intent(), limit_price=1.23456)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 0, -1, "soon"])
def test_a_deadline_that_can_not_be_is_refused_and_harms_nothing(
    kit: HybridConnector, seconds: object
) -> None:
    with pytest.raises(ConfigError, match="deadline_s"):
        kit.submit(intent(), deadline_s=seconds)
    kit.run_for(1)


def test_a_guard_that_could_never_trip_is_refused() -> None:
    for broken in ({"fall_bps": float("nan")}, {"max_spread_bps": 0.0}, {"window_ns": -5}):
        with pytest.raises(ConfigError, match=next(iter(broken))):
            HybridConnector(ReplayDriver(market()), guard=GuardConfig(**broken))  # type: ignore[arg-type]
    assert engine_threads() == []


def test_the_gates_last_word_has_its_time_whoever_asked(kit: HybridConnector) -> None:
    assert kit.verdict is None
    kit.kill()
    with pytest.raises(GateRefused):
        kit.submit(intent())
    assert kit.verdict is not None
    assert not kit.verdict.allowed
    assert "UTC)" in kit.verdict.text


def test_one_cancel_that_fails_does_not_spare_the_others(
    kit: HybridConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (kit.submit(intent(qty=100 * LOT)) for _ in range(2))
    kit.run_for(1)
    send = kit._engine._broker.send

    def failing(venue: str, parent_id: str, command: Command, now_ns: int) -> None:
        if parent_id == first.parent_id:
            raise ConnectionError("no way out")
        send(venue, parent_id, command, now_ns)

    monkeypatch.setattr(kit._engine._broker, "send", failing)
    kit.kill()
    assert kit.snapshot().engine == "dead: ConnectionError('no way out')"
    kit._engine.drain(1.0)
    assert second.status == "cancelled"
    assert "tripped by hand" in kit._engine.snapshot().guard


def test_kill_says_when_it_is_not_done_yet(kit: HybridConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "KILL_WAIT_S", 0.05)
    release, held = threading.Event(), threading.Event()

    def hold() -> bool:
        held.set()
        release.wait(5)
        return True

    waiting = threading.Thread(target=lambda: kit.run_until(hold, 5))
    waiting.start()
    held.wait(5)
    with pytest.raises(EngineClosed, match="busy"):
        kit.kill()
    release.set()
    waiting.join(5)
    kit.run_for(0.1)
    assert "tripped by hand" in kit.snapshot().guard


def test_a_busy_engine_keeps_its_name(kit: HybridConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CLOSE_WAIT_S", 0.05)
    release, held = threading.Event(), threading.Event()

    def hold() -> bool:
        held.set()
        release.wait(5)
        return True

    def wait() -> None:
        with suppress(EngineClosed):
            kit.run_until(hold, 5)

    waiting = threading.Thread(target=wait)
    waiting.start()
    held.wait(5)
    with pytest.raises(EngineClosed, match="busy"):
        HybridConnector(ReplayDriver(market()))
    assert engine_threads() == ["citadel-main"]
    release.set()
    waiting.join(5)
    monkeypatch.undo()
    HybridConnector(ReplayDriver(market())).close()
    assert engine_threads() == []


def test_callers_of_a_closing_engine_all_come_back() -> None:
    kit = HybridConnector(ReplayDriver(market()))
    outcomes: list[str] = []

    def call() -> None:
        while True:
            try:
                kit.gate(intent())
                kit.submit(intent())
            except GateRefused:
                continue
            except EngineClosed:
                outcomes.append("closed")
                return

    threads = [threading.Thread(target=call, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    kit.close()
    for thread in threads:
        thread.join(10)
    assert outcomes == ["closed"] * 12


def test_many_starting_at_once_leave_one() -> None:
    threads = [threading.Thread(target=lambda: HybridConnector(ReplayDriver(market()))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert engine_threads() == ["citadel-main"]
    close_all()
    assert engine_threads() == []


def test_kill_cancels_and_latches_until_rearmed(kit: HybridConnector) -> None:
    order = kit.submit(intent(qty=100 * LOT))
    kit.run_for(1)
    kit.kill()
    kit.run_for(1)
    assert order.status == "cancelled"
    assert "tripped by hand" in kit.snapshot().guard
    assert "guard" in kit.gate(intent()).reasons
    kit.rearm()
    assert kit.gate(intent()).allowed


def test_kill_is_served_while_the_market_plays(kit: HybridConnector) -> None:
    order = kit.submit(intent(qty=100 * LOT))
    threading.Timer(0.05, kit.kill).start()
    kit._driver.speed = 20.0  # type: ignore[attr-defined]
    assert (
        kit.run_until(lambda: kit._engine.orders.is_finished(order.parent_id), 40).guard == "tripped by hand"
    )
    assert order.status == "cancelled"


def test_a_crash_trips_the_guard_and_ends_the_entry() -> None:
    with HybridConnector(
        ReplayDriver(market(crash_at_s=10.0, crash_fraction=0.05)), gate=RICH, limits=VAST
    ) as kit:
        kit.wait_live()
        kit.run_for(5)
        entry = kit.submit(intent(Side.SELL, qty=1000 * LOT, venue="beta"), deadline_s=60, max_chase_bps=10)
        kit.run_for(20)
        assert "fell" in kit.snapshot().guard
        assert entry.status == "cancelled"
        assert not kit.gate(intent()).allowed


def test_a_condition_may_ask_the_gate_but_not_play(kit: HybridConnector) -> None:
    kit.run_until(lambda: kit.gate(intent()).allowed, 10)
    with pytest.raises(ConfigError, match="can't itself play"):
        kit.run_until(lambda: bool(kit.run_for(1)), 10)


def test_an_exception_of_the_users_stop_comes_back_and_leaves_the_engine(kit: HybridConnector) -> None:
    def broken() -> bool:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        kit.run_until(broken, 5)
    kit.run_for(1)


def test_an_unforeseen_exception_stops_trading_for_good(
    kit: HybridConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = kit.submit(intent(qty=100 * LOT))
    kit.run_for(1)
    monkeypatch.setattr(kit._engine._aggregator, "quote", lambda now: 1 / 0)
    with pytest.raises(EngineClosed, match="ZeroDivisionError"):
        kit.run_for(1)
    monkeypatch.undo()
    assert kit.snapshot().engine.startswith("dead")
    assert kit.gate(intent()).reasons == ("engine",)
    with pytest.raises(EngineClosed, match="dead"):
        kit.submit(intent())
    kit.close()
    assert engine_threads() == []
    assert kit.snapshot().orders[0].status == "cancelled", order.parent_id


def test_wrong_wishes_name_what_is_wrong(kit: HybridConnector) -> None:
    with pytest.raises(ConfigError, match="p9"):
        kit.cancel("p9")
    with pytest.raises(ConfigError, match="on_deadline"):
        kit.submit(intent(), on_deadline="pray")
    with pytest.raises(ConfigError, match="min_moves"):
        kit.submit(intent(), min_moves=1)
    kit._engine.instruments["alpha"] = replace(kit.instruments["alpha"], lot=7_000)
    with pytest.raises(ConfigError, match="lot 7000"):
        kit.submit(intent())
    assert kit.gate(intent(venue="Alpha")).reasons[0] == "venue_unknown"


def test_it_works_inside_a_running_loop_without_nesting(kit: HybridConnector) -> None:
    """As in a kernel: the cell runs while the kernel's own loop does."""

    async def cell() -> float:
        return kit.submit(intent(), deadline_s=10, on_deadline="take").wait(20).filled

    assert asyncio.run(cell()) == 0.1


def test_an_interrupt_pauses_the_market_and_leaves_the_engine(kit: HybridConnector) -> None:
    kit._driver.speed = 5.0  # type: ignore[attr-defined]

    def interrupt() -> None:
        time.sleep(0.2)
        os.kill(os.getpid(), 2)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        kit.run_for(50)
    before = kit.snapshot().asof_ns
    time.sleep(0.2)
    assert kit.snapshot().asof_ns - before < 1e9, "the market stands still"
    kit._driver.speed = 0.0  # type: ignore[attr-defined]
    kit.run_for(1)


def test_a_market_that_has_ended_says_so_and_trades_no_more(kit: HybridConnector) -> None:
    order = kit.submit(intent(), deadline_s=100, limit_price=20_000)
    end = kit.run_for(100)
    assert end.engine == "ended"
    assert kit.run_for(1).asof_ns == end.asof_ns
    assert order.wait(1).status == "working"
    assert kit.gate(intent()).reasons == ("engine",)
    kit.close()
    assert order.status == "cancelled"


def test_a_process_that_forgets_to_close_still_ends() -> None:
    code = (
        "from citadel_kit.run.connector import HybridConnector\n"
        "from citadel_kit.run.replay import ReplayDriver\n"
        "from citadel_kit.exchange.synthetic import SyntheticMarket\n"
        "market = SyntheticMarket(start_ns=10**18, start_price=30_000.0, seed=1)\n"
        "kit = HybridConnector(ReplayDriver(market))\n"
        "kit.wait_live()\n"
        "print(kit)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "alpha LIVE" in done.stdout


def test_close_all_closes_all() -> None:
    HybridConnector(ReplayDriver(market()), name="x")
    close_all()
    assert engine_threads() == []


def test_a_driver_that_dies_is_seen_at_once(kit: HybridConnector) -> None:
    """Nobody calls: the panel alone must show that nothing attends to the books any more."""
    order = kit.submit(intent(qty=100 * LOT))
    kit.run_for(1)
    kit._thread.soon(lambda: kit._die(ConnectionError("the stream's task failed")))
    time.sleep(0.2)
    assert kit.snapshot().engine.startswith("dead: ConnectionError")
    assert kit.gate(intent()).reasons == ("engine",)
    with pytest.raises(EngineClosed, match="dead"):
        order.wait(1)


@pytest.mark.parametrize("seconds", ["10", None, float("nan"), -1, float("inf")])
def test_a_wrong_duration_is_refused_and_harms_nothing(kit: HybridConnector, seconds: float) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        kit.run_for(seconds)
    kit.run_for(1)


def test_a_plain_close_trips_no_guard(kit: HybridConnector) -> None:
    kit.close()
    assert (kit.snapshot().guard, kit.snapshot().engine) == ("ok", "closed")


def test_a_misspelt_option_is_named_with_those_there_are(kit: HybridConnector) -> None:
    with pytest.raises(ConfigError, match=r"dedline_s.*There are: deadline_s, limit_price"):
        kit.submit(intent(), dedline_s=3)
    for not_an_option in ("instrument", "side", "qty", "deadline_ns"):
        with pytest.raises(ConfigError, match=f"no such option: {not_an_option}"):
            kit.submit(intent(), **{not_an_option: 1})


def test_an_order_under_a_kill_in_a_paused_market_says_so(kit: HybridConnector) -> None:
    order = kit.submit(intent(), limit_price=20_000)
    kit.run_for(1)
    kit.kill()
    assert (order.status, order.view.note) == ("working", "cancelling: the venue's word is awaited")
    assert kit.verdict is None
    kit.run_for(1)
    assert order.status == "cancelled"


def test_a_call_that_is_cancelled_before_its_turn_leaves_nothing_that_nobody_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kit = HybridConnector(ReplayDriver(market()))
    held, queued = threading.Event(), threading.Event()
    hand_over = asyncio.run_coroutine_threadsafe

    def then_say_so(*job: Any) -> Any:
        future = hand_over(*job)
        queued.set()
        return future

    def hold_then_shut() -> None:
        """The call is in the loop's queue when the shutdown that will cancel it begins."""
        held.set()
        queued.wait(5)
        kit._begin_shut()

    kit._thread.soon(hold_then_shut)
    held.wait(5)
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", then_say_so)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with suppress(EngineClosed):
            kit.fills()
            raise AssertionError("the call was answered")
        kit.close()
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
