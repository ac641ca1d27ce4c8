"""The trading floor of one symbol: books, stops, orders and money, and the steps that change them."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from citadel_kit.errors import ConfigError
from citadel_kit.micro.matching.accounts import FEES, MARKET, UNIT, Accounts
from citadel_kit.micro.matching.desk import AccountOrders, OrderList
from citadel_kit.micro.matching.filters import AveragePrice, Rules
from citadel_kit.micro.matching.halfbook import HalfBook
from citadel_kit.micro.matching.orders import (
    TRIGGERED_TYPES,
    AccountTrade,
    ExchangeOrder,
    Execution,
    ExecutionKind,
    ListStatus,
    ListUpdate,
    PublicTrade,
    Status,
)
from citadel_kit.micro.matching.stops import Stops
from citadel_kit.types import Instrument, Side

PPM: Final = 1_000_000
_PPM_DIGITS: Final = 6


class Floor:
    """Raises ConfigError for an instrument whose commissions could not be exact, or that is no spot pair."""

    def __init__(
        self, instrument: Instrument, accounts: Accounts, maker_ppm: int, taker_ppm: int, rules: Rules
    ) -> None:
        decimals = instrument.price_decimals + instrument.qty_decimals
        if decimals + _PPM_DIGITS > UNIT:
            raise ConfigError("instrument", f"{decimals} decimals of a notional leave no room for exact fees",
                              f"Price and quantity may have {UNIT - _PPM_DIGITS} together")  # fmt: skip
        self.symbol = instrument.symbol
        self.base, slash, self.quote = instrument.symbol.partition("/")
        if not slash or ":" in self.quote or instrument.contract_size != 1:
            raise ConfigError("instrument", f"{instrument.symbol} is no spot pair BASE/QUOTE in whole units")
        for name, ppm in (("maker_ppm", maker_ppm), ("taker_ppm", taker_ppm)):
            if not 0 <= ppm < PPM:
                raise ConfigError(name, f"{ppm} is not 0 to a million")
        self.accounts, self.rules = accounts, rules
        self.has_book = False
        """Is the outside market there?"""
        self.bids, self.asks = HalfBook(Side.BUY), HalfBook(Side.SELL)
        self.stops = Stops()
        self.desk: defaultdict[str, AccountOrders] = defaultdict(AccountOrders)
        self.lists: dict[int, OrderList] = {}
        """Open ones."""
        self.average = AveragePrice(rules.average_s)
        self.low = self.high = 0
        """Range of the trades that stops have not heard of; 0 and 0 where there are none."""
        self.prints: list[PublicTrade] = []
        self.executions: list[Execution | ListUpdate] = []
        self._trade_id = 0
        self._fee_ppm = (taker_ppm, maker_ppm)
        self._base_unit: int = 10 ** (UNIT - instrument.qty_decimals)
        self.quote_unit: int = 10 ** (UNIT - decimals)

    def half(self, side: Side) -> HalfBook:
        return self.bids if side is Side.BUY else self.asks

    def opposite(self, side: Side) -> HalfBook:
        return self.asks if side is Side.BUY else self.bids

    def crosses(self, side: Side, price: int) -> bool:
        """Would an order at `price` take?"""
        best = self.opposite(side).best()
        return best > 0 and side * (price - best) >= 0

    def reference(self, now_ns: int) -> int:
        """The average price, the mid before the first trade, or 0."""
        bid, ask = self.bids.best(), self.asks.best()
        return self.average.value(now_ns) or ((bid + ask) // 2 if bid and ask else 0)

    # --- money ----------------------------------------------------------------------------------------------

    def pays_with(self, side: Side) -> str:
        return self.quote if side is Side.BUY else self.base

    def cost(self, side: Side, price: int, qty: int) -> int:
        """What a side pays for `qty`, in 10**-18."""
        return qty * price * self.quote_unit if side is Side.BUY else qty * self._base_unit

    def need(self, order: ExchangeOrder) -> int:
        """What must be held for what is left of it; a stop that becomes a market order counts at its stop."""
        return self.cost(order.side, order.price or order.stop_price, order.left)

    def free(self, order: ExchangeOrder) -> int:
        return self.accounts.free(order.account, self.pays_with(order.side))

    def hold(self, order: ExchangeOrder, units: int) -> None:
        """Let exactly `units` be held for the order."""
        if units != order.locked:
            asset = self.pays_with(order.side)
            self.accounts.lock(order.account, asset, units - order.locked)
            order.locked = units

    # --- trades ---------------------------------------------------------------------------------------------

    def trade(
        self, now_ns: int, maker: ExchangeOrder | None, taker: ExchangeOrder | None, side: Side, price: int,
        qty: int,
    ) -> None:  # fmt: skip
        """One trade; `side` is the aggressor's, None is the outside. A maker's place in the book follows."""
        self.print(now_ns, side, price, qty)
        for order, is_maker, own in ((maker, True, Side(-side)), (taker, False, side)):
            if order is None:
                self._outside_pays(own, price, qty)
            else:
                self._fill(now_ns, order, price, qty, is_maker)
        if maker is not None:
            half = self.half(maker.side)
            half.shrink(maker, qty)
            if maker.left:
                maker.resting = maker.resting._replace(filled=maker.filled)
            else:
                half.remove(maker)
                maker.in_book = False
                self.finish(maker)

    def print(self, now_ns: int, side: Side, price: int, qty: int) -> None:
        self._trade_id += 1
        self.prints.append(PublicTrade(now_ns, self._trade_id, price, qty, side))
        self.average.add(now_ns, price, qty)
        self.low = min(self.low or price, price)
        self.high = max(self.high, price)

    def _outside_pays(self, side: Side, price: int, qty: int) -> None:
        sign = int(side)
        self.accounts.add(MARKET, self.base, sign * qty * self._base_unit)
        self.accounts.add(MARKET, self.quote, -sign * qty * price * self.quote_unit)

    def _fill(self, now_ns: int, order: ExchangeOrder, price: int, qty: int, maker: bool) -> None:
        side, account = order.side, order.account
        order.filled += qty
        order.quote_filled += price * qty
        order.status = Status.FILLED if order.filled == order.qty else Status.PARTIALLY_FILLED
        order.updated_ns = now_ns
        held = self.cost(side, order.price or price, qty)
        order.locked -= held
        self.accounts.spend(account, self.pays_with(side), self.cost(side, price, qty), held)
        earned, asset = (
            (self.cost(Side.SELL, price, qty), self.base) if side is Side.BUY
            else (self.cost(Side.BUY, price, qty), self.quote)
        )  # fmt: skip
        fee = earned * self._fee_ppm[maker] // PPM
        self.accounts.add(account, asset, earned - fee)
        self.accounts.add(FEES, asset, fee)
        self.report(ExecutionKind.TRADE, order, now_ns, price, qty, maker, fee, asset, self._trade_id)
        self.desk[account].trades.append(
            AccountTrade(
                self._trade_id, order.order_id, order.list_id, order.client_id, now_ns, side, price, qty,
                maker, fee, asset,
            )
        )  # fmt: skip
        if order.list_id in self.lists:
            self.decide(order, now_ns)

    # --- an order's life ------------------------------------------------------------------------------------

    def report(
        self, kind: ExecutionKind, order: ExchangeOrder, at_ns: int, price: int = 0, qty: int = 0,
        maker: bool = False, commission: int = 0, asset: str = "", trade_id: int = -1, reason: str = "",
    ) -> None:  # fmt: skip
        self.executions.append(
            Execution(kind, order.state(), at_ns, price, qty, maker, commission, asset, trade_id, reason)
        )

    def admit(self, order: ExchangeOrder, now_ns: int) -> None:
        """Accepted: it is in its account's books, but not yet in the market."""
        orders = self.desk[order.account]
        orders.add(order)
        if order.type in TRIGGERED_TYPES:
            orders.stops += 1
            self.stops.add(order)
        self.report(ExecutionKind.NEW, order, now_ns)

    def rest(self, order: ExchangeOrder) -> None:
        order.in_book = True
        self.half(order.side).insert(order)

    def leave(self, order: ExchangeOrder) -> None:
        """Out of the book or the stops, still open."""
        if order.in_book:
            half = self.half(order.side)
            half.shrink(order, order.left)
            half.remove(order)
            order.in_book = False
        elif order.order_id in self.stops:
            self.stops.remove(order)
            self.desk[order.account].stops -= 1

    def reduce(self, order: ExchangeOrder, qty: int, now_ns: int) -> None:
        """A smaller quantity keeps its place."""
        gone = order.qty - qty
        order.qty, order.updated_ns = qty, now_ns
        self.hold(order, self.need(order))
        if order.in_book:
            self.half(order.side).shrink(order, gone)
            order.resting = order.resting._replace(qty=qty)
        self.report(ExecutionKind.REPLACED, order, now_ns)

    def close(
        self, order: ExchangeOrder, now_ns: int, status: Status, kind: ExecutionKind, reason: str = ""
    ) -> None:
        """The end of an order that is not filled; its list, where it has one, is decided by it."""
        self.leave(order)
        order.status, order.updated_ns = status, now_ns
        self.hold(order, 0)
        self.report(kind, order, now_ns, reason=reason)
        self.finish(order)
        if order.list_id in self.lists:
            self.decide(order, now_ns, Status.CANCELED if status == Status.CANCELED else Status.EXPIRED)

    def finish(self, order: ExchangeOrder) -> None:
        self.hold(order, 0)
        self.desk[order.account].finish(order)
        if order.list_id in self.lists:
            self._end_list(self.lists[order.list_id], order.updated_ns)

    # --- lists ----------------------------------------------------------------------------------------------

    def decide(self, order: ExchangeOrder, now_ns: int, status: Status = Status.EXPIRED) -> None:
        """This leg goes on, or ended: the other one ends with `status`."""
        pair = self.lists[order.list_id]
        if pair.decided:
            return
        pair.decided = True
        self.accounts.lock(order.account, self.pays_with(order.side), -pair.extra)
        pair.extra = 0
        other = pair.other(order)
        if other.open:
            kind = ExecutionKind.CANCELED if status == Status.CANCELED else ExecutionKind.EXPIRED
            self.close(other, now_ns, status, kind)

    def announce(self, pair: OrderList, status: ListStatus, now_ns: int) -> None:
        legs = tuple((leg.order_id, leg.client_id) for leg in (pair.limit, pair.stop))
        first = pair.limit
        self.executions.append(
            ListUpdate(pair.list_id, pair.client_id, first.account, first.symbol, status, legs, now_ns)
        )

    def _end_list(self, pair: OrderList, now_ns: int) -> None:
        if not (pair.limit.open or pair.stop.open):
            del self.lists[pair.list_id]
            self.announce(pair, ListStatus.ALL_DONE, now_ns)
