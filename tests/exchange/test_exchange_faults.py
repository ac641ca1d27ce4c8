"""Every fault switch, and what a plain client sees of it on the wire."""

from __future__ import annotations

import json
import re
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

import pytest
from plain_client import PlainClient, all_for, http, received
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection

from citadel_kit.errors import ConfigError
from citadel_kit.exchange.faults import FaultConfig, Faults, random_schedule
from citadel_kit.exchange.local import LocalExchange

DEPTH = "btcusdt@depth@100ms"


@pytest.fixture(scope="module")
def running() -> Iterator[LocalExchange]:
    with LocalExchange(balances={"USDT": 1_000_000, "BTC": 10}) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: LocalExchange) -> Iterator[LocalExchange]:
    yield running
    venue = running.venue()
    running.call(venue.faults.clear)
    running.call(lambda: venue.cancel_all("BTC/USDT", "main"))


@pytest.fixture
def client(exchange: LocalExchange) -> PlainClient:
    return PlainClient(exchange)


def is_report(message: dict[str, Any]) -> bool:
    return bool(message.get("event", {}).get("e") == "executionReport")


# --- the switches themselves ---


def test_switches_are_set_one_by_one_and_cleared_together() -> None:
    faults = Faults(1)
    faults.set(lose=1, freeze_book=True)
    faults.set(lose=0.5)
    assert (faults.config.lose, faults.config.freeze_book) == (0.5, True)
    faults.clear()
    assert faults.config == FaultConfig()


@pytest.mark.parametrize(
    "wrong",
    [
        {"lose": 1.5},
        {"lose": "often"},
        {"lose": True},
        {"loose": 0.5},
        {"freeze_book": 1},
        {"latency_ms": -1.0},
        {"http_status": 200},
        {"http_moment": "during"},
        {"timeout_moment": ""},
        {"reject": "mood"},
        {"clock_skew_ms": 1e9},
        {"lose": float("nan")},
    ],
)
def test_wrong_switches_are_refused_and_change_nothing(wrong: dict[str, object]) -> None:
    faults = Faults(1)
    with pytest.raises(ConfigError, match="faults"):
        faults.set(**{"duplicate": 0.5, **wrong})
    assert faults.config == FaultConfig()


def test_dice_fall_by_the_seed() -> None:
    def throws(seed: int) -> list[bool]:
        faults = Faults(seed)
        return [faults.strikes("lose", 0.3) for _ in range(2000)]

    assert throws(1) == throws(1)
    assert throws(1) != throws(2)
    assert sum(throws(1)) == pytest.approx(600, abs=80)


def test_a_random_schedule_is_the_seeds_and_has_one_fault_at_a_time() -> None:
    schedule = random_schedule(3, 20_000.0)
    assert schedule == random_schedule(3, 20_000.0)
    assert schedule != random_schedule(4, 20_000.0)
    assert 200 < len(schedule) < 400
    assert all(a.at_s + a.for_s < b.at_s for a, b in pairwise(schedule))
    assert len({str(fault.switches) for fault in schedule}) == 17
    for fault in schedule:
        Faults(1).set(**fault.switches)


# --- on the wire: streams ---


def test_lost_frames_leave_holes(exchange: LocalExchange, client: PlainClient) -> None:
    with client.stream(DEPTH) as socket:
        received(socket, 1)
        exchange.faults(lose=0.5)
        said = [message["data"] for message in received(socket, 6)]
    assert any(b["U"] > a["u"] + 1 for a, b in pairwise(said))
    assert exchange.venue().faults.injected["lose"] > 0
    exchange.faults(lose=1.0)
    with client.stream(DEPTH) as socket:
        assert all_for(socket, 0.5) == []


def test_duplicate_frames_come_twice(exchange: LocalExchange, client: PlainClient) -> None:
    exchange.faults(duplicate=1.0)
    with client.stream(DEPTH) as socket:
        said = received(socket, 6)
    assert said[0] == said[1] != said[2] == said[3] != said[4] == said[5]


