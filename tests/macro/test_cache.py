from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.candles import Floats
from citadel_kit.macro.identity import SAMPLE, fingerprint


def double(x: Floats, times: float = 2.0) -> Floats:
    return x * times


def triple(x: Floats, times: float = 3.0) -> Floats:
    return x * times


class Pair(NamedTuple):
    a: Floats
    b: Floats


def both(x: Floats) -> Pair:
    return Pair(x.copy(), x + 1)


def closes(frame: pd.DataFrame, lag: int) -> Floats:
    return frame["close"].to_numpy()[lag:] + 0.0


def test_the_same_call_is_answered_once() -> None:
    cache, x = Cache(), np.arange(1000.0)
    first = cache.call(double, x)
    assert cache.call(double, x.copy()) is first
    assert (cache.hits, cache.misses, cache.bytes) == (1, 1, 8000)
    assert cache.call(triple, x)[1] == 3.0
    assert cache.call(double, x, 5.0)[1] == 5.0
    assert cache.call(double, x, times=5.0)[1] == 5.0
    assert cache.call(double, x.astype(np.float32))[1] == 2.0
    assert cache.call(double, x.reshape(10, 100))[0, 1] == 2.0
    assert cache.call(double, np.array(3.0)) == 6.0
    assert (cache.hits, cache.misses) == (1, 7)


def test_results_can_not_be_changed_behind_its_back() -> None:
    cache, x = Cache(), np.arange(10.0)
    with pytest.raises(ValueError, match="read-only"):
        cache.call(double, x)[0] = 7.0
    pair = cache.call(both, x)
    with pytest.raises(ValueError, match="read-only"):
        pair.b[0] = 7.0
    x[0] = 99.0
    assert cache.call(both, np.arange(10.0)) is pair


@given(n=st.integers(1, 5000), data=st.data())
def test_any_edit_makes_another_key(n: int, data: st.DataObject) -> None:
    x = np.arange(float(n))
    y = x.copy()
    y[data.draw(st.integers(0, n - 1))] += 1e-9 * n
    assert fingerprint(x) != fingerprint(y)
    assert fingerprint(x) == fingerprint(x.copy())
    assert fingerprint(x) != fingerprint(np.append(x, float(n)))


def test_the_odds_without_verify_are_those_that_are_documented() -> None:
    n = 100_000
    x, rng, seen = np.zeros(n), np.random.default_rng(1), 0
    before = fingerprint(x, verify=False)
    places = rng.choice(np.arange(8, n - 8), 4000, replace=False)
    for place in places.tolist():
        x[place] = 1.0
        seen += fingerprint(x, verify=False) != before
        x[place] = 0.0
    assert seen / len(places) == pytest.approx(SAMPLE / n, rel=0.4)
    run = -(-n // SAMPLE)
    for place in places[:200].tolist():  # a run as long as the sample's stride never hides
        x[place : place + run] = 1.0
        assert fingerprint(x, verify=False) != before
        x[place : place + run] = 0.0
    for other in (x[:-1], np.append(x, 1.0), np.roll(np.arange(float(n)), 1), x + 1):
        assert fingerprint(other, verify=False) != before


def test_candles_are_keys_too() -> None:
    cache, frame = Cache(), random_candles(300)
    first = cache.call(closes, frame, 3)
    assert cache.call(closes, frame.copy(), 3) is first
    edited = frame.copy()
    edited.iloc[150, 3] *= 1.001
    assert cache.call(closes, edited, 3) is not first
    assert cache.call(closes, frame.set_axis(frame.index.as_unit("s")), 3) is not first
    assert cache.call(closes, frame.shift(freq="1h"), 3) is not first
    with pytest.raises(ConfigError, match="holds times"):
        cache.call(closes, frame.reset_index(drop=True), 3)


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.shift()


def test_a_frame_may_be_changed_and_the_memory_stays() -> None:
    cache, frame = Cache(), random_candles(50)
    first = cache.call(shifted, frame)
    first["more"] = 1.0
    first.iloc[3, 0] = -1.0
    pd.testing.assert_frame_equal(cache.call(shifted, frame), shifted(frame))
    assert cache.hits == 1


def test_the_oldest_go_first_and_what_is_too_large_is_not_kept() -> None:
    cache = Cache(max_bytes=20_000)
    xs = [np.full(1000, float(k)) for k in range(3)]
    for x in (xs[0], xs[1], xs[0], xs[2]):
        cache.call(double, x)
    assert cache.bytes == 16_000
    cache.call(double, xs[0])
    assert cache.hits == 2
    cache.call(double, xs[1])
    assert cache.misses == 4
    cache.call(double, np.zeros(10_000))
    assert cache.bytes == 16_000
    cache.clear()
    assert cache.bytes == 0


def test_what_has_no_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="list can't be part"):
        Cache().call(double, np.zeros(3), [1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="dtype object"):
        Cache().call(double, np.array([None]))
    with pytest.raises(ConfigError, match="at least one byte"):
        Cache(0)


@pytest.mark.parametrize("given", [np.array(3.0), np.zeros(0), np.arange(4).astype("datetime64[ns]")])
def test_every_array_of_numbers_or_times_has_a_key(given: Floats) -> None:
    assert fingerprint(given) == fingerprint(given.copy())
    assert fingerprint(given) != fingerprint(np.atleast_2d(given))


def raised_to(power: float) -> Callable[[Floats], Floats]:
    return lambda x: x**power


@dataclass
class Scale:
    by: float

    def __call__(self, x: Floats) -> Floats:
        return x * self.by

    def apply(self, x: Floats) -> Floats:
        return x * self.by


class Shift(NamedTuple):
    by: float

    def apply(self, x: Floats) -> Floats:
        return x + self.by


class Nameless:
    def apply(self, x: Floats) -> Floats:
        return x


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def inner(x: Floats) -> Any:
        return function(x)

    return inner


X = np.arange(1.0, 5.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x + 1, lambda x: x - 1),
        (lambda x: np.cumsum(x + 1), lambda x: np.cumprod(x + 1)),
        (lambda x, k=1.0: x + k, lambda x, k=2.0: x + k),
        (lambda x, *, k=1.0: x + k, lambda x, *, k=2.0: x + k),
        (lambda x: np.array([y * 2 for y in x]), lambda x: np.array([y * 3 for y in x])),
        (raised_to(2), raised_to(3)),
        (counted(double), counted(triple)),
        (partial(double, times=2.0), partial(double, times=3.0)),
        (partial(double, times=2.0), partial(triple, times=2.5)),
        (Scale(2.0).apply, Scale(3.0).apply),
        (Shift(2.0).apply, Shift(3.0).apply),
        (np.cumsum, np.cumprod),
    ],
)
def test_functions_of_one_name_are_told_apart(one: Callable[..., Any], other: Callable[..., Any]) -> None:
    cache = Cache()
    for _ in range(2):
        for function in (one, other):
            np.testing.assert_array_equal(cache.call(function, X), function(X))
    assert (cache.hits, cache.misses) == (2, 2)


