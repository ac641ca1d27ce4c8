"""A small market for tests of the matching engine: two clients, round numbers, and what was reported."""

from __future__ import annotations

from itertools import count

import pytest

from citadel_kit.micro.matching import (
    FEES,
    MARKET,
    Accounts,
    ExchangeOrder,
    Execution,
    ExecutionKind,
    LevelChange,
    MatchingEngine,
    OrderRefused,
    OrderRequest,
    OrderType,
    PublicTrade,
    QueueConfig,
    RefusalCode,
    Rules,
    Stp,
    Tif,
)
from citadel_kit.types import Instrument, Side

BUY, SELL = Side.BUY, Side.SELL
ONE = 10**18
ANN, BOB = "ann", "bob"
INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=0, qty_decimals=0
)
BIDS, ASKS = [(99, 50), (98, 80)], [(101, 40), (102, 30), (105, 500)]
LOOSE = Rules(min_notional=100, band_up_pct=1_000, band_down_pct=1)
Money = dict[str, int]


class Desk:
    """One unit of price or quantity is a whole coin; time goes on by 1 with every request."""

    def __init__(
        self, *, queue: QueueConfig = QueueConfig(0, False), rules: Rules = LOOSE, maker_ppm: int = 0,  # noqa: B008
        taker_ppm: int = 0, usdt: int = 1_000_000, btc: int = 10_000,
    ) -> None:  # fmt: skip
        self.accounts = Accounts()
        for name in (ANN, BOB):
            self.accounts.deposit(name, "USDT", usdt * ONE)
            self.accounts.deposit(name, "BTC", btc * ONE)
        self.deposits = self.accounts.totals()
        self.engine = MatchingEngine(
            INSTRUMENT, self.accounts, maker_ppm=maker_ppm, taker_ppm=taker_ppm, queue=queue, rules=rules
        )
        self.clock = count(1)
        self.show(BIDS, ASKS)
        self.drain()

    def show(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], *, delta: bool = False) -> None:
        self.engine.on_outside(next(self.clock), is_snapshot=not delta, bids=bids, asks=asks)

    def trade(self, price: int, qty: int, side: Side) -> None:
        self.engine.on_outside_trade(next(self.clock), price, qty, side)

    def request(
        self, account: str, side: Side, qty: int, price: int = 0, *, type: OrderType | None = None,
        stop: int = 0, tif: Tif = Tif.GTC, stp: Stp = Stp.EXPIRE_MAKER, name: str = "", quote: int = 0,
    ) -> OrderRequest:  # fmt: skip
        kind = type if type is not None else OrderType.LIMIT if price else OrderType.MARKET
        return OrderRequest(
            account=account, symbol="BTC/USDT", client_id=name, side=side, type=kind, qty=qty,
            quote_qty=quote, price=price, stop_price=stop, tif=tif, stp=stp,
        )  # fmt: skip

    def place(self, account: str, side: Side, qty: int, price: int = 0, **more: object) -> ExchangeOrder:
        return self.engine.place(self.request(account, side, qty, price, **more), next(self.clock))  # type: ignore[arg-type]

    def refused(self, account: str, side: Side, qty: int, price: int = 0, **more: object) -> RefusalCode:
        """Its code, after a look that nothing changed."""
        before = self.picture()
        with pytest.raises(OrderRefused) as caught:
            self.place(account, side, qty, price, **more)
        assert self.picture() == before
        return caught.value.code

    def cancel(self, order: ExchangeOrder) -> ExchangeOrder:
        return self.engine.cancel(order.account, next(self.clock), order_id=order.order_id)

    def drain(self) -> tuple[list[LevelChange], list[PublicTrade], list[object]]:
        changes, prints, executions = self.engine.drain()
        return changes, prints, list(executions)

    def fills(self) -> list[tuple[int, int, int]]:
        """(order id, price, quantity) of all fills since the last drain."""
        steps = self.engine.drain()[2]
        return [
            (s.order.order_id, s.price, s.qty)
            for s in steps
            if isinstance(s, Execution) and s.kind == ExecutionKind.TRADE
        ]

    def kinds(self) -> list[tuple[int, str]]:
        steps = self.engine.drain()[2]
        return [
            (s.order.order_id, s.kind.name) if isinstance(s, Execution) else (-s.list_id, s.status.name)
            for s in steps
        ]

    def money(self, account: str) -> tuple[int, int, int, int]:
        """Free and locked USDT, free and locked BTC, in whole coins (they must be)."""
        units = [
            of(account, asset)
            for asset in ("USDT", "BTC")
            for of in (self.accounts.free, self.accounts.locked)
        ]
        assert not any(u % ONE for u in units)
        return units[0] // ONE, units[1] // ONE, units[2] // ONE, units[3] // ONE

    def picture(self) -> object:
        orders = [o.state() for name in (ANN, BOB) for o in self.engine.all_orders(name)]
        money = [self.accounts.balances(name) for name in (ANN, BOB, MARKET, FEES)]
        return orders, money, self.engine.shown(True, 99), self.engine.shown(False, 99)
