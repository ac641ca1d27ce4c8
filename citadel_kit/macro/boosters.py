"""LightGBM and XGBoost behind one small face: fit, probability, importance, contributions, bytes.

Both grow trees leaf by leaf on histograms, so the same settings mean nearly the same. Classes are 0 and 1.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError, ModelError
from citadel_kit.macro.candles import Floats

KINDS: Final = ("lightgbm", "xgboost")
_BINS: Final = 63
_SAMPLE: Final = 60_000
"""Rows from which LightGBM finds its bins: more of them cost more than the trees do, for the same 63 bins."""
_HESSIAN: Final = 0.25
"""Of the log loss per row at probability one half: what XGBoost counts instead of rows."""


class TrainConfig(NamedTuple):
    """Small trees and big leaves: the labels of neighbouring bars overlap, so rows are worth far less than
    they count."""

    kind: str = "lightgbm"
    """Or `xgboost`."""
    rounds: int = 60
    """Trees; with `early_stopping` the most there may be."""
    learning_rate: float = 0.03
    leaves: int = 7
    min_leaf_rows: int = 500
    feature_share: float = 0.7
    """Of the columns, drawn anew for each tree."""
    ridge: float = 0.0
    """L2 penalty of leaf values."""
    monotone: tuple[tuple[str, int], ...] = ()
    """(feature, 1 or -1): the probability may only rise, or only fall, with it."""
    balance: bool = False
    """Both classes weigh the same in all, however many rows they have."""
    early_stopping: int = 0
    """Stop after so many trees without gain on the newest fifth of the training rows; 0: never. That fifth
    is purged as a test set is, and the model is fitted anew on all training rows with the trees found."""
    calibration: str = "none"
    """Or `platt`, `isotonic`: fitted on the same fifth, which neither the trees nor the test rows saw."""
    seed: int = 7
    threads: int = 1
    """LightGBM's results don't depend on it. One thread leaves the other cores to the fast loop; several spin
    while they wait for each other, on a busy machine for most of the time, unless OMP_WAIT_POLICY=passive
    stood in the environment when the process began."""
    device: str = "cpu"
    """Or `gpu`, where the installed wheel and the machine have it."""


class Matrix(NamedTuple):
    x: NDArray[np.floating[Any]]
    """Shape (rows, features); no NaN."""
    y: Floats
    weight: Floats


def fit(
    config: TrainConfig, features: tuple[str, ...], data: Matrix, held: Matrix | None, rounds: int
) -> Any:
    """At most `rounds` trees, with `held` stopped early on that. Raises ConfigError or ModelError."""
    check(config, features)
    if config.kind == "lightgbm":
        return _fit_lightgbm(config, features, data, held, rounds)
    return _fit_xgboost(config, features, data, held, rounds)


def trees(kind: str, booster: Any) -> int:
    """Trees that count: up to the best round where it stopped early."""
    if kind == "lightgbm":
        return int(booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration())
    stopped = booster.attr("best_iteration")
    return int(stopped) + 1 if stopped is not None else int(booster.num_boosted_rounds())


def probability(kind: str, booster: Any, x: NDArray[np.floating[Any]]) -> Floats:
    if kind == "lightgbm":
        return np.asarray(booster.predict(x, num_threads=1), dtype=np.float64)
    import xgboost

    data = xgboost.DMatrix(x, nthread=1, feature_names=booster.feature_names)
    return np.asarray(booster.predict(data, iteration_range=(0, trees(kind, booster))), dtype=np.float64)


def importance(kind: str, booster: Any, features: tuple[str, ...]) -> Floats:
    """Share of the total gain that splits on each feature brought; all 0 where no tree splits."""
    if kind == "lightgbm":
        gain = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    else:
        found = booster.get_score(importance_type="total_gain")
        gain = np.array([float(found.get(name, 0.0)) for name in features])
    return np.asarray(gain / gain.sum() if gain.sum() > 0 else gain, dtype=np.float64)


def contributions(kind: str, booster: Any, x: NDArray[np.floating[Any]]) -> Floats:
    """SHAP values of the log-odds by the boosters' own TreeSHAP, shape (rows, features + 1); the last column
    is the base. Each row sums to the log-odds before calibration."""
    if kind == "lightgbm":
        return np.asarray(booster.predict(x, pred_contrib=True, num_threads=1), dtype=np.float64)
    import xgboost

    data = xgboost.DMatrix(x, nthread=1, feature_names=booster.feature_names)
    last = (0, trees(kind, booster))
    return np.asarray(booster.predict(data, pred_contribs=True, iteration_range=last), dtype=np.float64)


def dump(kind: str, booster: Any) -> bytes:
    """In the library's own text format, which holds no code."""
    if kind == "lightgbm":
        return str(booster.model_to_string(num_iteration=trees(kind, booster))).encode()
    return bytes(booster[: trees(kind, booster)].save_raw("json"))


def load(kind: str, raw: bytes) -> Any:
    """Raises ModelError for bytes that are no such model."""
    try:
        if kind == "lightgbm":
            return lightgbm_module().Booster(model_str=raw.decode())
        import xgboost

        json.loads(raw)
        return xgboost.Booster(model_file=bytearray(raw))
    except (ValueError, _library_error(kind)) as error:
        raise ModelError(f"the file is no {kind} model, or is damaged: {error}") from error


