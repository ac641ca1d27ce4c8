"""Executions out of an order journal: of a live engine's, from any other process, while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.io.journal import JournalReader
from citadel_kit.run.shortfall import Executed, Execution
from citadel_kit.run.trace import NO_MARK, PATH, Mark, Trace
from citadel_kit.types import (
    FIRST_STOP_ID,
    CommandKind,
    Instrument,
    Purpose,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
)

if TYPE_CHECKING:
    import pandas as pd

_DONE: Final = ("filled", "cancelled", "rejected")


@dataclass(frozen=True, slots=True)
class Tops:
    """Best bids and asks of one venue, in order of time: what a journal does not hold."""

    times: Any
    bids: Any
    asks: Any

    def at(self, ns: int) -> Mark:
        """As of then; none before the first."""
        i = int(np.searchsorted(self.times, ns, side="right")) - 1
        return Mark(int(self.times[i]), float(self.bids[i]), float(self.asks[i])) if i >= 0 else NO_MARK

    def between(self, from_ns: int, until_ns: int) -> tuple[Mark, ...]:
        """At most about `PATH` of them."""
        i, j = np.searchsorted(self.times, (from_ns, until_ns), side="right")
        rows = range(max(int(i) - 1, 0), int(j), max(1, int(j - i) // PATH))
        return tuple(Mark(int(self.times[k]), float(self.bids[k]), float(self.asks[k])) for k in rows)


NO_TOPS: Final = Tops(np.empty(0, np.int64), np.empty(0), np.empty(0))


def from_journal(
    reader: JournalReader,
    *,
    run: str = "",
    tops: Mapping[str, pd.DataFrame] | None = None,
    instruments: Iterable[Instrument] = (),
) -> list[Execution]:
    """All parent orders of the journal, or those of one run (its prefix), oldest first.

    The arrival is what the engine wrote into the intent, and the market at a fill what it wrote beside that.
    `tops`: by venue, frames with `recv_ns`, `bid` and `ask` (as `io.tops` writes them), for what the journal
    does not hold: the market at the end, between, and at fills that reconciliation found. Without them the
    opportunity, or of such fills the split, is NaN; the shortfall is known all the same.
    Status is `filled`, `working` while an order may live, and else `ended`. `instruments`: of contracts that
    the kit does not know, for their size; raises ConfigError for one that it needs.
    """
    known = {(i.venue, i.symbol): i.contract_size for i in instruments}
    books = {venue: _tops(frame) for venue, frame in (tops or {}).items()}
    tables = {
        "commands": reader.commands(),
        "reports": reader.reports(),
        "fills": reader.fills(),
        "orders": reader.orders(),
    }
    groups = {
        name: dict(list(frame[frame["order_id"] < FIRST_STOP_ID].groupby(["prefix", "parent_id"])))
        for name, frame in tables.items()
    }
    found = []
    for intent in reader.intents().to_dict("records"):
        if not run or intent["prefix"] == run:
            key = intent["prefix"], intent["parent_id"]
            own = {name: groups[name].get(key, tables[name].iloc[:0]) for name in tables}
            size = _contract_size(intent["venue"], intent["symbol"], known)
            found.append(_execution(intent, own, books.get(intent["venue"], NO_TOPS), size))
    return found


def _execution(
    intent: Mapping[Any, Any], own: Mapping[str, pd.DataFrame], tops: Tops, contract_size: float
) -> Execution:
    trace = _traced(own["commands"], own["reports"])
    submitted_ns = min(_ns(intent["at"]), trace.placed_ns or _ns(intent["at"]))
    fills = tuple(_executed(row, tops) for row in own["fills"].to_dict("records"))
    heard = [*map(_ns, own["reports"]["at"]), *(fill.at_ns for fill in fills)]
    last_ns = max(heard, default=submitted_ns)
    filled = sum(fill.qty for fill in fills) > intent["qty"] * (1 - 1e-9)
    works = not own["orders"]["status"].isin(_DONE).all()
    return Execution(
        run=intent["prefix"],
        parent_id=intent["parent_id"],
        venue=intent["venue"],
        symbol=intent["symbol"],
        side=Side[intent["side"]],
        purpose=Purpose[intent["purpose"]],
        status="filled" if filled else "working" if works else "ended",
        qty=intent["qty"],
        contract_size=contract_size,
        submitted_ns=submitted_ns,
        finished_ns=0 if works else last_ns,
        arrival=_arrival(intent["options"], submitted_ns, tops),
        end=tops.at(last_ns),
        fills=fills,
        placed_ns=trace.placed_ns,
        reprices=trace.reprices,
        queue_ns=trace.rested_ns(last_ns),
        rests=tuple(trace.rests),
        path=tops.between(submitted_ns, last_ns),
    )


def _traced(commands: pd.DataFrame, reports: pd.DataFrame) -> Trace:
    """At one moment an order's command comes before its reports, and the end of one before the next."""
    trace = Trace()
    said = [(_ns(row["at"]), row["order_id"], 0, row) for row in commands.to_dict("records")]
    said += [(_ns(row["at"]), row["order_id"], 1, row) for row in reports.to_dict("records")]
    for at_ns, order_id, is_report, row in sorted(said, key=lambda item: item[:3]):
        if not is_report:
            takes = row["tif"] == TimeInForce.IOC.name
            trace.sent(at_ns, CommandKind[row["command"]], order_id, row["price"], row["qty"], takes=takes)
        elif row["reason"] != RejectReason.DUPLICATE.name:
            kind = ReportKind[row["report"]]
            trace.heard(at_ns, kind, order_id, row["price"], row["qty"], row["filled"])
    return trace


def _executed(row: Mapping[Any, Any], tops: Tops) -> Executed:
    at_ns = _ns(row["at"])
    mark = tops.at(at_ns)
    bid, ask = row.get("bid", nan), row.get("ask", nan)
    bid, ask = (bid, ask) if bid > 0 and ask > 0 else (mark.bid, mark.ask)
    fee = nan if row["fee"] is None else float(row["fee"])
    return Executed(at_ns, row["price"], row["qty"], bool(row["maker"]), fee, bid, ask)


def _arrival(options: str, submitted_ns: int, tops: Tops) -> Mark:
    known = json.loads(options)
    if "arrival_bid" in known and "arrival_ask" in known:
        return Mark(submitted_ns, float(known["arrival_bid"]), float(known["arrival_ask"]))
    return tops.at(submitted_ns)


def _tops(frame: pd.DataFrame) -> Tops:
    two_sided = frame[(frame["bid"] > 0) & (frame["ask"] > frame["bid"])]
    return Tops(*(two_sided[name].to_numpy() for name in ("recv_ns", "bid", "ask")))


def _contract_size(venue: str, symbol: str, known: Mapping[tuple[str, str], float]) -> float:
    if (venue, symbol) in known:
        return known[venue, symbol]
    if settings.is_known(venue, symbol):
        return settings.instrument(venue, symbol).contract_size
    if ":" in symbol:
        raise ConfigError("instruments", f"nobody knows the contract size of {symbol} on {venue}", "Add it")
    return 1.0


def _ns(stamp: Any) -> int:
    return int(stamp.value)
