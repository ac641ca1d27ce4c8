"""Orders at an exchange: what is asked for, what became of it, and what the engine reports.

Prices and quantities are integers in the instrument's units; a notional is in units of
10**-(price_decimals + qty_decimals) of the quote currency; a balance or commission in 10**-18 of its asset.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from citadel_kit.errors import TradeError
from citadel_kit.micro.matching.queue import Resting
from citadel_kit.types import Side


class OrderType(IntEnum):
    LIMIT = 0
    LIMIT_MAKER = 1
    """Rests or is refused; never takes."""
    MARKET = 2
    STOP_LOSS = 3
    STOP_LOSS_LIMIT = 4
    TAKE_PROFIT = 5
    TAKE_PROFIT_LIMIT = 6


TRIGGERED_TYPES = frozenset(
    (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
)
"""Rest unseen until the last trade price reaches their stop price."""
PRICED_TYPES = frozenset(
    (OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
)
"""Have a limit price."""
STOP_TYPES = frozenset((OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT))
"""Trigger when the price goes against the position they close."""


OWN_PREFIX: Final = "exchange-"
"""Of the client ids that the engine makes up."""


class Tif(IntEnum):
    GTC = 0
    IOC = 1
    FOK = 2


class Stp(IntEnum):
    """What happens where an order would trade with another of its own account; the taker's mode decides."""

    NONE = 0
    """They trade."""
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3


class Status(IntEnum):
    NEW = 0
    PARTIALLY_FILLED = 1
    FILLED = 2
    CANCELED = 3
    EXPIRED = 4
    EXPIRED_IN_MATCH = 5
    """By self-trade prevention."""


class RefusalCode(IntEnum):
    BAD_PARAMETER = 0
    PRICE_FILTER = 1
    PERCENT_PRICE = 2
    LOT_SIZE = 3
    MARKET_LOT_SIZE = 4
    MIN_NOTIONAL = 5
    INSUFFICIENT_BALANCE = 6
    WOULD_TAKE = 7
    WOULD_TRIGGER = 8
    UNKNOWN_ORDER = 9
    DUPLICATE_CLIENT_ID = 10
    NO_BOOK = 11
    NO_LIQUIDITY = 12
    MAX_ORDERS = 13
    MAX_STOP_ORDERS = 14
    OCO_PRICES = 15
    """The limit price and the stop price do not stand on the right sides of the last price."""
    AMEND_REFUSED = 16
    """The amended quantity is not above what is filled, or changes nothing."""


class OrderRefused(TradeError):
    """The exchange refused a request; nothing changed by it."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code.name}: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    account: str
    symbol: str
    client_id: str = ""
    """Unique among the account's open orders here; the engine makes one up where it is empty."""
    side: Side
    type: OrderType
    qty: int = 0
    quote_qty: int = 0
    """Of a market order, instead of `qty`: how much of the quote currency to trade, as a notional."""
    price: int = 0
    stop_price: int = 0
    tif: Tif = Tif.GTC
    stp: Stp = Stp.EXPIRE_MAKER


class OrderState(NamedTuple):
    """An order as it stood at one moment."""

    account: str
    symbol: str
    order_id: int
    list_id: int
    """Of its one-cancels-other list, else -1."""
    client_id: str
    side: Side
    type: OrderType
    tif: Tif
    stp: Stp
    qty: int
    quote_qty: int
    price: int
    stop_price: int
    status: Status
    working: bool
    """Did it enter the market? False for a stop not yet triggered."""
    triggered: bool
    filled: int
    quote_filled: int
    """Notional of what is filled."""
    created_ns: int
    updated_ns: int
    working_ns: int
    """When it entered the market, or last lost its place there; -1 for a stop not yet triggered."""
    prevented: int
    """Quantity taken off by self-trade prevention."""


