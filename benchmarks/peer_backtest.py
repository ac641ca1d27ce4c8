"""One moving-average rule in vectorbt and in backtesting, for bench_macro.py: prints one JSON object a peer.

Run in an interpreter of its own: `python -m venv peer && peer/bin/pip install vectorbt backtesting pyarrow`.
Seconds are of CPU time.
Long with all equity from the open after the fast mean closes above the slow one, flat from the open after it
no longer does. A first, untimed run on few bars compiles what is compiled.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

import pandas as pd

FAST, SLOW, FEE = 24, 96, 0.001

warnings.filterwarnings("ignore")


def vectorbt(frame: pd.DataFrame, fee: float) -> dict[str, Any]:
    import vectorbt as vbt

    begun = time.process_time()
    fast, slow = vbt.MA.run(frame["close"], FAST).ma, vbt.MA.run(frame["close"], SLOW).ma
    above = fast > slow
    above.iloc[:SLOW] = False  # as backtesting, which decides nothing at the first bar that has both means
    wanted = above.shift(1, fill_value=False)
    before = wanted.shift(1, fill_value=False)
    portfolio = vbt.Portfolio.from_signals(
        frame["close"], wanted & ~before, ~wanted & before, price=frame["open"], fees=fee, init_cash=1e6
    )
    equity = portfolio.value().to_numpy()
    seconds = time.process_time() - begun
    table = portfolio.trades.records
    trades = [[int(t.entry_idx), int(t.exit_idx)] for t in table.itertuples()]
    return {"seconds": seconds, "trades": trades, "made": float(equity[-1] / 1e6 - 1)}


def backtesting(frame: pd.DataFrame, fee: float) -> dict[str, Any]:
    from backtesting import Strategy
    from backtesting.lib import FractionalBacktest

    class Cross(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.fast = self.I(lambda: close.rolling(FAST).mean().to_numpy())
            self.slow = self.I(lambda: close.rolling(SLOW).mean().to_numpy())

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1]:
                if not self.position:
                    self.buy()
            elif self.position:
                self.position.close()

    named = frame.rename(columns=str.capitalize)
    begun = time.process_time()
    test = FractionalBacktest(named, Cross, cash=1e6, commission=fee, finalize_trades=True)
    stats = test.run()
    seconds = time.process_time() - begun
    table = stats["_trades"]
    trades = sorted([int(a), int(b)] for a, b in zip(table["EntryBar"], table["ExitBar"], strict=True))
    return {"seconds": seconds, "trades": trades, "made": float(stats["Equity Final [$]"] / 1e6 - 1)}


def main(path: str, bars: int, peers: list[str]) -> None:
    frame = pd.read_parquet(path).set_index("ts").tail(bars)
    for name in peers:
        run = {"vectorbt": vectorbt, "backtesting": backtesting}[name]
        run(frame.head(2_000), FEE)
        free, dear = run(frame, 0.0), run(frame, FEE)
        print(json.dumps({"peer": name, "version": version(name), "free": free, "dear": dear}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
