"""Binance's depth event in one pass, beside the JSON decoder that reads everything else."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codec_judge import Judge, twin_kernels
from mutations import mutated
from wire_frames import instruments

from citadel_kit import settings
from citadel_kit.io.tape import TapeFile
from citadel_kit.ladder import depth_event, read_event
from citadel_kit.types import Unknown
from citadel_kit.venues import codec

HEAD = b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"'
SPOT = HEAD + b',"E":5,"s":"BTCUSDT","U":7,"u":9,"b":[["61737.63000000","0.5"],["1","2"]],"a":[]}}'
USDM = HEAD + b',"E":5,"T":4,"s":"BTCUSDT","U":7,"u":9,"pu":6,"b":[],"a":[["0.10","25.42600000"]]}}'


@pytest.fixture(scope="module", autouse=True)
def kernels() -> Iterator[None]:
    with twin_kernels():
        yield


def test_what_the_venue_writes_is_read() -> None:
    event_ms, first, last, before, bids, asks = read_event(SPOT, 2, 1) or ()
    assert (event_ms, first, last, before) == (5, 7, 9, -1)
    assert bids.tolist() == [[6173763, 5], [100, 20]]
    assert asks.tolist() == []
    event_ms, first, last, before, bids, asks = read_event(USDM, 2, 8) or ()
    assert (event_ms, first, last, before) == (5, 7, 9, 6)
    assert bids.tolist() == []
    assert asks.tolist() == [[10, 2542600000]]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b',"E":5', b""),  # missing
        (b',"s":"BTCUSDT"', b""),
        (b',"a":[]', b""),
        (b'"a":[]', b'"pu":1,"a":[],"pu":1'),  # twice
        (b'"b":', b'"a":[],"b":'),  # asks before bids
        (b'"E":5', b'"X":5'),  # another member
        (b'"u":9', b'"uu":9'),
        (b'"E":5', b'"E": 5'),  # a space
        (b'"E":5', b'"E":05'),  # no JSON
        (b'"E":5', b'"E":'),
        (b'"E":5', b'"E":-5'),
        (b'"E":5', b'"E":5.0'),
        (b'"E":5', b'"E":9000000000001'),  # later than any time
        (b'"U":7', b'"U":1000000000000000000'),  # nineteen digits
        (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),  # of another stream
        (b'"s":"BTCUSDT"', b'"s":"BTCUSD"'),
        (b'"s":"BTCUSDT"', b'"s":"BTCUSDTX"'),
        (b"depthUpdate", b"depthUpdates"),
        (b"btcusdt@", b"btcusdt"),
        (b'"1"', b"1"),  # unquoted
        (b'"1"', b'"-1"'),
        (b'"1"', b'"1e2"'),
        (b'"1"', b'""'),
        (b'"1"', b'".1"'),
        (b'"0.5"', b'"0.51"'),  # finer than the instrument
        (b'"1"', b'"100000000000000000"'),  # with two decimals, twenty digits
        (b'"2"]', b'"2","3"]'),
        (b'"2"]', b'"2",]'),
        (b'["1","2"]]', b'["1","2"],]'),
        (b'"b":[', b'"b":[['),
        (b"}}", b"}} "),
        (b"}}", b"}}}"),
        (b"}}", b"}"),
    ],
)
def test_what_is_written_in_another_way_is_left_alone(there: bytes, instead: bytes) -> None:
    assert SPOT.count(there) >= 1
    assert read_event(SPOT.replace(there, instead, 1), 2, 1) is None


def test_a_member_that_comes_twice_is_left_alone() -> None:
    for raw in (SPOT, USDM):
        for member in re.findall(rb',("(?:E|T|s|U|u|pu|b|a)":(?:\d+|"[A-Z]+"|\[.*?\](?=,"|})))', raw):
            assert read_event(raw.replace(b"}}", b"," + member + b"}}"), 2, 8) is None
            assert read_event(raw.replace(member, member + b"," + member), 2, 8) is None


def test_more_levels_than_there_is_room_for_are_left_alone() -> None:
    for rows, first in ((2, 2), (1, -1), (0, -1)):
        out = np.full((rows + 1, 2), 7)[:rows]
        assert depth_event.kernels["read"](SPOT, 2, 1, out)[0] == first
    assert depth_event.kernels["read"](SPOT, -1, 1, np.zeros((9, 2), np.int64))[0] == -1


@pytest.mark.parametrize("venue_symbol", ["btcusdt", "BtcUsdt", "BTCUSDT\u212a"])
def test_a_symbol_in_small_letters_gets_no_book_of_another(venue_symbol: str) -> None:
    """As with the JSON decoder: the frame's symbol is none of ours."""
    instrument = replace(instruments("binance")[0], venue_symbol=venue_symbol)
    (event,) = codec("binance", [instrument]).decode(SPOT, 3)
    assert isinstance(event, Unknown)


def test_every_cut_is_left_alone() -> None:
    for raw in (SPOT, USDM):
        for size in range(len(depth_event.STREAM), len(raw)):
            assert read_event(raw[:size], 8, 8) is None
            assert read_event(raw[:size] + b"}}", 8, 8) is None or size == len(raw) - 2


@pytest.mark.parametrize("wire", ["binance", "binanceusdm"])
def test_whatever_is_read_is_what_the_json_says(wire: str) -> None:
    """The judge holds both against each other; also a short form of `fuzz_codecs.py`."""
    judge, rng = Judge(wire), random.Random(wire)
    for _ in range(3000):
        raw = rng.choice((SPOT, USDM))
        at = rng.randrange(len(raw))
        for changed in (
            mutated(raw, rng, (SPOT, USDM)),
            raw[:at] + rng.choice(b'0123456789.,:"[]{} -beEuUpsTa').to_bytes() + raw[at + rng.randrange(2) :],
        ):
            assert judge.problem(changed) == "", changed
    assert judge.usual > 200
    assert judge.refused > 500


def test_of_two_instruments_each_gets_its_own() -> None:
    both = codec("binance", instruments("binance"))
    for symbol, pair in (("BTC/USDT", b"BTC"), ("ETH/USDT", b"ETH")):
        (update,) = both.decode(SPOT.replace(b"btc", pair.lower()).replace(b"BTC", pair), 3)
        assert update.symbol == symbol


@pytest.mark.parametrize(
    ("tape", "wire"), [("binance_spot_btcusdt", "binance"), ("binance_usdm_btcusdt", "binanceusdm")]
)
def test_of_real_frames_every_one_is_read_so(shared: Path, tape: str, wire: str) -> None:
    instrument = settings.instrument(wire, "BTC/USDT")
    frames = [raw for _, raw in TapeFile(shared / "tapes" / f"{tape}.tape.gz") if b"@depth" in raw[:40]]
    judge = Judge(wire)
    for raw in frames[:: len(frames) // 300]:
        assert judge.problem(raw) == "", raw
    depth_event.warm_up()
    decimals = instrument.price_decimals, instrument.qty_decimals
    assert all(read_event(raw, *decimals) is not None for raw in frames)
    assert len(frames) > 3000
