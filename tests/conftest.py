"""Fixtures every test may use."""

from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None, derandomize=True)  # the same on every machine, however slow
settings.load_profile("kit")


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leases and kill files of the tests are nobody else's, and those of others not theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITADEL_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A shell that runs us in the background has them ignored; some tests interrupt themselves."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="module")
def nothing_left_open() -> Iterator[None]:
    """A socket that nobody closed is told of here, and not in whatever test the collector runs next."""
    gc.freeze()  # what there was before needs no look: that makes it cheap
    yield
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    gc.unfreeze()
    left = [str(warning.message) for warning in found if issubclass(warning.category, ResourceWarning)]
    assert not left, f"a test of this module left open: {'; '.join(left)}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real tapes and candles beside the checkout; tests skip where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "tapes").is_dir():
        pytest.skip("needs the real market data of ../shared, which is not beside this checkout")
    return folder
