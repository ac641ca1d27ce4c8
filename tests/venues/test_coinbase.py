"""Coinbase's two wires: real frames, every way a frame can be wrong, and agreement with ccxt.pro."""

from __future__ import annotations

import inspect
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest
from ccxt_requests import request_of
from wire_frames import COINBASE_BOOK as BOOK
from wire_frames import COINBASE_HEARTBEAT as HEARTBEAT
from wire_frames import COINBASE_SUBSCRIBED as SUBSCRIBED
from wire_frames import COINBASE_TRADES as TRADES
from wire_frames import EXCHANGE_FAILED as FAILED
from wire_frames import EXCHANGE_L2UPDATE as L2UPDATE
from wire_frames import EXCHANGE_MATCH as MATCH
from wire_frames import EXCHANGE_SNAPSHOT as SNAPSHOT

from citadel_kit import ladder, settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.ladder import Ladder
from citadel_kit.types import (
    Ack,
    BookUpdate,
    Codec,
    ConnectionSeq,
    Heartbeat,
    Instrument,
    Levels,
    Link,
    Side,
    Trade,
    Unknown,
)
from citadel_kit.venues import coinbase
from citadel_kit.venues.coinbase import CoinbaseAdvanced, CoinbaseExchange

SYMBOLS = ("BAND/BTC", "CRV/EUR", "NMR/EUR", "SKL/BTC", "SKL/USD")
SKL = settings.instrument("coinbase", "SKL/USD")
CRV = settings.instrument("coinbase", "CRV/EUR")
ADVANCED: Codec = CoinbaseAdvanced([SKL])
EXCHANGE: Codec = CoinbaseExchange([settings.instrument("coinbaseexchange", "SKL/USD")])


def both_books() -> list[tuple[BookUpdate, int]]:
    seq, advanced = ADVANCED.decode(BOOK, 9)
    (exchange,) = EXCHANGE.decode(L2UPDATE, 9)
    assert seq == ConnectionSeq(9, 7)
    assert isinstance(advanced, BookUpdate)
    assert isinstance(exchange, BookUpdate)
    return [(advanced, 7), (exchange, -1)]


def test_updates_part_into_bids_and_asks() -> None:
    for update, seq in both_books():
        assert update[:7] == ("SKL/USD", 9, 1618677817075351000, seq, seq, -1, False)
        assert update.bids.tolist() == [[7885, 0]]
        assert update.asks.tolist() == [[7923, 74415]]
        assert update.checksum == -1
        assert ADVANCED.link(3, False, update) == EXCHANGE.link(-1, True, update) == Link.NEXT


def test_snapshots() -> None:
    (exchange,) = EXCHANGE.decode(SNAPSHOT, 9)
    advanced = ADVANCED.decode(BOOK.replace(b'"update"', b'"snapshot"'), 9)[1]
    assert isinstance(exchange, BookUpdate)
    assert isinstance(advanced, BookUpdate)
    assert exchange.is_snapshot
    assert advanced.is_snapshot
    assert (exchange.exch_ns, exchange.bids.tolist(), exchange.asks.tolist()) == (
        0,
        [[7901, 45]],
        [[7923, 50]],
    )


def test_side_of_a_trade_is_not_the_makers() -> None:
    """The wire names the maker's side: whoever met a seller's order bought. The newest comes first there."""
    seq, older, newer = ADVANCED.decode(TRADES, 9)
    assert seq == ConnectionSeq(9, 19)
    assert older == Trade("SKL/USD", 9, 1618677817000000000, 280232, 7923, 5, Side.SELL)
    assert newer == Trade("SKL/USD", 9, 1618677817089723100, 280233, 7924, 9850, Side.BUY)
    (match,) = EXCHANGE.decode(MATCH, 9)
    assert match == Trade("SKL/USD", 9, 1618677817089723000, 280232, 7923, 9850, Side.BUY)
    (match,) = EXCHANGE.decode(MATCH.replace(b'"sell"', b'"buy"'), 9)
    assert isinstance(match, Trade)
    assert match.side == Side.SELL


