"""What is done about each order: its commands one after another, and looks at it when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from citadel_kit import clock
from citadel_kit.io.broker.account import Account
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.io.broker.config import BrokerConfig
from citadel_kit.io.broker.refusals import refusal
from citadel_kit.io.broker.track import Seen, Tracked, Tracker
from citadel_kit.micro.chase import Amend
from citadel_kit.types import Command, CommandKind, RejectReason, ReportKind, StopCommand

T = TypeVar("T")

_AHEAD_S: Final = 1.0
"""By so much may a request's time stamp be ahead of the venue's clock."""


@dataclass(slots=True, eq=False)
class Work:
    """What we do about one order, beside what is known of it."""

    order: Tracked
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    given_up_ns: int = 0
    """When we stopped waiting for the answer to its PLACE, with or without one."""
    look_ns: int = 0
    """When to look at it next; 0: no look is due."""


class Commands:
    def __init__(
        self,
        cap: Capabilities,
        config: BrokerConfig,
        account: Account,
        tracker: Tracker,
        streams_up: Callable[[], bool],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._cap, self._config, self._account, self._tracker = cap, config, account, tracker
        self._streams_up, self._on_error = streams_up, on_error
        self._works: dict[tuple[str, int], Work] = {}
        self.changed = asyncio.Event()
        """A look may be due earlier than it was."""
        self.looks = self.unknown = 0

    # --- which, and when ---

    def work(self, order: Tracked) -> Work:
        """Known by its key from now on, until it is settled."""
        key = order.parent_id, order.order_id
        return self._works.setdefault(key, Work(order))

    def look_in(self, work: Work, wait_s: float) -> None:
        """At the latest: an earlier look that is due stays so."""
        if work.order.settled:
            return
        at_ns = clock.now_ns() + max(int(wait_s * clock.SECOND), 1)
        work.look_ns = min(work.look_ns or at_ns, at_ns)
        self.changed.set()

    def orders(self) -> list[Tracked]:
        """Those of which more is to come."""
        return [work.order for work in self._works.values() if not work.order.settled]

    def look_at_all(self) -> None:
        for work in self._works.values():
            self.look_in(work, 0.0)

    def due(self) -> tuple[list[Work], float]:
        """Those to be looked at now, and in how many seconds the next are. What is settled is dropped."""
        now_ns, found, next_ns = clock.now_ns(), [], 0
        for key, work in list(self._works.items()):
            if work.order.settled and not work.lock.locked():
                del self._works[key]
            elif 0 < work.look_ns <= now_ns:
                work.look_ns = 0
                found.append(work)
            elif work.look_ns:
                next_ns = min(next_ns or work.look_ns, work.look_ns)
        return found, (next_ns - now_ns) / clock.SECOND if next_ns else self._config.slow_s

    # --- commands ---

    async def obey(self, work: Work, command: Command | StopCommand) -> None:
        async with work.lock:
            if isinstance(command, StopCommand) or command.kind == CommandKind.PLACE:
                await self._place(work, command)
            elif command.kind == CommandKind.CANCEL:
                await self._cancel(work)
            elif command.kind == CommandKind.AMEND:
                await self._amend(work, command)
            else:
                await self.look(work, answer=True)

    async def _place(self, work: Work, command: Command | StopCommand) -> None:
        order = work.order
        try:
            seen, trades = await self._asked(self._account.place(order, command))
        except Exception as error:  # noqa: BLE001 - each is a refusal or an open fate
            work.given_up_ns = clock.now_ns()
            self._placed_badly(work, self._reason(error))
            return
        work.given_up_ns = now_ns = clock.now_ns()
        self._tracker.on_order(seen, now_ns, order)
        for trade in trades:
            self._tracker.on_trade(trade, now_ns)
        is_clear = seen.alive and not order.missing
        self.look_in(work, self._pace() if is_clear else self._config.wait_s)

    def _placed_badly(self, work: Work, reason: RejectReason | None) -> None:
        order = work.order
        if order.lived:  # the stream knew better
            self.look_in(work, 0.0)
        elif reason is None:
            self._say_unknown(order)
            self.look_in(work, self._config.wait_s)
        elif reason == RejectReason.DUPLICATE:  # then it exists
            self._tracker.say(order, ReportKind.REJECT, clock.now_ns(), order.price, reason=reason)
            self.look_in(work, 0.0)
        else:
            if (
                order.is_stop and reason == RejectReason.POST_ONLY
            ):  # ccxt's class for a stop that would trigger
                reason = RejectReason.VENUE
            self._tracker.refuse(order, reason, clock.now_ns())

    async def _cancel(self, work: Work) -> None:
        order = work.order
        if order.settled:
            self._tracker.tell_end(order, clock.now_ns())
            return
        try:
            seen = await self._asked(self._account.cancel(order))
        except Exception as error:  # noqa: BLE001 - each is a refusal or an open fate
            reason = self._reason(error)
            if reason is None:
                self._say_unknown(order)
            else:
                self._tracker.say(order, ReportKind.CANCEL_REJECT, clock.now_ns(), order.price, reason=reason)
            self.look_in(work, 0.0)
            return
        self._tracker.on_order(seen, clock.now_ns(), order)
        self.look_in(work, self._config.wait_s)

    async def _amend(self, work: Work, command: Command) -> None:
        order, can = work.order, self._cap.amend
        is_less = command.price == order.price and command.qty < order.qty
        if can == Amend.NONE or (can == Amend.QTY_DOWN and not is_less) or order.is_stop or order.settled:
            self._refuse_amend(order, RejectReason.UNKNOWN_ORDER if order.settled else RejectReason.VENUE)
            return
        order.target = command.price, command.qty
        try:
            seen = await self._asked(self._account.amend(order, command))
        except Exception as error:  # noqa: BLE001 - each is a refusal or an open fate
            reason = self._reason(error)
            if reason is None:
                self._say_unknown(order)
            else:
                order.target = None
                self._refuse_amend(order, reason)
            self.look_in(work, 0.0)
            return
        self._tracker.on_order(seen, clock.now_ns(), order)
        self.look_in(work, self._config.wait_s)

    # --- looks ---

    async def look(self, work: Work, *, answer: bool = False) -> None:
        """Ask the venue what became of an order; `answer`: and say so, as to a QUERY."""
        order, asked_ns = work.order, clock.now_ns()
        if order.settled:
            self._tracker.tell_end(order, asked_ns)
            return
        self.looks += 1
        try:
            seen = await self._asked(self._account.find(order))
            if seen is not None:
                self._tracker.on_order(seen, clock.now_ns(), order)
            if order.missing:
                for trade in await self._asked(self._account.trades_of(order)):
                    self._tracker.on_trade(trade, clock.now_ns())
        except Exception as error:  # noqa: BLE001 - whatever it is, the order's fate is as open as before
            self._on_error(error)
            if answer:
                self._say_unknown(order)
            self.look_in(work, self._config.poll_s)
            return
        if answer:
            self._answer(work, seen, asked_ns)
        is_clear = seen is not None and not order.missing
        self.look_in(work, self._pace() if is_clear else self._config.poll_s)

    def _answer(self, work: Work, seen: Seen | None, asked_ns: int) -> None:
        order, now_ns = work.order, clock.now_ns()
        if order.settled:
            self._tracker.tell_end(order, now_ns)
        elif seen is not None and not order.missing:
            self._tracker.tell_state(order, seen, now_ns)
        elif seen is None and not order.lived and self._is_over(work, asked_ns):
            self._tracker.refuse(order, RejectReason.UNKNOWN_ORDER, now_ns)
        else:
            self._say_unknown(order)

    def _is_over(self, work: Work, asked_ns: int) -> bool:
        """Was the venue asked when the order's PLACE could take effect no more?"""
        lost_s = self._cap.lost_s or self._config.recv_window_s
        return work.given_up_ns > 0 and asked_ns > work.given_up_ns + int((lost_s + _AHEAD_S) * clock.SECOND)

    # --- how ---

    async def _asked(self, request: Awaitable[T]) -> T:
        """ccxt's own limit counts from when its throttle lets a request go. Raises TimeoutError."""
        async with asyncio.timeout(2 * self._config.timeout_s):
            return await request

    def _pace(self) -> float:
        return self._config.slow_s if self._streams_up() else self._config.poll_s

    def _reason(self, error: BaseException) -> RejectReason | None:
        self._on_error(error)
        return refusal(error, self._cap.post_only_words)

    def _say_unknown(self, order: Tracked) -> None:
        self.unknown += 1
        self._tracker.say(order, ReportKind.UNKNOWN, clock.now_ns(), order.price)

    def _refuse_amend(self, order: Tracked, reason: RejectReason) -> None:
        self._tracker.say(
            order, ReportKind.AMEND_REJECT, clock.now_ns(), order.price, order.qty, reason=reason
        )
