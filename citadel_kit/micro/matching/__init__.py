"""A venue's matching engine, pure: orders, balances and filters in, executions and levels out."""

from __future__ import annotations

from citadel_kit.micro.matching.accounts import FEES, MARKET, UNIT, Accounts
from citadel_kit.micro.matching.desk import HISTORY
from citadel_kit.micro.matching.engine import MatchingEngine
from citadel_kit.micro.matching.filters import Rules
from citadel_kit.micro.matching.orders import (
    PRICED_TYPES,
    TRIGGERED_TYPES,
    AccountTrade,
    CancelReplace,
    ExchangeOrder,
    Execution,
    ExecutionKind,
    LevelChange,
    ListStatus,
    ListUpdate,
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderType,
    PublicTrade,
    RefusalCode,
    Status,
    Stp,
    Tif,
)
from citadel_kit.micro.matching.queue import QueueConfig, Resting, crosses, on_level, on_trade, rest, take

__all__ = [
    "Accounts",
    "AccountTrade",
    "CancelReplace",
    "crosses",
    "ExchangeOrder",
    "Execution",
    "ExecutionKind",
    "FEES",
    "HISTORY",
    "LevelChange",
    "ListStatus",
    "ListUpdate",
    "MARKET",
    "MatchingEngine",
    "on_level",
    "on_trade",
    "OrderRefused",
    "OrderRequest",
    "OrderState",
    "OrderType",
    "PRICED_TYPES",
    "PublicTrade",
    "QueueConfig",
    "RefusalCode",
    "rest",
    "Resting",
    "Rules",
    "Status",
    "Stp",
    "take",
    "Tif",
    "TRIGGERED_TYPES",
    "UNIT",
]
