"""What an exchange refuses before it matches: tick, lot, notional, price band, number of orders."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from citadel_kit.micro.matching.orders import (
    PRICED_TYPES,
    TRIGGERED_TYPES,
    OrderRefused,
    OrderRequest,
    OrderType,
    RefusalCode,
    Tif,
)
from citadel_kit.types import Instrument

SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Filters of one symbol, in the instrument's units."""

    tick: int = 1
    lot: int = 1
    min_notional: int = 0
    min_price: int = 1
    max_price: int = 1 << 40
    min_qty: int = 1
    max_qty: int = 1 << 50
    max_market_qty: int = 1 << 50
    band_up_pct: int = 500
    """A limit price is at most this percentage of the average price, and at least the other one."""
    band_down_pct: int = 20
    average_s: int = 300
    """Span of the average price that bands and market orders' notional are judged by; 0: the last price."""
    max_orders: int = 200
    """Open orders of one account."""
    max_stop_orders: int = 20
    """Of these, not yet triggered."""

    @classmethod
    def of(cls, instrument: Instrument) -> Rules:
        """The instrument's own filters, the rest as it stands above."""
        return cls(
            tick=instrument.tick,
            lot=instrument.lot,
            min_notional=instrument.min_notional,
            min_price=instrument.tick,
            min_qty=instrument.lot,
        )


class AveragePrice:
    """Quantity-weighted price of the last `span_s` seconds, in buckets of a second; the last price where
    nothing traded in them or the span is 0."""

    def __init__(self, span_s: int) -> None:
        self._span_s = span_s
        self._buckets: deque[list[int]] = deque()
        self._notional = self._qty = 0
        self.last = 0
        """0 until something traded."""

    def add(self, at_ns: int, price: int, qty: int) -> None:
        self.last = price
        if not self._span_s:
            return
        second = at_ns // SECOND
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += price * qty
        bucket[2] += qty
        self._notional += price * qty
        self._qty += qty
        self._forget(second)

    def value(self, now_ns: int) -> int:
        """Rounded down to a price unit; 0 until something traded."""
        self._forget(now_ns // SECOND)
        return self._notional // self._qty if self._qty else self.last

    def _forget(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - self._span_s:
            _, notional, qty = self._buckets.popleft()
            self._notional -= notional
            self._qty -= qty


def check(rules: Rules, request: OrderRequest, average: int) -> None:
    """Raises OrderRefused with the first filter the request fails.

    `average`: the price that bands and a market order's notional are judged by, 0 where there is none yet.
    """
    _check_shape(request)
    if request.type in PRICED_TYPES:
        check_price(rules, request.price, average)
    if request.type in TRIGGERED_TYPES:
        _check_tick(rules, request.stop_price, "stop price")
    if request.quote_qty:
        _check_value(rules, request.quote_qty)
        return
    check_qty(rules, request.qty, market=request.type not in PRICED_TYPES)
    check_notional(rules, request.price or request.stop_price or average, request.qty)


def check_price(rules: Rules, price: int, average: int) -> None:
    _check_tick(rules, price, "price")
    down, up = rules.band_down_pct, rules.band_up_pct
    if average and not average * down <= price * 100 <= average * up:
        detail = f"price {price} is not between {down} % and {up} % of the average {average}"
        raise OrderRefused(RefusalCode.PERCENT_PRICE, detail)


def check_qty(rules: Rules, qty: int, *, market: bool) -> None:
    if not rules.min_qty <= qty <= rules.max_qty or qty % rules.lot:
        detail = f"quantity {qty} is not {rules.min_qty} to {rules.max_qty} in steps of {rules.lot}"
        raise OrderRefused(RefusalCode.LOT_SIZE, detail)
    if market and qty > rules.max_market_qty:
        detail = f"quantity {qty} is above {rules.max_market_qty}, the largest of a market order"
        raise OrderRefused(RefusalCode.MARKET_LOT_SIZE, detail)


def check_notional(rules: Rules, price: int, qty: int) -> None:
    """A price of 0 is unknown, and passes."""
    if price:
        _check_value(rules, price * qty)


def _check_value(rules: Rules, notional: int) -> None:
    if notional < rules.min_notional:
        detail = f"the order's value {notional} is below {rules.min_notional}"
        raise OrderRefused(RefusalCode.MIN_NOTIONAL, detail)


def _check_tick(rules: Rules, price: int, name: str) -> None:
    if not rules.min_price <= price <= rules.max_price or price % rules.tick:
        detail = f"{name} {price} is not {rules.min_price} to {rules.max_price} in steps of {rules.tick}"
        raise OrderRefused(RefusalCode.PRICE_FILTER, detail)


def _check_shape(r: OrderRequest) -> None:
    """Which parameters belong to which type."""
    priced, stopped, market = r.type in PRICED_TYPES, r.type in TRIGGERED_TYPES, r.type == OrderType.MARKET
    may_take_at_limit = priced and r.type != OrderType.LIMIT_MAKER
    if priced != (r.price != 0):
        problem = "a price belongs to limit orders, and only to them"
    elif stopped != (r.stop_price != 0):
        problem = "a stop price belongs to stop-loss and take-profit orders, and only to them"
    elif r.quote_qty and (r.qty or not market):
        problem = "a quote quantity is a market order's, in place of a quantity"
    elif r.qty < 0 or r.quote_qty < 0 or not (r.qty or r.quote_qty):
        problem = "a quantity is needed"
    elif r.tif != Tif.GTC and not may_take_at_limit:
        problem = "a time in force belongs to limit orders that may take"
    else:
        return
    raise OrderRefused(RefusalCode.BAD_PARAMETER, problem)
