"""The execution report's charts, by plotly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import plotly.graph_objects as go

from citadel_kit.run.shortfall import Execution

if TYPE_CHECKING:
    import pandas as pd

_COLOURS: Final = {"spread": "#2a9d8f", "drift": "#e9c46a", "fees": "#8d99ae"}
_OURS: Final = "#1d3557"
_TAKEN: Final = "#d1495b"


def components(frame: pd.DataFrame) -> go.Figure:
    """Spread, drift and fees of each order stacked, negative ones below; a mark for their sum."""
    figure = go.Figure()
    names = frame["parent_id"].where(frame["run"] == "", frame["run"] + "-" + frame["parent_id"])
    at = list(range(len(frame)))
    said = names + ": " + frame["side"] + " on " + frame["venue"] + ", " + frame["status"]
    for part, colour in _COLOURS.items():
        figure.add_bar(x=at, y=frame[f"{part}_bps"], name=part, marker_color=colour, hovertext=said)
    figure.add_scatter(
        x=at, y=frame["shortfall_bps"], name="shortfall", mode="markers", hovertext=said,
        marker={"color": _OURS, "symbol": "diamond", "size": 8},
    )  # fmt: skip
    figure.update_layout(
        barmode="relative",
        title="Shortfall against the arrival mid, by component: positive is a cost",
        yaxis_title="bps of the filled notional",
        xaxis={"tickvals": at, "ticktext": list(names), "title": "parent order"},
    )
    return figure


def on_the_book(e: Execution) -> go.Figure:
    """Bid, mid and ask as the order saw them; each of its resting prices; each fill, with its size."""
    figure = go.Figure()
    times = _times([mark.at_ns for mark in e.path])
    for name, prices, dash in (
        ("ask", [mark.ask for mark in e.path], "solid"),
        ("mid", [mark.mid for mark in e.path], "dot"),
        ("bid", [mark.bid for mark in e.path], "solid"),
    ):
        line = {"shape": "hv", "width": 1, "dash": dash, "color": "#8d99ae"}
        figure.add_scatter(x=times, y=prices, name=name, mode="lines", line=line)
    _draw_rests(figure, e)
    _draw_fills(figure, e)
    figure.add_hline(
        e.arrival.mid, line={"color": _OURS, "width": 1, "dash": "dash"}, annotation_text="arrival mid"
    )
    figure.update_layout(
        title=f"{e.name}: {e.side.name} {e.qty:g} {e.symbol} on {e.venue}, {e.status}",
        yaxis_title="price",
        xaxis_title="UTC",
    )
    return figure


def _draw_rests(figure: go.Figure, e: Execution) -> None:
    """One line with gaps: a price stands from the report that it rests to the report that it does not."""
    last_ns = e.finished_ns or max([m.at_ns for m in e.path] + [rest.from_ns for rest in e.rests], default=0)
    times: list[int | None] = []
    prices: list[float | None] = []
    for rest in e.rests:
        times += [rest.from_ns, rest.until_ns or last_ns, None]
        prices += [rest.price, rest.price, None]
    stamps = [None if ns is None else np.datetime64(ns, "ns") for ns in times]
    figure.add_scatter(
        x=stamps, y=prices, name="our order", mode="lines", line={"color": _OURS, "width": 3},
        hovertext=[text for rest in e.rests for text in (f"order {rest.order_id}",) * 3],
    )  # fmt: skip


def _draw_fills(figure: go.Figure, e: Execution) -> None:
    for maker, name, colour in ((True, "filled resting", _OURS), (False, "filled by taking", _TAKEN)):
        fills = [fill for fill in e.fills if fill.maker == maker]
        if fills:
            symbol = "triangle-up" if e.side > 0 else "triangle-down"
            figure.add_scatter(
                x=_times([fill.at_ns for fill in fills]),
                y=[fill.price for fill in fills],
                name=name,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 12},
                hovertext=[f"{fill.qty:g}, fee {fill.fee:.6g}" for fill in fills],
            )


def _times(ns: list[int]) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return np.array(ns, "datetime64[ns]")
