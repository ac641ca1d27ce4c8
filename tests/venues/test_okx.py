"""OKX's wire: real frames, every way a frame can be wrong, and agreement with ccxt.pro."""

from __future__ import annotations

import inspect
import json
import zlib
from collections import Counter
from pathlib import Path

import ccxt.pro
import numpy as np
import pytest
from wire_frames import OKX_ACK as ACK
from wire_frames import OKX_QUOTE as QUOTE
from wire_frames import OKX_REFUSED as REFUSED
from wire_frames import OKX_SNAPSHOT as SNAPSHOT
from wire_frames import OKX_TRADE as TRADE
from wire_frames import OKX_UPDATE as UPDATE

from citadel_kit import settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.types import Ack, BookUpdate, Heartbeat, Link, Quote, Side, Trade, Unknown
from citadel_kit.venues import okx
from citadel_kit.venues.okx import Okx

BTC = settings.instrument("okx", "BTC/USDT")
UNI = settings.instrument("okx", "UNI/USD:UNI")
FUTURE = settings.instrument("okx", "BTC/USD:BTC-220527")
CODEC = Okx([BTC])

NO_SEQ = b',"prevSeqId":10000000,"seqId":10000014'


def only(raw: bytes) -> BookUpdate:
    (update,) = CODEC.decode(raw, 7)
    assert isinstance(update, BookUpdate)
    return update


def test_update() -> None:
    update = only(UPDATE)
    assert update[:7] == ("BTC/USDT", 7, 1652459225453000000, 10000014, 10000014, 10000000, False)
    assert update.bids.tolist() == [[302280, 50000000]]
    assert update.asks.tolist() == [[302435, 121120000], [302475, 0]]


def test_snapshot() -> None:
    snapshot = only(SNAPSHOT)
    assert (snapshot.is_snapshot, snapshot.last_seq, snapshot.prev_seq) == (True, 10000000, -1)


def test_a_checksum_of_0_is_none_and_any_other_is_unsigned() -> None:
    """So that -1, which says that there is none, is nobody's checksum."""
    assert only(UPDATE).checksum == -1
    assert only(UPDATE.replace(b'"checksum":0', b'"checksum":-1')).checksum == 0xFFFFFFFF
    assert only(UPDATE.replace(b'"checksum":0', b'"checksum":1361161687')).checksum == 1361161687


def test_checksum_of_the_documented_example() -> None:
    """`bid:ask:bid:ask`, and where one side is shorter the other goes on."""
    bids = np.array([[33661, 7]])
    asks = np.array([[33668, 9], [33680, 8], [33720, 8]])
    assert CODEC.checksum(FUTURE, bids, asks) == zlib.crc32(b"3366.1:7:3366.8:9:3368:8:3372:8")
    assert CODEC.checksum(FUTURE, bids[:0], asks[:0]) == zlib.crc32(b"")


def test_bbo_shares_the_books_sequence() -> None:
    quote = Quote("BTC/USDT", 7, 1670324386802000000, 363996337, 302280, 50000000, 302435, 140000000)
    assert list(CODEC.decode(QUOTE, 7)) == [quote]
    assert list(CODEC.decode(QUOTE.replace(b'[["30228","0.5","0","2"]]', b"[]"), 7)) == [
        quote._replace(bid=0, bid_qty=0)
    ]
    assert list(CODEC.decode(QUOTE.replace(b',"seqId":363996337', b""), 7)) == [
        Unknown(7, "bbo-tbt without seqId")
    ]


def test_trade_side_is_the_takers() -> None:
    (bought,) = CODEC.decode(TRADE, 7)
    (sold,) = CODEC.decode(TRADE.replace(b'"buy"', b'"sell"'), 7)
    assert bought == Trade("BTC/USDT", 7, 1652459224818000000, 338476307, 302360, 20000, Side.BUY)
    assert isinstance(sold, Trade)
    assert sold.side == Side.SELL


