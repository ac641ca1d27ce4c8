from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from plain_client import PlainClient, http
from typer.testing import CliRunner

from citadel_kit.cli import app
from citadel_kit.errors import CitadelError, ConfigError, EngineClosed
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.types import Side


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def test_it_leaves_no_thread_behind_and_can_be_closed_twice() -> None:
    before = threads()
    with LocalExchange() as exchange:
        assert http("GET", f"{exchange.urls['binance']}/api/v3/ping") == (200, {})
        url = exchange.urls["binance"]
    exchange.close()
    assert threads() == before
    with pytest.raises(OSError, match="refused"):
        http("GET", f"{url}/api/v3/ping")
    with pytest.raises(EngineClosed):
        exchange.call(lambda: None)
    with pytest.raises(EngineClosed):
        exchange.start()


def test_several_exchanges_stand_side_by_side() -> None:
    with LocalExchange(seed=1) as one, LocalExchange(seed=2) as other:
        assert one.port != other.port
        assert one.venue().keys != other.venue().keys


def test_plain_ccxt_trades_there() -> None:
    with LocalExchange(venues=("binance", "okx"), symbols=("BTC/USDT", "ETH/USDT")) as exchange:
        client = exchange.ccxt("binance", sync=True)
        assert client.urls["api"]["public"].startswith("http://127.0.0.1:")
        client.load_markets()
        assert set(client.markets) == {"BTC/USDT", "ETH/USDT"}
        order = client.create_order("BTC/USDT", "market", "buy", 0.01)
        assert client.fetch_order(order["id"], "BTC/USDT")["status"] == "closed"
        assert client.fetch_balance()["BTC"]["total"] == pytest.approx(1.01, rel=1e-4)
        assert len(exchange.ccxt("okx", sync=True).fetch_order_book("ETH/USDT")["bids"]) > 10
        filled = exchange.call(lambda: exchange.venue().engine("BTC/USDT").trades("main"))
        assert {t.side for t in filled} == {Side.BUY}


def test_options_of_a_ccxt_client_are_merged_into_its_own() -> None:
    with LocalExchange() as exchange:
        client = exchange.ccxt("binance", sync=True, options={"warnOnFetchOpenOrdersWithoutSymbol": False}, timeout=5)  # fmt: skip # noqa: E501
        assert client.options["warnOnFetchOpenOrdersWithoutSymbol"] is False
        assert client.options["fetchMarkets"]["types"] == ["spot"]
        assert client.timeout == 5


def test_calls_run_on_its_own_thread_in_the_present() -> None:
    with LocalExchange() as exchange:
        name = exchange.call(lambda: threading.current_thread().name)
        assert name == "citadel-exchange"
        first = exchange.call(lambda: exchange.world.now_ns)
        assert exchange.call(lambda: exchange.world.now_ns) > first
        with pytest.raises(ZeroDivisionError):
            exchange.call(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"venues": ()}, "venues"),
        ({"venues": ("binance", "binance")}, "venues"),
        ({"venues": ("mtgox",)}, "venues"),
        ({"symbols": ()}, "symbols"),
        ({"symbols": ("BTCUSDT",)}, "symbol"),
        ({"fill": "always"}, "fill"),
        ({"balances": {"USDT": -1}}, "balances"),
        ({"balances": {"USDT": float("nan")}}, "balances"),
        ({"latency": "constant"}, "latency"),
        ({"latency": "uniform:5:2"}, "latency"),
        ({"latency": "lognormal:x:1"}, "latency"),
        ({"latency": "constant:-1"}, "latency"),
        ({"market": "tape:nowhere.tape"}, "nowhere"),
        ({"candles": "nowhere.parquet"}, "nowhere"),
    ],
)
def test_what_makes_no_exchange_is_refused_by_its_setting(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(CitadelError, match=match):
        LocalExchange(**wrong)


def test_an_unknown_venue_is_an_error_that_names_the_known() -> None:
    with LocalExchange() as exchange, pytest.raises(ConfigError, match="binance"):
        exchange.venue("okx")


def test_latencies_are_read() -> None:
    assert Latency.parse("constant:5") == Latency("constant", 5.0)
    assert Latency.parse("lognormal:5:0.5") == Latency("lognormal", 5.0, 0.5)


def test_pessimistic_fills_are_configured() -> None:
    assert LocalExchange(fill="pessimistic").venue().engine("BTC/USDT").queue.pessimistic
    assert not LocalExchange().venue().engine("BTC/USDT").queue.pessimistic


# --- the command ---


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["exchange", "--port", "0", "--seconds", "0.2", *arguments])


def test_the_command_says_what_it_is_not_and_how_to_reach_it() -> None:
    result = run("--venues", "binance,kraken", "--symbol", "BTC/USD", "--balance", "USD=5")
    assert result.exit_code == 0
    assert "THIS IS NOT AN EXCHANGE" in result.output
    assert "http://127.0.0.1:" in result.output
    assert re.search(r"admin  http://127\.0\.0\.1:\d+/admin$", result.output, re.MULTILINE)
    assert "ccxt.binance(" in result.output
    assert "ccxt.kraken(" in result.output
    assert "WARNING: it listens on" not in result.output


def test_the_lines_it_prints_are_python_that_works() -> None:
    with LocalExchange(venues=("binance",)) as exchange:
        from citadel_kit.cli.exchange import greeting

        lines = greeting(exchange)
        scope: dict[str, Any] = {}
        exec(lines[lines.index("import ccxt") :], scope)
        assert scope["binance"].fetch_ticker("BTC/USDT")["last"] > 0


def test_another_address_than_loopback_is_warned_of() -> None:
    assert "everyone who can reach this machine" in run("--host", "0.0.0.0").output


def test_wrong_words_are_errors() -> None:
    for wrong in (["--venues", "mtgox"], ["--market", "x"], ["--balance", "USDT"], ["--fill", "x"]):
        result = run(*wrong)
        assert isinstance(result.exception, ConfigError), wrong


def test_a_plain_client_signs_for_itself() -> None:
    with LocalExchange() as exchange:
        client = PlainClient(exchange)
        assert client.signed("GET", "/api/v3/account")[0] == 200
        client._secret = "another"
        assert client.signed("GET", "/api/v3/account")[1]["code"] == -1022
