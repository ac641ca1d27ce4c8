"""Messages of a client library → events: exact prices, rounded quantities, nothing that can't be."""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import DecodeError
from citadel_kit.types import BookUpdate, Heartbeat, Instrument, Side, Trade, Unknown
from citadel_kit.venues.unified import Beat, Book, Deal, Deals, Unified

pytestmark = pytest.mark.filterwarnings("error")

COIN = Instrument(venue="gate", symbol="A/B", venue_symbol="A_B", price_decimals=2, qty_decimals=4)
CODEC = Unified([COIN], "gate")


def decode(message: Book | Deals | Beat) -> list[object]:
    return list(CODEC.decode(msgspec.json.encode(message), 7))


def test_a_book_is_a_snapshot_in_integers() -> None:
    (update,) = decode(Book("A/B", [(10.02, 1.5), (9.99, 0.00004)], [(10.03, 0.1 + 0.2)], 1_700, 41))
    assert isinstance(update, BookUpdate)
    assert update[:7] == ("A/B", 7, 1_700_000_000, 41, 41, -1, True)
    assert update.bids.tolist() == [[1002, 15_000]], "what rounds to nothing is no level"
    assert update.asks.tolist() == [[1003, 3_000]]
    assert update.checksum == -1


def test_an_empty_side_and_no_times() -> None:
    (update,) = decode(Book("A/B", [], []))
    assert isinstance(update, BookUpdate)
    assert (update.bids.shape, update.asks.shape, update.exch_ns, update.last_seq) == ((0, 2), (0, 2), 0, -1)


@given(st.integers(1, 10**14), st.integers(0, 8))
def test_every_price_of_the_instruments_decimals_comes_through(units: int, decimals: int) -> None:
    coin = Instrument(venue="v", symbol="A/B", venue_symbol="AB", price_decimals=decimals, qty_decimals=0)
    price = float(f"{units}e-{decimals}")
    (update,) = Unified([coin], "v").decode(msgspec.json.encode(Book("A/B", [(price, 1.0)], [])), 7)
    assert isinstance(update, BookUpdate)
    assert update.bids.tolist() == [[units, 1]]


@pytest.mark.parametrize(
    "bid", [(10.021, 1.0), (0.0, 1.0), (-1.0, 1.0), (10.02, -1.0), (1e308, 1.0), (10.02, 1e308)]
)
def test_what_can_be_no_level_is_malformed(bid: tuple[float, float]) -> None:
    with pytest.raises(DecodeError, match=r"decimals|negative"):
        decode(Book("A/B", [bid], []))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"kind":"x"}',
        b'{"kind":"book","symbol":"A/B"}',
        b'{"kind":"book","symbol":"A/B","bids":[[null,1]],"asks":[]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(raw, 7)


NUMBERS = st.integers() | st.floats() | st.none() | st.text(max_size=3)
ROWS = st.lists(st.lists(NUMBERS, max_size=3), max_size=3)
MEMBERS = {
    "kind": st.sampled_from(["book", "trades", "beat", ""]),
    "symbol": st.sampled_from(["A/B", "C/D"]),
    "bids": ROWS,
    "asks": ROWS,
    "nonce": NUMBERS,
    "time_ms": NUMBERS,
    "trades": st.lists(st.fixed_dictionaries({"price": NUMBERS, "qty": NUMBERS, "side": st.just("buy")})),
}


@given(st.fixed_dictionaries(MEMBERS).map(lambda message: json.dumps(message).encode()) | st.binary())
def test_no_bytes_raise_anything_but_decode_error(raw: bytes) -> None:
    with suppress(DecodeError):
        CODEC.decode(raw, 7)


def test_trades_and_beats() -> None:
    known, odd = Deal(10.02, 0.5, "sell", 5, "123"), Deal(10.02, 0.5, "", 5, "a-b")
    trade = Trade("A/B", 7, 5_000_000, 123, 1002, 5_000, Side.SELL)
    assert decode(Deals("A/B", [known, odd])) == [trade, Unknown(7, "trade without a side")]
    assert decode(Deals("A/B", [Deal(10.02, 0.5, "buy", 5, "a-b")])) == [
        trade._replace(trade_id=-1, side=Side.BUY)
    ]
    assert decode(Beat()) == [Heartbeat(7)]
    assert decode(Book("C/D", [], [])) == [Unknown(7, "other instrument")]


def test_nothing_is_verified_and_nothing_is_asked_for() -> None:
    assert not CODEC.verified
    assert CODEC.subscribe([COIN], 1) == CODEC.resubscribe(COIN, 1) == []
    assert CODEC.snapshot_path(COIN) is CODEC.ping() is None
