"""Request weights and order counts, and what happens to who exceeds them.

Source: binance/binance-spot-api-docs, `rest-api.md`, "LIMITS".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from citadel_kit.exchange.dialects.binance.errors import ApiError

T = TypeVar("T")

_MINUTE_MS: Final = 60_000
_TEN_SECONDS_MS: Final = 10_000
_DAY_MS: Final = 86_400_000
_BAN_AFTER: Final = 20
"""Requests in one minute that were answered 429 already."""
_BAN_MS: Final = 120_000
_CLIENTS: Final = 1024
"""Addresses and accounts that are counted; the one seen first is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    weight_per_minute: int = 6_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000


class Window:
    """Counts since the last whole `length_ms` of the clock."""

    __slots__ = ("_length_ms", "_start_ms", "count")

    def __init__(self, length_ms: int) -> None:
        self._length_ms, self._start_ms, self.count = length_ms, -1, 0

    def at(self, now_ms: int) -> int:
        start = now_ms - now_ms % self._length_ms
        if start != self._start_ms:
            self._start_ms, self.count = start, 0
        return self.count

    def left_ms(self, now_ms: int) -> int:
        return self._length_ms - now_ms % self._length_ms


class _Address:
    __slots__ = ("banned_until_ms", "refused", "weight")

    def __init__(self) -> None:
        self.weight, self.refused, self.banned_until_ms = Window(_MINUTE_MS), Window(_MINUTE_MS), 0


class Usage:
    """Weight by address, orders by account."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, tuple[Window, Window]] = {}

    def spend(self, address: str, weight: int, now_ms: int) -> int:
        """The weight used in this minute, with this request's. Raises ApiError 429 and, in the end, 418."""
        client = _of(self._addresses, address, _Address)
        if now_ms < client.banned_until_ms:
            raise _banned(client.banned_until_ms, now_ms)
        if client.weight.at(now_ms) + weight > self.limits.weight_per_minute:
            client.refused.at(now_ms)
            client.refused.count += 1
            if client.refused.count > _BAN_AFTER:
                client.banned_until_ms = now_ms + _BAN_MS
                raise _banned(client.banned_until_ms, now_ms)
            raise ApiError(
                -1003,
                f"Too much request weight used; current limit is {self.limits.weight_per_minute} request"
                " weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling"
                " the API.",
                429,
                headers=_retry_after(client.weight.left_ms(now_ms)),
            )
        client.weight.count += weight
        return client.weight.count

    def check_orders(self, account: str, count: int, now_ms: int) -> None:
        """Raises ApiError 429 where `count` more would be too many."""
        windows = self._windows(account)
        for window, limit, words in zip(
            windows,
            (self.limits.orders_per_10s, self.limits.orders_per_day),
            ("10 SECOND", "1 DAY"),
            strict=True,
        ):
            if window.at(now_ms) + count > limit:
                raise ApiError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {words}.",
                    429,
                    headers=_retry_after(window.left_ms(now_ms)),
                )

    def count_orders(self, account: str, count: int, now_ms: int) -> tuple[int, int]:
        """Those that were accepted, in these ten seconds and this day, with these."""
        short, day = self._windows(account)
        counts = short.at(now_ms) + count, day.at(now_ms) + count
        short.count, day.count = counts
        return counts

    def _windows(self, account: str) -> tuple[Window, Window]:
        return _of(self._orders, account, lambda: (Window(_TEN_SECONDS_MS), Window(_DAY_MS)))

    def counts(self, account: str, now_ms: int) -> tuple[int, int]:
        windows = self._orders.get(account)
        return (0, 0) if windows is None else (windows[0].at(now_ms), windows[1].at(now_ms))


def rate_limits(limits: Limits) -> list[dict[str, Any]]:
    """As `exchangeInfo` states them."""
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
        _limit("ORDERS", "SECOND", 10, limits.orders_per_10s),
        _limit("ORDERS", "DAY", 1, limits.orders_per_day),
    ]


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _of(known: dict[str, T], name: str, new: Callable[[], T]) -> T:
    found = known.get(name)
    if found is None:
        if len(known) >= _CLIENTS:
            known.pop(next(iter(known)))
        found = known[name] = new()
    return found


def _retry_after(left_ms: int) -> dict[str, str]:
    return {"Retry-After": str(-(-left_ms // 1000))}


def _banned(until_ms: int, now_ms: int) -> ApiError:
    return ApiError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        418,
        headers=_retry_after(until_ms - now_ms),
    )


class Recent(Generic[T]):
    """The newest `most` values by key, in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._values: OrderedDict[Any, T] = OrderedDict()
        self._most = most

    def put(self, key: Any, value: T) -> None:
        self._values[key] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: Any) -> T | None:
        return self._values.get(key)

    def items(self) -> list[tuple[Any, T]]:
        return list(self._values.items())
