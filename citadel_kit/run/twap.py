"""TWAP: one order as slices over time, each a chase of its own.

`micro.routing` says when and how much; each slice asks the gate and the limits as any order does, and has its
own exit plan. A slice that is refused, or not filled in its time, is made up for by the next.

What closes one slice ends the whole: once the exit plan of any is closing, and on a signal against it, no
further slice comes, and those at work are cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any, Final

from citadel_kit.clock import SECOND
from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.micro import routing
from citadel_kit.micro.routing import Slices
from citadel_kit.run.parent import ParentOrder, view
from citadel_kit.types import Instrument, OrderIntent, OrderView, Purpose

OPTIONS: Final = ("twap_s", "twap_slices", "twap_jitter", "twap_draws")
_CATCH_UP: Final = 1.0
"""A slice makes up for no more than its own size of what earlier ones left."""
DEFAULT_SLICES: Final = 10
_SHARE: Final = 0.9
"""Of a slice's time that its chase has: the venue's word on its end comes before the next."""

_MOST: Final = 10_000
"""Slices of one order."""

SubmitSlice = Callable[[OrderIntent, Mapping[str, Any], str, str], ParentOrder]
"""Intent, options, group, parent id. Raises GateRefused, ConfigError."""


@dataclass(slots=True, kw_only=True)
class Twap:
    name: str
    intent: OrderIntent
    instrument: Instrument
    options: Mapping[str, Any]
    slices: Slices
    smallest: int
    submitted_ns: int
    until_ns: int
    asked: int
    """Slices: there are fewer where one would be below the venue's smallest order."""
    children: list[ParentOrder] = field(default_factory=list)
    number: int = -1
    """Of the last slice whose time came."""
    cancelled: bool = False
    finished_ns: int = 0
    note: str = ""

    @property
    def taken(self) -> int:
        """Filled, or at work."""
        return sum(c.config.qty if c.finished_ns == 0 else c.state.filled for c in self.children)


def check(options: Mapping[str, Any]) -> None:
    """Raises ConfigError for an option of a TWAP that can't be."""
    seconds, count = options["twap_s"], options.get("twap_slices", DEFAULT_SLICES)
    if not (isinstance(seconds, int | float) and 0 < seconds < 1e9):
        raise ConfigError("twap_s", f"{seconds!r} is not a positive number of seconds")
    if not (type(count) is int and 0 < count <= _MOST):
        raise ConfigError("twap_slices", f"{count!r} is not a number from 1 to {_MOST:,}")
    jitter = options.get("twap_jitter", 0.0)
    if not (isinstance(jitter, int | float) and 0 <= jitter < 1):
        raise ConfigError("twap_jitter", f"{jitter!r} is no share from 0 to below 1")


