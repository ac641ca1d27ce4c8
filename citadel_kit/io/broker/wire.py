"""ccxt's client of one account, and its structures ⇄ our records. Numbers are text there, integers here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import ceil
from typing import Any, Final
from urllib.parse import urlsplit

from citadel_kit.clock import MILLISECOND
from citadel_kit.errors import ConfigError
from citadel_kit.io.broker.capabilities import Capabilities
from citadel_kit.io.broker.pace import Pace
from citadel_kit.io.broker.track import Seen
from citadel_kit.io.keys import Keys
from citadel_kit.types import Instrument, RejectReason, Side, VenueOrder, VenueTrade

Rate = Callable[[str, str], float]
"""Units of the second currency that one unit of the first is worth; NaN where that isn't known."""

_GONE: Final = {"closed", "canceled", "expired", "rejected"}
_ALIVE: Final = {"open"}
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}
_KEEPALIVE_MS: Final = 10_000


def make_client(
    cap: Capabilities, keys: Keys, at: Mapping[str, Any] | None, *, timeout_s: float, recv_window_s: float
) -> Any:
    """Of `ccxt.pro`, unmodified but for its log, which names no key. It is the caller's to close.

    `at`: `urls` and `options` of a local exchange; an address that isn't this machine's is a ConfigError.
    """
    import ccxt.pro

    for url in _texts((at or {}).get("urls", {})):
        if urlsplit(url).hostname not in _LOOPBACK:
            raise ConfigError(
                "at", f"{urlsplit(url).hostname} is not this machine", "Leave `at` out to go live"
            )
    config = {
        **{name: value for name, value in (at or {}).items() if name == "urls"},
        "number": str,
        "timeout": int(timeout_s * 1000),
        "enableRateLimit": True,
        "options": {
            **cap.options,
            **(at or {}).get("options", {}),
            "recvWindow": int(recv_window_s * 1000),
            "warnOnFetchOpenOrdersWithoutSymbol": False,
            # a request that fails is never sent again by itself: who sent it decides
            "maxRetriesOnFailure": 0,
        },
    }
    client = getattr(ccxt.pro, cap.venue)(config)
    client.apiKey, client.secret = keys.key.reveal(), keys.secret.reveal()
    client.password = keys.password.reveal() or None
    client.has["fetchCurrencies"] = False  # needs more rights than trading does
    client.throttler = Pace(client.rateLimit)
    client.streaming = {**(client.streaming or {}), "keepAlive": _KEEPALIVE_MS}
    client.timeout_on_exit = 0
    client.logger = logger = _quiet_logger(cap.venue, keys)
    client.log = lambda *words: logger.info(" ".join(map(str, words)))  # `verbose` prints headers whole
    _hear_every_failure(client)
    return client


def _hear_every_failure(client: Any) -> None:
    """A dropped connection fails futures that nobody awaits any more; asyncio would log each as an error."""
    open_socket = client.client

    class Heard(dict[str, asyncio.Future[Any]]):
        def __setitem__(self, name: str, future: asyncio.Future[Any]) -> None:
            future.add_done_callback(lambda f: f.cancelled() or f.exception())
            super().__setitem__(name, future)

    def socket_of(url: str) -> Any:
        socket = open_socket(url)
        if not isinstance(socket.futures, Heard):
            socket.futures = Heard(socket.futures)
        return socket

    client.client = socket_of


