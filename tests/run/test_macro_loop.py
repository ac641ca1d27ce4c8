from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import HOUR, START, random_candles, without

from citadel_kit.errors import CandleError, ConfigError, ModelError
from citadel_kit.io.store import read_candles
from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.cache import Cache
from citadel_kit.macro.features import FeatureConfig, FeatureStream
from citadel_kit.macro.labels import LabelConfig
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.macro.search import Span
from citadel_kit.macro.signals import SignalConfig
from citadel_kit.macro.significance import estimate
from citadel_kit.macro.sizing import Caps
from citadel_kit.run.macro_loop import MacroConfig, MacroResult, infer, run_macro
from citadel_kit.types import Memory, Side

N = 1500
CONFIG = MacroConfig(
    train_bars=N,
    folds=3,
    embargo_bars=6,
    regime=RegimeConfig(hurst_window=128, volatility_window=24, history_window=120, stormy_above=5.0),
    features=FeatureConfig(volatility_windows=(6, 48), ema_windows=(12,), hurst_window=128),
    labels=LabelConfig(horizon=6, volatility_window=24),
    training=TrainConfig(rounds=20, min_leaf_rows=20),
)


def run(
    frame: pd.DataFrame, now_ns: int = START.value + N * HOUR, config: MacroConfig = CONFIG
) -> MacroResult:
    return run_macro(frame, "1h", "BTC/USDT", now_ns, config)


def momentum(n: int = N) -> pd.DataFrame:
    """A market whose last move says much of its next one."""
    frame, rng = random_candles(n), np.random.default_rng(8)
    moves = np.zeros(n)
    for t in range(1, n):
        moves[t] = 0.7 * moves[t - 1] + 0.01 * rng.standard_normal()
    close = 100 * np.exp(np.cumsum(moves))
    opens = np.concatenate(([100.0], close[:-1]))
    frame["open"], frame["close"] = opens, close
    frame["high"], frame["low"] = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    return frame


def test_a_cycle_says_what_it_used_and_when_its_signal_ends() -> None:
    calls: list[tuple[str, int, int]] = []
    now = START.value + N * HOUR + 5
    result = run_macro(random_candles(N), "1h", "BTC/USDT", now, CONFIG, lambda *call: calls.append(call))
    assert result.signal.asof_ns == START.value + N * HOUR
    assert result.signal.valid_until_ns == result.signal.asof_ns + CONFIG.signal.valid_bars * HOUR
    assert len(result.candles) == len(result.regimes) == len(result.probability) == N
    assert len(result.record.net) == N - N // 4
    assert len(result.folds) == 3
    assert calls[-1] == ("final model", 4, 4)


def test_candles_that_close_after_now_change_nothing() -> None:
    frame = random_candles(N)
    now = START.value + 1400 * HOUR + HOUR // 2
    changed = frame.copy()
    changed.iloc[1400:] *= 3.0
    assert (
        repr(run(frame, now).signal)
        == repr(run(changed, now).signal)
        == repr(run(frame.iloc[:1400], now).signal)
    )
    assert run(frame, now).signal.asof_ns == START.value + 1400 * HOUR


def test_only_the_newest_bars_are_trained_on() -> None:
    frame = random_candles(N + 300)
    now = START.value + (N + 300) * HOUR
    assert repr(run(frame, now).signal) == repr(run(frame.iloc[300:], now).signal)


def test_a_market_with_a_real_edge_is_traded_and_pays_after_costs() -> None:
    config = replace(CONFIG, signal=SignalConfig(neutral_band=0.02, random_band=0.02), long_only=False)
    result = run(momentum(), config=config)
    assert result.skill > 0.02
    assert result.summary["net_return"] > 0
    assert result.summary["t_stat"] > 2
    assert result.signal.side in {Side.BUY, Side.SELL}
    assert result.signal.fraction > 0


def test_trades_may_be_left_at_the_barriers_of_their_labels() -> None:
    eager = replace(CONFIG, signal=SignalConfig(neutral_band=0.02, random_band=0.02))
    timed, placed = (run(momentum(), config=replace(eager, exits=exits)) for exits in ("time", "barriers"))
    held, waited = placed.record.position, timed.record.position
    assert held.min() == 0.0, "long only"
    first = np.flatnonzero(held)[0]
    assert first == np.flatnonzero(waited)[0], "entries are the same"
    width = placed.labels.width[N - len(held) + first - 1]
    bars = placed.candles.iloc[N - len(held) + first :]
    inside = bars.iloc[: CONFIG.labels.horizon]
    out = (inside["high"] / bars["open"].iloc[0] >= 1 + width) | (
        inside["low"] / bars["open"].iloc[0] <= 1 - width
    )
    stays = int(out.to_numpy().argmax()) if out.any() else CONFIG.labels.horizon
    made = placed.record.gross[first : first + stays + 1].sum() / held[first]
    assert stays < CONFIG.labels.horizon and abs(made) == pytest.approx(width, rel=0.05)
    with pytest.raises(ConfigError, match="neither"):
        run(momentum(), config=replace(CONFIG, exits="hope"))


