"""Exit plans at work: what `micro.position` decides, done.

One plan an entry. Its stops are orders of the entry's parent with ids from `FIRST_STOP_ID` on; its exits are
parents of their own, named `p1x1`, `p1x2`, … A plan lives until its position is closed: beyond its entry,
beyond a kill, and beyond the engine, since the stop stays at the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from citadel_kit.micro import position
from citadel_kit.micro.position import Cause, DeedKind, ExitConfig, PlanState
from citadel_kit.run.parent import ParentOrder
from citadel_kit.types import BookTop, Command, OrderReport, StopCommand


@dataclass(slots=True)
class Plan:
    entry: ParentOrder
    config: ExitConfig
    state: PlanState
    said: str = ""
    """`position.describe`, kept until something changes."""


StartExit = Callable[[ParentOrder, int, int, bool, int], bool]
"""Entry, number of the exit, quantity, urgent, now → False where the gate does not allow it now."""


class Plans:
    def __init__(
        self,
        start_exit: StartExit | None,
        cancel: Callable[[str, int], None],
        send_stop: Callable[[ParentOrder, Command | StopCommand, int], None],
        on_closing: Callable[[str, ExitConfig, int], None] = lambda parent_id, plan, cause: None,
    ) -> None:
        """`on_closing` hears of each new cause, before anything is done for it."""
        self._start_exit, self._cancel, self._send_stop = start_exit, cancel, send_stop
        self._on_closing = on_closing
        self._plans: dict[str, Plan] = {}
        self.open: dict[str, Plan] = {}
        """Those whose position is not closed, or may yet come to be, and is no dust: what every top costs."""

    def add(self, entry: ParentOrder, config: ExitConfig, state: PlanState, now_ns: int) -> None:
        plan = self._plans[entry.parent_id] = Plan(entry, config, state)
        self._follow(plan, position.on_timer(config, state, now_ns), now_ns)

    # --- inputs ---

    def on_top(self, venue: str, top: BookTop, now_ns: int) -> None:
        for plan in self._at(venue):
            self._follow(plan, position.on_top(plan.config, plan.state, now_ns, top.bid, top.ask), now_ns)

    def on_no_book(self, venue: str, now_ns: int) -> None:
        for plan in self._at(venue):
            self._tell(plan, position.on_no_book, now_ns)

    def on_timer(self, now_ns: int) -> None:
        for plan in self._open():
            self._tell(plan, position.on_timer, now_ns)

    def on_signal(self, side: int, now_ns: int) -> None:
        """A new signal's side; 0: flat."""
        for plan in self._open():
            self._follow(plan, position.on_signal(plan.config, plan.state, now_ns, side), now_ns)

    def on_guard(self, step: int, now_ns: int) -> None:
        for plan in self._open():
            self._follow(plan, position.on_guard(plan.config, plan.state, now_ns, step), now_ns)

    def close(self, parent_id: str, now_ns: int) -> None:
        """By hand: close what this entry has opened. Nothing happens where it has no plan."""
        if plan := self._plans.get(parent_id):
            self._tell(plan, position.close, now_ns)

    def on_stop_report(self, parent_id: str, report: OrderReport, now_ns: int) -> None:
        if plan := self._plans.get(parent_id):
            self._follow(plan, position.on_report(plan.config, plan.state, report), now_ns)

    def on_parent(self, order: ParentOrder, now_ns: int) -> None:
        """An entry or an exit is another than before."""
        if plan := self._plans.get(order.parent_id):
            done = order.finished_ns > 0
            # By fills: a total that comes ahead of them does not say what the venue keeps of it.
            held = sum(fill.qty for fill in order.fills) - order.base_fee
            self._follow(plan, position.on_entry(plan.config, plan.state, held, done), now_ns)
        elif order.group in self._plans:
            plan = self._plans[order.group]
            number = int(order.parent_id.rpartition("x")[2])
            done = order.finished_ns > 0
            filled = order.state.filled
            self._follow(plan, position.on_exit(plan.config, plan.state, number, filled, done), now_ns)

    def on_outside(self, venue: str, side: int, qty: int, now_ns: int) -> None:
        """An order that is of no plan closed so much on this venue: the oldest plans it can be of have it,
        those that left dust after the others."""
        there = [plan for plan in self._plans.values() if plan.entry.instrument.venue == venue]
        for plan in sorted(there, key=lambda plan: plan.entry.parent_id not in self.open):
            part = min(qty, max(position.position(plan.state), 0)) if plan.config.side == -side else 0
            if part:
                self._follow(plan, position.on_outside(plan.config, plan.state, part), now_ns)
                qty -= part

    # --- facts ---

    def of(self, parent_id: str) -> Plan | None:
        return self._plans.get(parent_id)

    def closing(self, parent_id: str) -> str:
        """The cause for which an entry's position is being, or was, closed; empty: none."""
        plan = self._plans.get(parent_id)
        return Cause(plan.state.cause).name if plan and plan.state.cause != Cause.NONE else ""

    def says(self, parent_id: str) -> str:
        """One line; empty where nothing is open."""
        plan = self._plans.get(parent_id)
        if plan is None or position.position(plan.state) <= 0:
            return ""
        if not plan.said:
            plan.said = position.describe(plan.entry.instrument, plan.config, plan.state)
        return plan.said

    def reducing(self, venue: str) -> int:
        """What resting stops may still close."""
        return sum(plan.state.stop.qty - plan.state.stop.filled for plan in self._at(venue) if _rests(plan))

    def resting_stops(self) -> Iterator[tuple[ParentOrder, int]]:
        """Entries, and the order id of each one's stop that is or may be at the venue."""
        return ((plan.entry, plan.state.stop.order_id) for plan in self.open.values() if _rests(plan))

    # --- inside ---

    def _open(self) -> list[Plan]:
        return list(self.open.values())

    def _at(self, venue: str) -> list[Plan]:
        return [plan for plan in self._open() if plan.entry.instrument.venue == venue]

    def _tell(self, plan: Plan, what: Callable[[ExitConfig, PlanState, int], Any], now_ns: int) -> None:
        self._follow(plan, what(plan.config, plan.state, now_ns), now_ns)

    def _follow(self, plan: Plan, step: position.Step, now_ns: int) -> None:
        """Do what is decided until nothing more is. A deed may come back here: the state is kept before."""
        while True:
            if step.state.cause != plan.state.cause:
                self._on_closing(plan.entry.parent_id, plan.config, step.state.cause)
            plan.state, plan.said, plan.entry.shown = step.state, "", None
            if step.deed.kind == DeedKind.NONE:
                break
            self._do(plan, step.deed, now_ns)
            step = position.proceed(plan.config, plan.state)
        if position.is_closed(plan.state) or position.is_dust(plan.config, plan.state):
            self.open.pop(plan.entry.parent_id, None)
        else:  # again, where a fill came late
            self.open[plan.entry.parent_id] = plan

    def _do(self, plan: Plan, deed: position.Deed, now_ns: int) -> None:
        entry = plan.entry
        if (command := position.command(plan.config, deed)) is not None:
            self._send_stop(entry, command, now_ns)
        elif deed.kind == DeedKind.CANCEL_ENTRY:
            self._cancel(entry.parent_id, now_ns)
        elif deed.kind == DeedKind.CANCEL_EXIT:
            self._cancel(exit_id(entry, deed.order_id), now_ns)
        elif not (
            self._start_exit and self._start_exit(entry, deed.order_id, deed.qty, deed.urgent == 1, now_ns)
        ):
            self._follow(plan, position.on_exit(plan.config, plan.state, deed.order_id, 0, True), now_ns)


def exit_id(entry: ParentOrder, number: int) -> str:
    return f"{entry.parent_id}x{number}"


def _rests(plan: Plan) -> bool:
    return plan.state.stop.phase != position.StopPhase.NONE