async def close_client(client: Any) -> None:
    """With the tasks that ccxt started and does not end, such as one that is connecting."""
    sockets = list((client.clients or {}).values())
    owners = [client, client.throttler, *sockets, *(socket.throttle for socket in sockets)]
    await client.close()
    left = [task for task in asyncio.all_tasks() if any(_self_of(task) is owner for owner in owners)]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _self_of(task: asyncio.Task[Any]) -> object:
    """Whose method a task runs."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return task if frame is None else frame.f_locals.get("self", task)


def price_text(instrument: Instrument, price: int) -> str:
    return _text(price, instrument.price_decimals)


def qty_text(instrument: Instrument, qty: int) -> str:
    return _text(qty, instrument.qty_decimals)


def seen(cap: Capabilities, instrument: Instrument, row: Mapping[str, Any]) -> Seen:
    """ccxt's order → what it shows. Raises ValueError for numbers that the instrument can't hold."""
    status = row.get("status") if row.get("filled") is not None else None
    reason = RejectReason.NONE
    if status in _GONE and any(word in repr(row.get("info")) for word in cap.post_only_words):
        reason = RejectReason.POST_ONLY
    elif status == "rejected":
        reason = RejectReason.VENUE
    return Seen(
        symbol=instrument.symbol,
        client_id=cap.own_id(row.get("clientOrderId") or ""),
        venue_order_id=str(row.get("id") or ""),
        price=_limit_price(row, instrument.price_decimals),
        qty=_units(row.get("amount"), instrument.qty_decimals),
        filled=_units(row.get("filled"), instrument.qty_decimals),
        alive=status in _ALIVE,
        gone=status in _GONE,
        reason=int(reason),
        trade_ids=tuple(t if isinstance(t, str) else str(t["id"]) for t in row.get("trades") or ()),
    )


def venue_order(cap: Capabilities, instrument: Instrument | None, row: Mapping[str, Any]) -> VenueOrder:
    """`instrument`: None of a symbol whose scale is not known."""
    qty, filled = (row.get(name) if instrument else None for name in ("amount", "filled"))
    decimals = (instrument.price_decimals, instrument.qty_decimals) if instrument else (0, 0)
    return VenueOrder(
        client_id=cap.own_id(row.get("clientOrderId") or ""),
        venue_order_id=str(row.get("id") or ""),
        symbol=instrument.symbol if instrument else str(row.get("symbol") or ""),
        side=int(_side(row)),
        price=_limit_price(row, decimals[0]) if instrument else 0,
        qty=_units(qty, decimals[1]),
        filled=_units(filled, decimals[1]),
        alive=row.get("status") in _ALIVE,
        created_ns=int(row.get("timestamp") or 0) * MILLISECOND,
    )


def venue_trade(instrument: Instrument, row: Mapping[str, Any], rate: Rate | None) -> VenueTrade:
    """ccxt's trade of the account. Raises ValueError for numbers that the instrument can't hold."""
    fees = [f for f in (row.get("fees") or [row.get("fee")]) if f and f.get("cost") is not None]
    return VenueTrade(
        trade_id=str(row["id"]),
        venue_order_id=str(row.get("order") or ""),
        client_id="",
        symbol=instrument.symbol,
        side=int(_side(row)),
        price=_units(row["price"], instrument.price_decimals),
        qty=_units(row["amount"], instrument.qty_decimals),
        maker=row.get("takerOrMaker") == "maker",
        fee=_fee(instrument, row, fees, rate),
        exch_ns=int(row.get("timestamp") or 0) * MILLISECOND,
        fee_paid=" + ".join(f"{f['cost']} {f.get('currency') or '?'}" for f in fees),
        base_fee=_base_fee(instrument, fees),
    )


# --- how ---


def _base_fee(instrument: Instrument, fees: list[Mapping[str, Any]]) -> int:
    base = instrument.symbol.partition("/")[0]
    kept = sum((Decimal(str(fee["cost"])) for fee in fees if fee.get("currency") == base), Decimal(0))
    return ceil(kept.scaleb(instrument.qty_decimals))


def _fee(
    instrument: Instrument, row: Mapping[str, Any], fees: list[Mapping[str, Any]], rate: Rate | None
) -> float:
    """In the quote currency: what was paid in the base counts at the trade's own price."""
    if not fees:
        return float("nan")
    base, quote = instrument.symbol.partition(":")[0].split("/")
    total = 0.0
    for fee in fees:
        cost, currency = Decimal(str(fee["cost"])), fee.get("currency")
        if currency == quote or not cost:
            total += float(cost)
        elif currency == base:
            total += float(cost * Decimal(str(row["price"])))
        else:
            total += float(cost) * (rate(str(currency), quote) if rate else float("nan"))
    return total


def _side(row: Mapping[str, Any]) -> Side:
    return Side.BUY if row.get("side") == "buy" else Side.SELL


def _text(units: int, decimals: int) -> str:
    return format(Decimal(units).scaleb(-decimals), "f")


def _limit_price(row: Mapping[str, Any], decimals: int) -> int:
    """0 where it has none: to a stop at market that has filled ccxt gives its average price, which may lie
    between two prices."""
    try:
        return _units(row.get("price"), decimals)
    except ValueError:
        if row.get("price") == row.get("average"):
            return 0
        raise


def _units(text: str | None, decimals: int) -> int:
    """`1e-05` and `60001.5000` as well. A digit beyond the scale is an error, never rounded away."""
    if text is None:
        return 0
    scaled = Decimal(text).scaleb(decimals)
    units = int(scaled)
    if units != scaled or not 0 <= units < 1 << 62:
        raise ValueError(f"{text!r} is not a number of at most {decimals} decimals")
    return units


def _texts(node: Any) -> Iterable[str]:
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _quiet_logger(venue: str, keys: Keys) -> logging.Logger:
    """ccxt logs each request's headers at DEBUG."""

    class Hidden(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.msg, record.args = keys.hide(record.getMessage()), ()
            return True

    logger = logging.Logger(f"{__name__}.{venue}")
    logger.parent = logging.getLogger(__name__)
    logger.addFilter(Hidden())
    return logger
