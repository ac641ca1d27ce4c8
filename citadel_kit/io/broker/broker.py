"""`CcxtBroker`: orders of one account at one venue, on the loop that started it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from citadel_kit import clock
from citadel_kit.errors import ConfigError, EngineClosed
from citadel_kit.io.broker.account import Account
from citadel_kit.io.broker.arming import Armed, in_our_words, plain
from citadel_kit.io.broker.capabilities import capabilities
from citadel_kit.io.broker.commands import Commands
from citadel_kit.io.broker.config import BrokerConfig, Health
from citadel_kit.io.broker.streams import Row, Streams
from citadel_kit.io.broker.track import Tracked, Tracker
from citadel_kit.io.broker.wire import Rate, close_client, make_client
from citadel_kit.io.keys import Keys
from citadel_kit.types import (
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    RejectReason,
    ReportKind,
    StopCommand,
    TimeInForce,
    VenueOrder,
    VenueTrade,
    client_id,
)

T = TypeVar("T")
OnReport = Callable[[str, str, OrderReport], None]
"""Venue, parent, report."""
OnTrade = Callable[[str, str, int, VenueTrade], None]
"""Venue, parent, order id, and the venue's facts of a fill: its trade id, fee and time."""

_REFUSED_BY = {CommandKind.CANCEL: ReportKind.CANCEL_REJECT, CommandKind.AMEND: ReportKind.AMEND_REJECT}


