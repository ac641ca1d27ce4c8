"""One-cancels-other: a limit order and a stop of one quantity, of which one ends the other.

Source: binance/binance-spot-api-docs, `rest-api.md`, "Order lists". Other kinds of lists are not traded here.
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.binance.api import Api, ListEntry, Request
from citadel_kit.exchange.dialects.binance.errors import (
    CANCEL_REJECTED,
    NEW_ORDER_REJECTED,
    ApiError,
    either,
    refusals,
)
from citadel_kit.exchange.dialects.binance.orderparams import (
    OLD_LIMIT,
    OLD_STOP,
    Names,
    order_request,
    response_type,
)
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import ExchangeOrder, OrderRefused, OrderRequest, OrderType
from citadel_kit.micro.matching.orders import STOP_TYPES

_COMBINATION: Final = "Unsupported order combination."


def place_old_oco(api: Api, request: Request) -> dict[str, Any]:
    """`order/oco`: a LIMIT_MAKER and a stop, whose own limit price decides of which kind it is."""
    symbol = api.symbol(request.params)
    stop = OrderType.STOP_LOSS_LIMIT if request.params.has("stopLimitPrice") else OrderType.STOP_LOSS
    return _place(
        api,
        request,
        symbol,
        order_request(api, request, symbol, OLD_LIMIT, OrderType.LIMIT_MAKER),
        order_request(api, request, symbol, OLD_STOP, stop),
    )


def place_oco(api: Api, request: Request) -> dict[str, Any]:
    """`orderList/oco`: the leg above the market and the leg below."""
    symbol = api.symbol(request.params)
    legs = [order_request(api, request, symbol, Names.of_leg(leg)) for leg in ("above", "below")]
    limits = [leg for leg in legs if leg.type == OrderType.LIMIT_MAKER]
    stops = [leg for leg in legs if leg.type in STOP_TYPES]
    if len(limits) != 1 or len(stops) != 1:
        raise ApiError(-1014, _COMBINATION)
    # A sale's limit is above the market and its stop below; a purchase's the other way round.
    if (legs[0] is limits[0]) != (limits[0].side < 0):
        raise ApiError(NEW_ORDER_REJECTED, "The relationship of the prices for the orders is not correct.")
    return _place(api, request, symbol, limits[0], stops[0])


def _place(
    api: Api, request: Request, symbol: Symbol, limit: OrderRequest, stop: OrderRequest
) -> dict[str, Any]:
    list_name = request.params.client_id("listClientOrderId") or api.new_id()
    shape = response_type(request.params, "RESULT")
    with refusals(NEW_ORDER_REJECTED):
        list_id, legs = api.venue.place_oco(limit, stop, list_name)
    ids = (legs[0].order_id, legs[1].order_id)
    api.lists.put(list_id, ListEntry(request.account, symbol.instrument.symbol, ids, list_name))
    said = api.writer(symbol).order_list(list(legs), list_name)
    writer = api.writer(symbol)
    write = writer.ack if shape == "ACK" else writer.result
    return {**said, "orderReports": [write(leg) for leg in legs]}


def cancel(api: Api, request: Request) -> dict[str, Any]:
    params = request.params
    symbol = api.symbol(params)
    list_id = _which(api, request)
    entry = None if list_id is None else api.lists.get(list_id)
    if list_id is None or entry is None or entry.symbol != symbol.instrument.symbol:
        raise ApiError(CANCEL_REJECTED, "Unknown order sent.")
    name = params.client_id("newClientOrderId")
    for order_id in entry.orders if name else ():
        api.cancel_ids.put((entry.symbol, order_id), name)
    with refusals(CANCEL_REJECTED):
        api.venue.cancel(entry.symbol, request.account, order_id=_open_leg(symbol, entry))
        return report(api, symbol, list_id, entry)


def query(api: Api, request: Request) -> dict[str, Any]:
    list_id = _which(api, request)
    entry = None if list_id is None else api.lists.get(list_id)
    written = [] if entry is None else _write(api, entry)
    if not written:
        raise ApiError(-2018, "Order list does not exist.")
    return written[0]


def query_all(api: Api, request: Request) -> list[dict[str, Any]]:
    limit = request.params.limit(500, 1000)
    first = request.params.integer("fromId", 0)
    found = [(n, e) for n, e in api.lists.items() if e.account == request.account and n >= first]
    kept = found[:limit] if request.params.has("fromId") else found[-limit:]
    return [said for _, entry in kept for said in _write(api, entry)]


def query_open(api: Api, request: Request) -> list[dict[str, Any]]:
    written = [said for _, e in api.lists.items() if e.account == request.account for said in _write(api, e)]
    return [said for said in written if said["listOrderStatus"] == "EXECUTING"]


def report(api: Api, symbol: Symbol, list_id: int, entry: ListEntry) -> dict[str, Any]:
    """A list that was cancelled, with the cancel of each of its legs. Raises OrderRefused."""
    legs = list(_legs(symbol, entry))
    reports = [api.writer(symbol).cancelled(leg, api.cancel_id(entry.symbol, leg.order_id)) for leg in legs]
    return {**api.writer(symbol).order_list(list(legs), entry.name), "orderReports": reports}


def _write(api: Api, entry: ListEntry) -> list[dict[str, Any]]:
    """The list; none where the engine has forgotten its orders."""
    symbol = api.venue.symbols[entry.symbol]
    try:
        return [api.writer(symbol).order_list(list(_legs(symbol, entry)), entry.name)]
    except OrderRefused:
        return []


def _legs(symbol: Symbol, entry: ListEntry) -> tuple[ExchangeOrder, ...]:
    return tuple(symbol.engine.order(entry.account, order_id=order_id) for order_id in entry.orders)


def _open_leg(symbol: Symbol, entry: ListEntry) -> int:
    legs = _legs(symbol, entry)
    return next((leg.order_id for leg in legs if leg.open), legs[0].order_id)


def _which(api: Api, request: Request) -> int | None:
    """The list that is named by id or by name, of this account; None where there is none."""
    params = request.params
    name = params.client_id("listClientOrderId") or params.client_id("origClientOrderId")
    if not params.has("orderListId") and not name:
        raise either("orderListId", "listClientOrderId")
    wanted = params.integer("orderListId", -1)
    entries: list[tuple[int, ListEntry]] = api.lists.items()
    for list_id, entry in entries:
        if entry.account == request.account and (list_id == wanted or (wanted < 0 and entry.name == name)):
            return list_id
    return None
