"""Published values: the papers' own examples, and what two public libraries' tests expect."""

from __future__ import annotations

from itertools import combinations
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.macro.significance import (
    SharpeEstimate,
    deflated_sharpe,
    estimate,
    expected_maximum,
    minimum_backtest_length,
    minimum_track_record,
    overfitting,
    probabilistic_sharpe,
)


def test_probabilistic_sharpe_of_the_paper() -> None:
    assert round(probabilistic_sharpe(SharpeEstimate(0.458, 24, -2.448, 10.164)), 3) == 0.913
    assert round(probabilistic_sharpe(SharpeEstimate(0.458, 24)), 3) == 0.982
    record = SharpeEstimate(1.585 / sqrt(12), 24, -2.448, 10.164)
    assert probabilistic_sharpe(record) == pytest.approx(0.91323430688486018, abs=1e-12)


def test_the_error_of_a_sharpe_ratio() -> None:
    assert round(SharpeEstimate(0.7079, 134, -0.2250, 2.9570).error, 4) == 0.1028
    assert round(SharpeEstimate(0.8183, 134, -1.4455, 7.0497).error, 4) == 0.1550


def test_deflated_sharpe_of_the_paper() -> None:
    record = SharpeEstimate(2.5 / sqrt(250), 1250, -3.0, 10.0)
    assert deflated_sharpe(record, 100, 0.5 / 250) == pytest.approx(0.90039683444939034, abs=1e-12)
    assert expected_maximum(100) == pytest.approx(2.5306028932016846, abs=1e-12)
    assert deflated_sharpe(record, 1, 0.5 / 250) == probabilistic_sharpe(record)


@pytest.mark.parametrize(
    ("year", "sharpe", "benchmark", "skew", "kurtosis", "years"),
    [
        (250, 2.0, 1.0, 0.0, 3.0, 2.7311878),
        (52, 2.0, 1.0, 0.0, 3.0, 2.8288336),
        (12, 3.0, 2.5, -0.72, 5.78, 27.35292),
    ],
)
def test_minimum_track_record_of_the_paper(
    year: int, sharpe: float, benchmark: float, skew: float, kurtosis: float, years: float
) -> None:
    record = SharpeEstimate(sharpe / sqrt(year), 0, skew, kurtosis)
    periods = minimum_track_record(record, benchmark / sqrt(year))
    assert periods / year == pytest.approx(years, rel=1e-6)


def test_minimum_backtest_length_of_the_paper() -> None:
    assert minimum_backtest_length(45, 1.0) == pytest.approx(4.9980870044434038, abs=1e-12)


def test_a_published_series_of_returns(shared: Path) -> None:
    returns = np.loadtxt(shared / "candles" / "reference" / "psr_returns_for_tests.csv", delimiter=",")
    record = estimate(returns)
    assert record.sharpe == pytest.approx(0.24171729852769172, abs=1e-12)
    assert record.error == pytest.approx(0.16466174867277414, abs=1e-12)
    assert probabilistic_sharpe(record, 0.05) == pytest.approx(0.877850770122146, abs=1e-12)
    assert minimum_track_record(record, 0.05, level=0.90) == pytest.approx(60.365085269027084, abs=1e-9)


def test_records_without_a_ratio() -> None:
    assert estimate(np.full(20, 0.1)).sharpe == 0.0
    assert estimate(np.zeros(0)) == SharpeEstimate(0.0, 0)
    assert probabilistic_sharpe(estimate(np.zeros(1))) == 0.5
    assert minimum_track_record(SharpeEstimate(0.1, 10), 0.1) == inf
    with pytest.raises(ConfigError, match="warm-up"):
        estimate(np.array([0.1, np.nan]))


def test_overfitting_against_one_halving_after_the_other() -> None:
    returns = np.random.default_rng(3).standard_normal((53, 7))
    got = overfitting(returns, blocks=6)
    blocks, ranks, lost = np.split(returns[5:], 6), [], []
    for way in combinations(range(6), 3):
        mine = np.concatenate([blocks[k] for k in way])
        other = np.concatenate([blocks[k] for k in range(6) if k not in way])
        best = int(np.argmax(mine.mean(axis=0) / mine.std(axis=0)))
        ratios = other.mean(axis=0) / other.std(axis=0)
        ranks.append(sum(r < ratios[best] for r in ratios) + 1)
        lost.append(other.mean(axis=0)[best] < 0)
    assert got.rank == pytest.approx(np.array(ranks) / 8)
    assert got.probability == np.mean(np.array(ranks) <= 4)
    assert got.loss_probability == np.mean(lost)


def test_a_real_edge_is_no_overfitting_and_a_choice_among_noise_is() -> None:
    noise = np.random.default_rng(5).standard_normal((40, 400, 20))
    chance = [overfitting(returns, blocks=8).probability for returns in noise]
    assert np.mean(chance) == pytest.approx(0.5, abs=0.1)
    edge = noise[0].copy()
    edge[:, 4] += 0.5
    assert overfitting(edge, blocks=8) == (0.0, pytest.approx(np.full(70, 20 / 21)), 0.0)


def test_what_makes_no_sense_is_refused() -> None:
    record = SharpeEstimate(0.1, 100)
    with pytest.raises(ConfigError, match="at least the one"):
        expected_maximum(0)
    with pytest.raises(ConfigError, match="negative"):
        deflated_sharpe(record, 2, -1.0)
    with pytest.raises(ConfigError, match="above 0"):
        minimum_backtest_length(10, 0.0)
    for shape, blocks in (((100, 1), 4), ((100, 3), 5), ((7, 3), 4)):
        with pytest.raises(ConfigError):
            overfitting(np.ones(shape), blocks)
