"""A dated still picture and its text twin: what a saved notebook keeps of the panel."""

from __future__ import annotations

import textwrap
from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from citadel_kit.clock import MILLISECOND, iso
from citadel_kit.panel.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK: Final = "#1f2933"
_MUTED: Final = "#5b6773"
_LINE: Final = "#d5dbe1"
_MODE_COLOUR: Final = {"REPLAY": "#5b4b9a", "PAPER": "#1f6f8b", "LIVE": "#c01f1f"}
_SERIES: Final = ("#1f2933", "#0f6fc5", "#c2570c", "#2e7d32", "#8e24aa", "#00838f")
_VENUE_COLUMNS: Final = (
    "venue",
    "state",
    "bid",
    "ask",
    "spread bps",
    "imb 1",
    "imb 5",
    "imb 10",
    "microprice",
    "age ms",
)
_ORDER_COLUMNS: Final = (
    "order",
    "kind",
    "side",
    "status",
    "filled / qty",
    "working at",
    "slippage bps",
    "note",
)


class Still:
    """One moment of the panel, drawn when first asked for.

    `png` are the bytes of the picture, `text` says the same in words; a notebook shows both. `fault` says why
    the moment could not be read afresh, and is empty where it could.
    """

    def __init__(self, shown: View, history: View, drawn_ns: int, fault: str = "") -> None:
        self._view, self._history, self._drawn_ns, self._fault = shown, history, drawn_ns, fault
        self._png = b""

    @property
    def title(self) -> str:
        return f"{self._view['mode']}  {self._view['symbol']}  {_utc(self._view['asof_ms'])} (market time)"

    @property
    def date(self) -> str:
        fault = f". Could not be read afresh: {self._fault}" if self._fault else ""
        return f"Still picture of {iso(self._drawn_ns)}; nothing here moves{fault}"

    @property
    def png(self) -> bytes:
        if not self._png:
            self._png = _draw(self)
        return self._png

    @property
    def text(self) -> str:
        rows = [self.title, self.date, ""]
        rows += [f"{name:<12}{value}" for name, value in facts(self._view)]
        rows += ["", *_columns(_VENUE_COLUMNS, venue_rows(self._view))]
        if self._view["orders"]:
            rows += ["", *_columns(_ORDER_COLUMNS, order_rows(self._view))]
        return "\n".join(rows)

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> View:
        return {"image/png": b64encode(self.png).decode("ascii"), "text/plain": self.text}


def facts(shown: View) -> list[tuple[str, str]]:
    """The lines outside the tables: name and value with its unit."""
    quote, signal, verdict = shown["quote"], shown["signal"], shown["verdict"]
    crossed = "  CROSSED" if quote["crossed"] else ""
    rows = [
        ("best bid", f"{_price(quote['bid'])} {quote['bid_venue']}"),
        ("best ask", f"{_price(quote['ask'])} {quote['ask_venue']}"),
        ("spread", f"{_bps(quote['spread_bps'])} bps{crossed}"),
        ("engine", shown["engine"]),
        ("guard", shown["guard"]),
        ("gate", "not asked yet" if verdict is None else _verdict(verdict)),
    ]
    if signal is None:
        return [*rows, ("signal", "none yet")]
    return [
        *rows,
        ("signal", f"{signal['side']} ({signal['state']})"),
        ("probability", _fixed(signal["probability"], 3)),
        ("size", f"{_fixed(_percent(signal['fraction']), 1)} % of equity"),
        ("regime", signal["regime"]),
        ("", f"Hurst {_fixed(signal['hurst'], 2)}, trend {_fixed(signal['trend'], 1)}"),
        ("", f"volatility {_fixed(_percent(signal['volatility']), 0)} % a year"),
        ("as of", _utc(signal["asof_ms"])),
        ("valid until", _utc(signal["valid_until_ms"])),
        ("reason", signal["reason"]),
    ]


def venue_rows(shown: View) -> list[tuple[str, ...]]:
    """One row per venue, in `_VENUE_COLUMNS`."""
    return [
        (
            venue["venue"],
            venue["standing"],
            _price(venue["bid"]),
            _price(venue["ask"]),
            _bps(venue["spread_bps"]),
            *(_fixed(value, 2, "+") for value in venue["imbalance"]),
            _price(venue["microprice"]),
            _fixed(venue["age_ms"], 0),
        )
        for venue in shown["venues"]
    ]


def order_rows(shown: View) -> list[tuple[str, ...]]:
    """One row per order, in `_ORDER_COLUMNS`."""
    return [
        (
            f"{order['id']} {order['venue']}",
            "DRILL" if order["forced"] else order["purpose"],
            order["side"],
            order["status"],
            f"{order['filled']:g} / {order['qty']:g}",
            _price(order["working_price"]),
            _bps(order["slippage_bps"], "+"),
            order["note"],
        )
        for order in shown["orders"]
    ]