def cell(text: str, module: ModuleType) -> Callable[..., Any]:
    """As a notebook's cell does."""
    exec(text, vars(module))
    return module.rule  # type: ignore[no-any-return]


def test_a_cell_that_runs_again_costs_nothing_and_an_edited_one_is_a_new_function() -> None:
    cache, module = Cache(), ModuleType("cell")
    text = (
        "WINDOW, TABLE = 2.0, {'a': 1.0}\n"
        "def helper(x): return x * WINDOW\n"
        "def rule(x, deep=3): return rule(x, deep - 1) if deep else helper(x) + TABLE['a']\n"
    )
    for lines in (text, text, "\n\n" + text):  # where it stands says nothing
        assert cache.call(cell(lines, module), X)[0] == 3.0
    assert (cache.hits, cache.misses) == (2, 1)
    for old, new, made in (
        ("2.0", "5.0", 6.0), ("x * W", "x - W", 0.0), ("'a': 1.0", "'a': 7.0", 9.0), ("deep=3", "deep=1", 3.0)
    ):  # fmt: skip
        assert cache.call(cell(text.replace(old, new), module), X)[0] == made
    assert (cache.hits, cache.misses) == (2, 5)


def test_parameters_are_told_apart_by_type_and_value() -> None:
    values: list[Any] = [
        1,
        1.0,
        True,
        (1,),
        (1.0,),
        (True,),
        0.0,
        -0.0,
        (0.0,),
        (-0.0,),
        Shift(1.0),
        (X,),
        (X + 1,),
    ]
    values += [Scale(1.0), Scale(2.0), raised_to(2), raised_to(3), Shift, float("nan"), "1", None]
    keys = [Cache().key(double, value) for value in values]
    assert len(set(keys)) == len(keys)
    assert keys == [Cache().key(double, value) for value in values]


class Reader:
    table = 3


READER = Reader()


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (Nameless().apply, "neither a dataclass nor a NamedTuple"),
        (Scale(2.0), "no plain function"),
        (X.sum, "no plain function"),
        (Reader, "no plain function"),
        (lambda x: x + READER.table, "'READER'.*give it as a parameter"),
        (partial(double, times=[1]), "list can't be part"),
    ],
)
def test_a_function_that_can_not_be_told_is_refused(function: Callable[..., Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Cache().call(function, X)


def test_what_was_handed_in_stays_its_owners() -> None:
    cache, x, frame = Cache(), np.arange(4.0), random_candles(20)
    same: Callable[[Any], Any] = lambda given: given  # noqa: E731
    tail: Callable[[Any], Any] = lambda given: (given[1:], given.T)  # noqa: E731
    for function in (same, tail):
        kept = cache.call(function, x)
        x[2] = 99.0
        assert np.hstack(kept).max() == 3.0
        x[2] = 2.0
        assert cache.call(function, x) is kept
    given = cache.call(same, frame)
    before = frame.copy()
    frame.iloc[3, 0] = -1.0
    given.iloc[4, 0] = -1.0
    pd.testing.assert_frame_equal(cache.call(same, before), before)
    assert cache.hits == 3


def test_a_result_that_could_be_changed_is_refused() -> None:
    with pytest.raises(ConfigError, match="a list can't be kept"):
        Cache().call(lambda x: [*x], X)
