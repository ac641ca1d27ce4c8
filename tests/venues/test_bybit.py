"""Bybit's wire: real frames, every way a frame can be wrong, and agreement with ccxt.pro."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import ccxt.pro
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
BOOK = (
    b'{"topic":"orderbook.50.BTCUSDT","ts":1731035685326,"type":"delta","data":{"s":"BTCUSDT",'
    b'"b":[["75848.74","0.067669"],["75840","0"]],"a":[],"u":18521289,"seq":7961638725},"cts":1731035685320}'
)
SNAPSHOT = (
    b'{"topic":"orderbook.50.BTCUSDT","ts":1731035685300,"type":"snapshot","data":{"s":"BTCUSDT",'
    b'"b":[["75840","1"]],"a":[["75850.1","0.5"]],"u":18521288,"seq":7961638724},"cts":1731035685299}'
)
QUOTE = (
    b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1786639170499,"data":{"s":"BTCUSDT",'
    b'"b":[["63040.8","3.323"]],"a":[["63040.9","4.686"]],"u":31071061,"seq":763537012912},"cts":1786639170498}'
)
TRADE = (
    b'{"topic":"publicTrade.BTCUSDT","ts":1789875217841,"type":"snapshot","data":[{"BT":false,"RPI":false,'
    b'"S":"Sell","T":1789875217840,"i":"2290000001211680903","p":"80413.3","s":"BTCUSDT","seq":114263055846,'
    b'"v":"0.06"},{"BT":false,"RPI":false,"S":"Buy","T":1789875217839,'
    b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","p":"80413.4","s":"BTCUSDT","seq":114263055846,"v":"1"}]}'
)
PONG = b'{"success":true,"ret_msg":"pong","conn_id":"a806f6c4-3608-4b6d-a225-9f5da975bc44","op":"ping"}'
ACK = b'{"success":true,"ret_msg":"subscribe","conn_id":"d30fdpbboasp1pjbe7r0","req_id":"3","op":"subscribe"}'
REFUSED = (
    b'{"success":false,"ret_msg":"error:handler not found,topic:orderbook.50.NOPEUSDT","conn_id":"da7t",'
    b'"req_id":"3","op":"subscribe"}'
)


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
        b"",
        b"{",
        b"[]",
        b"null",
        b"pong",
        b"\xff\xfe",
        BOOK[:-3],
        BOOK.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
        BOOK.replace(b'"75848.74"', b'"75848.741"'),
        BOOK.replace(b'"75848.74"', b'"-1"'),
        BOOK.replace(b'"75848.74"', b'"7e4"'),
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


FRAMES = [BOOK, SNAPSHOT, QUOTE, TRADE, PONG, ACK, REFUSED]


@given(st.binary(max_size=400) | st.tuples(st.sampled_from(FRAMES), st.data()))
def test_no_bytes_raise_anything_but_decode_error(raw: object) -> None:
    if isinstance(raw, tuple):
        frame, data = raw
        at = data.draw(st.integers(0, len(frame) - 1))
        raw = frame[:at] + data.draw(st.binary(max_size=3)) + frame[at + data.draw(st.integers(0, 3)) :]
    assert isinstance(raw, bytes)
    try:
        CODEC.decode(raw, 7)
    except DecodeError as error:
        assert len(error.raw) <= 200


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