def lightgbm_module() -> ModuleType:
    """LightGBM's library is linked to the system's OpenMP runtime, which a slim machine lacks."""
    try:
        import lightgbm
    except OSError as error:
        raise ModelError(
            f"LightGBM can't load its OpenMP runtime ({error}); install it: apt-get install libgomp1 "
            "(Debian, Ubuntu), brew install libomp (macOS), or conda install libgomp"
        ) from error
    return lightgbm


def _library_error(kind: str) -> type[Exception]:
    if kind == "lightgbm":
        return lightgbm_module().basic.LightGBMError  # type: ignore[no-any-return]
    import xgboost

    return xgboost.core.XGBoostError


def check(config: TrainConfig, features: tuple[str, ...]) -> None:
    """Raises ConfigError for a setting that can't be, whatever the rows."""
    unknown = sorted({name for name, _ in config.monotone} - set(features))
    for setting, wrong, problem in (
        ("kind", config.kind not in KINDS, f"{config.kind!r} is none of {', '.join(KINDS)}"),
        ("device", config.device not in {"cpu", "gpu"}, f"{config.device!r} is neither cpu nor gpu"),
        ("rounds", config.rounds < 1, f"{config.rounds}: at least one tree"),
        ("learning_rate", not config.learning_rate > 0, f"{config.learning_rate}: must be above 0"),
        ("leaves", config.leaves < 2, f"{config.leaves}: at least two"),
        ("min_leaf_rows", config.min_leaf_rows < 1, f"{config.min_leaf_rows}: at least one"),
        ("feature_share", not 0 < config.feature_share <= 1, f"{config.feature_share} is not in (0, 1]"),
        ("ridge", not config.ridge >= 0, f"{config.ridge} is negative"),
        ("early_stopping", config.early_stopping < 0, f"{config.early_stopping} is negative"),
        ("monotone", bool(unknown), f"no such feature: {', '.join(unknown)}"),
        ("monotone", any(way not in {1, -1} for _, way in config.monotone), "1 rises, -1 falls"),
    ):
        if wrong:
            raise ConfigError(f"training.{setting}", problem)


def _constraints(config: TrainConfig, features: tuple[str, ...]) -> list[int]:
    ways = dict(config.monotone)
    return [ways.get(name, 0) for name in features]


def _fit_lightgbm(
    config: TrainConfig, features: tuple[str, ...], data: Matrix, held: Matrix | None, rounds: int
) -> Any:
    lightgbm = lightgbm_module()
    parameters: dict[str, Any] = {
        "objective": "binary",
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.min_leaf_rows,
        "feature_fraction": config.feature_share,
        "lambda_l2": config.ridge,
        "max_bin": _BINS,
        "bin_construct_sample_cnt": _SAMPLE,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }
    if config.monotone:
        parameters["monotone_constraints"] = _constraints(config, features)
    if config.device == "gpu":
        parameters |= {"device_type": "gpu", "force_row_wise": False, "deterministic": False}
    learn = lightgbm.Dataset(data.x, data.y, weight=data.weight, feature_name=list(features))
    callbacks, sets = [], []
    if held is not None:
        sets = [lightgbm.Dataset(held.x, held.y, weight=held.weight, reference=learn)]
        callbacks = [lightgbm.early_stopping(config.early_stopping, verbose=False)]
    try:
        return lightgbm.train(parameters, learn, rounds, valid_sets=sets, callbacks=callbacks)
    except lightgbm.basic.LightGBMError as error:
        if config.device == "gpu":
            raise ConfigError(
                "training.device",
                f"the installed LightGBM can't use a GPU ({error})",
                "Use kind='xgboost', whose wheel can, or device='cpu'",
            ) from error
        raise ModelError(f"LightGBM: {error}") from error


def _fit_xgboost(
    config: TrainConfig, features: tuple[str, ...], data: Matrix, held: Matrix | None, rounds: int
) -> Any:
    import xgboost

    parameters: dict[str, Any] = {
        "objective": "binary:logistic",
        "eta": config.learning_rate,
        "grow_policy": "lossguide",
        "max_leaves": config.leaves,
        "max_depth": 0,
        "min_child_weight": config.min_leaf_rows * _HESSIAN,
        "colsample_bytree": config.feature_share,
        "lambda": config.ridge,
        "max_bin": _BINS,
        "tree_method": "hist",
        "seed": config.seed,
        "nthread": config.threads,
        "device": "cuda" if config.device == "gpu" else "cpu",
        "verbosity": 0,
    }
    if config.monotone:
        parameters["monotone_constraints"] = tuple(_constraints(config, features))
    names = list(features)
    learn = xgboost.DMatrix(data.x, data.y, weight=data.weight, feature_names=names, nthread=config.threads)
    stopping: dict[str, Any] = {}
    if held is not None:
        watch = xgboost.DMatrix(
            held.x, held.y, weight=held.weight, feature_names=names, nthread=config.threads
        )
        stopping = {"evals": [(watch, "held")], "early_stopping_rounds": config.early_stopping}
    booster = xgboost.train(parameters, learn, rounds, verbose_eval=False, **stopping)
    used = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if config.device == "gpu" and not used.startswith("cuda"):
        raise ConfigError(
            "training.device",
            "XGBoost finds no GPU here and would have used the processor",
            "Use device='cpu'",
        )
    return booster
