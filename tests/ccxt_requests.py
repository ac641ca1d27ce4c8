"""What the installed ccxt.pro would send, caught before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class _Caught(Exception):
    pass


def request_of(exchange: Any, watch: Callable[[], Awaitable[object]]) -> tuple[str, dict[str, Any]]:
    """URL and subscribe message of one `watch…` call, with neither markets nor keys nor a network."""
    caught: list[tuple[str, dict[str, Any]]] = []

    async def catch(url: str, _hash: object, request: dict[str, Any], *_: object) -> None:
        caught.append((url, request))
        raise _Caught

    async def no_markets(*_: object) -> dict[str, object]:
        return {}

    exchange.watch = exchange.watch_multiple = catch
    exchange.load_markets = no_markets
    exchange.markets = {}
    exchange.market = lambda symbol: {"id": symbol.replace("/", "-"), "symbol": symbol}
    exchange.symbol = lambda symbol: symbol
    exchange.market_symbols = lambda symbols, *_: symbols
    exchange.authenticate = dict

    async def run() -> None:
        try:
            await watch()
        except _Caught:
            return

    asyncio.run(run())
    return caught[0]
