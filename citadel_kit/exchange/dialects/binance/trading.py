"""Orders: place, test, cancel, cancel-replace, amend, one-cancels-other.

Source: binance/binance-spot-api-docs, `rest-api.md`, "Trading endpoints".
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.binance import orderlists
from citadel_kit.exchange.dialects.binance.api import Api, Request
from citadel_kit.exchange.dialects.binance.errors import (
    AMEND_REJECTED,
    CANCEL_REJECTED,
    NEW_ORDER_REJECTED,
    ApiError,
    invalid_data,
    refusal,
    refusals,
)
from citadel_kit.exchange.dialects.binance.orderparams import (
    DEFAULT_RESPONSE,
    find_order,
    order_request,
    quantity,
    response_type,
    which_order,
)
from citadel_kit.exchange.dialects.binance.text import ZERO
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import AccountTrade, ExchangeOrder, OrderRefused, OrderRequest, Status
from citadel_kit.micro.matching.filters import check

Half = dict[str, Any] | ApiError | None
"""Of a cancel-replace: its answer, its error, or not attempted."""

_RESTRICTIONS: Final = {"ONLY_NEW": Status.NEW, "ONLY_PARTIALLY_FILLED": Status.PARTIALLY_FILLED}


def place(api: Api, request: Request) -> dict[str, Any]:
    symbol = api.symbol(request.params)
    order = order_request(api, request, symbol)
    shape = response_type(request.params, DEFAULT_RESPONSE.get(order.type, "ACK"))
    with refusals(NEW_ORDER_REJECTED):
        placed = api.venue.place(order)
    return report(api, symbol, placed, shape)


def test(api: Api, request: Request) -> dict[str, Any]:
    """Checks what `place` checks of the parameters, and the filters; places nothing."""
    symbol = api.symbol(request.params)
    order = order_request(api, request, symbol)
    response_type(request.params, DEFAULT_RESPONSE.get(order.type, "ACK"))
    with refusals(NEW_ORDER_REJECTED):
        check(symbol.engine.rules, order, symbol.engine.average_price(request.now_ns))
    return {}


def report(api: Api, symbol: Symbol, order: ExchangeOrder, shape: str) -> dict[str, Any]:
    if shape == "ACK":
        return api.writer(symbol).ack(order)
    if shape == "RESULT":
        return api.writer(symbol).result(order)
    return api.writer(symbol).full(order, _fills(symbol, order))


def _fills(symbol: Symbol, order: ExchangeOrder) -> list[AccountTrade]:
    """Those of an order that was placed just now: among the account's newest trades."""
    fills: list[AccountTrade] = []
    left = order.filled
    for t in symbol.engine.newest_trades(order.account) if left else ():
        if t.order_id == order.order_id:
            fills.append(t)
            left -= t.qty
            if not left:
                break
    return fills[::-1]


def cancel(api: Api, request: Request) -> dict[str, Any]:
    params = request.params
    symbol = api.symbol(params)
    which = which_order(params)
    with refusals(CANCEL_REJECTED):
        order = find_order(symbol, request.account, which)
        _check_restriction(request, order)
        _name_cancel(api, symbol, order, params.client_id("newClientOrderId"))
        gone = api.venue.cancel(symbol.instrument.symbol, request.account, **which)
    return _cancelled(api, symbol, gone)


def cancel_all(api: Api, request: Request) -> list[Any]:
    symbol = api.symbol(request.params)
    gone = api.venue.cancel_all(symbol.instrument.symbol, request.account)
    if not gone:
        raise ApiError(CANCEL_REJECTED, "Unknown order sent.")
    listed = {o.list_id: o for o in gone if o.list_id >= 0}
    return [_cancelled(api, symbol, o) for o in [*(o for o in gone if o.list_id < 0), *listed.values()]]


def _cancelled(api: Api, symbol: Symbol, order: ExchangeOrder) -> dict[str, Any]:
    """Of an order that took the other leg of its list along: the whole list."""
    entry = api.lists.get(order.list_id)
    if entry is not None:
        return orderlists.report(api, symbol, order.list_id, entry)
    return api.writer(symbol).cancelled(order, api.cancel_id(order.symbol, order.order_id))


