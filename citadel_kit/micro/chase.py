"""ChaseLimitOrder: rest at the best price of our side, follow it, never pay more than agreed.

Pure functions over NamedTuples of ints. The same source is called as plain Python by the live driver and
compiled by Numba inside a replay loop; both give the same commands.

    phase      event                                   → phase       command
    ---------  --------------------------------------  ------------  ---------------------------------
    IDLE       usable top, no pause, rest placeable    PLACING       PLACE post-only, the remainder
               rest below lot or minimum notional      FILLED/FAILED (reason DUST)
               cancel()                                CANCELLED
               deadline, on_deadline CANCEL            EXPIRED
               deadline, on_deadline TAKE              TAKING        PLACE IOC, once
                 … book not LIVE, rest is dust, or
                   the touch lies beyond our bound     EXPIRED       (reason)
    PLACING    ACK or partial FILL                     RESTING
               REJECT post-only or no book             IDLE          (top dropped, pause), or FAILED
               REJECT for any other reason             FAILED
    RESTING    best moved ≥ min_move, after min_rest   CANCELING     CANCEL
               cancel(), deadline, book not LIVE       CANCELING     CANCEL
               CANCELED that we did not ask for        IDLE          (top dropped, pause), or FAILED
    CANCELING  CANCELED with its filled total          IDLE
               CANCEL_REJECT                           RESTING       (pause; asks again if still wanted)
    TAKING     CANCELED or REJECT                      EXPIRED, or CANCELLED if cancel() came
    any out    the order is filled                     IDLE, or FILLED when nothing remains

PLACING, CANCELING and TAKING wait for the venue's word: at most one order is ever out, and a new one is sent
only after the old one's end was reported. IDLE decides at once on the last top seen.

Rules. The price is our side's best, clamped to the bound: the tighter of the limit price and `max_chase_bps`
from the arrival mid, rounded inward to the tick. It follows both ways by the same `min_move`: when the
market falls back behind us it goes back too, since alone in front we would pay for nothing. An order whose
rest would be dust is not moved. A one-sided or crossed top moves nothing; a book that is not LIVE pulls the
order. `filled` of the venue, cumulative per order, is the only truth: a report that comes twice or late
counts once. Time is the largest of the times seen.
"""

from __future__ import annotations

from numba.extending import register_jitable

from citadel_kit.micro.chase_state import (
    END_TEXT,
    ChaseConfig,
    ChaseState,
    EndReason,
    OnDeadline,
    Phase,
    Seen,
    Step,
    Working,
    backed_off,
    configure,
    counted,
    in_phase,
    placed,
    pulled,
    wished_away,
    with_seen,
)
from citadel_kit.types import (
    NO_COMMAND,
    BookTop,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    Side,
    TimeInForce,
)

__all__ = [
    "END_TEXT",
    "ChaseConfig",
    "ChaseState",
    "EndReason",
    "OnDeadline",
    "Phase",
    "Seen",
    "Step",
    "Working",
    "cancel",
    "configure",
    "on_no_book",
    "on_report",
    "on_timer",
    "on_top",
    "start",
    "without_own",
]


@register_jitable
def start(config: ChaseConfig, top: BookTop) -> ChaseState:
    """Arrival. A one-sided or crossed top gives no arrival mid: FAILED with NO_BOOK."""
    usable = 0 < top.bid < top.ask
    phase = Phase.IDLE.value if usable else Phase.FAILED.value
    reason = EndReason.NONE.value if usable else EndReason.NO_BOOK.value
    twice_mid = top.bid + top.ask
    order = Working(0, 0, 0, 0, 0)
    seen = Seen(top.recv_ns, 1, top.bid, top.ask)
    return ChaseState(phase, reason, twice_mid, _bound(config, twice_mid), 0, 0, 0, 0, 0, order, seen)


@register_jitable
def on_top(config: ChaseConfig, state: ChaseState, top: BookTop) -> Step:
    """A new top of a LIVE book, without our own size (see `without_own`)."""
    seen = Seen(max(state.seen.now_ns, top.recv_ns), 1, top.bid, top.ask)
    return _decide(config, with_seen(state, seen))