def test_a_random_walk_shows_no_skill_and_is_left_alone() -> None:
    for seed in range(3):
        result = run(random_candles(N, seed=seed))
        assert result.skill <= 0
        assert result.signal.side is None
        assert result.signal.reason.startswith("flat: ")
        assert result.summary["t_stat"] < 2


def test_a_model_without_skill_takes_no_side_unless_told_to() -> None:
    eager = replace(
        CONFIG, signal=SignalConfig(neutral_band=0.0, random_band=0.0), costs=CostConfig(0.0, 0.0)
    )
    vetoed, bold = (
        run(random_candles(N), config=replace(eager, needs_skill=needs)) for needs in (True, False)
    )
    assert vetoed.skill == bold.skill < 0
    assert vetoed.signal.side is None
    assert "no better than its base rate" in vetoed.signal.reason
    assert bold.signal.side in {Side.BUY, Side.SELL}


def test_the_costs_given_are_those_of_the_record_the_signal_and_the_verdict() -> None:
    dear = replace(
        CONFIG,
        needs_skill=False,
        signal=SignalConfig(neutral_band=0.0, random_band=0.0),
        costs=CostConfig(fee_bps=40_000.0, slippage_bps=1.0),
    )
    result = run(random_candles(N), config=dear)
    assert result.record.costs == dear.costs
    assert result.summary["fee_bps"] == 40_000.0
    assert "at costs of 40001 bps a side (40000 fee, 1 slippage)" in result.verdict
    assert "does not pass costs of 80002 bps" in result.signal.reason


def test_what_was_tried_is_counted_from_cycle_to_cycle() -> None:
    frame = random_candles(N)
    first = run(frame)
    assert first.summary["trials"] == CONFIG.tried_before + 1 == 4
    again = run_macro(frame, "1h", "BTC/USDT", START.value + N * HOUR, CONFIG, trials=first.trials)
    assert (again.trials, again.summary["trials"]) == (first.trials, 4)
    other = replace(CONFIG, labels=LabelConfig(horizon=12, volatility_window=24))
    second = run_macro(frame, "1h", "BTC/USDT", START.value + N * HOUR, other, trials=first.trials)
    assert second.summary["trials"] == 5
    assert second.trials.sharpes[1] == estimate(second.record.net).sharpe
    assert second.summary["deflated_sharpe"] == second.trials.deflate(estimate(second.record.net), HOUR)


def test_a_search_within_the_cycle_counts_all_it_tried() -> None:
    config = replace(CONFIG, search_trials=4, search_space={"learning_rate": Span(0.01, 0.2, log=True)})
    result = run(random_candles(N), config=config)
    assert result.trials.count == CONFIG.tried_before + 4
    assert result.config.training != CONFIG.training
    assert any(str(result.config.training) in name for name in result.trials.names)
    assert estimate(result.record.net).sharpe in result.trials.sharpes


def test_the_default_search_fits_the_rows_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    result = run(random_candles(N), config=replace(CONFIG, search_trials=5))
    assert result.trials.count == CONFIG.tried_before + 5
    assert set(result.trials.bars_ns) == {HOUR}
    assert result.config.training.min_leaf_rows <= N // 4 // 2
    assert "Traceback" not in capfd.readouterr().err


