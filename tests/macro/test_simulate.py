from __future__ import annotations

import numpy as np
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import CostConfig, backtest
from citadel_kit.macro.performance import sharpe
from citadel_kit.macro.quality import check
from citadel_kit.macro.simulate import MODELS, SIGMA, WEEK_BARS, drift_for, planted, random_walk, season

HOUR = 3_600 * 10**9


@pytest.mark.parametrize("model", MODELS)
def test_a_walk_is_sound_has_the_volatility_stated_and_no_drift(model: str) -> None:
    frame = random_walk(model, 60_000, np.random.default_rng(3))
    assert check(frame, "1h") == ()
    moves = np.diff(np.log(frame["close"].to_numpy()))
    assert moves.std() == pytest.approx(SIGMA, rel=0.1)
    simple = np.expm1(moves)
    assert abs(simple.mean()) < 3 * simple.std() / np.sqrt(len(moves))
    # Neither the season nor the last move says anything.
    for told in (season(len(moves)), np.sign(np.roll(moves, 1))):
        assert abs((told * moves).mean()) < 3 * moves.std() / np.sqrt(len(moves))


def test_models_differ_in_tails_and_in_how_volatility_lasts() -> None:
    def kurtosis_and_memory(model: str) -> tuple[float, float]:
        frame = random_walk(model, 40_000, np.random.default_rng(5))
        moves = np.diff(np.log(frame["close"].to_numpy()))
        size = np.abs(moves)
        return float(((moves / moves.std()) ** 4).mean()), float(np.corrcoef(size[:-5], size[5:])[0, 1])

    found = {model: kurtosis_and_memory(model) for model in MODELS}
    assert found["constant"][0] == pytest.approx(3.0, abs=0.2)
    assert abs(found["constant"][1]) < 0.02
    for model in ("garch", "stochastic", "switching"):
        assert found[model][0] > 3.3
        assert found[model][1] > 0.05
    assert found["fat tails"][0] > 4
    assert abs(found["fat tails"][1]) < 0.05


@pytest.mark.parametrize("worth", [0.5, 2.0, 4.0])
def test_the_oracle_is_worth_what_was_set_after_costs(worth: float) -> None:
    costs, found = CostConfig(), []
    for seed in range(6):
        model = MODELS[seed % len(MODELS)]
        frame = planted(model, 8_760 * 4, np.random.default_rng(seed), drift_for(worth, costs))
        held = backtest(frame, np.roll(season(len(frame)), -1), costs, long_only=False)
        found.append(sharpe(held.net, HOUR))
    # Four years each: the standard error of one is 0.5.
    assert np.mean(found) == pytest.approx(worth, abs=3 * 0.5 / np.sqrt(6))


def test_the_season_is_half_a_week_each_and_weeks_begin_on_monday() -> None:
    held = season(2 * WEEK_BARS)
    assert held[: WEEK_BARS // 2].tolist() == [1.0] * 84
    assert held.sum() == 0
    assert random_walk("constant", 10, np.random.default_rng(1)).index[0].day_name() == "Monday"


def test_unknown_models_are_named() -> None:
    with pytest.raises(ConfigError, match="brownian"):
        random_walk("brownian", 100, np.random.default_rng(1))
