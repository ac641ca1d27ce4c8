"""One stream of a market with some frames lost: our book and ccxt.pro's, beside what is true."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from citadel_kit import clock, ladder
from citadel_kit.errors import ConfigError, TapeError
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.io.tape import Tape, TapeFile
from citadel_kit.notebook.ccxt_book import WIRES
from citadel_kit.notebook.fake_venue import is_rest_snapshot
from citadel_kit.notebook.followers import Ours, Theirs, Touch, Truth
from citadel_kit.run.verify import find_instrument
from citadel_kit.types import MarketSource

_SYNTHETIC_START_NS: Final = 1_767_225_600 * clock.SECOND  # 2026-01-01
_SYNTHETIC_S: Final = 120.0

Touches = NDArray[np.float64]
"""Shape (n, 2): best bid and ask after each book update that arrived; NaN where none is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All three after each book update that arrived. Judged is what comes after the first loss."""

    origin: str
    symbol: str
    seed: int
    updates: int
    """Book updates of the undamaged stream, snapshots not counted."""
    start_ns: int
    lost_ns: NDArray[np.int64]
    """When each lost update would have come."""
    first_judged: int
    """Row of the first update that arrived after the first loss."""
    recv_ns: NDArray[np.int64]
    truth: Touches
    ours: Touches
    theirs: Touches
    their_errors: int
    """How often ccxt.pro itself reported that something is missing."""
    our_gaps: int
    """How often our session gave its book up."""
    connects: int
    """How often it connected: more than once where it gave up the connection too."""

    @property
    def judged(self) -> int:
        return len(self.recv_ns) - self.first_judged

    def wrong(self, shown: Touches) -> NDArray[np.bool_]:
        """Where a best bid or ask is shown that is not the true one."""
        return np.asarray((shown != self.truth).any(axis=1)) & ~self.hidden(shown)

    def hidden(self, shown: Touches) -> NDArray[np.bool_]:
        """Where none is shown."""
        return np.asarray(np.isnan(shown).any(axis=1))

    def counts(self) -> dict[str, int]:
        """Judged updates after which what was shown was right, wrong, or nothing; and what each reported."""
        out = {"updates": self.updates, "lost": len(self.lost_ns), "judged": self.judged}
        for name, shown in (("ours", self.ours), ("ccxt", self.theirs)):
            wrong = int(self.wrong(shown)[self.first_judged :].sum())
            hidden = int(self.hidden(shown)[self.first_judged :].sum())
            out[f"{name}_right"] = self.judged - wrong - hidden
            out |= {f"{name}_wrong": wrong, f"{name}_not_shown": hidden}
        return out | {"ours_reported": self.our_gaps, "ccxt_reported": self.their_errors}

    def write(self, run_dir: str | Path) -> None:
        """`result.json` into this folder; nowhere if it is empty."""
        if run_dir:
            facts = {"origin": self.origin, "symbol": self.symbol, "seed": self.seed, **self.counts()}
            Path(run_dir).mkdir(parents=True, exist_ok=True)
            (Path(run_dir) / "result.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def _repr_html_(self) -> str:
        n = self.counts()
        heads = ("right", "wrong", "not_shown", "reported")
        rows = "".join(
            f"<tr><th>{label}</th>" + "".join(f"<td>{n[f'{name}_{head}']:,}</td>" for head in heads) + "</tr>"
            for name, label in (("ours", "ours"), ("ccxt", "ccxt.pro"))
        )
        return (
            f"<p>{escape(self.origin)}, {escape(self.symbol)}: {n['lost']:,} of {n['updates']:,} book "
            f"updates lost, {n['judged']:,} arrived after the first loss. Best bid and ask after each:"
            "</p><table><tr><th></th><th>shown and right</th><th>shown and wrong</th><th>not shown</th>"
            f"<th>times it reported a fault</th></tr>{rows}</table>"
        )


def open_market(tape: str, venue: str, symbol: str, seed: int) -> tuple[MarketSource, str]:
    """A tape of `venue`, or without one a synthetic market in Binance's wire form; and its name.

    Raises ConfigError for a venue other than binance, binanceusdm and kraken, TapeError for a bad tape.
    """
    if not tape:
        market = SyntheticMarket(
            start_ns=_SYNTHETIC_START_NS,
            start_price=60_000.0,
            seed=seed,
            duration_s=_SYNTHETIC_S,
            venues=("alpha",),
            symbol=symbol,
        )
        return market, f"synthetic market (seed {seed}), Binance's wire form"
    if venue not in WIRES:
        raise ConfigError("venue", f"{venue!r} can't be compared here", f"Known: {', '.join(WIRES)}")
    return Tape(tape, find_instrument(TapeFile(tape), venue, symbol)), Path(tape).name


def compare(tape: str, venue: str, symbol: str, loss: float, seed: int) -> Comparison:
    """Lose a share `loss` of the book updates, rounded down and drawn by `seed`. All else arrives.

    The truth is the undamaged stream through our book. When ours asks for a new snapshot, and when ccxt.pro
    has reported an error and is asked again, a fake venue answers from the true book after `ANSWER_NS`.
    Raises as `open_market` does.
    """
    if not 0 <= loss < 1:
        raise ConfigError("loss", f"{loss!r} is no share of the frames", "Give 0 or more, less than 1")
    ladder.warm_up()
    market, origin = open_market(tape, venue, symbol, seed)
    updates = _updates(market)
    if not updates:
        raise TapeError(origin, 1, f"no book update of {symbol} follows a snapshot")
    lost = frozenset(random.Random(seed).sample(updates, int(loss * len(updates))))
    return _play(market, frozenset(updates), lost, origin, seed)


def _updates(market: MarketSource) -> list[int]:
    """Numbers of the frames that update the true book."""
    truth = Truth(market)
    return [number for number, frame in enumerate(market.frames()) if truth.updates(frame)]


def _play(
    market: MarketSource, updates: frozenset[int], lost: frozenset[int], origin: str, seed: int
) -> Comparison:
    truth = Truth(market)
    ours, theirs = Ours(market, truth), Theirs(market, truth)
    lost_ns: list[int] = []
    rows: list[tuple[int, Touch, Touch, Touch]] = []
    first_judged = -1 if lost else 0
    for number, frame in enumerate(market.frames()):
        ours.until(frame.recv_ns)
        theirs.until(frame.recv_ns)
        truth.frame(frame)
        if number in lost:
            lost_ns.append(frame.recv_ns)
            first_judged = len(rows) if first_judged < 0 else first_judged
            continue
        if not is_rest_snapshot(frame.raw):  # the fake venue sends them, to those who ask
            ours.frame(frame)
            theirs.frame(frame)
        if number in updates:
            rows.append((frame.recv_ns, truth.touch(), ours.touch(), theirs.touch()))
    recv_ns, true, shown, ccxt_shown = zip(*rows, strict=True) if rows else ((),) * 4
    return Comparison(
        origin=origin,
        symbol=truth.instrument.symbol,
        seed=seed,
        updates=len(updates),
        start_ns=market.start_ns,
        lost_ns=np.array(lost_ns, np.int64),
        first_judged=first_judged,
        recv_ns=np.array(recv_ns, np.int64),
        truth=np.array(true, float).reshape(-1, 2),
        ours=np.array(shown, float).reshape(-1, 2),
        theirs=np.array(ccxt_shown, float).reshape(-1, 2),
        their_errors=theirs.errors,
        our_gaps=ours.feed.counts["corrupt"],
        connects=ours.connects,
    )
