"""Walk-forward training the usual way: pandas rolling windows, shifted returns, scikit-learn. A peer of
bench_macro.py, run in a process of its own; prints one JSON object.

60 columns of the same kinds as the kit's (returns, volatilities, RSI, distances of means, channel, volume),
labels by a loop over bars for the same triple barriers, four expanding folds with a gap, and scikit-learn's
histogram boosting with the same number of trees, leaves and bins.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import TimeSeriesSplit

HORIZON, WIDTH, WINDOW, COLUMNS = 48, 0.7, 96, 60


def features(frame: pd.DataFrame) -> pd.DataFrame:
    close, returns, out = frame["close"], np.log(frame["close"]).diff(), {}
    for n in (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 144, 192):
        out[f"return_{n}"] = np.log(close).diff(n)
    for n in (12, 24, 48, 96, 144, 288, 576):
        out[f"volatility_{n}"] = returns.rolling(n).std()
    change = close.diff()
    for n in (7, 14, 21, 28, 42):
        gain = change.clip(lower=0).ewm(alpha=1 / n, min_periods=n).mean()
        loss = (-change.clip(upper=0)).ewm(alpha=1 / n, min_periods=n).mean()
        out[f"rsi_{n}"] = 100 * gain / (gain + loss)
    for n in (12, 24, 48, 72, 96, 144, 192, 288, 384, 576):
        out[f"ema_{n}"] = close / close.ewm(span=n, min_periods=n).mean() - 1
    for n in (24, 48, 96, 192, 288):
        low, high = frame["low"].rolling(n).min(), frame["high"].rolling(n).max()
        out[f"channel_{n}"] = (close - low) / (high - low)
    for n in (24, 48, 96, 192, 288):
        rolled = frame["volume"].rolling(n)
        out[f"volume_{n}"] = (frame["volume"] - rolled.mean()) / rolled.std()
    for n in (48, 96, 192, 288, 576):
        out[f"trend_{n}"] = returns.rolling(n).mean() / returns.rolling(n).std()
    out["range"] = (frame["high"] - frame["low"]) / close
    out["body"] = (close - frame["open"]) / close
    stamps = pd.DatetimeIndex(frame.index)
    hour, day = stamps.hour, stamps.dayofweek
    for name, value, period in (("hour", hour, 24), ("day", day, 7)):
        out[f"{name}_sin"] = pd.Series(np.sin(2 * np.pi * value / period), frame.index)
        out[f"{name}_cos"] = pd.Series(np.cos(2 * np.pi * value / period), frame.index)
    out["skew"], out["kurtosis"] = returns.rolling(288).skew(), returns.rolling(288).kurt()
    table = pd.DataFrame(out)
    assert table.shape[1] == COLUMNS, table.shape
    return table


def labels(frame: pd.DataFrame) -> pd.Series:
    returns = np.log(frame["close"]).diff()
    width = (returns.rolling(WINDOW).std() * WIDTH * np.sqrt(HORIZON)).to_numpy()
    opens, high, low = (frame[name].to_numpy() for name in ("open", "high", "low"))
    side = np.full(len(frame), np.nan)
    for t in range(len(frame) - HORIZON - 1):
        if not width[t] > 0:
            continue
        entry, ahead = opens[t + 1], slice(t + 1, t + 1 + HORIZON)
        over, under = high[ahead] >= entry * (1 + width[t]), low[ahead] <= entry * (1 - width[t])
        up = np.argmax(over) if over.any() else HORIZON
        down = np.argmax(under) if under.any() else HORIZON
        if min(up, down) < HORIZON:
            side[t] = 1.0 if up < down else 0.0
    return pd.Series(side, frame.index)


def marked() -> list[float]:
    return [time.perf_counter(), time.process_time()]


def main(path: str) -> None:
    frame = pd.read_parquet(path).set_index("ts")
    marks = [marked()]
    x = features(frame)
    marks.append(marked())
    y = labels(frame)
    marks.append(marked())
    data = x.assign(target=y).dropna()
    x, y = data.drop(columns="target"), data["target"]
    model = {
        "max_iter": 60,
        "learning_rate": 0.03,
        "max_leaf_nodes": 7,
        "min_samples_leaf": 500,
        "max_bins": 63,
    }
    losses = []
    for learn, test in TimeSeriesSplit(4, gap=2 * HORIZON).split(x):
        fitted = HistGradientBoostingClassifier(**model, early_stopping=False, random_state=7)
        fitted.fit(x.iloc[learn], y.iloc[learn])
        losses.append(log_loss(y.iloc[test], fitted.predict_proba(x.iloc[test])[:, 1]))
    HistGradientBoostingClassifier(**model, early_stopping=False, random_state=7).fit(x, y)
    marks.append(marked())
    print(
        json.dumps(
            {
                "seconds": np.diff(marks, axis=0).round(3).tolist(),
                "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "columns": x.shape[1],
                "log_loss": float(np.mean(losses)),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
