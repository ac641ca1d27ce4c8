"""Binance USD-M's wire: where it differs from spot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wire_frames import USDM_DEPTH as DEPTH
from wire_frames import USDM_QUOTE as QUOTE
from wire_frames import USDM_TRADE as TRADE

from citadel_kit import settings
from citadel_kit.errors import DecodeError
from citadel_kit.io.tape import Tape
from citadel_kit.types import BookUpdate, Link, Quote, Side, Trade, Unknown
from citadel_kit.venues import binance, codec, endpoints
from citadel_kit.venues.binance import BinanceUsdm

BTC = settings.instrument("binanceusdm", "BTC/USDT")
CODEC = BinanceUsdm([BTC])


def depth(first: int, last: int, prev: int) -> BookUpdate:
    (update,) = CODEC.decode(DEPTH, 7)
    assert isinstance(update, BookUpdate)
    return update._replace(first_seq=first, last_seq=last, prev_seq=prev)


def test_depth_names_its_predecessor() -> None:
    (update,) = CODEC.decode(DEPTH, 7)
    assert isinstance(update, BookUpdate)
    seqs = (5123107832006, 5123107837557, 5123107831937)
    assert update[:7] == ("BTC/USDT", 7, 1723161256299000000, *seqs, False)
    assert update.bids.tolist() == [[5871020, 14]]
    assert update.asks.tolist() == [[6180800, 0]]


def test_quote_has_a_time() -> None:
    assert CODEC.decode(QUOTE, 7) == (
        Quote("BTC/USDT", 7, 1723161256313000000, 5123107839020, 6180020, 2507, 6180030, 2510),
    )


def test_trade() -> None:
    assert CODEC.decode(TRADE, 7) == (
        Trade("BTC/USDT", 7, 1723161256321000000, 5266583935, 6180030, 6, Side.BUY),
    )


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_a_trade_that_did_not_go_through_the_book_is_none(kind: str) -> None:
    raw = TRADE.replace(b"MARKET", kind.encode())
    assert CODEC.decode(raw, 7) == (Unknown(7, f"trade {kind}"),)


def test_snapshot() -> None:
    body = b'{"lastUpdateId":5,"E":1,"T":1,"bids":[["1.00","2"]],"asks":[["2.00","1.5"]]}'
    (update,) = CODEC.decode(body, 7)
    assert isinstance(update, BookUpdate)
    assert (update.is_snapshot, update.last_seq, update.asks.tolist()) == (True, 5, [[200, 1500]])
    assert CODEC.snapshot_path(BTC) == "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"


def test_errors_name_the_venue() -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(DEPTH[:-3], 7)
    assert caught.value.venue == "binanceusdm"


@pytest.mark.parametrize(
    ("just_synced", "first", "last", "prev", "expected"),
    [
        (True, 90, 99, 89, Link.OLD),
        (True, 90, 100, 89, Link.NEXT),
        (True, 95, 105, 80, Link.NEXT),
        (True, 100, 105, 94, Link.NEXT),
        (True, 101, 105, 100, Link.NEXT),
        (True, 110, 120, 100, Link.NEXT),
        (True, 101, 105, 99, Link.GAP),
        (True, 110, 120, 105, Link.GAP),
        (True, 95, 105, -1, Link.GAP),
        (False, 90, 99, 89, Link.OLD),
        (False, 90, 100, 89, Link.OLD),
        (False, 101, 105, 100, Link.NEXT),
        (False, 140, 150, 100, Link.NEXT),
        (False, 95, 105, 94, Link.GAP),
        (False, 101, 105, 99, Link.GAP),
        (False, 101, 105, 101, Link.GAP),
        (False, 101, 105, -1, Link.GAP),
    ],
)
def test_link_rule(just_synced: bool, first: int, last: int, prev: int, expected: Link) -> None:
    """Of a book at 100. Update ids leave holes between events: only `pu` tells."""
    assert CODEC.link(100, just_synced, depth(first, last, prev)) == expected


def test_it_is_known_by_its_name() -> None:
    assert isinstance(codec("binanceusdm", [BTC]), BinanceUsdm)
    assert endpoints("binanceusdm") == (binance.USDM_STREAM_URL, binance.USDM_REST_URL)
    (text,) = CODEC.subscribe([BTC], 1)
    assert json.loads(text)["params"] == ["btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade"]


def test_every_frame_of_the_real_tape_decodes(shared: Path) -> None:
    kinds: dict[str, int] = {}
    for frame in Tape(shared / "tapes" / "binance_usdm_btcusdt.tape.gz", BTC).frames():
        for event in CODEC.decode(frame.raw, frame.recv_ns):
            name = type(event).__name__
            kinds[name] = kinds.get(name, 0) + 1
    assert kinds == {"BookUpdate": 6552, "Quote": 66_089, "Trade": 21_313}
