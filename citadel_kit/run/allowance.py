"""What may go out now: the account's pre-trade limits and each venue's rate budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from typing import Final

from citadel_kit.micro import limits
from citadel_kit.micro.limits import NONE_SENT, Budget, Facts, Limits
from citadel_kit.run.parent import ParentOrder
from citadel_kit.types import Command, CommandKind, Instrument, OrderIntent, Purpose, StopCommand

NO_LIMITS: Final = Limits(*(float("inf"),) * 3, 1 << 62, *(float("inf"),) * 2)


def tightest(limits: Limits, others: Limits | None) -> Limits:
    """Of each limit the smaller one."""
    return limits if others is None else Limits._make(map(min, limits, others))


class Allowance:
    """`mid`: the global one, in the quote currency of the engine's symbol; NaN where there is none, and then
    no entry goes out. A venue without a budget has none.

    Raises ConfigError for a limit that can't be.
    """

    def __init__(
        self,
        bounds: Limits = NO_LIMITS,
        budgets: Mapping[str, Budget] | None = None,
        mid: Callable[[], float] = lambda: nan,
    ) -> None:
        limits.validate(bounds)
        self.limits, self._budgets, self._mid = bounds, dict(budgets or {}), mid
        self._full_ns = dict.fromkeys(self._budgets, 0)
        self._sent = NONE_SENT

    def waits(self, venue: str, opens: bool, now_ns: int) -> bool:
        """Is the venue's budget used up for now? What closes has a reserve."""
        budget = self._budgets.get(venue)
        return budget is not None and limits.wait_ns(budget, self._full_ns[venue], now_ns, 1, opens) > 0

    def refuses(self, order: ParentOrder, command: Command, open_notional: float, now_ns: int) -> str:
        """Why this PLACE must not go out; empty: it may. `open_notional`: open and working besides."""
        opens = order.intent.purpose == Purpose.ENTRY
        if self.waits(order.instrument.venue, opens, now_ns):
            return f"the rate budget of {order.instrument.venue} is used up"
        what = order.instrument, order.intent, command.price, command.qty
        return self.breaches(*what, open_notional, now_ns)

    def breaches(
        self,
        instrument: Instrument,
        intent: OrderIntent,
        price: int,
        qty: int,
        open_notional: float,
        now_ns: int,
    ) -> str:
        """The limits that so much of this intent would break, in words."""
        if self.limits == NO_LIMITS:
            return ""
        facts = Facts(
            opens=intent.purpose == Purpose.ENTRY,
            side=int(intent.side),
            price=instrument.price(price),
            notional=instrument.notional(price, qty),
            symbol_notional=open_notional,
            total_notional=open_notional,
            orders=limits.in_last_minute(self._sent, now_ns),
            global_mid=self._mid(),
        )
        broken = limits.check(self.limits, facts)
        return "; ".join(limits.describe(self.limits, facts, breach) for breach in broken)

    def went_out(self, order: ParentOrder, command: Command | StopCommand, now_ns: int) -> None:
        venue = order.instrument.venue
        if venue in self._budgets:
            self._full_ns[venue] = limits.taken(self._budgets[venue], self._full_ns[venue], now_ns, 1)
        places = isinstance(command, Command) and command.kind == CommandKind.PLACE
        if places and order.intent.purpose == Purpose.ENTRY:
            self._sent = limits.sent(self._sent, now_ns)
