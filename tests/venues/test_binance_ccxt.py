"""Our URLs, requests and channel names beside those the installed ccxt.pro would use."""

from __future__ import annotations

import json
from typing import Any

import ccxt.pro
import pytest
from ccxt_requests import request_of

from citadel_kit import settings
from citadel_kit.venues import binance, codec

MARKET = {"id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "inverse": False, "option": False}


def asked(name: str, watch: str) -> tuple[str, dict[str, Any]]:
    """What ccxt.pro would send for one `watch…` call."""
    theirs: Any = getattr(ccxt.pro, name)()
    spot = name == "binance"
    kind = {"type": "spot" if spot else "swap", "spot": spot, "contract": not spot, "linear": not spot}

    def call() -> Any:
        theirs.market = lambda symbol: MARKET | kind
        theirs.market_ids = lambda symbols=None: ["BTCUSDT"]
        return getattr(theirs, watch)(["BTC/USDT"] if watch == "watch_bids_asks" else "BTC/USDT")

    return request_of(theirs, call)


@pytest.mark.parametrize(
    ("venue", "stream_url"), [("binance", binance.STREAM_URL), ("binanceusdm", binance.USDM_STREAM_URL)]
)
def test_requests_are_those_of_ccxt_pro(venue: str, stream_url: str) -> None:
    """Ours ask for all channels in one request, over the combined endpoint: each frame names its stream."""
    instrument = settings.instrument(venue, "BTC/USDT")
    (text,) = codec(venue, [instrument]).subscribe([instrument], 1)
    ours, theirs = json.loads(text), []
    for watch in ("watch_order_book", "watch_bids_asks", "watch_trades"):
        url, request = asked(venue, watch)
        assert url.rsplit("/ws/", 1)[0] == stream_url.removesuffix("/stream")
        assert (request["method"], request["id"]) == (ours["method"], ours["id"])
        theirs += request["params"]
    assert ours["params"] == theirs


@pytest.mark.parametrize(
    ("kind", "rest_url"), [("public", binance.REST_URL), ("fapiPublic", binance.USDM_REST_URL)]
)
def test_rest_hosts_are_those_of_ccxt(kind: str, rest_url: str) -> None:
    assert str(ccxt.pro.binance().urls["api"][kind]).startswith(rest_url + "/")
