"""The public streams of four dialects, read by our own codecs and sessions: every book is the engine's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from dialect_world import DEPTHS, MS, WIRES, Client, make_venue

from citadel_kit.exchange.dialects.stream import Out
from citadel_kit.micro.matching import OrderRequest, OrderType
from citadel_kit.types import FeedState, Side
from citadel_kit.venues import kraken as kraken_codec

VENUES = tuple(WIRES)
SYMBOL = "BTC/USDT"
BOOKS = ('"orderbook.50.', '"channel":"books"', '"channel":"book"', '"channel":"l2_data"')


def books_agree(client: Client) -> None:
    """The session's whole book is what the engine shows, down to the depth that the venue tells."""
    engine, depth = client.venue.engine(SYMBOL), DEPTHS[client.venue.name]
    for is_bid, side in ((True, Side.BUY), (False, Side.SELL)):
        everything = client.feed.book.levels(side, 100_000).tolist()
        assert [tuple(level) for level in everything] == engine.shown(is_bid, depth)


def losing(first: int, count: int = 1) -> Callable[[Out], bool]:
    """Loses `count` book updates from the `first` on, once."""
    seen = 0

    def drops(out: Out) -> bool:
        nonlocal seen
        if (
            out.kind != "market"
            or not any(mark in out.text for mark in BOOKS)
            or "snapshot" in out.text[:200]
        ):
            return False
        seen += 1
        return first <= seen < first + count

    return drops


def wire_of(name: str) -> tuple[Any, Callable[[dict[str, Any]], list[dict[str, Any]]]]:
    """A wire without a session, and a function that asks it and reads its answers."""
    _, venue = make_venue(name)
    wire = WIRES[name](venue, 7)
    list(wire.opened())

    def ask(request: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(out.text) for out in wire.heard(json.dumps(request))]

    return wire, ask


# --- books ------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", VENUES)
def test_our_session_stays_live_and_has_the_engines_book(name: str, seed: int) -> None:
    client = Client(*make_venue(name, seed=seed, seconds=6))
    client.run(5, lambda: books_agree(client))
    counts = client.feed.counts | client.session.counts
    assert client.states == [FeedState.SYNCING, FeedState.LIVE]
    assert counts["applied"] > 40 and counts["trades"] > 20
    assert (counts["gaps"], counts["corrupt"], counts["malformed"], counts["refused"]) == (0, 0, 0, 0)
    assert counts["unknown"] == 0
    if name == "kraken":
        assert counts["checksums_right"] == counts["applied"]
    if name == "okx":
        assert counts["oracle_agrees"] > 0


@pytest.mark.parametrize("name", VENUES)
def test_clients_orders_are_in_the_book_that_is_told(name: str) -> None:
    client = Client(*make_venue(name, seconds=6))
    client.run(1)
    venue = client.venue
    venue.accounts.deposit("us", "USDT", 10**30)
    bid = venue.engine(SYMBOL).top()[0]
    request = OrderRequest(
        account="us",
        symbol=SYMBOL,
        client_id="a",
        side=Side.BUY,
        type=OrderType.LIMIT,
        price=bid - 3,
        qty=12345,
    )
    before = venue.engine(SYMBOL).shown(True, 1000)
    venue.place(request)
    client.run(0.1, lambda: books_agree(client))
    assert dict(before).get(bid - 3, 0) + 12345 == client.feed.book.qty_at(Side.BUY, bid - 3)


@pytest.mark.parametrize("name", VENUES)
def test_a_lost_update_is_a_gap_and_the_book_comes_anew(name: str) -> None:
    # Kraken's checksum covers ten levels: a lost update further down is seen late or never.
    drops = losing(20, 5 if name == "kraken" else 1)
    client = Client(*make_venue(name, seconds=6), drops)
    client.run(5)
    books_agree(client)
    synced, reconnected = [FeedState.SYNCING, FeedState.LIVE], name == "coinbase"
    # Coinbase's books come anew only with a connection.
    anew = [FeedState.INIT, *synced] if reconnected else [FeedState.LIVE]
    assert client.states == [*synced, FeedState.GAP, *anew]
    assert client.connections == 1 + reconnected
    counts = client.feed.counts | client.session.counts
    assert counts["gaps"] + counts["checksums_wrong"] + counts["crossed"] + counts["holes"] == 1


