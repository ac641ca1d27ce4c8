"""Who asks: the API key, the signature, and the time in which a request counts.

Source: binance/binance-spot-api-docs, `rest-api.md` and `web-socket-api.md`, "Request security".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import IntEnum
from typing import Final

from citadel_kit.exchange.dialects.binance.errors import (
    ApiError,
    bad_key,
    bad_key_format,
    bad_signature,
    mandatory,
)
from citadel_kit.exchange.dialects.binance.params import Params
from citadel_kit.exchange.venue import ApiKey, Venue

_RECV_WINDOW_MS: Final = 5_000
_MAX_RECV_WINDOW_MS: Final = 60_000
_AHEAD_MS: Final = 1_000
_MICROSECONDS_FROM: Final = 10**14
"""A time stamp from here on is in microseconds, which Binance takes as well."""


class Security(IntEnum):
    NONE = 0
    KEY = 1
    """The key is named, nothing is signed."""
    USER_DATA = 2
    TRADE = 3


def api_key(venue: Venue, key: str) -> ApiKey:
    if re.fullmatch(r"[A-Za-z0-9_-]{8,128}", key, re.ASCII) is None:
        raise bad_key_format()
    known = venue.keys.get(key)
    if known is None:
        raise bad_key()
    return known


def signature(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def split_signature(query: str) -> tuple[str, str]:
    """A query string without its signature, as the client signed it, and the signature."""
    kept = [part for part in query.split("&") if not part.startswith("signature=")]
    said = [part.removeprefix("signature=") for part in query.split("&") if part.startswith("signature=")]
    return "&".join(kept), said[0] if len(said) == 1 else ""


def sorted_payload(params: Params) -> str:
    """What a request of the websocket API is signed over: all its parameters by name."""
    return "&".join(f"{name}={text}" for name, text in sorted(params.items()) if name != "signature")


def check_signed(
    key: ApiKey, params: Params, payload: str, given: str, now_ms: int, security: Security
) -> None:
    """Raises ApiError: time first, then signature, then what the key may do, in the venue's order."""
    if not params.has("timestamp"):
        raise mandatory("timestamp")
    check_time(params, now_ms)
    if not given:
        raise mandatory("signature")
    if not hmac.compare_digest(signature(key.secret, payload).encode(), given.encode("utf-8", "replace")):
        raise bad_signature()
    if security == Security.TRADE and not key.may_trade:
        raise bad_key()


def check_time(params: Params, now_ms: int) -> None:
    window = _window(params)
    stamp = params.integer("timestamp", 0)
    stamp_ms = stamp // 1000 if stamp >= _MICROSECONDS_FROM else stamp
    if stamp_ms >= now_ms + _AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp_ms > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _window(params: Params) -> float:
    """Milliseconds, with up to three decimals."""
    text = params.text("recvWindow", str(_RECV_WINDOW_MS))
    if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII) is None:
        raise mandatory("recvWindow")
    if float(text) > _MAX_RECV_WINDOW_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    return float(text)
