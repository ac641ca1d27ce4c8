"""Kraken's wire: real frames and their checksums, every way a frame can be wrong, agreement with ccxt.pro."""

from __future__ import annotations

import inspect
import json
import zlib
from pathlib import Path
from typing import Any

import ccxt.pro
import numpy as np
import pytest
from ccxt_requests import request_of
from wire_frames import KRAKEN_INSTRUMENT as INSTRUMENT
from wire_frames import KRAKEN_REFUSED as REFUSED
from wire_frames import KRAKEN_SNAPSHOT as SNAPSHOT
from wire_frames import KRAKEN_TRADE as TRADE
from wire_frames import KRAKEN_UPDATE as UPDATE

from citadel_kit import settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.ladder import Ladder
from citadel_kit.types import Ack, BookUpdate, Codec, Heartbeat, Link, Side, Trade, Unknown
from citadel_kit.venues import kraken
from citadel_kit.venues.kraken import Kraken

BTC = settings.instrument("kraken", "BTC/USD")
ETH = settings.instrument("kraken", "ETH/USD")
CODEC: Codec = Kraken([BTC])


def test_book_update() -> None:
    (update,) = CODEC.decode(UPDATE, 7)
    assert isinstance(update, BookUpdate)
    assert update[:7] == ("BTC/USD", 7, 1785641751660084000, -1, -1, -1, False)
    assert update.bids.tolist() == [[633810, 0], [633764, 5100]]
    assert update.asks.tolist() == []
    assert update.checksum == 3726153463
    assert CODEC.link(-1, True, update) == CODEC.link(-1, False, update) == Link.NEXT


def test_snapshot_needs_no_time() -> None:
    (update,) = CODEC.decode(SNAPSHOT, 7)
    assert isinstance(update, BookUpdate)
    assert (update.is_snapshot, update.exch_ns) == (True, 0)
    assert update.bids.tolist() == [[633887, 25761908], [633881, 78879110]]


def test_every_book_of_a_frame_is_read() -> None:
    both = Kraken([BTC, ETH])
    document = json.loads(UPDATE, parse_float=str)
    other = {**document["data"][0], "symbol": "ETH/USD", "bids": []}
    raw = UPDATE[:-2] + b"," + json.dumps(other).encode() + b"]}"
    assert [e.symbol for e in both.decode(raw, 7) if isinstance(e, BookUpdate)] == ["BTC/USD", "ETH/USD"]
    assert CODEC.decode(raw, 7)[1] == Unknown(7, "other instrument")


def test_side_of_a_trade_is_the_takers() -> None:
    (sold,) = CODEC.decode(TRADE, 7)
    (bought,) = CODEC.decode(TRADE.replace(b'"sell"', b'"buy"').replace(b"0.00005100", b"5.1e-05"), 7)
    assert sold == Trade("BTC/USD", 7, 1785641751660084000, 4665906, 633887, 5100, Side.SELL)
    assert bought == sold._replace(side=Side.BUY)
    (other,) = CODEC.decode(TRADE.replace(b"BTC/USD", b"ADA/USD"), 7)
    assert other == Unknown(7, "other instrument")


def test_trades_from_before_the_subscription_are_no_news() -> None:
    assert CODEC.decode(TRADE.replace(b'"update"', b'"snapshot"'), 7) == (Unknown(7, "trade history"),)


def test_answers_and_signs_of_life() -> None:
    assert CODEC.decode(b'{"channel":"heartbeat"}', 7) == (Heartbeat(7),)
    assert CODEC.decode(b'{"method":"pong","req_id":5,"time_in":"a","time_out":"b"}', 7) == (Heartbeat(7),)
    ok = b'{"method":"subscribe","req_id":3,"result":{"channel":"book","depth":25},"success":true}'
    assert CODEC.decode(ok, 7) == (Ack(7, 3, True, ""),)
    assert CODEC.decode(ok.replace(b'"subscribe"', b'"unsubscribe"'), 7) == (Ack(7, 3, True, ""),)
    assert CODEC.decode(REFUSED, 7) == (Ack(7, 3, False, "Subscription depth not supported BTC/USD"),)
    assert CODEC.decode(b'{"error":"Exceeded msg rate"}', 7) == (Ack(7, -1, False, "Exceeded msg rate"),)


