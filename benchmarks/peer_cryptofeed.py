"""Run by `bench_wire.py` in an interpreter that has cryptofeed: CPU ns of each book frame of a tape.

Written to the standard output as int64, 0 for every other frame: it reads its trades from another channel.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
import time
from array import array
from typing import Any

from cryptofeed.defines import BINANCE, BINANCE_FUTURES, L2_BOOK
from cryptofeed.exchanges import Binance, BinanceFutures
from cryptofeed.symbols import Symbols


class Rest:
    """Answers the request for a book snapshot out of the tape."""

    def __init__(self, body: str) -> None:
        self._body = body

    async def read(self, _url: str) -> str:
        return self._body


def feed_of(venue: str) -> Any:
    kind, name = (Binance, BINANCE) if venue == "binance" else (BinanceFutures, BINANCE_FUTURES)
    symbol = "BTC-USDT" if venue == "binance" else "BTC-USDT-PERP"
    Symbols.set(name, {symbol: "BTCUSDT"}, {"instrument_type": {symbol: "x"}})
    callbacks = {L2_BOOK: nothing}
    return kind(symbols=[symbol], channels=list(callbacks), callbacks=callbacks)


async def nothing(_data: Any, _receipt: float) -> None:
    pass


async def run(path: str, venue: str) -> array[int]:
    with gzip.open(path) as file:
        lines = [line.rstrip(b"\n").partition(b" ")[2].decode() for line in file]
    feed = feed_of(venue)
    feed.http_conn = Rest(next(line for line in lines if line.startswith('{"lastUpdateId"')))
    times = array("q")
    gc.collect()
    gc.freeze()
    for line in lines:
        began = time.thread_time_ns()
        if "@depth" not in line[:40]:
            times.append(0)
            continue
        await feed.message_handler(line, None, 0.0)
        times.append(time.thread_time_ns() - began)
    return times


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(run(*sys.argv[1:3])).tobytes())
