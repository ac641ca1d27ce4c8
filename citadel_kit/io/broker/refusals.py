"""What an error of ccxt says of the request that raised it: refused, and why, or nothing at all.

Only what the venue said in so many words is a refusal. A time-out, a lost connection, HTTP 5xx, and an error
code that ccxt has no class for leave the order's fate open. Of Binance's codes: -1000, -1001, -1006 and -1007
("execution status unknown") come as OperationFailed or RequestTimeout, so they stay open too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from citadel_kit.types import RejectReason

_WORDS = (
    ("would immediately match", RejectReason.POST_ONLY),
    ("duplicate", RejectReason.DUPLICATE),
    ("market is closed", RejectReason.NO_BOOK),
    ("filter failure", RejectReason.FILTER),
    ("no orders on book", RejectReason.NO_BOOK),
)
"""Where one class of ccxt stands for several refusals, in lower case."""


@cache
def _classes() -> tuple[tuple[type[BaseException], RejectReason], ...]:
    """In this order: the first four are NetworkErrors by ccxt's tree, but answers by nature."""
    import ccxt

    return (
        (ccxt.RateLimitExceeded, RejectReason.RATE_LIMIT),
        (ccxt.DDoSProtection, RejectReason.RATE_LIMIT),
        (ccxt.InvalidNonce, RejectReason.VENUE),
        (ccxt.OnMaintenance, RejectReason.VENUE),
        (ccxt.InsufficientFunds, RejectReason.BALANCE),
        (ccxt.OrderNotFound, RejectReason.UNKNOWN_ORDER),
        (ccxt.OrderImmediatelyFillable, RejectReason.POST_ONLY),
        (ccxt.DuplicateOrderId, RejectReason.DUPLICATE),
        (ccxt.MarketClosed, RejectReason.NO_BOOK),
        (ccxt.InvalidOrder, RejectReason.FILTER),
        (ccxt.AuthenticationError, RejectReason.VENUE),
        (ccxt.ArgumentsRequired, RejectReason.VENUE),
        (ccxt.BadRequest, RejectReason.VENUE),
        (ccxt.OperationRejected, RejectReason.VENUE),
        (ccxt.NotSupported, RejectReason.VENUE),
    )


def refusal(error: BaseException, post_only_words: Sequence[str] = ()) -> RejectReason | None:
    """None: the request may have taken effect, or may yet."""
    kind = next((reason for cls, reason in _classes() if isinstance(error, cls)), None)
    if any(word in str(error) for word in post_only_words):
        return RejectReason.POST_ONLY
    if kind in {RejectReason.FILTER, RejectReason.VENUE}:
        said = str(error).lower()
        return next((reason for words, reason in _WORDS if words in said), kind)
    return kind
