"""What an account's venues can do, and how much they are asked."""

from __future__ import annotations

import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.io.broker import capabilities
from citadel_kit.micro.chase import Amend
from citadel_kit.micro.limits import Limits, taken, wait_ns
from citadel_kit.run.abilities import abilities, budgets
from citadel_kit.run.account import Account
from citadel_kit.run.allowance import tightest

VENUES = ("binance", "bybit", "okx", "kraken", "coinbase")


def test_every_venue_that_takes_orders_has_a_budget_and_keeps_some_for_exits() -> None:
    for venue, budget in budgets(VENUES).items():
        full_ns, entries = 0, 0
        while wait_ns(budget, full_ns, 0, 1, opens=True) == 0:
            full_ns, entries = taken(budget, full_ns, 0, 1), entries + 1
        exits = 0
        while wait_ns(budget, full_ns, 0, 1, opens=False) == 0:
            full_ns, exits = taken(budget, full_ns, 0, 1), exits + 1
        assert entries + exits == capabilities(venue).requests_at_once
        assert exits >= 1 and entries > exits


def test_abilities_are_those_declared() -> None:
    can = abilities(VENUES)
    assert can["binance"].amend == Amend.QTY_DOWN and can["kraken"].amend == Amend.PRICE_QTY
    assert can["binance"].stops and not can["bybit"].stops
    assert not can["coinbase"].stops_at_market


def test_a_venue_that_takes_no_orders_is_refused() -> None:
    with pytest.raises(ConfigError, match="no orders are placed on 'gate'"):
        budgets(["gate"])


def test_live_needs_its_word_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITADEL_BINANCE_KEY", "no-such-key")
    monkeypatch.setenv("CITADEL_BINANCE_SECRET", "no-such-secret")
    with pytest.raises(ConfigError, match="arms nothing"):
        Account.live(["binance"], arm="live", limits=Limits())


def test_an_engine_keeps_the_tighter_of_its_limits_and_of_those_that_were_armed() -> None:
    armed = Limits(max_order_notional=500.0, collar_bps=1_000.0)
    assert tightest(Limits(), armed) == Limits(max_order_notional=500.0)
    assert tightest(Limits(), None) == Limits()
