"""What the connector asks of a driver, which decides what time is and where events come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from citadel_kit.micro.limits import Budget, Limits
from citadel_kit.run.engine import Engine
from citadel_kit.run.outbox import Outbox
from citadel_kit.run.paper import PaperBroker
from citadel_kit.settings import Fees
from citadel_kit.types import Codec, Instrument


class Driver(Protocol):
    """Owns the order and pace of events: `run.replay.ReplayDriver`, `run.live.LiveDriver`."""

    mode: str
    feeds: list[tuple[Codec, Instrument]]
    conversions: list[Instrument]
    fees: dict[str, Fees]
    """Of venues that `settings.fees` need not know."""
    limits: Limits | None
    """Those that an account was armed with."""
    budgets: dict[str, Budget]
    """Requests about orders that venues allow, by venue; one that is not in it has no budget."""
    feed_shows_our_orders: bool
    start_ns: int

    async def start(
        self, engine: Engine, publish: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        """`publish` a new state; `fail` when nothing attends to the books any more."""

    def broker(self, paper: Callable[[], PaperBroker]) -> PaperBroker | Outbox:
        """Where the engine's commands go: `paper()` where fills are simulated."""

    def perform(self) -> None:
        """What the engine has decided goes out."""

    def catch_up(self) -> None:
        """Bring the engine to the present, on its own thread, before it is asked for something."""

    async def play(self, seconds: float, stop: Callable[[], bool]) -> None: ...

    def killed(self) -> None:
        """The engine was killed by hand."""

    def rearm(self) -> None:
        """Take back what stops the account, beside the engine's guard."""

    async def stop(self) -> None: ...
