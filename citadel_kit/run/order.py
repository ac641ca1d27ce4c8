"""The handle a notebook holds of one parent order."""

from __future__ import annotations

from html import escape
from typing import Protocol

from citadel_kit.clock import SECOND, iso
from citadel_kit.types import OrderView


class Desk(Protocol):
    """What a handle asks of the connector."""

    def order(self, parent_id: str) -> OrderView: ...

    def cancel(self, parent_id: str) -> None: ...

    def wait(self, parent_id: str, seconds: float) -> OrderView: ...


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
        "took": f"{took:.3f} s" if view.finished_ns else "still working",
    }
