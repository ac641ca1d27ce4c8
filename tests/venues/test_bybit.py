"""Bybit's wire: real frames, every way a frame can be wrong, and agreement with ccxt.pro."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import ccxt.pro
import pytest
from wire_frames import BYBIT_ACK as ACK
from wire_frames import BYBIT_BOOK as BOOK
from wire_frames import BYBIT_PONG as PONG
from wire_frames import BYBIT_QUOTE as QUOTE
from wire_frames import BYBIT_REFUSED as REFUSED
from wire_frames import BYBIT_SNAPSHOT as SNAPSHOT
from wire_frames import BYBIT_TRADE as TRADE

from citadel_kit import settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.types import Ack, BookUpdate, Heartbeat, Link, Quote, Side, Trade, Unknown, to_units
from citadel_kit.venues import bybit
from citadel_kit.venues.bybit import Bybit

BTC = settings.instrument("bybit", "BTC/USDT")
XRP = settings.instrument("bybitlinear", "XRP/USDT")
CODEC = Bybit([BTC])
LINEAR = Bybit([XRP], venue="bybitlinear")

# The order of fields is spot's in the book and linear's in the quote.


def test_delta() -> None:
    (update,) = CODEC.decode(BOOK, 7)
    assert isinstance(update, BookUpdate)
    assert update[:7] == ("BTC/USDT", 7, 1731035685326000000, 18521289, 18521289, -1, False)
    assert update.bids.tolist() == [[7584874, 67669], [7584000, 0]]
    assert update.asks.shape == (0, 2)
    assert update.checksum == -1


def test_a_snapshot_and_update_id_1_replace_the_book() -> None:
    """At a restart of its service the venue sends the whole book as `u` 1, whatever its label says."""
    (snapshot,) = CODEC.decode(SNAPSHOT, 7)
    (restarted,) = CODEC.decode(BOOK.replace(b'"u":18521289', b'"u":1'), 7)
    assert isinstance(snapshot, BookUpdate)
    assert isinstance(restarted, BookUpdate)
    assert (snapshot.is_snapshot, snapshot.last_seq) == (True, 18521288)
    assert (restarted.is_snapshot, restarted.last_seq) == (True, 1)


def test_the_order_of_fields_means_nothing() -> None:
    document = json.loads(BOOK)
    turned = {name: document[name] for name in reversed(document)}
    turned["data"] = {name: document["data"][name] for name in reversed(document["data"])}
    (expected,) = CODEC.decode(BOOK, 7)
    (update,) = CODEC.decode(json.dumps(turned).encode(), 7)
    assert isinstance(expected, BookUpdate)
    assert isinstance(update, BookUpdate)
    assert update[:7] == expected[:7]
    assert update.bids.tolist() == expected.bids.tolist()


def test_level_1_is_a_quote_without_a_place_in_the_books_sequence() -> None:
    expected = Quote("BTC/USDT", 7, 1786639170499000000, -1, 6304080, 3323000, 6304090, 4686000)
    assert CODEC.decode(QUOTE, 7) == (expected,)
    (one_sided,) = CODEC.decode(QUOTE.replace(b'[["63040.8","3.323"]]', b"[]"), 7)
    assert one_sided == expected._replace(bid=0, bid_qty=0)
    assert CODEC.decode(QUOTE.replace(b'"snapshot"', b'"delta"'), 7) == (Unknown(7, "orderbook.1 delta"),)


def test_trades_name_the_taker() -> None:
    assert list(CODEC.decode(TRADE, 7)) == [
        Trade("BTC/USDT", 7, 1789875217840000000, 2290000001211680903, 8041330, 60000, Side.SELL),
        Trade("BTC/USDT", 7, 1789875217839000000, -1, 8041340, 1000000, Side.BUY),
    ]


def test_a_message_of_1024_trades() -> None:
    document = json.loads(TRADE)
    document["data"] = document["data"][:1] * 1024
    assert len(CODEC.decode(json.dumps(document).encode(), 7)) == 1024


def test_block_trades_are_no_trades_of_the_book() -> None:
    first, second = CODEC.decode(TRADE.replace(b'"BT":false', b'"BT":true', 1), 7)
    assert first == Unknown(7, "block trade")
    assert isinstance(second, Trade)


def test_answers() -> None:
    assert CODEC.decode(PONG, 7) == (Heartbeat(7),)
    assert CODEC.decode(b'{"req_id":"2","op":"pong","args":["1757405570352"],"conn_id":"d2"}', 7) == (
        Heartbeat(7),
    )
    assert CODEC.decode(ACK, 7) == (Ack(7, 3, True, ""),)
    assert CODEC.decode(REFUSED, 7) == (
        Ack(7, 3, False, "error:handler not found,topic:orderbook.50.NOPEUSDT"),
    )


def test_what_was_not_asked_for_is_counted_not_fatal() -> None:
    assert CODEC.decode(BOOK.replace(b"BTCUSDT", b"ETHUSDT"), 7) == (Unknown(7, "other instrument"),)
    assert CODEC.decode(b'{"topic":"tickers.BTCUSDT","data":{}}', 7) == (Unknown(7, "tickers.BTCUSDT"),)
    assert CODEC.decode(b'{"hello":1}', 7) == (Unknown(7, "unnamed"),)


@pytest.mark.parametrize(
    "raw",
    [
        b"pong",
        BOOK.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
        BOOK.replace(b'"delta"', b'"detla"'),
        BOOK.replace(b'"u":18521289', b'"u":0'),
        BOOK.replace(b'"u":18521289', b'"u":99999999999999999999'),
        BOOK.replace(b'"u":18521289,', b""),
        BOOK.replace(b'"a":[],', b""),
        BOOK.replace(b'"a":[]', b'"a":null'),
        BOOK.replace(b'"ts":1731035685326', b'"ts":99999999999999'),
        BOOK.replace(b'"data":{', b'"date":{'),
        SNAPSHOT.replace(b'"1"]', b'"0"]'),
        QUOTE.replace(b'[["63040.8","3.323"]]', b'[["63040.8","3.323"],["63040.7","1"]]'),
        TRADE.replace(b'"80413.3"', b'"much"'),
        TRADE.replace(b'"Sell"', b'"sell"'),
        TRADE.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"', 1),
        TRADE.replace(b'"v":"1"', b'"w":"1"'),
        ACK.replace(b'"3"', b'"three"'),
    ],
)
def test_malformed_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw, 7)
    assert caught.value.venue == "bybit"
    assert caught.value.raw == raw[:200]


def test_an_error_names_the_venue_and_the_channel() -> None:
    with pytest.raises(DecodeError) as caught:
        LINEAR.decode(b'{"topic":"publicTrade.XRPUSDT","data":[{}]}', 7)
    assert (caught.value.venue, caught.value.channel) == ("bybitlinear", "publicTrade.XRPUSDT")


@pytest.mark.parametrize(
    ("book_seq", "update_id", "expected"),
    [
        (10, 11, Link.NEXT),
        (10, 10, Link.OLD),
        (10, 12, Link.GAP),
        (10, 9, Link.GAP),  # the service restarted, and its snapshot was lost
        (10, 2, Link.GAP),
        (1, 2, Link.NEXT),
    ],
)
@pytest.mark.parametrize("just_synced", [True, False])
def test_link_rule(book_seq: int, update_id: int, just_synced: bool, expected: Link) -> None:
    (update,) = CODEC.decode(BOOK, 7)
    assert isinstance(update, BookUpdate)
    update = update._replace(first_seq=update_id, last_seq=update_id)
    assert CODEC.link(book_seq, just_synced, update) == expected


def test_requests() -> None:
    (text,) = CODEC.subscribe([BTC], 3)
    assert json.loads(text) == {
        "req_id": "3",
        "op": "subscribe",
        "args": ["orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT", "publicTrade.BTCUSDT"],
    }
    again = [json.loads(text) for text in CODEC.resubscribe(BTC, 4)]
    assert [request["op"] for request in again] == ["unsubscribe", "subscribe"]
    assert all(request["args"] == ["orderbook.50.BTCUSDT"] for request in again)
    assert json.loads(CODEC.ping() or "") == {"op": "ping"}
    assert CODEC.snapshot_path(BTC) is None


def test_a_request_has_ten_topics_at_most() -> None:
    requests = [json.loads(text)["args"] for text in CODEC.subscribe([BTC] * 7, 1)]
    assert [len(topics) for topics in requests] == [10, 10, 1]


def test_every_frame_of_the_real_tape_against_a_plain_book(shared: Path) -> None:
    plain: dict[str, dict[int, int]] = {}
    book: dict[str, dict[int, int]] = {}
    seq, frames = -1, 0
    for frame in Tape(shared / "tapes" / "bybit_v5_linear_xrpusdt_ob500.tape.gz", XRP).frames():
        document = json.loads(frame.raw)
        (update,) = LINEAR.decode(frame.raw, frame.recv_ns)
        assert isinstance(update, BookUpdate)
        assert update.is_snapshot == (document["type"] == "snapshot") == (frames == 0)
        if update.is_snapshot:
            plain, book = {"b": {}, "a": {}}, {"b": {}, "a": {}}
        else:
            assert LINEAR.link(seq, frames == 1, update) == Link.NEXT
            assert LINEAR.link(seq - 1, False, update) == Link.GAP
        for side, levels in (("b", update.bids), ("a", update.asks)):
            plain[side].update({to_units(p, 4): to_units(q, 1) for p, q in document["data"][side]})
            plain[side] = {p: q for p, q in plain[side].items() if q}
            book[side].update(dict(levels.tolist()))
            book[side] = {p: q for p, q in book[side].items() if q}
            assert len(book[side]) == 500  # the venue deletes what leaves the depth
        assert book == plain
        assert max(book["b"]) < min(book["a"])
        assert update.exch_ns == document["ts"] * 1_000_000
        seq = update.last_seq
        frames += 1
    assert (frames, seq) == (50, 20254869 + 49)


def test_names_are_those_of_ccxt_pro() -> None:
    """Ours differ in nothing; ccxt.pro numbers its pings, which Bybit leaves to the client."""
    theirs = ccxt.pro.bybit()
    urls = theirs.urls["api"]["ws"]["public"]
    assert theirs.implode_hostname(urls["spot"]) == bybit.SPOT_STREAM_URL
    assert theirs.implode_hostname(urls["linear"]) == bybit.LINEAR_STREAM_URL
    assert theirs.implode_hostname(theirs.urls["api"]["public"]) == bybit.REST_URL
    assert theirs.ping(None)["op"] == json.loads(CODEC.ping() or "")["op"]
    source = inspect.getsource(type(theirs))
    for topic in ("'orderbook.' + str(limitResolved) + '.'", "'orderbook.1.'", "'publicTrade.'"):
        assert topic in source
    assert "100 if (market['option'] is True) else 50" in source  # their depth, and ours
    assert "'op': 'subscribe'" in source
    assert "'op': 'unsubscribe'" in source
    assert "'req_id': " in source