@pytest.mark.parametrize("name", VENUES)
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    def frames(seed: int) -> list[str]:
        client = Client(*make_venue(name, seed=seed, seconds=3))
        client.run(2)
        return client.frames

    assert frames(4) == frames(4) != frames(5)


def test_the_wire_counts_down_to_the_last_connection() -> None:
    """Two clients of one venue hear the same book under the same times, each with its own numbers."""
    world, venue = make_venue("coinbase", seconds=3)
    early = Client(world, venue)
    early.run(1)
    late = Client(world, venue)
    early.run(1, lambda: (books_agree(early), books_agree(late)))  # type: ignore[arg-type,return-value]
    assert late.feed.state == FeedState.LIVE
    numbers = [json.loads(text)["sequence_num"] for text in late.frames]
    assert numbers == list(range(len(numbers))) and len(early.frames) > len(late.frames)


@pytest.mark.parametrize("name", VENUES)
def test_a_market_that_is_gone_leaves_an_empty_book_until_it_is_back(name: str) -> None:
    client = Client(*make_venue(name, seconds=6))
    client.run(1)
    client.venue.engine(SYMBOL).on_outside_lost(client.world.now_ns)
    client.venue.publish(SYMBOL)
    client.world.venues.pop(name).flush()
    assert client.venue.engine(SYMBOL).top() == (0, 0, 0, 0)
    books_agree(client)
    bids = asks = [(100, 1), (101, 2)]
    outside = client.venue.engine(SYMBOL).on_outside
    outside(client.world.now_ns, is_snapshot=True, bids=bids[:1], asks=asks[1:])
    client.venue.publish(SYMBOL)
    client.venue.flush()
    books_agree(client)
    late = Client(client.world, client.venue)
    books_agree(late)


# --- single channels ------------------------------------------------------------------


def test_bybits_level_one_comes_again_after_three_seconds_of_silence() -> None:
    wire, ask = wire_of("bybit")
    answer, first = ask({"req_id": "1", "op": "subscribe", "args": ["orderbook.1.BTCUSDT"]})
    assert answer == {"success": True, "ret_msg": "", "conn_id": "local-7", "req_id": "1", "op": "subscribe"}
    assert first["type"] == "snapshot" and len(first["data"]["b"]) == len(first["data"]["a"]) == 1
    assert list(wire.second()) == []
    wire._venue._timeline.now_ns += 3000 * MS
    (again,) = (json.loads(out.text) for out in wire.second())
    assert again["data"] == first["data"]


def test_bybits_ticker_and_deep_books() -> None:
    _, ask = wire_of("bybit")
    topics = ["tickers.BTCUSDT", "orderbook.200.BTCUSDT", "orderbook.1000.BTCUSDT"]
    _, ticker, book, deep = ask({"op": "subscribe", "args": topics})
    assert (
        ticker["data"]["symbol"] == "BTCUSDT"
        and len(book["data"]["b"]) == 200
        and len(deep["data"]["a"]) == 600
    )


def test_okxs_small_channels() -> None:
    _, ask = wire_of("okx")
    args = [{"channel": c, "instId": "BTC-USDT"} for c in ("books5", "bbo-tbt", "tickers", "books")]
    acks = ask({"op": "subscribe", "args": args})
    assert [m.get("event") for m in acks] == ["subscribe", None] * 4
    five, best, ticker, book = acks[1::2]
    assert (len(five["data"][0]["bids"]), len(best["data"][0]["asks"])) == (5, 1)
    assert ticker["data"][0]["bidPx"] == best["data"][0]["bids"][0][0]
    assert book["action"] == "snapshot" and len(book["data"][0]["bids"]) == 400
    assert (book["data"][0]["prevSeqId"], book["data"][0]["checksum"]) == (-1, 0)
    assert best["data"][0]["seqId"] == book["data"][0]["seqId"]


