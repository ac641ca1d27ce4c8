"""The records of a chase order. A field's integer values are those of the `IntEnum`s here."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from citadel_kit.types import Command


class Phase(IntEnum):
    """From FILLED on: terminal. Between IDLE and FILLED an order is out."""

    IDLE = 0
    PLACING = 1
    RESTING = 2
    AMENDING = 3
    CANCELING = 4
    TAKING = 5
    ASKING = 6
    """Its fate is unknown: nothing but a QUERY follows until the venue has said it."""
    FILLED = 7
    CANCELLED = 8
    EXPIRED = 9
    FAILED = 10


# As plain ints: looking a member up and asking its value costs more than the rest of a decision.
IDLE: Final = Phase.IDLE.value
PLACING: Final = Phase.PLACING.value
RESTING: Final = Phase.RESTING.value
AMENDING: Final = Phase.AMENDING.value
CANCELING: Final = Phase.CANCELING.value
TAKING: Final = Phase.TAKING.value
ASKING: Final = Phase.ASKING.value
FILLED: Final = Phase.FILLED.value
CANCELLED: Final = Phase.CANCELLED.value
EXPIRED: Final = Phase.EXPIRED.value
FAILED: Final = Phase.FAILED.value


class OnDeadline(IntEnum):
    CANCEL = 0
    TAKE = 1
    """After the confirmed cancel an IOC, or `slices` of them `slice_ns` apart, within `take_slippage_bps` of
    the touch at the first and within the bound."""


class WhenBlind(IntEnum):
    """What becomes of a resting order while the venue's book is not LIVE."""

    PULL = 0
    FREEZE = 1


class Amend(IntEnum):
    """What the venue changes in place. What it does not is cancelled and placed anew."""

    NONE = 0
    QTY_DOWN = 1
    """A smaller quantity only (Binance spot)."""
    PRICE_QTY = 2


class EndReason(IntEnum):
    NONE = 0
    DUST = 1
    POST_ONLY = 2
    FILTER = 3
    NO_BOOK = 4
    BEYOND = 5
    VENUE_CANCELED = 6
    BALANCE = 7
    RATE_LIMIT = 8
    LOST = 9
    REFUSED = 10
    HELD = 11


END_TEXT: Final = {
    EndReason.NONE: "",
    EndReason.DUST: "the rest is below the venue's lot or minimum notional",
    EndReason.POST_ONLY: "the venue rejected it as taking, max_rejects times in a row",
    EndReason.FILTER: "the venue rejected it: tick, lot, minimum notional or order id",
    EndReason.NO_BOOK: "no two-sided LIVE book",
    EndReason.BEYOND: "the touch lies beyond limit_price, max_chase_bps or take_slippage_bps",
    EndReason.VENUE_CANCELED: "the venue cancelled it unasked, max_rejects times in a row",
    EndReason.BALANCE: "the venue says the balance does not cover it",
    EndReason.RATE_LIMIT: "the venue's rate limit, max_rejects times in a row",
    EndReason.LOST: "it never reached the venue, max_rejects times in a row",
    EndReason.REFUSED: "the venue refused it, max_rejects times in a row",
    EndReason.HELD: "the gate did not allow it when its deadline came",
}


class ChaseConfig(NamedTuple):
    """Plain ints; `configure` builds and checks one."""

    side: int
    qty: int
    limit_price: int
    """0: none."""
    tick: int
    lot: int
    min_notional: int
    max_chase_bps: int
    """From the arrival mid, 0 to 10,000."""
    offset: int
    """Ticks: 0 joins the best of our side, n improves on it, −n stays behind it. Never takes."""
    ignore_qty: int
    """A best of our side with less than this is passed over for the next level; 0: none is."""
    min_move: int
    """Ticks between our price and the wanted one before we follow at once, at least 1."""
    min_rest_ns: int
    patience_ns: int
    """A smaller gap is followed when it has lasted so long; 0: never."""
    confirm_tops: int
    """Tops in a row that must want us elsewhere, on the same side of our price."""
    confirm_ns: int
    """For how long they must."""
    max_reprices: int
    """-1: any number."""
    trail_back: int
    """Go back when the market falls back behind us."""
    when_blind: int
    """WhenBlind"""
    amend: int
    """Amend"""
    pause_ns: int
    """After a reject, before the next try; doubles with each in a row, up to eightfold."""
    max_rejects: int
    """Orders or amendments in a row that may fail without a fill or our cancel."""
    answer_ns: int
    """Silence after a command that makes its fate unknown, and the first pause between two QUERYs."""
    check_ns: int
    """A resting order nothing was heard of for so long is asked for; 0: never."""
    deadline_ns: int
    """Absolute; 0: none."""
    on_deadline: int
    """OnDeadline"""
    take_slippage_bps: int
    slices: int
    slice_ns: int


class Working(NamedTuple):
    """The last order sent, by the venue's word where it gave it; out exactly in PLACING to ASKING."""

    order_id: int
    """0 before the first."""
    tif: int
    price: int
    qty: int
    most: int
    """The largest quantity it may have: a smaller `qty` rests on an amendment that may yet be refused."""
    filled: int
    alive: int
    """1: the venue has said once that it lives, or did."""
    pending: int
    """CommandKind that is not answered yet; 0: none."""
    target_price: int
    """Of the amendment that is pending."""
    target_qty: int
    cancels: int
    """Sent. From the first on, its end is ours, and it is not amended any more."""
    asks: int
    """QUERYs since its fate became unknown."""
    since_ns: int
    """Since when it has this price, by our command."""
    quiet_ns: int
    """Time of the last command, or of the last report while it rests."""
    hold_ns: int
    """No CANCEL before."""


NO_ORDER: Final = Working(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class Touch(NamedTuple):
    """The two best levels of each side, as one chase may see them; 0, 0 where there is none.

    On a feed that shows our orders, all of ours are taken off the chase's own side (`touch_of`). The other
    side is as it is: what stands there can be crossed, whoever's it is.
    """

    recv_ns: int
    bid: int
    bid_qty: int
    next_bid: int
    next_bid_qty: int
    ask: int
    ask_qty: int
    next_ask: int
    next_ask_qty: int


class Sight(IntEnum):
    NO_BOOK = 0
    LIVE = 1
    HELD = 2
    """The gate does not allow it now."""


class Seen(NamedTuple):
    """The market as last seen; bid, ask and wanted are 0 where the top is not to be used."""

    now_ns: int
    sight: int
    """Sight"""
    bid: int
    ask: int
    wanted: int
    """Where our order should rest: never taking, never beyond the bound. 0: nowhere now."""
    away: int
    """Tops in a row that wanted our order elsewhere: ahead of its price > 0, behind it < 0."""
    away_ns: int
    """Since when."""


class ChaseState(NamedTuple):
    phase: int
    reason: int
    """EndReason, once it has ended."""
    trouble: int
    """EndReason of the last reject."""
    twice_arrival_mid: int
    """Bid + ask at the start: twice the mid is an integer."""
    bound: int
    """Worst price allowed."""
    take_cap: int
    """Worst price of the takes; 0 before the first."""
    filled: int
    """Confirmed, over all orders."""
    prior_id: int
    """The order before, and what it had filled: a fill of it that comes late still counts."""
    prior_filled: int
    cancel_wanted: int
    rejects: int
    """In a row."""
    reprices: int
    takes: int
    amend_off: int
    """1: the venue did not amend as asked; from then on it is cancelled and placed anew."""
    pause_until_ns: int
    order: Working
    seen: Seen


class Step(NamedTuple):
    state: ChaseState
    command: Command
