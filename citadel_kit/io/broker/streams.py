"""The order and fill streams of ccxt.pro, kept open: what they say, and when they can't be relied on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from citadel_kit import clock

Row = Mapping[str, Any]

_LONGEST_S: Final = 30.0


class Streams:
    """A stream that failed is opened anew at once, then ever later, up to half a minute."""

    def __init__(
        self,
        client: Any,
        on_order: Callable[[Row], None],
        on_trade: Callable[[Row], None],
        on_trouble: Callable[[BaseException], None],
        poll_s: float,
    ) -> None:
        self._client, self._on_order, self._on_trade, self._on_trouble = (
            client,
            on_order,
            on_trade,
            on_trouble,
        )
        self._poll_s = poll_s
        self._doubtful_until_ns = 0
        self.drops = 0

    @property
    def up(self) -> bool:
        """Have they stood for a while? ccxt doesn't say when a subscription stands, so it is given time."""
        return clock.now_ns() >= self._doubtful_until_ns

    async def run(self) -> None:
        self._doubt(0.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(self._client.watch_orders, self._on_order))
            if self._client.has.get("watchMyTrades"):
                group.create_task(self._follow(self._client.watch_my_trades, self._on_trade))

    async def _follow(self, watch: Callable[[], Awaitable[list[Row]]], take: Callable[[Row], None]) -> None:
        wait_s = self._poll_s / 4
        while True:
            try:
                rows = await watch()
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is opened again
                self.drops += 1
                self._doubt(wait_s)
                self._on_trouble(error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_S)
                continue
            wait_s = self._poll_s / 4
            for row in rows:
                try:
                    take(row)
                except Exception as error:  # noqa: BLE001 - one row that can't be read doesn't end the stream
                    self._on_trouble(error)

    def _doubt(self, more_s: float) -> None:
        until_ns = clock.now_ns() + int((more_s + 3 * self._poll_s) * clock.SECOND)
        self._doubtful_until_ns = max(self._doubtful_until_ns, until_ns)
