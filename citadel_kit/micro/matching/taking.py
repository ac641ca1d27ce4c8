"""Orders that enter the market: what they take is worked out in full before anything changes."""

from __future__ import annotations

from typing import NamedTuple

from citadel_kit.micro.matching.admission import require_free
from citadel_kit.micro.matching.floor import Floor
from citadel_kit.micro.matching.orders import (
    ExchangeOrder,
    ExecutionKind,
    OrderRefused,
    RefusalCode,
    Status,
    Stp,
    Tif,
)
from citadel_kit.types import Side


class Slice(NamedTuple):
    """One step of a taking order."""

    price: int
    qty: int
    maker: ExchangeOrder | None
    """None: the outside."""
    prevented: bool
    """No trade: this maker is of the taker's own account, and expires."""


class Plan(NamedTuple):
    slices: list[Slice]
    qty: int
    """That trades."""
    notional: int
    taker_expires: bool
    """Self-trade prevention ends the taker after the slices."""


def plan(floor: Floor, taker: ExchangeOrder, *, budget: int = -1) -> Plan:
    """Up to the taker's limit price and quantity, where it has them, for at most `budget` as a notional (-1:
    no limit). What the budget cuts is rounded down to a whole lot."""
    slices: list[Slice] = []
    left, got, notional = taker.left, 0, 0
    for price, there, maker in floor.opposite(taker.side).segments():
        if taker.price and taker.side * (taker.price - price) < 0:
            break
        take = min(there, left - got) if left else there
        if budget >= 0 and notional + take * price > budget:
            take = (budget - notional) // price
            take -= (got + take) % floor.rules.lot
        if take <= 0:
            break
        if maker is not None and maker.account == taker.account and taker.stp != Stp.NONE:
            if taker.stp != Stp.EXPIRE_TAKER:
                slices.append(Slice(price, 0, maker, True))
            if taker.stp != Stp.EXPIRE_MAKER:
                return Plan(slices, got, notional, True)
            continue
        slices.append(Slice(price, take, maker, False))
        got += take
        notional += take * price
        if got == left:
            break
    return Plan(slices, got, notional, False)


def place_market(floor: Floor, order: ExchangeOrder, now_ns: int) -> None:
    """Takes what is there, the rest expires. By quote quantity its quantity becomes what that buys now.

    Raises OrderRefused where nothing is offered or the balance does not pay for it.
    """
    if not floor.opposite(order.side).keys:
        raise OrderRefused(RefusalCode.NO_LIQUIDITY, "nothing is offered on the other side")
    taking = plan(floor, order, budget=order.quote_qty or -1)
    order.qty = order.qty or taking.qty
    cost = taking.notional * floor.quote_unit if order.side is Side.BUY else floor.need(order)
    require_free(floor, order, cost)
    floor.hold(order, cost)
    floor.admit(order, now_ns)
    _take(floor, order, taking, now_ns)
    _end(floor, order, now_ns)


def work_limit(floor: Floor, order: ExchangeOrder, now_ns: int) -> None:
    """An accepted limit order takes what crosses and rests with the remainder, or expires with it."""
    if floor.crosses(order.side, order.price):
        taking = plan(floor, order)
        if order.tif != Tif.FOK or taking.qty == order.left:
            _take(floor, order, taking, now_ns)
    if order.open and order.tif == Tif.GTC:
        floor.rest(order)
    else:
        _end(floor, order, now_ns)


def requeue(floor: Floor, order: ExchangeOrder, qty: int, price: int, now_ns: int) -> None:
    """An amended order leaves its place and enters the market anew."""
    floor.leave(order)
    order.qty, order.price, order.updated_ns, order.working_ns = qty, price, now_ns, now_ns
    floor.hold(order, floor.need(order))
    floor.report(ExecutionKind.REPLACED, order, now_ns)
    work_limit(floor, order, now_ns)


def trigger(floor: Floor, now_ns: int) -> None:
    """Stops reached by trades since the last time enter the market; what they trade may reach more. Without
    a book they wait."""
    while floor.has_book and floor.high:
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
            work_limit(floor, order, now_ns)
        else:
            _work_market(floor, order, now_ns)


def _work_market(floor: Floor, order: ExchangeOrder, now_ns: int) -> None:
    """A triggered stop without a limit price takes what its account can pay for; the rest expires."""
    if order.side is Side.BUY:
        taking = plan(floor, order, budget=(order.locked + floor.free(order)) // floor.quote_unit)
        floor.hold(order, taking.notional * floor.quote_unit)
    else:
        taking = plan(floor, order)
    _take(floor, order, taking, now_ns)
    _end(floor, order, now_ns)


def _take(floor: Floor, order: ExchangeOrder, taking: Plan, now_ns: int) -> None:
    half = floor.opposite(order.side)
    for price, qty, maker, prevented in taking.slices:
        if prevented and maker is not None:
            _prevent(floor, maker, now_ns)
            continue
        if maker is None:
            half.take_outside(price, qty)
        floor.trade(now_ns, maker, order, order.side, price, qty)
    if taking.taker_expires and order.open:
        _prevent(floor, order, now_ns)


def _prevent(floor: Floor, order: ExchangeOrder, now_ns: int) -> None:
    order.prevented = order.left
    kind = ExecutionKind.TRADE_PREVENTION
    floor.close(order, now_ns, Status.EXPIRED_IN_MATCH, kind, "self-trade prevention")


def _end(floor: Floor, order: ExchangeOrder, now_ns: int) -> None:
    """Of an order that doesn't rest."""
    if order.status == Status.FILLED:
        floor.finish(order)
    elif order.open:
        floor.close(order, now_ns, Status.EXPIRED, ExecutionKind.EXPIRED)
