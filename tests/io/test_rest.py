"""Instruments, candles and snapshots off a venue on loopback, and every way in which it can't be reached."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_venue import SNAPSHOT, SYMBOL, LocalVenue, black_hole, nobody, untrusted

from citadel_kit import settings
from citadel_kit.errors import ConfigError, VenueUnreachable
from citadel_kit.io import rest
from citadel_kit.venues import Endpoints

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def venue() -> Iterator[LocalVenue]:
    with LocalVenue() as local:
        yield local


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = {t.name for t in threading.enumerate() if t not in before and t.name != "citadel-look-up"}
    assert not left


def unreachable(at: Endpoints, timeout_s: float = 2.0) -> str:
    with pytest.raises(VenueUnreachable) as caught:
        rest.fetch_instruments("BTC/USDT", {"binance": at}, timeout_s=timeout_s)
    line = str(caught.value)
    assert line.startswith("binance can't be reached: ") and "\n" not in line
    assert "127.0.0.1" in line or "nowhere.invalid" in line
    return line


def test_an_instrument_is_the_one_we_know(venue: LocalVenue) -> None:
    found = rest.fetch_instruments("BTC/USDT", {"binance": venue.at})
    assert found == {"binance": settings.instrument("binance", "BTC/USDT")}
    assert venue.asked == ["/api/v3/exchangeInfo?symbol=BTCUSDT"]


def test_quantities_that_would_pass_62_bits_get_the_lots_decimals(venue: LocalVenue) -> None:
    lot = {"filterType": "LOT_SIZE", "minQty": "1.00", "maxQty": "46116860414.00", "stepSize": "1.00"}
    tick = {"filterType": "PRICE_FILTER", "minPrice": "0.5", "maxPrice": "100", "tickSize": "0.50000000"}
    venue.symbol = SYMBOL | {"filters": [lot, tick]}
    coin = rest.fetch_instruments("BTC/USDT", {"binance": venue.at})["binance"]
    assert (coin.price_decimals, coin.tick, coin.qty_decimals, coin.lot) == (1, 5, 0, 1)
    assert coin.min_notional == 0
    venue.symbol = SYMBOL | {"filters": [tick, lot | {"maxQty": "46116860414000000000"}]}
    with pytest.raises(ConfigError, match="62 bits"):
        rest.fetch_instruments("BTC/USDT", {"binance": venue.at})


def test_a_symbol_that_is_not_traded(venue: LocalVenue) -> None:
    with pytest.raises(ConfigError, match="Invalid symbol"):
        rest.fetch_instruments("XYZ/USDT", {"binance": venue.at})
    venue.symbol = SYMBOL | {"status": "BREAK"}
    with pytest.raises(ConfigError, match="not being traded on binance now"):
        rest.fetch_instruments("BTC/USDT", {"binance": venue.at})


def test_an_unknown_venue() -> None:
    with pytest.raises(ConfigError, match="Known: binance"):
        rest.fetch_instruments("BTC/USDT", {"nowhere": nobody()})


def test_a_snapshot_is_raw_bytes(venue: LocalVenue) -> None:
    path = "/api/v3/depth?symbol=BTCUSDT&limit=1000"
    assert asyncio.run(rest.fetch_snapshot("binance", venue.at.rest + path)) == SNAPSHOT
    assert venue.asked == [path]


def test_a_snapshot_that_is_refused_says_when_to_come_again(venue: LocalVenue) -> None:
    venue.status["/api/v3/depth"], venue.headers = 429, {"Retry-After": "37"}
    with pytest.raises(VenueUnreachable, match="HTTP 429") as caught:
        asyncio.run(rest.fetch_snapshot("binance", venue.at.rest + "/api/v3/depth"))
    assert caught.value.retry_after_s == 37


def test_check_reachable_asks_both(venue: LocalVenue) -> None:
    rest.check_reachable("binance", at=venue.at)
    assert sorted(venue.asked) == ["/api/v3/time", "/stream"]
    for at in (venue.at._replace(stream=nobody().stream), venue.at._replace(rest=nobody().rest)):
        with pytest.raises(VenueUnreachable, match="refuses connections"):
            rest.check_reachable("binance", at=at)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "forbidden (HTTP 403)"),
        (418, "banned for a while (HTTP 418)"),
        (429, "too many requests came from this address (HTTP 429)"),
        (451, "does not serve this region (HTTP 451). Choose a market that needs no network"),
        (503, "the answer was HTTP 503"),
    ],
)
def test_an_http_error(venue: LocalVenue, status: int, text: str) -> None:
    venue.status["/api/v3/exchangeInfo"] = status
    assert text in unreachable(venue.at)


def test_nobody_listens() -> None:
    assert "refuses connections. Check the network, or choose a market that needs none" in unreachable(
        nobody()
    )


def test_a_black_hole() -> None:
    with black_hole() as at:
        assert "did not answer within 0.2 s" in unreachable(at, 0.2)


def test_an_interrupt_ends_the_wait() -> None:
    with black_hole() as at:
        interrupt = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            rest.fetch_instruments("BTC/USDT", {"binance": at}, timeout_s=60)
        interrupt.join()


def test_no_name() -> None:
    at = Endpoints("wss://nowhere.invalid/stream", "https://nowhere.invalid")
    assert "nowhere.invalid can't be resolved: no network, or no DNS" in unreachable(at, 10.0)


def test_a_name_look_up_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, answered = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        let_go.wait(5)
        answered.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    at = Endpoints("wss://nowhere.invalid/stream", "https://nowhere.invalid")
    assert "did not answer within 0.2 s" in unreachable(at, 0.2)
    assert not answered.is_set(), "nobody waited for it"
    let_go.set()


def test_no_tls_where_tls_is_expected(venue: LocalVenue) -> None:
    assert "does not speak TLS as it should" in unreachable(venue.at_tls)


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with LocalVenue(tls=untrusted(tmp_path)) as venue:
        assert "its certificate is not trusted (self-signed certificate)" in unreachable(venue.at_tls)


def test_a_login_page_instead_of_a_venue(venue: LocalVenue) -> None:
    venue.status["/api/v3/exchangeInfo"] = 203
    with pytest.raises(VenueUnreachable, match="login page"):
        rest.fetch_instruments("BTC/USDT", {"binance": venue.at})
