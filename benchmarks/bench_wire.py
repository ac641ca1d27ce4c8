"""From the raw bytes of a frame to what a trader reads, beside ccxt.pro and cryptofeed, on real recordings.

What each side does with every frame, in turns of `CHUNK` frames:

- `kit, snapshot`: `Engine.frame` and `Engine.snapshot`: decoded, sequence, checksum, crossing and the venue's
  own quote checked, book, order flow, trades, paper matching, guard and global quote brought up to date, then
  one whole `MicroSnapshot` built (state, ages, touch, spread and its quantiles, imbalance at 1, 5 and 10
  levels, microprice, order flow, trade imbalance, volatility, counts). Nothing is left for when it is read:
  every field is a plain value by then, and one snapshot of each kind of frame is read field by field, outside
  of the timing, to show it. The engine's timer runs ten times a second of the tape.
- `kit, view`: `Session.on_frame`, order flow and trades, and the venue's `VenueView` with all these numbers:
  without trading, guard and the global quote.
- `kit, book`: `Session.on_frame` alone: the same checks, ending with the best bid and ask of the book.
- `ccxt.pro`: `handle_message` on what `json.loads` or `orjson.loads` gave; ends with its book, no number
  taken from it. A bare client object stands in for the connection. Kraken's checksum is off, as it is by
  default (switched on, it raises an AttributeError).
- `cryptofeed`: `message_handler` (its own JSON parser), in the interpreter that CITADEL_CRYPTOFEED names;
  book frames of Binance only, since the rest of it reads older or other streams.

A time is CPU time, so that a machine with other work to do tells nearly the same: the mean over frames of
each frame's median over the rounds. The clock itself costs each about 0.3 µs. Snapshots are not counted.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import thread_time_ns
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from citadel_kit import ladder, settings
from citadel_kit.micro import flow
from citadel_kit.micro.flow import Flow, venue_view
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import Session, SessionConfig, TopChanged, Traded
from citadel_kit.notebook.ccxt_book import CcxtBook
from citadel_kit.run.engine import Engine
from citadel_kit.run.paper import Latency, PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.types import FeedState
from citadel_kit.venues import codec

TAPES: Final = Path(__file__).resolve().parents[2] / "shared" / "tapes"
CHUNK: Final = 5_000
"""Long enough that each works with its own things in the processor's caches for nearly all of its turn, as
cryptofeed does, which has a process to itself. So all are timed warm; see the README for shorter turns."""
TICK_NS: Final = 100_000_000
PEER: Final = Path(__file__).with_name("peer_cryptofeed.py")


class Case(NamedTuple):
    tape: str
    venue: str
    symbol: str


CASES: Final = (
    Case("binance_usdm_btcusdt", "binanceusdm", "BTC/USDT"),
    Case("binance_spot_btcusdt", "binance", "BTC/USDT"),
    Case("kraken_v2_btcusd_d25", "kraken", "BTC/USD"),
)


class Line(NamedTuple):
    recv_ns: int
    raw: bytes
    kind: str
    """book, quote, trade, snapshot or other"""


def lines(path: Path) -> list[Line]:
    out = []
    with gzip.open(path) as file:
        for text in file:
            stamp, _, raw = text.rstrip(b"\n").partition(b" ")
            out.append(Line(int(stamp), raw, kind_of(raw[:60])))
    return out


def kind_of(head: bytes) -> str:
    if head.startswith(b'{"lastUpdateId"') or b'"type":"snapshot"' in head:
        return "snapshot"
    marks = ((b"@depth", "book"), (b'"book"', "book"), (b"@bookTicker", "quote"), (b"@trade", "trade"))
    return next((kind for mark, kind in marks if mark in head), "other")


class Contender(Protocol):
    name: str

    def feed(self, line: Line) -> None: ...

    def touch(self) -> tuple[float, float]:
        """Best bid and ask of the book; NaN where there is none."""


def engine_of(case: Case, start_ns: int) -> Engine:
    """The whole micro layer of one venue, connected."""
    instrument = settings.instrument(case.venue, case.symbol)
    engine = Engine(
        [(codec(case.venue, [instrument]), instrument)],
        PaperBroker([instrument], latency=Latency()),
        {case.venue: settings.fees(case.venue)},
        EngineConfig(SessionConfig(), GateConfig(), GuardConfig()),
        mode="REPLAY",
        feed_shows_our_orders=False,
    )
    engine.opened(case.venue, start_ns)
    return engine


class KitSnapshot:
    name = "kit, snapshot"

    def __init__(self, case: Case, start_ns: int) -> None:
        self._engine = engine_of(case, start_ns)
        self._case, self._tick_ns = case, start_ns
        self.snapshot = self._engine.snapshot()

    def feed(self, line: Line) -> None:
        if line.recv_ns >= self._tick_ns:
            self._engine.timer(line.recv_ns)
            self._tick_ns = line.recv_ns + TICK_NS
        self._engine.frame(self._case.venue, line.raw, line.recv_ns)
        self._engine.take_effects()  # what a driver would send; a tape needs no answer
        self.snapshot = self._engine.snapshot()

    def touch(self) -> tuple[float, float]:
        view = self.snapshot.venues[0]
        return view.bid, view.ask


class KitBook:
    name = "kit, book"

    def __init__(self, case: Case, start_ns: int) -> None:
        self._instrument = settings.instrument(case.venue, case.symbol)
        codec_ = codec(case.venue, [self._instrument])
        self._session = Session(codec_, [self._instrument], SessionConfig(any_frame=True))
        self._session.on_open(start_ns)
        self._top = (0, 0)

    def feed(self, line: Line) -> None:
        for effect in self._session.on_frame(line.raw, line.recv_ns):
            if isinstance(effect, TopChanged):
                self._top = effect.top.bid, effect.top.ask

    def touch(self) -> tuple[float, float]:
        if self._session.feeds[self._instrument.symbol].state != FeedState.LIVE:
            return np.nan, np.nan
        return self._instrument.price(self._top[0]), self._instrument.price(self._top[1])


class KitView:
    name = "kit, view"

    def __init__(self, case: Case, start_ns: int) -> None:
        instrument = settings.instrument(case.venue, case.symbol)
        codec_ = codec(case.venue, [instrument])
        self._session = Session(codec_, [instrument], SessionConfig(any_frame=True))
        self._session.on_open(start_ns)
        self._feed, self._flow = self._session.feeds[instrument.symbol], Flow(instrument)

    def feed(self, line: Line) -> None:
        session, flow, now_ns = self._session, self._flow, line.recv_ns
        for effect in session.on_frame(line.raw, now_ns):
            if isinstance(effect, TopChanged):
                flow.on_top(now_ns, effect.top)
            elif isinstance(effect, Traded):
                flow.on_trade(now_ns, effect.trade)
        self._view = venue_view(self._feed, flow, session.last_ns, now_ns, session.counts, "")

    def touch(self) -> tuple[float, float]:
        return self._view.bid, self._view.ask


class Ccxt(CcxtBook):
    def __init__(self, case: Case, parser: str) -> None:
        self.name = f"ccxt.pro, {parser}"
        super().__init__(settings.instrument(case.venue, case.symbol), case.venue, _parser(parser))

    def feed(self, line: Line) -> None:
        if line.kind == "snapshot" and self.rest:
            self.sync(line.raw)
        else:
            self.frame(line.raw)


def _parser(name: str) -> Callable[[bytes], Any]:
    if name == "json":
        return json.loads
    import orjson

    return orjson.loads


def timed(
    contenders: Sequence[Contender], frames: Sequence[Line], round_: int
) -> dict[str, NDArray[np.int64]]:
    """ns of every frame. They take turns, so that a slow stretch of the machine meets all, and each turn, as
    each round, begins with another: who comes behind a peer finds the processor's caches full of its things.
    """
    out = {c.name: np.zeros(len(frames), np.int64) for c in contenders}
    for first in range(0, len(frames), CHUNK):
        turn = (round_ + first // CHUNK) % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            times, feed = out[contender.name], contender.feed
            for i in range(first, min(first + CHUNK, len(frames))):
                began = thread_time_ns()
                feed(frames[i])
                times[i] = thread_time_ns() - began
    return out


def check_plain(value: object) -> None:
    """Raises TypeError unless this is a plain value, or a record or container of such."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.astuple(value)
    elif isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for part in value:
            check_plain(part)
    elif not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} of a snapshot is not a plain value")


