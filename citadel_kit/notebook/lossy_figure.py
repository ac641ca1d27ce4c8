"""The picture of a `lossy.Comparison`."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from citadel_kit import clock
from citadel_kit.notebook.lossy import Comparison, Touches

_TRUTH: Final = "#adb5bd"
_OURS: Final = "#1d4e89"
_CCXT: Final = "#d1495b"
_STATES: Final = (("shown and right", "#2a9d8f"), ("shown and wrong", "#d1495b"), ("not shown", "#8d99ae"))


def books_picture(comparison: Comparison) -> Image:
    """Best bid and ask of all three, how far off each is, and when each was right, wrong, or silent."""
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    prices, errors, strip = figure.subplots(3, 1, sharex=True, height_ratios=[5, 2.2, 1.6])
    seconds = (comparison.recv_ns - comparison.start_ns) / clock.SECOND
    _draw_prices(prices, comparison, seconds)
    _draw_errors(errors, comparison, seconds)
    _draw_strip(strip, comparison, seconds)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    n = comparison.counts()
    alt = f"wrong best bid or ask shown: ours {n['ours_wrong']}, ccxt.pro {n['ccxt_wrong']} of {n['judged']}"
    return Image(png.getvalue(), width=990, alt=alt)


def _draw_prices(axes: Any, comparison: Comparison, seconds: NDArray[np.float64]) -> None:
    for name, touches, style in (
        ("truth", comparison.truth, {"color": _TRUTH, "linewidth": 5}),
        ("ccxt.pro", comparison.theirs, {"color": _CCXT, "linewidth": 1.3}),
        ("ours (a break: none shown)", comparison.ours, {"color": _OURS, "linewidth": 1.3}),
    ):
        for side in (0, 1):
            label = name if side == 0 else None
            axes.step(seconds, touches[:, side], where="post", label=label, **style)
    if len(seconds) and comparison.theirs[-1, 0] >= comparison.theirs[-1, 1]:
        text = "ccxt.pro's best ask, below its own best bid"
        spot = (seconds[-1], comparison.theirs[-1, 1])
        axes.annotate(text, spot, (0, 6), textcoords="offset points", ha="right", fontsize=8, color=_CCXT)
    lost = (comparison.lost_ns - comparison.start_ns) / clock.SECOND
    foot = axes.get_xaxis_transform()
    axes.plot(lost, np.full(len(lost), 0.02), "k^", markersize=5, transform=foot, label="update lost")
    axes.set_ylabel(f"best bid and best ask, {comparison.symbol}")
    axes.set_title(f"{comparison.origin}: {len(lost):,} of {comparison.updates:,} book updates lost")
    axes.legend(loc="best", fontsize=8)
    axes.margins(x=0)


def _draw_errors(axes: Any, comparison: Comparison, seconds: NDArray[np.float64]) -> None:
    for touches, colour in ((comparison.theirs, _CCXT), (comparison.ours, _OURS)):
        axes.step(seconds, _off(comparison, touches), where="post", color=colour, linewidth=1.3)
    axes.set_ylabel(comparison.symbol.partition("/")[2])
    axes.set_title(
        "how far the shown best bid or ask is from the true one (the worse of the two)", fontsize=9
    )
    if not comparison.wrong(comparison.theirs).any() and not comparison.wrong(comparison.ours).any():
        axes.set_ylim(-1, 1)
        axes.text(0.5, 0.72, "nobody showed a wrong price", ha="center", transform=axes.transAxes, fontsize=9)


def _off(comparison: Comparison, touches: Touches) -> NDArray[np.float64]:
    off: NDArray[np.float64] = np.abs(touches - comparison.truth).max(axis=1)
    return off


def _draw_strip(axes: Any, comparison: Comparison, seconds: NDArray[np.float64]) -> None:
    n = comparison.counts()
    labels = []
    for row, (name, label, touches) in enumerate(
        (("ccxt", "ccxt.pro", comparison.theirs), ("ours", "ours", comparison.ours))
    ):
        kinds = np.where(comparison.hidden(touches), 2, comparison.wrong(touches).astype(int))
        for kind, (_, colour) in enumerate(_STATES):
            spans = _spans(kinds == kind, seconds)
            axes.broken_barh(spans, (row - 0.38, 0.76), facecolors=colour, linewidth=0)
        labels.append(f"{label}\n{n[f'{name}_wrong']:,} wrong\n{n[f'{name}_reported']:,} reported")
    axes.set_yticks([0, 1], labels, fontsize=8)
    axes.set_ylim(-0.5, 1.5)
    axes.set_title("as judged after each update that arrived; it stands until the next one", fontsize=9)
    axes.set_xlabel("seconds")
    handles = [Patch(facecolor=colour, label=label) for label, colour in _STATES]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.42), ncols=3, fontsize=8)


def _spans(holds: NDArray[np.bool_], seconds: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Start and length of each run; an update holds until the next one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(int)))
    ends = np.append(seconds, seconds[-1] if len(seconds) else 0.0)
    return [(float(ends[a]), float(ends[b] - ends[a])) for a, b in zip(edges[::2], edges[1::2], strict=True)]
