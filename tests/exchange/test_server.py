"""Nothing a client sends can stop the server or grow its memory."""

from __future__ import annotations

import json
import os
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from plain_client import PlainClient, all_for, http, received
from websockets.exceptions import ConnectionClosed, WebSocketException

from citadel_kit.errors import ConfigError, EngineClosed
from citadel_kit.exchange import server as server_module
from citadel_kit.exchange import socket as socket_module
from citadel_kit.exchange.local import LocalExchange

DEPTH = "btcusdt@depth@100ms"


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(venues=("binance", "kraken", "okx")) as running:
        yield running


@pytest.fixture
def client(exchange: LocalExchange) -> Iterator[PlainClient]:
    """At the end of every test the server still answers, and its market still moves."""
    plain = PlainClient(exchange)
    yield plain
    assert plain.call("GET", "/api/v3/ping") == (200, {})
    with plain.stream(DEPTH) as stream:
        assert received(stream, 2)
    exchange.check()


def raw(exchange: LocalExchange) -> socket.socket:
    return socket.create_connection(("127.0.0.1", exchange.port), timeout=5)


def connections(exchange: LocalExchange) -> int:
    return exchange.call(lambda: len(exchange.venue("binance").connections))


def eventually(test: Any, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.02)


def test_it_listens_on_loopback_only(exchange: LocalExchange, client: PlainClient) -> None:
    listener = exchange._server._listener
    assert listener is not None
    assert {s.getsockname()[0] for s in listener.sockets} == {"127.0.0.1"}


def test_paths_there_are_not(exchange: LocalExchange, client: PlainClient) -> None:
    for path in ("/binance/api/v3/nothing", "/nobody/api/v3/ping", "/", "/binance", "/admin/", "/binance/../admin/status/x"):  # fmt: skip # noqa: E501
        assert http("GET", f"http://127.0.0.1:{exchange.port}{path}")[0] in {400, 404}


def test_bodies_and_headers_that_are_too_large(exchange: LocalExchange, client: PlainClient) -> None:
    url = f"http://127.0.0.1:{exchange.port}"
    assert http("POST", f"{url}/admin/binance/faults", b'{"lose":' + b" " * 10**6 + b"0}")[0] == 413
    for path in ("/binance/api/v3/order", "/kraken/0/public/Time", "/okx/api/v5/public/time"):
        try:
            status, _ = http("POST", url + path, b"x" * (5 * 10**6))
        except OSError:  # it hangs up while we still send
            continue
        assert 400 <= status < 500
    assert http("GET", f"{url}/binance/api/v3/ping?{'x' * 20_000}")[0] == 400
    assert http("GET", f"{url}/binance/api/v3/ping", headers={"X-Long": "x" * 20_000})[0] == 400


def test_bytes_that_are_no_http(exchange: LocalExchange, client: PlainClient) -> None:
    rng = random.Random(1)
    for _ in range(100):
        with raw(exchange) as line:
            line.sendall(rng.randbytes(rng.randrange(1, 2000)) + rng.choice([b"", b"\r\n\r\n"]))


def test_garbage_on_every_stream(exchange: LocalExchange, client: PlainClient) -> None:
    rng = random.Random(2)
    nasty = [
        "", "{", "null", "[]", "0", '"x"', "{}", '{"method":1}', '{"op":[]}', '{"id":1e999}', "[" * 30_000,
        '{"method":"SUBSCRIBE","params":["' + "x" * 5000 + '"],"id":1}',
        '{"method":"SUBSCRIBE","params":{},"id":[]}', '{"op":"subscribe","args":[{"channel":null}]}',
        '{"method":"subscribe","params":{"channel":{},"symbol":7}}',
        '{"method":"order.place","params":{"price":"NaN","symbol":[]},"id":{}}', "\u0000", "\ud83d\ude00",
        '{"id":"a","method":"order.place","params":null}', '{"id":9,"method":"session.logon","params":[]}',
    ]  # fmt: skip
    streams = [f"{client.url}/ws-api/v3".replace("http", "ws", 1)]
    streams += [exchange.endpoints(venue).stream for venue in ("binance", "kraken", "okx")]
    for url in streams:
        for _ in range(4):
            sample = rng.sample(nasty, 10)
            try:
                with _open(url) as stream:
                    for text in sample:
                        stream.send(text)
                    stream.send(rng.randbytes(50))
                    all_texts(stream, 0.1)
            except (WebSocketException, OSError):
                pass


def _open(url: str) -> Any:
    from websockets.sync.client import connect

    return connect(url, open_timeout=5, close_timeout=1, compression=None, proxy=None)


def all_texts(stream: Any, seconds: float) -> list[Any]:
    out = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            out.append(stream.recv(left))
        except TimeoutError:
            break
    return out


def test_a_message_that_is_too_large_ends_its_own_connection(client: PlainClient) -> None:
    with client.stream(DEPTH) as stream:
        stream.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            all_texts(stream, 5.0)


def test_messages_that_come_too_fast_end_their_own_connection(client: PlainClient) -> None:
    with client.stream(DEPTH) as stream, pytest.raises(ConnectionClosed):
        for n in range(2_000):
            stream.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
        all_texts(stream, 5.0)


