"""The handle a notebook holds of one parent order."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from citadel_kit.clock import SECOND, iso
from citadel_kit.run.shortfall import Execution
from citadel_kit.types import OrderView

if TYPE_CHECKING:
    import pandas as pd


class Desk(Protocol):
    """What a handle asks of the connector."""

    def order(self, parent_id: str) -> OrderView: ...

    def cancel(self, parent_id: str) -> None: ...

    def wait(self, parent_id: str, seconds: float) -> OrderView: ...

    def history(self, parent_id: str) -> pd.DataFrame: ...


class Order:
    """Always shows the present: each attribute asks the engine anew."""

    def __init__(self, desk: Desk, parent_id: str) -> None:
        self._desk, self.parent_id = desk, parent_id

    @property
    def view(self) -> OrderView:
        """Everything about it, as plain data of this moment."""
        return self._desk.order(self.parent_id)

    @property
    def status(self) -> str:
        """working, filled, cancelled, expired or failed"""
        return self.view.status

    @property
    def filled(self) -> float:
        """In base currency."""
        return self.view.filled

    @property
    def remaining(self) -> float:
        """In base currency."""
        return self.view.remaining

    @property
    def average_price(self) -> float:
        """NaN before the first fill."""
        return self.view.average_price

    @property
    def slippage_bps(self) -> float:
        """Average against arrival mid, without fees; positive is worse for us. NaN before a fill."""
        return self.view.slippage_bps

    def cancel(self) -> None:
        """Returns when the wish is with the engine, not when the venue has confirmed it."""
        self._desk.cancel(self.parent_id)

    def wait(self, seconds: float = 120.0) -> OrderView:
        """Until it is finished, or for so many seconds of the market's time."""
        return self._desk.wait(self.parent_id, seconds)

    def history(self) -> pd.DataFrame:
        """Each stretch at a price and each fill, in order of time."""
        return self._desk.history(self.parent_id)

    def __repr__(self) -> str:
        return f"<Order {describe(self.view)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts(self.view).items()
        )
        return f"<table>{rows}</table>"


def describe(view: OrderView) -> str:
    """One line."""
    drill = " (forced drill)" if view.forced else ""
    slip = f", slippage {view.slippage_bps:+.3f} bps" if view.filled else ""
    return (
        f"{view.side.name} {view.qty:g} {view.symbol} on {view.venue}{drill}: {view.status}, "
        f"{view.filled:g} filled{slip}"
    )


def facts(view: OrderView) -> dict[str, str]:
    """The view as texts with units."""
    base, quote = view.symbol.split("/")
    took = (view.finished_ns - view.submitted_ns) / SECOND
    return {
        "order": describe(view),
        "status": view.status if view.note == view.status else f"{view.status}: {view.note}",
        "filled": f"{view.filled:g} of {view.qty:g} {base}",
        "arrival mid": f"{view.arrival_mid:,.4f} {quote}",
        "average price": f"{view.average_price:,.4f} {quote}",
        "slippage": f"{view.slippage_bps:+.3f} bps against the arrival mid, without fees; negative is better",
        "fees": f"{view.fees:.6f} {quote}",
        "reprices": str(view.reprices),
        "submitted": iso(view.submitted_ns),
        **({"exit plan": view.plan} if view.plan else {}),
        "took": f"{took:.3f} s" if view.finished_ns else "still working",
    }


def as_frame(views: Sequence[OrderView]) -> pd.DataFrame:
    """One row a parent order; times in UTC."""
    import pandas as pd  # half a second that only those who ask for a table pay

    rows = [{**msgspec.structs.asdict(v), "side": v.side.name, "purpose": v.purpose.name} for v in views]
    frame = pd.DataFrame(rows, columns=list(OrderView.__struct_fields__))
    for name in ("submitted", "finished"):
        stamps = frame.pop(f"{name}_ns").astype("int64")
        frame[name] = pd.to_datetime(stamps.where(stamps != 0), utc=True, unit="ns")
    return frame.set_index("parent_id")


def history(executions: Sequence[Execution]) -> pd.DataFrame:
    """`rested` rows with their span, `filled` rows with the market of their moment."""
    import pandas as pd

    rests: list[dict[str, Any]] = [
        {"at": r.from_ns, "what": "rested", "price": r.price, "until": r.until_ns, "order_id": r.order_id,
         "parent_id": e.parent_id}
        for e in executions for r in e.rests
    ]  # fmt: skip
    fills: list[dict[str, Any]] = [
        {"at": f.at_ns, "what": "filled", "price": f.price, "qty": f.qty, "maker": f.maker, "fee": f.fee,
         "bid": f.bid, "ask": f.ask, "parent_id": e.parent_id}
        for e in executions for f in e.fills
    ]  # fmt: skip
    names = ["at", "what", "price", "qty", "until", "order_id", "maker", "fee", "bid", "ask", "parent_id"]
    rows = sorted([*rests, *fills], key=lambda row: int(row["at"]))
    frame = pd.DataFrame(rows, columns=names)
    for name in ("at", "until"):
        stamps = frame[name].fillna(0).astype("int64")
        frame[name] = pd.to_datetime(stamps.where(stamps != 0), utc=True, unit="ns")
    return frame
