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
from citadel_kit.micro.matching import AccountTrade, ExchangeOrder, OrderRefused, Status
from citadel_kit.micro.matching.filters import check

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
    for t in reversed(symbol.engine.trades(order.account) if left else ()):
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
    _check_cancelable(api, request, symbol, which)
    with refusals(NEW_ORDER_REJECTED):
        both = api.venue.cancel_replace(
            request.account, new, stop_on_failure=mode == "STOP_ON_FAILURE", **which
        )
    gone, placed = both.canceled, both.placed
    new_half = None if both.new_refusal is None else refusal(both.new_refusal).body()
    if placed is not None:
        new_half = report(api, symbol, placed, shape)
    if gone is not None:
        cancel_half = _cancelled(api, symbol, gone)
    else:
        assert both.cancel_refusal is not None
        cancel_half = refusal(both.cancel_refusal, CANCEL_REJECTED).body()
    body = {
        "cancelResult": _outcome(gone, both.cancel_refusal),
        "newOrderResult": _outcome(placed, both.new_refusal),
        "cancelResponse": cancel_half,
        "newOrderResponse": new_half,
    }
    if gone is not None and placed is not None:
        return body
    if gone is None and placed is None:
        raise ApiError(-2022, "Order cancel-replace failed.", 400, data=body)
    raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=body)


def _outcome(done: ExchangeOrder | None, refused: OrderRefused | None) -> str:
    if done is not None:
        return "SUCCESS"
    return "NOT_ATTEMPTED" if refused is None else "FAILURE"


def _check_cancelable(api: Api, request: Request, symbol: Symbol, which: dict[str, Any]) -> None:
    """Cancel restrictions, and the cancel's own name; an unknown order is the engine's to refuse."""
    try:
        order = find_order(symbol, request.account, which)
    except OrderRefused:
        return
    _check_restriction(request, order)
    _name_cancel(api, symbol, order, request.params.client_id("cancelNewClientOrderId"))


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
