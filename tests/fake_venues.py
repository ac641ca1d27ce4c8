"""What venues say and hear, written a second time: for the truth of a tape, and for a venue that answers.

Nothing here uses the package's codecs or books. Books are dicts, numbers are `Decimal`, JSON is the standard
library's, and a level keeps the text in which the venue wrote it, since some checksums are over that.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from decimal import Decimal
from itertools import zip_longest
from typing import Any, ClassVar, NamedTuple

from citadel_kit.types import Instrument

Texts = list[tuple[str, str]]
"""Price and quantity as the venue writes them."""


class Said(NamedTuple):
    """What one frame says about one book."""

    venue_symbol: str
    snapshot: bool
    links: tuple[int, ...]
    """First, last and previous sequence, -1 where the venue has none; the last is what a top is known by."""
    bids: Texts
    asks: Texts
    checksum: int = -1

    @property
    def seq(self) -> int:
        return self.links[1]


class NaiveBook:
    """Two dicts of integer price to (integer quantity, price text, quantity text)."""

    def __init__(self, instrument: Instrument, depth: int = 0) -> None:
        self.depth = depth
        self._price, self._qty = 10**instrument.price_decimals, 10**instrument.qty_decimals
        self.bids: dict[int, tuple[int, str, str]] = {}
        self.asks: dict[int, tuple[int, str, str]] = {}

    def copy(self) -> NaiveBook:
        twin = object.__new__(NaiveBook)
        twin.__dict__.update(self.__dict__, bids=dict(self.bids), asks=dict(self.asks))
        return twin

    def apply(self, said: Said) -> None:
        if said.snapshot:
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, said.bids), (self.asks, said.asks)):
            for price, qty in levels:
                key, size = int(Decimal(price) * self._price), int(Decimal(qty) * self._qty)
                if size:
                    side[key] = (size, price, qty)
                else:
                    side.pop(key, None)
        if self.depth:
            for side, gone in (
                (self.bids, sorted(self.bids)[: -self.depth]),
                (self.asks, sorted(self.asks)[self.depth :]),
            ):
                for key in gone:
                    del side[key]

    def top(self) -> tuple[int, int, int, int]:
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        return bid, self.bids[bid][0] if bid else 0, ask, self.asks[ask][0] if ask else 0

    def texts(self, depth: int = 0) -> tuple[Texts, Texts]:
        """Bids and asks, best first."""
        bids = [self.bids[key][1:] for key in sorted(self.bids, reverse=True)]
        asks = [self.asks[key][1:] for key in sorted(self.asks)]
        return (bids[:depth], asks[:depth]) if depth else (bids, asks)


class Heard(NamedTuple):
    """A request: its answers, and the books that it ends and begins."""

    answers: list[bytes]
    ends: list[str]
    begins: list[str]


class FakeVenue:
    """One venue's wire form, both ways. Subclasses fill in what differs."""

    rest = False
    """Are books had by REST?"""
    numbered = False
    """Does every frame carry its number within the connection?"""
    checksummed = False
    proves = True
    """Does the stream give a means to know that something is missing?"""
    depth = 0
    beat: ClassVar[bytes] = b""
    """The venue's own heartbeat, once a second; empty where it has none."""
    pong: ClassVar[bytes] = b""
    """The answer to a ping message."""
    ping: ClassVar[bytes] = b"ping"
    """How a ping message is known."""

    def read(self, raw: bytes) -> Said | None:
        """None where the frame says nothing about a book. Raises ValueError, KeyError or TypeError."""
        raise NotImplementedError

    def book(self, said: Said, ns: int) -> bytes:
        """The frame (of a REST venue's snapshot: the body) that says it."""
        raise NotImplementedError

    def hear(self, request: dict[str, Any]) -> Heard:
        raise NotImplementedError

    def checksum(self, book: NaiveBook) -> int:
        return -1

    def links(self, before: int, first: int, last: int) -> tuple[int, ...]:
        return first, last, -1

    def number(self, raw: bytes, number: int) -> bytes:
        """The same frame with this number within its connection."""
        return raw


