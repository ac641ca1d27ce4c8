"""After a restart: the state, from what was journalled and what the venue has said since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from numba.extending import register_jitable

from citadel_kit.micro.chase.price import bound_of
from citadel_kit.micro.chase.records import (
    ASKING,
    IDLE,
    NO_ORDER,
    ChaseConfig,
    ChaseState,
    EndReason,
    Seen,
    Sight,
    Working,
)
from citadel_kit.types import Command, CommandKind, OrderReport, RejectReason, ReportKind, TimeInForce

_NONE = EndReason.NONE.value
_LIVE = Sight.LIVE.value


class Facts(NamedTuple):
    """What is known of a chase when its engine comes back; `recall` makes it from the journal."""

    now_ns: int
    twice_arrival_mid: int
    filled: int
    """Over all orders, by the venue."""
    cancel_wanted: int
    reprices: int
    takes: int
    take_cap: int
    prior_id: int
    prior_filled: int
    ended: int
    """1: the venue has said how the last order ended."""
    order: Working


@register_jitable
def resume(config: ChaseConfig, facts: Facts) -> ChaseState:
    """An order whose end is not known is asked for first, whatever was last heard of it.

    Nothing is known of the market: the first top or the loss of the book must be told before anything else
    is decided. Pauses and rows of rejects start anew.
    """
    f = facts
    phase = IDLE if f.ended != 0 or f.order.order_id == 0 else ASKING
    return ChaseState(
        phase, _NONE, _NONE, f.twice_arrival_mid, bound_of(config, f.twice_arrival_mid), f.take_cap, f.filled,
        f.prior_id, f.prior_filled, f.cancel_wanted, 0, f.reprices, f.takes, 0, 0, f.order,
        Seen(f.now_ns, _LIVE, 0, 0, 0, 0, 0),
    )  # fmt: skip


def recall(
    now_ns: int,
    twice_arrival_mid: int,
    cancel_wanted: bool,
    commands: Sequence[Command],
    reports: Sequence[OrderReport],
) -> Facts:
    """From the commands and reports of one parent in the order of the journal, then the venue's answers.

    Every order placed again counts as a reprice, so that a restart never enlarges the budget.
    """
    places = [c for c in commands if c.kind == CommandKind.PLACE]
    if not places:
        return Facts(now_ns, twice_arrival_mid, 0, int(cancel_wanted), 0, 0, 0, 0, 0, 0, NO_ORDER)
    totals = {c.order_id: 0 for c in places}
    for report in reports:
        totals[report.order_id] = max(totals.get(report.order_id, 0), report.filled)
    last = places[-1]
    takes = [c for c in places if c.tif == TimeInForce.IOC]
    amends = [c for c in commands if c.kind == CommandKind.AMEND]
    order = _last_order(last, commands, reports, totals[last.order_id], now_ns)
    return Facts(
        now_ns=now_ns,
        twice_arrival_mid=twice_arrival_mid,
        filled=sum(totals.values()),
        cancel_wanted=int(cancel_wanted),
        reprices=max(len(places) - len(takes) - 1, 0) + len(amends),
        takes=len(takes),
        take_cap=takes[0].price if takes else 0,
        prior_id=places[-2].order_id if len(places) > 1 else 0,
        prior_filled=totals[places[-2].order_id] if len(places) > 1 else 0,
        ended=int(order.filled >= order.most or any(_ends(r, order) for r in reports)),
        order=order,
    )


def _last_order(
    place: Command, commands: Sequence[Command], reports: Sequence[OrderReport], filled: int, now_ns: int
) -> Working:
    mine = [r for r in reports if r.order_id == place.order_id]
    sent = [c for c in commands if c.order_id == place.order_id]
    price, qty, alive = place.price, place.qty, 0
    for report in mine:
        if report.kind in {ReportKind.ACK, ReportKind.AMENDED, ReportKind.STATE}:
            price = report.price or price
            qty = report.qty or qty
        alive |= report.kind in {ReportKind.ACK, ReportKind.FILL, ReportKind.AMENDED, ReportKind.STATE}
    amend = next((c for c in reversed(sent) if c.kind == CommandKind.AMEND), None)
    return Working(
        order_id=place.order_id, tif=place.tif, price=price, qty=qty, most=place.qty, filled=filled,
        alive=int(alive), pending=0, target_price=amend.price if amend else 0,
        target_qty=amend.qty if amend else 0, cancels=sum(c.kind == CommandKind.CANCEL for c in sent), asks=0,
        since_ns=now_ns, quiet_ns=now_ns, hold_ns=0,
    )  # fmt: skip


def _ends(report: OrderReport, order: Working) -> bool:
    """Does this report say how the order ended? The rules are those of `reports.heard`."""
    if report.order_id != order.order_id:
        return False
    if report.kind == ReportKind.CANCELED:
        return True
    if report.kind == ReportKind.STATE:
        return report.filled >= report.qty > 0
    asked = report.reason not in {RejectReason.DUPLICATE, RejectReason.UNKNOWN_ORDER}
    return report.kind == ReportKind.REJECT and asked and order.alive == 0
