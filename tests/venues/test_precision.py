"""Decimals from what a venue wrote."""

from __future__ import annotations

import json

import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.venues.precision import infer

BINANCE = {"stream": "x@depth", "data": {"e": "depthUpdate", "s": "XY", "U": 1, "u": 2, "b": [], "a": []}}


def depth(*bids: tuple[str, str], name: str = "XY") -> bytes:
    return json.dumps({**BINANCE, "data": {**BINANCE["data"], "s": name, "b": bids}}).encode()  # type: ignore[dict-item]


def test_prices_lose_trailing_zeros_over_all_frames_and_quantities_keep_them() -> None:
    frames = [depth(("61837.63000000", "0.10000000")), depth(("7.10000000", "2.00000000"))]
    assert infer(frames, "binance", "XY") == (2, 8)
    assert infer([*frames, depth(("7.12500000", "2"))], "binance", "XY") == (3, 8)
    assert infer([depth(("5", "7"))], "binance", "XY") == (0, 0)


def test_a_snapshot_without_a_symbol_counts() -> None:
    body = json.dumps({"lastUpdateId": 7, "bids": [["1.50", "3.10"]], "asks": [["1.625", "1"]]}).encode()
    assert infer([body, depth(("1.5", "1"))], "binance", "XY") == (3, 2)
    with pytest.raises(ConfigError, match="Named there: XY"):
        infer([body, depth(("1.5", "1"))], "binance", "OTHER")


def test_quantities_lose_zeros_where_they_would_pass_62_bits() -> None:
    frames = [depth(("0.00001230", "123456789012.50000000"))]
    assert infer(frames, "binance", "XY") == (7, 1)
    with pytest.raises(ConfigError, match="pass 62 bits"):
        infer([depth(("0.1", "123456789012.12345678"))], "binance", "XY")
    with pytest.raises(ConfigError, match="pass 62 bits"):
        infer([depth(("1234567890123456789", "1"))], "binance", "XY")


def test_only_what_is_about_the_instrument_counts() -> None:
    frames = [depth(("1.123456", "1.123456"), name="OTHER"), depth(("1.5", "2.5")), b"ping", b'{"a":', b"[]"]
    assert infer(frames, "binance", "XY") == (1, 1)
    with pytest.raises(ConfigError, match=r"no book of NONE was found\. Named there: OTHER, XY"):
        infer(frames, "binance", "NONE")
    with pytest.raises(ConfigError, match="Named there: none"):
        infer([], "binance", "NONE")


def test_nesting_that_python_cant_follow_says_nothing() -> None:
    """The reader of JSON goes deeper than its own walk can."""
    deep = [b'{"a":' * depth + b"1" + b"}" * depth for depth in (400, 600, 900, 100_000)]
    assert infer([*deep, depth(("1.5", "2.5"))], "binance", "XY") == (1, 1)


def kraken(*levels: str) -> bytes:
    rows = ",".join(levels)
    return (
        f'{{"channel":"book","type":"update","data":[{{"symbol":"X/Y","bids":[{rows}],"asks":[],'
        f'"checksum":1234567890,"timestamp":"2026-08-02T03:35:51.660084Z"}}]}}'
    ).encode()


def test_krakens_prices_are_as_written() -> None:
    assert infer([kraken('{"price":63000.0,"qty":0.50000000}')], "kraken", "X/Y") == (1, 8)
    assert infer([kraken('{"price":63000.00,"qty":0.5}', '{"price":1,"qty":2}')], "kraken", "X/Y") == (2, 1)


ROW = '["1.25", "3.5"]'
MESSAGES = [
    (
        "okx",
        "X-Y",
        '{"arg": {"channel": "books", "instId": "X-Y"}, "data": [{"bids": [["1.25", "3.5", "0"]]}]}',
    ),
    ("okx", "X-Y", '{"arg": {"channel": "trades", "instId": "X-Y"}, "data": [{"px": "1.25", "sz": "3.5"}]}'),
    ("bybit", "XY", '{"topic": "orderbook.50.XY", "data": {"s": "XY", "b": [], "a": [' + ROW + "]}}"),
    ("bybit", "XY", '{"topic": "publicTrade.XY", "data": [{"T": 1, "s": "XY", "v": "3.5", "p": "1.25"}]}'),
    ("coinbaseexchange", "X-Y", '{"type": "snapshot", "product_id": "X-Y", "asks": [' + ROW + "]}"),
    ("coinbaseexchange", "X-Y", '{"product_id": "X-Y", "changes": [["sell", "1.25", "3.5"]]}'),
    ("coinbaseexchange", "X-Y", '{"type": "match", "product_id": "X-Y", "size": "3.5", "price": "1.25"}'),
    (
        "coinbase",
        "X-Y",
        '{"events": [{"product_id": "X-Y", "updates": [{"price_level": "1.25", "new_quantity": "3.5"}]}]}',
    ),
    ("binance", "XY", '{"data": {"e": "trade", "s": "XY", "t": 12, "p": "1.25", "q": "3.5", "m": true}}'),
]


@pytest.mark.parametrize(("venue", "name", "message"), MESSAGES)
def test_every_wire_is_read(venue: str, name: str, message: str) -> None:
    assert infer([message.encode()], venue, name) == (2, 1)
