"""Long random flows of every kind of request: money to the last unit, two sides of every fill."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel_kit.micro.matching import (
    FEES,
    MARKET,
    UNIT,
    Accounts,
    Execution,
    ExecutionKind,
    MatchingEngine,
    OrderRefused,
    OrderRequest,
    OrderType,
    PublicTrade,
    QueueConfig,
    Rules,
    Stp,
    Tif,
)
from citadel_kit.types import Instrument, Side

INSTRUMENT = Instrument(
    venue="v", symbol="BTC/USDT", venue_symbol="BTCUSDT", price_decimals=2, qty_decimals=5, tick=5, lot=10,
    min_notional=20_000,
)  # fmt: skip
NAMES = ("ann", "bob", "cleo")
SIDES = (Side.BUY, Side.SELL)
BASE, QUOTE = 10 ** (UNIT - 5), 10 ** (UNIT - 7)


class Flow:
    """A seeded flow into one engine, which watches all that must hold after every step."""

    def __init__(self, seed: int, config: QueueConfig) -> None:
        self.rng, self.now, self.mid = random.Random(seed), 0, 10_000
        self.accounts = Accounts()
        for name in NAMES:
            self.accounts.deposit(name, "USDT", self.rng.randint(1, 4 * 10**7) * QUOTE)
            self.accounts.deposit(name, "BTC", self.rng.randint(1, 4_000) * BASE)
        self.start = {n: self.worth(n) for n in (*NAMES, MARKET, FEES)}
        self.totals = self.accounts.totals()
        rules = Rules(tick=5, lot=10, min_qty=10, min_notional=20_000, max_orders=5, average_s=5)
        self.engine = MatchingEngine(
            INSTRUMENT, self.accounts, maker_ppm=150, taker_ppm=1_000, queue=config, rules=rules
        )
        self.book: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self.stated: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self.flows: Counter[tuple[str, str]] = Counter()
        self.given: Counter[str] = Counter()
        self.story: list[object] = []

    def worth(self, name: str) -> dict[str, int]:
        return {a: self.accounts.free(name, a) + self.accounts.locked(name, a) for a in ("BTC", "USDT")}

    # --- steps ----------------------------------------------------------------------------------------------

    def step(self) -> None:
        self.now += self.rng.choice([0, 1, 10**8])
        names = ["place"] * 8 + ["outside"] * 4 + ["trade"] * 4 + ["cancel", "amend", "oco", "replace"]
        what = self.rng.choice([*names, *(["lost", "cancel_all"] if self.rng.random() < 0.1 else [])])
        self.given[what] += 1
        try:
            getattr(self, what)()
        except OrderRefused as refusal:
            self.given[refusal.code.name] += 1
        self.look(self.trade_qty if what == "trade" else -1)

    def request(self, kind: OrderType | None = None, **fixed: object) -> OrderRequest:
        rng = self.rng
        kind = rng.choice([OrderType.LIMIT, *OrderType]) if kind is None else kind
        side, near = rng.choice(SIDES), self.mid + 5 * rng.randint(-6, 6)
        limit = "LIMIT" in kind.name
        by_quote = kind == OrderType.MARKET and rng.random() < 0.5
        fields = {
            "account": rng.choice(NAMES),
            "symbol": "BTC/USDT",
            "client_id": rng.choice(["", f"c{rng.random()}"]),
            "side": side,
            "type": kind,
            "qty": 0 if by_quote else 10 * rng.randint(1, 40),
            "quote_qty": rng.randint(10_000, 4_000_000) if by_quote else 0,
            "price": near if limit else 0,
            "stop_price": self.mid + 5 * rng.randint(-8, 8) if kind.name[:4] in ("STOP", "TAKE") else 0,
            "tif": rng.choice([Tif.GTC, *Tif]) if limit and kind != OrderType.LIMIT_MAKER else Tif.GTC,
            "stp": rng.choice(list(Stp)),
        }
        return OrderRequest(**{**fields, **fixed})  # type: ignore[arg-type]

    def place(self) -> None:
        self.engine.place(self.request(), self.now)

    def oco(self) -> None:
        limit = self.request(OrderType.LIMIT_MAKER)
        gap, last = 5 * self.rng.randint(-1, 4) * int(limit.side), self.engine.last_price or self.mid
        kind = self.rng.choice([OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT])
        same = {"account": limit.account, "side": limit.side, "qty": limit.qty}
        stop = self.request(kind, **same, stop_price=last + gap)
        limit = self.request(OrderType.LIMIT_MAKER, **same, price=last - gap)
        self.engine.place_oco(limit, stop, self.now)

    def pick(self) -> tuple[str, int]:
        name = self.rng.choice(NAMES)
        orders = self.engine.open_orders(name)
        return name, self.rng.choice(orders).order_id if orders else 10**9

    def cancel(self) -> None:
        name, order_id = self.pick()
        self.engine.cancel(name, self.now, order_id=order_id)

    def cancel_all(self) -> None:
        self.engine.cancel_all(self.rng.choice(NAMES), self.now)

    def amend(self) -> None:
        name, order_id = self.pick()
        price = self.rng.choice([0, 0, self.mid + 5 * self.rng.randint(-6, 6)])
        qty = 10 * self.rng.randint(1, 40)
        self.engine.amend(name, self.now, order_id=order_id, qty=qty, price=price)

    def replace(self) -> None:
        name, order_id = self.pick()
        self.engine.cancel_replace(
            name,
            self.request(account=name),
            self.now,
            order_id=order_id,
            stop_on_failure=self.rng.random() < 0.5,
        )

    def outside(self) -> None:
        rng = self.rng
        self.mid += 5 * rng.choice([0, 0, 0, 1, -1, 3, -3])
        snapshot = rng.random() < 0.2
        crossed = 10 if rng.random() < 0.05 else 0
        sides = []
        for is_bid, sign in ((True, -1), (False, 1)):
            near = [self.mid + sign * (5 * i + 5) - sign * crossed for i in range(6)]
            levels = {p: rng.randint(1, 300) for p in near if rng.random() < 0.6}
            stale = [p for p in self.stated[is_bid] if (p - self.mid) * sign <= -crossed]
            sides.append(levels if snapshot else {**dict.fromkeys(stale, 0), **levels})
            self.stated[is_bid] = dict(levels) if snapshot else {**self.stated[is_bid], **sides[-1]}
            self.stated[is_bid] = {p: q for p, q in self.stated[is_bid].items() if q}
        if not snapshot and not self.engine.has_book:
            self.stated = {True: {}, False: {}}
        bids, asks = (list(s.items()) for s in sides)
        self.engine.on_outside(self.now, is_snapshot=snapshot, bids=bids, asks=asks)

    def trade(self) -> None:
        side, self.trade_qty = self.rng.choice(SIDES), self.rng.randint(1, 400)
        price = self.mid + 5 * self.rng.choice([-2, -1, 0, 1, 2])
        self.engine.on_outside_trade(self.now, price, self.trade_qty, side)

    def lost(self) -> None:
        self.engine.on_outside_lost(self.now)
        self.stated = {True: {}, False: {}}

    # --- what must hold -------------------------------------------------------------------------------------

    def look(self, trade_qty: int) -> None:
        drained = self.engine.drain()
        self.story.append(drained)
        changes, prints, steps = drained
        for is_bid, price, qty in changes:
            assert self.book[is_bid].get(price, 0) != qty
            self.book[is_bid][price] = qty
        fills = [s for s in steps if isinstance(s, Execution) and s.kind == ExecutionKind.TRADE]
        self.look_at_book()
        self.look_at_fills(prints, fills)
        self.look_at_money()
        if trade_qty >= 0:
            passive = [p for p in prints if p.trade_id in {f.trade_id for f in fills if f.maker}]
            takers = {f.trade_id for f in fills if not f.maker}
            assert sum(p.qty for p in passive if p.trade_id not in takers) <= trade_qty

    def look_at_book(self) -> None:
        for is_bid in (True, False):
            shown = sorted(((p, q) for p, q in self.book[is_bid].items() if q), reverse=is_bid)
            assert self.engine.shown(is_bid, 10**6) == shown
            assert all(q > 0 for _, q in shown)
        bid, _, ask, _ = self.engine.top()
        if bid and ask and bid >= ask:
            assert max(self.stated[True]) >= min(self.stated[False]), "crossed by us"

    def look_at_fills(self, prints: list[PublicTrade], fills: list[Execution]) -> None:
        by_id: defaultdict[int, list[Execution]] = defaultdict(list)
        for fill in fills:
            by_id[fill.trade_id].append(fill)
        assert by_id.keys() <= {p.trade_id for p in prints}
        for trade in prints:
            sides = by_id[trade.trade_id]
            assert {(f.price, f.qty) for f in sides} <= {(trade.price, trade.qty)}
            assert len(sides) == len({f.maker for f in sides}) <= 2
            for fill in sides:
                self.book_fill(fill, trade, alone=len(sides) == 1)

    def book_fill(self, fill: Execution, trade: PublicTrade, *, alone: bool) -> None:
        order, sign = fill.order, int(fill.order.side)
        assert order.side == (Side(-trade.side) if fill.maker else trade.side)
        assert 0 < order.filled <= order.qty
        assert not order.price or sign * (order.price - fill.price) >= 0
        base, quote = sign * fill.qty * BASE, -sign * fill.qty * fill.price * QUOTE
        gain = base if order.side is Side.BUY else quote
        assert fill.commission == gain * (150 if fill.maker else 1_000) // 10**6
        assert fill.commission_asset == ("BTC" if order.side is Side.BUY else "USDT")
        for name, asset, units in (
            (order.account, "BTC", base), (order.account, "USDT", quote),
            (order.account, fill.commission_asset, -fill.commission),
            (FEES, fill.commission_asset, fill.commission),
            (MARKET, "BTC", -base if alone else 0), (MARKET, "USDT", -quote if alone else 0),
        ):  # fmt: skip
            self.flows[name, asset] += units

    def look_at_money(self) -> None:
        assert self.accounts.totals() == self.totals
        for name, start in self.start.items():
            now = self.worth(name)
            assert now == {asset: start[asset] + self.flows[name, asset] for asset in start}
        for name in NAMES:
            held: Counter[str] = Counter()
            orders = self.engine.open_orders(name)
            for order in orders:
                buys = order.side is Side.BUY
                assert 0 <= order.filled < order.qty
                need = (order.price or order.stop_price) * order.left * QUOTE if buys else order.left * BASE
                pair = [o for o in orders if o.list_id == order.list_id >= 0]
                if len(pair) < 2:
                    held["USDT" if buys else "BTC"] += need
                elif order is pair[0]:
                    costs = [
                        (o.price or o.stop_price) * o.left * QUOTE if buys else o.left * BASE for o in pair
                    ]
                    held["USDT" if buys else "BTC"] += max(costs)
            for asset in ("BTC", "USDT"):
                assert self.accounts.free(name, asset) >= 0
                assert self.accounts.locked(name, asset) == held[asset]


CONFIGS = [QueueConfig(0, False), QueueConfig(50, False), QueueConfig(100, False), QueueConfig(50, True)]


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(CONFIGS))
def test_money_and_fills_add_up_whatever_comes(seed: int, config: QueueConfig) -> None:
    flow = Flow(seed, config)
    for _ in range(100):
        flow.step()


@pytest.mark.parametrize("config", CONFIGS[1::2])
def test_a_long_flow_adds_up_and_comes_out_the_same_again(config: QueueConfig) -> None:
    first, second = Flow(1, config), Flow(1, config)
    for _ in range(3_000):
        first.step()
        second.step()
    assert first.story == second.story
    # The flow is worth its name: everything happened, and often.
    kinds = Counter(s.kind for _, _, steps in first.story for s in steps if isinstance(s, Execution))  # type: ignore[attr-defined]
    assert kinds[ExecutionKind.TRADE] > 500 and min(kinds.values()) > 20 and len(kinds) == 6, kinds
    assert min(first.given[what] for what in ("oco", "replace", "amend", "lost")) > 5, first.given
    codes = ("WOULD_TAKE", "WOULD_TRIGGER", "INSUFFICIENT_BALANCE", "NO_BOOK", "OCO_PRICES", "MAX_ORDERS")
    assert first.given.keys() >= set(codes), first.given
