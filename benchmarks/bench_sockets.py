"""Five websocket servers on loopback replay recordings of five venues; the kit reads them on one core.

The servers share a process and the other cores; each sends its tape over and over at a fixed rate. The client
is a process pinned to one core: the event loop runs in a thread, as it does beside a notebook, with one
`io.stream` connection and one `Session` for each venue, every check on, order flow and trades counted. After
each batch of frames that waited together (one, when there is no hurry) a `VenueView` of its book is built.
On a recording any frame counts as a heartbeat, and Binance's REST snapshot comes out of the tape at once.

A frame's time runs from just before the server hands it to its socket until the view that shows it exists:
kernel, websocket library, buffer, checks and view. `cpu` is the client's CPU time by frame, all in: a core
that has nothing else to do reads 1e6 / cpu frames a second.

- Sustained: the rate is raised until the client can't follow; it follows while no connection is dropped as
  too slow and 99 % of the frames are in a view within 100 ms. The bar: 40,000 frames/s.
- At 5,000 frames/s, the main thread asleep, in a loop of plain Python, or training LightGBM. The bars at the
  99th percentile: 1 ms asleep, 100 ms else.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import multiprocessing
import os
import re
import struct
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from citadel_kit import clock, ladder, settings
from citadel_kit.errors import VenueUnreachable
from citadel_kit.io.stream import Stream, StreamConfig, connect
from citadel_kit.micro import flow
from citadel_kit.micro.flow import Flow, venue_view
from citadel_kit.micro.session import (
    Connect,
    Effect,
    FetchSnapshot,
    Send,
    Session,
    SessionConfig,
    StateChanged,
    TopChanged,
    Traded,
)
from citadel_kit.types import FeedState, VenueView
from citadel_kit.venues import codec

TAPES: Final = Path(__file__).resolve().parents[2] / "shared" / "tapes"
RATES: Final = (20_000, 30_000, 35_000, 40_000, 45_000, 50_000, 60_000)
CALM_RATE: Final = 5_000
SECONDS: Final = 4.0
FOLLOWED_MS: Final = 100.0
_SEQUENCE: Final = re.compile(rb'"sequence_num":(\d+)')


class Venue(NamedTuple):
    name: str
    tape: str
    symbols: tuple[str, ...]
    share: float
    """Of all frames, as in the recordings' own time."""


COINBASE: Final = ("SKL/BTC", "CRV/EUR", "BAND/BTC", "NMR/EUR", "SKL/USD")
VENUES: Final = (
    Venue("binanceusdm", "binance_usdm_btcusdt", ("BTC/USDT",), 0.40),
    Venue("binance", "binance_spot_btcusdt", ("BTC/USDT",), 0.17),
    Venue("kraken", "kraken_v2_btcusd_d25", ("BTC/USD",), 0.06),
    Venue("okx", "okx_v5_seqid_derived", ("BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"), 0.06),
    Venue("coinbase", "coinbase_advanced_derived", COINBASE, 0.31),
)


def frames(tape: str) -> tuple[list[bytes], bytes]:
    """Raw frames, and the REST snapshot among them."""
    raws, rest = [], b""
    with gzip.open(TAPES / f"{tape}.tape.gz") as file:
        for line in file:
            raw = line.rstrip(b"\n").partition(b" ")[2]
            if raw.startswith(b'{"lastUpdateId"'):
                rest = raw
            else:
                raws.append(raw)
    return raws, rest


# --- the servers -------------------------------------------------------------------------------------------


def framed(raw: bytes) -> bytes:
    """One unmasked text frame of the websocket protocol (RFC 6455, 5.2)."""
    size = len(raw)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + raw
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + raw
    return struct.pack("!BBQ", 0x81, 127, size) + raw


def wire(venue: Venue, raws: Sequence[bytes]) -> Iterator[bytes]:
    """Frames without end. A tape begins with its snapshot again; Coinbase's numbers run on."""
    if venue.name != "coinbase":
        yield from map(framed, cycle(raws))
    number = 0
    for raw in cycle(raws):
        head = _SEQUENCE.search(raw)
        if head is None:
            yield framed(raw)
        else:
            yield framed(raw[: head.start(1)] + b"%d" % number + raw[head.end(1) :])
            number += 1


