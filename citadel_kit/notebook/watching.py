"""A venue of the local exchange, watched by our own session and by ccxt.pro while faults are switched on."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit import clock
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.venue import Depth, MarketEvent
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.live import LiveDriver
from citadel_kit.run.loop_thread import LoopThread
from citadel_kit.types import FeedState

LAG_NS: Final = clock.SECOND
"""A shown price that was the true one within this time is not called wrong: news takes a while. So a book
that lacks a lost frame is wrong only where nothing tells of it for that long."""
RIGHT, WRONG, HIDDEN = 0, 1, 2
_EVERY_S: Final = 0.05
_WAIT_S: Final = 20.0
_NONE: Final = (np.nan, np.nan)

Touch = tuple[float, float]
"""Best bid and ask; NaN where none is shown."""


class Phase(NamedTuple):
    seconds: float
    switches: dict[str, Any]
    """Of `FaultConfig`; all others are off."""

    @property
    def name(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.switches.items()) or "no fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was there, and what each showed, twenty times a second."""

    venue: str
    symbol: str
    phases: tuple[Phase, ...]
    starts_s: NDArray[np.float64]
    """Of each phase."""
    seconds: NDArray[np.float64]
    truth: NDArray[np.float64]
    """Shape (n, 2), as `ours` and `theirs`: best bid and ask."""
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    ours_kind: NDArray[np.int64]
    """RIGHT, WRONG or HIDDEN."""
    theirs_kind: NDArray[np.int64]
    resyncs: int
    """How often our session gave its book up and asked for another."""
    their_errors: int
    """How often ccxt.pro raised an error."""

    def shares(self) -> list[dict[str, float]]:
        """For each phase the share of its time that each was right, wrong, and silent."""
        out = []
        edges = [*np.searchsorted(self.seconds, self.starts_s), len(self.seconds)]
        for first, last in pairwise(edges):
            row = {}
            for name, kinds in (("ours", self.ours_kind), ("ccxt", self.theirs_kind)):
                own = kinds[first:last]
                for word, kind in (("right", RIGHT), ("wrong", WRONG), ("not_shown", HIDDEN)):
                    row[f"{name}_{word}"] = float((own == kind).mean()) if len(own) else 0.0
            out.append(row)
        return out

    def write(self, run_dir: str | Path) -> None:
        """`result.json` into this folder; nowhere if it is empty."""
        if run_dir:
            rows = [{"phase": p.name, **shares} for p, shares in zip(self.phases, self.shares(), strict=True)]
            facts = {"phases": rows, "resyncs": self.resyncs, "ccxt_errors": self.their_errors}
            (Path(run_dir) / "result.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def _repr_html_(self) -> str:
        names = ("ours_right", "ours_wrong", "ours_not_shown", "ccxt_right", "ccxt_wrong", "ccxt_not_shown")
        heads = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in names)
        rows = "".join(
            f"<tr><td>{escape(phase.name)}</td>" + "".join(f"<td>{row[n]:.0%}</td>" for n in names) + "</tr>"
            for phase, row in zip(self.phases, self.shares(), strict=True)
        )
        return (
            f"<p>{escape(self.venue)} {escape(self.symbol)}, share of the time. How often our session gave "
            f"its book up: {self.resyncs}; errors that ccxt.pro raised: {self.their_errors}.</p>"
            f"<table><tr><th></th>{heads}</tr>{rows}</table>"
        )


def watch(
    exchange: LocalExchange, venue: str, symbol: str, phases: Sequence[tuple[float, dict[str, Any]]]
) -> Watched:
    """Go through the phases, each so many seconds with these faults on; at the end all faults are off.

    Raises ConfigError for what the exchange or its switches don't know, VenueUnreachable and EngineClosed
    where a book does not come to life.
    """
    plan = tuple(Phase(seconds, dict(switches)) for seconds, switches in phases)
    with ExitStack() as stack:
        truth = stack.enter_context(_Truth(exchange, venue, symbol))
        theirs = stack.enter_context(_CcxtPro(exchange, venue, symbol))
        at = {venue: exchange.endpoints(venue)}
        ours = stack.enter_context(HybridConnector(LiveDriver((venue,), symbol, at=at), name="watch"))
        ours.wait_live(_WAIT_S)
        stack.callback(lambda: exchange.call(exchange.venue(venue).faults.clear))
        return _follow(plan, truth, ours, theirs)