class Binance(FakeVenue):
    rest = True

    def read(self, raw: bytes) -> Said | None:
        message = json.loads(raw)
        if "lastUpdateId" in message:
            last = message["lastUpdateId"]
            return Said("", True, (last, last, -1), _pairs(message["bids"]), _pairs(message["asks"]))
        data = message.get("data") or {}
        if data.get("e") != "depthUpdate":
            return None
        links = (data["U"], data["u"], data.get("pu", -1))
        return Said(data["s"], False, links, _pairs(data["b"]), _pairs(data["a"]))

    def book(self, said: Said, ns: int) -> bytes:
        first, last, before = said.links
        if said.snapshot:
            return _json(lastUpdateId=last, bids=said.bids[:1000], asks=said.asks[:1000])
        data = {"e": "depthUpdate", "E": ns // 10**6, "s": said.venue_symbol, "U": first, "u": last}
        if before >= 0:
            data["pu"] = before
        return _json(stream="x@depth@100ms", data={**data, "b": said.bids, "a": said.asks})

    def hear(self, request: dict[str, Any]) -> Heard:
        symbols = [p.split("@")[0].upper() for p in request["params"] if "@depth" in p]
        return Heard([_json(result=None, id=request["id"])], [], symbols)


class BinanceUsdm(Binance):
    def links(self, before: int, first: int, last: int) -> tuple[int, ...]:
        return first, last, before


class Bybit(FakeVenue):
    pong = b'{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}'
    topic = "orderbook.50."

    def read(self, raw: bytes) -> Said | None:
        message = json.loads(raw)
        if not message.get("topic", "").startswith("orderbook."):
            return None
        data = message["data"]
        links = (data["u"], data["u"], -1)
        return Said(data["s"], message["type"] == "snapshot", links, _pairs(data["b"]), _pairs(data["a"]))

    def book(self, said: Said, ns: int) -> bytes:
        data = {"s": said.venue_symbol, "b": said.bids, "a": said.asks, "u": said.seq, "seq": 1}
        kind = "snapshot" if said.snapshot else "delta"
        return _json(topic=self.topic + said.venue_symbol, type=kind, ts=ns // 10**6, data=data)

    def hear(self, request: dict[str, Any]) -> Heard:
        books = [a.removeprefix(self.topic) for a in request["args"] if a.startswith(self.topic)]
        answer = _json(success=True, ret_msg="", conn_id="c", req_id=request["req_id"], op=request["op"])
        return _heard([answer], request["op"], books)


class Okx(FakeVenue):
    pong = b"pong"

    def read(self, raw: bytes) -> Said | None:
        if raw == b"pong":
            return None
        message = json.loads(raw)
        if message["arg"]["channel"] != "books" or "action" not in message:
            return None
        (data,) = message["data"]
        seq = data.get("seqId", -1)
        links = (seq, seq, data.get("prevSeqId", -1))
        bids, asks = _pairs(data["bids"]), _pairs(data["asks"])
        snapshot = message["action"] == "snapshot"
        return Said(message["arg"]["instId"], snapshot, links, bids, asks, data["checksum"])

    def book(self, said: Said, ns: int) -> bytes:
        rows = {"asks": [[*r, "0", "1"] for r in said.asks], "bids": [[*r, "0", "1"] for r in said.bids]}
        data = {**rows, "ts": str(ns // 10**6), "checksum": said.checksum}
        if said.seq >= 0:
            data |= {"prevSeqId": -1 if said.snapshot else said.links[2], "seqId": said.seq}
        arg = {"channel": "books", "instId": said.venue_symbol}
        return _json(arg=arg, action="snapshot" if said.snapshot else "update", data=[data])

    def hear(self, request: dict[str, Any]) -> Heard:
        answers = [_json(id=request["id"], event=request["op"], arg=a, connId="c") for a in request["args"]]
        books = [a["instId"] for a in request["args"] if a["channel"] == "books"]
        return _heard(answers, request["op"], books)

    def links(self, before: int, first: int, last: int) -> tuple[int, ...]:
        return last, last, before

    def checksum(self, book: NaiveBook) -> int:
        return 0


class OkxCrc(Okx):
    """As of 2022: a checksum and no sequence."""

    checksummed = True

    def checksum(self, book: NaiveBook) -> int:
        bids, asks = book.texts(25)
        parts = [part for pair in zip_longest(bids, asks) for row in pair if row for part in row]
        unsigned = zlib.crc32(":".join(parts).encode())
        return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


class Kraken(FakeVenue):
    checksummed = True
    depth = 25
    beat = b'{"channel":"heartbeat"}'
    pong = b'{"method":"pong"}'

    def read(self, raw: bytes) -> Said | None:
        message = json.loads(raw, parse_float=str)
        if message.get("channel") != "book":
            return None
        (data,) = message["data"]
        bids, asks = ([(str(r["price"]), str(r["qty"])) for r in data[side]] for side in ("bids", "asks"))
        return Said(data["symbol"], message["type"] == "snapshot", (-1, -1, -1), bids, asks, data["checksum"])

    def book(self, said: Said, ns: int) -> bytes:
        sides = [",".join(f'{{"price":{p},"qty":{q}}}' for p, q in side) for side in (said.bids, said.asks)]
        kind = "snapshot" if said.snapshot else "update"
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{said.venue_symbol}","bids":[{sides[0]}],'
            f'"asks":[{sides[1]}],"checksum":{said.checksum},"timestamp":"2026-08-02T03:35:51.660084Z"}}]}}'
        ).encode()

    def hear(self, request: dict[str, Any]) -> Heard:
        method, params = request["method"], request["params"]
        answers = [
            _json(method=method, result={"channel": params["channel"], "symbol": s}, success=True)
            for s in params["symbol"]
        ]
        return _heard(answers, method, params["symbol"] if params["channel"] == "book" else [])

    def checksum(self, book: NaiveBook) -> int:
        bids, asks = book.texts(10)
        return zlib.crc32("".join(_digits(p) + _digits(q) for p, q in asks + bids).encode())


class CoinbaseAdvanced(FakeVenue):
    numbered = True
    beat = b'{"channel":"heartbeats","timestamp":"2021-04-17T16:43:37.0Z","sequence_num":0,"events":[]}'

    def read(self, raw: bytes) -> Said | None:
        message = json.loads(raw)
        if message["channel"] != "l2_data":
            return None
        (event,) = message["events"]
        bids, asks = (
            [(u["price_level"], u["new_quantity"]) for u in event["updates"] if u["side"] == side]
            for side in ("bid", "offer")
        )
        seq = message["sequence_num"]
        return Said(event["product_id"], event["type"] == "snapshot", (seq, seq, -1), bids, asks)

    def book(self, said: Said, ns: int) -> bytes:
        time = "2021-04-17T16:43:37.075687Z"
        updates = [
            {"side": side, "event_time": time, "price_level": price, "new_quantity": qty}
            for side, rows in (("bid", said.bids), ("offer", said.asks))
            for price, qty in rows
        ]
        kind = "snapshot" if said.snapshot else "update"
        event = {"type": kind, "product_id": said.venue_symbol, "updates": updates}
        return _json(channel="l2_data", client_id="", timestamp=time, sequence_num=0, events=[event])

    def hear(self, request: dict[str, Any]) -> Heard:
        answer = _json(channel="subscriptions", timestamp="", sequence_num=0, events=[{"subscriptions": {}}])
        books = request.get("product_ids", []) if request["channel"] == "level2" else []
        return _heard([answer], request["type"], books)

    def number(self, raw: bytes, number: int) -> bytes:
        return re.sub(rb'"sequence_num":\d+', b'"sequence_num":%d' % number, raw, count=1)


class CoinbaseExchange(FakeVenue):
    proves = False
    beat = (
        b'{"type":"heartbeat","sequence":1,"last_trade_id":1,"product_id":"","time":"2021-04-17T16:43:37Z"}'
    )

    def read(self, raw: bytes) -> Said | None:
        message = json.loads(raw)
        if message["type"] == "snapshot":
            bids, asks = _pairs(message["bids"]), _pairs(message["asks"])
        elif message["type"] == "l2update":
            bids, asks = ([(p, q) for s, p, q in message["changes"] if s == side] for side in ("buy", "sell"))
        else:
            return None
        return Said(message["product_id"], message["type"] == "snapshot", (-1, -1, -1), bids, asks)

    def book(self, said: Said, ns: int) -> bytes:
        product = said.venue_symbol
        if said.snapshot:
            return _json(type="snapshot", product_id=product, asks=said.asks, bids=said.bids)
        changes = [["buy", *row] for row in said.bids] + [["sell", *row] for row in said.asks]
        return _json(type="l2update", product_id=product, changes=changes, time="2021-04-17T16:43:37.075687Z")

    def hear(self, request: dict[str, Any]) -> Heard:
        return _heard([_json(type="subscriptions", channels=[])], request["type"], request["product_ids"])


def _heard(answers: list[bytes], verb: str, books: list[str]) -> Heard:
    return Heard(answers, books, []) if verb == "unsubscribe" else Heard(answers, [], books)


def _pairs(rows: Iterable[Any]) -> Texts:
    return [(row[0], row[1]) for row in rows]


def _digits(text: str) -> str:
    return text.replace(".", "").lstrip("0")


def _json(**members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
