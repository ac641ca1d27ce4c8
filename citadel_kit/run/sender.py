"""The last step before the wire: each item is looked at by the brakes, written down, and then sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from citadel_kit import clock
from citadel_kit.run.bookkeeper import Bookkeeper
from citadel_kit.run.brakes import Brakes
from citadel_kit.run.orders import Orders
from citadel_kit.run.outbox import Closing, Item, NewParent, SendCommand
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    OrderReport,
    RejectReason,
    ReportKind,
    StopCommand,
)


class Wire(Protocol):
    """A venue's broker."""

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None: ...


class Sender:
    """What can't be written ahead does not go out. The exceptions make nothing worse: a QUERY, and the CANCEL
    of an order. The CANCEL of a protective stop is none of them: its position would stand bare, since no exit
    could follow.
    """

    def __init__(
        self,
        prefix: str,
        brakes: Brakes,
        books: Bookkeeper,
        orders: Orders,
        brokers: Mapping[str, Wire],
        forward: Callable[[str, OrderReport, int], None],
    ) -> None:
        """`forward` hears, in a later step, of what never left."""
        self._prefix, self._brakes, self._books = prefix, brakes, books
        self._orders, self._brokers, self._forward = orders, brokers, forward
        self.families: dict[str, str] = {}
        """The entry that a parent belongs to, as `prefix-parent_id`, over all runs."""

    def do(self, item: Item) -> None:
        if isinstance(item, NewParent):
            self._begin(item)
            return
        if isinstance(item, Closing):
            family = self.families.get(item.parent_id)
            if family:
                self._brakes.written(lambda: self._books.closing(item, family, clock.now_ns()))
            return
        command = item.command
        places = isinstance(command, StopCommand) or command.kind in (CommandKind.PLACE, CommandKind.AMEND)
        needs = places or _bares(item)
        opens = places and not isinstance(command, StopCommand) and self._orders.opens(item.parent_id)
        why = self._brakes.hold(opens=opens) if needs else ""
        if not why and not self._brakes.written(lambda: self._books.command(item)) and needs:
            why = self._brakes.hold(opens=opens)
        if why:
            self._refuse(item, why)
        else:
            self._brokers[item.venue].send(item.venue, item.parent_id, command, item.now_ns)

    def _begin(self, item: NewParent) -> None:
        parent_id, group = item.order.parent_id, item.order.group
        closes = self.families.get(parent_id) or self.families.get(group, "")
        if self._brakes.written(lambda: self._books.parent(item, clock.now_ns(), closes)):
            self.families.setdefault(parent_id, closes or f"{self._prefix}-{parent_id}")

    def _refuse(self, item: SendCommand, why: str) -> None:
        """It never left. Told in a later step: the engine is in the middle of one."""
        order, order_id = self._orders.get(item.parent_id), item.command.order_id
        if order is not None and order_id < FIRST_STOP_ID:
            order.refusal = why
        kind = ReportKind.CANCEL_REJECT if _bares(item) else ReportKind.REJECT
        report = OrderReport(kind, order_id, clock.now_ns(), 0, 0, 0, False, RejectReason.VENUE.value)
        asyncio.get_running_loop().call_soon(self._forward, item.parent_id, report, 0)


def _bares(item: SendCommand) -> bool:
    """Does it take a protective stop away?"""
    command = item.command
    if isinstance(command, StopCommand):
        return False
    return command.kind == CommandKind.CANCEL and command.order_id >= FIRST_STOP_ID
