"""Candles off a venue on loopback: the newest ones, and a history into a store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local_venue import START_MS, LocalVenue, kline
from typer.testing import CliRunner

from citadel_kit import clock
from citadel_kit.cli import app
from citadel_kit.errors import CandleError, ConfigError, VenueUnreachable
from citadel_kit.io.history import Download, download_candles, fetch_candles
from citadel_kit.io.store import CandleStore, write_candles
from citadel_kit.macro import candles, quality

pytestmark = pytest.mark.filterwarnings("error")

STEP = 300 * 10**9
END = START_MS * 10**6 // STEP * STEP


@pytest.fixture
def venue() -> Iterator[LocalVenue]:
    with LocalVenue() as local:
        yield local


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    others = ("citadel-look-up", "tqdm_monitor")
    left = {t.name for t in threading.enumerate() if t not in before and t.name not in others}
    assert not left


def test_candles_are_paged_closed_and_complete(venue: LocalVenue) -> None:
    steps: list[tuple[int, int]] = []
    frame = fetch_candles(
        "binance", "BTC/USDT", "5m", bars=2500, at=venue.at, progress=lambda *step: steps.append(step)
    )
    opens = START_MS - 300_000 * np.arange(2500, 0, -1)
    assert candles.open_ns(frame).tolist() == (opens * 1_000_000).tolist()
    expected = [[float(text) for text in kline(int(t))[1:6]] for t in opens]
    assert frame[list(candles.COLUMNS)].to_numpy().tolist() == expected
    assert quality.check(frame, "5m", venue.now_ms * 1_000_000) == ()
    assert steps == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_a_bar_is_closed_only_when_both_clocks_say_so(
    venue: LocalVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_ms = START_MS - 600_000
    monkeypatch.setattr(clock, "now_ns", lambda: behind_ms * 1_000_000)
    frame = fetch_candles("binance", "BTC/USDT", "5m", bars=10, at=venue.at)
    assert len(frame) == 10
    assert candles.open_ns(frame)[-1] == (behind_ms - 300_000) * 1_000_000


def test_a_hole_in_the_venues_candles_stays_a_hole(venue: LocalVenue) -> None:
    venue.missing = {START_MS - 300_000 * n for n in (4, 5)}
    frame = fetch_candles("binance", "BTC/USDT", "5m", bars=10, at=venue.at)
    assert len(frame) == 8
    assert [gap.bars for gap in candles.find_gaps(frame, "5m")] == [2]


def test_no_candles_at_all_are_an_empty_frame(venue: LocalVenue) -> None:
    venue.missing = {START_MS - 300_000 * n for n in range(-1, 11)}
    frame = fetch_candles("binance", "BTC/USDT", "5m", bars=10, at=venue.at)
    assert [fault.fault for fault in quality.find_faults(frame, "5m")] == ["empty"]


def test_parameters_that_cannot_be(venue: LocalVenue) -> None:
    with pytest.raises(ConfigError, match="bars"):
        fetch_candles("binance", "BTC/USDT", "5m", bars=0, at=venue.at)
    with pytest.raises(ConfigError, match="no 7m candles"):
        fetch_candles("binance", "BTC/USDT", "7m", bars=1, at=venue.at)


def test_candles_come_into_a_notebooks_running_loop(venue: LocalVenue) -> None:
    async def cell() -> int:
        return len(fetch_candles("binance", "BTC/USDT", "5m", bars=3, at=venue.at))

    assert asyncio.run(cell()) == 3


# --- into a store ---


def download(store: CandleStore, venue: LocalVenue, bars: int, until: int | None = None) -> Download:
    return download_candles(store, "binance", "BTC/USDT", "5m", END - bars * STEP, until, at=venue.at)


def asked(venue: LocalVenue) -> int:
    return sum("klines" in path for path in venue.asked)


def test_a_history_comes_in_pages_and_only_once(venue: LocalVenue, tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    assert download(store, venue, 2500) == (2500, 2500, ())
    frame = store.read("binance", "BTC/USDT", "5m")
    opens = START_MS - 300_000 * np.arange(2500, 0, -1)
    assert candles.open_ns(frame).tolist() == (opens * 1_000_000).tolist()
    assert frame.iloc[0].tolist() == [float(text) for text in kline(int(opens[0]))[1:6]]
    assert asked(venue) == 3
    assert download(store, venue, 2500) == (0, 2500, ())
    assert asked(venue) == 3
    # An earlier start asks for the earlier bars alone.
    assert download(store, venue, 2600) == (100, 2600, ())
    assert asked(venue) == 4
    assert download(store, venue, 2600, END - 2590 * STEP) == (0, 10, ())


def test_a_download_that_broke_off_goes_on_where_it_was(venue: LocalVenue, tmp_path: Path) -> None:
    store, steps = CandleStore(tmp_path), []

    def breaks(done: int, wanted: int) -> None:
        steps.append((done, wanted))
        if done >= 1000:
            venue.status["/api/v3/klines"] = 503

    with pytest.raises(VenueUnreachable, match="503"):
        download_candles(
            store, "binance", "BTC/USDT", "5m", END - 2500 * STEP, progress=breaks, at=venue.at
        )  # fmt: skip
    assert steps == [(1000, 2500)]
    assert len(store.read("binance", "BTC/USDT", "5m")) == 1000
    del venue.status["/api/v3/klines"]
    assert download(store, venue, 2500) == (1500, 2500, ())


def test_bars_the_venue_does_not_have_are_named_and_asked_for_again(
    venue: LocalVenue, tmp_path: Path
) -> None:
    store = CandleStore(tmp_path)
    venue.missing = {START_MS - 300_000 * n for n in (4, 5)}
    got = download(store, venue, 10)
    assert (got.new, got.bars) == (8, 8)
    assert [(gap.bars, gap.start_ns) for gap in got.gaps] == [(2, END - 5 * STEP)]
    venue.missing = set()
    assert download(store, venue, 10) == (2, 10, ())


def test_a_market_younger_than_the_span(venue: LocalVenue, tmp_path: Path) -> None:
    """Pages without a bar are passed over."""
    venue.missing = {START_MS - 300_000 * n for n in range(50, 2600)}
    assert download(CandleStore(tmp_path), venue, 2500) == (49, 49, ())


def test_faulty_bars_are_not_stored(
    venue: LocalVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = lambda t: [t, "1", "2", "0.5", "-1", "1.25", t + 299_999, "0", 1, "0", "0", "0"]  # noqa: E731
    monkeypatch.setattr("local_venue.kline", bad)
    with pytest.raises(CandleError, match="impossible"):
        download(CandleStore(tmp_path), venue, 10)
    assert CandleStore(tmp_path).markets() == []


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["candles", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


def test_the_command_line(venue: LocalVenue, tmp_path: Path) -> None:
    market = ["--venue", "binance", "--symbol", "BTC/USDT", "--timeframe", "5m", "--root", str(tmp_path)]
    venue.missing = {START_MS - 300_000 * n for n in (4, 5)}
    since = clock.iso(END - 100 * STEP)[:16]
    code, said = run("download", *market, "--since", since, "--rest-url", venue.at.rest)
    assert code == 0
    assert "98 new bars, 98 stored" in said
    assert "hole: 2 bars missing" in said
    assert "BTC/USDT" in run("list", "--root", str(tmp_path))[1]
    (file,) = tmp_path.rglob("*.parquet")
    code, said = run("check", str(file), "--json")
    assert code == 0
    assert '"timeframe": "5m"' in said
    frame = CandleStore(tmp_path).read("binance", "BTC/USDT", "5m")
    wrong = tmp_path / "wrong.parquet"
    write_candles(wrong, frame.iloc[::-1])
    code, said = run("check", str(wrong))
    assert code == 1
    assert "unsorted" in said
