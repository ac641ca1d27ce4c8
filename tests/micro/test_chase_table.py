"""The transition table in the docstring of `micro.chase` against the code, in both directions."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from itertools import product

from adversary import Adversary, random_config

from citadel_kit.micro import chase
from citadel_kit.micro.chase.decide import decide
from citadel_kit.micro.chase.reports import heard
from citadel_kit.types import CommandKind, OrderReport, RejectReason, ReportKind, TimeInForce

Found = tuple[chase.ChaseConfig, chase.ChaseState]
Heard = set[tuple[str, str, str]]
"""Phase, report, phase."""

_ROW = re.compile(r"^    ([A-Z][^→]*?)  +(?:([A-Z_ ]+?) +)?→ ([A-Z ]+?)(?:  +([A-Z]+)  .*|  .*)?$")


def written() -> tuple[Heard, Heard]:
    """What reports do, and what is decided, as the docstring has it."""
    upper, lower = (chase.__doc__ or "").split("What is decided then", 1)
    reports, decisions = set(), set()
    for line in upper.splitlines():
        if row := _ROW.match(line):
            phases = re.sub(r"\([^)]*\)", "", row[1]).split()
            reports |= set(product(phases, row[2].split(), row[3].split()))
    for line in lower.splitlines():
        if row := _ROW.match(line):
            decisions |= set(product(row[1].split(), row[3].split(), [row[4]]))
    return reports, decisions


def found_states() -> list[Found]:
    """States that an adversary led to, each phase among them, and variants of each."""
    kept: dict[int, list[Found]] = defaultdict(list)
    for seed in range(250):
        rng = random.Random(seed)
        adversary = Adversary(rng, [], [])
        adversary.begin(random_config(rng))
        for _ in range(rng.randint(20, 150)):
            adversary.step()
            found = kept[adversary.state.phase]
            if len(found) < 25 and rng.random() < 0.3:
                found.append((adversary.config, adversary.state))
    return [varied for found in kept.values() for pair in found for varied in variants(*pair)]


def variants(config: chase.ChaseConfig, state: chase.ChaseState) -> list[Found]:
    """The same with a wish to cancel, out of time, as a take, and as the last order that is needed."""
    order, wished = state.order, state._replace(cancel_wanted=1)
    rows = [(config, state), (config, wished), (config._replace(deadline_ns=1, slices=1), state)]
    if state.phase in {chase.Phase.TAKING, chase.Phase.RESTING, chase.Phase.CANCELING, chase.Phase.ASKING}:
        last = state.filled + order.most - order.filled
        ends = product((last, last + 5), (1, 9), (state, wished))
        take = order._replace(tif=int(TimeInForce.IOC))
        rows += [(config._replace(qty=q, slices=n), s._replace(order=take, takes=1)) for q, n, s in ends]
    if state.phase == chase.Phase.ASKING:
        rows += [(config, state._replace(order=order._replace(pending=int(CommandKind.AMEND))))]
    return rows


def name_of(state: chase.ChaseState, report: OrderReport) -> str:
    total = max(report.filled, state.order.filled)
    done = report.kind == ReportKind.STATE and report.filled >= report.qty > 0
    if total >= state.order.most or done:
        return "FULL"
    if report.kind == ReportKind.REJECT and report.reason == RejectReason.UNKNOWN_ORDER:
        return "NOT_FOUND"
    if report.kind == ReportKind.REJECT and report.reason == RejectReason.DUPLICATE:
        return "DUPLICATE"
    return ReportKind(report.kind).name


def menu(state: chase.ChaseState) -> list[OrderReport]:
    """Every kind, every reason where one is given, with no fill, some and all."""
    order, now = state.order, state.seen.now_ns + 5_000
    totals = {0, (order.filled + order.most) // 2, order.most}
    refusals = {ReportKind.REJECT, ReportKind.CANCEL_REJECT, ReportKind.AMEND_REJECT}
    return [
        OrderReport(int(kind), order.order_id, now, order.price, order.qty, filled, False, int(reason))
        for kind, reason, filled in product(ReportKind, RejectReason, totals)
        if kind in refusals or reason == RejectReason.NONE
    ]


def looks(config: chase.ChaseConfig, state: chase.ChaseState) -> list[chase.ChaseState]:
    """As it is, after a long silence, and with a market that has long been elsewhere."""
    seen, side = state.seen, config.side
    price = min(state.order.price, state.bound) - 5 * config.tick
    later = seen._replace(now_ns=seen.now_ns + 100_000, away_ns=0)
    moved = later._replace(sight=1, bid=price - 9, ask=price + 9, wanted=price, away=5 * side)
    return [state, state._replace(seen=later), state._replace(seen=moved)]


def test_the_table_is_what_the_code_does_and_the_code_does_what_the_table_says() -> None:
    reports: Heard = set()
    decisions: Heard = set()
    for config, state in found_states():
        reached = [state]
        for report in menu(state) if chase.Phase.IDLE < state.phase < chase.Phase.FILLED else []:
            after = heard(config, state, report)
            if after.phase != state.phase:
                reports.add((_phase(state.phase), name_of(state, report), _phase(after.phase)))
                reached.append(after)
        for look in (look for found in reached for look in looks(config, found)):
            step = decide(config, look)
            if step.command.kind or step.state.phase != look.phase:
                kind = CommandKind(step.command.kind).name
                decisions.add((_phase(look.phase), _phase(step.state.phase), kind))
    told, decided = written()
    assert len(told) > 50 and len(decided) > 13  # the table is read
    assert reports - told == set(), "the code does what the table does not say"
    assert told - reports == set(), "the table says what the code does not do"
    assert decisions - decided == set(), "the code decides what the table does not say"
    assert decided - decisions == set(), "the table says what the code does not decide"


def _phase(phase: int) -> str:
    return chase.Phase(phase).name
