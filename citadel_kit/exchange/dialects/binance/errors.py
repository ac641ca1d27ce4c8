"""What Binance answers when it refuses: code, words, HTTP status.

Source: binance/binance-spot-api-docs, `errors.md`. The words matter: clients (ccxt among them) tell some
refusals of one code apart by their text alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from citadel_kit.errors import CitadelError
from citadel_kit.micro.matching import OrderRefused, RefusalCode


class ApiError(CitadelError):
    """An answer to a client, never a fault of the server's own.

    `headers` go out with it; `data` is the body's member of that name, which a failed cancel-replace has.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        *,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code, self.message, self.status = code, message, status
        self.data, self.headers = data, dict(headers or {})
        super().__init__(f"{code}: {message}")

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {"code": self.code, "msg": self.message}
        return said if self.data is None else {**said, "data": self.data}


NEW_ORDER_REJECTED: Final = -2010
CANCEL_REJECTED: Final = -2011
AMEND_REJECTED: Final = -2038

_FILTERS: Final = {
    RefusalCode.PRICE_FILTER: "PRICE_FILTER",
    RefusalCode.PERCENT_PRICE: "PERCENT_PRICE_BY_SIDE",
    RefusalCode.LOT_SIZE: "LOT_SIZE",
    RefusalCode.MARKET_LOT_SIZE: "MARKET_LOT_SIZE",
    RefusalCode.MIN_NOTIONAL: "NOTIONAL",
    RefusalCode.MAX_ORDERS: "MAX_NUM_ORDERS",
    RefusalCode.MAX_STOP_ORDERS: "MAX_NUM_ALGO_ORDERS",
}
_WORDS: Final = {
    RefusalCode.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    RefusalCode.WOULD_TAKE: "Order would immediately match and take.",
    RefusalCode.WOULD_TRIGGER: "Order would trigger immediately.",
    RefusalCode.DUPLICATE_CLIENT_ID: "Duplicate order sent.",
    RefusalCode.UNKNOWN_ORDER: "Unknown order sent.",
    RefusalCode.NO_BOOK: "Market is closed.",
    RefusalCode.OCO_PRICES: "The relationship of the prices for the orders is not correct.",
}


def refusal(refused: OrderRefused, rejected: int = NEW_ORDER_REJECTED) -> ApiError:
    """The engine's refusal in Binance's words; `rejected`: the code of the request that was refused."""
    name = _FILTERS.get(refused.code)
    if name is not None:
        return filter_failure(name)
    if refused.code == RefusalCode.NO_LIQUIDITY:
        return ApiError(-1112, "No orders on book for symbol.")
    return ApiError(rejected, _WORDS.get(refused.code, refused.detail))


@contextmanager
def refusals(rejected: int) -> Iterator[None]:
    """The engine's refusals, as the errors of a request that is refused with this code."""
    try:
        yield
    except OrderRefused as refused:
        raise refusal(refused, rejected) from None


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def unknown_method() -> ApiError:
    return ApiError(-1020, "This operation is not supported.", 404)


def mandatory(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def either(first: str, second: str) -> ApiError:
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def illegal(name: str, legal: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid_data(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def not_required(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> ApiError:
    return ApiError(-1111, f"Parameter '{name}' has too much precision.")


def invalid_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def invalid_interval() -> ApiError:
    return ApiError(-1120, "Invalid interval.")


def no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def no_such_listen_key() -> ApiError:
    return ApiError(-1125, "This listenKey does not exist.")


def bad_key_format() -> ApiError:
    return ApiError(-2014, "API-key format invalid.", 401)


def bad_key() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def bad_signature() -> ApiError:
    return ApiError(-1022, "Signature for this request is not valid.")


def internal() -> ApiError:
    return ApiError(-1000, "An unknown error occurred while processing the request.", 500)
