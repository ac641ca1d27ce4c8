"""From a request's parameters to what the matching engine is asked."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from citadel_kit.exchange.dialects.binance.api import Api, Request
from citadel_kit.exchange.dialects.binance.errors import (
    NEW_ORDER_REJECTED,
    ApiError,
    either,
    filter_failure,
    invalid_data,
    mandatory,
    not_required,
)
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import (
    PRICED_TYPES,
    TRIGGERED_TYPES,
    ExchangeOrder,
    OrderRefused,
    OrderRequest,
    OrderType,
    RefusalCode,
    Stp,
    Tif,
)
from citadel_kit.types import Side

RESPONSES: Final = ("ACK", "RESULT", "FULL")
DEFAULT_RESPONSE: Final = {OrderType.LIMIT: "FULL", OrderType.MARKET: "FULL"}
"""Of other types: ACK."""


class Names(NamedTuple):
    """How the parameters of an order are called: those of a list's legs have a prefix."""

    type: str = "type"
    price: str = "price"
    stop_price: str = "stopPrice"
    tif: str = "timeInForce"
    client_id: str = "newClientOrderId"
    quantity: str = "quantity"
    iceberg: str = "icebergQty"
    trailing: str = "trailingDelta"

    @classmethod
    def of_leg(cls, leg: str) -> Names:
        """`leg`: above or below, of `orderList/oco`."""
        return cls(
            f"{leg}Type",
            f"{leg}Price",
            f"{leg}StopPrice",
            f"{leg}TimeInForce",
            f"{leg}ClientOrderId",
            "quantity",
            f"{leg}IcebergQty",
            f"{leg}TrailingDelta",
        )


PLAIN: Final = Names()
OLD_LIMIT: Final = Names("", "price", "", "", "limitClientOrderId", "quantity", "limitIcebergQty", "")
"""The limit leg of `order/oco`, whose type is given."""
OLD_STOP: Final = Names(
    "",
    "stopLimitPrice",
    "stopPrice",
    "stopLimitTimeInForce",
    "stopClientOrderId",
    "quantity",
    "stopIcebergQty",
    "",
)
"""Its stop leg."""


def side(params: Params) -> Side:
    text = params.need("side")
    if text not in Side.__members__:
        raise ApiError(-1117, "Invalid side.")
    return Side[text]


def response_type(params: Params, default: str) -> str:
    text = params.text("newOrderRespType", default)
    if text not in RESPONSES:
        raise invalid_data("newOrderRespType")
    return text


def order_request(
    api: Api,
    request: Request,
    symbol: Symbol,
    names: Names = PLAIN,
    order_type: OrderType | None = None,
) -> OrderRequest:
    """Raises ApiError for what is missing, superfluous, or no number; the engine judges the rest.

    `order_type`: where the call says it and not a parameter.
    """
    params = request.params
    wanted_side = side(params)
    if order_type is None:
        order_type = _order_type(params, names.type)
    _refuse_unsupported(params, names)
    priced, triggered = order_type in PRICED_TYPES, order_type in TRIGGERED_TYPES
    tif = _tif(params, names, needed=priced and order_type != OrderType.LIMIT_MAKER)
    decimals = symbol.instrument.price_decimals, symbol.instrument.qty_decimals
    quote_qty = _quote_qty(params, names, order_type, sum(decimals))
    for name, belongs in ((names.price, priced), (names.stop_price, triggered)):
        if belongs and not params.has(name):
            raise mandatory(name)
        if params.has(name) and not belongs:
            raise not_required(name)
    return OrderRequest(
        account=request.account,
        symbol=symbol.instrument.symbol,
        client_id=params.client_id(names.client_id) or api.new_id(),
        side=wanted_side,
        type=order_type,
        qty=0 if quote_qty else quantity(params, names.quantity, decimals[1]),
        quote_qty=quote_qty,
        price=_price(params, names.price, decimals[0]) if priced else 0,
        stop_price=_price(params, names.stop_price, decimals[0]) if triggered else 0,
        tif=tif,
        stp=_stp(params),
    )


def _quote_qty(params: Params, names: Names, order_type: OrderType, decimals: int) -> int:
    """0 where the order is of a quantity."""
    if not params.has("quoteOrderQty"):
        if order_type == OrderType.MARKET and not params.has(names.quantity):
            raise either("quantity", "quoteOrderQty")
        return 0
    if order_type != OrderType.MARKET:
        raise not_required("quoteOrderQty")
    if params.has(names.quantity):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return _units(params, "quoteOrderQty", decimals, "Invalid quote order qty.", "NOTIONAL")


def quantity(params: Params, name: str, decimals: int) -> int:
    return _units(params, name, decimals, "Invalid quantity.", "LOT_SIZE")


def which_order(
    params: Params, id_name: str = "orderId", client_name: str = "origClientOrderId"
) -> dict[str, Any]:
    """Keyword arguments by which the engine finds the order."""
    if not params.has(id_name) and not params.has(client_name):
        raise either(client_name, id_name)
    return {"order_id": params.integer(id_name, -1), "client_id": params.client_id(client_name)}


def find_order(symbol: Symbol, account: str, which: dict[str, Any]) -> ExchangeOrder:
    """Raises OrderRefused where there is none, or where its two names are not of one order."""
    order = symbol.engine.order(account, **which)
    if which["client_id"] and order.client_id != which["client_id"]:
        raise OrderRefused(RefusalCode.UNKNOWN_ORDER, "order id and client id are of different orders")
    return order


def _price(params: Params, name: str, decimals: int) -> int:
    return _units(params, name, decimals, f"Invalid {name}.", "PRICE_FILTER")


def _units(params: Params, name: str, decimals: int, zero: str, filter_name: str) -> int:
    number = params.decimal(name)
    if number is None:
        raise mandatory(name)
    if number.zero:
        raise ApiError(-1013, zero)
    units = number.units(decimals)
    if units is None:
        raise filter_failure(filter_name)
    return units


def _order_type(params: Params, name: str) -> OrderType:
    text = params.need(name)
    if text not in OrderType.__members__:
        raise ApiError(-1116, "Invalid orderType.")
    return OrderType[text]


def _tif(params: Params, names: Names, *, needed: bool) -> Tif:
    text = params.text(names.tif)
    if not needed:
        if text:
            raise not_required(names.tif)
        return Tif.GTC
    if not text:
        raise mandatory(names.tif)
    if text not in Tif.__members__:
        raise ApiError(-1115, "Invalid timeInForce.")
    return Tif[text]


def _stp(params: Params) -> Stp:
    text = params.text("selfTradePreventionMode", Stp.EXPIRE_MAKER.name)
    if text not in Stp.__members__:
        raise invalid_data("selfTradePreventionMode")
    return Stp[text]


def _refuse_unsupported(params: Params, names: Names) -> None:
    """Ignoring one of these would place another order than the client meant."""
    iceberg = params.decimal(names.iceberg)
    if iceberg is not None and not iceberg.zero:
        raise ApiError(NEW_ORDER_REJECTED, "Iceberg orders are not supported for this symbol.")
    if params.has(names.trailing):
        raise ApiError(NEW_ORDER_REJECTED, "Trailing stop orders are not supported for this symbol.")
    if params.has("pegPriceType") or params.has("pegOffsetType"):
        raise ApiError(NEW_ORDER_REJECTED, "Pegged orders are not supported for this symbol.")
