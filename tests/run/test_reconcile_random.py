"""Random histories with crashes anywhere: after reconciliation journal and venue agree to the last unit."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reconcile_world import COIN, Crash, Engine, World

from citadel_kit.io.journal import Journal
from citadel_kit.run.reconcile import reconcile, record


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory where there is such a place: what a power cut would do is not asked here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def lived(world: World, runs: int) -> Journal:
    """So many engines, each of which dies or is stopped in the middle; the last journal, settled."""
    for _ in range(runs):
        engine = Engine(world)
        engine.hears_early_ends = True
        try:
            world.settle(engine.journal)
            for _ in range(world.random.randint(0, 25)):
                engine.step()
        except Crash:
            pass
        engine.journal.close()
    engine = Engine(world)
    world.settle(engine.journal)
    return engine.journal


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def check(world: World) -> None:
    ours = {n: o for n, o in world.venue.orders.items() if world.ours(n)}
    fills = rows(
        world.path,
        "SELECT client_id, side, f.price, f.qty, trade_id FROM fills f JOIN orders USING (client_id)",
    )
    assert sum(side * qty for _, side, _, qty, _ in fills) == world.venue.position(world.ours)
    assert {n for n, o in world.venue.orders.items() if o.alive} <= {"theirs"}
    booked: Counter[tuple[str, int]] = Counter()
    for name, _, price, qty, _ in fills:
        booked[name, price] += qty
    traded: Counter[tuple[str, int]] = Counter()
    names = {order.venue_order_id: name for name, order in ours.items()}
    for trade in world.venue.trades:
        if trade.venue_order_id in names:
            traded[names[trade.venue_order_id], trade.price] += trade.qty
    assert booked == traded
    named = [trade_id for *_, trade_id in fills if trade_id]
    assert len(named) == len(set(named))
    assert {status for (status,) in rows(world.path, "SELECT status FROM orders")} <= {
        "filled",
        "cancelled",
        "rejected",
    }
    assert all("theirs" not in str(result.cancel) for result in world.rounds)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32), runs=st.integers(1, 4), named=st.booleans())
@settings(max_examples=100)
def test_whatever_died_when_the_journal_is_the_venues(
    folder: Path, seed: int, runs: int, named: bool
) -> None:
    path = folder / f"{seed}-{runs}-{named}.db"
    world = World(path, seed, trades_name_us=named)
    with lived(world, runs) as journal:
        check(world)
        # Once more: what was decided has no effect, and on the same view nothing new is decided.
        before = rows(path, "SELECT * FROM fills"), rows(path, "SELECT client_id, booked, done FROM orders")
        for result in world.rounds[-3:]:
            record(journal, "v", result._replace(adopt=(), cancel=()), {"A/B": COIN}, world.venue.now_ns)
        ours = journal.own_orders("v", 0)
        again = reconcile("v", ours, world.look(journal), world.prefixes, keep=None)
        assert not (again.book or again.cancel or again.finish)
        assert before == (
            rows(path, "SELECT * FROM fills"),
            rows(path, "SELECT client_id, booked, done FROM orders"),
        )
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.slow
@given(seed=st.integers(0, 2**32), named=st.booleans())
@settings(max_examples=40)
def test_a_running_engine_keeps_its_orders_and_loses_no_fill(folder: Path, seed: int, named: bool) -> None:
    world = World(folder / f"r{seed}-{named}.db", seed, trades_name_us=named)
    engine = Engine(world)
    engine.random.seed(seed)
    world.settle(engine.journal)
    engine._may_die = lambda: None  # type: ignore[method-assign]
    for _ in range(40):
        engine.step()
        result = world.reconcile(engine.journal, engine.orders, between=engine.step)
        assert not result.cancel
    world.settle(engine.journal)
    check(world)
    engine.journal.close()
    for file in folder.iterdir():
        file.unlink()