def test_reordered_frames_are_overtaken(exchange: LocalExchange, client: PlainClient) -> None:
    exchange.faults(reorder=0.5)
    with client.stream(DEPTH) as socket:
        firsts = [message["data"]["U"] for message in received(socket, 9)]
    assert firsts != sorted(firsts)
    assert len(set(firsts)) == 9


def test_a_frozen_book_is_silent_while_the_rest_goes_on(exchange: LocalExchange, client: PlainClient) -> None:
    with client.stream(DEPTH, "btcusdt@bookTicker", "btcusdt@trade") as socket:
        received(socket, 3)
        exchange.faults(freeze_book=True)
        all_for(socket, 0.2)  # what was under way
        assert all_for(socket, 0.6) == []
        pong = socket.ping()
        assert pong.wait(5)
        assert client.order()[0] == 200
        exchange.faults(freeze_book=False)
        assert received(socket, 3)


def test_after_a_freeze_the_books_chain_has_no_hole(exchange: LocalExchange, client: PlainClient) -> None:
    with client.stream(DEPTH) as socket:
        said = received(socket, 2)
        exchange.faults(freeze_book=True)
        time.sleep(0.4)
        exchange.faults(freeze_book=False)
        said += received(socket, 4)
    assert all(b["data"]["U"] == a["data"]["u"] + 1 for a, b in pairwise(said))


def test_disconnected_every_stream_is_cut_and_none_opens(
    exchange: LocalExchange, client: PlainClient
) -> None:
    with client.stream(DEPTH) as socket:
        received(socket, 1)
        exchange.faults(disconnect=True)
        with pytest.raises(ConnectionClosed):
            all_for(socket, 5.0)
    with pytest.raises((WebSocketException, OSError, EOFError)), client.stream(DEPTH):
        pass
    assert client.call("GET", "/api/v3/ping")[0] == 200
    exchange.faults(disconnect=False)
    with client.stream(DEPTH) as socket:
        assert received(socket, 1)


def test_streams_are_cut_once_by_an_admin_call(client: PlainClient) -> None:
    with client.stream(DEPTH) as socket:
        received(socket, 1)
        assert http("POST", f"{client.admin}/disconnect") == (200, {"cut": 1})
        with pytest.raises(ConnectionClosed):
            all_for(socket, 5.0)
    with client.stream(DEPTH) as socket:
        assert received(socket, 1)


# --- on the wire: requests ---


def test_latency_holds_up_requests_and_frames(exchange: LocalExchange, client: PlainClient) -> None:
    exchange.faults(latency_ms=150.0)
    began = time.monotonic()
    assert client.call("GET", "/api/v3/ping")[0] == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("moment", "carried_out"), [("before", False), ("after", True)])
def test_http_errors_come_before_or_after_the_order_took_effect(
    exchange: LocalExchange, client: PlainClient, moment: str, carried_out: bool
) -> None:
    exchange.faults(http_error=1.0, http_status=502, http_moment=moment)
    assert client.order(newClientOrderId="mine")[0] == 502
    exchange.faults(http_error=0.0)
    assert client.open_ids() == (["mine"] if carried_out else [])


@pytest.mark.parametrize(("moment", "carried_out"), [("before", False), ("after", True)])
def test_no_answer_before_or_after_the_order_took_effect(
    exchange: LocalExchange, client: PlainClient, moment: str, carried_out: bool
) -> None:
    exchange.faults(timeout=1.0, timeout_moment=moment)
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        client.order(timeout=0.5, newClientOrderId="mine")
    exchange.faults(timeout=0.0)
    assert client.open_ids() == (["mine"] if carried_out else [])


