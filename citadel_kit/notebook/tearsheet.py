"""The tear sheet of a cycle's out-of-sample record: to zoom into on screen, and as a still in the file."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from textwrap import wrap
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from citadel_kit.macro.candles import Floats, open_ns, usual_step
from citadel_kit.macro.performance import by_group, drawdowns, equity_curve, hours_utc, rolling_sharpe
from citadel_kit.run.macro_loop import MacroResult

RULE: Final = "#1d3557"
MARKET: Final = "#8d99ae"
LOSS: Final = "#d1495b"
_POINTS: Final = 1_500
"""A line has no more points in the saved file than a screen can show."""
_DAY_NS: Final = 86_400 * 10**9
_TITLES: Final = (
    "equity, from 1",
    "drawdown, %",
    "share of equity held",
    "Sharpe ratio of the last {days} days",
    "net return by regime at the close before, %",
    "net return by hour (UTC), %",
)


class Sheet(NamedTuple):
    """What is drawn. Arrays have one value a bar of the record."""

    symbol: str
    verdict: str
    times: NDArray[np.datetime64]
    equity: Floats
    market: Floats
    """Buy and hold, without costs."""
    drawdown: Floats
    market_drawdown: Floats
    exposure: Floats
    sharpe: Floats
    """Of a rolling window of `days`; NaN where it isn't full, or nothing was held in it."""
    days: int
    by_regime: pd.DataFrame
    by_hour: pd.DataFrame
    """As of `performance.by_group`."""


