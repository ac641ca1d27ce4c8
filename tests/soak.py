"""Five venues on loopback for as long as one likes: killed, stalled and restarted at random, and judged.

    python tests/soak.py [--seconds 600] [--speed 1] [--seed 0]

Ten minutes of the stream by default (`make soak`). Every snapshot is judged while it goes on; at the end
every book must be LIVE and the true one, and no task, thread or socket may be left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import resource
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from tape_server import ROLES, TapeServer

from citadel_kit import clock, ladder, settings
from citadel_kit.io.stream import StreamConfig
from citadel_kit.micro import flow
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.engine import Engine
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.types import FeedState, GlobalQuote

S = clock.SECOND
SESSION = SessionConfig(backoff_floor_ns=S // 20, backoff_cap_ns=S // 2, connect_most=100_000)
"""Back-offs of a venue that lets itself be asked often: here it is not the venue's patience that is tried."""
_BOUND_NS = 7 * S
"""A venue that says nothing must be out of the quote after that: four times its heartbeat of a second, which
the bursts behind a stall make look slower, and what a busy machine adds."""
_SETTLE_S = 20.0


class Report(NamedTuple):
    problems: list[str]
    """Empty if all was well; at most the first 20."""
    snapshots: int
    frames: int
    connects: dict[str, int]
    fates: dict[str, int]
    states: dict[str, set[str]]
    """In which every venue was seen."""
    memory: list[int]
    """Peak resident size of the process, which holds the venues too, in MiB, every five seconds."""


