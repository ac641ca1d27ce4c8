"""A venue of the local exchange without a wire: what a broker asks of it, in the same loop.

What ccxt and the network do is here in short: requests travel, fail before or after they took effect, or get
no answer; streams are cut and come back; reports come late, twice, or in another order; refusals are raised
as ccxt's errors. All of it follows the switches of `exchange.faults`, as the server of the local exchange
does, and the `Capabilities` of the venue.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol, TypeVar

import ccxt

from citadel_kit import clock
from citadel_kit.exchange.venue import Venue
from citadel_kit.io.broker import BrokerConfig
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.io.broker.track import Seen, Tracked
from citadel_kit.micro.chase import Amend
from citadel_kit.micro.matching import (
    UNIT,
    AccountTrade,
    ExchangeOrder,
    Execution,
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderType,
    RefusalCode,
    Status,
    Tif,
)
from citadel_kit.types import (
    Command,
    Instrument,
    RejectReason,
    Side,
    StopCommand,
    TimeInForce,
    VenueOrder,
    VenueTrade,
)

T = TypeVar("T")
ACCOUNT = "main"
QUICK = BrokerConfig(timeout_s=0.4, recv_window_s=0.8, wait_s=0.1, poll_s=0.15, slow_s=2.0)
"""Some ten times faster than in life. A request may take effect after it was given up."""

_AHEAD_NS = 1_000_000_000
"""By so much may a request's stamp be ahead of the venue's clock: Binance's rule."""
_ERRORS: dict[RefusalCode, type[Exception]] = {
    RefusalCode.WOULD_TAKE: ccxt.OrderImmediatelyFillable,
    RefusalCode.WOULD_TRIGGER: ccxt.OrderImmediatelyFillable,
    RefusalCode.INSUFFICIENT_BALANCE: ccxt.InsufficientFunds,
    RefusalCode.UNKNOWN_ORDER: ccxt.OrderNotFound,
    RefusalCode.DUPLICATE_CLIENT_ID: ccxt.DuplicateOrderId,
    RefusalCode.NO_BOOK: ccxt.MarketClosed,
    RefusalCode.NO_LIQUIDITY: ccxt.MarketClosed,
    RefusalCode.AMEND_REFUSED: ccxt.OperationRejected,
}


