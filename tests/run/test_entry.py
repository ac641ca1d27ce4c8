"""From a signal to an intent: whole lots, and a reason wherever nothing is opened."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.macro.sizing import Caps
from citadel_kit.micro.gate import Reason
from citadel_kit.run.entry import drill, lots, plan_entry
from citadel_kit.types import (
    FeedState,
    GlobalQuote,
    Instrument,
    MacroSignal,
    Memory,
    MicroSnapshot,
    Regime,
    Side,
    VenueView,
    Weather,
)

COIN = Instrument(
    venue="v",
    symbol="A/B",
    venue_symbol="AB",
    price_decimals=2,
    qty_decimals=5,
    lot=10,
    min_notional=5 * 10**7,
)
REGIME = Regime(memory=Memory.TRENDING, weather=Weather.CALM, hurst=0.6, volatility=0.5, trend=1.0)
SIGNAL = MacroSignal(
    symbol="A/B", side=Side.BUY, asof_ns=1, valid_until_ns=2, regime=REGIME, probability=0.7, fraction=0.25,
    reason="sure",
)  # fmt: skip


def market(
    bid: float = 99.0, ask: float = 101.0, state: FeedState = FeedState.LIVE, why: str = ""
) -> MicroSnapshot:
    view = VenueView(
        venue="v", state=state, state_reason=why, age_ns=0, book_age_ns=0, bid=bid, ask=ask,
        bid_qty=1.0, ask_qty=1.0, spread_bps=1.0, imbalance=(0.0, 0.0, 0.0), microprice=100.0,
    )  # fmt: skip
    quote = GlobalQuote(
        bid=bid, bid_qty=1.0, bid_venue="v", bid_age_ns=0, ask=ask, ask_qty=1.0, ask_venue="v", ask_age_ns=0,
        crossed=False,
    )  # fmt: skip
    return MicroSnapshot(
        asof_ns=1,
        symbol="A/B",
        mode="REPLAY",
        quote=quote,
        venues=(view,),
        guard="ok",
        orders=(),
        engine="running",
    )


def test_a_signal_becomes_an_intent_of_its_fraction() -> None:
    plan = plan_entry(SIGNAL, market(), COIN, equity=1_000.0)
    assert plan.intent is not None
    assert (plan.intent.qty, plan.intent.side, plan.intent.signal) == (250_000, Side.BUY, SIGNAL)
    assert plan.reason == "sure"


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (replace(SIGNAL, side=None, reason="flat: unsure"), "flat: unsure"),
        (replace(SIGNAL, side=Side.SELL), "nothing to sell"),
        (replace(SIGNAL, fraction=0.004), "smallest order"),
        (replace(SIGNAL, fraction=0.0), "smallest order"),
        (replace(SIGNAL, fraction=nan), "smallest order"),
    ],
)
def test_where_nothing_is_opened_the_plan_says_why(signal: MacroSignal, reason: str) -> None:
    plan = plan_entry(signal, market(), COIN, equity=1_000.0)
    assert plan.intent is None
    assert reason in plan.reason


@pytest.mark.parametrize(
    ("held", "factor", "qty"),
    [
        ({}, 1.0, 187_500),
        ({"A/B": 0.125}, 1.0, 62_500),
        ({"C/B": 0.25}, 1.0, 62_500),
        ({"C/B": -0.25}, 1.0, 62_500),
        ({"D/B": 0.375}, 1.0, 125_000),
        ({}, 0.5, 125_000),
    ],
)
def test_caps_what_else_is_held_and_losses_leave_the_size(
    held: dict[str, float], factor: float, qty: int
) -> None:
    plan = plan_entry(
        SIGNAL, market(), COIN, 1_000.0, caps=Caps(0.1875, 0.3125, 0.5), held=held, groups=[["A/B", "C/B"]],
        factor=factor,
    )  # fmt: skip
    assert plan.intent is not None
    assert plan.intent.qty == qty
    assert plan.reason == f"sure; {qty / 1e6:.2%} (cut from 25.00%)"


def test_no_room_no_entry() -> None:
    for held in ({"A/B": 0.25}, {"X/Y": nan}, {"X/Y": 1.2}):
        plan = plan_entry(SIGNAL, market(), COIN, 1_000.0, held=held)
        assert plan.intent is None
        assert "0.00% (cut from 25.00%)" in plan.reason
    assert plan_entry(SIGNAL, market(), COIN, 1_000.0, factor=0.0).intent is None
    with pytest.raises(ConfigError, match="factor"):
        plan_entry(SIGNAL, market(), COIN, 1_000.0, factor=1.1)


def test_a_signal_says_how_sure_it_is() -> None:
    assert SIGNAL.conviction == pytest.approx(0.4)
    assert replace(SIGNAL, side=Side.SELL, probability=0.2).conviction == pytest.approx(0.6)
    assert replace(SIGNAL, side=None).conviction == 0.0


def test_no_price_no_size() -> None:
    """And that is what is said: not that the order is too small."""
    assert lots(1_000.0, market(nan, nan), COIN) == 0
    one_sided, nothing = market(nan, 101.0), market(nan, nan, FeedState.STALE, "no frame for 5.0 s")
    for shown, reason, why in (
        (one_sided, Reason.QUOTE_MISSING, "nobody quotes on both sides"),
        (market(0.0, 101.0), Reason.QUOTE_MISSING, "nobody quotes on both sides"),
        (nothing, Reason.BOOK_NOT_LIVE, r"its book is STALE \(no frame for 5\.0 s\), not LIVE"),
    ):
        with pytest.raises(GateRefused, match=why) as refused:
            drill("BUY", shown, COIN, notional=100)
        assert refused.value.reasons == (reason,)
        plan = plan_entry(SIGNAL, shown, COIN, equity=1_000.0)
        assert (plan.intent, plan.reason) == (None, str(refused.value))
    with pytest.raises(ConfigError, match="4 is below v's smallest order"):
        drill("BUY", market(), COIN, notional=4)


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e5))
def test_lots_are_whole_affordable_and_large_enough(notional: float, mid: float) -> None:
    qty = lots(notional, market(mid, mid), COIN)
    assert qty % COIN.lot == 0
    assert COIN.qty(qty) * mid <= notional * (1 + 1e-9)
    assert qty == 0 or COIN.qty(qty) * mid >= 5.0
    one_more = COIN.qty(qty + COIN.lot) * mid
    assert one_more > notional * (1 - 1e-9) or qty == 0


def test_a_drill_is_forced_and_takes_a_side_in_words() -> None:
    assert drill("sell", market(), COIN, notional=100) == drill(Side.SELL, market(), COIN, notional=100)
    assert drill("BUY", market(), COIN, notional=100).forced
    for wrong in ("long", 7, None):
        with pytest.raises(ConfigError, match="BUY nor SELL"):
            drill(wrong, market(), COIN, notional=100)  # type: ignore[arg-type]


@pytest.mark.parametrize("equity", [0.0, -1.0, nan])
def test_an_equity_that_is_none_is_refused(equity: float) -> None:
    with pytest.raises(ConfigError, match="equity"):
        plan_entry(SIGNAL, market(), COIN, equity=equity)
