"""The tear sheet: what is drawn is the record's own, on screen and as a still."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest
from candle_samples import HOUR, START, random_candles

from citadel_kit.macro.boosters import TrainConfig
from citadel_kit.macro.features import FeatureConfig
from citadel_kit.macro.labels import LabelConfig
from citadel_kit.macro.regimes import RegimeConfig
from citadel_kit.macro.signals import SignalConfig
from citadel_kit.notebook.tearsheet import measure, plotly_figure, still, tear_sheet
from citadel_kit.run.macro_loop import MacroConfig, MacroResult, run_macro

N = 1500


@pytest.fixture(scope="module")
def result() -> MacroResult:
    config = MacroConfig(
        folds=3,
        embargo_bars=6,
        regime=RegimeConfig(hurst_window=128, volatility_window=24, history_window=120),
        features=FeatureConfig(volatility_windows=(6, 48), ema_windows=(12,), hurst_window=128),
        labels=LabelConfig(horizon=6, volatility_window=24),
        training=TrainConfig(rounds=20, min_leaf_rows=20),
        signal=SignalConfig(neutral_band=0.0, random_band=0.0),
    )
    return run_macro(random_candles(N, volatility=0.03), "1h", "BTC/USDT", START.value + N * HOUR, config)


def test_the_sheet_holds_the_record(result: MacroResult) -> None:
    sheet, rows = measure(result), len(result.record.net)
    assert sheet.times[0] == np.datetime64(result.candles.index[-rows].tz_localize(None))
    assert sheet.equity[-1] - 1 == pytest.approx(result.summary["net_return"])
    assert sheet.drawdown.max() == pytest.approx(result.summary["max_drawdown"])
    assert np.abs(sheet.exposure).mean() == pytest.approx(result.summary["exposure"]) != 0
    assert sheet.by_regime["bars"].sum() == sheet.by_hour["bars"].sum() == rows
    assert sheet.by_regime["net"].sum() == pytest.approx(result.record.net.sum())
    assert sheet.days == rows // 3 // 24
    # A regime known only at the close of a bar isn't that bar's: the rows begin one bar later.
    first = result.regimes.iloc[-rows - 1 : -1]
    random = sum(bars for name, bars in sheet.by_regime["bars"].items() if "random" in str(name))
    assert random == int((first["memory"].astype(str) == "random").sum()) > 0


def test_on_screen_and_in_the_file(result: MacroResult) -> None:
    shown = tear_sheet(result)
    bundle = shown._repr_mimebundle_()
    assert b64decode(bundle["image/png"]) == still(shown.sheet)
    assert b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == result.verdict
    plot = bundle["application/vnd.plotly.v1+json"]
    assert len(plot["data"]) == 8
    words = " ".join(a["text"] for a in plot["layout"]["annotations"])
    for word in ("equity", "drawdown", "held", "Sharpe", "regime", "hour"):
        assert word in words
    assert result.verdict[:50] in plot["layout"]["title"]["text"]


def test_a_long_record_is_thinned_for_the_screen(result: MacroResult) -> None:
    sheet = measure(result)
    long = sheet._replace(
        **{
            name: np.tile(getattr(sheet, name), 4)
            for name in sheet._fields
            if isinstance(getattr(sheet, name), np.ndarray)
        }
    )
    line = plotly_figure(long).data[0]
    assert len(line.x) == 1_500
    assert line.y[-1] == pytest.approx(sheet.market[-1], abs=1e-5)
