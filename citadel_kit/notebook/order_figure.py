"""One parent order on the book: where it rested, where it filled, and what the market did meanwhile."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from IPython.display import Image

from citadel_kit.clock import SECOND
from citadel_kit.run.shortfall import Execution, measure
from citadel_kit.types import Side

_BOOK, _OURS, _FILL = "#9aa5b1", "#1f6feb", "#d1242f"


def order_picture(execution: Execution) -> Image:
    """Best bid and ask, every stretch that one of its orders rested, every fill, the mid at arrival."""
    from matplotlib.figure import Figure

    e = execution
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.subplots()
    end_ns = e.finished_ns or max([e.submitted_ns, *[mark.at_ns for mark in e.path]])
    _draw_book(axes, e, end_ns)
    _draw_orders(axes, e, end_ns)
    row = measure(e)
    side = Side(e.side).name
    axes.set_title(
        f"{side} {e.qty:g} {e.symbol} on {e.venue}: {e.status}, shortfall {row.shortfall_bps:+.2f} bps "
        f"(spread {row.spread_bps:+.2f}, drift {row.drift_bps:+.2f}, fees {row.fees_bps:+.2f})",
        fontsize=10,
        loc="left",
    )
    axes.set_xlabel("seconds since it was submitted")
    axes.set_ylabel(f"price, {e.symbol.partition('/')[2]}")
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return Image(png.getvalue(), alt=f"{side} order on {e.venue}, {e.status}: its orders on the book")


def _draw_book(axes: Any, e: Execution, end_ns: int) -> None:
    marks = [mark for mark in e.path if mark.at_ns <= end_ns] or [e.arrival]
    seconds = _seconds([*[mark.at_ns for mark in marks], end_ns], e)
    bids, asks = (np.array([getattr(m, side) for m in marks] + [getattr(marks[-1], side)]) for side in _SIDES)
    axes.fill_between(seconds, bids, asks, step="post", color=_BOOK, alpha=0.18, linewidth=0)
    axes.step(seconds, bids, where="post", color=_BOOK, linewidth=1.0, label="best bid and ask")
    axes.step(seconds, asks, where="post", color=_BOOK, linewidth=1.0)
    axes.axhline(e.arrival.mid, color="black", linewidth=0.8, linestyle=":", label="mid at arrival")


def _draw_orders(axes: Any, e: Execution, end_ns: int) -> None:
    for i, rest in enumerate(e.rests):
        span = _seconds([rest.from_ns, rest.until_ns or end_ns], e)
        label = f"resting ({len(e.rests)} stretches)" if i == 0 else None
        axes.plot(span, [rest.price] * 2, color=_OURS, linewidth=2.4, solid_capstyle="butt", label=label)
    for maker, marker, name in ((True, "o", "filled, resting"), (False, "D", "filled, taking")):
        fills = [fill for fill in e.fills if fill.maker == maker]
        if fills:
            at = _seconds([fill.at_ns for fill in fills], e)
            sizes = [30 + 90 * fill.qty / e.qty for fill in fills]
            prices = [fill.price for fill in fills]
            axes.scatter(at, prices, s=sizes, marker=marker, color=_FILL, alpha=0.8, zorder=3, label=name)


_SIDES = ("bid", "ask")


def _seconds(times_ns: list[int], e: Execution) -> Any:
    return (np.array(times_ns, np.int64) - e.submitted_ns) / SECOND
