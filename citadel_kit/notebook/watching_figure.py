"""The picture of a `watching.Watched`."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from citadel_kit.notebook.watching import HIDDEN, RIGHT, WRONG, Watched

_TRUTH: Final = "#adb5bd"
_OURS: Final = "#1d4e89"
_CCXT: Final = "#d1495b"
_KINDS: Final = {RIGHT: ("right", "#2a9d8f"), WRONG: ("wrong", "#d1495b"), HIDDEN: ("not shown", "#8d99ae")}


def watched_picture(watched: Watched) -> Image:
    """Best bid and ask as they were and as each showed them, and when each was right, wrong, or silent."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    prices, strip = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1.3])
    _draw_prices(prices, watched)
    _draw_strip(strip, watched)
    png = BytesIO()
    figure.savefig(png, format="png", dpi=90)
    wrong = [int((kinds == WRONG).sum()) for kinds in (watched.ours_kind, watched.theirs_kind)]
    alt = f"wrong best bid or ask shown: ours {wrong[0]}, ccxt.pro {wrong[1]} of {len(watched.seconds)} looks"
    return Image(png.getvalue(), width=990, alt=alt)


def _draw_prices(axes: Any, watched: Watched) -> None:
    for name, touches, style in (
        ("the exchange's own", watched.truth, {"color": _TRUTH, "linewidth": 5}),
        ("ccxt.pro", watched.theirs, {"color": _CCXT, "linewidth": 1.4}),
        ("ours (a break: none shown)", watched.ours, {"color": _OURS, "linewidth": 1.4}),
    ):
        for side in (0, 1):
            label = name if side == 0 else None
            axes.step(watched.seconds, touches[:, side], where="post", label=label, **style)
    for number, (start, phase) in enumerate(zip(watched.starts_s, watched.phases, strict=True)):
        if phase.switches:
            ends = watched.starts_s[number + 1 :]
            axes.axvspan(start, ends[0] if len(ends) else watched.seconds[-1], color="#f4a261", alpha=0.18)
        axes.text(start, 0.985, f" {phase.name}", va="top", fontsize=9, transform=axes.get_xaxis_transform())
    axes.set_ylabel(f"best bid and best ask, {watched.symbol}")
    axes.set_title(f"{watched.venue} on this machine; shaded: a fault is on")
    axes.legend(loc="lower left", fontsize=8)
    axes.margins(x=0, y=0.12)


def _draw_strip(axes: Any, watched: Watched) -> None:
    for row, kinds in enumerate((watched.theirs_kind, watched.ours_kind)):
        for kind, (_, colour) in _KINDS.items():
            axes.broken_barh(
                _spans(kinds == kind, watched.seconds), (row - 0.38, 0.76), facecolors=colour, linewidth=0
            )
    axes.set_yticks([0, 1], ["ccxt.pro", "ours"])
    axes.set_ylim(-0.5, 1.5)
    axes.set_xlabel("seconds")
    handles = [Patch(facecolor=colour, label=label) for label, colour in _KINDS.values()]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.5), ncols=3, fontsize=8)


def _spans(holds: NDArray[np.bool_], seconds: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Start and length of each run; a look holds until the next one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(int)))
    ends = np.append(seconds, seconds[-1])
    return [(float(ends[a]), float(ends[b] - ends[a])) for a, b in zip(edges[::2], edges[1::2], strict=True)]
