"""ChaseLimitOrder: rest at the best price of our side, follow it, never pay more than agreed.

Pure functions over NamedTuples of ints. The same source is called as plain Python by the live driver and
compiled by Numba inside a replay loop; both give the same commands. A test explores the code and holds this
table against it, in both directions.

What a report does to the order it names (`reports.heard`). NOT_FOUND and DUPLICATE are REJECTs of these
reasons, REJECT is one of any other; FULL is any report whose total fills the order. Whatever is not listed
changes no phase, but its total and its price still count.

    phase                                      report               → phase
    -----------------------------------------  -------------------  ------------------------------------------
    PLACING                                    ACK FILL AMENDED     → RESTING             at the venue's price
    PLACING TAKING ASKING                      STATE                → RESTING             at the venue's price
    ASKING (a PLACE is pending)                ACK FILL             → RESTING
    ASKING (an AMEND is pending)               AMENDED              → RESTING
    PLACING ASKING                             REJECT               → IDLE FAILED         row of rejects
    ASKING                                     NOT_FOUND            → IDLE                row of rejects
    PLACING RESTING AMENDING CANCELING ASKING  CANCELED FULL        → IDLE                unasked: a reject
    AMENDING                                   AMENDED AMEND_REJECT → RESTING
    CANCELING                                  CANCEL_REJECT        → RESTING             asks again later
    AMENDING (not found) RESTING (amended)     AMEND_REJECT         → ASKING
    CANCELING (not found)                      CANCEL_REJECT        → ASKING
    PLACING TAKING                             DUPLICATE            → ASKING              it exists, then
    PLACING AMENDING CANCELING TAKING          UNKNOWN              → ASKING
    PLACING RESTING AMENDING CANCELING TAKING  REJECT               → ASKING              if it had lived
    TAKING RESTING CANCELING ASKING (a take)   CANCELED FULL        → IDLE CANCELLED EXPIRED
    TAKING RESTING CANCELING ASKING (a take)   FULL                 → IDLE FILLED CANCELLED EXPIRED
    TAKING ASKING (a take)                     REJECT               → CANCELLED EXPIRED
    ASKING (a take)                            NOT_FOUND            → CANCELLED EXPIRED

What is decided then, and at every top and tick (`decide.decide`):

    phase                              → phase      command  when
    ---------------------------------  -----------  -------  ------------------------------------------------
    IDLE                               → PLACING    PLACE    usable top, no pause, rest placeable: post-only
    IDLE                               → TAKING     PLACE    deadline, and on_deadline is TAKE: IOC
    IDLE                               → FILLED     NONE     all is filled, or the rest is DUST
    IDLE                               → CANCELLED  NONE     cancel()
    IDLE                               → EXPIRED    NONE     deadline, and nothing within reach to take
    IDLE                               → FAILED     NONE     max_rejects in a row, or DUST from the start
    RESTING                            → AMENDING   AMEND    wanted elsewhere, or too large; the venue amends
    RESTING                            → CANCELING  CANCEL   the same, where it does not; or it must go
    RESTING                            → ASKING     QUERY    not heard of for check_ns
    PLACING AMENDING CANCELING TAKING  → ASKING     QUERY    no answer for answer_ns
    ASKING                             → ASKING     QUERY    still unknown: after 1, 2, 4, 8, 8 … answer_ns

At most one order is ever out: a new one is sent only after the venue has said how the old one ended. An order
whose fate is unknown is asked for until then; what proves that it lives does not prove that a CANCEL failed.
`filled` of the venue, cumulative per order, is the only truth: a report that comes early, twice or late
counts once. Time is the largest of the times seen.

It must go: cancel(), the deadline, a gate that does not allow it (`on_held`), a book that is not LIVE (unless
`when_blind` is FREEZE), a price beyond the bound that the venue gave it, `max_rejects` amendments refused in
a row. That waits for no pause. A one-sided or crossed top moves nothing.

Price: our side's best, `offset` ticks better, clamped so as not to take and to the bound: the tighter of the
limit price and `max_chase_bps` from the arrival mid, rounded inward. Where the market runs away it rests at
the bound.

Following, the queue rule: a place in the queue is worth more than a tick. A gap of `min_move` ticks is
followed at once, a smaller one when it has lasted `patience_ns` (0: never); each only when `confirm_tops`
tops in a row and `confirm_ns` have said so, `min_rest_ns` after our last move, and within `max_reprices`. An
order whose rest would be dust is not moved. Why no estimate of the queue: the size ahead of us is not known
from levels (cancellations don't say where they stood), and the rule needs nothing the venue does not say.
"""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase.config import configure
from citadel_kit.micro.chase.decide import decide, seen_now
from citadel_kit.micro.chase.follow import counted_late, wished_away, with_seen
from citadel_kit.micro.chase.price import bound_of, wanted_price
from citadel_kit.micro.chase.records import (
    END_TEXT,
    FAILED,
    IDLE,
    NO_ORDER,
    Amend,
    ChaseConfig,
    ChaseState,
    EndReason,
    OnDeadline,
    Phase,
    Seen,
    Sight,
    Step,
    Touch,
    WhenBlind,
    Working,
)
from citadel_kit.micro.chase.reports import heard
from citadel_kit.micro.chase.resume import Facts, recall, resume
from citadel_kit.micro.chase.touch import OwnSize, best_two, own_sizes, plain_touch, touch_of
from citadel_kit.types import NO_COMMAND, OrderReport