def never_reading(exchange: LocalExchange) -> list[socket.socket]:
    """Twenty subscribers."""
    request = (
        f"GET /binance/stream?streams={DEPTH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    lines = []
    for _ in range(20):
        line = raw(exchange)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(request.encode())
        lines.append(line)
    return lines


def test_who_subscribes_and_never_reads_is_cut(exchange: LocalExchange, client: PlainClient) -> None:
    """Its frames fill the buffers of both ends and a bounded queue; then it is cut."""
    before = connections(exchange)
    lines = never_reading(exchange)
    try:
        eventually(lambda: connections(exchange) == before + 20)
        venue = exchange.venue("binance")

        def flood() -> None:
            for connection in list(venue.connections):
                for _ in range(500):
                    connection.send("x" * 10_000, "market")  # type: ignore[attr-defined]

        for _ in range(30):
            exchange.call(flood)
            if connections(exchange) == before:
                break
            time.sleep(0.02)
        else:
            pytest.fail("150 MB wait for a client that does not read")
    finally:
        for line in lines:
            line.close()


def test_all_that_waits_is_bounded_and_who_reads_is_spared(
    exchange: LocalExchange, client: PlainClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "MAX_ALL_WAITING_BYTES", 2 * 2**20)
    venue = exchange.venue("binance")
    eventually(lambda: connections(exchange) == 0)
    with client.stream(DEPTH) as reading:
        eventually(lambda: connections(exchange) == 1)
        spared = set(venue.connections)
        lines = never_reading(exchange)
        eventually(lambda: connections(exchange) == 21)

        def flood() -> None:
            for connection in list(venue.connections - spared):
                for _ in range(500):
                    connection.send("x" * 1_000, "market")  # type: ignore[attr-defined]
            assert venue.waiting_bytes <= 2 * 2 * 2**20

        for _ in range(400):
            exchange.call(flood)
            if venue.connections <= spared:
                break
            time.sleep(0.005)
        assert venue.connections == spared
        assert received(reading, 2)
        for line in lines:
            line.close()
    eventually(lambda: connections(exchange) == 0)
    assert exchange.call(lambda: venue.waiting_bytes) == 0


def test_thousands_of_connections_opened_and_dropped(
    exchange: LocalExchange, client: PlainClient, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(2000):
        with raw(exchange) as line:
            if n % 3 == 1:
                line.sendall(b"GET /binance/api/v3/ping HT")
            elif n % 3 == 2:
                line.sendall(
                    b"POST /binance/api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nsymbol"
                )
    runner = exchange._server._runner
    assert runner is not None
    eventually(lambda: exchange.call(lambda: len(runner.server.connections)) < 20)  # type: ignore[union-attr]
    assert not caplog.records  # a log must not grow by it either


def test_more_connections_than_there_may_be(
    exchange: LocalExchange, client: PlainClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 40)
    lines = [raw(exchange) for _ in range(80)]
    refused = 0
    for line in lines:
        line.settimeout(0.05)
        try:
            refused += line.recv(1) == b""
        except ConnectionError:
            refused += 1
        except TimeoutError:
            pass
        line.close()
    assert 40 <= refused < 80


def test_streams_opened_and_dropped_leave_no_listener(exchange: LocalExchange, client: PlainClient) -> None:
    venue = exchange.venue("binance")

    def listeners() -> int:
        return exchange.call(lambda: len(venue._listeners))

    before = listeners()
    for _ in range(15):
        with client.stream(DEPTH, "btcusdt@trade") as stream:
            received(stream, 1)
            if random.random() < 0.5:
                stream.socket.shutdown(socket.SHUT_RDWR)
    eventually(lambda: listeners() == before and connections(exchange) == 0)


def test_memory_does_not_grow_with_what_clients_ask(exchange: LocalExchange, client: PlainClient) -> None:
    def ask() -> None:
        for n in range(100):
            client.call("GET", "/api/v3/klines", symbol=f"X{n}", interval="1m")
            client.call("GET", f"/api/v3/nothing{n}")
            client.call("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=f"c{n}")

    def pages() -> int:
        with open(f"/proc/{os.getpid()}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    ask()
    before = pages()
    ask()
    ask()
    assert pages() - before < 20 * 2**20


def test_a_port_that_is_taken_is_said(exchange: LocalExchange) -> None:
    with pytest.raises(ConfigError, match="port"), LocalExchange(port=exchange.port):
        pass
    assert not [t for t in threading.enumerate() if t.name == "citadel-exchange"][1:]


def test_a_market_that_fails_takes_its_exchange_down_loudly() -> None:
    with LocalExchange() as failing:
        client = PlainClient(failing)

        def fail() -> None:
            raise ZeroDivisionError("of the market")

        with client.stream(DEPTH) as stream:
            received(stream, 1)
            failing.call(lambda: failing.world.later(0, fail))
            with pytest.raises(ConnectionClosed):
                all_for(stream, 5.0)
        assert client.call("GET", "/api/v3/ping")[0] == 503
        with pytest.raises(EngineClosed, match="of the market"):
            failing.check()
