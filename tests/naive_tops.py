"""The slow, obvious twin of `run.verify`: a book of dicts over a tape that has no hole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any


def naive_tops(path: Path, venue: str, name: str) -> Iterator[tuple[Any, ...]]:
    """Of one instrument: (recv_ns, seq, bid, bid_qty, ask, ask_qty) as floats of the wire's own text."""
    book: dict[str, dict[Decimal, str]] = {"b": {}, "a": {}}
    snapshot_seq, waiting = -1, []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        stamp, raw = line.split(b" ", 1)
        for kind, seq, bids, asks in READ[venue](json.loads(raw, parse_float=str), name):
            if kind == "rest":
                assert snapshot_seq == -1
                snapshot_seq = seq
                put(book, bids, asks)
                for old in waiting:
                    if old[1] > snapshot_seq or (venue == "binanceusdm" and old[1] == snapshot_seq):
                        put(book, *old[2:])
                        yield (*old[:2], *touch(book))
            elif kind == "delta" and snapshot_seq == -1 and venue.startswith("binance"):
                waiting.append((int(stamp), seq, bids, asks))
            else:
                if kind == "snapshot":
                    book["b"].clear()
                    book["a"].clear()
                put(book, bids, asks)
                if venue == "kraken":
                    book["b"] = dict(sorted(book["b"].items())[-25:])
                    book["a"] = dict(sorted(book["a"].items())[:25])
                yield (int(stamp), seq, *touch(book))


def put(book: dict[str, dict[Decimal, str]], bids: Any, asks: Any) -> None:
    for side, levels in (("b", bids), ("a", asks)):
        for price, qty, *_ in levels:
            if float(qty):
                book[side][Decimal(price)] = qty
            else:
                book[side].pop(Decimal(price), None)


def touch(book: dict[str, dict[Decimal, str]]) -> tuple[float, float, float, float]:
    bid, ask = max(book["b"]), min(book["a"])
    return float(bid), float(book["b"][bid]), float(ask), float(book["a"][ask])


def read_binance(message: Any, name: str) -> Iterator[Any]:
    if "lastUpdateId" in message:
        yield "rest", message["lastUpdateId"], message["bids"], message["asks"]
    elif message["data"].get("e") == "depthUpdate" and message["data"]["s"] == name:
        yield "delta", message["data"]["u"], message["data"]["b"], message["data"]["a"]


def read_kraken(message: Any, name: str) -> Iterator[Any]:
    for data in message["data"] if message.get("channel") == "book" else ():
        assert data["symbol"] == name
        bids, asks = ([(x["price"], x["qty"]) for x in data[side]] for side in ("bids", "asks"))
        yield message["type"], -1, bids, asks


def read_okx(message: Any, name: str) -> Iterator[Any]:
    if message["arg"] == {"channel": "books", "instId": name}:
        for data in message.get("data", ()):
            yield message["action"], data.get("seqId", -1), data["bids"], data["asks"]


def read_bybit(message: Any, name: str) -> Iterator[Any]:
    data = message["data"]
    assert data["s"] == name
    yield message["type"], data["u"], data["b"], data["a"]


def read_coinbase(message: Any, name: str) -> Iterator[Any]:
    for event in message["events"] if message["channel"] == "l2_data" else ():
        if event["product_id"] == name:
            rows = [(u["side"], u["price_level"], u["new_quantity"]) for u in event["updates"]]
            bids, asks = ([row[1:] for row in rows if row[0] == side] for side in ("bid", "offer"))
            yield event["type"], message["sequence_num"], bids, asks


def read_exchange(message: Any, name: str) -> Iterator[Any]:
    if message.get("product_id") == name and message["type"] == "snapshot":
        yield "snapshot", -1, message["bids"], message["asks"]
    elif message.get("product_id") == name and message["type"] == "l2update":
        rows = message["changes"]
        bids, asks = ([row[1:] for row in rows if row[0] == side] for side in ("buy", "sell"))
        yield "delta", -1, bids, asks


READ = {
    "binance": read_binance,
    "binanceusdm": read_binance,
    "kraken": read_kraken,
    "okx": read_okx,
    "bybitlinear": read_bybit,
    "coinbase": read_coinbase,
    "coinbaseexchange": read_exchange,
}
