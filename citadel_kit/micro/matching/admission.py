"""What an order must pass before it is accepted. Each raises OrderRefused, and nothing has changed then."""

from __future__ import annotations

from typing import Final

from citadel_kit.micro.matching.filters import check, check_notional, check_price, check_qty
from citadel_kit.micro.matching.floor import Floor
from citadel_kit.micro.matching.orders import (
    OWN_PREFIX,
    PRICED_TYPES,
    STOP_TYPES,
    TRIGGERED_TYPES,
    ExchangeOrder,
    OrderRefused,
    OrderRequest,
    OrderType,
    RefusalCode,
)
from citadel_kit.micro.matching.stops import is_triggered

MAX_CLIENT_ID: Final = 64
_SHARED_BY_LEGS: Final = ("account", "symbol", "side", "qty")


def check_request(floor: Floor, request: OrderRequest, now_ns: int, legs: int = 1) -> None:
    """`legs`: how many orders come with this one."""
    if request.symbol != floor.symbol:
        raise OrderRefused(RefusalCode.BAD_PARAMETER, f"{request.symbol} is not traded here")
    _check_book(floor)
    check(floor.rules, request, floor.reference(now_ns))
    _check_client_id(floor, request)
    open_orders = len(floor.desk[request.account].open)
    if open_orders + legs > floor.rules.max_orders:
        raise OrderRefused(RefusalCode.MAX_ORDERS, f"at most {floor.rules.max_orders} open orders")
    if request.type in TRIGGERED_TYPES:
        _check_stop(floor, request)
    if request.type == OrderType.LIMIT_MAKER:
        _check_post_only(floor, request, request.price)


def check_pair(floor: Floor, limit: OrderRequest, stop: OrderRequest, now_ns: int) -> None:
    """Of one-cancels-other."""
    if (
        limit.type != OrderType.LIMIT_MAKER
        or stop.type not in STOP_TYPES
        or any(getattr(limit, name) != getattr(stop, name) for name in _SHARED_BY_LEGS)
        or (limit.client_id and limit.client_id == stop.client_id)
    ):
        raise OrderRefused(
            RefusalCode.BAD_PARAMETER, "a list is a LIMIT_MAKER and a stop-loss of one side and quantity"
        )
    last = floor.average.last or stop.stop_price
    if limit.side * (last - limit.price) < 0 or limit.side * (stop.stop_price - last) < 0:
        raise OrderRefused(RefusalCode.OCO_PRICES, f"limit and stop must stand about the last price {last}")
    check_request(floor, limit, now_ns, legs=2)
    check_request(floor, stop, now_ns, legs=2)


def check_amend(floor: Floor, order: ExchangeOrder, qty: int, price: int, now_ns: int) -> None:
    if qty <= order.filled or (qty == order.qty and price == order.price):
        detail = f"{order.qty} can not become {qty}: {order.filled} are filled"
        raise OrderRefused(RefusalCode.AMEND_REFUSED, detail)
    if order.list_id in floor.lists:
        raise OrderRefused(RefusalCode.AMEND_REFUSED, "the legs of a list stay as they are")
    check_qty(floor.rules, qty, market=order.type not in PRICED_TYPES)
    check_notional(floor.rules, price or order.stop_price, qty)
    if price == order.price and qty < order.qty:
        return
    if not order.in_book:
        raise OrderRefused(RefusalCode.AMEND_REFUSED, "of a stop only the quantity can change, and only down")
    _check_book(floor)
    if price != order.price:
        check_price(floor.rules, price, floor.reference(now_ns))
    if order.type == OrderType.LIMIT_MAKER:
        _check_post_only(floor, order, price)
    require_free(floor, order, floor.cost(order.side, price, qty - order.filled) - order.locked)


def require_free(floor: Floor, order: ExchangeOrder, units: int) -> None:
    """`units` beyond what is held for it."""
    if units > floor.free(order):
        detail = f"not enough free {floor.pays_with(order.side)}"
        raise OrderRefused(RefusalCode.INSUFFICIENT_BALANCE, detail)


def _check_book(floor: Floor) -> None:
    if not floor.has_book:
        raise OrderRefused(RefusalCode.NO_BOOK, "there is no market now")


def _check_client_id(floor: Floor, request: OrderRequest) -> None:
    name = request.client_id
    if len(name) > MAX_CLIENT_ID or name.startswith(OWN_PREFIX):
        detail = f"a client id has at most {MAX_CLIENT_ID} characters and doesn't begin with {OWN_PREFIX!r}"
        raise OrderRefused(RefusalCode.BAD_PARAMETER, detail)
    if name in floor.desk[request.account].open_by_client_id:
        raise OrderRefused(RefusalCode.DUPLICATE_CLIENT_ID, f"an open order has the client id {name!r}")


def _check_stop(floor: Floor, request: OrderRequest) -> None:
    if floor.desk[request.account].stops >= floor.rules.max_stop_orders:
        raise OrderRefused(RefusalCode.MAX_STOP_ORDERS, f"at most {floor.rules.max_stop_orders} stops")
    last = floor.average.last
    if is_triggered(request.side, request.type, request.stop_price, last):
        raise OrderRefused(RefusalCode.WOULD_TRIGGER, f"the stop would trigger at once: last price {last}")


def _check_post_only(floor: Floor, order: OrderRequest | ExchangeOrder, price: int) -> None:
    if floor.crosses(order.side, price):
        raise OrderRefused(RefusalCode.WOULD_TAKE, "a post-only order would take")
