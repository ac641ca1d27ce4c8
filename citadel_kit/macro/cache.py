"""A memory of what functions of arrays gave, so that a notebook's cell that runs again costs nothing.

The key of a call is the function, its parameters, and of each array: shape, dtype, the first and last rows,
a strided sample, and with `verify` the 128-bit XXH3 hash of all its bytes. A function is its code, its
defaults, what it captured and what it reads of its module, so a lambda, or a function that a cell defined
anew, is told from its namesakes; what can't be told (a method of an object without a value of its own, a
module's object that has none) is refused.

Without `verify` two arrays of one shape may clash. Appended, cut, shifted or rescaled data always differ in
the first or last rows. An edit in the middle is seen only where the sample falls: of n values, a single one
that changed is missed with probability 1 - 1024 / n (99.8 % of 429,447), a run of k values with
1 - k · 1024 / n until k reaches n / 1024, and never from there on. With `verify` a clash takes 2**64 arrays;
it costs about a tenth of a millisecond per megabyte, which is why it is the default.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from citadel_kit.errors import ConfigError
from citadel_kit.macro.identity import Keys

P = ParamSpec("P")
R = TypeVar("R")


class Cache:
    """Keeps the newest results up to `max_bytes` in all; `hits` and `misses` say what it saved.

    For pure functions of numpy arrays, pandas frames and parameters with a value: numbers, texts, tuples,
    dataclasses, functions. Results are arrays, frames, numbers, texts, and tuples of these. Arrays given out
    are the memory's own and read-only: copy one to change it. Frames may be changed, and so may all that was
    handed in.
    """

    def __init__(self, max_bytes: int = 256 * 2**20, *, verify: bool = True) -> None:
        if max_bytes < 1:
            raise ConfigError("max_bytes", f"{max_bytes}: at least one byte")
        self.max_bytes, self.verify = max_bytes, verify
        self.hits = self.misses = self.bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args, **kwargs)`, from memory where the same was asked before. Raises ConfigError for a
        function, parameter or result that can't be told from another."""
        key = self.key(function, *args, **kwargs)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return _handed_out(self._kept[key][0])  # type: ignore[no-any-return]
        self.misses += 1
        result = function(*args, **kwargs)
        size = sum(_sizes(result))
        if size <= self.max_bytes:
            result = _owned(result, deep=not _copies_on_write(function, (*args, *kwargs.values())))
            self._kept[key] = (result, size)
            self.bytes += size
        while self.bytes > self.max_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed
        return _handed_out(result)  # type: ignore[no-any-return]

    def key(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Hashable:
        """Of one call."""
        return Keys(self.verify).call(function, args, kwargs)

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


def _copies_on_write(function: Any, given: tuple[Any, ...]) -> bool:
    """No array that somebody else holds can be behind a frame that it makes: of a frame pandas knows who else
    has it."""
    plain = isinstance(function, FunctionType) and function.__closure__ is None
    return plain and not any(isinstance(value, np.ndarray) for value in given)


def _owned(result: Any, deep: bool) -> Any:
    """A result that nobody else can write to: what a function gave may be what it was given."""
    if isinstance(result, np.ndarray):
        own = result.copy()
        own.flags.writeable = False
        return own
    if isinstance(result, pd.DataFrame | pd.Series):
        return result.copy(deep=deep)
    if isinstance(result, tuple):
        parts = [_owned(part, deep) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if result is None or isinstance(result, int | float | complex | str | bytes | np.generic | pd.Timestamp):
        return result
    raise ConfigError(
        "result", f"a {type(result).__name__} can't be kept", "Give an array, a frame, or a tuple of them"
    )


def _handed_out(result: Any) -> Any:
    """A frame of its own over the same arrays, which pandas copies once somebody writes."""
    if isinstance(result, pd.DataFrame | pd.Series):
        return result.copy(deep=False)
    if isinstance(result, tuple) and any(
        isinstance(part, pd.DataFrame | pd.Series | tuple) for part in result
    ):
        parts = [_handed_out(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result


def _sizes(result: Any) -> Iterator[int]:
    """Bytes of all arrays in it."""
    if isinstance(result, np.ndarray):
        yield int(result.nbytes)
    elif isinstance(result, pd.DataFrame | pd.Series):
        yield int(np.sum(result.memory_usage(index=True)))
    elif isinstance(result, tuple):
        for part in result:
            yield from _sizes(part)
    else:
        yield 64
