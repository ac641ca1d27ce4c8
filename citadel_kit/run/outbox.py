"""Where an engine's commands wait for its driver, which journals each and sends it to a real account.

The counterpart of `run.paper.PaperBroker`: here nothing is simulated, so nothing is ever due, and reports
come back as inputs of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from citadel_kit.micro.position import ExitConfig
from citadel_kit.run.options import Abilities
from citadel_kit.run.parent import ParentOrder
from citadel_kit.types import BookReader, Command, OrderReport, StopCommand, Trade


class NewParent(NamedTuple):
    """To be journalled before anything of it goes out."""

    order: ParentOrder
    plan: ExitConfig | None


class SendCommand(NamedTuple):
    venue: str
    parent_id: str
    command: Command | StopCommand
    now_ns: int


class Closing(NamedTuple):
    """A plan closes its position, for a cause that is to outlive the engine."""

    parent_id: str
    plan: ExitConfig
    cause: int


Item = NewParent | SendCommand | Closing


class Outbox:
    def __init__(self, abilities: Mapping[str, Abilities]) -> None:
        """`abilities`: by venue."""
        self._abilities = abilities
        self._items: list[Item] = []

    def abilities(self, venue: str) -> Abilities:
        return self._abilities.get(venue, Abilities())

    def new_parent(self, order: ParentOrder, plan: ExitConfig | None) -> None:
        self._items.append(NewParent(order, plan))

    def closing(self, parent_id: str, plan: ExitConfig, cause: int) -> None:
        self._items.append(Closing(parent_id, plan, cause))

    def send(self, venue: str, parent_id: str, command: Command | StopCommand, now_ns: int) -> None:
        self._items.append(SendCommand(venue, parent_id, command, now_ns))

    def take(self) -> list[Item]:
        """What is to be done, in order."""
        items, self._items = self._items, []
        return items

    # --- a market is none of its business ---

    def on_book(self, venue: str, now_ns: int, book: BookReader) -> None: ...

    def on_trade(self, venue: str, now_ns: int, trade: Trade) -> None: ...

    def on_book_lost(self, venue: str, now_ns: int) -> None: ...

    def due(self, now_ns: int) -> list[tuple[str, OrderReport]]:
        return []

    def next_due_ns(self) -> int:
        return -1
