"""The matching engine of one symbol: clients' orders among each other and against an outside market.

Clients' orders stand in strict price-time priority. The outside shows levels and trades that know nothing of
our clients: a taker takes outside levels and clients' orders merged by price, within a price by the queue
position of `queue`; a resting order is filled by the outside's trades and books by the rules there. What
clients took from an outside level stays off the shown level until the outside changes that level.

Everything happens at the times handed in, which never run backwards; the same calls give the same results. A
request that can't be served raises OrderRefused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.micro.matching.accounts import Accounts
from citadel_kit.micro.matching.admission import check_amend, check_pair, check_request, require_free
from citadel_kit.micro.matching.desk import OrderList
from citadel_kit.micro.matching.filters import Rules
from citadel_kit.micro.matching.floor import Floor
from citadel_kit.micro.matching.orders import (
    OWN_PREFIX,
    AccountTrade,
    CancelReplace,
    ExchangeOrder,
    Execution,
    ExecutionKind,
    LevelChange,
    ListStatus,
    ListUpdate,
    OrderRefused,
    OrderRequest,
    OrderType,
    PublicTrade,
    Status,
)
from citadel_kit.micro.matching.passive import outside_book, outside_trade
from citadel_kit.micro.matching.queue import QueueConfig
from citadel_kit.micro.matching.taking import place_market, requeue, trigger, work_limit
from citadel_kit.types import Instrument, Levels, Side

Pairs = Levels | Iterable[tuple[int, int]]
Drained = tuple[list[LevelChange], list[PublicTrade], list[Execution | ListUpdate]]


class MatchingEngine:
    def __init__(
        self,
        instrument: Instrument,
        accounts: Accounts,
        *,
        maker_ppm: int = 1_000,
        taker_ppm: int = 1_000,
        queue: QueueConfig = QueueConfig(),  # noqa: B008 - immutable
        rules: Rules | None = None,
    ) -> None:
        """Raises ConfigError for what is no spot pair, or too fine for exact commissions."""
        if not 0 <= queue.cancel_pct <= 100:
            raise ConfigError("cancel_pct", f"{queue.cancel_pct} is not a percentage")
        self.instrument, self.accounts = instrument, accounts
        self.rules = rules or Rules.of(instrument)
        self.queue = queue
        self._floor = Floor(instrument, accounts, maker_ppm, taker_ppm, self.rules)
        self._order_id = self._list_id = 0

    # --- requests -------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, now_ns: int) -> ExchangeOrder:
        """The order after all that follows from it at once."""
        floor = self._floor
        check_request(floor, request, now_ns)
        order = ExchangeOrder(request, self._order_id + 1, now_ns)
        if order.type == OrderType.MARKET:
            place_market(floor, order, now_ns)
        else:
            need = floor.need(order)
            require_free(floor, order, need)
            floor.hold(order, need)
            floor.admit(order, now_ns)
            if order.working:
                work_limit(floor, order, now_ns)
        self._order_id = order.order_id
        trigger(floor, now_ns)
        return order

    def place_oco(
        self, limit: OrderRequest, stop: OrderRequest, now_ns: int, list_client_id: str = ""
    ) -> tuple[int, tuple[ExchangeOrder, ExchangeOrder]]:
        """A LIMIT_MAKER and a stop-loss of one side and quantity: (list id, (the limit, the stop)).

        One fills, in part or whole, or triggers: the other expires. Together they hold what the dearer one
        needs.
        """
        floor = self._floor
        check_pair(floor, limit, stop, now_ns)
        first = ExchangeOrder(limit, self._order_id + 2, now_ns)
        second = ExchangeOrder(stop, self._order_id + 1, now_ns)
        needs = floor.need(first), floor.need(second)
        require_free(floor, first, max(needs))
        self._order_id += 2
        self._list_id += 1
        name = list_client_id or f"{OWN_PREFIX}list-{self._list_id}"
        pair = OrderList(self._list_id, name, first, second, max(needs[1] - needs[0], 0))
        floor.lists[self._list_id] = pair
        first.list_id = second.list_id = self._list_id
        floor.hold(first, needs[0])
        floor.accounts.lock(first.account, floor.pays_with(first.side), pair.extra)
        floor.announce(pair, ListStatus.EXEC_STARTED, now_ns)
        floor.admit(second, now_ns)
        floor.admit(first, now_ns)
        floor.rest(first)
        return self._list_id, (first, second)

    def cancel(self, account: str, now_ns: int, *, order_id: int = -1, client_id: str = "") -> ExchangeOrder:
        """Of a leg of a list: both."""
        order = self._floor.desk[account].find_open(order_id, client_id)
        self._floor.close(order, now_ns, Status.CANCELED, ExecutionKind.CANCELED)
        return order

    def cancel_all(self, account: str, now_ns: int) -> list[ExchangeOrder]:
        orders = self.open_orders(account)
        for order in orders:
            if order.open:
                self._floor.close(order, now_ns, Status.CANCELED, ExecutionKind.CANCELED)
        return orders

    def cancel_replace(
        self, account: str, new: OrderRequest, now_ns: int, *, order_id: int = -1, client_id: str = "",
        stop_on_failure: bool,
    ) -> CancelReplace:  # fmt: skip
        """Cancel, then place; never raises OrderRefused, the halves' refusals are in the result.

        `stop_on_failure`: nothing is placed where the cancel failed. A cancel that was done stays done where
        the new order is refused.
        """
        canceled = cancel_refusal = None
        try:
            canceled = self.cancel(account, now_ns, order_id=order_id, client_id=client_id)
        except OrderRefused as refusal:
            cancel_refusal = refusal
            if stop_on_failure:
                return CancelReplace(None, refusal, None, None)
        try:
            return CancelReplace(canceled, cancel_refusal, self.place(new, now_ns), None)
        except OrderRefused as refusal:
            return CancelReplace(canceled, cancel_refusal, None, refusal)

    def amend(
        self, account: str, now_ns: int, *, order_id: int = -1, client_id: str = "", qty: int, price: int = 0
    ) -> ExchangeOrder:
        """A new total quantity, and with `price` a new price. Quantity down keeps the place in the queue;
        quantity or price up or price down loses it, and may take."""
        floor = self._floor
        order = floor.desk[account].find_open(order_id, client_id)
        price = price or order.price
        check_amend(floor, order, qty, price, now_ns)
        if price == order.price and qty < order.qty:
            floor.reduce(order, qty, now_ns)
        else:
            requeue(floor, order, qty, price, now_ns)
            trigger(floor, now_ns)
        return order

    # --- the outside ----------------------------------------------------------------------------------------

    def on_outside(self, now_ns: int, *, is_snapshot: bool, bids: Pairs, asks: Pairs) -> None:
        """Levels as (price, quantity), in a delta those that changed. A delta without a book is ignored."""
        if not (is_snapshot or self._floor.has_book):
            return
        self._floor.has_book = True
        sides = _pairs(bids), _pairs(asks)
        outside_book(self._floor, self.queue, now_ns, *sides, is_snapshot=is_snapshot)
        trigger(self._floor, now_ns)

    def on_outside_trade(self, now_ns: int, price: int, qty: int, side: Side) -> None:
        """`side`: the aggressor's."""
        outside_trade(self._floor, self.queue, now_ns, int(price), int(qty), Side(side))
        trigger(self._floor, now_ns)

    def on_outside_lost(self, now_ns: int) -> None:
        """No book until the next snapshot: new orders are refused with NO_BOOK, resting ones stay and can be
        cancelled, stops wait."""
        self._floor.has_book = False
        for half in (self._floor.bids, self._floor.asks):
            half.apply((), is_snapshot=True)

    # --- reading --------------------------------------------------------------------------------------------

    def drain(self) -> Drained:
        """Since the last drain: levels of the shown book that differ, prints and executions in order."""
        floor = self._floor
        changes = [
            LevelChange(half is floor.bids, price, qty)
            for half in (floor.bids, floor.asks)
            for price, qty in half.changes()
        ]
        prints, executions = floor.prints, floor.executions
        floor.prints, floor.executions = [], []
        return changes, prints, executions

    def shown(self, is_bid: bool, depth: int) -> list[tuple[int, int]]:
        """(price, total) of a side's best levels, best first."""
        half = self._floor.bids if is_bid else self._floor.asks
        return [(key * half.sign, half.totals[key * half.sign]) for key in islice(reversed(half.keys), depth)]

    def top(self) -> tuple[int, int, int, int]:
        """Best bid, its quantity, best ask, its quantity; zeros where a side is empty."""
        bids, asks = self._floor.bids, self._floor.asks
        bid, ask = bids.best(), asks.best()
        return bid, bids.totals.get(bid, 0), ask, asks.totals.get(ask, 0)

    def order(self, account: str, *, order_id: int = -1, client_id: str = "") -> ExchangeOrder:
        """Open or remembered. Raises OrderRefused with UNKNOWN_ORDER."""
        return self._floor.desk[account].find(order_id, client_id)

    def open_orders(self, account: str) -> list[ExchangeOrder]:
        """In the order in which they were accepted."""
        return list(self._floor.desk[account].open.values())

    def all_orders(self, account: str) -> list[ExchangeOrder]:
        """Open and remembered, by order id."""
        orders = self._floor.desk[account]
        both = [*orders.finished.values(), *orders.open.values()]
        return sorted(both, key=lambda order: order.order_id)

    def trades(self, account: str) -> list[AccountTrade]:
        """The remembered ones, oldest first."""
        return list(self._floor.desk[account].trades)

    def newest_trades(self, account: str) -> Iterator[AccountTrade]:
        """The same, newest first, without a copy of them all. Not to be kept until the next trade."""
        return reversed(self._floor.desk[account].trades)

    @property
    def last_price(self) -> int:
        """0 until something traded."""
        return self._floor.average.last

    def average_price(self, now_ns: int) -> int:
        """What the price band is judged by; 0 where nothing traded yet and a side is empty."""
        return self._floor.reference(now_ns)

    @property
    def has_book(self) -> bool:
        """Is the outside market there?"""
        return self._floor.has_book


def _pairs(levels: Pairs) -> Iterable[tuple[int, int]]:
    return levels.tolist() if isinstance(levels, np.ndarray) else levels
