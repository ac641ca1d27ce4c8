"""A progress bar for the macro cycle, plain text so that a saved notebook keeps it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from citadel_kit.macro.trainer import Progress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yields the callback that `run_macro` wants."""
    with tqdm(
        total=1, file=sys.stdout, leave=True, bar_format="{desc}: {bar:24} {n_fmt}/{total_fmt} {elapsed}"
    ) as bar:

        def show(what: str, done: int, total: int) -> None:
            bar.set_description_str(what, refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        yield show