def test_unknown_kinds_are_named() -> None:
    assert CODEC.decode(b'{"channel":"ohlc","type":"update","data":[{"symbol":3}]}', 7) == (
        Unknown(7, "ohlc"),
    )
    assert CODEC.decode(b'{"channel":"status","data":[{}]}', 7) == (Unknown(7, "status"),)
    assert CODEC.decode(b'{"method":"add_order","success":true}', 7) == (Unknown(7, "add_order"),)
    assert CODEC.decode(b'{"hello":1}', 7) == (Unknown(7, "unnamed"),)


def test_instruments_are_read_with_exponents() -> None:
    assert kraken.instruments(INSTRUMENT) == [BTC]
    assert kraken.instruments(UPDATE) == []
    assert CODEC.decode(INSTRUMENT, 7) == (Unknown(7, "instrument"),)
    for bad in (
        INSTRUMENT.replace(b"1e-08", b"1e-09"),
        INSTRUMENT.replace(b"1e-08", b"1e-999999999"),
        INSTRUMENT.replace(b"1e-08", b"1e99"),
        INSTRUMENT.replace(b"1e-08", b"null"),
        INSTRUMENT.replace(b'"qty_precision":8', b'"qty_precision":-8'),
        INSTRUMENT[:-4],
    ):
        with pytest.raises(DecodeError):
            kraken.instruments(bad)


@pytest.mark.parametrize(
    "raw",
    [
        UPDATE.replace(b'"update"', b'"patch"'),
        UPDATE.replace(b'"asks":[],', b""),
        UPDATE.replace(b'"asks":[]', b'"asks":null'),
        UPDATE.replace(b'"data":[{', b'"data":{').replace(b"}]}", b"}}"),
        UPDATE.replace(b'"checksum":3726153463,', b""),
        UPDATE.replace(b"3726153463", b"-1"),
        UPDATE.replace(b"3726153463", b"4294967296"),
        UPDATE.replace(b"51.660084Z", b"51.660084"),
        TRADE.replace(b'"sell"', b'"short"'),
        TRADE.replace(b'"price":63388.7,', b""),
        TRADE.replace(b"63388.7", b'"much"'),
        TRADE.replace(b"4665906", b"-4665906"),
        REFUSED.replace(b'"req_id":3', b'"req_id":9223372036854775808'),
    ],
)
def test_malformed_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw, 7)
    assert caught.value.venue == "kraken"
    assert caught.value.raw == raw[:200]


