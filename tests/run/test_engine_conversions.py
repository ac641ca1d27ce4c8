"""A conversion quote in the engine: it makes currencies comparable, and is nothing else."""

from __future__ import annotations

import math

from toy_venue import ToyCodec, delta, frame, snap

from citadel_kit import clock
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.guard import GuardConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.engine import Engine
from citadel_kit.run.paper import PaperBroker
from citadel_kit.run.parts import EngineConfig
from citadel_kit.settings import Fees
from citadel_kit.types import Instrument

START = 1_700_000_000 * clock.SECOND


def instrument(venue: str, symbol: str, price_decimals: int) -> Instrument:
    name = symbol.replace("/", "")
    return Instrument(
        venue=venue, symbol=symbol, venue_symbol=name, price_decimals=price_decimals, qty_decimals=0
    )


TETHER = instrument("tether", "BTC/USDT", 0)
DOLLAR = instrument("dollar", "BTC/USD", 0)
RATE = instrument("dollar", "USDT/USD", 4)


def engine() -> Engine:
    feeds = []
    for own in (TETHER, DOLLAR):
        codec = ToyCodec("stream")
        codec.venue = own.venue
        feeds.append((codec, own))
    made = Engine(
        feeds,
        PaperBroker([TETHER, DOLLAR]),
        {"tether": Fees(0.0, 0.0), "dollar": Fees(0.0, 0.0)},
        EngineConfig(SessionConfig(), GateConfig(), GuardConfig()),
        mode="PAPER",
        feed_shows_our_orders=False,
        conversions=[RATE],
    )
    for venue in made.sessions:
        made.opened(venue, START)
    made.frame("tether", frame(snap("BTC/USDT", 1, [(60_000, 1)], [(60_010, 1)])), START)
    made.frame("dollar", frame(snap("BTC/USD", 1, [(59_990, 1)], [(60_000, 1)])), START)
    return made


def test_books_in_dollars_stand_apart_until_their_conversion_is_live() -> None:
    world = engine()
    assert not world.live
    quote = world.snapshot().quote
    assert (quote.bid_venue, quote.ask_venue, quote.currency) == ("tether", "tether", "USDT")
    assert [(q.bid, q.ask, q.currency) for q in quote.apart] == [(59_990.0, 60_000.0, "USD")]
    assert "USDT/USD" in world.snapshot().venue("dollar").left_out

    world.frame("dollar", frame(snap("USDT/USD", 1, [(9_990, 10**6)], [(9_992, 10**6)])), START + 1)
    assert world.live
    quote = world.snapshot().quote
    assert quote.apart == ()
    assert quote.bid_venue == "dollar"
    assert math.isclose(quote.bid, 59_990 / 0.9992, abs_tol=1)  # dollars buy USDT at its ask
    assert world.snapshot().venue("dollar").left_out == ""


def test_a_conversion_whose_book_is_lost_converts_nothing_and_harms_no_other_book() -> None:
    world = engine()
    world.frame("dollar", frame(snap("USDT/USD", 1, [(9_990, 10**6)], [(9_992, 10**6)])), START + 1)
    before = world.snapshot().venue("dollar")
    world.frame("dollar", frame(delta("USDT/USD", 5, 6)), START + 2)  # 2, 3 and 4 are missing
    after = world.snapshot().venue("dollar")
    assert [q.currency for q in world.snapshot().quote.apart] == ["USD"]
    assert after.state == before.state and after.bid == before.bid == 59_990.0
    assert "USDT/USD" in after.left_out


def test_a_conversion_is_no_venue_of_its_own() -> None:
    world = engine()
    assert [view.venue for view in world.snapshot().venues] == ["tether", "dollar"]
    assert world.instruments == {"tether": TETHER, "dollar": DOLLAR}
