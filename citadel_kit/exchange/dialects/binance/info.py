"""What Binance says of its symbols and their filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from citadel_kit.exchange.dialects.binance.limits import Limits, rate_limits
from citadel_kit.exchange.dialects.binance.text import Scale, decimal
from citadel_kit.exchange.venue import Symbol, Venue
from citadel_kit.micro.matching import OrderType, Stp

_PRECISION: Final = 8
_FEE_DECIMALS: Final = 6
"""Fees are parts per million of what is received."""


def assets(symbol: Symbol) -> tuple[str, str]:
    base, quote = symbol.instrument.symbol.partition(":")[0].split("/")
    return base, quote


def exchange_info(venue: Venue, symbols: Sequence[Symbol], limits: Limits, now_ms: int) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": rate_limits(limits),
        "exchangeFilters": [],
        "symbols": [_symbol(symbol) for symbol in symbols],
    }


def _symbol(symbol: Symbol) -> dict[str, Any]:
    instrument = symbol.instrument
    base, quote = assets(symbol)
    return {
        "symbol": instrument.venue_symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": _PRECISION,
        "quoteAsset": quote,
        "quotePrecision": _PRECISION,
        "quoteAssetPrecision": _PRECISION,
        "baseCommissionPrecision": max(_PRECISION, instrument.qty_decimals + _FEE_DECIMALS),
        "quoteCommissionPrecision": max(
            _PRECISION, instrument.price_decimals + instrument.qty_decimals + _FEE_DECIMALS
        ),
        "orderTypes": [kind.name for kind in OrderType],
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(symbol),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": Stp.EXPIRE_MAKER.name,
        "allowedSelfTradePreventionModes": [mode.name for mode in Stp],
    }


def _filters(symbol: Symbol) -> list[dict[str, Any]]:
    rules, scale = symbol.engine.rules, Scale(symbol.instrument)
    up, down = decimal(rules.band_up_pct, 2), decimal(rules.band_down_pct, 2)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": scale.price(rules.min_price),
            "maxPrice": scale.price(rules.max_price // rules.tick * rules.tick),
            "tickSize": scale.price(rules.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": scale.qty(rules.min_qty),
            "maxQty": scale.qty(rules.max_qty // rules.lot * rules.lot),
            "stepSize": scale.qty(rules.lot),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": scale.qty(0),
            "maxQty": scale.qty(rules.max_market_qty // rules.lot * rules.lot),
            "stepSize": scale.qty(0),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": rules.average_s // 60,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": scale.notional(rules.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": rules.average_s // 60,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.max_stop_orders},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]
