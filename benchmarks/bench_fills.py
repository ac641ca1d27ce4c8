"""How far the two bounds of the fill model lie apart on the recorded markets.

    python benchmarks/bench_fills.py [placements per tape, 500]

At seeded moments of each tape one order is placed at the best price of a side, alone in that market, and
watched for `WATCH_S` seconds under each setting: the queue with no, half and all of the cancelled quantity
ahead of us, and the pessimistic bound. Columns: the share of the size that was filled, the share of
orders filled whole within 1, 10 and 30 s, the median time of those filled whole, and how much later than by
the default an order is filled, on average over those that both fill whole. The tables of `docs/matching.md`
are these.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from citadel_kit import settings
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideTrade
from citadel_kit.exchange.taped import TapeMarket
from citadel_kit.io.tape import Tape
from citadel_kit.micro.matching import QueueConfig, Resting, on_level, on_trade, rest
from citadel_kit.types import Side

TAPES = (("binance_spot_btcusdt", "binance"), ("binance_usdm_btcusdt", "binanceusdm"))
SIZES = (0.01, 1.0)
"""In BTC."""
WATCH_S = 30
SECOND = 1_000_000_000
DEFAULT = "queue, half of the cancels ahead (default)"
SETTINGS = {
    "pessimistic: traded through": QueueConfig(0, True),
    "queue, no cancel ahead": QueueConfig(0, False),
    DEFAULT: QueueConfig(50, False),
    "queue, all of the cancels ahead": QueueConfig(100, False),
}


class Ended(NamedTuple):
    share: float
    """Of its size that was filled."""
    seconds: float
    """Until it was filled whole; infinite where it wasn't."""


class Placed:
    """One order under one setting, until it is filled or its time is over."""

    def __init__(self, config: QueueConfig, order: Resting, now_ns: int) -> None:
        self.config, self.order, self.placed_ns, self.whole_ns = config, order, now_ns, -1
        self.touch, self.taken = (0, 0), 0

    def on_trade(self, event: OutsideTrade) -> None:
        self.follow(on_trade(self.config, self.order, event.price, event.qty, event.side, 0), event.at_ns)

    def on_book(self, level: int, touch: tuple[int, int], now_ns: int) -> None:
        """What it took of an opposite touch stays off until that changes."""
        if touch != self.touch:
            self.touch, self.taken = touch, 0
        before = self.order.filled
        self.follow(on_level(self.config, self.order, level, touch[0], touch[1] - self.taken), now_ns)
        self.taken += self.order.filled - before

    def follow(self, after: Resting, now_ns: int) -> None:
        self.order = after
        if after.filled == after.qty:
            self.whole_ns = now_ns

    def over(self, now_ns: int) -> bool:
        return self.whole_ns >= 0 or now_ns > self.placed_ns + WATCH_S * SECOND

    def ended(self) -> Ended:
        whole = self.whole_ns >= 0
        seconds = (self.whole_ns - self.placed_ns) / SECOND if whole else float("inf")
        return Ended(self.order.filled / self.order.qty, seconds)


class Book:
    """The outside's two sides by price."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def apply(self, event: OutsideBook) -> None:
        for side, levels in ((1, event.bids), (-1, event.asks)):
            book = self.sides[side]
            if event.is_snapshot:
                book.clear()
            for price, qty in levels:
                book[int(price)] = int(qty)
                if not qty:
                    del book[int(price)]

    def touch(self, side: int) -> tuple[int, int]:
        book = self.sides[side]
        price = side * max(side * p for p in book)
        return price, book[price]


def play(events: Sequence[OutsideEvent], moments: Sequence[int], qty: int) -> dict[str, dict[int, Ended]]:
    """By setting and number of the placement; even ones sell."""
    book = Book()
    alive: list[tuple[str, Placed]] = []
    ended: dict[str, dict[int, Ended]] = {name: {} for name in SETTINGS}
    due = iter(enumerate(moments))
    number, at_ns = next(due)
    for event in events:
        if isinstance(event, OutsideBook):
            book.apply(event)
            touches = {side: book.touch(side) for side in (1, -1)}
        for name, placed in alive:
            order = placed.order
            if isinstance(event, OutsideTrade):
                placed.on_trade(event)
            else:
                level = book.sides[order.side].get(order.price, 0)
                placed.on_book(level, touches[-order.side], event.at_ns)
            if placed.over(event.at_ns):
                ended[name][order.order_id] = placed.ended()
        alive = [(name, placed) for name, placed in alive if not placed.over(event.at_ns)]
        while event.at_ns >= at_ns and isinstance(event, OutsideBook):
            side = int(Side.BUY) if number % 2 else int(Side.SELL)
            price, level = touches[side]
            order = rest(number, side, price, qty, 0, level, level)
            alive += [(name, Placed(config, order, event.at_ns)) for name, config in SETTINGS.items()]
            number, at_ns = next(due, (0, 1 << 62))
    return ended


def rows(ended: dict[str, dict[int, Ended]]) -> Iterator[str]:
    for name, orders in ended.items():
        seconds = [order.seconds for order in orders.values()]
        share = mean(order.share for order in orders.values())
        within = [f"{mean(s <= limit for s in seconds):.1%}" for limit in (1, 10, WATCH_S)]
        middle = median(s for s in seconds if s < float("inf"))
        pairs = [(order.seconds, ended[DEFAULT][number].seconds) for number, order in orders.items()]
        later = mean(a - b for a, b in pairs if max(a, b) < float("inf"))
        cells = (name, f"{share:.1%}", *within, f"{middle:.2f}", f"{later:+.2f}")
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    folder = Path(__file__).resolve().parents[2] / "shared" / "tapes"
    if not folder.is_dir():
        print("the recordings of ../shared/tapes are not here: nothing to measure")
        return
    for name, venue in TAPES:
        instrument = settings.instrument(venue, "BTC/USDT")
        tape = Tape(folder / f"{name}.tape.gz", instrument)
        events = list(TapeMarket(tape, ["v"], start_ns=0, loop=False).events())
        uniform, last = random.Random(1), events[-1].at_ns - WATCH_S * SECOND
        moments = sorted(uniform.randint(events[0].at_ns, last) for _ in range(count))
        for size in SIZES:
            qty = round(size * 10**instrument.qty_decimals)
            print(f"\n{name}, {count} orders of {size} BTC, {WATCH_S} s each\n")
            print(f"| model | filled | whole in 1 s | in 10 s | in {WATCH_S} s | median, s | later, s |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for row in rows(play(events, moments, qty)):
                print(row)


if __name__ == "__main__":
    main()
