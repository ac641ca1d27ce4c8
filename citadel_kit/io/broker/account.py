"""The requests that a broker makes of one account, in our records. What goes wrong is ccxt's error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from citadel_kit import settings
from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import ConfigError
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.io.broker.pace import urgent
from citadel_kit.io.broker.track import Seen, Tracked
from citadel_kit.io.broker.wire import Rate, price_text, qty_text, seen, venue_order, venue_trade
from citadel_kit.micro.chase import Amend
from citadel_kit.types import (
    Command,
    Instrument,
    Side,
    StopCommand,
    TimeInForce,
    VenueOrder,
    VenueTrade,
)

_PAGE: Final = 500
_TIF: Final[Mapping[int, Mapping[str, Any]]] = {
    TimeInForce.POST_ONLY: {"postOnly": True},
    TimeInForce.GTC: {"timeInForce": "GTC"},
    TimeInForce.IOC: {"timeInForce": "IOC"},
}

Look = tuple[Seen, list[VenueTrade]]


class Account:
    def __init__(
        self, cap: Capabilities, client: Any, instruments: Iterable[Instrument], rate: Rate | None
    ) -> None:
        self._cap, self._client, self._rate = cap, client, rate
        self._instruments = {i.symbol: i for i in instruments}
        self._by_ccxt = {
            settings.ccxt_symbol(cap.venue, symbol): i for symbol, i in self._instruments.items()
        }

    async def open(self) -> None:
        """Raises ConfigError where the venue does not list an instrument."""
        await self._client.load_markets()
        missing = [symbol for symbol in self._by_ccxt if symbol not in self._client.markets]
        if missing:
            raise ConfigError("symbol", f"{self._cap.venue} does not list {', '.join(missing)}")

    # --- what changes something ---

    async def place(self, order: Tracked, command: Command | StopCommand) -> Look:
        instrument = self._instruments[order.symbol]
        price = price_text(instrument, command.price) if command.price else None
        params = {self._cap.id_param: self._cap.wire_id(order.client_id)}
        if isinstance(command, StopCommand):
            params["stopLossPrice"] = price_text(instrument, command.stop_price)
        else:
            params.update(_TIF[command.tif])
        row = await self._client.create_order(
            self._name(order),
            "limit" if price else "market",
            _side(command.side),
            qty_text(instrument, command.qty),
            price,
            params,
        )
        trades = [self.trade(t) for t in row.get("trades") or () if isinstance(t, dict) and t.get("id")]
        if not all(t.venue_order_id for t in trades):
            trades = [t._replace(venue_order_id=str(row["id"])) for t in trades]
        return self._answer(order, row), trades

    async def cancel(self, order: Tracked) -> Seen:
        venue_id, params = order.venue_order_id, {}
        if not venue_id and self._cap.cancel_by_id:
            params = {self._cap.cancel_param: self._cap.wire_id(order.client_id)}
        elif not venue_id:
            venue_id = await self._venue_id(order)
        with urgent():
            row = await self._client.cancel_order(venue_id or None, self._name(order), params)
        return self._answer(order, row)

    async def amend(self, order: Tracked, command: Command) -> Seen:
        """To the total quantity and price of `command`."""
        instrument = self._instruments[order.symbol]
        qty, price = qty_text(instrument, command.qty), price_text(instrument, command.price)
        venue_id = order.venue_order_id or await self._venue_id(order)
        if self._cap.amend == Amend.QTY_DOWN:  # Binance spot, which ccxt has no method for
            market = self._client.market(self._name(order))
            said = await self._client.request(
                "order/amend/keepPriority", ["private"], "PUT",
                {"symbol": market["id"], "orderId": venue_id, "newQty": qty},
            )  # fmt: skip
            amended = said["amendedOrder"]
            return self.seen(self._client.parse_order({**amended, "origQty": amended["qty"]}, market))
        again = self._cap.amend_repeats_post_only and command.tif == TimeInForce.POST_ONLY
        row = await self._client.edit_order(
            venue_id, self._name(order), "limit", _side(command.side), qty, price,
            {"postOnly": True} if again else {},
        )  # fmt: skip
        return self._answer(order, row)

    async def dead_man(self, timeout_s: float) -> None:
        """Every order of the account is cancelled when this isn't renewed in time; 0 switches it off."""
        await self._client.cancel_all_orders_after(int(timeout_s * 1000))

    # --- what only looks ---

    async def find(self, order: Tracked) -> Seen | None:
        """None: the venue says that it has no such order."""
        row = await self._row(order.symbol, order.client_id, order.venue_order_id)
        return None if row is None else self.seen(row)

    async def trades_of(self, order: Tracked) -> list[VenueTrade]:
        """Of an order whose id at the venue is known."""
        how, name, venue_id = self._cap.trades, self._name(order), order.venue_order_id
        if how == "order":
            rows = await self._client.fetch_order_trades(venue_id, name)
        elif how == "ids":
            ids = list(order.trade_ids)
            rows = (
                await self._client.fetch_order_trades(venue_id, name, None, None, {"trades": ids})
                if ids
                else []
            )
        else:
            rows = await self._client.fetch_my_trades(name, None, None, {how: venue_id})
        return [self.trade(row) for row in rows if row.get("order") in {None, venue_id}]

    async def open_orders(self) -> list[VenueOrder]:
        """Of the whole account, whoever placed them."""
        rows = await self._client.fetch_open_orders()
        return [venue_order(self._cap, self._by_ccxt.get(row["symbol"]), row) for row in rows]

    async def trades(self, symbol: str, since_ns: int) -> list[VenueTrade]:
        """Of the account, in one of our instruments, oldest first."""
        name, since_ms = settings.ccxt_symbol(self._cap.venue, symbol), since_ns // MILLISECOND
        found: dict[str, VenueTrade] = {}
        while True:
            rows = await self._client.fetch_my_trades(name, since_ms, _PAGE)
            fresh = [t for t in map(self.trade, rows) if t.trade_id not in found]
            if not fresh:
                return sorted(found.values(), key=lambda t: t.exch_ns)
            found.update((t.trade_id, t) for t in fresh)
            since_ms = max(since_ms, max(t.exch_ns for t in fresh) // MILLISECOND)

    async def order(self, symbol: str, client_id: str) -> VenueOrder | None:
        """By its client id; None where the venue says that it has none."""
        row = await self._row(symbol, client_id)
        return None if row is None else venue_order(self._cap, self._instruments[symbol], row)

    # --- ccxt's structures ---

    def seen(self, row: Mapping[str, Any]) -> Seen:
        """Raises KeyError of an instrument that isn't ours."""
        return seen(self._cap, self._by_ccxt[row["symbol"]], row)

    def trade(self, row: Mapping[str, Any]) -> VenueTrade:
        """Raises KeyError of an instrument that isn't ours."""
        return venue_trade(self._by_ccxt[row["symbol"]], row, self._rate)

    def is_ours(self, row: Mapping[str, Any]) -> bool:
        return row.get("symbol") in self._by_ccxt

    # --- how ---

    def _name(self, order: Tracked) -> str:
        return settings.ccxt_symbol(self._cap.venue, order.symbol)

    def _answer(self, order: Tracked, row: Mapping[str, Any]) -> Seen:
        """The answer to a request counts as a look only where the venue fills it in."""
        if self._cap.acks_in_answer:
            return self.seen(row)
        return Seen(order.symbol, order.client_id, str(row.get("id") or order.venue_order_id), 0, 0, 0,
                    alive=False, gone=False)  # fmt: skip

    async def _row(self, symbol: str, client_id: str, venue_id: str = "") -> Mapping[str, Any] | None:
        import ccxt

        cap, name, wire_id = self._cap, settings.ccxt_symbol(self._cap.venue, symbol), ""
        row: Mapping[str, Any] | None
        try:
            if venue_id:
                row = await self._client.fetch_order(venue_id, name, dict(cap.fetch_params))
                return row
            wire_id = cap.wire_id(client_id)
            if cap.find == "order":
                row = await self._client.fetch_order("", name, {"clientOrderId": wire_id})
                return row
        except ccxt.OrderNotFound:
            return None
        narrow = {cap.find_param: wire_id} if cap.find_param else {}
        for method in cap.find_lists:
            for row in await getattr(self._client, method)(name, None, None, narrow):
                if row is not None and row.get("clientOrderId") == wire_id:
                    return row
        return None

    async def _venue_id(self, order: Tracked) -> str:
        import ccxt

        look = await self.find(order)
        if look is None:
            raise ccxt.OrderNotFound(f"{order.client_id} can't be found")
        return look.venue_order_id


def _side(side: int) -> str:
    return "buy" if side == Side.BUY else "sell"
