"""One parent order: its intent, the chase that works on it, and the facts that came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import Final

from citadel_kit.micro import chase
from citadel_kit.run.trace import Trace
from citadel_kit.types import Fill, Instrument, OrderIntent, OrderView


@dataclass(slots=True, kw_only=True)
class ParentOrder:
    parent_id: str
    intent: OrderIntent
    instrument: Instrument
    config: chase.ChaseConfig
    state: chase.ChaseState
    submitted_ns: int
    group: str = ""
    """Of a slice, the order it is a slice of; of an exit, the entry it closes."""
    finished_ns: int = 0
    fills: list[Fill] = field(default_factory=list)
    base_fee: int = 0
    """What the venue kept of what was bought, in quantity units."""
    trace: Trace = field(default_factory=Trace)
    """For the execution report."""
    refusal: str = ""
    """Why we kept its last order back ourselves: a limit, or a brake."""
    shown: OrderView | None = None
    """As plain data, once it was asked for; None after any change."""


_STATUS: Final = {
    chase.Phase.FILLED: "filled",
    chase.Phase.CANCELLED: "cancelled",
    chase.Phase.EXPIRED: "expired",
    chase.Phase.FAILED: "failed",
}


def view(order: ParentOrder, plan: str = "") -> OrderView:
    """A parent order as plain data; `plan`: what its exit plan says."""
    if order.shown is None or order.shown.plan != plan:
        order.shown = _view(order, plan)
    return order.shown


def _note(order: ParentOrder, phase: chase.Phase) -> str:
    """What it does now, or why it ended."""
    state = order.state
    if phase < chase.Phase.FILLED and state.cancel_wanted:
        return "cancelling: the venue's word is awaited"
    if order.refusal and phase in (chase.Phase.IDLE, chase.Phase.FAILED):
        return f"kept back: {order.refusal}"
    return chase.END_TEXT[chase.EndReason(state.reason)] or phase.name.lower()


def _view(order: ParentOrder, plan: str) -> OrderView:
    instrument, state = order.instrument, order.state
    phase = chase.Phase(state.phase)
    filled = sum(fill.qty for fill in order.fills)
    average = sum(fill.price * fill.qty for fill in order.fills) / filled if filled else nan
    arrival = state.twice_arrival_mid / 2
    resting = chase.Phase.RESTING <= phase < chase.Phase.FILLED
    return OrderView(
        parent_id=order.parent_id,
        venue=instrument.venue,
        symbol=instrument.symbol,
        side=order.intent.side,
        purpose=order.intent.purpose,
        forced=order.intent.forced,
        status=_STATUS.get(phase, "working"),
        note=_note(order, phase),
        qty=instrument.qty(order.config.qty),
        filled=instrument.qty(filled),
        remaining=instrument.qty(order.config.qty - filled),
        working_price=instrument.price(state.order.price) if resting else nan,
        arrival_mid=arrival / 10**instrument.price_decimals if arrival else nan,
        average_price=average / 10**instrument.price_decimals,
        slippage_bps=int(order.intent.side) * (average - arrival) / arrival * 10_000 if arrival else nan,
        fees=sum(fill.fee for fill in order.fills),
        reprices=state.reprices,
        submitted_ns=order.submitted_ns,
        finished_ns=order.finished_ns,
        plan=plan,
    )
