"""The local exchange under load: orders a second, and the round trip of an order over loopback.

The server is a process pinned to one core, as `citadel exchange` runs it: three venues (Binance, Kraken, OKX)
with a synthetic market each, and Binance's API in front of the matching engine. On another core are who
places the orders, and behind it (SCHED_IDLE) who reads the streams of all three venues.

Orders are to leave at even intervals, each at its own time whether or not the one before was answered, so
that a queue shows in the figures. Every request places an order: in turn a limit order that takes at once
(IOC, at the market), and a cancel and replace of an order at rest below the market. Each is signed (HMAC) and
its signature checked; the venue's limits of orders and weights are lifted. A round trip runs from the moment
at which the order was to leave, before it is signed, until its whole answer has been read. *late*: how long
after that moment the client itself got to it (99th percentile); it is in the round trip. *others*: the share
of both cores that other processes took. The bar: at 1,000 orders a second the 99th percentile is under 5 ms.

`--ahead` (as root, on Linux) lets server and client run before anything else on their cores (SCHED_FIFO), for
a machine that others use as well.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import hmac
import itertools
import json
import multiprocessing
import os
import selectors
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import numpy as np
import uvloop
from websockets.asyncio.client import connect

from citadel_kit.exchange.dialects.binance import Limits, set_limits
from citadel_kit.exchange.heap import settled
from citadel_kit.exchange.local import LocalExchange

VENUES: Final = ("binance", "kraken", "okx")
RATES: Final = (250, 500, 1_000, 1_500, 2_000)
SECONDS: Final = 10.0
WARM_UP_S: Final = 2.0
REST_CONNECTIONS: Final = 16
RESTING: Final = 90
"""Of each API; an account may have 200."""
BAR_MS: Final = 5.0
CORES: Final = sorted(os.sched_getaffinity(0))
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Address(NamedTuple):
    http: str
    stream: str
    streams: dict[str, str]
    key: str
    secret: str


# --- the server --------------------------------------------------------------------------------------------


def serve(pipe: Connection, ahead: bool) -> None:
    pin(0, ahead=ahead)
    limits = Limits(weight_per_minute=10**9, orders_per_10s=10**9, orders_per_day=10**9)
    with LocalExchange(venues=VENUES, balances={"USDT": 10**8, "BTC": 10**4}) as exchange, settled():
        exchange.call(lambda: set_limits(exchange.venue("binance"), limits))
        key = next(iter(exchange.venue("binance").keys.values()))
        streams = {venue: exchange.endpoints(venue).stream for venue in VENUES}
        http = exchange.urls["binance"]
        pipe.send(Address(http, http.replace("http", "ws", 1), streams, key.key, key.secret))
        pipe.recv()


# --- who reads the streams ---------------------------------------------------------------------------------

SUBSCRIBE: Final[dict[str, list[dict[str, Any]]]] = {
    "binance": [{"method": "SUBSCRIBE", "id": 1,
                 "params": ["btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade"]}],
    "kraken": [{"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"], "depth": 25}},
               {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USDT"]}}],
    "okx": [{"op": "subscribe", "args": [{"channel": channel, "instId": "BTC-USDT"}
                                         for channel in ("books", "bbo-tbt", "trades")]}],
}  # fmt: skip


def read_streams(address: Address, count: Any) -> None:
    pin(1, last=True)

    async def read(venue: str) -> None:
        async with connect(address.streams[venue], compression=None, proxy=None, max_size=None) as stream:
            for request in SUBSCRIBE[venue]:
                await stream.send(json.dumps(request))
            async for _ in stream:
                count.value += 1

    async def main() -> None:
        await asyncio.gather(*map(read, VENUES))

    uvloop.run(main())


# --- who places orders -------------------------------------------------------------------------------------


class Client:
    """Signs as Binance wants it. `send` gets (kind of request, parameters), and returns the answer."""

    def __init__(self, address: Address, prefix: str) -> None:
        self.address, self._key, self._prefix = address, address.secret.encode(), prefix
        self._names = itertools.count()
        self._placed = 0
        self.resting: deque[str] = deque()
        """Client ids of orders that are known to be at rest."""

    def sign(self, query: str) -> str:
        return hmac.new(self._key, query.encode(), hashlib.sha256).hexdigest()

    def order(self, number: int) -> tuple[str, dict[str, Any]]:
        """In turn a taker and a replaced order at rest; the first ones go to rest."""
        base = {
            "symbol": "BTCUSDT",
            "type": "LIMIT",
            "recvWindow": 60_000,
            "timestamp": int(time.time() * 1000),
        }
        name = f"{self._prefix}{next(self._names)}"
        low = {
            **base,
            "side": "BUY",
            "timeInForce": "GTC",
            "quantity": "0.001",
            "price": f"{50_000 + number % 997}.00",
        }
        if self._placed < RESTING:
            self._placed += 1
            return "order", {**low, "newClientOrderId": name}
        if number % 2 and self.resting:
            old = self.resting.popleft()
            return "replace", {**low, "newClientOrderId": name, "cancelOrigClientOrderId": old,
                               "cancelReplaceMode": "STOP_ON_FAILURE"}  # fmt: skip
        side, price = ("BUY", "66000.00") if number % 4 else ("SELL", "54000.00")
        return "order", {**base, "side": side, "timeInForce": "IOC", "quantity": "0.0002", "price": price}


PATHS: Final = {"order": "/api/v3/order", "replace": "/api/v3/order/cancelReplace"}
METHODS: Final = {"order": "order.place", "replace": "order.cancelReplace"}
Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class Rest:
    """A few connections that stay open, each with one request at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def open(self) -> None:
        host, port = self._client.address.http.split("/")[2].split(":")
        for _ in range(REST_CONNECTIONS):
            self._free.put_nowait(await asyncio.open_connection(host, int(port)))

    async def send(self, kind: str, parameters: dict[str, Any]) -> None:
        query = urlencode(parameters)
        body = f"{query}&signature={self._client.sign(query)}"
        request = (
            f"POST /binance{PATHS[kind]} HTTP/1.1\r\nHost: localhost\r\n"
            f"X-MBX-APIKEY: {self._client.address.key}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        reader, writer = await self._free.get()
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        answer = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        self._free.put_nowait((reader, writer))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())


