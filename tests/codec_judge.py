"""Judges what a codec makes of any bytes: events that can be true, or DecodeError, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from wire_frames import instruments

from citadel_kit.errors import DecodeError
from citadel_kit.ladder import (
    Ladder,
    apply_both,
    depth_event,
    digits,
    parse_both,
    parse_sided,
    side,
    sums,
    text,
    warm_up,
)
from citadel_kit.types import (
    Ack,
    BookUpdate,
    ConnectionSeq,
    Event,
    Heartbeat,
    Levels,
    Quote,
    Shutdown,
    Side,
    Trade,
    Unknown,
)
from citadel_kit.venues import codec, kraken
from citadel_kit.venues.binance import BinanceSpot
from citadel_kit.venues.precision import Precision

LEVELS: Final = "levels"
"""Beside the wires: level lists, straight into the kernels."""
_RECV_NS: Final = 7
_MOST: Final = 1 << 62
_NUMBER: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)
_DEPTHS: Final = (1, 5, 10)


class Untrue(Exception):
    """Something was read that can't be so, or the two kernels differ."""


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise Untrue(what)


class Judge:
    """`problem(raw)` of one wire, or of LEVELS. Applies every book that it gets to a ladder a side."""

    def __init__(self, wire: str) -> None:
        self.events = self.refused = 0
        self._wire = wire
        if wire == LEVELS:
            return
        self._instruments = instruments(wire)
        self._codec = codec(wire, self._instruments)
        self._symbols = {i.symbol for i in self._instruments}
        self._whole = codec(wire, self._instruments)
        self.usual = 0
        """Depth events that the codec read without its JSON decoder."""
        if isinstance(self._whole, BinanceSpot):
            self._whole._depth_heads = ()
            self._codec._usual_depth = self._counted(self._codec._usual_depth)
        self._ladders = Ladder(Side.BUY), Ladder(Side.SELL)

    def problem(self, raw: bytes) -> str:
        """Empty if all is well; else the same text whenever the same thing is wrong."""
        try:
            if self._wire == LEVELS:
                self._read_levels(raw)
            else:
                self._read_frame(raw)
        except Untrue as untrue:
            return f"untrue: {untrue}"
        except Exception as error:  # noqa: BLE001
            trace, last = error.__traceback__, None
            while trace is not None:
                last, trace = trace, trace.tb_next
            assert last is not None
            return f"{type(error).__name__} in {last.tb_frame.f_code.co_qualname}, line {last.tb_lineno}"
        return ""

    def _read_levels(self, raw: bytes) -> None:
        other = b'[["61737.63","0.5"]]'
        for read in (
            lambda: parse_both(raw, other, 2, 3),
            lambda: parse_both(other, raw, 2, 3),
            lambda: parse_sided(raw, 2, 3),
        ):
            try:
                read()
                self.events += 1
            except ValueError:
                self.refused += 1

    def _read_frame(self, raw: bytes) -> None:
        symbol = self._instruments[-1].symbol if len(raw) % 5 else ""
        try:
            events = self._codec.decode(raw, _RECV_NS, symbol)
        except DecodeError as error:
            self.refused += 1
            facts = (error.venue == self._codec.venue, error.raw == raw[:200], error.problem != "")
            _need(all(facts), "an error without its facts")
            str(error).encode()
        else:
            self.events += len(events)
            self._hold_usual(raw, events)
            for event in events:
                check(event, self._symbols)
                if isinstance(event, BookUpdate):
                    self._apply(event)
        self._read_instruments(raw)

    def _hold_usual(self, raw: bytes, events: Sequence[Event]) -> None:
        """What is read in one pass is what the JSON decoder reads."""
        heads = self._codec._depth_heads if isinstance(self._codec, BinanceSpot) else ()
        if not raw.startswith(heads) or heads == ():
            return
        try:
            whole = self._whole.decode(raw, _RECV_NS)
        except DecodeError:
            whole = ()
        _need(_plain(events) == _plain(whole), "a depth event that the JSON doesn't say")

    def _counted(self, usual_depth: Callable[[bytes, int], BookUpdate | None]) -> Any:
        def counted(raw: bytes, recv_ns: int) -> BookUpdate | None:
            update = usual_depth(raw, recv_ns)
            self.usual += update is not None
            return update

        return counted

    def _read_instruments(self, raw: bytes) -> None:
        for instrument in self._instruments[:1]:
            Precision(instrument.venue_symbol).read(raw)
        if self._wire != "kraken":
            return
        try:
            for pair in kraken.instruments(raw):
                numbers = (pair.tick, pair.lot, pair.min_notional)
                _need(all(0 <= n < _MOST for n in numbers), "an instrument's numbers")
        except DecodeError:
            pass

    def _apply(self, update: BookUpdate) -> None:
        bids, asks = self._ladders
        if update.is_snapshot or len(bids) + len(asks) > 200:
            bids.clear()
            asks.clear()
        tops = apply_both(bids, asks, update.bids, update.asks, self._codec.depth)
        for ladder, top in zip(self._ladders, (tops[:2], tops[2:]), strict=True):
            best = ladder.levels(10)
            first = tuple(best[0].tolist() if len(best) else (0, 0))
            _need(first == top == ladder.best(), "the best is not the best")
            sums(ladder.rows, _DEPTHS)
            digits(best)


