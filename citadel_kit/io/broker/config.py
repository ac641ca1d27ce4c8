"""What a broker can be told, and what it tells of itself."""

from __future__ import annotations

from typing import NamedTuple


class BrokerConfig(NamedTuple):
    timeout_s: float = 5.0
    """For an answer. What comes later is UNKNOWN."""
    recv_window_s: float = 5.0
    """A venue that knows a receive window takes a request no more after so long."""
    wait_s: float = 0.5
    """For the stream to show what an answer left open, before the venue is asked."""
    poll_s: float = 1.0
    """Between looks at each open order while a stream is down, and until all have stood for thrice this."""
    slow_s: float = 15.0
    """Between looks while the streams stand: one that is silent can't be told from one that is dead."""
    dead_man_s: float = 0.0
    """Where the venue has such a switch: it cancels every order of the account, strangers' too, when we are
    silent for so long. Never on while a protective stop of ours is out, since it would take that along.
    0: off."""


class Health(NamedTuple):
    streams_up: bool
    drops: int
    looks: int
    """By REST, at one order each."""
    unknown: int
    """Commands that got no answer."""
    strangers: int
    """Reports of orders that are not ours. Those are never touched."""
    last_error: str
