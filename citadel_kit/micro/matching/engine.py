"""The matching engine of one symbol: clients' orders among each other and against an outside market.

Clients' orders stand in strict price-time priority. The outside shows levels and trades that know nothing of
our clients: a taker takes outside levels and clients' orders merged by price, within a price by the queue
position of `queue`; a resting order is filled by the outside's trades and books by the rules there. What
clients took from an outside level stays off the shown level until the outside changes that level.

Everything happens at the times handed in, which never run backwards; the same calls give the same results. A
request that can't be served raises OrderRefused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from citadel_kit.errors import ConfigError
from citadel_kit.micro.matching.accounts import Accounts
from citadel_kit.micro.matching.desk import OrderList
from citadel_kit.micro.matching.filters import Rules, check, check_notional, check_price, check_qty
from citadel_kit.micro.matching.floor import Floor
from citadel_kit.micro.matching.orders import (
    PRICED_TYPES,
    TRIGGERED_TYPES,
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
    RefusalCode,
    Status,
    Tif,
)
from citadel_kit.micro.matching.passive import outside_book, outside_trade
from citadel_kit.micro.matching.queue import QueueConfig, crosses
from citadel_kit.micro.matching.stops import is_triggered
from citadel_kit.micro.matching.taking import Plan, plan
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
        self.has_book = False
        """Is the outside market there?"""
        self._floor = Floor(instrument, accounts, maker_ppm, taker_ppm, self.rules.average_s)
        self._order_id = self._list_id = 0

    # --- requests -------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, now_ns: int) -> ExchangeOrder:
        """The order after all that follows from it at once."""
        self._check(request, now_ns, legs=1)
        order = self._new(request, now_ns)
        if order.type in TRIGGERED_TYPES:
            self._place_stop(order, now_ns)
        else:
            self._place_now(order, now_ns)
        self._trigger(now_ns)
        return order

    def place_oco(
        self, limit: OrderRequest, stop: OrderRequest, now_ns: int, list_client_id: str = ""
    ) -> tuple[int, tuple[ExchangeOrder, ExchangeOrder]]:
        """A LIMIT_MAKER and a stop of one side and quantity: (list id, the limit, the stop).

        One fills, in part or whole, or triggers: the other expires. Together they hold what the dearer one
        needs.
        """
        self._check_pair(limit, stop, now_ns)
        legs = self._new(limit, now_ns), self._new(stop, now_ns)
        first, second = legs
        floor = self._floor
        needs = floor.need(first), floor.need(second)
        self._require_free(first, max(needs))
        self._list_id += 1
        name = list_client_id or f"citadel-list-{self._list_id}"
        pair = OrderList(self._list_id, name, first, second, max(needs[1] - needs[0], 0))
        floor.lists[self._list_id] = pair
        first.list_id = second.list_id = self._list_id
        floor.hold(first, needs[0])
        floor.accounts.lock(first.account, floor.pays_with(first.side), pair.extra)
        floor.announce(pair, ListStatus.EXEC_STARTED, now_ns)
        floor.admit(second, now_ns)
        floor.admit(first, now_ns)
        floor.rest(first)
        return self._list_id, legs

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
        order = self._floor.desk[account].find_open(order_id, client_id)
        price = price or order.price
        self._check_amend(order, qty, price, now_ns)
        if price == order.price and qty < order.qty:
            self._reduce(order, qty, now_ns)
        else:
            self._requeue(order, qty, price, now_ns)
            self._trigger(now_ns)
        return order

    # --- the outside ----------------------------------------------------------------------------------------

    def on_outside(self, now_ns: int, *, is_snapshot: bool, bids: Pairs, asks: Pairs) -> None:
        """Levels as (price, quantity), in a delta those that changed. Deltas before a snapshot are ignored."""
        if not (is_snapshot or self.has_book):
            return
        self.has_book = True
        sides = _pairs(bids), _pairs(asks)
        outside_book(self._floor, self.queue, now_ns, *sides, is_snapshot=is_snapshot)
        self._trigger(now_ns)

    def on_outside_trade(self, now_ns: int, price: int, qty: int, side: Side) -> None:
        """`side`: the aggressor's."""
        outside_trade(self._floor, self.queue, now_ns, int(price), int(qty), Side(side))
        self._trigger(now_ns)

    def on_outside_lost(self, now_ns: int) -> None:
        """No book until the next snapshot: new orders are refused with NO_BOOK, resting ones stay and can be
        cancelled, stops wait."""
        self.has_book = False
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

    @property
    def last_price(self) -> int:
        """0 until something traded."""
        return self._floor.average.last

    def average_price(self, now_ns: int) -> int:
        """What bands are judged by; 0 until something traded."""
        return self._floor.average.value(now_ns)

    # --- inside ---------------------------------------------------------------------------------------------

    def _new(self, request: OrderRequest, now_ns: int) -> ExchangeOrder:
        self._order_id += 1
        return ExchangeOrder(request, self._order_id, now_ns)

    def _check(self, request: OrderRequest, now_ns: int, legs: int) -> None:
        if request.symbol != self.instrument.symbol:
            raise OrderRefused(RefusalCode.BAD_PARAMETER, f"{request.symbol} is not traded here")
        if not self.has_book:
            raise OrderRefused(RefusalCode.NO_BOOK, "the market is not open now")
        check(self.rules, request, self.average_price(now_ns))
        orders = self._floor.desk[request.account]
        if request.client_id in orders.open_by_client_id:
            raise OrderRefused(
                RefusalCode.DUPLICATE_CLIENT_ID, f"an open order has the client id {request.client_id!r}"
            )
        if len(orders.open) + legs > self.rules.max_orders:
            raise OrderRefused(RefusalCode.MAX_ORDERS, f"at most {self.rules.max_orders} open orders")
        side, kind = request.side, request.type
        if kind in TRIGGERED_TYPES:
            if orders.stops >= self.rules.max_stop_orders:
                raise OrderRefused(RefusalCode.MAX_STOP_ORDERS, f"at most {self.rules.max_stop_orders} stops")
            if is_triggered(side, kind, request.stop_price, self.last_price):
                raise OrderRefused(RefusalCode.WOULD_TRIGGER, f"the last price is {self.last_price}")
        if kind == OrderType.LIMIT_MAKER and self._crosses(side, request.price):
            raise OrderRefused(RefusalCode.WOULD_TAKE, "a post-only order would take")

    def _check_pair(self, limit: OrderRequest, stop: OrderRequest, now_ns: int) -> None:
        same = ("account", "symbol", "side", "qty")
        if (
            limit.type != OrderType.LIMIT_MAKER
            or stop.type not in TRIGGERED_TYPES
            or any(getattr(limit, name) != getattr(stop, name) for name in same)
            or (limit.client_id and limit.client_id == stop.client_id)
        ):
            raise OrderRefused(
                RefusalCode.BAD_PARAMETER, "a list is a LIMIT_MAKER and a stop of one side and quantity"
            )
        last = self.last_price or stop.stop_price
        if limit.side * (last - limit.price) < 0 or limit.side * (stop.stop_price - last) < 0:
            raise OrderRefused(
                RefusalCode.OCO_PRICES, f"limit and stop must stand about the last price {last}"
            )
        self._check(limit, now_ns, legs=2)
        self._check(stop, now_ns, legs=2)

    def _crosses(self, side: Side, price: int) -> bool:
        return crosses(int(side), price, self._floor.opposite(side).best())

    def _require_free(self, order: ExchangeOrder, units: int) -> None:
        """`units` beyond what is held for it."""
        if units > self._floor.free(order):
            asset = self._floor.pays_with(order.side)
            raise OrderRefused(RefusalCode.INSUFFICIENT_BALANCE, f"not enough free {asset}")

    def _place_stop(self, order: ExchangeOrder, now_ns: int) -> None:
        need = self._floor.need(order)
        self._require_free(order, need)
        self._floor.hold(order, need)
        self._floor.admit(order, now_ns)

    def _place_now(self, order: ExchangeOrder, now_ns: int) -> None:
        floor = self._floor
        if order.type in PRICED_TYPES:
            need = floor.need(order)
            self._require_free(order, need)
            floor.hold(order, need)
            floor.admit(order, now_ns)
            self._work_limit(order, now_ns)
            return
        taking = self._plan(order, budget=order.quote_qty or -1)
        if not floor.opposite(order.side).keys:
            raise OrderRefused(RefusalCode.NO_LIQUIDITY, "nothing is offered on the other side")
        cost = (
            taking.notional * floor.quote_unit
            if order.side is Side.BUY
            else floor.cost(order.side, 0, taking.qty)
        )
        self._require_free(
            order, max(cost, 0 if order.side is Side.BUY else floor.cost(order.side, 0, order.qty))
        )
        floor.hold(order, cost)
        floor.admit(order, now_ns)
        self._take(order, taking, now_ns)
        self._expire_rest(order, now_ns)

    def _plan(self, order: ExchangeOrder, budget: int = -1) -> Plan:
        half = self._floor.opposite(order.side)
        return plan(half, order, qty=order.left, budget=budget, lot=self.rules.lot)

    def _work_limit(self, order: ExchangeOrder, now_ns: int) -> None:
        """An accepted limit order enters the market: it takes what crosses and rests with the remainder."""
        if self._crosses(order.side, order.price):
            taking = self._plan(order)
            if order.tif != Tif.FOK or taking.qty == order.left:
                self._take(order, taking, now_ns)
        if order.open and order.left and order.tif == Tif.GTC:
            self._floor.rest(order)
        else:
            self._expire_rest(order, now_ns)

    def _take(self, order: ExchangeOrder, taking: Plan, now_ns: int) -> None:
        floor = self._floor
        half = floor.opposite(order.side)
        for price, qty, maker, prevented in taking.slices:
            if prevented and maker is not None:
                self._prevent(maker, now_ns)
                continue
            if maker is None:
                half.take_outside(price, qty)
            floor.trade(now_ns, maker, order, order.side, price, qty)
        if taking.taker_expires:
            self._prevent(order, now_ns)

    def _prevent(self, order: ExchangeOrder, now_ns: int) -> None:
        order.prevented = order.left
        kind = ExecutionKind.TRADE_PREVENTION
        self._floor.close(order, now_ns, Status.EXPIRED_IN_MATCH, kind, "self-trade prevention")

    def _expire_rest(self, order: ExchangeOrder, now_ns: int) -> None:
        """The end of an order that doesn't rest."""
        if order.status == Status.FILLED:
            self._floor.finish(order)
        elif order.open:
            self._floor.close(order, now_ns, Status.EXPIRED, ExecutionKind.EXPIRED)

    # --- amending -------------------------------------------------------------------------------------------

    def _check_amend(self, order: ExchangeOrder, qty: int, price: int, now_ns: int) -> None:
        if qty <= order.filled or (qty == order.qty and price == order.price):
            raise OrderRefused(RefusalCode.AMEND_REFUSED, f"{qty} of which {order.filled} are filled")
        check_qty(self.rules, qty, market=order.type not in PRICED_TYPES)
        check_notional(self.rules, price or order.stop_price, qty)
        if price == order.price and qty < order.qty:
            return
        if not order.in_book or order.list_id >= 0:
            raise OrderRefused(
                RefusalCode.AMEND_REFUSED, "of stops and lists only the quantity, and only down"
            )
        if not self.has_book:
            raise OrderRefused(RefusalCode.NO_BOOK, "the market is not open now")
        if price != order.price:
            check_price(self.rules, price, self.average_price(now_ns))
        if order.type == OrderType.LIMIT_MAKER and self._crosses(order.side, price):
            raise OrderRefused(RefusalCode.WOULD_TAKE, "a post-only order would take")
        self._require_free(order, self._floor.cost(order.side, price, qty - order.filled) - order.locked)

    def _reduce(self, order: ExchangeOrder, qty: int, now_ns: int) -> None:
        floor, gone = self._floor, order.qty - qty
        if order.list_id in floor.lists:
            raise OrderRefused(RefusalCode.AMEND_REFUSED, "a list's quantity stays")
        order.qty, order.updated_ns = qty, now_ns
        floor.hold(order, floor.need(order))
        if order.in_book:
            floor.half(order.side).shrink(order, gone)
            order.resting = order.resting._replace(qty=qty)
        floor.report(ExecutionKind.REPLACED, order, now_ns)

    def _requeue(self, order: ExchangeOrder, qty: int, price: int, now_ns: int) -> None:
        floor = self._floor
        floor.leave(order)
        order.qty, order.price, order.updated_ns, order.working_ns = qty, price, now_ns, now_ns
        floor.hold(order, floor.need(order))
        floor.report(ExecutionKind.REPLACED, order, now_ns)
        self._work_limit(order, now_ns)

    # --- stops ----------------------------------------------------------------------------------------------

    def _trigger(self, now_ns: int) -> None:
        """Stops that the trades since the last time reached enter the market; what they trade may reach more.
        Without a book they wait."""
        floor = self._floor
        while self.has_book and floor.high:
            order = floor.stops.next_reached(floor.low, floor.high)
            if order is None:
                floor.low = floor.high = 0
                return
            floor.leave(order)
            order.triggered = order.working = True
            order.updated_ns = order.working_ns = now_ns
            if order.list_id in floor.lists:
                floor.decide(order, now_ns)
                floor.hold(order, floor.need(order))
            floor.report(ExecutionKind.NEW, order, now_ns)
            if order.price:
                self._work_limit(order, now_ns)
            else:
                self._work_market(order, now_ns)

    def _work_market(self, order: ExchangeOrder, now_ns: int) -> None:
        """A triggered stop without a price takes what it can pay for; the rest expires."""
        floor = self._floor
        budget = (order.locked + floor.free(order)) // floor.quote_unit if order.side is Side.BUY else -1
        taking = self._plan(order, budget)
        floor.hold(order, taking.notional * floor.quote_unit if order.side is Side.BUY else order.locked)
        self._take(order, taking, now_ns)
        self._expire_rest(order, now_ns)


def _pairs(levels: Pairs) -> Iterable[tuple[int, int]]:
    return levels.tolist() if isinstance(levels, np.ndarray) else levels