class Socket:
    """One connection to the websocket API, with any number of requests under way."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._ids = itertools.count()

    async def open(self) -> None:
        url = f"{self._client.address.stream}/ws-api/v3"
        self._stream = await connect(url, compression=None, proxy=None)
        self._reader = asyncio.create_task(self._read())

    async def send(self, kind: str, parameters: dict[str, Any]) -> None:
        parameters["apiKey"] = self._client.address.key
        query = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        parameters["signature"] = self._client.sign(query)
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._stream.send(json.dumps({"id": number, "method": METHODS[kind], "params": parameters}))
        await answer

    async def _read(self) -> None:
        async for raw in self._stream:
            message = json.loads(raw)
            waiting = self._waiting.pop(message["id"])
            if message["status"] == 200:
                waiting.set_result(None)
            else:
                waiting.set_exception(RuntimeError(str(raw)))


class Trip(NamedTuple):
    """Milliseconds since the order was to leave."""

    late: float
    whole: float


async def load(client: Client, send: Send, rate: float, seconds: float) -> list[Trip]:
    """Of orders that are to leave at even intervals."""
    trips: list[Trip] = []

    async def one(number: int, due: float) -> None:
        late = time.perf_counter() - due
        kind, parameters = client.order(number)
        await send(kind, parameters)
        if "newClientOrderId" in parameters:
            client.resting.append(parameters["newClientOrderId"])
        trips.append(Trip(late * 1e3, (time.perf_counter() - due) * 1e3))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as orders:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            orders.create_task(one(number, due))
    return trips


class Spent(NamedTuple):
    """CPU seconds until now."""

    server: float
    kit: float
    """Server, client and reader."""
    machine: float

    @classmethod
    def now(cls, pids: Pids) -> Spent:
        server, reader = cpu_s(pids.server), cpu_s(pids.reader)
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
        busy = (user + nice + system + irq + soft + steal) / TICKS
        return cls(server, server + reader + time.process_time(), busy)


class Pids(NamedTuple):
    server: int
    reader: int


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(address: Address, pids: Pids, count: Any, rates: Sequence[int]) -> None:
    for api in (Rest, Socket):
        client = Client(address, api.__name__)
        way = api(client)
        await way.open()
        await load(client, way.send, 200, WARM_UP_S)
        for rate in rates:
            gc.collect()  # it is off
            spent, frames, began = Spent.now(pids), count.value, time.perf_counter()
            trips = await load(client, way.send, rate, SECONDS)
            took, now = time.perf_counter() - began, Spent.now(pids)
            others = (now.machine - spent.machine) - (now.kit - spent.kit)
            p50, p99, p999, most = np.percentile([trip.whole for trip in trips], (50, 99, 99.9, 100))
            late = np.percentile([trip.late for trip in trips], 99)
            name = "REST, signed" if api is Rest else "websocket API"
            print(
                f"{name:>14} {rate:>6,} {len(trips) / took:>8,.0f}"
                f" {p50:>7.2f} {p99:>7.2f} {p999:>7.2f} {most:>7.2f} {late:>7.2f}"
                f" {(now.server - spent.server) / took * 100:>7.0f} {(count.value - frames) / took:>8.0f}"
                f" {others / took / 2 * 100:>7.0f}",
                flush=True,
            )


def precise_loop() -> asyncio.AbstractEventLoop:
    """`select` waits to the microsecond, epoll to the millisecond, which would be in every order's time."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def pin(core: int, *, ahead: bool = False, last: bool = False) -> None:
    os.sched_setaffinity(0, [CORES[core % len(CORES)]])
    if ahead:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    if last:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    ahead = "--ahead" in sys.argv
    rates = [int(text) for text in sys.argv[1:] if text.isdecimal()] or RATES
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    count = context.Value("q", 0, lock=False)
    server = context.Process(target=serve, args=(there, ahead))
    server.start()
    address: Address = here.recv()
    reader = context.Process(target=read_streams, args=(address, count), daemon=True)
    reader.start()
    assert server.pid is not None and reader.pid is not None
    pids = Pids(server.pid, reader.pid)
    pin(1, ahead=ahead)
    gc.disable()  # what is measured is the server; a client is free to have its pauses elsewhere
    print(__doc__)
    print(
        f"{'':>14} {'wanted':>6} {'orders/s':>8} {'p50, ms':>7} {'p99':>7} {'p99.9':>7} {'most':>7}"
        f" {'late':>7} {'cpu, %':>7} {'frames/s':>8} {'others':>7}"
    )
    try:
        with asyncio.Runner(loop_factory=precise_loop) as runner:
            runner.run(measure(address, pids, count, rates))
    finally:
        reader.terminate()
        here.send(None)
        server.join(10)
    print(f"\nThe bar: p99 under {BAR_MS:g} ms at 1,000 orders a second, the server on one core.")


if __name__ == "__main__":
    main()