def test_trades_from_before_the_subscription_are_no_news() -> None:
    """They come again with every connection: taken for news they would be counted twice."""
    history = Unknown(9, "trade history")
    assert ADVANCED.decode(TRADES.replace(b'"update"', b'"snapshot"'), 9) == (ConnectionSeq(9, 19), history)
    assert EXCHANGE.decode(MATCH.replace(b'"match"', b'"last_match"'), 9) == (history,)


def test_answers_and_signs_of_life() -> None:
    assert ADVANCED.decode(HEARTBEAT, 9) == (ConnectionSeq(9, 20), Heartbeat(9))
    assert ADVANCED.decode(SUBSCRIBED, 9) == (ConnectionSeq(9, 3), Ack(9, -1, True, ""))
    refused = b'{"type":"error","message":"authentication failure"}'
    assert ADVANCED.decode(refused, 9) == (Ack(9, -1, False, "authentication failure"),)
    alive = b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"SKL-USD","time":""}'
    assert EXCHANGE.decode(alive, 9) == (Heartbeat(9),)
    assert EXCHANGE.decode(b'{"type":"subscriptions","channels":[]}', 9) == (Ack(9, -1, True, ""),)
    problem = "Failed to subscribe BTC-XXX is not a valid product"
    assert EXCHANGE.decode(FAILED, 9) == (Ack(9, -1, False, problem),)


def test_what_is_not_read_still_counts_in_the_sequence() -> None:
    candles = b'{"channel":"candles","sequence_num":4,"events":[{"type":"snapshot","candles":[]}]}'
    assert ADVANCED.decode(candles, 9) == (ConnectionSeq(9, 4), Unknown(9, "candles"))
    assert ADVANCED.decode(b'{"hello":1}', 9) == (Unknown(9, "unnamed"),)
    assert EXCHANGE.decode(b'{"type":"ticker","product_id":"SKL-USD","price":"1"}', 9) == (
        Unknown(9, "ticker"),
    )
    assert EXCHANGE.decode(b'{"hello":1}', 9) == (Unknown(9, "unnamed"),)
    other = Unknown(9, "other instrument")
    assert CoinbaseAdvanced([CRV]).decode(BOOK, 9) == (ConnectionSeq(9, 7), other)
    assert CoinbaseAdvanced([CRV]).decode(TRADES, 9) == (ConnectionSeq(9, 19), other, other)
    assert CoinbaseExchange([CRV]).decode(L2UPDATE, 9) == (other,)
    assert CoinbaseExchange([CRV]).decode(MATCH, 9) == (other,)


@pytest.mark.parametrize(
    "raw",
    [
        BOOK.replace(b'"sequence_num":7,', b""),
        BOOK.replace(b'"sequence_num":7,', b'"sequence_num":-7,'),
        BOOK.replace(b"l2_data", b"l2_dada"),
        BOOK.replace(b'"update"', b'"patch"'),
        BOOK.replace(b"events", b"event"),
        BOOK.replace(b"updates", b"update"),
        BOOK.replace(b"SKL-USD", b""),
        BOOK.replace(b'"offer"', b'"ask"'),
        BOOK.replace(b'"0.7923"', b"0.7923"),
        BOOK.replace(b"37.075351Z", b"37.075351"),
        TRADES.replace(b'"SELL"', b'"SOLD"'),
        TRADES.replace(b'"280233"', b'"none"'),
        TRADES.replace(b'"size":"985",', b""),
        TRADES.replace(b'"0.7924"', b'"much"'),
        HEARTBEAT.replace(b'"sequence_num":20,', b""),
    ],
)
def test_malformed_advanced_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        ADVANCED.decode(raw, 9)
    assert caught.value.venue == "coinbase"
    assert caught.value.raw == raw[:200]


@pytest.mark.parametrize(
    "raw",
    [
        L2UPDATE.replace(b'"product_id":"SKL-USD",', b""),
        L2UPDATE.replace(b"changes", b"change"),
        L2UPDATE.replace(b'"sell"', b'"ask"'),
        L2UPDATE.replace(b',"7441.5"', b""),
        SNAPSHOT.replace(b"asks", b"ask"),
        SNAPSHOT.replace(b'["0.7923","5"]', b'["0.7923"]'),
        MATCH.replace(b'"sell"', b'"offer"'),
        MATCH.replace(b'"trade_id":280232,', b""),
        MATCH.replace(b'"985"', b'"9.85e2"'),
        MATCH.replace(b'"match"', b'"last_match"').replace(b'"985"', b'"much"'),
    ],
)
def test_malformed_exchange_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        EXCHANGE.decode(raw, 9)
    assert caught.value.venue == "coinbaseexchange"
    assert caught.value.raw == raw[:200]


