"""A model from disk at work: candles in, signals out, nothing trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from citadel_kit.errors import ModelError
from citadel_kit.io.models import ModelSettings, load_model, read_manifest
from citadel_kit.macro.features import FeatureStream, feature_names
from citadel_kit.run.macro_loop import MacroConfig, infer
from citadel_kit.types import MacroSignal


def settings_of(config: MacroConfig) -> ModelSettings:
    """What `save_model` keeps of a cycle's settings."""
    return ModelSettings(config.features, config.labels, config.regime)


class SavedModel:
    """The slow loop of a notebook that trades a model of yesterday.

    Give `config` as the model was trained with. Raises ModelError where the folder holds no sound model, one
    that doesn't say what it was trained with, or one trained with other features, labels or regimes.
    """

    def __init__(self, folder: str | Path, config: MacroConfig | None = None) -> None:
        self.config = config or MacroConfig()
        self.manifest = read_manifest(folder)
        self.symbol, self.timeframe = str(self.manifest["symbol"]), str(self.manifest["timeframe"])
        self._stream = FeatureStream(self.timeframe, self.config.features)
        self.model = load_model(folder, feature_names(self.config.features), settings_of(self.config))

    def signal(self, candles: pd.DataFrame, timeframe: str, symbol: str, now_ns: int) -> MacroSignal:
        """As of `macro_loop.infer`; a call with further candles costs the new ones. No side is taken on a
        model whose manifest shows no skill. Raises ModelError for a market or timeframe it didn't learn."""
        if (symbol, timeframe) != (self.symbol, self.timeframe):
            raise ModelError(
                f"the model learned {self.symbol} {self.timeframe}, not {symbol} {timeframe}; train one"
            )
        skill, veto = self.manifest["skill"], ""
        if self.config.needs_skill and not (skill is not None and skill > 0):
            gained = "unknown" if skill is None else f"{skill:+.1%}"
            veto = f"out of sample the saved model was no better than its base rate (skill {gained})"
        return infer(candles, timeframe, symbol, now_ns, self.model, self.config, self._stream, veto)
