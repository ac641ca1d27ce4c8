"""Tapes through `run.verify`: the figures of the real ones, what faults look like, and tops row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from naive_tops import naive_tops

from citadel_kit import settings
from citadel_kit.errors import ConfigError, TapeError
from citadel_kit.io.tape import TapeFile
from citadel_kit.run.verify import TapeReport, find_instrument, replay
from citadel_kit.types import BookTop

# --- the real tapes --------------------------------------------------------------------------------------


class Expected(NamedTuple):
    """Sums over the symbols, except of `frames`."""

    tape: str
    venue: str
    symbols: Sequence[str]
    frames: int
    book_frames: int
    links: int
    checksums: int
    oracles: int
    verified_by: tuple[str, ...]


COINBASE = ("SKL/BTC", "CRV/EUR", "BAND/BTC", "NMR/EUR", "SKL/USD")
OKX = ("BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527")
SEQUENCE, CHECKSUM = ("sequence",), ("checksum",)
TAPES = [
    Expected(
        "binance_spot_btcusdt",
        "binance",
        ("BTC/USDT",),
        *(41_249, 3_451, 3_449, 0, 564),
        ("sequence", "oracle"),
    ),
    Expected(
        "binance_usdm_btcusdt",
        "binanceusdm",
        ("BTC/USDT:USDT",),
        *(93_954, 6_551, 6_547, 0, 629),
        ("sequence", "oracle"),
    ),
    Expected("kraken_v2_btcusd_d25", "kraken", ("BTC/USD",), 2_104, 2_052, 0, 2_052, 0, CHECKSUM),
    Expected("kraken_v2_ethusd_d25", "kraken", ("ETH/USD",), 1_170, 1_129, 0, 1_129, 0, CHECKSUM),
    Expected("okx_v5_2022_crc", "okx", OKX, 410, 290, 0, 290, 0, CHECKSUM),
    Expected("okx_v5_seqid_derived", "okx", OKX, 410, 290, 287, 0, 0, SEQUENCE),
    Expected("coinbase_exchange_level2", "coinbaseexchange", COINBASE, 6_641, 6_476, 0, 0, 0, ()),
    Expected("coinbase_advanced_derived", "coinbase", COINBASE, 6_552, 6_476, 5 * 6_551, 0, 0, SEQUENCE),
    Expected("bybit_v5_linear_xrpusdt_ob500", "bybitlinear", ("XRP/USDT",), 50, 50, 49, 0, 0, SEQUENCE),
]
"""`frames` and the book frames of Kraken and OKX are of the tapes' own index; the others were counted."""


def verified(shared: Path, tape: str, venue: str, symbol: str) -> TapeReport:
    file = TapeFile(shared / "tapes" / f"{tape}.tape.gz")
    return replay(file, find_instrument(file, venue, symbol))


@pytest.mark.parametrize("expected", TAPES, ids=lambda e: e.tape)
def test_the_real_tapes_are_clean(shared: Path, expected: Expected) -> None:
    reports = [verified(shared, expected.tape, expected.venue, symbol) for symbol in expected.symbols]
    for report in reports:
        assert report.clean
        assert report.problems == ()
        assert report.frames == expected.frames
        assert report.final_state == "LIVE"
        assert not report.cut_off
        assert report.verified_by == expected.verified_by
        assert report.snapshots == 1
        for name in ("gaps", "checksums_wrong", "oracle_disagreements", "crossed", "malformed", "resyncs"):
            assert getattr(report, name) == 0, name
    assert sum(r.book_frames for r in reports) == expected.book_frames
    assert sum(r.links_checked for r in reports) == expected.links
    assert sum(r.checksums_right for r in reports) == expected.checksums
    assert sum(r.oracle_agreements for r in reports) == expected.oracles


# --- tops against a book of dicts -------------------------------------------------------------------------


@pytest.mark.parametrize("expected", TAPES, ids=lambda e: e.tape)
def test_tops_are_those_of_a_book_of_dicts(shared: Path, expected: Expected) -> None:
    path = shared / "tapes" / f"{expected.tape}.tape.gz"
    file = TapeFile(path)
    for symbol in expected.symbols:
        instrument = find_instrument(file, expected.venue, symbol)
        tops: list[BookTop] = []
        report = replay(file, instrument, tops.append)
        price, qty = 10**instrument.price_decimals, 10**instrument.qty_decimals
        ours = [
            (t.recv_ns, t.seq, t.bid / price, t.bid_qty / qty, t.ask / price, t.ask_qty / qty) for t in tops
        ]
        assert ours == list(naive_tops(path, expected.venue, instrument.venue_symbol))
        assert len(ours) == report.applied
        timeless = sum(t.exch_ns == 0 for t in tops)
        assert timeless == (expected.venue == "coinbaseexchange"), "only its snapshots bear no time"


