"""Binance spot's wire: real frames, and every way a frame can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wire_frames import BINANCE_DEPTH as DEPTH
from wire_frames import BINANCE_QUOTE as QUOTE
from wire_frames import BINANCE_TRADE as TRADE

from citadel_kit import settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.types import Ack, BookUpdate, Link, Quote, Shutdown, Side, Trade, Unknown
from citadel_kit.venues.binance import BinanceSpot

BTC = settings.instrument("binance", "BTC/USDT")
ETH = settings.instrument("binance", "ETH/USDT")
CODEC = BinanceSpot([BTC])


def test_trade_side_is_the_aggressors() -> None:
    """`m` says that the buyer was the maker: the aggressor sold."""
    (sold,) = CODEC.decode(TRADE, 7)
    (bought,) = CODEC.decode(TRADE.replace(b'"m":true', b'"m":false'), 7)
    assert sold == Trade("BTC/USDT", 7, 1723161255342000000, 3735683259, 6183763, 2_000_000, Side.SELL)
    assert isinstance(bought, Trade)
    assert bought.side == Side.BUY


def test_quote() -> None:
    assert CODEC.decode(QUOTE, 7) == (
        Quote("BTC/USDT", 7, 0, 50093239212, 6183763, 378826000, 6183764, 154698000),
    )


def test_depth() -> None:
    (update,) = CODEC.decode(DEPTH, 7)
    assert isinstance(update, BookUpdate)
    assert update[:7] == ("BTC/USDT", 7, 1723161255308000000, 50093239203, 50093239207, -1, False)
    assert update.bids.tolist() == [[5565387, 0]]
    assert update.asks.tolist() == [[6183804, 32332000], [6186251, 0]]


def test_rest_snapshot_names_its_symbol_by_the_request() -> None:
    body = b'{"lastUpdateId":5,"bids":[["1.00","2"]],"asks":[["2.00","1.5"]]}'
    (update,) = CODEC.decode(body, 7)
    assert isinstance(update, BookUpdate)
    assert (update.symbol, update.is_snapshot, update.last_seq) == ("BTC/USDT", True, 5)
    both = BinanceSpot([BTC, ETH])
    (update,) = both.decode(body, 7, "ETH/USDT")
    assert isinstance(update, BookUpdate)
    assert update.symbol == "ETH/USDT"
    for codec, symbol in ((both, ""), (both, "BTC/EUR"), (CODEC, "BTC/EUR")):
        with pytest.raises(DecodeError, match="symbol"):
            codec.decode(body, 7, symbol)


def test_answers_to_requests() -> None:
    assert CODEC.decode(b'{"result":null,"id":1}', 7) == (Ack(7, 1, True, ""),)
    (ack,) = CODEC.decode(b'{"error":{"code":2,"msg":"Invalid request: unknown"},"id":1}', 7)
    assert isinstance(ack, Ack)
    assert not ack.ok
    assert "unknown" in ack.message


@pytest.mark.parametrize(
    "raw",
    [
        DEPTH.replace(b'"s":"BTCUSDT",', b""),
        DEPTH.replace(b'"U":50093239203', b'"U":50093239999'),
        DEPTH.replace(b'"u":50093239207', b'"u":50093239207111111111'),
        DEPTH.replace(b'"E":1723161255308', b'"E":17231612553080000'),
        DEPTH.replace(b'"E":1723161255308', b'"E":-1'),
        TRADE.replace(b'"t":3735683259', b'"t":37356832590000000000'),
        TRADE.replace(b'"T":1723161255342', b'"T":9223372036854775808'),
        TRADE.replace(b'"61837.63000000"', b'"\xd9\xa3"'),
        QUOTE.replace(b'"u":50093239212', b'"u":-4'),
        b'{"result":null,"id":9223372036854775808}',
        b'{"lastUpdateId":9223372036854775808,"bids":[],"asks":[]}',
        DEPTH.replace(b'"b":[["55653.87000000","0.00000000"]]', b'"b":"none"'),
        DEPTH.replace(b'"b":[["55653.87000000","0.00000000"]],', b""),
        TRADE.replace(b'"61837.63000000"', b'"much"'),
        TRADE.replace(b'"p":"61837.63000000",', b""),
        QUOTE.replace(b'"B":"3.78826000"', b'"B":""'),
        b'{"lastUpdateId":5,"bids":[["1.00","0.0"]],"asks":[]}',
    ],
)
def test_malformed_frames_raise_with_the_facts(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw, 7)
    assert caught.value.venue == "binance"
    assert caught.value.raw == raw[:200]


def test_unknown_kinds_are_named() -> None:
    raw = b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT"}}'
    assert CODEC.decode(raw, 7) == (Unknown(7, "kline"),)
    assert CODEC.decode(b'{"hello":1}', 7) == (Unknown(7, "unnamed"),)
    assert CODEC.decode(b'{"data":{"s":"BTCUSDT"}}', 7) == (Unknown(7, "unnamed"),)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"event":{"e":"serverShutdown","E":1770123456789}}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_the_order_to_reconnect_is_read_in_any_envelope(raw: bytes) -> None:
    assert CODEC.decode(raw, 7) == (Shutdown(7, "serverShutdown"),)
    assert CODEC.decode(raw.replace(b"Shutdown", b"Party"), 7) != (Shutdown(7, "serverShutdown"),)


@pytest.mark.parametrize("raw", [DEPTH, TRADE, QUOTE])
def test_another_instrument_is_no_error(raw: bytes) -> None:
    assert CODEC.decode(raw.replace(b"BTCUSDT", b"BTCEUR"), 7) == (Unknown(7, "other instrument"),)


def test_it_has_neither_heartbeat_nor_ping_nor_checksum_and_its_books_come_by_rest() -> None:
    assert (CODEC.heartbeat, CODEC.ping(), CODEC.depth, CODEC.checksum_depth) == (False, None, 0, 0)
    assert CODEC.resubscribe(BTC, 3) == []


def test_requests_are_binances() -> None:
    (text,) = CODEC.subscribe([BTC, ETH], 3)
    request = json.loads(text)
    assert request["method"] == "SUBSCRIBE"
    assert request["id"] == 3
    assert request["params"][:3] == ["btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade"]
    assert CODEC.snapshot_path(BTC) == "/api/v3/depth?symbol=BTCUSDT&limit=1000"


@pytest.mark.parametrize(
    ("seq", "just_synced", "first", "last", "expected"),
    [
        (10, True, 5, 9, Link.OLD),
        (10, True, 5, 10, Link.OLD),
        (10, True, 5, 11, Link.NEXT),
        (10, True, 11, 12, Link.NEXT),
        (10, True, 12, 13, Link.GAP),
        (10, False, 5, 10, Link.OLD),
        (10, False, 11, 11, Link.NEXT),
        (10, False, 10, 12, Link.GAP),
        (10, False, 12, 12, Link.GAP),
    ],
)
def test_link_rule(seq: int, just_synced: bool, first: int, last: int, expected: Link) -> None:
    (update,) = CODEC.decode(DEPTH, 7)
    assert isinstance(update, BookUpdate)
    assert CODEC.link(seq, just_synced, update._replace(first_seq=first, last_seq=last)) == expected


def test_every_frame_of_the_real_tape_decodes(shared: Path) -> None:
    kinds: dict[str, int] = {}
    for frame in Tape(shared / "tapes" / "binance_spot_btcusdt.tape.gz", BTC).frames():
        for event in CODEC.decode(frame.raw, frame.recv_ns):
            name = type(event).__name__
            kinds[name] = kinds.get(name, 0) + 1
    assert kinds == {"BookUpdate": 3452, "Quote": 28040, "Trade": 9757}
