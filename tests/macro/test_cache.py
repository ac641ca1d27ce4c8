from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.errors import ConfigError
from citadel_kit.macro.cache import SAMPLE, Cache, fingerprint
from citadel_kit.macro.candles import Floats


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
