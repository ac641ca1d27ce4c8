from __future__ import annotations

import numpy as np
import pytest
from candle_samples import HOUR, random_candles

from citadel_kit.errors import ConfigError
from citadel_kit.macro.backtest import Backtest, CostConfig, backtest
from citadel_kit.macro.candles import open_ns
from citadel_kit.macro.performance import (
    by_group,
    drawdowns,
    equity_curve,
    hours_utc,
    max_drawdown,
    rolling_sharpe,
    sharpe,
    shows_edge,
    summarize,
    trade_returns,
    verdict,
)
from citadel_kit.macro.significance import (
    Trials,
    estimate,
    minimum_track_record,
    probabilistic_sharpe,
)

DAY = 24 * HOUR


def result(net: list[float], position: list[float] | None = None) -> Backtest:
    values, held = np.array(net), np.array(position or [1.0] * len(net))
    return Backtest(held, values, np.zeros(len(net)), values, values, CostConfig())


def test_sharpe_is_annualised_with_365_days() -> None:
    returns = np.random.default_rng(1).normal(0.001, 0.02, 400)
    assert sharpe(returns, DAY) == pytest.approx(returns.mean() / returns.std() * np.sqrt(365))
    assert sharpe(returns, HOUR) == pytest.approx(returns.mean() / returns.std() * np.sqrt(365 * 24))
    assert sharpe(np.zeros(10), DAY) == 0.0
    assert sharpe(np.zeros(0), DAY) == 0.0


def test_drawdown_counts_a_loss_from_the_very_start() -> None:
    assert max_drawdown(np.array([-0.5, 1.0])) == pytest.approx(0.5)
    assert max_drawdown(np.array([1.0, -0.25, 0.1, -0.2])) == pytest.approx(1 - 0.75 * 1.1 * 0.8)
    assert max_drawdown(np.array([0.1, 0.1])) == 0.0


def test_trades_are_stretches_of_one_sign_with_their_exit_cost() -> None:
    net = [0.0, 0.02, 0.01, -0.001, 0.0, -0.03, 0.05]
    position = [0.0, 1.0, 0.5, 0.0, 0.0, 1.0, -1.0]
    assert trade_returns(result(net, position)) == pytest.approx([0.029, -0.03, 0.05])
    summary = summarize(result(net, position), DAY)
    assert summary["trades"] == 3
    assert summary["hit_rate"] == pytest.approx(2 / 3)


def test_summary_sets_the_rule_beside_buy_and_hold_after_costs() -> None:
    frame = random_candles(500)
    costs = CostConfig(fee_bps=10.0, slippage_bps=0.0)
    summary = summarize(backtest(frame, np.ones(500), costs), HOUR)
    change = frame["close"].iloc[-1] / frame["open"].iloc[0]
    assert summary["hold_return"] == pytest.approx(change * 0.998 - 1, abs=1e-3)
    assert summary["net_return"] < summary["gross_return"]
    assert (summary["fee_bps"], summary["slippage_bps"]) == (10.0, 0.0)
    assert summary["days"] == pytest.approx(500 / 24)
    assert summary["exposure"] == pytest.approx(499 / 500)
    assert summary["turnover"] == pytest.approx(2 / (500 / 24 / 365))
    assert summary["t_stat"] == pytest.approx(summary["sharpe"] * np.sqrt(500 / 24 / 365))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ([-0.01, 0.002] * 50, "it lost money, and shows no edge"),
        ([0.01, -0.0098] * 50, "can't be told from luck"),
        ([0.01, 0.009] * 50, "counts as an edge if nothing else was tried"),
    ],
)
def test_the_sentence_fits_the_numbers(net: list[float], words: str) -> None:
    said = verdict(summarize(result(net)._replace(costs=CostConfig(7.5, 1.0)), DAY))
    assert words in said
    assert "after costs of 8.5 bps a side (7.5 fee, 1 slippage)" in said


def test_no_trade_is_no_result() -> None:
    summary = summarize(result([0.0] * 10, [0.0] * 10), DAY)
    assert "at costs of 12 bps a side (10 fee, 2 slippage), the rule made no trade in 10 days" in verdict(
        summary
    )
    assert summary.pop("min_track_days") == np.inf
    assert all(np.isfinite(value) for value in summary.values())
    assert not shows_edge(summary)


def test_a_record_is_judged_as_the_best_of_what_was_tried() -> None:
    net = np.random.default_rng(5).normal(0.0, 0.01, 400)
    net += 0.001 - net.mean()
    alone = summarize(result(net.tolist()), DAY)
    trials = Trials(before=2)
    for seed in range(20):
        trials.add(estimate(np.random.default_rng(seed).normal(0, 0.01, 400)).sharpe)
    chosen = summarize(result(net.tolist()), DAY, trials)
    assert (alone["trials"], chosen["trials"]) == (1, 22)
    assert alone["deflated_sharpe"] == alone["probabilistic_sharpe"] == probabilistic_sharpe(estimate(net))
    assert chosen["deflated_sharpe"] == trials.deflate(estimate(net)) < alone["deflated_sharpe"]
    assert alone["min_track_days"] == pytest.approx(minimum_track_record(estimate(net)))
    assert shows_edge(alone) and "the only variant tried" in verdict(alone)
    assert not shows_edge(chosen)
    said = verdict(chosen)
    assert "as the best of 22 variants tried" in said and "can't be told from luck" in said
    assert f"would need {alone['min_track_days']:,.0f} days" in said


def test_drawdowns_and_rolling_sharpe_are_those_of_each_moment() -> None:
    net = np.random.default_rng(2).normal(0, 0.02, 60)
    fall, rolled = drawdowns(net), rolling_sharpe(net, DAY, 20)
    for t in range(60):
        assert fall[t] == pytest.approx(1 - equity_curve(net)[t] / max(1.0, *equity_curve(net)[: t + 1]))
        if t < 19:
            assert np.isnan(rolled[t])
        else:
            assert rolled[t] == pytest.approx(sharpe(net[t - 19 : t + 1], DAY))
    assert rolling_sharpe(np.full(5, 0.01), DAY, 3)[2:].tolist() == [0.0] * 3
    with pytest.raises(ConfigError, match="window"):
        rolling_sharpe(net, DAY, 1)


def test_groups_add_up_to_the_whole() -> None:
    frame = random_candles(300)
    done = backtest(frame, np.random.default_rng(1).choice([0.0, 0.5], 300))
    table = by_group(done, hours_utc(open_ns(frame)), HOUR)
    assert table.index.tolist() == list(range(24))
    assert table["bars"].sum() == 300
    assert table["net"].sum() == pytest.approx(done.net.sum())
    five = frame.index.hour == 5
    assert table.loc[5, "exposure"] == pytest.approx(np.abs(done.position[five]).mean())
    assert table.loc[5, "sharpe"] == pytest.approx(sharpe(done.net[five], HOUR))
    with pytest.raises(ConfigError, match="groups"):
        by_group(done, np.zeros(3), HOUR)
