"""`kill -9` at random moments of an engine that trades; the venue goes on, and nothing may be lost.

    python tests/account_crash.py [--moments 200] [--seed 0]

One journal, one account, one local exchange with fees, real sockets. Each engine is killed at a moment drawn
beforehand: while it starts, or up to two seconds after it began to trade. The next one goes on from what it
finds, so whatever a kill leaves behind stays. It is judged each time `start` has returned.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NamedTuple, Self

import account_victim
from account_victim import WHOLLY_GUARDED, Venue

from citadel_kit.exchange.dialects.binance import Limits, set_limits
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.journal.schema import connect_readonly
from citadel_kit.micro.matching import UNIT
from citadel_kit.types import FIRST_STOP_ID, Side

ROOT = Path(__file__).resolve().parents[1]
AGREE_S = 20.0
START_S = 60.0
DURING_START = 0.25
"""Of all kills."""


class Engines:
    """Engines in other processes, one at a time."""

    def __init__(self, state: Path) -> None:
        env = {**os.environ, "CITADEL_STATE": str(state), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, account_victim.__file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.pid = 0

    def start(self, venue: Venue) -> None:
        """Returns when it is there, not yet started."""
        self.tell(json.dumps(venue._asdict()))
        self.pid = int(self.hear().removeprefix("pid "))

    def tell(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def hear(self, seconds: float = START_S) -> str:
        """A line. Raises AssertionError for a failure or silence."""
        try:
            line = self._lines.get(timeout=seconds)
        except Empty:
            raise AssertionError(f"the engine said nothing for {seconds:g} s") from None
        kind, _, what = line.partition(" ")
        assert kind != "failed", json.loads(what)
        return line

    def wait_started(self) -> None:
        assert self.hear() == "started"

    def look(self) -> dict[str, Any]:
        self.tell("look")
        seen: dict[str, Any] = json.loads(self.hear())
        return seen

    def kill(self) -> None:
        """What it said unheard is lost with it, but for a failure: then AssertionError."""
        with suppress(ProcessLookupError):  # of one that failed before, which it has said
            os.kill(self.pid, signal.SIGKILL)
        while self.hear() != "dead":
            pass
        self.pid = 0

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Truth(NamedTuple):
    """Of one moment, by the venue."""

    orders: list[str]
    """Client ids of all there ever were."""
    open: list[str]
    trades: dict[str, int]
    """Quantity by trade id."""
    position: int
    """What the account has more of the base asset than at first, in quantity units."""
    odd: int
    """Fees that are no whole number of them: each is booked as the next larger one."""


class Booked(NamedTuple):
    """By the journal."""

    trades: list[tuple[str, int]]
    position: int
    families: dict[str, str]
    """The entry that each order belongs to, by client id."""
    over: list[str]
    """Orders that have more booked than they asked for."""


class Judge:
    def __init__(self, exchange: LocalExchange, journal: Path) -> None:
        self._exchange, self._journal = exchange, journal
        (self._venue,), (self._symbol,) = exchange.config.venues, exchange.config.symbols
        self._base = self._symbol.split("/", maxsplit=1)[0]
        self.strangers: set[str] = set()
        """Client ids of orders that aren't ours."""
        self._first = self._base_units()

    def truth(self) -> Truth:
        venue = self._exchange.venue(self._venue)
        engine = venue.engine(self._symbol)
        unit = 10 ** (UNIT - engine.instrument.qty_decimals)

        def now() -> Truth:
            return Truth(
                [o.client_id for o in engine.all_orders("main") if o.client_id not in self.strangers],
                [o.client_id for o in engine.open_orders("main") if o.client_id not in self.strangers],
                {str(t.trade_id): t.qty for t in engine.trades("main") if t.client_id not in self.strangers},
                round((self._base_units() - self._first) / unit),
                sum(t.commission % unit > 0 for t in engine.trades("main") if t.side == Side.BUY),
            )

        return self._exchange.call(now)

    def booked(self) -> Booked:
        with closing(connect_readonly(self._journal)) as db:
            fills = db.execute(
                "SELECT trade_id, f.qty, side, base_fee FROM fills f JOIN orders USING (client_id)"
            )
            rows = fills.fetchall()
            families = dict(db.execute("SELECT client_id, family FROM orders"))
            over = [name for (name,) in db.execute("SELECT client_id FROM orders WHERE booked > qty")]
        net = sum(side * qty - kept for _, qty, side, kept in rows)
        return Booked([(trade, qty) for trade, qty, _, _ in rows], net, families, over)

    def faults(self, engine: dict[str, Any], *, at_rest: bool) -> list[str]:
        """What must not be; `at_rest`: when all that was under way has arrived."""
        truth, booked = self.truth(), self.booked()
        found = [f"twice at the venue: {name}" for name, n in Counter(truth.orders).items() if n > 1]
        found += [f"more than was asked for: {name}" for name in booked.over]
        found += [f"not in the journal: {name}" for name in truth.orders if name not in booked.families]
        found += [
            f"twice in the journal: {t}" for t, n in Counter(t for t, _ in booked.trades).items() if n > 1
        ]
        found += [f"no trade of the venue: {t}" for t, _ in booked.trades if t not in self.truth().trades]
        stops = [name for name in truth.open if int(name.rpartition("-")[2]) >= FIRST_STOP_ID]
        per_entry = Counter(booked.families.get(name, "") for name in stops)
        found += [f"{n} stops of {entry}" for entry, n in per_entry.items() if n > 1]
        if at_rest:
            found += [f"orphan: {name}" for name in truth.open if name not in engine["at_work"]]
            guarded = sum("a stop at the venue" in plan for plan in engine["plans"].values())
            found += [f"{len(stops)} stops at the venue, {guarded} by the plans"] * (len(stops) != guarded)
            closing = {name.partition("x")[0] for name in engine["exits"]}
            plans = {n: plan for n, plan in engine["plans"].items() if n not in closing}
            found += [f"naked: {n} {plan}" for n, plan in plans.items() if self._is_naked(plan)]
            lost = {t: q for t, q in truth.trades.items() if (t, q) not in set(booked.trades)}
            found += [f"lost or other fill: {t}: {q}" for t, q in lost.items()]
            there = {"journal": booked.position, "engine": engine["position"]}
            found += [
                f"position of the {who}: {n}, the venue's {truth.position}"
                for who, n in there.items()
                if abs(n - truth.position) > truth.odd
            ]
        return found

    def agree(self, engines: Engines) -> None:
        """Just after a start. Raises AssertionError with what is wrong."""
        until, first = time.monotonic() + AGREE_S, True
        while first or time.monotonic() < until:
            seen, first = engines.look(), False
            faults = self.faults(seen, at_rest=False)
            assert not faults, faults
            if not (open_faults := self.faults(seen, at_rest=True)):
                return
            time.sleep(0.02)
        raise AssertionError(f"{open_faults}; the engine has {seen}")

    def _is_naked(self, plan: str) -> bool:
        """More is open than the smallest order, and no stop rests for all of it."""
        if " open" not in plan or WHOLLY_GUARDED in plan:
            return False
        engine = self._exchange.venue(self._venue).engine(self._symbol)
        bid = self._exchange.call(engine.top)[0]
        qty = float(plan.partition(" open")[0]) * 10**engine.instrument.qty_decimals
        return bool(qty * bid > engine.instrument.min_notional * 1.05)

    def _base_units(self) -> int:
        free, locked = self._exchange.venue(self._venue).accounts.balances("main").get(self._base, (0, 0))
        return free + locked