class Twaps:
    def __init__(
        self,
        twaps: dict[str, Twap],
        submit: SubmitSlice | None,
        cancel: Callable[[str, int], None],
        closing: Callable[[str], str],
    ) -> None:
        """`twaps`: where they are kept. `closing`: why an entry's exit plan closes; empty: it doesn't."""
        self._twaps, self._submit, self._cancel, self._closing = twaps, submit, cancel, closing

    def start(
        self, intent: OrderIntent, instrument: Instrument, options: Mapping[str, Any], price: int, now_ns: int
    ) -> str:
        """`price`: about what it trades at, in price units. Raises ConfigError; GateRefused of the first
        slice, and then there is no order."""
        rest = {name: value for name, value in options.items() if name not in OPTIONS}
        check(options)
        duration_ns, count = int(options["twap_s"] * SECOND), options.get("twap_slices", DEFAULT_SLICES)
        slices = routing.slices(
            instrument,
            qty=intent.qty,
            price=price,
            start_ns=now_ns,
            duration_ns=duration_ns,
            count=count,
            draws=options.get("twap_draws", ()),
            jitter=options.get("twap_jitter", 0.0),
        )
        rest.setdefault("deadline_s", _SHARE * duration_ns / len(slices.qtys) / SECOND)
        twap = Twap(
            name=f"t{len(self._twaps) + 1}",
            intent=intent,
            instrument=instrument,
            options=rest,
            slices=slices,
            smallest=routing.smallest_order(instrument, price),
            submitted_ns=now_ns,
            until_ns=now_ns + duration_ns,
            asked=count,
        )
        self._twaps[twap.name] = twap
        try:
            self._slice(twap, now_ns)
        except (GateRefused, ConfigError):
            del self._twaps[twap.name]
            raise
        return twap.name

    def on_timer(self, now_ns: int) -> None:
        for twap in [twap for twap in self._twaps.values() if twap.finished_ns == 0]:
            if not twap.cancelled:
                self._end_if_closing(twap, now_ns)
            if not twap.cancelled:
                try:
                    self._slice(twap, now_ns)
                except (GateRefused, ConfigError) as refusal:
                    twap.note = str(refusal)
            over = twap.cancelled or now_ns >= twap.until_ns or twap.taken >= twap.intent.qty
            if over and all(child.finished_ns for child in twap.children):
                twap.finished_ns = now_ns

    def cancel(self, name: str, now_ns: int) -> bool:
        """False where there is none of this name."""
        twap = self._twaps.get(name)
        if twap is None:
            return False
        self._end(twap, now_ns)
        return True

    def stop(self, *, entries_only: bool) -> None:
        """No further slices: what works is for others to cancel."""
        for twap in self._twaps.values():
            if not entries_only or twap.intent.purpose == Purpose.ENTRY:
                twap.cancelled = True

    def on_signal(self, side: int, now_ns: int) -> None:
        """An entry against the new signal ends, whatever its slices' plans make of what is open."""
        for twap in self._twaps.values():
            against = twap.intent.purpose == Purpose.ENTRY and side == -twap.intent.side
            if against and twap.finished_ns == 0 and not twap.cancelled:
                self._end(twap, now_ns, "ended: the signal has turned")

    def _end_if_closing(self, twap: Twap, now_ns: int) -> None:
        for child in twap.children:
            if cause := self._closing(child.parent_id):
                self._end(twap, now_ns, f"ended: {child.parent_id} is closing ({cause})")
                return

    def _end(self, twap: Twap, now_ns: int, why: str = "") -> None:
        twap.cancelled, twap.note = True, why
        for child in twap.children:
            if child.finished_ns == 0:
                self._cancel(child.parent_id, now_ns)

    def _slice(self, twap: Twap, now_ns: int) -> None:
        number = routing.slice_at(twap.slices.times_ns, now_ns)
        if number <= twap.number:
            return
        twap.number = number
        lot, qtys = twap.instrument.lot, twap.slices.qtys
        qty = routing.due(qtys, number, twap.taken, lot, twap.smallest, _CATCH_UP)
        if qty and self._submit:
            name = f"{twap.name}s{len(twap.children) + 1}"
            child = self._submit(replace(twap.intent, qty=qty), twap.options, twap.name, name)
            twap.children.append(child)
            twap.note = ""


def as_view(twap: Twap) -> OrderView:
    """All slices as one order: its arrival is the first's."""
    rows: Sequence[OrderView] = [view(child) for child in twap.children]
    units = sum(child.state.filled for child in twap.children)
    filled = twap.instrument.qty(units)
    paid = sum(row.average_price * row.filled for row in rows if row.filled)
    average = paid / filled if filled else nan
    arrival = rows[0].arrival_mid if rows else nan
    qty = twap.instrument.qty(twap.intent.qty)
    status = "working"
    if twap.finished_ns:
        status = "cancelled" if twap.cancelled else "expired"
        status = "filled" if units >= twap.intent.qty else status
    count = len(twap.slices.qtys)
    done = f"slice {twap.number + 1} of {count}"
    if count < twap.asked:
        done += f" (of {twap.asked} each would be below the venue's smallest order)"
    return OrderView(
        parent_id=twap.name,
        venue=twap.intent.venue,
        symbol=twap.intent.symbol,
        side=twap.intent.side,
        purpose=twap.intent.purpose,
        forced=twap.intent.forced,
        status=status,
        note=f"{done}: {twap.note}" if twap.note else done,
        qty=qty,
        filled=filled,
        remaining=twap.instrument.qty(twap.intent.qty - units),
        working_price=next((row.working_price for row in reversed(rows) if not row.finished_ns), nan),
        arrival_mid=arrival,
        average_price=average,
        slippage_bps=int(twap.intent.side) * (average / arrival - 1) * 1e4 if filled else nan,
        fees=sum(row.fees for row in rows),
        reprices=sum(row.reprices for row in rows),
        submitted_ns=twap.submitted_ns,
        finished_ns=twap.finished_ns,
    )