def _follow(plan: tuple[Phase, ...], truth: _Truth, ours: HybridConnector, theirs: _CcxtPro) -> Watched:
    start_ns = clock.now_ns()
    starts, rows = [], []
    for phase in plan:
        truth.switch(phase.switches)
        starts.append(clock.now_ns())
        while clock.now_ns() < starts[-1] + phase.seconds * clock.SECOND:
            ours.run_for(_EVERY_S)
            shown, ccxt_shown = _ours(ours), theirs.touch
            now_ns, true = truth.look()
            rows.append((now_ns, true, shown, truth.judge(shown), ccxt_shown, truth.judge(ccxt_shown)))
    at_ns, true, shown, kinds, ccxt_shown, ccxt_kinds = zip(*rows, strict=True)
    return Watched(
        venue=truth.venue.name,
        symbol=truth.symbol,
        phases=plan,
        starts_s=(np.array(starts) - start_ns) / clock.SECOND,
        seconds=(np.array(at_ns) - start_ns) / clock.SECOND,
        truth=np.array(true, float),
        ours=np.array(shown, float),
        theirs=np.array(ccxt_shown, float),
        ours_kind=np.array(kinds),
        theirs_kind=np.array(ccxt_kinds),
        resyncs=sum(ours.snapshot().venues[0].counts[name] for name in ("gaps", "corrupt")),
        their_errors=theirs.errors,
    )


def _ours(kit: HybridConnector) -> Touch:
    view = kit.snapshot().venues[0]
    return (view.bid, view.ask) if view.state == FeedState.LIVE else _NONE


class _Truth:
    """The exchange's own best bid and ask, as they are and as they were a moment ago."""

    def __init__(self, exchange: LocalExchange, venue: str, symbol: str) -> None:
        self.venue, self.symbol = exchange.venue(venue), symbol
        self._exchange, self._of = exchange, self.venue.symbols[symbol]
        self._seen: list[tuple[int, Touch]] = []

    def __enter__(self) -> _Truth:
        self._end = self._exchange.call(lambda: self.venue.listen(self._heard))
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.call(self._end)

    def switch(self, switches: dict[str, Any]) -> None:
        def change() -> None:
            self.venue.faults.clear()
            self.venue.faults.set(**switches)

        self._exchange.call(change)

    def look(self) -> tuple[int, Touch]:
        return self._exchange.call(self._note)

    def judge(self, shown: Touch) -> int:
        """Call it after `look`."""
        if np.isnan(shown).any():
            return HIDDEN
        newest = self._seen[-1][0]
        recent = [touch for _, touch in self._seen[bisect_left(self._seen, (newest - LAG_NS, _NONE)) :]]
        return RIGHT if all(shown[side] in {touch[side] for touch in recent} for side in (0, 1)) else WRONG

    def _heard(self, event: MarketEvent) -> None:
        if isinstance(event, Depth) and event.symbol == self.symbol:
            self._note()

    def _note(self) -> tuple[int, Touch]:
        bid, _, ask, _ = self._of.engine.top()
        scale = 10**self._of.instrument.price_decimals
        self._seen.append((clock.now_ns(), (bid / scale, ask / scale)))
        return self._seen[-1]


class _CcxtPro:
    """Unmodified, with its URLs turned here, on a thread of its own; after an error it watches anew."""

    def __init__(self, exchange: LocalExchange, venue: str, symbol: str) -> None:
        self.touch: Touch = _NONE
        self.errors = 0
        self._client, self._symbol = exchange.ccxt(venue, pro=True), symbol
        self._thread = LoopThread("ccxt.pro")

    def __enter__(self) -> _CcxtPro:
        self._thread.start()
        self._thread.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._stop())
        self._thread.soon(self._thread.end)
        self._thread.join(_WAIT_S)

    async def _begin(self) -> None:
        first = asyncio.Event()
        self._task = asyncio.create_task(self._watch(first))
        async with asyncio.timeout(_WAIT_S):
            await first.wait()

    async def _watch(self, first: asyncio.Event) -> None:
        while True:
            try:
                book = await self._client.watch_order_book(self._symbol)
                self.touch = (book["bids"][0][0], book["asks"][0][0])
                first.set()
            except Exception:  # noqa: BLE001 - whatever it is, ccxt has said that it has no book
                self.errors += 1
                self.touch = _NONE
                await asyncio.sleep(0.2)

    async def _stop(self) -> None:
        self._task.cancel()
        closing: Coroutine[Any, Any, None] = self._client.close()
        await closing
        with suppress(asyncio.CancelledError):
            await self._task
