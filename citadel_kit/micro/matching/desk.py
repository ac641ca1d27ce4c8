"""Each account's orders and trades on one symbol: all that is open, and a bounded history of the rest."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from citadel_kit.micro.matching.orders import AccountTrade, ExchangeOrder, OrderRefused, RefusalCode

HISTORY: Final = 10_000
"""Finished orders, and trades, kept for each account."""


@dataclass(slots=True)
class OrderList:
    """One cancels the other: a limit and a stop that share what they hold."""

    list_id: int
    client_id: str
    limit: ExchangeOrder
    stop: ExchangeOrder
    extra: int
    """What is held for the stop beyond what is held for the limit."""
    decided: bool = False

    def other(self, order: ExchangeOrder) -> ExchangeOrder:
        return self.stop if order is self.limit else self.limit


@dataclass(slots=True)
class AccountOrders:
    open: dict[int, ExchangeOrder] = field(default_factory=dict)
    open_by_client_id: dict[str, ExchangeOrder] = field(default_factory=dict)
    finished: OrderedDict[int, ExchangeOrder] = field(default_factory=OrderedDict)
    finished_by_client_id: dict[str, ExchangeOrder] = field(default_factory=dict)
    """The newest under each client id."""
    trades: deque[AccountTrade] = field(default_factory=lambda: deque(maxlen=HISTORY))
    stops: int = 0
    """Open and not yet triggered."""

    def add(self, order: ExchangeOrder) -> None:
        self.open[order.order_id] = order
        self.open_by_client_id[order.client_id] = order

    def finish(self, order: ExchangeOrder) -> None:
        del self.open[order.order_id], self.open_by_client_id[order.client_id]
        self.finished[order.order_id] = order
        self.finished_by_client_id[order.client_id] = order
        if len(self.finished) > HISTORY:
            _, oldest = self.finished.popitem(last=False)
            if self.finished_by_client_id.get(oldest.client_id) is oldest:
                del self.finished_by_client_id[oldest.client_id]

    def find_open(self, order_id: int, client_id: str) -> ExchangeOrder:
        """By order id, or by client id where that is -1. Raises OrderRefused with UNKNOWN_ORDER."""
        order = self.open.get(order_id) if order_id >= 0 else self.open_by_client_id.get(client_id)
        return order or _unknown(order_id, client_id)

    def find(self, order_id: int, client_id: str) -> ExchangeOrder:
        """Among the open and the remembered ones. Raises OrderRefused with UNKNOWN_ORDER."""
        if order_id >= 0:
            order = self.open.get(order_id) or self.finished.get(order_id)
        else:
            order = self.open_by_client_id.get(client_id) or self.finished_by_client_id.get(client_id)
        return order or _unknown(order_id, client_id)


def _unknown(order_id: int, client_id: str) -> ExchangeOrder:
    name = f"{order_id}" if order_id >= 0 else f"with client id {client_id!r}"
    raise OrderRefused(RefusalCode.UNKNOWN_ORDER, f"there is no such order {name}")
