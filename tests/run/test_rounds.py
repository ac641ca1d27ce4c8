"""A round of reconciliation over a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from citadel_kit import clock
from citadel_kit.errors import EngineClosed, VenueUnreachable
from citadel_kit.io.broker import BrokerConfig, capabilities
from citadel_kit.io.journal import Journal
from citadel_kit.run.bookkeeper import Bookkeeper
from citadel_kit.run.rounds import Rounds
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    Instrument,
    OrderIntent,
    OrderReport,
    ReportKind,
    Side,
    StopCommand,
    VenueOrder,
    VenueTrade,
)

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)


class LateBroker:
    """Its order has filled 30 of 50 in two trades, and it has told of neither."""

    venue, config, capabilities = "v", BrokerConfig(), capabilities("binance")

    def __init__(self, now_ns: int) -> None:
        self.noted: list[tuple[str, int, str, int]] = []
        self._order = VenueOrder("ck000001-p1-1", "77", "A/B", 1, 100, 50, 30, True, now_ns)
        self._trades = [
            VenueTrade(trade_id, "77", "", "A/B", 1, 100, qty, True, 0.0, now_ns)
            for trade_id, qty in (("t1", 10), ("t2", 20))
        ]

    async def open_orders(self) -> list[VenueOrder]:
        return [self._order]

    async def order(self, symbol: str, name: str) -> VenueOrder:
        return self._order

    async def trades(self, symbol: str, since_ns: int) -> list[VenueTrade]:
        return self._trades

    def note(self, parent_id: str, order_id: int, trade_id: str, qty: int) -> None:
        self.noted.append((parent_id, order_id, trade_id, qty))


def test_a_broker_is_told_of_the_fills_that_a_round_books(tmp_path: Path) -> None:
    now_ns = clock.now_ns()
    broker: Any = LateBroker(now_ns)
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "TEST", now_ns)
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=50, forced=True)
        journal.intent("p1", intent, COIN, {}, now_ns)
        journal.command("p1", Command(CommandKind.PLACE, 1, 1, 100, 50, 0), now_ns)
        journal.report("p1", OrderReport(ReportKind.ACK, 1, now_ns, 100, 50, 0, False, 0), "", "77")
        rounds = Rounds(broker, Bookkeeper(journal, lambda *_: None), ["ck000001"], {"A/B": COIN})
        _, said = asyncio.run(rounds.once(lambda: {"ck000001-p1-1"}))
        assert [(r.qty, r.filled) for _, _, r in said if r.kind == ReportKind.FILL] == [(10, 10), (20, 30)]
        assert broker.noted == [("p1", 1, "t1", 10), ("p1", 1, "t2", 20)]
        _, said = asyncio.run(rounds.once(lambda: {"ck000001-p1-1"}))
        assert not [r for _, _, r in said if r.kind == ReportKind.FILL] and len(broker.noted) == 2


class DeafBroker(LateBroker):
    """Has no orders, and says so the third time it is asked."""

    asked = 0

    async def open_orders(self) -> list[VenueOrder]:
        self.asked += 1
        if self.asked < 3:
            raise VenueUnreachable("v", "no answer")
        return []


def test_the_start_asks_again_what_was_not_answered(tmp_path: Path) -> None:
    now_ns = clock.now_ns()
    broker: Any = DeafBroker(now_ns)
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "TEST", now_ns)
        rounds = Rounds(broker, Bookkeeper(journal, lambda *_: None), ["ck000001"], {"A/B": COIN})
        with pytest.raises(EngineClosed, match=r"j\.db don't agree: no answer"):
            asyncio.run(rounds.settle(now_ns, 0.0))
        assert broker.asked == 1
        assert asyncio.run(rounds.settle(clock.now_ns() + 5 * clock.SECOND, 0.0)).settled
        assert broker.asked == 3


@pytest.mark.parametrize(
    "venue, waits_s", [("binance", 5 + 5 + 1), ("kraken", 5 + 60 + 1), ("coinbase", 5 + 120 + 1)]
)
def test_what_a_venue_does_not_know_is_believed_no_sooner_than_the_broker_does(
    tmp_path: Path, venue: str, waits_s: int
) -> None:
    """Sent so long ago, and unknown to the venue: one second later it never came to life."""
    now_ns = clock.now_ns()
    broker: Any = UnknowingBroker(now_ns)
    broker.capabilities = capabilities(venue)
    for name, ago_s, finished in (("young", waits_s - 1, False), ("old", waits_s + 1, True)):
        with Journal(tmp_path / f"{name}.db") as journal:
            journal.start_run("ck000001", "main", "TEST", now_ns)
            intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=50, forced=True)
            journal.intent("p1", intent, COIN, {}, now_ns)
            sent_ns = now_ns - ago_s * clock.SECOND
            journal.command("p1", Command(CommandKind.PLACE, 1, 1, 100, 50, 0), sent_ns)
            rounds = Rounds(broker, Bookkeeper(journal, lambda *_: None), ["ck000001"], {"A/B": COIN})
            result, _ = asyncio.run(rounds.once(None))
        assert (bool(result.finish), bool(result.waiting)) == (finished, not finished)


class UnknowingBroker(LateBroker):
    """The venue has never heard of the order."""

    async def open_orders(self) -> list[VenueOrder]:
        return []

    async def order(self, symbol: str, name: str) -> Any:
        return None

    async def trades(self, symbol: str, since_ns: int) -> list[VenueTrade]:
        return []


def test_orders_of_another_symbol_stop_the_start_and_its_stops_are_let_be(tmp_path: Path) -> None:
    now_ns = clock.now_ns()
    other = Instrument(venue="v", symbol="C/D", venue_symbol="CD", price_decimals=2, qty_decimals=3)
    broker: Any = LateBroker(now_ns)
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "TEST", now_ns)
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=50, forced=True)
        journal.intent("p1", intent, COIN, {}, now_ns)
        journal.command("p1", StopCommand(FIRST_STOP_ID, -1, 90, 0, 50), now_ns)
        rounds = Rounds(broker, Bookkeeper(journal, lambda *_: None), ["ck000001"], {"C/D": other})
        rounds.check_others()
        result, _ = asyncio.run(rounds.once(None))
        assert not (
            result.cancel or result.adopt or result.waiting or result.problems or result.foreign_orders
        )
        journal.command("p1", Command(CommandKind.PLACE, 1, 1, 100, 50, 0), now_ns)
        with pytest.raises(EngineClosed, match=r"orders of A/B at v are not settled"):
            rounds.check_others()
