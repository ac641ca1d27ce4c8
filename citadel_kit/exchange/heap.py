"""The garbage collector of a process that is an exchange and nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (200, 5, 1000)
"""Finished orders are forgotten as fast as new ones come, and only the difference counts against the first
threshold: at the usual 700 a collection comes late and stops everything for 3 to 10 ms, at 200 for 1 to 3."""


@contextmanager
def settled() -> Iterator[None]:
    """To be entered once the exchange runs, in a process of its own.

    Imported modules and the histories of candles are some hundred thousand objects, at which every full
    collection would look for 80 ms. They stay as long as the exchange does, so until then they are not looked
    at. In a notebook or a test, whose own garbage would stay as well, this has no place.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
