from __future__ import annotations

import itertools
import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import PlainLadder

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.orderflow import FlowConfig
from citadel_kit.exchange.synthetic import SyntheticMarket
from citadel_kit.types import Frame, MarketSource, Side

START_NS = 1_700_000_000_000_000_000
PATH = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
Json = dict[str, Any]


def market(seed: int = 1, duration_s: float = 12.0, **arguments: Any) -> SyntheticMarket:
    return SyntheticMarket(
        start_ns=START_NS, start_price=61_737.63, seed=seed, duration_s=duration_s, **arguments
    )


@lru_cache(maxsize=8)
def recorded(seed: int, duration_s: float = 12.0) -> tuple[Frame, ...]:
    return tuple(market(seed, duration_s).frames())


def units(text: str, decimals: int) -> int:
    scaled = Decimal(text).scaleb(decimals)
    assert scaled == int(scaled), f"{text} has more than {decimals} significant decimals"
    assert len(text.split(".")[1]) == 8
    return int(scaled)


def level_units(levels: list[list[str]]) -> list[tuple[int, int]]:
    return [(units(price, 2), units(qty, 5)) for price, qty in levels]


def kind(message: Json) -> str:
    return message["stream"].partition("@")[2] if "stream" in message else "ack"


def messages(frames: tuple[Frame, ...], venue: str) -> list[tuple[Frame, Json]]:
    return [(frame, json.loads(frame.raw)) for frame in frames if frame.venue == venue]


@dataclass
class PlainReader:
    """Binance's rule of sync, followed to the letter with dicts."""

    last_id: int
    bids: PlainLadder = field(default_factory=lambda: PlainLadder(Side.BUY))
    asks: PlainLadder = field(default_factory=lambda: PlainLadder(Side.SELL))
    applied: int = 0

    @classmethod
    def from_snapshot(cls, body: bytes) -> PlainReader:
        snapshot = json.loads(body)
        reader = cls(snapshot["lastUpdateId"])
        reader.bids.apply(level_units(snapshot["bids"]))
        reader.asks.apply(level_units(snapshot["asks"]))
        return reader

    def depth(self, data: Json) -> None:
        if data["u"] <= self.last_id:
            return
        if self.applied:
            assert data["U"] == self.last_id + 1
        else:
            assert data["U"] <= self.last_id + 1 <= data["u"]
        self.bids.apply(level_units(data["b"]))
        self.asks.apply(level_units(data["a"]))
        self.last_id = data["u"]
        self.applied += 1
        assert self.bids.best()[0] < self.asks.best()[0]


def quote(data: Json) -> tuple[tuple[int, int], tuple[int, int]]:
    return (units(data["b"], 2), units(data["B"], 5)), (units(data["a"], 2), units(data["A"], 5))


def test_is_a_market_source() -> None:
    source: MarketSource = market()
    assert tuple(source.instruments) == ("alpha", "beta")
    assert source.wire == "binance"
    assert not source.includes_our_orders
    instrument = market().instruments["beta"]
    assert (instrument.venue, instrument.symbol, instrument.venue_symbol) == ("beta", "BTC/USDT", "BTCUSDT")
    assert (instrument.price_decimals, instrument.qty_decimals) == (2, 5)
    assert instrument.min_notional == 5 * 10**7


def test_same_seed_same_bytes_and_a_second_call_starts_again() -> None:
    source = market(seed=7)
    first = list(itertools.islice(source.frames(), 500))
    opening = source.snapshot("alpha", PATH)
    assert tuple(source.frames()) == recorded(7)
    assert list(recorded(7)[:500]) == first
    assert source.snapshot("alpha", PATH) != opening
    assert tuple(frame.raw for frame in recorded(8)) != tuple(frame.raw for frame in recorded(7))


def test_frames_come_in_order_and_strictly_so_within_a_venue() -> None:
    frames = recorded(1)
    assert all(a.recv_ns <= b.recv_ns for a, b in pairwise(frames))
    for venue in ("alpha", "beta"):
        own = [frame.recv_ns for frame in frames if frame.venue == venue]
        assert all(a < b for a, b in pairwise(own))
        assert own[0] == market().start_ns == START_NS