def test_krakens_instruments_are_read_by_our_codec() -> None:
    wire, _ = wire_of("kraken")
    out = list(wire.heard('{"method":"subscribe","params":{"channel":"instrument"},"req_id":3}'))
    (read,) = kraken_codec.instruments(out[1].text.encode())
    venue = wire._venue
    assert read == venue.symbols[SYMBOL].instrument
    assert [o.text for o in wire.second()] == ['{"channel":"heartbeat"}']


def test_krakens_ticker_and_trade_history() -> None:
    world, venue = make_venue("kraken", seconds=3)
    world.advance(world.now_ns + 2000 * MS)
    wire = WIRES["kraken"](venue, 1)
    params = {"channel": "trade", "symbol": ["BTC/USDT"], "snapshot": True}
    ack, history = (
        json.loads(o.text) for o in wire.heard(json.dumps({"method": "subscribe", "params": params}))
    )
    assert ack["success"] and history["type"] == "snapshot" and history["data"][-1]["trade_id"]
    params = {"channel": "ticker", "symbol": ["BTC/USDT"], "event_trigger": "bbo"}
    _, ticker = (
        json.loads(o.text) for o in wire.heard(json.dumps({"method": "subscribe", "params": params}))
    )
    assert ticker["data"][0]["bid"] < ticker["data"][0]["ask"]


def test_coinbases_subscriptions_heartbeats_and_goodbye() -> None:
    wire, ask = wire_of("coinbase")
    (ack,) = ask({"type": "subscribe", "channel": "heartbeats"})
    assert ack["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]
    first, second = (json.loads(next(iter(wire.second())).text) for _ in range(2))
    assert [m["events"][0]["heartbeat_counter"] for m in (first, second)] == [0, 1]
    both = ask({"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USDT"]})
    assert both[1]["events"][0]["tickers"][0]["product_id"] == "BTC-USDT"
    for _ in range(2):  # asked for again, a channel begins anew
        _, snapshot = ask({"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USDT"]})
        assert snapshot["events"][0]["type"] == "snapshot" and len(snapshot["events"][0]["updates"]) == 1200
    for channel in ("ticker", "level2"):
        ask({"type": "unsubscribe", "channel": channel, "product_ids": ["BTC-USDT"]})
    (last,) = ask({"type": "unsubscribe", "channel": "heartbeats"})
    assert last["events"] == [{"subscriptions": {}}] and last["sequence_num"] == 11
    assert list(wire.second()) == []


# --- pings, and requests that are wrong ------------------------------------------------------------------


def test_pings() -> None:
    _, bybit = wire_of("bybit")
    (pong,) = bybit({"op": "ping", "req_id": 5})
    assert (pong["ret_msg"], pong["op"], pong["req_id"]) == ("pong", "ping", "5")
    assert [o.text for o in wire_of("okx")[0].heard("ping")] == ["pong"]
    (pong,) = wire_of("kraken")[1]({"method": "ping", "req_id": 9})
    assert (pong["method"], pong["req_id"]) == ("pong", 9)


