"""Intents, commands, reports and fills, and the protocol of a broker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from citadel_kit.types.market import Side
from citadel_kit.types.signals import MacroSignal


class Purpose(IntEnum):
    """Why an order exists. Reductions and exits have looser rules, so that a gate can't trap a position."""

    ENTRY = 0
    REDUCE = 1
    EXIT = 2


class CommandKind(IntEnum):
    NONE = 0
    PLACE = 1
    CANCEL = 2
    AMEND = 3
    """Change the order in place to `price` and the total `qty`, where the venue does that."""
    QUERY = 4
    """Ask what became of the order. Answered by STATE, CANCELED, or REJECT with UNKNOWN_ORDER."""


class TimeInForce(IntEnum):
    POST_ONLY = 0
    """Rests or is rejected; never takes."""
    GTC = 1
    IOC = 2
    """Takes what it can at its limit price or better, the rest is cancelled."""


class Command(NamedTuple):
    """One instruction of a decision function to a broker."""

    kind: int
    """CommandKind"""
    order_id: int
    """Our own id of the working order, unique per parent: 1, 2, 3, …"""
    side: int
    price: int
    qty: int
    tif: int
    """TimeInForce"""


NO_COMMAND = Command(0, 0, 0, 0, 0, 0)


class StopCommand(NamedTuple):
    """Place a protective stop, which rests at the venue until the market reaches `stop_price`.

    It is cancelled and asked for by `Command`s of its `order_id`, as any order is.
    """

    order_id: int
    """From `FIRST_STOP_ID` on."""
    side: int
    stop_price: int
    price: int
    """Its limit price once triggered; 0: at market."""
    qty: int


class ReportKind(IntEnum):
    ACK = 0
    """The order rests at the venue."""
    REJECT = 1
    """The order never came to life; `reason` says why."""
    FILL = 2
    """`qty` at `price`; `filled` is the order's total so far."""
    CANCELED = 3
    """The order is gone with `filled` filled: by our cancel, or an IOC's rest."""
    CANCEL_REJECT = 4
    """The cancel failed: the order is filled, unknown, or still alive. Its own reports say which."""
    AMENDED = 5
    """It rests at `price` with the total `qty`, `filled` of it filled."""
    AMEND_REJECT = 6
    """It rests as it did, unless its own reports say otherwise."""
    UNKNOWN = 7
    """No answer to a command: it may have taken effect, or may yet. Nothing follows but a QUERY."""
    STATE = 8
    """The answer to a QUERY: it is alive at `price` with the total `qty`, `filled` of it filled."""


class RejectReason(IntEnum):
    NONE = 0
    POST_ONLY = 1
    """Would have taken liquidity."""
    FILTER = 2
    """Tick, lot or minimum notional."""
    UNKNOWN_ORDER = 3
    NO_BOOK = 4
    """The venue has no market now."""
    BALANCE = 5
    RATE_LIMIT = 6
    DUPLICATE = 7
    """An order of this client id exists already."""
    VENUE = 8
    """Any other refusal, such as maintenance."""


class OrderReport(NamedTuple):
    """What a broker says of one order."""

    kind: int
    """ReportKind"""
    order_id: int
    recv_ns: int
    price: int
    qty: int
    filled: int
    """The order's cumulative filled quantity, by the venue."""
    maker: bool
    reason: int
    """RejectReason"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """What the macro layer or the user wants done; the gate judges it before anything is placed."""

    venue: str
    symbol: str
    side: Side
    qty: int
    """In the venue instrument's quantity units."""
    purpose: Purpose = Purpose.ENTRY
    signal: MacroSignal | None = None
    """The signal an entry rests on. An entry without one must be `forced`."""
    forced: bool = False
    """By hand or as a drill: the signal is not asked. Every other rule of the gate still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A fact: never dropped, never conflated."""

    venue: str
    symbol: str
    parent_id: str
    order_id: int
    recv_ns: int
    side: Side
    price: int
    qty: int
    maker: bool
    fee: float
    """In the quote currency; negative is a rebate."""
    base_fee: int = 0
    """What the venue kept of what was bought, in quantity units; `fee` is the same, valued."""


FIRST_STOP_ID: Final = 1_000_001
"""Order ids of a parent from here up are its protective stops."""


def client_id(prefix: str, parent_id: str, order_id: int) -> str:
    """The id under which a venue knows an order of ours; `prefix` is the engine's, from its lease."""
    return f"{prefix}-{parent_id}-{order_id}"


def parse_client_id(text: str, prefix: str) -> tuple[str, int] | None:
    """Parent and order id; None where it is not an id that `client_id` makes with this prefix."""
    head, _, last = text.removeprefix(f"{prefix}-").rpartition("-")
    if not (text.startswith(f"{prefix}-") and head and last.isascii() and last.isdigit()):
        return None
    return (head, int(last)) if last[0] != "0" else None


class VenueOrder(NamedTuple):
    """One order as the venue shows it when asked: not a report, a state."""

    client_id: str
    """Empty where it was placed without one."""
    venue_order_id: str
    symbol: str
    side: int
    price: int
    """This and the quantities are 0 for an order that is not ours in an instrument whose scale is unknown."""
    qty: int
    filled: int
    alive: bool
    """It can still trade, or waits for its trigger."""
    created_ns: int
    """By the venue's clock; 0 where it does not say."""


class VenueTrade(NamedTuple):
    """One execution of the account, as the venue lists it."""

    trade_id: str
    """Unique per venue and symbol."""
    venue_order_id: str
    client_id: str
    """Empty where the venue's list does not say it, as Binance's doesn't."""
    symbol: str
    side: int
    price: int
    qty: int
    maker: bool
    fee: float
    """In the quote currency; NaN where it can't be said."""
    exch_ns: int
    fee_paid: str = ""
    """As the venue charged it: `0.00012 BNB`; empty where it doesn't say."""
    base_fee: int = 0
    """What of it was kept in the base currency, in quantity units, rounded up."""


class Broker(Protocol):
    """Where commands go. Reports come back as inputs of the driver, never as return values."""

    def send(self, venue: str, parent_id: str, command: Command, now_ns: int) -> None: ...


class StopBroker(Broker, Protocol):
    """One that lets protective stops rest at the venue, where the venue has them."""

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None: ...
