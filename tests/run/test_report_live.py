"""The same report from a live engine and, in any other process, from its journal: over a local exchange."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.journal import Journal
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.limits import Limits
from citadel_kit.run.account import Account
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.report import ExecutionReport
from citadel_kit.run.report_journal import from_journal
from citadel_kit.types import OrderIntent, Side

VAST = Limits(1e9, 1e9, 1e9)
RICH = GateConfig(max_notional=1e9, max_spread_bps=1e3)


@pytest.mark.slow
def test_the_journal_of_a_live_engine_tells_what_the_engine_tells(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with LocalExchange(seed=3) as exchange:
        account = Account.local(exchange, name="report", journal=path)
        driver = LiveDriver(["binance"], at={"binance": exchange.endpoints("binance")}, account=account)
        with HybridConnector(driver, gate=RICH, limits=VAST, name="report") as kit:
            kit.wait_live()
            lot = kit.instruments["binance"].lot
            intent = OrderIntent(
                venue="binance", symbol="BTC/USDT", side=Side.BUY, qty=20_000 * lot, forced=True
            )
            order = kit.submit(intent, deadline_s=1.5, on_deadline="take", take_slippage_bps=50)
            assert order.wait(15).status == "filled"
            live = kit.report()
            with Journal.open_readonly(path) as reader:
                again = ExecutionReport(from_journal(reader))
    here, there = live.frame.iloc[0].drop("run"), again.frame.iloc[0].drop("run")
    pd.testing.assert_series_equal(here, there, check_names=False)
    assert not np.isnan(there[["spread_bps", "drift_bps", "fees_bps"]].astype(float)).any()
    assert there["fees_bps"] == pytest.approx(10, rel=0.01)
    assert live.executions[0].rests == again.executions[0].rests
