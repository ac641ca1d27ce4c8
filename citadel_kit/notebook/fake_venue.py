"""What a venue answers to one who asks for a new book: the true book, in the venue's own wire form."""

from __future__ import annotations

import json

from citadel_kit import clock
from citadel_kit.micro.book import Book
from citadel_kit.types import Codec, Instrument, Levels, Side

_REST_LEVELS = 1000


def asks_for_book(request: str) -> bool:
    """Does this message subscribe to a book whose snapshot comes in the stream (Kraken's)?"""
    message = json.loads(request)
    return bool(message.get("method") == "subscribe" and message["params"]["channel"] == "book")


def is_rest_snapshot(raw: bytes) -> bool:
    """Binance's, as a tape holds it."""
    return raw.startswith(b'{"lastUpdateId"')


def snapshot(book: Book, codec: Codec, now_ns: int) -> bytes:
    """The body of Binance's REST answer, or Kraken's snapshot frame with its checksum."""
    instrument = book.instrument
    if codec.snapshot_path(instrument) is not None:
        bids, asks = (_pairs(instrument, book.levels(side, _REST_LEVELS)) for side in Side)
        return f'{{"lastUpdateId":{book.seq},"bids":[{bids}],"asks":[{asks}]}}'.encode()
    bids, asks = (_objects(instrument, book.levels(side, codec.depth)) for side in Side)
    best = [book.levels(side, codec.checksum_depth) for side in Side]
    return (
        f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"{instrument.venue_symbol}",'
        f'"bids":[{bids}],"asks":[{asks}],"checksum":{codec.checksum(instrument, *best)},'
        f'"timestamp":"{clock.iso(now_ns)}"}}]}}'
    ).encode()


def _pairs(instrument: Instrument, levels: Levels) -> str:
    return ",".join([f'["{price}","{qty}"]' for price, qty in _texts(instrument, levels)])


def _objects(instrument: Instrument, levels: Levels) -> str:
    return ",".join([f'{{"price":{price},"qty":{qty}}}' for price, qty in _texts(instrument, levels)])


def _texts(instrument: Instrument, levels: Levels) -> list[tuple[str, str]]:
    price_decimals, qty_decimals = instrument.price_decimals, instrument.qty_decimals
    return [(_text(price, price_decimals), _text(qty, qty_decimals)) for price, qty in levels.tolist()]


def _text(units: int, decimals: int) -> str:
    """Never by way of a float: checksums are over digits."""
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}" if decimals else str(whole)