def test_answers() -> None:
    assert CODEC.decode(b"pong", 7) == (Heartbeat(7),)
    assert CODEC.decode(ACK, 7) == (Ack(7, 3, True, ""),)
    assert CODEC.decode(ACK.replace(b'"id":"3",', b"").replace(b'"subscribe"', b'"unsubscribe"'), 7) == (
        Ack(7, -1, True, ""),
    )
    refused = Ack(7, -1, False, "60018 channel:book,instId:BTC-USDT is unknown")
    assert CODEC.decode(REFUSED, 7) == (refused,)


def test_what_was_not_asked_for_is_counted_not_fatal() -> None:
    notice = b'{"event":"notice","code":"64008","msg":"upgrade","connId":"a4d3ae55"}'
    assert CODEC.decode(notice, 7) == (Unknown(7, "notice 64008"),)
    assert CODEC.decode(UPDATE.replace(b"BTC-USDT", b"ETH-USDT"), 7) == (Unknown(7, "other instrument"),)
    assert CODEC.decode(UPDATE.replace(b'"books"', b'"tickers"'), 7) == (Unknown(7, "tickers"),)
    for unnamed in (b'{"hello":1}', b'{"event":" "}'):
        assert CODEC.decode(unnamed, 7) == (Unknown(7, "unnamed"),)


@pytest.mark.parametrize(
    "raw",
    [
        b"pong ",
        UPDATE.replace(b'"update"', b'"upadte"'),
        UPDATE.replace(b'"seqId":10000014', b'"seqId":-2'),
        UPDATE.replace(b'"seqId":10000014', b'"seqId":99999999999999999999'),
        UPDATE.replace(b'"prevSeqId":10000000', b'"prevSeqId":-1'),
        UPDATE.replace(b'"prevSeqId":10000000,', b""),
        UPDATE.replace(NO_SEQ, b""),
        UPDATE.replace(b'"checksum":0', b'"checksum":4294967296'),
        UPDATE.replace(b'"ts":"1652459225453"', b'"ts":"soon"'),
        UPDATE.replace(b'"ts":"1652459225453"', b'"ts":"99999999999999"'),
        UPDATE.replace(b'"asks":', b'"axks":'),
        UPDATE.replace(b'"data":', b'"date":'),
        SNAPSHOT.replace(b'"1.44679"', b'"0"'),
        QUOTE.replace(b'["30228","0.5","0","2"]', b'["30228","0.5","0","2"],["30227","1","0","2"]'),
        TRADE.replace(b'"30236"', b'"much"'),
        TRADE.replace(b'"buy"', b'"Buy"'),
        TRADE.replace(b'"instId":"BTC-USDT","tradeId"', b'"instId":"ETH-USDT","tradeId"'),
        TRADE.replace(b'"338476307"', b'"3384x"'),
        ACK.replace(b'"3"', b'"three"'),
    ],
)
def test_malformed_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw, 7)
    assert caught.value.venue == "okx"
    assert caught.value.raw == raw[:200]


def test_an_error_names_the_channel() -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(TRADE.replace(b'"30236"', b'"much"'), 7)
    assert caught.value.channel == "trades"


@pytest.mark.parametrize(
    ("book_seq", "prev_seq", "seq", "expected"),
    [
        (10, 10, 15, Link.NEXT),
        (15, 15, 15, Link.NEXT),  # no change: the venue shows that it is alive
        (15, 15, 3, Link.NEXT),  # reset by a maintenance …
        (3, 3, 5, Link.NEXT),
        (15, 3, 5, Link.GAP),  # … that was lost
        (15, 10, 15, Link.OLD),
        (15, 16, 20, Link.GAP),
        (15, 5, 10, Link.GAP),
        (-1, -1, -1, Link.NEXT),  # the old stream, without sequence
        (-1, 10, 15, Link.GAP),
        (15, -1, -1, Link.GAP),
    ],
)
@pytest.mark.parametrize("just_synced", [True, False])
def test_link_rule(book_seq: int, prev_seq: int, seq: int, just_synced: bool, expected: Link) -> None:
    update = only(UPDATE)._replace(prev_seq=prev_seq, first_seq=seq, last_seq=seq)
    assert CODEC.link(book_seq, just_synced, update) == expected


