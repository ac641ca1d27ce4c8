"""Orders, lists of orders and fills as Binance writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from citadel_kit.exchange.dialects.binance.text import ZERO, Scale, decimal, ms
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import (
    UNIT,
    AccountTrade,
    ExchangeOrder,
    OrderState,
    OrderType,
    Status,
    Stp,
    Tif,
)
from citadel_kit.types import Side

Order = ExchangeOrder | OrderState


def type_name(order: Order) -> str:
    return OrderType(order.type).name


def side_name(side: int) -> str:
    return Side(side).name


def status_name(status: int) -> str:
    return Status(status).name


def ack(symbol: Symbol, order: Order) -> dict[str, Any]:
    return {
        "symbol": symbol.instrument.venue_symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": ms(order.updated_ns),
    }


def amounts(scale: Scale, order: Order) -> dict[str, Any]:
    """What every report of an order has in common."""
    said = {
        "price": scale.price(order.price),
        "origQty": scale.qty(order.qty),
        "executedQty": scale.qty(order.filled),
        "origQuoteOrderQty": scale.notional(order.quote_qty),
        "cummulativeQuoteQty": scale.notional(order.quote_filled),
        "status": status_name(order.status),
        "timeInForce": Tif(order.tif).name,
        "type": type_name(order),
        "side": side_name(order.side),
    }
    if order.stop_price:
        said["stopPrice"] = scale.price(order.stop_price)
    return said


def result(symbol: Symbol, order: Order) -> dict[str, Any]:
    return {
        **ack(symbol, order),
        **amounts(Scale(symbol.instrument), order),
        "workingTime": _working_time(order),
        "selfTradePreventionMode": Stp(order.stp).name,
    }


def full(symbol: Symbol, order: Order, trades: Iterable[AccountTrade]) -> dict[str, Any]:
    scale = Scale(symbol.instrument)
    fills = [
        {
            "price": scale.price(t.price),
            "qty": scale.qty(t.qty),
            "commission": decimal(t.commission, UNIT),
            "commissionAsset": t.commission_asset,
            "tradeId": t.trade_id,
        }
        for t in trades
    ]
    return {**result(symbol, order), "fills": fills}


def query(symbol: Symbol, order: Order) -> dict[str, Any]:
    return {
        "symbol": symbol.instrument.venue_symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "stopPrice": ZERO,
        **amounts(Scale(symbol.instrument), order),
        "icebergQty": ZERO,
        "time": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "isWorking": order.working,
        "workingTime": _working_time(order),
        "selfTradePreventionMode": Stp(order.stp).name,
    }


def cancelled(symbol: Symbol, order: Order, cancel_id: str) -> dict[str, Any]:
    """`clientOrderId` is the cancel's own name here, the order's stands under `origClientOrderId`."""
    return {
        **ack(symbol, order),
        "origClientOrderId": order.client_id,
        "clientOrderId": cancel_id,
        **amounts(Scale(symbol.instrument), order),
        "selfTradePreventionMode": Stp(order.stp).name,
    }


def trade(symbol: Symbol, t: AccountTrade) -> dict[str, Any]:
    scale = Scale(symbol.instrument)
    return {
        "symbol": symbol.instrument.venue_symbol,
        "id": t.trade_id,
        "orderId": t.order_id,
        "orderListId": t.list_id,
        "price": scale.price(t.price),
        "qty": scale.qty(t.qty),
        "quoteQty": scale.notional(t.price * t.qty),
        "commission": decimal(t.commission, UNIT),
        "commissionAsset": t.commission_asset,
        "time": ms(t.at_ns),
        "isBuyer": t.side == Side.BUY,
        "isMaker": t.maker,
        "isBestMatch": True,
    }


def order_list(symbol: Symbol, orders: list[Order], client_id: str) -> dict[str, Any]:
    """A one-cancels-other pair."""
    done = all(order.status not in (Status.NEW, Status.PARTIALLY_FILLED) for order in orders)
    name = symbol.instrument.venue_symbol
    return {
        "orderListId": orders[0].list_id,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": client_id,
        "transactionTime": ms(max(order.updated_ns for order in orders)),
        "symbol": name,
        "orders": [
            {"symbol": name, "orderId": order.order_id, "clientOrderId": order.client_id} for order in orders
        ],
    }


def _working_time(order: Order) -> int:
    return ms(order.working_ns) if order.working_ns > 0 else -1
