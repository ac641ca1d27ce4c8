"""What an earlier run left open, as this engine takes it up: not the chase, but the position and its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from citadel_kit.clock import SECOND
from citadel_kit.io.journal import Journal, OpenFamily
from citadel_kit.micro import chase, position
from citadel_kit.micro.chase.records import NO_ORDER
from citadel_kit.micro.position import ExitConfig, PlanState, Stop, StopPhase
from citadel_kit.micro.position.records import NO_STOP
from citadel_kit.run.parent import ParentOrder
from citadel_kit.run.reconcile import Found
from citadel_kit.types import FIRST_STOP_ID, Instrument, OrderIntent, Side

_FALLBACK_S: Final = 60
"""An open position without a plan is closed after so long: somebody may be faster."""


class OpenPlan(NamedTuple):
    order: ParentOrder
    config: ExitConfig
    cause: int
    """For which it was closing; 0: it was not."""
    family: str
    now_ns: int

    def state(self, found: Found | None) -> PlanState:
        """`found`: the stop that rests. It is asked for first, whatever was last heard of it."""
        held, stop = self.order.config.qty, NO_STOP
        if found is not None:
            o, now = found.order, self.now_ns
            stop = Stop(StopPhase.RESTING.value, FIRST_STOP_ID, o.qty, o.filled, 1, 0, 0, now, now, 0)
        return position.resume(self.config, self.now_ns, held + stop.filled, 0, 0, 0, self.cause, stop)


class Left(NamedTuple):
    """What no order can close: the rests that fees leave, an entry each."""

    qty: int
    price: int


def open_plans(
    journal: Journal, instrument: Instrument, names: Iterator[str], now_ns: int
) -> tuple[list[OpenPlan], list[Left]]:
    """Every entry of ours at the instrument's venue whose position is not closed, each under a new name; and
    what is left of others."""
    ours = [f for f in journal.open_families(instrument.venue) if f.symbol == instrument.symbol]
    families = _less(ours, journal.closed_by_hand(instrument.venue, instrument.symbol))
    opened = [f for f in families if f.net * f.side >= instrument.lot]
    left = [Left(f.net, f.price) for f in families if f not in opened]
    return [_open_plan(family, instrument, next(names), now_ns) for family in opened], left


def _less(families: list[OpenFamily], by_hand: int) -> list[OpenFamily]:
    """What orders of no plan have closed is taken off the oldest that it can be of, as `Plans.on_outside`
    does while an engine runs."""
    rest, open_still = by_hand, []
    for family in families:
        part = min(abs(rest), abs(family.net)) if family.net * rest < 0 else 0
        sign = 1 if family.net > 0 else -1
        rest += sign * part
        if abs(family.net) > part:
            open_still.append(family._replace(net=family.net - sign * part))
    return open_still


def _open_plan(family: OpenFamily, instrument: Instrument, parent_id: str, now_ns: int) -> OpenPlan:
    side, qty = Side(family.side), abs(family.net)
    intent = OrderIntent(venue=instrument.venue, symbol=instrument.symbol, side=side, qty=qty, forced=True)
    config = chase.configure(instrument, side=side, qty=qty)
    facts = chase.Facts(now_ns, 2 * family.price, qty, 0, 0, 0, 0, 0, 0, 1, NO_ORDER)
    state = chase.on_timer(config, chase.resume(config, facts), now_ns).state
    order = ParentOrder(
        parent_id=parent_id,
        intent=intent,
        instrument=instrument,
        config=config,
        state=state,
        submitted_ns=now_ns,
        finished_ns=now_ns,
    )
    return OpenPlan(order, *_plan(family, instrument, side, now_ns), family.family, now_ns)


def _plan(family: OpenFamily, instrument: Instrument, side: Side, now_ns: int) -> tuple[ExitConfig, int]:
    """The journal's, with the instrument's steps as they are today; and its cause."""
    if family.plan is None:
        until_ns = now_ns + _FALLBACK_S * SECOND
        return position.configure(instrument, side=side, deadline_ns=until_ns, rests=False), 0
    steps = {"tick": instrument.tick, "lot": instrument.lot, "min_notional": instrument.min_notional}
    plan = json.loads(family.plan)
    cause = plan.pop("cause", 0)
    return ExitConfig(**{**plan, **steps}), cause
