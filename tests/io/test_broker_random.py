"""Random scenarios over the wire with faults: the broker's reports add up to what the venue's books say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from broker_world import (
    ASK,
    BID,
    QUICK,
    SYMBOL,
    World,
    amend,
    cancel,
    is_open,
    open_exchange,
    place,
    play,
    query,
)

from citadel_kit.exchange.local import LocalExchange
from citadel_kit.micro.matching import UNIT
from citadel_kit.types import RejectReason, ReportKind, Side, TimeInForce

SCENARIOS = 200
AT_ONCE = 40
"""Scenarios that share a broker: each is a parent of its own, and they share the venue's faults."""
FAULTS: list[dict[str, Any]] = [
    {},
    {"timeout": 0.3, "timeout_moment": "before"},
    {"timeout": 0.3, "timeout_moment": "after"},
    {"http_error": 0.3, "http_moment": "before"},
    {"http_error": 0.3, "http_moment": "after"},
    {"http_error": 0.3, "http_moment": "after", "http_status": 502},
    {"duplicate_report": 0.5, "late_report": 0.5, "late_report_ms": 150.0},
    {"latency_ms": 20.0, "late_report": 0.3, "late_report_ms": 300.0},
    {"reject": "rate_limit", "reject_probability": 0.3},
    {"reject": "post_only", "reject_probability": 0.5},
    {"disconnect": True},
    {"maintenance": True},
]
_ENDS = {ReportKind.CANCELED, ReportKind.REJECT}


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with open_exchange() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SCENARIOS // AT_ONCE))
def test_reports_add_up_to_the_venues_books(exchange: LocalExchange, seed: int) -> None:
    async def scenario(world: World) -> None:
        await world.streams()
        rng = random.Random(seed)
        parents = [f"s{seed}x{n}" for n in range(AT_ONCE)]
        weather = asyncio.create_task(_weather(world, random.Random(seed + 1000)))
        placed = await asyncio.gather(*(_parent(world, p, random.Random(rng.random())) for p in parents))
        weather.cancel()
        await asyncio.gather(weather, return_exceptions=True)
        await world.call(world.exchange.venue().faults.clear)
        orders = [
            (parent, n + 1) for parent, count in zip(parents, placed, strict=True) for n in range(count)
        ]
        await asyncio.gather(*(_finish(world, *order) for order in orders))
        await _check(world, orders)

    play(exchange, scenario, config=QUICK._replace(timeout_s=0.4))


async def _weather(world: World, rng: random.Random) -> None:
    """One fault after another, and a stranger who trades."""
    while True:
        await world.call(world.exchange.venue().faults.clear)
        world.switch(**rng.choice(FAULTS))
        for _ in range(6):
            await asyncio.sleep(0.02)
            side = rng.choice([Side.BUY, Side.SELL])
            price = BID if side == Side.SELL else ASK
            await world.trade(side, price, rng.randrange(500, 30_000))


async def _parent(world: World, parent: str, rng: random.Random) -> int:
    """Some orders, with commands at random moments and nobody waiting for answers."""
    count = rng.randrange(1, 3)
    for order_id in range(1, count + 1):
        side = rng.choice([Side.BUY, Side.SELL])
        inside = rng.randrange(1, 4) * 100
        price = BID + inside if side == Side.BUY else ASK - inside
        tif = rng.choice([TimeInForce.POST_ONLY, TimeInForce.POST_ONLY, TimeInForce.GTC, TimeInForce.IOC])
        qty = rng.randrange(2_000, 20_000)
        world.send(place(order_id, side, price, qty, tif), parent)
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(rng.random() * 0.15)
            command = rng.choice([cancel(order_id), query(order_id), amend(order_id, side, price, qty - 500)])
            world.send(command, parent)
        await asyncio.sleep(rng.random() * 0.15)
    return count


async def _finish(world: World, parent: str, order_id: int) -> None:
    """Until the order's end is known: cancel it if it lives, ask for it if that is unknown."""
    for _ in range(300):
        if _ended(world, parent, order_id):
            return
        world.send(cancel(order_id), parent)
        world.send(query(order_id), parent)
        await asyncio.sleep(0.15)
    order = world.broker._tracker.get(parent, order_id)
    raise AssertionError(
        f"{order} has no end: {world.told.of(order_id, parent)[-6:]}, {world.broker.health()}"
    )


def _ended(world: World, parent: str, order_id: int) -> bool:
    """As a chase would take it: the venue said that it is gone, or that it never was, or it is full."""
    reports = world.told.of(order_id, parent)
    order = world.broker._tracker.get(parent, order_id)
    assert order is not None
    last = next((r for r in reversed(reports) if r.kind in _ENDS), None)
    if last is not None and last.kind == ReportKind.REJECT:
        return last.reason != RejectReason.DUPLICATE and not any(r.kind == ReportKind.ACK for r in reports)
    return last is not None or sum(r.qty for r in reports if r.kind == ReportKind.FILL) == order.qty


async def _check(world: World, orders: list[tuple[str, int]]) -> None:
    books = {order.client_id.removeprefix(f"{world.prefix}-"): order for order in await world.book()}
    engine = world.exchange.venue().engine(SYMBOL)
    trades = await world.call(lambda: list(engine.trades("main")))
    for parent, order_id in orders:
        reports = world.told.of(order_id, parent)
        fills = [r for r in reports if r.kind == ReportKind.FILL]
        facts = [t for p, o, t in world.told.trades if (p, o) == (parent, order_id)]
        order = books.pop(f"{parent}-{order_id}", None)
        if order is None:  # it never came to life
            assert fills == []
            assert ReportKind.REJECT in {r.kind for r in reports}, reports
            continue
        assert not is_open(order)
        assert sum(r.qty for r in fills) == order.filled, reports
        own = {str(t.trade_id): t for t in trades if t.order_id == order.order_id}
        assert sorted(t.trade_id for t in facts) == sorted(own)
        totals = [r.filled for r in fills]
        assert totals == sorted(set(totals))  # each its own total, which the ledger tells fills apart by
        for fact, report in zip(facts, fills, strict=True):
            theirs = own[fact.trade_id]
            assert (fact.price, fact.qty, fact.maker) == (theirs.price, theirs.qty, theirs.maker)
            assert (report.price, report.qty, report.maker) == (fact.price, fact.qty, fact.maker)
            amount, currency = fact.fee_paid.split()
            assert currency == theirs.commission_asset
            assert round(float(amount) * 10**UNIT) == pytest.approx(theirs.commission, rel=1e-9)
        gone = [r for r in reports if r.kind == ReportKind.CANCELED]
        assert {r.filled for r in gone} <= {order.filled}
    assert books == {}  # no order of ours that was never reported
