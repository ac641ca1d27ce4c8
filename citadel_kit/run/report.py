"""Transaction cost analysis: the table, the means and the charts over many parent orders."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from citadel_kit.errors import ConfigError
from citadel_kit.run.shortfall import WHOLE, Execution, Row, measure

if TYPE_CHECKING:
    import pandas as pd

PARTS: Final = ("spread", "drift", "fees")
MEASURES: Final = ("shortfall", *PARTS, "opportunity")
ENOUGH: Final = 20
"""Orders below which a mean has no interval."""
_DRAWS: Final = 2_000
_SHOWN: Final = 50


class ExecutionReport:
    """Of parent orders, the same whether they come from a replay, a paper or a live engine or its journal."""

    def __init__(self, executions: Iterable[Execution]) -> None:
        self.executions = tuple(executions)

    def __len__(self) -> int:
        return len(self.executions)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per parent order, as `run.shortfall.Row`, by time of submission: `submitted`, in UTC."""
        import pandas as pd

        rows = sorted((measure(e) for e in self.executions), key=lambda row: row.submitted_ns)
        frame = pd.DataFrame(rows, columns=list(Row._fields))
        times = pd.to_datetime(frame.pop("submitted_ns").astype("int64"), utc=True, unit="ns")
        frame.insert(Row._fields.index("submitted_ns"), "submitted", times)
        return frame

    @property
    def summary(self) -> pd.DataFrame:
        """Means over the orders, weighed by `notional`; opportunity by `intended`.

        `low`, `high`: 95 % bootstrap interval, NaN below `ENOUGH` orders. It takes orders for independent of
        each other: where they overlap in time it is too narrow. `orders`: with a known value.
        """
        import pandas as pd

        frame, rows = self.frame, {}
        for name in MEASURES:
            weights = frame["intended" if name == "opportunity" else "notional"].to_numpy(float)
            values = frame[f"{name}_bps"].to_numpy(float)
            known = ~np.isnan(values) & (weights > 0)
            rows[name] = _mean(values[known], weights[known])
        return pd.DataFrame.from_dict(rows, orient="index", columns=["bps", "low", "high", "orders"])

    @property
    def counts(self) -> dict[str, float]:
        """Orders, how many filled whole, partly and not at all, and the share of what was intended."""
        frame = self.frame
        whole = frame["fill_rate"] > 1 - WHOLE
        intended = float(frame["intended"].sum())
        return {
            "orders": len(frame),
            "filled": int(whole.sum()),
            "partly": int(((frame["filled"] > 0) & ~whole).sum()),
            "unfilled": int((frame["filled"] == 0).sum()),
            "fill_rate": float(frame["notional"].sum()) / intended if intended else nan,
            "reprices": int(frame["reprices"].sum()),
        }

    def figure(self) -> Any:
        """Shortfall by component, one bar per order: a plotly figure."""
        from citadel_kit.run.report_charts import components

        return components(self.frame)

    def order_figure(self, parent_id: str, run: str = "") -> Any:
        """One parent on the market: bid, mid and ask, where its orders rested, its fills. A plotly figure.
        As `of`."""
        from citadel_kit.run.report_charts import on_the_book

        return on_the_book(self.of(parent_id, run))

    def of(self, parent_id: str, run: str = "") -> Execution:
        """`run`: needed where several runs have that id. Raises ConfigError for an order it has not."""
        found = [e for e in self.executions if e.parent_id == parent_id and (not run or e.run == run)]
        if len(found) != 1:
            problem = "several runs have it: name one" if found else f"no order {parent_id!r}"
            known = ", ".join(e.name for e in self.executions[:_SHOWN])
            raise ConfigError("parent_id", problem, f"There are: {known}")
        return found[0]

    def __repr__(self) -> str:
        c, bps = self.counts, self.summary["bps"]
        parts = ", ".join(f"{name} {bps[name]:+.3f}" for name in PARTS)
        return (
            f"<ExecutionReport {c['orders']} orders, {c['filled']} filled: shortfall "
            f"{bps['shortfall']:+.3f} bps ({parts}), opportunity {bps['opportunity']:+.3f} bps>"
        )

    def _repr_html_(self) -> str:
        c, frame = self.counts, self.frame
        head = (
            f"<p>{c['orders']} orders: {c['filled']} filled, {c['partly']} partly, {c['unfilled']} not; "
            f"{c['fill_rate']:.1%} of the intended notional. Basis points against the arrival mid, positive "
            "is a cost; spread, drift and fees add up to the shortfall.</p>"
        )
        shown = frame[list(_SHOWN_COLUMNS)].tail(_SHOWN)
        more = f"<p>The last {_SHOWN} of {len(frame)}.</p>" if len(frame) > _SHOWN else ""
        return head + _html(self.summary) + more + _html(shown)


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(float_format="{:,.4f}".format, na_rep="", border=0)


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Weighed, with the interval of a bootstrap over the orders; the same draws every time."""
    n = len(values)
    if n == 0:
        return nan, nan, nan, 0
    mean = float(values @ weights / weights.sum())
    if n < ENOUGH:
        return mean, nan, nan, n
    draws = np.random.default_rng(7).integers(0, n, (_DRAWS, n))
    means = (values * weights)[draws].sum(axis=1) / weights[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return mean, float(low), float(high), n


_SHOWN_COLUMNS: Final = (
    "parent_id", "venue", "side", "status", "qty", "fill_rate", "arrival_price", "average_price",
    "shortfall_bps", "spread_bps", "drift_bps", "fees_bps", "opportunity_bps", "time_to_first_fill_s",
    "time_to_fill_s", "reprices", "queue_s",
)  # fmt: skip
