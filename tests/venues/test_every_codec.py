"""What holds on every wire: a frame becomes events that can be true, or DecodeError with its facts."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from codec_judge import LEVELS, Judge, twin_kernels
from mutations import mutated
from wire_frames import FRAMES, instruments

from citadel_kit.errors import DecodeError
from citadel_kit.types import BookUpdate
from citadel_kit.venues import WIRES, codec

LEVEL_LISTS = (
    b'[["61737.63000000","0.5"],["61737.62","0.000"]]',
    b'[["30243.5","1.211","0","4"],["30247.5","0","0","0"]]',
    b'[{"price":63376.4,"qty":0.051},{"price":1,"qty":2}]',
    b'[{"side":"offer","event_time":"2021-04-17","price_level":"0.79","new_quantity":"7441.5"}]',
    b'[["sell","0.79","7441.5"],["buy","0.78","0.0"]]',
)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> Iterator[None]:
    """Compiled and plain ones beside each other, and both beside the standard library's JSON."""
    with twin_kernels():
        yield


@pytest.mark.parametrize("wire", WIRES)
def test_a_frame_of_each_kind_is_read(wire: str) -> None:
    judge = Judge(wire)
    assert [judge.problem(raw) for raw in FRAMES[wire]] == [""] * len(FRAMES[wire])
    assert judge.refused == 0
    events = codec(wire, instruments(wire)).decode(FRAMES[wire][0], 7)
    assert isinstance(events[-1], BookUpdate)


@pytest.mark.parametrize("target", [*WIRES, LEVELS])
def test_no_bytes_raise_anything_but_decode_error(target: str) -> None:
    """The short form of `fuzz_codecs.py`."""
    judge, rng = Judge(target), random.Random(target)
    frames = LEVEL_LISTS if target == LEVELS else FRAMES[target]
    for _ in range(1500):
        raw = mutated(rng.choice(frames), rng, frames)
        assert judge.problem(raw) == "", raw
    assert judge.events > 100
    assert judge.refused > 500


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"7", b'"book"', b"\xff\xfe", b"cut off"])
def test_what_is_no_message_raises_with_the_facts(wire: str, raw: bytes) -> None:
    raw = FRAMES[wire][0][:-3] if raw == b"cut off" else raw
    with pytest.raises(DecodeError) as caught:
        codec(wire, instruments(wire)).decode(raw, 7)
    assert (caught.value.venue, caught.value.raw) == (wire, raw[:200])
    assert caught.value.problem


@pytest.mark.parametrize("wire", WIRES)
def test_a_frame_that_is_cut_off_still_names_its_channel(wire: str) -> None:
    for raw in FRAMES[wire]:
        if b'"lastUpdateId"' in raw:  # the body of a REST answer is of none
            continue
        cut = raw[: len(raw) * 2 // 3]
        with pytest.raises(DecodeError) as caught:
            codec(wire, instruments(wire)).decode(cut, 7)
        named = caught.value.channel.encode()
        assert (named and named in cut) or not re.search(rb'"(stream|channel|topic|type)":"[^"]*"', cut), raw
        assert str(caught.value).startswith(f"{wire} {named.decode()}".rstrip() + ": ")


PRICES = {
    "binance": b'"55653.87000000"',
    "binanceusdm": b'"58710.20"',
    "bybit": b'"75848.74"',
    "bybitlinear": b'"75848.74"',
    "okx": b'"30243.5"',
    "kraken": b"63376.4",
    "coinbase": b'"0.7923"',
    "coinbaseexchange": b'"0.7923"',
}
"""Of a level in the first frame of each wire, as it stands there."""
NO_PRICES = (
    *(
        '"-1"',
        "-1",
        '"5e4"',
        "5e4",
        '"1.0000000001"',
        "1.0000000001",
        '"9999999999999999999"',
        "1" + "0" * 400,
    ),
    *("null", "true", "[]", "{}", '["1","2"]', '{"price":"1"}', '""', '"much"', '"price"', "NaN", '"NaN"'),
    *('" 1"', '"1 "', '"\\u0031"', '"1\\u0030"', '"\\""', '"1,2"', '"٣"', '"²"', '"\\ud800"'),
)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("number", NO_PRICES)
def test_a_level_whose_price_is_no_number_is_malformed(wire: str, number: str) -> None:
    """And never a level whose price is its size."""
    book, price = FRAMES[wire][0], PRICES[wire]
    assert book.count(price) == 1
    with pytest.raises(DecodeError):
        codec(wire, instruments(wire)).decode(book.replace(price, number.encode()), 7)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "raw",
    [b'{"x":' + b"[" * 100_000, b"[" * 100_000, b'{"data":' + b'{"a":' * 50_000],
    ids=["list", "top", "dict"],
)
def test_deep_nesting_is_malformed_and_nothing_worse(wire: str, raw: bytes) -> None:
    with pytest.raises(DecodeError):
        codec(wire, instruments(wire)).decode(raw, 1)
