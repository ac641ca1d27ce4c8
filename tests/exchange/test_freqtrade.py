"""Freqtrade, unmodified, trades at the local exchange; its config overrides only URLs.

It has an environment of its own (`make freqtrade`), whose Python is named by CITADEL_FREQTRADE; without that
it is looked for beside this interpreter.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from citadel_kit.exchange.local import LocalExchange
from citadel_kit.micro.matching import ExchangeOrder, OrderType, Status
from citadel_kit.types import Side

PYTHON = os.environ.get("CITADEL_FREQTRADE") or (sys.executable if find_spec("freqtrade") else "")
SYMBOL = "BTC/USDT"
STAKE = 1_000.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON, reason="no freqtrade here: `make freqtrade`, or CITADEL_FREQTRADE=its Python"
    ),
]

STRATEGY = """
from datetime import timedelta

from freqtrade.strategy import IStrategy


class BuyAtOnce(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "5m"
    startup_candle_count = 20
    process_only_new_candles = False
    minimal_roi = {"0": 10.0}
    stoploss = -0.2
    order_types = {"entry": "limit", "exit": "limit", "stoploss": "limit", "stoploss_on_exchange": True}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def custom_entry_price(self, pair, trade, current_time, proposed_rate, entry_tag, side, **kwargs):
        return proposed_rate * 1.001  # it is taken at once, though the market moves meanwhile

    def custom_exit_price(self, pair, trade, current_time, proposed_rate, current_profit, exit_tag, **kwargs):
        return proposed_rate * 0.999

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        filled = trade.date_entry_fill_utc
        if filled is not None and current_time - filled >= timedelta(seconds=3):
            return "soon"
"""


def config(exchange: LocalExchange, dry_run: bool) -> dict[str, Any]:
    ours = exchange.ccxt_config("binance")
    taking = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    return {
        "initial_state": "running",
        "dry_run": dry_run,
        "dry_run_wallet": 100_000,
        "max_open_trades": 1,
        "stake_currency": "USDT",
        "stake_amount": STAKE,
        "trading_mode": "spot",
        "entry_pricing": taking,
        "exit_pricing": taking,
        "pairlists": [{"method": "StaticPairList"}],
        "internals": {"process_throttle_secs": 1, "heartbeat_interval": 0},
        "exchange": {
            "name": "binance",
            "key": ours["apiKey"],
            "secret": ours["secret"],
            "enable_ws": False,
            "pair_whitelist": [SYMBOL],
            "pair_blacklist": [],
            "ccxt_config": {
                "urls": {"api": ours["urls"]["api"]},
                "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
            },
        },
    }


class Bot:
    """A running Freqtrade, its log and its database."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.log, self.database, self.process = folder / "log", folder / "trades.sqlite", process

    def rows(self, query: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def closed(self) -> list[dict[str, Any]]:
        try:
            return self.rows("select * from trades where is_open = 0 and close_rate is not null order by id")
        except sqlite3.OperationalError:  # it is still making its tables
            return []


@contextmanager
def freqtrade(exchange: LocalExchange, folder: Path, dry_run: bool) -> Iterator[Bot]:
    (folder / "BuyAtOnce.py").write_text(STRATEGY)
    (folder / "config.json").write_text(json.dumps(config(exchange, dry_run)))
    command = [PYTHON, "-m", "freqtrade", "trade", "--config", "config.json", "--strategy", "BuyAtOnce",
               "--strategy-path", ".", "--userdir", ".", "--db-url", "sqlite:///trades.sqlite"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "PYTHONPATH": ""},
        )
        try:
            yield Bot(folder, process)
            process.terminate()
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def wait_for(bot: Bot, found: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end and bot.process.poll() is None:
        if got := found():
            return got
        time.sleep(0.25)
    pytest.fail(f"freqtrade did not get there:\n{bot.log.read_text()[-4000:]}")


def known_orders(exchange: LocalExchange) -> list[ExchangeOrder]:
    return exchange.call(lambda: exchange.venue().engine(SYMBOL).all_orders("main"))


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry-run", "live"])
def test_freqtrade_places_fills_and_closes_a_trade(tmp_path: Path, dry_run: bool) -> None:
    with LocalExchange() as exchange:
        with freqtrade(exchange, tmp_path, dry_run) as bot:
            trade = wait_for(bot, bot.closed)[0]
            orders = bot.rows(f"select * from orders where ft_trade_id = {trade['id']} order by id")
            log = bot.log.read_text()  # before it is ended in the middle of something, and complains
        assert " - ERROR - " not in log
        assert "Traceback" not in log
        assert (trade["exchange"], trade["pair"], trade["exit_reason"]) == ("binance", SYMBOL, "soon")
        entry, exit_ = (next(o for o in orders if o["ft_order_side"] == side) for side in ("buy", "sell"))
        assert {entry["status"], exit_["status"]} == {"closed"}
        assert trade["open_rate"] * entry["filled"] == pytest.approx(STAKE, rel=0.01)
        assert exit_["filled"] == pytest.approx(entry["filled"], rel=0.002)
        if dry_run:
            assert known_orders(exchange) == []
            low, high = traded_range(exchange)
            assert low * 0.998 <= trade["open_rate"] <= high * 1.002
        else:
            assert_in_the_books(exchange, orders)


def traded_range(exchange: LocalExchange) -> tuple[float, float]:
    bars = exchange.ccxt("binance", sync=True).fetch_ohlcv(SYMBOL, "5m", limit=3)
    return min(bar[3] for bar in bars), max(bar[2] for bar in bars)


def assert_in_the_books(exchange: LocalExchange, orders: list[dict[str, Any]]) -> None:
    """The exchange knows the very orders that Freqtrade knows, with the same fates."""
    ours = {str(order.order_id): order for order in known_orders(exchange)}
    assert {order["order_id"] for order in orders} <= set(ours)
    entry, stop, exit_ = (
        next(o for o in orders if o["ft_order_side"] == side) for side in ("buy", "stoploss", "sell")
    )
    instrument = exchange.venue().symbols[SYMBOL].instrument
    lot, tick = 10**instrument.qty_decimals, 10**instrument.price_decimals
    for told, side in ((entry, Side.BUY), (exit_, Side.SELL)):
        order = ours[told["order_id"]]
        assert (order.side, order.status) == (side, Status.FILLED)
        assert order.filled == round(told["filled"] * lot)
        assert order.quote_filled / order.filled / tick == pytest.approx(told["average"], rel=1e-9)
    guard = ours[stop["order_id"]]
    assert (guard.type, guard.status) == (OrderType.STOP_LOSS_LIMIT, Status.CANCELED)
