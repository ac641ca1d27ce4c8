"""One venue of the local exchange: its symbols, accounts and keys, and the news it tells its dialect.

Everything happens in the world's time; nothing here knows of a network.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from citadel_kit.exchange.faults import Faults
from citadel_kit.exchange.latency import Latency
from citadel_kit.exchange.symbol import Depth, MarketEvent, Pairs, Print, Symbol, Top
from citadel_kit.micro.matching import (
    Accounts,
    CancelReplace,
    ExchangeOrder,
    Execution,
    ListUpdate,
    MatchingEngine,
    OrderRefused,
    OrderRequest,
    RefusalCode,
)
from citadel_kit.settings import Fees

__all__ = [
    "AccountEvent",
    "ApiKey",
    "Connection",
    "Depth",
    "MarketEvent",
    "Pairs",
    "Print",
    "Symbol",
    "Timeline",
    "Top",
    "Venue",
]

_MILLISECOND: Final = 1_000_000


class AccountEvent(NamedTuple):
    account: str
    at_ns: int
    symbol: str
    execution: Execution | ListUpdate
    balances: dict[str, tuple[int, int]]
    """(free, locked) of the assets of the symbol after it, in units of 10**-18; empty where none can have
    changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    key: str
    secret: str = field(repr=False)
    account: str
    may_trade: bool = True
    may_withdraw: bool = False


class Connection(Protocol):
    """An open stream of a client."""

    def cut(self) -> None:
        """End it without a word."""


class Timeline(Protocol):
    """The world's time."""

    now_ns: int

    def later(self, at_ns: int, action: Callable[[], object]) -> None:
        """Do it when the world gets there."""

    def catch_up(self) -> None:
        """Bring the world to the present, where it follows a clock; else nothing. Never for long."""


