"""The one opt-in use of nest-asyncio."""

from __future__ import annotations


def allow_nested_loops() -> None:
    """Let a cell's own code call `asyncio.run` although the kernel's loop runs. The kit never needs it.

    nest-asyncio is archived upstream, and `asyncio.run(loop_factory=…)` breaks under it on Python 3.12 and
    later: prefer `await` in a cell.
    """
    import nest_asyncio

    nest_asyncio.apply()
