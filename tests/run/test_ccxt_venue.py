"""A venue had through ccxt in the live engine: LIVE and UNVERIFIED, and counted where that is allowed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gate_server import GateServer, until
from local_venue import LocalVenue
from loopback import LoopbackThread

from citadel_kit import clock, ladder, settings
from citadel_kit.errors import ConfigError, GateRefused
from citadel_kit.io import ccxt_feed
from citadel_kit.io.ccxt_feed import CcxtFeed
from citadel_kit.io.stream import StreamConfig
from citadel_kit.micro import flow
from citadel_kit.micro.aggregator import QuoteConfig
from citadel_kit.micro.gate import GateConfig
from citadel_kit.micro.session import SessionConfig
from citadel_kit.run.connector import HybridConnector
from citadel_kit.run.live import LiveDriver
from citadel_kit.types import FeedState, OrderIntent, Side, VenueView

pytestmark = pytest.mark.filterwarnings("error")

S = clock.SECOND
QUICK = SessionConfig(backoff_floor_ns=S // 1000, backoff_cap_ns=S // 500)
SYMBOL = "BTC/USDT"


class Gate:
    """The server on a loop and thread of its own, as a venue is."""

    def __init__(self) -> None:
        self.server = GateServer()
        self._thread = LoopbackThread("gate")
        self._thread.start()
        self._serving = self.server.serve()
        self.run(self._serving.__aenter__())

    def run(self, job: Any) -> Any:
        return self._thread.run(job)

    def cut(self) -> None:
        async def now() -> None:
            self.server.cut()

        self.run(now())

    def close(self) -> None:
        self.run(self._serving.__aexit__(None, None, None))
        self._thread.end()


@pytest.fixture
def gate() -> Iterator[Gate]:
    ladder.warm_up()  # so that the compiler's own thread, which can't be interrupted, ends at once
    flow.warm_up()
    before = set(threading.enumerate())
    venue = Gate()
    yield venue

    async def gone() -> None:
        await until(lambda: not venue.server.streams)

    venue.run(gone())
    venue.close()
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(2)
    assert not [thread for thread in left if thread.is_alive()]


def driver(gate: Gate, *names: str, binance: LocalVenue | None = None) -> LiveDriver:
    feed = CcxtFeed("gate", at=gate.server.at)
    at = {} if binance is None else {"binance": binance.at}
    return LiveDriver((*names, feed), SYMBOL, at=at, stream=StreamConfig(open_s=4.5, close_s=0.2))


def shown(kit: HybridConnector) -> VenueView:
    return kit.snapshot().venue("gate")


def buy(venue: str) -> OrderIntent:
    return OrderIntent(venue=venue, symbol=SYMBOL, side=Side.BUY, qty=1_000, forced=True)


def test_it_is_live_and_unverified_beside_a_venue_that_is_verified(gate: Gate) -> None:
    with (
        LocalVenue() as binance,
        HybridConnector(driver(gate, "binance", binance=binance), session=QUICK) as kit,
    ):
        snapshot = kit.wait_live()
        seen = snapshot.venue("gate")
        assert (seen.state, seen.verified, seen.standing) == (FeedState.LIVE, False, "LIVE UNVERIFIED")
        assert (seen.bid, seen.bid_qty, seen.ask, seen.ask_qty) == (60000.0, 1.5, 60000.1, 0.5)
        assert seen.left_out == "gate is UNVERIFIED; QuoteConfig(verified_only=False) lets it count"
        assert snapshot.venue("binance").verified and snapshot.venue("binance").left_out == ""
        assert (snapshot.quote.bid_venue, snapshot.quote.ask_venue) == ("binance", "binance")
        assert "gate LIVE UNVERIFIED" in repr(snapshot) and "gate LIVE UNVERIFIED" in repr(kit)
        assert "LIVE UNVERIFIED" in snapshot._repr_html_()
        with pytest.raises(GateRefused, match=r"GateConfig\.verified_only=False") as refused:
            kit.submit(buy("gate"))
        assert refused.value.reasons == ("venue_unverified",)
        assert kit.gate(buy("binance")).allowed


def test_what_the_user_allows(gate: Gate) -> None:
    allowed = {"quotes": QuoteConfig(verified_only=False), "gate": GateConfig(verified_only=False)}
    with HybridConnector(driver(gate), session=QUICK, **allowed) as kit:  # type: ignore[arg-type]
        quote = kit.wait_live().quote
        assert (quote.bid, quote.bid_venue, quote.ask, quote.ask_venue) == (60000.0, "gate", 60000.1, "gate")
        assert shown(kit).left_out == ""
        assert kit.gate(buy("gate")).allowed
        for number in range(2):  # the first may be history, as far as anybody knows
            gate.run(gate.server.trade(number, "60000.1", "0.25", "buy"))
            kit.run_for(0.2)
        gate.run(gate.server.delta([["60000.0", "0"]], []))
        kit.run_until(lambda: shown(kit).bid == 59999.5 and shown(kit).counts["trades"] == 1, 5.0)
        assert (shown(kit).bid, shown(kit).counts["trades"]) == (59999.5, 1)
        order = kit.submit(buy("gate"))
        kit.cancel(order.parent_id)
        assert kit.wait(order.parent_id, 5.0).status == "cancelled"


def test_only_an_unverified_venue_makes_no_global_quote(gate: Gate) -> None:
    with HybridConnector(driver(gate), session=QUICK, gate=GateConfig(verified_only=False)) as kit:
        kit.wait_live()
        assert kit.gate(buy("gate")).reasons == ("global_missing",)


def test_a_cut_connection_destroys_the_book_and_another_is_opened(gate: Gate) -> None:
    with HybridConnector(driver(gate), session=QUICK, quotes=QuoteConfig(verified_only=False)) as kit:
        kit.wait_live()
        gate.server.refuses = True
        gate.cut()
        kit.run_until(lambda: "503" in shown(kit).state_reason, 5.0)
        assert shown(kit).state == FeedState.INIT
        assert kit.snapshot().quote.bid_venue == ""
        gate.server.book = ([["50000.0", "1"]], [["50000.1", "1"]])
        gate.server.refuses = False
        assert kit.wait_live(10.0).quote.bid == 50000.0
        assert gate.server.connections == 2


def test_silence_is_stale_and_then_the_connection_is_given_up(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither pongs nor books: ccxt itself would notice after a minute. Pongs alone are life enough."""
    monkeypatch.setattr(ccxt_feed, "_PING_MS", 100)
    monkeypatch.setattr(ccxt_feed, "_BEAT_S", 0.05)
    session = QUICK._replace(ping_ns=S // 10, stale_floor_ns=3 * S // 2, reconnect_ns=4 * S)
    with HybridConnector(driver(gate), session=session, quotes=QuoteConfig(verified_only=False)) as kit:
        kit.wait_live()
        kit.run_for(2.0)
        assert {s.venue("gate").state for s in kit.past(kit.snapshot().asof_ns - S)} == {FeedState.LIVE}
        gate.server.answers = False
        kit.run_until(lambda: shown(kit).state == FeedState.STALE, 5.0)
        assert shown(kit).standing == "STALE UNVERIFIED" and "no heartbeat for" in shown(kit).state_reason
        assert kit.snapshot().quote.bid_venue == ""
        kit.run_until(lambda: shown(kit).state != FeedState.STALE, 10.0)
        gate.server.answers = True
        kit.run_until(lambda: gate.server.connections == 2, 10.0)
        assert gate.server.connections == 2
        assert kit.wait_live(10.0).quote.bid == 60000.0


def test_a_price_that_is_none_of_the_instruments_is_not_believed(gate: Gate) -> None:
    with HybridConnector(driver(gate), session=QUICK) as kit:
        kit.wait_live()
        gate.run(gate.server.delta([], [["60000.05", "1"]]))
        kit.run_until(lambda: gate.server.connections == 2, 5.0)
        assert gate.server.connections == 2
        seen = [s.venue("gate") for s in kit.past() if s.venue("gate").state != FeedState.LIVE]
        assert kit.wait_live().venue("gate").counts["malformed"] == 1
        assert all(view.bid != view.bid for view in seen)


def test_names_and_fees(gate: Gate) -> None:
    with LocalVenue() as binance:
        made = driver(gate, "binance", binance=binance)
        assert made.fees == {"gate": settings.Fees(20.0, 20.0)}
        with pytest.raises(ConfigError, match="named twice"):
            LiveDriver(("gate", CcxtFeed("gate")), SYMBOL)
    with pytest.raises(ConfigError, match="unified"):
        LiveDriver((CcxtFeed("gate", at=gate.server.at),), "BTCUSDT")
    with pytest.raises(ConfigError, match="does not list 'ABC/USDT'"):
        LiveDriver((CcxtFeed("gate", at=gate.server.at),), "ABC/USDT")