class PlainBook:
    """The wire's own texts by price: no integer in it."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def apply(self, document: dict[str, Any]) -> None:
        (data,) = document["data"]
        for name, side in self.sides.items():
            if document["type"] == "snapshot":
                side.clear()
            for level in data[name]:
                side.pop(level["price"], None)
                if float(level["qty"]) != 0:
                    side[level["price"]] = level["qty"]

    def best(self, name: str) -> list[tuple[str, str]]:
        sign = -1 if name == "bids" else 1
        return sorted(self.sides[name].items(), key=lambda level: sign * float(level[0]))

    def truncate(self, depth: int) -> None:
        self.sides = {name: dict(self.best(name)[:depth]) for name in self.sides}

    def crc(self) -> int:
        rows = self.best("asks")[:10] + self.best("bids")[:10]
        return zlib.crc32("".join(n.replace(".", "").lstrip("0") for row in rows for n in row).encode())


def replay(path: Path, codec: Kraken, depth: int) -> tuple[dict[str, int], int]:
    """Counts by kind of event, and of checksums that were right with books cut to `depth`."""
    (instrument,) = codec._instruments.values()
    plain, bids, asks = PlainBook(), Ladder(Side.BUY), Ladder(Side.SELL)
    kinds: dict[str, int] = {}
    right = 0
    for frame in Tape(path, instrument).frames():
        for event in codec.decode(frame.raw, frame.recv_ns):
            kinds[type(event).__name__] = kinds.get(type(event).__name__, 0) + 1
            if not isinstance(event, BookUpdate):
                continue
            for ladder, levels in ((bids, event.bids), (asks, event.asks)):
                if event.is_snapshot:
                    ladder.clear()
                ladder.apply(levels, depth)
            plain.apply(json.loads(frame.raw, parse_float=str))
            plain.truncate(depth)
            for name, ladder in (("bids", bids), ("asks", asks)):
                texts = [[int(p.replace(".", "")), int(q.replace(".", ""))] for p, q in plain.best(name)]
                assert ladder.levels(1000).tolist() == texts
            top = codec.checksum_depth
            ours = codec.checksum(instrument, bids.levels(top), asks.levels(top))
            assert ours == plain.crc()
            right += ours == event.checksum
    return kinds, right


@pytest.mark.parametrize(
    ("name", "instrument", "frames", "books"),
    [("kraken_v2_btcusd_d25", BTC, 2104, 2052), ("kraken_v2_ethusd_d25", ETH, 1170, 1129)],
)
def test_every_checksum_of_the_real_tapes(
    shared: Path, name: str, instrument: Any, frames: int, books: int
) -> None:
    codec = Kraken([instrument])
    path = shared / "tapes" / f"{name}.tape.gz"
    kinds, right = replay(path, codec, codec.depth)
    assert kinds == {"Unknown": 1, "Ack": 1, "BookUpdate": books, "Heartbeat": frames - books - 2}
    assert right == books


def test_without_truncation_the_checksums_go_wrong(shared: Path) -> None:
    """Kraken sends no delete for what falls out of the depth; so the test above does test the depth."""
    _, right = replay(shared / "tapes" / "kraken_v2_btcusd_d25.tape.gz", Kraken([BTC]), 1000)
    assert right < 2052 / 2


def test_checksum_of_a_thin_book_covers_what_there_is() -> None:
    one, none = np.array([[50, 5100]]), np.empty((0, 2), np.int64)
    assert CODEC.checksum(BTC, one, none) == zlib.crc32(b"505100")
    assert CODEC.checksum(BTC, none, none) == zlib.crc32(b"")


def test_requests() -> None:
    book, trade = (json.loads(text) for text in CODEC.subscribe([BTC, ETH], 3))
    assert book["params"]["symbol"] == trade["params"]["symbol"] == ["BTC/USD", "ETH/USD"]
    stop, start = (json.loads(text) for text in CODEC.resubscribe(ETH, 4))
    assert stop == {
        "method": "unsubscribe",
        "params": {"channel": "book", "depth": 25, "symbol": ["ETH/USD"]},
        "req_id": 4,
    }
    assert start["method"] == "subscribe"
    assert start["params"] == {"channel": "book", "depth": 25, "snapshot": True, "symbol": ["ETH/USD"]}
    assert CODEC.snapshot_path(BTC) is None


def test_requests_are_those_of_ccxt_pro() -> None:
    """Ours say of both channels whether a snapshot is wanted, where ccxt.pro takes the default.

    It also has a depth of 10 where its user asks for none, and leaves the checksum off.
    """
    theirs = ccxt.pro.kraken()
    watches = (
        (lambda: theirs.watch_order_book("BTC/USD", kraken.DEPTH), True),
        (lambda: theirs.watch_trades("BTC/USD"), False),
    )
    for text, (watch, snapshot) in zip(CODEC.subscribe([BTC], 1), watches, strict=True):
        url, request = request_of(theirs, watch)
        assert url == kraken.STREAM_URL
        ours = json.loads(text)
        assert ours["params"].pop("snapshot") is snapshot
        assert ours | {"req_id": 0} == request | {"req_id": 0}
    assert theirs.urls["api"]["public"] == kraken.REST_URL
    assert json.loads(CODEC.ping() or "") == theirs.ping(type("Client", (), {"url": kraken.STREAM_URL}))
    source = inspect.getsource(ccxt.pro.kraken)
    assert "[10, 25, 100, 500, 1000]" in source
    assert kraken.DEPTH in (10, 25, 100, 500, 1000)
    for name in ("'pong': self.handle_pong", "'book': self.handle_order_book", "'trade': self.handle_trades"):
        assert name in source
