"""API keys: from the environment or the keyring to the venue, and shown nowhere on the way.

`CITADEL_BINANCE_KEY` and `CITADEL_BINANCE_SECRET`, and where the venue wants one `CITADEL_OKX_PASSWORD`; else
the same names in the service `citadel_kit` of the system's keyring, where the package `keyring` is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, NoReturn

from citadel_kit.errors import ConfigError

SERVICE: Final = "citadel_kit"
_HIDDEN: Final = "***"
_SIGNATURE: Final = re.compile(
    r"(?i)(signature|sign|api[-_]?sign|token|listenKey)(=|['\"]?: ?['\"])[^&\s'\"]+"
)


class Secret:
    """A text that only `reveal` gives out. It can be copied, not pickled and not written as JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """For the one place that sends it. Never keep or log what this returns."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled: load the keys anew where they are needed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keys:
    """Of one account at one venue."""

    venue: str
    key: Secret
    secret: Secret
    password: Secret = Secret("")  # noqa: RUF009 - immutable

    @classmethod
    def of(cls, venue: str, key: str, secret: str, password: str = "") -> Keys:
        """For the local exchange and for tests: a key that is worth something has no place in a program."""
        return cls(venue=venue, key=Secret(key), secret=Secret(secret), password=Secret(password))

    @property
    def tail(self) -> str:
        """The last four characters of the key's public part, to tell accounts apart."""
        text = self.key.reveal()
        return f"…{text[-4:]}" if len(text) >= 12 else _HIDDEN

    @property
    def account(self) -> str:
        """A name for the lease and the journal: a digest of the key's public part."""
        return hashlib.sha256(self.key.reveal().encode()).hexdigest()[:12]

    def hide(self, text: str) -> str:
        """The text without any of them, and without signatures."""
        return hide(text, (self.key, self.secret, self.password))


def hide(text: str, secrets: Iterable[Secret]) -> str:
    """The text with each secret, as it is or quoted, replaced."""
    for secret in secrets:
        plain = secret.reveal()
        for form in (plain, plain.replace("\n", "\\n"), plain.strip()):
            if len(form) >= 4:
                text = text.replace(form, _HIDDEN)
    return _SIGNATURE.sub(rf"\1\2{_HIDDEN}", text)


def load_keys(venue: str, *, password: bool = False) -> Keys:
    """Raises ConfigError naming the variables, where key or secret (or a wanted `password`) is nowhere.

    What stands in the environment counts before the keyring.
    """
    names = ["KEY", "SECRET", *(["PASSWORD"] if password else [])]
    found = {name: _find(_variable(venue, name)) for name in names}
    missing = [_variable(venue, name) for name, secret in found.items() if not secret]
    if missing:
        hint = (
            f"Set {' and '.join(missing)} in the environment, or in the service {SERVICE!r} of your keyring"
        )
        raise ConfigError("keys", f"there is no key for {venue}", hint)
    return Keys(
        venue=venue, key=found["KEY"], secret=found["SECRET"], password=found.get("PASSWORD", Secret(""))
    )


def _variable(venue: str, name: str) -> str:
    return f"CITADEL_{venue.upper()}_{name}"


def _find(name: str) -> Secret:
    """No local variable holds the bare text: some tracebacks show those."""
    if os.environ.get(name, "").strip():
        # a PEM key comes through an environment variable with its line ends written out
        return Secret(os.environ[name].strip().replace("\\n", "\n"))
    return _from_keyring(name)


def _from_keyring(name: str) -> Secret:
    """Empty where there is no `keyring`, no backend, or nothing under that name."""
    try:
        ring: Any = import_module("keyring")
    except ImportError:
        return Secret("")
    try:
        return Secret(str(ring.get_password(SERVICE, name) or ""))
    except Exception:  # noqa: BLE001 - a locked or missing backend; its words may name what it holds
        return Secret("")