class PlainBooks:
    """The wire's own numbers by product and side, exact decimals: no integer in it."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}

    def apply(self, product: str, snapshot: bool, rows: list[tuple[str, str, str]]) -> None:
        if snapshot:
            self.books[product] = {"bids": {}, "asks": {}}
        for side, price, qty in rows:
            levels = self.books[product]["bids" if side in ("bid", "buy") else "asks"]
            levels.pop(Decimal(price), None)
            if Decimal(qty):
                levels[Decimal(price)] = Decimal(qty)

    def read(self, document: dict[str, Any]) -> None:
        if document.get("channel") == "l2_data":
            for event in document["events"]:
                rows = [(u["side"], u["price_level"], u["new_quantity"]) for u in event["updates"]]
                self.apply(event["product_id"], event["type"] == "snapshot", rows)
        elif document.get("type") == "snapshot":
            rows = [("buy", *level) for level in document["bids"]] + [
                ("sell", *level) for level in document["asks"]
            ]
            self.apply(document["product_id"], True, rows)
        elif document.get("type") == "l2update":
            self.apply(document["product_id"], False, document["changes"])


class Replay:
    """A whole tape through a codec, its books never crossed, and through the plain books."""

    def __init__(self, path: Path, codec: Codec, instruments: list[Instrument]) -> None:
        self.kinds: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        self.seqs: list[int] = []
        self.trades: list[tuple[object, ...]] = []
        self.plain = PlainBooks()
        self.books = {i.symbol: (Ladder(Side.BUY), Ladder(Side.SELL)) for i in instruments}
        for frame in Tape(path, instruments[0]).frames():
            for event in codec.decode(frame.raw, frame.recv_ns):
                self.count(event)
            self.plain.read(json.loads(frame.raw))

    def count(self, event: object) -> None:
        name = type(event).__name__
        self.kinds[name] = self.kinds.get(name, 0) + 1
        if isinstance(event, BookUpdate):
            bids, asks = self.books[event.symbol]
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                if event.is_snapshot:
                    side.clear()
                side.apply(levels)
            assert 0 < bids.best()[0] < asks.best()[0]
        elif isinstance(event, ConnectionSeq):
            self.seqs.append(event.seq)
        elif isinstance(event, Trade):
            self.trades.append((event.symbol, *event[2:]))
        elif isinstance(event, Unknown):
            self.unknown[event.kind] = self.unknown.get(event.kind, 0) + 1

    def levels(self, symbol: str) -> tuple[Levels, Levels]:
        bids, asks = self.books[symbol]
        return bids.levels(10_000), asks.levels(10_000)

    def agrees(self, instrument: Instrument) -> bool:
        """Do the ladders hold what the plain books hold, every level?"""
        plain = self.plain.books[instrument.venue_symbol]
        return all(
            {
                Decimal(p).scaleb(-instrument.price_decimals): Decimal(q).scaleb(-instrument.qty_decimals)
                for p, q in levels.tolist()
            }
            == plain[side]
            for side, levels in zip(("bids", "asks"), self.levels(instrument.symbol), strict=True)
        )


@pytest.fixture(scope="module")
def replays(shared: Path) -> tuple[Replay, Replay]:
    ladder.warm_up()
    advanced = [settings.instrument("coinbase", s) for s in SYMBOLS]
    exchange = [settings.instrument("coinbaseexchange", s) for s in SYMBOLS]
    tapes = shared / "tapes"
    return (
        Replay(tapes / "coinbase_advanced_derived.tape.gz", CoinbaseAdvanced(advanced), advanced),
        Replay(tapes / "coinbase_exchange_level2.tape.gz", CoinbaseExchange(exchange), exchange),
    )


def test_every_frame_of_both_tapes_decodes(replays: tuple[Replay, Replay]) -> None:
    advanced, exchange = replays
    assert advanced.kinds == {"ConnectionSeq": 6552, "BookUpdate": 6476, "Trade": 76}
    assert advanced.seqs == list(range(6552))
    assert exchange.kinds == {"BookUpdate": 6476, "Trade": 76, "Ack": 3, "Unknown": 86}
    assert exchange.unknown == {"ticker": 81, "trade history": 5}
    assert sum(exchange.kinds.values()) == 6641


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_both_wires_build_the_same_book(replays: tuple[Replay, Replay], symbol: str) -> None:
    advanced, exchange = replays
    assert advanced.agrees(settings.instrument("coinbase", symbol))
    assert exchange.agrees(settings.instrument("coinbaseexchange", symbol))
    for ours, theirs in zip(advanced.levels(symbol), exchange.levels(symbol), strict=True):
        assert len(ours) > 100
        assert ours.tolist() == theirs.tolist()


def test_both_wires_tell_the_same_trades(replays: tuple[Replay, Replay]) -> None:
    advanced, exchange = replays
    assert advanced.trades == exchange.trades


def test_requests() -> None:
    beats, books, trades = (json.loads(text) for text in ADVANCED.subscribe([SKL, CRV], 1))
    assert beats == {"type": "subscribe", "channel": "heartbeats"}
    assert books == {"type": "subscribe", "product_ids": ["SKL-USD", "CRV-EUR"], "channel": "level2"}
    assert trades == {**books, "channel": "market_trades"}
    (text,) = EXCHANGE.subscribe([SKL, CRV], 1)
    assert json.loads(text) == {
        "type": "subscribe",
        "product_ids": ["SKL-USD", "CRV-EUR"],
        "channels": ["level2_batch", "matches", "heartbeat"],
    }
    for codec in (ADVANCED, EXCHANGE):
        assert codec.resubscribe(SKL, 2) == []
        assert codec.snapshot_path(SKL) is None
        assert codec.ping() is None


def test_requests_to_advanced_trade_are_those_of_ccxt_pro() -> None:
    """Ours add `heartbeats`, without which the venue closes silent channels; ccxt.pro only reads it."""
    theirs = ccxt.pro.coinbase()
    watches = (lambda: theirs.watch_order_book("SKL/USD"), lambda: theirs.watch_trades("SKL/USD"))
    for text, watch in zip(ADVANCED.subscribe([SKL], 1)[1:], watches, strict=True):
        assert request_of(theirs, watch) == (coinbase.ADVANCED_STREAM_URL, json.loads(text))
    assert theirs.urls["api"]["rest"] == coinbase.ADVANCED_REST_URL
    source = inspect.getsource(ccxt.pro.coinbase.handle_message)
    for channel in ("heartbeats", "l2_data", "market_trades", "subscriptions"):
        assert f"'{channel}': self." in source
    assert theirs.options["sides"] == {"bid": "bids", "offer": "asks"}


def test_requests_to_exchange_are_those_of_ccxt_pro() -> None:
    """Ours differ in the book's channel: ccxt.pro's `level2` must be signed with a key, `level2_batch` not.

    The messages of both are the same. Ours ask for all channels at once, and for `heartbeat`.
    """
    theirs = ccxt.pro.coinbaseexchange()
    (text,) = EXCHANGE.subscribe([SKL], 1)
    ours = json.loads(text)
    channels = []
    for watch in (lambda: theirs.watch_order_book("SKL/USD"), lambda: theirs.watch_trades("SKL/USD")):
        url, request = request_of(theirs, watch)
        assert url == coinbase.EXCHANGE_STREAM_URL
        channels += request.pop("channels")
        assert request == {"type": ours["type"], "product_ids": ours["product_ids"]}
    assert channels == ["level2", "matches"]
    assert ours["channels"] == ["level2_batch", "matches", "heartbeat"]
    assert theirs.implode_hostname(theirs.urls["api"]["public"]) == coinbase.EXCHANGE_REST_URL
    assert "self.authenticate()" in inspect.getsource(ccxt.pro.coinbaseexchange.watch_order_book)
    source = inspect.getsource(ccxt.pro.coinbaseexchange.handle_message)
    for kind in ("snapshot", "l2update", "match", "subscribe"):
        assert f"'{kind}'" in source


def test_a_stream_without_numbers_is_not_verified() -> None:
    assert not EXCHANGE.verified
    assert CoinbaseAdvanced([SKL]).verified