def cancel_replace(api: Api, request: Request) -> dict[str, Any]:
    """Raises ApiError -2021 where one half failed, -2022 where both did or the second was not attempted."""
    params = request.params
    symbol = api.symbol(params)
    mode = params.need("cancelReplaceMode")
    if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        raise invalid_data("cancelReplaceMode")
    which = which_order(params, "cancelOrderId", "cancelOrigClientOrderId")
    new = order_request(api, request, symbol)
    shape = response_type(params, DEFAULT_RESPONSE.get(new.type, "ACK"))
    stop = mode == "STOP_ON_FAILURE"
    restricted = _restriction(api, request, symbol, which)
    if restricted is not None:
        return _halves(restricted, None if stop else _place_half(api, symbol, new, shape))
    with refusals(NEW_ORDER_REJECTED):
        both = api.venue.cancel_replace(request.account, new, stop_on_failure=stop, **which)
    cancel_half: Half = None
    if both.canceled is not None:
        cancel_half = _cancelled(api, symbol, both.canceled)
    elif both.cancel_refusal is not None:
        cancel_half = refusal(both.cancel_refusal, CANCEL_REJECTED)
    new_half: Half = None if both.new_refusal is None else refusal(both.new_refusal)
    if both.placed is not None:
        new_half = report(api, symbol, both.placed, shape)
    return _halves(cancel_half, new_half)


def _halves(cancel_half: Half, new_half: Half) -> dict[str, Any]:
    """Both answers as one. Raises ApiError where a half is an error, or was not attempted."""
    halves = cancel_half, new_half
    done = [isinstance(half, dict) for half in halves]
    results = [
        "NOT_ATTEMPTED" if half is None else "SUCCESS" if isinstance(half, dict) else "FAILURE"
        for half in halves
    ]
    said = [half.body() if isinstance(half, ApiError) else half for half in halves]
    body = {
        "cancelResult": results[0],
        "newOrderResult": results[1],
        "cancelResponse": said[0],
        "newOrderResponse": said[1],
    }
    if all(done):
        return body
    if not any(done):
        raise ApiError(-2022, "Order cancel-replace failed.", 400, data=body)
    raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body)


def _place_half(api: Api, symbol: Symbol, new: OrderRequest, shape: str) -> Half:
    try:
        return report(api, symbol, api.venue.place(new), shape)
    except OrderRefused as refused:
        return refusal(refused)


def _restriction(api: Api, request: Request, symbol: Symbol, which: dict[str, Any]) -> ApiError | None:
    """Why the order may not be cancelled; also keeps the cancel's own name. An unknown order is the engine's
    to refuse. Raises ApiError for what is no restriction."""
    try:
        order = find_order(symbol, request.account, which)
        _check_restriction(request, order)
    except OrderRefused:
        return None
    except ApiError as error:
        if error.code != CANCEL_REJECTED:
            raise
        return error
    _name_cancel(api, symbol, order, request.params.client_id("cancelNewClientOrderId"))
    return None


def amend_keep_priority(api: Api, request: Request) -> dict[str, Any]:
    params = request.params
    symbol = api.symbol(params)
    which = which_order(params)
    qty = quantity(params, "newQty", symbol.instrument.qty_decimals)
    new_id = params.client_id("newClientOrderId")
    with refusals(AMEND_REJECTED):
        order = find_order(symbol, request.account, which)
        if qty > order.qty:
            raise ApiError(AMEND_REJECTED, "Order amend (quantity increase) is not supported.")
        if qty == order.qty:
            raise ApiError(AMEND_REJECTED, "The requested action would change no state; rejecting.")
        amended = api.venue.amend(symbol.instrument.symbol, request.account, qty=qty, **which)
    said = api.writer(symbol).query(amended)
    return {
        "transactTime": api.writer(symbol).ms(amended.updated_ns),
        "executionId": amended.order_id,
        "amendedOrder": {
            "symbol": said["symbol"],
            "orderId": said["orderId"],
            "orderListId": said["orderListId"],
            "origClientOrderId": said["clientOrderId"],
            "clientOrderId": new_id or said["clientOrderId"],
            "price": said["price"],
            "qty": said["origQty"],
            "executedQty": said["executedQty"],
            "preventedQty": ZERO,
            "quoteOrderQty": said["origQuoteOrderQty"],
            "cumulativeQuoteQty": said["cummulativeQuoteQty"],
            "status": said["status"],
            "timeInForce": said["timeInForce"],
            "type": said["type"],
            "side": said["side"],
            "workingTime": said["workingTime"],
            "selfTradePreventionMode": said["selfTradePreventionMode"],
        },
    }


def _name_cancel(api: Api, symbol: Symbol, order: ExchangeOrder, name: str) -> None:
    if name:
        api.cancel_ids.put((symbol.instrument.symbol, order.order_id), name)


def _check_restriction(request: Request, order: ExchangeOrder) -> None:
    text = request.params.text("cancelRestrictions")
    if not text:
        return
    if text not in _RESTRICTIONS:
        raise ApiError(
            -1145, "Invalid cancelRestrictions; it has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."
        )
    if order.open and order.status != _RESTRICTIONS[text]:
        raise ApiError(CANCEL_REJECTED, "Order was not canceled due to cancel restrictions.")
