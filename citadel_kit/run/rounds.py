"""Rounds of reconciliation over brokers: the questions in their order, and what follows from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import count

from citadel_kit import clock
from citadel_kit.errors import CitadelError, EngineClosed, VenueUnreachable
from citadel_kit.io.broker import CcxtBroker
from citadel_kit.io.journal import OwnOrder
from citadel_kit.run.bookkeeper import Bookkeeper, Known
from citadel_kit.run.reconcile import (
    RECENT_NS,
    Found,
    Reconciliation,
    VenueView,
    reconcile,
    record,
    to_ask,
    trades_since,
)
from citadel_kit.types import (
    FIRST_STOP_ID,
    Command,
    CommandKind,
    Instrument,
    OrderReport,
    StopCommand,
    TimeInForce,
    VenueOrder,
    VenueTrade,
    client_id,
    parse_client_id,
)


class Rounds:
    """Of one venue. `prefixes`: of this engine and all earlier ones of the account."""

    def __init__(
        self,
        broker: CcxtBroker,
        books: Bookkeeper,
        prefixes: Sequence[str],
        instruments: Mapping[str, Instrument],
    ) -> None:
        # What a request can still bring about: it was waited for, and the venue takes it so long.
        config = broker.config  # as long as the broker itself waits before it believes that nothing is there
        lost_s = broker.capabilities.lost_s or config.recv_window_s
        self._grace_ns = int((config.timeout_s + lost_s + 1.0) * clock.SECOND)
        self._broker, self._books, self._journal = broker, books, books.journal
        self._prefixes, self._instruments = prefixes, instruments
        self._adopted: dict[str, tuple[str, int]] = {}
        """Parent and number here, by the client id of an earlier run."""
        self._numbers = count(1)

    async def once(
        self, keep: Callable[[], Collection[str]] | None
    ) -> tuple[Reconciliation, list[tuple[str, str, OrderReport]]]:
        """One round; what came of it, and the reports that follow as prefix, parent and report.

        `keep`: client ids that are at work now; None: the start, when none is. Raises VenueUnreachable,
        JournalError; nothing is decided then.
        """
        start, journal, broker = keep is None, self._journal, self._broker
        asked_ns = clock.now_ns()
        open_orders = self._here(await broker.open_orders())
        ours = self._traded(journal.own_orders(broker.venue, asked_ns - RECENT_NS))
        alive = [order for order in open_orders if self._is_ours(order.client_id)]
        asked = await self._asked(ours, alive, asked_ns, start=start)
        symbols = dict.fromkeys([*(o.symbol for o in ours), *(o.symbol for o in alive)])
        since_ns = trades_since(ours, alive, asked_ns)
        trades = [trade for symbol in symbols for trade in await broker.trades(symbol, since_ns)]
        numbers = {trade.venue_order_id for trade in trades}
        ours = self._traded(journal.own_orders(broker.venue, asked_ns - RECENT_NS, numbers))
        view = VenueView(asked_ns, open_orders, asked, trades)
        kept = None if keep is None else keep()
        result = reconcile(broker.venue, ours, view, self._prefixes, keep=kept, grace_ns=self._grace_ns)
        said = record(journal, broker.venue, result, self._instruments, clock.now_ns())
        self._note(result, trades)
        for found in result.cancel:
            self._cancel(found)
        return result, said

    def check_others(self) -> None:
        """Of symbols that this engine does not trade, only stops may be at work: nobody here could look after
        anything else. Raises EngineClosed naming the symbols."""
        every = self._journal.own_orders(self._broker.venue, clock.now_ns())
        open_still = {o.symbol for o in every if not o.settled and o.order_id < FIRST_STOP_ID}
        if others := sorted(open_still - set(self._instruments)):
            what = f"orders of {', '.join(others)} at {self._broker.venue} are not settled"
            raise EngineClosed(f"nothing is traded: {what}. Start an engine for them first")

    def _traded(self, ours: Iterable[OwnOrder]) -> list[OwnOrder]:
        return [own for own in ours if own.symbol in self._instruments]

    def _here(self, orders: Iterable[VenueOrder]) -> list[VenueOrder]:
        """Without stops of ours that guard another symbol's position."""
        known = self._instruments
        return [o for o in orders if o.symbol in known or not self._is_ours(o.client_id)]

    async def settle(self, until_ns: int, wait_s: float) -> Reconciliation:
        """Rounds of the start, until one has nothing left to do; an answer that does not come is asked for
        again. Raises EngineClosed naming what is not explained at `until_ns`, and JournalError."""
        while True:
            try:
                result, _ = await self.once(None)
                if result.settled:
                    return result
                left = "; ".join([*result.problems, *result.waiting]) or "orders that would not go"
            except VenueUnreachable as error:
                left = error.problem
            if clock.now_ns() > until_ns:
                what = f"{self._broker.venue} and the journal {self._journal.path} don't agree: {left}"
                raise EngineClosed(f"nothing is traded: {what}")
            await asyncio.sleep(wait_s)

    def take_over(self, found: Found, parent_id: str, order_id: int, own: OwnOrder | None) -> None:
        """A broker's order from now on, under this run's parent and number."""
        name, order = found.order.client_id, found.order
        self._adopted[name] = parent_id, order_id
        self._books.earlier(parent_id, order_id, Known(*found[:3]), order.symbol, order.side)
        booked = {fill.trade_id: fill.qty for fill in own.fills if fill.trade_id} if own else {}
        place: Command | StopCommand
        if found.order_id >= FIRST_STOP_ID:
            place = StopCommand(order_id, order.side, 0, order.price, order.qty)
        else:
            gtc = TimeInForce.GTC.value
            place = Command(CommandKind.PLACE, order_id, order.side, order.price, order.qty, gtc)
        self._broker.assign(parent_id, order.symbol)
        self._broker.adopt(parent_id, place, own_id=name, sent_ns=order.created_ns, booked=booked)

    def here(self, prefix: str, parent_id: str, order_id: int) -> tuple[str, int] | None:
        """By which parent and number this run knows an order; None where it has nothing to do with it."""
        if prefix == self._journal.prefix:
            return parent_id, order_id
        return self._adopted.get(client_id(prefix, parent_id, order_id))

    def earlier_name(self, parent_id: str, order_id: int) -> str:
        """The client id of an order of an earlier run; empty of one of this run."""
        names = (name for name, key in self._adopted.items() if key == (parent_id, order_id))
        return next(names, "")

    def _note(self, result: Reconciliation, trades: Sequence[VenueTrade]) -> None:
        """The broker has not told of these fills; if it did now, they'd take another place in their order."""
        whole = {trade.trade_id: trade.qty for trade in trades}
        for missed in result.book:
            here = self.here(missed.prefix, missed.fill.parent_id, missed.fill.order_id)
            if here is not None:
                self._broker.note(*here, missed.trade_id, whole[missed.trade_id])

    async def _asked(
        self, ours: Sequence[OwnOrder], alive: Sequence[VenueOrder], asked_ns: int, *, start: bool
    ) -> dict[str, VenueOrder | None]:
        symbols = {own.client_id: own.symbol for own in ours} | {o.client_id: o.symbol for o in alive}
        names = dict.fromkeys(
            [*to_ask(ours, asked_ns, start=start, grace_ns=self._grace_ns), *(o.client_id for o in alive)]
        )
        answers: dict[str, VenueOrder | None] = {}
        for name in names:
            try:
                answers[name] = await self._broker.order(symbols[name], name)
            except CitadelError:
                continue  # no answer: the rules wait for it
        return answers

    def _cancel(self, found: Found) -> None:
        """An orphan: it is taken over to be cancelled, under a parent of its own."""
        name = found.order.client_id
        if name not in self._adopted:
            self.take_over(found, f"o{next(self._numbers)}", 1, None)
        parent_id, order_id = self._adopted[name]
        command = Command(CommandKind.CANCEL, order_id, found.order.side, found.order.price, 0, 0)
        self._broker.send(self._broker.venue, parent_id, command, clock.now_ns())

    def _is_ours(self, name: str) -> bool:
        return any(parse_client_id(name, prefix) for prefix in self._prefixes)