@pytest.mark.parametrize("expected", TAPES, ids=lambda e: e.tape)
def test_inferred_decimals_serve_as_well_as_known_ones(
    shared: Path, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TapeFile(shared / "tapes" / f"{expected.tape}.tape.gz")
    symbol = expected.symbols[-1]
    known = find_instrument(file, expected.venue, symbol)
    monkeypatch.setattr(settings, "is_known", lambda *_: False)
    inferred = find_instrument(file, expected.venue, symbol)
    assert inferred.venue_symbol == known.venue_symbol
    assert inferred.price_decimals <= known.price_decimals
    report = replay(file, inferred)
    assert report.clean
    assert (report.frames, report.applied) == (expected.frames, replay(file, known).applied)


# --- faults, on a small tape ------------------------------------------------------------------------------


def bybit(u: int, kind: str = "delta", bid: str = "99.5", qty: str = "1.250", ask: str = "100.25") -> bytes:
    data = {"s": "AAABBB", "b": [[bid, qty]], "a": [[ask, "2"]], "u": u, "seq": u}
    return json.dumps({"topic": "orderbook.50.AAABBB", "type": kind, "ts": u, "data": data}).encode()


def coinbase(seq: int, kind: str = "update", product: str = "AAA-BBB") -> bytes:
    rows = [("bid", "99.5", f"{seq + 1}.0"), ("offer", "100.5", "1.0")]
    updates = [{"side": s, "price_level": p, "new_quantity": q, "event_time": ""} for s, p, q in rows]
    events = [{"type": kind, "product_id": product, "updates": updates}]
    time = "2026-08-02T03:35:51.660084Z"
    return json.dumps(
        {"channel": "l2_data", "timestamp": time, "sequence_num": seq, "events": events}
    ).encode()


def verify(
    tmp_path: Path, venue: str, frames: Sequence[bytes], symbol: str = "AAA/BBB"
) -> tuple[TapeReport, list[BookTop]]:
    path = tmp_path / "small.tape"
    path.write_bytes(b"".join(b"%d %s\n" % (10 + n, raw) for n, raw in enumerate(frames)))
    file, tops = TapeFile(path), []
    return replay(file, find_instrument(file, venue, symbol), tops.append), tops


START = [bybit(1, "snapshot"), bybit(2), bybit(3)]


def test_a_lost_frame_is_a_gap_until_the_next_snapshot(tmp_path: Path) -> None:
    report, tops = verify(tmp_path, "bybit", [*START, bybit(5), bybit(6)])
    assert (report.gaps, report.resyncs, report.links_checked) == (1, 1, 3)
    assert (report.final_state, report.clean) == ("GAP", False)
    assert (report.book_frames, report.applied, len(tops)) == (5, 3, 3)
    (problem,) = report.problems
    assert problem.startswith("frame 4: ")
    report, tops = verify(tmp_path, "bybit", [*START, bybit(5), bybit(6, "snapshot"), bybit(7)])
    assert (report.gaps, report.final_state, report.clean) == (1, "LIVE", False)
    assert [top.recv_ns for top in tops] == [10, 11, 12, 14, 15]


def test_a_malformed_and_a_crossed_book_are_not_clean(tmp_path: Path) -> None:
    report, _ = verify(tmp_path, "bybit", [*START, b'{"topic":"orderbook.50.AAABBB"', bybit(1, "snapshot")])
    assert (report.malformed, report.gaps, report.final_state, report.clean) == (1, 0, "LIVE", False)
    report, _ = verify(tmp_path, "bybit", [*START, bybit(4, bid="100.25"), bybit(9, "snapshot")])
    assert (report.crossed, report.gaps, report.final_state, report.clean) == (1, 0, "LIVE", False)


def test_a_refused_subscription_is_not_clean(tmp_path: Path) -> None:
    no = b'{"success":false,"ret_msg":"Invalid symbol","op":"subscribe","req_id":"1"}'
    report, _ = verify(tmp_path, "bybit", [*START, no])
    assert (report.refused, report.clean) == (1, False)
    report, tops = verify(tmp_path, "bybit", [*START, no, bybit(4), bybit(8, "snapshot"), bybit(9)])
    assert (report.final_state, len(tops), report.book_frames) == ("LIVE", 5, 6)


def test_unknown_frames_and_a_cut_end_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "cut.tape"
    path.write_bytes(b"1 %s\n2 %s\n3 {" % (bybit(1, "snapshot"), b'{"topic":"tickers.AAABBB"}'))
    file = TapeFile(path)
    report = replay(file, find_instrument(file, "bybit", "AAA/BBB"))
    assert (report.clean, report.cut_off, report.unknown, report.frames) == (True, True, 1, 2)


def test_a_hole_in_a_connection_stays_a_gap_until_the_next_connection(tmp_path: Path) -> None:
    first = [coinbase(0, "snapshot"), coinbase(1), coinbase(2, product="CCC-BBB"), coinbase(3)]
    report, tops = verify(tmp_path, "coinbase", first)
    assert (report.links_checked, report.clean, report.other_instruments) == (3, True, 1)
    report, tops = verify(tmp_path, "coinbase", [*first, coinbase(5), coinbase(6), b"{", coinbase(7)])
    assert (report.gaps, report.malformed, report.final_state) == (1, 1, "GAP")
    assert (report.book_frames, len(tops)) == (6, 3)
    again = [coinbase(0, product="CCC-BBB"), coinbase(1, "snapshot"), coinbase(2)]
    report, tops = verify(tmp_path, "coinbase", [*first, coinbase(5), coinbase(6), *again])
    assert (report.gaps, report.final_state, report.clean) == (1, "LIVE", False)
    assert [top.recv_ns for top in tops] == [10, 11, 13, 17, 18]
    report, tops = verify(tmp_path, "coinbase", [*first, coinbase(0, "snapshot"), coinbase(1)])
    assert (report.gaps, report.final_state, len(tops)) == (1, "LIVE", 5)


def test_several_updates_in_one_frame_are_one_row(tmp_path: Path) -> None:
    double = json.loads(coinbase(1))
    double["events"] *= 2
    _, tops = verify(tmp_path, "coinbase", [coinbase(0, "snapshot"), json.dumps(double).encode()])
    assert [top.seq for top in tops] == [0, 1]


# --- which instrument -------------------------------------------------------------------------------------


def test_decimals_given_known_or_inferred(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    path.write_bytes(b"1 %s\n2 %s\n" % (bybit(1, "snapshot"), bybit(2, bid="99.12345", qty="1", ask="100.0")))
    file = TapeFile(path)

    def found(venue: str, symbol: str, *decimals: int | None) -> tuple[str, int, int]:
        instrument = find_instrument(file, venue, symbol, *decimals)
        return instrument.venue_symbol, instrument.price_decimals, instrument.qty_decimals

    assert found("bybit", "AAA/BBB") == ("AAABBB", 5, 3)
    assert found("bybit", "AAA/BBB", 7, None) == ("AAABBB", 7, 3)
    assert found("bybit", "AAA/BBB", None, 6) == ("AAABBB", 5, 6)
    assert found("bybit", "XX/YY", 1, 2) == ("XXYY", 1, 2)
    assert found("bybit", "BTC/USDT") == ("BTCUSDT", 2, 6)
    assert found("bybit", "BTC/USDT", None, 7) == ("BTCUSDT", 2, 7)


def test_an_instrument_message_goes_before_the_table(tmp_path: Path) -> None:
    pair = {
        "symbol": "BTC/USD",
        "price_precision": 3,
        "qty_precision": 5,
        "price_increment": 0.001,
        "qty_increment": 1e-05,
        "cost_min": 0.5,
    }
    message = {"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": [pair]}}
    path = tmp_path / "x.tape"
    path.write_bytes(b"1 {}\n2 %s\n" % json.dumps(message).encode())
    stated = find_instrument(TapeFile(path), "kraken", "BTC/USD")
    assert (stated.price_decimals, stated.qty_decimals) == (3, 5)
    assert find_instrument(TapeFile(path), "kraken", "ETH/USD") == settings.instrument("kraken", "ETH/USD")


@pytest.mark.parametrize(
    ("venue", "symbol", "problem"),
    [
        ("mtgox", "BTC/USD", "Known: binance, binanceusdm, bybit, bybitlinear, okx, kraken, coinbase, coin"),
        ("bybit", "BTCUSDT", "Write it as BASE/QUOTE"),
        ("bybit", "AAA/CCC", "no book of AAACCC was found. Named there: AAABBB"),
        ("bybit", "AAA/BBB:BBB", "bybit has no contracts like"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_so(
    tmp_path: Path, venue: str, symbol: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        verify(tmp_path, venue, START, symbol)


def test_an_empty_tape_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="no frame"):
        verify(tmp_path, "bybit", [], "BTC/USDT")
