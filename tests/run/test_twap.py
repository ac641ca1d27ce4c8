"""An order in slices: each a chase with its own gate, plan and name, together never more than intended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.order import Order
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import MacroSignal, Memory, OrderIntent, Purpose, Regime, Side, Weather

START = 1_760_000_000_000_000_000
QTY = 90_000


@pytest.fixture
def kit() -> Iterator[HybridConnector]:
    market = SyntheticMarket(start_ns=START, start_price=30_000.0, seed=11, duration_s=120.0)
    with HybridConnector(ReplayDriver(market)) as started:
        started.wait_live()
        yield started


def buy(kit: HybridConnector, qty: int = QTY) -> OrderIntent:
    venue, instrument = next(iter(kit.instruments.items()))
    return OrderIntent(venue=venue, symbol=instrument.symbol, side=Side.BUY, qty=qty, forced=True)


def until_allowed(kit: HybridConnector) -> OrderIntent:
    intent = buy(kit)
    kit.run_until(lambda: kit.gate(intent).allowed, 20)
    return intent


def test_its_slices_come_in_their_time_and_fill_what_was_intended_exactly(kit: HybridConnector) -> None:
    order = kit.submit(until_allowed(kit), twap_s=30, twap_slices=3, on_deadline="take")
    kit.run_for(5)
    assert [v.parent_id for v in kit.snapshot().orders] == ["t1", "t1s1"]
    assert order.status == "working" and order.view.note.startswith("slice 1 of 3")
    done = order.wait(60)
    slices = [v for v in kit.snapshot().orders if v.parent_id.startswith("t1s")]
    assert done.status == "filled" and done.filled == pytest.approx(done.qty) and done.remaining == 0
    assert [round(s.qty / done.qty, 6) for s in slices] == pytest.approx([1 / 3] * 3, abs=1e-4)
    starts = [s.submitted_ns - slices[0].submitted_ns for s in slices]
    assert starts == pytest.approx([0, 10e9, 20e9], abs=0.2e9)
    assert done.average_price == pytest.approx(
        sum(s.average_price * s.filled for s in slices) / sum(s.filled for s in slices)
    )
    assert sum(fill.qty for fill in kit.fills()) == QTY


def test_what_a_slice_leaves_is_made_up_for_by_the_next(kit: HybridConnector) -> None:
    """A limit far away fills nothing; what is due grows by no more than one slice's size at a time."""
    order = kit.submit(until_allowed(kit), twap_s=30, twap_slices=3, limit_price=20_000, max_chase_bps=9_000)
    order.wait(60)
    slices = [v.qty / order.view.qty for v in kit.snapshot().orders if v.parent_id.startswith("t1s")]
    assert slices == pytest.approx([1 / 3, 2 / 3, 1.0], abs=1e-4)
    assert (order.status, order.filled) == ("expired", 0.0)


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_cancelled_it_sends_no_further_slice(kit: HybridConnector, how: str) -> None:
    order = kit.submit(until_allowed(kit), twap_s=30, twap_slices=3, limit_price=20_000, max_chase_bps=9_000)
    kit.run_for(2)
    order.cancel() if how == "cancel" else kit.kill()
    kit.run_for(30)
    assert order.status == "cancelled"
    assert [v.status for v in kit.snapshot().orders] == ["cancelled", "cancelled"]


def test_one_that_cannot_be_is_refused_and_leaves_nothing(kit: HybridConnector) -> None:
    intent = until_allowed(kit)
    for options in ({"twap_s": 0}, {"twap_s": 10, "twap_slices": 0}, {"twap_s": 10, "twap_jitter": 2.0}):
        with pytest.raises(ConfigError):
            kit.submit(intent, **options)
    kit.kill()
    with pytest.raises(GateRefused):
        kit.submit(intent, twap_s=10)
    assert kit.snapshot().orders == ()


def test_drawn_sizes_and_times_differ_and_add_up(kit: HybridConnector) -> None:
    order = kit.submit(until_allowed(kit), twap_s=30, twap_slices=3, twap_jitter=0.5, on_deadline="take")
    order.wait(90)
    slices = [v.qty for v in kit.snapshot().orders if v.parent_id.startswith("t1s")]
    assert len(set(slices)) == 3 and order.status == "filled"