def test_requests() -> None:
    (text,) = CODEC.subscribe([BTC, UNI], 3)
    request = json.loads(text)
    assert (request["id"], request["op"], len(request["args"])) == ("3", "subscribe", 6)
    assert request["args"][:3] == [
        {"channel": channel, "instId": "BTC-USDT"} for channel in ("books", "bbo-tbt", "trades")
    ]
    again = [json.loads(text) for text in CODEC.resubscribe(UNI, 4)]
    assert [request["op"] for request in again] == ["unsubscribe", "subscribe"]
    assert all(request["args"] == [{"channel": "books", "instId": "UNI-USD-SWAP"}] for request in again)
    assert CODEC.ping() == "ping"
    assert CODEC.snapshot_path(BTC) is None


class PlainBook:
    """The wire's own texts by price: no integer in it."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def apply(self, data: dict[str, list[list[str]]]) -> None:
        for side, levels in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for price, qty, *_ in levels:
                side.pop(price, None)
                if qty != "0":
                    side[price] = qty

    def crc(self) -> int:
        bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))[:25]
        asks = sorted(self.asks.items(), key=lambda level: float(level[0]))[:25]
        parts = []
        for k in range(25):
            parts += [":".join(side[k]) for side in (bids, asks) if k < len(side)]
        return zlib.crc32(":".join(parts).encode())


class IntegerBook:
    """What the codec's updates add up to."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.seq = -1

    def apply(self, update: BookUpdate) -> None:
        self.bids = {p: q for p, q in {**self.bids, **dict(update.bids.tolist())}.items() if q}
        self.asks = {p: q for p, q in {**self.asks, **dict(update.asks.tolist())}.items() if q}
        self.seq = update.last_seq

    def best(self, depth: int) -> tuple[np.ndarray, np.ndarray]:
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        assert bids[0][0] < asks[0][0]
        return np.array(bids, np.int64), np.array(asks, np.int64)


def replay(path: Path) -> Counter[str]:
    """Every frame for all three instruments, each link and each checksum; what was counted."""
    instruments = {i.symbol: i for i in (BTC, UNI, FUTURE)}
    codec = Okx([*instruments.values()])
    plain, books = {}, {}
    counts: Counter[str] = Counter()
    for frame in Tape(path, BTC).frames():
        for event in codec.decode(frame.raw, frame.recv_ns):
            counts[type(event).__name__] += 1
            if not isinstance(event, BookUpdate):
                continue
            if event.is_snapshot:
                plain[event.symbol], books[event.symbol] = PlainBook(), IntegerBook()
            else:
                counts["links"] += codec.link(books[event.symbol].seq, False, event) == Link.NEXT
            document = json.loads(frame.raw)["data"][0]
            books[event.symbol].apply(event)
            plain[event.symbol].apply(document)
            assert max(len(books[event.symbol].bids), len(books[event.symbol].asks)) <= 400
            ours = codec.checksum(instruments[event.symbol], *books[event.symbol].best(codec.checksum_depth))
            assert ours == plain[event.symbol].crc()
            counts["checksums alive"] += event.checksum != -1
            counts[f"right {event.symbol}"] += ours == event.checksum
    return counts


def test_every_checksum_of_the_real_tape(shared: Path) -> None:
    counts = replay(shared / "tapes" / "okx_v5_2022_crc.tape.gz")
    assert counts == {
        "Ack": 18,
        "Unknown": 28,  # tickers
        "Trade": 74,
        "BookUpdate": 290,
        "links": 287,
        "checksums alive": 290,
        "right BTC/USDT": 98,
        "right UNI/USD:UNI": 93,
        "right BTC/USD:BTC-220527": 99,
    }


