"""The last step before the wire: what the brakes hold back, and that a position keeps its stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from citadel_kit.exchange.build import instrument_for
from citadel_kit.io.journal import Journal
from citadel_kit.io.killfile import global_file, kill
from citadel_kit.io.lease import Lease, lease_path
from citadel_kit.micro import position
from citadel_kit.micro.position import StopPhase
from citadel_kit.run.brakes import Brakes
from citadel_kit.run.outbox import SendCommand
from citadel_kit.run.sender import Sender
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    StopCommand,
)

S = 1_000_000_000
BTC = instrument_for("binance", "BTC/USDT")
PLACE = Command(CommandKind.PLACE, 1, -1, 100, 5, 0)
CANCEL = Command(CommandKind.CANCEL, 1, -1, 100, 0, 0)
CANCEL_STOP = Command(CommandKind.CANCEL, FIRST_STOP_ID, -1, 100, 0, 0)
QUERY_STOP = Command(CommandKind.QUERY, FIRST_STOP_ID, -1, 100, 0, 0)


class Bench:
    """An entry `p1`, an exit `p1x1`; no engine, no venue."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.sent: list[Command | StopCommand] = []
        self.heard: list[tuple[str, OrderReport]] = []
        self.orders = {"p1": SimpleNamespace(refusal=""), "p1x1": SimpleNamespace(refusal="")}
        engine: Any = SimpleNamespace(
            block=self.said.append, kill=lambda: self.said.append("kill"), rearm=lambda: None
        )
        orders: Any = SimpleNamespace(get=self.orders.get, opens=lambda name: name == "p1")
        books: Any = SimpleNamespace(command=self.note)
        wire: Any = SimpleNamespace(send=lambda venue, parent_id, command, now_ns: self.sent.append(command))
        self.journal = Journal(folder / "j.db")
        self.lease = Lease("main", ["binance"], 1)
        self.journal.start_run(self.lease.prefix, "main", "PAPER", 1)
        self.brakes = Brakes("main", self.journal, self.lease, engine)
        self.sender = Sender(self.lease.prefix, self.brakes, books, orders, {"binance": wire}, self.hear)

    def hear(self, parent_id: str, report: OrderReport, base_fee: int) -> None:
        self.heard.append((parent_id, report))

    def note(self, item: SendCommand) -> None:
        self.journal.guard("note", repr(item), 1)

    def do(self, parent_id: str, *commands: Command | StopCommand) -> list[tuple[str, OrderReport]]:
        """What is heard of them."""
        self.heard.clear()

        async def run() -> None:
            for command in commands:
                self.sender.do(SendCommand("binance", parent_id, command, 1))
            assert self.heard == []
            await asyncio.sleep(0)

        asyncio.run(run())
        return self.heard


def lose_lease(bench: Bench) -> None:
    lease_path("main", "binance").unlink()


def lose_journal(bench: Bench) -> None:
    bench.journal.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("CITADEL_STATE", str(tmp_path / "state"))
    bench = Bench(tmp_path)
    yield bench
    bench.lease.release(2)
    bench.journal.close()


def test_all_goes_out(bench: Bench) -> None:
    assert bench.do("p1", PLACE, CANCEL, CANCEL_STOP) == []
    assert bench.sent == [PLACE, CANCEL, CANCEL_STOP]


def test_a_kill_holds_entries_and_lets_an_exit_take_the_stop_away(bench: Bench) -> None:
    kill(global_file(), "test", 1)
    ((name, report),) = bench.do("p1", PLACE)
    assert (name, report.kind, report.order_id) == ("p1", ReportKind.REJECT, 1)
    assert "test" in bench.orders["p1"].refusal
    assert bench.do("p1", CANCEL_STOP) == []
    assert bench.do("p1x1", PLACE) == []
    assert bench.sent == [CANCEL_STOP, PLACE]


@pytest.mark.parametrize(("lose", "why"), [(lose_lease, "the lease is lost"), (lose_journal, "closed")])
def test_without_lease_or_journal_the_stop_stays_where_it_rests(
    bench: Bench, lose: Callable[[Bench], None], why: str
) -> None:
    lose(bench)
    reports = bench.do("p1", CANCEL_STOP, QUERY_STOP, CANCEL)
    assert bench.sent == [QUERY_STOP, CANCEL]
    assert [(name, report.kind, report.order_id) for name, report in reports] == [
        ("p1", ReportKind.CANCEL_REJECT, FIRST_STOP_ID)
    ]
    assert bench.orders["p1"].refusal == ""  # it is the stop's, not the entry's
    ((_, report),) = bench.do("p1x1", PLACE)
    assert report.kind == ReportKind.REJECT
    assert why in bench.orders["p1x1"].refusal


def test_a_plan_whose_cancel_was_kept_back_goes_on_guarding_and_asks_again() -> None:
    config = position.configure(BTC, side=Side.BUY, stop_price=5_000_000, deadline_ns=20 * S, rests=True)
    state = position.on_entry(config, position.fresh(S), 1_000 * BTC.lot, True).state

    def hear(kind: ReportKind, at_ns: int) -> position.Step:
        report = OrderReport(kind, FIRST_STOP_ID, at_ns, 0, 0, 0, False, RejectReason.VENUE)
        return position.on_report(config, state, report)

    state = hear(ReportKind.ACK, 2 * S).state
    for second in (20, 22, 24):
        step = position.on_top(config, state, second * S, 6_000_000, 6_000_001)
        assert step.deed.kind == position.DeedKind.CANCEL_STOP
        state = step.state
        step = hear(ReportKind.CANCEL_REJECT, second * S)
        assert step.deed.kind == position.DeedKind.QUERY_STOP
        state = step.state
        state = hear(ReportKind.STATE, second * S).state
        assert state.stop.phase == StopPhase.RESTING
    assert position.guarded(config, state) == position.Guarded.VENUE