class Gate:
    """Is the venue's server there at all? Shared by everything that connects to it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.down = False
        self.lines: list[Line] = []

    @property
    def streams_refused(self) -> bool:
        config = self.venue.faults.config
        return self.down or config.disconnect or config.maintenance

    def cut(self) -> None:
        lines, self.lines = self.lines, []
        for line in lines:
            line.cut()


class Line(Protocol):
    def cut(self) -> None: ...


class NearAccount:
    """What `io.broker.account.Account` is to a broker."""

    def __init__(self, gate: Gate, cap: Capabilities, instrument: Instrument, rng: random.Random) -> None:
        self._gate, self._venue, self._cap, self._instrument = gate, gate.venue, cap, instrument
        self._engine = self._venue.engine(instrument.symbol)
        self._random = rng
        self.ended: dict[str, Seen] = {}
        """Accepted and ended at once: post-only orders of venues that refuse them by their stream."""
        self.tell: Callable[[Seen], None] = lambda seen: None

    # --- what changes something ---

    async def place(self, order: Tracked, command: Command | StopCommand) -> tuple[Seen, list[VenueTrade]]:
        request = self._request_of(order, command)

        def act() -> tuple[Seen, list[VenueTrade]]:
            try:
                placed = self._venue.place(request)
            except OrderRefused as refused:
                if refused.code != RefusalCode.WOULD_TAKE or not self._cap.post_only_by_stream:
                    raise
                gone = Seen(
                    order.symbol, order.client_id, f"e{len(self.ended)}", command.price, command.qty, 0,
                    alive=False, gone=True, reason=int(RejectReason.POST_ONLY),
                )  # fmt: skip
                self.ended[order.client_id] = gone
                self.tell(gone)
                return self._answer(gone), []
            trades = [self._trade(t) for t in self._engine.trades(ACCOUNT) if t.order_id == placed.order_id]
            return self._answer(seen_of(placed)), trades if self._cap.acks_in_answer else []

        return await self._request(act)

    async def cancel(self, order: Tracked) -> Seen:
        venue_id = order.venue_order_id
        if not venue_id and not self._cap.cancel_by_id:
            venue_id = await self._venue_id(order)

        def act() -> Seen:
            if order.client_id in self.ended:
                raise ccxt.OrderNotFound(order.client_id)
            which = {"order_id": int(venue_id)} if venue_id else {"client_id": order.client_id}
            return self._answer(seen_of(self._venue.cancel(order.symbol, ACCOUNT, **which)))

        return await self._request(act)

    async def amend(self, order: Tracked, command: Command) -> Seen:
        venue_id = order.venue_order_id or await self._venue_id(order)
        price = 0 if self._cap.amend == Amend.QTY_DOWN else command.price

        def act() -> Seen:
            if order.client_id in self.ended:
                raise ccxt.OrderNotFound(order.client_id)
            try:
                amended = self._engine.amend(
                    ACCOUNT, self._now_ns(), order_id=int(venue_id), qty=command.qty, price=price
                )
            finally:
                self._venue.publish(order.symbol)
            return self._answer(seen_of(amended))

        return await self._request(act)

    # --- what only looks ---

    async def find(self, order: Tracked) -> Seen | None:
        if self._cap.find == "lists" and not order.venue_order_id:  # open ones first: none slips through
            if (seen := await self._request(lambda: self._look(order.client_id, is_open=True))) is not None:
                return seen
            return await self._request(lambda: self._look(order.client_id, is_open=False))
        return await self._request(lambda: self._look(order.client_id))

    async def trades_of(self, order: Tracked) -> list[VenueTrade]:
        def act() -> list[VenueTrade]:
            found = [t for t in self._engine.trades(ACCOUNT) if str(t.order_id) == order.venue_order_id]
            return [self._trade(t) for t in found]

        return await self._request(act)

    async def open_orders(self) -> list[VenueOrder]:
        return await self._request(lambda: [_venue_order(o) for o in self._engine.open_orders(ACCOUNT)])

    async def trades(self, symbol: str, since_ns: int) -> list[VenueTrade]:
        def act() -> list[VenueTrade]:
            skew_ns = self._venue.skew_ns
            return [self._trade(t) for t in self._engine.trades(ACCOUNT) if t.at_ns + skew_ns >= since_ns]

        return await self._request(act)

    async def order(self, symbol: str, client_id: str) -> VenueOrder | None:
        def act() -> VenueOrder | None:
            gone = self.ended.get(client_id)
            if gone is not None:
                return VenueOrder(
                    client_id, gone.venue_order_id, symbol, 0, gone.price, gone.qty, 0, False, 0
                )
            try:
                return _venue_order(self._engine.order(ACCOUNT, client_id=client_id))
            except OrderRefused:
                return None

        return await self._request(act)

    def seen(self, row: Seen) -> Seen:
        return row

    def trade(self, row: VenueTrade) -> VenueTrade:
        return row

    def is_ours(self, row: object) -> bool:
        return True

    def trade_in(self, execution: Execution) -> VenueTrade:
        order = execution.order
        return self._trade(
            AccountTrade(
                execution.trade_id, order.order_id, -1, order.client_id, execution.at_ns, order.side,
                execution.price, execution.qty, execution.maker, execution.commission,
                execution.commission_asset,
            )
        )  # fmt: skip

    # --- how ---

    async def _request(self, act: Callable[[], T]) -> T:
        """One request on its way there and back, with what may befall it: as `exchange.server` does it."""
        loop, venue = asyncio.get_running_loop(), self._venue
        done: asyncio.Future[T] = loop.create_future()
        stamp_ns = clock.now_ns()
        if self._gate.down:
            raise ccxt.ExchangeNotAvailable("connection refused")
        if venue.faults.config.maintenance:
            raise self._random.choice([ccxt.OnMaintenance, ccxt.ExchangeNotAvailable])("maintenance")
        if venue.faults.rejects("rate_limit"):
            raise ccxt.RateLimitExceeded("too many requests")
        mishap = venue.faults.mishap()

        def answer(value: T | Exception) -> None:
            if done.done() or (mishap is not None and mishap.status == 0):
                return
            if mishap is not None:
                value = ccxt.ExchangeNotAvailable(f"{mishap.status}")
            if isinstance(value, Exception):
                done.set_exception(value)
            else:
                done.set_result(value)

        def arrive() -> None:
            if self._gate.down:
                return
            venue.catch_up()
            if mishap is not None and mishap.moment == "before":
                answer(ccxt.ExchangeNotAvailable("spoiled"))
                return
            try:
                self._check_stamp(stamp_ns)
                value: T | Exception = act()
            except OrderRefused as refused:
                value = _ERRORS.get(refused.code, ccxt.InvalidOrder)(str(refused))
            except ccxt.BaseError as error:
                value = error
            loop.call_later(venue.travel_ns(venue.from_venue) / 1e9, answer, value)

        loop.call_later(venue.travel_ns(venue.to_venue) / 1e9, arrive)
        try:
            async with asyncio.timeout(QUICK.timeout_s):
                return await done
        except TimeoutError:
            raise ccxt.RequestTimeout("no answer") from None

    def _check_stamp(self, stamp_ns: int) -> None:
        window_ns = int((self._cap.lost_s or QUICK.recv_window_s) * 1e9)
        age_ns = self._venue.now_ns() - stamp_ns
        if not -_AHEAD_NS < age_ns <= window_ns:
            raise ccxt.InvalidNonce("the time stamp is outside of the receive window")

    def _request_of(self, order: Tracked, command: Command | StopCommand) -> OrderRequest:
        stop_price, tif = 0, Tif.GTC
        if isinstance(command, StopCommand):
            kind, stop_price = (
                OrderType.STOP_LOSS_LIMIT if command.price else OrderType.STOP_LOSS,
                command.stop_price,
            )
        else:
            kind = OrderType.LIMIT_MAKER if command.tif == TimeInForce.POST_ONLY else OrderType.LIMIT
            tif = Tif.IOC if command.tif == TimeInForce.IOC else Tif.GTC
        return OrderRequest(
            account=ACCOUNT, symbol=order.symbol, client_id=order.client_id, side=Side(command.side),
            type=kind, qty=command.qty, price=command.price, stop_price=stop_price, tif=tif,
        )  # fmt: skip

    def _look(self, client_id: str, is_open: bool | None = None) -> Seen | None:
        gone = self.ended.get(client_id)
        if gone is not None:
            return None if is_open else gone
        try:
            seen = seen_of(self._engine.order(ACCOUNT, client_id=client_id))
        except OrderRefused:
            return None
        return seen if is_open is None or seen.alive == is_open else None

    async def _venue_id(self, order: Tracked) -> str:
        seen = await self.find(order)
        if seen is None or seen.venue_order_id.startswith("e"):
            raise ccxt.OrderNotFound(order.client_id)
        return seen.venue_order_id

    def _answer(self, seen: Seen) -> Seen:
        if self._cap.acks_in_answer:
            return seen
        return seen._replace(price=0, qty=0, filled=0, alive=False, gone=False, reason=0)

    def _trade(self, t: AccountTrade) -> VenueTrade:
        fee, base_fee = t.commission / 10**UNIT, 0
        if t.commission_asset == self._instrument.symbol.partition("/")[0]:
            fee *= self._instrument.price(t.price)
            base_fee = base_units(t, self._instrument)
        return VenueTrade(
            str(t.trade_id), str(t.order_id), "", self._instrument.symbol, int(t.side), t.price, t.qty,
            t.maker, fee, t.at_ns + self._venue.skew_ns, f"{t.commission} {t.commission_asset}", base_fee,
        )  # fmt: skip

    def _now_ns(self) -> int:
        self._venue.catch_up()
        return clock.now_ns()


def seen_of(order: ExchangeOrder | OrderState) -> Seen:
    alive = order.status <= Status.PARTIALLY_FILLED
    return Seen(
        order.symbol, order.client_id, str(order.order_id), order.price, order.qty, order.filled, alive=alive,
        gone=not alive,
    )  # fmt: skip


def _venue_order(order: ExchangeOrder) -> VenueOrder:
    alive = order.status <= Status.PARTIALLY_FILLED
    return VenueOrder(
        order.client_id, str(order.order_id), order.symbol, int(order.side), order.price, order.qty,
        order.filled, alive, order.created_ns,
    )  # fmt: skip


def base_units(trade: AccountTrade, of: Instrument) -> int:
    """Of a commission in the base currency, in quantity units, rounded up."""
    return int(-(-trade.commission // 10 ** (UNIT - of.qty_decimals)))
