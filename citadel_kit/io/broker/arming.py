"""Going live by hand: what a key may do, and the word that arms it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from citadel_kit.errors import ConfigError, VenueUnreachable
from citadel_kit.io.broker.capabilities import capabilities
from citadel_kit.io.broker.wire import close_client, make_client
from citadel_kit.io.keys import Keys

WORD: Final = "LIVE"


class Permissions(NamedTuple):
    """None: the venue doesn't say."""

    trade: bool | None
    withdraw: bool | None

    def __str__(self) -> str:
        trade, withdraw = (_WORDS[answer] for answer in self)
        return f"trade: {trade}, withdraw: {withdraw}"


_WORDS: Final = {
    True: "yes",
    False: "no",
    None: "UNKNOWN, the venue does not say: look it up on its web site",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """Keys with which a broker may go live. Only `arm_live` makes one."""

    keys: Keys
    permissions: Permissions
    limits: Mapping[str, str]

    def __str__(self) -> str:
        """What is armed, in lines for a person."""
        limits = ", ".join(f"{name} {value}" for name, value in self.limits.items())
        return (
            f"LIVE: real orders with real money at {self.keys.venue}\n"
            f"  account      key {self.keys.tail}\n"
            f"  permissions  {self.permissions}\n"
            f"  limits       {limits or 'NONE'}"
        )


async def arm_live(
    venue: str,
    keys: Keys,
    *,
    arm: str,
    limits: Mapping[str, str],
    say: Callable[[str], None] = print,
    at: Mapping[str, Any] | None = None,
    timeout_s: float = 10.0,
) -> Armed:
    """Ask the venue what the key may do, say what is armed, and return it for the broker.

    `limits` are the pre-trade limits in words, to be shown. Raises ConfigError unless `arm` is exactly
    "LIVE", for a key that may withdraw, one that may not trade, or keys of another venue;
    VenueUnreachable where the venue can't be asked. Where a venue does not say whether a key may
    withdraw, it is armed, and that is said.
    """
    if arm != WORD:
        raise ConfigError("arm", f"{arm!r} arms nothing", f"To trade real money, write arm={WORD!r}")
    if keys.venue != venue:
        raise ConfigError("keys", f"these are of {keys.venue}, not of {venue}")
    permissions = await ask_permissions(keys, at=at, timeout_s=timeout_s)
    if permissions.withdraw:
        hint = "Make one that may read and trade, and nothing else"
        raise ConfigError("keys", f"the key {keys.tail} at {venue} may withdraw", hint)
    if permissions.trade is False:
        raise ConfigError("keys", f"the key {keys.tail} at {venue} may not trade", "Allow it spot trading")
    armed = Armed(keys=keys, permissions=permissions, limits=dict(limits))
    say(str(armed))
    return armed


async def ask_permissions(
    keys: Keys, *, at: Mapping[str, Any] | None = None, timeout_s: float = 10.0
) -> Permissions:
    """Raises ConfigError for keys that the venue does not take, VenueUnreachable."""
    cap = capabilities(keys.venue)
    client = make_client(cap, keys, at, timeout_s=timeout_s, recv_window_s=5.0)
    try:
        return await _READERS[keys.venue](client)
    except Exception as error:  # noqa: BLE001 - of ccxt, which may quote the request: only our words go out
        raise in_our_words(keys, error) from None
    finally:
        with suppress(Exception):
            await close_client(client)


def in_our_words(keys: Keys, error: Exception) -> ConfigError | VenueUnreachable:
    """Of an error of ccxt, which may quote the request."""
    import ccxt

    if isinstance(error, ccxt.AuthenticationError):
        hint = "Check the key, its secret, and the addresses it is bound to"
        return ConfigError("keys", f"{keys.venue} does not take the key {keys.tail}", hint)
    return VenueUnreachable(keys.venue, plain(keys, error))


def plain(keys: Keys, error: BaseException) -> str:
    """An error's kind and first words, without keys, signatures or queries."""
    words = (urlsplit(w)._replace(query="").geturl() if "://" in w else w for w in str(error).split())
    return keys.hide(f"{type(error).__name__}: {' '.join(words)}")[:200]


# --- how each venue says it; sources: its API documents ---


async def _binance(client: Any) -> Permissions:
    said = await client.sapi_get_account_apirestrictions()
    return Permissions(_flag(said, "enableSpotAndMarginTrading"), _flag(said, "enableWithdrawals"))


async def _bybit(client: Any) -> Permissions:
    said = (await client.private_get_v5_user_query_api())["result"]
    rights = said["permissions"]
    may_write = str(said["readOnly"]) == "0"
    return Permissions(
        may_write and "SpotTrade" in rights["Spot"], may_write and "Withdraw" in rights["Wallet"]
    )


async def _okx(client: Any) -> Permissions:
    rights = (await client.private_get_account_config())["data"][0]["perm"].split(",")
    return Permissions("trade" in rights, "withdraw" in rights)


async def _kraken(client: Any) -> Permissions:
    said = (await client.private_post_getapikeyinfo()).get("result", {})
    rights = said.get("permissions")
    if not isinstance(rights, list) or not rights:
        return Permissions(None, None)
    words = [str(right).lower() for right in rights]
    return Permissions(None, any("withdraw" in word for word in words))


async def _coinbase(client: Any) -> Permissions:
    said = await client.v3_private_get_brokerage_key_permissions()
    return Permissions(_flag(said, "can_trade"), _flag(said, "can_transfer"))


def _flag(said: Mapping[str, Any], name: str) -> bool | None:
    answer = said.get(name)
    return answer if isinstance(answer, bool) else None


_READERS: Final[Mapping[str, Callable[[Any], Awaitable[Permissions]]]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "kraken": _kraken,
    "coinbase": _coinbase,
}