class Report(NamedTuple):
    moments: int
    starts: int
    """That returned."""
    fills: int
    orders: int
    seconds: float


@contextmanager
def market(seed: int) -> Iterator[LocalExchange]:
    """Nobody restarts an engine thirty times a minute: the venue's limits are not what is tried here."""
    with LocalExchange("synthetic", seed=seed, annual_volatility=2.0) as exchange:
        no_limits = Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_day=10**9)
        exchange.call(lambda: set_limits(exchange.venue(), no_limits))
        yield exchange


@contextmanager
def said_of(where: str) -> Iterator[None]:
    """What fails says where."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from None


def crash(engines: Engines, folder: Path, moments: int, seed: int) -> Report:
    """`folder`: for the journal. Raises AssertionError at the first moment that left something wrong."""
    draw, began, starts = random.Random(seed), time.monotonic(), 0
    journal = folder / "journal.db"
    with market(seed) as exchange:
        judge = Judge(exchange, journal)
        for moment in range(moments):
            early = draw.random() < DURING_START
            delay, trader = 2 * draw.random() ** 2, draw.randrange(1 << 30)
            engines.start(Venue.of(exchange, journal, seed=trader))
            if early:
                time.sleep(delay)
            else:
                engines.wait_started()
                starts += 1
                with said_of(f"{folder}, moment {moment} of seed {seed}"):
                    judge.agree(engines)
                engines.tell("go")
                time.sleep(delay)
            with said_of(f"{folder}, moment {moment} of seed {seed}"):
                engines.kill()
        engines.start(Venue.of(exchange, journal))
        engines.wait_started()
        judge.agree(engines)
        engines.kill()
        truth = judge.truth()
        return Report(moments, starts + 1, len(truth.trades), len(truth.orders), time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crash"))  # stays where something is wrong
    with Engines(folder / "state") as engines:
        done = crash(engines, folder, options.moments, options.seed)
    shutil.rmtree(folder)
    print(  # noqa: T201
        f"{done.moments} kills, {done.starts} starts judged, {done.orders} orders, {done.fills} fills, "
        f"all agree; {done.seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