def followed(case: Case, frames: Sequence[Line], start_ns: int) -> str:
    """Do both books show the same touch after each book frame? Outside of the timing."""
    ours, theirs = KitBook(case, start_ns), Ccxt(case, "json")
    same = different = 0
    for line in frames:
        ours.feed(line)
        theirs.feed(line)
        if line.kind == "book" and not np.isnan(ours.touch()[0]):
            same += ours.touch() == theirs.touch()
            different += ours.touch() != theirs.touch()
    whole, seen = KitSnapshot(case, start_ns), set[str]()
    for line in frames[: len(frames) // 4]:
        whole.feed(line)
        if line.kind not in seen and whole.snapshot.venues[0].state == FeedState.LIVE:
            check_plain(whole.snapshot)
            seen.add(line.kind)
    return f"best bid and ask after each book frame: the same {same:,} times, different {different:,}"


def cryptofeed(case: Case, path: Path) -> NDArray[np.int64] | None:
    python = os.environ.get("CITADEL_CRYPTOFEED", "")
    if not python or case.venue == "kraken":
        return None
    done = subprocess.run(
        [python, str(PEER), str(path), case.venue], capture_output=True, check=False, cwd=PEER.parent
    )
    if done.returncode:
        print(f"  cryptofeed failed: {done.stderr.decode().strip().splitlines()[-1]}")
        return None
    return np.frombuffer(done.stdout, np.int64)


def _row(name: str, rounds: NDArray[np.int64], pick: NDArray[np.bool_]) -> tuple[str, float, float, float]:
    each = rounds[:, pick].mean(axis=1) / 1e3
    return name, float(np.median(rounds[:, pick], axis=0).mean() / 1e3), float(each.min()), float(each.max())


def report(title: str, rows: Iterable[tuple[str, float, float, float]]) -> None:
    print(f"  {title}")
    rows = list(rows)
    ours = rows[0][1]
    for name, middle, low, high in rows:
        print(
            f"    {name:<18}{middle:8.1f} µs   {1e6 / middle:9,.0f} frames/s   {middle / ours:5.1f} x"
            f"   (rounds {low:.1f} to {high:.1f})"
        )


def run(case: Case, rounds: int) -> None:
    path = TAPES / f"{case.tape}.tape.gz"
    frames = lines(path)
    start_ns = frames[0].recv_ns
    kinds = np.array([line.kind for line in frames])
    print(f"{case.tape}: {len(frames):,} frames; {followed(case, frames, start_ns)}")
    gc.collect()
    gc.freeze()  # the recording itself is not to be walked through by the collector
    collected: dict[str, list[NDArray[np.int64]]] = {}
    for round_ in range(rounds):
        contenders: list[Contender] = [kind(case, start_ns) for kind in (KitSnapshot, KitView, KitBook)]
        contenders += [Ccxt(case, "json"), Ccxt(case, "orjson")]
        times: dict[str, NDArray[np.int64]] = timed(contenders, frames, round_)
        peer = cryptofeed(case, path)
        for name, each in (times if peer is None else times | {"cryptofeed": peer}).items():
            collected.setdefault(name, []).append(each)
    for title, pick in (("book frames", kinds == "book"), ("all frames", kinds != "snapshot")):
        rows = [_row(name, np.array(each), pick) for name, each in collected.items() if each[0][pick].all()]
        report(f"{title}: {int(pick.sum()):,}", rows)


def main() -> None:
    missing = [case.tape for case in CASES if not (TAPES / f"{case.tape}.tape.gz").is_file()]
    if missing:
        print(f"skipped: the recordings {', '.join(missing)} are not in ../shared/tapes")
        return
    ladder.warm_up()
    flow.warm_up()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{rounds} rounds; load average {load:.1f}; x: times as long as the first row")
    print("the bar: ccxt.pro takes at least 5 x on the book frames of binance_usdm_btcusdt; 10 x is the aim")
    if "CITADEL_CRYPTOFEED" not in os.environ:
        print("cryptofeed is skipped: CITADEL_CRYPTOFEED names no interpreter that has it")
    for case in CASES:
        run(case, rounds)


if __name__ == "__main__":
    main()