def test_each_venue_opens_with_the_ack_and_speaks_three_streams() -> None:
    for venue in ("alpha", "beta"):
        said = messages(recorded(1), venue)
        assert said[0][0].raw == b'{"result":null,"id":1}'
        kinds = [kind(message) for _, message in said]
        assert kinds.count("ack") == 1
        assert set(kinds[1:]) == {"depth@100ms", "bookTicker", "trade"}
        # A depth frame every 100 ms; 60 to 150 frames a second in all.
        assert kinds.count("depth@100ms") == pytest.approx(120, abs=2)
        assert 12 * 40 < len(kinds) < 12 * 200


def test_wire_form_is_binances() -> None:
    by_kind = {kind(message): message for _, message in messages(recorded(1), "alpha")}
    assert list(by_kind["depth@100ms"]["data"]) == ["e", "E", "s", "U", "u", "b", "a"]
    assert list(by_kind["bookTicker"]["data"]) == ["u", "s", "b", "B", "a", "A"]
    assert list(by_kind["trade"]["data"]) == ["e", "E", "s", "t", "p", "q", "T", "m", "M"]
    assert by_kind["trade"]["stream"] == "btcusdt@trade"


def test_exchange_times_are_the_venues_clock() -> None:
    for venue in ("alpha", "beta"):
        lags = [
            frame.recv_ns / 1e6 - message["data"]["E"]
            for frame, message in messages(recorded(1), venue)
            if kind(message) in {"depth@100ms", "trade"}
        ]
        # Latency, less a clock that is up to 20 ms off ours.
        assert -20 < float(np.median(lags)) < 40


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 5), st.floats(0, 0.9), st.sampled_from(["alpha", "beta"]))
def test_a_snapshot_of_any_moment_links_and_replays_to_the_venues_own_quotes(
    seed: int, moment: float, venue: str
) -> None:
    source = market(seed, 8.0)
    stream = source.frames()
    seen = list(itertools.islice(stream, int(moment * len(recorded(seed, 8.0)))))
    reader = PlainReader.from_snapshot(source.snapshot(venue, PATH))
    tops: dict[int, Any] = {reader.last_id: (reader.bids.best(), reader.asks.best())}
    quotes: dict[int, Any] = {}
    # Frames of the past are OLD to this snapshot, so a reader that buffered them drops them.
    for frame in itertools.chain(seen, stream):
        message = json.loads(frame.raw)
        if frame.venue == venue and kind(message) == "depth@100ms":
            reader.depth(message["data"])
            tops[reader.last_id] = (reader.bids.best(), reader.asks.best())
        elif frame.venue == venue and kind(message) == "bookTicker":
            quotes[message["data"]["u"]] = quote(message["data"])
    assert reader.applied > 2
    both = tops.keys() & quotes.keys()
    assert all(tops[u] == quotes[u] for u in both)
    assert len(both) > 0 or moment > 0.8
    final = PlainReader.from_snapshot(source.snapshot(venue, PATH))
    if final.last_id == reader.last_id:
        assert (final.bids.book, final.asks.book) == (reader.bids.book, reader.asks.book)


def test_snapshot_is_the_book_as_of_the_last_frame() -> None:
    source = market(seed=3, duration_s=6.0)
    latest: dict[str, Any] = {}
    checked = 0
    for frame in source.frames():
        message = json.loads(frame.raw)
        if kind(message) == "bookTicker":
            latest[frame.venue] = (message["data"]["u"], quote(message["data"]))
        for venue, (u, best) in latest.items():
            reader = PlainReader.from_snapshot(source.snapshot(venue, PATH))
            assert reader.last_id >= u
            if reader.last_id == u:
                assert (reader.bids.best(), reader.asks.best()) == best
                checked += 1
    assert checked > 100