def test_the_table_and_the_report_hold_every_slice(kit: HybridConnector) -> None:
    kit.submit(until_allowed(kit), twap_s=20, twap_slices=2, on_deadline="take").wait(60)
    assert list(kit.orders().index) == ["t1", "t1s1", "t1s2"]
    assert list(kit.report().frame["parent_id"]) == ["t1s1", "t1s2"]
    rows = kit.history("t1s1")
    assert set(rows["what"]) <= {"rested", "filled"} and rows["at"].is_monotonic_increasing
    with pytest.raises(ConfigError, match="no order 't9'"):
        kit.history("t9")


def test_routes_are_ordered_by_price_after_fees(kit: HybridConnector) -> None:
    routes = kit.routes(Side.BUY, 0.05, taking=True)
    good = [r for r in routes if not r.reason]
    assert good and [r.price for r in good] == sorted(r.price for r in good)
    assert {r.venue for r in routes} == set(kit.instruments)


def signal(kit: HybridConnector, side: Side | None) -> MacroSignal:
    now = kit.snapshot().asof_ns
    regime = Regime(memory=Memory.TRENDING, weather=Weather.CALM, hurst=0.6, volatility=0.5, trend=1.0)
    return MacroSignal(
        symbol="BTC/USDT", side=side, asof_ns=now, valid_until_ns=now + 600_000_000_000, regime=regime,
        probability=0.7, fraction=0.1, reason="a test",
    )  # fmt: skip


def bought(kit: HybridConnector, **options: object) -> Order:
    """A TWAP whose first slice has filled."""
    order = kit.submit(until_allowed(kit), twap_s=30, twap_slices=3, on_deadline="take", **options)
    kit.run_until(lambda: kit._engine.orders.is_finished("t1s1"), 15)
    assert order.filled > 0
    return order


def entries(kit: HybridConnector) -> list[str]:
    return [v.parent_id for v in kit.snapshot().orders if "s" in v.parent_id and "x" not in v.parent_id]


@pytest.mark.parametrize(
    ("how", "options", "note"),
    [
        ("flip", {}, "the signal has turned"),
        ("flip", {"exit_on_flip": False}, "the signal has turned"),
        ("slice", {}, "t1s1 is closing (HAND)"),
        ("time", {"exit_after_s": 12.0}, "t1s1 is closing (TIME)"),
    ],
)
def test_what_closes_a_slice_ends_the_whole(
    kit: HybridConnector, how: str, options: dict[str, object], note: str
) -> None:
    order = bought(kit, **options)
    if how == "flip":
        kit.signal(signal(kit, None))
        kit.run_for(0.3)
        assert order.status == "working"
        kit.signal(signal(kit, Side.SELL))
    elif how == "slice":
        kit.close_position("t1s1")
    before = entries(kit)
    kit.run_for(40)
    assert order.status == "cancelled" and note in order.view.note
    assert len(entries(kit)) == len(before) + (how == "time")  # slice 2 comes after 10 s, its end after 12
    assert how == "time" or kit.position(order.view.venue) == (0 if options == {} else order.filled)


def test_closed_by_its_name_all_its_slices_close(kit: HybridConnector) -> None:
    order = bought(kit)
    kit.run_until(lambda: kit._engine.orders.view("t1").filled > order.view.qty / 2, 20)
    kit.close_position("t1")
    kit.run_for(40)
    assert len(entries(kit)) == 2 and kit.position(order.view.venue) == 0 and order.status == "cancelled"
    rows = order.history()
    assert set(rows["parent_id"]) == {"t1s1", "t1s2"} and rows["at"].is_monotonic_increasing
    assert rows["qty"].sum() == pytest.approx(order.filled)


def test_an_exit_in_slices_goes_on_while_entries_may_not(kit: HybridConnector) -> None:
    entry = kit.submit(until_allowed(kit), deadline_s=0.1, on_deadline="take", stop_bps=0, exit_after_s=900)
    entry.wait(5)
    out = replace(buy(kit), side=Side.SELL, purpose=Purpose.EXIT, forced=False)
    order = kit.submit(out, twap_s=30, twap_slices=3, on_deadline="take")
    kit._call(lambda: kit._engine._executor.cancel_all(kit._engine.now_ns, entries_only=True))
    assert order.wait(60).status == "filled"
    with pytest.raises(ConfigError, match="no exit plan"):
        kit.close_position(order.parent_id)
