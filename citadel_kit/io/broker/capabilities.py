"""What each venue does with an order: declared, with where it is known from.

The chase takes `amend` from here, the broker the rest. [MEM] marks what no document at hand says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from citadel_kit.errors import ConfigError
from citadel_kit.micro.chase import Amend


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Of spot orders at one venue, through ccxt."""

    venue: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """ccxt's, so that spot is what it talks about."""
    amend: Amend
    """In place, by one request that can't leave two orders or none."""
    keeps_priority: bool
    """Does an order whose quantity is amended down keep its place? Any other amend goes to the back."""
    amend_repeats_post_only: bool = False
    """Must an amend say again that the order is post-only?"""
    post_only_by_stream: bool
    """Is a post-only order that would take accepted first, and ended in the order stream? Else the answer to
    the request says no."""
    post_only_words: tuple[str, ...] = ()
    """By which such a refusal or end is known, where ccxt has no error class for it."""
    acks_in_answer: bool = True
    """Does the answer to a request say that the order rests? Else the stream or a look does."""
    stops: bool
    """Can a protective stop rest there under one id, from its placing to its fills?"""
    stop_at_market: bool = True
    dead_man: bool
    """Is there a switch that cancels every order of the account when we fall silent?"""
    requests_per_s: float
    """About orders, that we allow ourselves; a part of what the venue publishes."""
    requests_at_once: int
    id_pattern: str
    """What a client order id may be."""
    id_param: str = "clientOrderId"
    """Its name in ccxt's `create_order`."""
    find: str = "order"
    """How an order is found by its client id: `order` asks for it, `lists` goes through `find_lists`."""
    find_lists: tuple[str, ...] = ()
    find_param: str = ""
    """That narrows the lists to the one id; empty: there is none."""
    cancel_by_id: bool = True
    """Can an order be cancelled by its client id?"""
    cancel_param: str = "clientOrderId"
    fetch_params: Mapping[str, Any] = field(default_factory=dict)
    trades: str = "order"
    """How an order's trades are found: `order` by its id, `ids` by those that the order lists, or the name of
    the parameter that narrows the account's trades to it."""
    lost_s: float
    """How long after we gave up waiting a request may still take effect: by its time stamp the venue refuses
    older ones. 0: `BrokerConfig.recv_window_s`, which is sent along."""
    wants_password: bool = False
    source: str

    def wire_id(self, client_id: str) -> str:
        """As the venue is told it. Raises ConfigError for one that the venue would refuse."""
        said = client_id
        if self.venue == "okx":
            said = client_id.replace("-", "Z") if "Z" not in client_id else ""
        elif self.venue == "kraken":
            head, _, number = client_id.rpartition("-")
            said = f"{head}-{_base36(int(number))}"
        if re.fullmatch(self.id_pattern, said, re.ASCII) is None:
            raise ConfigError("parent_id", f"{self.venue} takes no order id like {client_id!r}", "Shorten it")
        return said

    def own_id(self, wire_id: str) -> str:
        """The way back; a stranger's id comes out as some other stranger's."""
        if self.venue == "okx":
            return wire_id.replace("Z", "-")
        if self.venue == "kraken":
            head, dash, number = wire_id.rpartition("-")
            if dash and re.fullmatch("[0-9a-z]{1,8}", number):
                return f"{head}-{int(number, 36)}"
        return wire_id


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


