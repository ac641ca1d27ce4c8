"""Unified symbols, and well-known instruments by them."""

from __future__ import annotations

import pytest

from citadel_kit import settings
from citadel_kit.errors import ConfigError
from citadel_kit.venues import WIRES


@pytest.mark.parametrize(
    ("venue", "symbol", "written"),
    [
        ("binance", "BTC/USDT", "BTCUSDT"),
        ("binanceusdm", "BTC/USDT", "BTCUSDT"),
        ("binanceusdm", "BTC/USDT:USDT", "BTCUSDT"),
        ("binanceusdm", "BTC/USDT:USDT-241227", "BTCUSDT_241227"),
        ("bybit", "ETH/BTC", "ETHBTC"),
        ("bybitlinear", "XRP/USDT", "XRPUSDT"),
        ("bybitlinear", "BTC/USDC:USDC", "BTCPERP"),
        ("okx", "BTC/USDT", "BTC-USDT"),
        ("okx", "BTC/USDT:USDT", "BTC-USDT-SWAP"),
        ("okx", "BTC/USD:BTC-220527", "BTC-USD-220527"),
        ("kraken", "BTC/USD", "BTC/USD"),
        ("coinbase", "BTC/USD", "BTC-USD"),
        ("coinbaseexchange", "BTC/USD", "BTC-USD"),
    ],
)
def test_how_a_venue_writes_a_symbol(venue: str, symbol: str, written: str) -> None:
    assert settings.venue_symbol(venue, symbol) == written


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [
        ("binance", "BTCUSDT"),
        ("okx", "BTC-USDT"),
        ("okx", "BTC-USDT-SWAP"),
        ("kraken", "BTC/USD:USD"),
        ("binance", "BTC/USDT:USDT"),
        ("binanceusdm", "BTC/USD:BTC"),
        ("bybitlinear", "BTC/USDT:USDT-241227"),
        ("kraken", "BTC/USD "),
        ("kraken", ""),
    ],
)
def test_another_spelling_is_an_error(venue: str, symbol: str) -> None:
    with pytest.raises(ConfigError):
        settings.venue_symbol(venue, symbol)


def test_the_table_agrees_with_the_rule() -> None:
    for venue in WIRES:
        for symbol in settings._table()["instruments"][venue]:
            instrument = settings.instrument(venue, symbol)
            assert settings.is_known(venue, symbol)
            assert instrument.venue_symbol == settings.venue_symbol(venue, symbol)


def test_a_linear_contract_has_two_spellings() -> None:
    assert settings.instrument("binanceusdm", "BTC/USDT:USDT") == settings.instrument(
        "binanceusdm", "BTC/USDT"
    )
    assert not settings.is_known("binance", "BTC/USDT:USDT")
    assert not settings.is_known("okx", "BTC/USDT:USDT")
    assert not settings.is_known("mtgox", "BTC/USD")
    with pytest.raises(ConfigError, match="Known there: BTC/USDT"):
        settings.instrument("binanceusdm", "BTC/USDT:USDT-241227")
