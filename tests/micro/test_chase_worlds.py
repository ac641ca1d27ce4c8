"""The chase order against an adversary, and interpreted against compiled."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from adversary import CANCEL, NO_BOOK, REPORT, START, TIMER, TOP, Adversary, random_config
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from citadel_kit.micro import chase
from citadel_kit.types import NO_COMMAND, BookTop, Command, OrderReport

Rows = NDArray[np.int64]


@njit
def drive(configs: Rows, events: Rows) -> Rows:
    """The commands of the same events, row by row: what a replay loop does."""
    commands = np.zeros((len(events), 6), np.int64)
    parent = -1
    config = chase.ChaseConfig(1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0)
    state = chase.start(config, BookTop(0, 0, 0, 1, 1, 3, 1))
    for i in range(len(events)):
        e = events[i]
        step = chase.Step(state, NO_COMMAND)
        if e[0] == START:
            parent += 1
            c = configs[parent]
            config = chase.ChaseConfig(
                c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13]
            )
            step = chase.Step(chase.start(config, BookTop(e[1], 0, -1, e[2], e[3], e[4], e[5])), NO_COMMAND)
        elif e[0] == TOP:
            step = chase.on_top(config, state, BookTop(e[1], 0, -1, e[2], e[3], e[4], e[5]))
        elif e[0] == REPORT:
            report = OrderReport(e[2], e[3], e[1], e[4], e[5], e[6], False, e[7])
            step = chase.on_report(config, state, report)
        elif e[0] == TIMER:
            step = chase.on_timer(config, state, e[1])
        elif e[0] == NO_BOOK:
            step = chase.on_no_book(config, state, e[1])
        elif e[0] == CANCEL:
            step = chase.cancel(config, state, e[1])
        state = step.state
        k = step.command
        commands[i] = np.array([k.kind, k.order_id, k.side, k.price, k.qty, k.tif])
    return commands


def adversarial(seed: int, events_wanted: int) -> tuple[Rows, Rows, Rows]:
    rng = random.Random(seed)
    configs: list[chase.ChaseConfig] = []
    events: list[list[int]] = []
    commands: list[Command] = []
    while len(events) < events_wanted:
        adversary = Adversary(rng, events, commands)
        adversary.run(random_config(rng), rng.randint(20, 400))
        configs.append(adversary.config)
        assert not adversary.violations, (seed, adversary.violations)
    return np.array(configs, np.int64), np.array(events, np.int64), np.array(commands, np.int64)


def test_interpreted_and_compiled_give_identical_commands_on_100_000_events() -> None:
    configs, events, commands = adversarial(1, 100_000)
    assert len(events) >= 100_000
    np.testing.assert_array_equal(drive(configs, events), commands)
    kinds = np.bincount(commands[:, 0])
    assert kinds[1] > 4_000 and kinds[2] > 4_000  # the events do make it work
    assert (commands[commands[:, 0] == 1][:, 5] == 2).sum() > 40  # takes among them


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_venue_does_every_order_ends_and_nothing_is_overfilled(seed: int) -> None:
    rng = random.Random(seed)
    adversary = Adversary(rng, [], [])
    state = adversary.run(random_config(rng), rng.randint(5, 500))
    assert not adversary.violations
    assert adversary.filled() <= adversary.config.qty
    assert state.phase >= chase.Phase.FILLED
    assert state.filled == adversary.filled()
    assert not any(order[2] for order in adversary.orders.values())


@pytest.mark.parametrize("ending", list(chase.Phase)[5:])
def test_the_adversary_reaches_every_ending(ending: chase.Phase) -> None:
    rng = random.Random(7)
    reached = {Adversary(rng, [], []).run(random_config(rng), 300).phase for _ in range(150)}
    assert ending in reached


def test_a_terminal_state_gives_no_command_ever() -> None:
    rng = random.Random(3)
    for _ in range(40):
        adversary = Adversary(rng, [], [])
        state = adversary.run(random_config(rng), 200)
        done = len(adversary.commands)
        for _ in range(30):
            adversary.step()
        assert all(c == NO_COMMAND for c in adversary.commands[done:])
        assert adversary.state.phase == state.phase


def test_order_ids_count_up_by_one() -> None:
    rng = random.Random(5)
    adversary = Adversary(rng, [], [])
    adversary.run(random_config(rng)._replace(max_rejects=50, qty=400, max_chase_bps=100), 2_000)
    ids = [c.order_id for c in adversary.commands if c.kind == 1]
    assert ids and ids[0] == 1
    assert all(b == a + 1 for a, b in pairwise(ids))