class Soak:
    def __init__(
        self, tapes: Path, *, seconds: float, speed: float, seed: int, stalls: tuple[float, ...]
    ) -> None:
        self.seconds, self._stalls, self._seed = seconds, stalls, seed
        self.servers = {venue: TapeServer(tapes, venue, speed, seed) for venue in ROLES}
        self.problems: list[str] = []
        self.snapshots, self._end = 0, False
        self.fates = dict.fromkeys(("kill", "stall", "restart"), 0)
        self.states: dict[str, set[str]] = {venue: set() for venue in ROLES}
        self.memory: list[int] = []

    async def run(self) -> Report:
        before = set(asyncio.all_tasks())
        for server in self.servers.values():
            await server.start()
        driver = await asyncio.to_thread(self._driver)
        self.engine = engine = _engine(driver)
        failures: list[Exception] = []
        await driver.start(engine, self._judge, failures.append)
        try:
            await self._trouble(driver)
            await self._settle(driver)
        finally:
            frames = sum(s.counts["frames"] for s in engine.sessions.values())
            connects = {venue: s.counts["connects"] for venue, s in engine.sessions.items()}
            await driver.stop()
            for server in self.servers.values():
                if server.clients:
                    await asyncio.sleep(0.5)
                if server.clients:
                    self._problem(f"{server.venue}: {len(server.clients)} connections left")
                await server.stop()
        if left := asyncio.all_tasks() - before:
            self._problem(f"tasks left: {left}")
        self.problems += [f"the driver died: {error!r}" for error in failures]
        return Report(self.problems, self.snapshots, frames, connects, self.fates, self.states, self.memory)

    def _driver(self) -> LiveDriver:
        return LiveDriver(
            tuple(ROLES),
            {venue: role.played for venue, role in ROLES.items()},
            at={venue: server.at for venue, server in self.servers.items()},
            stream=StreamConfig(close_s=0.2),
            snapshot_gap_s=0.1,
            draw=random.Random(self._seed).random,
        )

    # --- what happens -------------------------------------------------------------------------------------

    async def _trouble(self, driver: LiveDriver) -> None:
        fates = [asyncio.create_task(self._fate(server)) for server in self.servers.values()]
        samples = asyncio.create_task(self._sample())
        try:
            await driver.play(self.seconds, lambda: False)
        finally:
            samples.cancel()
            self._end = True
            await asyncio.gather(*fates)
            await asyncio.gather(samples, return_exceptions=True)

    async def _fate(self, server: TapeServer) -> None:
        """What is under way when the time is over comes to its end."""
        rng = random.Random(f"{self._seed} {server.venue}")
        coming: list[str] = []
        while True:
            due_ns = clock.now_ns() + int(rng.uniform(0.5, 4.0) * S)
            while clock.now_ns() < due_ns:
                await asyncio.sleep(0.1)
                if self._end:
                    return
            coming = coming or rng.sample(list(self.fates), len(self.fates))
            fate = coming.pop()
            self.fates[fate] += 1
            if fate == "kill":
                server.kill()
            elif fate == "stall":
                await server.stall(rng.choice(self._stalls))
            else:
                await server.restart(rng.uniform(0.1, 3.0))

    async def _settle(self, driver: LiveDriver) -> None:
        """No more trouble: every book gets LIVE, and is the true one when the markets stand still."""
        await driver.play(_SETTLE_S, lambda: self.engine.live)
        for server in self.servers.values():
            server.freeze()
        await driver.play(_SETTLE_S, lambda: not self._wrong())
        for problem in self._wrong():
            self._problem(problem)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(5.0)
            self.memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

    # --- what is judged -----------------------------------------------------------------------------------

    def _problem(self, text: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(text)

    def _judge(self) -> None:
        """One published snapshot."""
        self.snapshots += 1
        snapshot = self.engine.snapshot()
        shown = _shown(snapshot.quote)
        for view in snapshot.venues:
            self.states[view.venue].add(view.state.name)
            if view.venue in shown and view.state != FeedState.LIVE:
                self._problem(f"{view.venue} is {view.state.name} ({view.state_reason}), and in the quote")
            gone_ns = self.servers[view.venue].gone_ns
            if view.venue in shown and 0 <= gone_ns < snapshot.asof_ns - _BOUND_NS:
                self._problem(
                    f"{view.venue} is in the quote {(snapshot.asof_ns - gone_ns) / S:.1f} s after its end"
                )

    def _wrong(self) -> list[str]:
        wrong = []
        for venue, server in self.servers.items():
            (feed,) = self.engine.sessions[venue].feeds.values()
            top = feed.book.top()
            ours = (top.bid, top.bid_qty, top.ask, top.ask_qty)
            if feed.state != FeedState.LIVE:
                wrong.append(f"{venue} is {feed.state.name} at the end: {feed.reason}")
            elif ours != server.top():
                wrong.append(f"{venue} shows {ours}, the truth is {server.top()}")
        return wrong


def _shown(quote: GlobalQuote) -> set[str]:
    shown = {quote.bid_venue, quote.ask_venue}
    return shown.union(*(_shown(other) for other in quote.apart))


def _engine(driver: LiveDriver) -> Engine:
    instruments = {i.venue: i for _, i in driver.feeds}
    return Engine(
        driver.feeds,
        PaperBroker(instruments.values()),
        {venue: settings.fees(venue) for venue in instruments},
        EngineConfig(SESSION, GateConfig(), GuardConfig()),
        mode=driver.mode,
        feed_shows_our_orders=driver.feed_shows_our_orders,
        conversions=driver.conversions,
    )


def soak(
    tapes: Path, *, seconds: float, speed: float, seed: int, stalls: tuple[float, ...] = (0.3, 1.0, 6.0, 18.0)
) -> Report:
    """One soak on a loop of its own. `stalls`: the seconds that a stall may last."""
    ladder.warm_up()
    flow.warm_up()
    threads, sockets = set(threading.enumerate()), open_sockets()
    report = asyncio.run(
        Soak(tapes, seconds=seconds, speed=speed, seed=seed, stalls=stalls).run(), debug=False
    )
    gc.collect()
    left = [t for t in threading.enumerate() if t not in threads]
    for thread in left:
        thread.join(2)
    report.problems.extend(f"thread left: {t.name}" for t in left if t.is_alive())
    if open_sockets() > sockets:
        report.problems.append(f"{open_sockets() - sockets} sockets left")
    return report


def open_sockets() -> int:
    """Of this process, where the system shows them; else 0."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return 0
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(folder / name).startswith("socket:")
        except OSError:  # the folder's own descriptor
            continue
    return count


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tapes = Path(__file__).resolve().parents[2] / "shared" / "tapes"
    if not tapes.is_dir():
        sys.stderr.write("needs the real tapes of ../shared, which is not beside this checkout\n")
        return 2
    report = soak(tapes, seconds=arguments.seconds, speed=arguments.speed, seed=arguments.seed)
    for name, value in report._asdict().items():
        sys.stdout.write(f"{name}: {value}\n")
    half = report.memory[len(report.memory) // 2 :]
    grown = half[-1] - half[0] if half else 0
    if grown > 16:
        report.problems.append(f"memory grew by {grown} MiB in the second half")
    verdict = "NOT WELL" if report.problems else "all well"
    sys.stdout.write(f"memory grew by {grown} MiB in the second half; {verdict}\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
