"""`kill -9` of an engine that trades: what the venue goes on with, and what the next engine finds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from account_crash import Engines, Judge, Report, crash, market
from account_victim import WHOLLY_GUARDED, Venue

from citadel_kit.micro.matching import UNIT, OrderRequest, OrderType
from citadel_kit.types import FIRST_STOP_ID, Side

MOMENTS, ROWS = 20, 4
"""`make crash` takes 200."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    with Engines(tmp_path_factory.mktemp("state")) as engines:
        yield engines


@pytest.mark.slow
def test_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    """In rows beside each other, each with an exchange of its own: most of the time is waiting."""

    def row(seed: int) -> Report:
        folder = tmp_path / str(seed)
        folder.mkdir()
        with Engines(folder / "state") as engines:
            return crash(engines, folder, MOMENTS // ROWS, seed)

    with ThreadPoolExecutor(ROWS) as pool:
        reports = list(pool.map(row, range(1, ROWS + 1)))
    assert sum(report.starts for report in reports) > MOMENTS / 2
    assert sum(report.fills for report in reports) > MOMENTS / 2


@pytest.mark.slow
def test_the_stop_of_a_dead_engine_works(engines: Engines, tmp_path: Path) -> None:
    """The market falls through it while nobody is there; the next engine books what it did, and is flat."""
    with market(seed=2) as exchange:
        journal, venue = tmp_path / "journal.db", exchange.venue()
        judge = Judge(exchange, journal)
        engines.start(Venue.of(exchange, journal, account="dead"))
        engines.wait_started()
        engines.tell("buy 1000")
        assert WHOLLY_GUARDED in (engines_said := engines.hear())
        engines.kill()
        (stop,) = judge.truth().open
        assert int(stop.rpartition("-")[2]) >= FIRST_STOP_ID
        held = judge.truth().position
        assert held > 0

        def fall() -> None:
            engine = venue.engine("BTC/USDT")
            bid, unit = engine.top()[0], 10**engine.instrument.qty_decimals
            venue.accounts.deposit("stranger", "BTC", 10_000 * 10**UNIT)
            sell = OrderRequest(
                account="stranger", symbol="BTC/USDT", side=Side.SELL, type=OrderType.LIMIT,
                qty=5_000 * unit, price=bid * 99 // 100 // engine.instrument.tick * engine.instrument.tick,
            )  # fmt: skip
            venue.place(sell)

        exchange.call(fall)
        truth = judge.truth()
        assert truth.open == []
        assert truth.position < held / 100, engines_said
        assert judge.booked().position > held / 2  # nobody has heard of it
        engines.start(Venue.of(exchange, journal, account="dead"))
        engines.wait_started()
        judge.agree(engines)
        assert engines.look()["plans"] == {}
        assert abs(judge.booked().position) < held / 100
        engines.kill()
