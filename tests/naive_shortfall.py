"""The implementation shortfall in exact fractions, one fill after the other: the twin of `run.shortfall`."""

from __future__ import annotations

from fractions import Fraction

from citadel_kit.run.shortfall import Execution


def plain_shortfall(e: Execution) -> dict[str, Fraction]:
    """In basis points, as money paid beyond the paper portfolio's over the money it would have paid."""
    mid = (Fraction(e.arrival.bid) + Fraction(e.arrival.ask)) / 2
    paper = real = spread = drift = fees = filled = Fraction(0)
    for fill in e.fills:
        qty = Fraction(fill.qty) * Fraction(e.contract_size)
        then = (Fraction(fill.bid) + Fraction(fill.ask)) / 2
        paper += qty * mid
        real += qty * Fraction(fill.price)
        spread += e.side * qty * (Fraction(fill.price) - then)
        drift += e.side * qty * (then - mid)
        fees += Fraction(fill.fee)
        filled += Fraction(fill.qty)
    last = (Fraction(e.end.bid) + Fraction(e.end.ask)) / 2
    missed = e.side * (Fraction(e.qty) - filled) * (last - mid) / (Fraction(e.qty) * mid)
    costs = {"spread": spread, "drift": drift, "fees": fees, "shortfall": e.side * (real - paper) + fees}
    return {name: cost / paper * 10_000 for name, cost in costs.items()} | {"opportunity": missed * 10_000}
