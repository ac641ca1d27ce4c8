"""What a user may get wrong: it is named, nothing comes of it, and the engine runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.inputs import replay_inputs
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.types import OrderIntent, Purpose, Side

START = 1_760_000_000_000_000_000
QTY = 90_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HybridConnector]:
    """With a recording, which has to write down whatever it is told."""
    market = SyntheticMarket(start_ns=START, start_price=30_000.0, seed=11, duration_s=120.0)
    record = tmp_path_factory.mktemp("wishes") / "rec"
    with HybridConnector(ReplayDriver(market), record=record, name="wishes") as started:
        started.wait_live()
        started.run_until(lambda: started._engine.judge(buy(started)).allowed, 20)
        yield started


@pytest.fixture
def kit(desk: HybridConnector) -> Iterator[HybridConnector]:
    yield desk
    assert desk.snapshot().engine == "running"
    assert all(view.finished_ns for view in desk.snapshot().orders), desk.snapshot().orders
    desk.orders()


def buy(kit: HybridConnector, **changes: Any) -> OrderIntent:
    venue, instrument = next(iter(kit.instruments.items()))
    plain = OrderIntent(venue=venue, symbol=instrument.symbol, side=Side.BUY, qty=QTY, forced=True)
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"twap_s": "a"}, "twap_s"),
        ({"twap_s": 10, "twap_jitter": "a"}, "twap_jitter"),
        ({"twap_s": 10, "twap_jitter": float("nan")}, "twap_jitter"),
        ({"twap_s": 10, "twap_slices": "x"}, "twap_slices"),
        ({"twap_s": 10, "twap_slices": "x", "twap_jitter": 0.1}, "twap_slices"),
        ({"twap_s": 10, "twap_slices": 2.5}, "twap_slices"),
        ({"twap_s": 10, "twap_slices": True}, "twap_slices"),
        ({"twap_s": 10, "twap_slices": 10**9, "twap_jitter": 0.1}, "twap_slices"),
        ({"twap_jitter": 0.1}, "no such option: twap_jitter"),
        ({"twap_s": 10, "twap_draws": ["a"]}, "twap_draws"),
        ({"exit_on_flip": "no"}, "exit_on_flip"),
        ({"stop_price": 40_000}, "stop_price: 40000 is on the wrong side"),
        ({"target_price": 20_000}, "target_price: 20000 is on the wrong side"),
        ({"stop_bps": object()}, "stop_bps"),
        ({"max_rejects": 10**30}, "max_rejects"),
        ({"limit_price": [1]}, "limit_price"),
    ],
)
def test_an_option_that_can_not_be(kit: HybridConnector, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        kit.submit(buy(kit), **options)


def test_the_other_side_has_its_levels_the_other_way_round(kit: HybridConnector) -> None:
    for options in ({"stop_price": 20_000}, {"target_price": 40_000}):
        with pytest.raises(ConfigError, match=r"wrong side of the market.*(above|below)"):
            kit.submit(buy(kit, side=Side.SELL), **options)
    kit.submit(buy(kit, side=Side.SELL), stop_price=40_000, target_price=20_000).cancel()
    kit.submit(buy(kit), stop_price=20_000, target_price=40_000).cancel()
    kit.run_for(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", 1), ("side", "BUY"), ("qty", 0.5), ("qty", "1"), ("qty", True), ("qty", 10**30), ("purpose", 0),
     ("venue", None), ("symbol", 7), ("forced", "no"), ("signal", "up")],
)  # fmt: skip
def test_an_intent_that_can_not_be(kit: HybridConnector, field: str, value: object) -> None:
    wrong = buy(kit, **{field: value})
    with pytest.raises(ConfigError, match=field):
        kit.submit(wrong)
    assert kit.gate(wrong).reasons == ("error",)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda kit: kit.submit(None), "intent"),
        (lambda kit: kit.signal(None), "signal"),
        (lambda kit: kit.signal(Side.BUY), "signal"),
        (lambda kit: kit.routes(Side.BUY, "x"), "base_qty"),
        (lambda kit: kit.routes(Side.BUY, float("nan")), "base_qty"),
        (lambda kit: kit.routes(Side.BUY, -1), "base_qty"),
        (lambda kit: kit.routes("BUY", 1), "side"),
        (lambda kit: kit.cancel([]), "parent_id"),
        (lambda kit: kit.close_position(None), "parent_id"),
        (lambda kit: kit.order({}), "parent_id"),
        (lambda kit: kit.wait([], 1), "parent_id"),
        (lambda kit: kit.history([]), "parent_id"),
    ],
)
def test_a_call_that_can_not_be(
    kit: HybridConnector, call: Callable[[HybridConnector], object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        call(kit)


def test_slices_that_would_be_too_small_are_fewer_and_said_to_be(kit: HybridConnector) -> None:
    order = kit.submit(buy(kit), twap_s=60, twap_slices=10_000, limit_price=20_000, max_chase_bps=9_000)
    assert "(of 10000 each would be below the venue's smallest order)" in order.view.note
    order.cancel()
    kit.run_for(1)


def test_an_exit_beside_a_resting_one_is_told_of_close_position() -> None:
    market = SyntheticMarket(start_ns=START, start_price=30_000.0, seed=11, duration_s=60.0)
    with HybridConnector(ReplayDriver(market), name="wishes2") as kit:
        kit.wait_live()
        kit.run_until(lambda: kit._engine.judge(buy(kit)).allowed, 20)
        kit.submit(buy(kit), deadline_s=0.1, on_deadline="take").wait(10)
        out = buy(kit, side=Side.SELL, purpose=Purpose.EXIT, forced=False)
        kit.submit(out, limit_price=40_000, max_chase_bps=9_000)
        with pytest.raises(GateRefused, match="close_position"):
            kit.submit(out)


def test_a_replays_result_is_shown_in_one_line(tmp_path: Path) -> None:
    market = SyntheticMarket(start_ns=START, start_price=30_000.0, seed=11, duration_s=20.0)
    with HybridConnector(ReplayDriver(market), record=tmp_path / "rec", name="wishes3") as kit:
        kit.wait_live()
        kit.run_for(1)
    shown = repr(replay_inputs(tmp_path / "rec"))
    assert shown.startswith("<ReplayResult: ") and shown.endswith(" 0 commands: as recorded>")
