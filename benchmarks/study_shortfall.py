"""What chasing costs on two recorded markets, beside a market order and a static limit.

`make shortfall` runs it and writes docs/shortfall.md and docs/shortfall.png; some minutes. The tapes are not
part of the clone: where ../shared/tapes is missing it says so and ends.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from math import nan
from pathlib import Path
from statistics import mean
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from citadel_kit import settings
from citadel_kit.clock import SECOND
from citadel_kit.io.tape import Tape, TapeFile
from citadel_kit.run.shortfall import WHOLE
from citadel_kit.run.shortfall_study import (
    MODELS,
    Interval,
    StudyConfig,
    Trial,
    Way,
    block_bootstrap,
    study,
    ways,
)
from citadel_kit.run.verify import replay
from citadel_kit.types import BookTop, Instrument, Side

ROOT: Final = Path(__file__).parents[1]
TAPES: Final = ROOT.parent / "shared" / "tapes"
MARKETS: Final = {
    "Binance spot": ("binance_spot_btcusdt", "binance"),
    "Binance USD-M": ("binance_usdm_btcusdt", "binanceusdm"),
}
DEADLINES_S: Final = (5, 15, 60)
OFFSETS: Final = (1, 0, -1)
SIZES: Final = {0.01: OFFSETS, 1.0: (0,)}
"""In BTC, and the join offsets that are tried with it."""
BLOCK_S: Final = 20
MARKET: Final = Way("market", 0.0)
WORDS: Final = {1: "improve by 1 tick", 0: "join", -1: "1 tick behind"}


class Cell(NamedTuple):
    """One way under one fill model, over all starts and both sides."""

    n: int
    price: Interval
    """Spread and drift, in bps: the shortfall without fees."""
    total: Interval
    over_price: Interval
    """Less the market order's from the same start, without fees."""
    over_total: Interval
    spread: float
    drift: float
    later: float
    rested: float
    seconds: float
    reprices: float
    unfilled: int


class Weather(NamedTuple):
    """Of one tape."""

    seconds: float
    spread_bps: float
    """Median over its books."""
    one_tick: float
    """Share of its books."""
    volatility_bps: float
    """Of the mid, per square root of a second, from steps of a second."""


class Market(NamedTuple):
    name: str
    size: float
    trials: list[Trial]
    cells: dict[tuple[str, Way], Cell]
    fees: settings.Fees
    weather: Weather


class Mids(NamedTuple):
    """Of the venue's book."""

    times: np.ndarray[Any, Any]
    prices: np.ndarray[Any, Any]

    def at(self, ns: Any) -> Any:
        return self.prices[np.searchsorted(self.times, ns, side="right") - 1]


def look_at(path: Path, instrument: Instrument) -> tuple[Mids, Weather]:
    tops: list[BookTop] = []
    replay(TapeFile(path), instrument, tops.append)
    times, bids, asks = (np.array([getattr(t, name) for t in tops]) for name in ("recv_ns", "bid", "ask"))
    mids = Mids(times, (bids + asks) / 2 / 10**instrument.price_decimals)
    steps = np.diff(np.log(mids.at(np.arange(times[0], times[-1], SECOND))))
    return mids, Weather(
        float(times[-1] - times[0]) / SECOND, float(np.median((asks - bids) / (asks + bids) * 2)) * 1e4,
        float(np.mean(asks - bids == instrument.tick)), float(np.std(steps)) * 1e4,
    )  # fmt: skip


def later(trial: Trial, mids: Mids) -> float:
    """Paid beyond the mid one second after the last fill, in bps; NaN where it did not fill whole."""
    row = trial.row
    if np.isnan(row.time_to_fill_s):
        return nan
    mid = mids.at(trial.start_ns + round((row.time_to_fill_s + 1) * SECOND))
    return float(trial.side * (row.average_price - mid) / row.arrival_price * 1e4)


def without_fees(trial: Trial) -> float:
    return trial.row.spread_bps + trial.row.drift_bps


def with_fees(trial: Trial) -> float:
    return trial.row.shortfall_bps


