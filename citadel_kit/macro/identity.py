"""What a call is made of, as a key: its function by what it does, its parameters by their values."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError

SAMPLE: Final = 1024
"""Values of the strided sample."""
_EDGE: Final = 8
"""Rows at each end."""
_FIXED: Final = (BuiltinFunctionType, np.ufunc, type(np.sum))
"""Functions of C, which nobody writes anew."""
_PLAIN: Final = (int, float, complex, str, bytes, type(None), np.generic, pd.Timestamp, pd.Timedelta, Enum)


def fingerprint(array: NDArray[Any], *, verify: bool = True) -> Hashable:
    """What tells one array from another; the odds are those of `macro.cache`."""
    if array.dtype.hasobject:
        raise ConfigError("array", f"of dtype {array.dtype} can't be told apart; give numbers")
    rows = np.atleast_1d(np.ascontiguousarray(array))
    flat = rows.reshape(-1)
    digest = xxhash.xxh3_128()
    for part in (rows[:_EDGE], rows[-_EDGE:], flat[:: max(1, -(-len(flat) // SAMPLE))]):
        digest.update(part.tobytes())
    if verify:
        digest.update(flat.view(np.uint8).data)
    return (array.shape, rows.dtype.str, verify, digest.digest())


class Keys:
    """Makes keys. Raises ConfigError for what has no value that could be compared."""

    def __init__(self, verify: bool) -> None:
        self.verify = verify

    def call(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """Of one call."""
        return (self.function(function), *self._given(args, kwargs, ()))

    def function(self, function: Any, seen: tuple[Any, ...] = ()) -> Hashable:
        """By its code, defaults, captured variables and what it reads of its module; a bound method by its
        instance's value too, a partial by what it was given. `seen`: those on the way here, which may call
        each other."""
        for place, other in enumerate(seen):
            if function is other:
                return ("seen", place)
        seen = (*seen, function)
        if isinstance(function, functools.partial):
            given = self._given(function.args, function.keywords, seen)
            return ("partial", self.function(function.func, seen), *given)
        if isinstance(function, MethodType):
            if not _is_record(function.__self__):
                raise _refused(function, "is bound to what is neither a dataclass nor a NamedTuple")
            return ("method", self.function(function.__func__, seen), self.value(function.__self__, seen))
        if isinstance(function, FunctionType):
            return self._python(function, seen)
        if isinstance(getattr(function, "py_func", None), FunctionType):  # compiled by Numba
            return ("compiled", self._python(function.py_func, seen))
        if isinstance(function, _FIXED) and isinstance(
            getattr(function, "__self__", None), ModuleType | None
        ):
            return ("fixed", function)
        raise _refused(function, "is no plain function, no method of a dataclass and no partial of these")

    def value(self, value: Any, seen: tuple[Any, ...] = ()) -> Hashable:
        """Of a parameter."""
        if isinstance(value, np.ndarray):
            return ("array", fingerprint(value, verify=self.verify))
        if isinstance(value, pd.DataFrame):
            return self._frame(value)
        if isinstance(value, float | complex | np.inexact):  # 0.0 and -0.0 are equal, NaN never is
            return (type(value), repr(value))
        if isinstance(value, _PLAIN):
            return (type(value), value)
        if isinstance(value, type | ModuleType):
            return ("itself", value)
        if callable(value) and not _is_record(value):
            return self.function(value, seen)
        return (type(value), self._parts(value, seen))

    def _parts(self, value: Any, seen: tuple[Any, ...]) -> Hashable:
        if isinstance(value, tuple):
            return tuple(self.value(part, seen) for part in value)
        if isinstance(value, frozenset):
            return frozenset(self.value(part, seen) for part in value)
        if _is_record(value):
            return tuple(self.value(getattr(value, part.name), seen) for part in fields(value))
        raise ConfigError("parameter", f"a {type(value).__name__} can't be part of a key")

    def _given(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], seen: tuple[Any, ...]
    ) -> tuple[Hashable, Hashable]:
        named = tuple((name, self.value(value, seen)) for name, value in sorted(kwargs.items()))
        return tuple(self.value(value, seen) for value in args), named

    def _python(self, function: FunctionType, seen: tuple[Any, ...]) -> Hashable:
        code = function.__code__
        captured = zip(
            code.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True
        )
        read = [(name, function.__globals__[name]) for name in _names(code) if name in function.__globals__]
        return (
            function.__module__, function.__qualname__, _code(code),
            *self._given(function.__defaults__ or (), function.__kwdefaults__ or {}, seen),
            *(self._seen_by(function, name, value, seen) for name, value in (*captured, *read)),
        )  # fmt: skip

    def _seen_by(self, function: FunctionType, name: str, value: Any, seen: tuple[Any, ...]) -> Hashable:
        """What a function captured, or reads of its module. Functions of other modules stand for themselves:
        they change when their module is loaded anew."""
        if callable(value) and getattr(value, "__module__", None) != function.__module__:
            try:
                hash(value)
            except TypeError:
                pass
            else:
                return (name, "itself", value)
        try:
            if isinstance(value, list | set | dict):
                parts = value.items() if isinstance(value, dict) else value
                made = [self.value(part, seen) for part in parts]
                return (name, type(value), frozenset(made) if isinstance(value, set) else tuple(made))
            return (name, self.value(value, seen))
        except ConfigError as error:
            raise _refused(function, f"uses {name!r} ({error.problem}); give it as a parameter") from error

    def _frame(self, frame: pd.DataFrame) -> Hashable:
        if not isinstance(frame.index, pd.DatetimeIndex):
            raise ConfigError("frame", "can be part of a key only where its index holds times")
        arrays = (frame.index.asi8, *(column.to_numpy() for _, column in frame.items()))
        told = tuple(fingerprint(array, verify=self.verify) for array in arrays)
        return ("frame", str(frame.index.dtype), tuple(frame.columns), tuple(map(str, frame.dtypes)), told)


@functools.lru_cache(maxsize=4096)
def _code(code: CodeType) -> Hashable:
    """What it does, wherever it stands."""
    constants = tuple(
        _code(part) if isinstance(part, CodeType) else (type(part), repr(part)) for part in code.co_consts
    )
    return (
        code.co_code, code.co_exceptiontable, constants, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_argcount, code.co_kwonlyargcount, code.co_flags,
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _names(code: CodeType) -> tuple[str, ...]:
    """All that it looks up by name, attributes among them."""

    def found(part: CodeType) -> Iterator[str]:
        yield from part.co_names
        for inner in part.co_consts:
            if isinstance(inner, CodeType):
                yield from found(inner)

    return tuple(dict.fromkeys(found(code)))


def _is_record(value: Any) -> bool:
    """Has a value of named parts."""
    return not isinstance(value, type) and (is_dataclass(value) or hasattr(value, "_fields"))


def _refused(function: Any, problem: str) -> ConfigError:
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return ConfigError("function", f"{name} {problem}", "It can't be told from another")
