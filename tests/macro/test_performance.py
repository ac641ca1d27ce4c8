from __future__ import annotations

import numpy as np
import pytest
from candle_samples import HOUR, random_candles

from citadel_kit.macro.backtest import Backtest, CostConfig, backtest
from citadel_kit.macro.performance import max_drawdown, sharpe, summarize, trade_returns, verdict

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
        ([0.01, 0.009] * 50, "with no allowance for the variants tried"),
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
    assert all(np.isfinite(value) for value in summary.values())