class CcxtBroker:
    """Implements `types.StopBroker`. Not thread-safe: it lives on the loop that awaits `start`."""

    def __init__(
        self,
        venue: str,
        instruments: Iterable[Instrument],
        on_report: OnReport,
        *,
        prefix: str,
        keys: Keys | Armed,
        at: Mapping[str, Any] | None = None,
        on_trade: OnTrade = lambda *_: None,
        rate: Rate | None = None,
        config: BrokerConfig = BrokerConfig(),  # noqa: B008 - immutable
    ) -> None:
        """`at`: `LocalExchange.ccxt_config(venue)`; without it the venue is the real one, and `keys` must be
        what `arm_live` returned. `on_trade` gets each fill's facts just before its FILL report. `rate` turns
        fees in a third currency into the quote currency. Raises ConfigError.
        """
        if at is None and not isinstance(keys, Armed):
            raise ConfigError(
                "arm", f"{venue} is live", 'Pass what `arm_live(…, arm="LIVE")` returned as `keys`'
            )
        self._keys = keys.keys if isinstance(keys, Armed) else keys
        if self._keys.venue != venue:
            raise ConfigError("keys", f"these are of {self._keys.venue}, not of {venue}")
        self.venue, self.capabilities, self.config = venue, capabilities(venue), config
        self._instruments = {i.symbol: i for i in instruments}
        self._prefix, self._rate, self._on_report = prefix, rate, on_report
        # a local exchange's configuration has its keys in it
        self._at = None if at is None else {"urls": at.get("urls", {}), "options": at.get("options", {})}
        self._tracker = Tracker(
            lambda parent_id, report: on_report(venue, parent_id, report),
            lambda parent_id, order_id, trade: on_trade(venue, parent_id, order_id, trade),
        )
        self._symbols: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._last_error = ""

    # --- life ---

    async def start(self) -> None:
        """Raises VenueUnreachable, and ConfigError for keys that the venue does not take or a symbol that it
        does not list; then nothing is left open."""
        config, cap = self.config, self.capabilities
        client = self._client = make_client(
            cap, self._keys, self._at, timeout_s=config.timeout_s, recv_window_s=config.recv_window_s
        )
        self._account = Account(cap, client, self._instruments.values(), self._rate)
        self._streams = Streams(client, self._heard_order, self._heard_trade, self._trouble, config.poll_s)
        self._commands = Commands(
            cap, config, self._account, self._tracker, lambda: self._streams.up, self._note
        )
        try:
            await self._told(self._account.open())
        except BaseException:
            await close_client(client)
            raise
        self._is_open = True
        self._keep(self._streams.run(), self._tasks)
        self._keep(self._watch(), self._tasks)
        if config.dead_man_s and cap.dead_man:
            self._keep(self._dead_man(), self._tasks)

    async def close(self) -> None:
        """Waits for the answers to what was sent, for `timeout_s` at most. Orders stay as they are."""
        if not self._is_open:
            return
        self._is_open = False
        if self._sent:
            await asyncio.wait(self._sent, timeout=self.config.timeout_s)
        left = [*self._sent, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await close_client(self._client)

    def health(self) -> Health:
        """Raises EngineClosed before `start`."""
        commands = self._opened()[1]
        return Health(
            self._is_open and self._streams.up, self._streams.drops, commands.looks, commands.unknown,
            self._tracker.strangers, self._last_error,
        )  # fmt: skip

    # --- commands ---

    def assign(self, parent_id: str, symbol: str) -> None:
        """Which of several instruments a parent trades; with one there is no choice. Raises ConfigError."""
        if symbol not in self._instruments:
            known = ", ".join(self._instruments)
            raise ConfigError("symbol", f"this broker does not trade {symbol!r}", f"It trades {known}")
        self._symbols[parent_id] = symbol

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None:
        """Returns at once. Every answer comes later, as a report; commands of one order go out in turn."""
        known = self._tracker.get(parent_id, command.order_id)
        places = isinstance(command, StopCommand) or command.kind == CommandKind.PLACE
        if not self._is_open or venue != self.venue:
            self._refuse(parent_id, command, RejectReason.VENUE)
        elif places and known is not None:
            self._refuse(parent_id, command, RejectReason.DUPLICATE)
        elif not places and known is None:
            self._refuse(parent_id, command, RejectReason.UNKNOWN_ORDER)
        else:
            try:
                order = known or self._new(parent_id, command)
            except ConfigError as error:
                self._note(error)
                self._refuse(parent_id, command, RejectReason.FILTER)
                return
            self._keep(self._commands.obey(self._commands.work(order), command), self._sent)

    def adopt(
        self,
        parent_id: str,
        command: Command | StopCommand,
        *,
        own_id: str,
        sent_ns: int,
        booked: Mapping[str, int] | None = None,
    ) -> None:
        """Take over an order of an earlier run: its PLACE, its client id, and when it went out.

        `booked`: quantity by trade id of the fills that count already; only others are reported. A QUERY of
        it says what became of it; until then it is looked at as any order. Raises ConfigError for one that
        is known, or has no instrument; EngineClosed.
        """
        _, commands = self._opened()
        if self._tracker.get(parent_id, command.order_id) is not None:
            raise ConfigError("order_id", f"{parent_id} {command.order_id} is known here")
        order = self._new(parent_id, command, own_id)
        order.booked.update(booked or {})
        order.filled = order.total
        work = commands.work(order)
        work.given_up_ns = sent_ns + int(self.config.timeout_s * clock.SECOND)
        commands.look_in(work, 0.0)

    def venue_order_id(self, parent_id: str, order_id: int) -> str:
        """By which the venue knows it; empty until it has said so."""
        order = self._tracker.get(parent_id, order_id)
        return order.venue_order_id if order else ""

    def note(self, parent_id: str, order_id: int, trade_id: str, qty: int) -> None:
        """Reconciliation has booked this fill, and tells of it: it must not come from here as well."""
        self._opened()
        order = self._tracker.note(parent_id, order_id, trade_id, qty)
        if order is not None:  # an end that waited for it follows it
            asyncio.get_running_loop().call_soon(self._tracker.tell_over, order, clock.now_ns())

    # --- looks at the whole account, for reconciliation ---

    async def open_orders(self) -> list[VenueOrder]:
        """Of the account, whoever placed them. Raises VenueUnreachable, EngineClosed."""
        return await self._told(self._opened()[0].open_orders())

    async def trades(self, symbol: str, since_ns: int) -> list[VenueTrade]:
        """Of the account in one of our instruments, oldest first. Raises VenueUnreachable, EngineClosed."""
        return await self._told(self._opened()[0].trades(symbol, since_ns))

    async def order(self, symbol: str, own_id: str) -> VenueOrder | None:
        """By its client id; None: the venue has none now. Raises VenueUnreachable, EngineClosed."""
        return await self._told(self._opened()[0].order(symbol, own_id))

    # --- what the streams say ---

    def _heard_order(self, row: Row) -> None:
        if self._account.is_ours(row):
            self._follow(self._tracker.on_order(self._account.seen(row), clock.now_ns()))

    def _heard_trade(self, row: Row) -> None:
        if self._account.is_ours(row):
            self._follow(self._tracker.on_trade(self._account.trade(row), clock.now_ns()))

    def _follow(self, order: Tracked | None) -> None:
        """Fills may have been lost on the way, and an order given up may be there after all."""
        if order is not None and not order.settled:
            work = self._commands.work(order)
            if order.missing or not work.look_ns:
                self._commands.look_in(work, self.config.wait_s)

    def _trouble(self, error: BaseException) -> None:
        self._note(error)
        self._commands.look_at_all()

    # --- tasks ---

    async def _watch(self) -> None:
        """Looks at each order when it is due."""
        changed = self._commands.changed
        while True:
            due, next_s = self._commands.due()
            for work in due:
                self._keep(self._commands.look(work), self._tasks)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(next_s, 0.001)):
                    await changed.wait()
            changed.clear()

    async def _dead_man(self) -> None:
        """Renewed three times in its time; off while nothing of ours is out, or a protective stop is."""
        may_be_on = False
        try:
            while True:
                out = self._commands.orders()
                wanted = bool(out) and not any(order.is_stop for order in out)
                if wanted or may_be_on:
                    may_be_on = await self._renew(self.config.dead_man_s if wanted else 0.0) or wanted
                await asyncio.sleep(self.config.dead_man_s / 3)
        finally:
            if may_be_on:
                await self._renew(0.0)

    async def _renew(self, timeout_s: float) -> bool:
        """May it be on now?"""
        try:
            await self._account.dead_man(timeout_s)
        except Exception as error:  # noqa: BLE001 - tried again at the next turn
            self._note(error)
            return True
        return timeout_s > 0

    def _keep(self, job: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        among.add(task)
        task.add_done_callback(among.discard)

    # --- how ---

    def _new(self, parent_id: str, command: Command | StopCommand, own_id: str = "") -> Tracked:
        """Raises ConfigError where there is no instrument, or the venue takes no such id."""
        only = next(iter(self._instruments)) if len(self._instruments) == 1 else ""
        symbol = self._symbols.get(parent_id, only)
        if not symbol:
            raise ConfigError(
                "symbol", f"{parent_id} has no instrument", "Call `assign` before its first order"
            )
        own_id = own_id or client_id(self._prefix, parent_id, command.order_id)
        self.capabilities.wire_id(own_id)
        is_stop = isinstance(command, StopCommand)
        if is_stop and not (self.capabilities.stops and (command.price or self.capabilities.stop_at_market)):
            raise ConfigError("stop", f"{self.venue} lets no such stop rest", "See its `Capabilities`")
        order = Tracked(
            parent_id=parent_id, order_id=command.order_id, client_id=own_id, symbol=symbol,
            side=command.side, price=command.price, qty=command.qty, is_stop=is_stop,
            rests=isinstance(command, StopCommand) or command.tif != TimeInForce.IOC,
        )  # fmt: skip
        self._tracker.add(order)
        return order

    def _refuse(self, parent_id: str, command: Command | StopCommand, reason: RejectReason) -> None:
        """A QUERY of an order that isn't known here is answered UNKNOWN: the venue was not asked."""
        kind = ReportKind.REJECT
        if isinstance(command, Command):
            kind = _REFUSED_BY.get(CommandKind(command.kind), kind)
            if command.kind == CommandKind.QUERY:
                kind = ReportKind.UNKNOWN
        report = OrderReport(
            int(kind), command.order_id, clock.now_ns(), command.price, 0, 0, False, int(reason)
        )
        asyncio.get_running_loop().call_soon(self._on_report, self.venue, parent_id, report)

    def _opened(self) -> tuple[Account, Commands]:
        if not self._is_open:
            raise EngineClosed(f"the broker of {self.venue} is not running")
        return self._account, self._commands

    def _note(self, error: BaseException) -> None:
        self._last_error = plain(self._keys, error)

    async def _told(self, job: Awaitable[T]) -> T:
        """What ccxt raises may quote the request: only our words go out."""
        try:
            return await job
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - of any kind
            self._note(error)
            raise in_our_words(self._keys, error) from None
