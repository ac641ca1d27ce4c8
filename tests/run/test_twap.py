"""An order in slices: each a chase with its own gate, plan and name, together never more than intended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import OrderIntent, Side

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
