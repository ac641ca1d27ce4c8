"""What an account has, wants and did.

Source: binance/binance-spot-api-docs, `rest-api.md`, "Account endpoints"; developers.binance.com, Wallet.
"""

from __future__ import annotations

from typing import Any, Final

from citadel_kit.exchange.dialects.binance.api import Api, Request
from citadel_kit.exchange.dialects.binance.errors import (
    ApiError,
    bad_key,
    mandatory,
    no_such_order,
)
from citadel_kit.exchange.dialects.binance.info import assets
from citadel_kit.exchange.dialects.binance.limits import rate_limits
from citadel_kit.exchange.dialects.binance.market import DAY_MS
from citadel_kit.exchange.dialects.binance.orderparams import find_order, which_order
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.dialects.binance.text import ZERO, decimal
from citadel_kit.exchange.venue import Symbol
from citadel_kit.micro.matching import UNIT, OrderRefused

_RATE_DECIMALS: Final = 6


def account(api: Api, request: Request) -> dict[str, Any]:
    key = request.key
    if key is None:
        raise bad_key()
    known = {asset: (0, 0) for symbol in api.venue.symbols.values() for asset in assets(symbol)}
    if request.params.flag("omitZeroBalances", False):
        known = {}
    held = {**known, **api.venue.accounts.balances(key.account)}
    maker, taker = _rates(api)
    return {
        "makerCommission": round(api.venue.fees.maker_bps),
        "takerCommission": round(api.venue.fees.taker_bps),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": maker, "taker": taker, "buyer": ZERO, "seller": ZERO},
        "canTrade": key.may_trade,
        "canWithdraw": key.may_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": request.now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": decimal(free, UNIT), "locked": decimal(locked, UNIT)}
            for asset, (free, locked) in sorted(held.items())
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def commission(api: Api, request: Request) -> dict[str, Any]:
    symbol = api.symbol(request.params)
    maker, taker = _rates(api)
    none = {"maker": ZERO, "taker": ZERO, "buyer": ZERO, "seller": ZERO}
    return {
        "symbol": symbol.instrument.venue_symbol,
        "standardCommission": {**none, "maker": maker, "taker": taker},
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": ZERO,
        },
    }


def order(api: Api, request: Request) -> dict[str, Any]:
    symbol = api.symbol(request.params)
    which = which_order(request.params)
    try:
        found = find_order(symbol, request.account, which)
    except OrderRefused:
        raise no_such_order() from None
    return api.writer(symbol).query(found)


def open_orders_weight(params: Params) -> int:
    return 6 if params.has("symbol") else 80


def open_orders(api: Api, request: Request) -> list[dict[str, Any]]:
    return [
        writer.query(o)
        for s, writer in ((s, api.writer(s)) for s in _symbols(api, request))
        for o in s.engine.open_orders(request.account)
    ]


def all_orders(api: Api, request: Request) -> list[dict[str, Any]]:
    """Open or not, by id. As far back as they are remembered."""
    params = request.params
    symbol = api.symbol(params)
    start, end = _span(params)
    first = params.integer("orderId", -1)
    limit, writer = params.limit(500, 1000), api.writer(symbol)
    kept = [
        o
        for o in symbol.engine.all_orders(request.account)
        if o.order_id >= first and start <= writer.ms(o.created_ns) <= end
    ]
    kept.sort(key=lambda o: o.order_id)
    kept = kept[:limit] if first >= 0 or params.has("startTime") else kept[-limit:]
    return [writer.query(o) for o in kept]


def my_trades_weight(params: Params) -> int:
    return 5 if params.has("orderId") else 20