BYBIT = [
    ({"op": "fly"}, "error:invalid op"),
    ({"op": "subscribe", "args": "x"}, "error:args must be a list of topics"),
    ({"op": "subscribe", "args": ["tickers.BTCUSDT"] * 11}, "args size >10"),
    (
        {"op": "subscribe", "args": ["orderbook.77.BTCUSDT"]},
        "error:handler not found,topic:orderbook.77.BTCUSDT",
    ),
    ({"op": "subscribe", "args": ["publicTrade.NOPE"]}, "Invalid symbol :[publicTrade.NOPE]"),
]
KRAKEN = [
    ({"method": "fly", "params": {}}, "Unsupported method"),
    ({"method": "subscribe"}, "Malformed request"),
    ({"method": "subscribe", "params": {"channel": "x"}}, "Subscription name invalid"),
    ({"method": "subscribe", "params": {"channel": "trade", "symbol": "BTC/USDT"}}, "Symbol(s) not found"),
    (
        {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"], "depth": 27}},
        "Subscription depth not supported",
    ),
    (
        {"method": "subscribe", "params": {"channel": "book", "symbol": ["A/B"]}},
        "Currency pair not supported A/B",
    ),
    (
        {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"]}},
        "Subscription Not Found",
    ),
]
COINBASE = [
    ({"type": "fly"}, "type must be subscribe or unsubscribe"),
    ({"type": "subscribe", "channel": "x", "product_ids": ["BTC-USDT"]}, "channel 'x' is not supported"),
    ({"type": "subscribe", "channel": "level2"}, "product_ids must name one product or more"),
    ({"type": "subscribe", "channel": "level2", "product_ids": ["A-B"]}, "A-B is not a valid product"),
]


@pytest.mark.parametrize(("request_", "problem"), BYBIT)
def test_bybit_refuses(request_: dict[str, Any], problem: str) -> None:
    (answer,) = wire_of("bybit")[1]({**request_, "req_id": "a"})
    assert (answer["success"], answer["ret_msg"], answer["req_id"]) == (False, problem, "a")


@pytest.mark.parametrize(("request_", "problem"), KRAKEN)
def test_kraken_refuses(request_: dict[str, Any], problem: str) -> None:
    (answer,) = wire_of("kraken")[1]({**request_, "req_id": 4})
    assert (answer["success"], answer["error"], answer["req_id"]) == (False, problem, 4)


@pytest.mark.parametrize(("request_", "problem"), COINBASE)
def test_coinbase_refuses(request_: dict[str, Any], problem: str) -> None:
    assert wire_of("coinbase")[1](request_) == [{"type": "error", "message": problem}]


def test_okx_refuses_each_channel_by_itself() -> None:
    _, ask = wire_of("okx")
    good, bad = {"channel": "trades", "instId": "BTC-USDT"}, {"channel": "trades", "instId": "A-B"}
    accepted, refused = ask({"id": "5", "op": "subscribe", "args": [good, bad]})
    assert (accepted["event"], accepted["id"], accepted["arg"]) == ("subscribe", "5", good)
    assert (refused["event"], refused["code"], refused["id"]) == ("error", "60018", "5")
    for wrong in ({"op": "fly", "args": [good]}, {"op": "subscribe"}, {"op": "subscribe", "args": []}):
        (refused,) = ask(wrong)
        assert refused["code"] == "60012"


def test_what_is_subscribed_already_is_refused() -> None:
    _, ask = wire_of("bybit")
    wanted = {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}
    assert ask(wanted)[0]["success"]
    assert ask(wanted)[0]["ret_msg"] == "error:already subscribed,topic:publicTrade.BTCUSDT"
    _, ask = wire_of("kraken")
    wanted = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USDT"]}}
    assert ask(wanted)[0]["success"]
    assert ask(wanted)[0]["error"] == "Already subscribed"


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '"x"', "[" * 60_000, '{"op":' * 9000, '{"op":"\\ud800"}', "1e999"]
)
def test_no_message_is_too_strange_for_an_answer(name: str, text: str) -> None:
    wire, _ = wire_of(name)
    (answer,) = wire.heard(text)
    assert len(answer.text) < 1000 and json.loads(answer.text)


STRANGE: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "x" * 3000,
    [],
    {},
    [None],
    [{}],
    [["a"]],
    {"a": 1},
    10**30,
    ["\x00"],
]
KEYS = ("op", "args", "req_id", "id", "method", "params", "type", "channel", "product_ids", "symbol", "depth")


@pytest.mark.parametrize("name", VENUES)
def test_no_member_is_too_strange_either(name: str) -> None:
    wire, ask = wire_of(name)
    bases = [
        {"op": "subscribe", "args": ["tickers.BTCUSDT"], "req_id": "1"},
        {"op": "unsubscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}], "id": "1"},
        {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"], "depth": 10}},
        {"type": "unsubscribe", "channel": "level2", "product_ids": ["BTC-USDT"]},
    ]
    for base in bases:
        for key in KEYS:
            for value in STRANGE:
                assert ask({**base, key: value})
                if "params" in base:
                    assert ask({**base, "params": {**base["params"], key: value}})
    assert len(json.dumps([str(vars(wire))])) < 5000  # nothing of it is kept
