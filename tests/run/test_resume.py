"""What an earlier run left open, and what of it is too small for a plan."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

from citadel_kit.exchange.build import instrument_for
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.journal import OpenFamily
from citadel_kit.micro import position
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.replay import ReplayDriver
from citadel_kit.run.resume import Left, open_plans
from citadel_kit.types import Side

S = 1_000_000_000
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
        ]
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