def my_trades(api: Api, request: Request) -> list[dict[str, Any]]:
    params = request.params
    symbol = api.symbol(params)
    start, end = _span(params)
    of, first = params.integer("orderId", -1), params.integer("fromId", -1)
    if first >= 0 and (params.has("startTime") or params.has("endTime")):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    limit, writer = params.limit(500, 1000), api.writer(symbol)
    kept = [
        t
        for t in symbol.engine.trades(request.account)
        if t.trade_id >= first and start <= writer.ms(t.at_ns) <= end and of in (-1, t.order_id)
    ]
    kept = kept[:limit] if first >= 0 or params.has("startTime") else kept[-limit:]
    return [writer.trade(t) for t in kept]


def prevented_matches(api: Api, request: Request) -> list[Any]:
    """Not kept: what self-trade prevention took off an order is told when it happens."""
    api.symbol(request.params)
    if not request.params.has("preventedMatchId") and not request.params.has("orderId"):
        raise mandatory("orderId")
    return []


def order_rate_limits(api: Api, request: Request) -> list[dict[str, Any]]:
    counts = api.usage.counts(request.account, request.now_ms)
    orders = rate_limits(api.usage.limits)[1:]
    return [{**limit, "count": count} for limit, count in zip(orders, counts, strict=True)]


# --- listen keys ---


def open_listen_key(api: Api, request: Request) -> dict[str, Any]:
    return {"listenKey": api.listen_keys.open(request.account, request.now_ms)}


def renew_listen_key(api: Api, request: Request) -> dict[str, Any]:
    api.listen_keys.renew(request.account, request.params.need("listenKey"), request.now_ms)
    return {}


def close_listen_key(api: Api, request: Request) -> dict[str, Any]:
    api.listen_keys.close(request.account, request.params.need("listenKey"), request.now_ms)
    return {}


# --- sapi: the wallet ---


def system_status(api: Api, request: Request) -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


def api_restrictions(api: Api, request: Request) -> dict[str, Any]:
    """What the key may do; a careful client refuses one that may withdraw."""
    key = request.key
    if key is None:
        raise bad_key()
    return {
        "ipRestrict": True,
        "createTime": 0,
        "enableReading": True,
        "enableSpotAndMarginTrading": key.may_trade,
        "enableWithdrawals": key.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }


def coins(api: Api, request: Request) -> list[dict[str, Any]]:
    """Without networks: nothing is deposited or withdrawn here."""
    names = {asset for symbol in api.venue.symbols.values() for asset in assets(symbol)}
    held = api.venue.accounts.balances(request.account)
    return [
        {
            "coin": asset,
            "name": asset,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "free": decimal(held.get(asset, (0, 0))[0], UNIT),
            "locked": decimal(held.get(asset, (0, 0))[1], UNIT),
            "freeze": ZERO,
            "withdrawing": ZERO,
            "ipoing": ZERO,
            "ipoable": ZERO,
            "storage": ZERO,
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for asset in sorted(names | held.keys())
    ]


def no_pairs(api: Api, request: Request) -> list[Any]:
    """Nothing is traded on margin here."""
    return []


def trade_fee(api: Api, request: Request) -> list[dict[str, Any]]:
    maker, taker = _rates(api)
    return [
        {"symbol": s.instrument.venue_symbol, "makerCommission": maker, "takerCommission": taker}
        for s in _symbols(api, request)
    ]


def _rates(api: Api) -> tuple[str, str]:
    """As shares of what is traded, in parts per million at the finest: so the engine takes them."""
    fees = api.venue.fees
    maker, taker = round(fees.maker_bps * 100), round(fees.taker_bps * 100)
    return decimal(maker, _RATE_DECIMALS), decimal(taker, _RATE_DECIMALS)


def _symbols(api: Api, request: Request) -> list[Symbol]:
    return [api.symbol(request.params)] if request.params.has("symbol") else list(api.venue.symbols.values())


def _span(params: Params) -> tuple[int, int]:
    start, end = params.integer("startTime", 0), params.integer("endTime", 1 << 62)
    if params.has("startTime") and params.has("endTime"):
        if end < start:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if end - start > DAY_MS:
            raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end
