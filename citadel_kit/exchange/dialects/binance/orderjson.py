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


class Writer:
    """Of one symbol. Times are told by the venue's clock, which may run `skew_ns` ahead of the world's."""

    def __init__(self, symbol: Symbol, skew_ns: int) -> None:
        self.name, self.scale = symbol.instrument.venue_symbol, Scale(symbol.instrument)
        self._skew_ns = skew_ns

    def ms(self, ns: int) -> int:
        return ms(ns + self._skew_ns)

    def ack(self, order: Order) -> dict[str, Any]:
        return {
            "symbol": self.name,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_id,
            "transactTime": self.ms(order.updated_ns),
        }

    def amounts(self, order: Order) -> dict[str, Any]:
        """What every report of an order has in common."""
        said = {
            "price": self.scale.price(order.price),
            "origQty": self.scale.qty(order.qty),
            "executedQty": self.scale.qty(order.filled),
            "origQuoteOrderQty": self.scale.notional(order.quote_qty),
            "cummulativeQuoteQty": self.scale.notional(order.quote_filled),
            "status": status_name(order.status),
            "timeInForce": Tif(order.tif).name,
            "type": type_name(order),
            "side": side_name(order.side),
        }
        if order.stop_price:
            said["stopPrice"] = self.scale.price(order.stop_price)
        return said

    def result(self, order: Order) -> dict[str, Any]:
        return {
            **self.ack(order),
            **self.amounts(order),
            "workingTime": self.working_time(order),
            "selfTradePreventionMode": Stp(order.stp).name,
        }

    def full(self, order: Order, trades: Iterable[AccountTrade]) -> dict[str, Any]:
        fills = [
            {
                "price": self.scale.price(t.price),
                "qty": self.scale.qty(t.qty),
                "commission": decimal(t.commission, UNIT),
                "commissionAsset": t.commission_asset,
                "tradeId": t.trade_id,
            }
            for t in trades
        ]
        return {**self.result(order), "fills": fills}

    def query(self, order: Order) -> dict[str, Any]:
        return {
            "symbol": self.name,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "clientOrderId": order.client_id,
            "stopPrice": ZERO,
            **self.amounts(order),
            "icebergQty": ZERO,
            "time": self.ms(order.created_ns),
            "updateTime": self.ms(order.updated_ns),
            "isWorking": order.working_ns > 0,
            "workingTime": self.working_time(order),
            "selfTradePreventionMode": Stp(order.stp).name,
        }

    def cancelled(self, order: Order, cancel_id: str) -> dict[str, Any]:
        """`clientOrderId` is the cancel's own name here, the order's stands under `origClientOrderId`."""
        return {
            **self.ack(order),
            "origClientOrderId": order.client_id,
            "clientOrderId": cancel_id,
            **self.amounts(order),
            "selfTradePreventionMode": Stp(order.stp).name,
        }

    def trade(self, t: AccountTrade) -> dict[str, Any]:
        return {
            "symbol": self.name,
            "id": t.trade_id,
            "orderId": t.order_id,
            "orderListId": t.list_id,
            "price": self.scale.price(t.price),
            "qty": self.scale.qty(t.qty),
            "quoteQty": self.scale.notional(t.price * t.qty),
            "commission": decimal(t.commission, UNIT),
            "commissionAsset": t.commission_asset,
            "time": self.ms(t.at_ns),
            "isBuyer": t.side == Side.BUY,
            "isMaker": t.maker,
            "isBestMatch": True,
        }

    def order_list(self, orders: list[Order], client_id: str) -> dict[str, Any]:
        """A one-cancels-other pair."""
        done = all(order.status not in (Status.NEW, Status.PARTIALLY_FILLED) for order in orders)
        return {
            "orderListId": orders[0].list_id,
            "contingencyType": "OCO",
            "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
            "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
            "listClientOrderId": client_id,
            "transactionTime": self.ms(max(order.updated_ns for order in orders)),
            "symbol": self.name,
            "orders": [
                {"symbol": self.name, "orderId": order.order_id, "clientOrderId": order.client_id}
                for order in orders
            ],
        }

    def working_time(self, order: Order) -> int:
        """-1 where it never was in the book."""
        return self.ms(order.working_ns) if order.working_ns > 0 else -1
