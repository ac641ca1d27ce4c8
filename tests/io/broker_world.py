"""A broker over the wire to a local exchange, beside a stranger who trades against it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import ccxt

from citadel_kit import clock
from citadel_kit.exchange.dialects.binance import Limits, set_limits
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent
from citadel_kit.exchange.venue import ApiKey
from citadel_kit.io.broker import BrokerConfig, CcxtBroker
from citadel_kit.io.keys import Keys
from citadel_kit.micro.matching import UNIT, ExchangeOrder, OrderRequest, OrderType, Status, Tif
from citadel_kit.types import (
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    ReportKind,
    Side,
    StopCommand,
    TimeInForce,
    VenueTrade,
)

SYMBOL = "BTC/USDT"
BTC = Instrument(
    venue="binance", symbol=SYMBOL, venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5,
    min_notional=5 * 10**7,
)  # fmt: skip
BID, ASK = 6_000_000, 6_000_400
"""Of the outside market, which stands still: 1 BTC on each of 50 levels a side, a spread of 4.00."""
QUICK = BrokerConfig(timeout_s=0.6, recv_window_s=0.3, wait_s=0.1, poll_s=0.1, slow_s=2.0)
"""Some ten times faster than in life, so that a lost answer is waited out in a test."""

_numbers = count(1)
"""Each broker has a prefix of its own: client ids never come twice."""


class StillMarket:
    """A `Market`."""

    def __init__(self) -> None:
        self.start_ns = clock.now_ns()
        self.instruments = {"binance": [BTC]}

    def events(self) -> Iterator[OutsideEvent]:
        bids = [(BID - 100 * n, 100_000) for n in range(50)]
        asks = [(ASK + 100 * n, 100_000) for n in range(50)]
        yield OutsideBook(self.start_ns, "binance", SYMBOL, True, bids, asks)


def open_exchange() -> LocalExchange:
    """Its accounts are `main`, ours, and `other`, the stranger's. Its limits are out of the way."""
    exchange = LocalExchange(StillMarket(), balances={"USDT": 100_000_000, "BTC": 1_000})
    venue = exchange.venue()
    venue.add_key(
        ApiKey(key="stranger0", secret="worth nothing", account="other"),
        {"USDT": 10**8 * 10**UNIT, "BTC": 10**3 * 10**UNIT},
    )
    set_limits(venue, Limits(weight_per_minute=10**9, orders_per_10s=10**6, orders_per_day=10**8))
    return exchange


def keys_of(exchange: LocalExchange) -> Keys:
    config = exchange.ccxt_config("binance")
    return Keys.of("binance", config["apiKey"], config["secret"])


def place(
    order_id: int, side: Side, price: int, qty: int, tif: TimeInForce = TimeInForce.POST_ONLY
) -> Command:
    return Command(CommandKind.PLACE, order_id, int(side), price, qty, int(tif))


def cancel(order_id: int) -> Command:
    return Command(CommandKind.CANCEL, order_id, 0, 0, 0, 0)


def query(order_id: int) -> Command:
    return Command(CommandKind.QUERY, order_id, 0, 0, 0, 0)


def amend(order_id: int, side: Side, price: int, qty: int) -> Command:
    return Command(CommandKind.AMEND, order_id, int(side), price, qty, 0)