def _plain(events: Sequence[Event]) -> list[list[Any]]:
    return [[m.tolist() if isinstance(m, np.ndarray) else m for m in one] for one in events]


def check(event: Event, symbols: set[str]) -> None:
    """Raises Untrue for an event that no venue can have meant, or that a column of 64 bits can't hold."""
    kind = type(event).__name__
    _need(event.recv_ns == _RECV_NS, f"{kind}.recv_ns")
    for name, value in event._asdict().items():
        if isinstance(value, str):
            value.encode()  # no surrogates
        elif isinstance(value, np.ndarray):
            _check_levels(value, f"{kind}.{name}")
        elif not isinstance(value, bool):
            least = -1 if name in _MAY_BE_MISSING else 0
            _need(type(value) is int, f"{kind}.{name} is a {type(value).__name__}")
            _need(least <= value < 1 << 63 or name == "side", f"{kind}.{name} is out of range")
    if isinstance(event, BookUpdate | Quote | Trade):
        _need(event.symbol in symbols, f"{kind}.symbol")
    if isinstance(event, Trade):
        _need(event.side in (1, -1), "Trade.side")
    elif isinstance(event, BookUpdate):
        _need(event.first_seq <= event.last_seq, "a book's first sequence after its last")
        _need(event.checksum < 1 << 32, "BookUpdate.checksum")
    elif isinstance(event, Unknown):
        _need(event.kind != "", "Unknown.kind")
    else:
        _need(isinstance(event, Ack | ConnectionSeq | Heartbeat | Quote | Shutdown), kind)


_MAY_BE_MISSING: Final = frozenset(
    ("first_seq", "last_seq", "prev_seq", "seq", "checksum", "trade_id", "request_id")
)


def _check_levels(levels: Levels, name: str) -> None:
    _need(levels.dtype == np.int64 and levels.ndim == 2 and levels.shape[1] == 2, f"{name} is no level array")
    if len(levels):
        _need(int(levels.min()) >= 0 and int(levels.max()) < _MOST, f"{name} is out of range")


# --- the kernels against their twins, and against the standard library's JSON -----------------------------


