"""Which channel a frame is of that can't be read as a whole."""

from __future__ import annotations

import re
from typing import Final

_CHANNEL: Final = re.compile(rb'"(?:stream|channel|topic|type|e|op|method)"\s*:\s*"([\w@.:/-]{1,80})"')
_LOOKED_AT: Final = 400
"""Bytes: every venue names the channel before the data."""


def channel_in(raw: bytes) -> str:
    """By its first bytes; empty where they name none. For a message to people: nothing may depend on it."""
    found = _CHANNEL.search(raw[:_LOOKED_AT])
    return found[1].decode() if found else ""
