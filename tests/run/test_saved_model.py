from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from candle_samples import HOUR, START, random_candles

from citadel_kit.errors import ModelError
from citadel_kit.io.models import MANIFEST, features_hash, load_model, save_model
from citadel_kit.macro.backtest import CostConfig
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.features import FeatureConfig, feature_names
from citadel_kit.macro.labels import LabelConfig
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.macro.signals import SignalConfig
from citadel_kit.run.macro_loop import MacroConfig, MacroResult, run_macro
from citadel_kit.run.saved_model import SavedModel, settings_of

N = 1200
SMALL = FeatureConfig(
    return_lags=(1, 3), volatility_windows=(6, 24), ema_windows=(5,), channel_window=12, volume_window=12,
    trend_window=12, hurst_window=64,
)  # fmt: skip
CONFIG = MacroConfig(
    folds=2,
    embargo_bars=6,
    needs_skill=False,
    regime=RegimeConfig(hurst_window=128, volatility_window=24, history_window=120, stormy_above=5.0),
    features=SMALL._replace(higher=(("4h", SMALL),)),
    labels=LabelConfig(horizon=6, volatility_window=24),
    training=TrainConfig(rounds=10, min_leaf_rows=20),
    signal=SignalConfig(neutral_band=0.0, random_band=0.0, settle_bars=0),
    costs=CostConfig(0.0, 0.0),
)


def cycle(bars: int = N) -> MacroResult:
    return run_macro(random_candles(N), "1h", "BTC/USDT", START.value + bars * HOUR, CONFIG)


def saved(folder: Path, result: MacroResult) -> Path:
    return save_model(
        folder, result.model, candles=result.candles, timeframe="1h", symbol="BTC/USDT",
        config=CONFIG.training, trials=result.trials.count, settings=settings_of(CONFIG), folds=result.folds,
    )  # fmt: skip


def test_a_model_from_disk_says_what_the_cycle_said_and_goes_on(tmp_path: Path) -> None:
    result = cycle(1_190)
    saved(tmp_path / "m", result)
    model = SavedModel(tmp_path / "m", CONFIG)
    for bars in (1_190, 1_191, N):
        now = START.value + bars * HOUR
        signal = model.signal(random_candles(N), "1h", "BTC/USDT", now)
        assert signal.asof_ns == now
        if bars == 1_190:
            assert (signal.side, signal.reason) == (result.signal.side, result.signal.reason)
            assert signal.probability == pytest.approx(result.signal.probability, abs=1e-12)


def test_a_saved_model_without_skill_takes_no_side(tmp_path: Path) -> None:
    path, now = saved(tmp_path / "m", cycle()), START.value + N * HOUR
    careful = replace(CONFIG, needs_skill=True)
    manifest = json.loads(path.read_text())
    for skill, side in ((0.01, True), (-0.01, False), (0.0, False), (None, False)):
        path.write_text(json.dumps(manifest | {"skill": skill}))
        signal = SavedModel(tmp_path / "m", careful).signal(random_candles(N), "1h", "BTC/USDT", now)
        free = SavedModel(tmp_path / "m", CONFIG).signal(random_candles(N), "1h", "BTC/USDT", now)
        assert signal.side is (free.side if side else None)
        assert ("no better than its base rate" in signal.reason) is (free.side is not None and not side)
    assert free.side is not None


def test_another_market_or_other_features_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m", cycle())
    assert path.name == MANIFEST
    with pytest.raises(ModelError, match="trained on other features"):
        SavedModel(tmp_path / "m", replace(CONFIG, features=SMALL))
    for part, field, value in (
        ("features", "trend_window", 13), ("features", "hurst_window", 65), ("labels", "horizon", 7),
        ("features", "channel_window", 13), ("features", "volume_window", 13), ("labels", "width", 0.5),
        ("regime", "stormy_above", 4.0),
    ):  # fmt: skip
        other = replace(CONFIG, **{part: getattr(CONFIG, part)._replace(**{field: value})})
        assert feature_names(other.features) == feature_names(CONFIG.features)
        with pytest.raises(ModelError, match=rf"{part}\.{field} = .*, not {value};"):
            SavedModel(tmp_path / "m", other)
    wider = CONFIG.features._replace(higher=(("4h", SMALL._replace(hurst_window=65)),))
    with pytest.raises(ModelError, match=r"features\.higher\.4h\.hurst_window = 64, not 65"):
        SavedModel(tmp_path / "m", replace(CONFIG, features=wider))
    model = SavedModel(tmp_path / "m", CONFIG)
    for timeframe, symbol in (("4h", "BTC/USDT"), ("1h", "ETH/USDT")):
        with pytest.raises(ModelError, match="the model learned BTC/USDT 1h"):
            model.signal(random_candles(N), timeframe, symbol, START.value + N * HOUR)


def test_a_manifest_of_before_settings_were_kept_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m", cycle())
    manifest = json.loads(path.read_text())
    assert manifest["trials"] == CONFIG.tried_before + 1
    del manifest["settings"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="changed by hand"):
        SavedModel(tmp_path / "m", CONFIG)
    path.write_text(json.dumps(manifest | {"features_sha256": features_hash(tuple(manifest["features"]))}))
    with pytest.raises(ModelError, match=r"doesn't say which windows .* train and save the model anew"):
        SavedModel(tmp_path / "m", CONFIG)


def test_names_alone_do_not_open_a_model_that_was_saved_with_settings(tmp_path: Path) -> None:
    saved(tmp_path / "m", cycle())
    with pytest.raises(ModelError, match="names don't tell the windows"):
        load_model(tmp_path / "m", feature_names(CONFIG.features))
    assert load_model(tmp_path / "m").features == feature_names(CONFIG.features)
