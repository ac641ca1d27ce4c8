"""May this intent trade now? The gate fails closed: what it can't see, can't compare or can't compute blocks.

- An entry has to pass every rule of `Reason`.
- An exit asks only for what is needed to trade at all (`FOR_EXITS`): a known venue whose own book is LIVE and
  two-sided, the right symbol, a positive quantity, a running engine, and a position that it makes smaller.
  Neither spread, age, guard, signal nor the global quote may trap a position.
- A reduction, which can wait, asks for that, for a quote that is not stale, and for a spread within
  `max_reduce_spread_bps` (`FOR_REDUCTIONS`).

At every step of the guard reductions and exits pass as they do without it. The target venue's own spread is
judged; the global quote can only add a reason to refuse. `docs/guard.md` has the table of reasons.
"""

from __future__ import annotations

import math

from citadel_kit.micro.gate.records import (
    BIT,
    FOR_EXITS,
    FOR_REDUCTIONS,
    NOTHING_KNOWN,
    REASONS,
    Exposure,
    Facts,
    GateConfig,
    Reason,
)
from citadel_kit.micro.gate.rules import check
from citadel_kit.types import FeedState, MicroSnapshot, OrderIntent, Purpose, Side, VenueView, Verdict

__all__ = [
    "BIT",
    "FOR_EXITS",
    "FOR_REDUCTIONS",
    "NOTHING_KNOWN",
    "REASONS",
    "Exposure",
    "Facts",
    "GateConfig",
    "Reason",
    "check",
    "gather",
    "judge",
]


def judge(
    config: GateConfig, intent: OrderIntent, snapshot: MicroSnapshot, now_ns: int, exposure: Exposure
) -> Verdict:
    """Never raises: an exception inside blocks with `Reason.ERROR`."""
    try:
        facts = gather(intent, snapshot, now_ns, exposure)
        mask = check(config, facts)
        reasons = tuple(reason for reason in REASONS if mask & BIT[reason])
        if not reasons:
            return Verdict(True, (), f"{intent.venue}: allowed")
        texts = "; ".join(_say(reason, config, facts, intent, snapshot) for reason in reasons)
        return Verdict(False, tuple(r.value for r in reasons), f"{intent.venue}: blocked: {texts}")
    except Exception as fault:  # noqa: BLE001 - whatever went wrong, no verdict means no trade
        return Verdict(False, (Reason.ERROR.value,), f"blocked: the gate failed: {_name(fault)}")


def gather(intent: OrderIntent, snapshot: MicroSnapshot, now_ns: int, exposure: Exposure) -> Facts:
    """The spread is the worse of the one reported and the one computed; NaN where either is."""
    view = next((v for v in snapshot.venues if v.venue == intent.venue), None)
    signal, quote = intent.signal, snapshot.quote
    side = int(signal.side) if signal is not None and signal.side is not None else 0
    return Facts(
        is_entry=intent.purpose not in (Purpose.REDUCE, Purpose.EXIT),
        is_exit=intent.purpose == Purpose.EXIT,
        venue_known=view is not None,
        verified=view is not None and view.verified,
        state=int(view.state) if view else int(FeedState.INIT),
        age_ns=_age(view, snapshot.asof_ns, now_ns),
        bid=float(view.bid) if view else math.nan,
        bid_qty=float(view.bid_qty) if view else math.nan,
        ask=float(view.ask) if view else math.nan,
        ask_qty=float(view.ask_qty) if view else math.nan,
        spread_bps=_spread_bps(view) if view else math.nan,
        global_bid=float(quote.bid),
        global_ask=float(quote.ask),
        global_crossed=bool(quote.crossed),
        forced=bool(intent.forced),
        has_signal=signal is not None,
        signal_side=side,
        signal_asof_ns=signal.asof_ns if signal else 0,
        signal_until_ns=signal.valid_until_ns if signal else 0,
        signal_probability=float(signal.probability) if signal else math.nan,
        signal_fraction=float(signal.fraction) if signal else math.nan,
        signal_symbol_ok=signal is not None and signal.symbol == intent.symbol,
        guard_ok=snapshot.guard == "ok",
        engine_runs=snapshot.engine == "running",
        side=int(Side(intent.side)),
        qty=intent.qty,
        symbol_ok=snapshot.symbol == intent.symbol,
        now_ns=now_ns,
        position=exposure.position,
        reducing=exposure.reducing,
        signal_used=bool(exposure.signal_used),
        notional=float(exposure.notional),
        inverse=bool(exposure.inverse),
    )


