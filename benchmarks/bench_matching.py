"""The matching engine alone, in plain Python: microseconds of a request, and of an update of the outside.

    python benchmarks/bench_matching.py

A book of 1,000 levels a side, 2,000 orders of 20 accounts resting in it, fees and filters on, drained after
each step as a server does. The bar: a place with its cancel well under 100 µs, so that a server has most of
its millisecond for the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import perf_counter

from citadel_kit.micro.matching import Accounts, MatchingEngine, OrderRequest, OrderType, Rules, Tif
from citadel_kit.types import Instrument, Side

ROUNDS, STEPS, LEVELS, MID = 5, 4_000, 1_000, 6_000_000
INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5,
    min_notional=50_000_000,
)  # fmt: skip
Step = Callable[[], None]


class Bench:
    def __init__(self) -> None:
        accounts, self.now = Accounts(), count(1)
        for i in range(20):
            accounts.deposit(f"a{i}", "USDT", 10**30)
            accounts.deposit(f"a{i}", "BTC", 10**30)
        self.engine = MatchingEngine(
            INSTRUMENT, accounts, rules=Rules(max_orders=1_000, min_notional=50_000_000)
        )
        self.engine.on_outside(
            next(self.now), is_snapshot=True, bids=[(MID - i, 50_000) for i in range(1, LEVELS)],
            asks=[(MID + i, 50_000) for i in range(1, LEVELS)],
        )  # fmt: skip
        for i in range(2_000):
            side = Side.BUY if i % 2 else Side.SELL
            self.place(f"a{i % 20}", side, MID - side * (5 + i % 500), Tif.GTC)
        self.engine.drain()

    def place(self, account: str, side: Side, price: int, tif: Tif) -> int:
        request = OrderRequest(
            account=account,
            symbol="BTC/USDT",
            side=side,
            type=OrderType.LIMIT,
            qty=1_000,
            price=price,
            tif=tif,
        )
        return self.engine.place(request, next(self.now)).order_id

    def place_and_cancel(self) -> None:
        order_id = self.place("a0", Side.BUY, MID - 3, Tif.GTC)
        self.engine.drain()
        self.engine.cancel("a0", next(self.now), order_id=order_id)
        self.engine.drain()

    def take_outside(self) -> None:
        self.place("a0", Side.BUY, MID + 1, Tif.IOC)
        self.engine.drain()

    def trade_between_clients(self) -> None:
        self.place("a1", Side.SELL, MID, Tif.GTC)
        self.place("a2", Side.BUY, MID, Tif.IOC)
        self.engine.drain()

    def outside_trade(self) -> None:
        self.engine.on_outside_trade(next(self.now), MID - 1, 100, Side.SELL)
        self.engine.drain()

    def outside_update(self) -> None:
        """40 levels a side, a busy frame; clients wait at many of them."""
        now = next(self.now)
        qty = 60_000 + now % 7
        bids, asks = ([(MID + sign * i, qty) for i in range(1, 41)] for sign in (-1, 1))
        self.engine.on_outside(now, is_snapshot=False, bids=bids, asks=asks)
        self.engine.drain()


def microseconds(step: Step) -> float:
    began = perf_counter()
    for _ in range(STEPS):
        step()
    return (perf_counter() - began) / STEPS * 1e6


def main() -> None:
    bench = Bench()
    steps: dict[str, Step] = {
        "place and cancel": bench.place_and_cancel,
        "IOC against the outside": bench.take_outside,
        "place, and another account takes it": bench.trade_between_clients,
        "a trade of the outside": bench.outside_trade,
        "an update of 80 outside levels, four clients at each of 36": bench.outside_update,
    }
    print("| step | µs, best of five rounds | worst |\n| --- | --- | --- |")
    for name, step in steps.items():
        rounds = sorted(microseconds(step) for _ in range(ROUNDS))
        print(f"| {name} | {rounds[0]:.1f} | {rounds[-1]:.1f} |")


if __name__ == "__main__":
    main()
