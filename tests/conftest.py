"""Fixtures every test may use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None, derandomize=True)  # the same on every machine, however slow
settings.load_profile("kit")


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A shell that runs us in the background has them ignored; some tests interrupt themselves."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real tapes and candles beside the checkout; tests skip where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "tapes").is_dir():
        pytest.skip("needs the real market data of ../shared, which is not beside this checkout")
    return folder
