"""Faults that a venue can be told to have: switches, dice with a seed, and a schedule over time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

from citadel_kit.errors import ConfigError

REJECTS: Final = ("post_only", "balance", "filter", "rate_limit")
MOMENTS: Final = ("before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultConfig:
    """Probabilities are of each frame, request, order or report. All off by default."""

    latency_ms: float = 0.0
    """On top of the venue's own, each way."""
    disconnect: bool = False
    """Every stream is cut, and none can be opened."""
    freeze_book: bool = False
    """No stream tells of books, quotes, trades or candles; heartbeats and orders go on. So does REST, as
    where a venue's stream of market data hangs and nothing else: a client that asks can find out."""
    lose: float = 0.0
    """Of market frames, as `duplicate` and `reorder` are."""
    duplicate: float = 0.0
    reorder: float = 0.0
    """A market frame is sent after the one that follows it."""
    http_error: float = 0.0
    http_status: int = 503
    http_moment: str = "before"
    """`before` the request took effect, or `after`: then it was carried out, and only its answer is lost."""
    timeout: float = 0.0
    timeout_moment: str = "before"
    late_report: float = 0.0
    late_report_ms: float = 500.0
    duplicate_report: float = 0.0
    reject: str = ""
    """post_only, balance, filter or rate_limit."""
    reject_probability: float = 1.0
    maintenance: bool = False
    """Every request is refused, every stream cut."""
    clock_skew_ms: float = 0.0
    """Of the venue's clock: above 0 it runs ahead."""

    def __post_init__(self) -> None:
        for name in ("lose", "duplicate", "reorder", "http_error", "timeout", "late_report",
                     "duplicate_report", "reject_probability"):  # fmt: skip
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"faults.{name}", f"{getattr(self, name)!r} is no probability")
        for name in ("latency_ms", "late_report_ms"):
            if not 0 <= getattr(self, name) <= 60_000:
                raise ConfigError(f"faults.{name}", f"{getattr(self, name)!r} is not within 0 and a minute")
        if not abs(self.clock_skew_ms) <= 86_400_000:
            raise ConfigError("faults.clock_skew_ms", f"{self.clock_skew_ms!r} is more than a day")
        if not 400 <= self.http_status <= 599:
            raise ConfigError("faults.http_status", f"{self.http_status!r} is no error", "400 to 599")
        for name in ("http_moment", "timeout_moment"):
            if getattr(self, name) not in MOMENTS:
                raise ConfigError(f"faults.{name}", f"{getattr(self, name)!r}", "before or after")
        if self.reject and self.reject not in REJECTS:
            raise ConfigError("faults.reject", f"{self.reject!r} is unknown", f"Known: {', '.join(REJECTS)}")


_FIELDS: Final[dict[str, type]] = {f.name: type(f.default) for f in fields(FaultConfig)}


class ScheduledFault(NamedTuple):
    """From `at_s` seconds after the start on, for `for_s` seconds, these switches are as said."""

    at_s: float
    for_s: float
    switches: dict[str, Any]


class Mishap(NamedTuple):
    """What happens to one request. `status` 0: no answer at all."""

    moment: str
    status: int


@dataclass(slots=True)
class Faults:
    """The switches of one venue. Draws come from a generator of its own, so the same calls fail alike."""

    seed: int
    config: FaultConfig = field(default_factory=FaultConfig)
    injected: dict[str, int] = field(default_factory=dict)
    """How often each fault struck."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def set(self, **switches: Any) -> FaultConfig:
        """Change these switches, leave the others. Raises ConfigError for an unknown one or a wrong value."""
        self.config = replace(self.config, **checked(switches))
        return self.config

    def clear(self) -> None:
        self.config = FaultConfig()

    def switches(self) -> dict[str, Any]:
        return asdict(self.config)

    def strikes(self, name: str, probability: float) -> bool:
        """One throw of the dice, counted under `name` where it hits."""
        if probability <= 0 or self._random.random() >= probability:
            return False
        self.injected[name] = self.injected.get(name, 0) + 1
        return True

    def rejects(self, kind: str) -> bool:
        """Is this order to be refused for this reason, whatever it is?"""
        return self.config.reject == kind and self.strikes(f"reject_{kind}", self.config.reject_probability)

    def mishap(self) -> Mishap | None:
        """Of one request; None: it goes well."""
        config = self.config
        if self.strikes("http_error", config.http_error):
            return Mishap(config.http_moment, config.http_status)
        if self.strikes("timeout", config.timeout):
            return Mishap(config.timeout_moment, 0)
        return None


def checked(switches: dict[str, Any]) -> dict[str, Any]:
    """As `FaultConfig` takes them: known names, right types. Raises ConfigError."""
    out = {}
    for name, value in switches.items():
        wanted = _FIELDS.get(name)
        if wanted is None:
            raise ConfigError("faults", f"there is no switch {name!r}", f"There are: {', '.join(_FIELDS)}")
        number = wanted is float and type(value) is int
        if type(value) is not wanted and not number:
            raise ConfigError(f"faults.{name}", f"{value!r} is not of type {wanted.__name__}")
        out[name] = wanted(value)
    return out


def random_schedule(seed: int, duration_s: float, *, every_s: float = 60.0) -> Sequence[ScheduledFault]:
    """Faults of every sort over time, one about `every_s` seconds, each for 1 to 10 s; never two at once."""
    rng = random.Random(seed)
    menu: list[dict[str, Any]] = [
        {"latency_ms": 250.0}, {"disconnect": True}, {"freeze_book": True}, {"lose": 0.05},
        {"duplicate": 0.05}, {"reorder": 0.05}, {"http_error": 0.5, "http_moment": "before"},
        {"http_error": 0.5, "http_moment": "after"}, {"timeout": 0.3, "timeout_moment": "after"},
        {"late_report": 0.5}, {"duplicate_report": 0.5}, {"reject": "post_only"}, {"reject": "balance"},
        {"reject": "filter"}, {"reject": "rate_limit"}, {"maintenance": True}, {"clock_skew_ms": 1500.0},
    ]  # fmt: skip
    out, at_s = [], 0.0
    while (at_s := at_s + rng.expovariate(1 / every_s)) < duration_s:
        for_s = rng.uniform(1.0, 10.0)
        out.append(ScheduledFault(at_s, for_s, rng.choice(menu)))
        at_s += for_s
    return out
