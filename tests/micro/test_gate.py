"""Every rule of the gate by name, and that it fails closed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from numba import njit

from citadel_kit.micro import gate
from citadel_kit.micro.gate import BIT, FOR_EXITS, NOTHING_KNOWN, REASONS, Exposure, GateConfig, Reason
from citadel_kit.types import (
    FeedState,
    GlobalQuote,
    MacroSignal,
    Memory,
    MicroSnapshot,
    OrderIntent,
    Purpose,
    Regime,
    Side,
    VenueView,
    Verdict,
    Weather,
)

S = 1_000_000_000
NOW = 1_000 * S
CONFIG = GateConfig(max_spread_bps=50.0, max_age_ns=3 * S)
REGIME = Regime(memory=Memory.TRENDING, weather=Weather.CALM, hurst=0.6, volatility=0.5, trend=1.0)


def view(**changes: Any) -> VenueView:
    return structs.replace(
        VenueView(
            venue="binance", state=FeedState.LIVE, state_reason="", age_ns=0, book_age_ns=0, bid=100.0,
            ask=100.1, bid_qty=1.0, ask_qty=2.0, spread_bps=9.995, imbalance=(0.0, 0.0, 0.0),
            microprice=100.05,
        ),
        **changes,
    )  # fmt: skip


def snapshot(
    venue: VenueView | None = None, quote: dict[str, Any] | None = None, **changes: Any
) -> MicroSnapshot:
    everywhere = GlobalQuote(
        bid=100.0, bid_qty=1.0, bid_venue="binance", bid_age_ns=0, ask=100.1, ask_qty=2.0, ask_venue="other",
        ask_age_ns=0, crossed=False,
    )  # fmt: skip
    plain = MicroSnapshot(
        asof_ns=NOW, symbol="BTC/USDT", mode="PAPER", quote=structs.replace(everywhere, **(quote or {})),
        venues=(view(venue="other"), venue or view()), guard="ok", orders=(), engine="running",
    )  # fmt: skip
    return structs.replace(plain, **changes)


def signal(**changes: Any) -> MacroSignal:
    plain = MacroSignal(
        symbol="BTC/USDT", side=Side.BUY, asof_ns=NOW - 60 * S, valid_until_ns=NOW + 60 * S, regime=REGIME,
        probability=0.6, fraction=0.1, reason="test",
    )  # fmt: skip
    return replace(plain, **changes)


def intent(**changes: Any) -> OrderIntent:
    plain = OrderIntent(venue="binance", symbol="BTC/USDT", side=Side.BUY, qty=5, signal=signal())
    return replace(plain, **changes)


def exposure(wanted: OrderIntent) -> Exposure:
    """One that breaks no rule: a position that any intent of the other side makes smaller."""
    if type(wanted) is not OrderIntent or type(wanted.side) is not Side:
        return NOTHING_KNOWN
    return Exposure(-int(Side(wanted.side)) * 1_000, 0, False, 500.0)


def ask(
    config: GateConfig, wanted: OrderIntent, seen: MicroSnapshot, now: int, held: Exposure | None = None
) -> Verdict:
    return gate.judge(config, wanted, seen, now, held or exposure(wanted))


def test_an_entry_that_breaks_no_rule_is_allowed() -> None:
    verdict = ask(CONFIG, intent(), snapshot(), NOW)
    assert verdict.allowed and verdict.reasons == ()
    drill = intent(signal=None, forced=True)
    assert ask(CONFIG, drill, snapshot(), NOW).allowed


# what is wrong, the only reason given, and what the text must name
BROKEN = [
    (intent(venue="BTCUSDT"), snapshot(), Reason.VENUE_UNKNOWN, "there are: other, binance"),
    *(
        (intent(), snapshot(view(state=state)), Reason.BOOK_NOT_LIVE, state.name)
        for state in FeedState
        if state != FeedState.LIVE
    ),
    (intent(), snapshot(view(verified=False)), Reason.VENUE_UNVERIFIED, "GateConfig.verified_only=False"),
    (intent(), snapshot(view(bid=0.0, bid_qty=0.0)), Reason.QUOTE_MISSING, "bid 0"),
    (intent(), snapshot(view(ask=math.nan)), Reason.QUOTE_MISSING, "ask nan"),
    (intent(), snapshot(view(ask=math.inf)), Reason.QUOTE_MISSING, "ask inf"),
    (intent(), snapshot(view(ask_qty=0.0)), Reason.QUOTE_MISSING, "× 0"),
    (intent(), snapshot(view(bid=100.2)), Reason.QUOTE_MISSING, "100.2"),
    (intent(), snapshot(view(age_ns=3 * S + 1)), Reason.QUOTE_STALE, "max_age_ns"),
    (intent(), snapshot(view(age_ns=2 * S), asof_ns=NOW - 2 * S), Reason.QUOTE_STALE, "4000 ms"),
    (intent(), snapshot(view(age_ns=-1)), Reason.QUOTE_STALE, "max_age_ns"),
    (intent(), snapshot(asof_ns=NOW + 1), Reason.QUOTE_STALE, "no time that can be trusted"),
    (intent(), snapshot(view(ask=100.6, spread_bps=0.0)), Reason.SPREAD, "59.82 bps; max_spread_bps is 50"),
    (intent(), snapshot(view(spread_bps=51.0)), Reason.SPREAD, "51.00 bps"),
    (intent(), snapshot(view(spread_bps=math.nan)), Reason.SPREAD, "nan"),
    (intent(), snapshot(quote={"bid": math.nan}), Reason.GLOBAL_MISSING, "no global quote"),
    (intent(), snapshot(quote={"ask": 0.0, "bid": 0.0}), Reason.GLOBAL_MISSING, "no global quote"),
    (intent(), snapshot(quote={"crossed": True}), Reason.GLOBAL_CROSSED, "at other"),
    (intent(), snapshot(quote={"bid": 100.2}), Reason.GLOBAL_CROSSED, "100.2"),
    (intent(signal=None), snapshot(), Reason.SIGNAL_MISSING, "forced=True"),
    (intent(signal=signal(probability=math.nan)), snapshot(), Reason.SIGNAL_INVALID, "nan"),
    (intent(signal=signal(fraction=-0.1)), snapshot(), Reason.SIGNAL_INVALID, "-0.1"),
    (intent(signal=signal(valid_until_ns=NOW)), snapshot(), Reason.SIGNAL_EXPIRED, "0.0 s ago"),
    (intent(signal=signal(asof_ns=NOW + S)), snapshot(), Reason.SIGNAL_FUTURE, "1.0 s from now"),
    (intent(signal=signal(side=None, reason="too close")), snapshot(), Reason.SIGNAL_FLAT, "too close"),
    (intent(signal=signal(fraction=0.0)), snapshot(), Reason.SIGNAL_FLAT, "flat"),
    (intent(side=Side.SELL), snapshot(), Reason.SIGNAL_SIDE, "other side"),
    (intent(signal=signal(symbol="BTCUSDT")), snapshot(), Reason.SIGNAL_SYMBOL, "BTCUSDT"),
    (intent(), snapshot(guard="tripped by hand"), Reason.GUARD, "tripped by hand"),
    (intent(), snapshot(engine="ended"), Reason.ENGINE, "ended"),
    (intent(), snapshot(engine="closed"), Reason.ENGINE, "closed"),
    (intent(qty=0), snapshot(), Reason.QUANTITY, "positive"),
    (intent(qty=-5), snapshot(), Reason.QUANTITY, "-5"),
    (intent(qty=cast(int, math.nan)), snapshot(), Reason.QUANTITY, "nan"),
    (intent(), snapshot(symbol="ETH/USDT"), Reason.SYMBOL, "ETH/USDT"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "seen", "reason", "says"), BROKEN, ids=lambda x: x if isinstance(x, str) else ""
)
def test_each_broken_rule_blocks_an_entry_for_its_own_reason(
    wanted: OrderIntent, seen: MicroSnapshot, reason: Reason, says: str
) -> None:
    verdict = ask(CONFIG, wanted, seen, NOW)
    assert not verdict.allowed
    assert verdict.reasons == (reason.value,)
    assert says in verdict.text


def test_every_reason_has_its_test() -> None:
    by_exposure = {Reason.NOT_REDUCING, Reason.SIGNAL_USED, Reason.NOTIONAL, Reason.INVERSE}  # the last tests
    assert {row[2] for row in BROKEN} | by_exposure | {Reason.ERROR} == set(Reason)


def test_a_forced_entry_skips_the_signal_and_nothing_else() -> None:
    for wanted, seen, reason, _ in BROKEN:
        verdict = ask(CONFIG, replace(wanted, forced=True), seen, NOW)
        assert verdict.allowed == reason.startswith("signal_"), reason


@pytest.mark.parametrize("purpose", [Purpose.REDUCE, Purpose.EXIT])
def test_an_exit_asks_only_for_what_trading_needs(purpose: Purpose) -> None:
    for wanted, seen, reason, _ in BROKEN:
        verdict = ask(CONFIG, replace(wanted, purpose=purpose, signal=None), seen, NOW)
        blocked = reason in FOR_EXITS
        assert verdict.allowed != blocked, reason


def test_several_broken_rules_are_all_named() -> None:
    verdict = ask(CONFIG, intent(qty=0), snapshot(guard="tripped"), NOW)
    assert verdict.reasons == ("guard", "quantity")


class Rotten:
    """Raises whatever is asked of it, and again when its error is printed."""

    class Error(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        raise Rotten.Error


def test_an_exception_blocks() -> None:
    cases: list[tuple[Any, Any, Any]] = [
        (Rotten(), snapshot(), NOW),
        (intent(), Rotten(), NOW),
        (intent(), None, NOW),
        (intent(side="long"), snapshot(), NOW),
        (intent(signal=Rotten()), snapshot(), NOW),
        (intent(), snapshot(view(bid="100", ask=None)), NOW),
        (intent(), snapshot(), None),
    ]
    for wanted, seen, now in cases:
        verdict = ask(CONFIG, wanted, seen, now)
        assert (verdict.allowed, verdict.reasons) == (False, ("error",))
        assert "the gate failed" in verdict.text


def test_a_setting_that_is_nan_blocks() -> None:
    assert ask(GateConfig(math.nan, 3 * S), intent(), snapshot(), NOW).reasons == ("spread",)


number = st.sampled_from([0.0, -1.0, 99.9, 100.0, 100.05, 100.1, 100.4, 101.0, math.nan, math.inf, -math.inf])
flag = st.booleans()
times = st.sampled_from([-S, -1, 0, 1, S, 2 * S, 4 * S])


@st.composite
def situations(draw: st.DrawFn) -> tuple[OrderIntent, MicroSnapshot]:
    """Mostly sound, so that some are allowed."""

    def maybe(sound: Any, other: st.SearchStrategy[Any]) -> Any:
        return draw(other) if draw(st.integers(0, 9)) == 0 else sound

    book = view(
        state=maybe(FeedState.LIVE, st.sampled_from(list(FeedState))), age_ns=maybe(0, times),
        bid=maybe(100.0, number), ask=maybe(100.1, number), bid_qty=maybe(1.0, number),
        ask_qty=maybe(1.0, number), spread_bps=maybe(9.995, number),
    )  # fmt: skip
    seen = snapshot(
        book, {"bid": maybe(100.0, number), "ask": maybe(100.1, number), "crossed": maybe(False, flag)},
        asof_ns=NOW + maybe(0, times), guard=maybe("ok", st.just("tripped")),
        engine=maybe("running", st.sampled_from(["ended", "closed"])),
        symbol=maybe("BTC/USDT", st.just("ETH/USDT")),
    )  # fmt: skip
    said = signal(
        side=maybe(Side.BUY, st.sampled_from([None, Side.SELL])), asof_ns=NOW + maybe(-S, times),
        valid_until_ns=NOW + maybe(S, times), probability=maybe(0.6, number), fraction=maybe(0.1, number),
        symbol=maybe("BTC/USDT", st.just("BTCUSDT")),
    )  # fmt: skip
    wanted = intent(
        signal=maybe(said, st.none()), qty=maybe(1, st.integers(-1, 1)), forced=maybe(False, st.booleans()),
        venue=maybe("binance", st.just("nowhere")), side=maybe(Side.BUY, st.just(Side.SELL)),
    )  # fmt: skip
    return wanted, seen


@given(situations())
def test_an_allowed_entry_satisfies_every_rule(situation: tuple[OrderIntent, MicroSnapshot]) -> None:
    wanted, seen = situation
    verdict = ask(CONFIG, wanted, seen, NOW)
    assert verdict.allowed == (verdict.reasons == ())
    if not verdict.allowed:
        return
    book = seen.venue(wanted.venue)
    assert book.state == FeedState.LIVE and seen.engine == "running" and seen.guard == "ok"
    assert 0 < book.bid < book.ask < math.inf and book.bid_qty > 0 and book.ask_qty > 0
    assert (book.ask - book.bid) / (book.ask + book.bid) * 2e4 <= 50.0 and book.spread_bps <= 50.0
    assert 0 <= book.age_ns + NOW - seen.asof_ns <= 3 * S
    assert not seen.quote.crossed and 0 < seen.quote.bid <= seen.quote.ask
    assert wanted.qty > 0 and wanted.symbol == seen.symbol
    if not wanted.forced:
        said = wanted.signal
        assert said is not None and said.side == wanted.side and said.symbol == wanted.symbol
        assert said.asof_ns <= NOW < said.valid_until_ns
        assert 0 <= said.probability <= 1 and 0 < said.fraction < math.inf


@given(situations())
def test_the_rules_compile_to_the_same(situation: tuple[OrderIntent, MicroSnapshot]) -> None:
    facts = gate.gather(*situation, NOW, exposure(situation[0]))
    assert compiled(CONFIG, facts) == gate.check(CONFIG, facts)


compiled = njit(gate.check)


def test_the_bits_are_those_of_the_reasons_in_order() -> None:
    assert [BIT[reason] for reason in REASONS] == [1 << i for i in range(len(REASONS))]


@pytest.mark.parametrize(
    ("position", "reducing", "side", "qty", "allowed"),
    [
        (10, 0, Side.SELL, 10, True),
        (10, 4, Side.SELL, 6, True),
        (-10, 0, Side.BUY, 3, True),
        (10, 0, Side.SELL, 11, False),
        (10, 5, Side.SELL, 6, False),
        (10, 0, Side.BUY, 1, False),
        (-10, 0, Side.SELL, 1, False),
        (0, 0, Side.BUY, 1, False),
    ],
)
@pytest.mark.parametrize("purpose", [Purpose.REDUCE, Purpose.EXIT])
def test_a_reduction_must_reduce(
    purpose: Purpose, position: int, reducing: int, side: Side, qty: int, allowed: bool
) -> None:
    """Otherwise an order called an exit would walk past the guard and the kill switch."""
    wanted = intent(purpose=purpose, side=side, qty=qty, signal=None)
    held = Exposure(position, reducing, False, 500.0)
    verdict = ask(CONFIG, wanted, snapshot(guard="tripped by hand"), NOW, held)
    assert verdict.allowed == allowed
    assert verdict.reasons == (() if allowed else ("not_reducing",))


def test_a_signal_opens_one_entry() -> None:
    verdict = ask(CONFIG, intent(), snapshot(), NOW, Exposure(0, 0, True, 500.0))
    assert verdict.reasons == ("signal_used",)
    assert ask(CONFIG, intent(forced=True), snapshot(), NOW, Exposure(0, 0, True, 500.0)).allowed


@pytest.mark.parametrize("notional", [100_000.01, math.nan, math.inf])
def test_an_entry_has_a_largest_value(notional: float) -> None:
    verdict = ask(CONFIG, intent(forced=True), snapshot(), NOW, Exposure(0, 0, False, notional))
    assert verdict.reasons == ("notional",)
    assert "max_notional is 100,000" in verdict.text


def test_an_unverified_venue_takes_entries_where_the_user_allows_it() -> None:
    seen = snapshot(view(verified=False))
    assert ask(CONFIG._replace(verified_only=False), intent(), seen, NOW).allowed


@pytest.mark.parametrize("purpose", [Purpose.ENTRY, Purpose.EXIT])
def test_inverse_contracts_are_not_traded(purpose: Purpose) -> None:
    wanted = intent(purpose=purpose)
    held = exposure(wanted)._replace(inverse=True)
    assert ask(CONFIG, wanted, snapshot(), NOW, held).reasons == ("inverse",)