@pytest.mark.parametrize(("moment", "carried_out"), [("before", False), ("after", True)])
def test_the_websocket_api_too_leaves_requests_without_an_answer(
    exchange: LocalExchange, client: PlainClient, moment: str, carried_out: bool
) -> None:
    with client.user_data() as socket:
        exchange.faults(timeout=1.0, timeout_moment=moment)
        client.send_order(socket, newClientOrderId="mine")
        said: list[Any] = []
        while carried_out and not any(is_report(message) for message in said):
            said += received(socket, 1, 10.0)
        said += all_for(socket, 0.4)
        assert [m["event"]["x"] for m in said if is_report(m)] == (["NEW"] if carried_out else [])
        assert not [message for message in said if "status" in message]
        exchange.faults(timeout=0.0)
    assert client.open_ids() == (["mine"] if carried_out else [])


@pytest.mark.parametrize(
    ("reject", "order", "status", "code"),
    [
        ("post_only", {"type": "LIMIT_MAKER"}, 400, -2010),
        ("balance", {}, 400, -2010),
        ("filter", {}, 400, -1013),
        ("rate_limit", {}, 429, -1003),
    ],
)
def test_orders_are_rejected_in_the_venues_words(
    exchange: LocalExchange, client: PlainClient, reject: str, order: dict[str, str], status: int, code: int
) -> None:
    exchange.faults(reject=reject)
    parameters = dict(order)
    if parameters.get("type") == "LIMIT_MAKER":
        answer = client.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER",
                               quantity="0.001", price="50000")  # fmt: skip
    else:
        answer = client.order(**parameters)
    assert answer[0] == status
    assert answer[1]["code"] == code
    exchange.faults(reject="")
    assert client.open_ids() == []


def test_in_maintenance_all_is_refused_and_cut(exchange: LocalExchange, client: PlainClient) -> None:
    with client.stream(DEPTH) as socket:
        received(socket, 1)
        exchange.faults(maintenance=True)
        with pytest.raises(ConnectionClosed):
            all_for(socket, 5.0)
    assert client.call("GET", "/api/v3/ping")[0] == 503
    with pytest.raises(WebSocketException), client.stream(DEPTH):
        pass
    exchange.faults(maintenance=False)
    assert client.call("GET", "/api/v3/ping")[0] == 200


def test_a_skewed_clock_is_told_and_signatures_are_judged_by_it(exchange: LocalExchange, client: PlainClient) -> None:  # fmt: skip # noqa: E501
    exchange.faults(clock_skew_ms=3_600_000.0)
    ahead = client.call("GET", "/api/v3/time")[1]["serverTime"] / 1000 - time.time()
    assert ahead == pytest.approx(3600, abs=60)
    status, body = client.order()
    assert (status, body["code"]) == (400, -1021)


# --- on the wire: reports ---


