"""`CcxtBroker` without a wire: its own tracker, commands and looks, over a venue in the same loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import ccxt
from near_venue import ACCOUNT, QUICK, Gate, NearAccount, seen_of

from citadel_kit import clock
from citadel_kit.exchange.venue import AccountEvent
from citadel_kit.io.broker import CcxtBroker
from citadel_kit.io.broker.broker import OnReport, OnTrade
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.io.broker.commands import Commands
from citadel_kit.io.keys import Keys
from citadel_kit.micro.matching import Execution, ExecutionKind
from citadel_kit.types import Instrument


class NearStreams:
    """What `io.broker.streams.Streams` is to a broker."""

    def __init__(
        self,
        gate: Gate,
        account: NearAccount,
        cap: Capabilities,
        rng: random.Random,
        on_order: Callable[[Any], None],
        on_trade: Callable[[Any], None],
        on_trouble: Callable[[BaseException], None],
    ) -> None:
        self._gate, self._account, self._random = gate, account, rng
        self._tells_trades = cap.venue != "coinbase"  # ccxt has no watchMyTrades there
        self._on_order, self._on_trade, self._on_trouble = on_order, on_trade, on_trouble
        self._doubtful_until_ns = self.drops = 0
        self._lost = asyncio.Event()
        self._end: Callable[[], None] = lambda: None

    @property
    def up(self) -> bool:
        return clock.now_ns() >= self._doubtful_until_ns

    def cut(self) -> None:
        self._end()
        self._lost.set()

    async def run(self) -> None:
        wait_s = QUICK.poll_s / 4
        self._account.tell = lambda seen: None if self._lost.is_set() else self._later(self._on_order, seen)
        while True:
            if not self._gate.streams_refused:
                self._lost.clear()
                self._end = self._gate.venue.listen_account(ACCOUNT, self._heard)
                self._gate.lines.append(self)
                wait_s = QUICK.poll_s / 4
                await self._lost.wait()
            self.drops += 1
            self._doubtful_until_ns = clock.now_ns() + int((wait_s + 3 * QUICK.poll_s) * 1e9)
            self._on_trouble(ccxt.NetworkError("cut"))
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 1.0)

    def _heard(self, event: AccountEvent) -> None:
        execution = event.execution
        assert isinstance(execution, Execution)
        rows: list[tuple[Callable[[Any], None], object]] = [(self._on_order, seen_of(execution.order))]
        if execution.kind == ExecutionKind.TRADE and self._tells_trades:
            rows.append((self._on_trade, self._account.trade_in(execution)))
            if self._random.random() < 0.5:  # they are two streams
                rows.reverse()
        for take, row in rows:
            self._later(take, row)

    def _later(self, take: Callable[[Any], None], row: object) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._random.choice([0.0, 0.0, 0.004]), take, row)


class NearBroker(CcxtBroker):
    """The real broker, but for the client that it would open."""

    def __init__(
        self, gate: Gate, instrument: Instrument, on_report: OnReport, on_trade: OnTrade, prefix: str,
        rng: random.Random,
    ) -> None:  # fmt: skip
        venue = gate.venue.name
        super().__init__(
            venue, [instrument], on_report, prefix=prefix, keys=Keys.of(venue, "no key", "no secret"), at={},
            on_trade=on_trade, config=QUICK,
        )  # fmt: skip
        # what takes minutes in life is over in a second here, at the venue as well
        self.capabilities = cap = replace(self.capabilities, lost_s=min(self.capabilities.lost_s, 0.8))
        account: Any = NearAccount(gate, cap, instrument, rng)
        self._account = account
        self._streams: Any = NearStreams(
            gate, account, cap, rng, self._heard_order, self._heard_trade, self._trouble
        )
        self._commands = Commands(cap, QUICK, account, self._tracker, lambda: self._streams.up, self._note)
        self.failures: list[BaseException] = []
        """Of tasks that died."""

    async def start(self) -> None:
        self._is_open = True
        self._keep(self._streams.run(), self._tasks)
        self._keep(self._watch(), self._tasks)

    async def close(self) -> None:
        self._is_open = False
        left = [*self._sent, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _keep(self, job: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        async def heard() -> None:
            try:
                await job
            except Exception as error:
                self.failures.append(error)
                raise

        super()._keep(heard(), among)
