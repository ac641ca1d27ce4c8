"""A snapshot as plain JSON-able data for a screen, and the bounded history its charts show.

NaN and infinity become None, times are milliseconds since the epoch (UTC), ages milliseconds (None where
nothing came yet), sizes are in base currency, `*_bps` in basis points.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import Any, Final

from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import ConfigError
from citadel_kit.types import (
    FeedState,
    GlobalQuote,
    MacroSignal,
    MicroSnapshot,
    OrderView,
    VenueView,
    Verdict,
)

MODES: Final = ("REPLAY", "PAPER", "LIVE")
ORDERS_SHOWN: Final = 8
GLOBAL: Final = "best of all"
"""Name of the history series of the global quote."""

View = dict[str, Any]


def view(snapshot: MicroSnapshot, signal: MacroSignal | None, verdict: Verdict | None) -> View:
    """Everything the panel shows of one moment. The signal's expiry is judged at the snapshot's time.

    Raises ConfigError for a mode that has no watermark: real and simulated money must never be confused.
    """
    if snapshot.mode not in MODES:
        raise ConfigError("mode", f"{snapshot.mode!r} is unknown", f"Use one of {', '.join(MODES)}")
    orders = sorted(snapshot.orders, key=lambda o: (o.finished_ns > 0 and not o.plan, -o.submitted_ns))
    return {
        "symbol": snapshot.symbol,
        "mode": snapshot.mode,
        "asof_ms": snapshot.asof_ns // MILLISECOND,
        "engine": snapshot.engine,
        "guard": snapshot.guard,
        "quote": _quote(snapshot.quote),
        "venues": [_venue(venue) for venue in snapshot.venues],
        "signal": None if signal is None else _signal(signal, snapshot.asof_ns),
        "verdict": None
        if verdict is None
        else {"allowed": verdict.allowed, "reasons": list(verdict.reasons), "text": verdict.text},
        "orders": [_order(order) for order in orders[:ORDERS_SHOWN]],
        "orders_hidden": max(0, len(orders) - ORDERS_SHOWN),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _age_ms(ns: int) -> int | None:
    return ns // MILLISECOND if ns >= 0 else None


def _quote(quote: GlobalQuote) -> View:
    mid, size = quote.mid, quote.bid_qty + quote.ask_qty
    return {
        "bid": _number(quote.bid),
        "bid_qty": _number(quote.bid_qty),
        "bid_venue": quote.bid_venue,
        "bid_age_ms": _age_ms(quote.bid_age_ns),
        "ask": _number(quote.ask),
        "ask_qty": _number(quote.ask_qty),
        "ask_venue": quote.ask_venue,
        "ask_age_ms": _age_ms(quote.ask_age_ns),
        "crossed": quote.crossed,
        "mid": _number(mid),
        "spread_bps": _number((quote.ask - quote.bid) / mid * 1e4) if mid > 0 else None,
        "imbalance": _number((quote.bid_qty - quote.ask_qty) / size) if size > 0 else None,
    }


def _venue(venue: VenueView) -> View:
    live = venue.state == FeedState.LIVE

    def shown(value: float) -> float | None:
        return _number(value) if live else None

    return {
        "venue": venue.venue,
        "state": FeedState(venue.state).name,
        "verified": venue.verified,
        "standing": venue.standing,
        "state_reason": venue.state_reason,
        "age_ms": _age_ms(venue.age_ns),
        "book_age_ms": _age_ms(venue.book_age_ns),
        "bid": shown(venue.bid),
        "bid_qty": shown(venue.bid_qty),
        "ask": shown(venue.ask),
        "ask_qty": shown(venue.ask_qty),
        "spread_bps": shown(venue.spread_bps),
        "imbalance": [shown(value) for value in venue.imbalance],
        "microprice": shown(venue.microprice),
        "counts": dict(venue.counts),
    }


def _signal(signal: MacroSignal, asof_ns: int) -> View:
    regime = signal.regime
    state = "valid"
    if signal.asof_ns > asof_ns:
        state = "from the future"
    elif signal.valid_until_ns <= asof_ns:
        state = "expired"
    return {
        "side": signal.side.name if signal.side is not None else "FLAT",
        "state": state,
        "asof_ms": signal.asof_ns // MILLISECOND,
        "valid_until_ms": signal.valid_until_ns // MILLISECOND,
        "regime": str(regime),
        "hurst": _number(regime.hurst),
        "volatility": _number(regime.volatility),
        "trend": _number(regime.trend),
        "probability": _number(signal.probability),
        "fraction": _number(signal.fraction),
        "reason": signal.reason,
    }


def _order(order: OrderView) -> View:
    return {
        "id": order.parent_id,
        "venue": order.venue,
        "side": order.side.name,
        "purpose": order.purpose.name,
        "forced": order.forced,
        "status": order.status,
        "note": f"{order.note} · {order.plan}" if order.plan else order.note,
        "qty": _number(order.qty),
        "filled": _number(order.filled),
        "remaining": _number(order.remaining),
        "working_price": _number(order.working_price),
        "arrival_mid": _number(order.arrival_mid),
        "average_price": _number(order.average_price),
        "slippage_bps": _number(order.slippage_bps),
        "fees": _number(order.fees),
        "reprices": order.reprices,
        "submitted_ms": order.submitted_ns // MILLISECOND,
        "finished_ms": order.finished_ns // MILLISECOND,
    }


class History:
    """The last `length` points of spread (bps) and imbalance: a series per venue and one of the global quote.

    A venue's imbalance is that of its top five levels, the global one that of the best quotes. Written by one
    thread, read by any.
    """

    def __init__(self, length: int) -> None:
        self._points: deque[View] = deque(maxlen=length)
        self._names: list[str] = [GLOBAL]
        self._run = ("", "")
        self._lock = threading.Lock()

    def add(self, n: int, shown: View) -> View | None:
        """Adds the point of `shown` under the number `n` and returns it; None while market time stands still.

        Another mode or symbol, or market time that runs backwards, is another run: the history starts anew.
        """
        at, run = shown["asof_ms"], (shown["mode"], shown["symbol"])
        with self._lock:
            last = self._points[-1]["t"] if self._points else None
            if run != self._run or (last is not None and at < last):
                self._points.clear()
                self._run = run
            elif at == last:
                return None
            self._names += [v["venue"] for v in shown["venues"] if v["venue"] not in self._names]
            series = {v["venue"]: (v["spread_bps"], v["imbalance"][1]) for v in shown["venues"]}
            series[GLOBAL] = (shown["quote"]["spread_bps"], shown["quote"]["imbalance"])
            pairs = [series.get(name, (None, None)) for name in self._names]
            point = {"n": n, "t": at, "spread": [p[0] for p in pairs], "imbalance": [p[1] for p in pairs]}
            self._points.append(point)
            return point

    @property
    def first(self) -> int:
        """Number of the oldest point kept; 0 where there is none."""
        with self._lock:
            return int(self._points[0]["n"]) if self._points else 0

    @property
    def names(self) -> list[str]:
        """Of the series, in the order of a point's numbers."""
        with self._lock:
            return list(self._names)

    def plain(self) -> View:
        """`names` of the series, and `points` with one number (or None) per name, oldest first.

        A point older than a venue's first appearance has no number for it: its lists are shorter.
        """
        with self._lock:
            return {"names": list(self._names), "points": list(self._points)}
