"""Which input a run was asked for. Cheap to import: a wrong wish should fail before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from citadel_kit.errors import ConfigError


def check_choice(tape: str, candles: str, live: str) -> None:
    """Raises ConfigError where these can't be meant together, or name no file."""
    if live and (tape or candles):
        raise ConfigError("live", "doesn't go with a tape or a candle file", "Drop one of them")
    if bool(tape) != bool(candles):
        raise ConfigError("tape, candles", "a tape needs candles of the time before it, and they need a tape")
    for name, path in (("tape", tape), ("candles", candles)):
        if path and not Path(path).is_file():
            raise ConfigError(name, f"there is no file {path!r}")