def by_start(trials: list[Trial], value: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Start times, and the mean over the two sides of each."""
    groups = defaultdict(list)
    for trial in trials:
        groups[trial.start_ns].append(value(trial))
    times = sorted(groups)
    return np.array(times, np.int64), np.array([mean(groups[t]) for t in times])


def cell(trials: list[Trial], market: list[Trial], block_s: float, mids: Mids) -> Cell:
    block_ns, found = round(block_s * SECOND), []
    for value in (without_fees, with_fees):
        times, own = by_start(trials, value)
        _, other = by_start(market, value)
        found += [block_bootstrap(times, own, block_ns), block_bootstrap(times, own - other, block_ns)]
    rows = [trial.row for trial in trials]
    return Cell(
        len(trials), found[0], found[2], found[1], found[3], mean(r.spread_bps for r in rows),
        mean(r.drift_bps for r in rows),
        float(np.nanmean([later(trial, mids) for trial in trials])), mean(r.maker_rate for r in rows),
        float(np.nanmean([r.time_to_fill_s for r in rows])), mean(r.reprices for r in rows),
        sum(r.fill_rate < 1 - WHOLE for r in rows),
    )  # fmt: skip


def measured(name: str, size: float, starts: int) -> Market:
    file, venue = MARKETS[name]
    instrument, fees = settings.instrument(venue, "BTC/USDT"), settings.fees(venue)
    tape = Tape(TAPES / f"{file}.tape.gz", instrument)
    last_ns = max(frame.recv_ns for frame in tape.frames()) - (max(DEADLINES_S) + 5) * SECOND
    rng = random.Random(1)
    moments = [rng.randint(tape.start_ns + 5 * SECOND, last_ns) for _ in range(starts)]
    tried = ways(DEADLINES_S, SIZES[size])
    qty = round(size * 10**instrument.qty_decimals)
    groups = defaultdict(list)
    trials = study(tape, moments, tried, fees, StudyConfig(qty))
    for trial in trials:
        groups[trial.model, trial.way].append(trial)
    mids, seen = look_at(tape.path, instrument)
    cells = {
        (model, way): cell(groups[model, way], groups[model, MARKET], max(BLOCK_S, way.deadline_s), mids)
        for model in MODELS
        for way in tried
    }
    return Market(name, size, trials, cells, fees, seen)


# --- what is written ----------------------------------------------------------------------------------


def said(interval: Interval) -> str:
    return f"{interval.mean:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def spelled(way: Way) -> str:
    return "market order" if way == MARKET else f"{way.kind}, {way.deadline_s:g} s, {WORDS[way.offset]}"


def gap(c: Cell) -> str:
    """By how much taking must be dearer in fees than resting for the two to cost the same."""
    return f"{c.over_price.mean / c.rested:.1f}" if c.rested else ""


def table(market: Market, model: str) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    for (of_model, way), c in market.cells.items():
        if of_model == model:
            own = way == MARKET
            cells = (
                spelled(way), said(c.price), said(c.total), "" if own else said(c.over_price),
                "" if own else said(c.over_total), f"{c.spread:+.3f}", f"{c.drift:+.3f}", f"{c.later:+.3f}",
                f"{c.rested:.0%}", f"{c.seconds:.1f}", f"{c.reprices:.1f}", gap(c),
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


COLUMNS: Final = (
    "way", "shortfall, no fees", "with fees", "over the market order, no fees", "with fees", "spread",
    "drift", "1 s later", "rested", "seconds", "reprices", "fee gap",
)  # fmt: skip


def short(markets: list[Market]) -> str:
    """The smallest size, joining, 15 s."""
    rows = ["| market, fill model | way | no fees | with fees | 1 s later | rested | fee gap |"]
    rows.append("| --- | --- |" + " ---: |" * 5)
    for market in markets:
        for model in MODELS:
            for way in (MARKET, Way("chase", 15, 0), Way("static", 15, 0)):
                c = market.cells[model, way]
                cells = (
                    f"{market.name}, {model}", way.kind, said(c.price), said(c.total), f"{c.later:+.2f}",
                    f"{c.rested:.0%}", gap(c),
                )  # fmt: skip
                rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def sides(market: Market) -> str:
    """Drift has a sign: by side it shows which way the market went."""
    rows = ["| way | buys, no fees | sells, no fees |", "| --- | ---: | ---: |"]
    for way in (MARKET, Way("chase", 15, 0), Way("static", 15, 0)):
        found = []
        for side in (Side.BUY, Side.SELL):
            own = [t for t in market.trials if (t.model, t.way, t.side) == ("queue", way, side)]
            found.append(said(block_bootstrap(*by_start(own, without_fees), BLOCK_S * SECOND)))
        rows.append(f"| {spelled(way)} | {found[0]} | {found[1]} |")
    return "\n".join(rows)


def verdicts(markets: list[Market]) -> str:
    lines = []
    for market in markets:
        chases = [c for (_, way), c in market.cells.items() if way.kind == "chase"]
        for what, values in (
            ("without fees", [c.over_price for c in chases]),
            ("with fees", [c.over_total for c in chases]),
        ):
            dearer, cheaper = sum(v.low > 0 for v in values), sum(v.high < 0 for v in values)
            lines.append(
                f"- {market.name}, {market.size:g} BTC, {what}: of {len(values)} chases (deadline, offset, "
                f"fill model) {dearer} cost more than the market order, {cheaper} less, and "
                f"{len(values) - dearer - cheaper} can't be told from it."
            )
    return "\n".join(lines)


def text(markets: list[Market], starts: int) -> str:
    parts = []
    for market in markets:
        fees = f"maker {market.fees.maker_bps:g}, taker {market.fees.taker_bps:g} bps"
        lacking = sum(c.unfilled for c in market.cells.values())
        w = market.weather
        parts.append(
            f"## {market.name}, {market.size:g} BTC ({fees})\n\n{w.seconds:.0f} s. Spread {w.spread_bps:.4f} "
            f"bps (median), one tick in {w.one_tick:.1%} of books; the mid moves {w.volatility_bps:.2f} bps "
            "per square root of a second.\n"
        )
        for model in MODELS:
            parts.append(f"Fill model: {model}.\n\n{table(market, model)}\n")
        parts.append(f"{lacking} of {len(market.trials):,} trials left a rest below the minimum notional.\n")
        if market.size == min(SIZES):
            parts.append(f"By side, queue model:\n\n{sides(market)}\n")
    small = short([market for market in markets if market.size == min(SIZES)])
    return TEMPLATE.format(
        starts=starts, verdicts=verdicts(markets), parts="\n".join(parts), block=BLOCK_S, short=small
    )


TEMPLATE: Final = """# What chasing costs on two recorded markets

Made by `make shortfall` (`benchmarks/study_shortfall.py`); nothing here is edited by hand. What follows
from it is in [execution.md](execution.md).

Two tapes of BTC/USDT of 2024-08-08, of the same six minutes or so each. {starts} seeded starts on each;
from every start each way buys, and each way sells, alone in the market. All ways end the same: what is not
filled at the deadline is cancelled and, once that is confirmed, taken. *chase*: follows the touch at once
(`min_move` 1). *static*: rests where it was placed. *market order*: takes at once, as an IOC far above
(below) the touch. All are one state machine with other settings, and meet the venue 20 to 30 ms late, each
way.

In basis points, positive is a cost; 95 % intervals in brackets. *spread* and *drift*: the two parts of the
shortfall without fees, by the mid of our book when the report of the fill came. *1 s later*: what was paid
beyond the mid one second after the last fill. *rested*: share that was filled resting. *seconds*: to the
last fill of those filled whole. *fee gap*: by how many basis points the taker's fee must be above the
maker's for the way to cost what the market order costs.

![Shortfall of each way](shortfall.png)

{verdicts}

Joining the touch, 15 s, 0.01 BTC:

{short}

**How far to believe it.** Starts overlap, so intervals are from a block bootstrap over the time of the
start (circular, blocks of {block} s, or of the deadline where that is longer; the two sides of one start
are one value). At a deadline of 60 s that is fewer than six blocks: such an interval says little. No
interval says anything about another hour of another day: six minutes are one weather. The market does not
react to us. Spot's book comes every 100 ms: an order can't follow sooner, and its mid at a fill is up to
that old. Where the spread is one tick, improving is joining.

{parts}"""


def picture(markets: list[Market]) -> Figure:
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, len(markets), sharey="row", squeeze=False)
    tried = [way for (model, way) in markets[0].cells if model == "queue" and way != MARKET]
    tried.sort(key=lambda way: (way.kind, way.deadline_s, -way.offset))
    for column, market in enumerate(markets):
        for row, (title, of) in enumerate((("without fees", "over_price"), ("with fees", "over_total"))):
            ax = axes[row][column]
            ax.axhline(0, color="#d1495b", linewidth=1)
            for model, colour, shift in (("queue", "#1d3557", -0.15), ("pessimistic", "#2a9d8f", 0.15)):
                found = [getattr(market.cells[model, way], of) for way in tried]
                means = np.array([v.mean for v in found])
                spread = np.abs([[v.low for v in found], [v.high for v in found]] - means)
                at = np.arange(len(tried)) + shift
                ax.errorbar(at, means, spread, fmt="o", color=colour, capsize=2, label=f"{model} model")
            ax.set_title(f"{market.name}, {title}", fontsize=10)
            names = [f"{w.kind} {w.deadline_s:g} s {w.offset:+d}" for w in tried]
            ax.set_xticks(range(len(tried)), names, rotation=60, ha="right", fontsize=7)
    axes[0][0].set_ylabel("bps over the market order")
    axes[1][0].set_ylabel("bps over the market order")
    axes[0][0].legend(fontsize=8)
    return figure


def main() -> None:
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    missing = [file for file, _ in MARKETS.values() if not (TAPES / f"{file}.tape.gz").is_file()]
    if missing:
        print(f"skipped: {', '.join(missing)} not in ../shared/tapes")
        return
    markets = []
    for size in SIZES:
        for name in MARKETS:
            markets.append(measured(name, size, starts))
            print(verdicts(markets[-1:]), flush=True)
    (ROOT / "docs" / "shortfall.md").write_text(text(markets, starts), "utf-8")
    picture([m for m in markets if m.size == min(SIZES)]).savefig(ROOT / "docs" / "shortfall.png", dpi=80)


if __name__ == "__main__":
    main()
