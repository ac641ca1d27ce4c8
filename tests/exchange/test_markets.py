from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.exchange import agents
from citadel_kit.exchange.agents import AgentMarket
from citadel_kit.exchange.build import ExchangeConfig, build_world, instrument_for
from citadel_kit.exchange.fairprice import fair_chunks, reference_chunks
from citadel_kit.exchange.followed import difference, shown_at
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.markets import OutsideBook, OutsideEvent, OutsideLost, OutsideTrade
from citadel_kit.exchange.orderflow import FlowConfig
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.exchange.taped import TapeMarket
from citadel_kit.io.tape import Tape
from citadel_kit.types import Frame, Levels

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


# --- the synthetic crowd ---


def crowd(venues: tuple[str, ...] = ("binance", "okx"), symbols: tuple[str, ...] = ("BTC/USDT",), **other: Any) -> AgentMarket:  # fmt: skip # noqa: E501
    instruments = {v: [instrument_for(v, s) for s in symbols] for v in venues}
    return AgentMarket(instruments, start_ns=START_NS, **{"seed": 1, **other})


def until(market: AgentMarket, seconds: float) -> list[OutsideEvent]:
    end_ns = START_NS + int(seconds * SECOND)
    return list(itertools.takewhile(lambda e: e.at_ns <= end_ns, market.events()))


def test_a_dollar_buys_a_dollar() -> None:
    market = crowd(("kraken", "okx"), ("USDT/USD", "USDC/USDT"))
    for instrument in (i for own in market.instruments.values() for i in own):
        assert instrument.price(market.start_price(instrument)) == 1.0
    touches = [max(p for p, _ in e.bids) / 10**5 for e in until(market, 0.0) if isinstance(e, OutsideBook)]
    assert len(touches) == 4
    assert all(0.999 < bid < 1.001 for bid in touches), touches


