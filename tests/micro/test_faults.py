"""The fault bench, in short; its long runs and what they found: docs/faults.md."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from fake_venues import FakeVenue, OkxCrc, Said
from fault_run import KINDS
from faults import bench, failures
from true_tape import Reel, Truth, fake_venue

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.micro.book import Book
from citadel_kit.micro.feed import BookFeed
from citadel_kit.micro.session import Session
from citadel_kit.types import Link
from citadel_kit.venues.binance import BinanceSpot
from citadel_kit.venues.bybit import Bybit
from citadel_kit.venues.coinbase import CoinbaseAdvanced
from citadel_kit.venues.kraken import Kraken
from citadel_kit.venues.okx import Okx

TAPES = {
    "binance_spot_btcusdt": ("binance", 6_000),
    "binance_usdm_btcusdt": ("binanceusdm", 6_000),
    "bybit_v5_linear_xrpusdt_ob500": ("bybitlinear", None),
    "okx_v5_2022_crc": ("okx", None),
    "okx_v5_seqid_derived": ("okx", None),
    "kraken_v2_btcusd_d25": ("kraken", None),
    "kraken_v2_ethusd_d25": ("kraken", None),
    "coinbase_advanced_derived": ("coinbase", 2_500),
    "coinbase_exchange_level2": ("coinbaseexchange", 2_500),
}
WRITTEN = {
    "binance": "BTC/USDT",
    "binanceusdm": "BTC/USDT",
    "bybit": "BTC/USDT",
    "okx": "BTC/USDT",
    "okx, as of 2022": "BTC/USDT",
    "kraken": "BTC/USD",
    "coinbase": "SKL/USD",
    "coinbaseexchange": "SKL/USD",
}
"""Tapes of our own, for where there are no real ones: venue and symbol."""


def written(folder: Path, name: str) -> Reel:
    """A snapshot and one update; the fake venue's own changes follow."""
    venue, _, form = name.partition(",")
    instrument = settings.instrument(venue, WRITTEN[name])
    wire: FakeVenue = OkxCrc() if form else fake_venue(venue, iter([b'"seqId"']))
    decimals = instrument.price_decimals
    tick = 10.0**-decimals
    price = [f"{100 + i * tick:.{decimals}f}" for i in range(-39, 41)]
    qty = [f"{i % 7 + 1}.{'0' * instrument.qty_decimals}" for i in range(80)]
    if form:  # whose checksum is over texts without trailing zeros
        price, qty = ([f"{Decimal(text).normalize():f}" for text in texts] for texts in (price, qty))
    rows = list(zip(price, qty, strict=True))
    bids, asks = rows[:40][::-1], rows[40:]
    seqless = wire.checksummed or not wire.proves
    raws, before = [], 9
    truth = Truth(instrument, wire.depth)
    for seq, bid_rows, ask_rows in ((10, bids, asks), (11, bids[3:5], []), (12, [], asks[1:2])):
        links = (-1, -1, -1) if seqless else wire.links(before, seq, seq)
        said = Said(instrument.venue_symbol, seq == 10, links, bid_rows, ask_rows)
        truth.add(said, seq)
        said = said._replace(checksum=wire.checksum(truth.book_at(seq - 10)))
        raws.append(wire.number(wire.book(said, seq), seq))
        before = seq
    path = folder / "written.tape"
    path.write_bytes(b"".join(b"%d %s\n" % (10**18 + i * 10**8, raw) for i, raw in enumerate(raws)))
    return Reel(path, venue, [instrument.symbol])


def check(reel: Reel, seeds: range) -> None:
    problems: list[str] = []
    table = bench(reel, seeds, say=problems.append)
    assert not failures(reel, table), problems[:20]
    assert all(row["faults"] and row["judged"] > 50 for row in table.values()), "otherwise nothing was tried"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_live_book_is_true_and_recovers(name: str, tmp_path: Path) -> None:
    check(written(tmp_path, name), range(4 * len(KINDS)))


@pytest.mark.parametrize("name", TAPES)
def test_a_live_book_is_true_and_recovers_on_real_frames(name: str, shared: Path) -> None:
    venue, limit = TAPES[name]
    reel = Reel(shared / "tapes" / f"{name}.tape.gz", venue, limit=limit)
    check(reel, range(3 * len(KINDS)))


def test_where_nothing_is_numbered_a_loss_is_not_seen(tmp_path: Path) -> None:
    """Coinbase Exchange: why its books are apart. Even so, each comes back to life."""
    table = bench(written(tmp_path, "coinbaseexchange"), range(20), ["drop"])
    assert table["drop"]["wrong"] > 0
    assert table["drop"]["unwell"] == 0


def always_next(self: object, book_seq: int, just_synced: bool, update: object) -> Link:
    return Link.NEXT


@pytest.mark.parametrize("name", ["binance", "bybit", "okx", "okx, as of 2022", "kraken", "coinbase"])
def test_the_bench_sees_a_session_that_does_not_check(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for codec in (BinanceSpot, Bybit, Okx):
        monkeypatch.setattr(codec, "link", always_next)
    monkeypatch.setattr(Kraken, "checksum_depth", 0)
    monkeypatch.setattr(Okx, "checksum_depth", 0)
    monkeypatch.setattr(Session, "_on_seq", lambda *_: None)
    monkeypatch.setattr(Book, "agrees", lambda *_: True)
    assert CoinbaseAdvanced.link is not always_next
    table = bench(written(tmp_path, name), range(30), ["drop", "delay"])
    assert table["drop"]["wrong"] > 0
    assert table["delay"]["wrong"] > 0


@pytest.mark.parametrize("name", ["binance", "bybit", "kraken", "coinbase"])
def test_the_bench_sees_a_session_that_does_not_resync(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BookFeed, "_ask", lambda *_: None)
    assert bench(written(tmp_path, name), range(2), ["truncate"])["truncate"]["unwell"] == 2


def test_a_venue_of_another_name_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no codec for 'binace'\. Known: binance, binanceusdm"):
        Reel(tmp_path / "x.tape", "binace")
