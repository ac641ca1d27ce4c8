"""The one calling form of all indicators, and what they do about holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

import numba
import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError

Floats = NDArray[np.float64]

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Numba's nopython mode, cached on disk, without the interpreter lock: other threads run on."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))


def by_run(function: Callable[P, R]) -> Callable[P, R]:
    """Calls `function` for each run of rows in which every input is finite, and leaves NaN between them.

    So warm-up starts anew behind a hole, and no number bridges it. This matters: TA-Lib's running sums never
    recover from a NaN, and its extremes step over one as if it weren't there. Arrays come before parameters;
    the result is an array, or a NamedTuple of arrays. Raises ConfigError for arrays of unequal length, and
    for a whole-numbered parameter below 1.
    """

    @wraps(function)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        given: list[Any] = list(args)
        count = sum(isinstance(a, np.ndarray) for a in given)
        arrays = [np.ascontiguousarray(a, dtype=np.float64) for a in given[:count]]
        rest = given[count:]
        _check(function.__name__, arrays, [*rest, *kwargs.values()])
        finite = np.isfinite(arrays[0])
        for array in arrays[1:]:
            finite &= np.isfinite(array)
        if len(finite) and finite.all():
            return cast("R", cast("Any", function)(*arrays, *rest, **kwargs))
        return cast("R", _joined(function, arrays, rest, dict(kwargs), finite))

    return whole


def _joined(
    function: Callable[..., Any],
    arrays: list[Floats],
    rest: list[Any],
    kwargs: dict[str, Any],
    finite: NDArray[np.bool_],
) -> Any:
    kind = _returned(function)
    fields = getattr(kind, "_fields", ("value",))
    out = [np.full(len(finite), np.nan) for _ in fields]
    for run in finite_runs(finite):
        value = function(*(a[run] for a in arrays), *rest, **kwargs)
        for whole, part in zip(out, value if len(fields) > 1 else (value,), strict=True):
            whole[run] = part
    return kind(*out) if len(fields) > 1 else out[0]


@cache
def _returned(function: Callable[..., Any]) -> Any:
    return get_type_hints(function)["return"]


def finite_runs(finite: NDArray[np.bool_]) -> Iterator[slice]:
    """The stretches of True, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        yield slice(start, stop)


def _check(name: str, arrays: list[Floats], parameters: list[Any]) -> None:
    if not arrays or len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        raise ConfigError(name, "takes arrays of equal length, one value a bar, before its parameters")
    windows = [p for p in parameters if isinstance(p, int | np.integer) and not isinstance(p, bool)]
    if any(p < 1 for p in windows):
        raise ConfigError(name, f"a window of {min(windows)} bars", "Use at least 1")