def reports(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next so many. Raises TimeoutError."""
    out: list[dict[str, Any]] = []
    while len(out) < count:
        out += [message["event"] for message in received(socket, 1, 10.0) if is_report(message)]
    return out


def test_late_reports_come_after_the_answer(exchange: LocalExchange, client: PlainClient) -> None:
    with client.user_data() as socket:
        exchange.faults(late_report=1.0, late_report_ms=700.0)
        began = time.monotonic()
        assert client.order()[0] == 200
        (report,) = reports(socket, 1)
        assert time.monotonic() - began >= 0.7
        assert report["x"] == "NEW"


def test_duplicate_reports_come_twice(exchange: LocalExchange, client: PlainClient) -> None:
    with client.user_data() as socket:
        exchange.faults(duplicate_report=1.0)
        assert client.order()[0] == 200
        first, second = reports(socket, 2)
        assert not any(is_report(message) for message in all_for(socket, 0.2))
    assert first == second


# --- admin, schedule, restart ---


def test_switches_are_set_by_an_admin_call(exchange: LocalExchange, client: PlainClient) -> None:
    url = f"{client.admin}/faults"
    status, body = http("POST", url, json.dumps({"lose": 0.25, "reject": "balance"}).encode())
    assert (status, body["faults"]["lose"], body["faults"]["reject"]) == (200, 0.25, "balance")
    assert exchange.venue().faults.config.lose == 0.25
    for wrong in (b'{"lose": 2}', b'{"nothing": 1}', b"[1]", b"{", b"\xff"):
        assert http("POST", url, wrong)[0] == 400
    assert http("DELETE", url)[0] == 200
    assert exchange.venue().faults.config == FaultConfig()
    assert http("POST", url.replace("binance", "nobody"), b"{}")[0] == 404
    status, body = http("GET", f"{exchange.admin_url}/status")
    assert "not an exchange" in body["warning"]
    assert body["venues"]["binance"]["symbols"] == ["BTC/USDT"]


def test_the_admin_calls_are_listed_with_examples_that_work(exchange: LocalExchange) -> None:
    status, text = http("GET", exchange.admin_url)
    assert status == 200
    assert "not an exchange" in text
    examples = re.findall(r"^curl -X POST (\S+/faults) -d '(.*)'  # .+$", text, re.MULTILINE)
    for url, switches in examples:
        assert http("POST", url, switches.encode())[0] == 200
        assert http("DELETE", url)[0] == 200
    shown = {name for _, switches in examples for name in json.loads(switches)}
    assert shown == {field.name for field in fields(FaultConfig)}
    others = re.findall(r"^curl -X (\S+) (\S+/disconnect|\S+/faults)  # .+$", text, re.MULTILINE)
    assert [http(method, url)[0] for method, url in others] == [200, 200]
    assert http("GET", re.findall(r"^curl (\S+)$", text, re.MULTILINE)[0])[0] == 200


def test_a_crash_is_ordered_by_an_admin_call_and_in_python() -> None:
    with LocalExchange(venues=("binance", "kraken"), balances={"USDT": 1}) as exchange:
        url = f"{exchange.admin_url}/crash"

        def bid(venue: str) -> int:
            return exchange.call(lambda: exchange.venue(venue).engine("BTC/USDT").top()[0])

        def falls(venue: str, start: int) -> bool:
            until = time.monotonic() + 20
            while time.monotonic() < until and bid(venue) > 0.98 * start:
                time.sleep(0.05)
            return bid(venue) <= 0.98 * start

        before = {venue: bid(venue) for venue in exchange.urls}
        for wrong in (
            b'{"fraction": 2}',
            b'{"fraction": "x"}',
            b'{"venue": "okx"}',
            b'{"how": 1}',
            b"[1]",
            b"{",
        ):
            assert http("POST", url, wrong)[0] == 400
        assert http("POST", url, b'{"fraction": 0.3, "venue": "binance"}') == (200, {"crashing": True})
        assert "falling already" in http("POST", url)[1]["error"]
        assert falls("binance", before["binance"])
        assert bid("kraken") > 0.99 * before["kraken"]
        exchange.crash("kraken", fraction=0.3)
        assert falls("kraken", before["kraken"])
        with pytest.raises(ConfigError, match="okx"):
            exchange.crash("okx")


def test_a_restart_keeps_the_state(exchange: LocalExchange, client: PlainClient) -> None:
    assert client.order(newClientOrderId="kept")[0] == 200
    with client.stream(DEPTH) as socket:
        last = received(socket, 1)[0]["data"]["u"]
        exchange.restart()
        with pytest.raises(ConnectionClosed):
            all_for(socket, 5.0)
    assert client.open_ids() == ["kept"]
    with client.stream(DEPTH) as socket:
        assert received(socket, 1)[0]["data"]["U"] > last


def test_a_restart_by_an_admin_call_is_gone_for_a_while(exchange: LocalExchange, client: PlainClient) -> None:
    assert http("POST", f"{exchange.admin_url}/restart?down_s=1")[0] == 200
    down = up = False
    for _ in range(100):
        try:
            up = client.call("GET", "/api/v3/ping")[0] == 200
        except OSError:
            down, up = True, False
        if down and up:
            break
        time.sleep(0.05)
    assert down
    assert up
    assert http("POST", f"{exchange.admin_url}/restart?down_s=x")[0] == 400