@dataclass
class Told:
    """What a broker reported, in order."""

    reports: list[tuple[str, OrderReport]] = field(default_factory=list)
    trades: list[tuple[str, int, VenueTrade]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_report(self, venue: str, parent_id: str, report: OrderReport) -> None:
        assert venue == "binance"
        self.reports.append((parent_id, report))
        self.changed.set()

    def on_trade(self, venue: str, parent_id: str, order_id: int, trade: VenueTrade) -> None:
        self.trades.append((parent_id, order_id, trade))

    def of(self, order_id: int, parent_id: str = "p1") -> list[OrderReport]:
        return [r for parent, r in self.reports if (parent, r.order_id) == (parent_id, order_id)]

    def kinds(self, order_id: int, parent_id: str = "p1") -> list[str]:
        return [ReportKind(r.kind).name for r in self.of(order_id, parent_id)]

    async def until(self, wanted: Callable[[], Any], limit_s: float = 10.0) -> None:
        async with asyncio.timeout(limit_s):
            while not wanted():
                self.changed.clear()
                await self.changed.wait()

    async def until_kinds(self, order_id: int, *kinds: str, parent_id: str = "p1") -> list[OrderReport]:
        """Until the order's reports are exactly of these kinds, or more have come; which must not be."""
        await self.until(lambda: len(self.of(order_id, parent_id)) >= len(kinds))
        assert self.kinds(order_id, parent_id) == list(kinds), self.of(order_id, parent_id)
        return self.of(order_id, parent_id)


class World:
    """One broker that is open, and what may be done to its exchange."""

    def __init__(self, exchange: LocalExchange, broker: CcxtBroker, told: Told, prefix: str) -> None:
        self.exchange, self.broker, self.told, self.prefix = exchange, broker, told, prefix

    def send(self, command: Command | StopCommand, parent_id: str = "p1") -> None:
        self.broker.send("binance", parent_id, command, clock.now_ns())

    async def streams(self) -> None:
        """Until both streams stand."""
        async with asyncio.timeout(10):
            while len(self.exchange.venue().connections) < 1 or not self.broker.health().streams_up:
                await asyncio.sleep(0.01)

    async def trade(self, side: Side, price: int, qty: int) -> None:
        """The stranger takes up to `qty` at `price` or better."""
        request = OrderRequest(
            account="other", symbol=SYMBOL, side=side, type=OrderType.LIMIT, price=price, qty=qty, tif=Tif.IOC
        )
        await self.call(lambda: self.exchange.venue().place(request))

    async def call(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, self.exchange.call, function)

    def switch(self, **switches: Any) -> None:
        """Faults of the venue, from now on."""
        self.exchange.faults(**switches)

    async def cut(self) -> None:
        """Its streams end, and none can be opened."""
        self.switch(disconnect=True)
        while self.exchange.venue().connections:
            await asyncio.sleep(0.005)

    def delay_orders(self, delay_s: float) -> Callable[[], Awaitable[list[Any]]]:
        """From now on each order is signed at once, given up at once, and on the wire only later.

        The answer waits for those on their way and gives what became of each.
        """
        client, underway = self.broker._client, []
        fetch = client.fetch

        async def late(*request: Any) -> Any:
            await asyncio.sleep(delay_s)
            return await fetch(*request)

        async def give_up(url: str, method: str = "GET", *rest: Any) -> Any:
            if method != "POST":
                return await fetch(url, method, *rest)
            underway.append(asyncio.create_task(late(url, method, *rest)))
            raise ccxt.RequestTimeout("given up by the test")

        client.fetch = give_up

        async def settle() -> list[Any]:
            return await asyncio.gather(*underway, return_exceptions=True)

        return settle

    async def book(self) -> list[ExchangeOrder]:
        """This broker's orders, as the venue's books have them."""
        engine = self.exchange.venue().engine(SYMBOL)
        orders: list[ExchangeOrder] = await self.call(lambda: [copy(o) for o in engine.all_orders("main")])
        return [o for o in orders if o.client_id.startswith(self.prefix)]

    async def tidy(self) -> None:
        def clear() -> None:
            venue = self.exchange.venue()
            venue.faults.clear()
            for account in ("main", "other"):
                venue.cancel_all(SYMBOL, account)

        await self.call(clear)


def is_open(order: ExchangeOrder) -> bool:
    return order.status in (Status.NEW, Status.PARTIALLY_FILLED)


def play(
    exchange: LocalExchange,
    scenario: Callable[[World], Any],
    *,
    config: BrokerConfig = QUICK,
    throttle: bool = False,
) -> None:
    """Run one scenario with a broker of its own, then put the exchange in order again."""

    prefix = f"ckt{next(_numbers):05}"

    async def run() -> None:
        told = Told()
        broker = CcxtBroker(
            "binance", [BTC], told.on_report, prefix=prefix, keys=keys_of(exchange),
            at=exchange.ccxt_config("binance"), on_trade=told.on_trade, config=config,
        )  # fmt: skip
        await broker.start()
        broker._client.enableRateLimit = throttle
        world = World(exchange, broker, told, prefix)
        try:
            async with asyncio.timeout(60):  # a busy machine can be that slow
                await scenario(world)
        finally:
            await broker.close()
            await world.tidy()
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not left, left

    asyncio.run(run())