def measure(result: MacroResult, days: int = 90) -> Sheet:
    """`days`: the window of the rolling Sharpe ratio, cut to a third of a short record."""
    record, rows = result.record, len(result.record.net)
    opens = open_ns(result.candles)[-rows:]
    bar_ns = usual_step(open_ns(result.candles))
    window = max(2, min(days * _DAY_NS // bar_ns, rows // 3))
    rolled = rolling_sharpe(record.net, bar_ns, window)
    held = pd.Series(record.position != 0.0).rolling(window).sum().to_numpy() > 0
    # A stretch is decided at the close before it.
    names = (result.regimes["memory"].astype(str) + ", " + result.regimes["weather"].astype(str)).shift()
    return Sheet(
        symbol=result.signal.symbol,
        verdict=result.verdict,
        times=opens.astype("datetime64[ns]"),
        equity=equity_curve(record.net),
        market=equity_curve(record.market),
        drawdown=drawdowns(record.net),
        market_drawdown=drawdowns(record.market),
        exposure=record.position,
        sharpe=np.where(held, rolled, np.nan),
        days=max(1, window * bar_ns // _DAY_NS),
        by_regime=by_group(record, names.to_numpy()[-rows:], bar_ns),
        by_hour=by_group(record, hours_utc(opens), bar_ns),
    )


class TearSheet:
    """Shown as the last value of a cell: plotly where the front end knows it, else (and in an exported page)
    a PNG of the same."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        plot = json.loads(plotly_figure(self.sheet).to_json())
        return {
            "text/plain": self.sheet.verdict,
            "image/png": b64encode(still(self.sheet)).decode(),
            "application/vnd.plotly.v1+json": {**plot, "config": {"displaylogo": False}},
        }


def tear_sheet(result: MacroResult, days: int = 90) -> TearSheet:
    """Equity and drawdown beside buy and hold, exposure, rolling Sharpe ratio, regimes, hours, verdict."""
    return TearSheet(measure(result, days))


def still(sheet: Sheet) -> bytes:
    """PNG."""
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    grid = figure.add_gridspec(5, 2, height_ratios=[3, 1.3, 1.1, 1.5, 2.2])
    lines = [figure.add_subplot(grid[0, :])]
    lines += [figure.add_subplot(grid[row, :], sharex=lines[0]) for row in (1, 2, 3)]
    _draw_lines(lines, sheet)
    _draw_groups([figure.add_subplot(grid[4, side]) for side in (0, 1)], sheet)
    figure.suptitle(f"{sheet.symbol}: {sheet.verdict}", fontsize=9, wrap=True)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return png.getvalue()


def _draw_lines(axes: list[Any], sheet: Sheet) -> None:
    keep = _thinned(len(sheet.times))
    times = sheet.times[keep]
    equity, drawdown, exposure, sharpe = axes
    equity.plot(times, sheet.market[keep], color=MARKET, linewidth=0.9, label="buy and hold, before costs")
    equity.plot(
        times, sheet.equity[keep], color=RULE, linewidth=1.2, label="the rule, out of sample, after costs"
    )
    equity.set_yscale("log")
    equity.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    equity.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    equity.tick_params(axis="y", which="minor", labelsize=8)
    equity.legend(loc="upper left", fontsize=8)
    drawdown.plot(times, -100 * sheet.market_drawdown[keep], color=MARKET, linewidth=0.8)
    drawdown.fill_between(times, -100 * sheet.drawdown[keep], 0.0, color=LOSS, alpha=0.7, linewidth=0)
    exposure.step(times, sheet.exposure[keep], where="post", color=RULE, linewidth=0.6)
    sharpe.plot(times, sheet.sharpe[keep], color=RULE, linewidth=1.0)
    sharpe.axhline(0, color="black", linewidth=0.5)
    for ax, title in zip(axes, _titles(sheet), strict=False):
        ax.set_title(title, fontsize=9)
        ax.margins(x=0)
        ax.tick_params(labelbottom=ax is sharpe, labelsize=8)


def _draw_groups(axes: list[Any], sheet: Sheet) -> None:
    for ax, title, table in zip(axes, _titles(sheet)[4:], (sheet.by_regime, sheet.by_hour), strict=True):
        net = 100 * table["net"]
        colours = [RULE if value >= 0 else LOSS for value in net]
        if table is sheet.by_regime:
            ax.barh([f"{name} ({share})" for name, share in _shares(table)], net, color=colours)
            ax.axvline(0, color="black", linewidth=0.5)
        else:
            ax.bar(table.index.astype(int), net, color=colours)
            ax.axhline(0, color="black", linewidth=0.5)
            ax.set_xticks(range(0, 24, 3))
        ax.set_title(title, fontsize=9)
        ax.tick_params(labelsize=8)


def plotly_figure(sheet: Sheet) -> Any:
    """A `plotly.graph_objects.Figure` of the same six pictures."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=5,
        cols=2,
        specs=[[{"colspan": 2}, None] for _ in range(4)] + [[{}, {}]],
        row_heights=[0.36, 0.14, 0.11, 0.15, 0.24],
        vertical_spacing=0.055,
        subplot_titles=_titles(sheet),
    )
    keep = _thinned(len(sheet.times))
    for row, name, values, colour, shape in (
        (1, "buy and hold, before costs", sheet.market, MARKET, "linear"),
        (1, "the rule, after costs", sheet.equity, RULE, "linear"),
        (2, "drawdown of buy and hold", -100 * sheet.market_drawdown, MARKET, "linear"),
        (2, "drawdown of the rule", -100 * sheet.drawdown, LOSS, "linear"),
        (3, "held", sheet.exposure, RULE, "hv"),
        (4, "rolling Sharpe ratio", sheet.sharpe, RULE, "linear"),
    ):
        line = {"color": colour, "width": 1.2, "shape": shape}
        figure.add_scatter(
            x=sheet.times[keep].astype("datetime64[ms]"), y=np.round(values[keep], 5), name=name, line=line,
            mode="lines", showlegend=row == 1, row=row, col=1,
        )  # fmt: skip
    for col, table, flat in ((1, sheet.by_regime, "h"), (2, sheet.by_hour, "v")):
        net = np.round(100 * table["net"].to_numpy(), 3)
        labels = [f"{n} ({s})" for n, s in _shares(table)] if col == 1 else table.index.astype(int).tolist()
        colours = [RULE if value >= 0 else LOSS for value in net]
        x, y = (net, labels) if flat == "h" else (labels, net)
        bars = {"orientation": flat, "marker_color": colours, "showlegend": False, "name": "net, %"}
        figure.add_bar(x=x, y=y, row=5, col=col, **bars)
    figure.update_yaxes(type="log", row=1, col=1)
    for row in (2, 3, 4):
        figure.update_xaxes(matches="x", row=row, col=1)
    figure.update_layout(
        height=900, template="plotly_white", margin={"l": 60, "r": 20, "t": 90, "b": 40},
        title={"text": _broken(f"{sheet.symbol}: {sheet.verdict}"), "font": {"size": 11}},
        legend={"orientation": "h", "y": 1.0, "x": 0.0, "yanchor": "top"},
    )  # fmt: skip
    figure.update_annotations(font_size=11)
    return figure


def _titles(sheet: Sheet) -> list[str]:
    return [title.format(days=sheet.days) for title in _TITLES]


def _shares(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Name of each group and its share of the bars."""
    shares = table["bars"] / table["bars"].sum()
    return [(str(name), f"{share:.0%}") for name, share in shares.items()]


def _thinned(rows: int) -> NDArray[np.int64]:
    """Evenly spaced rows, the last one included."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _POINTS)).round().astype(np.int64))


def _broken(text: str, width: int = 150) -> str:
    """Plotly doesn't wrap its titles."""
    return "<br>".join(wrap(text, width))
