"""Models on disk: a folder of the booster's own file and a manifest that says what it is.

Nothing here is a pickle: a model file from elsewhere can be wrong, but it can't run code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from citadel_kit import clock
from citadel_kit.errors import ModelError
from citadel_kit.macro import boosters
from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.calibration import Calibration
from citadel_kit.macro.candles import columns_of, open_ns
from citadel_kit.macro.features import FeatureConfig
from citadel_kit.macro.labels import LabelConfig
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.macro.trainer import FoldScore, Model, skill

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"
_BOOSTER: Final = {"lightgbm": "booster.txt", "xgboost": "booster.json"}
_LIBRARIES: Final = ("citadel-kit", "lightgbm", "numpy", "pandas", "scikit-learn", "xgboost")


class ModelSettings(NamedTuple):
    """What a model was trained and is asked with: a feature's name doesn't tell all its windows."""

    features: FeatureConfig
    labels: LabelConfig
    regime: RegimeConfig


def save_model(
    folder: str | Path,
    model: Model,
    *,
    candles: pd.DataFrame,
    timeframe: str,
    symbol: str,
    config: TrainConfig,
    trials: int,
    settings: ModelSettings | None = None,
    folds: tuple[FoldScore, ...] = (),
    notes: dict[str, Any] | None = None,
) -> Path:
    """Writes booster and manifest into `folder`, the manifest last, and returns that.

    The manifest holds the features and `settings` with their hash, span and hash of the candles learned from,
    the trainer's `config`, scores per fold, versions, and `trials`: how many variants were looked at until
    this one was kept, as `MacroResult.trials.count` says. `settings`: None for features of your own making,
    of which the names alone can be held against others. `notes` are kept as they are and must be JSON.
    Raises ModelError where `folder` holds a model already: a model is never overwritten.
    """
    folder = Path(folder)
    if (folder / MANIFEST).exists():
        raise ModelError(f"{folder} holds a model already; choose another folder, or delete it first")
    raw = boosters.dump(model.kind, model.booster)
    told = None if settings is None else _told(settings)
    opens = open_ns(candles)
    manifest = {
        "schema": SCHEMA,
        "made": clock.iso(clock.now_ns()),
        "kind": model.kind,
        "booster": _BOOSTER[model.kind],
        "booster_sha256": hashlib.sha256(raw).hexdigest(),
        "trees": model.trees,
        "features": list(model.features),
        "settings": told,
        "features_sha256": features_hash(model.features, told),
        "touch_share": model.touch_share,
        "calibration": model.calibration._asdict(),
        "symbol": symbol,
        "timeframe": timeframe,
        "data": {
            "first_open": clock.iso(int(opens[0])),
            "last_open": clock.iso(int(opens[-1])),
            "bars": len(candles),
            "sha256": candles_hash(candles),
        },
        "config": config._asdict(),
        "folds": [fold._asdict() for fold in folds],
        "skill": skill(folds),
        "trials": trials,
        "versions": {name: version(name) for name in _LIBRARIES},
        "notes": notes or {},
    }
    text = json.dumps(_plain(manifest), indent=2, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _BOOSTER[model.kind]).write_bytes(raw)
    part = folder / f"{MANIFEST}.part"
    part.write_text(text + "\n", "utf-8")
    os.replace(part, folder / MANIFEST)
    return folder / MANIFEST


def load_model(
    folder: str | Path, features: tuple[str, ...] | None = None, settings: ModelSettings | None = None
) -> Model:
    """Raises ModelError where there is none, a file is damaged or another's, or the model was trained on
    other `features` than those given (or the same in another order), or with other `settings`, of which the
    first that differs is named.

    A model that was saved with settings can't be held against names of features alone.
    """
    manifest, folder = read_manifest(folder), Path(folder)
    try:
        kind, names = manifest["kind"], tuple(manifest["features"])
        raw = (folder / _BOOSTER[kind]).read_bytes()
        wanted, share = manifest["booster_sha256"], float(manifest["touch_share"])
        calibration = manifest["calibration"]
        fitted = Calibration(calibration["kind"], tuple(calibration["x"]), tuple(calibration["y"]))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{folder / MANIFEST} is incomplete or its booster is missing: {error!r}") from error
    if hashlib.sha256(raw).hexdigest() != wanted:
        raise ModelError(
            f"{folder / _BOOSTER[kind]} is not the file the manifest was written for; train anew"
        )
    known = manifest.get("settings")
    if features_hash(names, known) != manifest.get("features_sha256"):
        raise ModelError(
            f"{folder / MANIFEST}: its features and settings don't give its own hash; it was changed by hand"
        )
    if features is not None and tuple(features) != names:
        odd = sorted(set(features) ^ set(names)) or ["their order"]
        raise ModelError(f"the model in {folder} was trained on other features ({', '.join(odd)})")
    if settings is not None or (features is not None and known is not None):
        _compare(folder, known, settings)
    booster = boosters.load(kind, raw)
    return Model(kind=kind, booster=booster, features=names, touch_share=share, calibration=fitted)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Raises ModelError where there is none, or one of another schema."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelError(
            f"{path} can't be read: {error.strerror}; name the folder of a saved model"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is no JSON: {error}") from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        raise ModelError(f"{path} has schema {found!r}; this version reads {SCHEMA}")
    return manifest  # type: ignore[no-any-return]


def features_hash(features: tuple[str, ...], settings: dict[str, Any] | None = None) -> str:
    """Of the names in their order, and of the settings that made them, as the manifest holds them."""
    lines = [*features, *([] if settings is None else [json.dumps(settings, sort_keys=True)])]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def candles_hash(candles: pd.DataFrame) -> str:
    """Of open times and the five columns, in their order; equal on every machine."""
    digest = hashlib.sha256(open_ns(candles).astype("<i8").tobytes())
    for column in columns_of(candles):
        digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()


def _compare(folder: Path, known: dict[str, Any] | None, settings: ModelSettings | None) -> None:
    if known is None:
        raise ModelError(
            f"{folder / MANIFEST} doesn't say which windows its features, labels and regimes had (it was "
            "saved without settings, or by an older version); train and save the model anew"
        )
    if settings is None:
        raise ModelError(
            f"names don't tell the windows of the features in {folder}; give `settings`, as it was saved with"
        )
    asked = _told(settings)
    for name in (*known, *(name for name in asked if name not in known)):
        if known.get(name) != asked.get(name):
            raise ModelError(
                f"the model in {folder} was trained with {name} = {known.get(name)}, not {asked.get(name)}; "
                "give its own settings, or train anew"
            )


def _told(settings: ModelSettings) -> dict[str, Any]:
    """Name of each field, such as `features.hurst_window` or `features.higher.4h.hurst_window` → value."""

    def fields(value: Any, name: str) -> Iterator[tuple[str, Any]]:
        if hasattr(value, "_asdict"):
            for field, part in value._asdict().items():
                yield from fields(part, f"{name}.{field}" if name else field)
        elif name.endswith(".higher"):
            yield name, [timeframe for timeframe, _ in value]
            for timeframe, part in value:
                yield from fields(part, f"{name}.{timeframe}")
        else:
            yield name, _plain(value)

    return dict(fields(settings, ""))


def _plain(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