def _verdict(verdict: View) -> str:
    return f"{'ALLOWED' if verdict['allowed'] else 'BLOCKED'}: {verdict['text']}"


def _fixed(value: float | None, decimals: int, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign},.{decimals}f}"


def _bps(value: float | None, sign: str = "") -> str:
    """A spread can be a thousandth of a basis point: below a tenth, four decimals."""
    return _fixed(value, 4 if value is not None and abs(value) < 0.1 else 2, sign)


def _price(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.{2 if abs(value) >= 1000 else 4 if abs(value) >= 1 else 8}f}"


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _utc(ms: int) -> str:
    return iso(ms * MILLISECOND).replace("T", " ").replace("Z", " UTC")


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]
    ]


def _draw(still: Still) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown, history = still._view, still._history
    figure = Figure(figsize=(11, 6.6), dpi=110, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    _header(figure, still)
    grid = figure.add_gridspec(
        3, 2, height_ratios=(2.1, 2.1, 1.9), width_ratios=(1.55, 1), hspace=0.42, wspace=0.12,
        left=0.06, right=0.98, top=0.86, bottom=0.03,
    )  # fmt: skip
    spread, imbalance = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    _chart(spread, history, "spread", "spread, bps")
    _chart(imbalance, history, "imbalance", "imbalance (venues: top 5)")
    imbalance.set_ylim(-1.05, 1.05)
    spread.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), fontsize=7, frameon=False, ncols=6)
    _facts(figure.add_subplot(grid[:2, 1]), shown)
    _tables(figure.add_subplot(grid[2, :]), shown)
    figure.text(
        0.34, 0.6, shown["mode"], fontsize=64, weight="bold", alpha=0.07, rotation=12,
        color=_MODE_COLOUR[shown["mode"]], ha="center", va="center",
    )  # fmt: skip
    out = BytesIO()
    canvas.print_png(out)
    return out.getvalue()


def _header(figure: Figure, still: Still) -> None:
    mode = still._view["mode"]
    badge = {"facecolor": _MODE_COLOUR[mode], "edgecolor": "none", "boxstyle": "round,pad=0.35"}
    figure.text(0.025, 0.945, mode, fontsize=12, weight="bold", color="white", bbox=badge, va="center")
    title = still.title.removeprefix(mode).strip()
    figure.text(0.115, 0.945, title, fontsize=12, weight="bold", color=_INK, va="center")
    figure.text(0.98, 0.945, still.date[:120], fontsize=7.5, color=_MUTED, va="center", ha="right")


def _chart(axes: Axes, history: View, key: str, label: str) -> None:
    points = history["points"]
    times: list[Any] = [datetime.fromtimestamp(point["t"] / 1000, UTC) for point in points]
    for i, name in enumerate(history["names"]):
        values = [point[key][i] if i < len(point[key]) else None for point in points]
        series: list[Any] = [float("nan") if value is None else value for value in values]
        axes.plot(times, series, label=name, color=_SERIES[i % len(_SERIES)], linewidth=1.6 if i == 0 else 1)
    axes.set_title(label, fontsize=8.5, color=_MUTED, loc="left", pad=3)
    axes.tick_params(labelsize=7, colors=_MUTED, length=2)
    axes.grid(color=_LINE, linewidth=0.5)
    axes.margins(x=0)
    for spine in axes.spines.values():
        spine.set_color(_LINE)


def _facts(axes: Axes, shown: View) -> None:
    axes.set_axis_off()
    at = 1.0
    for name, value in facts(shown):
        lines = _wrapped(value, 46)
        axes.text(0.0, at, name, fontsize=8.5, color=_MUTED, va="top", transform=axes.transAxes)
        axes.text(0.24, at, "\n".join(lines), fontsize=8.5, color=_INK, va="top", transform=axes.transAxes)
        at -= 0.06 * len(lines)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)[:3] or [""]


def _tables(axes: Axes, shown: View) -> None:
    axes.set_axis_off()
    venues = _columns(_VENUE_COLUMNS, venue_rows(shown))
    orders = _columns(_ORDER_COLUMNS, order_rows(shown)) if shown["orders"] else ["no orders"]
    text = "\n".join(line[:128] for line in [*venues, "", *orders])
    axes.text(
        -0.04, 1.0, text, fontsize=7.6, family="monospace", color=_INK, va="top", linespacing=1.35,
        transform=axes.transAxes,
    )  # fmt: skip
