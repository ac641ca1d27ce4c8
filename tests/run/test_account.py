"""An account behind an engine, at a local exchange: one engine, strangers' orders, the kill switch twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from account_victim import is_guarded

from citadel_kit import clock
from citadel_kit.errors import ConfigError, GateRefused, LeaseHeld
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.keys import Keys
from citadel_kit.io.lease import Lease
from citadel_kit.run.account import Account
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.order import Order
from citadel_kit.types import FIRST_STOP_ID, OrderIntent

ROOT = Path(__file__).resolve().parents[2]
SYMBOL = "BTC/USDT"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange("synthetic", seed=5) as exchange:
        yield exchange


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITADEL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def account(exchange: LocalExchange, tmp_path: Path) -> Account:
    exchange.call(lambda: exchange.venue().cancel_all(SYMBOL, "main"))
    return Account.local(exchange, name=tmp_path.name, journal=tmp_path / "journal.db")


def engine(exchange: LocalExchange, account: Account | None, name: str = "main") -> HybridConnector:
    at = {"binance": exchange.endpoints("binance")}
    return HybridConnector(LiveDriver(("binance",), SYMBOL, at=at, account=account, reach_s=30.0), name=name)


def entry(kit: HybridConnector) -> OrderIntent:
    """Once there is a price."""
    for _ in range(200):
        with suppress(GateRefused):
            return drill("BUY", kit.snapshot(), kit.instruments["binance"], 500)
        kit.run_for(0.05)
    raise AssertionError(kit.snapshot())


def resting(kit: HybridConnector) -> Order:
    """An entry that the market does not come to, in its exchange's book."""
    shown = kit.snapshot().venue("binance")
    order = kit.submit(entry(kit), limit_price=round(shown.bid * 0.99, 2), max_chase_bps=500)
    kit.run_until(lambda: bool(kit.order(order.parent_id).working_price > 0), 10)
    return order


def guarded(kit: HybridConnector) -> Order:
    """An entry that has filled, and its stop rests."""
    order = kit.submit(entry(kit), deadline_s=0.1, on_deadline="take", take_slippage_bps=50)
    kit.run_until(lambda: is_guarded(kit, order), 20)
    assert is_guarded(kit, order), kit.order(order.parent_id)
    return order


def at_venue(exchange: LocalExchange) -> list[str]:
    """Client ids of all open orders of the account."""
    of = exchange.venue().engine(SYMBOL)
    return [order.client_id for order in exchange.call(lambda: of.open_orders("main"))]


def is_stop(client_id: str) -> bool:
    return client_id.startswith("ck") and int(client_id.rpartition("-")[2]) >= FIRST_STOP_ID


def strangers_order(exchange: LocalExchange) -> str:
    """By a person, with plain ccxt."""
    client = exchange.ccxt(sync=True)
    price = client.fetch_ticker(SYMBOL)["last"] * 0.9
    order = client.create_order(SYMBOL, "limit", "buy", 0.001, round(price))
    return str(order["clientOrderId"])


def elsewhere(*command: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *command], env=env, stdout=subprocess.PIPE, text=True)


def spin(until: Callable[[], bool], seconds: float = 30.0) -> None:
    """A pure Python loop that never gives its turn away of its own accord."""
    end_ns, n = clock.now_ns() + int(seconds * clock.SECOND), 0
    while n % 5_000 or not until():
        n += 1
        assert n % 5_000 or clock.now_ns() < end_ns


def test_one_engine_an_account_and_others_may_watch(
    exchange: LocalExchange, account: Account, tmp_path: Path
) -> None:
    with engine(exchange, account):
        with pytest.raises(LeaseHeld, match=rf"the process {os.getpid()}"):
            engine(exchange, Account.local(exchange, name="another", journal=account.journal_path), "second")
        other = Account.local(exchange, name=account.name, journal=tmp_path / "other.db")
        with pytest.raises(LeaseHeld, match=rf"engine ck\w{{6}} \(pid {os.getpid()} on "):
            engine(exchange, other, "second")
        with engine(exchange, None, "second") as watching:
            assert watching.wait_live().venues[0].bid > 0
    with pytest.raises(ConfigError, match="the account's journal is"):
        engine(exchange, other, "second")
    with engine(exchange, account, "second"):
        pass


def test_an_account_serves_one_engine_and_the_second_leaves_the_first_alone(
    exchange: LocalExchange, account: Account
) -> None:
    with engine(exchange, account) as kit:
        kit.wait_live()
        order = resting(kit)
        with pytest.raises(LeaseHeld, match=r"in use by engine ck\w{6} of this process"):
            engine(exchange, account, "second")
        order.cancel()
        assert order.wait(10).status == "cancelled"
        assert kit.snapshot().engine == "running"
        resting(kit)
    assert at_venue(exchange) == []
    with engine(exchange, account, "second"):
        pass


