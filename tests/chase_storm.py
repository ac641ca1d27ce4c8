"""Chase orders against the adversary for as long as one likes; every scenario is judged.

    python tests/chase_storm.py [--scenarios 20000] [--first 0]

`make storm` runs it. A seed that fails is printed, with what was violated: add it to
`tests/micro/test_chase_worlds.py` when the cause is mended.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter

from adversary import Adversary, random_config

from citadel_kit.micro import chase
from citadel_kit.types import CommandKind


def judged(seed: int) -> tuple[Adversary, list[str]]:
    """One scenario to its end, and what should not have been."""
    rng = random.Random(seed)
    adversary = Adversary(rng, [], [])
    state = adversary.run(random_config(rng), rng.randint(5, 500))
    wrong = list(adversary.violations)
    if state.phase < chase.Phase.FILLED:
        wrong.append(f"it did not end: {chase.Phase(state.phase).name}")
    if any(order.alive for order in adversary.orders.values()):
        wrong.append(f"an order was left at the venue: {adversary.orders}")
    if not state.filled == adversary.filled() <= adversary.config.qty:
        wrong.append(f"it says {state.filled}, the venue {adversary.filled()}, wanted {adversary.config.qty}")
    return adversary, wrong


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    endings, commands, events, failed = Counter[str](), Counter[str](), 0, 0
    for seed in range(given.first, given.first + given.scenarios):
        adversary, wrong = judged(seed)
        endings[chase.Phase(adversary.state.phase).name] += 1
        commands.update(CommandKind(c.kind).name for c in adversary.commands)
        events += len(adversary.events)
        if wrong:
            failed += 1
            say(f"seed {seed}: {wrong[:3]}")
    say(f"{given.scenarios} scenarios, {events} events, {failed} failed")
    say(f"endings: {dict(endings)}\ncommands: {dict(commands)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