def test_depth_frames_hold_net_state_of_levels_that_changed() -> None:
    source = market(seed=2)
    reader = PlainReader.from_snapshot(source.snapshot("alpha", PATH))
    opening = reader.last_id
    frames = [m["data"] for _, m in messages(recorded(2), "alpha") if kind(m) == "depth@100ms"]
    assert frames[0]["U"] == opening + 1
    for data in frames:
        assert 0 < len(data["b"]) + len(data["a"]) <= data["u"] - data["U"] + 1
        for levels in (data["b"], data["a"]):
            assert len({price for price, _ in levels}) == len(levels)
        reader.depth(data)
    assert reader.applied == len(frames)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("venue", ["alpha", "beta"])
def test_trades_are_at_resting_prices_and_take_exactly_their_size_off_the_book(seed: int, venue: str) -> None:
    """A quote and the trades behind it are one event: they must explain the step from the quote before."""
    said = [message["data"] for _, message in messages(recorded(seed), venue) if kind(message) != "ack"]
    before = after = None
    trades: list[Json] = []
    explained, last_id = 0, 0
    for data in said:
        if data.get("e") == "trade":
            trades.append(data)
            assert last_id == 0 or data["t"] == last_id + 1
            last_id = data["t"]
        elif "B" in data:
            if trades and before and after:
                check_event(before, trades, after)
                explained += 1
            before, after, trades = after, quote(data), []
    assert explained > 20


def check_event(before: Any, trades: list[Json], after: Any) -> None:
    sells = trades[0]["m"]
    side, other = (0, 1) if sells else (1, 0)
    direction = -1 if sells else 1
    prices = [units(trade["p"], 2) for trade in trades]
    assert all(trade["m"] is sells for trade in trades)
    assert prices[0] == before[side][0]
    assert all(direction * a <= direction * b for a, b in pairwise(prices))
    assert direction * prices[-1] <= direction * after[side][0]
    assert after[other] == before[other]
    at_touch = sum(units(t["q"], 5) for t in trades if units(t["p"], 2) == before[side][0])
    left = after[side][1] if after[side][0] == before[side][0] else 0
    assert before[side][1] - at_touch == left


def test_spread_and_depth_are_those_of_a_liquid_market() -> None:
    source = market(seed=11, duration_s=60.0)
    spreads: dict[str, list[float]] = defaultdict(list)
    near, far = [], []
    for number, frame in enumerate(source.frames()):
        message = json.loads(frame.raw)
        if kind(message) == "bookTicker":
            (bid, _), (ask, _) = quote(message["data"])
            spreads[frame.venue].append((ask - bid) / bid * 1e4)
        if number % 200 == 0:
            reader = PlainReader.from_snapshot(source.snapshot("alpha", PATH))
            for ladder in (reader.bids, reader.asks):
                best = ladder.best()[0]
                near.append(sum(q for p, q in ladder.book.items() if abs(p - best) < best * 1e-4))
                far.append(sum(q for p, q in ladder.book.items() if abs(p - best) < best * 5e-4))
                assert len(ladder.book) > 40
    for values in spreads.values():
        assert 0.2 < float(np.median(values)) < 3
        assert min(values) > 0
        assert float(np.quantile(values, 0.99)) < 10
    # Depth rises away from the touch: five times the width holds more than five times the size.
    assert float(np.median(far)) > 5 * float(np.median(near)) > 0


def test_the_two_venues_share_a_price_and_rarely_cross() -> None:
    tops: dict[str, Any] = {}
    last_ns, crossed, total, gaps = 0, 0, 0, []
    for frame in recorded(1, 60.0):
        if len(tops) == 2:
            best_bid, best_ask = (max(t[0] for t in tops.values()), min(t[1] for t in tops.values()))
            total += frame.recv_ns - last_ns
            crossed += (frame.recv_ns - last_ns) * (best_bid > best_ask)
            mids = [sum(top) / 2 for top in tops.values()]
            gaps.append(abs(mids[0] - mids[1]) / mids[0] * 1e4)
        last_ns = frame.recv_ns
        message = json.loads(frame.raw)
        if kind(message) == "bookTicker":
            (bid, _), (ask, _) = quote(message["data"])
            tops[frame.venue] = (bid, ask)
    assert crossed < 0.03 * total
    assert 0 < float(np.median(gaps)) < 1


