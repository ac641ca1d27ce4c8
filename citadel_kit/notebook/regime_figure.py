"""The picture of a `RegimeStudy`: plotly on screen, matplotlib where the file is read without JavaScript."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from citadel_kit.macro.candles import open_ns
from citadel_kit.macro.indicators import finite_runs
from citadel_kit.notebook.regime_study import RegimeStudy

_MEMORY: Final = {"trending": "#2a9d8f", "mean-reverting": "#e76f51", "unknown": "#adb5bd"}
_WEATHER: Final = {"calm": "#90be6d", "stormy": "#d1495b"}
_LINES: Final = ("#1d3557", "#2a9d8f", "#e9c46a", "#f4a261", "#8d99ae", "#d1495b")
_INK: Final = "#1d3557"
_DECIDES: Final = 512
"""The window whose exponent the regime is read from."""
_AGES: Final = {"memory": _LINES[0], "weather": _LINES[5]}
_DAY_S: Final = 86_400.0
_TITLES: Final = (
    "{origin}, UTC: close, and memory by Hurst exponent against its surrogates",
    "Hurst exponent of 512 bars, and the band of 95 % of the surrogates; thin: 256 and 1,024 bars",
    "annual volatility of 96 bars by estimator; shaded: stormy, calm; dotted: a change was seen",
    "probability of the stormiest hidden state, filtered",
    "days since memory, and since weather, got another name",
)


class RegimePicture:
    """Both pictures of the newest `bars`; a front end takes the one it can show."""

    def __init__(self, study: RegimeStudy, bars: int = 3_000) -> None:
        self._study, self._rows = study, slice(max(0, len(study.candles) - bars), None)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            "application/vnd.plotly.v1+json": json.loads(self.interactive().to_json()),
            "image/png": base64.b64encode(self.still()).decode("ascii"),
        }

    def still(self) -> bytes:
        """As PNG."""
        figure = Figure(figsize=(11, 11), layout="constrained")
        axes = figure.subplots(5, 1, sharex=True, height_ratios=[4, 3, 3, 1.3, 1.6])
        study, rows, times = self._study, self._rows, self._times()
        axes[0].plot(times, self._close(), color=_INK, linewidth=0.9)
        for axis, names, colours in ((axes[0], "memory", _MEMORY), (axes[2], "weather", _WEATHER)):
            for name, colour in colours.items():
                for k, (start, stop) in enumerate(self._spans(names, name)):
                    label = name if k == 0 else None
                    axis.axvspan(start, stop, color=colour, alpha=0.22, linewidth=0, label=label)
        band = study.hurst[_DECIDES]
        axes[1].fill_between(times, band.lower[rows], band.upper[rows], color="#ced4da", linewidth=0)
        for n, other in study.hurst.items():
            wide = n == _DECIDES
            colour = _INK if wide else _LINES[3] if n < _DECIDES else _LINES[1]
            axes[1].plot(
                times, other.estimate[rows], color=colour, linewidth=1.3 if wide else 0.6, label=f"{n:,} bars"
            )
        axes[1].axhline(0.5, color="black", linewidth=0.5)
        for (name, values), colour in zip(study.volatility.items(), _LINES, strict=True):
            axes[2].plot(times, 100 * values[rows], color=colour, linewidth=0.9, label=name)
        for when in times[study.changed[rows]]:
            axes[2].axvline(when, color="black", linestyle=":", linewidth=0.7)
        axes[2].set_ylabel("%")
        axes[3].fill_between(times, study.stormiest[rows], color=_WEATHER["stormy"], linewidth=0)
        axes[3].set_ylim(0, 1)
        for name, days, colour in self._ages():
            axes[4].plot(times, days, color=colour, linewidth=0.9, label=name)
        for axis, title in zip(axes, self._titles(), strict=True):
            axis.set_title(title, fontsize=9)
            axis.margins(x=0)
        for axis in (*axes[:3], axes[4]):
            axis.legend(loc="upper left", fontsize=7, ncols=4)
        png = BytesIO()
        figure.savefig(png, format="png", dpi=90)
        return png.getvalue()

    def interactive(self) -> go.Figure:
        study, rows, times = self._study, self._rows, self._times()
        figure = make_subplots(
            5,
            1,
            shared_xaxes=True,
            row_heights=[4, 3, 3, 1.3, 1.6],
            vertical_spacing=0.04,
            subplot_titles=self._titles(),
        )

        def line(row: int, values: NDArray[np.float64], name: str, colour: str, width: float = 1.2) -> None:
            style = {"color": colour, "width": width}
            figure.add_trace(go.Scatter(x=times, y=values, name=name, mode="lines", line=style), row, 1)

        for trace, row in self._areas():
            figure.add_trace(trace, row, 1)
        line(1, self._close(), "close", _INK)
        for n, other in study.hurst.items():
            colour = _INK if n == _DECIDES else _LINES[3] if n < _DECIDES else _LINES[1]
            line(2, other.estimate[rows], f"Hurst, {n:,}", colour, width=1.8 if n == _DECIDES else 0.8)
        for (name, values), colour in zip(study.volatility.items(), _LINES, strict=True):
            line(3, 100 * values[rows], name, colour)
        for name, days, colour in self._ages():
            line(5, days, f"days of this {name}", colour)
        figure.update_layout(
            height=1100,
            hovermode="x unified",
            template="plotly_white",
            legend={"traceorder": "normal"},
            margin={"t": 40, "b": 30},
            shapes=list(self._shapes()),
        )
        return figure

    def _areas(self) -> Iterator[tuple[go.Scatter, int]]:
        """One by one between holes: plotly fills across them, though its lines break."""
        study, rows, times = self._study, self._rows, self._times()
        band, stormy = study.hurst[_DECIDES], study.stormiest[rows]
        lower, upper = band.lower[rows], band.upper[rows]
        for name, row, foot, top, colour in (
            ("95 % of surrogates", 2, lower, upper, "#ced4da"),
            ("stormiest state", 4, np.zeros(len(stormy)), stormy, _WEATHER["stormy"]),
        ):
            for k, run in enumerate(finite_runs(np.isfinite(top))):
                edge = {"mode": "lines", "line": {"color": colour, "width": 0.5}, "legendgroup": name}
                yield go.Scatter(x=times[run], y=foot[run], showlegend=False, hoverinfo="skip", **edge), row
                area = {"fill": "tonexty", "name": name, "showlegend": k == 0}
                yield go.Scatter(x=times[run], y=top[run], **area, **edge), row

    def _shapes(self) -> Iterator[dict[str, Any]]:
        """All at once: plotly's own `add_vrect` takes a second for a hundred."""
        for axis, names, colours in (("", "memory", _MEMORY), ("3", "weather", _WEATHER)):
            for name, colour in colours.items():
                for start, stop in self._spans(names, name):
                    yield {
                        "type": "rect",
                        "xref": f"x{axis}",
                        "yref": f"y{axis} domain",
                        "x0": str(start),
                        "x1": str(stop),
                        "y0": 0,
                        "y1": 1,
                        "fillcolor": colour,
                        "opacity": 0.22,
                        "line": {"width": 0},
                        "layer": "below",
                    }
        dots = {"color": "black", "width": 1, "dash": "dot"}
        for when in self._times()[self._study.changed[self._rows]]:
            ends = {"x0": str(when), "x1": str(when), "y0": 0, "y1": 1}
            yield {"type": "line", "xref": "x3", "yref": "y3 domain", "line": dots, **ends}

    def _titles(self) -> list[str]:
        return [title.format(origin=self._study.origin) for title in _TITLES]

    def _ages(self) -> Iterator[tuple[str, NDArray[np.float64], str]]:
        for name, colour in _AGES.items():
            seconds = self._study.regimes[f"{name}_s"].to_numpy(dtype=np.float64)[self._rows]
            yield name, seconds / _DAY_S, colour

    def _times(self) -> Any:
        return open_ns(self._study.candles)[self._rows].astype("datetime64[ns]")

    def _close(self) -> NDArray[np.float64]:
        return self._study.candles["close"].to_numpy()[self._rows]

    def _spans(self, column: str, name: str) -> Iterator[tuple[Any, Any]]:
        """From the first bar of each stretch to the bar behind it."""
        times = self._times()
        holds = (self._study.regimes[column] == name).to_numpy()[self._rows]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], holds, [False])).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2).tolist():
            yield times[start], times[min(stop, len(times) - 1)]