async def serve_venue(venue: Venue, sent: Queue[Any], ports: Queue[Any]) -> None:
    async def replay(socket: ServerConnection) -> None:
        """`/rate/seconds` in the path; the times of sending go back over the pipe."""
        rate, seconds = (
            float(part) for part in (socket.request.path if socket.request else "").split("/")[1:]
        )
        times = array("q")
        source, transport = wire(venue, raws), socket.transport
        await socket.recv()  # the subscription
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds and socket.state is State.OPEN:
            due = int(elapsed * rate) - len(times)
            if due > 0:
                batch = b"".join(next(source) for _ in range(due))
                times.extend([clock.now_ns()] * due)
                transport.write(batch)
            await asyncio.sleep(0.0005)
        sent.put((venue.name, times.tobytes()))
        await asyncio.sleep(0.2)
        await socket.close()

    raws, _ = frames(venue.tape)
    server = await serve(replay, "127.0.0.1", 0, compression=None, ping_interval=None)
    ports.put((venue.name, server.sockets[0].getsockname()[1]))
    await server.wait_closed()


def servers(cores: Sequence[int], sent: Queue[Any], ports: Queue[Any]) -> None:
    pin(cores)

    async def run() -> None:
        await asyncio.gather(*(serve_venue(venue, sent, ports) for venue in VENUES))

    asyncio.run(run())


def pin(cores: Sequence[int]) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))


# --- the client --------------------------------------------------------------------------------------------


class Reader:
    """One connection: stream, session, flow, views."""

    def __init__(self, venue: Venue) -> None:
        instruments = [settings.instrument(venue.name, symbol) for symbol in venue.symbols]
        codec_ = codec(venue.name, instruments)
        self.name = venue.name
        self.session = Session(codec_, instruments, SessionConfig(any_frame=True))
        self.done = array("q")
        """When each frame was in a view."""
        self.end = ""
        self.view: VenueView | None = None
        self._flows = {i.symbol: Flow(i) for i in instruments}
        self._rest = frames(venue.tape)[1]
        self._shown = self.session.feeds[instruments[0].symbol]

    async def read(self, url: str) -> None:
        async with connect(self.name, url, StreamConfig(ping_s=None)) as stream:
            self._perform(self.session.on_open(clock.now_ns()), clock.now_ns(), stream)
            try:
                while True:
                    batch = await stream.receive()
                    for recv_ns, raw in batch:
                        self._perform(self.session.on_frame(raw, recv_ns), recv_ns, stream)
                    now_ns = self._look()
                    self.done.extend([now_ns] * len(batch))
            except VenueUnreachable as error:
                self.end = str(error)

    def _look(self) -> int:
        session, feed = self.session, self._shown
        flow = self._flows[feed.instrument.symbol]
        self.view = venue_view(feed, flow, session.last_ns, clock.now_ns(), session.counts, "")
        return clock.now_ns()

    def _perform(self, effects: list[Effect], now_ns: int, stream: Stream) -> None:
        for effect in effects:
            if isinstance(effect, TopChanged):
                self._flows[effect.symbol].on_top(now_ns, effect.top)
            elif isinstance(effect, Traded):
                self._flows[effect.trade.symbol].on_trade(now_ns, effect.trade)
            elif isinstance(effect, StateChanged):
                if effect.state != FeedState.LIVE:
                    self._flows[effect.symbol].lost(now_ns)
            elif isinstance(effect, Send):
                stream.send(effect.text)
            elif isinstance(effect, FetchSnapshot):
                self._perform(self.session.on_frame(self._rest, now_ns, effect.symbol), now_ns, stream)
            elif isinstance(effect, Connect):
                stream.drop(effect.reason)

    async def timer(self) -> None:
        while not self.end:
            await asyncio.sleep(0.1)
            self.session.on_timer(clock.now_ns())


Busy = Callable[[Callable[[], bool]], None]
"""What the main thread does, until what it is given says False."""


class Outcome(NamedTuple):
    frames: int
    cpu_s: float
    """Of the client, all threads."""
    ms: tuple[float, float, float]
    """p50, p99, p99.9"""
    lost: int
    """Times a book was given up."""
    dropped: int
    """Connections dropped as too slow."""

    @property
    def followed(self) -> bool:
        return not self.dropped and not self.lost and self.ms[1] < FOLLOWED_MS