class Book:
    """The naive twin: one venue's levels."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, event: OutsideBook) -> None:
        if event.is_snapshot:
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            for price, qty in levels:
                if qty:
                    side[int(price)] = int(qty)
                else:
                    side.pop(int(price), None)

    @property
    def touch(self) -> tuple[int, int]:
        return max(self.bids), min(self.asks)


def test_events_are_the_seeds_and_may_be_had_again() -> None:
    market = crowd()
    once = until(market, 3)
    assert until(market, 3) == once
    assert until(crowd(seed=2), 3) != once
    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(once))


def test_books_are_never_crossed_and_prices_keep_to_the_tick() -> None:
    market = crowd(("kraken", "bybit"), ("BTC/USDT", "ETH/USDT"))
    assert market.instruments["bybit"][0].tick == 10
    books: dict[tuple[str, str], Book] = {}
    instruments = {(i.venue, i.symbol): i for own in market.instruments.values() for i in own}
    trades = 0
    for event in until(market, 5):
        of = instruments[event.venue, event.symbol]
        if isinstance(event, OutsideTrade):
            trades += 1
            assert event.price % of.tick == 0
            assert event.qty % of.lot == 0
            assert event.price == pytest.approx(books[event.venue, event.symbol].touch[0], rel=0.005)
        elif isinstance(event, OutsideBook):
            book = books.setdefault((event.venue, event.symbol), Book())
            book.apply(event)
            assert book.touch[0] < book.touch[1]
            assert all(p % of.tick == 0 and q % of.lot == 0 for p, q in [*event.bids, *event.asks])
    assert len(books) == 4
    assert trades > 50
    for key, book in books.items():
        start = 60_000.0 if key[1] == "BTC/USDT" else 3_000.0
        middle = sum(book.touch) / 2 / 10 ** instruments[key].price_decimals
        assert middle == pytest.approx(start, rel=0.005)


def test_venues_share_one_fair_price() -> None:
    market = crowd(("binance", "okx"), annual_volatility=2.0)
    books = {"binance": Book(), "okx": Book()}
    for event in until(market, 20):
        if isinstance(event, OutsideBook):
            books[event.venue].apply(event)
    middles = [sum(books[v].touch) / 2 / 10 ** market.instruments[v][0].price_decimals for v in books]
    assert middles[0] != 60_000.0
    assert middles[0] == pytest.approx(middles[1], rel=3e-4)


def test_one_chunk_of_the_path_begins_where_the_last_one_ended() -> None:
    chunks = list(itertools.islice(fair_chunks(np.random.default_rng(1), 100.0, 5.0, 20), 6))
    price = np.concatenate([chunk.price for chunk in chunks])
    late = list(reference_chunks(np.random.default_rng(2), (chunk.price for chunk in chunks), 0.05, 1.0))
    for path in (price, np.concatenate(late)):
        assert np.abs(np.diff(np.log(path))).max() < 1.5e-3
    assert abs(price[-1] / 100 - 1) > 5e-3
    np.testing.assert_allclose(np.concatenate(late)[5:], price[:-5], rtol=5e-4)


def test_it_goes_on_from_one_chunk_of_its_path_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_CHUNK_S", 2)
    book, jumps, last = Book(), [], 0.0
    for event in until(crowd(("binance",)), 9):
        if isinstance(event, OutsideBook):
            book.apply(event)
            middle = sum(book.touch) / 2
            jumps.append(abs(middle / last - 1) if last else 0.0)
            last = middle
    assert max(jumps) < 5e-4


def test_a_crash_comes_when_it_is_ordered() -> None:
    def middle_at(seconds: float, **crash: Any) -> float:
        book = Book()
        for event in until(crowd(("binance",), **crash), seconds):
            if isinstance(event, OutsideBook):
                book.apply(event)
        return sum(book.touch) / 2

    crash = {"crash_at_s": 3.0, "crash_fraction": 0.1}
    assert middle_at(2.5, **crash) == pytest.approx(6_000_000, rel=3e-3)
    assert middle_at(8.0, **crash) == pytest.approx(5_400_000, rel=1.5e-2)


def test_a_crash_on_demand_falls_as_far_and_half_of_it_comes_back() -> None:
    few = FlowConfig(makers=3, ladder=4, retail_orders=20, maker_rate=4.0, taker_rate=1.0, informed_rate=4.0)
    market = crowd(("binance", "okx"), annual_volatility=0.0, flow=few)
    books = {"binance": Book(), "okx": Book()}
    seen: dict[int, dict[str, float]] = {}
    for event in itertools.takewhile(lambda e: e.at_ns < START_NS + 76 * SECOND, market.events()):
        second = (event.at_ns - market.start_ns) // 10**9
        if second not in seen:
            seen[second] = {v: sum(b.touch) / 2 / 10 ** market.instruments[v][0].price_decimals
                            for v, b in books.items() if b.bids and b.asks}  # fmt: skip
            if second == 3:
                market.crash(event.at_ns, 0.1, venue="okx")
                with pytest.raises(ConfigError, match="falling already"):
                    market.crash(event.at_ns, 0.1)
        if isinstance(event, OutsideBook):
            books[event.venue].apply(event)
    for second, fallen in ((3, 1.0), (5, 0.95), (9, 0.9), (38, 0.925), (75, 0.95)):
        assert seen[second]["binance"] == pytest.approx(60_000, rel=2e-3)
        assert seen[second]["okx"] == pytest.approx(60_000 * fallen, rel=1.2e-2), second


def test_a_crash_that_can_not_be_is_refused_and_changes_nothing() -> None:
    market = crowd(("binance", "okx"), start_prices={"BTC": 150.0})  # 15,000 ticks at Binance, 1,500 at OKX
    events = market.events()
    next(events)
    for wrong in ({"fraction": 0.0}, {"fraction": 0.6}, {"venue": "kraken"}, {"symbol": "ETH/USDT"}, {"fraction": 0.5}):  # fmt: skip # noqa: E501
        with pytest.raises(ConfigError):
            market.crash(market.start_ns, **wrong)  # type: ignore[arg-type]
    market.crash(market.start_ns, 0.5, venue="binance")  # not falling already


@pytest.mark.parametrize(
    "wrong",
    [{"crash_at_s": -1.0}, {"crash_at_s": 1.0, "crash_fraction": 0.9}, {"start_prices": {"BTC": 0.01}}],
)
def test_what_makes_no_crowd_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        crowd(**wrong)


# --- books followed ---


sides = st.dictionaries(st.integers(1, 30), st.integers(1, 5), max_size=12)


def rows(side: dict[int, int]) -> Levels:
    return np.array(sorted(side.items(), reverse=True), np.int64).reshape(-1, 2)


@given(sides, sides)
def test_the_difference_of_two_books_makes_one_of_the_other(before: dict[int, int], after: dict[int, int]) -> None:  # fmt: skip # noqa: E501
    changed = difference(rows(before), rows(after))
    made = before | {int(p): int(q) for p, q in changed}
    assert {p: q for p, q in made.items() if q} == after
    assert len(changed) == sum(before.get(p, 0) != after.get(p, 0) for p in before.keys() | after.keys())


def test_contracts_are_shown_as_spot() -> None:
    of = replace(instrument_for("okx", "BTC/USDT"), symbol="BTC/USDT:USDT", contract_size=0.01)
    (shown,) = shown_at(["binance"], [of])["binance"]
    assert (shown.symbol, shown.venue_symbol, shown.contract_size) == ("BTC/USDT", "BTCUSDT", 1.0)


# --- tapes ---


class Damaged:
    """A tape of eight synthetic seconds, from which frames can be taken out; its snapshots stay to be had."""

    wire = "binance"
    includes_our_orders = False
    start_ns = START_NS

    def __init__(self, missing: range = range(0)) -> None:
        self._market = SyntheticMarket(start_ns=START_NS, start_price=60_000.0, seed=4, duration_s=8.0, venues=("alpha",))  # fmt: skip # noqa: E501
        self.instruments = self._market.instruments
        self._missing = missing

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(self._market.frames()):
            if number not in self._missing:
                yield frame

    def snapshot(self, venue: str, path: str) -> bytes | None:
        return self._market.snapshot(venue, path.replace("limit=5000", "limit=1000"))


def test_a_tape_is_played_now_at_every_venue_asked_for() -> None:
    now_ns = START_NS + 10**18
    market = TapeMarket(Damaged(), ("okx", "kraken"), start_ns=now_ns, loop=False)
    events = list(market.events())
    assert now_ns <= events[0].at_ns < now_ns + SECOND
    assert events[-1].at_ns == pytest.approx(now_ns + 8 * SECOND, abs=SECOND // 5)
    own = {v: [replace_venue(e) for e in events if e.venue == v] for v in ("okx", "kraken")}
    assert own["okx"] == own["kraken"]
    assert [i.venue_symbol for v in market.instruments for i in market.instruments[v]] == [
        "BTC-USDT",
        "BTC/USDT",
    ]


def replace_venue(event: OutsideEvent) -> Any:
    return tuple(x.tolist() if isinstance(x, np.ndarray) else x for x in event._replace(venue=""))


def test_a_tapes_book_is_the_venues_own() -> None:
    source, book = Damaged(), Book()
    for event in TapeMarket(source, ("binance",), start_ns=START_NS, loop=False).events():
        if isinstance(event, OutsideBook):
            book.apply(event)
    truth = Book()
    feed = source._market._feeds[0]
    truth.bids, truth.asks = feed.heard_bids, feed.heard_asks
    assert len(book.bids) > 100
    assert sorted(book.bids.items())[-100:] == sorted(truth.bids.items())[-100:]
    assert sorted(book.asks.items())[:100] == sorted(truth.asks.items())[:100]


def test_at_its_end_a_tape_begins_anew_or_stops() -> None:
    looped = TapeMarket(Damaged(), ("binance",), start_ns=START_NS).events()
    events = list(itertools.takewhile(lambda e: e.at_ns < START_NS + 20 * SECOND, looped))
    lost = [i for i, e in enumerate(events) if isinstance(e, OutsideLost)]
    assert len(lost) == 2
    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(events))
    after = events[lost[0] + 1]
    assert isinstance(after, OutsideBook)
    assert after.is_snapshot
    assert after.at_ns - events[lost[0]].at_ns >= SECOND
    assert not any(isinstance(e, OutsideTrade) for e in events[lost[0] : lost[0] + 1])
    stopped = TapeMarket(Damaged(), ("binance",), start_ns=START_NS, loop=False).events()
    assert not any(isinstance(e, OutsideLost) for e in stopped)


def test_only_verified_books_play() -> None:
    """With two seconds missing there is no book from the next frame on until a snapshot is there again."""
    events = list(TapeMarket(Damaged(range(300, 420)), ("binance",), start_ns=START_NS, loop=False).events())
    (lost,) = [i for i, e in enumerate(events) if isinstance(e, OutsideLost)]
    after = events[lost + 1]
    assert isinstance(after, OutsideBook)
    assert after.is_snapshot


EIGHT = {
    "binance_spot_btcusdt": ("binance", "BTC/USDT"),
    "binance_usdm_btcusdt": ("binanceusdm", "BTC/USDT"),
    "bybit_v5_linear_xrpusdt_ob500": ("bybitlinear", "XRP/USDT"),
    "coinbase_advanced_derived": ("coinbase", "SKL/USD"),
    "coinbase_exchange_level2": ("coinbaseexchange", "SKL/USD"),
    "kraken_v2_btcusd_d25": ("kraken", "BTC/USD"),
    "okx_v5_seqid_derived": ("okx", "BTC/USD:BTC-220527"),
    "okx_v5_2022_crc": ("okx", "UNI/USD:UNI"),
}


@pytest.mark.parametrize("tape", EIGHT)
def test_every_wire_plays_at_another_venue(shared: Path, tape: str) -> None:
    wire, symbol = EIGHT[tape]
    config = ExchangeConfig(
        market=f"tape:{shared / 'tapes' / tape}.tape.gz",
        tape_venue=wire,
        symbols=(symbol,),
        venues=("binance",),
    )
    world = build_world(config, START_NS)
    venue = world.venues["binance"]
    told: list[Any] = []
    venue.listen(told.append)
    world.advance(START_NS + 10 * SECOND)
    bid, bid_qty, ask, ask_qty = venue.engine(symbol.partition(":")[0]).top()
    assert 0 < bid < ask
    assert min(bid_qty, ask_qty) > 0
    assert len(told) > 20


# --- live ---


@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_a_live_market_is_followed_and_found_again(venue: str) -> None:
    """The venue that is live here is a local exchange of our own."""

    def touch(exchange: LocalExchange, name: str) -> tuple[int, ...]:
        return exchange.call(lambda: exchange.venue(name).engine("BTC/USDT").top())

    def eventually(test: Any) -> None:
        for _ in range(200):
            if test():
                return
            time.sleep(0.05)
        pytest.fail("not within 10 s")

    with (
        LocalExchange(venues=(venue,)) as inner,
        LocalExchange(f"live:{venue}", ("okx",), live_at=inner.endpoints(venue)) as outer,
    ):
        eventually(lambda: touch(outer, "okx")[0] > 0)
        seen: list[tuple[int, ...]] = []

        def agree() -> bool:
            seen.append(touch(inner, venue))
            return touch(outer, "okx") in seen

        eventually(agree)
        outer.call(lambda: outer.venue("okx").listen(seen.append))
        inner.faults(venue, disconnect=True)
        eventually(lambda: touch(outer, "okx") == (0, 0, 0, 0))
        inner.faults(venue, disconnect=False)
        eventually(lambda: touch(outer, "okx")[0] > 0)


@pytest.mark.parametrize("market", ["", "tape:", "live:", "synthetic:x", "tapes:x"])
def test_what_is_no_market_is_refused(market: str) -> None:
    with pytest.raises(ConfigError, match="market"):
        build_world(ExchangeConfig(market=market), START_NS)


def test_a_tape_that_gives_no_book_is_refused_at_once(shared: Path) -> None:
    """Played over and over, nothing would ever come of it."""
    kraken = shared / "tapes" / "kraken_v2_btcusd_d25.tape.gz"
    with pytest.raises(ConfigError, match="--tape-venue"):
        TapeMarket(Tape(kraken, settings.instrument("binance", "BTC/USDT")), ["binance"], start_ns=0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"venues": "kraken"}, "lists of names"),
        ({"seed": -1}, "below 0"),
        ({"venues": ("binance", "ftx")}, "ftx"),
        ({"balances": {"USDT": -5}}, "1e15"),
    ],
)
def test_settings_that_can_not_be_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        LocalExchange(**wrong).start()