def test_a_live_key_is_traded_by_one_engine_whatever_the_account_is_named(tmp_path: Path) -> None:
    keys = Keys.of("binance", "a key", "a secret")
    held = Lease("main", ["binance"], 1, keys={"binance": keys.account})
    engine: Any = SimpleNamespace(block=lambda why: None)
    outbox: Any = None
    account = Account("other", {"binance": keys}, mode="LIVE", journal=tmp_path / "j.db")
    with pytest.raises(LeaseHeld, match=rf"the key of account 'other' at binance.*{held.prefix}"):
        asyncio.run(account.start(engine, outbox, lambda: None))
    held.release(2)


def test_what_is_not_ours_is_told_and_never_touched(exchange: LocalExchange, account: Account) -> None:
    strange = strangers_order(exchange)
    with engine(exchange, account) as kit:
        assert account.foreign == {"binance": (strange,)}
        kit.wait_live()
        order = resting(kit)
        assert len(at_venue(exchange)) == 2
        kit.kill()
        order.wait(10)
        assert at_venue(exchange) == [strange]
        kit.rearm()
        resting(kit)
    assert at_venue(exchange) == [strange]
    with engine(exchange, account):
        assert account.foreign == {"binance": (strange,)}
    assert at_venue(exchange) == [strange]


def test_citadel_kill_stops_an_engine_whose_main_thread_is_busy(
    exchange: LocalExchange, account: Account
) -> None:
    with engine(exchange, account) as kit:
        kit.wait_live()
        kept, order = guarded(kit), resting(kit)
        assert [is_stop(name) for name in at_venue(exchange)] == [True, False]
        with elsewhere(
            "-m", "citadel_kit.cli", "kill", "--account", account.name, "--reason", "test"
        ) as said:
            spin(lambda: "killed" in kit.snapshot().guard)
            spin(lambda: len(at_venue(exchange)) == 1)
        assert said.returncode == 0
        assert [is_stop(name) for name in at_venue(exchange)] == [True]
        assert order.wait(10).status == "cancelled"
        with pytest.raises(GateRefused, match="test"):
            kit.submit(entry(kit))
        assert is_guarded(kit, kept)
    with engine(exchange, account) as kit:
        kit.wait_live()
        with pytest.raises(GateRefused, match="test"):
            kit.submit(entry(kit))
        with elsewhere("-m", "citadel_kit.cli", "arm", "--account", account.name) as said:
            spin(lambda: kit.snapshot().guard == "ok")
        assert said.returncode == 0
        resting(kit).cancel()
        kit.close_position("r1")
        kit.run_until(lambda: not kit.order("r1").plan.startswith("0.00"), 20)
    assert at_venue(exchange) == []


def test_kill_and_rearm_from_within(exchange: LocalExchange, account: Account) -> None:
    with engine(exchange, account) as kit:
        kit.wait_live()
        order = resting(kit)
        kit.kill()
        assert order.wait(10).status == "cancelled"
        with pytest.raises(GateRefused, match="by hand"):
            kit.submit(entry(kit))
    with engine(exchange, account) as kit:  # it outlives the engine
        kit.wait_live()
        with pytest.raises(GateRefused, match="by hand"):
            kit.submit(entry(kit))
        kit.rearm()
        resting(kit)
    with engine(exchange, account) as kit:
        kit.wait_live()
        resting(kit)
    assert at_venue(exchange) == []


READER = """
import sys
from citadel_kit.io.journal import Journal
with Journal.open_readonly(sys.argv[1]) as journal:
    orders, fills, runs = journal.orders(), journal.fills(), journal.runs()
print(*orders.client_id, fills.qty.sum() > 0, int(runs.ended.isna().sum()))
"""


def test_the_journal_is_read_by_another_process_meanwhile(exchange: LocalExchange, account: Account) -> None:
    with engine(exchange, account) as kit:
        kit.wait_live()
        guarded(kit)
        order = resting(kit)
        with elsewhere("-c", READER, str(account.journal_path)) as reader:
            spin(lambda: reader.poll() is not None)
            assert reader.stdout is not None
            *names, filled, running = reader.stdout.read().split()
        assert set(at_venue(exchange)) <= set(names)
        assert len(names) >= 3
        assert (filled, running) == ("True", "1")
        assert kit.order(order.parent_id).status == "working"
        kit.close_position("p1")
        kit.run_until(lambda: not kit.order("p1").plan.startswith("0.00"), 20)