class Venue:
    """`place` and its siblings are the only way to a venue's engines for clients: they apply faults, and
    tell the news. All raise what the engine raises; its times are the world's, those told are the venue's.
    """

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        symbols: Mapping[str, Symbol],
        accounts: Accounts,
        fees: Fees,
        faults: Faults,
        *,
        to_venue: Latency = Latency(),  # noqa: B008
        from_venue: Latency = Latency(),  # noqa: B008
    ) -> None:
        self.name = self.dialect = name
        self.symbols, self.accounts, self.fees, self.faults = dict(symbols), accounts, fees, faults
        self.to_venue, self.from_venue = to_venue, from_venue
        self.keys: dict[str, ApiKey] = {}
        self.connections: set[Connection] = set()
        self.waiting_bytes = 0
        """On their way to all of them."""
        self._timeline = timeline
        self._by_name = {s.instrument.venue_symbol: s for s in self.symbols.values()}
        self._listeners: dict[int, Callable[[MarketEvent], None]] = {}
        self._account_listeners: dict[str, dict[int, Callable[[AccountEvent], None]]] = {}
        self._reported_ns: dict[str, int] = {}
        self._tickets = 0
        self._travel = random.Random(faults.seed ^ 0x5EED)

    # --- facts ---

    @property
    def skew_ns(self) -> int:
        return int(self.faults.config.clock_skew_ms * _MILLISECOND)

    def now_ns(self) -> int:
        """By the venue's clock."""
        return self._timeline.now_ns + self.skew_ns

    def symbol_by_venue_name(self, text: str) -> Symbol:
        """Raises KeyError."""
        return self._by_name[text]

    def engine(self, symbol: str) -> MatchingEngine:
        """For reading. Raises KeyError."""
        return self.symbols[symbol].engine

    def add_key(self, key: ApiKey, balances: Mapping[str, int] | None = None) -> None:
        """`balances`: added to the key's account, in units of 10**-18 of each asset."""
        self.keys[key.key] = key
        for asset, units in (balances or {}).items():
            self.accounts.deposit(key.account, asset, units)

    def travel_ns(self, latency: Latency) -> int:
        """One draw of `to_venue` or `from_venue`, with the latency that faults add."""
        return latency.draw_ns(self._travel) + int(self.faults.config.latency_ms * _MILLISECOND)

    def catch_up(self) -> None:
        """To be called before a client is answered: the world may be some milliseconds behind the clock."""
        self._timeline.catch_up()

    def cut(self) -> int:
        """End every stream; how many there were."""
        connections = list(self.connections)
        for connection in connections:
            connection.cut()
        return len(connections)

    # --- orders ---

    def place(self, request: OrderRequest) -> ExchangeOrder:
        self._refuse_by_fault()
        try:
            return self.engine(request.symbol).place(request, self._timeline.now_ns)
        finally:
            self.publish(request.symbol)

    def place_oco(
        self, limit: OrderRequest, stop: OrderRequest, list_client_id: str = ""
    ) -> tuple[int, tuple[ExchangeOrder, ExchangeOrder]]:
        self._refuse_by_fault()
        try:
            return self.engine(limit.symbol).place_oco(limit, stop, self._timeline.now_ns, list_client_id)
        finally:
            self.publish(limit.symbol)

    def cancel(self, symbol: str, account: str, *, order_id: int = -1, client_id: str = "") -> ExchangeOrder:
        try:
            return self.engine(symbol).cancel(
                account, self._timeline.now_ns, order_id=order_id, client_id=client_id
            )
        finally:
            self.publish(symbol)

    def cancel_all(self, symbol: str, account: str) -> list[ExchangeOrder]:
        try:
            return self.engine(symbol).cancel_all(account, self._timeline.now_ns)
        finally:
            self.publish(symbol)

    def cancel_replace(
        self,
        account: str,
        new: OrderRequest,
        *,
        order_id: int = -1,
        client_id: str = "",
        stop_on_failure: bool,
    ) -> CancelReplace:
        self._refuse_by_fault()
        try:
            return self.engine(new.symbol).cancel_replace(
                account, new, self._timeline.now_ns,
                order_id=order_id, client_id=client_id, stop_on_failure=stop_on_failure,
            )  # fmt: skip
        finally:
            self.publish(new.symbol)

    def amend(
        self, symbol: str, account: str, *, order_id: int = -1, client_id: str = "", qty: int
    ) -> ExchangeOrder:
        try:
            return self.engine(symbol).amend(
                account, self._timeline.now_ns, order_id=order_id, client_id=client_id, qty=qty
            )
        finally:
            self.publish(symbol)

    def _refuse_by_fault(self) -> None:
        for kind, code in _REFUSALS.items():
            if self.faults.rejects(kind):
                raise OrderRefused(code, f"{kind}: switched on as a fault of this venue")

    # --- news ---

    def listen(self, callback: Callable[[MarketEvent], None]) -> Callable[[], None]:
        """Every market event of every symbol; the answer ends it."""
        ticket = self._ticket()
        self._listeners[ticket] = callback

        def end() -> None:
            self._listeners.pop(ticket, None)

        return end

    def listen_account(self, account: str, callback: Callable[[AccountEvent], None]) -> Callable[[], None]:
        """Every event of one account, after its way from the venue; the answer ends it."""
        ticket = self._ticket()
        listeners = self._account_listeners.setdefault(account, {})
        listeners[ticket] = callback

        def end() -> None:
            listeners.pop(ticket, None)

        return end

    def publish(self, symbol: str) -> None:
        """Tell what the engine did since the last call. Frozen, the venue says nothing of its market."""
        of = self.symbols[symbol]
        changes, trades, executions = of.engine.drain()
        of.absorb(changes, trades)
        if not self.faults.config.freeze_book:
            top = of.new_top(self.now_ns()) if changes else None
            if top is not None:
                self._tell(top)
            for trade in trades:
                self._tell(Print(symbol, trade.at_ns + self.skew_ns, trade.trade_id, trade.price, trade.qty,
                                 trade.side))  # fmt: skip
        for execution in executions:
            self._report(of, execution)

    def flush(self, symbol: str = "") -> None:
        """Tell the changes of this book, or of every one, since the last call."""
        if self.faults.config.freeze_book:
            return
        for of in [self.symbols[symbol]] if symbol else self.symbols.values():
            depth = of.flush(self.now_ns())
            if depth is not None:
                top = of.new_top(depth.at_ns)  # after a freeze
                if top is not None:
                    self._tell(top)
                self._tell(depth)

    def _tell(self, event: MarketEvent) -> None:
        for callback in list(self._listeners.values()):
            callback(event)

    def _report(self, of: Symbol, execution: Execution | ListUpdate) -> None:
        account = execution.order.account if isinstance(execution, Execution) else execution.account
        if not self._account_listeners.get(account):
            return
        assets = of.instrument.symbol.partition(":")[0].split("/")
        balances = {a: (self.accounts.free(account, a), self.accounts.locked(account, a)) for a in assets}
        event = AccountEvent(account, self.now_ns(), of.instrument.symbol, execution, balances)
        faults, config = self.faults, self.faults.config
        delay_ns = self.travel_ns(self.from_venue)
        if delay_ns:  # one connection's reports never overtake each other, but for those held up by a fault
            at_ns = max(self._timeline.now_ns + delay_ns, self._reported_ns.get(account, 0))
            self._reported_ns[account] = at_ns
            delay_ns = at_ns - self._timeline.now_ns
        if faults.strikes("late_report", config.late_report):
            delay_ns += int(config.late_report_ms * _MILLISECOND)
        for _ in range(1 + faults.strikes("duplicate_report", config.duplicate_report)):
            if delay_ns:
                at_ns = self._timeline.now_ns + delay_ns
                self._timeline.later(at_ns, lambda: self._deliver(event))
            else:
                self._deliver(event)

    def _deliver(self, event: AccountEvent) -> None:
        for callback in list(self._account_listeners.get(event.account, {}).values()):
            callback(event)

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets


_REFUSALS: Final = {
    "post_only": RefusalCode.WOULD_TAKE,
    "balance": RefusalCode.INSUFFICIENT_BALANCE,
    "filter": RefusalCode.PRICE_FILTER,
}