@register_jitable
def on_timer(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    seen = state.seen
    later = Seen(max(seen.now_ns, now_ns), seen.live, seen.bid, seen.ask)
    return _decide(config, with_seen(state, later))


@register_jitable
def on_no_book(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    """The venue's book is not LIVE."""
    return _decide(config, with_seen(state, Seen(max(state.seen.now_ns, now_ns), 0, 0, 0)))


@register_jitable
def cancel(config: ChaseConfig, state: ChaseState, now_ns: int) -> Step:
    """The user's or the guard's wish. Final: what comes after it can only end the order."""
    return on_timer(config, wished_away(state), now_ns)


@register_jitable
def on_report(config: ChaseConfig, state: ChaseState, report: OrderReport) -> Step:
    """Reports of earlier orders are ignored: their end was confirmed with their total."""
    if report.order_id != state.order.order_id:
        return Step(state, NO_COMMAND)
    state = counted(state, report)
    phase, order = state.phase, state.order
    if Phase.IDLE < phase < Phase.FILLED:
        if order.filled >= order.qty or report.kind == ReportKind.CANCELED:
            state = _closed(config, state)
        elif report.kind == ReportKind.REJECT and (phase == Phase.PLACING or phase == Phase.TAKING):
            state = _rejected(config, state, report.reason)
        elif report.kind == ReportKind.CANCEL_REJECT and phase == Phase.CANCELING:
            state = in_phase(state, Phase.RESTING.value, state.reason, state.seen.now_ns + config.pause_ns)
        elif phase == Phase.PLACING and (report.kind == ReportKind.ACK or report.kind == ReportKind.FILL):
            state = in_phase(state, Phase.RESTING.value, state.reason, state.pause_until_ns)
    return _decide(config, state)


@register_jitable
def without_own(
    top: BookTop,
    next_bid: int,
    next_bid_qty: int,
    next_ask: int,
    next_ask_qty: int,
    own_side: int,
    own_price: int,
    own_qty: int,
) -> BookTop:
    """Take our resting size off a touch that shows it; where nothing is left, the next level is the best.

    Only for feeds that include our orders. Pass 0, 0 for a level that is missing.
    """
    bid, bid_qty, ask, ask_qty = top.bid, top.bid_qty, top.ask, top.ask_qty
    if own_side == Side.BUY and own_price == bid:
        bid_qty -= own_qty
        if bid_qty <= 0:
            bid, bid_qty = next_bid, next_bid_qty
    elif own_side == Side.SELL and own_price == ask:
        ask_qty -= own_qty
        if ask_qty <= 0:
            ask, ask_qty = next_ask, next_ask_qty
    return BookTop(top.recv_ns, top.exch_ns, top.seq, bid, bid_qty, ask, ask_qty)


# --- the decision: the only place where commands are born --------------------------------------------------


@register_jitable
def _decide(config: ChaseConfig, state: ChaseState) -> Step:
    if state.phase == Phase.IDLE:
        return _decide_idle(config, state)
    if state.phase == Phase.RESTING and state.seen.now_ns >= state.pause_until_ns:
        ending = state.cancel_wanted != 0 or _expired(config, state) or state.seen.live == 0
        if ending or _should_move(config, state):
            return _pull(config, state, 0 if ending else 1)
    return Step(state, NO_COMMAND)


@register_jitable
def _decide_idle(config: ChaseConfig, state: ChaseState) -> Step:
    if state.filled >= config.qty:
        return _end(state, Phase.FILLED.value, EndReason.NONE.value)
    if state.cancel_wanted != 0:
        return _end(state, Phase.CANCELLED.value, EndReason.NONE.value)
    if _expired(config, state):
        return _at_deadline(config, state)
    price = _join_price(config, state)
    if price == 0 or state.seen.now_ns < state.pause_until_ns:
        return Step(state, NO_COMMAND)
    if not _placeable(config, state, price):
        phase = Phase.FILLED.value if state.filled > 0 else Phase.FAILED.value
        return _end(state, phase, EndReason.DUST.value)
    return _place(config, state, price, TimeInForce.POST_ONLY.value, Phase.PLACING.value)


@register_jitable
def _at_deadline(config: ChaseConfig, state: ChaseState) -> Step:
    """Waits with a take for a usable top as long as the book is LIVE: a reject may just have dropped it."""
    if config.on_deadline != OnDeadline.TAKE:
        return _end(state, Phase.EXPIRED.value, EndReason.NONE.value)
    if state.seen.live == 0:
        return _end(state, Phase.EXPIRED.value, EndReason.NO_BOOK.value)
    if not _usable(state.seen):
        return Step(state, NO_COMMAND)
    price = _take_price(config, state)
    if price == 0:
        return _end(state, Phase.EXPIRED.value, EndReason.BEYOND.value)
    if not _placeable(config, state, price):
        return _end(state, Phase.EXPIRED.value, EndReason.DUST.value)
    return _place(config, state, price, TimeInForce.IOC.value, Phase.TAKING.value)


@register_jitable
def _should_move(config: ChaseConfig, state: ChaseState) -> bool:
    price = _join_price(config, state)
    gap = abs(price - state.order.price)
    if price == 0 or gap == 0 or gap < config.min_move * config.tick:
        return False
    if state.seen.now_ns - state.order.placed_ns < config.min_rest_ns:
        return False
    return _placeable(config, state, price)


# --- prices and sizes --------------------------------------------------------------------------------------


@register_jitable
def _bound(config: ChaseConfig, twice_mid: int) -> int:
    if config.side == Side.BUY:
        worst = twice_mid * (10_000 + config.max_chase_bps) // 20_000
        if config.limit_price > 0:
            worst = min(worst, config.limit_price)
        return worst - worst % config.tick
    worst = -(-twice_mid * (10_000 - config.max_chase_bps) // 20_000)
    worst = max(worst, config.limit_price)
    return worst + -worst % config.tick


@register_jitable
def _join_price(config: ChaseConfig, state: ChaseState) -> int:
    """0: nothing to join."""
    if not _usable(state.seen):
        return 0
    if config.side == Side.BUY:
        price = min(state.seen.bid, state.bound)
        return max(price - price % config.tick, 0)
    price = max(state.seen.ask, state.bound)
    return price + -price % config.tick


@register_jitable
def _take_price(config: ChaseConfig, state: ChaseState) -> int:
    """0: the touch lies beyond the bound."""
    if config.side == Side.BUY:
        price = min(state.seen.ask * (10_000 + config.take_slippage_bps) // 10_000, state.bound)
        price -= price % config.tick
        return price if price >= state.seen.ask else 0
    price = max(-(-state.seen.bid * (10_000 - config.take_slippage_bps) // 10_000), state.bound)
    price += -price % config.tick
    return price if price <= state.seen.bid else 0


@register_jitable
def _usable(seen: Seen) -> bool:
    return 0 < seen.bid < seen.ask


@register_jitable
def _expired(config: ChaseConfig, state: ChaseState) -> bool:
    return config.deadline_ns > 0 and state.seen.now_ns >= config.deadline_ns


@register_jitable
def _remainder(config: ChaseConfig, state: ChaseState) -> int:
    """What is not confirmed as filled, in whole lots."""
    rest = config.qty - state.filled
    return rest - rest % config.lot


@register_jitable
def _placeable(config: ChaseConfig, state: ChaseState, price: int) -> bool:
    qty = _remainder(config, state)
    return qty > 0 and qty * price >= config.min_notional


# --- what a report does to an order that is out -------------------------------------------------------------


@register_jitable
def _closed(config: ChaseConfig, state: ChaseState) -> ChaseState:
    """The order is gone, and its total known."""
    if state.phase == Phase.TAKING:
        return _taken(config, state, EndReason.NONE.value)
    if state.phase == Phase.CANCELING or state.order.filled >= state.order.qty:
        return in_phase(state, Phase.IDLE.value, state.reason, state.pause_until_ns)
    return backed_off(state, EndReason.VENUE_CANCELED.value, config.pause_ns, config.max_rejects)


@register_jitable
def _rejected(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    ends = EndReason.FILTER.value
    if reason == RejectReason.POST_ONLY:
        ends = EndReason.POST_ONLY.value
    elif reason == RejectReason.NO_BOOK:
        ends = EndReason.NO_BOOK.value
    if state.phase == Phase.TAKING:
        return _taken(config, state, ends)
    if ends == EndReason.FILTER:
        return in_phase(state, Phase.FAILED.value, ends, state.pause_until_ns)
    return backed_off(state, ends, config.pause_ns, config.max_rejects)


@register_jitable
def _taken(config: ChaseConfig, state: ChaseState, reason: int) -> ChaseState:
    phase = Phase.EXPIRED.value
    if state.filled >= config.qty:
        phase = Phase.FILLED.value
    elif state.cancel_wanted != 0:
        phase = Phase.CANCELLED.value
    return in_phase(state, phase, reason, state.pause_until_ns)


@register_jitable
def _end(state: ChaseState, phase: int, reason: int) -> Step:
    return Step(in_phase(state, phase, reason, state.pause_until_ns), NO_COMMAND)


@register_jitable
def _place(config: ChaseConfig, state: ChaseState, price: int, tif: int, phase: int) -> Step:
    after = placed(state, phase, price, _remainder(config, state))
    order = after.order
    return Step(after, Command(CommandKind.PLACE.value, order.order_id, config.side, price, order.qty, tif))


@register_jitable
def _pull(config: ChaseConfig, state: ChaseState, moves: int) -> Step:
    kind, tif, o = CommandKind.CANCEL.value, TimeInForce.POST_ONLY.value, state.order
    return Step(pulled(state, moves), Command(kind, o.order_id, config.side, o.price, o.qty, tif))
