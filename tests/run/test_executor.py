"""The executor's own part: own size at the touch, on feeds that show our orders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from citadel_kit.micro import chase
from citadel_kit.micro.ledger import Ledger
from citadel_kit.run.executor import SmartOrderExecutor
from citadel_kit.settings import Fees
from citadel_kit.types import (
    BookTop,
    Command,
    CommandKind,
    Instrument,
    Levels,
    OrderIntent,
    OrderReport,
    ReportKind,
    Side,
)

COIN = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=2, qty_decimals=0)


class Sent:
    """A broker that only remembers."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def send(self, venue: str, parent_id: str, command: Command, now_ns: int) -> None:
        self.commands.append(command)


class TwoLevels(NamedTuple):
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]

    def top(self) -> BookTop:
        return BookTop(2, 0, 2, *self.bids[0], *self.asks[0])

    def levels(self, side: int, depth: int) -> Levels:
        return np.array((self.bids if side == Side.BUY else self.asks)[:depth], np.int64).reshape(-1, 2)

    def qty_at(self, side: int, price: int) -> int:
        return dict(self.bids if side == Side.BUY else self.asks).get(price, 0)


def resting() -> tuple[SmartOrderExecutor, Sent]:
    """A buy of 5 that rests at 100, the best bid when it came."""
    sent = Sent()
    executor = SmartOrderExecutor(
        sent, Ledger([COIN], {"v": Fees(0.0, 0.0)}), lambda fill: None, lambda intent: True
    )
    intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=5, forced=True)
    config = chase.configure(COIN, side=Side.BUY, qty=5, max_chase_bps=1000)
    executor.submit(intent, COIN, config, BookTop(0, 0, 0, 100, 7, 110, 7), 0)
    executor.on_report("p1", OrderReport(int(ReportKind.ACK), 1, 1, 100, 5, 0, False, 0), 1)
    return executor, sent


@pytest.mark.parametrize(
    ("bids", "cancels"),
    [
        ([(100, 5), (97, 3)], True),
        ([(100, 4), (97, 3)], True),
        ([(100, 6), (97, 3)], False),
        ([(101, 1), (100, 5)], True),
    ],
    ids=[
        "ours is all there is",
        "the feed lags behind our fill",
        "somebody is with us",
        "somebody is before us",
    ],
)
def test_our_own_size_is_no_reason_to_stay(bids: list[tuple[int, int]], cancels: bool) -> None:
    """Alone at the touch we would pay more than the next bid asks for: it goes back there."""
    executor, sent = resting()
    book = TwoLevels(bids, [(110, 7), (111, 1)])
    executor.on_top("v", book.top(), 2, book)
    assert [c.kind for c in sent.commands] == [CommandKind.PLACE] + [CommandKind.CANCEL] * cancels


def test_on_a_feed_without_our_orders_nothing_is_taken_off() -> None:
    executor, sent = resting()
    book = TwoLevels([(100, 5), (97, 3)], [(110, 7)])
    executor.on_top("v", book.top(), 2, None)
    assert [c.kind for c in sent.commands] == [CommandKind.PLACE]


def test_siblings_do_not_outbid_each_other() -> None:
    """Each improves by a tick on what others bid, whatever the other one rests at."""
    executor, sent = resting()
    intent = OrderIntent(venue="v", symbol="A/B", side=Side.BUY, qty=5, forced=True)
    config = chase.configure(COIN, side=Side.BUY, qty=5, max_chase_bps=1000, offset=1)
    for order in (2, 3):
        book = TwoLevels([(101, 5), (100, 12), (99, 1)] if order == 3 else [(100, 12), (99, 1)], [(110, 7)])
        executor.submit(intent, COIN, config, book.top(), order, book)
        executor.on_report(f"p{order}", OrderReport(int(ReportKind.ACK), 1, 1, 101, 5, 0, False, 0), 1)
    book = TwoLevels([(101, 10), (100, 12), (99, 1)], [(110, 7)])
    executor.on_top("v", book.top(), 9, book)
    assert [(c.kind, c.price) for c in sent.commands] == [(CommandKind.PLACE, p) for p in (100, 101, 101)]
