"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None, derandomize=True)  # the same on every machine, however slow
settings.load_profile("kit")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real tapes and candles beside the checkout; tests skip where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "tapes").is_dir():
        pytest.skip("needs the real market data of ../shared, which is not beside this checkout")
    return folder
