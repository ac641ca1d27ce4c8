"""From a trip of the guard to the last CANCEL at the exchange, five venues streaming into one engine.

A local exchange in a process of its own streams five venues; the first of them takes orders. Beside the
connector here the main thread sleeps, loops in plain Python, or trains LightGBM. Before each trip five
entries rest on the book. There are two kinds of trips:

- by hand: from the call of `kill()`, on a thread that is not the main one, as a panel's is;
- by the market: the guard is made so strict that the next book below its highest price trips it; from the
  moment at which that frame was given to the exchange's socket.

`sent`: until the last of the five CANCELs was executed at the exchange. `confirmed`: until the engine has the
exchange's word for each. The bar: 50 ms until the last CANCEL.

    python benchmarks/bench_guard_live.py [trips of each kind, 50] [usual]

With `usual` threads change as in any Python, after 5 ms, and not as `run.loop_thread` has it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from citadel_kit.errors import GateRefused
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.io.keys import Keys
from citadel_kit.micro.guard import GuardConfig, GuardStep
from citadel_kit.micro.limits import Limits
from citadel_kit.run import loop_thread
from citadel_kit.run.account import Account
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.entry import drill
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.watch import Watch

VENUES: Final = ("binance", "kraken", "coinbase", "okx", "bybit")
AT: Final = VENUES[0]
ENTRIES: Final = 5
BAR_MS: Final = 50.0
CALM: Final = GuardConfig(fall_bps=2_000.0, slide_bps=9_000.0, max_spread_bps=1_000.0, min_depth_share=1e-9)
STRICT: Final = CALM._replace(fall_bps=1e-6)
_FRAMES_KEPT: Final = 5_000
_PAUSE_S: Final = 0.3


# --- the exchange, in its own process ----------------------------------------------------------------------


def exchange(pipe: Connection) -> None:
    with LocalExchange("synthetic", VENUES) as here:
        sent: OrderedDict[int, int] = OrderedDict()
        cancels: list[int] = []
        here.call(lambda: _watch(here, sent, cancels))
        pipe.send(({venue: here.endpoints(venue) for venue in VENUES}, here.ccxt_config(AT)))
        with suppress(EOFError):
            while True:
                what, value = pipe.recv()
                if what == "sent":
                    pipe.send(sent.get(value, 0))
                elif what == "cancels":
                    pipe.send([at for at in cancels if at >= value])


def _watch(here: LocalExchange, sent: OrderedDict[int, int], cancels: list[int]) -> None:
    """When each frame was given to its socket, and when each CANCEL was executed."""
    from aiohttp import web

    say, venue = web.WebSocketResponse.send_str, here.venue(AT)
    cancel = venue.cancel

    async def said(self: web.WebSocketResponse, text: str, *more: Any, **named: Any) -> None:
        sent[zlib.crc32(text.encode())] = time.monotonic_ns()
        if len(sent) > _FRAMES_KEPT:
            sent.popitem(last=False)
        await say(self, text, *more, **named)

    def cancelled(*args: Any, **named: Any) -> Any:
        try:
            return cancel(*args, **named)
        finally:
            cancels.append(time.monotonic_ns())

    web.WebSocketResponse.send_str = said  # type: ignore[method-assign, assignment]
    venue.cancel = cancelled  # type: ignore[method-assign]


# --- the kit -----------------------------------------------------------------------------------------------


class Trip(NamedTuple):
    decided_ms: float
    """Until the engine had decided it, on its own thread."""
    sent_ms: float
    confirmed_ms: float


class Probe:
    """Looks at the engine on its own thread: the frame that tripped, and when nothing worked any more."""

    def __init__(self, kit: HybridConnector) -> None:
        self._engine = engine = kit._engine
        self._frame, self._report = engine.frame, engine.report
        engine.frame, engine.report = self.frame, self.report  # type: ignore[method-assign, assignment]
        self.tripped = threading.Event()
        self.done = threading.Event()
        self.tripped_ns = self.done_ns = self.crc = 0
        self.watching = False

    def begin(self) -> None:
        self.tripped.clear()
        self.done.clear()
        self.watching = True

    def frame(self, venue: str, raw: bytes, recv_ns: int, symbol: str = "") -> None:
        watch = self._engine.watch
        before = watch._state.step
        self._frame(venue, raw, recv_ns, symbol)
        if self.watching and before < GuardStep.REDUCE <= watch._state.step:
            _guard_by(watch, CALM)
            self.tripped_ns, self.crc = time.monotonic_ns(), zlib.crc32(raw)
            self.tripped.set()

    def left(self) -> list[str]:
        """Parents that still work, and what they do."""
        orders = self._engine.orders
        return [f"{name} {orders.view(name).note}" for name in orders.working]

    def report(self, *args: Any) -> None:
        self._report(*args)
        if self.watching and not self._engine.orders.working:
            self.watching, self.done_ns = False, time.monotonic_ns()
            self.done.set()


def _guard_by(watch: Watch, config: GuardConfig) -> None:
    """From the next book on; what seemed calm before is forgotten."""
    watch._catch_up()
    watch._config = config
    watch._set(watch._state)


def entries(kit: HybridConnector) -> bool:
    """Resting far behind the market, so that none fills or moves. False where the market came in between."""
    try:
        wish = drill("BUY", kit.snapshot(), kit.instruments[AT], 500)
        ids = [
            kit.submit(wish, deadline_s=60, offset=-150_000 - 100 * n, min_move=100_000).parent_id
            for n in range(ENTRIES)
        ]
    except GateRefused:
        return False
    kit.run_until(lambda: _rest(kit, ids) or _step(kit) > 0, 5)
    time.sleep(_PAUSE_S)
    return _rest(kit, ids) and _step(kit) == 0


def _rest(kit: HybridConnector, ids: list[str]) -> bool:
    return all(kit._engine.orders.view(name).note == "resting" for name in ids)


def _step(kit: HybridConnector) -> int:
    return kit._engine.watch._state.step


def by_hand(kit: HybridConnector, probe: Probe, pipe: Connection) -> Trip | None:
    probe.begin()
    began = time.monotonic_ns()
    kit.kill()
    return _finish(probe, pipe, began, time.monotonic_ns())


def by_market(kit: HybridConnector, probe: Probe, pipe: Connection) -> Trip | None:
    probe.begin()
    kit._call(lambda: _guard_by(kit._engine.watch, STRICT))
    probe.tripped.wait()
    pipe.send(("sent", probe.crc))
    return _finish(probe, pipe, pipe.recv(), probe.tripped_ns)


def _finish(probe: Probe, pipe: Connection, began: int, decided: int) -> Trip | None:
    """None where something else got in between."""
    if not probe.done.wait(5) and not probe.left():
        return None
    if not probe.done.is_set():
        raise RuntimeError(f"not all was cancelled: {probe.left()}")
    pipe.send(("cancels", began))
    cancels = pipe.recv()
    if len(cancels) != ENTRIES or not began:
        return None
    return Trip(*((at - began) / 1e6 for at in (decided, max(cancels), probe.done_ns)))


def one(kit: HybridConnector, probe: Probe, pipe: Connection, trip: Callable[..., Trip | None]) -> Trip:
    while True:
        found = trip(kit, probe, pipe) if entries(kit) else None
        kit.kill()
        kit.run_until(lambda: not kit._engine.orders.working, 10)
        kit.rearm()
        if found is not None:
            return found
        time.sleep(_PAUSE_S)


def asleep(alive: Callable[[], bool]) -> None:
    while alive():
        time.sleep(0.1)


def looping(alive: Callable[[], bool]) -> None:
    total = 0
    while alive():
        for number in range(200_000):
            total += number & 3


def training(alive: Callable[[], bool]) -> None:
    import lightgbm

    draws = np.random.default_rng(0)
    features, label = draws.normal(size=(50_000, 40)), draws.integers(0, 2, 50_000)
    while alive():
        lightgbm.train(
            {"objective": "binary", "verbose": -1}, lightgbm.Dataset(features, label), num_boost_round=20
        )


def trips(
    kit: HybridConnector,
    probe: Probe,
    pipe: Connection,
    count: int,
    load: Callable[[Callable[[], bool]], None],
) -> dict[str, list[Trip]]:
    """The load is on the main thread, which calls this; the trips come from another."""
    out: dict[str, list[Trip]] = {"by hand": [], "by the market": []}
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(count):
                out["by hand"].append(one(kit, probe, pipe, by_hand))
                out["by the market"].append(one(kit, probe, pipe, by_market))
        except BaseException as error:  # noqa: BLE001 - raised below, on the main thread
            failed.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    load(worker.is_alive)
    worker.join()
    if failed:
        raise failed[0]
    return out


def told(title: str, values: list[float]) -> str:
    p50, p99 = np.percentile(values, (50, 99))
    return f"    {title:<12}p50 {p50:7.1f}   p99 {p99:7.1f}   max {max(values):7.1f} ms"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    if "usual" in sys.argv:
        loop_thread.SWITCH_S = sys.getswitchinterval()  # type: ignore[misc]
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=exchange, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    ends, at = pipe.recv()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CITADEL_STATE"] = folder
        keys = {AT: Keys.of(AT, at["apiKey"], at["secret"])}
        account = Account("bench", keys, mode="PAPER", at={AT: at}, journal=Path(folder) / "journal.db")
        driver = LiveDriver(VENUES, at=ends, account=account)
        with HybridConnector(driver, guard=CALM, limits=Limits(max_orders_per_minute=100_000)) as kit:
            kit.wait_live()
            probe = Probe(kit)
            one(kit, probe, pipe, by_hand)  # the first of anything compiles or connects
            print(f"{ENTRIES} entries at {AT}, {len(VENUES)} venues streaming; {count} trips of each kind")
            for name, load in (("idle", asleep), ("Python loop", looping), ("LightGBM", training)):
                frames = sum(venue.counts["frames"] for venue in kit.snapshot().venues)
                began = time.monotonic()
                outcome = trips(kit, probe, pipe, count, load)
                frames = sum(venue.counts["frames"] for venue in kit.snapshot().venues) - frames
                rate = frames / (time.monotonic() - began)
                print(f"{name}: {rate:,.0f} frames/s, load average {os.getloadavg()[0]:.1f}")
                for kind, found in outcome.items():
                    late = sum(trip.sent_ms > BAR_MS for trip in found)
                    print(f"  {kind}: {late} of {len(found)} later than {BAR_MS:g} ms")
                    print(told("decided", [trip.decided_ms for trip in found]))
                    print(told("sent", [trip.sent_ms for trip in found]))
                    print(told("confirmed", [trip.confirmed_ms for trip in found]), flush=True)
    pipe.close()
    process.join(10)


if __name__ == "__main__":
    main()
