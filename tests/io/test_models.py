from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_samples import random_candles

from citadel_kit.errors import ModelError
from citadel_kit.io.models import MANIFEST, candles_hash, load_model, read_manifest, save_model
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.labels import Labels
from citadel_kit.macro.splits import PurgedWalkForward
from citadel_kit.macro.trainer import Training, train

N = 600
CONFIG = TrainConfig(rounds=10, min_leaf_rows=20, learning_rate=0.1)


def trained(config: TrainConfig) -> tuple[pd.DataFrame, Training]:
    rng = np.random.default_rng(2)
    x = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N)})
    side = np.where(x["a"] + rng.standard_normal(N) > 0, 1, -1).astype(np.int8)
    labels = Labels(side, np.minimum(np.arange(N) + 3, N - 1), np.full(N, 0.01))
    return x, train(x, labels, PurgedWalkForward(2), config)


def saved(folder: Path, config: TrainConfig = CONFIG) -> tuple[pd.DataFrame, Training]:
    x, training = trained(config)
    save_model(
        folder, training.model, candles=random_candles(N), timeframe="1h", symbol="BTC/USDT", config=config,
        folds=training.folds, trials=3, notes={"why": "a test"},
    )  # fmt: skip
    return x, training


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("calibration", ["none", "platt", "isotonic"])
def test_a_model_comes_back_as_it_was(tmp_path: Path, kind: str, calibration: str) -> None:
    config = CONFIG._replace(kind=kind, calibration=calibration, early_stopping=3)
    x, training = saved(tmp_path / "m", config)
    loaded = load_model(tmp_path / "m", ("a", "b"))
    np.testing.assert_array_equal(loaded.predict(x), training.model.predict(x))
    assert loaded.touch_share == training.model.touch_share
    assert loaded.calibration == training.model.calibration
    assert loaded.trees == training.model.trees


def test_the_manifest_says_what_was_learned_from_what(tmp_path: Path) -> None:
    _, training = saved(tmp_path / "m")
    manifest = read_manifest(tmp_path / "m")
    candles = random_candles(N)
    assert manifest["features"] == ["a", "b"]
    assert manifest["data"]["bars"] == N
    assert manifest["data"]["sha256"] == candles_hash(candles)
    assert manifest["data"]["first_open"].startswith(candles.index[0].strftime("%Y-%m-%d"))
    assert manifest["trials"] == 3
    assert manifest["config"] == json.loads(json.dumps(CONFIG._asdict()))
    assert [fold["log_loss"] for fold in manifest["folds"]] == [fold.log_loss for fold in training.folds]
    assert set(manifest["versions"]) >= {"lightgbm", "xgboost", "numpy"}
    changed = candles.copy()
    changed.iloc[-1, 3] *= 1.0000001
    assert candles_hash(changed) != candles_hash(candles)


def test_nothing_on_disk_is_a_pickle(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    for path in (tmp_path / "m").iterdir():
        with pytest.raises(Exception), path.open("rb") as file:  # noqa: B017 - any error will do
            pickle.load(file)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_other_features_and_damaged_files_are_errors(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "m"
    saved(folder, CONFIG._replace(kind=kind))
    with pytest.raises(ModelError, match="their order"):
        load_model(folder, ("b", "a"))
    with pytest.raises(ModelError, match="c"):
        load_model(folder, ("a", "b", "c"))
    with pytest.raises(ModelError, match="already"):
        saved(folder)
    with pytest.raises(ModelError, match="name the folder"):
        load_model(tmp_path / "none")
    booster = next(p for p in folder.iterdir() if p.name.startswith("booster"))
    whole = booster.read_bytes()
    booster.write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="not the file"):
        load_model(folder)
    booster.unlink()
    with pytest.raises(ModelError, match="missing"):
        load_model(folder)


def test_a_manifest_changed_by_hand_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    path = tmp_path / "m" / MANIFEST
    whole = json.loads(path.read_text())
    for change, problem in (
        ({"features": ["b", "a"]}, "by hand"),
        ({"settings": {}}, "by hand"),
        ({"schema": 99}, "schema"),
        ({"kind": 3}, "incomplete"),
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(ModelError, match=problem):
            load_model(tmp_path / "m")
    path.write_text("{")
    with pytest.raises(ModelError, match="no JSON"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_bytes_that_are_no_booster(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "m"
    saved(folder, CONFIG._replace(kind=kind))
    booster = next(p for p in folder.iterdir() if p.name.startswith("booster"))
    booster.write_bytes(b"{}")
    path = folder / MANIFEST
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"booster_sha256": hashlib.sha256(b"{}").hexdigest()})
    )
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)
