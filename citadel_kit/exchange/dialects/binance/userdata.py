"""What an account is told of its orders and balances.

Source: binance/binance-spot-api-docs, `user-data-stream.md`.
"""

from __future__ import annotations

from typing import Any

from citadel_kit.exchange.dialects.binance import orderjson
from citadel_kit.exchange.dialects.binance.api import Api
from citadel_kit.exchange.dialects.binance.text import ZERO, decimal, ms
from citadel_kit.exchange.venue import AccountEvent, Symbol
from citadel_kit.micro.matching import (
    UNIT,
    Execution,
    ExecutionKind,
    ListStatus,
    ListUpdate,
    Stp,
    Tif,
)


def events(api: Api, event: AccountEvent) -> list[dict[str, Any]]:
    symbol = api.venue.symbols[event.symbol]
    now_ms = ms(event.at_ns)
    execution = event.execution
    if isinstance(execution, ListUpdate):
        return [list_status(api, symbol, execution, now_ms)]
    said = [execution_report(api, symbol, execution, now_ms)]
    if event.balances:
        said.append(account_position(event, now_ms))
    return said


def execution_report(api: Api, symbol: Symbol, e: Execution, now_ms: int) -> dict[str, Any]:
    o, writer = e.order, api.writer(symbol)
    scale = writer.scale
    ended_by_cancel = e.kind == ExecutionKind.CANCELED
    own, original = o.client_id, ""
    if ended_by_cancel:  # `c` names the cancel then, and `C` the order
        own, original = api.cancel_id(o.symbol, o.order_id), o.client_id
    is_trade = e.kind == ExecutionKind.TRADE
    report = {
        "e": "executionReport",
        "E": now_ms,
        "s": symbol.instrument.venue_symbol,
        "c": own,
        "S": orderjson.side_name(o.side),
        "o": orderjson.type_name(o),
        "f": Tif(o.tif).name,
        "q": scale.qty(o.qty),
        "p": scale.price(o.price),
        "P": scale.price(o.stop_price),
        "F": ZERO,
        "g": o.list_id,
        "C": original,
        "x": ExecutionKind(e.kind).name,
        "X": orderjson.status_name(o.status),
        "r": e.reason or "NONE",
        "i": o.order_id,
        "l": scale.qty(e.qty if is_trade else 0),
        "z": scale.qty(o.filled),
        "L": scale.price(e.price if is_trade else 0),
        "n": decimal(e.commission, UNIT) if is_trade else "0",
        "N": e.commission_asset if is_trade else None,
        "T": writer.ms(e.at_ns),
        "t": e.trade_id if is_trade else -1,
        "I": o.order_id,
        "w": o.working,
        "m": bool(e.maker) if is_trade else False,
        "M": False,
        "O": writer.ms(o.created_ns),
        "Z": scale.notional(o.quote_filled),
        "Y": scale.notional(e.price * e.qty if is_trade else 0),
        "Q": scale.notional(o.quote_qty),
        "V": Stp(o.stp).name,
    }
    if o.working_ns > 0:
        report["W"] = writer.ms(o.working_ns)
    return report


def account_position(event: AccountEvent, now_ms: int) -> dict[str, Any]:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [
            {"a": asset, "f": decimal(free, UNIT), "l": decimal(locked, UNIT)}
            for asset, (free, locked) in event.balances.items()
        ],
    }


def list_status(api: Api, symbol: Symbol, update: ListUpdate, now_ms: int) -> dict[str, Any]:
    done = update.status == ListStatus.ALL_DONE
    name = symbol.instrument.venue_symbol
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": name,
        "g": update.list_id,
        "c": "OCO",
        "l": "ALL_DONE" if done else "EXEC_STARTED",
        "L": "ALL_DONE" if done else "EXECUTING",
        "r": "NONE",
        "C": update.list_client_id,
        "T": api.writer(symbol).ms(update.at_ns),
        "O": [{"s": name, "i": order_id, "c": client_id} for order_id, client_id in update.orders],
    }