_TABLE: Final = (
    Capabilities(
        venue="binance",
        options={"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
        amend=Amend.QTY_DOWN,
        keeps_priority=True,
        post_only_by_stream=False,
        stops=True,
        dead_man=False,
        requests_per_s=8.0,
        requests_at_once=40,
        id_pattern=r"[A-Za-z0-9:/_.-]{1,36}",
        lost_s=0.0,
        source="binance-spot-api-docs rest-api.md: order/amend/keepPriority lowers the quantity only; a new"
        " price is cancelReplace, two orders; LIMIT_MAKER is refused with -2010; newClientOrderId;"
        " recvWindow. Stops: STOP_LOSS(_LIMIT). ccxt has no cancelAllOrdersAfter for spot."
        " Orders: 100 orders in 10 s",
    ),
    Capabilities(
        venue="bybit",
        options={"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
        amend=Amend.PRICE_QTY,
        keeps_priority=True,
        post_only_by_stream=True,
        post_only_words=("EC_PostOnlyWillTakeLiquidity",),
        acks_in_answer=False,
        stops=False,
        dead_man=True,
        requests_per_s=10.0,
        requests_at_once=10,
        id_pattern=r"[A-Za-z0-9_-]{1,36}",
        find="lists",
        find_lists=("fetch_open_orders", "fetch_canceled_and_closed_orders"),
        find_param="orderLinkId",
        cancel_param="orderLinkId",
        fetch_params={"acknowledged": True},
        lost_s=0.0,
        source="Bybit v5: order/amend, confirmed by the order stream; amend-order (FIX): quantity down keeps"
        " the place; rejectReason EC_PostOnlyWillTakeLiquidity; orderLinkId up to 36;"
        " disconnected-cancel-all. A spot stop becomes another order when triggered [MEM]: not used."
        " Orders: 20 orders a second [MEM]",
    ),
    Capabilities(
        venue="okx",
        options={"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"},
        amend=Amend.PRICE_QTY,
        keeps_priority=False,
        post_only_by_stream=True,
        post_only_words=("'cancelSource': '31'",),
        acks_in_answer=False,
        stops=False,
        dead_man=True,
        requests_per_s=20.0,
        requests_at_once=40,
        id_pattern=r"[A-Za-z0-9]{1,32}",
        lost_s=30.0,
        wants_password=True,
        source="OKX v5: amend-order; place in the queue not documented, assumed lost [MEM]; post-only ends"
        " with cancelSource 31; clOrdId 1 to 32 letters and digits; requests older than 30 s are refused"
        " [MEM]; cancel-all-after. Its stops are algo orders, which place another order when triggered."
        " Orders: 60 orders in 2 s",
    ),
    Capabilities(
        venue="kraken",
        amend=Amend.PRICE_QTY,
        keeps_priority=True,
        amend_repeats_post_only=True,
        post_only_by_stream=False,
        post_only_words=("Post only order",),
        acks_in_answer=False,
        stops=True,
        dead_man=True,
        requests_per_s=1.0,
        requests_at_once=10,
        id_pattern=r"[A-Za-z0-9-]{1,18}",
        find="lists",
        find_lists=("fetch_open_orders", "fetch_closed_orders"),
        find_param="clientOrderId",
        trades="ids",
        lost_s=60.0,
        source="Kraken spot: AmendOrder keeps ids and fills, and the place where possible; EOrder:Post only"
        " order; cl_ord_id: free text up to 18; a matching deadline is at most 60 s; CancelAllOrdersAfter;"
        " stop-loss and stop-loss-limit."
        " Orders: a counter of 60 to 125 that falls by 1 to 3.75 a second, young cancels cost up to 8 [MEM]",
    ),
    Capabilities(
        venue="coinbase",
        amend=Amend.PRICE_QTY,
        keeps_priority=False,
        post_only_by_stream=False,
        post_only_words=("INVALID_LIMIT_PRICE_POST_ONLY",),
        acks_in_answer=False,
        stops=True,
        stop_at_market=False,
        dead_man=False,
        requests_per_s=15.0,
        requests_at_once=15,
        id_pattern=r"[A-Za-z0-9-]{1,36}",
        id_param="client_order_id",
        find="lists",
        find_lists=("fetch_orders",),
        cancel_by_id=False,
        trades="order_ids",
        lost_s=120.0,
        source="Coinbase Advanced: orders/edit, GTC limit only, price and size together; its place in the"
        " queue is not documented, assumed lost [MEM]; INVALID_LIMIT_PRICE_POST_ONLY [MEM]; stop_limit; a"
        " request's token lives for 120 s; ccxt has neither watchMyTrades nor cancelAllOrdersAfter."
        " Orders: 30 private requests a second [MEM]",
    ),
)
_BY_VENUE: Final = {row.venue: row for row in _TABLE}


def capabilities(venue: str) -> Capabilities:
    """Raises ConfigError naming the venues at which the kit places orders."""
    if venue not in _BY_VENUE:
        raise ConfigError("venue", f"no orders are placed on {venue!r}", f"Known: {', '.join(_BY_VENUE)}")
    return _BY_VENUE[venue]