def new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def measure(ports: dict[str, int], sent: Queue[Any], rate: float, busy: Busy) -> Outcome:
    readers = [Reader(venue) for venue in VENUES]

    async def read() -> None:
        tasks = []
        for venue, reader in zip(VENUES, readers, strict=True):
            url = f"ws://127.0.0.1:{ports[venue.name]}/{rate * venue.share}/{SECONDS}"
            tasks += [reader.read(url), reader.timer()]
        await asyncio.gather(*tasks)

    def run() -> None:
        loop = new_loop()
        loop.run_until_complete(read())
        loop.close()

    gc.collect()
    gc.freeze()
    thread = threading.Thread(target=run)
    cpu = time.process_time()
    thread.start()
    busy(thread.is_alive)
    thread.join()
    cpu = time.process_time() - cpu
    gc.unfreeze()
    times = {name: np.frombuffer(raw, np.int64) for name, raw in (sent.get() for _ in VENUES)}
    return judged(readers, times, cpu)


def judged(readers: Sequence[Reader], times: dict[str, Any], cpu_s: float) -> Outcome:
    waits = []
    for reader in readers:
        done = np.frombuffer(reader.done, np.int64)
        size = min(len(done), len(times[reader.name]))
        waits.append(done[:size] - times[reader.name][:size])
    ms = np.concatenate(waits) / 1e6
    p50, p99, p999 = (float(x) for x in np.quantile(ms, (0.5, 0.99, 0.999)))
    lost = sum(feed.counts["corrupt"] for r in readers for feed in r.session.feeds.values())
    dropped = sum("1000 (OK)" not in reader.end for reader in readers)
    return Outcome(len(ms), cpu_s, (p50, p99, p999), lost, dropped)


def asleep(alive: Callable[[], bool]) -> None:
    while alive():
        time.sleep(0.1)


def looping(alive: Callable[[], bool]) -> None:
    """A notebook cell in plain Python: it never waits, and lets go of the interpreter only when told to."""
    total = 0
    while alive():
        for i in range(100_000):
            total += i * i % 7


def training(alive: Callable[[], bool]) -> None:
    import lightgbm

    draws = np.random.default_rng(0)
    features, label = draws.normal(size=(50_000, 40)), draws.integers(0, 2, 50_000)
    while alive():
        lightgbm.train(
            {"objective": "binary", "verbose": -1}, lightgbm.Dataset(features, label), num_boost_round=20
        )


def told(title: str, outcome: Outcome) -> str:
    p50, p99, p999 = outcome.ms
    problem = f", {outcome.dropped} connections dropped" if outcome.dropped else ""
    problem += f", books given up {outcome.lost} times" if outcome.lost else ""
    rate, cpu = outcome.frames / SECONDS, 1e6 * outcome.cpu_s / outcome.frames
    return (
        f"  {title:<32}{rate:9,.0f} frames/s   cpu {cpu:5.1f} µs"
        f"   p50 {p50:7.2f}   p99 {p99:7.2f}   p99.9 {p999:7.2f} ms{problem}"
    )


def main() -> None:
    missing = [venue.tape for venue in VENUES if not (TAPES / f"{venue.tape}.tape.gz").is_file()]
    if missing:
        print(f"skipped: the recordings {', '.join(missing)} are not in ../shared/tapes")
        return
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    context = multiprocessing.get_context("spawn")
    sent, ports = context.Queue(), context.Queue()
    process = context.Process(target=servers, args=(cores[1:], sent, ports), daemon=True)
    process.start()
    at = dict(ports.get() for _ in VENUES)
    pin(cores[:1])
    ladder.warm_up()
    flow.warm_up()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    where = f"core {cores[0]}" if cores else "any core"
    print(f"{SECONDS:g} s each; load average {load:.1f}; client on {where}")
    try:
        report(at, sent)
    finally:
        process.terminate()
        process.join()


def report(ports: dict[str, int], sent: Queue[Any]) -> None:
    print("sustained; the bar is 40,000 frames/s")
    most = 0.0
    for rate in RATES:
        outcome = measure(ports, sent, rate, asleep)
        print(told(f"sent at {rate:,}/s", outcome))
        most = rate if outcome.followed else most
        if outcome.dropped:
            break
    print(f"  followed up to {most:,.0f} frames/s")
    print(f"socket to snapshot at {CALM_RATE:,} frames/s; the bars at p99: 1 ms asleep, 100 ms else")
    for title, busy in (("asleep", asleep), ("a loop of Python", looping), ("training LightGBM", training)):
        print(told(f"main thread: {title}", measure(ports, sent, CALM_RATE, busy)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
