"""Snapshots made by hand for the panel's tests; `market(i)` is the i-th moment of a moving one."""

from __future__ import annotations

import math

from msgspec.structs import replace

from citadel_kit.types import (
    FeedState,
    GlobalQuote,
    MacroSignal,
    Memory,
    MicroSnapshot,
    OrderView,
    Purpose,
    Regime,
    Side,
    VenueView,
    Verdict,
    Weather,
)

START = 1_723_161_253_937_000_000
SECOND = 1_000_000_000
NAN = math.nan


def venue(name: str, bid: float, ask: float, imbalance: float, **changes: object) -> VenueView:
    bid, ask = round(bid, 2), round(ask, 2)
    live = VenueView(
        venue=name,
        state=FeedState.LIVE,
        state_reason="",
        age_ns=12_000_000,
        book_age_ns=48_000_000,
        bid=bid,
        ask=ask,
        bid_qty=1.25,
        ask_qty=0.75,
        spread_bps=(ask - bid) / (ask + bid) * 2e4,
        imbalance=(0.25, imbalance, imbalance / 2),
        microprice=bid + 0.6 * (ask - bid),
        counts={"frames": 41_249, "gaps": 0},
    )
    return replace(live, **changes)  # type: ignore[arg-type]


def dead_venue(name: str) -> VenueView:
    nothing = {"bid": NAN, "ask": NAN, "bid_qty": NAN, "ask_qty": NAN, "spread_bps": NAN, "microprice": NAN}
    gap = {"state": FeedState.GAP, "state_reason": "update 812 expected, 815 came", "age_ns": 350_000_000}
    return replace(venue(name, 1, 1, 0), imbalance=(NAN, NAN, NAN), book_age_ns=-1, **nothing, **gap)  # type: ignore[arg-type]


def signal(asof_ns: int = START - 600 * SECOND, valid_s: int = 3600) -> MacroSignal:
    regime = Regime(memory=Memory.TRENDING, weather=Weather.NORMAL, hurst=0.61, volatility=0.54, trend=1.7)
    return MacroSignal(
        symbol="BTC/USDT",
        side=Side.BUY,
        asof_ns=asof_ns,
        valid_until_ns=asof_ns + valid_s * SECOND,
        regime=regime,
        probability=0.643,
        fraction=0.118,
        reason="probability 0.643 is above 0.58 in a trending market",
    )


def order(number: int = 1, **changes: object) -> OrderView:
    working = OrderView(
        parent_id=f"p{number}",
        venue="binance",
        symbol="BTC/USDT",
        side=Side.BUY,
        purpose=Purpose.ENTRY,
        forced=True,
        status="working",
        note="followed the best bid by 3 ticks",
        qty=0.05,
        filled=0.0213,
        remaining=0.0287,
        working_price=61_234.12,
        arrival_mid=61_233.5,
        average_price=61_233.9,
        slippage_bps=0.07,
        fees=0.13,
        reprices=4,
        submitted_ns=START + number * SECOND,
        finished_ns=0,
    )
    return replace(working, **changes)  # type: ignore[arg-type]


def market(i: int = 0, **changes: object) -> MicroSnapshot:
    mid = 61_234 + 8 * math.sin(i / 37) + 3 * math.sin(i / 5)
    one = venue("binance", mid - 0.01, mid + 0.4 + 0.3 * math.sin(i / 11), 0.6 * math.sin(i / 23))
    two = venue("kraken", mid - 0.6 - 0.4 * math.cos(i / 17), mid + 0.9, -0.4 * math.cos(i / 31))
    quote = GlobalQuote(
        bid=one.bid,
        bid_qty=one.bid_qty,
        bid_venue="binance",
        bid_age_ns=48_000_000,
        ask=one.ask,
        ask_qty=one.ask_qty * (1 + 0.5 * math.sin(i / 9)),
        ask_venue="binance",
        ask_age_ns=48_000_000,
        crossed=False,
    )
    moment = MicroSnapshot(
        asof_ns=START + i * SECOND // 10,
        symbol="BTC/USDT",
        mode="REPLAY",
        quote=quote,
        venues=(one, two, dead_venue("bybit")),
        guard="ok",
        orders=(order(),),
        engine="running",
    )
    return replace(moment, **changes)  # type: ignore[arg-type]


ALLOWED = Verdict(True, (), "spread 0.08 bps is within max_spread_bps 50")
REFUSED = Verdict(False, ("signal_future",), "the signal is 600 s ahead of the market")