def test_cycles_on_bars_of_several_lengths_are_judged_alike() -> None:
    first = run(random_candles(N))
    quick = random_candles(N).set_axis(pd.date_range(START, periods=N, freq="5min"))
    second = run_macro(quick, "5m", "BTC/USDT", START.value + N * HOUR, CONFIG, trials=first.trials)
    trials = second.trials
    assert trials.bars_ns == [HOUR, HOUR // 12]
    deflated = trials.deflate(estimate(second.record.net), HOUR // 12)
    assert second.summary["deflated_sharpe"] == deflated


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_every_setting_of_the_trainer_is_open(kind: str) -> None:
    training = TrainConfig(
        kind=kind, rounds=40, min_leaf_rows=20, early_stopping=5, calibration="platt", balance=True,
        monotone=(("return_1", 1),), ridge=1.0,
    )  # fmt: skip
    result = run(momentum(), config=replace(CONFIG, training=training))
    assert (result.model.kind, result.model.calibration.kind) == (kind, "platt")
    assert result.model.trees <= 40
    assert result.skill > 0
    steps = result.features.tail(1).loc[lambda f: f.index.repeat(50)].copy()
    steps["return_1"] = np.linspace(-3, 3, 50)
    assert (np.diff(result.model.predict(steps)) >= 0).all()


def test_labels_are_weighed_by_what_no_other_saw() -> None:
    weighed, even = (
        run(momentum(), config=replace(CONFIG, weigh_by_uniqueness=wanted)) for wanted in (True, False)
    )
    assert not np.allclose(weighed.probability, even.probability, equal_nan=True)


def test_no_more_is_asked_for_than_the_caps_leave() -> None:
    config = replace(CONFIG, caps=Caps(symbol=0.11), signal=SignalConfig(neutral_band=0.0, random_band=0.0))
    result = run(momentum(), config=config)
    assert result.record.position.max() == 0.11
    assert 0 < result.signal.fraction <= 0.11


def test_a_model_trained_before_gives_the_signal_of_its_own_cycle_and_of_later_candles() -> None:
    config = replace(CONFIG, needs_skill=False, signal=SignalConfig(neutral_band=0.0, random_band=0.0))
    frame, now = without(momentum(), 700, 705), START.value + N * HOUR
    result = run(frame, config=config)
    assert repr(infer(frame, "1h", "BTC/USDT", now, result.model, config)) == repr(result.signal)
    stream = FeatureStream("1h", config.features)
    sides = set()
    for bars in range(1_400, 1_495, 7):
        signal = infer(frame.iloc[:bars], "1h", "BTC/USDT", now, result.model, config, stream)
        alone = infer(frame.iloc[:bars], "1h", "BTC/USDT", now, result.model, config)
        assert signal.side == alone.side
        assert signal.probability == pytest.approx(alone.probability, abs=1e-9)
        assert signal.asof_ns == frame.index[bars - 1].value + HOUR
        sides.add(signal.side)
    assert len(sides) > 1
    assert infer(frame, "1h", "BTC/USDT", now, result.model, config, veto="no").reason == "flat: no"
    with pytest.raises(ModelError, match="other features"):
        infer(frame, "1h", "BTC/USDT", now, result.model, MacroConfig())


def test_cycles_that_share_a_cache_measure_once_and_say_the_same() -> None:
    cache, frame, now = Cache(), random_candles(N), START.value + N * HOUR
    other = replace(CONFIG, labels=LabelConfig(horizon=12, volatility_window=24))
    for config in (CONFIG, other):
        shared = run_macro(frame, "1h", "BTC/USDT", now, config, cache=cache)
        alone = run(frame, config=config)
        assert repr(shared.signal) == repr(alone.signal)
        np.testing.assert_array_equal(shared.record.net, alone.record.net)
    assert (cache.hits, cache.misses) == (2, 2)


def test_just_behind_a_hole_the_regime_is_unknown_and_the_signal_flat() -> None:
    result = run(without(momentum(), N - 50, N - 40))
    assert [gap.bars for gap in result.gaps] == [10]
    assert result.signal.regime.memory is Memory.UNKNOWN
    assert "regime is unknown" in result.signal.reason
    assert np.isnan(result.signal.probability)


def test_faulty_or_too_few_candles_are_errors() -> None:
    with pytest.raises(CandleError, match="no candle closed"):
        run(random_candles(N), START.value)
    broken = random_candles(N)
    broken.iloc[7, 0] = np.nan
    with pytest.raises(CandleError, match="NaN"):
        run(broken)
    with pytest.raises(ModelError, match="too few"):
        run(random_candles(N).iloc[:150])


def test_the_real_market_before_the_tape(shared: Path) -> None:
    frame = read_candles(shared / "candles/binance_spot_5m/BTCUSDT-5m_20220101_20260131.parquet")
    now = pd.Timestamp("2024-08-08T23:54", tz="UTC").value
    result = run_macro(frame, "5m", "BTC/USDT", now, MacroConfig(train_bars=12_000))
    assert result.signal.asof_ns == pd.Timestamp("2024-08-08T23:50", tz="UTC").value
    assert result.candles.index[-1] == pd.Timestamp("2024-08-08T23:45", tz="UTC")
    assert 0 < result.signal.probability < 1
    assert result.signal.regime.memory is not Memory.UNKNOWN
    assert "Out of sample" in result.verdict
