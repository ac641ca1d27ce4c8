"""What an earlier run left open, and what of it is too small for a plan."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from citadel_kit.errors import JournalError
from citadel_kit.exchange.build import instrument_for
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.journal import Journal, OpenFamily
from citadel_kit.micro import position
from citadel_kit.run.bookkeeper import Bookkeeper
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.outbox import Closing
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.run.resume import Left, open_plans
from citadel_kit.types import Command, CommandKind, Fill, Instrument, OrderIntent, Purpose, Side

S = 1_000_000_000
HAND_COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=0)
BTC = instrument_for("binance", "BTC/USDT")


def family(name: str, side: Side, net: int, *, planned: bool = True) -> OpenFamily:
    plan = position.configure(BTC, side=side, stop_price=5_900_000, rests=True)
    return OpenFamily(
        name, BTC.symbol, int(side), net, 6_000_000, json.dumps(plan._asdict()) if planned else None
    )


def closed(kit: HybridConnector, parent_id: str) -> bool:
    return not kit.order(parent_id).plan


def test_each_open_position_has_a_plan_and_a_name_of_its_own() -> None:
    lot, names = BTC.lot, (f"r{n}" for n in count(1))
    journal: Any = SimpleNamespace(
        open_families=lambda venue: [
            family("ck1-p1", Side.BUY, 20 * lot),
            family("ck1-p2", Side.BUY, lot // 2),  # what the fee left
            family("ck1-p3", Side.SELL, -30 * lot),
            family("ck1-p4", Side.SELL, 3),  # bought back, and more
            family("ck2-p1", Side.BUY, 40 * lot, planned=False),
        ],
        closed_by_hand=lambda venue, symbol: 0,
    )
    plans, left = open_plans(journal, BTC, names, 5 * S)
    assert [(p.order.parent_id, p.family, p.order.config.qty) for p in plans] == [
        ("r1", "ck1-p1", 20 * lot),
        ("r2", "ck1-p3", 30 * lot),
        ("r3", "ck2-p1", 40 * lot),
    ]
    assert left == [Left(lot // 2, 6_000_000), Left(3, 6_000_000)]
    assert plans[1].config.stop_price == 5_900_000
    assert plans[2].config.deadline_ns == 65 * S  # nobody knows its plan: it is closed
    again, _ = open_plans(journal, BTC, names, 5 * S)
    assert again[0].order.parent_id == "r4"  # of another venue of the same account


def test_entries_against_each_other_close_each_for_itself() -> None:
    """Together they are flat, and neither may be trapped by that."""
    market = SyntheticMarket(
        start_ns=1_700_000_000 * S, start_price=30_000.0, seed=5, duration_s=60.0, venues=["alpha"]
    )
    with HybridConnector(ReplayDriver(market)) as kit:
        kit.wait_live()
        kit.run_for(1)
        for side in Side:
            wish = drill(side, kit.snapshot(), kit.instruments["alpha"], 3_000)
            kit.submit(wish, deadline_s=0.1, on_deadline="take", take_slippage_bps=50).wait(3)
        assert [order.status for order in kit.snapshot().orders] == ["filled", "filled"]
        for parent_id in ("p1", "p2"):
            kit.close_position(parent_id)
            kit.run_until(partial(closed, kit, parent_id), 15)
            assert closed(kit, parent_id)


def test_what_was_closed_by_hand_is_taken_off_the_oldest_and_nothing_is_resumed_of_it(tmp_path: Path) -> None:
    """Entries of 10, 20 and, the other way, 5; then 12 are sold by hand."""
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "PAPER", 1)
        rows = [("p1", 1, 10, Purpose.ENTRY), ("p2", 1, 20, Purpose.ENTRY), ("p3", -1, 5, Purpose.ENTRY)]
        for at_ns, (name, side, qty, purpose) in enumerate([*rows, ("p4", -1, 12, Purpose.EXIT)], 1):
            intent = OrderIntent(
                venue="v", symbol="A/B", side=Side(side), qty=qty, purpose=purpose, forced=True
            )
            journal.intent(name, intent, HAND_COIN, {}, at_ns)
            journal.command(name, Command(CommandKind.PLACE, 1, side, 100, qty, 0), at_ns)
            fill = Fill(
                venue="v", symbol="A/B", parent_id=name, order_id=1, recv_ns=at_ns, side=Side(side),
                price=100, qty=qty, maker=True, fee=0.0,
            )  # fmt: skip
            assert journal.fill(fill, qty)
        plans, left = open_plans(journal, HAND_COIN, iter(["r1", "r2", "r3"]), 99)
    assert [(plan.order.intent.side, plan.order.config.qty) for plan in plans] == [
        (Side.BUY, 18),
        (Side.SELL, 5),
    ]
    assert left == []


def test_a_journal_serves_one_account_in_one_mode(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.check_owner("main", "LIVE")  # nobody has written it yet
        journal.start_run("ck000001", "paper", "PAPER", 1)
        journal.check_owner("paper", "PAPER")
        for account, mode in (("main", "LIVE"), ("main", "PAPER"), ("paper", "LIVE")):
            with pytest.raises(JournalError, match="belongs to account 'paper', PAPER"):
                journal.check_owner(account, mode)


def test_a_plan_that_was_closing_goes_on_closing_after_every_restart(tmp_path: Path) -> None:
    """The cause is written under the entry's own name, whichever run it comes up in."""
    config = position.configure(HAND_COIN, side=Side.BUY, stop_price=50, rests=True)
    intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=10, forced=True)
    fill = Fill(
        venue="v", symbol="A/B", parent_id="p1", order_id=1, recv_ns=2, side=Side.BUY, price=100, qty=10,
        maker=True, fee=0.0,
    )  # fmt: skip
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000001", "main", "PAPER", 1)
        journal.intent("p1", intent, HAND_COIN, {}, 1)
        journal.exit_plan("p1", config._asdict(), 1)
        journal.command("p1", Command(CommandKind.PLACE, 1, 1, 100, 10, 0), 1)
        assert journal.fill(fill, 10)
        (plan,), _ = open_plans(journal, HAND_COIN, iter(["r1"]), 5)
        assert plan.state(None).cause == position.Cause.NONE
        Bookkeeper(journal, lambda *_: None).closing(Closing("p1", config, 4), "ck000001-p1", 3)
    with Journal(tmp_path / "j.db") as journal:
        journal.start_run("ck000002", "main", "PAPER", 4)
        (plan,), _ = open_plans(journal, HAND_COIN, iter(["r1"]), 5)
        assert (plan.config, plan.state(None).cause) == (config, position.Cause.HAND)
        Bookkeeper(journal, lambda *_: None).closing(Closing("r1", config, 6), plan.family, 5)
    with Journal(tmp_path / "j.db") as journal:
        (plan,), _ = open_plans(journal, HAND_COIN, iter(["r1"]), 5)
        assert plan.state(None).cause == position.Cause.GUARD
