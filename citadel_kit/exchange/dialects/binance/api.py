"""What every call of the API stands on: the venue, who asked, and the books kept about both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from citadel_kit.exchange.dialects.binance.errors import bad_key, invalid_symbol
from citadel_kit.exchange.dialects.binance.limits import Limits, Recent, Usage
from citadel_kit.exchange.dialects.binance.listenkeys import ListenKeys
from citadel_kit.exchange.dialects.binance.orderjson import Writer
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.dialects.binance.signing import (
    Security,
    api_key,
    check_signed,
)
from citadel_kit.exchange.dialects.binance.text import ms
from citadel_kit.exchange.venue import ApiKey, Symbol, Venue

_REMEMBERED: Final = 10_000


class Request(NamedTuple):
    params: Params
    now_ns: int
    """By the venue's clock."""
    key: ApiKey | None = None

    @property
    def account(self) -> str:
        if self.key is None:
            raise bad_key()
        return self.key.account

    @property
    def now_ms(self) -> int:
        return ms(self.now_ns)


@dataclass(frozen=True, slots=True)
class Call:
    """One entry of the API, the same by REST and by websocket."""

    run: Callable[[Api, Request], Any]
    weight: int | Callable[[Params], int] = 1
    security: Security = Security.NONE
    orders: int = 0
    """Orders that it counts as."""


class Answer(NamedTuple):
    result: Any
    weight: int
    """Used in this minute."""
    orders: tuple[int, int] | None
    """Placed in these ten seconds and this day; None where the call has nothing to do with orders."""


class ListEntry(NamedTuple):
    account: str
    symbol: str
    orders: tuple[int, int]
    """The limit's id, the stop's."""
    name: str
    """`listClientOrderId`."""


class Api:
    def __init__(self, venue: Venue, limits: Limits) -> None:
        self.venue = venue
        self.usage = Usage(limits)
        self.listen_keys = ListenKeys()
        self.cancel_ids: Recent[str] = Recent(_REMEMBERED)
        """The name that a client gave to its cancel request, by symbol and order id."""
        self.lists: Recent[ListEntry] = Recent(_REMEMBERED)
        """One-cancels-other lists by id."""
        self._numbers = itertools.count(1)

    def symbol(self, params: Params) -> Symbol:
        return self.named(params.symbol())

    def named(self, text: str) -> Symbol:
        try:
            return self.venue.symbol_by_venue_name(text)
        except KeyError:
            raise invalid_symbol() from None

    def writer(self, symbol: Symbol) -> Writer:
        return Writer(symbol, self.venue.skew_ns)

    def cancel_id(self, symbol: str, order_id: int) -> str:
        """The name of the cancel that ended an order: the client's, or one that is the same at every look."""
        return self.cancel_ids.get((symbol, order_id)) or f"cancel-{order_id}"

    def new_id(self) -> str:
        """A client id for who gave none; not used before, not even before a restart."""
        return f"{self.venue.now_ns():x}-{next(self._numbers)}"

    def answer(
        self, call: Call, address: str, params: Params, *, key: str, payload: str, signature: str
    ) -> Answer:
        """Raises ApiError."""
        now_ns = self.venue.now_ns()
        now_ms = ms(now_ns)
        weight = call.weight if isinstance(call.weight, int) else call.weight(params)
        used = self.usage.spend(address, weight, now_ms)
        known = None
        if call.security != Security.NONE:
            known = api_key(self.venue, key)
            if call.security > Security.KEY:
                check_signed(known, params, payload, signature, now_ms, call.security)
        account = known.account if call.orders and known is not None else ""
        if account:
            self.usage.check_orders(account, call.orders, now_ms)
        result = call.run(self, Request(params, now_ns, known))
        counts = self.usage.count_orders(account, call.orders, now_ms) if account else None
        return Answer(result, used, counts)
