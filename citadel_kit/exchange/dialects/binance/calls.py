"""The API as a table: every call by its REST path and its websocket method, with weight and security.

Weights: binance/binance-spot-api-docs, `rest-api.md` and `web-socket-api.md`.
"""

from __future__ import annotations

from typing import Final

from citadel_kit.exchange.dialects.binance import account, market, orderlists, trading
from citadel_kit.exchange.dialects.binance.api import Call
from citadel_kit.exchange.dialects.binance.signing import Security

_KEY, _USER, _TRADE = Security.KEY, Security.USER_DATA, Security.TRADE

_ping = Call(market.ping)
_time = Call(market.time)
_info = Call(market.info, 20)
_depth = Call(market.depth, market.depth_weight)
_trades = Call(market.trades, 25)
_historical = Call(market.historical_trades, 25)
_aggregate = Call(market.agg_trades, 4)
_klines = Call(market.klines, 2)
_average = Call(market.avg_price, 2)
_day = Call(market.day_ticker, market.ticker_weight)
_price = Call(market.price_ticker, lambda p: 2 if p.has("symbol") else 4)
_book = Call(market.book_ticker, lambda p: 2 if p.has("symbol") else 4)

_place = Call(trading.place, 1, _TRADE, 1)
_test = Call(trading.test, 1, _TRADE)
_cancel = Call(trading.cancel, 1, _TRADE)
_cancel_all = Call(trading.cancel_all, 1, _TRADE)
_cancel_replace = Call(trading.cancel_replace, 1, _TRADE, 1)
_amend = Call(trading.amend_keep_priority, 4, _TRADE)
_old_oco = Call(orderlists.place_old_oco, 1, _TRADE, 2)
_oco = Call(orderlists.place_oco, 1, _TRADE, 2)
_cancel_list = Call(orderlists.cancel, 1, _TRADE)

_order = Call(account.order, 4, _USER)
_open_orders = Call(account.open_orders, account.open_orders_weight, _USER)
_all_orders = Call(account.all_orders, 20, _USER)
_list = Call(orderlists.query, 4, _USER)
_open_lists = Call(orderlists.query_open, 6, _USER)
_all_lists = Call(orderlists.query_all, 20, _USER)
_account = Call(account.account, 20, _USER)
_commission = Call(account.commission, 20, _USER)
_my_trades = Call(account.my_trades, account.my_trades_weight, _USER)
_prevented = Call(account.prevented_matches, 2, _USER)
_order_limits = Call(account.order_rate_limits, 40, _USER)

_open_key = Call(account.open_listen_key, 2, _KEY)
_renew_key = Call(account.renew_listen_key, 2, _KEY)
_close_key = Call(account.close_listen_key, 2, _KEY)

REST: Final[dict[tuple[str, str], Call]] = {
    ("GET", "/api/v3/ping"): _ping,
    ("GET", "/api/v3/time"): _time,
    ("GET", "/api/v3/exchangeInfo"): _info,
    ("GET", "/api/v3/depth"): _depth,
    ("GET", "/api/v3/trades"): _trades,
    ("GET", "/api/v3/historicalTrades"): _historical,
    ("GET", "/api/v3/aggTrades"): _aggregate,
    ("GET", "/api/v3/klines"): _klines,
    ("GET", "/api/v3/uiKlines"): _klines,
    ("GET", "/api/v3/avgPrice"): _average,
    ("GET", "/api/v3/ticker/24hr"): _day,
    ("GET", "/api/v3/ticker/price"): _price,
    ("GET", "/api/v3/ticker/bookTicker"): _book,
    ("POST", "/api/v3/order"): _place,
    ("POST", "/api/v3/order/test"): _test,
    ("GET", "/api/v3/order"): _order,
    ("DELETE", "/api/v3/order"): _cancel,
    ("POST", "/api/v3/order/cancelReplace"): _cancel_replace,
    ("PUT", "/api/v3/order/amend/keepPriority"): _amend,
    ("POST", "/api/v3/order/oco"): _old_oco,
    ("POST", "/api/v3/orderList/oco"): _oco,
    ("GET", "/api/v3/orderList"): _list,
    ("DELETE", "/api/v3/orderList"): _cancel_list,
    ("GET", "/api/v3/openOrderList"): _open_lists,
    ("GET", "/api/v3/allOrderList"): _all_lists,
    ("GET", "/api/v3/openOrders"): _open_orders,
    ("DELETE", "/api/v3/openOrders"): _cancel_all,
    ("GET", "/api/v3/allOrders"): _all_orders,
    ("GET", "/api/v3/account"): _account,
    ("GET", "/api/v3/account/commission"): _commission,
    ("GET", "/api/v3/myTrades"): _my_trades,
    ("GET", "/api/v3/myPreventedMatches"): _prevented,
    ("GET", "/api/v3/rateLimit/order"): _order_limits,
    ("POST", "/api/v3/userDataStream"): _open_key,
    ("PUT", "/api/v3/userDataStream"): _renew_key,
    ("DELETE", "/api/v3/userDataStream"): _close_key,
    ("GET", "/sapi/v1/system/status"): Call(account.system_status),
    ("GET", "/sapi/v1/account/apiRestrictions"): Call(account.api_restrictions, 1, _USER),
    ("GET", "/sapi/v1/capital/config/getall"): Call(account.coins, 10, _USER),
    ("GET", "/sapi/v1/margin/allPairs"): Call(account.no_pairs, 1, _KEY),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Call(account.no_pairs, 1, _KEY),
    ("GET", "/sapi/v1/asset/tradeFee"): Call(account.trade_fee, 1, _USER),
}

SOCKET: Final[dict[str, Call]] = {
    "ping": _ping,
    "time": _time,
    "exchangeInfo": _info,
    "depth": _depth,
    "trades.recent": _trades,
    "trades.historical": _historical,
    "trades.aggregate": _aggregate,
    "klines": _klines,
    "uiKlines": _klines,
    "avgPrice": _average,
    "ticker.24hr": _day,
    "ticker.price": _price,
    "ticker.book": _book,
    "order.place": _place,
    "order.test": _test,
    "order.status": _order,
    "order.cancel": _cancel,
    "order.cancelReplace": _cancel_replace,
    "order.amend.keepPriority": _amend,
    "orderList.place": _old_oco,
    "orderList.place.oco": _oco,
    "orderList.status": _list,
    "orderList.cancel": _cancel_list,
    "openOrderLists.status": _open_lists,
    "allOrderLists": _all_lists,
    "openOrders.status": _open_orders,
    "openOrders.cancelAll": _cancel_all,
    "allOrders": _all_orders,
    "account.status": _account,
    "account.commission": _commission,
    "account.rateLimits.orders": _order_limits,
    "myTrades": _my_trades,
    "myPreventedMatches": _prevented,
    "userDataStream.start": _open_key,
    "userDataStream.ping": _renew_key,
    "userDataStream.stop": _close_key,
}
"""Without the user data subscriptions, which are the connection's own."""