__all__ = [
    "Amend",
    "ChaseConfig",
    "ChaseState",
    "END_TEXT",
    "EndReason",
    "Facts",
    "OnDeadline",
    "OwnSize",
    "Phase",
    "Seen",
    "Sight",
    "Step",
    "Touch",
    "WhenBlind",
    "Working",
    "best_two",
    "cancel",
    "configure",
    "on_held",
    "on_no_book",
    "on_report",
    "on_timer",
    "on_top",
    "own_sizes",
    "plain_touch",
    "recall",
    "resume",
    "start",
    "touch_of",
]

_LIVE = Sight.LIVE.value
_NO_BOOK = Sight.NO_BOOK.value
_HELD = Sight.HELD.value
_NO_REASON = EndReason.NONE.value
_NO_ARRIVAL = EndReason.NO_BOOK.value


@register_jitable
def start(config: ChaseConfig, top: Touch) -> ChaseState:
    """Arrival. A one-sided or crossed top gives no arrival mid: FAILED with NO_BOOK."""
    good = 0 < top.bid < top.ask
    twice_mid = top.bid + top.ask
    bound = bound_of(config, twice_mid)
    return ChaseState(
        IDLE if good else FAILED, _NO_REASON if good else _NO_ARRIVAL, _NO_REASON, twice_mid, bound, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, NO_ORDER,
        Seen(top.recv_ns, _LIVE, top.bid, top.ask, wanted_price(config, bound, top), 0, top.recv_ns),
    )  # fmt: skip


@register_jitable(forceinline=True)
def on_top(config: ChaseConfig, state: ChaseState, top: Touch) -> Step:
    """A new top of a LIVE book, without our own sizes (see `touch_of`)."""
    now, wanted = max(state.seen.now_ns, top.recv_ns), wanted_price(config, state.bound, top)
    return decide(config, with_seen(state, seen_now(config, state, now, top.bid, top.ask, wanted, 1)))


@register_jitable
def on_timer(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    s = state.seen
    seen = Seen(max(s.now_ns, now_ns), s.sight, s.bid, s.ask, s.wanted, s.away, s.away_ns)
    return decide(config, with_seen(state, seen))


@register_jitable
def on_no_book(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    """The venue's book is not LIVE, until the next top: `when_blind` says what becomes of the order."""
    s = state.seen
    seen = Seen(max(s.now_ns, now_ns), _NO_BOOK, 0, 0, 0, s.away, s.away_ns)
    return decide(config, with_seen(state, seen))


@register_jitable
def on_held(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    """The gate does not allow this order until the next top: it is pulled, and goes on then."""
    s = state.seen
    seen = Seen(max(s.now_ns, now_ns), _HELD, 0, 0, 0, s.away, s.away_ns)
    return decide(config, with_seen(state, seen))


@register_jitable
def cancel(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    """The user's or the guard's wish. Final: what comes after it can only end the order."""
    return on_timer(config, wished_away(state), now_ns)


@register_jitable
def on_report(config: ChaseConfig, state: ChaseState, report: OrderReport) -> Step:
    """Of the last order; a fill of the one before that comes late counts too. Older ones are ignored: their
    end was confirmed with their total."""
    if report.order_id == state.order.order_id and report.order_id > 0:
        state = heard(config, state, report)
        s = state.seen
        seen = seen_now(config, state, s.now_ns, s.bid, s.ask, s.wanted, 0)
        return decide(config, with_seen(state, seen))
    if report.order_id == state.prior_id and report.order_id > 0:
        return decide(config, counted_late(state, report))
    return Step(state, NO_COMMAND)
