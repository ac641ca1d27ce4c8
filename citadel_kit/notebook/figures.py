"""Still pictures for notebooks: drawn by matplotlib, so that they stand in the saved file."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from IPython.display import Image
from matplotlib.figure import Figure

from citadel_kit.macro.candles import open_ns
from citadel_kit.run.macro_loop import MacroResult
from citadel_kit.types import Memory

_SHADES: Final = {Memory.TRENDING.value: "#2a9d8f", Memory.MEAN_REVERTING.value: "#e76f51"}
_SHOWN_BARS: Final = 2_000


def macro_picture(result: MacroResult) -> Image:
    """Price and regimes of the newest bars; the out-of-sample record after costs, beside holding."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    price, record = figure.subplots(2, 1, height_ratios=[3, 2])
    _draw_regimes(price, result)
    _draw_record(record, result)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return Image(png.getvalue(), width=990, alt=result.verdict)


def _times(result: MacroResult) -> Any:
    return open_ns(result.candles).astype("datetime64[ns]")


def _draw_regimes(axes: Any, result: MacroResult) -> None:
    times = _times(result)[-_SHOWN_BARS:]
    close = result.candles["close"].to_numpy()[-_SHOWN_BARS:]
    memory = result.regimes["memory"].astype(str).to_numpy()[-_SHOWN_BARS:]
    axes.plot(times, close, color="#1d3557", linewidth=0.9)
    low, high = close.min(), close.max()
    for name, colour in _SHADES.items():
        axes.fill_between(
            times, low, high, where=memory == name, color=colour, alpha=0.25, label=name, linewidth=0
        )
    axes.set_ylabel(result.signal.symbol)
    axes.set_title(
        f"{result.signal.symbol}: close and regime by Hurst exponent, newest {len(times):,} bars (UTC)"
    )
    axes.legend(loc="upper left", fontsize=8)
    axes.margins(x=0)


def _draw_record(axes: Any, result: MacroResult) -> None:
    times = _times(result)[-len(result.record.net) :]
    strategy = 100 * (np.cumprod(1 + result.record.net) - 1)
    market = 100 * (np.cumprod(1 + result.record.market) - 1)
    axes.plot(times, market, color="#8d99ae", linewidth=0.9, label="buy and hold, before costs")
    axes.plot(times, strategy, color="#1d3557", linewidth=1.1, label="model, out of sample, after costs")
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_ylabel("return, %")
    axes.set_title(result.verdict, fontsize=9, wrap=True)
    axes.legend(loc="upper left", fontsize=8)
    axes.margins(x=0)
