"""Listen keys: the older way to a user data stream, `/ws/<listenKey>`."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from citadel_kit.exchange.dialects.binance.errors import no_such_listen_key

_LIFE_MS: Final = 3_600_000


class _Key(NamedTuple):
    account: str
    until_ms: int


class ListenKeys:
    """One living key an account: whoever asks again gets the same, for another hour."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def open(self, account: str, now_ms: int) -> str:
        for name, key in self._keys.items():
            if key.account == account and now_ms < key.until_ms:
                self.renew(account, name, now_ms)
                return name
        name = hashlib.sha256(f"{account} {now_ms}".encode()).hexdigest()
        self._keys = {n: k for n, k in self._keys.items() if now_ms < k.until_ms}
        self._keys[name] = _Key(account, now_ms + _LIFE_MS)
        return name

    def renew(self, account: str, name: str, now_ms: int) -> None:
        if self.account(name, now_ms) != account:
            raise no_such_listen_key()
        self._keys[name] = _Key(account, now_ms + _LIFE_MS)

    def close(self, account: str, name: str, now_ms: int) -> None:
        if self.account(name, now_ms) != account:
            raise no_such_listen_key()
        del self._keys[name]

    def account(self, name: str, now_ms: int) -> str | None:
        key = self._keys.get(name)
        return None if key is None or now_ms >= key.until_ms else key.account
