"""A process that forks writers of one journal, to be killed: `python journal_writer.py JOURNAL`.

For each line on stdin one writer: it says `pid N`, then after each call that returned what it wrote, until it
is killed; then the parent says `dead`.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import count

from citadel_kit.io.journal import Journal
from citadel_kit.types import (
    Command,
    CommandKind,
    Fill,
    Instrument,
    OrderIntent,
    OrderReport,
    ReportKind,
    Side,
)

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=3)


def say(text: str) -> None:
    """And give the killer time to strike between two calls."""
    os.write(1, f"{text}\n".encode())
    time.sleep(0.002)


def write(path: str) -> None:
    """Until the end."""
    journal = Journal(path)
    prefix = f"ck{len(journal.prefixes()):06x}"
    say(f"pid {os.getpid()}")
    journal.start_run(prefix, "main", "TEST", 1)
    say(f"run {prefix}")
    for i in count(1):
        parent = f"p{i}"
        intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=9, forced=True)
        journal.intent(parent, intent, COIN, {}, i)
        journal.command(parent, Command(CommandKind.PLACE, 1, 1, 100, 9, 0), i)
        say(f"command {prefix}-{parent}-1")
        for filled in (4, 9):
            with journal.batch():
                journal.report(parent, OrderReport(ReportKind.FILL, 1, i, 100, 1, filled, False, 0))
                qty = filled - (filled > 4) * 4
                fill = Fill(
                    venue="v",
                    symbol="A/B",
                    parent_id=parent,
                    order_id=1,
                    recv_ns=i,
                    side=Side.BUY,
                    price=100,
                    qty=qty,
                    maker=False,
                    fee=0.0,
                )
                journal.fill(fill, filled)
            say(f"fill {prefix}-{parent}-1 {filled}")
        journal.command(parent, Command(CommandKind.CANCEL, 1, 1, 100, 9, 0), i)
        say(f"cancel {prefix}-{parent}-1")


def main() -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            write(sys.argv[1])
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
