"""A process that forks engines of one account at a local exchange, to be killed: `python account_victim.py`.

Each line on stdin is one engine, as JSON: see `Venue`. The engine says `pid N`, then `started`, when its
`start` has returned; then it answers `look` with a line of JSON, `buy N` with another when an entry of that
worth has filled and its stop rests, and from `go` on it trades. When it was killed, or has said why it
failed, the parent says `dead`.

A fork of a process that has imported all of it and runs no thread: an engine starts in a fraction of a
second, and SIGKILL is the same to it.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
import traceback
from contextlib import suppress
from typing import Any, NamedTuple

import ccxt.pro  # noqa: F401 - to be there when the engines are

from citadel_kit import ladder
from citadel_kit.errors import GateRefused
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.broker import BrokerConfig
from citadel_kit.io.keys import Keys
from citadel_kit.micro import flow
from citadel_kit.run.account import Account, AccountConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.order import Order
from citadel_kit.venues import Endpoints

WHOLLY_GUARDED = "open: guarded by a stop at the venue"
"""In the plan's line; while only a part is, it says so."""

QUICK = AccountConfig(settle_s=30.0, every_s=1.0, end_s=5.0, broker=BrokerConfig(1.0, 0.5, 0.1))
"""A request is given up after a second, and is believed to have no effect half a second later."""


class Venue(NamedTuple):
    """What an engine must know of a local exchange in another process."""

    name: str
    symbol: str
    at: list[str]
    config: dict[str, Any]
    journal: str
    account: str = "victim"
    seed: int = 0

    @classmethod
    def of(cls, exchange: LocalExchange, journal: object, **more: Any) -> Venue:
        (name,), (symbol,) = exchange.config.venues, exchange.config.symbols
        config = exchange.ccxt_config(name)
        return cls(name, symbol, [*exchange.endpoints(name)], config, str(journal), **more)

    def driver(self) -> LiveDriver:
        keys = Keys.of(self.name, self.config["apiKey"], self.config["secret"])
        account = Account(
            self.account, {self.name: keys}, mode="PAPER", journal=self.journal,
            at={self.name: self.config}, config=QUICK,
        )  # fmt: skip
        return LiveDriver(
            (self.name,), self.symbol, at={self.name: Endpoints(*self.at)}, account=account, reach_s=30.0
        )


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def hear() -> str:
    """A line, with its end; empty when there are no more. Read byte by byte: what follows may be for another
    process."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode()


def view(kit: HybridConnector) -> str:
    """What an engine thinks it has."""
    orders = kit.snapshot().orders
    (venue,), engine, driver = kit.instruments, kit._engine, kit._driver
    assert isinstance(driver, LiveDriver)
    assert driver._account is not None
    said = {
        "position": engine._executor.ledger.position(venue).qty,
        "at_work": [*driver._account._at_work(venue)],
        "plans": {o.parent_id: o.plan for o in orders if o.plan},
        "exits": [o.parent_id for o in orders if "x" in o.parent_id and o.status == "working"],
    }
    return json.dumps(said)


def trade(kit: HybridConnector, draw: random.Random) -> None:
    """One thing that a hasty trader does: enters by a short chase, closes, or thinks again."""
    shown, (instrument,) = kit.snapshot(), kit.instruments.values()
    working = [order for order in shown.orders if order.status == "working"]
    entries = [order.parent_id for order in shown.orders if order.plan and order.plan[:6] != "0 open"]
    what = draw.random()
    with suppress(GateRefused):  # `drill`'s too: for a moment there may be no price
        if what < 0.5 and len(working) < 4 and len(entries) < 12:
            intent = drill(draw.choice(["BUY", "SELL"]), shown, instrument, draw.choice([60, 500, 5_000]))
            kit.submit(
                intent, deadline_s=draw.choice([0.05, 0.2, 1.0]),
                on_deadline=draw.choice(["take", "take", "cancel"]),
                stop_bps=draw.choice([2, 4, 30, 300]), exit_after_s=draw.choice([0, 0, 0.3]),
            )  # fmt: skip
        elif 0.5 < what < 0.7 and entries:
            kit.close_position(draw.choice(entries))
        elif what > 0.95 and working:
            kit.cancel(draw.choice(working).parent_id)


def is_guarded(kit: HybridConnector, order: Order) -> bool:
    """Has the entry ended, and does a stop rest for all of it? While it fills in parts, for some time only a
    part has one."""
    now = kit.order(order.parent_id)
    return now.status != "working" and WHOLLY_GUARDED in now.plan


def buy(kit: HybridConnector, notional: float) -> None:
    kit.wait_live()
    (instrument,) = kit.instruments.values()
    intent = drill("BUY", kit.snapshot(), instrument, notional)
    order = kit.submit(intent, deadline_s=0.2, on_deadline="take", take_slippage_bps=50, stop_bps=50)
    kit.run_until(lambda: is_guarded(kit, order), 20.0)
    assert is_guarded(kit, order), kit.order(order.parent_id)


def live(venue: Venue) -> None:
    """Until the end."""
    say(f"pid {os.getpid()}")
    draw = random.Random(venue.seed)
    with HybridConnector(venue.driver()) as kit:
        say("started")
        while (told := hear()) != "go\n":
            if not told:
                return
            if told.startswith("buy "):
                buy(kit, float(told.removeprefix("buy ")))
            say(view(kit))
        while True:
            trade(kit, draw)
            time.sleep(draw.random() * 0.05)


def main() -> None:
    ladder.warm_up()
    flow.warm_up()
    while line := hear():
        if not line.startswith("{"):  # the engine it was meant for was dead before it had heard all of it
            continue
        assert threading.active_count() == 1
        child = os.fork()
        if child == 0:
            try:
                live(Venue(**json.loads(line)))
            except BaseException:  # noqa: BLE001 - told, and the end of this process
                say("failed " + json.dumps(traceback.format_exc()))
            os._exit(0)
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
