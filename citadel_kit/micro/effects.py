"""What a session answers: things to do, and things that are now true.

The two of nearly every frame are msgspec structs, which are made in a third of the time.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from citadel_kit.types import BookTop, FeedState, Trade


class Send(NamedTuple):
    text: str


class FetchSnapshot(NamedTuple):
    symbol: str
    path: str


class Connect(NamedTuple):
    """Open a (new) connection after `delay_ns`, closing the old one if it still stands."""

    delay_ns: int
    reason: str


class TopChanged(msgspec.Struct, frozen=True, gc=False):
    """A LIVE book's best bid and ask, after each update and whenever it becomes LIVE."""

    symbol: str
    top: BookTop


class StateChanged(NamedTuple):
    symbol: str
    state: FeedState
    reason: str


class Traded(msgspec.Struct, frozen=True, gc=False):
    trade: Trade


Effect = Send | FetchSnapshot | Connect | TopChanged | StateChanged | Traded
