"""The fault bench: a session on a tape whose frames are lost, doubled, late or damaged, and the truth.

    python tests/faults.py TAPE --venue V [--symbol S …] --seeds N [--first SEED] [--kind K] [--json]

One seed is one run: a connection is opened somewhere in the tape, a fake venue (`fake_venues`) sends the
tape's frames and answers what the session asks, faults of one kind or of all happen over some dozens of book
frames, and then none, until the session is well again and has been for a while. Time is the tape's; where the
tape ends, the fake venue goes on with changes of its own. The session runs as it does live: the venue's
heartbeat, pings or pong frames, and the timer ten times a second.

What is judged, and the figures: docs/faults.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from fault_run import KINDS, Run
from true_tape import Reel

from citadel_kit import ladder
from citadel_kit.errors import CitadelError


def bench(
    reel: Reel, seeds: Sequence[int], kinds: Sequence[str] = KINDS, say: Callable[[str], object] = str
) -> dict[str, Counter[str]]:
    """Counts by kind of fault; the kinds take turns over the seeds. `say` hears of every failure."""
    ladder.warm_up()
    table = {kind: Counter[str]() for kind in kinds}
    for seed in seeds:
        kind = kinds[seed % len(kinds)]
        run = Run(reel, kind, seed)
        counts = run.go()
        longest = max(table[kind]["outage_ms"], counts.pop("outage_ms"))
        table[kind].update(counts, runs=1)
        table[kind]["outage_ms"] = longest
        for problem in run.judge.problems:
            say(f"seed {seed} {kind}: {problem}")
    return table


def failures(reel: Reel, table: dict[str, Counter[str]]) -> list[str]:
    """What must not be: see docs/faults.md."""
    bad = ["unwell"]
    if reel.wire.proves:
        bad.append("wrong")
    if reel.wire.checksummed:
        bad.append("wrong_digit")
    return [f"{kind}: {row[name]} {name}" for kind, row in table.items() for name in bad if row[name]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tape", type=Path)
    parser.add_argument("--venue", required=True)
    parser.add_argument("--symbol", action="append", default=[], help="unified; default: all that are known")
    parser.add_argument("--seeds", type=int, default=110)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--limit", type=int, help="frames of the tape to read")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        reel = Reel(options.tape, options.venue, options.symbol, options.limit)
    except CitadelError as error:
        sys.exit(str(error))
    seeds = range(options.first, options.first + options.seeds)
    tell = sys.stderr.write
    table = bench(reel, seeds, options.kind or KINDS, lambda text: tell(text + "\n"))
    if options.json:
        text = json.dumps({"tape": reel.name, "books": list(reel.truths), "kinds": table}, indent=1)
    else:
        columns = ("runs", "faults", "judged", "wrong", "wrong_digit", "behind", "unwell", "outage_ms")
        rows = [["", *columns], *([kind, *(str(row[c]) for c in columns)] for kind, row in table.items())]
        text = "\n".join("".join(f"{cell:>12}" for cell in row) for row in rows)
    sys.stdout.write(text + "\n")
    bad = failures(reel, table)
    tell("".join(f"FAILED {line}\n" for line in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