def test_every_link_of_the_tape_in_todays_form(shared: Path) -> None:
    counts = replay(shared / "tapes" / "okx_v5_seqid_derived.tape.gz")
    assert counts["BookUpdate"] == 290
    assert counts["links"] == 287
    assert counts["checksums alive"] == 0
    assert counts["Ack"] + counts["Unknown"] + counts["Trade"] + counts["BookUpdate"] == 410


def found_out(path: Path) -> tuple[int, int]:
    """Leave out each update of BTC/USDT in turn: how often the next one tells, and of how many."""
    book, held = IntegerBook(), None
    updates = found = 0
    for frame in Tape(path, BTC).frames():
        for event in CODEC.decode(frame.raw, frame.recv_ns):
            if not isinstance(event, BookUpdate):
                continue
            if held is not None:
                updates += 1
                holed = IntegerBook()
                holed.bids, holed.asks = book.bids, book.asks
                holed.apply(event)
                bids, asks = (
                    np.array(sorted(holed.bids.items())[:-26:-1]),
                    np.array(sorted(holed.asks.items())[:25]),
                )
                wrong = event.checksum not in (-1, CODEC.checksum(BTC, bids, asks))
                found += wrong or CODEC.link(book.seq, False, event) == Link.GAP
                book.apply(held)
            held = event
            if event.is_snapshot:
                book.apply(event)
                held = None
    return found, updates


@pytest.mark.parametrize("name", ["okx_v5_seqid_derived", "okx_v5_2022_crc"])
def test_every_lost_update_is_found_out_by_the_next(shared: Path, name: str) -> None:
    """By its link in today's form, by the checksum on the old stream."""
    assert found_out(shared / "tapes" / f"{name}.tape.gz") == (96, 96)


def test_names_are_those_of_ccxt_pro() -> None:
    """Ours differ in one thing: a request has an `id`, so that its answers can be told apart."""
    theirs = ccxt.pro.okx()
    for channel in ("books", "bbo-tbt", "trades"):
        assert theirs.get_url(channel) == okx.STREAM_URL
    assert theirs.implode_hostname(theirs.urls["api"]["rest"]) == okx.REST_URL
    assert theirs.ping(None) == CODEC.ping()
    assert theirs.options["watchOrderBook"]["depth"] == "books"
    assert theirs.options["watchBidsAsks"]["channel"] == "bbo-tbt"
    source = inspect.getsource(type(theirs))
    assert "'watchTrades', 'channel', 'trades')" in source
    assert "'op': 'subscribe'" in source
    assert "'op': 'unsubscribe'" in source
    assert "'instId': marketId" in source
    assert "if message == 'pong'" in source


def test_symbols_are_spelled_as_ccxts() -> None:
    theirs = ccxt.pro.okx()
    terms = {"instType": "SPOT", "baseCcy": "BTC", "quoteCcy": "USDT", "tickSz": "0.1", "lotSz": "0.00000001"}
    swap = {"instType": "SWAP", "uly": "UNI-USD", "settleCcy": "UNI", "ctType": "inverse", "ctVal": "10"}
    future = {**swap, "instType": "FUTURES", "uly": "BTC-USD", "settleCcy": "BTC", "expTime": "1653638400000"}
    for instrument, own in ((BTC, {}), (UNI, swap), (FUTURE, future)):
        market = theirs.parse_market({**terms, **own, "instId": instrument.venue_symbol})
        assert market["symbol"] == instrument.symbol


def test_ccxt_pro_links_by_identity_too() -> None:
    """The rule we rely on for keep-alives and maintenance resets: no comparison of the numbers' size."""
    source = inspect.getsource(ccxt.pro.okx.handle_order_book_message)
    assert "prevSeqId != -1 and nonce != prevSeqId" in source
    assert "orderbook['nonce'] = seqId" in source
