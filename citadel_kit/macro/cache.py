"""A memory of what functions of arrays gave, so that a notebook's cell that runs again costs nothing.

The key of a call is the function, its parameters, and of each array: shape, dtype, the first and last rows,
a strided sample, and with `verify` the 128-bit XXH3 hash of all its bytes.

Without `verify` two arrays of one shape may clash. Appended, cut, shifted or rescaled data always differ in
the first or last rows. An edit in the middle is seen only where the sample falls: of n values, a single one
that changed is missed with probability 1 - 1024 / n (99.8 % of 429,447), a run of k values with
1 - k · 1024 / n until k reaches n / 1024, and never from there on. With `verify` a clash takes 2**64 arrays;
it costs about a tenth of a millisecond per megabyte, which is why it is the default.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

SAMPLE: Final = 1024
"""Values of the strided sample."""
_EDGE: Final = 8
"""Rows at each end."""


class Cache:
    """Keeps the newest results up to `max_bytes` in all; `hits` and `misses` say what it saved.

    For pure functions of numpy arrays, pandas frames and hashable parameters. Results are kept as they are
    and given out again, arrays made read-only: copy one to change it. Frames may be changed.
    """

    def __init__(self, max_bytes: int = 256 * 2**20, *, verify: bool = True) -> None:
        if max_bytes < 1:
            raise ConfigError("max_bytes", f"{max_bytes}: at least one byte")
        self.max_bytes, self.verify = max_bytes, verify
        self.hits = self.misses = self.bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function(*args, **kwargs)`, from memory where the same was asked before. Raises ConfigError for a
        parameter that is no array and can't be hashed."""
        key = self.key(function, *args, **kwargs)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return _handed_out(self._kept[key][0])  # type: ignore[no-any-return]
        self.misses += 1
        result = function(*args, **kwargs)
        size = _freeze(result)
        if size <= self.max_bytes:
            self._kept[key] = (result, size)
            self.bytes += size
        while self.bytes > self.max_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed
        return _handed_out(result)  # type: ignore[no-any-return]

    def key(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Hashable:
        """Of one call."""
        named = tuple((name, self._part(value)) for name, value in sorted(kwargs.items()))
        where = (function.__module__, function.__qualname__)
        return (where, tuple(self._part(value) for value in args), named)

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0

    def _part(self, value: Any) -> Hashable:
        if isinstance(value, np.ndarray):
            return fingerprint(value, verify=self.verify)
        if isinstance(value, pd.DataFrame):
            if not isinstance(value.index, pd.DatetimeIndex):
                raise ConfigError("frame", "can be part of a key only where its index holds times")
            arrays = (value.index.asi8, *(value[name].to_numpy() for name in value.columns))
            return (tuple(value.columns), tuple(fingerprint(a, verify=self.verify) for a in arrays))
        try:
            hash(value)
        except TypeError as error:
            raise ConfigError("parameter", f"a {type(value).__name__} can't be part of a key") from error
        return (type(value).__name__, value)


def fingerprint(array: NDArray[Any], *, verify: bool = True) -> Hashable:
    """What tells one array from another; see the odds above."""
    if array.dtype.hasobject:
        raise ConfigError("array", f"of dtype {array.dtype} can't be told apart; give numbers")
    rows = np.atleast_1d(np.ascontiguousarray(array))
    flat = rows.reshape(-1)
    digest = xxhash.xxh3_128()
    for part in (rows[:_EDGE], rows[-_EDGE:], flat[:: max(1, -(-len(flat) // SAMPLE))]):
        digest.update(part.tobytes())
    if verify:
        digest.update(flat.data.cast("B"))
    return (rows.shape, rows.dtype.str, verify, digest.digest())


def _handed_out(result: Any) -> Any:
    """A frame of its own over the same arrays, which pandas copies once somebody writes."""
    return result.copy(deep=False) if isinstance(result, pd.DataFrame) else result


def _freeze(result: Any) -> int:
    """Bytes of all arrays in it, which can't be written to any more."""
    if isinstance(result, np.ndarray):
        result.flags.writeable = False
        return int(result.nbytes)
    if isinstance(result, pd.DataFrame):
        return int(result.memory_usage(index=True).sum())
    if isinstance(result, tuple):
        return sum(_freeze(part) for part in result)
    return 64