def _age(view: VenueView | None, asof_ns: int, now_ns: int) -> int:
    """Of the venue's last frame, now; negative where it has none: no frame yet, or a future snapshot."""
    if view is None or view.age_ns < 0 or now_ns < asof_ns:
        return -1
    return view.age_ns + now_ns - asof_ns


def _spread_bps(view: VenueView) -> float:
    computed = (view.ask - view.bid) / ((view.ask + view.bid) / 2) * 1e4 if view.ask + view.bid else math.nan
    if math.isnan(computed) or math.isnan(view.spread_bps):
        return math.nan
    return max(computed, view.spread_bps)


def _say(
    reason: Reason, config: GateConfig, facts: Facts, intent: OrderIntent, snapshot: MicroSnapshot
) -> str:
    """The measured value, and the setting or the step that decides."""
    f, until = facts, (facts.now_ns - facts.signal_until_ns) / 1e9
    known = ", ".join(v.venue for v in snapshot.venues) or "none"
    age = f"{f.age_ns / 1e6:.0f} ms old" if f.age_ns >= 0 else "from no time that can be trusted"
    name = "max_spread_bps" if f.is_entry else "max_reduce_spread_bps"
    signal_symbol = intent.signal.symbol if intent.signal else ""
    texts = {
        Reason.VENUE_UNKNOWN: f"there is no venue {intent.venue!r}; there are: {known}",
        Reason.BOOK_NOT_LIVE: f"its book is {FeedState(f.state).name}, not LIVE; wait until it is synced",
        Reason.QUOTE_MISSING: f"its quote is not two-sided: bid {f.bid:g} × {f.bid_qty:g}, "
        f"ask {f.ask:g} × {f.ask_qty:g}",
        Reason.QUOTE_STALE: f"its quote is {age}; max_age_ns allows {config.max_age_ns / 1e6:.0f} ms",
        Reason.VENUE_UNVERIFIED: "nothing proves its books; GateConfig.verified_only=False lets it trade",
        Reason.SPREAD: f"its spread is {f.spread_bps:.2f} bps; {name} is {getattr(config, name):g}",
        Reason.GLOBAL_MISSING: "there is no global quote; wait until a venue is LIVE",
        Reason.GLOBAL_CROSSED: f"the global quote is crossed: bid {f.global_bid:g} at "
        f"{snapshot.quote.bid_venue}, ask {f.global_ask:g} at {snapshot.quote.ask_venue}",
        Reason.SIGNAL_MISSING: "an entry needs a signal; pass one, or forced=True for a drill",
        Reason.SIGNAL_INVALID: f"the signal's probability is {f.signal_probability:g} and its fraction "
        f"{f.signal_fraction:g}; look at the model's features",
        Reason.SIGNAL_EXPIRED: f"the signal expired {until:.1f} s ago; run the macro cycle again",
        Reason.SIGNAL_FUTURE: f"the signal's last candle closes {(f.signal_asof_ns - f.now_ns) / 1e9:.1f} s "
        "from now; use candles closed by now",
        Reason.SIGNAL_FLAT: f"the signal is flat: {intent.signal.reason if intent.signal else ''}",
        Reason.SIGNAL_SIDE: "the signal points to the other side",
        Reason.SIGNAL_SYMBOL: f"the signal is for {signal_symbol}, the intent for {intent.symbol}",
        Reason.SIGNAL_USED: "an entry on this signal works or has filled already; wait for the next signal",
        Reason.GUARD: f"the guard: {snapshot.guard}; it lets go by itself or is re-armed by hand, as it says",
        Reason.ENGINE: f"the engine is {snapshot.engine}",
        Reason.QUANTITY: f"the quantity is {f.qty}; it must be positive",
        Reason.NOTIONAL: f"its value is {f.notional:,.2f}; max_notional is {config.max_notional:,.0f}",
        Reason.NOT_REDUCING: f"it would not make the position of {f.position} units smaller: "
        f"side {Side(f.side).name}, {f.qty} more than {f.reducing} on their way"
        + (
            ", stops that rest among them: close_position(parent_id) takes its own back" if f.reducing else ""
        ),
        Reason.INVERSE: "inverse contracts are shown, not traded: choose a spot or linear instrument",
        Reason.SYMBOL: f"the intent is for {intent.symbol}, the engine trades {snapshot.symbol}",
    }
    return texts[reason]


def _name(fault: BaseException) -> str:
    """Without trusting the exception's own text."""
    try:
        return f"{type(fault).__name__}: {fault}"
    except Exception:  # noqa: BLE001 - its __str__ may be what is broken
        return type(fault).__name__