def mids(source: SyntheticMarket) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for frame in source.frames():
        message = json.loads(frame.raw)
        if kind(message) == "bookTicker":
            (bid, _), (ask, _) = quote(message["data"])
            assert 0 < bid < ask
            found[frame.venue].append(((frame.recv_ns - START_NS) / 1e9, (bid + ask) / 2))
    return found


@pytest.mark.parametrize("fraction", [0.02, 0.05, 0.3])
def test_crash_on_demand_falls_by_the_stated_size_and_comes_half_back(fraction: float) -> None:
    source = market(seed=5, duration_s=75.0, crash_at_s=5.0, crash_fraction=fraction)
    for path in mids(source).values():
        before = [mid for when, mid in path if when < 5][-1]
        low = min(mid for when, mid in path if 5 <= when < 15)
        after = path[-1][1]
        assert 1 - low / before == pytest.approx(fraction, abs=0.005)
        assert 1 - after / before == pytest.approx(fraction / 2, abs=0.01)


def test_without_a_crash_nothing_falls_like_one() -> None:
    for path in mids(market(seed=5, duration_s=75.0)).values():
        prices = [mid for _, mid in path]
        assert min(prices) > 0.99 * prices[0]


def test_prices_move_by_about_the_stated_volatility() -> None:
    path = mids(market(seed=21, duration_s=240.0))["alpha"]
    every_second = np.interp(np.arange(1, 240), [w for w, _ in path], [m for _, m in path])
    annual = float(np.std(np.diff(np.log(every_second)))) * (365 * 86_400) ** 0.5
    assert 0.2 < annual < 1.5


def test_a_single_venue_and_another_symbol() -> None:
    source = SyntheticMarket(
        start_ns=START_NS, start_price=25.0, seed=1, duration_s=3, venues=["solo"], symbol="SOL/USDT"
    )
    frames = list(source.frames())
    assert {frame.venue for frame in frames} == {"solo"}
    snapshot = json.loads(source.snapshot("solo", "/api/v3/depth?symbol=SOLUSDT&limit=5"))
    assert len(snapshot["bids"]) == len(snapshot["asks"]) == 5
    assert snapshot["bids"][0][0].startswith("24.") or snapshot["bids"][0][0].startswith("25.")


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [
        ("venues", {"venues": ()}),
        ("venues", {"venues": ("a", "a")}),
        ("symbol", {"symbol": "BTCUSDT"}),
        ("duration_s", {"duration_s": 0.0}),
        ("crash_at_s", {"crash_at_s": 11.0}),
        ("crash_fraction", {"crash_fraction": 0.0}),
        ("annual_volatility", {"annual_volatility": float("nan")}),
    ],
)
def test_arguments_that_make_no_market_are_refused(setting: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        market(**arguments)
    assert refused.value.setting == setting


def test_flow_settings_must_be_positive() -> None:
    with pytest.raises(ConfigError, match=r"flow\.makers"):
        FlowConfig(makers=0)


@pytest.mark.parametrize(
    ("venue", "path", "setting"),
    [
        ("gamma", PATH, "venue"),
        ("alpha", "/api/v3/depth?symbol=ETHUSDT", "path"),
        ("alpha", "/api/v3/ticker?symbol=BTCUSDT", "path"),
        ("alpha", "/api/v3/depth?symbol=BTCUSDT&limit=0", "limit"),
    ],
)
def test_snapshot_of_what_is_not_here_is_an_error(venue: str, path: str, setting: str) -> None:
    with pytest.raises(ConfigError) as refused:
        market().snapshot(venue, path)
    assert refused.value.setting == setting
