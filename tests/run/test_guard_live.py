"""A trip of the guard while the main thread is busy: every entry goes, what closes goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from citadel_kit.errors import GateRefused
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.run.account import Account
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.live import LiveDriver
from citadel_kit.types import OrderIntent

VENUES = ("binance", "kraken", "coinbase", "okx", "bybit")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange("synthetic", VENUES, annual_volatility=0.02) as started:
        yield started


def beside_a_loop(job: Callable[[], None]) -> None:
    """`job` on another thread, while this one, the main thread, runs Python without a pause."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    worker, total = threading.Thread(target=work), 0
    worker.start()
    while worker.is_alive():
        for number in range(100_000):
            total += number & 3
    if failed:
        raise failed[0]


def a_trip(kit: HybridConnector, venues: Sequence[str]) -> None:
    """A position is being closed, and entries rest far behind the market: only these go."""
    wishes: list[OrderIntent] = []

    def entry(venue: str, **options: object) -> str:
        for _ in range(200):  # now and then the global quote is crossed, or a book is had anew
            with suppress(GateRefused):
                wishes.append(drill("BUY", kit.snapshot(), kit.instruments[venue], 300))
                return kit.submit(wishes[-1], **options).parent_id
            kit.run_for(0.05)
        raise AssertionError(kit.snapshot())

    def notes(names: list[str]) -> set[str]:
        return {kit._engine.orders.view(name).note for name in names}

    kit.wait_live()
    for _ in range(5):  # where the gate holds it back at its deadline, it ends without having taken
        held = entry(venues[0], deadline_s=1, on_deadline="take", take_slippage_bps=50)
        if kit.wait(held, 20).status == "filled":
            break
    names = [entry(venue, deadline_s=60, offset=-10_000, min_move=100_000) for venue in venues]
    kit.run_until(lambda: notes(names) == {"resting"}, 20)
    assert notes(names) == {"resting"}
    kit.close_position(held)
    kit.kill()
    kit.run_until(lambda: not kit._engine.orders.working, 30)
    assert {kit.order(name).status for name in names} == {"cancelled"}
    assert kit.order(f"{held}x1").filled > 0, "what closes a position goes on"
    assert kit.snapshot().guard != "ok"
    assert "guard" in kit.gate(wishes[-1]).reasons


def test_of_an_account_none_of_its_entries_is_left_at_the_venue(
    exchange: LocalExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITADEL_STATE", str(tmp_path / "state"))
    account = Account.local(exchange, journal=tmp_path / "journal.db")
    ends = {venue: exchange.endpoints(venue) for venue in VENUES}
    with HybridConnector(LiveDriver(VENUES, at=ends, account=account)) as kit:
        beside_a_loop(lambda: a_trip(kit, VENUES[:1] * 5))
        engine = exchange.venue().symbols["BTC/USDT"].engine
        alive = exchange.call(lambda: [order for order in engine.open_orders("main") if not order.stop_price])
        assert alive == []


def test_entries_at_five_venues_all_go(exchange: LocalExchange) -> None:
    """Fills are simulated here: the local exchange takes orders at one venue only."""
    ends = {venue: exchange.endpoints(venue) for venue in VENUES}
    with HybridConnector(LiveDriver(VENUES, at=ends)) as kit:
        beside_a_loop(lambda: a_trip(kit, VENUES))