class ExchangeOrder:
    """One order, live: the engine changes it, everyone else only reads it."""

    __slots__ = (*OrderState._fields, "in_book", "locked", "resting")

    account: str
    symbol: str
    order_id: int
    list_id: int
    client_id: str
    side: Side
    type: OrderType
    tif: Tif
    stp: Stp
    qty: int
    quote_qty: int
    price: int
    stop_price: int
    status: Status
    working: bool
    triggered: bool
    filled: int
    quote_filled: int
    created_ns: int
    updated_ns: int
    working_ns: int
    prevented: int
    in_book: bool
    locked: int
    """What is held for it, in 10**-18 of the asset it pays with."""
    resting: Resting
    """Its place in the outside's queue, while it is in the book."""

    def __init__(self, request: OrderRequest, order_id: int, now_ns: int) -> None:
        self.account, self.symbol, self.order_id, self.list_id = request.account, request.symbol, order_id, -1
        self.client_id = request.client_id or f"{OWN_PREFIX}{order_id}"
        self.side, self.type, self.tif, self.stp = request.side, request.type, request.tif, request.stp
        self.qty, self.quote_qty = request.qty, request.quote_qty
        self.price, self.stop_price = request.price, request.stop_price
        self.status, self.triggered, self.in_book = Status.NEW, False, False
        self.working = request.type not in TRIGGERED_TYPES
        self.filled = self.quote_filled = self.prevented = self.locked = 0
        self.created_ns = self.updated_ns = now_ns
        self.working_ns = now_ns if self.working else -1

    @property
    def left(self) -> int:
        return self.qty - self.filled

    @property
    def open(self) -> bool:
        return self.status <= Status.PARTIALLY_FILLED

    def state(self) -> OrderState:
        return OrderState(
            self.account, self.symbol, self.order_id, self.list_id, self.client_id, self.side, self.type,
            self.tif, self.stp, self.qty, self.quote_qty, self.price, self.stop_price, self.status,
            self.working, self.triggered, self.filled, self.quote_filled, self.created_ns, self.updated_ns,
            self.working_ns, self.prevented,
        )  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"<ExchangeOrder {self.order_id} {self.account} {self.side.name} {self.type.name} {self.qty} @"
            f" {self.price} {self.status.name}, {self.filled} filled>"
        )


class ExecutionKind(IntEnum):
    NEW = 0
    """Accepted; once more when a stop triggers and takes its place in the book."""
    TRADE = 1
    CANCELED = 2
    REPLACED = 3
    """Amended."""
    EXPIRED = 4
    TRADE_PREVENTION = 5


class Execution(NamedTuple):
    """One step of an order's life. Fields of a trade are 0 or empty for other kinds."""

    kind: ExecutionKind
    order: OrderState
    """After it."""
    at_ns: int
    price: int
    qty: int
    maker: bool
    commission: int
    commission_asset: str
    trade_id: int
    """-1 where it is no trade."""
    reason: str


class ListStatus(IntEnum):
    EXEC_STARTED = 0
    ALL_DONE = 1


class ListUpdate(NamedTuple):
    """A one-cancels-other list began or ended."""

    list_id: int
    list_client_id: str
    account: str
    symbol: str
    status: ListStatus
    orders: tuple[tuple[int, str], ...]
    """(order id, client id) of its legs: the limit, then the stop."""
    at_ns: int


class AccountTrade(NamedTuple):
    """One fill of one account's order, as its trade history keeps it."""

    trade_id: int
    order_id: int
    list_id: int
    client_id: str
    at_ns: int
    side: Side
    price: int
    qty: int
    maker: bool
    commission: int
    commission_asset: str


class PublicTrade(NamedTuple):
    """One print; `side` is the aggressor's."""

    at_ns: int
    trade_id: int
    price: int
    qty: int
    side: Side


class LevelChange(NamedTuple):
    """A level of the shown book: its new total, 0 where it is gone."""

    is_bid: bool
    price: int
    qty: int


class CancelReplace(NamedTuple):
    """Each half is done, refused, or (the second) not attempted: then both of its fields are None."""

    canceled: ExchangeOrder | None
    cancel_refusal: OrderRefused | None
    placed: ExchangeOrder | None
    new_refusal: OrderRefused | None