@contextmanager
def twin_kernels() -> Iterator[None]:
    """Within it every call of a kernel runs compiled and as plain Python; Untrue where the two differ."""
    before = dict(text.kernels), dict(side.kernels), dict(depth_event.kernels)
    warm_up()
    pairs: dict[str, Callable[..., Any]] = {
        name: _twin(name, text._COMPILED[name], text._SOURCES[name]) for name in text._SOURCES
    }
    text.kernels.update(pairs, parse=_true_both(pairs["parse"]), sided=_true_sided(pairs["sided"]))
    side.kernels.update(
        {name: _twin(name, side._COMPILED[name], side._SOURCES[name]) for name in side._SOURCES}
    )
    depth_event.kernels["read"] = _twin("read", depth_event._COMPILED, depth_event._read)
    try:
        yield
    finally:
        text.kernels.update(before[0])
        side.kernels.update(before[1])
        depth_event.kernels.update(before[2])


def _twin(name: str, compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def both(*arguments: Any) -> Any:
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        fast, slow = compiled(*arguments), plain(*copies)
        _need(fast == slow, f"the compiled kernel {name!r} returns something else than the plain one")
        for ours, theirs in zip(arguments, copies, strict=True):
            _need(bool(np.all(ours == theirs)), f"the compiled kernel {name!r} writes something else")
        return fast

    return both


def _true_both(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, held against what the two lists mean where they are JSON."""

    def judged(bids: bytes, asks: bytes, price_decimals: int, qty_decimals: int, out: Levels) -> Any:
        counts = kernel(bids, asks, price_decimals, qty_decimals, out)
        if min(counts) >= 0:
            first = out[: counts[0]].tolist(), out[counts[0] : sum(counts)].tolist()
            for raw, read in zip((bids, asks), first, strict=True):
                _hold(raw, [read], lambda document: _rows(document, price_decimals, qty_decimals))
        return counts

    return judged


def _true_sided(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, held against what the list means where it is JSON."""

    def judged(raw: bytes, price_decimals: int, qty_decimals: int, *out: Levels) -> Any:
        counts = kernel(raw, price_decimals, qty_decimals, *out)
        if counts[0] >= 0:
            read = [rows[:n].tolist() for rows, n in zip(out, counts, strict=True)]
            _hold(raw, read, lambda document: _sided_rows(document, price_decimals, qty_decimals))
        return counts

    return judged


def _hold(raw: bytes, read: list[Any], meant: Callable[[Any], list[Any]]) -> None:
    try:
        document = json.loads(raw, parse_int=str, parse_float=str, object_pairs_hook=_named)
    except (ValueError, RecursionError):
        return
    if document is not None and not _ambiguous(document):
        try:
            says = meant(document)
        except (ValueError, TypeError, KeyError):  # a codec would take it for its own refusal
            says = []
        _need(read == says, "levels that the JSON doesn't say")


def _named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 leaves open what a name means that comes twice: then nothing is held against the kernel."""
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {"twice": pairs}


def _ambiguous(document: Any) -> bool:
    return isinstance(document, list) and any(isinstance(row, dict) and "twice" in row for row in document)


def _units(number: Any, decimals: int) -> int | None:
    """None for what is no number of so many decimals; exact, digit by digit."""
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        return None
    whole, _, fraction = number.partition(".")
    if fraction[decimals:].strip("0"):
        return None
    return int((whole + fraction[:decimals].ljust(decimals, "0")).lstrip("0")[:30] or "0")


def _members(row: Any, *names: str) -> list[Any]:
    if isinstance(row, dict):
        return [row.get(name) for name in names]
    return row[: len(names)] if isinstance(row, list) else []


def _rows(document: Any, price_decimals: int, qty_decimals: int) -> list[list[list[int | None]]]:
    rows = [_members(row, "price", "qty") for row in document]
    return [[[_units(p, price_decimals), _units(q, qty_decimals)] for p, q in rows]]


def _sided_rows(document: Any, price_decimals: int, qty_decimals: int) -> list[list[list[int | None]]]:
    sides: dict[str, list[list[int | None]]] = {"bid": [], "offer": []}
    for row in document:
        name, price, qty = _members(row, "side", "price_level", "new_quantity")
        name = {"buy": "bid", "sell": "offer"}.get(name, name)
        sides[name].append([_units(price, price_decimals), _units(qty, qty_decimals)])
    return [sides["bid"], sides["offer"]]
